//! The context of one event: settings, now, the host, and the proposals so far.

use std::cell::RefCell;
use std::ops::Deref;
use std::rc::Rc;

use crate::effect::{Effect, Overdue, Proposal, Timer};
use crate::event::{Event, Tick};
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

    /// Wakes this rule for this key after `span`; the same name set again moves it. When the host is down for more than
    /// an hour beyond that, it is dropped: [`Timer::at`] with [`Timer::overdue`] is for what must come.
    pub fn start_timer(&self, name: impl Into<String>, span: Span) {
        self.propose(Timer::at(name, self.now + span));
    }

    /// Whether this timer comes later than `grace`, because the host was down, and has therefore been set again, `grace`
    /// from now.
    ///
    /// For timers that say that something has not happened. After downtime they fire first of all, and what devices
    /// said meanwhile comes after them: within half a minute, where it waited at a broker.
    #[must_use]
    pub fn postponed(&self, tick: &Tick, grace: Span) -> bool {
        let late = self.now.since(tick.due) > grace;
        if late {
            let again = Timer::at(&tick.name, self.now + grace).overdue(Overdue::Fire);
            self.propose(Timer { payload: tick.payload.clone(), attributes: tick.attributes.clone(), ..again });
        }
        late
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
