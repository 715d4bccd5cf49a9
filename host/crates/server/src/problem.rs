//! Errors as JSON problem objects (RFC 9457), each with a kebab-case reason that programs can match.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::state;

/// An answer that is no success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) reason: String,
    pub(crate) detail: String,
}

/// Seconds after which a busy host is worth asking again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

impl Problem {
    pub(crate) fn new(status: StatusCode, reason: &str, detail: impl Into<String>) -> Self {
        Self { status, reason: reason.to_owned(), detail: detail.into() }
    }
}

impl From<state::Error> for Problem {
    fn from(error: state::Error) -> Self {
        let detail = error.to_string();
        match error {
            state::Error::Malformed(_) => Self::new(StatusCode::BAD_REQUEST, "malformed", detail),
            state::Error::NotFound(_) => Self::new(StatusCode::NOT_FOUND, "not-found", detail),
            state::Error::Refused { reason, .. } => Self::new(StatusCode::CONFLICT, &reason, detail),
            state::Error::Unavailable(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail),
            state::Error::Failed(_) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", detail),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "reason": self.reason,
            "detail": self.detail,
        });
        let mut response = (self.status, body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        response
    }
}
