//! Reading a file while it is written.

use std::fs::File;
use std::io::{self, Read};
use std::sync::mpsc::Receiver;

/// Its end is where it was last said to have grown to, once nobody can say so any more.
pub(super) struct Growing {
    file: File,
    grown: Receiver<u64>,
    length: u64,
    read: u64,
}

impl Growing {
    /// `grown` gives the length of the file after each write.
    pub(super) fn new(file: File, grown: Receiver<u64>) -> Self {
        Self { file, grown, length: 0, read: 0 }
    }
}

impl Read for Growing {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.read >= self.length {
            match self.grown.recv() {
                Ok(length) => self.length = length,
                Err(_) => return Ok(0),
            }
        }
        let left = usize::try_from(self.length - self.read).unwrap_or(usize::MAX);
        let room = left.min(buf.len());
        let n = self.file.read(&mut buf[..room])?;
        if n == 0 && room > 0 {
            let shorter = "the file is shorter than what was written";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, shorter));
        }
        self.read += n as u64;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn it_is_read_as_far_as_it_was_said_to_be() {
        let mut held = tempfile::NamedTempFile::new().unwrap();
        let (grown, growth) = mpsc::channel();
        let mut growing = Growing::new(held.reopen().unwrap(), growth);
        held.write_all(b"abcdef").unwrap();
        grown.send(2).unwrap();
        let mut buf = [0; 4];
        assert_eq!(growing.read(&mut buf).unwrap(), 2);
        grown.send(3).unwrap();
        grown.send(5).unwrap();
        drop(grown);
        let mut rest = Vec::new();
        growing.read_to_end(&mut rest).unwrap();
        assert_eq!((&buf[..2], &rest[..]), (&b"ab"[..], &b"cde"[..]));
    }

    #[test]
    fn what_has_gone_from_it_is_an_error() {
        let (grown, growth) = mpsc::channel();
        let mut growing = Growing::new(tempfile::tempfile().unwrap(), growth);
        grown.send(1).unwrap();
        assert_eq!(growing.read(&mut [0; 4]).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
