//! `consent`: until consents are kept, only service and safety messages to people on duty leave.

use model::Deployment;
use model::effect::{Audience, Notification};
use model::notification::Class;

use super::Answer;
use crate::plan::Plan;

pub(crate) fn check(plan: &Plan, deployment: &Deployment, notification: &Notification) -> Answer {
    let granted = deployment.grants.notifications.iter().find(|grant| grant.template == notification.template);
    match (granted.map(|grant| grant.class), &notification.to) {
        (Some(Class::Service | Class::Safety), Audience::Group(group)) => {
            if plan.groups.contains_key(group) {
                Ok(())
            } else {
                Err("unknown-group")
            }
        }
        _ => Err("no-consent"),
    }
}
