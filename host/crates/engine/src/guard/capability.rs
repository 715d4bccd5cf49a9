//! `capability`: requested ∩ granted. What a rule was not given it cannot do.

use model::deployment::{CommandGrant, Hours};
use model::effect::{Command, Emission, Notification};
use model::event::Message;
use model::{Deployment, DeviceNo, Instant, limits, topic};

use super::Answer;
use crate::calendar;
use crate::plan::Plan;

/// A command to one device: it must be a member of a role for which the action is granted, within its ranges.
///
/// `wall` is the wall clock; none where nobody can believe it, which lies within no hours.
pub(crate) fn command(
    deployment: &Deployment,
    command: &Command,
    device: Option<DeviceNo>,
    wall: Option<Instant>,
) -> Answer {
    let device = device.ok_or("unknown-device")?;
    let mut refusal = "not-granted";
    for grant in deployment.grants.commands.iter().filter(|grant| grant.action == command.action) {
        let member = deployment.role(&grant.role).is_some_and(|role| role.members.contains(&device));
        if !member {
            continue;
        }
        match within(grant, command, wall) {
            Ok(()) => return Ok(()),
            Err(reason) => refusal = reason,
        }
    }
    Err(refusal)
}

fn within(grant: &CommandGrant, command: &Command, wall: Option<Instant>) -> Answer {
    for (name, range) in &grant.arguments {
        let given = command.arguments.iter().find(|(argument, _)| argument == name);
        if !given.is_some_and(|(_, value)| range.holds(value)) {
            return Err("argument-out-of-range");
        }
    }
    let (low, high) = grant.priority;
    match command.priority {
        Some(priority) if !(low..=high).contains(&priority) => Err("priority-not-granted"),
        _ if grant.hours.as_ref().is_some_and(|hours| !now_within(hours, wall)) => Err("hours"),
        _ => Ok(()),
    }
}

/// As the wall clock of the zone shows: an hour that comes twice counts twice, one that is skipped not at all.
fn now_within(hours: &Hours, wall: Option<Instant>) -> bool {
    let local = wall.and_then(|wall| calendar::local(wall, calendar::zone(&hours.zone)?));
    local.is_some_and(|civil| hours.hold(u16::from(civil.hour) * 60 + u16::from(civil.minute)))
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
