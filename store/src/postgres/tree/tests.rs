//! The tree against an independent implementation, and against people who may do everything to the database.

use super::status::TreeState;
use super::{Pace, ProofError, SignedHead, Tree};
use crate::contract::{TENANT, fresh_id, fresh_stream, happened, to};
use crate::merkle::Tile;
use crate::personal_data::Keys;
use crate::postgres::testing::{TestDatabase, migrated_database};
use crate::postgres::{Database, Pools, PostgresStore};
use crate::signed_note::{VerifierKey, open};
use crate::{EventStore, Expected, Position, StoreError, TenantId};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use std::time::Duration;
use tlog_tiles::tlog;

const PACE: Pace = Pace { head_every: Duration::from_secs(3_600) };

pub(in crate::postgres) struct Log {
    pub(in crate::postgres) test: TestDatabase,
    pub(in crate::postgres) database: Database,
    pub(in crate::postgres) keys: Keys,
    pub(in crate::postgres) store: PostgresStore,
}

impl Log {
    pub(in crate::postgres) async fn new() -> Self {
        let (test, database) = migrated_database().await;
        let keys = Keys::random();
        let store = node(&database, &keys).await;
        Self { test, database, keys, store }
    }

    pub(in crate::postgres) async fn with(events: i64) -> Self {
        let log = Self::new().await;
        log.append(events).await;
        log
    }

    pub(in crate::postgres) async fn append(&self, events: i64) {
        let stream = fresh_stream("contract");
        for start in (0..events).step_by(1_000) {
            let some = (start..events.min(start + 1_000)).map(happened).collect();
            self.store.append(to(stream, Expected::Any, some)).await.unwrap();
        }
    }

    pub(in crate::postgres) fn tree(&self) -> Tree {
        self.store.tree()
    }

    /// All that can be built is built.
    pub(in crate::postgres) async fn build(&self) -> Result<(), StoreError> {
        let mut frontier = self.tree().resume().await?;
        let tiles = (self.store.head().await?.0 as u64 - frontier.size()) / 256;
        self.tree().grow(&mut frontier, tiles).await
    }

    /// As somebody to whom nothing is forbidden.
    pub(in crate::postgres) async fn rewrite(&self, sql: &'static str) {
        let mut admin = PgConnection::connect_with(&self.test.admin_options()).await.unwrap();
        admin.execute("set session_replication_role = replica").await.unwrap();
        admin.execute(AssertSqlSafe(sql)).await.unwrap();
    }

    /// Another node, which has read nothing yet.
    async fn other_node(&self) -> PostgresStore {
        node(&self.database, &self.keys).await
    }
}

async fn node(database: &Database, keys: &Keys) -> PostgresStore {
    PostgresStore::open(database, Pools::new(database).engine, keys.clone()).await.unwrap()
}

fn reason(error: &StoreError) -> String {
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    error.to_string()
}

/// Checks a proof with nothing of ours but its text.
fn check(proof: &str, key: &VerifierKey, position: i64, leaf: [u8; 32]) -> u64 {
    let (lines, note) = proof.split_once("\n\n").unwrap();
    let head = open(note, std::slice::from_ref(key)).unwrap();
    let head = tlog_tiles::Checkpoint::from_bytes(head.as_bytes()).unwrap();
    assert_eq!(head.origin(), key.name());
    let mut lines = lines.lines();
    assert_eq!(lines.next(), Some("c2sp.org/tlog-proof@v1"));
    assert_eq!(lines.next(), Some(format!("index {}", position - 1).as_str()));
    let path: Vec<_> = lines.map(hash).collect();
    let root = tlog::Hash(head.hash().0);
    tlog::check_record(&path, head.size(), root, position as u64 - 1, tlog::Hash(leaf)).unwrap();
    head.size()
}

fn hash(line: &str) -> tlog::Hash {
    tlog::Hash(STANDARD.decode(line).unwrap().try_into().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_event_has_a_proof_that_others_verify() {
    let log = Log::with(66_100).await;
    log.build().await.unwrap();
    assert_eq!(log.tree().status().built, Some(66_048));
    let key = log.keys.log.verifier();
    let positions = [1, 2, 255, 256, 257, 40_000, 65_535, 65_536, 65_537, 66_047, 66_049, 66_100];
    let mut proof = String::new();
    for position in positions {
        let proven = log.tree().prove(TENANT, Position(position)).await.unwrap();
        assert_eq!(check(&proven.proof, &key, position, proven.event.leaf_hash), 66_100);
        assert!(proven.proof.len() <= 2_048, "{} bytes", proven.proof.len());
        proof = proven.proof;
    }
    // A node that has read nothing makes the same, and so does one for which nothing was built.
    let other = log.other_node().await;
    assert_eq!(other.tree().prove(TENANT, Position(66_100)).await.unwrap().proof, proof);
    log.rewrite("delete from tree_tiles").await;
    let other = log.other_node().await;
    assert_eq!(other.tree().prove(TENANT, Position(66_100)).await.unwrap().proof, proof);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_continues_each_head_before() {
    let log = Log::new().await;
    let mut heads: Vec<SignedHead> = Vec::new();
    for events in [1, 1, 5, 250, 300, 900] {
        log.append(events).await;
        log.build().await.unwrap();
        heads.push(log.tree().sign_head().await.unwrap().unwrap());
    }
    assert_eq!(log.tree().sign_head().await.unwrap().as_ref(), heads.last(), "nothing is new");
    for older in &heads {
        for newer in heads.iter().filter(|newer| newer.size >= older.size) {
            let proof = log.tree().consistency(older.size, Some(newer.size)).await.unwrap();
            let hashes: Vec<_> = proof.hashes.iter().copied().map(tlog::Hash).collect();
            let roots = (tlog::Hash(newer.root), tlog::Hash(older.root));
            tlog::check_tree(&hashes, newer.size, roots.0, older.size, roots.1).unwrap();
        }
    }
    assert_eq!(log.tree().consistency(2, None).await.unwrap().to.size, 1_457);
    assert!(matches!(log.tree().consistency(3, None).await, Err(ProofError::NoHead(3))));
    heads.reverse();
    assert_eq!(log.tree().heads(None, 10).await.unwrap(), heads);
    assert_eq!(log.tree().heads(Some(257), 2).await.unwrap(), heads[3..5]);
    assert_eq!(log.tree().heads_after(7, 1).await.unwrap(), heads[2..3]);
    assert_eq!(log.tree().verifier_keys().await.unwrap(), [log.keys.log.verifier()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_has_no_proof() {
    let log = Log::with(3).await;
    let refused = |asked: ProofError| asked.to_string();
    assert_eq!(
        refused(log.tree().prove(TENANT, Position(4)).await.unwrap_err()),
        "position 4 is beyond the head of the log, 3"
    );
    assert!(matches!(log.tree().prove(TenantId(8), Position(3)).await, Err(ProofError::NoEvent(Position(3)))));
    assert!(matches!(log.tree().prove(TENANT, Position(0)).await, Err(ProofError::NoEvent(_))));
    assert!(matches!(log.tree().consistency(0, None).await, Err(ProofError::NoHead(0))));
    assert_eq!(Log::new().await.tree().sign_head().await.unwrap(), None, "an empty log has nothing to sign");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_builder_follows_and_another_node_goes_on_where_it_died() {
    let log = Log::with(300).await;
    log.tree().start(fresh_id(), PACE);
    built(&log.tree(), 256).await;
    // The first head is signed behind the tiles; what is appended meanwhile would be in it.
    log.tree().signed().wait_for(|size| *size > 0).await.unwrap();
    log.append(1_000).await;
    built(&log.tree(), 1_280).await;
    assert_eq!(log.tree().status().state, TreeState::Building);
    assert_eq!(log.tree().newest_head().await.unwrap().unwrap().size, 300, "one head an hour, besides those asked for");
    let other = log.other_node().await;
    other.tree().start(fresh_id(), PACE);
    log.append(300).await;
    log.tree().stop().await;
    built(&other.tree(), 1_536).await;
    // Whoever thinks that it still holds the lease does no harm.
    let mut late = log.tree().resume().await.unwrap();
    log.append(300).await;
    built(&other.tree(), 1_792).await;
    log.tree().grow(&mut late, 1).await.unwrap();
    other.tree().stop().await;
    log.build().await.unwrap();
}

async fn built(tree: &Tree, size: u64) {
    let reached = async {
        while tree.status().built < Some(size) {
            assert_ne!(tree.status().state, TreeState::Failed, "{:?}", tree.status());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), reached).await.expect("it is built in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_ask_at_once_share_a_head() {
    let log = Log::with(10).await;
    let tree = log.tree();
    let asked = (1..=10).map(|position| tree.prove(TENANT, Position(position)));
    let proofs = futures::future::try_join_all(asked).await.unwrap();
    assert_eq!(proofs.len(), 10);
    assert_eq!(tree.heads(None, 10).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_tree_is_not_built_upon() {
    let log = Log::with(700).await;
    log.build().await.unwrap();
    log.tree().sign_head().await.unwrap();
    log.rewrite("update tree_tiles set hashes = set_byte(hashes, 40, get_byte(hashes, 40) # 1) where tile = 0").await;
    log.append(1).await;
    let other = log.other_node().await;
    let told = reason(&other.tree().sign_head().await.unwrap_err());
    assert_eq!(
        told,
        "table tree_heads, column root, row 700: the first 700 events have another root now than when this head was signed"
    );
    assert_eq!(other.tree().status().state, TreeState::Failed);
    assert!(reason(&other.tree().resume().await.unwrap_err()).contains("another root"));
    log.rewrite("delete from tree_tiles where tile = 0").await;
    let told = reason(&log.other_node().await.tree().resume().await.unwrap_err());
    assert!(told.contains("there should be 1 tiles without a gap"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_was_changed_behind_the_tree_has_no_proof() {
    let log = Log::with(600).await;
    log.build().await.unwrap();
    log.tree().sign_head().await.unwrap();
    log.rewrite("update events set leaf_hash = sha256(leaf_hash) where position in (100, 550)").await;
    for position in [100, 550] {
        let other = log.other_node().await;
        let ProofError::Store(error) = other.tree().prove(TENANT, Position(position)).await.unwrap_err() else {
            panic!("another refusal")
        };
        assert!(reason(&error).contains("it is not in the head over 600"), "{error}");
    }
    let told = reason(&log.other_node().await.tree().resume().await.unwrap_err());
    assert!(told.contains("600: the first 600 events have another root now"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_shortened_or_is_another_one_is_told() {
    let log = Log::with(600).await;
    log.build().await.unwrap();
    log.rewrite("delete from events where position > 500").await;
    let told = reason(&log.other_node().await.tree().resume().await.unwrap_err());
    assert!(told.contains("the log was shortened: the tree was built over 512 events, and there are 500"), "{told}");
    // It grows again, and is another one.
    let other = log.other_node().await;
    other.append(to(fresh_stream("contract"), Expected::Any, (0..100).map(happened).collect())).await.unwrap();
    let told = reason(&other.tree().resume().await.unwrap_err());
    assert!(told.contains("level 0, tile 1: the log has other hashes there than the tree"), "{told}");

    let log = Log::with(200).await;
    log.tree().sign_head().await.unwrap();
    log.rewrite("delete from events where position > 100").await;
    let other = log.other_node().await;
    let told = reason(&other.tree().sign_head().await.unwrap_err());
    assert!(told.contains("the log was shortened: a head over 200 events was signed, and there are 100"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tile_that_is_there_with_other_bytes_stays_and_is_told() {
    let log = Log::with(300).await;
    let mut frontier = log.tree().resume().await.unwrap();
    log.rewrite("insert into tree_tiles values (0, 0, decode(repeat('00', 8192), 'hex'))").await;
    let told = reason(&log.tree().grow(&mut frontier, 1).await.unwrap_err());
    assert!(told.contains("level 0, tile 0"), "{told}");
    let stored = super::nodes::read_tiles(log.tree().pool(), &[Tile { level: 0, index: 0 }].into()).await.unwrap();
    assert!(stored.values().flatten().all(|hash| *hash == [0; 32]), "it is not overwritten");
}

#[tokio::test(flavor = "multi_thread")]
async fn tiles_that_a_crash_has_taken_are_made_again_and_leave_no_gap() {
    let log = Log::with(300).await;
    let mut frontier = log.tree().resume().await.unwrap();
    log.tree().grow(&mut frontier, 1).await.unwrap();
    log.rewrite("delete from tree_tiles").await;
    log.append(300).await;
    let told = log.tree().grow(&mut frontier, 1).await.unwrap_err();
    assert!(matches!(told, StoreError::Unavailable(_)), "{told}");
    log.build().await.unwrap();
    assert_eq!(log.tree().resume().await.unwrap().size(), 512);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_engine_can_change_no_tile_and_no_head_and_requests_see_none() {
    let log = Log::with(300).await;
    log.build().await.unwrap();
    log.tree().sign_head().await.unwrap();
    for sql in [
        "update tree_tiles set tile = 7",
        "delete from tree_tiles",
        "truncate tree_tiles",
        "update tree_heads set size = 7",
        "delete from tree_heads",
        "truncate tree_heads",
    ] {
        assert!(log.tree().pool().execute(sql).await.is_err(), "{sql}");
        let mut admin = PgConnection::connect_with(&log.test.admin_options()).await.unwrap();
        let refused = admin.execute(sql).await.unwrap_err().to_string();
        assert!(refused.contains("the log is immutable"), "{refused}");
    }
    let mut request = PgConnection::connect_with(&log.database.options(crate::postgres::Role::Request)).await.unwrap();
    for sql in ["select from tree_tiles", "select from tree_heads"] {
        assert!(request.execute(sql).await.unwrap_err().to_string().contains("permission denied"), "{sql}");
    }
}
