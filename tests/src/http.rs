//! As much of HTTP as the fakes need: one request, one answer, one connection.

use std::io::{BufRead as _, BufReader, Read, Write};

pub(crate) struct Request {
    pub method: String,
    pub path: String,
}

impl Request {
    /// `None`: that was no HTTP, or nothing at all.
    pub fn read(from: impl Read) -> Option<Self> {
        let mut lines = BufReader::new(from).lines().map_while(Result::ok);
        let first = lines.next()?;
        let mut words = first.split(' ');
        let (method, path, _) = (words.next()?, words.next()?, words.next()?);
        // Bodies are never sent to a fake.
        lines.find(String::is_empty)?;
        Some(Self { method: method.to_owned(), path: path.to_owned() })
    }
}

pub(crate) struct Answer<'a> {
    pub status: &'a str,
    pub headers: &'a str,
    pub body: &'a [u8],
}

impl Answer<'_> {
    pub fn write(&self, request: &Request, mut to: impl Write) {
        // Whoever asked may have gone.
        let _ = self.head(&mut to).and_then(|()| match request.method.as_str() {
            "HEAD" => Ok(()),
            _ => to.write_all(self.body),
        });
    }

    /// The length is that of the whole body.
    pub fn head(&self, mut to: impl Write) -> std::io::Result<()> {
        let Self { status, headers, body } = self;
        let length = body.len();
        write!(
            to,
            "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n"
        )
    }
}
