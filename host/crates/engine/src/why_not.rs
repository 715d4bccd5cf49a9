//! The first thing that keeps a trigger from waking its rule, as a code and in words.

use std::fmt;

use model::trigger::Test;
use model::{Capability, Instant, Name, Span, Value};

/// The first thing that keeps a trigger from waking its rule.
#[derive(Debug, Clone, PartialEq)]
pub enum WhyNot {
    /// Nothing was ever heard of what it watches.
    NeverHeard {
        device: Name,
        capability: Option<Capability>,
    },
    /// The predicate asks for a device that the site does not have.
    NoSuchDevice,
    /// The device says that its value is not to be trusted.
    Bad {
        device: Name,
        capability: Capability,
        reported: Instant,
    },
    Stale {
        device: Name,
        capability: Capability,
        reported: Instant,
        stale: Span,
    },
    /// A test that the value does not pass.
    Fails {
        device: Name,
        capability: Capability,
        value: Value,
        test: Test,
        reported: Instant,
    },
    /// It is true, not yet for long enough. `unknown` is since when it may have stopped being so.
    NotLongEnough {
        since: Instant,
        so_far: Span,
        wanted: Span,
        unknown: Option<Instant>,
    },
    /// It began and the rule was told; it tells again after it has ended.
    Began {
        since: Instant,
    },
    /// It began, and what would end it has not come.
    NotCleared {
        since: Instant,
        clear: String,
    },
    /// Retained or polled state begins nothing.
    Snapshot,
    /// Older than the newest by more than the lateness.
    Late {
        newest: Instant,
    },
    /// Older than the newest.
    OutOfOrder {
        newest: Instant,
    },
    /// The last report was about something else.
    NotReported {
        capability: Capability,
    },
    Unchanged {
        capability: Capability,
        value: Value,
        since: Instant,
    },
    /// The value changed, not in the way that is watched for.
    OtherChange {
        capability: Capability,
        value: Value,
        wanted: String,
    },
    /// Nothing was heard since, and that not for long enough; or the device has just spoken.
    NotSilent {
        heard: Instant,
        wanted: Span,
        deadline: Instant,
    },
    Available,
    NotGoneLongEnough {
        since: Instant,
        wanted: Span,
    },
    Outside {
        area: Name,
    },
    /// What is gathered is not decided yet, or the last that was did not satisfy the condition.
    Window {
        decided: Option<Instant>,
        deadline: Option<Instant>,
    },
    /// The sources have not delivered what waited while the host was down.
    NotCaughtUp,
    /// Nothing stops it.
    Nothing,
}

impl WhyNot {
    /// Its kind as a code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NeverHeard { .. } => "never-heard",
            Self::NoSuchDevice => "no-such-device",
            Self::Bad { .. } => "bad-quality",
            Self::Stale { .. } => "stale",
            Self::Fails { .. } => "not-true",
            Self::NotLongEnough { .. } => "not-long-enough",
            Self::Began { .. } => "began-before",
            Self::NotCleared { .. } => "not-cleared",
            Self::Snapshot => "snapshot",
            Self::Late { .. } => "late",
            Self::OutOfOrder { .. } => "out-of-order",
            Self::NotReported { .. } => "not-reported",
            Self::Unchanged { .. } => "unchanged",
            Self::OtherChange { .. } => "other-change",
            Self::NotSilent { .. } => "not-silent",
            Self::Available => "available",
            Self::NotGoneLongEnough { .. } => "not-gone-long-enough",
            Self::Outside { .. } => "outside",
            Self::Window { .. } => "window",
            Self::NotCaughtUp => "not-caught-up",
            Self::Nothing => "nothing",
        }
    }
}

impl fmt::Display for WhyNot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeverHeard { device, capability: Some(capability) } => {
                write!(f, "{capability} of {device} was never heard")
            }
            Self::NeverHeard { device, capability: None } => write!(f, "{device} was never heard"),
            Self::NoSuchDevice => f.write_str("the site has no device of the role that the condition asks for"),
            Self::Bad { device, capability, reported } => {
                write!(f, "{device} said at {reported} that its {capability} is not to be trusted")
            }
            Self::Stale { device, capability, reported, stale } => {
                write!(f, "{capability} of {device} is unknown: last reported at {reported}, good for {stale}")
            }
            Self::Fails { device, capability, value, test, reported } => {
                let unit = capability.unit().map(|unit| format!(" {}", unit.symbol())).unwrap_or_default();
                let unit = unit.trim_end();
                write!(f, "{capability} {value}{unit} ")?;
                match test {
                    Test::Equals(wanted) => write!(f, "is not {wanted}{unit}")?,
                    Test::NotEquals(_) => write!(f, "is what it must not be")?,
                    other => write!(f, "is not {}{unit}", other.words())?,
                }
                write!(f, " ({device}, reported at {reported})")
            }
            Self::NotLongEnough { since, so_far, wanted, unknown } => {
                write!(f, "true since {since}, for {so_far}; wanted for {wanted}")?;
                unknown.map_or(Ok(()), |unknown| write!(f, "; unknown since {unknown}"))
            }
            Self::Began { since } => write!(f, "it began at {since} and has not ended: a rule is told once"),
            Self::NotCleared { since, clear } => {
                write!(f, "it began at {since} and is not cleared: that takes {clear}")
            }
            Self::Snapshot => f.write_str("the last report was a snapshot (retained or polled), which begins nothing"),
            Self::Late { newest } => write!(f, "the last report came late: one of {newest} was known already"),
            Self::OutOfOrder { newest } => {
                write!(f, "the last report came out of order: one of {newest} was known already")
            }
            Self::NotReported { capability } => write!(f, "the last report said nothing of {capability}"),
            Self::Unchanged { capability, value, since } => write!(f, "{capability} is {value} since {since}"),
            Self::OtherChange { capability, value, wanted } => {
                write!(f, "{capability} changed to {value}; watched is a change {wanted}")
            }
            Self::NotSilent { heard, wanted, deadline } => {
                write!(f, "heard at {heard}; silent for {wanted} only from {deadline} on")
            }
            Self::Available => f.write_str("it is available"),
            Self::NotGoneLongEnough { since, wanted } => write!(f, "gone since {since}; wanted for {wanted}"),
            Self::Outside { area } => write!(f, "it is not in {area}"),
            Self::Window { decided: Some(decided), deadline: Some(deadline) } => {
                write!(f, "no window up to {decided} satisfied it; the next is decided at {deadline}")
            }
            Self::Window { decided: None, deadline: Some(deadline) } => {
                write!(f, "the first window is decided at {deadline}")
            }
            Self::Window { decided: Some(decided), deadline: None } => {
                write!(f, "no window up to {decided} satisfied it")
            }
            Self::Window { decided: None, deadline: None } => f.write_str("no window has closed yet"),
            Self::NotCaughtUp => f.write_str("the sources have not delivered what waited while the host was down"),
            Self::Nothing => f.write_str("nothing stops it"),
        }
    }
}
