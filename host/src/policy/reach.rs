//! What one plugin may reach outside of the installation.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::origin::{Malformed, Origin};

/// Nothing, unless it is listed.
#[derive(Debug, Clone, Default)]
pub struct Reach {
    origins: Vec<Origin>,
    /// Addresses that names may lead to although [`refusal`] has something against them.
    networks: Vec<IpNet>,
}

impl Reach {
    /// # Errors
    /// A text is no origin, or no network.
    pub fn parse(origins: &[String], networks: &[String]) -> Result<Self, Malformed> {
        let origins = origins.iter().map(|text| Origin::parse(text)).collect::<Result<_, _>>()?;
        let networks = networks.iter().map(|text| network(text)).collect::<Result<_, _>>()?;
        Ok(Self { origins, networks })
    }

    pub fn allows(&self, origin: &Origin) -> bool {
        self.origins.contains(origin)
    }

    /// What is against connecting to this address for this origin.
    pub fn refusal(&self, origin: &Origin, address: IpAddr) -> Option<&'static str> {
        // Who lists an address means it. It says nothing about a name that leads there.
        let listed = origin.address() == Some(address) && self.allows(origin);
        if listed || self.networks.iter().any(|network| network.contains(&address)) {
            return None;
        }
        refusal(address).or_else(|| origin.name().and_then(special))
    }
}

/// An address, or one with the length of its prefix.
fn network(text: &str) -> Result<IpNet, Malformed> {
    let wrong = |why: String| Malformed::new(text, "network", why);
    let network = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => {
            text.parse::<IpNet>().map_err(|_| wrong("it is written as ADDRESS/BITS".to_owned()))?
        }
    };
    // Whoever writes 10.1.2.3/8 may mean less than all of 10.0.0.0/8.
    if network != network.trunc() {
        return Err(wrong(format!("the network of this address is {}", network.trunc())));
    }
    Ok(network)
}

const METADATA: &str = "the address of a metadata service";
const THIS: &str = "an address of \"this network\"";
const LOOPBACK: &str = "a loopback address";
const UNSPECIFIED: &str = "the unspecified address";
const LINK_LOCAL: &str = "a link-local address";
const SITE_LOCAL: &str = "a site-local address";
const MULTICAST: &str = "a multicast address";
const BROADCAST: &str = "the broadcast address";
const RESERVED: &str = "a reserved address";
const CARRIER: &str = "an IPv6 address that carries an IPv4 address";

/// The first that contains an address says what it is.
const REFUSED: [(IpNet, &str); 30] = [
    (v4([0, 0, 0, 0], 32), UNSPECIFIED),
    (v4([0, 0, 0, 0], 8), THIS),
    (v4([127, 0, 0, 0], 8), LOOPBACK),
    // Amazon, Google, Azure and most others; Amazon's containers and clusters; Scaleway.
    (v4([169, 254, 169, 254], 32), METADATA),
    (v4([169, 254, 170, 2], 32), METADATA),
    (v4([169, 254, 170, 23], 32), METADATA),
    (v4([169, 254, 42, 42], 32), METADATA),
    (v4([169, 254, 0, 0], 16), LINK_LOCAL),
    // Alibaba, Azure, Oracle.
    (v4([100, 100, 100, 200], 32), METADATA),
    (v4([168, 63, 129, 16], 32), METADATA),
    (v4([192, 0, 0, 192], 32), METADATA),
    (v4([224, 0, 0, 0], 4), MULTICAST),
    (v4([255, 255, 255, 255], 32), BROADCAST),
    (v4([240, 0, 0, 0], 4), RESERVED),
    (v6([0; 8], 128), UNSPECIFIED),
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), LOOPBACK),
    // Compatible, mapped, translated, NAT64 twice, Teredo, 6to4.
    (v6([0; 8], 96), CARRIER),
    (v6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96), CARRIER),
    (v6([0, 0, 0, 0, 0xffff, 0, 0, 0], 96), CARRIER),
    (v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96), CARRIER),
    (v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), CARRIER),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32), CARRIER),
    (v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), CARRIER),
    // Amazon, Google, Oracle, Scaleway. Other unique-local addresses are as private ones.
    (v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0], 32), METADATA),
    (v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128), METADATA),
    (v6([0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe], 128), METADATA),
    (v6([0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42], 128), METADATA),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), LINK_LOCAL),
    (v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), SITE_LOCAL),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), MULTICAST),
];

const fn v4([a, b, c, d]: [u8; 4], bits: u8) -> IpNet {
    IpNet::new_assert(IpAddr::V4(Ipv4Addr::new(a, b, c, d)), bits)
}

const fn v6([a, b, c, d, e, f, g, h]: [u16; 8], bits: u8) -> IpNet {
    IpNet::new_assert(IpAddr::V6(Ipv6Addr::new(a, b, c, d, e, f, g, h)), bits)
}

/// What the address is, where that is something no plugin should be led to.
pub fn refusal(address: IpAddr) -> Option<&'static str> {
    REFUSED.iter().find(|(network, _)| network.contains(&address)).map(|(_, class)| *class)
}

/// Names that stand for this machine or for a metadata service wherever they lead, those
/// below them included.
const SPECIAL: [&str; 10] = [
    "localhost",
    "localhost.localdomain",
    "ip6-localhost",
    "ip6-loopback",
    "metadata",
    "metadata.google.internal",
    "metadata.goog",
    "metadata.azure.internal",
    "instance-data",
    "instance-data.ec2.internal",
];

fn special(name: &str) -> Option<&'static str> {
    let is = |known: &&str| {
        name.strip_suffix(known).is_some_and(|above| above.is_empty() || above.ends_with('.'))
    };
    SPECIAL.iter().any(is).then_some("the name stands for this machine or for a metadata service")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn refused(reach: &Reach, origin: &str, address: &str) -> Option<&'static str> {
        reach.refusal(&Origin::parse(origin).unwrap(), address.parse().unwrap())
    }

    #[test]
    fn every_class_has_its_borders() {
        for (class, addresses) in [
            (Some(UNSPECIFIED), &["0.0.0.0", "::"][..]),
            (Some(THIS), &["0.0.0.1", "0.255.255.255"]),
            (Some(LOOPBACK), &["127.0.0.0", "127.0.0.1", "127.255.255.255", "::1"]),
            (Some(LINK_LOCAL), &["169.254.0.0", "169.254.255.255", "fe80::", "febf:ffff::1"]),
            (Some(SITE_LOCAL), &["fec0::", "feff:ffff::1"]),
            (Some(MULTICAST), &["224.0.0.1", "239.255.255.255", "ff02::1"]),
            (Some(RESERVED), &["240.0.0.0", "255.255.255.254"]),
            (Some(BROADCAST), &["255.255.255.255"]),
            (None, &["1.0.0.0", "126.255.255.255", "128.0.0.0", "223.255.255.255"]),
            (None, &["169.253.255.255", "169.255.0.0", "168.63.129.17", "100.100.100.201"]),
            (None, &["10.0.0.1", "172.16.0.1", "192.168.1.1", "fd00::1", "fc00::1"]),
            (None, &["2606:4700::1", "fe7f::1", "2001:1::1", "2003::1", "64:ff9b:2::1"]),
        ] {
            for address in addresses {
                assert_eq!(refusal(address.parse().unwrap()), class, "{address}");
            }
        }
    }

    #[test]
    fn metadata_services_are_known_by_address() {
        for address in [
            "169.254.169.254",
            "169.254.170.2",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "fd00:ec2::254",
            "fd00:ec2::23",
            "fd20:ce::254",
            "fd00:c1::a9fe:a9fe",
            "fd00:42::42",
        ] {
            assert_eq!(refusal(address.parse().unwrap()), Some(METADATA), "{address}");
        }
    }

    #[test]
    fn an_ipv4_address_does_not_hide_in_an_ipv6_address() {
        for address in [
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::ffff:0:7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::a9fe:a9fe",
            "64:ff9b:1:ffff:ffff::1",
            "2002:7f00:1::",
            "2001:0:1::1",
        ] {
            assert_eq!(refusal(address.parse().unwrap()), Some(CARRIER), "{address}");
        }
    }

    #[test]
    fn nothing_is_listed_by_itself() {
        for origin in ["http://169.254.169.254", "http://localhost", "https://a.example"] {
            assert!(!Reach::default().allows(&Origin::parse(origin).unwrap()), "{origin}");
        }
    }

    #[test]
    fn a_granted_network_allows_what_its_class_refuses() {
        let reach = Reach::parse(&[], &owned(&["127.0.0.0/30", "::1"])).unwrap();
        assert_eq!(refused(&reach, "http://a.example", "127.0.0.3"), None);
        assert_eq!(refused(&reach, "http://a.example", "127.0.0.4"), Some(LOOPBACK));
        assert_eq!(refused(&reach, "http://a.example", "::1"), None);
        assert_eq!(refused(&reach, "http://a.example", "::ffff:127.0.0.1"), Some(CARRIER));
    }

    #[test]
    fn a_listed_address_is_granted_for_its_own_origin_only() {
        let reach =
            Reach::parse(&owned(&["http://127.0.0.1:81", "http://a.example"]), &[]).unwrap();
        assert_eq!(refused(&reach, "http://2130706433:81", "127.0.0.1"), None);
        assert_eq!(refused(&reach, "http://127.0.0.1:82", "127.0.0.1"), Some(LOOPBACK));
        assert_eq!(refused(&reach, "http://127.0.0.1:81", "127.0.0.2"), Some(LOOPBACK));
        assert_eq!(refused(&reach, "http://a.example", "127.0.0.1"), Some(LOOPBACK));
    }

    #[test]
    fn a_special_name_needs_its_addresses_granted_wherever_it_leads() {
        for name in [
            "localhost",
            "a.LOCALHOST.",
            "metadata",
            "metadata.google.internal.",
            "metadata.goog",
            "instance-data.ec2.internal",
        ] {
            let origin = format!("http://{name}");
            let listed = Reach::parse(std::slice::from_ref(&origin), &[]).unwrap();
            assert!(refused(&listed, &origin, "10.0.0.1").is_some(), "{name}");
            let granted = Reach::parse(&[], &owned(&["10.0.0.0/8"])).unwrap();
            assert_eq!(refused(&granted, &origin, "10.0.0.1"), None, "{name}");
        }
        for name in ["notlocalhost", "localhost.example", "metadata.example"] {
            let origin = format!("http://{name}");
            assert_eq!(refused(&Reach::default(), &origin, "10.0.0.1"), None, "{name}");
        }
    }

    #[test]
    fn a_network_is_written_in_one_way() {
        for text in ["10.0.0.0/8", "10.0.0.1", "fd00::/8", "::1/128"] {
            assert!(Reach::parse(&[], &owned(&[text])).is_ok(), "{text}");
        }
        for text in ["", "10.0.0.1/8", "10.0.0.0/33", "a.example", "*", "0x7f.1", "10.0.0.0/8 "] {
            assert!(Reach::parse(&[], &owned(&[text])).is_err(), "{text}");
        }
    }
}
