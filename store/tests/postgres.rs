//! The PostgreSQL engine: the contract of every engine, and what only this one promises.

#[path = "postgres/forgetting.rs"]
mod forgetting;

use futures::{FutureExt, StreamExt};
use sqlx::{Connection, Executor, PgConnection, Row};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::contract::{self, TENANT, fresh_id, fresh_stream, happened, to};
use store::leaf::Leaf;
use store::personal_data::Keys;
use store::postgres::testing::{TestDatabase, migrated_database};
use store::postgres::{Database, DatabaseError, Pools, PostgresStore, Role};
use store::{
    AppendError, EventStore, Expected, Filter, NewEvent, Personal, Position, ReadAll, RecordedEvent, Signal,
    SignalStream, StreamAppend, TenantId,
};

#[path = "support/cutting_proxy.rs"]
mod cutting_proxy;
use cutting_proxy::{Cut, CuttingProxy};

struct World {
    test: TestDatabase,
    database: Database,
    keys: Keys,
    store: Arc<PostgresStore>,
}

impl World {
    async fn start() -> Self {
        let (test, database) = migrated_database().await;
        let keys = Keys::random();
        let store = open(&database, &keys).await;
        Self { test, database, keys, store }
    }

    async fn second_node(&self) -> Arc<PostgresStore> {
        open(&self.database, &self.keys).await
    }

    async fn as_role(&self, role: Role) -> PgConnection {
        PgConnection::connect_with(&self.database.options(role)).await.expect("the role logs in")
    }

    async fn as_admin(&self) -> PgConnection {
        PgConnection::connect_with(&self.test.admin_options()).await.expect("the superuser logs in")
    }
}

async fn open(database: &Database, keys: &Keys) -> Arc<PostgresStore> {
    let pools = Pools::new(database);
    Arc::new(PostgresStore::open(database, pools.engine, keys.clone()).await.expect("the store opens"))
}

macro_rules! contract {
    ($($name:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let world = World::start().await;
            contract::$name(&*world.store).await;
        }
    )*};
}

contract! {
    a_stream_reads_as_it_was_written
    expected_versions_are_kept
    streams_begin_with_their_first_event
    a_check_writes_nothing
    several_streams_are_one_append
    one_of_many_wins
    a_repeat_is_recognised
    an_answer_without_events_is_kept
    a_once_only_fact_happens_once
    a_fact_happens_once_under_all_its_names
    a_key_belongs_to_its_first_request
    who_rests_on_a_refused_request_is_refused
    who_rests_on_a_kept_request_is_kept
    a_claim_has_one_owner
    personal_data_is_sealed
    the_whole_log_is_read_by_filter
    a_subscription_skips_nothing
    a_feed_skips_nothing
    a_snapshot_is_kept
    what_cannot_be_stored_is_refused
    a_scan_reads_what_the_log_says
    ids_are_unique
}

async fn whole_log(store: &PostgresStore) -> Vec<store::RecordedEvent> {
    use futures::TryStreamExt;
    let read = ReadAll { after: Position(0), filter: Filter::default(), limit: u64::MAX, reveal: false };
    store.read_all(read).try_collect().await.expect("the log reads")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_write_one_dense_log_and_both_follow_it() {
    let world = World::start().await;
    let other = world.second_node().await;
    let streams: Vec<_> = (0..20).map(|_| fresh_stream("contract")).collect();
    let write = |store: Arc<PostgresStore>, node: i64| {
        let streams = streams.clone();
        async move {
            for n in 0..200 {
                let stream = streams[n as usize % streams.len()];
                store.append(to(stream, Expected::Any, vec![happened(node * 1_000 + n)])).await.expect("kept");
            }
        }
    };
    let follow = |store: Arc<PostgresStore>| async move {
        let (mut signals, mut seen) = (store.subscribe(Position(0), Filter::default(), false), Vec::new());
        while seen.len() < 400 {
            if let Signal::Events { events, .. } = signals.next().await.expect("goes on").expect("reads") {
                seen.extend(events.iter().map(|event| event.position.0));
            }
        }
        seen
    };
    let one = Arc::clone(&world.store);
    let ((), (), first, second) = tokio::join!(
        write(Arc::clone(&one), 1),
        write(Arc::clone(&other), 2),
        follow(one.clone()),
        follow(other.clone())
    );
    let dense: Vec<i64> = (1..=400).collect();
    assert_eq!((first, second), (dense.clone(), dense));
    let log = whole_log(&other).await;
    for stream in streams {
        let versions: Vec<_> = log.iter().filter(|event| event.stream == stream).map(|event| event.version).collect();
        assert_eq!(versions, (1..=20).collect::<Vec<_>>());
    }
}

/// All signals that lie ready now, their events counted, and their size in bytes of payload.
async fn ready(signals: &mut SignalStream) -> (Vec<i64>, usize) {
    let (mut positions, mut bytes) = (Vec::new(), 0);
    while let Some(Some(signal)) = tokio::task::unconstrained(signals.next()).now_or_never() {
        if let Signal::Events { events, .. } = signal.expect("it reads") {
            positions.extend(events.iter().map(|event| event.position.0));
            bytes += events.iter().map(|event| event.payload.len()).sum::<usize>();
        }
    }
    (positions, bytes)
}

// One thread: nothing is added while what lies ready is taken.
#[tokio::test]
async fn what_lies_ready_for_a_reader_outside_is_bounded_in_events_and_bytes() {
    for (payload_bytes, appends) in [(10, 600), (40_000, 60)] {
        let world = World::start().await;
        let event = |n| NewEvent { payload: format!("\"{}\"", "x".repeat(payload_bytes)), ..happened(n) };
        let mut signals = world.store.feed(Position(0), Filter::default(), false);
        assert!(matches!(signals.next().await, Some(Ok(Signal::CaughtUp(Position(0))))));
        for n in 1..=appends {
            world.store.append(to(fresh_stream("contract"), Expected::Any, vec![event(n)])).await.expect("kept");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        let (mut seen, bytes) = ready(&mut signals).await;
        assert!(!seen.is_empty() && seen.len() <= 256 && bytes <= 1024 * 1024, "{} events, {bytes} bytes", seen.len());
        assert!((seen.len() as i64) < appends, "else the bound was not reached");
        while (seen.len() as i64) < appends {
            if let Signal::Events { events, .. } = signals.next().await.expect("goes on").expect("reads") {
                seen.extend(events.iter().map(|event| event.position.0));
            }
        }
        assert_eq!(seen, (1..=appends).collect::<Vec<_>>());
    }
}

/// The next event of a feed.
async fn next_event(signals: &mut SignalStream) -> Arc<RecordedEvent> {
    loop {
        if let Signal::Events { events, .. } = signals.next().await.expect("goes on").expect("reads")
            && let Some(event) = events.first()
        {
            return Arc::clone(event);
        }
    }
}

#[tokio::test]
async fn readers_outside_share_an_event_that_is_opened_and_written_out_once() {
    let world = World::start().await;
    let follow = |reveal| world.store.feed(Position(0), Filter::default(), reveal);
    let mut readers = [follow(true), follow(true), follow(false), follow(false)];
    for reader in &mut readers {
        assert!(matches!(reader.next().await, Some(Ok(Signal::CaughtUp(Position(0))))));
    }
    let secret = NewEvent { subject_id: Some(fresh_id()), personal: Some(b"Ana".to_vec()), ..happened(1) };
    world.store.append(to(fresh_stream("contract"), Expected::NoStream, vec![secret])).await.expect("kept");
    let mut events = Vec::new();
    for reader in &mut readers {
        events.push(next_event(reader).await);
    }
    let [seeing, too, blind, also_blind] = events.try_into().expect("four of them");
    assert_eq!(seeing.personal, Personal::Opened(b"Ana".as_slice().into()));
    assert!(matches!(blind.personal, Personal::Sealed(_)));
    assert!(Arc::ptr_eq(&seeing, &too) && Arc::ptr_eq(&blind, &also_blind));
    let write_out = |event: &RecordedEvent, text: &str| -> String {
        event.rendering.get_or_make(|| Ok::<_, ()>(text.to_owned())).expect("made").to_owned()
    };
    assert_eq!([write_out(&seeing, "Ana"), write_out(&too, "again")], ["Ana", "Ana"]);
    assert_eq!(write_out(&blind, "somebody"), "somebody", "what the others see is not shown to who may not");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_learns_of_the_other_nodes_versions() {
    let world = World::start().await;
    let other = world.second_node().await;
    let stream = fresh_stream("contract");
    for n in 0..50 {
        let node = if n % 2 == 0 { &world.store } else { &other };
        node.append(to(stream, Expected::Exact(n), vec![happened(i64::from(n))])).await.expect("expects the truth");
    }
    let stale = world.store.append(to(stream, Expected::Exact(49), vec![happened(99)])).await;
    assert!(matches!(stale, Err(AppendError::Conflict { actual: 50, .. })), "{stale:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_leaf_of_every_row_can_be_recomputed_from_its_columns() {
    let world = World::start().await;
    let secret = NewEvent {
        subject_id: Some(fresh_id()),
        customer_id: Some(fresh_id()),
        once_id: Some(fresh_id()),
        personal: Some(b"Ana".to_vec()),
        ..happened(1)
    };
    let mut request = to(fresh_stream("contract"), Expected::NoStream, vec![secret, happened(2)]);
    request.identity.command_id = Some(fresh_id());
    world.store.append(request).await.expect("kept");
    for event in whole_log(&world.store).await {
        let leaf = Leaf {
            position: event.position,
            tenant: event.tenant,
            stream: event.stream,
            version: event.version,
            event_type: event.event_type,
            schema_version: event.schema_version,
            command_id: event.command_id,
            once_id: event.once_id,
            subject_id: event.subject_id,
            customer_id: event.customer_id,
            occurred_at: event.occurred_at,
            recorded_at: event.recorded_at,
            metadata: &event.metadata,
            payload: &event.payload,
            personal: match &event.personal {
                Personal::Sealed(bytes) => Some(bytes),
                _ => None,
            },
        };
        assert_eq!(leaf.hash(), event.leaf_hash);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_changes_the_log() {
    let world = World::start().await;
    world.store.append(to(fresh_stream("contract"), Expected::NoStream, vec![happened(1)])).await.expect("kept");
    let changes = [
        "update events set payload = '{}'",
        "delete from events",
        "truncate events",
        "update event_names set name = 'x'",
        "delete from event_names",
    ];
    for change in changes {
        for role in [Role::Engine, Role::Request, Role::Rebuild] {
            let error = world.as_role(role).await.execute(change).await.expect_err("refused");
            assert_eq!(code(&error), "42501", "{role:?} has no grant for: {change}");
        }
        let owner = world.as_role(Role::Owner).await.execute(change).await;
        // Row-level security shows the owner no row, so that a change of rows changes none; a truncate meets the trigger.
        assert!(owner.map_or_else(|error| code(&error) == "23001", |done| done.rows_affected() == 0), "{change}");
        let error = world.as_admin().await.execute(change).await.expect_err("refused");
        assert_eq!(code(&error), "23001", "even the superuser meets the trigger at: {change}");
    }
    let insert = world.as_role(Role::Request).await.execute("insert into events select * from events").await;
    assert_eq!(code(&insert.expect_err("refused")), "42501");
    assert_eq!(whole_log(&world.store).await.len(), 1);
}

fn code(error: &sqlx::Error) -> String {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).unwrap_or_default().into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_sees_only_its_tenants_events() {
    let world = World::start().await;
    for tenant in [1, 2] {
        let mut request = to(fresh_stream("contract"), Expected::NoStream, vec![happened(1), happened(2)]);
        request.tenant = TenantId(tenant);
        world.store.append(request).await.expect("kept");
    }
    let pools = Pools::new(&world.database);
    for tenant in [1, 2, 1, 1, 2] {
        for table in ["events", "events_readable"] {
            let query = sqlx::query(sqlx::AssertSqlSafe(format!("select tenant from {table}")));
            let rows = pools.request.fetch_all(TenantId(tenant), query).await.expect("read");
            assert_eq!(rows.iter().map(|row| row.get::<i32, _>(0)).collect::<Vec<_>>(), [tenant, tenant], "{table}");
        }
    }
    let mut closed = world.as_role(Role::Request).await;
    let rows = sqlx::query("select 1 from events").fetch_all(&mut closed).await.expect("read");
    assert!(rows.is_empty(), "without a tenant nothing is seen");
    for table in ["claims", "command_outcomes", "subject_keys", "snapshots", "key_checks"] {
        let read = closed.execute(sqlx::AssertSqlSafe(format!("select 1 from {table}"))).await;
        assert_eq!(code(&read.expect_err("refused")), "42501", "{table}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_passes_row_security_by_is_refused_at_the_start() {
    let (test, _) = migrated_database().await;
    let url = format!("postgres:///{}?host={}&user=postgres", test.name(), test.server().socket_dir().display());
    let database = Database::from_url(&url).expect("the URL reads");
    assert!(matches!(database.verify().await, Err(DatabaseError::PassesRowSecurity(role)) if role == "postgres"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_login_may_stand_for_all_roles() {
    let (test, _) = migrated_database().await;
    let mut admin = PgConnection::connect_with(&test.admin_options()).await.expect("connected");
    let login = format!("login_{}", test.name());
    admin
        .execute(sqlx::AssertSqlSafe(format!(
            "create role {login} login; grant clientela_owner, clientela_request, clientela_engine, clientela_rebuild to {login}"
        )))
        .await
        .expect("made");
    let url = format!("postgres:///{}?host={}&user={login}", test.name(), test.server().socket_dir().display());
    let database = Database::from_url(&url).expect("the URL reads");
    let store = open(&database, &Keys::random()).await;
    contract::expected_versions_are_kept(&*store).await;
    let pools = Pools::new(&database);
    let role = pools.request.fetch_optional(TENANT, sqlx::query("select current_user::text")).await.expect("read");
    assert_eq!(role.expect("a row").get::<String, _>(0), "clientela_request");
    store.close().await;
    pools.engine.close().await;
    drop(pools);
    admin
        .execute(sqlx::AssertSqlSafe(format!(
            "select pg_terminate_backend(pid) from pg_stat_activity where usename = '{login}'; drop role {login}"
        )))
        .await
        .expect("dropped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_installations_keys_are_refused_at_the_start() {
    let world = World::start().await;
    let pools = Pools::new(&world.database);
    let refused = PostgresStore::open(&world.database, pools.engine, Keys::random()).await;
    assert!(matches!(refused, Err(DatabaseError::WrongKey { purpose: "master", version: 1 })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unmigrated_database_is_refused_at_the_start() {
    let test = store::postgres::testing::create_database(None).await;
    let (_migrated, _) = migrated_database().await; // makes the roles
    let database = Database::with_role_logins(test.admin_options());
    assert!(matches!(database.verify().await, Err(DatabaseError::NotMigrated)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_table_holds_personal_data_or_claims_in_clear() {
    let world = World::start().await;
    let mut request = to(
        fresh_stream("contract"),
        Expected::NoStream,
        vec![NewEvent {
            subject_id: Some(fresh_id()),
            personal: Some(b"planted-secret@example.org".to_vec()),
            ..happened(1)
        }],
    );
    let key = store::ClaimKey { kind: "email".into(), value: "planted-secret@example.org".into() };
    request.claims = vec![store::ClaimChange::Take { key, owner: fresh_id() }];
    world.store.append(request).await.expect("kept");
    let mut admin = world.as_admin().await;
    let tables: Vec<String> = sqlx::query_scalar(
        "select quote_ident(relname) from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace",
    )
    .fetch_all(&mut admin)
    .await
    .expect("the tables");
    for table in tables {
        let hits: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
            "select count(*) from {table} r where r::text like '%planted%' or r::text like '%{}%'",
            hex::encode("planted")
        )))
        .fetch_one(&mut admin)
        .await
        .expect("searched");
        assert_eq!(hits, 0, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_holds_the_lock_for_long_costs_an_answer_but_no_event() {
    let world = World::start().await;
    world.store.append(to(fresh_stream("contract"), Expected::NoStream, vec![happened(1)])).await.expect("kept");
    let mut holder = world.as_role(Role::Engine).await;
    holder.execute("begin; select pg_advisory_xact_lock(4849331460786900033)").await.expect("locked");
    let started = Instant::now();
    let refused = world.store.append(to(fresh_stream("contract"), Expected::NoStream, vec![happened(2)])).await;
    assert!(matches!(refused, Err(AppendError::Unavailable(_))), "{refused:?}");
    assert!(started.elapsed() < Duration::from_secs(12), "in time");
    holder.execute("rollback").await.expect("released");
    world.store.append(to(fresh_stream("contract"), Expected::NoStream, vec![happened(3)])).await.expect("recovers");
    assert_eq!(whole_log(&world.store).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_sessions_lose_nothing_and_double_nothing() {
    let world = World::start().await;
    let mut admin = world.as_admin().await;
    let streams: Vec<_> = (0..8).map(|_| fresh_stream("contract")).collect();
    let writers = streams.iter().map(|stream| {
        let (store, stream) = (Arc::clone(&world.store), *stream);
        tokio::spawn(async move {
            for n in 0..60 {
                store.append(to(stream, Expected::Exact(n), vec![happened(i64::from(n))])).await.expect("kept");
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    for _ in 0..25 {
        admin
            .execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()")
            .await
            .expect("killed");
        tokio::task::yield_now().await;
    }
    for writer in writers {
        writer.await.expect("no writer was refused");
    }
    let log = whole_log(&world.store).await;
    assert_eq!(log.len(), 8 * 60);
    assert!(log.iter().enumerate().all(|(index, event)| event.position.0 == index as i64 + 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_the_database_refuses_fails_alone() {
    let world = World::start().await;
    let mut admin = world.as_admin().await;
    admin.execute("alter table events add constraint no_bad check (payload <> '{\"n\":666}')").await.expect("added");
    let receipts: Vec<_> = (660..670)
        .map(|n| world.store.submit(to(fresh_stream("contract"), Expected::NoStream, vec![happened(n)])))
        .collect();
    let mut kept = 0;
    for receipt in receipts {
        kept += usize::from(receipt.verdict().await.is_ok());
    }
    assert_eq!((kept, whole_log(&world.store).await.len()), (9, 9));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_answers_busy() {
    let world = World::start().await;
    let mut holder = world.as_role(Role::Engine).await;
    holder.execute("begin; select pg_advisory_xact_lock(4849331460786900033)").await.expect("locked");
    let big = NewEvent { payload: format!("\"{}\"", "x".repeat(1_000_000)), ..happened(1) };
    let receipts: Vec<_> = (0..80)
        .map(|_| world.store.submit(to(fresh_stream("contract"), Expected::NoStream, vec![big.clone()])))
        .collect();
    holder.execute("rollback").await.expect("released");
    let mut outcomes = HashSet::new();
    for receipt in receipts {
        outcomes.insert(match receipt.verdict().await {
            Ok(_) => "kept",
            Err(AppendError::Busy) => "busy",
            Err(other) => panic!("{other:?}"),
        });
    }
    assert_eq!(outcomes, HashSet::from(["kept", "busy"]), "the queue is bounded in bytes, and what is in it is kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_streams_with_the_same_id_are_told_apart_by_category() {
    let world = World::start().await;
    let id = fresh_id();
    let stream = |category| store::StreamId { category, id };
    let mut request = to(stream("customer"), Expected::NoStream, vec![happened(1)]);
    let second = StreamAppend { stream: stream("loyalty"), expected: Expected::NoStream, events: vec![happened(2)] };
    request.streams.push(second);
    world.store.append(request).await.expect("kept");
    let log = whole_log(&world.store).await;
    assert_eq!(
        log.iter().map(|event| (event.stream.category, event.version)).collect::<Vec<_>>(),
        [("customer", 1), ("loyalty", 1)]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_answers_all_that_wait() {
    let world = World::start().await;
    let receipts: Vec<_> = (0..300)
        .map(|n| world.store.submit(to(fresh_stream("contract"), Expected::NoStream, vec![happened(n)])))
        .collect();
    world.store.close().await;
    for receipt in receipts {
        receipt.verdict().await.expect("what was in the queue is kept");
    }
    let late = world.store.append(to(fresh_stream("contract"), Expected::NoStream, vec![happened(1)])).await;
    assert!(matches!(late, Err(AppendError::Unavailable(_))), "{late:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_was_lost_is_looked_up_before_anybody_is_answered() {
    let (test, _) = migrated_database().await;
    let folder = tempfile::tempdir().expect("a folder");
    let proxy = CuttingProxy::start(folder.path(), test.server().socket_dir());
    let database = Database::with_role_logins(test.admin_options().socket(proxy.folder()));
    let store = open(&database, &Keys::random()).await;
    for round in 0..20 {
        proxy.arm(if round % 2 == 0 { Cut::BeforeTheAnswer } else { Cut::BeforeTheCommit });
        let appends = (0..10).map(|n| {
            let request = to(fresh_stream("contract"), Expected::NoStream, vec![happened(round * 10 + n)]);
            store.append(request)
        });
        for outcome in futures::future::join_all(appends).await {
            outcome.expect("committed, and said so");
        }
    }
    assert_eq!(proxy.cuts(), 20);
    let log = whole_log(&store).await;
    let said: HashSet<&str> = log.iter().map(|event| &*event.payload).collect();
    assert_eq!((log.len(), said.len()), (200, 200), "nothing lost, nothing twice");
    assert!(log.iter().enumerate().all(|(index, event)| event.position.0 == index as i64 + 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_does_not_go_on_over_a_log_that_lost_its_events() {
    let world = World::start().await;
    world.store.append(to(fresh_stream("contract"), Expected::NoStream, vec![happened(1)])).await.expect("kept");
    let mut admin = world.as_admin().await;
    let restored = "alter table events disable trigger user; delete from events; \
                    select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'clientela_engine'";
    admin.execute(restored).await.expect("what a restore to an older point leaves");
    let refused = world.store.append(to(fresh_stream("contract"), Expected::NoStream, vec![happened(2)])).await;
    assert!(matches!(refused, Err(AppendError::Unavailable(_))), "{refused:?}");
    let restarted = world.second_node().await;
    restarted.append(to(fresh_stream("contract"), Expected::NoStream, vec![happened(3)])).await.expect("goes on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_hangs_is_given_up() {
    use nix::sys::signal::{Signal, kill};
    let world = World::start().await;
    world.store.append(to(fresh_stream("contract"), Expected::NoStream, vec![happened(1)])).await.expect("kept");
    let mut admin = world.as_admin().await;
    let writer: i32 =
        sqlx::query_scalar("select pid from pg_stat_activity where datname = current_database() and query = 'commit'")
            .fetch_one(&mut admin)
            .await
            .expect("the writer's session");
    kill(nix::unistd::Pid::from_raw(writer), Signal::SIGSTOP).expect("frozen");
    let refused = world.store.append(to(fresh_stream("contract"), Expected::NoStream, vec![happened(2)])).await;
    assert!(matches!(refused, Err(AppendError::Unavailable(_))), "{refused:?}");
    world.store.append(to(fresh_stream("contract"), Expected::NoStream, vec![happened(3)])).await.expect("goes on");
    kill(nix::unistd::Pid::from_raw(writer), Signal::SIGCONT).expect("thawed");
    assert_eq!(whole_log(&world.store).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_is_given_up_leaves_nothing_to_the_next() {
    let world = World::start().await;
    let pools = Pools::new(&world.database);
    let read = |tenant, sql: &'static str| pools.request.fetch_optional(TenantId(tenant), sqlx::query(sql));
    for _ in 0..3 {
        let slow = read(1, "select current_setting('app.tenant'), pg_sleep(5)");
        tokio::time::timeout(Duration::from_millis(50), slow).await.expect_err("given up");
        let row = read(2, "select current_setting('app.tenant')").await.expect("read").expect("a row");
        assert_eq!(row.get::<String, _>(0), "2");
    }
    let write = read(1, "create temporary table t (n int)").await;
    assert_eq!(code(&write.expect_err("it only reads")), "25006");
}
