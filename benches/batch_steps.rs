//! What one batch of the writer costs, step by step and feature by feature, in processor time of PostgreSQL's backend and of
//! this process: the statements of the store, made here one after the other on one connection with the writer's settings.
//!
//! Processor time, because a machine that builds other things meanwhile stretches every wall-clock time.

use crate::Settings;
use crate::baselines::{Keyed, Rows, insert};
use crate::cluster::{BenchDatabase, Cluster};
use crate::cpu;
use crate::load::{ACTOR, Ids, PERSONAL, TENANT, event, occurred_at, payload, request};
use crate::measure::{median, micros_each};
use crate::table::{Line, Table};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::time::{Duration, Instant};
use store::leaf::Leaf;
use store::personal_data::{Place, SubjectKey};
use store::postgres::Role;
use store::{Appended, EventStore, Expected, Position, Receipt, StreamAppend, StreamId};
use uuid::Uuid;

const CHECK: &str = include_str!("../store/src/postgres/check.sql");
const BEGIN: &str = "begin isolation level read committed; select pg_advisory_xact_lock(4849331460786900033)";
/// How the writer's session is set up (store/src/postgres/writer.rs).
pub(crate) const WRITER_SETTINGS: [(&str, &str); 7] = [
    ("synchronous_commit", "on"),
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_bitmapscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("jit", "off"),
];

/// What a check is asked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Questions {
    pub(crate) head: Option<i64>,
    pub(crate) streams: Vec<Uuid>,
    pub(crate) commands: Vec<Uuid>,
    pub(crate) once: Vec<Uuid>,
    pub(crate) subjects: Vec<Uuid>,
}

impl Questions {
    pub(crate) async fn ask(&self, connection: &mut PgConnection) -> Result<usize, sqlx::Error> {
        self.ask_by(CHECK, connection).await
    }

    async fn ask_by(&self, check: &str, connection: &mut PgConnection) -> Result<usize, sqlx::Error> {
        let rows = sqlx::query(AssertSqlSafe(check.to_owned()))
            .bind(self.head)
            .bind(&self.streams)
            .bind(vec![1_i16; self.streams.len()])
            .bind(&self.commands)
            .bind(&self.once)
            .bind(Vec::<i32>::new())
            .bind(Vec::<String>::new())
            .bind(Vec::<Vec<u8>>::new())
            .bind(vec![TENANT.0; self.subjects.len()])
            .bind(&self.subjects)
            .fetch_all(connection)
            .await?;
        Ok(rows.len())
    }
}

/// A connection set up as the writer's.
pub(crate) async fn writer(database: &BenchDatabase) -> anyhow::Result<PgConnection> {
    Ok(PgConnection::connect_with(&database.database.options(Role::Engine).options(WRITER_SETTINGS)).await?)
}

/// A log with some history and subjects.
pub(crate) async fn with_history(database: &BenchDatabase, batches: usize) -> anyhow::Result<(Rows, Vec<Uuid>)> {
    // The subjects first: a log with personal events and without anybody's key is not opened.
    let store = database.store().await?;
    let mut ids = Ids::new();
    let subjects: Vec<Uuid> = (0..1_000).map(|_| ids.id()).collect();
    let mut streams = Vec::new();
    for subject in &subjects {
        let events = vec![event(*subject, 0)];
        streams.push(StreamAppend { stream: ids.stream(), expected: Expected::NoStream, events });
    }
    store.append(request(&mut ids, streams)).await?;
    let mut rows = Rows::new(crate::load::STREAMS, Keyed::Each);
    rows.skip(store.head().await?.0);
    store.close().await;
    let mut connection = writer(database).await?;
    for _ in 0..batches {
        insert(&mut connection, &rows.take(1_000)).await?;
    }
    connection.close().await?;
    Ok((rows, subjects))
}

/// Processor time of one call, in microseconds, here and in PostgreSQL, and its time by the clock.
#[derive(Debug, Clone, Copy)]
struct Cost {
    own: f64,
    postgres: f64,
    clock: f64,
}

struct Meter {
    backend: i32,
    costs: Vec<Cost>,
}

impl Meter {
    fn new(backend: i32) -> Self {
        Self { backend, costs: Vec::new() }
    }

    fn begin(&self) -> (Duration, Duration, Instant) {
        (cpu::own(), cpu::of_thread(self.backend), Instant::now())
    }

    fn end(&mut self, (own, postgres, begun): (Duration, Duration, Instant)) {
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        self.costs.push(Cost {
            own: micros(cpu::own().saturating_sub(own)),
            postgres: micros(cpu::of_thread(self.backend).saturating_sub(postgres)),
            clock: micros(begun.elapsed()),
        });
    }

    fn median(&self) -> Cost {
        let of = |part: fn(&Cost) -> f64| median(self.costs.iter().map(part));
        Cost { own: of(|cost| cost.own), postgres: of(|cost| cost.postgres), clock: of(|cost| cost.clock) }
    }
}

pub(crate) async fn run(cluster: &Cluster, settings: Settings, table: &mut Table) -> anyhow::Result<()> {
    in_process(table);
    let log = cluster.database("steps_log").await?;
    let (mut rows, subjects) = with_history(&log, if settings.smoke { 20 } else { 200 }).await?;
    let mut connection = writer(&log).await?;
    for size in [1, 64, 256] {
        steps(&mut connection, &mut rows, &subjects, size, table).await?;
    }
    checks(&mut connection, &rows, &subjects, table).await
}

/// The pieces that are made here, for one event.
fn in_process(table: &mut Table) {
    let mut ids = Ids::new();
    let stream = ids.stream();
    let (metadata, payload) = (format!(r#"{{"actor":"{ACTOR}"}}"#), payload(7));
    let leaf = Leaf {
        position: Position(7),
        tenant: TENANT,
        stream,
        version: 3,
        event_type: "loyalty.points_earned",
        schema_version: 1,
        command_id: Some(stream.id),
        once_id: None,
        subject_id: None,
        customer_id: Some(stream.id),
        occurred_at: occurred_at(),
        recorded_at: occurred_at(),
        metadata: &metadata,
        payload: &payload,
        personal: None,
    };
    let mut line = |what: &str, micros| table.add(Line::new("feature", what, micros, "µs/event, own cpu"));
    line("leaf hash", micros_each(10_000, || _ = std::hint::black_box(leaf.hash())));
    line("personal box", micros_each(10_000, || drop(std::hint::black_box(sealed(stream)))));
    line("answer (channel)", micros_each(10_000, || drop(std::hint::black_box(answered()))));
    line("request built by the bench", micros_each(10_000, || drop(std::hint::black_box(asked(&mut ids, stream)))));
}

fn sealed(stream: StreamId) -> Vec<u8> {
    thread_local!(static KEY: SubjectKey = SubjectKey::random());
    KEY.with(|key| key.seal_event(&Place { tenant: TENANT, stream, version: 3 }, PERSONAL))
}

fn answered() -> Receipt {
    let (receipt, _, sender) = Receipt::new();
    let appended = Appended { first: Position(1), last: Position(1), recorded_at: occurred_at() };
    let _ = sender.send(Ok(appended));
    receipt
}

fn asked(ids: &mut Ids, stream: StreamId) -> store::AppendRequest {
    let events = vec![event(stream.id, ids.number())];
    request(ids, vec![StreamAppend { stream, expected: Expected::Exact(3), events }])
}

/// The four statements of a batch.
async fn steps(
    connection: &mut PgConnection,
    rows: &mut Rows,
    subjects: &[Uuid],
    size: usize,
    table: &mut Table,
) -> anyhow::Result<()> {
    let backend: i32 = sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut *connection).await?;
    let mut meters: [Meter; 4] = std::array::from_fn(|_| Meter::new(backend));
    let mut ids = Ids::new();
    for _ in 0..100 {
        let batch = rows.take(size);
        let questions = Questions {
            head: Some(rows.head() - size as i64),
            commands: (0..size).map(|_| ids.id()).collect(),
            subjects: subjects[..size.div_ceil(4)].to_vec(),
            ..Questions::default()
        };
        let begun = meters[0].begin();
        sqlx::raw_sql(BEGIN).execute(&mut *connection).await?;
        meters[0].end(begun);
        let begun = meters[1].begin();
        questions.ask(connection).await?;
        meters[1].end(begun);
        let begun = meters[2].begin();
        insert(connection, &batch).await?;
        meters[2].end(begun);
        let begun = meters[3].begin();
        sqlx::raw_sql("commit").execute(&mut *connection).await?;
        meters[3].end(begun);
    }
    for (step, meter) in ["begin and lock", "check", "insert", "commit"].into_iter().zip(&meters) {
        let cost = meter.median();
        let each = |micros: f64| micros / size as f64;
        let what = format!(
            "batch of {size}: {step} ({:.1} own + {:.1} PostgreSQL µs/event)",
            each(cost.own),
            each(cost.postgres)
        );
        table.add(Line::new("step", what, cost.clock, "µs by the clock"));
    }
    Ok(())
}

/// What each part of the check costs: the whole, less the whole without that part.
async fn checks(
    connection: &mut PgConnection,
    rows: &Rows,
    subjects: &[Uuid],
    table: &mut Table,
) -> anyhow::Result<()> {
    const SIZE: usize = 256;
    let backend: i32 = sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut *connection).await?;
    let mut ids = Ids::new();
    let mut fresh = |count: usize| (0..count).map(|_| ids.id()).collect::<Vec<Uuid>>();
    let nothing = Questions { head: Some(rows.head()), ..Questions::default() };
    let known: Vec<Uuid> = rows.streams().take(SIZE).collect();
    let asked = [
        ("nothing but the head", nothing.clone(), 1),
        ("command ids", Questions { commands: fresh(SIZE), ..nothing.clone() }, SIZE),
        ("once ids", Questions { once: fresh(SIZE), ..nothing.clone() }, SIZE),
        ("versions of unknown streams", Questions { streams: known, ..nothing.clone() }, SIZE),
        ("subject keys", Questions { subjects: subjects[..SIZE].to_vec(), ..nothing.clone() }, SIZE),
        ("64 events of another node", Questions { head: Some(rows.head() - 64), ..nothing.clone() }, 64),
    ];
    let mut idle = 0.0;
    in_use(connection, backend, table).await?;
    for (index, (what, questions, count)) in asked.into_iter().enumerate() {
        let mut meter = Meter::new(backend);
        for _ in 0..100 {
            let begun = meter.begin();
            questions.ask(connection).await?;
            meter.end(begun);
        }
        let cost = meter.median();
        let whole = cost.own + cost.postgres;
        idle = if index == 0 { whole } else { idle };
        let each = if index == 0 { whole } else { (whole - idle) / count as f64 };
        let unit = if index == 0 { "µs/batch, cpu of both" } else { "µs each, cpu of both" };
        table.add(Line::new("check", what, each, unit));
    }
    Ok(())
}

/// What it costs that the check says which keys are in use: the whole, less the whole without, in turns.
async fn in_use(connection: &mut PgConnection, backend: i32, table: &mut Table) -> anyhow::Result<()> {
    let mut without = CHECK.to_owned();
    for purpose in ["master", "claims"] {
        let asked = format!("coalesce((select max(key_version) from key_checks where purpose = '{purpose}'), 0)");
        anyhow::ensure!(without.contains(&asked), "the check asks in another way");
        without = without.replace(&asked, "1");
    }
    let [mut whole, mut rest] = [Meter::new(backend), Meter::new(backend)];
    let nothing = Questions { head: Some(i64::MAX), ..Questions::default() };
    for _ in 0..1_000 {
        for (meter, check) in [(&mut whole, CHECK), (&mut rest, without.as_str())] {
            let begun = meter.begin();
            nothing.ask_by(check, connection).await?;
            meter.end(begun);
        }
    }
    let cost = |meter: &Meter| meter.median().own + meter.median().postgres;
    table.add(Line::new("check", "which keys are in use", cost(&whole) - cost(&rest), "µs/batch, cpu of both"));
    Ok(())
}
