//! Tracing: what each step was woken by, read and wrote, and how effects ended. Filled only when somebody asks why; a
//! live engine never does.

use std::cell::RefCell;

use model::event::Outcome;
use model::guest::{Failure, Known};
use model::{Event, Id, Instant, Name, Span, Value};

use crate::partition::Partition;
use crate::step::Wake;

/// One step as it ran.
#[derive(Debug, Clone)]
pub struct Step {
    /// The last journal record when it ran.
    pub sequence: u64,
    pub at: Instant,
    pub deployment: Name,
    pub event: Event,
    /// Tries before this one.
    pub attempt: u32,
    /// The trigger's condition in words.
    pub because: Option<Name>,
    /// In the order in which the rule asked.
    pub reads: Vec<Read>,
    /// In order of their names; dropped where the step failed.
    pub writes: Vec<Write>,
    /// Why it failed, where it did.
    pub failure: Option<Name>,
}

/// Something that a rule asked during a step.
#[derive(Debug, Clone, PartialEq)]
pub enum Read {
    State { name: Name, value: Option<Value> },
    Device { device: Name, capability: Name, known: Option<Known> },
    Availability { device: Name, available: Option<bool> },
    History { device: Name, capability: Name, window: Span },
}

/// A value of the rule's state that a step has set, or removed.
#[derive(Debug, Clone, PartialEq)]
pub struct Write {
    pub name: Name,
    pub value: Option<Value>,
}

/// An effect that came to its end.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    pub effect: Id,
    /// The last journal record then.
    pub sequence: u64,
    pub at: Instant,
    pub outcome: Outcome,
    pub reason: Option<Name>,
    /// How often it was sent, retries for want of a confirmation included.
    pub attempt: u32,
}

/// What was traced and not yet taken.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    pub(crate) steps: Vec<Step>,
    pub(crate) ended: Vec<Ended>,
}

/// What the running call has read; none while nobody traces.
pub(crate) type Reads = Option<RefCell<Vec<Read>>>;

impl Partition {
    pub(crate) fn start_tracing(&mut self) {
        self.trace = Some(Box::default());
        self.world().call.reads = Some(RefCell::default());
    }

    /// Keeps a step that has just run, before its writes are kept or dropped.
    pub(crate) fn trace_step(&mut self, wake: &Wake, failure: Option<&Failure>) {
        if self.trace.is_none() {
            return;
        }
        let call = &mut self.world().call;
        let reads = call.reads.as_ref().map(RefCell::take).unwrap_or_default();
        let step = Step {
            writes: self.view().call.writes.all().map(|(name, value)| Write { name, value }).collect(),
            sequence: self.sequence,
            at: self.clock,
            deployment: self.plan.deployments[wake.deployment as usize].spec.name.clone(),
            event: wake.event.clone(),
            attempt: wake.attempt,
            because: wake.because.clone(),
            reads,
            failure: failure.map(|failure| Name::from(failure.message())),
        };
        if let Some(trace) = &mut self.trace {
            trace.steps.push(step);
        }
    }

    pub(crate) fn trace_end(&mut self, effect: Id, outcome: &Outcome, reason: Option<&Name>, attempt: u32) {
        let (sequence, at) = (self.sequence, self.clock);
        if let Some(trace) = &mut self.trace {
            trace.ended.push(Ended {
                effect,
                sequence,
                at,
                outcome: outcome.clone(),
                reason: reason.cloned(),
                attempt,
            });
        }
    }
}
