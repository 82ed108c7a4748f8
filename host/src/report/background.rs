//! A display that hangs must not hang the upgrade.
//!
//! A stopped terminal (Ctrl-S), a pager that nobody scrolls or a dead SSH connection
//! makes a write block for as long as it likes. So the display has a thread of its own,
//! and the run only ever puts events into its queue.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::{Event, Reporter};

/// Events that a display may lag behind; what comes on top is dropped.
const QUEUE: usize = 10_000;
/// Progress is worth nothing when it is old: it leaves room for the rest.
const QUEUED_PROGRESS: usize = 1_000;
/// How long the end of the program waits for the display.
const PATIENCE: Duration = Duration::from_secs(2);

enum Message {
    Event(Box<Event>),
    /// Answered when everything before it has been shown.
    Mark(Sender<()>),
}

/// Shows events through another reporter, without ever waiting for it.
///
/// Dropping it gives the display two seconds to show what is still queued.
pub struct Background {
    /// Absent while being dropped.
    queue: Option<SyncSender<Message>>,
    /// Progress in the queue.
    progress: Arc<AtomicUsize>,
    /// Disconnected once the display has ended.
    ended: Mutex<Receiver<()>>,
}

impl Background {
    /// If there can be no thread, nothing is shown.
    pub fn new(reporter: impl Reporter + 'static) -> Self {
        let (queue, messages) = sync_channel(QUEUE);
        let (end, ended) = channel::<()>();
        let progress = Arc::new(AtomicUsize::new(0));
        let queued = Arc::clone(&progress);
        let display = move || {
            // Dropped last, when the reporter has tidied up.
            let _end = end;
            show(&reporter, &messages, &queued);
            drop(reporter);
        };
        let _ = thread::Builder::new().name("display".into()).spawn(display);
        Self { queue: Some(queue), progress, ended: Mutex::new(ended) }
    }

    /// Waits until everything reported so far has been shown, but no longer than
    /// `at_most`. Answers whether it has: a question makes no sense before.
    pub fn catch_up(&self, at_most: Duration) -> bool {
        let (shown, mark) = channel();
        let Some(queue) = &self.queue else { return false };
        queue.try_send(Message::Mark(shown)).is_ok() && mark.recv_timeout(at_most).is_ok()
    }
}

impl Reporter for Background {
    fn report(&self, event: &Event) {
        let is_progress = matches!(event, Event::Progress { .. });
        if is_progress && self.progress.load(Ordering::Relaxed) >= QUEUED_PROGRESS {
            return;
        }
        let Some(queue) = &self.queue else { return };
        if is_progress {
            self.progress.fetch_add(1, Ordering::Relaxed);
        }
        if queue.try_send(Message::Event(Box::new(event.clone()))).is_err() && is_progress {
            self.progress.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.queue = None;
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _ = ended.recv_timeout(PATIENCE);
    }
}

fn show(reporter: &impl Reporter, messages: &Receiver<Message>, queued: &AtomicUsize) {
    for message in messages {
        match message {
            Message::Event(event) => {
                if matches!(*event, Event::Progress { .. }) {
                    queued.fetch_sub(1, Ordering::Relaxed);
                }
                reporter.report(&event);
            }
            Message::Mark(shown) => {
                let _ = shown.send(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    struct Slow(Arc<Mutex<Vec<Event>>>, Duration);

    impl Reporter for Slow {
        fn report(&self, event: &Event) {
            thread::sleep(self.1);
            self.0.lock().unwrap().push(event.clone());
        }
    }

    fn progress(done: u64) -> Event {
        Event::Progress { what: "pull".into(), done, total: None }
    }

    #[test]
    fn everything_is_shown_in_order_before_the_end() {
        let shown = Arc::new(Mutex::new(Vec::new()));
        let background = Background::new(Slow(Arc::clone(&shown), Duration::ZERO));
        let events: Vec<Event> = (0..100).map(progress).collect();
        events.iter().for_each(|event| background.report(event));
        assert!(background.catch_up(Duration::from_secs(10)));
        assert_eq!(*shown.lock().unwrap(), events);
        background.report(&progress(100));
        drop(background);
        assert_eq!(shown.lock().unwrap().len(), 101);
    }

    #[test]
    fn a_display_that_hangs_holds_nobody_up() {
        let began = Instant::now();
        let hung = Slow(Arc::default(), Duration::from_secs(3_600));
        let background = Background::new(hung);
        for done in 0..3 * QUEUE as u64 {
            background.report(&progress(done));
            background.report(&Event::RunStarted { run: "run".into() });
        }
        assert!(!background.catch_up(Duration::from_millis(10)));
        drop(background);
        assert!(began.elapsed() < PATIENCE + Duration::from_secs(5));
    }

    #[test]
    fn a_display_that_dies_is_no_matter() {
        struct Dies;
        impl Reporter for Dies {
            fn report(&self, _: &Event) {
                panic!("the display dies (this message is part of a test)");
            }
        }
        let background = Background::new(Dies);
        background.report(&progress(1));
        assert!(!background.catch_up(Duration::from_secs(10)));
        background.report(&progress(2));
    }
}
