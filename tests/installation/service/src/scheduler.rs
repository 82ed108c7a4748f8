//! Writes of the scheduler, off by default so that data can be compared:
//! `WRITES=1` makes it insert a build every 50 ms.

use std::thread;
use std::time::Duration;

use crate::database;

const PAUSE: Duration = Duration::from_millis(50);

pub(crate) fn start_writing_if_asked() {
    if std::env::var("WRITES").as_deref() == Ok("1") {
        thread::spawn(|| {
            loop {
                if let Err(reason) = write_builds() {
                    eprintln!("builds are not written: {reason}");
                }
                thread::sleep(PAUSE);
            }
        });
    }
}

/// Until the connection is lost.
fn write_builds() -> Result<(), String> {
    let mut client = database::connect()?;
    loop {
        client
            .execute("INSERT INTO tess_system.builds (slug, state) VALUES ('acme', 'queued')", &[])
            .map_err(|e| database::describe(&e))?;
        thread::sleep(PAUSE);
    }
}
