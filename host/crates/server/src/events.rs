//! `POST /v1/events`: events in, answered after the commit that holds them.
//!
//! A single event is answered with 202 and its id (also when it is a duplicate: the sender need not try again), or
//! with 422 and the reason. A batch, a JSON array, is answered item by item in its own order: 202 when all are
//! accepted or duplicates, 207 when at least one is rejected.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{self, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::{Json, body::HttpBody as _};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use model::limits::PAYLOAD_BYTES;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::metrics::Metrics;
use crate::problem::Problem;
use crate::state::{Intake, Item};

/// Largest body of a batch: four of the largest events, or some thousand usual ones.
pub(crate) const BATCH_BYTES: usize = 1024 * 1024;
/// How much of a body that is too large is read and thrown away, so that a client that sends first and reads later
/// still sees the answer instead of a broken connection.
const DISCARD_BYTES: usize = 8 * BATCH_BYTES;
/// Bodies in memory at once, in KiB; past it requests are answered with 503. A hub has room for this beside its rules.
const IN_FLIGHT_KIB: u32 = 16 * 1024;
/// A body must have arrived within this time: half a minute is long for a megabyte within one machine.
const BODY_WAIT: Duration = Duration::from_secs(30);
/// How long a request waits for its commit. A commit takes milliseconds; only a store in trouble takes longer.
const COMMIT_WAIT: Duration = Duration::from_secs(30);

/// What the handler needs.
#[derive(Clone)]
pub(crate) struct Events {
    pub(crate) intake: Arc<dyn Intake>,
    pub(crate) metrics: Metrics,
    room: Arc<Semaphore>,
    commit_wait: Duration,
}

impl Events {
    pub(crate) fn new(intake: Arc<dyn Intake>, metrics: Metrics) -> Self {
        let room = Arc::new(Semaphore::new(IN_FLIGHT_KIB as usize));
        Self { intake, metrics, room, commit_wait: COMMIT_WAIT }
    }
}

pub(crate) async fn post(events: extract::State<Events>, request: Request) -> Response {
    match take(&events, request).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

async fn take(events: &Events, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let announced = body.size_hint().exact().and_then(|bytes| usize::try_from(bytes).ok());
    if parts.headers.contains_key(header::EXPECT) && announced.is_some_and(|bytes| bytes > BATCH_BYTES) {
        return Err(too_large(BATCH_BYTES));
    }
    let kib = announced.unwrap_or(BATCH_BYTES).min(BATCH_BYTES).div_ceil(1024).max(1);
    let kib = u32::try_from(kib).expect("a batch has no more than 1024 KiB");
    let Ok(_room) = events.room.try_acquire_many(kib) else {
        return Err(busy("too many requests are waiting for their commit"));
    };

    let body = match timeout(BODY_WAIT, read(body)).await {
        Ok(read) => read?,
        Err(_) => {
            return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "slow-body", "the body did not arrive in time"));
        }
    };
    let batch = is_batch(&parts.headers, &body);
    if !batch && body.len() > PAYLOAD_BYTES {
        return Err(too_large(PAYLOAD_BYTES));
    }

    let content_type = text(&parts.headers, header::CONTENT_TYPE.as_str()).unwrap_or_default();
    let headers = parts
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
        .collect();
    let Ok(answer) = timeout(events.commit_wait, events.intake.events(content_type, headers, body)).await else {
        return Err(busy("not committed in time: the store may be in trouble; send it again under the same id"));
    };
    let items = answer?;
    events.metrics.count(&items);
    if batch { Ok(answer_batch(&items)) } else { answer_single(items) }
}

/// The whole body, or nothing of one that is larger than any batch may be.
async fn read(mut body: Body) -> Result<Bytes, Problem> {
    let mut kept = BytesMut::new();
    let mut seen = 0_usize;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            Problem::new(StatusCode::BAD_REQUEST, "broken-body", format!("body cut short: {error}"))
        })?;
        let Ok(data) = frame.into_data() else { continue };
        seen += data.len();
        if seen <= BATCH_BYTES {
            kept.extend_from_slice(&data);
        } else if seen > DISCARD_BYTES {
            break;
        }
    }
    if seen > BATCH_BYTES { Err(too_large(BATCH_BYTES)) } else { Ok(kept.freeze()) }
}

/// A CloudEvents batch by its content type, or an array of our own JSON. An array with `ce-` headers is the data of one
/// event.
fn is_batch(headers: &HeaderMap, body: &[u8]) -> bool {
    let content_type = text(headers, header::CONTENT_TYPE.as_str()).unwrap_or_default().to_ascii_lowercase();
    match content_type.split(';').next().unwrap_or_default().trim() {
        "application/cloudevents-batch+json" => true,
        "application/json" if !headers.contains_key("ce-id") => {
            body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[')
        }
        _ => false,
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

fn answer_batch(items: &[Item]) -> Response {
    let rejected = items.iter().any(|item| matches!(item, Item::Rejected { .. }));
    let status = if rejected { StatusCode::MULTI_STATUS } else { StatusCode::ACCEPTED };
    (status, Json(json!({ "results": items }))).into_response()
}

/// One body may name one device and still give several events; then the first rejection is the answer.
fn answer_single(items: Vec<Item>) -> Result<Response, Problem> {
    let mut first = None;
    for item in items {
        match item {
            Item::Rejected { reason, detail } => {
                return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, &reason, detail));
            }
            Item::Accepted { .. } | Item::Duplicate { .. } => first = first.or(Some(item)),
        }
    }
    let item = first.ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, "malformed", "the body holds no event"))?;
    Ok((StatusCode::ACCEPTED, Json(item)).into_response())
}

fn too_large(limit: usize) -> Problem {
    let detail = format!("the body is larger than {limit} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail)
}

fn busy(detail: &str) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;
    use crate::state::{Answer, Error};

    /// A store that never commits.
    struct Stuck;
    impl Intake for Stuck {
        fn events(&self, _: String, _: Vec<(String, String)>, _: Bytes) -> Answer<'_, Vec<Item>> {
            Box::pin(pending::<Result<_, Error>>())
        }
    }

    fn request(body: &'static str) -> Request {
        Request::post("/v1/events")
            .header("content-type", "application/json")
            .body(Body::from(body))
            .expect("a request")
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_does_not_commit_is_answered_with_503() {
        let events = Events::new(Arc::new(Stuck), Metrics::default());
        let problem = take(&events, request("{}")).await.expect_err("no commit");
        assert_eq!((problem.status, problem.reason.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "unavailable"));
    }

    #[tokio::test(start_paused = true)]
    async fn requests_beyond_the_room_for_bodies_are_answered_at_once() {
        let events = Events::new(Arc::new(Stuck), Metrics::default());
        let held = events.room.clone().try_acquire_many_owned(IN_FLIGHT_KIB - 1).expect("room");
        assert!(take(&events, request("{}")).await.expect_err("no commit").detail.contains("not committed"));
        let last = events.room.clone().try_acquire_owned().expect("room");
        assert!(take(&events, request("{}")).await.expect_err("no room").detail.contains("too many"));
        drop((held, last));
    }

    #[test]
    fn an_array_is_a_batch_unless_it_is_the_data_of_one_event() {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "application/json; charset=utf-8".parse().expect("a header"));
        assert!(is_batch(&headers, b" \n[{}]"));
        assert!(!is_batch(&headers, b"{}"));
        headers.insert("ce-id", "1".parse().expect("a header"));
        assert!(!is_batch(&headers, b"[1,2]"));
        headers.insert("content-type", "application/cloudevents-batch+json".parse().expect("a header"));
        assert!(is_batch(&headers, b"[]"));
    }
}
