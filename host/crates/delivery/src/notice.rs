//! Notice: a notification as JSON, the same for every sink that is a program.

use model::outgoing::{Outgoing, OutgoingBody};
use model::value::plain;
use serde_json::json;

use crate::{Failure, Templates};

/// The body in the shape that Standard Webhooks asks for: type, timestamp, data.
///
/// # Errors
/// When the effect is no notification, or its template has no text for it.
pub(crate) fn body(templates: &Templates, locale: Option<&str>, outgoing: &Outgoing) -> Result<String, Failure> {
    let OutgoingBody::Notification { template, class, group, parameters, urgency, because } = &outgoing.body else {
        return Err(Failure::refused("unsupported"));
    };
    let text = templates.render(template, locale, parameters).map_err(|error| {
        tracing::warn!(effect = %outgoing.effect, sink = %outgoing.sink, %error, "a notification has no text");
        Failure::refused(error.reason())
    })?;
    let body = json!({
        "type": "notification",
        "timestamp": outgoing.committed_at,
        "data": {
            "id": outgoing.effect,
            "template": template,
            "class": class,
            "title": text.title,
            "body": text.body,
            "locale": text.locale,
            "parameters": plain::object(parameters),
            "group": group,
            "urgency": urgency,
            "because": because,
        },
    });
    Ok(body.to_string())
}
