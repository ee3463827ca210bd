//! Accepts connections and lets them finish: bounded in number, in the time a head may take, in the time a reader may stand
//! still, and in the time a shutdown may take. HTTP/1.1 only; TLS and HTTP/2 end in front of this.

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tower::ServiceExt;

use crate::Config;
use crate::connection::{Connection, Patient};

/// What is kept of one connection on its way in or out, and so the largest head of a request. There may be thousands of
/// connections whose readers stand still.
const BUFFER_BYTES_MAX: usize = 64 * 1024;

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
    let connections = Arc::new(Semaphore::new(config.connections_max));
    let graceful = GracefulShutdown::new();
    let builder = builder(config);
    let (close, closing) = watch::channel(false);
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &connections) => accepted,
            () = &mut shutdown => break,
        };
        let Some((stream, peer, permit)) = accepted else { break };
        let router = router.clone();
        let connection = Connection::new(closing.clone());
        let stream = Patient::new(stream, connection.clone(), config.write_timeout);
        let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
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

/// The next connection, once there is room for it; none when the server closes.
async fn accept(
    listener: &TcpListener,
    connections: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(connections).acquire_owned().await.ok()?;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Small answers must not wait for the acknowledgement of the one before.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "TCP_NODELAY could not be set");
                }
                return Some((stream, peer, permit));
            }
            Err(error) => {
                // Out of file descriptors, or the peer left already: neither is a reason to stop.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}
