//! What the files that `pointsman.toml` names hold, and its templates: what else would fail only when it is used, as at
//! the first command.

use std::path::Path;
use std::sync::Arc;

use anyhow::Error;
use config::{Host, Problem, Problems, Server, SinkKind, problem_at};
use delivery::sinks::webhook;
use delivery::{Secret, Templates, Webhook, tls};

use crate::installation::GONE;

/// Whether everything can be used that `host` names, as read from `file`.
///
/// # Errors
/// Each certificate, key and secret that is none, and each template and payload that does not read.
pub(crate) fn check(host: &Host, file: &Path) -> Result<(), Problems> {
    let mut problems = Vec::new();
    if let Err(error) = Templates::new(host.templates.values().cloned()) {
        problems.push(Problem::of_file(&file.display().to_string(), error.to_string()));
    }
    let mut add = |keys: &[&str], message: String| problems.push(problem_at(file, keys, message));
    for device in host.declared() {
        for (name, action) in device.commands.iter() {
            if let Err(message) = delivery::check_payload(&action.payload) {
                add(&["device", &device.id, "commands", name, "payload"], message);
            }
        }
    }
    for server in host.mqtt.iter().filter(|server| server.url.tls) {
        if let Err(error) = tls::client(&files(server)) {
            add(&["mqtt", &server.name, blamed(&error, server)], full(error));
        }
    }
    // Said above where they do not read.
    let templates = Arc::new(Templates::default());
    for sink in &host.sinks {
        let SinkKind::Webhook { url, secret, ca_file } = &sink.kind else { continue };
        let secret = Secret::new(secret.reveal());
        let mut options = webhook::Options::new(sink.name.clone(), &**url, secret, host.data.join(GONE));
        options.trust.authority.clone_from(ca_file);
        if let Err(error) = Webhook::new(options, Arc::clone(&templates)) {
            let key = match &error {
                webhook::Error::Secret { .. } => "secret-file",
                webhook::Error::Tls { .. } if ca_file.is_some() => "ca-file",
                webhook::Error::Tls { .. } | webhook::Error::Url { .. } | webhook::Error::Client { .. } => "url",
            };
            add(&["sink", &sink.name, "webhook", key], full(error));
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems.into_iter().collect()) }
}

/// Whom a connection to a broker trusts, and who it says it is.
pub(crate) fn files(server: &Server) -> tls::Files {
    tls::Files { authority: server.ca_file.clone(), identity: server.certificate.clone() }
}

/// The key that names the file which cannot be used.
fn blamed(error: &tls::Error, server: &Server) -> &'static str {
    match error {
        tls::Error::Certificates { path, .. } | tls::Error::None(path) if server.ca_file.as_ref() == Some(path) => {
            "ca-file"
        }
        tls::Error::Certificates { .. } | tls::Error::None(_) => "certificate-file",
        tls::Error::Key { .. } => "key-file",
        tls::Error::Setup(_) => "url",
    }
}

/// An error with what led to it, on one line.
fn full(error: impl Into<Error>) -> String {
    format!("{:#}", error.into())
}
