//! Signed heads go to somebody else's server, and only to that one.

use crate::support::World;
use axum::Router;
use axum::routing::post;
use nix::sys::signal::Signal;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::Value;
use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// The certificate of an authority (PEM), and how it lets a server of this machine speak in its name.
fn authority(name: &str) -> (String, TlsAcceptor) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate().expect("a key");
    let pem = params.self_signed(&key).expect("a certificate").pem();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().expect("a key");
    let server = CertificateParams::new(["localhost".to_owned()]).expect("a name");
    let certificate = server.signed_by(&key, &issuer).expect("a certificate").der().clone();
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key);
    (pem, TlsAcceptor::from(Arc::new(config.expect("they fit each other"))))
}

/// A server that shows whichever certificate it is told to.
struct Listener {
    tcp: TcpListener,
    shown: Arc<Mutex<TlsAcceptor>>,
}

impl axum::serve::Listener for Listener {
    type Io = TlsStream<TcpStream>;
    type Addr = std::net::SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let Ok((stream, address)) = self.tcp.accept().await else { continue };
            let shown = self.shown.lock().expect("not poisoned").clone();
            if let Ok(stream) = shown.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}

#[tokio::test]
async fn a_head_goes_to_its_target_over_tls_once_that_is_who_it_should_be() {
    let ((ours, right), (_, wrong)) = (authority("ours"), authority("theirs"));
    let tcp = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = tcp.local_addr().expect("its address").port();
    let (shown, received) = (Arc::new(Mutex::new(wrong)), Arc::new(Mutex::new(Vec::new())));
    let (kept, listener) = (Arc::clone(&received), Listener { tcp, shown: Arc::clone(&shown) });
    let take = move |note: String| async move { kept.lock().expect("not poisoned").push(note) };
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(post(take))).await });

    let mut world = World::start().await;
    world.end(Signal::SIGTERM);
    fs::write(world.folder().join("ours.pem"), ours).expect("written");
    let settings = format!("heads_url = \"https://localhost:{port}/heads\"\nheads_ca_file = \"ours.pem\"\n");
    fs::write(world.data().join("clientela.toml"), settings).expect("written");
    world.serve(&[]);
    let member = world.member("published@example.com").await;
    let position = world.buys(&member, "order-1", "10.00").await.position.expect("a position");
    world.get(&format!("/v1/audit/proof?position={position}")).await;
    let refused = published(&world, |url| url["error"].is_string()).await;
    let error = refused["error"].as_str().expect("an error");
    assert!(error.starts_with("the target of heads cannot be reached"), "{error}");
    assert!(error.ends_with("invalid peer certificate: UnknownIssuer"), "{error}");
    assert_eq!(world.get("/health").await.body["status"], "degraded");
    assert!(received.lock().expect("not poisoned").is_empty());

    *shown.lock().expect("not poisoned") = right;
    let well = published(&world, |url| url["head"].as_i64() >= Some(position)).await;
    assert!(well["error"].is_null(), "{well}");
    assert_eq!(world.get("/health").await.body["status"], "ok");
    let received = received.lock().expect("not poisoned").clone();
    let sizes: Vec<i64> = received.iter().filter_map(|note| note.lines().nth(1)?.parse().ok()).collect();
    assert!(sizes.is_sorted_by(|a, b| a < b) && sizes.last() >= Some(&position), "{received:?}");
}

/// How publishing to the address goes, once that is so.
async fn published(world: &World, is_so: impl Fn(&Value) -> bool) -> Value {
    let told = async {
        loop {
            let health = world.get("/health").await.body;
            let url = &health["components"]["tree"]["published"]["url"];
            if is_so(url) {
                break url.clone();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), told).await.expect("it is told in time")
}
