//! A loaded package and its instances: the sandbox's side of the seam to the engine.

use std::sync::Arc;

use model::Event;
use model::deployment::{Limits, PackageDigest};
use model::guest::{self, Failure, Handled, Host, Validated};
use model::limits;
use wasmtime::component::Component;
use wasmtime::{PoolConcurrencyLimitError, Store};

use crate::bindings::{Engagement, EngagementPre};
use crate::state::State;
use crate::stop::{self, Refused};
use crate::wasi::Virtual;
use crate::{lift, lower};

/// Fuel for an instance's start. The largest start-up seen, Go's runtime, takes a tenth of it.
const START_FUEL: u64 = 100_000_000;
/// Handles to host resources of one instance; only the compatibility linker has any.
const HANDLES: usize = 1_000;

/// A package, checked, compiled and linked.
pub(crate) struct Program {
    pub(crate) pre: EngagementPre<State>,
    /// Kept so that the next deployment of the package finds its code.
    pub(crate) _code: Arc<Component>,
    pub(crate) digest: PackageDigest,
    pub(crate) limits: Limits,
    pub(crate) compatibility: bool,
}

impl guest::Program for Program {
    fn instantiate(&self) -> Result<Box<dyn guest::Instance>, Failure> {
        let wasi = self.compatibility.then(|| Box::new(Virtual::new(self.digest, HANDLES)));
        let state = State::new(self.limits.memory_bytes, wasi);
        let mut store = Store::new(self.pre.engine(), state);
        store.limiter(|state| &mut state.limiter);
        store.set_hostcall_fuel(limits::CALL_BYTES);
        store.set_max_component_handles(HANDLES);
        set_fuel(&mut store, START_FUEL);
        match self.pre.instantiate(&mut store) {
            Ok(guest) => Ok(Box::new(Instance { store, guest, limits: self.limits, stopped: false })),
            // The host's shortage, not the package's fault: the event waits.
            Err(error) if error.is::<PoolConcurrencyLimitError>() => {
                Err(Failure::Transient("no room for another instance".to_owned()))
            }
            Err(error) => Err(stop::failure(&error, refused_memory(&mut store))),
        }
    }
}

struct Instance {
    store: Store<State>,
    guest: Engagement,
    limits: Limits,
    /// A stopped guest's memory may be in any state, so it is never entered again.
    stopped: bool,
}

impl guest::Instance for Instance {
    fn validate(&mut self, settings: &str, host: Box<dyn Host>) -> Validated {
        let (host, result, _) = self.call(host, None, |guest, store, _| {
            let answer = guest.pointsman_rules_handler().call_validate(store, settings)?;
            Ok(answer.map_err(|why| Failure::Configuration(stop::message(why))))
        });
        Validated { host, result }
    }

    fn handle(&mut self, event: &Event, host: Box<dyn Host>) -> Handled {
        let (host, result, fuel) = self.call(host, Some(event), |guest, store, limits| {
            let answer = lower::with_event(event, |event| guest.pointsman_rules_handler().call_handle(store, event))?;
            match answer {
                Ok(proposals) => Ok(Ok(lift::proposals(proposals, limits.effects_per_event)?)),
                Err(failure) => Ok(Err(failure.into())),
            }
        });
        Handled { host, result, fuel }
    }
}

impl Instance {
    /// Lends `host` to the guest for one call, and takes it back: the host, the result, and the fuel used.
    fn call<T>(
        &mut self,
        host: Box<dyn Host>,
        event: Option<&Event>,
        call: impl FnOnce(&Engagement, &mut Store<State>, &Limits) -> wasmtime::Result<Result<T, Failure>>,
    ) -> (Box<dyn Host>, Result<T, Failure>, u64) {
        if self.stopped {
            let failure = stop::stopped(guest::Stop::Trap, "this instance was stopped before".to_owned());
            return (host, Err(failure), 0);
        }
        let budget = self.limits.fuel_per_event;
        set_fuel(&mut self.store, budget);
        self.store.data_mut().begin(host, budget, event);
        let outcome = call(&self.guest, &mut self.store, &self.limits);
        let (host, spent) = self.store.data_mut().end();
        let left = self.store.get_fuel().expect("the engine counts fuel");
        let fuel = (budget - left).saturating_add(spent);
        // The two counts are kept apart during the call; neither may hide the other.
        let outcome = match outcome {
            Ok(_) if fuel > budget => Err(Refused::Fuel.into()),
            other => other,
        };
        let result = match outcome {
            Ok(result) => result,
            Err(error) => {
                self.stopped = true;
                Err(stop::failure(&error, refused_memory(&mut self.store)))
            }
        };
        (host, result, fuel.min(budget))
    }
}

impl From<crate::bindings::exports::pointsman::rules::handler::Failure> for Failure {
    fn from(failure: crate::bindings::exports::pointsman::rules::handler::Failure) -> Self {
        use crate::bindings::exports::pointsman::rules::handler::Failure as Answer;
        match failure {
            Answer::Configuration(why) => Self::Configuration(stop::message(why)),
            Answer::Transient(why) => Self::Transient(stop::message(why)),
            Answer::Permanent(why) => Self::Permanent(stop::message(why)),
        }
    }
}

fn set_fuel(store: &mut Store<State>, fuel: u64) {
    store.set_fuel(fuel).expect("the engine counts fuel");
}

/// The limit at which a growth of memory was refused during the call, if one was.
fn refused_memory(store: &mut Store<State>) -> Option<usize> {
    let limiter = &mut store.data_mut().limiter;
    limiter.take_refused().then(|| limiter.memory_max())
}
