//! The feed through HTTP: what many readers cost the writer, how soon a commit is seen, how fast one catches up.

use crate::Settings;
use crate::cluster::Cluster;
use crate::followers::{Followers, Pace, follow};
use crate::http::Generator;
use crate::measure::{Load, Rounds, Run, in_turns, median};
use crate::rebuild;
use crate::server::{PATIENCE, Server};
use crate::steady::{self, Answered, Delays};
use crate::table::{Hold, Line, Table};
use anyhow::Context;
use futures::future::BoxFuture;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use store::EventStore;

const READERS: usize = 500;
/// A slow reader takes a kilobyte four times a second: a few events.
const SLOW: Pace = Pace::Slow(1_024, Duration::from_millis(250));

/// Commands while others follow the feed.
struct Followed {
    server: SocketAddr,
    key: Arc<str>,
    commands: Generator,
    pace: Pace,
    /// What each reader took in a second, round by round.
    bytes_each: Vec<f64>,
}

impl Followed {
    fn new(server: &Server, pace: Pace) -> Self {
        let (commands, key) = (Generator::redeeming(server), Arc::clone(&server.key));
        Self { server: server.address, key, commands, pace, bytes_each: Vec::new() }
    }

    async fn measured(&mut self, span: Duration) -> anyhow::Result<Run> {
        let readers = Followers::open(self.server, &self.key, READERS, self.pace).await?;
        // Until all that lies between the server and a slow reader is full, it takes as much as any other.
        self.commands.run(span / 2).await?;
        let (begun, before) = (Instant::now(), readers.bytes());
        let run = self.commands.run(span).await?;
        let taken = (readers.bytes() - before) as f64 / READERS as f64;
        self.bytes_each.push(taken / begun.elapsed().as_secs_f64());
        readers.end()?;
        Ok(run)
    }

    fn kilobytes_each(&self) -> f64 {
        median(self.bytes_each.iter().copied()) / 1024.0
    }
}

impl Load for Followed {
    fn run(&mut self, span: Duration) -> BoxFuture<'_, anyhow::Result<Run>> {
        Box::pin(self.measured(span))
    }
}

/// Commands with and without many readers.
pub(crate) async fn readers(cluster: &Cluster, settings: Settings, table: &mut Table) -> anyhow::Result<()> {
    let server = Server::start(cluster, settings, "feed_readers_log").await?;
    server.projections.pause();
    cluster.checkpoint().await?;
    let mut alone = Generator::redeeming(&server);
    let mut slow = Followed::new(&server, SLOW);
    let mut attentive = Followed::new(&server, Pace::Attentive);
    let sides: [&mut dyn Load; 3] = [&mut alone, &mut slow, &mut attentive];
    let [base, with_slow, with_attentive] = in_turns(settings, sides).await?;
    let line = |what: &str, rounds: &Rounds| {
        let line = Line::new("feed readers", what, rounds.rate(), "commands/s");
        line.beside("no readers", base.rate(), rounds.ratio_to(&base))
    };
    table.add(line("500 slow readers", &with_slow).hold(Hold::Ratio(0.9)));
    table.add(Line::new("feed readers", "500 slow readers, each takes", slow.kilobytes_each(), "KiB/s"));
    table.add(line("500 attentive readers", &with_attentive));
    table.add(Line::new("feed readers", "500 attentive readers, each takes", attentive.kilobytes_each(), "KiB/s"));
    server.stop().await;
    Ok(())
}

/// How soon after its answer a command is at a reader, at a steady rate, with all projectors live.
pub(crate) async fn latency(cluster: &Cluster, settings: Settings, table: &mut Table) -> anyhow::Result<()> {
    let server = Server::start(cluster, settings, "feed_latency_log").await?;
    for rate in [100, 2_000] {
        cluster.checkpoint().await?;
        let seen = Seen::follow(&server).await?;
        let answered = steady::redeem(&server.members, rate, settings.side * 5).await?;
        let delays = seen.delays(&answered).await?;
        for (quantile, name, bar) in [(0.5, "p50", 1.0), (0.99, "p99", 5.0)] {
            let line = Line::new("feed latency", format!("{rate} events/s, {name}"), delays.at(quantile), "ms");
            table.add(line.hold(Hold::AtMost(bar)));
        }
    }
    server.stop().await;
    Ok(())
}

/// A reader, on a thread of its own, that notes when it has each position.
struct Seen {
    connection: std::net::TcpStream,
    at: Arc<Mutex<HashMap<i64, Instant>>>,
    reading: std::thread::JoinHandle<()>,
}

impl Seen {
    async fn follow(server: &Server) -> anyhow::Result<Self> {
        let connection = follow(server.address, &server.key, "from=now", Pace::Attentive).await?.into_std()?;
        connection.set_nonblocking(false)?;
        let at = Arc::new(Mutex::new(HashMap::new()));
        let (lines, noted) = (BufReader::new(connection.try_clone()?).lines(), Arc::clone(&at));
        let reading = std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some(position) = line.strip_prefix("id: ").and_then(|id| id.parse().ok()) {
                    let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
                    noted.entry(position).or_insert_with(Instant::now);
                }
            }
        });
        Ok(Self { connection, at, reading })
    }

    /// From each answer to the moment at which its event was here; nothing when it was here before the answer.
    async fn delays(self, answered: &[Answered]) -> anyhow::Result<Delays> {
        let last = answered.iter().map(|(position, _)| position.0).max().context("nothing was commanded")?;
        let begun = Instant::now();
        while !self.noted().contains_key(&last) {
            anyhow::ensure!(begun.elapsed() < PATIENCE, "the reader has not got everything");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let noted = self.noted().clone();
        let delay = |(position, answered): &Answered| {
            let seen = noted.get(&position.0).with_context(|| format!("{position} was never told"))?;
            Ok(seen.saturating_duration_since(*answered).as_secs_f64() * 1e3)
        };
        let delays = answered.iter().map(delay).collect::<anyhow::Result<_>>()?;
        self.connection.shutdown(std::net::Shutdown::Both)?;
        self.reading.join().map_err(|_| anyhow::anyhow!("the reader panicked"))?;
        Ok(Delays::new(delays))
    }

    fn noted(&self) -> MutexGuard<'_, HashMap<i64, Instant>> {
        self.at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Catching up with everything, beside the database's own way to tell the same rows.
pub(crate) async fn throughput(cluster: &Cluster, settings: Settings, table: &mut Table) -> anyhow::Result<()> {
    let server = Server::start(cluster, settings, "feed_catch_up_log").await?;
    server.projections.pause();
    let accounts = if settings.smoke { 500 } else { 10_000 };
    rebuild::fill(&server.store, accounts).await?;
    server.log.as_superuser("vacuum analyze events").await?;
    cluster.checkpoint().await?;
    let head = server.store.head().await?.0;
    let (mut copies, mut feeds) = (Vec::new(), Vec::new());
    for _ in 0..settings.rounds.min(3) {
        copies.push(head as f64 / rebuild::copied(&server.log, "copy events to stdout").await?.as_secs_f64());
        feeds.push(head as f64 / caught_up(&server).await?.as_secs_f64());
    }
    let ratio = median(copies.iter().zip(&feeds).map(|(copy, feed)| feed / copy));
    let line = Line::new("feed throughput", format!("{head} events over SSE"), median(feeds.into_iter()), "events/s");
    table.add(line.beside("COPY TO STDOUT", median(copies.into_iter()), ratio).hold(Hold::Ratio(0.3)));
    server.stop().await;
    Ok(())
}

/// How long a reader takes from the beginning to the end of the log.
async fn caught_up(server: &Server) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    let connection = follow(server.address, &server.key, "from=0", Pace::Attentive).await?.into_std()?;
    connection.set_nonblocking(false)?;
    tokio::task::spawn_blocking(move || read_until_caught_up(connection)).await??;
    Ok(begun.elapsed())
}

fn read_until_caught_up(mut connection: std::net::TcpStream) -> anyhow::Result<()> {
    const MARKER: &[u8] = b"event: caught-up";
    let (mut buffer, mut kept) = (vec![0; 256 * 1024], 0);
    loop {
        let read = connection.read(&mut buffer[kept..])?;
        anyhow::ensure!(read > 0, "the server ended the feed");
        // It is the last message: only the end of what there is has to be looked through.
        let end = kept + read;
        let last = &buffer[end.saturating_sub(512)..end];
        if last.windows(MARKER.len()).any(|window| window == MARKER) {
            return Ok(());
        }
        kept = end.min(512);
        buffer.copy_within(end - kept..end, 0);
    }
}
