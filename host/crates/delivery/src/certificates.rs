//! For tests: an authority, and certificates that it has signed.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::tls::Files;

/// PEM files in a folder that goes with it: `ca.pem`, and chain and key of a server and of a hub.
pub(crate) struct Certificates(tempfile::TempDir);

impl Certificates {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |file: &str, text: String| std::fs::write(folder.path().join(file), text).expect("written");
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "authority");
        write("ca.pem", params.self_signed(&key).expect("an authority").pem());
        let issuer = Issuer::new(params, key);
        for (file, name) in [("server", "localhost"), ("hub", "hub")] {
            let key = KeyPair::generate().expect("a key");
            let mut params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
            // A subject equal to the issuer's would make it look self-signed.
            params.distinguished_name.push(DnType::CommonName, name);
            write(&format!("{file}.pem"), params.signed_by(&key, &issuer).expect("a certificate").pem());
            write(&format!("{file}.key"), key.serialize_pem());
        }
        Self(folder)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Trusts the authority, and says who the hub is.
    pub(crate) fn of_hub(&self) -> Files {
        Files { authority: Some(self.file("ca.pem")), identity: Some((self.file("hub.pem"), self.file("hub.key"))) }
    }
}
