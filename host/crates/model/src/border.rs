//! The border between a rule and the engine: what a rule hands over, or the reason why it may not pass.
//!
//! A rule can make anything that its types allow. What passes here is finite, exact, of bounded size, and within the
//! ranges that the contract states; the engine does not look again. Whatever runs rules asks here, so that a rule in
//! native code and the same rule as a package are refused alike.

use crate::effect::{Audience, Check, Command, Emission, Notification, Overdue, Relinquishment, Target, Timer};
use crate::event::{Custom, Message};
use crate::value::INTEGER_MAX;
use crate::{Attributes, Effect, Instant, Proposal, Span, Value, limits};

/// Why something may not pass, naming the field.
pub type Crossing<T = ()> = Result<T, String>;

/// All proposals of one answer, at most `effects_max` of them and [`limits::WRITES_PER_EVENT`] bytes.
///
/// # Errors
/// The first that may not pass. No more than that one is made of what `answer` gives.
pub fn proposals(answer: impl ExactSizeIterator<Item = Proposal>, effects_max: usize) -> Crossing<Vec<Proposal>> {
    if answer.len() > effects_max {
        return Err(format!("{} effects from one event, at most {effects_max}", answer.len()));
    }
    let mut border = Border { left: limits::WRITES_PER_EVENT };
    let pass = |(index, proposal)| match border.proposal(&proposal) {
        Ok(()) => Ok(proposal),
        Err(why) => Err(format!("effect {}: {why}", index + 1)),
    };
    answer.enumerate().map(pass).collect()
}

/// One value that a rule hands over outside of an answer.
///
/// # Errors
/// When it may not pass.
pub fn value(what: &str, value: Value) -> Crossing<Value> {
    Border { left: limits::CALL_BYTES }.value(what, &value)?;
    Ok(value)
}

/// Instants of years that can be written with four digits.
///
/// # Errors
/// When it is none.
pub fn instant(what: &str, at: Instant) -> Crossing<Instant> {
    if (Instant::MIN..=Instant::MAX).contains(&at) {
        Ok(at)
    } else {
        Err(format!("`{what}` is {} us since 1970, outside of the years 1 to 9999", at.0))
    }
}

/// A sample of a metric.
///
/// # Errors
/// When it is no finite number.
pub fn sample(metric: &str, sample: f64) -> Crossing<f64> {
    if sample.is_finite() {
        Ok(sample)
    } else {
        Err(format!("`{metric}` observes {sample}, which is no finite number"))
    }
}

/// Fields of a log line. A log shows what there is: an unsound number becomes text.
#[must_use]
pub fn fields(mut fields: Attributes) -> Attributes {
    for (_, value) in fields.iter_mut().filter(|(_, value)| !value.is_sound()) {
        *value = Value::text(value.to_string());
    }
    fields
}

/// What may still cross in one answer.
struct Border {
    left: usize,
}

impl Border {
    fn proposal(&mut self, proposal: &Proposal) -> Crossing {
        self.effect(&proposal.effect)?;
        self.optional_name("tag", proposal.tag.as_deref())?;
        proposal.because.as_deref().map_or(Ok(()), |text| self.take("because", text.len()))?;
        self.attributes("attributes", &proposal.attributes)
    }

    fn effect(&mut self, effect: &Effect) -> Crossing {
        match effect {
            Effect::Command(command) => self.command(command),
            Effect::Relinquish(Relinquishment { target, capability }) => {
                self.target(target)?;
                self.name("capability", capability)
            }
            Effect::Notification(notification) => self.notification(notification),
            Effect::SetTimer(timer) => self.timer(timer),
            Effect::CancelTimer(name) => self.name("timer", name),
            Effect::Cancel(tag) => self.name("tag", tag),
            Effect::Publish(message) => self.message(message),
            Effect::Emit(Emission { name, key, device, attributes }) => {
                self.name("name", name)?;
                self.optional_name("key", key.as_deref())?;
                self.optional_name("device", device.as_deref())?;
                self.attributes("attributes", attributes)
            }
            Effect::Other(Custom { name, attributes }) => {
                self.name("name", name)?;
                self.attributes("attributes", attributes)
            }
        }
    }

    fn command(&mut self, command: &Command) -> Crossing {
        if let Some(priority) = command.priority.filter(|priority| !(1..=16).contains(priority)) {
            return Err(format!("`priority` is {priority}, expected 1 to 16"));
        }
        self.target(&command.target)?;
        self.name("action", &command.action)?;
        self.attributes("arguments", &command.arguments)?;
        command.hold.map_or(Ok(()), |hold| span("hold", hold))?;
        optional_instant("expires-at", command.expires_at)?;
        for Check { capability, comparison: _, value } in &command.only_if {
            self.name("only-if", capability)?;
            self.value("only-if", value)?;
        }
        self.attributes("attributes", &command.attributes)
    }

    fn target(&mut self, target: &Target) -> Crossing {
        match target {
            Target::Role(role) => self.name("role", role),
            Target::Device(device) => self.name("device", device),
        }
    }

    fn notification(&mut self, notification: &Notification) -> Crossing {
        self.name("template", &notification.template)?;
        match &notification.to {
            Audience::Subject(subject) => self.name("subject", subject),
            Audience::OwnerOf(device) => self.name("owner-of", device),
            Audience::Segment(segment) => self.name("segment", segment),
            Audience::Group(group) => self.name("group", group),
            Audience::Other(other) => self.name("to", other),
        }?;
        self.attributes("parameters", &notification.parameters)?;
        self.optional_name("dedupe", notification.dedupe.as_deref())?;
        optional_instant("not-before", notification.not_before)?;
        optional_instant("expires-at", notification.expires_at)?;
        self.attributes("attributes", &notification.attributes)
    }

    fn timer(&mut self, timer: &Timer) -> Crossing {
        self.name("timer", &timer.name)?;
        instant("due", timer.due)?;
        match timer.overdue {
            Overdue::FireWithin(within) => span("fire-within", within)?,
            Overdue::Fire | Overdue::Skip => {}
        }
        timer.payload.as_ref().map_or(Ok(()), |payload| self.value("payload", payload))?;
        self.attributes("attributes", &timer.attributes)
    }

    fn message(&mut self, message: &Message) -> Crossing {
        self.take("payload", message.payload.len())?;
        self.take("topic", message.topic.len())?;
        self.optional_name("content-type", message.content_type.as_deref())?;
        self.attributes("attributes", &message.attributes)
    }

    fn attributes(&mut self, what: &str, attributes: &Attributes) -> Crossing {
        for (name, value) in attributes {
            self.name(what, name)?;
            self.value(name, value).map_err(|why| format!("{what}: {why}"))?;
        }
        Ok(())
    }

    fn value(&mut self, what: &str, value: &Value) -> Crossing {
        self.take(what, value.weight())?;
        match value {
            sound if sound.is_sound() => Ok(()),
            Value::Integer(integer) => {
                Err(format!("`{what}` is {integer}, beyond ±{INTEGER_MAX}, which not every language keeps exact"))
            }
            Value::Number(number) => Err(format!("`{what}` is {number}, which is no finite number")),
            other => Err(format!("`{what}` is {other}, which is no position on Earth")),
        }
    }

    fn optional_name(&mut self, what: &str, name: Option<&str>) -> Crossing {
        name.map_or(Ok(()), |name| self.name(what, name))
    }

    fn name(&mut self, what: &str, name: &str) -> Crossing {
        if name.len() > limits::NAME_BYTES {
            return Err(format!("`{what}` has a name of {} bytes, at most {}", name.len(), limits::NAME_BYTES));
        }
        self.take(what, name.len())
    }

    fn take(&mut self, what: &str, bytes: usize) -> Crossing {
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(format!("with `{what}` it is more than {} bytes for one event", limits::WRITES_PER_EVENT)),
        }
    }
}

fn optional_instant(what: &str, at: Option<Instant>) -> Crossing {
    at.map_or(Ok(()), |at| instant(what, at).map(drop))
}

fn span(what: &str, span: Span) -> Crossing {
    if span.0 <= INTEGER_MAX as u64 {
        Ok(())
    } else {
        Err(format!("`{what}` is {} us, longer than {INTEGER_MAX} us", span.0))
    }
}

#[cfg(test)]
mod tests;
