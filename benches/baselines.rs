//! What the machine can do without us: the same rows into the same table with the same indexes, by the same driver.

use crate::cluster::BenchDatabase;
use crate::load::{ACTOR, Ids, PERSONAL_EVERY, STREAMS, TENANT, occurred_at, payload};
use crate::measure::{Counted, Load, Run};
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use sqlx::{Connection, Executor, PgConnection};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Events in a batch of baseline (b).
const BATCH: usize = 1_000;
/// Clients of baseline (a).
const CLIENTS: usize = 64;

/// Baseline (b): one connection, one ordered `UNNEST` of 1,000 rows per transaction, nothing checked, nobody answered.
pub(crate) struct Ordered {
    connection: PgConnection,
    rows: Rows,
}

/// Baseline (a): 64 clients, each event a transaction of its own that locks the head row, takes the next position from it,
/// inserts, and commits.
pub(crate) struct HeadRow {
    clients: Vec<(PgConnection, Rows)>,
}

/// Which rows carry the id of a keyed command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keyed {
    /// Each: every event is a command of its own.
    Each,
    /// The first of a thousand, as in an import.
    OneInAThousand,
}

/// Makes rows like those that the store makes of [`crate::load`].
pub(crate) struct Rows {
    ids: Ids,
    streams: Vec<(Uuid, i32)>,
    position: i64,
    keyed: Keyed,
}

/// A row; what the store would compute (leaf, box) is as long and as random, but not computed.
pub(crate) struct Row {
    position: i64,
    stream: Uuid,
    version: i32,
    command_id: Option<Uuid>,
    metadata: String,
    payload: String,
    personal: Option<Vec<u8>>,
    leaf: [u8; 32],
}

impl Rows {
    pub(crate) fn new(streams: usize, keyed: Keyed) -> Self {
        let mut ids = Ids::new();
        let streams = (0..streams).map(|_| (ids.id(), 0)).collect();
        Self { ids, streams, position: 0, keyed }
    }

    /// The next rows.
    pub(crate) fn take(&mut self, count: usize) -> Vec<Row> {
        (0..count).map(|_| self.next()).collect()
    }

    /// Goes on behind a position.
    pub(crate) fn skip(&mut self, head: i64) {
        self.position = head;
    }

    pub(crate) fn head(&self) -> i64 {
        self.position
    }

    pub(crate) fn streams(&self) -> impl Iterator<Item = Uuid> {
        self.streams.iter().map(|(stream, _)| *stream)
    }

    fn next(&mut self) -> Row {
        self.position += 1;
        let index = self.position as usize % self.streams.len();
        let (stream, version) = &mut self.streams[index];
        *version += 1;
        let number = self.ids.number();
        let mut leaf = [0; 32];
        leaf.chunks_exact_mut(16).for_each(|half| half.copy_from_slice(self.ids.id().as_bytes()));
        let is_keyed = self.keyed == Keyed::Each || self.position % 1_000 == 1;
        let command_id = is_keyed.then(|| self.ids.id());
        Row {
            position: self.position,
            stream: *stream,
            version: *version,
            command_id,
            metadata: metadata(command_id),
            payload: payload(number),
            personal: number.is_multiple_of(PERSONAL_EVERY).then(|| leaf.repeat(4)[..107].to_vec()),
            leaf,
        }
    }
}

fn metadata(command_id: Option<Uuid>) -> String {
    command_id.map_or_else(
        || format!(r#"{{"actor":"{ACTOR}"}}"#),
        |id| format!(r#"{{"actor":"{ACTOR}","command":{{"fingerprint":"{}","event":0,"of":1}}}}"#, id.simple()),
    )
}

impl Ordered {
    pub(crate) async fn new(database: &BenchDatabase, keyed: Keyed) -> anyhow::Result<Self> {
        Ok(Self { connection: database.engine().await?, rows: Rows::new(STREAMS, keyed) })
    }
}

/// One ordered `UNNEST` of these rows, by the store's own statement.
pub(crate) async fn insert(connection: &mut PgConnection, rows: &[Row]) -> Result<(), sqlx::Error> {
    let subject = |row: &Row| row.personal.is_some().then_some(row.stream);
    let same = |value: i16| vec![value; rows.len()];
    sqlx::query(include_str!("../store/src/postgres/append.sql"))
        .bind(rows.iter().map(|row| row.position).collect::<Vec<_>>())
        .bind(vec![TENANT.0; rows.len()])
        .bind(same(1))
        .bind(same(2))
        .bind(same(1))
        .bind(rows.iter().map(|row| row.stream).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.version).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.command_id).collect::<Vec<_>>())
        .bind(vec![None::<Uuid>; rows.len()])
        .bind(rows.iter().map(subject).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.stream).collect::<Vec<_>>())
        .bind(occurred_at())
        .bind(vec![occurred_at(); rows.len()])
        .bind(rows.iter().map(|row| row.metadata.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.payload.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.personal.as_deref()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.leaf.as_slice()).collect::<Vec<_>>())
        .execute(connection)
        .await
        .map(drop)
}

impl Load for Ordered {
    fn run(&mut self, span: Duration) -> BoxFuture<'_, anyhow::Result<Run>> {
        Box::pin(async move {
            let begun = Instant::now();
            let mut counted = Counted::new();
            while begun.elapsed() < span {
                let asked = Instant::now();
                let rows = self.rows.take(BATCH);
                insert(&mut self.connection, &rows).await?;
                counted.add(BATCH as u64, asked);
            }
            Ok(Run::together(begun, &[counted]))
        })
    }
}

impl HeadRow {
    pub(crate) async fn new(database: &BenchDatabase) -> anyhow::Result<Self> {
        let head = "create table bench_head (position bigint not null); insert into bench_head values (0); \
                    grant select, update on bench_head to clientela_engine";
        database.as_superuser(head).await?;
        let mut clients = Vec::new();
        for _ in 0..CLIENTS {
            clients.push((database.engine().await?, Rows::new(STREAMS / CLIENTS, Keyed::Each)));
        }
        Ok(Self { clients })
    }
}

impl Load for HeadRow {
    fn run(&mut self, span: Duration) -> BoxFuture<'_, anyhow::Result<Run>> {
        Box::pin(async move {
            let begun = Instant::now();
            let one = |(connection, rows): (PgConnection, Rows)| append_until(connection, rows, begun + span);
            let tasks: Vec<_> = self.clients.drain(..).map(|client| tokio::spawn(one(client))).collect();
            let mut counted = Vec::new();
            for task in tasks {
                let (client, count) = task.await??;
                self.clients.push(client);
                counted.push(count);
            }
            Ok(Run::together(begun, &counted))
        })
    }
}

async fn append_until(
    mut connection: PgConnection,
    mut rows: Rows,
    end: Instant,
) -> anyhow::Result<((PgConnection, Rows), Counted)> {
    let mut counted = Counted::new();
    while Instant::now() < end {
        let asked = Instant::now();
        append_one(&mut connection, &rows.next()).await?;
        counted.add(1, asked);
    }
    Ok(((connection, rows), counted))
}

async fn append_one(connection: &mut PgConnection, row: &Row) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    let position: i64 = sqlx::query_scalar("update bench_head set position = position + 1 returning position")
        .fetch_one(&mut *transaction)
        .await?;
    let now: DateTime<Utc> = occurred_at();
    let insert = sqlx::query(
        "insert into events (position, tenant, category, type, schema_version, stream, version, command_id, \
         subject_id, customer_id, occurred_at, recorded_at, metadata, payload, personal, leaf_hash) \
         values ($1, $2, 1, 2, 1, $3, $4, $5, $6, $3, $7, $7, $8, $9, $10, $11)",
    )
    .bind(position)
    .bind(TENANT.0)
    .bind(row.stream)
    .bind(row.version)
    .bind(row.command_id)
    .bind(row.personal.is_some().then_some(row.stream))
    .bind(now)
    .bind(&row.metadata)
    .bind(&row.payload)
    .bind(&row.personal)
    .bind(row.leaf.as_slice());
    transaction.execute(insert).await?;
    transaction.commit().await
}
