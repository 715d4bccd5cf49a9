//! Webhook: notifications as signed HTTP requests, by Standard Webhooks. Goes to the target directly: no proxy, no
//! redirect is followed.

mod gone;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use model::outgoing::Outgoing;
use model::{Id, Instant, Name, Span};
use reqwest::{StatusCode, Url, header, redirect};

use crate::sink::Pending;
use crate::{Failure, Reached, Secret, Sink, Templates, notice, retry, tls};
pub use gone::Gone;

/// How long an attempt may take altogether: receivers are to answer first and work later.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Groups that are notified at the same time by one webhook.
const CONCURRENCY: usize = 8;
/// Longest wait that a receiver may ask for.
const ASKED_LONGEST: Span = Span::from_hours(24);

/// What Standard Webhooks put in front of the key.
const SECRET_PREFIX: &str = "whsec_";

/// One receiver.
pub struct Options {
    pub name: Name,
    pub url: String,
    /// `whsec_` and base64, as the receiver has it.
    pub secret: Secret,
    /// In which the receiver wants its texts; none: each template's default.
    pub locale: Option<Name>,
    pub trust: tls::Files,
    /// Waits between attempts; after the last the effect has failed.
    pub retries: Vec<Span>,
    /// The folder where it is kept which receivers have said that they are gone for good.
    pub marks: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("sink `{name}`: `{url}` is not an http or https address")]
    Url { name: Name, url: String },
    #[error("sink `{name}`: the secret is not `whsec_` and base64")]
    Secret { name: Name },
    #[error("sink `{name}`: failed to set up TLS")]
    Tls {
        name: Name,
        #[source]
        source: tls::Error,
    },
    #[error("sink `{name}`: failed to set up the HTTP client")]
    Client {
        name: Name,
        #[source]
        source: reqwest::Error,
    },
}

pub struct Webhook {
    name: Name,
    url: Url,
    signer: standardwebhooks::Webhook,
    locale: Option<Name>,
    retries: Vec<Span>,
    templates: Arc<Templates>,
    client: reqwest::Client,
    gone: Gone,
}

impl Options {
    /// A receiver with the standard waits, in each template's default locale.
    pub fn new(name: impl Into<Name>, url: impl Into<String>, secret: Secret, marks: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            url: url.into(),
            secret,
            locale: None,
            trust: tls::Files::default(),
            retries: retry::WEBHOOK.to_vec(),
            marks: marks.into(),
        }
    }
}

impl Webhook {
    /// # Errors
    /// When address, secret or certificates are not usable. Connects to nothing.
    pub fn new(options: Options, templates: Arc<Templates>) -> Result<Self, Error> {
        let name = options.name;
        let bad_url = |url| Error::Url { name: name.clone(), url };
        let url = Url::parse(&options.url).map_err(|_| bad_url(options.url.clone()))?;
        // Loading the system's certificates takes a while and may fail, so only where they are needed.
        let tls = match url.scheme() {
            "https" => tls::client(&options.trust),
            "http" => tls::none(),
            _ => return Err(bad_url(options.url)),
        };
        let tls = tls.map_err(|source| Error::Tls { name: name.clone(), source })?;
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .timeout(TIMEOUT)
            .user_agent(concat!("pointsman/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|source| Error::Client { name: name.clone(), source })?;
        let gone = Gone::new(&options.marks, &name, &options.url);
        // The signer takes bare base64 too, which many a password is by chance.
        let key = options.secret.reveal().strip_prefix(SECRET_PREFIX).filter(|key| !key.is_empty());
        let signer = key.and_then(|key| standardwebhooks::Webhook::new(key).ok());
        Ok(Self {
            signer: signer.ok_or_else(|| Error::Secret { name: name.clone() })?,
            name,
            url,
            locale: options.locale,
            retries: options.retries,
            templates,
            client,
            gone,
        })
    }

    async fn attempt(&self, outgoing: &Outgoing, now: Instant) -> Result<(), Failure> {
        if self.gone.is_marked() {
            return Err(Failure::refused("gone"));
        }
        let body = notice::body(&self.templates, self.locale.as_deref(), outgoing)?;
        let id = outgoing.effect.to_string();
        let seconds = now.0.div_euclid(1_000_000);
        let signature = self.signer.sign(&id, seconds, body.as_bytes()).map_err(|_| Failure::refused("not-signed"))?;
        let request = self
            .client
            .post(self.url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", signature)
            .body(body);
        match request.send().await {
            Ok(response) => self.answered(&response),
            Err(error) if error.is_connect() => Err(Failure::passing("not-connected", Reached::No)),
            Err(error) if error.is_timeout() => Err(Failure::passing("timeout", Reached::Perhaps)),
            Err(_) => Err(Failure::passing("connection-lost", Reached::Perhaps)),
        }
    }

    fn answered(&self, response: &reqwest::Response) -> Result<(), Failure> {
        let status = response.status();
        let reason = Name::from(format!("http-{}", status.as_u16()));
        match status {
            _ if status.is_success() => Ok(()),
            StatusCode::GONE => {
                tracing::warn!(sink = %self.name, "the receiver is gone: nothing is sent to it until `pointsman sink enable`");
                // Where the mark cannot be kept, the receiver is asked once more and answers the same.
                if let Err(error) = self.gone.mark() {
                    tracing::warn!(sink = %self.name, %error, "failed to keep that the receiver is gone");
                }
                Err(Failure::refused("gone"))
            }
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
                Err(Failure::Passing { reason, reached: Reached::Perhaps, wait: asked(response) })
            }
            _ if status.is_client_error() => Err(Failure::refused(reason)),
            _ => Err(Failure::Passing { reason, reached: Reached::Perhaps, wait: asked(response) }),
        }
    }
}

impl Sink for Webhook {
    fn name(&self) -> &Name {
        &self.name
    }

    fn send<'a>(&'a self, outgoing: &'a Outgoing, now: Instant) -> Pending<'a, Result<(), Failure>> {
        Box::pin(self.attempt(outgoing, now))
    }

    fn retry_after(&self, attempts: u32, effect: Id) -> Option<Span> {
        retry::scheduled(&self.retries, attempts, effect)
    }

    fn concurrency(&self) -> usize {
        CONCURRENCY
    }
}

/// `retry-after` in seconds, where the receiver gives it.
fn asked(response: &reqwest::Response) -> Option<Span> {
    let seconds = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?.parse::<u32>().ok()?;
    Some(Span::from_secs(seconds.into()).min(ASKED_LONGEST))
}
