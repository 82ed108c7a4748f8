//! Asks services from outside, many times a second, and adds up how long they were away.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Often enough for what is seconds long, and not so often that the asking is what is measured.
const INTERVAL: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_millis(500);

/// Services and the ports of this machine at which they answer.
pub const SERVICES: [(&str, u16); 6] = [
    ("frontend", 13160),
    ("gateway", 13162),
    ("model-service", 13163),
    ("query-router", 13164),
    ("optimizer", 13165),
    ("scheduler", 13166),
];

pub struct Probes {
    stop: Arc<AtomicBool>,
    threads: Vec<(&'static str, JoinHandle<Duration>)>,
}

impl Probes {
    pub fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let threads = SERVICES.map(|(service, port)| {
            let stop = Arc::clone(&stop);
            (service, std::thread::spawn(move || watch(port, &stop)))
        });
        Self { stop, threads: threads.into() }
    }

    /// Waits until every service answers, and says how long each did not.
    pub fn finish(self) -> BTreeMap<&'static str, Duration> {
        self.stop.store(true, Ordering::Relaxed);
        let away = |thread: JoinHandle<Duration>| thread.join().unwrap_or(Duration::MAX);
        self.threads.into_iter().map(|(service, thread)| (service, away(thread))).collect()
    }
}

/// From the last good answer to the next one, wherever a bad one lies between.
fn watch(port: u16, stop: &AtomicBool) -> Duration {
    let mut away = Duration::ZERO;
    let mut last_good = Instant::now();
    let mut is_away = false;
    loop {
        let asked = Instant::now();
        let answered = answers(port);
        if answered && is_away {
            away += asked - last_good;
        }
        if answered {
            last_good = asked;
            if stop.load(Ordering::Relaxed) {
                return away;
            }
        }
        is_away = !answered;
        std::thread::sleep(INTERVAL.saturating_sub(asked.elapsed()));
    }
}

fn answers(port: u16) -> bool {
    let ask = || -> std::io::Result<bool> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(
            b"GET /api/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        )?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer.starts_with(b"HTTP/1.1 200 ") || answer.starts_with(b"HTTP/1.0 200 "))
    };
    ask().unwrap_or(false)
}
