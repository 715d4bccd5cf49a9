//! TLS of a connection: the platform's trust or a given authority, and a client certificate where one is asked for.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};
use rustls_platform_verifier::BuilderVerifierExt as _;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// PEM file of the authorities to trust; none for those of the platform.
    pub ca: Option<PathBuf>,
    pub client: Option<ClientCertificate>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// PEM file, the client's own certificate first.
    pub chain: PathBuf,
    /// PEM file.
    pub key: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("failed to read {what} from {}", path.display())]
    Read {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    #[error("failed to find {what} in {}", path.display())]
    Empty { what: &'static str, path: PathBuf },
    #[error("failed to set up TLS")]
    Setup(#[from] rustls::Error),
}

pub(super) fn client_config(tls: &Tls) -> Result<Arc<ClientConfig>, TlsError> {
    let builder = builder()?;
    let builder = match &tls.ca {
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path, "an authority's certificate")? {
                roots.add(certificate)?;
            }
            builder.with_root_certificates(roots)
        }
        None => builder.with_platform_verifier()?,
    };
    Ok(Arc::new(match &tls.client {
        Some(client) => {
            let chain = certificates(&client.chain, "a client certificate")?;
            let key = PrivateKeyDer::from_pem_file(&client.key).map_err(|source| TlsError::Read {
                what: "a private key",
                path: client.key.clone(),
                source,
            })?;
            builder.with_client_auth_cert(chain, key)?
        }
        None => builder.with_no_client_auth(),
    }))
}

/// The same provider as the rest of the binary, named so that no process-wide default is needed.
fn builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()
}

fn certificates(path: &Path, what: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |source| TlsError::Read { what, path: path.to_owned(), source };
    let all: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).map_err(failed)?.collect();
    let all = all.map_err(failed)?;
    if all.is_empty() { Err(TlsError::Empty { what, path: path.to_owned() }) } else { Ok(all) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_files_the_platform_is_trusted() {
        assert!(client_config(&Tls::default()).is_ok());
    }

    #[test]
    fn a_file_without_certificates_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ca.pem");
        std::fs::write(&path, "nothing").expect("a file");
        let error = client_config(&Tls { ca: Some(path.clone()), client: None }).expect_err("no certificate");
        assert_eq!(error.to_string(), format!("failed to find an authority's certificate in {}", path.display()));
        let missing = Tls { ca: Some(folder.path().join("none.pem")), client: None };
        assert!(matches!(client_config(&missing), Err(TlsError::Read { .. })));
    }
}
