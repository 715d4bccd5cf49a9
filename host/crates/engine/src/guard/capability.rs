//! `capability`: requested ∩ granted. What a rule was not given it cannot do.

use model::deployment::CommandGrant;
use model::effect::{Command, Emission, Notification};
use model::event::Message;
use model::{Deployment, DeviceNo, limits, topic};

use super::Answer;
use crate::plan::Plan;

/// A command to one device: it must be a member of a role for which the action is granted, within its ranges.
pub(crate) fn command(deployment: &Deployment, command: &Command, device: Option<DeviceNo>) -> Answer {
    let device = device.ok_or("unknown-device")?;
    let mut refusal = "not-granted";
    for grant in deployment.grants.commands.iter().filter(|grant| grant.action == command.action) {
        let member = deployment.role(&grant.role).is_some_and(|role| role.members.contains(&device));
        if !member {
            continue;
        }
        match within(grant, command) {
            Ok(()) => return Ok(()),
            Err(reason) => refusal = reason,
        }
    }
    Err(refusal)
}

fn within(grant: &CommandGrant, command: &Command) -> Answer {
    for (name, range) in &grant.arguments {
        let given = command.arguments.iter().find(|(argument, _)| argument == name);
        if !given.is_some_and(|(_, value)| range.holds(value)) {
            return Err("argument-out-of-range");
        }
    }
    let (low, high) = grant.priority;
    match command.priority {
        Some(priority) if !(low..=high).contains(&priority) => Err("priority-not-granted"),
        _ => Ok(()),
    }
}

pub(crate) fn notification(deployment: &Deployment, notification: &Notification) -> Answer {
    let granted = deployment.grants.notifications.iter().any(|grant| grant.template == notification.template);
    if granted { Ok(()) } else { Err("not-granted") }
}

/// A topic that belongs to a device can never be published: that is what commands are for.
pub(crate) fn publish(plan: &Plan, deployment: &Deployment, message: &Message) -> Answer {
    if !topic::is_name(&message.topic) {
        return Err("bad-topic");
    }
    if message.payload.len() > limits::PAYLOAD_BYTES {
        return Err("payload-too-large");
    }
    if message.topic.starts_with('$') || plan.is_device_topic(&message.topic) {
        return Err("use-command");
    }
    let granted = deployment.grants.publish.iter().any(|filter| topic::matches(filter, &message.topic));
    if granted { Ok(()) } else { Err("not-granted") }
}

pub(crate) fn emit(deployment: &Deployment, emission: &Emission) -> Answer {
    if deployment.grants.emit.contains(&emission.name) { Ok(()) } else { Err("not-granted") }
}
