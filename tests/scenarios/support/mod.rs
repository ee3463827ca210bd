//! What scenarios are told with: a world with a server in it, a reader of the feed, the description of the API, and an independent computation of loyalty points.

pub(crate) mod described;
pub(crate) mod expected;
pub(crate) mod feed;
pub(crate) mod world;

pub(crate) use world::World;

use reqwest::ClientBuilder;
use rustls::{ClientConfig, RootCertStore};

/// A client for servers of this machine, which need no TLS.
pub(crate) fn http() -> ClientBuilder {
    let believes_nobody = ClientConfig::builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    ClientBuilder::new().no_proxy().tls_backend_preconfigured(believes_nobody)
}
