//! What people who may do everything do to a log, and that it is found.

use super::{Against, HeadFile, Kind, Report, verify};
use crate::leaf::Leaf;
use crate::postgres::tree::tests::Log;
use crate::signed_note::LogKey;
use crate::{EventStore, Filter, Position, ReadAll, RecordedEvent};
use futures::TryStreamExt;
use sqlx::{Connection, PgConnection};

/// A log of 1,400 events in 5 tiles, with heads over 700 and 1,400.
async fn log() -> Log {
    let log = Log::with(700).await;
    log.tree().sign_head().await.unwrap();
    log.append(700).await;
    log.build().await.unwrap();
    log.tree().sign_head().await.unwrap();
    log
}

async fn verified(log: &Log, against: &Against) -> Report {
    verify(&log.database, against, &|_, _| {}).await.unwrap()
}

/// The heads that were signed, as somebody keeps them elsewhere.
async fn kept(log: &Log) -> Against {
    let heads = log.tree().heads(None, 100).await.unwrap();
    let notes: String = heads.iter().rev().map(|head| format!("{}\n", head.checkpoint)).collect();
    Against { files: vec![HeadFile::parse("kept", &notes).unwrap()], keys: Vec::new() }
}

/// What is found first after a change.
async fn first(sql: &'static str) -> (u64, Kind, String) {
    let log = log().await;
    log.rewrite(sql).await;
    let report = verified(&log, &Against::default()).await;
    assert!(!report.holds(), "{sql}");
    let first = report.findings[0].clone();
    (first.position, first.kind, first.reason)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_nobody_touched_holds() {
    let log = log().await;
    let mut told = 0;
    let tell = std::sync::Mutex::new(&mut told);
    let report =
        verify(&log.database, &kept(&log).await, &|done, of| **tell.lock().unwrap() = done.max(of)).await.unwrap();
    assert!(report.holds(), "{report:?}");
    let Report { events, end, tiles, heads, covered, .. } = report;
    assert_eq!((events, end, tiles, heads, covered, told), (1_400, 1_400, 5, 4, 1_400, 1_400));
    log.append(10).await;
    let report = verified(&log, &Against::default()).await;
    assert_eq!((report.holds(), report.end, report.covered), (true, 1_410, 1_400));
    let empty = verified(&Log::new().await, &Against::default()).await;
    assert_eq!((empty.holds(), empty.events, empty.covered), (true, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn tiles_of_all_levels_are_compared() {
    let log = Log::with(66_000).await;
    log.build().await.unwrap();
    log.tree().sign_head().await.unwrap();
    let report = verified(&log, &Against::default()).await;
    assert!(report.holds(), "{report:?}");
    assert_eq!((report.tiles, report.heads), (258, 1));
    log.rewrite("update tree_tiles set hashes = set_byte(hashes, 70, get_byte(hashes, 70) # 4) where level = 1").await;
    let report = verified(&log, &Against::default()).await;
    assert_eq!(report.findings[0].reason, "tile 0 of level 1 is not what is below it");
    log.rewrite("delete from tree_tiles where level = 1").await;
    let report = verified(&log, &Against::default()).await;
    assert_eq!((report.found, report.findings[0].reason.as_str()), (1, "tile 0 of level 1 is missing"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_event_is_named() {
    let changed = "the event is not what its leaf hash was made of";
    for column in [
        "payload = payload || ' '",
        "metadata = '{}'",
        "tenant = tenant + 1",
        "version = version + 10000",
        "schema_version = 2",
        "stream = gen_random_uuid()",
        "command_id = gen_random_uuid()",
        "once_id = gen_random_uuid()",
        "subject_id = gen_random_uuid()",
        "customer_id = gen_random_uuid()",
        "occurred_at = occurred_at + interval '1 microsecond'",
        "recorded_at = recorded_at - interval '1 microsecond'",
        "personal = '\\x00'",
        "category = type",
        "leaf_hash = sha256(leaf_hash)",
    ] {
        let sql: &'static str = Box::leak(format!("update events set {column} where position = 300").into_boxed_str());
        assert_eq!(first(sql).await, (300, Kind::Changed, changed.to_owned()), "{sql}");
    }
    let renamed = "update event_names set name = 'contract.undone' where name = 'contract.happened'";
    assert_eq!(first(renamed).await, (1, Kind::Changed, changed.to_owned()));
    assert_eq!(first("update events set occurred_at = 'infinity' where position = 7").await.1, Kind::Changed);
    let told = first("update events set type = 999 where position = 7").await;
    assert_eq!(told, (7, Kind::Changed, "its code 999 is no name of the dictionary".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_or_in_another_place_is_named() {
    let found = first("delete from events where position = 300").await;
    assert_eq!(found, (300, Kind::Missing, "the event is missing".to_owned()));
    let found = first("delete from events where position between 1 and 600").await;
    assert_eq!(found, (1, Kind::Missing, "the events at 1 to 600 are missing".to_owned()));
    let swapped = "update events set position = -1 where position = 300; \
                   update events set position = 300 where position = 301; \
                   update events set position = 301 where position = -1";
    assert_eq!((first(swapped).await.0, first(swapped).await.1), (300, Kind::Changed));
    let renumbered = "delete from events where position = 300; \
                      update events set position = -position where position > 300; \
                      update events set position = -position - 1 where position < 0";
    assert_eq!((first(renumbered).await.0, first(renumbered).await.1), (300, Kind::Changed));
    let (position, kind, says) = first("delete from events where position > 1000").await;
    assert_eq!((position, kind), (1_001, Kind::Shortened));
    assert!(says.contains("the log ends at 1000") && says.contains("the log was shortened"), "{says}");
    let twice = "alter table events drop constraint events_pkey; drop index events_stream_version; \
                 insert into events select * from events where position = 300";
    let found = first(twice).await;
    assert_eq!(found, (300, Kind::Duplicate, "several events stand at this position".to_owned()));
    assert_eq!(first("update events set position = 0 where position = 1").await.1, Kind::Duplicate);
    assert_eq!(first("update events set position = 9000000 where position = 1400").await.1, Kind::Missing);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_to_the_tree_is_told() {
    let found = first("delete from tree_tiles where tile = 1").await;
    assert_eq!(found, (257, Kind::Tile, "tile 1 of level 0 is missing".to_owned()));
    // The newest ones: they were there when a head was signed.
    let found = first("delete from tree_tiles where tile >= 3").await;
    assert_eq!(found, (769, Kind::Tile, "tile 3 of level 0 is missing".to_owned()));
    let found = first("delete from tree_tiles").await;
    assert_eq!(found, (1, Kind::Tile, "tile 0 of level 0 is missing".to_owned()));
    let flipped = "update tree_tiles set hashes = set_byte(hashes, 32, get_byte(hashes, 32) # 1) where tile = 1";
    assert_eq!((first(flipped).await.0, first(flipped).await.1), (258, Kind::NotInTree));
    let found = first("update tree_heads set root = sha256(root) where size = 700").await;
    assert_eq!((found.0, found.1), (700, Kind::Head));
    // The whole line: the same digits may stand in the name of the log or in a hash, where they mean another thing.
    let grown = "update tree_heads set checkpoint = replace(checkpoint, E'\\n700\\n', E'\\n701\\n') where size = 700";
    let found = first(grown).await;
    assert!(found.1 == Kind::Head && found.2.contains("does not fit the text"), "{}", found.2);
    let found = first("update tree_heads set checkpoint = 'x' where size = 700").await;
    assert_eq!(found.2, "the stored head over 700: this is no signed note");
}

/// Rewrites an event and all that is stored over it, as somebody would who knows how all of it is made and has no key.
async fn rewrite_all(log: &Log, position: u64) {
    let read = ReadAll { after: Position(0), filter: Filter::default(), limit: 10_000, reveal: false };
    let events: Vec<RecordedEvent> = log.store.read_all(read).try_collect().await.unwrap();
    let event = &events[position as usize - 1];
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
        payload: "{\"n\":-1}",
        personal: None,
    };
    let mut admin = PgConnection::connect_with(&log.test.admin_options()).await.unwrap();
    sqlx::query("set session_replication_role = replica").execute(&mut admin).await.unwrap();
    sqlx::query("update events set payload = '{\"n\":-1}', leaf_hash = $2 where position = $1")
        .bind(position as i64)
        .bind(leaf.hash().as_slice())
        .execute(&mut admin)
        .await
        .unwrap();
    sqlx::query("update tree_tiles set hashes = overlay(hashes placing $2 from $3) where level = 0 and tile = $1")
        .bind((position as i64 - 1) / 256)
        .bind(leaf.hash().as_slice())
        .bind((position as i32 - 1) % 256 * 32 + 1)
        .execute(&mut admin)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_that_was_rewritten_is_caught_by_a_head_that_was_kept() {
    let log = log().await;
    let kept = kept(&log).await;
    rewrite_all(&log, 900).await;
    let report = verified(&log, &Against::default()).await;
    assert_eq!((report.found, report.findings[0].position, report.findings[0].kind), (1, 701, Kind::TreeDiffers));
    assert_eq!(
        report.findings[0].reason,
        "the head over 1400 does not hold, the head over 700 does: the log was changed in between"
    );
    log.rewrite("delete from tree_heads").await;
    assert!(verified(&log, &Against::default()).await.holds(), "nobody in the database knows any more");
    let report = verified(&log, &kept).await;
    assert_eq!(
        report.findings[0].reason,
        "the head over 1400 in kept does not hold, the head over 700 does: the log was changed in between"
    );
    rewrite_all(&log, 5).await;
    let report = verified(&log, &kept).await;
    assert_eq!((report.found, report.findings[0].position), (1, 1));
    assert!(report.findings[0].reason.contains("there is none before: the log was changed at or before 700"));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_keys_that_are_named_count() {
    let log = log().await;
    let ours = Against { keys: vec![log.keys.log.verifier()], ..kept(&log).await };
    assert!(verified(&log, &ours).await.holds());
    let other = Against { keys: vec![LogKey::random().verifier()], ..kept(&log).await };
    let report = verified(&log, &other).await;
    assert_eq!((report.found, report.heads), (4, 0));
    assert_eq!(report.findings[0].reason, "a head in kept: the note is signed by none of the known keys");
    log.rewrite("delete from key_checks").await;
    assert_eq!(verified(&log, &Against::default()).await.found, 2);
    assert!(verified(&log, &ours).await.holds(), "the key need not be in the database");
}
