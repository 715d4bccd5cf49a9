//! Addresses of MQTT brokers.

use std::fmt;
use std::str::FromStr;

/// `mqtt://HOST:PORT` or `mqtts://HOST:PORT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// Whether the connection is encrypted (`mqtts`).
    pub tls: bool,
    /// A name or an IP address; an IPv6 address without its brackets.
    pub host: String,
    /// 1883, or 8883 with TLS, where the address gives none.
    pub port: u16,
}

/// A text that is no address of an MQTT broker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}`: expected mqtt://HOST:PORT or mqtts://HOST:PORT")]
pub struct ParseUrlError(String);

impl FromStr for Url {
    type Err = ParseUrlError;
    fn from_str(text: &str) -> Result<Self, ParseUrlError> {
        let bad = || ParseUrlError(text.to_owned());
        let (scheme, rest) = text.split_once("://").ok_or_else(bad)?;
        let (tls, default) = match scheme {
            "mqtt" => (false, 1883),
            "mqtts" => (true, 8883),
            _ => return Err(bad()),
        };
        let (host, port) = match rest.strip_prefix('[') {
            Some(rest) => {
                let (host, tail) = rest.split_once(']').ok_or_else(bad)?;
                host.parse::<std::net::Ipv6Addr>().map_err(|_| bad())?;
                let port = if tail.is_empty() { None } else { Some(tail.strip_prefix(':').ok_or_else(bad)?) };
                (host, port)
            }
            None => match rest.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            },
        };
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        if host.is_empty() || !host.chars().all(good) {
            return Err(bad());
        }
        let port = port.map_or(Ok(default), |port| port.parse().map_err(|_| bad()))?;
        if port == 0 { Err(bad()) } else { Ok(Self { tls, host: host.to_owned(), port }) }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "mqtts" } else { "mqtt" };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_with_and_without_a_port() {
        for (text, whole) in [
            ("mqtt://broker.example", "mqtt://broker.example:1883"),
            ("mqtts://broker.example", "mqtts://broker.example:8883"),
            ("mqtt://[::1]:1884", "mqtt://[::1]:1884"),
            ("mqtt://10.0.0.2:65535", "mqtt://10.0.0.2:65535"),
        ] {
            assert_eq!(text.parse::<Url>().map(|url| url.to_string()), Ok(whole.to_owned()));
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "broker",
            "http://a",
            "mqtt://",
            "mqtt://a:65536",
            "mqtt://a:0",
            "mqtt://u:p@a",
            "mqtt://a/b",
            "mqtt://[::1",
        ] {
            assert!(text.parse::<Url>().is_err(), "{text}");
        }
    }
}
