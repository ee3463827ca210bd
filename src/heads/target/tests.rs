//! The target of heads: what it is sent, whom it may be, and what is not followed.

use super::Target;
use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::post;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use store::postgres::SignedHead;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

fn head() -> SignedHead {
    let checkpoint = "log\n7\nAAAA\n\n— log AAAA\n".to_owned();
    SignedHead { size: 7, root: [7; 32], checkpoint, signed_at: chrono::DateTime::UNIX_EPOCH }
}

type Received = Arc<Mutex<Vec<(HeaderMap, String)>>>;

/// Takes heads under `/heads`, sends those under `/elsewhere` there, has other answers under their code, and none under `/silence`.
fn receiver() -> (Router, Received) {
    let received = Received::default();
    let kept = Arc::clone(&received);
    let take = move |headers: HeaderMap, body: String| async move {
        kept.lock().unwrap().push((headers, body));
        StatusCode::NO_CONTENT
    };
    let elsewhere = || async { (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, "/heads")]) };
    let mut router = Router::new();
    for code in [400, 401, 409, 500] {
        let answer = move || async move { (StatusCode::from_u16(code).unwrap(), "no") };
        router = route(router, &format!("/{code}"), post(answer));
    }
    router = route(router, "/silence", post(std::future::pending::<StatusCode>));
    (route(route(router, "/heads", post(take)), "/elsewhere", post(elsewhere)), received)
}

#[expect(clippy::disallowed_methods, reason = "it is no part of the API")]
fn route(router: Router, path: &str, answer: axum::routing::MethodRouter) -> Router {
    router.route(path, answer)
}

async fn started() -> (String, Received) {
    let (router, received) = receiver();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, received)
}

/// Who makes certificates, as a file that says so.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        Self { issuer: Issuer::new(params, key), folder }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A server of this name, certified by it; its address under `localhost`.
    async fn serves(&self, name: &str, until: i32) -> (String, Received) {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder().with_no_client_auth();
        let config = config.with_single_cert(vec![certificate.der().clone()], key).unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("https://localhost:{}", tcp.local_addr().unwrap().port());
        let (router, received) = receiver();
        let listener = Listener { tcp, tls: TlsAcceptor::from(Arc::new(config)) };
        tokio::spawn(async move { axum::serve(listener, router).await });
        (address, received)
    }
}

/// Accepts those who finish a handshake.
struct Listener {
    tcp: TcpListener,
    tls: TlsAcceptor,
}

impl axum::serve::Listener for Listener {
    type Io = TlsStream<TcpStream>;
    type Addr = std::net::SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let Ok((stream, address)) = self.tcp.accept().await else { continue };
            if let Ok(stream) = self.tls.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}

/// What is said when a head cannot be brought there.
async fn said(target: anyhow::Result<Target>) -> String {
    format!("{:#}", target.unwrap().send(&head()).await.unwrap_err())
}

#[tokio::test]
async fn a_target_gets_the_signed_head_and_its_token() {
    let (address, received) = started().await;
    let target = Target::new(&format!("{address}/heads"), Some("secret".to_owned()), None).unwrap();
    assert_eq!(target.send(&head()).await.unwrap(), 7);
    let (headers, body) = received.lock().unwrap().pop().unwrap();
    assert_eq!(body, head().checkpoint);
    assert_eq!(headers[header::AUTHORIZATION], "Bearer secret");
    assert_eq!(headers[header::CONTENT_TYPE], "text/plain; charset=utf-8");
}

#[tokio::test]
async fn what_is_no_success_is_an_error_and_a_redirect_is_not_followed() {
    let (address, received) = started().await;
    for (path, answer) in [
        ("elsewhere", "307 Temporary Redirect"),
        ("nowhere", "404 Not Found"),
        ("400", "400 Bad Request"),
        ("401", "401 Unauthorized"),
        ("409", "409 Conflict"),
        ("500", "500 Internal Server Error"),
    ] {
        let told = said(Target::new(&format!("{address}/{path}"), None, None)).await;
        assert_eq!(told, format!("the target of heads answered {answer}"));
    }
    let target = Target::new(&format!("{address}/silence"), None, None).unwrap();
    let told = said(Ok(Target { patience: Duration::from_millis(200), ..target })).await;
    assert_eq!(told, "the target of heads did not answer within 0.2 s");
    assert!(received.lock().unwrap().is_empty());
    let told = said(Target::new("http://user:hidden@127.0.0.1:9/heads", None, None)).await;
    assert!(told.starts_with("the target of heads cannot be reached") && !told.contains("hidden"), "{told}");
}

#[tokio::test]
async fn a_target_is_believed_by_its_certificate_alone() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let (address, received) = ours.serves("localhost", 4_000).await;
    let at = |address: &str, authority: Option<&Authority>| {
        let file = authority.map(Authority::file);
        Target::new(&format!("{address}/heads"), Some("secret".to_owned()), file.as_deref())
    };
    let told = said(at(&address, None)).await;
    assert!(told.ends_with("invalid peer certificate: UnknownIssuer"), "{told}");
    assert_eq!(said(at(&address, Some(&theirs))).await, told);
    let (other, _) = ours.serves("elsewhere.example", 4_000).await;
    let told = said(at(&other, Some(&ours))).await;
    assert!(told.contains("certificate not valid for name \"localhost\""), "{told}");
    let (late, _) = ours.serves("localhost", 2_020).await;
    let told = said(at(&late, Some(&ours))).await;
    assert!(told.contains("certificate expired"), "{told}");
    let (clear, _) = started().await;
    let told = said(at(&clear.replace("http://127.0.0.1", "https://localhost"), Some(&ours))).await;
    assert!(told.contains("InvalidContentType"), "{told}");
    assert!(received.lock().unwrap().is_empty(), "nobody who is not believed gets a token");

    assert_eq!(at(&address, Some(&ours)).unwrap().send(&head()).await.unwrap(), 7);
    assert_eq!(received.lock().unwrap().pop().unwrap().0[header::AUTHORIZATION], "Bearer secret");
}

#[test]
fn what_can_be_no_target_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name)
    };
    let told = |url: &str, authorities: Option<PathBuf>| {
        format!("{:#}", Target::new(url, None, authorities.as_deref()).unwrap_err())
    };
    for wrong in ["", "heads", "ftp://x/heads"] {
        assert!(told(wrong, None).starts_with("heads_url "), "{wrong}");
    }
    let https = "https://x/heads";
    assert!(told(https, Some(folder.path().join("none"))).contains("none cannot be read"));
    assert!(told(https, Some(file("empty", "nothing"))).ends_with("empty holds no certificate"));
    let half = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(told(https, Some(file("half", half))).contains("half: a bad certificate"));
    assert!(told("http://x/heads", Some(file("empty", "nothing"))).ends_with("heads_url is without TLS"));
}
