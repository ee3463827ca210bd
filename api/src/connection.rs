//! One accepted connection: what an answer without an end has to know of it, and how long its socket may stand still.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep_until};

/// A reader of an answer without an end that stands still holds up a shutdown for at most so long.
const LAST_PATIENCE: Duration = Duration::from_secs(1);

/// A connection as operations see it: an extension of each request.
#[derive(Debug, Clone)]
pub(crate) struct Connection(Arc<State>);

#[derive(Debug)]
struct State {
    closing: watch::Receiver<bool>,
    is_endless: AtomicBool,
}

impl Connection {
    /// A connection of a server that says when it closes.
    pub(crate) fn new(closing: watch::Receiver<bool>) -> Self {
        Self(Arc::new(State { closing, is_endless: AtomicBool::new(false) }))
    }

    /// Says that the answer has no end of its own, so that a shutdown need not wait for its reader.
    pub(crate) fn set_endless(&self) {
        self.0.is_endless.store(true, Ordering::Relaxed);
    }

    /// Ready when the server closes.
    pub(crate) fn closing(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut closing = self.0.closing.clone();
        async move {
            // The sender lives as long as the server: without it there is nothing to serve any more.
            let _ = closing.wait_for(|is_closing| *is_closing).await;
        }
    }

    fn is_expendable(&self) -> bool {
        self.0.is_endless.load(Ordering::Relaxed) && *self.0.closing.borrow()
    }
}

/// A socket that fails when its reader takes nothing for too long.
pub(crate) struct Patient<T> {
    socket: T,
    connection: Connection,
    write_timeout: Duration,
    stalled: Option<Stalled>,
}

struct Stalled {
    since: Instant,
    timer: Pin<Box<Sleep>>,
}

impl<T> Patient<T> {
    pub(crate) fn new(socket: T, connection: Connection, write_timeout: Duration) -> Self {
        Self { socket, connection, write_timeout, stalled: None }
    }

    /// What came of a write, unless it has been waiting for too long.
    fn judge<R>(&mut self, written: Poll<io::Result<R>>, context: &mut Context<'_>) -> Poll<io::Result<R>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let is_expendable = self.connection.is_expendable();
        let patience = if is_expendable { self.write_timeout.min(LAST_PATIENCE) } else { self.write_timeout };
        let stalled = self.stalled.get_or_insert_with(|| {
            let since = Instant::now();
            Stalled { since, timer: Box::pin(sleep_until(since + patience)) }
        });
        let end = stalled.since + patience;
        if stalled.timer.deadline() != end {
            stalled.timer.as_mut().reset(end);
        }
        ready!(stalled.timer.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the reader takes nothing any more")))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Patient<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(context, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Patient<T> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.judge(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(context, parts);
        self.judge(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::{Connection, Patient};
    use std::io::ErrorKind;
    use std::time::{Duration, Instant};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::watch;

    #[tokio::test]
    async fn a_reader_who_takes_nothing_is_given_up_and_a_slow_one_is_not() {
        let (_server, closing) = watch::channel(false);
        let (near, mut far) = tokio::io::duplex(4);
        let mut socket = Patient::new(near, Connection::new(closing), Duration::from_millis(200));
        let slow = async {
            for _ in 0..8 {
                tokio::time::sleep(Duration::from_millis(50)).await;
                far.read_u8().await.expect("there is more");
            }
        };
        let (written, ()) = tokio::join!(socket.write_all(b"0123456789ab"), slow);
        written.expect("each wait was a short one");
        let refused = socket.write_all(b"cdef").await.expect_err("nobody reads any more");
        assert_eq!(refused.kind(), ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_shutdown_waits_for_a_reader_of_something_endless_only_a_moment() {
        let (server, closing) = watch::channel(false);
        let (near, _far) = tokio::io::duplex(4);
        let connection = Connection::new(closing);
        connection.set_endless();
        server.send_replace(true);
        connection.closing().await;
        let begun = Instant::now();
        let mut socket = Patient::new(near, connection, Duration::from_secs(60));
        assert_eq!(socket.write_all(b"012345").await.expect_err("given up").kind(), ErrorKind::TimedOut);
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
}
