//! The border on the way out: a guest's proposals become the engine's, or the reason why they may not.
//!
//! A guest can return anything that its types allow. What passes here is finite, exact, of bounded size, and within
//! the ranges that the contract states; the engine does not look again.

use model::effect::{
    Audience, Check, Command, Comparison, Emission, Notification, Overdue, Relinquishment, Target, Timer, Urgency,
};
use model::event::{Custom, Message};
use model::value::{INTEGER_MAX, Position};
use model::{Attributes, Effect, Instant, Name, Proposal, Span, Value, limits};

use crate::bindings::pointsman::rules::types as wit;
use crate::stop::Refused;

/// All proposals of one answer, at most `effects_max` of them and [`limits::WRITES_PER_EVENT`] bytes.
pub(crate) fn proposals(answer: Vec<wit::Proposal>, effects_max: usize) -> Result<Vec<Proposal>, Refused> {
    if answer.len() > effects_max {
        return Err(Refused::Output(format!("{} effects from one event, at most {effects_max}", answer.len())));
    }
    let mut border = Border { left: limits::WRITES_PER_EVENT };
    let lift = |(index, proposal)| {
        border.proposal(proposal).map_err(|why| Refused::Output(format!("effect {}: {why}", index + 1)))
    };
    answer.into_iter().enumerate().map(lift).collect()
}

/// One value that a guest hands over outside of an answer.
pub(crate) fn value(what: &str, value: wit::ValueResult) -> Result<Value, Refused> {
    Border { left: limits::CALL_BYTES }.value(what, value).map_err(Refused::Output)
}

/// Fields of a log line. A log shows what there is: an unsound number becomes text.
pub(crate) fn fields(fields: wit::AttributesResult) -> Attributes {
    let lift = |(name, value): (String, _)| {
        let value = plain(value);
        let value = if value.is_sound() { value } else { Value::text(value.to_string()) };
        (Name::from(name), value)
    };
    fields.into_iter().map(lift).collect()
}

pub(crate) fn instant(what: &str, at: i64) -> Result<Instant, Refused> {
    exact_instant(what, at).map_err(Refused::Output)
}

/// What may still cross in one answer.
struct Border {
    left: usize,
}

/// Why something may not cross, naming the field.
type Crossing<T> = Result<T, String>;

impl Border {
    fn proposal(&mut self, proposal: wit::Proposal) -> Crossing<Proposal> {
        Ok(Proposal {
            effect: self.effect(proposal.effect)?,
            tag: self.optional_name("tag", proposal.tag)?,
            because: proposal.because.map(|text| self.text("because", text)).transpose()?,
            attributes: self.attributes("attributes", proposal.attributes)?,
        })
    }

    fn effect(&mut self, effect: wit::Effect) -> Crossing<Effect> {
        Ok(match effect {
            wit::Effect::Command(command) => Effect::Command(self.command(command)?),
            wit::Effect::Relinquish(relinquish) => Effect::Relinquish(Relinquishment {
                target: self.target(relinquish.target)?,
                capability: self.name("capability", relinquish.capability)?,
            }),
            wit::Effect::Notification(notification) => Effect::Notification(self.notification(notification)?),
            wit::Effect::SetTimer(timer) => Effect::SetTimer(self.timer(timer)?),
            wit::Effect::CancelTimer(name) => Effect::CancelTimer(self.name("timer", name)?),
            wit::Effect::Cancel(tag) => Effect::Cancel(self.name("tag", tag)?),
            wit::Effect::Publish(message) => Effect::Publish(self.message(message)?),
            wit::Effect::Emit(emission) => Effect::Emit(Emission {
                name: self.name("name", emission.name)?,
                key: self.optional_name("key", emission.key)?,
                device: self.optional_name("device", emission.device)?,
                attributes: self.attributes("attributes", emission.attributes)?,
            }),
            wit::Effect::Other(custom) => Effect::Other(Custom {
                name: self.name("name", custom.name)?,
                attributes: self.attributes("attributes", custom.attributes)?,
            }),
        })
    }

    fn command(&mut self, command: wit::Command) -> Crossing<Command> {
        if let Some(priority) = command.priority.filter(|priority| !(1..=16).contains(priority)) {
            return Err(format!("`priority` is {priority}, expected 1 to 16"));
        }
        Ok(Command {
            target: self.target(command.target)?,
            action: self.name("action", command.action)?,
            arguments: self.attributes("arguments", command.arguments)?,
            priority: command.priority,
            hold: command.hold.map(|span| exact_span("hold", span)).transpose()?,
            expires_at: optional_instant("expires-at", command.expires_at)?,
            only_if: command.only_if.into_iter().map(|check| self.check(check)).collect::<Crossing<_>>()?,
            attributes: self.attributes("attributes", command.attributes)?,
        })
    }

    fn check(&mut self, check: wit::Check) -> Crossing<Check> {
        Ok(Check {
            capability: self.name("only-if", check.capability)?,
            comparison: match check.comparison {
                wit::Comparison::Equal => Comparison::Equal,
                wit::Comparison::NotEqual => Comparison::NotEqual,
                wit::Comparison::Less => Comparison::Less,
                wit::Comparison::AtMost => Comparison::AtMost,
                wit::Comparison::Greater => Comparison::Greater,
                wit::Comparison::AtLeast => Comparison::AtLeast,
            },
            value: self.value("only-if", check.value)?,
        })
    }

    fn target(&mut self, target: wit::TargetResult) -> Crossing<Target> {
        Ok(match target {
            wit::TargetResult::Role(role) => Target::Role(self.name("role", role)?),
            wit::TargetResult::Device(device) => Target::Device(self.name("device", device)?),
        })
    }

    fn notification(&mut self, notification: wit::Notification) -> Crossing<Notification> {
        Ok(Notification {
            template: self.name("template", notification.template)?,
            to: match notification.to {
                wit::Audience::Subject(subject) => Audience::Subject(self.name("subject", subject)?),
                wit::Audience::OwnerOf(device) => Audience::OwnerOf(self.name("owner-of", device)?),
                wit::Audience::Segment(segment) => Audience::Segment(self.name("segment", segment)?),
                wit::Audience::Group(group) => Audience::Group(self.name("group", group)?),
                wit::Audience::Other(other) => Audience::Other(self.name("to", other)?),
            },
            parameters: self.attributes("parameters", notification.parameters)?,
            urgency: match notification.urgency {
                wit::Urgency::Background => Urgency::Background,
                wit::Urgency::Normal => Urgency::Normal,
                wit::Urgency::Urgent => Urgency::Urgent,
            },
            dedupe: self.optional_name("dedupe", notification.dedupe)?,
            not_before: optional_instant("not-before", notification.not_before)?,
            expires_at: optional_instant("expires-at", notification.expires_at)?,
            attributes: self.attributes("attributes", notification.attributes)?,
        })
    }

    fn timer(&mut self, timer: wit::Timer) -> Crossing<Timer> {
        Ok(Timer {
            name: self.name("timer", timer.name)?,
            due: exact_instant("due", timer.due)?,
            overdue: match timer.overdue {
                wit::Overdue::Fire => Overdue::Fire,
                wit::Overdue::FireWithin(span) => Overdue::FireWithin(exact_span("fire-within", span)?),
                wit::Overdue::Skip => Overdue::Skip,
            },
            payload: timer.payload.map(|payload| self.value("payload", payload)).transpose()?,
            attributes: self.attributes("attributes", timer.attributes)?,
        })
    }

    fn message(&mut self, message: wit::MessageResult) -> Crossing<Message> {
        self.take("payload", message.payload.len())?;
        Ok(Message {
            topic: self.text("topic", message.topic)?,
            payload: message.payload.into(),
            content_type: self.optional_name("content-type", message.content_type)?,
            retained: message.retained,
            attributes: self.attributes("attributes", message.attributes)?,
        })
    }

    fn attributes(&mut self, what: &str, attributes: wit::AttributesResult) -> Crossing<Attributes> {
        let mut lifted = Vec::with_capacity(attributes.len());
        for (name, value) in attributes {
            let name = self.name(what, name)?;
            let value = self.value(&name, value).map_err(|why| format!("{what}: {why}"))?;
            lifted.push((name, value));
        }
        Ok(lifted)
    }

    fn value(&mut self, what: &str, value: wit::ValueResult) -> Crossing<Value> {
        let value = plain(value);
        self.take(what, value.weight())?;
        match &value {
            sound if sound.is_sound() => Ok(value),
            Value::Integer(integer) => {
                Err(format!("`{what}` is {integer}, beyond ±{INTEGER_MAX}, which not every language keeps exact"))
            }
            Value::Number(number) => Err(format!("`{what}` is {number}, which is no finite number")),
            other => Err(format!("`{what}` is {other}, which is no position on Earth")),
        }
    }

    fn optional_name(&mut self, what: &str, name: Option<String>) -> Crossing<Option<Name>> {
        name.map(|name| self.name(what, name)).transpose()
    }

    fn name(&mut self, what: &str, name: String) -> Crossing<Name> {
        if name.len() > limits::NAME_BYTES {
            return Err(format!("`{what}` has a name of {} bytes, at most {}", name.len(), limits::NAME_BYTES));
        }
        self.text(what, name)
    }

    fn text(&mut self, what: &str, text: String) -> Crossing<Name> {
        self.take(what, text.len())?;
        Ok(Name::from(text))
    }

    fn take(&mut self, what: &str, bytes: usize) -> Crossing<()> {
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(format!("with `{what}` it is more than {} bytes for one event", limits::WRITES_PER_EVENT)),
        }
    }
}

fn plain(value: wit::ValueResult) -> Value {
    match value {
        wit::ValueResult::Boolean(yes) => Value::Boolean(yes),
        wit::ValueResult::Integer(integer) => Value::Integer(integer),
        wit::ValueResult::Number(number) => Value::Number(number),
        wit::ValueResult::Text(text) => Value::Text(Name::from(text)),
        wit::ValueResult::Bytes(bytes) => Value::Bytes(bytes.into()),
        wit::ValueResult::Position(p) => {
            Value::Position(Position { latitude: p.latitude, longitude: p.longitude, accuracy: p.accuracy })
        }
        wit::ValueResult::Json(text) => Value::Json(Name::from(text)),
    }
}

fn optional_instant(what: &str, at: Option<i64>) -> Crossing<Option<Instant>> {
    at.map(|at| exact_instant(what, at)).transpose()
}

/// Instants of years that can be written with four digits.
fn exact_instant(what: &str, at: i64) -> Crossing<Instant> {
    let at = Instant(at);
    if (Instant::MIN..=Instant::MAX).contains(&at) {
        Ok(at)
    } else {
        Err(format!("`{what}` is {} us since 1970, outside of the years 1 to 9999", at.0))
    }
}

fn exact_span(what: &str, span: u64) -> Crossing<Span> {
    if span <= INTEGER_MAX as u64 {
        Ok(Span(span))
    } else {
        Err(format!("`{what}` is {span} us, longer than {INTEGER_MAX} us"))
    }
}

#[cfg(test)]
mod tests;
