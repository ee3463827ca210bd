//! An import: appends of 1,000 events, 10 each for 100 new streams, the next ones under way while one commits.

use crate::Settings;
use crate::baselines::{Keyed, Ordered};
use crate::cluster::Cluster;
use crate::load::{Ids, STREAMS, event, request};
use crate::measure::{Counted, Load, Run, in_turns};
use crate::table::{Hold, Line, Table};
use futures::future::BoxFuture;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::postgres::PostgresStore;
use store::{AppendRequest, EventStore, Expected, Receipt, StreamAppend};
use uuid::Uuid;

const STREAMS_EACH: u64 = 100;
const EVENTS_EACH: u64 = 10;
/// Appends under way at a time.
const UNDER_WAY: usize = 4;

pub(crate) struct Import {
    store: Arc<PostgresStore>,
    ids: Ids,
    subjects: Vec<Uuid>,
}

impl Import {
    pub(crate) fn new(store: Arc<PostgresStore>) -> Self {
        let mut ids = Ids::new();
        let subjects = (0..STREAMS).map(|_| ids.id()).collect();
        Self { store, ids, subjects }
    }

    fn next_request(&mut self) -> AppendRequest {
        let streams = (0..STREAMS_EACH).map(|_| {
            let subject = self.subjects[self.ids.number() as usize % STREAMS];
            let events = (0..EVENTS_EACH).map(|_| event(subject, self.ids.number())).collect();
            StreamAppend { stream: self.ids.stream(), expected: Expected::NoStream, events }
        });
        let streams = streams.collect();
        request(&mut self.ids, streams)
    }
}

impl Load for Import {
    fn run(&mut self, span: Duration) -> BoxFuture<'_, anyhow::Result<Run>> {
        Box::pin(async move {
            let begun = Instant::now();
            let mut counted = Counted::new();
            let mut under_way: VecDeque<(Instant, Receipt)> = VecDeque::new();
            while begun.elapsed() < span || !under_way.is_empty() {
                while under_way.len() < UNDER_WAY && begun.elapsed() < span {
                    let asked = Instant::now();
                    let request = self.next_request();
                    under_way.push_back((asked, self.store.submit(request)));
                }
                if let Some((asked, receipt)) = under_way.pop_front() {
                    receipt.verdict().await?;
                    counted.add(STREAMS_EACH * EVENTS_EACH, asked);
                }
            }
            Ok(Run::together(begun, &[counted]))
        })
    }
}

pub(crate) async fn run(cluster: &Cluster, settings: Settings, table: &mut Table) -> anyhow::Result<()> {
    let log = cluster.database("import_log").await?;
    let mut ordered = Ordered::new(&cluster.database("import_b").await?, Keyed::OneInAThousand).await?;
    let store = log.store().await?;
    let mut import = Import::new(Arc::clone(&store));
    let [b, import] = in_turns(settings, [&mut ordered, &mut import as &mut dyn Load]).await?;
    let line = Line::new("bulk import", "1,000 events an append", import.rate(), "events/s");
    table.add(line.beside("(b) UNNEST of 1,000", b.rate(), import.ratio_to(&b)).hold(Hold::Ratio(0.8)));
    store.close().await;
    Ok(())
}
