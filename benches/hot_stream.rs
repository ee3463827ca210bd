//! Everybody writes to one stream: events without a belief about its version.

use crate::Settings;
use crate::cluster::Cluster;
use crate::load::{Appenders, Ids, event, request};
use crate::measure::{Counted, Load, Run, in_turns};
use crate::table::{Hold, Line, Table};
use futures::future::BoxFuture;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::postgres::PostgresStore;
use store::{EventStore, Expected, StreamAppend, StreamId};

const CLIENTS: usize = 64;

struct OneStream {
    store: Arc<PostgresStore>,
    stream: StreamId,
}

impl Load for OneStream {
    fn run(&mut self, span: Duration) -> BoxFuture<'_, anyhow::Result<Run>> {
        Box::pin(async move {
            let begun = Instant::now();
            let client = |_| tokio::spawn(append_until(Arc::clone(&self.store), self.stream, begun + span));
            let counted = futures::future::try_join_all((0..CLIENTS).map(client)).await?;
            Ok(Run::together(begun, &counted.into_iter().collect::<anyhow::Result<Vec<_>>>()?))
        })
    }
}

async fn append_until(store: Arc<PostgresStore>, stream: StreamId, end: Instant) -> anyhow::Result<Counted> {
    let (mut ids, mut counted) = (Ids::new(), Counted::new());
    while Instant::now() < end {
        let asked = Instant::now();
        let events = vec![event(stream.id, ids.number())];
        let append = StreamAppend { stream, expected: Expected::Any, events };
        store.append(request(&mut ids, vec![append])).await?;
        counted.add(1, asked);
    }
    Ok(counted)
}

pub(crate) async fn run(cluster: &Cluster, settings: Settings, table: &mut Table) -> anyhow::Result<()> {
    let log = cluster.database("hot_log").await?;
    let store = log.store().await?;
    let mut spread = Appenders::new(std::slice::from_ref(&store), CLIENTS);
    let mut hot = OneStream { store: Arc::clone(&store), stream: Ids::new().stream() };
    let [spread, hot] = in_turns(settings, [&mut spread, &mut hot]).await?;
    let line = Line::new("hot stream", "64 appenders, one stream", hot.rate(), "events/s");
    table.add(line.beside("spread", spread.rate(), hot.ratio_to(&spread)).hold(Hold::Ratio(0.3)));
    let fairness = Line::new("hot stream", "slowest client of the fastest", hot.fairness(), "×");
    table.add(fairness.hold(Hold::AtLeast(0.5)));
    store.close().await;
    Ok(())
}
