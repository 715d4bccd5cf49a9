//! A side: one set of deployments on its way through the stream, with answers in the place of sinks.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use engine::{Engine, Persistence, Setup, SetupError};
use model::deployment::Lifecycle;
use model::device::Devices;
use model::event::Outcome;
use model::input::{Body, HostEvent, RETRYING, SENDING, Settled};
use model::outgoing::{Outgoing, OutgoingBody};
use model::{Decision, Id, Input, Instant, Name};

/// How many results of each (effect, sink) the journal holds: those are waited for, all others are made up.
pub type Results = HashMap<(Id, Name), u32>;

pub(crate) struct Side {
    pub(crate) engine: Engine,
    devices: Arc<Devices>,
    results: Results,
    /// Commands whose device would have answered with a report: by device and action, how often.
    pub(crate) echoes: BTreeMap<(Name, Name), u64>,
    /// Messages published, by topic.
    pub(crate) published: BTreeMap<Name, u64>,
    /// Effects that were taken to be accepted at once.
    pub(crate) assumed: u64,
}

impl Side {
    pub(crate) fn new(setup: Setup, results: Results) -> Result<Self, SetupError> {
        let devices = Arc::clone(&setup.devices);
        let engine = Engine::new(fresh(setup), Persistence::DecisionsOnly)?;
        Ok(Self { engine, devices, results, echoes: BTreeMap::new(), published: BTreeMap::new(), assumed: 0 })
    }

    /// Handles one input. What came due by then comes first, each with its answers at its own instant.
    pub(crate) fn take(&mut self, input: &Input, at: Instant) {
        match &input.body {
            // What came due while the host was down comes after the record that it is up again.
            Body::Host(HostEvent::Started { alive, .. }) => {
                self.fire(alive.map_or(Instant::MIN, |alive| alive.min(at)));
            }
            _ => self.fire(at),
        }
        if let Body::Settled(settled) = &input.body
            && is_final(&settled.outcome)
            && let Some(left) = self.results.get_mut(&(settled.effect, settled.sink.clone()))
        {
            *left = left.saturating_sub(1);
        }
        self.engine.take(input, at);
        self.answer(at);
    }

    /// Moves the clock.
    pub(crate) fn advance(&mut self, now: Instant) {
        self.fire(now);
        self.engine.advance(now);
        self.answer(now);
    }

    /// Puts another set in force: at a record of the journal, or as a start does.
    pub(crate) fn reconfigure(&mut self, setup: Setup, id: Name, at: Instant) -> Result<(), SetupError> {
        self.fire(at);
        self.devices = Arc::clone(&setup.devices);
        self.engine.reconfigure(fresh(setup), id, at)?;
        self.answer(at);
        Ok(())
    }

    pub(crate) fn switch(&mut self, setup: Setup) -> Result<(), SetupError> {
        self.devices = Arc::clone(&setup.devices);
        self.engine.switch(fresh(setup))
    }

    /// What was sent so far does not count.
    pub(crate) fn forget_sent(&mut self) {
        self.echoes.clear();
        self.published.clear();
        self.assumed = 0;
    }

    /// The decisions since the last call.
    pub(crate) fn decisions(&mut self) -> Vec<Decision> {
        self.engine.finish().decisions
    }

    fn fire(&mut self, now: Instant) {
        while let Some(due) = self.engine.due_by(now) {
            self.engine.advance(due);
            self.answer(due);
        }
    }

    /// Stands in for the sinks: what the journal has no result of is accepted at once.
    fn answer(&mut self, at: Instant) {
        loop {
            let rows = self.engine.take_outbox();
            if rows.is_empty() {
                return;
            }
            for row in rows {
                if row.attempts == 0 {
                    self.watch(&row.outgoing);
                }
                let place = (row.outgoing.effect, row.outgoing.sink.clone());
                if self.results.get(&place).is_some_and(|left| *left > 0) {
                    continue;
                }
                self.assumed += 1;
                self.engine.take(&accepted(&row.outgoing), at);
            }
        }
    }

    fn watch(&mut self, outgoing: &Outgoing) {
        match &outgoing.body {
            OutgoingBody::Command { device, action, .. } => {
                let Some(device) = self.devices.get(*device) else { return };
                let sets = device.commands.get(action).and_then(|action| action.sets.as_ref());
                if sets.is_some_and(|sets| device.reports(sets.capability)) {
                    *self.echoes.entry((device.id.clone(), action.clone())).or_default() += 1;
                }
            }
            OutgoingBody::Publish { topic, .. } => *self.published.entry(topic.clone()).or_default() += 1,
            OutgoingBody::Notification { .. } => {}
        }
    }
}

/// Whether an outcome is the last one, and neither the mark of what is sent at most once nor an attempt that is followed
/// by another.
#[must_use]
pub fn is_final(outcome: &Outcome) -> bool {
    !matches!(outcome, Outcome::Other(word) if &**word == SENDING || &**word == RETRYING)
}

fn accepted(outgoing: &Outgoing) -> Input {
    let settled = Settled {
        effect: outgoing.effect,
        sink: outgoing.sink.clone(),
        outcome: Outcome::Accepted,
        reason: None,
        attempt: 1,
        due: None,
    };
    Input {
        id: Name::from(format!("accepted:{}", outgoing.effect)),
        source: Name::from("backtest"),
        own_id: false,
        occurred_at: None,
        body: Body::Settled(settled),
        attributes: Vec::new(),
        redelivery: None,
    }
}

/// The same set with a fresh instance for each event: what an instance happened to remember must not decide.
fn fresh(mut setup: Setup) -> Setup {
    for (spec, _) in &mut setup.deployments {
        if spec.lifecycle != Lifecycle::Event {
            Arc::make_mut(spec).lifecycle = Lifecycle::Event;
        }
    }
    setup
}
