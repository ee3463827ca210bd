//! Accepts connections and lets them finish: bounded in number, in the time a head may take, in the time a reader may stand
//! still, and in the time a shutdown may take. HTTP/1.1 only; TLS and HTTP/2 end in front of this.

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tower::ServiceExt;

use crate::Config;
use crate::connection::{Connection, Patient};
use crate::problem::Problem;

/// What is kept of one connection on its way in or out, and so the largest head of a request. There may be thousands of
/// connections whose readers stand still.
const BUFFER_BYTES_MAX: usize = 64 * 1024;
/// Connections that are being told that they are too many; still more are closed without a word.
const TURNED_AWAY_MAX: usize = 256;
/// How long that may take.
const TURNED_AWAY_PATIENCE: Duration = Duration::from_secs(2);

/// Serves until `shutdown` is ready, then finishes what is in flight, for at most the configured time.
///
/// # Errors
/// When the configuration is `open` and the address is not a loopback one.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    config: &Config,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    if config.open && !listener.local_addr()?.ip().is_loopback() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "an open server must listen on a loopback address"));
    }
    let connections = Arc::new(Semaphore::new(config.all_connections_max()));
    let turned_away = Arc::new(Semaphore::new(TURNED_AWAY_MAX));
    let graceful = GracefulShutdown::new();
    let builder = builder(config);
    let (close, closing) = watch::channel(false);
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener) => accepted,
            () = &mut shutdown => break,
        };
        let (stream, peer) = accepted;
        let Ok(permit) = Arc::clone(&connections).try_acquire_owned() else {
            if let Ok(turn) = Arc::clone(&turned_away).try_acquire_owned() {
                tokio::spawn(turn_away(stream, builder.clone(), turn));
            }
            continue;
        };
        let router = router.clone();
        let connection = Connection::new(closing.clone());
        let stream = Patient::new(stream, connection.clone(), config.write_timeout);
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            request.extensions_mut().insert(connection.clone());
            router.clone().oneshot(request.map(Body::new))
        });
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(permit);
        });
    }
    drop(listener);
    // Answers without an end end now; the others are finished.
    close.send_replace(true);
    if tokio::time::timeout(config.drain_timeout, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not finish in the time given for the shutdown");
    }
    Ok(())
}

fn builder(config: &Config) -> Builder {
    let mut builder = Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(config.head_timeout).max_buf_size(BUFFER_BYTES_MAX);
    builder
}

/// Answers one request with 503 and closes the connection.
async fn turn_away(stream: TcpStream, mut builder: Builder, _turn: OwnedSemaphorePermit) {
    let answer = |_: Request<Incoming>| async { Ok::<_, Infallible>(Problem::too_many_connections().render(None)) };
    let told = builder.keep_alive(false).serve_connection(TokioIo::new(stream), service_fn(answer));
    // Whoever asks nothing in this time is told nothing.
    let _ = tokio::time::timeout(TURNED_AWAY_PATIENCE, told).await;
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Small answers must not wait for the acknowledgement of the one before.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "TCP_NODELAY could not be set");
                }
                return (stream, peer);
            }
            Err(error) => {
                // Out of file descriptors, or the peer left already: neither is a reason to stop.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::serve;
    use crate::Config;
    use axum::Router;
    use axum::routing::get;
    use std::net::SocketAddr;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    async fn asked(connection: &mut TcpStream) -> String {
        connection.write_all(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n").await.expect("sent");
        let mut answer = vec![0; 4_096];
        let read = tokio::time::timeout(Duration::from_secs(10), connection.read(&mut answer)).await.expect("in time");
        String::from_utf8_lossy(&answer[..read.expect("an answer")]).into_owned()
    }

    async fn connected(server: SocketAddr) -> TcpStream {
        TcpStream::connect(server).await.expect("the server accepts")
    }

    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "a route of this test only")]
    async fn who_is_too_many_is_told_so_and_others_are_served() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let server = listener.local_addr().expect("it has one");
        let config = Config { connections_max: 1, feed_clients_max: 1, ..Config::default() };
        let router = Router::new().route("/", get(|| async { "here" }));
        tokio::spawn(async move { serve(listener, router, &config, std::future::pending()).await });
        let (mut first, mut second) = (connected(server).await, connected(server).await);
        for kept in [&mut first, &mut second] {
            assert!(asked(kept).await.starts_with("HTTP/1.1 200"));
        }
        let mut third = connected(server).await;
        let told = asked(&mut third).await;
        assert!(told.starts_with("HTTP/1.1 503") && told.contains("retry-after: 10"), "{told}");
        assert!(told.contains("too_many_connections") && told.contains("connection: close"), "{told}");
        assert_eq!(third.read(&mut [0; 1]).await.expect("it was closed"), 0);
        assert!(asked(&mut first).await.starts_with("HTTP/1.1 200"), "the others are not concerned");
        drop(second);
        let mut served = false;
        for _ in 0..200 {
            served = asked(&mut connected(server).await).await.starts_with("HTTP/1.1 200");
            if served {
                break;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        assert!(served, "a place that was left is given again");
    }
}
