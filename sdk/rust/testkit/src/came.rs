//! What came of something that happened: decisions, and what the rule logged.

use std::fmt::Write as _;

use engine::{LogLine, Turn};
use model::effect::{Audience, Command, Effect, Notification, Target};
use model::{Decision, Name, Verdict};

/// The decisions of everything that one call let happen, in the order in which they were made.
#[derive(Debug, Default)]
pub struct Came {
    pub decisions: Vec<Decision>,
    pub logs: Vec<LogLine>,
}

impl Came {
    pub(crate) fn new(turn: Turn) -> Self {
        Self { decisions: turn.decisions, logs: turn.logs }
    }

    pub(crate) fn join(&mut self, later: Self) {
        self.decisions.extend(later.decisions);
        self.logs.extend(later.logs);
    }

    /// Each effect in a line, and each step that failed. Timers are left out: what they do later is in a later line.
    ///
    /// `siren on`, `thermostat set value=17`, `notify duty too-warm`, `publish site/alarm ON`, `emit told`; what a gate
    /// did not let through begins with its verdict and reason, as in `refused rate: siren on`; a rule that could not
    /// handle its event gives `failed trap`.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.decisions.iter().filter_map(line).collect()
    }

    /// Commands that may leave, each with the device that it is for.
    #[must_use]
    pub fn commands(&self) -> Vec<(&str, &Command)> {
        let commands = self.allowed().filter_map(|(effect, member)| match effect {
            Effect::Command(command) => Some((member.unwrap_or_default(), command)),
            _ => None,
        });
        commands.collect()
    }

    /// Notifications that may leave.
    #[must_use]
    pub fn notifications(&self) -> Vec<&Notification> {
        let notifications = self.allowed().filter_map(|(effect, _)| match effect {
            Effect::Notification(notification) => Some(notification),
            _ => None,
        });
        notifications.collect()
    }

    /// Why the rule did what it did: the reason of each effect in order, the rule's own or else its trigger's.
    #[must_use]
    pub fn reasons(&self) -> Vec<&str> {
        let effects = self.decisions.iter().filter(|decision| decision.effect.is_some());
        effects.filter_map(|decision| decision.because.as_deref()).collect()
    }

    fn allowed(&self) -> impl Iterator<Item = (&Effect, Option<&str>)> {
        let allowed = self.decisions.iter().filter(|decision| decision.verdict == Verdict::Allowed);
        allowed.filter_map(|decision| decision.effect.as_ref()).map(|it| (&it.effect, it.member.as_deref()))
    }
}

fn line(decision: &Decision) -> Option<String> {
    let reason = || decision.reason.as_deref().unwrap_or_default();
    let Some(record) = &decision.effect else {
        return (decision.verdict == Verdict::Failed).then(|| format!("failed {}", reason()));
    };
    let said = effect(&record.effect, record.member.as_ref())?;
    Some(match decision.verdict {
        Verdict::Allowed => said,
        verdict => format!("{} {}: {said}", verdict.word(), reason()),
    })
}

fn effect(effect: &Effect, member: Option<&Name>) -> Option<String> {
    Some(match effect {
        Effect::Command(command) => {
            let mut said = format!("{} {}", member.unwrap_or_else(|| target(&command.target)), command.action);
            for (name, value) in &command.arguments {
                write!(said, " {name}={value}").expect("a string takes all");
            }
            said
        }
        Effect::Relinquish(it) => {
            format!("{} relinquish {}", member.unwrap_or_else(|| target(&it.target)), it.capability)
        }
        Effect::Notification(it) => format!("notify {} {}", audience(&it.to), it.template),
        Effect::SetTimer(_) | Effect::CancelTimer(_) => return None,
        Effect::Cancel(tag) => format!("cancel {tag}"),
        Effect::Publish(it) => format!("publish {} {}", it.topic, String::from_utf8_lossy(&it.payload)),
        Effect::Emit(it) => format!("emit {}", it.name),
        Effect::Other(it) => format!("other {}", it.name),
    })
}

fn target(target: &Target) -> &Name {
    match target {
        Target::Role(name) | Target::Device(name) => name,
    }
}

fn audience(audience: &Audience) -> &Name {
    match audience {
        Audience::Subject(name)
        | Audience::OwnerOf(name)
        | Audience::Segment(name)
        | Audience::Group(name)
        | Audience::Other(name) => name,
    }
}
