//! What the tree costs that is built behind the log: the same load on a log with it and on one without, in turns; how far it is behind
//! a log that grows as fast as it can, and how long it takes to be there when that ends.

use crate::Settings;
use crate::bulk_import::Import;
use crate::cluster::Cluster;
use crate::cpu::Cpu;
use crate::load::{Appenders, Ids};
use crate::measure::{Load, Run, in_turns};
use crate::table::{Hold, Line, Table};
use futures::future::BoxFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use store::postgres::{PostgresStore, Tree, TreePace};
use tokio::task::JoinHandle;

const HEAD_EVERY: Duration = Duration::from_secs(60);
const TILE: u64 = 256;
const LOOK_EACH: Duration = Duration::from_millis(10);
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn run(cluster: &Cluster, settings: Settings, table: &mut Table) -> anyhow::Result<()> {
    let (alone, followed) = (cluster.database("tree_alone").await?, cluster.database("tree_followed").await?);
    let (alone, followed) = (alone.store().await?, followed.store().await?);
    followed.tree().start(Ids::new().id(), TreePace { head_every: HEAD_EVERY });
    let appenders = |store: &Arc<PostgresStore>| Appenders::new(std::slice::from_ref(store), 64);
    let [mut one, mut other] = [appenders(&alone), appenders(&followed)];
    compared("64 appenders", [&mut one, &mut other], &followed, (cluster, settings), table).await?;
    let [mut one, mut other] = [Import::new(Arc::clone(&alone)), Import::new(Arc::clone(&followed))];
    compared("bulk import", [&mut one, &mut other], &followed, (cluster, settings), table).await?;
    alone.close().await;
    followed.close().await;
    Ok(())
}

async fn compared(
    what: &str,
    [alone, followed]: [&mut dyn Load; 2],
    store: &Arc<PostgresStore>,
    (cluster, settings): (&Cluster, Settings),
    table: &mut Table,
) -> anyhow::Result<()> {
    cluster.checkpoint().await?;
    let mut alone = Metered::new(alone, cluster.pid()?, None);
    let mut followed = Metered::new(followed, cluster.pid()?, Some(store));
    let [without, with] = in_turns(settings, [&mut alone, &mut followed]).await?;
    let line = Line::new("tree", format!("{what}, the tree built behind"), with.rate(), "events/s");
    table.add(line.beside("without", without.rate(), with.ratio_to(&without)).hold(Hold::Ratio(0.95)));
    let (without, with) = (alone.micros_each(), followed.micros_each());
    let line = Line::new("tree", format!("{what}: processor time of all"), with, "µs/event");
    table.add(line.beside("without", without, with / without));
    let (behind, pause) = followed.worst;
    table.add(Line::new("tree", format!("{what}: furthest behind"), behind as f64, "events"));
    let line = Line::new("tree", format!("{what}: until it is there"), pause.as_secs_f64() * 1e3, "ms");
    table.add(line.hold(Hold::AtMost(2_000.0)));
    Ok(())
}

/// A load whose processor time is counted, and who waits after each run until the tree is there, which is no part of the run.
struct Metered<'a> {
    load: &'a mut dyn Load,
    postmaster: u32,
    store: Option<&'a Arc<PostgresStore>>,
    cpu: Duration,
    events: u64,
    /// How far the tree was behind, and how long it took to be there.
    worst: (u64, Duration),
}

impl<'a> Metered<'a> {
    fn new(load: &'a mut dyn Load, postmaster: u32, store: Option<&'a Arc<PostgresStore>>) -> Self {
        Self { load, postmaster, store, cpu: Duration::ZERO, events: 0, worst: (0, Duration::ZERO) }
    }

    fn micros_each(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.events as f64
    }
}

impl Load for Metered<'_> {
    fn run(&mut self, span: Duration) -> BoxFuture<'_, anyhow::Result<Run>> {
        Box::pin(async move {
            let before = Cpu::now(self.postmaster);
            let lag = self.store.map(Lag::follow);
            let run = self.load.run(span).await?;
            if let Some((lag, store)) = lag.zip(self.store) {
                let behind = lag.end();
                let begun = Instant::now();
                tokio::time::timeout(PATIENCE, built(&store.tree(), store.seen().0 as u64 / TILE * TILE)).await?;
                self.worst = (self.worst.0.max(behind), self.worst.1.max(begun.elapsed()));
            }
            let used = Cpu::now(self.postmaster).since(&before);
            self.cpu += used.own() + used.postgres();
            self.events += run.count;
            Ok(run)
        })
    }
}

async fn built(tree: &Tree, size: u64) {
    while tree.status().built < Some(size) {
        tokio::time::sleep(LOOK_EACH).await;
    }
}

/// How far the tree is behind, looked at again and again.
struct Lag {
    most: Arc<AtomicU64>,
    sampler: JoinHandle<()>,
}

impl Lag {
    fn follow(store: &Arc<PostgresStore>) -> Self {
        let most = Arc::new(AtomicU64::new(0));
        let (store, sink) = (Arc::clone(store), Arc::clone(&most));
        let sampler = tokio::spawn(async move {
            let tree = store.tree();
            loop {
                let built = tree.status().built.unwrap_or(0);
                sink.fetch_max((store.seen().0 as u64).saturating_sub(built), Ordering::Relaxed);
                tokio::time::sleep(LOOK_EACH).await;
            }
        });
        Self { most, sampler }
    }

    fn end(self) -> u64 {
        self.sampler.abort();
        self.most.load(Ordering::Relaxed)
    }
}
