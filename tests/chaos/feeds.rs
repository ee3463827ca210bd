//! T9: feeds are cut at random bytes, and the server is stopped and killed now and then, while tills write. Each follower comes again
//! with the id of the last message that it got whole: what it got in all is the log, each event once and in order.
//!
//! One follower is made wrong on purpose: it believes an id before the message is whole. The checker must find what it lost.

use crate::checks;
use crate::client::http;
use crate::crash::Shift;
use crate::cutting_feed::CuttingFeed;
use crate::intents::History;
use crate::log;
use crate::scale::Scale;
use crate::server::Server;
use crate::workload::Members;
use serde_json::Value;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Between two restarts of the server so many feeds are cut.
const CUTS_A_RESTART: usize = 25;
const AGAIN: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn followers_that_are_cut_off_at_random_get_the_log() {
    let scale = Scale::of("feeds");
    let (cuts, random) = (scale.pick(100, 1_000), scale.random());
    let mut server = Server::new();
    server.start().await;
    let (caller, history) = (server.caller(), History::begin());
    let shift = Shift::begin(&caller, &history, &Members::default(), &random).await;
    let proxy = CuttingFeed::start(server.port(), random.fork(1)).await;
    let follower = |query, is_hasty| Follower::new(&server, proxy.port(), query, is_hasty);
    let whole = [follower("", false), follower("", false), follower("?from=0", false)];
    let part = follower("?type=loyalty.points.*", false);
    let hasty = follower("", true);
    let mut following = JoinSet::new();
    for follower in whole.iter().chain([&part, &hasty]) {
        following.spawn(follower.clone().follow());
    }
    let mut restarts = 0;
    while proxy.cuts() < cuts {
        if proxy.cuts() / CUTS_A_RESTART > restarts {
            if restarts % 2 == 0 {
                server.kill()
            } else {
                server.stop()
            }
            server.start().await;
            restarts += 1;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    proxy.rest();
    shift.end().await;
    let log = log::read(&server.superuser().await).await;
    let head = log.last().map_or(0, |event| event.position);
    for follower in whole.iter().chain([&part, &hasty]) {
        follower.until(head).await;
    }
    println!("feeds: {} cuts, {restarts} restarts, {head} events", proxy.cuts());
    for follower in &whole {
        checks::assert_none(&checks::not_the_log(&follower.seen(), &log));
    }
    let points: Vec<_> = log.iter().filter(|event| event.kind.starts_with("loyalty.points.")).cloned().collect();
    checks::assert_none(&checks::not_the_log(&part.seen(), &points));
    assert!(!checks::not_the_log(&hasty.seen(), &log).is_empty(), "a follower that loses events was not found out");
}

/// An event as a follower got it: position, id, type.
pub(crate) type Told = (i64, String, String);

/// Somebody who follows the feed through the proxy and comes again whenever it breaks off.
#[derive(Debug, Clone)]
struct Follower {
    url: String,
    key: String,
    is_hasty: bool,
    /// The id to come again with; 0: none yet.
    last: Arc<AtomicI64>,
    seen: Arc<Mutex<Vec<Told>>>,
}

impl Follower {
    fn new(server: &Server, port: u16, query: &str, is_hasty: bool) -> Self {
        let url = format!("http://127.0.0.1:{port}/v1/feed{query}");
        Self { url, key: server.key(), is_hasty, last: Arc::default(), seen: Arc::default() }
    }

    fn seen(&self) -> Vec<Told> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until it knows of everything up to here.
    async fn until(&self, head: i64) {
        let began = Instant::now();
        while self.last.load(Ordering::Relaxed) < head {
            assert!(began.elapsed() < PATIENCE, "a follower of {} stands at {:?} of {head}", self.url, self.last);
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn follow(self) {
        let client = http().build().expect("a client");
        loop {
            let mut request = client.get(&self.url).bearer_auth(&self.key);
            let last = self.last.load(Ordering::Relaxed);
            if last > 0 {
                request = request.header("Last-Event-ID", last);
            }
            if let Ok(answer) = request.send().await {
                self.take(answer).await;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn take(&self, mut answer: reqwest::Response) {
        let mut bytes = Vec::new();
        while let Ok(Some(part)) = answer.chunk().await {
            bytes.extend_from_slice(&part);
            while let Some(end) = bytes.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = bytes.drain(..end + 2).collect();
                self.message(&String::from_utf8(block).expect("a whole message is text"));
            }
            if self.is_hasty {
                self.believe(&String::from_utf8_lossy(&bytes));
            }
        }
    }

    fn message(&self, block: &str) {
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let (Some(id), Some(kind), Some(data)) = (field("id"), field("event"), field("data")) else { return };
        let position = id.parse().expect("a position");
        if !["caught-up", "checkpoint"].contains(&kind) {
            let data: Value = serde_json::from_str(data).expect("JSON");
            let id = data["id"].as_str().expect("an id").to_owned();
            self.seen.lock().unwrap_or_else(PoisonError::into_inner).push((position, id, kind.to_owned()));
        }
        self.last.store(position, Ordering::Relaxed);
    }

    /// What no follower may do.
    fn believe(&self, begun: &str) {
        let id = begun.strip_prefix("id: ").and_then(|rest| rest.split_once('\n')?.0.parse().ok());
        if let Some(position) = id {
            self.last.store(position, Ordering::Relaxed);
        }
    }
}
