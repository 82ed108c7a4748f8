//! A compressed archive, made in memory: a bundle is a few megabytes at most.

use std::io;

use tar::{Builder, Header};

const LEVEL: i32 = 6;

pub struct Archive {
    files: Builder<zstd::Encoder<'static, Vec<u8>>>,
    directory: String,
    at: u64,
}

impl Archive {
    /// Everything in it stands in one directory of this name.
    ///
    /// # Errors
    /// The compressor cannot be set up.
    pub fn new(directory: String) -> io::Result<Self> {
        let at = u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or_default();
        let files = Builder::new(zstd::Encoder::new(Vec::new(), LEVEL)?);
        Ok(Self { files, directory, at })
    }

    /// # Errors
    /// The name is no relative path.
    pub fn add(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        let mut header = Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(self.at);
        self.files.append_data(&mut header, format!("{}/{name}", self.directory), content)
    }

    /// # Errors
    /// Those of the compressor.
    pub fn finish(self) -> io::Result<Vec<u8>> {
        self.files.into_inner()?.finish()
    }
}
