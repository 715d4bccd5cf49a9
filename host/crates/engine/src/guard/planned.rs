//! `precondition` of a notification that is planned: near enough, and not over before it begins.

use model::effect::Notification;
use model::{Instant, limits};

use super::Answer;

pub(crate) fn check(notification: &Notification, now: Instant) -> Answer {
    let Some(not_before) = notification.not_before else { return Ok(()) };
    if not_before > now + limits::NOT_BEFORE {
        return Err("too-far-ahead");
    }
    if notification.expires_at.is_some_and(|end| end < not_before) {
        return Err("expires-before");
    }
    Ok(())
}
