//! The server over real sockets, in front of a small host that keeps everything in memory.

use std::future::Future;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use model::limits::PAYLOAD_BYTES;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::client::{self, Client, segment};
use crate::events::BATCH_BYTES;
use crate::state::{Answer, Check, Devices, Error, Item, Letters, Lines, Manual, Page, Range, Readiness, Verify};
use crate::{BindError, Intake, Operator, Options, Server, State, Views, socket_path};

/// Takes `{"id": …}` objects, knows two devices, and remembers what it was asked.
struct Host {
    taken: Mutex<Vec<String>>,
    ready: AtomicBool,
    /// Requests that wait for a commit.
    arrived: AtomicUsize,
    commit: Semaphore,
}

impl Default for Host {
    fn default() -> Self {
        let (taken, ready, arrived) = (Mutex::default(), AtomicBool::default(), AtomicUsize::default());
        Self { taken, ready, arrived, commit: Semaphore::new(0) }
    }
}

impl Host {
    fn item(&self, event: &Value) -> Item {
        let Some(id) = event["id"].as_str() else {
            return Item::Rejected { reason: "no-id".into(), detail: "the event has no id".to_owned() };
        };
        let mut taken = self.taken.lock().expect("no test panics here");
        if taken.iter().any(|known| known == id) {
            return Item::Duplicate { id: id.into() };
        }
        taken.push(id.to_owned());
        Item::Accepted { id: id.into() }
    }
}

impl Intake for Host {
    fn events(&self, _: String, _: Vec<(String, String)>, body: Bytes) -> Answer<'_, Vec<Item>> {
        Box::pin(async move {
            let body: Value =
                serde_json::from_slice(&body).map_err(|error| Error::Malformed(format!("no JSON: {error}")))?;
            if body["wait"] == json!(true) {
                self.arrived.fetch_add(1, SeqCst);
                self.commit.acquire().await.expect("never closed").forget();
            }
            let events = body.as_array().cloned().unwrap_or_else(|| vec![body.clone()]);
            Ok(events.iter().map(|event| self.item(event)).collect())
        })
    }
}

impl Views for Host {
    fn readiness(&self) -> Readiness {
        let ready = self.ready.load(SeqCst);
        let detail = Some("no room on the disk".to_owned());
        Readiness { ready, checks: vec![Check { name: "store".to_owned(), ok: ready, detail }] }
    }
    fn devices(&self, page: Page) -> Answer<'_, Devices> {
        let next = (page.limit == 1).then(|| "lamp".to_owned());
        Box::pin(
            async move { Ok(Devices { devices: vec![json!({ "after": page.after, "limit": page.limit })], next }) },
        )
    }
    fn device(&self, id: String) -> Answer<'_, Value> {
        let found = id == "truck-7/probe-1";
        let none = Error::NotFound(format!("there is no device `{id}`"));
        Box::pin(async move { if found { Ok(json!({ "id": id })) } else { Err(none) } })
    }
    fn deployments(&self) -> Answer<'_, Vec<Value>> {
        Box::pin(async { Ok(vec![json!({ "name": "cold-chain" })]) })
    }
    fn doctor(&self) -> Answer<'_, Value> {
        Box::pin(async { Ok(json!({ "partitions": 16 })) })
    }
}

impl Operator for Host {
    fn send(&self, command: Manual) -> Answer<'_, Value> {
        Box::pin(async move {
            match command.action.as_str() {
                "on" => Ok(json!({ "input": "manual:1" })),
                action => Err(Error::Refused {
                    reason: "no-such-action".into(),
                    detail: format!("`{}` has no action `{action}`", command.device),
                }),
            }
        })
    }
    fn backup(&self, file: PathBuf) -> Answer<'_, Value> {
        Box::pin(async move { Ok(json!({ "file": file })) })
    }
    fn accept_clock(&self) -> Answer<'_, Value> {
        Box::pin(async { Ok(json!({ "now": "2026-11-25T12:00:00Z" })) })
    }
    fn export(&self, range: Range) -> Answer<'_, Lines> {
        Box::pin(async move {
            let (send, lines) = mpsc::channel(4);
            tokio::spawn(async move {
                for number in 0..10_000 {
                    if range.partition == Some(9) && number == 5_000 {
                        let _ = send.send(Err(Error::Failed("a damaged row".to_owned()))).await;
                        return;
                    }
                    if send.send(Ok(format!("{{\"seq\":{number}}}\n").into())).await.is_err() {
                        return;
                    }
                }
            });
            Ok(lines)
        })
    }
    fn stat(&self) -> Answer<'_, Value> {
        Box::pin(async { Err(Error::Failed("the disk is gone".to_owned())) })
    }
    fn dead_letters(&self, letters: Letters) -> Answer<'_, Vec<Value>> {
        Box::pin(async move { Ok(vec![json!({ "number": letters.limit })]) })
    }
    fn dead_letter(&self, number: u64) -> Answer<'_, Option<Value>> {
        Box::pin(async move { Ok((number == 7).then(|| json!({ "case": 1 }))) })
    }
    fn verify(&self, what: Verify) -> Answer<'_, Value> {
        Box::pin(async move { Ok(json!({ "partition": what.partition, "damaged": [] })) })
    }
}

/// A server that runs, with its data folder.
struct Running {
    host: Arc<Host>,
    data: TempDir,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

fn options(data: &TempDir, listen: &str) -> Options {
    Options {
        listen: Some(listen.parse().expect("an address")),
        data: data.path().to_owned(),
        names: vec!["hub-7.example".to_owned()],
        registry: Registry::default(),
    }
}

fn state(host: &Arc<Host>) -> State {
    State { intake: host.clone(), views: host.clone(), operator: host.clone() }
}

async fn start() -> Running {
    let host = Arc::<Host>::default();
    let data = TempDir::new().expect("a temporary folder");
    let server = Server::bind(options(&data, "127.0.0.1:0"), state(&host)).await.expect("a free port");
    let address = server.address().expect("it listens");
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(server.run(async {
        let _ = stopped.await;
    }));
    Running { host, data, address, stop, task }
}

impl Running {
    /// Sends exactly these bytes and reads all of the answer.
    async fn raw(&self, request: impl AsRef<[u8]>) -> (u16, String, Value) {
        let mut stream = TcpStream::connect(self.address).await.expect("it listens");
        stream.write_all(request.as_ref()).await.expect("it reads");
        read(stream).await
    }

    async fn get(&self, path: &str) -> (u16, String, Value) {
        self.raw(format!("GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.address)).await
    }

    async fn post(&self, headers: &str, body: &str) -> (u16, String, Value) {
        let (address, length) = (self.address, body.len());
        self.raw(format!(
            "POST /v1/events HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
        ))
        .await
    }

    async fn client(&self) -> Client {
        Client::connect(self.data.path()).await.expect("it runs")
    }
}

async fn read(mut stream: TcpStream) -> (u16, String, Value) {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("an answer");
    let answer = String::from_utf8(answer).expect("text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let body = serde_json::from_str(body).unwrap_or_else(|_| Value::from(body));
    (status, head.to_ascii_lowercase(), body)
}

const JSON: &str = "content-type: application/json\r\n";

/// The status and reason of what must be a problem object.
fn problem((status, head, body): (u16, String, Value)) -> (u16, String) {
    assert!(head.contains("content-type: application/problem+json"), "{head}");
    assert_eq!(body["status"], status);
    assert!(body["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{body}");
    (status, body["reason"].as_str().expect("a reason").to_owned())
}

fn reason(status: u16, reason: &str) -> (u16, String) {
    (status, reason.to_owned())
}

#[tokio::test]
async fn health_readiness_twins_and_deployments_are_shown_over_tcp() {
    let server = start().await;
    assert_eq!(server.get("/healthz").await.0, 200);

    let (status, _, body) = server.get("/readyz").await;
    assert_eq!((status, &body["checks"][0]["detail"]), (503, &json!("no room on the disk")));
    server.host.ready.store(true, SeqCst);
    assert_eq!(server.get("/readyz").await.0, 200);

    for path in ["/v1/devices/truck-7/probe-1", "/v1/devices/truck-7%2Fprobe-1"] {
        let (status, _, body) = server.get(path).await;
        assert_eq!((status, body), (200, json!({ "id": "truck-7/probe-1" })), "{path}");
    }
    assert_eq!(problem(server.get("/v1/devices/nobody").await), reason(404, "not-found"));
    assert_eq!(server.get("/v1/deployments").await.2, json!({ "deployments": [{ "name": "cold-chain" }] }));
}

#[tokio::test]
async fn pages_of_twins_have_1_to_1000_rows() {
    let server = start().await;
    let all = server.get("/v1/devices").await.2;
    assert_eq!(all, json!({ "devices": [{ "after": null, "limit": 1000 }] }));
    let first = server.get("/v1/devices?limit=1&after=door").await.2;
    assert_eq!(first, json!({ "devices": [{ "after": "door", "limit": 1 }], "next": "lamp" }));
    assert_eq!(server.get("/v1/devices?limit=1000").await.0, 200);
    for query in ["limit=0", "limit=1001", "limit=x", "pgae=2"] {
        assert_eq!(problem(server.get(&format!("/v1/devices?{query}")).await), reason(400, "malformed"), "{query}");
    }
}

#[tokio::test]
async fn the_operators_routes_do_not_exist_on_tcp() {
    let server = start().await;
    for path in ["/v1/doctor", "/v1/journal/export", "/v1/journal/stat", "/v1/journal/dead-letters/1", "/v1/nothing"] {
        assert_eq!(problem(server.get(path).await), reason(404, "not-found"), "{path}");
    }
    for path in ["/v1/commands", "/v1/backup", "/v1/clock/accept", "/v1/journal/verify"] {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n{JSON}content-length: 2\r\n\r\n{{}}",
            server.address
        );
        assert_eq!(problem(server.raw(request).await), reason(404, "not-found"), "{path}");
    }
}

#[tokio::test]
async fn an_event_is_answered_with_its_id_and_a_repeat_as_a_duplicate() {
    let server = start().await;
    let (status, _, body) = server.post(JSON, r#"{"id":"a"}"#).await;
    assert_eq!((status, body), (202, json!({ "status": "accepted", "id": "a" })));
    let (status, _, body) = server.post(JSON, r#"{"id":"a"}"#).await;
    assert_eq!((status, body), (202, json!({ "status": "duplicate", "id": "a" })));
    assert_eq!(problem(server.post(JSON, "{}").await), reason(422, "no-id"));
    assert_eq!(problem(server.post(JSON, "{").await), reason(400, "malformed"));
}

#[tokio::test]
async fn a_batch_is_answered_item_by_item() {
    let server = start().await;
    let (status, _, body) = server.post(JSON, r#"[{"id":"a"},{"id":"a"}]"#).await;
    let expected = json!([{ "status": "accepted", "id": "a" }, { "status": "duplicate", "id": "a" }]);
    assert_eq!((status, &body["results"]), (202, &expected));

    let (status, _, body) = server.post(JSON, r#"[{"id":"b"},{}]"#).await;
    let expected = json!([
        { "status": "accepted", "id": "b" },
        { "status": "rejected", "reason": "no-id", "detail": "the event has no id" },
    ]);
    assert_eq!((status, &body["results"]), (207, &expected));
    let (status, _, body) = server.post(JSON, "[]").await;
    assert_eq!((status, body), (202, json!({ "results": [] })));
}

#[tokio::test]
async fn an_event_is_answered_only_after_its_commit() {
    let server = start().await;
    let mut stream = TcpStream::connect(server.address).await.expect("it listens");
    let body = r#"{"id":"slow","wait":true}"#;
    let head = format!("POST /v1/events HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", server.address);
    let request = format!("{head}{JSON}content-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).await.expect("it reads");
    until(|| async { server.host.arrived.load(SeqCst) == 1 }).await;
    // A later request is answered while the first one still waits.
    assert_eq!(server.post(JSON, r#"{"id":"fast"}"#).await.0, 202);
    assert_eq!(*server.host.taken.lock().expect("no test panics here"), ["fast"]);
    server.host.commit.add_permits(1);
    assert_eq!(read(stream).await.0, 202);
}

#[tokio::test]
async fn a_single_event_may_have_256_kib_and_a_batch_one_mib() {
    let server = start().await;
    let sized = |bytes: usize| format!(r#"{{"id":"{bytes}"{}}}"#, " ".repeat(bytes - 9 - bytes.to_string().len()));
    let whole = sized(PAYLOAD_BYTES);
    assert_eq!(whole.len(), PAYLOAD_BYTES);
    assert_eq!(server.post(JSON, &whole).await.0, 202);
    assert_eq!(problem(server.post(JSON, &sized(PAYLOAD_BYTES + 1)).await), reason(413, "too-large"));

    let batch = |bytes: usize| format!("[{}]", sized(bytes - 2));
    assert_eq!(server.post(JSON, &batch(BATCH_BYTES)).await.0, 202);
    assert_eq!(problem(server.post(JSON, &batch(BATCH_BYTES + 1)).await), reason(413, "too-large"));
}

#[tokio::test]
async fn a_client_that_asks_first_need_not_send_what_is_too_large() {
    let server = start().await;
    let head = format!("POST /v1/events HTTP/1.1\r\nhost: {}\r\n{JSON}expect: 100-continue\r\n", server.address);
    let request = format!("{head}connection: close\r\ncontent-length: {}\r\n\r\n", BATCH_BYTES + 1);
    assert_eq!(problem(server.raw(request).await), reason(413, "too-large"));
}

#[tokio::test]
async fn a_foreign_host_is_refused() {
    let server = start().await;
    let port = server.address.port();
    let ask = |hosts: String| format!("GET /v1/devices HTTP/1.1\r\nconnection: close\r\n{hosts}\r\n");
    for host in [format!("localhost:{port}"), format!("[::1]:{port}"), format!("HUB-7.example:{port}")] {
        assert_eq!(server.raw(ask(format!("host: {host}\r\n"))).await.0, 200, "{host}");
    }
    for hosts in [
        format!("host: evil.example:{port}\r\n"),
        "host: localhost\r\n".to_owned(),
        "host: \r\n".to_owned(),
        String::new(),
        format!("host: localhost:{port}\r\nhost: evil.example:{port}\r\n"),
    ] {
        assert_eq!(problem(server.raw(ask(hosts.clone())).await), reason(421, "foreign-host"), "{hosts}");
    }
    // A request target with a host of its own counts too, and so do routes that do not exist.
    let absolute = format!(
        "GET http://evil.example:{port}/healthz HTTP/1.1\r\nhost: localhost:{port}\r\nconnection: close\r\n\r\n"
    );
    assert_eq!(problem(server.raw(absolute).await), reason(421, "foreign-host"));
    let nowhere = "GET /nothing HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n";
    assert_eq!(problem(server.raw(nowhere).await), reason(421, "foreign-host"));
}

#[tokio::test]
async fn what_a_web_page_could_send_is_refused_and_nothing_is_taken() {
    let server = start().await;
    for origin in ["https://evil.example", "null", "http://localhost"] {
        let headers = format!("{JSON}origin: {origin}\r\n");
        assert_eq!(problem(server.post(&headers, r#"{"id":"a"}"#).await), reason(403, "origin"), "{origin}");
    }
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        let headers = format!("content-type: {kind}\r\n");
        assert_eq!(problem(server.post(&headers, r#"{"id":"a"}"#).await), reason(415, "not-json"), "{kind}");
    }
    assert_eq!(problem(server.post("", r#"{"id":"a"}"#).await), reason(415, "not-json"));
    assert!(server.host.taken.lock().expect("no test panics here").is_empty());
}

#[tokio::test]
async fn a_wrong_method_is_a_problem_object() {
    let server = start().await;
    assert_eq!(problem(server.get("/v1/events").await), reason(405, "wrong-method"));
    let request = format!("DELETE /v1/devices HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", server.address);
    assert_eq!(problem(server.raw(request).await), reason(405, "wrong-method"));
}

#[tokio::test]
async fn metrics_count_answers_and_events() {
    let server = start().await;
    server.post(JSON, r#"[{"id":"a"},{"id":"a"},{}]"#).await;
    server.get("/nothing").await;
    let (status, head, body) = server.get("/metrics").await;
    let text = body.as_str().expect("text");
    assert_eq!(status, 200);
    assert!(head.contains("content-type: application/openmetrics-text"), "{head}");
    for line in [
        "pointsman_http_events_total{outcome=\"accepted\"} 1\n",
        "pointsman_http_events_total{outcome=\"duplicate\"} 1\n",
        "pointsman_http_events_total{outcome=\"rejected\"} 1\n",
        "pointsman_http_requests_total{status=\"207\"} 1\n",
        "pointsman_http_requests_total{status=\"404\"} 1\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
}

#[tokio::test]
async fn addresses_beyond_loopback_are_refused() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[::ffff:127.0.0.1]:0"] {
        let data = TempDir::new().expect("a temporary folder");
        let Err(error) = Server::bind(options(&data, address), state(&Arc::default())).await else {
            panic!("{address} was bound");
        };
        assert!(matches!(error, BindError::BeyondLoopback(_)), "{error}");
        assert!(error.to_string().contains("127.0.0.1:0"), "{error}");
    }
}

#[tokio::test]
async fn the_operator_asks_over_the_socket() {
    let server = start().await;
    let client = server.client().await;
    let doctor: Value = client.get("/v1/doctor").await.expect("an answer");
    assert_eq!(doctor, json!({ "partitions": 16 }));
    let twin: Value = client.get(&format!("/v1/devices/{}", segment("truck-7/probe-1"))).await.expect("an answer");
    assert_eq!(twin["id"], "truck-7/probe-1");

    let command = Manual { device: "lamp".to_owned(), action: "on".to_owned(), arguments: serde_json::Map::new() };
    let sent: Value = client.post("/v1/commands", &command).await.expect("an answer");
    assert_eq!(sent["input"], "manual:1");
    let dim = Manual { action: "dim".to_owned(), ..command };
    let refused = client.post::<Value>("/v1/commands", &dim).await.expect_err("no such action");
    assert!(
        matches!(&refused, client::Error::Problem { status: 409, reason, .. } if reason == "no-such-action"),
        "{refused:?}"
    );
    let misspelt = client.post::<Value>("/v1/commands", &json!({ "devise": "lamp" })).await.expect_err("unknown field");
    assert!(misspelt.to_string().contains("devise"), "{misspelt}");

    let backup: Value = client.post("/v1/backup", &json!({ "file": "/tmp/b" })).await.expect("an answer");
    assert_eq!(backup["file"], "/tmp/b");
    assert!(client.post::<Value>("/v1/backup", &json!({ "file": "b" })).await.is_err());
    let accepted: Value = client.post("/v1/clock/accept", &json!({})).await.expect("an answer");
    assert_eq!(accepted["now"], "2026-11-25T12:00:00Z");
    let verified: Value = client.post("/v1/journal/verify", &json!({ "partition": 3 })).await.expect("an answer");
    assert_eq!(verified["partition"], 3);
    let letters: Value = client.get("/v1/journal/dead-letters?limit=3").await.expect("an answer");
    assert_eq!(letters, json!([{ "number": 3 }]));
    assert!(client.get::<Value>("/v1/journal/dead-letters?limit=0").await.is_err());
    assert_eq!(client.get::<Value>("/v1/journal/dead-letters/7").await.expect("a case"), json!({ "case": 1 }));
    let gone = client.get::<Value>("/v1/journal/dead-letters/8").await.expect_err("no such letter");
    assert!(matches!(&gone, client::Error::Problem { status: 404, .. }), "{gone:?}");
    let broken = client.get::<Value>("/v1/journal/stat").await.expect_err("it fails");
    assert!(matches!(&broken, client::Error::Problem { status: 500, .. }), "{broken:?}");
    assert_eq!(broken.to_string(), "the disk is gone");
}

#[tokio::test]
async fn a_download_is_whole_or_an_error() {
    let server = start().await;
    let client = server.client().await;
    let mut lines = Vec::new();
    let path = "/v1/journal/export?from=2026-05-02T05:14:00Z";
    let written = client.download(path, &mut lines).await.expect("all lines");
    assert_eq!(written, lines.len() as u64);
    assert_eq!(lines.split(|byte| *byte == b'\n').count(), 10_001);
    assert!(lines.ends_with(b"{\"seq\":9999}\n"));

    let cut = client.download("/v1/journal/export?partition=9", &mut Vec::new()).await.expect_err("a damaged row");
    assert!(matches!(cut, client::Error::Exchange { .. }), "{cut:?}");
    let unread = client.download("/v1/journal/export?from=yesterday", &mut Vec::new()).await.expect_err("no instant");
    assert!(unread.to_string().contains("yesterday"), "{unread}");
}

#[tokio::test]
async fn only_the_owner_can_reach_the_socket_and_one_host_holds_it() {
    let server = start().await;
    let path = socket_path(server.data.path());
    let mode = std::fs::metadata(path.parent().expect("a folder")).expect("it exists").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let second = Server::bind(options(&server.data, "127.0.0.1:0"), state(&server.host)).await;
    assert!(matches!(second, Err(BindError::SocketInUse { .. })));
}

#[tokio::test]
async fn a_socket_left_by_a_killed_host_is_replaced() {
    let data = TempDir::new().expect("a temporary folder");
    let path = socket_path(data.path());
    std::fs::create_dir(path.parent().expect("a folder")).expect("an empty folder");
    drop(std::os::unix::net::UnixListener::bind(&path).expect("a socket"));
    let refused = Client::connect(data.path()).await.expect_err("nobody listens");
    assert!(matches!(refused, client::Error::NotRunning { .. }), "{refused:?}");
    assert!(Server::bind(options(&data, "127.0.0.1:0"), state(&Arc::default())).await.is_ok());
}

#[tokio::test]
async fn a_data_folder_too_long_for_a_socket_is_named() {
    let data = TempDir::new().expect("a temporary folder");
    let mut options = options(&data, "127.0.0.1:0");
    let fixed = socket_path(data.path()).as_os_str().len() + 1;
    options.data = data.path().join("d".repeat(crate::socket::PATH_BYTES - fixed));
    std::fs::create_dir(&options.data).expect("a folder");
    let longer = Options {
        listen: None,
        data: options.data.with_file_name("d".repeat(crate::socket::PATH_BYTES - fixed + 1)),
        names: Vec::new(),
        registry: Registry::default(),
    };
    assert!(Server::bind(options, state(&Arc::default())).await.is_ok());
    let error = Server::bind(longer, state(&Arc::default())).await.err().expect("one byte too long");
    assert!(matches!(error, BindError::SocketPath { .. }), "{error}");
}

#[tokio::test]
async fn the_end_waits_for_the_answers_in_progress_and_removes_the_socket() {
    let server = start().await;
    let client = server.client().await;
    // An idle connection that must not hold the end up.
    let mut idle = TcpStream::connect(server.address).await.expect("it listens");
    let waiting = {
        let client = client.clone();
        tokio::spawn(async move { client.post::<Value>("/v1/events", &json!({ "id": "a", "wait": true })).await })
    };
    until(|| async { server.host.arrived.load(SeqCst) == 1 }).await;
    server.stop.send(()).expect("it runs");
    until(|| async { TcpStream::connect(server.address).await.is_err() }).await;
    assert!(!server.task.is_finished());
    server.host.commit.add_permits(1);
    assert_eq!(waiting.await.expect("no panic").expect("an answer")["id"], "a");
    server.task.await.expect("it ends");
    assert_eq!(idle.read(&mut [0; 1]).await.expect("closed in order"), 0);
    assert!(!socket_path(server.data.path()).exists());
    assert!(matches!(Client::connect(server.data.path()).await, Err(client::Error::NotRunning { .. })));
}

/// Waits until a condition holds, asking again whenever other tasks have run.
async fn until<F: Future<Output = bool>>(mut holds: impl FnMut() -> F) {
    while !holds().await {
        tokio::task::yield_now().await;
    }
}
