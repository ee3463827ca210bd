//! A proxy between followers of the feed and the server that cuts each answer at a random byte: in its head, in the middle of a
//! message, or between two.

use crate::random::Random;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Most bytes of an answer that is cut late.
const LATE: u64 = 60_000;
/// Most bytes of one that is cut early: the head and a message or two.
const EARLY: u64 = 1_500;
const EARLY_PERCENT: u64 = 30;

/// The proxy.
#[derive(Debug)]
pub(crate) struct CuttingFeed {
    port: u16,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    random: Mutex<Random>,
    rests: AtomicBool,
    cuts: AtomicUsize,
}

impl CuttingFeed {
    /// Forwards to a port of this machine.
    pub(crate) async fn start(target: u16, random: Random) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("the proxy listens");
        let port = listener.local_addr().expect("it has an address").port();
        let state = State { random: Mutex::new(random), rests: AtomicBool::default(), cuts: AtomicUsize::default() };
        let state = Arc::new(state);
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // While the server is away its followers find nobody here either.
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

    /// How many answers were cut.
    pub(crate) fn cuts(&self) -> usize {
        self.state.cuts.load(Ordering::Relaxed)
    }

    /// Cuts no more, not even what was to be.
    pub(crate) fn rest(&self) {
        self.state.rests.store(true, Ordering::Relaxed);
    }
}

impl State {
    fn bytes(&self) -> usize {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        let bound = if random.chance(EARLY_PERCENT) { EARLY } else { LATE };
        usize::try_from(random.below(bound)).expect("small")
    }
}

async fn forward(client: TcpStream, server: TcpStream, state: Arc<State>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let asking = tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
    let (mut left, mut buffer) = (state.bytes(), vec![0; 16 * 1024]);
    while let Ok(read @ 1..) = from_server.read(&mut buffer).await {
        let is_cut = read > left && !state.rests.load(Ordering::Relaxed);
        let passed = if is_cut { left } else { read };
        if to_client.write_all(&buffer[..passed]).await.is_err() {
            break;
        }
        left = left.saturating_sub(passed);
        if is_cut {
            state.cuts.fetch_add(1, Ordering::Relaxed);
            break;
        }
    }
    asking.abort();
}
