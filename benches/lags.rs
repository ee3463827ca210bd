//! How long after it was seen a position is projected.

use crate::Settings;
use crate::cluster::Cluster;
use crate::server::{PATIENCE, Server};
use crate::steady::{self, Delays};
use crate::table::{Hold, Line, Table};
use projections::Projections;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use store::postgres::PostgresStore;

const EACH: Duration = Duration::from_millis(20);

/// Samples of one read model, taken while something else is measured.
pub(crate) struct Lags {
    sampled: Arc<Mutex<Vec<f64>>>,
    sampler: tokio::task::JoinHandle<()>,
}

impl Lags {
    pub(crate) fn follow(projections: Arc<Projections>, store: Arc<PostgresStore>, projector: &'static str) -> Self {
        let sampled = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&sampled);
        let sampler = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(EACH);
            loop {
                ticks.tick().await;
                let (projections, sink) = (Arc::clone(&projections), Arc::clone(&sink));
                let (begun, position) = (Instant::now(), store.seen());
                tokio::spawn(async move {
                    // Who is not there in time counts with all the time that was given.
                    let _late = projections.wait_for(&[projector], position, PATIENCE).await;
                    let took = begun.elapsed().as_secs_f64() * 1e3;
                    sink.lock().unwrap_or_else(PoisonError::into_inner).push(took);
                });
            }
        });
        Self { sampled, sampler }
    }

    pub(crate) fn end(self) -> Delays {
        self.sampler.abort();
        Delays::new(std::mem::take(&mut *self.sampled.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// All projectors under a steady load of 2,000 events a second.
pub(crate) async fn run(cluster: &Cluster, settings: Settings, table: &mut Table) -> anyhow::Result<()> {
    let server = Server::start(cluster, settings, "lag_log").await?;
    cluster.checkpoint().await?;
    let follow = |name| Lags::follow(Arc::clone(&server.projections), Arc::clone(&server.store), name);
    let names = projections::projectors().into_iter().map(|projector| projector.name);
    let lags: Vec<_> = names.map(|name| (name, follow(name))).collect();
    steady::redeem(&server.members, 2_000, Duration::from_secs(if settings.smoke { 5 } else { 60 })).await?;
    for (name, lags) in lags {
        let line = Line::new("projection lag", format!("{name}, 2,000 events/s, p99"), lags.end().at(0.99), "ms");
        table.add(line.hold(Hold::AtMost(50.0)));
    }
    server.stop().await;
    Ok(())
}
