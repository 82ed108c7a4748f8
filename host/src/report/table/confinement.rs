//! How this process is confined.

use super::super::paint::Paint;
use super::{NARROWEST, item};
use crate::confine::{Held, Status};

/// What is active, and what is not and why.
pub fn confinement(status: &Status, width: usize, colour: bool) -> String {
    let paint = Paint::new(colour);
    let kernel = status.abi.map(|abi| format!(" (Landlock ABI {abi})")).unwrap_or_default();
    let mut lines = vec![paint.bold(&format!("Confinement of this program{kernel}"))];
    let files = format!(
        "it writes nothing outside of {}; what it reads and runs is free",
        status.places().join(", ")
    );
    let parts = [
        ("files", &status.files, files.as_str()),
        ("TCP", &status.tcp, "it cannot listen; where it connects to is free"),
        ("privileges", &status.no_new_privileges, "no program that it starts gets new ones"),
    ];
    for (name, held, what) in parts {
        item(&mut lines, &format!("  {name:<10}  "), &told(held, what), width.max(NARROWEST));
    }
    lines.join("\n") + "\n"
}

fn told(held: &Held, what: &str) -> String {
    match held {
        Held::Active => format!("active: {what}"),
        Held::Partly(why) => format!("PARTLY, as {why}: {what}"),
        Held::Absent(why) => format!("ABSENT: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_active_and_what_is_not_is_told() {
        let status = Status {
            abi: Some(2),
            files: Held::Partly("files elsewhere can be truncated".into()),
            tcp: Held::Absent("the kernel cannot do it".into()),
            no_new_privileges: Held::Active,
            write: vec!["/dev/null".into(), "/srv/tess".into(), "/tmp".into()],
        };
        insta::assert_snapshot!(confinement(&status, 100, false), @r"
        Confinement of this program (Landlock ABI 2)
          files       PARTLY, as files elsewhere can be truncated: it writes nothing outside of /srv/tess,
                      /tmp; what it reads and runs is free
          TCP         ABSENT: the kernel cannot do it
          privileges  active: no program that it starts gets new ones
        ");
    }
}
