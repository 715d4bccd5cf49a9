//! TLS: the client settings of our connections, built here so that no process-wide provider is needed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, crypto::ring};
use rustls_platform_verifier::BuilderVerifierExt as _;

/// Whom a connection trusts, and who we say we are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    /// PEM file of the authorities; none: those of the operating system.
    pub authority: Option<PathBuf>,
    /// PEM files of our certificate chain and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("failed to read certificates from {path}")]
    Certificates {
        path: PathBuf,
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    #[error("no certificate in {0}")]
    None(PathBuf),
    #[error("failed to read the private key from {path}")]
    Key {
        path: PathBuf,
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    #[error("failed to set up TLS")]
    Setup(#[from] rustls::Error),
}

/// The settings of a client that checks its server.
///
/// # Errors
/// When a file cannot be read or does not hold what it should.
pub fn client(files: &Files) -> Result<ClientConfig, Error> {
    let builder = match &files.authority {
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                roots.add(certificate)?;
            }
            trusting(roots)?
        }
        None => builder()?.with_platform_verifier()?,
    };
    Ok(match &files.identity {
        Some((chain, key)) => {
            let key = PrivateKeyDer::from_pem_file(key).map_err(|source| Error::Key { path: key.clone(), source })?;
            builder.with_client_auth_cert(certificates(chain)?, key)?
        }
        None => builder.with_no_client_auth(),
    })
}

/// Settings under which no TLS connection succeeds, for connections that are not to use it.
///
/// # Errors
/// When the cryptography provider lacks a protocol version.
pub(crate) fn none() -> Result<ClientConfig, Error> {
    Ok(trusting(RootCertStore::empty())?.with_no_client_auth())
}

fn trusting(roots: RootCertStore) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, Error> {
    Ok(builder()?.with_root_certificates(roots))
}

fn builder() -> Result<ConfigBuilder<ClientConfig, rustls::WantsVerifier>, Error> {
    let provider = Arc::new(ring::default_provider());
    Ok(ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let unreadable = |source| Error::Certificates { path: path.to_owned(), source };
    let all: Vec<_> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect).map_err(unreadable)?;
    if all.is_empty() { Err(Error::None(path.to_owned())) } else { Ok(all) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_or_empty_authority_file_is_named() {
        let files = |path: &Path| Files { authority: Some(path.to_owned()), identity: None };
        let error = client(&files(Path::new("no/such.pem"))).expect_err("nothing there");
        assert_eq!(error.to_string(), "failed to read certificates from no/such.pem");
        let empty = tempfile::NamedTempFile::new().expect("a file");
        assert!(matches!(client(&files(empty.path())), Err(Error::None(path)) if path == empty.path()));
    }
}
