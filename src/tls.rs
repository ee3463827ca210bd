//! Whom this program believes when it calls others over TLS: the certificate authorities of Mozilla's list, which are part of the
//! program, so that it needs nothing of the machine; or those of one file instead.
//!
//! The cryptography is that of the connection to PostgreSQL.

use anyhow::{Context, ensure};
use reqwest::ClientBuilder;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;

/// A client that believes whom everybody believes.
pub(crate) fn http() -> ClientBuilder {
    believing(RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()))
}

/// A client that believes those whose certificates are in a file (PEM), and nobody else.
///
/// # Errors
/// When the file cannot be read or holds none.
pub(crate) fn http_believing(authorities: &Path) -> anyhow::Result<ClientBuilder> {
    let shown = authorities.display();
    let pem = std::fs::read(authorities).with_context(|| format!("{shown} cannot be read"))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let added = certificate.map(|certificate| roots.add(certificate));
        added.with_context(|| format!("{shown} is no PEM"))?.with_context(|| format!("{shown}: a bad certificate"))?;
    }
    ensure!(!roots.is_empty(), "{shown} holds no certificate");
    Ok(believing(roots))
}

fn believing(roots: RootCertStore) -> ClientBuilder {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring knows the ciphers of TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    ClientBuilder::new().tls_backend_preconfigured(config)
}
