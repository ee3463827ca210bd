//! The same work on a short and on a long log: nothing may depend on how much there was before. On demand: filling takes its time.

use crate::Settings;
use crate::cluster::{BenchDatabase, Cluster};
use crate::load::{Ids, TENANT, occurred_at, request};
use crate::measure::{Counted, Load, Rounds, Run, in_turns};
use crate::members::{Members, Redeemers};
use crate::program::resident_bytes;
use crate::rebuild;
use crate::table::{Hold, Line, Table};
use domain::Moment;
use domain::ids::CustomerId;
use futures::future::BoxFuture;
use projections::Projections;
use projections::loyalty::loyalty_balances;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::postgres::{Pools, PostgresStore};
use store::{EventStore, Expected, StreamAppend};

const CLIENTS: usize = 64;
const MEMBERS: usize = 1_000;
const MILLION: usize = 1_000_000;
/// A replay of millions takes minutes.
const CATCHING_UP: Duration = Duration::from_secs(3 * 3_600);

/// Balances of members, one after the other.
struct Asking {
    pools: Pools,
    customers: Arc<[CustomerId]>,
}

impl Load for Asking {
    fn run(&mut self, span: Duration) -> BoxFuture<'_, anyhow::Result<Run>> {
        Box::pin(async move {
            let (begun, mut counted) = (Instant::now(), Counted::new());
            let now = Moment { at: occurred_at(), today: occurred_at().date_naive() };
            for customer in self.customers.iter().cycle() {
                if begun.elapsed() > span {
                    break;
                }
                let asked = Instant::now();
                let found = loyalty_balances::find(&self.pools, TENANT, customer.as_uuid(), now).await?;
                anyhow::ensure!(found.is_some(), "a member without a balance");
                counted.add(1, asked);
            }
            Ok(Run::together(begun, &[counted]))
        })
    }
}

/// Accounts that are opened, by many clients, an event each: of a kind that projectors know.
struct Opening {
    store: Arc<PostgresStore>,
}

impl Load for Opening {
    fn run(&mut self, span: Duration) -> BoxFuture<'_, anyhow::Result<Run>> {
        Box::pin(async move {
            let begun = Instant::now();
            let client = |_| tokio::spawn(open_until(Arc::clone(&self.store), begun + span));
            let counted = futures::future::try_join_all((0..CLIENTS).map(client)).await?;
            Ok(Run::together(begun, &counted.into_iter().collect::<anyhow::Result<Vec<_>>>()?))
        })
    }
}

async fn open_until(store: Arc<PostgresStore>, end: Instant) -> anyhow::Result<Counted> {
    let (mut ids, mut counted) = (Ids::new(), Counted::new());
    while Instant::now() < end {
        let asked = Instant::now();
        let stream = ids.stream();
        let events = vec![rebuild::stored(stream, 0)?];
        let append = StreamAppend { stream, expected: Expected::NoStream, events };
        store.append(request(&mut ids, vec![append])).await?;
        counted.add(1, asked);
    }
    Ok(counted)
}

/// Rates of appends, commands and queries.
struct Measured([Rounds; 3]);

struct Growing {
    store: Arc<PostgresStore>,
    pools: Pools,
    log: BenchDatabase,
    members: Members,
    projections: Projections,
}

pub(crate) async fn run(cluster: &Cluster, settings: Settings, table: &mut Table) -> anyhow::Result<()> {
    let growing = Growing::start(cluster).await?;
    let (few, many) = if settings.smoke { (MILLION / 20, MILLION / 5) } else { (MILLION, settings.growth_events) };
    growing.grow_to(few).await?;
    let (short, resident_before) = (growing.measured(cluster, settings).await?, resident_bytes("self")?);
    growing.grow_to(many).await?;
    let long = growing.measured(cluster, settings).await?;
    let resident = resident_bytes("self")?;
    for ((what, short), long) in ["appends", "commands", "queries"].iter().zip(&short.0).zip(&long.0) {
        let line = Line::new("growth", format!("{what}, {many} events"), long.rate(), "a second");
        table.add(line.beside("with the short log", short.rate(), long.rate() / short.rate()).hold(Hold::Ratio(0.9)));
    }
    let megabytes = |bytes: u64| bytes as f64 / 1024.0 / 1024.0;
    let line = Line::new("growth", format!("memory of this process, {many} events"), megabytes(resident), "MiB");
    let ratio = resident as f64 / resident_before as f64;
    table.add(line.beside("with the short log", megabytes(resident_before), ratio).hold(Hold::AtMost(300.0)));
    growing.projections.stop().await;
    growing.store.close().await;
    Ok(())
}

impl Growing {
    async fn start(cluster: &Cluster) -> anyhow::Result<Self> {
        let log = cluster.database("growth_log").await?;
        // A log of this length is vacuumed in production too.
        log.as_superuser("alter table events set (autovacuum_enabled = true)").await?;
        let (store, pools) = (log.store().await?, Pools::new(&log.database));
        let members = Members::enrolled(Arc::clone(&store), MEMBERS).await?;
        let projections = Projections::start(&pools, Arc::clone(&store) as _, Ids::new().id());
        Ok(Self { store, pools, log, members, projections })
    }

    /// Appends until there are so many events, and waits until they are projected and the tables are tidy.
    async fn grow_to(&self, events: usize) -> anyhow::Result<()> {
        let there = usize::try_from(self.store.head().await?.0)?;
        rebuild::fill(&self.store, events.saturating_sub(there) / rebuild::EVENTS_EACH as usize).await?;
        let all: Vec<&str> = projections::projectors().iter().map(|projector| projector.name).collect();
        self.projections.wait_for(&all, self.store.head().await?, CATCHING_UP).await?;
        self.log.as_superuser("vacuum analyze").await
    }

    /// Projectors pause meanwhile: what they cost is measured elsewhere.
    async fn measured(&self, cluster: &Cluster, settings: Settings) -> anyhow::Result<Measured> {
        self.projections.pause();
        cluster.checkpoint().await?;
        let mut appends = Opening { store: Arc::clone(&self.store) };
        let mut commands = Redeemers::new(&self.members, CLIENTS);
        let mut queries = Asking { pools: self.pools.clone(), customers: Arc::clone(&self.members.customers) };
        let sides: [&mut dyn Load; 3] = [&mut appends, &mut commands, &mut queries];
        let rounds = in_turns(settings, sides).await?;
        self.projections.resume();
        Ok(Measured(rounds))
    }
}
