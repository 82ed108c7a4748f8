use tessallite_up_sdk::prelude::*;
struct A;
impl Procedure for A {
    fn describe() -> Description { Description::new("a","1","x") }
    fn make_plan(_: &Request) -> Result<Proposal, Refusal> { Ok(Plan::new().into()) }
    fn apply(_: &Request, step: &Step, _: &[Fact]) -> Result<Outcome, Error> { gate::wait_until_healthy(&[gate::Gate::new("x")])?; carry_out_all(&step.effects)?; Ok(Outcome::default()) }
}
export!(A);
