//! Dying at an exact moment, for the tests of what is left then.
//!
//! `TESSALLITE_UP_CRASH=MOMENT:EFFECT[:MILLISECONDS]` has builds with debug assertions kill
//! themselves, as SIGKILL or a power cut would, at that moment of the effect of this number.
//! Release builds know nothing of it.

/// Where in the life of an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// It is not in the journal yet.
    Before,
    /// The journal has it as begun, and nothing was done.
    Begun,
    /// The outside world carries it out, and the journal has the outside's name of it.
    Noted,
    /// It is done, and the journal does not know.
    Done,
    /// The journal has it as finished.
    After,
}

#[cfg(not(debug_assertions))]
pub(super) fn at(_: Moment, _: usize) {}

#[cfg(debug_assertions)]
pub(super) fn at(moment: Moment, effect: usize) {
    use std::sync::OnceLock;
    static WANTED: OnceLock<Option<Wanted>> = OnceLock::new();
    let wanted = WANTED.get_or_init(|| Wanted::parse(&std::env::var("TESSALLITE_UP_CRASH").ok()?));
    if let Some(wanted) = wanted {
        wanted.meet(moment, effect);
    }
}

#[cfg(debug_assertions)]
#[derive(Debug, PartialEq)]
struct Wanted {
    moment: Moment,
    effect: usize,
    /// That long after the moment, while things go on.
    later: std::time::Duration,
}

#[cfg(debug_assertions)]
impl Wanted {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let moment = match parts.next()? {
            "before" => Moment::Before,
            "begun" => Moment::Begun,
            "noted" => Moment::Noted,
            "done" => Moment::Done,
            "after" => Moment::After,
            _ => return None,
        };
        let effect = parts.next()?.parse().ok()?;
        let later = parts.next().map_or(Some(0), |part| part.parse().ok())?;
        Some(Self { moment, effect, later: std::time::Duration::from_millis(later) })
    }

    fn meet(&self, moment: Moment, effect: usize) {
        if (moment, effect) != (self.moment, self.effect) {
            return;
        }
        if self.later.is_zero() {
            die();
        }
        let later = self.later;
        std::thread::spawn(move || {
            std::thread::sleep(later);
            die();
        });
    }
}

#[cfg(debug_assertions)]
fn die() {
    use rustix::process::{Signal, getpid, kill_process};
    // It is not survived.
    let _ = kill_process(getpid(), Signal::KILL);
}

#[cfg(all(test, debug_assertions))]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_read() {
        let wanted = Wanted::parse("begun:3:20").unwrap();
        assert_eq!(
            (wanted.moment, wanted.effect, wanted.later.as_millis()),
            (Moment::Begun, 3, 20)
        );
        assert_eq!(Wanted::parse("after:0").unwrap().later.as_millis(), 0);
        for bad in ["", "begun", "begun:x", "never:1", "begun:1:x"] {
            assert_eq!(Wanted::parse(bad), None, "{bad}");
        }
    }
}
