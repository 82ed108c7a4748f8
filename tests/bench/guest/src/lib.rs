//! A plugin that makes as many reads as the setting `calls` says, and plans nothing.

use tessallite_up_sdk::prelude::*;

struct Reader;

impl Procedure for Reader {
    fn describe() -> Description {
        Description::new("bench-guest", "0.1.0", "Makes reads to be timed").target("compose")
    }

    fn make_plan(request: &Request) -> Result<Proposal, Refusal> {
        let calls = Settings::of(request).number("calls", 0).map_err(Refusal::Usage)?;
        let refused = (0..calls).filter(|_| docker::logs("gateway", 1).is_err()).count();
        Err(Refusal::NothingToDo(format!("{refused} of {calls} reads were refused")))
    }
}

export!(Reader);
