//! The whole log recomputed from its columns, tiles and heads compared: `clientela verify`, without its start. Beside it the fastest way
//! to get the same rows out of the database.

use crate::Settings;
use crate::cluster::{BenchDatabase, Cluster};
use crate::load::Ids;
use crate::measure::median;
use crate::rebuild::{copied, fill};
use crate::table::{Hold, Line, Table};
use std::time::{Duration, Instant};
use store::EventStore;
use store::postgres::{Against, PostgresStore, TreePace, verify};

const ROUNDS: usize = 3;
const HEAD_EVERY: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn run(cluster: &Cluster, settings: Settings, table: &mut Table) -> anyhow::Result<()> {
    let accounts = if settings.smoke { 500 } else { 10_000 };
    let log = cluster.database("verify_log").await?;
    let store = log.store().await?;
    fill(&store, accounts).await?;
    log.as_superuser("vacuum analyze events").await?;
    let head = store.head().await?.0 as f64;
    let begun = Instant::now();
    build(&store, head as u64).await?;
    let built = head / begun.elapsed().as_secs_f64();
    cluster.checkpoint().await?;
    let (mut copies, mut verified) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        copies.push(head / copied(&log, "copy events to stdout (format binary)").await?.as_secs_f64());
        verified.push(head / once(&log, head as u64).await?.as_secs_f64());
    }
    let ratio = median(copies.iter().zip(&verified).map(|(copy, verify)| verify / copy));
    let line = Line::new("verify", format!("{head} events"), median(verified.into_iter()), "events/s");
    let line = line.beside("binary COPY out", median(copies.into_iter()), ratio);
    table.add(line.hold(Hold::AtLeast(200_000.0)));
    table.add(Line::new("verify", "the tree built behind the log", built, "events/s"));
    store.close().await;
    Ok(())
}

/// Builds the tree over all, and has it signed.
async fn build(store: &PostgresStore, head: u64) -> anyhow::Result<()> {
    let tree = store.tree();
    tree.start(Ids::new().id(), TreePace { head_every: HEAD_EVERY });
    tokio::time::timeout(PATIENCE, tree.signed().wait_for(|size| *size == head)).await??;
    tree.stop().await;
    Ok(())
}

async fn once(log: &BenchDatabase, head: u64) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    let report = verify(&log.database, &Against::default(), &|_, _| {}).await?;
    let elapsed = begun.elapsed();
    anyhow::ensure!(report.holds() && report.events == head && report.covered == head, "{report:?}");
    Ok(elapsed)
}
