//! What may be looked at: health, readiness, twins, deployments, and on the socket what `doctor` shows.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{self, Path, Query};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use crate::problem::Problem;
use crate::state::{Devices, Page, State};

/// The process runs and answers; nothing more.
pub(crate) async fn healthz() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// Whether the host does its work: 503 with the failing checks when it does not.
pub(crate) async fn readyz(state: extract::State<State>) -> Response {
    let readiness = state.views.readiness();
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness)).into_response()
}

pub(crate) async fn devices(
    state: extract::State<State>,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<Devices>, Problem> {
    let Query(page) = page.map_err(|error| Problem::new(StatusCode::BAD_REQUEST, "malformed", error.body_text()))?;
    if !(1..=Page::LARGEST).contains(&page.limit) {
        let detail = format!("limit is {}, expected 1 to {}", page.limit, Page::LARGEST);
        return Err(Problem::new(StatusCode::BAD_REQUEST, "malformed", detail));
    }
    Ok(Json(state.views.devices(page).await?))
}

pub(crate) async fn device(state: extract::State<State>, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    Ok(Json(state.views.device(id).await?))
}

pub(crate) async fn deployments(state: extract::State<State>) -> Result<Json<Value>, Problem> {
    Ok(Json(json!({ "deployments": state.views.deployments().await? })))
}

pub(crate) async fn doctor(state: extract::State<State>) -> Result<Json<Value>, Problem> {
    Ok(Json(state.views.doctor().await?))
}
