//! `window`: an aggregate over a stretch of readings satisfies a condition.
//!
//! Windows lie in event time. One is decided when its devices have reported from its end (and the lateness) on, or when
//! the clock has passed that by their lag; until then readings that come late still count. What is kept is tallies of
//! panes, never single readings, so that a window costs the same however many readings it holds.

use model::event::{Quality, Reading};
use model::window::{Frame, Window};
use model::{DeviceNo, Instant, Phase, Span, Value};
use serde::{Deserialize, Serialize};

use super::tally::Tally;
use super::truth::{Truth, truth};
use super::{Detail, Slot, State, Transition, Transitions, Twins};

/// What a `window` trigger remembers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Windows {
    /// Start of the window that began the condition.
    pub began: Option<Instant>,
    /// Windows that end up to here are decided.
    pub decided: Option<Instant>,
    /// Whether the last window that was decided held a reading: the first empty one after it is decided too.
    pub filled: bool,
    /// Panes, sessions, or the one window, in the order of their starts.
    pub open: Vec<Pane>,
    /// Whose reading came last.
    pub device: Option<DeviceNo>,
}

/// A stretch of readings that are kept together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pane {
    pub start: Instant,
    /// Stamp of its newest reading.
    pub newest: Instant,
    pub tally: Tally,
}

/// What a device reported, on its way into windows.
pub(crate) struct Report<'a> {
    pub(crate) device: DeviceNo,
    pub(crate) at: Instant,
    pub(crate) snapshot: bool,
    /// Whether it has changed the twin.
    pub(crate) in_order: bool,
    pub(crate) readings: &'a [Reading],
}

impl Slot {
    /// Up to when everything is decided by a reading of `device` at `at`: a window of several devices waits for those
    /// that are behind.
    pub(crate) fn reached(&self, device: DeviceNo, at: Instant, twins: &Twins) -> Instant {
        if self.binding.device.is_some() {
            return at;
        }
        let others = self.binding.watches.iter().filter(|(watched, _)| *watched != device);
        others.filter_map(|(watched, _)| twins.get(watched)?.newest).min().map_or(at, |newest| newest.min(at))
    }

    /// Takes what was reported, after the twin has.
    pub(crate) fn gather(&mut self, window: &Window, report: &Report<'_>, twins: &Twins) -> Transitions {
        let mut told = Transitions::new();
        let newest = twins.get(&report.device).and_then(|twin| twin.newest).unwrap_or(report.at);
        let reached = self.reached(report.device, newest, twins);
        let State::Window(windows) = &mut self.state else { return told };
        let counts = !report.snapshot || window.snapshot;
        if let (Frame::State { .. }, true) = (&window.frame, report.in_order) {
            let now = truth(self.binding.when.as_ref(), twins, None);
            self.dirty |= windows.follow(window, now, report.at, counts, &mut told);
        }
        let concerned = |reading: &&Reading| reading.capability == window.capability && reading.quality != Quality::Bad;
        for reading in report.readings.iter().filter(concerned).filter(|_| counts) {
            if windows.add(window, report.at, reached, &reading.value) {
                windows.device = Some(report.device);
                self.dirty = true;
            }
        }
        if let Frame::Count { size } = window.frame {
            self.dirty |= windows.fill(window, size, &mut told);
        }
        self.dirty |= windows.advance(window, reached, &mut told);
        told
    }
}

impl Windows {
    /// When the next window is decided, in event time.
    pub(crate) fn deadline(&self, window: &Window) -> Option<Instant> {
        Some(self.next_end(&window.frame)? + window.lateness)
    }

    fn next_end(&self, frame: &Frame) -> Option<Instant> {
        let first = self.open.first();
        match frame {
            Frame::Sliding { advance, .. } => {
                let after_decided = self.decided.map(|decided| after(decided, *advance));
                let holding = first.map(|pane| after(pane.start, *advance));
                match (after_decided, holding) {
                    (Some(next), _) if self.filled => Some(next),
                    (Some(next), Some(holding)) => Some(next.max(holding)),
                    (None, holding) => holding,
                    (Some(_), None) => None,
                }
            }
            Frame::Session { idle } => first.map(|session| session.newest + *idle),
            Frame::Count { .. } | Frame::State { .. } => None,
        }
    }

    /// Decides every window that is over by `to`. Returns whether the state changed.
    pub(crate) fn advance(&mut self, window: &Window, to: Instant, told: &mut Transitions) -> bool {
        let mut changed = false;
        while let Some(end) = self.next_end(&window.frame).filter(|end| *end + window.lateness <= to) {
            changed = true;
            match &window.frame {
                Frame::Sliding { size, advance } => self.slide(window, end, *size, *advance, told),
                Frame::Session { .. } => {
                    let session = self.open.remove(0);
                    self.close(window, &session, end, Some(end + window.lateness), told);
                }
                Frame::Count { .. } | Frame::State { .. } => break,
            }
        }
        changed
    }

    fn slide(&mut self, window: &Window, end: Instant, size: Span, advance: Span, told: &mut Transitions) {
        let start = end.before(size);
        let mut tally = Tally::default();
        let inside = |pane: &&Pane| start <= pane.start && pane.start < end;
        self.open.iter().filter(inside).for_each(|pane| tally.merge(&pane.tally));
        let next = (end + advance).before(size);
        self.open.retain(|pane| pane.start >= next);
        self.decided = Some(end);
        self.filled = tally.count > 0;
        let at = end + window.lateness;
        self.conclude(window, &tally, start, (at, Some(at)), told);
    }

    /// Closes a window that has a start of its own.
    fn close(&mut self, window: &Window, pane: &Pane, end: Instant, deadline: Option<Instant>, told: &mut Transitions) {
        self.decided = Some(self.decided.map_or(end, |decided| decided.max(end)));
        self.conclude(window, &pane.tally, pane.start, (deadline.unwrap_or(end), deadline), told);
    }

    /// Tells the rule where the window makes a difference. An aggregate that does not exist neither begins nor ends.
    fn conclude(
        &mut self,
        window: &Window,
        tally: &Tally,
        start: Instant,
        (at, deadline): (Instant, Option<Instant>),
        told: &mut Transitions,
    ) {
        let Some(value) = tally.aggregate(window.aggregate) else { return };
        let (phase, since) = match (&window.when, self.began) {
            (None, _) if tally.count > 0 => (Phase::Began, start),
            (Some(test), None) if test.passes(&value) => {
                self.began = Some(start);
                (Phase::Began, start)
            }
            (Some(test), Some(since)) if !test.passes(&value) => {
                self.began = None;
                (Phase::Ended, since)
            }
            _ => return,
        };
        let count = Value::Integer(i64::try_from(tally.count).unwrap_or(i64::MAX));
        let attributes = vec![("aggregate".into(), Value::text(window.aggregate.word())), ("count".into(), count)];
        let detail = Box::new(Detail { device: self.device, value, attributes });
        told.push(Transition { detail: Some(detail), ..Transition::new(phase, at, since, deadline) });
    }

    /// Counts a reading in where some window that holds it is open: not decided, and not over by what its devices have
    /// `reached`. Returns whether it counts.
    fn add(&mut self, window: &Window, at: Instant, reached: Instant, value: &Value) -> bool {
        let over = reached.before(window.lateness);
        match &window.frame {
            Frame::Sliding { size, advance } => {
                let start = grid(at, *advance);
                // What is over holds nothing, or it would be decided already.
                let decided = grid(over, *advance);
                let decided = self.decided.map_or(decided, |known| known.max(decided));
                if start + *size <= decided {
                    return false;
                }
                self.decided = Some(decided);
                self.pane(start, at).tally.add(at, value);
            }
            Frame::Session { idle } => {
                let end = at + *idle;
                if end <= over || self.decided.is_some_and(|decided| end <= decided) {
                    return false;
                }
                self.join(at, *idle).tally.add(at, value);
            }
            Frame::Count { .. } => {
                if self.decided.is_some_and(|decided| at < decided) {
                    return false;
                }
                let start = self.open.first().map_or(at, |open| open.start);
                let open = self.pane(start, at);
                open.start = open.start.min(at);
                open.tally.add(at, value);
            }
            Frame::State { .. } => {
                let Some(open) = self.open.first_mut().filter(|open| open.start <= at) else { return false };
                open.newest = open.newest.max(at);
                open.tally.add(at, value);
            }
        }
        true
    }

    /// The pane with this start, for a reading at `at`.
    fn pane(&mut self, start: Instant, at: Instant) -> &mut Pane {
        let index = match self.open.binary_search_by_key(&start, |pane| pane.start) {
            Ok(index) => index,
            Err(index) => {
                self.open.insert(index, Pane { start, newest: at, tally: Tally::default() });
                index
            }
        };
        let pane = &mut self.open[index];
        pane.newest = pane.newest.max(at);
        pane
    }

    /// The session that a reading at `at` belongs to: it may join two.
    fn join(&mut self, at: Instant, idle: Span) -> &mut Pane {
        let mut session = Pane { start: at, newest: at, tally: Tally::default() };
        let near = |open: &Pane| at < open.newest + idle && open.start < at + idle;
        for open in self.open.extract_if(.., |open| near(open)) {
            session.start = session.start.min(open.start);
            session.newest = session.newest.max(open.newest);
            session.tally.merge(&open.tally);
        }
        let index = self.open.partition_point(|open| open.start < session.start);
        self.open.insert(index, session);
        &mut self.open[index]
    }

    /// Closes a window that holds as many readings as it may.
    fn fill(&mut self, window: &Window, size: u32, told: &mut Transitions) -> bool {
        if self.open.first().is_none_or(|open| open.tally.count < u64::from(size)) {
            return false;
        }
        let full = self.open.remove(0);
        self.close(window, &full, full.newest, None, told);
        true
    }

    /// Opens and closes the window of a state.
    fn follow(&mut self, window: &Window, now: Truth, at: Instant, may_open: bool, told: &mut Transitions) -> bool {
        match (self.open.is_empty(), now) {
            (true, Truth::True) if may_open => {
                self.pane(at, at);
                true
            }
            (false, Truth::False) => {
                let over = self.open.remove(0);
                self.close(window, &over, at, None, told);
                true
            }
            _ => false,
        }
    }
}

/// The last multiple of `step` since the epoch at or before `at`.
fn grid(at: Instant, step: Span) -> Instant {
    let step = i64::try_from(step.0).unwrap_or(i64::MAX).max(1);
    Instant(at.0 - at.0.rem_euclid(step))
}

/// The first multiple after `at`.
fn after(at: Instant, step: Span) -> Instant {
    grid(at, step) + step
}

/// Why the condition holds, in words for people: "mean vibration above 7 mm/s over 1h".
pub(crate) fn words(window: &Window, during: Option<&crate::bindings::Bound>) -> String {
    let mut words = format!("{} of {}", window.aggregate.word(), window.capability);
    if let Some(test) = &window.when {
        let unit = window.capability.unit().filter(|_| window.aggregate != model::window::Aggregate::Count);
        let symbol = unit.map(|unit| format!(" {}", unit.symbol())).unwrap_or_default();
        words += &format!(" {}{}", test.words(), symbol.trim_end());
    }
    words += &match &window.frame {
        Frame::Sliding { size, .. } => format!(" over {size}"),
        Frame::Session { idle } => format!(" until idle for {idle}"),
        Frame::Count { size } => format!(" over {size} readings"),
        Frame::State { .. } => format!(" while {}", during.map(crate::bindings::Bound::words).unwrap_or_default()),
    };
    words
}
