//! A proxy between callers and the server that cuts a connection after the request went through: before the answer is
//! there, or when it is and nobody has seen it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// The proxy.
#[derive(Debug)]
pub(crate) struct CuttingSocket {
    port: u16,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Of so many requests one is cut; 0: none.
    one_in: AtomicU64,
    requests: AtomicU64,
    cuts: AtomicUsize,
}

impl CuttingSocket {
    /// Forwards to a port of this machine, and cuts one of so many requests.
    pub(crate) async fn start(target: u16, one_in: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("the proxy listens");
        let port = listener.local_addr().expect("it has an address").port();
        let state = Arc::new(State { one_in: one_in.into(), ..State::default() });
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if let Ok(server) = TcpStream::connect(("127.0.0.1", target)).await {
                    tokio::spawn(forward(client, server, Arc::clone(&shared)));
                }
            }
        });
        Self { port, state }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// How many requests were cut.
    pub(crate) fn cuts(&self) -> usize {
        self.state.cuts.load(Ordering::Relaxed)
    }

    /// Cuts no more.
    pub(crate) fn rest(&self) {
        self.state.one_in.store(0, Ordering::Relaxed);
    }
}

impl State {
    /// Whether this request is cut, and if so, whether before (0) or after (1) its answer.
    fn cut(&self) -> Option<u64> {
        let nth = self.requests.fetch_add(1, Ordering::Relaxed);
        let one_in = self.one_in.load(Ordering::Relaxed);
        (one_in != 0 && nth.is_multiple_of(one_in)).then(|| {
            self.cuts.fetch_add(1, Ordering::Relaxed);
            nth / one_in % 2
        })
    }
}

/// A request of these tests is small: it comes in one piece or two, and the caller waits for the answer before the next.
async fn forward(client: TcpStream, server: TcpStream, state: Arc<State>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    while let Some(request) = message(&mut from_client).await {
        if to_server.write_all(&request).await.is_err() {
            return;
        }
        match state.cut() {
            None => {}
            Some(0) => return linger(from_server, to_server),
            Some(_) => {
                // The answer is here, and is not passed on.
                let _answer = message(&mut from_server).await;
                return;
            }
        }
        let Some(answer) = message(&mut from_server).await else { return };
        if to_client.write_all(&answer).await.is_err() {
            return;
        }
    }
}

/// The caller is cut off at once; the server's side stays open a moment, else it might give the request up unread.
fn linger(mut from_server: OwnedReadHalf, to_server: OwnedWriteHalf) {
    tokio::spawn(async move {
        let _answer = message(&mut from_server).await;
        drop(to_server);
    });
}

/// The next HTTP message with a `Content-Length` (or without a body), whole.
async fn message(from: &mut OwnedReadHalf) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        if let Some(length) = length_of(&bytes)
            && bytes.len() >= length
        {
            return Some(bytes);
        }
        if from.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

/// The length of a message as soon as its head is there.
fn length_of(bytes: &[u8]) -> Option<usize> {
    const END: &[u8] = b"\r\n\r\n";
    let head = bytes.windows(END.len()).position(|part| part == END)? + END.len();
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
    let body = length.and_then(|length| length.trim().parse::<usize>().ok()).unwrap_or(0);
    Some(head + body)
}

#[cfg(test)]
mod tests {
    use super::length_of;

    #[test]
    fn a_message_ends_where_its_head_says() {
        assert_eq!(length_of(b"GET / HTTP/1.1\r\nHost: a\r\n"), None);
        assert_eq!(length_of(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"), Some(27));
        assert_eq!(length_of(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), Some(40));
    }
}
