//! Commands through HTTP: the real router and the real accept loop, 64 keep-alive connections, JSON, a key, idempotency.
//!
//! The load generator is our own: one thread, raw sockets, requests written out in full, answers read no further than needed.
//! Its processor time is told apart from the server's by its thread.

use crate::Settings;
use crate::cluster::Cluster;
use crate::cpu;
use crate::lags::Lags;
use crate::load::Ids;
use crate::measure::{Counted, Load, Run, in_turns};
use crate::members::POINTS;
use crate::server::{PATIENCE, Server};
use crate::table::{Hold, Line, Table};
use anyhow::Context;
use domain::ids::CustomerId;
use futures::future::BoxFuture;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const CONNECTIONS: usize = 64;

/// What each connection asks for again and again.
#[derive(Clone)]
enum Asked {
    Live,
    Redeem { customers: Arc<[CustomerId]>, key: Arc<str> },
}

impl Asked {
    fn request(&self, ids: &mut Ids, text: &mut Vec<u8>) {
        use std::io::Write;
        text.clear();
        let written = match self {
            Self::Live => write!(text, "GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n"),
            Self::Redeem { customers, key } => {
                let customer = customers[ids.number() as usize % customers.len()];
                let (order, idempotency) = (ids.id().simple(), ids.id().simple());
                let body = format!(r#"{{"order_id":"{order}","points":{POINTS}}}"#);
                write!(
                    text,
                    "POST /v1/customers/{customer}/loyalty/redeem HTTP/1.1\r\nhost: localhost\r\n\
                     authorization: Bearer {key}\r\nidempotency-key: {idempotency}\r\n\
                     content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                )
            }
        };
        written.expect("writing into memory cannot fail");
    }
}

/// The load generator.
pub(crate) struct Generator {
    server: SocketAddr,
    asked: Asked,
    /// Its processor time and its requests so far.
    used: Arc<Mutex<(Duration, u64)>>,
}

impl Generator {
    fn new(server: SocketAddr, asked: Asked) -> Self {
        Self { server, asked, used: Arc::default() }
    }

    /// Redeems points of the server's members.
    pub(crate) fn redeeming(server: &Server) -> Self {
        let (customers, key) = (Arc::clone(&server.customers), Arc::clone(&server.key));
        Self::new(server.address, Asked::Redeem { customers, key })
    }

    fn micros_each(&self) -> f64 {
        let (time, count) = *self.used.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        time.as_secs_f64() * 1e6 / count.max(1) as f64
    }
}

impl Load for Generator {
    fn run(&mut self, span: Duration) -> BoxFuture<'_, anyhow::Result<Run>> {
        let (server, asked, used) = (self.server, self.asked.clone(), Arc::clone(&self.used));
        Box::pin(async move {
            tokio::task::spawn_blocking(move || {
                let begun_cpu = cpu::of_this_thread();
                let run = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()?
                    .block_on(ask_all(server, asked, span))?;
                let mut used = used.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                *used = (used.0 + cpu::of_this_thread().saturating_sub(begun_cpu), used.1 + run.count);
                Ok(run)
            })
            .await?
        })
    }
}

async fn ask_all(server: SocketAddr, asked: Asked, span: Duration) -> anyhow::Result<Run> {
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        let connection = TcpStream::connect(server).await?;
        connection.set_nodelay(true)?;
        connections.push(connection);
    }
    let begun = Instant::now();
    let clients = connections.into_iter().map(|connection| ask_until(connection, asked.clone(), begun + span));
    let counted = futures::future::try_join_all(clients).await?;
    Ok(Run::together(begun, &counted))
}

async fn ask_until(mut connection: TcpStream, asked: Asked, end: Instant) -> anyhow::Result<Counted> {
    let (mut ids, mut counted, mut request, mut answer) = (Ids::new(), Counted::new(), Vec::new(), vec![0; 16 * 1024]);
    while Instant::now() < end {
        let begun = Instant::now();
        asked.request(&mut ids, &mut request);
        connection.write_all(&request).await?;
        read_answer(&mut connection, &mut answer).await?;
        counted.add(1, begun);
    }
    Ok(counted)
}

/// Reads one answer and refuses any but a success.
pub(crate) async fn read_answer(connection: &mut TcpStream, answer: &mut [u8]) -> anyhow::Result<()> {
    let mut length = 0;
    loop {
        let read = connection.read(&mut answer[length..]).await?;
        anyhow::ensure!(read > 0, "the server closed a connection");
        length += read;
        let text = std::str::from_utf8(&answer[..length]).context("an answer that is no text")?;
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let is_success = head.starts_with("HTTP/1.1 20");
        let expected = content_length(head).context("an answer without a length")?;
        if body.len() >= expected {
            anyhow::ensure!(is_success, "refused: {text}");
            return Ok(());
        }
    }
}

fn content_length(head: &str) -> Option<usize> {
    head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())
}

pub(crate) async fn run(cluster: &Cluster, settings: Settings, table: &mut Table) -> anyhow::Result<()> {
    let server = Server::start(cluster, settings, "http_log").await?;
    cluster.checkpoint().await?;
    server.projections.pause();
    let mut live = Generator::new(server.address, Asked::Live);
    let mut redeem = Generator::redeeming(&server);
    let [base, paused] = in_turns(settings, [&mut live, &mut redeem]).await?;
    const BASELINE: &str = "/health/live";
    let line = Line::new("HTTP command", "projectors paused", paused.rate(), "commands/s");
    table.add(line.beside(BASELINE, base.rate(), paused.ratio_to(&base)).hold(Hold::AtLeast(8_000.0)));
    let p99 = Line::new("HTTP command", "projectors paused, p99", paused.latency_ms(0.99), "ms");
    table.add(p99.hold(Hold::AtMost(20.0)));
    let own = "load generator (one thread, raw sockets)";
    table.add(Line::new("HTTP command", own, redeem.micros_each(), "µs of cpu/request"));
    server.projections.resume();
    server.projections.wait_for(&["loyalty_balances"], server.store.seen(), PATIENCE).await?;
    let lags = Lags::follow(Arc::clone(&server.projections), Arc::clone(&server.store), "loyalty_balances");
    let mut redeem = Generator::redeeming(&server);
    let [base, live] = in_turns(settings, [&mut live, &mut redeem]).await?;
    let line = Line::new("HTTP command", "all projectors live", live.rate(), "commands/s");
    table.add(line.beside(BASELINE, base.rate(), live.ratio_to(&base)).hold(Hold::AtLeast(4_000.0)));
    let lag = Line::new("HTTP command", "projection lag, p99", lags.end().at(0.99), "ms");
    table.add(lag.hold(Hold::AtMost(250.0)));
    server.stop().await;
    Ok(())
}
