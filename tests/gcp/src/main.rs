//! The fake Google Cloud in the foreground, for scripts and demonstrations.

use std::process::ExitCode;
use std::{fs, io};

use tessallite_up_gcp::{Fake, Setup};

const USAGE: &str = "usage: tessallite-up-gcp [--port N] [--speed FACTOR] [--setup FILE]

Serves a fake Google Cloud on 127.0.0.1 until SIGINT or SIGTERM, and prints its address.

  --port N        the port; a free one by default
  --speed FACTOR  how much faster than ours its time runs
  --setup FILE    what it starts with, as JSON (see src/setup.rs); all fields have defaults";

fn main() -> ExitCode {
    match run(std::env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}

fn run(mut arguments: impl Iterator<Item = String>) -> Result<(), String> {
    let mut setup = Setup::default();
    let mut port = 0;
    let mut speed = None;
    while let Some(option) = arguments.next() {
        if option == "--help" {
            println!("{USAGE}");
            return Ok(());
        }
        let value = arguments.next().ok_or_else(|| USAGE.to_owned())?;
        match option.as_str() {
            "--port" => port = number(&value)?,
            "--speed" => speed = Some(number(&value)?),
            "--setup" => setup = read(&value).map_err(|error| format!("{value}: {error}"))?,
            _ => return Err(USAGE.to_owned()),
        }
    }
    setup.speed = speed.unwrap_or(setup.speed);
    serve(setup, port).map_err(|error| error.to_string())
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text} is not such a number"))
}

fn read(path: &str) -> Result<Setup, String> {
    let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map_err(|error| error.to_string())
}

fn serve(setup: Setup, port: u16) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminated = signal(SignalKind::terminate())?;
        let fake = Fake::start_at(setup, port)?;
        println!("{}", fake.url());
        tokio::select! {
            ended = tokio::signal::ctrl_c() => ended,
            _ = terminated.recv() => Ok(()),
        }
    })
}
