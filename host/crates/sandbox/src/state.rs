//! What a store carries for its instance: the lent host, what the call has spent, and what it may still log.

use model::guest::{Host, Level};
use model::{Attributes, Event, Name, Value, limits};

use crate::limiter::Limiter;
use crate::stop::Refused;
use crate::wasi::Virtual;

/// The data of one store.
pub(crate) struct State {
    /// There during a call, absent while the instance starts.
    host: Option<Box<dyn Host>>,
    pub(crate) limiter: Limiter,
    /// Fuel that host calls of this event have cost.
    spent: u64,
    /// Fuel that they may cost at most.
    budget: u64,
    log: LogBudget,
    /// There where the deployment allows the compatibility linker.
    pub(crate) wasi: Option<Box<Virtual>>,
}

struct LogBudget {
    left: usize,
    /// Whether the marker that says so is already in the log.
    cut: bool,
}

impl State {
    pub(crate) fn new(memory_max: usize, wasi: Option<Box<Virtual>>) -> Self {
        let log = LogBudget { left: limits::LOG_PER_EVENT, cut: false };
        Self { host: None, limiter: Limiter::new(memory_max), spent: 0, budget: 0, log, wasi }
    }

    /// Begins a call that may spend `budget` fuel on host calls.
    pub(crate) fn begin(&mut self, host: Box<dyn Host>, budget: u64, event: Option<&Event>) {
        self.host = Some(host);
        self.spent = 0;
        self.budget = budget;
        self.log = LogBudget { left: limits::LOG_PER_EVENT, cut: false };
        self.limiter.take_refused();
        if let (Some(wasi), Some(event)) = (&mut self.wasi, event) {
            wasi.begin(event);
        }
    }

    /// Ends the call: the host, and the fuel that its calls have cost.
    pub(crate) fn end(&mut self) -> (Box<dyn Host>, u64) {
        if let Some(wasi) = &mut self.wasi {
            for (level, line) in wasi.take_output() {
                self.log(level, &line, Vec::new());
            }
        }
        let host = self.host.take().expect("a call that began has its host until it ends");
        (host, self.spent)
    }

    /// The lent host, for a call that carries `bytes` bytes from the guest.
    pub(crate) fn call(&mut self, bytes: usize) -> Result<&mut dyn Host, Refused> {
        self.charge(limits::HOST_CALL_FUEL)?;
        self.charge_bytes(bytes)?;
        match &mut self.host {
            Some(host) => Ok(host.as_mut()),
            None => Err(Refused::Starting),
        }
    }

    /// The price of `bytes` bytes in either direction.
    pub(crate) fn charge_bytes(&mut self, bytes: usize) -> Result<(), Refused> {
        self.charge((bytes as u64).saturating_mul(limits::HOST_CALL_FUEL_PER_BYTE))
    }

    /// Host calls are counted beside the guest's own fuel, so that they cost the guest nothing to count. Either alone
    /// ends the call at the event's fuel; their sum is looked at when it ends.
    fn charge(&mut self, fuel: u64) -> Result<(), Refused> {
        self.spent = self.spent.saturating_add(fuel);
        if self.spent > self.budget { Err(Refused::Fuel) } else { Ok(()) }
    }

    /// Writes to the rule's log as far as the event may; the first line that does not fit is replaced by a marker.
    pub(crate) fn log(&mut self, level: Level, message: &str, fields: Attributes) {
        let Some(host) = &mut self.host else { return };
        let size = message.len() + weight(&fields);
        match self.log.left.checked_sub(size) {
            Some(left) => {
                self.log.left = left;
                host.log(level, message, fields);
            }
            None if self.log.cut => {}
            None => {
                self.log.cut = true;
                let marker = format!("log cut: more than {} bytes in one event", limits::LOG_PER_EVENT);
                host.log(Level::Warn, &marker, Vec::new());
            }
        }
    }
}

fn weight(fields: &[(Name, Value)]) -> usize {
    fields.iter().map(|(name, value)| name.len() + value.weight()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_call_costs_its_price_and_that_of_each_byte() {
        let mut state = State::new(0, None);
        state.budget = limits::HOST_CALL_FUEL + 100 * limits::HOST_CALL_FUEL_PER_BYTE;
        assert!(matches!(state.call(100), Err(Refused::Starting)), "it is within its fuel");
        assert_eq!(state.spent, state.budget);
        state.spent = 0;
        assert!(matches!(state.call(101), Err(Refused::Fuel)));
    }
}
