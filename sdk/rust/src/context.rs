//! The context of one event: settings, now, the host, and the proposals so far.

use std::cell::RefCell;
use std::ops::Deref;
use std::rc::Rc;

use crate::effect::{Effect, Proposal, Timer};
use crate::event::Event;
use crate::host::{Host, Lent};
use crate::time::{Instant, Span, TimeOfDay};

/// What a rule has in hand while it handles one event. It gives everything that [`Host`] gives.
pub struct Context<'a, S> {
    /// The deployment's settings, defaults filled in.
    pub settings: Rc<S>,
    host: Host<'a>,
    now: Instant,
    proposals: RefCell<Vec<Proposal>>,
}

impl<'a, S> Context<'a, S> {
    pub(crate) fn new(settings: Rc<S>, event: &Event, platform: Lent<'a>) -> Self {
        Self { settings, host: Host::new(platform), now: event.received_at, proposals: RefCell::default() }
    }

    pub(crate) fn into_proposals(self) -> Vec<Proposal> {
        self.proposals.into_inner()
    }

    /// The event's `received-at`: the only "now" that a rule has.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Proposes an effect. Guards decide what becomes of it. At most 64 an event.
    pub fn propose(&self, proposal: impl Into<Proposal>) {
        self.proposals.borrow_mut().push(proposal.into());
    }

    /// Wakes this rule for this key after `span`; the same name set again moves it.
    pub fn start_timer(&self, name: impl Into<String>, span: Span) {
        self.propose(Timer::at(name, self.now + span));
    }

    pub fn cancel_timer(&self, name: impl Into<String>) {
        self.propose(Effect::CancelTimer(name.into()));
    }

    /// Withdraws what this rule proposed for this key under `tag` and is not yet sent.
    pub fn cancel(&self, tag: impl Into<String>) {
        self.propose(Effect::Cancel(tag.into()));
    }

    /// The time of day of now in an IANA zone; none for an unknown zone.
    #[must_use]
    pub fn time_of_day(&self, zone: &str) -> Option<TimeOfDay> {
        self.local(self.now, zone).map(|civil| civil.time())
    }
}

impl<'a, S> Deref for Context<'a, S> {
    type Target = Host<'a>;
    fn deref(&self) -> &Host<'a> {
        &self.host
    }
}
