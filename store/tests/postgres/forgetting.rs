//! Persons are forgotten on every node, and their keys do not come back.

use super::{World, contract};
use contract::forgetting::{self, erasing, personal};
use contract::{TENANT, fresh_id, fresh_stream, to};
use futures::{StreamExt, TryStreamExt};
use sqlx::Executor;
use std::time::{Duration, Instant};
use store::postgres::{PostgresStore, Role};
use store::{Direction, EventStore, Expected, Filter, Personal, ReadStream, StreamId};

macro_rules! contract {
    ($($name:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let world = World::start().await;
            forgetting::$name(&*world.store).await;
        }
    )*};
}

contract! {
    an_erased_person_is_forgotten
    who_was_erased_without_a_key_gets_none
    a_person_is_erased_as_a_whole
    erasing_is_told_by_an_event
    an_erasure_counts_within_its_batch
    what_waits_for_a_reader_is_forgotten_too
}

async fn first_of(store: &PostgresStore, stream: StreamId) -> Personal {
    let read = ReadStream { tenant: TENANT, stream, from: 1, direction: Direction::Forwards, limit: 1, reveal: true };
    let events: Vec<_> = store.read_stream(read).try_collect().await.expect("read");
    events[0].personal.clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_with_the_key_in_memory_forgets_it_when_another_erases() {
    let world = World::start().await;
    let other = world.second_node().await;
    let mut follows = other.subscribe(store::Position(0), Filter::default(), true);
    let (stream, subject) = (fresh_stream("contract"), fresh_id());
    world.store.append(to(stream, Expected::NoStream, vec![personal(subject)])).await.expect("kept");
    assert_eq!(first_of(&other, stream).await, Personal::Opened("Ana".into()), "its key is in memory now");
    let erased = world.store.append(erasing(stream, &[subject])).await.expect("erased").last;
    let begun = Instant::now();
    while other.seen() < erased {
        tokio::time::timeout(Duration::from_secs(5), follows.next()).await.expect("in time");
    }
    assert_eq!(first_of(&other, stream).await, Personal::Erased);
    assert!(begun.elapsed() < Duration::from_secs(5), "not by the time-out of the cache, which is a minute");
    assert_eq!(first_of(&world.store, stream).await, Personal::Erased);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_was_destroyed_does_not_come_back() {
    let world = World::start().await;
    let (stream, subject) = (fresh_stream("contract"), fresh_id());
    world.store.append(to(stream, Expected::NoStream, vec![personal(subject)])).await.expect("kept");
    world.store.append(erasing(stream, &[subject])).await.expect("erased");
    let mut engine = world.as_role(Role::Engine).await;
    let refused = engine.execute("update subject_keys set wrapped_key = '\\x01', erased_at = null").await;
    assert!(refused.is_err_and(|error| error.to_string().contains("does not come back")));
    let refused = engine.execute("delete from subject_keys").await;
    assert!(refused.is_err_and(|error| error.to_string().contains("permission denied")));
}
