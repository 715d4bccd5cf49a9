//! External MQTT brokers: one connection each, version 5 or 3.1.1, acknowledging after the commit.

mod acks;
mod driver;
mod filters;
pub mod link;
mod tls;
mod v3;
mod v5;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use model::Name;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::inlet::Inlet;
use crate::intake::Intake;
use crate::status::Status;

pub use tls::{ClientCertificate, Tls, TlsError};

/// Where a broker listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// A name, an IPv4 address, or an IPv6 address in brackets.
    pub host: String,
    pub port: u16,
    pub tls: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Version {
    #[default]
    V5,
    V311,
}

#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub user: String,
    pub password: String,
}

#[derive(Debug, Clone)]
pub struct Options {
    pub address: Address,
    pub version: Version,
    /// Stable over restarts: the broker keeps the session under it.
    pub client_id: Name,
    /// Topic filters to hear, at QoS 1. Those that overlap are subscribed as one that covers them.
    pub subscribe: Vec<Name>,
    /// Where it is noted what the broker's session holds, so that filters of an older configuration are taken back.
    pub subscribed: Option<PathBuf>,
    pub credentials: Option<Credentials>,
    /// Only used where the address says so.
    pub tls: Tls,
}

/// A connection that keeps itself up until it is stopped.
pub struct Connection {
    status: Status,
    stop: Arc<Notify>,
    task: JoinHandle<()>,
}

/// Why a URL names no broker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no broker: expected mqtt://host[:port] or mqtts://host[:port]")]
pub struct AddressError(String);

impl Connection {
    /// Starts connecting, on the runtime that it is called on. The source of its inputs is the intake's.
    ///
    /// # Errors
    /// [`TlsError`] when a certificate or key cannot be read; everything else is tried for ever and shown by the
    /// status.
    pub fn start(options: Options, intake: Intake, inlet: Inlet) -> Result<Self, TlsError> {
        let tls = if options.address.tls { Some(tls::client_config(&options.tls)?) } else { None };
        Ok(match options.version {
            Version::V5 => Self::over(v5::Link::new(&options, tls), options, intake, inlet),
            Version::V311 => Self::over(v3::Link::new(&options, tls), options, intake, inlet),
        })
    }

    /// [`Connection::start`] over any link.
    pub fn over(link: impl link::Link, mut options: Options, intake: Intake, inlet: Inlet) -> Self {
        options.subscribe = filters::disjoint(options.subscribe);
        let (status, stop) = (Status::default(), Arc::new(Notify::new()));
        let world = driver::World { intake, inlet, status: status.clone(), stop: stop.clone() };
        let task = tokio::spawn(driver::run(link, options, world));
        Self { status, stop, task }
    }

    /// Ends the connection on the spot, as the end of the process would.
    pub fn abort(self) {
        self.task.abort();
    }

    #[must_use]
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// Ends the connection. The broker keeps the session and what was not acknowledged.
    pub async fn stop(self) {
        self.stop.notify_one();
        // A panic of the task has been reported by the runtime already.
        let _ = self.task.await;
    }
}

impl std::str::FromStr for Address {
    type Err = AddressError;
    fn from_str(url: &str) -> Result<Self, AddressError> {
        let bad = || AddressError(url.to_owned());
        let (scheme, rest) = url.split_once("://").ok_or_else(bad)?;
        let (tls, port) = match scheme {
            "mqtt" => (false, 1883),
            "mqtts" => (true, 8883),
            _ => return Err(bad()),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let end_of_host = rest.rfind(']').map_or(0, |bracket| bracket + 1);
        let (host, port) = match rest[end_of_host..].split_once(':') {
            Some((tail, digits)) => (&rest[..end_of_host + tail.len()], digits.parse().map_err(|_| bad())?),
            None => (rest, port),
        };
        let odd = |c: char| c.is_whitespace() || matches!(c, '/' | '@' | '?' | '#');
        if host.is_empty() || host.contains(odd) || port == 0 {
            return Err(bad());
        }
        Ok(Self { host: host.to_owned(), port, tls })
    }
}

/// Shows the user, never the password.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({})", self.user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_a_host_a_port_and_whether_it_is_encrypted() {
        for (url, host, port, tls) in [
            ("mqtt://broker.example", "broker.example", 1883, false),
            ("mqtts://broker.example:8884/", "broker.example", 8884, true),
            ("mqtt://[::1]:1885", "[::1]", 1885, false),
            ("mqtts://[::1]", "[::1]", 8883, true),
        ] {
            assert_eq!(url.parse(), Ok(Address { host: host.into(), port, tls }), "{url}");
        }
        for bad in ["broker", "http://a", "mqtt://", "mqtt://a:0", "mqtt://a:99999", "mqtt://user@a", "mqtt://a/b"] {
            assert_eq!(bad.parse::<Address>(), Err(AddressError(bad.into())), "{bad}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let credentials = Credentials { user: "hub".into(), password: "secret".into() };
        assert_eq!(format!("{credentials:?}"), "Credentials(hub)");
    }
}
