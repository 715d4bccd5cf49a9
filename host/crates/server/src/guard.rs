//! Who may ask at all: requests that a web page could have caused are refused, even on loopback.
//!
//! A page in the user's browser can send requests to 127.0.0.1, and by pointing its own name there (DNS rebinding) it
//! can read the answers too. Three checks close that door: the `Host` must be ours, there must be no `Origin`, and a
//! body must be declared as JSON, which a plain HTML form cannot do.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{self, Request};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::problem::Problem;

/// The names under which this host may be addressed over TCP.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    port: u16,
    names: Arc<[String]>,
}

impl Names {
    /// The loopback names and `more`, all with the port of `address`.
    pub(crate) fn new(address: SocketAddr, more: &[String]) -> Self {
        let own = ["127.0.0.1", "localhost", "[::1]"].map(str::to_owned);
        Self { port: address.port(), names: own.into_iter().chain(more.iter().cloned()).collect() }
    }

    fn hold(&self, authority: &Authority) -> bool {
        // Port 80 is the one that clients leave out.
        let port = authority.port_u16().unwrap_or(80);
        port == self.port
            && !authority.as_str().contains('@')
            && self.names.iter().any(|name| name.eq_ignore_ascii_case(authority.host()))
    }

    fn check(&self, request: &Request) -> Result<(), Problem> {
        let foreign = |host: &str| {
            let detail = format!("`{host}` is not a name of this host: ask 127.0.0.1:{} or localhost:{0}", self.port);
            Problem::new(StatusCode::MISDIRECTED_REQUEST, "foreign-host", detail)
        };
        let mut hosts = request.headers().get_all(header::HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else {
            return Err(foreign("none, or more than one"));
        };
        let ours = |authority: Authority| self.hold(&authority);
        if !Authority::try_from(host.as_bytes()).is_ok_and(ours) {
            return Err(foreign(&String::from_utf8_lossy(host.as_bytes())));
        }
        match request.uri().authority() {
            Some(authority) if !self.hold(authority) => Err(foreign(authority.as_str())),
            Some(_) | None => Ok(()),
        }
    }
}

/// Lets through what is addressed to us and was not sent by a web page.
pub(crate) async fn local(names: extract::State<Names>, request: Request, next: Next) -> Response {
    if let Err(problem) = names.check(&request) {
        return problem.into_response();
    }
    if request.headers().contains_key(header::ORIGIN) {
        let detail = "requests of web pages are refused: this interface is for programs on this machine";
        return Problem::new(StatusCode::FORBIDDEN, "origin", detail).into_response();
    }
    next.run(request).await
}

/// Lets through only JSON bodies, and marks answers as what they are.
pub(crate) async fn json(request: Request, next: Next) -> Response {
    if request.method() == Method::POST && !is_json(request.headers()) {
        let detail = "the body must be JSON: send `content-type: application/json`, in UTF-8 and not compressed";
        return Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-json", detail).into_response();
    }
    let mut response = next.run(request).await;
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// `application/json` or `application/SOMETHING+json`, in UTF-8, sent as it is.
fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (types.next(), types.next()) else { return false };
    let Ok(value) = value.to_str() else { return false };
    let value = value.to_ascii_lowercase();
    let mut parts = value.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    let json = essence == "application/json"
        || essence.strip_prefix("application/").is_some_and(|kind| kind.len() > 5 && kind.ends_with("+json"));
    let utf_8 = parts.all(|part| match part.strip_prefix("charset=") {
        Some(charset) => matches!(charset.trim_matches('"'), "utf-8" | "utf8"),
        None => true,
    });
    let plain = headers.get_all(header::CONTENT_ENCODING).iter().all(|coding| coding == "identity");
    json && utf_8 && plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_with_our_own_port_are_ours() {
        let names = Names::new(SocketAddr::from(([127, 0, 0, 1], 8080)), &["Hub-7.local".to_owned()]);
        let ours = |host: &str| Authority::try_from(host).is_ok_and(|authority| names.hold(&authority));
        for host in ["127.0.0.1:8080", "localhost:8080", "LOCALHOST:8080", "[::1]:8080", "hub-7.local:8080"] {
            assert!(ours(host), "{host}");
        }
        for host in [
            "evil.example:8080",
            "127.0.0.1",
            "127.0.0.1:8081",
            "user@localhost:8080",
            "localhost.evil.example:8080",
            "localhost.:8080",
            "127.0.0.1.nip.io:8080",
            "",
        ] {
            assert!(!ours(host), "{host}");
        }
    }

    #[test]
    fn the_port_may_be_left_out_only_where_it_is_80() {
        let names = Names::new(SocketAddr::from(([127, 0, 0, 1], 80)), &[]);
        assert!(names.hold(&Authority::from_static("localhost")));
        assert!(!names.hold(&Authority::from_static("localhost:8080")));
    }

    #[test]
    fn json_is_recognised_by_its_content_type_alone() {
        let with = |kind: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_str(kind).expect("a header"));
            headers
        };
        for kind in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/cloudevents+json",
            "application/cloudevents-batch+json; charset=\"utf-8\"",
        ] {
            assert!(is_json(&with(kind)), "{kind}");
        }
        for kind in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=application/json",
            "application/+json",
            "text/json",
            "application/json; charset=utf-16",
        ] {
            assert!(!is_json(&with(kind)), "{kind}");
        }
        assert!(!is_json(&HeaderMap::new()));

        let mut packed = with("application/json");
        packed.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        assert!(!is_json(&packed));
    }
}
