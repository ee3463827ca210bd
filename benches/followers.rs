//! Readers of the feed: raw sockets on a thread of their own, each at a pace of its own.

use anyhow::Context;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// What a slow reader's side of the connection holds.
const SMALL_WINDOW_BYTES: u32 = 4 * 1024;

/// How fast readers take what they are sent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// At once.
    Attentive,
    /// So many bytes, then a pause.
    Slow(usize, Duration),
}

/// Open feeds.
pub(crate) struct Followers {
    bytes: Arc<AtomicU64>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<anyhow::Result<()>>>,
}

impl Followers {
    /// Opens so many from now on; ready when all of them follow.
    pub(crate) async fn open(server: SocketAddr, key: &Arc<str>, count: usize, pace: Pace) -> anyhow::Result<Self> {
        let (bytes, key) = (Arc::new(AtomicU64::new(0)), Arc::clone(key));
        let (stop, stopped) = oneshot::channel();
        let (opened, all_opened) = oneshot::channel();
        let read = Arc::clone(&bytes);
        let thread = std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
                let mut readers = JoinSet::new();
                for _ in 0..count {
                    let connection = follow(server, &key, "from=now", pace).await?;
                    readers.spawn(take(connection, pace, Arc::clone(&read)));
                }
                let _ = opened.send(());
                tokio::select! {
                    ended = readers.join_next() => ended.context("there are no readers")??,
                    _ = stopped => Ok(()),
                }
            })
        });
        let followers = Self { bytes, stop: Some(stop), thread: Some(thread) };
        match all_opened.await {
            Ok(()) => Ok(followers),
            Err(_) => Err(followers.end().err().unwrap_or_else(|| anyhow::anyhow!("the readers ended"))),
        }
    }

    /// How many bytes they have taken.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Closes them.
    pub(crate) fn end(mut self) -> anyhow::Result<()> {
        drop(self.stop.take());
        let thread = self.thread.take().context("it ends once")?;
        thread.join().map_err(|_| anyhow::anyhow!("the readers panicked"))?
    }
}

/// Opens one feed and reads the head of its answer, but nothing behind it.
pub(crate) async fn follow(server: SocketAddr, key: &str, query: &str, pace: Pace) -> anyhow::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    if let Pace::Slow(..) = pace {
        socket.set_recv_buffer_size(SMALL_WINDOW_BYTES)?;
    }
    let mut connection = socket.connect(server).await?;
    let request = format!("GET /v1/feed?{query} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n\r\n");
    connection.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(connection.read_u8().await.context("the server closed a connection")?);
    }
    anyhow::ensure!(head.starts_with(b"HTTP/1.1 200"), "refused: {}", String::from_utf8_lossy(&head));
    Ok(connection)
}

async fn take(mut connection: TcpStream, pace: Pace, taken: Arc<AtomicU64>) -> anyhow::Result<()> {
    let mut buffer = vec![0; if let Pace::Slow(bytes, _) = pace { bytes } else { 64 * 1024 }];
    loop {
        let read = connection.read(&mut buffer).await?;
        anyhow::ensure!(read > 0, "the server ended a feed");
        taken.fetch_add(read as u64, Ordering::Relaxed);
        if let Pace::Slow(_, pause) = pace {
            tokio::time::sleep(pause).await;
        }
    }
}
