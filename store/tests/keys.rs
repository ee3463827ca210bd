//! Keys of the PostgreSQL engine: rotation while nodes work, keys that are wrong, missing or lost.

use futures::TryStreamExt;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use store::contract::{TENANT, fresh_id, fresh_stream, happened, to};
use store::key_versions::{ClaimKeys, KeySource, KeyVersions, MasterKeys};
use store::personal_data::{Keys, SecretKey};
use store::postgres::keys::Purpose;
use store::postgres::testing::{TestDatabase, migrated_database};
use store::postgres::{Database, DatabaseError, Pools, PostgresStore};
use store::{
    AppendError, AppendRequest, ClaimChange, ClaimHolder, ClaimKey, Direction, EventStore, Expected, Identity,
    NewEvent, OtherName, Personal, Position, ReadAll, ReadStream, RecordedEvent, Repeat, Snapshot, StoreError,
    StreamId,
};
use uuid::Uuid;

struct World {
    test: TestDatabase,
    database: Database,
    keys: Given,
}

/// The keys of an installation, before nodes are given copies.
struct Given {
    master: [SecretKey; 2],
    claims: [SecretKey; 2],
    all: Keys,
}

impl Given {
    /// What a node is given: so many versions of each.
    fn versions(&self, master: usize, claims: usize) -> Keys {
        Keys {
            master: MasterKeys(several(&self.master[..master])),
            claims: ClaimKeys(several(&self.claims[..claims])),
            ..self.all.clone()
        }
    }
}

fn several(keys: &[SecretKey]) -> KeyVersions {
    let first = KeyVersions::new(1, keys[0].clone());
    keys.iter().zip(1..).skip(1).fold(first, |versions, (key, version)| versions.and(version, key.clone()))
}

/// As a folder into which somebody puts the second key.
#[derive(Debug)]
struct Folder(SecretKey);

impl KeySource for Folder {
    fn find(&self, version: i16) -> Option<SecretKey> {
        (version == 2).then(|| self.0.clone())
    }
}

impl World {
    async fn start() -> Self {
        let (test, database) = migrated_database().await;
        let pair = || [SecretKey::random(), SecretKey::random()];
        Self { test, database, keys: Given { master: pair(), claims: pair(), all: Keys::random() } }
    }

    async fn open(&self, keys: Keys) -> Result<Arc<PostgresStore>, DatabaseError> {
        PostgresStore::open(&self.database, Pools::new(&self.database).engine, keys).await.map(Arc::new)
    }

    async fn node(&self, master: usize, claims: usize) -> Arc<PostgresStore> {
        self.open(self.keys.versions(master, claims)).await.expect("the store opens")
    }

    async fn sql(&self, sql: &str) -> u64 {
        let mut admin = PgConnection::connect_with(&self.test.admin_options()).await.expect("the superuser logs in");
        admin.execute(AssertSqlSafe(sql.to_owned())).await.expect(sql).rows_affected()
    }

    async fn number(&self, sql: &str) -> i64 {
        let mut admin = PgConnection::connect_with(&self.test.admin_options()).await.expect("the superuser logs in");
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&mut admin).await.expect(sql)
    }

    /// Everything in the tables that keys are about, and the log.
    async fn whole(&self) -> Vec<String> {
        let mut admin = PgConnection::connect_with(&self.test.admin_options()).await.expect("the superuser logs in");
        let mut rows = Vec::new();
        for table in ["key_checks", "subject_keys", "claims", "events", "snapshots", "command_outcomes"] {
            let sql = format!("select coalesce(string_agg(t::text, ';' order by t::text), '') from {table} t");
            rows.push(sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut admin).await.expect(table));
        }
        rows
    }
}

fn about(subject: Uuid, text: &str) -> NewEvent {
    NewEvent { subject_id: Some(subject), personal: Some(text.as_bytes().to_vec()), ..happened(1) }
}

/// A person with a stream of their own.
async fn person(store: &PostgresStore, name: &str) -> StreamId {
    let stream = fresh_stream("contract");
    store.append(to(stream, Expected::NoStream, vec![about(stream.id, name)])).await.expect("kept");
    stream
}

/// So many persons in one append.
async fn persons(store: &PostgresStore, count: usize) {
    let stream = fresh_stream("contract");
    let events = (0..count).map(|_| about(fresh_id(), "Ana")).collect();
    store.append(to(stream, Expected::NoStream, events)).await.expect("kept");
}

async fn read(store: &PostgresStore, stream: StreamId) -> Result<Vec<RecordedEvent>, StoreError> {
    let (from, limit) = (1, 99);
    let read = ReadStream { tenant: TENANT, stream, from, direction: Direction::Forwards, limit, reveal: true };
    store.read_stream(read).try_collect().await
}

async fn name(store: &PostgresStore, stream: StreamId) -> Result<String, String> {
    let events = read(store, stream).await.map_err(|error| told(&error))?;
    match &events[0].personal {
        Personal::Opened(bytes) => Ok(String::from_utf8_lossy(bytes).into_owned()),
        other => Err(format!("{other:?}")),
    }
}

fn told(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

async fn all_names(store: &PostgresStore) -> usize {
    let read = ReadAll { after: Position(0), filter: store::Filter::default(), limit: u64::MAX, reveal: true };
    let events: Vec<RecordedEvent> = store.read_all(read).try_collect().await.expect("the log reads");
    events.iter().filter(|event| matches!(event.personal, Personal::Opened(_))).count()
}

async fn rotate(store: &PostgresStore) -> store::postgres::rotation::Rotated {
    store.rotate_master(&|_| {}).await.expect("rotated")
}

/// Sessions with a statement or transaction under way, but for the one that asks.
const AT_WORK: &str = "select count(*) from pg_stat_activity where datname = current_database() \
    and backend_type = 'client backend' and state is distinct from 'idle' and pid <> pg_backend_pid()";
const OLDER: &str = "select count(*) from subject_keys where master_version < 2 and wrapped_key is not null";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_wraps_all_keys_anew_and_everything_reads_as_before() {
    let world = World::start().await;
    let old = world.node(1, 1).await;
    let (ana, eva) = (person(&old, "Ana").await, person(&old, "Eva").await);
    persons(&old, 1_200).await;
    world
        .sql(&format!("update subject_keys set wrapped_key = null, erased_at = now() where subject_id = '{}'", eva.id))
        .await;
    let tool = world.node(2, 1).await;
    let zoe = person(&tool, "Zoe").await;
    assert_eq!(world.number(OLDER).await, 1_202, "the next key is not used before the rotation begins");
    let rotated = rotate(&tool).await;
    assert_eq!((rotated.version, rotated.rewritten, rotated.is_resumed), (2, 1_202, false));
    assert_eq!(world.number(OLDER).await, 0);
    let fresh = world.open(Keys {
        master: MasterKeys(KeyVersions::new(2, world.keys.master[1].clone())),
        ..world.keys.versions(1, 1)
    });
    let fresh = fresh.await.expect("the older key is not asked for any more");
    for store in [&tool, &fresh] {
        assert_eq!(name(store, ana).await.as_deref(), Ok("Ana"));
        assert_eq!(name(store, zoe).await.as_deref(), Ok("Zoe"));
        assert_eq!(read(store, eva).await.expect("read")[0].personal, Personal::Erased);
        assert_eq!(all_names(store).await, 1_202);
    }
    assert_eq!(
        world.number("select count(*) from subject_keys where wrapped_key is null and master_version = 1").await,
        1
    );
    let error = tool.rotate_master(&|_| {}).await.expect_err("there is no third key");
    assert_eq!(error.to_string(), "there is no master key newer than 2, which is in use");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_that_was_interrupted_goes_on() {
    let world = World::start().await;
    persons(&*world.node(1, 1).await, 3_000).await;
    let tool = world.node(2, 1).await;
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let killed = tool.clone();
    let rotating =
        tokio::spawn(async move { killed.rotate_master(&move |done| tell.send(done).expect("heard")).await.map(drop) });
    assert_eq!(told.recv().await, Some(500));
    rotating.abort();
    let _aborted = rotating.await;
    // The server ends the statement that was under way, and what it wrote may hold.
    while world.number(AT_WORK).await > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let left = world.number(OLDER).await;
    assert!((1..3_000).contains(&left), "{left}");
    let one_key = KeyVersions::new(2, world.keys.master[1].clone());
    let refused = world.open(Keys { master: MasterKeys(one_key), ..world.keys.versions(1, 1) }).await;
    assert!(matches!(refused, Err(DatabaseError::MissingKey { purpose: "master", version: 1 })), "{refused:?}");
    let again = world.node(2, 1).await;
    let known = again.known_keys(Purpose::Master).await.expect("known");
    assert_eq!(known.iter().map(|key| (key.version, key.is_retired)).collect::<Vec<_>>(), [(2, false), (1, false)]);
    let rotated = rotate(&again).await;
    assert_eq!((rotated.version, rotated.is_resumed, rotated.rewritten), (2, true, left as u64));
    assert_eq!((world.number(OLDER).await, all_names(&again).await), (0, 3_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_work_on_while_a_rotation_runs() {
    let world = World::start().await;
    let keys = world.keys.versions(1, 1);
    let keys =
        Keys { master: MasterKeys(keys.master.0.found_in(Arc::new(Folder(world.keys.master[1].clone())))), ..keys };
    let node = world.open(keys).await.expect("it opens");
    persons(&node, 2_000).await;
    let tool = world.node(2, 1).await;
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (working, ended) = (node.clone(), stop.clone());
    let work = tokio::spawn(async move {
        let mut streams = Vec::new();
        while !ended.load(std::sync::atomic::Ordering::Relaxed) || streams.len() < 20 {
            let stream = person(&working, "Ana").await;
            assert_eq!(name(&working, stream).await.as_deref(), Ok("Ana"));
            streams.push(stream);
        }
        streams
    });
    rotate(&tool).await;
    let last = person(&node, "Zoe").await;
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let streams = work.await.expect("no append and no read failed");
    assert_eq!(world.number(OLDER).await, 0, "nobody wraps with the older key any more");
    assert_eq!(name(&tool, last).await.as_deref(), Ok("Zoe"));
    assert_eq!(all_names(&tool).await, 2_001 + streams.len());
    assert_eq!(all_names(&node).await, 2_001 + streams.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_the_newer_key_says_so_and_writes_nothing_that_nobody_can_read() {
    let world = World::start().await;
    let (old, tool) = (world.node(1, 1).await, world.node(2, 1).await);
    let ana = person(&tool, "Ana").await;
    rotate(&tool).await;
    assert_eq!(
        name(&old, ana).await,
        Err("the event store is unavailable: master key 2 is missing on this node".to_owned())
    );
    let before = world.whole().await;
    let stream = fresh_stream("contract");
    let refused = old.append(to(stream, Expected::NoStream, vec![about(stream.id, "Eva")])).await;
    let Err(AppendError::Unavailable(reason)) = refused else { panic!("{refused:?}") };
    assert!(reason.to_string().contains("master key 1 is out of use: give this node the newer one"), "{reason}");
    assert_eq!(world.whole().await, before);
    old.append(to(stream, Expected::NoStream, vec![happened(1)])).await.expect("what is not personal goes on");
    let refused = world.open(world.keys.versions(1, 1)).await;
    assert!(matches!(refused, Err(DatabaseError::MissingKey { purpose: "master", version: 2 })), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_keys_are_refused_and_touch_nothing() {
    let world = World::start().await;
    let node = world.node(1, 1).await;
    person(&node, "Ana").await;
    let own = || world.keys.versions(1, 1);
    let other = || KeyVersions::new(1, SecretKey::random());
    let before = world.whole().await;
    let cases = [
        (Keys { master: MasterKeys(other()), ..own() }, "the master key is not the one this database was written with"),
        (Keys { claims: ClaimKeys(other()), ..own() }, "the claims key is not the one this database was written with"),
        (Keys { log: Keys::random().log, ..own() }, "the log key is not the one this database was written with"),
        (
            Keys { master: MasterKeys(KeyVersions::new(2, SecretKey::random())), ..own() },
            "the master key 1 is missing: data of this database was written with it",
        ),
    ];
    for (keys, expected) in cases {
        assert_eq!(world.open(keys).await.expect_err("refused").to_string(), expected);
    }
    assert_eq!(world.whole().await, before);
    world.sql("delete from key_checks").await;
    let before = world.whole().await;
    let refused = world.open(Keys { master: MasterKeys(other()), ..own() }).await.expect_err("refused");
    assert!(
        matches!(refused, DatabaseError::WrongKey { purpose: "master", version: 1 }),
        "the subjects' keys tell as well"
    );
    assert_eq!(world.whole().await, before);
    world.node(1, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_table_of_keys_is_told_and_never_filled_with_new_ones() {
    let world = World::start().await;
    let node = world.node(1, 1).await;
    let (ana, eva) = (person(&node, "Ana").await, person(&node, "Eva").await);
    world.sql(&format!("delete from subject_keys where subject_id = '{}'", ana.id)).await;
    let fresh = world.node(1, 1).await;
    let lost = format!(
        "table subject_keys, column subject_id, row {}: this subject has sealed events, but its key is lost: restore the table, \
         or see `clientela doctor`",
        ana.id
    );
    assert_eq!(name(&fresh, ana).await, Err(lost), "lost is not erased");
    assert_eq!(name(&fresh, eva).await.as_deref(), Ok("Eva"));
    let before = world.whole().await;
    let refused = fresh.append(to(ana, Expected::Exact(1), vec![about(ana.id, "Ana Maria")])).await;
    let Err(AppendError::Unavailable(reason)) = refused else { panic!("{refused:?}") };
    assert!(reason.to_string().contains("has sealed events, but its row in subject_keys is lost"), "{reason}");
    assert_eq!(world.whole().await, before, "no new key was made for somebody who had one");
    person(&fresh, "Zoe").await;
    world.sql("delete from subject_keys").await;
    let before = world.whole().await;
    let refused = world.open(world.keys.versions(1, 1)).await.expect_err("refused");
    assert!(matches!(refused, DatabaseError::LostSubjectKeys), "{refused}");
    assert_eq!(world.whole().await, before);
    let mut admin = PgConnection::connect_with(&world.test.admin_options()).await.expect("the superuser logs in");
    let lost = store::postgres::keys::lost_subjects(&mut admin).await.expect("counted");
    assert_eq!(lost, [(TENANT, 3)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_first_nodes_agree_on_their_keys() {
    let world = World::start().await;
    let (one, other) = (world.keys.versions(1, 1), Keys::random());
    let (one, other) = tokio::join!(world.open(one), world.open(other));
    assert_ne!(one.is_ok(), other.is_ok(), "exactly one of two installations has the log");
    let purposes: BTreeSet<String> = {
        let mut admin = PgConnection::connect_with(&world.test.admin_options()).await.expect("the superuser logs in");
        sqlx::query_scalar("select purpose from key_checks")
            .fetch_all(&mut admin)
            .await
            .expect("read")
            .into_iter()
            .collect()
    };
    assert_eq!(purposes.len(), 3);
}

fn email(value: &str) -> ClaimKey {
    ClaimKey { kind: "email".to_owned(), value: value.to_owned() }
}

fn taking(value: &str, owner: Uuid) -> AppendRequest {
    let mut request = to(fresh_stream("contract"), Expected::NoStream, vec![happened(1)]);
    request.claims = vec![ClaimChange::Take { key: email(value), owner }];
    request
}

fn releasing(value: &str, owner: Uuid) -> AppendRequest {
    let mut request = taking(value, owner);
    request.claims = vec![ClaimChange::Release { key: email(value), owner }];
    request
}

/// A request with a key, and what it asks for.
fn keyed(id: u128, fingerprint: u8, events: usize) -> AppendRequest {
    let events = (0..events).map(|_| happened(1)).collect();
    let mut request = to(fresh_stream("contract"), Expected::NoStream, events);
    let (command_id, fingerprint) = (Some(Uuid::from_u128(id)), [fingerprint; 16]);
    request.identity = Identity { command_id, once_id: None, fingerprint };
    request.outcome = Some("done".to_owned());
    request
}

/// A request about a fact that happens once.
fn recording(fact: Uuid, fingerprint: u8) -> AppendRequest {
    let event = NewEvent { once_id: Some(fact), ..happened(1) };
    let mut request = to(fresh_stream("contract"), Expected::NoStream, vec![event]);
    request.identity = Identity { command_id: None, once_id: Some(fact), fingerprint: [fingerprint; 16] };
    request
}

fn holder(owner: Uuid, values: &[&str]) -> ClaimHolder {
    ClaimHolder {
        tenant: TENANT,
        owner,
        claims: values.iter().map(|value| email(value)).collect(),
        besides: Vec::new(),
    }
}

fn only_second_claim_key(world: &World) -> Keys {
    Keys { claims: ClaimKeys(KeyVersions::new(2, world.keys.claims[1].clone())), ..world.keys.versions(1, 1) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_and_requests_from_before_a_new_claim_key_still_count() {
    let world = World::start().await;
    let (old, [ana, eva]) = (world.node(1, 1).await, [fresh_id(), fresh_id()]);
    for value in ["one", "two", "three"] {
        old.append(taking(value, ana)).await.expect("taken");
    }
    old.append(keyed(1, 1, 2)).await.expect("kept");
    old.append(keyed(2, 1, 0)).await.expect("kept");
    let (fact, today) = (fresh_id(), fresh_id());
    old.append(recording(fact, 1)).await.expect("kept");
    let [node, other] = [world.node(1, 2).await, world.node(1, 2).await];
    node.append(taking("before", ana)).await.expect("the next key is not used before the rotation begins");
    assert_eq!(world.number("select count(*) from claims where key_version = 2").await, 0);
    assert_eq!(node.begin_claims_rotation().await.expect("begun"), (2, false));
    // The other node follows in its next batch.
    other.append(taking("after", eva)).await.expect("taken");
    assert_eq!(world.number("select count(*) from claims where key_version = 2").await, 1);
    for store in [&node, &other] {
        let taken = store.append(taking("one", eva)).await;
        assert!(matches!(&taken, Err(AppendError::Claimed { owner, .. }) if *owner == ana), "{taken:?}");
        store.append(taking("one", ana)).await.expect("whose it is, may take it again");
        let again = store.append(keyed(1, 1, 2)).await;
        assert!(matches!(&again, Err(AppendError::Repeated(Repeat::Events { count: 2, .. }))), "{again:?}");
        let again = store.append(keyed(2, 1, 0)).await;
        assert!(matches!(&again, Err(AppendError::Repeated(Repeat::Outcome(body))) if body == "done"), "{again:?}");
        for id in [1, 2] {
            assert!(matches!(store.append(keyed(id, 9, 2)).await, Err(AppendError::KeyReused)));
        }
        for (named, is_repeat) in [(1, true), (2, false)] {
            let mut request = recording(today, 7);
            request.other_names = vec![OtherName { of: today, once_id: fact, fingerprint: [named; 16] }];
            let again = store.append(request).await;
            assert_eq!(matches!(&again, Err(AppendError::Repeated(_))), is_repeat, "{again:?}");
            assert!(again.is_err(), "it has happened under that name");
        }
        let owners = store.claim_owners(TENANT, &[email("three"), email("nobody's"), email("after")]).await;
        assert_eq!(owners.expect("read"), [Some(ana), None, Some(eva)]);
    }
    node.append(releasing("two", eva)).await.expect("not hers, without effect");
    node.append(releasing("two", ana)).await.expect("released, though it stands under the older key");
    other.append(taking("two", eva)).await.expect("free for others");
    assert_eq!(world.number("select count(*) from claims").await, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_the_newer_claim_key_appends_nothing_and_says_why() {
    let world = World::start().await;
    let (old, node, ana) = (world.node(1, 1).await, world.node(1, 2).await, fresh_id());
    old.append(taking("one", ana)).await.expect("taken");
    node.begin_claims_rotation().await.expect("begun");
    node.append(taking("two", ana)).await.expect("taken");
    let before = world.whole().await;
    for request in [taking("two", fresh_id()), releasing("two", ana), keyed(7, 1, 1)] {
        let refused = old.append(request).await;
        let Err(AppendError::Unavailable(reason)) = refused else { panic!("{refused:?}") };
        assert!(reason.to_string().contains("claims key 2 is in use, but this node does not have it"), "{reason}");
    }
    assert_eq!(world.whole().await, before);
    let refused = world.open(world.keys.versions(1, 1)).await.expect_err("refused");
    assert!(matches!(refused, DatabaseError::MissingKey { purpose: "claims", version: 2 }), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_are_written_anew_from_what_their_holders_claim() {
    let world = World::start().await;
    let (old, [ana, eva]) = (world.node(1, 1).await, [fresh_id(), fresh_id()]);
    let node = world.node(1, 2).await;
    world.sql("insert into claims (tenant, kind, hash, key_version, owner) values (7, 'email', sha256('x'), 1, gen_random_uuid())").await;
    for (value, owner) in [("one", ana), ("two", ana), ("three", eva)] {
        old.append(taking(value, owner)).await.expect("taken");
    }
    old.append(keyed(1, 1, 1)).await.expect("kept");
    node.begin_claims_rotation().await.expect("begun");
    let refused = world.open(only_second_claim_key(&world)).await.expect_err("rows need the older one");
    assert!(matches!(refused, DatabaseError::MissingKey { purpose: "claims", version: 1 }), "{refused}");
    // That Eva claims the first one is wrong: it stays Ana's.
    let holders = [holder(ana, &["one", "two", "one"]), holder(eva, &["three", "one"])];
    assert_eq!(node.rehash_claims(&holders).await.expect("written"), 3);
    assert_eq!(node.rehash_claims(&holders).await.expect("nothing is left"), 0);
    assert_eq!(node.end_claims_rotation(2).await.expect("ended"), 1, "nobody knows what the made-up row holds");
    let nobodys = node.claims_of_nobody().await.expect("read");
    assert_eq!(nobodys.len(), 4, "none of these owners has a stream: {nobodys:?}");
    world.sql("delete from claims where key_version = 1").await;
    assert_eq!(node.begin_claims_rotation().await.expect("resumed"), (2, true));
    assert_eq!(node.end_claims_rotation(2).await.expect("ended"), 0);
    let again = |store: Arc<PostgresStore>| async move { store.append(keyed(1, 1, 1)).await };
    assert!(
        matches!(again(world.node(1, 2).await).await, Err(AppendError::Repeated(_))),
        "retired keys know old requests"
    );
    let fresh = world.open(only_second_claim_key(&world)).await.expect("the older key is not asked for any more");
    assert!(
        matches!(again(fresh.clone()).await, Err(AppendError::KeyReused)),
        "who has lost it refuses, and repeats nothing"
    );
    let owners = fresh.claim_owners(TENANT, &[email("one"), email("two"), email("three")]).await;
    assert_eq!(owners.expect("read"), [Some(ana), Some(ana), Some(eva)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_are_compared_with_what_their_holders_claim() {
    use store::postgres::claims::Wrong;
    let world = World::start().await;
    let (node, [ana, eva]) = (world.node(1, 1).await, [fresh_id(), fresh_id()]);
    for (value, owner) in [("one", ana), ("two", ana), ("three", eva)] {
        node.append(taking(value, owner)).await.expect("taken");
    }
    let compared = async |holders: &[ClaimHolder]| {
        let found = node.compare_claims(holders).await.expect("compared");
        found.into_iter().map(|found| (found.owner, found.wrong)).collect::<Vec<_>>()
    };
    assert_eq!(compared(&[holder(ana, &["one", "two"]), holder(eva, &["three"])]).await, []);
    let wrong = compared(&[holder(ana, &["one", "three", "four"]), holder(eva, &["three"])]).await;
    assert_eq!(wrong, [(ana, Wrong::HeldBy { holder: eva }), (ana, Wrong::Missing), (ana, Wrong::Surplus)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_accepts_a_loss_goes_on_with_the_lost_as_erased() {
    let world = World::start().await;
    let (ana, eva) = {
        let node = world.node(1, 1).await;
        (person(&node, "Ana").await, person(&node, "Eva").await)
    };
    world.sql(&format!("delete from subject_keys where subject_id = '{}'", ana.id)).await;
    let mut admin =
        PgConnection::connect_with(&world.database.options(store::postgres::Role::Engine)).await.expect("in");
    assert_eq!(store::postgres::keys::accept_loss(&mut admin).await.expect("accepted"), [(TENANT, 1)]);
    assert_eq!(store::postgres::keys::accept_loss(&mut admin).await.expect("once"), []);
    assert_eq!(store::postgres::keys::lost_subjects(&mut admin).await.expect("none"), []);
    let node = world.node(1, 1).await;
    assert_eq!(read(&node, ana).await.expect("read")[0].personal, Personal::Erased);
    assert_eq!(name(&node, eva).await.as_deref(), Ok("Eva"));
    let refused = node.append(to(ana, Expected::Exact(1), vec![about(ana.id, "Ana")])).await;
    assert!(matches!(refused, Err(AppendError::SubjectErased(id)) if id == ana.id), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn snapshots_of_nobody_end_with_the_master_key_and_those_of_persons_do_not() {
    let world = World::start().await;
    let old = world.node(1, 1).await;
    let ana = person(&old, "Ana").await;
    let plain = fresh_stream("contract");
    old.append(to(plain, Expected::NoStream, vec![happened(1)])).await.expect("kept");
    for (stream, subject_id) in [(ana, Some(ana.id)), (plain, None)] {
        let snapshot = Snapshot { aggregate_version: 1, stream_version: 1, subject_id, state: b"state".to_vec() };
        old.save_snapshot(TENANT, &stream, snapshot).await.expect("kept");
        assert!(old.load_snapshot(TENANT, &stream, 1).await.expect("read").is_some());
    }
    let tool = world.node(2, 1).await;
    rotate(&tool).await;
    assert!(tool.load_snapshot(TENANT, &ana, 1).await.expect("read").is_some());
    assert_eq!(tool.load_snapshot(TENANT, &plain, 1).await.expect("as good as none"), None);
}
