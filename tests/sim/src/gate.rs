//! The gate: the store's writer thread stops at each of its steps until the simulation lets it go on, so that two
//! threads do one thing at a time.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use store::{Faults, Step};

/// Real time after which the two threads have lost each other: a fault of the simulator's own.
const LOST: Duration = Duration::from_secs(60);

/// How the writer goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Go,
    /// The medium reports a failure.
    Fail,
}

#[derive(Debug, Default)]
pub(crate) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    parked: Option<Step>,
    verdict: Option<Verdict>,
    ended: bool,
}

impl Gate {
    /// Waits until the writer has come to its next step.
    pub(crate) fn parked(&self) -> Step {
        self.wait(|state| state.parked.is_some()).parked.expect("it was waited for")
    }

    /// Lets the writer go on from where it is.
    pub(crate) fn let_go(&self, verdict: Verdict) {
        self.lock().verdict = Some(verdict);
        self.changed.notify_all();
        drop(self.wait(|state| state.verdict.is_none()));
    }

    /// The process has ended: the writer reaches nothing more.
    pub(crate) fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    fn wait(&self, until: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let waited = self.changed.wait_timeout_while(self.lock(), LOST, |state| !until(state));
        let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!timeout.timed_out(), "the writer does not come to its next step: {state:?}");
        state
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Faults for Gate {
    fn reached(&self, step: Step) -> Result<(), String> {
        let mut state = self.lock();
        state.parked = Some(step);
        self.changed.notify_all();
        let waiting = |state: &mut State| state.verdict.is_none() && !state.ended;
        let mut state = self.changed.wait_while(state, waiting).unwrap_or_else(PoisonError::into_inner);
        state.parked = None;
        let verdict = state.verdict.take();
        self.changed.notify_all();
        match (state.ended, verdict) {
            (true, _) => Err("the process has ended".to_owned()),
            (false, Some(Verdict::Fail)) => Err(format!("the medium fails at {step:?}")),
            (false, _) => Ok(()),
        }
    }

    fn pause(&self, _: Duration) -> Duration {
        Duration::ZERO
    }
}
