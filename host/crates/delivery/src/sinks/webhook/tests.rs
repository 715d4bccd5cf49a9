//! Webhooks against a real HTTP receiver on loopback.

use std::collections::BTreeMap;
use std::sync::Mutex;

use axum::http::{HeaderMap, Response};
use axum::{Router, body::Body, body::Bytes, extract::State, routing::post};
use model::effect::Urgency;
use model::notification::{Class, Template, Text};
use model::outgoing::OutgoingBody;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use tokio::sync::mpsc;

use super::*;
use crate::certificates::Certificates;
use crate::{Dispatcher, sink};

const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3";

struct Request {
    headers: HeaderMap,
    body: Bytes,
}

/// Answers with the statuses it was given, then with 200.
struct Receiver {
    url: String,
    requests: mpsc::Receiver<Request>,
}

type Answers = Arc<(Mutex<Vec<(u16, Option<&'static str>)>>, mpsc::Sender<Request>)>;

/// Where each connection is encrypted with the server's certificate.
struct Encrypted(tokio::net::TcpListener, tokio_rustls::TlsAcceptor);

impl axum::serve::Listener for Encrypted {
    type Io = tokio_rustls::server::TlsStream<tokio::net::TcpStream>;
    type Addr = std::net::SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = self.0.accept().await.expect("a listener on loopback");
            // A client that does not trust us goes away.
            if let Ok(stream) = self.1.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

fn acceptor(certificates: &Certificates) -> tokio_rustls::TlsAcceptor {
    let chain = CertificateDer::pem_file_iter(certificates.file("server.pem")).expect("a chain");
    let chain = chain.collect::<Result<Vec<_>, _>>().expect("a chain");
    let key = PrivateKeyDer::from_pem_file(certificates.file("server.key")).expect("a key");
    let builder = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().expect("usual versions").with_no_client_auth();
    Arc::new(builder.with_single_cert(chain, key).expect("a pair")).into()
}

async fn receiver(answers: &[(u16, Option<&'static str>)]) -> Receiver {
    let (router, requests) = routes(answers);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/hook", listener.local_addr().expect("bound"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Receiver { url, requests }
}

async fn encrypted(certificates: &Certificates) -> Receiver {
    let (router, requests) = routes(&[]);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("https://localhost:{}/hook", listener.local_addr().expect("bound").port());
    let listener = Encrypted(listener, acceptor(certificates));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Receiver { url, requests }
}

fn routes(answers: &[(u16, Option<&'static str>)]) -> (Router, mpsc::Receiver<Request>) {
    async fn answer(State(state): State<Answers>, headers: HeaderMap, body: Bytes) -> Response<Body> {
        let next = {
            let mut answers = state.0.lock().expect("no panic under the lock");
            if answers.is_empty() { (200, None) } else { answers.remove(0) }
        };
        state.1.send(Request { headers, body }).await.expect("the test listens");
        let mut response = Response::builder().status(next.0);
        if let Some(after) = next.1 {
            response = response.header("retry-after", after).header("location", "/elsewhere");
        }
        response.body(Body::empty()).expect("a sound response")
    }
    let (sender, requests) = mpsc::channel(16);
    let state: Answers = Arc::new((Mutex::new(answers.to_vec()), sender));
    (Router::new().route("/hook", post(answer)).with_state(state), requests)
}

fn templates() -> Arc<Templates> {
    let text = Text { title: "{{ device }} is warm".into(), body: "{{ value }} °C for {{ minutes }} min".into() };
    let template = Template {
        name: "excursion".into(),
        class: Class::Service,
        purpose: "service".into(),
        texts: BTreeMap::from([("en".into(), text)]),
        default_locale: "en".into(),
    };
    Arc::new(Templates::new([template]).expect("a sound template"))
}

/// A folder that cannot be: for tests in which nobody is gone.
const NO_MARKS: &str = "/dev/null/gone";

fn webhook(url: &str) -> Webhook {
    let mut options = Options::new("ops-hook", url, Secret::new(SECRET), NO_MARKS);
    options.retries = vec![Span::from_millis(1); 2];
    Webhook::new(options, templates()).expect("sound options")
}

fn marking(url: &str, marks: &std::path::Path) -> Webhook {
    Webhook::new(Options::new("ops-hook", url, Secret::new(SECRET), marks), templates()).expect("sound options")
}

fn notification() -> Outgoing {
    Outgoing {
        effect: Id([0xab; 16]),
        sink: "ops-hook".into(),
        target: "quality".into(),
        committed_at: "2026-01-01T00:00:00Z".parse().expect("an instant"),
        expires_at: None,
        body: OutgoingBody::Notification {
            template: "excursion".into(),
            class: Class::Service,
            group: "quality".into(),
            parameters: vec![
                ("device".into(), "fridge-1".into()),
                ("value".into(), 8.3.into()),
                ("minutes".into(), model::Value::Integer(30)),
            ],
            urgency: Urgency::Normal,
            because: Some("above 8 °C for 30 min".into()),
        },
    }
}

fn now() -> Instant {
    Instant(1_767_225_600_500_000)
}

#[test]
fn signatures_match_the_published_vector() {
    let signer = standardwebhooks::Webhook::new(SECRET).expect("a secret");
    let body = br#"{"type":"notify.sent","timestamp":"2026-01-01T00:00:00Z","data":{"id":"n1"}}"#;
    let signature = signer.sign("msg_1", 1_767_225_600, body).expect("signed");
    assert_eq!(signature, "v1,5hv0Yyk8rXK4V4KB4zb2YLOY687t1fLR2YqPO0OoGC8=");
}

#[tokio::test]
async fn a_notification_arrives_signed_under_its_effect_id() {
    let mut receiver = receiver(&[]).await;
    webhook(&receiver.url).send(&notification(), now()).await.expect("taken");
    let Request { headers, body } = receiver.requests.recv().await.expect("a request");
    let header = |name: &str| headers[name].to_str().expect("text").to_owned();
    assert_eq!(header("webhook-id"), "ab".repeat(16));
    assert_eq!(header("webhook-timestamp"), "1767225600");
    assert_eq!(header("content-type"), "application/json");
    let signer = standardwebhooks::Webhook::new(SECRET).expect("a secret");
    let expected = signer.sign(&header("webhook-id"), 1_767_225_600, &body).expect("signed");
    assert_eq!(header("webhook-signature"), expected);
    let body: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(
        body,
        json!({
            "type": "notification",
            "timestamp": "2026-01-01T00:00:00Z",
            "data": {
                "id": "ab".repeat(16),
                "template": "excursion",
                "class": "service",
                "title": "fridge-1 is warm",
                "body": "8.3 °C for 30 min",
                "locale": "en",
                "parameters": {"device": "fridge-1", "value": 8.3, "minutes": 30},
                "group": "quality",
                "urgency": "normal",
                "because": "above 8 °C for 30 min",
            },
        })
    );
}

#[tokio::test]
async fn only_success_counts_and_each_answer_has_its_meaning() {
    let passing = |status: u16, wait: Option<u64>| Failure::Passing {
        reason: format!("http-{status}").into(),
        reached: Reached::Perhaps,
        wait: wait.map(Span::from_secs),
    };
    let cases: [(u16, Option<&'static str>, Result<(), Failure>); 10] = [
        (204, None, Ok(())),
        (302, Some("soon"), Err(passing(302, None))),
        (400, None, Err(Failure::refused("http-400"))),
        (404, None, Err(Failure::refused("http-404"))),
        (408, None, Err(passing(408, None))),
        (425, None, Err(passing(425, None))),
        (429, Some("17"), Err(passing(429, Some(17)))),
        (500, None, Err(passing(500, None))),
        (503, Some("999999"), Err(passing(503, Some(86_400)))),
        (410, None, Err(Failure::refused("gone"))),
    ];
    let answers: Vec<_> = cases.iter().map(|(status, after, _)| (*status, *after)).collect();
    let mut receiver = receiver(&answers).await;
    let marks = tempfile::tempdir().expect("a folder");
    let webhook = marking(&receiver.url, marks.path());
    for (status, _, expected) in cases {
        assert_eq!(webhook.send(&notification(), now()).await, expected, "{status}");
        assert!(receiver.requests.recv().await.is_some());
    }
    // A receiver that is gone is not asked again.
    assert_eq!(webhook.send(&notification(), now()).await, Err(Failure::refused("gone")));
    assert!(receiver.requests.try_recv().is_err());
}

#[tokio::test]
async fn a_receiver_stays_gone_over_a_restart_until_it_is_enabled_or_moves() {
    let mut old = receiver(&[(410, None), (204, None)]).await;
    let marks = tempfile::tempdir().expect("a folder");
    let gone = Err(Failure::refused("gone"));
    assert_eq!(marking(&old.url, marks.path()).send(&notification(), now()).await, gone);
    assert!(old.requests.recv().await.is_some());
    let restarted = marking(&old.url, marks.path());
    assert_eq!(restarted.send(&notification(), now()).await, gone);
    assert!(old.requests.try_recv().is_err());

    let new = receiver(&[(204, None)]).await;
    assert_eq!(marking(&new.url, marks.path()).send(&notification(), now()).await, Ok(()));
    Gone::new(marks.path(), "ops-hook", &old.url).enable().expect("a mark");
    assert_eq!(restarted.send(&notification(), now()).await, Ok(()));
}

#[tokio::test]
async fn all_attempts_carry_one_id_and_one_body() {
    let mut receiver = receiver(&[(500, None), (503, None)]).await;
    let sink: Arc<dyn sink::Sink> = Arc::new(webhook(&receiver.url));
    let (results, mut ends) = mpsc::channel(8);
    let start = tokio::time::Instant::now();
    let (dispatcher, handle) = Dispatcher::new(crate::Options {
        sinks: vec![sink],
        source: Arc::new(|_| std::future::ready(Ok(Vec::new()))),
        results,
        clock: Arc::new(move || now() + Span(start.elapsed().as_micros() as u64)),
        gate: None,
    });
    let task = tokio::spawn(dispatcher.run());
    let mut outgoing = notification();
    outgoing.committed_at = now();
    handle.offer(vec![store::OutboxRow { outgoing, attempts: 0, due: Instant(0) }]);
    let mut seen = Vec::new();
    for _ in 0..3 {
        let request = receiver.requests.recv().await.expect("an attempt");
        seen.push((request.headers["webhook-id"].clone(), request.body));
    }
    assert!(seen.iter().all(|attempt| *attempt == seen[0]));
    for (attempt, word) in [(1, "retrying"), (2, "retrying"), (3, "accepted")] {
        let end = ends.recv().await.expect("a report");
        assert_eq!((end.outcome.word(), end.attempt, end.due.is_some()), (word, attempt, word == "retrying"));
    }
    handle.stop().await;
    task.await.expect("ended");
}

#[tokio::test]
async fn notifications_leave_over_tls_to_whom_we_trust() {
    let certificates = Certificates::new();
    let mut receiver = encrypted(&certificates).await;
    let send = async |authority: &Certificates| {
        let mut options = Options::new("ops-hook", receiver.url.as_str(), Secret::new(SECRET), NO_MARKS);
        options.trust.authority = authority.of_hub().authority;
        Webhook::new(options, templates()).expect("sound options").send(&notification(), now()).await
    };
    assert_eq!(send(&Certificates::new()).await, Err(Failure::passing("not-connected", Reached::No)));
    assert!(receiver.requests.try_recv().is_err());
    assert_eq!(send(&certificates).await, Ok(()));
    let request = receiver.requests.recv().await.expect("a request");
    assert!(request.headers.contains_key("webhook-signature"));
}

#[tokio::test]
async fn a_receiver_that_is_away_was_not_reached() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/hook", listener.local_addr().expect("bound"));
    drop(listener);
    let result = webhook(&url).send(&notification(), now()).await;
    assert_eq!(result, Err(Failure::passing("not-connected", Reached::No)));
}

#[tokio::test]
async fn what_has_no_text_fails_for_good() {
    let receiver = receiver(&[]).await;
    let webhook = webhook(&receiver.url);
    let mut unknown = notification();
    let mut missing = notification();
    if let (OutgoingBody::Notification { template, .. }, OutgoingBody::Notification { parameters, .. }) =
        (&mut unknown.body, &mut missing.body)
    {
        *template = "other".into();
        parameters.clear();
    }
    assert_eq!(webhook.send(&unknown, now()).await, Err(Failure::refused("no-such-template")));
    assert_eq!(webhook.send(&missing, now()).await, Err(Failure::refused("missing-argument")));
}

#[test]
fn options_that_cannot_work_are_refused() {
    let check = |url: &str, secret: &str| {
        let options = Options::new("ops-hook", url, Secret::new(secret), NO_MARKS);
        Webhook::new(options, templates()).err().map(|error| error.to_string())
    };
    assert_eq!(check("http://127.0.0.1:1/hook", SECRET), None);
    assert_eq!(
        check("ftp://a/b", SECRET).as_deref(),
        Some("sink `ops-hook`: `ftp://a/b` is not an http or https address")
    );
    assert_eq!(
        check("http://127.0.0.1:1/hook", "whsec_!").as_deref(),
        Some("sink `ops-hook`: the secret is not `whsec_` and base64")
    );
    for base64 in ["MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3", "whsec_", ""] {
        assert!(check("http://127.0.0.1:1/hook", base64).is_some_and(|error| error.ends_with("base64")), "{base64}");
    }
}
