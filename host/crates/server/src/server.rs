//! The server: binds first, so that every mistake shows at start, then runs until it is told to stop.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use axum::{Router, http::Method, http::Uri};
use prometheus_client::registry::Registry;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;

use crate::events::{self, Events};
use crate::metrics::{self, Metrics};
use crate::problem::Problem;
use crate::state::State;
use crate::{connections, guard, operator, socket, views};

/// Largest body of a request of the operator: paths, names and arguments.
const OPERATOR_BYTES: usize = 64 * 1024;

/// What to listen on.
#[derive(Debug)]
pub struct Options {
    /// The address of the HTTP API; none for the socket alone. Port 0 takes a free one.
    pub listen: Option<SocketAddr>,
    /// The data folder, which must exist.
    pub data: PathBuf,
    /// Further names under which this host may be addressed over TCP, without port.
    pub names: Vec<String>,
    /// The host's own metrics.
    pub registry: Registry,
}

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error(
        "api.listen `{0}` is not a loopback address: beyond this machine the API needs TLS and credentials, which it \
         does not have yet; use 127.0.0.1:{port}",
        port = .0.port()
    )]
    BeyondLoopback(SocketAddr),
    #[error("failed to listen on `{address}`")]
    Tcp {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("failed to bind the socket `{}`", path.display())]
    Socket {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("another host answers at the socket `{}`", path.display())]
    SocketInUse { path: PathBuf },
    #[error(
        "the path of the socket `{}` has {bytes} bytes, more than the {limit} that the operating system allows: use a \
         data folder with a shorter path",
        path.display()
    )]
    SocketPath { path: PathBuf, bytes: usize, limit: usize },
}

/// Listeners that are bound and do not answer yet.
pub struct Server {
    tcp: Option<(TcpListener, SocketAddr, Router)>,
    unix: UnixListener,
    unix_path: PathBuf,
    unix_router: Router,
}

impl Server {
    /// Binds the TCP address, if there is one, and the socket in the data folder. Answers nothing before
    /// [`Server::run`].
    ///
    /// # Errors
    /// When the address is not a loopback one, or either cannot be bound.
    pub async fn bind(options: Options, state: State) -> Result<Self, BindError> {
        let Options { listen, data, names, mut registry } = options;
        let metrics = Metrics::default();
        metrics.register(&mut registry);
        let registry = Arc::new(registry);
        let open = open_routes(&state, &metrics, registry);

        let mut tcp = None;
        if let Some(address) = listen {
            if !address.ip().is_loopback() {
                return Err(BindError::BeyondLoopback(address));
            }
            let failed = |source| BindError::Tcp { address, source };
            let listener = TcpListener::bind(address).await.map_err(failed)?;
            let bound = listener.local_addr().map_err(failed)?;
            let guarded =
                answered(open.clone()).layer(from_fn_with_state(guard::Names::new(bound, &names), guard::local));
            tcp = Some((listener, bound, counted(guarded, &metrics)));
        }
        let unix = socket::bind(&data).await?;
        let unix_router = counted(answered(open.merge(operator_routes(state))), &metrics);
        Ok(Self { tcp, unix, unix_path: socket::socket_path(&data), unix_router })
    }

    /// The address of the HTTP API, with the port that was taken.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.tcp.as_ref().map(|(_, address, _)| *address)
    }

    /// Answers until `shutdown` ends, then finishes the requests in progress, within ten seconds, and removes the
    /// socket.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) {
        let (stop, stopped) = watch::channel(false);
        let unix = connections::serve(self.unix, self.unix_router, stopped.clone());
        let tcp = async {
            if let Some((listener, _, router)) = self.tcp {
                connections::serve(listener, router, stopped).await;
            }
        };
        let announce = async {
            shutdown.await;
            stop.send_replace(true);
        };
        tokio::join!(unix, tcp, announce);
        if let Err(error) = std::fs::remove_file(&self.unix_path) {
            tracing::warn!(path = %self.unix_path.display(), %error, "failed to remove the socket");
        }
    }
}

/// What every program of this machine may ask.
fn open_routes(state: &State, metrics: &Metrics, registry: Arc<Registry>) -> Router {
    let take = Events::new(state.intake.clone(), metrics.clone());
    Router::new()
        .route("/healthz", get(views::healthz))
        .route("/readyz", get(views::readyz))
        .route("/v1/devices", get(views::devices))
        .route("/v1/devices/{*id}", get(views::device))
        .route("/v1/deployments", get(views::deployments))
        .with_state(state.clone())
        .merge(Router::new().route("/metrics", get(metrics::get)).with_state(registry))
        .merge(Router::new().route("/v1/events", post(events::post)).with_state(take))
}

/// What only the operator may ask, through the socket.
fn operator_routes(state: State) -> Router {
    Router::new()
        .route("/v1/doctor", get(views::doctor))
        .route("/v1/commands", post(operator::send))
        .route("/v1/backup", post(operator::backup))
        .route("/v1/clock/accept", post(operator::accept_clock))
        .route("/v1/journal/export", get(operator::export))
        .route("/v1/journal/stat", get(operator::stat))
        .route("/v1/journal/verify", post(operator::verify))
        .route("/v1/journal/dead-letters", get(operator::dead_letters))
        .route("/v1/journal/dead-letters/{number}", get(operator::dead_letter))
        .layer(DefaultBodyLimit::max(OPERATOR_BYTES))
        .with_state(state)
}

/// Adds answers for unknown routes, and the check that bodies are JSON.
fn answered(router: Router) -> Router {
    router.fallback(unknown).method_not_allowed_fallback(wrong_method).layer(from_fn(guard::json))
}

/// Counts all answers; the outermost layer, so that refusals count too.
fn counted(router: Router, metrics: &Metrics) -> Router {
    router.layer(from_fn_with_state(metrics.clone(), metrics::observe))
}

async fn unknown(uri: Uri) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not-found", format!("there is nothing at `{}`", uri.path()))
}

async fn wrong_method(method: Method, uri: Uri) -> Problem {
    let detail = format!("`{}` does not answer {method}", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "wrong-method", detail)
}
