//! Where text goes that nobody has to see: a failed write is the last one.

use std::io::Write;

#[derive(Debug)]
pub(super) struct Outlet<W> {
    /// Absent once a write has failed: a closed pipe, a terminal that is gone.
    out: Option<W>,
}

impl<W: Write> Outlet<W> {
    pub fn new(out: W) -> Self {
        Self { out: Some(out) }
    }

    /// Writes all of it and flushes.
    pub fn put(&mut self, text: &str) {
        let Some(out) = &mut self.out else { return };
        if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
            self.out = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    struct Broken<'a>(&'a mut usize);

    impl Write for Broken<'_> {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            *self.0 += 1;
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn after_a_failed_write_nothing_more_is_attempted() {
        let mut attempts = 0;
        let mut outlet = Outlet::new(Broken(&mut attempts));
        outlet.put("one\n");
        outlet.put("two\n");
        assert_eq!(attempts, 1);
    }
}
