//! What only the operator may do: routes of the socket, never of TCP.

use std::path::PathBuf;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{self, Path, Query};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::export::LineBody;
use crate::problem::Problem;
use crate::state::{Letters, Manual, Page, Range, State, Verify};

/// The body of `POST /v1/backup`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Backup {
    /// Absolute, for the client's working folder is not ours.
    pub(crate) file: PathBuf,
}

type Body<T> = Result<Json<T>, JsonRejection>;

pub(crate) async fn send(state: extract::State<State>, body: Body<Manual>) -> Result<Response, Problem> {
    let answer = state.operator.send(given(body)?).await?;
    Ok((StatusCode::ACCEPTED, Json(answer)).into_response())
}

pub(crate) async fn backup(state: extract::State<State>, body: Body<Backup>) -> Result<Json<Value>, Problem> {
    let Backup { file } = given(body)?;
    if !file.is_absolute() {
        let detail = format!("`{}` is not an absolute path", file.display());
        return Err(Problem::new(StatusCode::BAD_REQUEST, "malformed", detail));
    }
    Ok(Json(state.operator.backup(file).await?))
}

pub(crate) async fn accept_clock(state: extract::State<State>) -> Result<Json<Value>, Problem> {
    Ok(Json(state.operator.accept_clock().await?))
}

pub(crate) async fn export(
    state: extract::State<State>,
    range: Result<Query<Range>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(range) = range.map_err(|error| Problem::new(StatusCode::BAD_REQUEST, "malformed", error.body_text()))?;
    let lines = state.operator.export(range).await?;
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    Ok((kind, axum::body::Body::new(LineBody(lines))).into_response())
}

pub(crate) async fn stat(state: extract::State<State>) -> Result<Json<Value>, Problem> {
    Ok(Json(state.operator.stat().await?))
}

pub(crate) async fn verify(state: extract::State<State>, body: Body<Verify>) -> Result<Json<Value>, Problem> {
    Ok(Json(state.operator.verify(given(body)?).await?))
}

pub(crate) async fn dead_letters(
    state: extract::State<State>,
    letters: Result<Query<Letters>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let malformed = |detail: String| Problem::new(StatusCode::BAD_REQUEST, "malformed", detail);
    let Query(letters) = letters.map_err(|error| malformed(error.body_text()))?;
    if !(1..=Page::LARGEST).contains(&letters.limit) {
        return Err(malformed(format!("limit is {}, expected 1 to {}", letters.limit, Page::LARGEST)));
    }
    Ok(Json(Value::Array(state.operator.dead_letters(letters).await?)))
}

pub(crate) async fn dead_letter(state: extract::State<State>, number: Path<u64>) -> Result<Json<Value>, Problem> {
    let Path(number) = number;
    match state.operator.dead_letter(number).await? {
        Some(case) => Ok(Json(case)),
        None => Err(Problem::new(StatusCode::NOT_FOUND, "not-found", format!("there is no dead letter {number}"))),
    }
}

fn given<T>(body: Body<T>) -> Result<T, Problem> {
    let Json(value) = body.map_err(|error| Problem::new(StatusCode::BAD_REQUEST, "malformed", error.body_text()))?;
    Ok(value)
}
