//! A rule as a program of the engine: native code in place of a package.

use std::any::Any;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use model::Attributes;
use model::guest::{self, Handled, Host, Level, Stop, Validated};
use pointsman_sdk::{Failure, Rule, native};

use crate::platform::{Lent, Refused};
use crate::{lift, lower};

/// The program of a rule, for whoever builds an engine by hand.
///
/// `effects_max` is how many effects one event may propose, as the manifest's limits say.
#[must_use]
pub fn native<R: Rule + 'static>(effects_max: usize) -> Arc<dyn guest::Program> {
    Arc::new(Native::<R> { effects_max, rule: PhantomData })
}

struct Native<R> {
    effects_max: usize,
    rule: PhantomData<fn() -> R>,
}

/// Settings are read at each event, so one instance has nothing that another lacks.
impl<R: Rule + 'static> guest::Program for Native<R> {
    fn instantiate(&self) -> Result<Box<dyn guest::Instance>, guest::Failure> {
        Ok(Box::new(Self { effects_max: self.effects_max, rule: PhantomData }))
    }
}

impl<R: Rule + 'static> guest::Instance for Native<R> {
    fn validate(&mut self, settings: &str, host: Box<dyn Host>) -> Validated {
        let result = guarded(|| native::Program::<R>::new(settings).map(drop));
        Validated { host, result: result.and_then(|result| result.map_err(failure)) }
    }

    fn handle(&mut self, event: &model::Event, host: Box<dyn Host>) -> Handled {
        let event = lift::event(event);
        let mut lent = Lent::new(host);
        let settings = lent.settings();
        let answer = guarded(|| native::Program::<R>::new(&settings)?.handle(&event, &mut lent));
        let mut host = lent.into_host();
        let result = match answer {
            Ok(Ok(proposals)) => {
                lower::proposals(proposals, self.effects_max).map_err(|why| guest::Failure::Stopped(Stop::Output, why))
            }
            Ok(Err(refusal)) => Err(failure(refusal)),
            Err(stopped) => {
                host.log(Level::Error, stopped.message(), Attributes::new());
                Err(stopped)
            }
        };
        Handled { host, result, fuel: 0 }
    }
}

/// A panic of the rule ends the event as a trap of its component would, and a value that may not cross as bad output.
fn guarded<T>(call: impl FnOnce() -> T) -> Result<T, guest::Failure> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|panic| match panic.downcast::<Refused>() {
        Ok(refused) => guest::Failure::Stopped(Stop::Output, refused.0),
        Err(panic) => guest::Failure::Stopped(Stop::Trap, said(&*panic)),
    })
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "the rule panicked".to_owned())
}

fn failure(failure: Failure) -> guest::Failure {
    match failure {
        Failure::Configuration(message) => guest::Failure::Configuration(message),
        Failure::Transient(message) => guest::Failure::Transient(message),
        Failure::Permanent(message) => guest::Failure::Permanent(message),
    }
}
