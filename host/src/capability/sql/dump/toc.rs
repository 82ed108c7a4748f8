//! The table of contents of a dump, as `pg_restore --list` prints it.

/// Counts the tables while the list goes by.
#[derive(Debug, Default)]
pub(super) struct Counter {
    tables: u32,
    line: Vec<u8>,
}

impl Counter {
    pub(super) fn take(&mut self, part: &[u8]) {
        for &byte in part {
            if byte == b'\n' {
                self.tables += u32::from(is_table(&self.line));
                self.line.clear();
            } else if self.line.len() < 256 {
                // What tells a table stands at the beginning.
                self.line.push(byte);
            }
        }
    }

    pub(super) fn tables(mut self) -> u32 {
        self.take(b"\n");
        self.tables
    }
}

/// Such as `215; 1259 16390 TABLE public facts owner`. 1259 is `pg_class`: it keeps
/// `TABLE DATA` and `TABLE ATTACH` apart from a table of a schema named "DATA".
fn is_table(line: &[u8]) -> bool {
    let line = String::from_utf8_lossy(line);
    let mut words = line.split(' ');
    let is_entry = words
        .next()
        .and_then(|id| id.strip_suffix(';'))
        .is_some_and(|id| id.parse::<u64>().is_ok());
    is_entry && words.next() == Some("1259") && words.nth(1) == Some("TABLE")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_counted_and_nothing_else() {
        let list = b";\n; Archive created at 2026-11-22\n;     TOC Entries: 9\n\
            6; 2615 16390 SCHEMA - acme-eu_meta t\n\
            215; 1259 16391 TABLE public facts t\n\
            216; 1259 16395 TABLE DATA x t\n\
            217; 1259 16399 SEQUENCE public s t\n\
            218; 1259 16400 FOREIGN TABLE public f t\n\
            3351; 0 16391 TABLE DATA public facts t\n\
            3350; 0 0 TABLE ATTACH public part_a t\n\
            219; 1259 16410 VIEW public TABLE t\n\
            220; 1259 16411 TABLE public last t";
        for size in [1, 7, 4096] {
            let mut counter = Counter::default();
            list.chunks(size).for_each(|part| counter.take(part));
            assert_eq!(counter.tables(), 3);
        }
    }
}
