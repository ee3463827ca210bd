//! A Unix-socket proxy before PostgreSQL that cuts a connection at the worst moments of a commit.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};

/// The message of a simple query that says `commit`: PostgreSQL's protocol, "Message Formats", Query.
const COMMIT: &[u8] = b"Q\x00\x00\x00\x0bcommit\x00";

/// Where the next commit is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Cut {
    /// The commit never reaches PostgreSQL.
    BeforeTheCommit = 1,
    /// PostgreSQL commits, its answer is lost.
    BeforeTheAnswer = 2,
}

/// The proxy; cuts one commit each time it is armed.
pub(crate) struct CuttingProxy {
    folder: PathBuf,
    cut: Arc<AtomicU8>,
    cuts: Arc<AtomicUsize>,
}

impl CuttingProxy {
    /// Listens on a socket in `folder` and forwards to the one in `server`.
    pub(crate) fn start(folder: &Path, server: &Path) -> Self {
        let listener = UnixListener::bind(folder.join(".s.PGSQL.5432")).expect("the proxy listens");
        let (cut, cuts) = (Arc::new(AtomicU8::new(0)), Arc::new(AtomicUsize::new(0)));
        let proxy = Self { folder: folder.to_owned(), cut: Arc::clone(&cut), cuts: Arc::clone(&cuts) };
        let target = server.join(".s.PGSQL.5432");
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if let Ok(server) = UnixStream::connect(&target).await {
                    tokio::spawn(forward(client, server, Arc::clone(&cut), Arc::clone(&cuts)));
                }
            }
        });
        proxy
    }

    /// Folder of the socket.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Cuts the next commit.
    pub(crate) fn arm(&self, cut: Cut) {
        self.cut.store(cut as u8, Ordering::SeqCst);
    }

    /// How many commits were cut.
    pub(crate) fn cuts(&self) -> usize {
        self.cuts.load(Ordering::SeqCst)
    }
}

async fn forward(client: UnixStream, server: UnixStream, cut: Arc<AtomicU8>, cuts: Arc<AtomicUsize>) {
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let answers = tokio::spawn(copy(from_server, to_client));
    let silence = answers.abort_handle();
    requests((from_client, to_server), &cut, &cuts, || silence.abort()).await;
    silence.abort();
}

async fn requests(
    (mut client, mut server): (OwnedReadHalf, OwnedWriteHalf),
    cut: &AtomicU8,
    cuts: &AtomicUsize,
    silence: impl Fn(),
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = client.read(&mut buffer).await {
        let is_commit = buffer[..length].windows(COMMIT.len()).any(|part| part == COMMIT);
        let armed = if is_commit { cut.swap(0, Ordering::SeqCst) } else { 0 };
        if armed == Cut::BeforeTheCommit as u8 {
            cuts.fetch_add(1, Ordering::SeqCst);
            return;
        }
        if armed == Cut::BeforeTheAnswer as u8 {
            silence(); // first of all: the answer must not slip through
        }
        if server.write_all(&buffer[..length]).await.is_err() {
            return;
        }
        if armed == Cut::BeforeTheAnswer as u8 {
            cuts.fetch_add(1, Ordering::SeqCst);
            return;
        }
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let _ = tokio::io::copy(&mut from, &mut to).await;
}
