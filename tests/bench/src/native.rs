//! Rules as native code behind the same trait as packages: what the engine costs without a sandbox.

use std::sync::Arc;

use model::guest::{Failure, Handled, Host, Instance, Program, Validated};
use model::{Event, Proposal};

/// A rule in native code.
pub type Rule = fn(&Event, &mut dyn Host) -> Result<Vec<Proposal>, Failure>;

struct Native(Rule);

/// The program of a native rule.
#[must_use]
pub fn program(rule: Rule) -> Arc<dyn Program> {
    Arc::new(Native(rule))
}

/// A rule that looks at its event and proposes nothing.
///
/// # Errors
/// None.
pub fn quiet(event: &Event, _: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
    std::hint::black_box(event);
    Ok(Vec::new())
}

impl Program for Native {
    fn instantiate(&self) -> Result<Box<dyn Instance>, Failure> {
        Ok(Box::new(Native(self.0)))
    }
}

impl Instance for Native {
    fn validate(&mut self, _: &str, host: Box<dyn Host>) -> Validated {
        Validated { host, result: Ok(()) }
    }

    fn handle(&mut self, event: &Event, mut host: Box<dyn Host>) -> Handled {
        let result = (self.0)(event, &mut *host);
        Handled { host, result, fuel: 0 }
    }
}
