//! Persons are forgotten: in one append, as a whole, for good.

use super::{TENANT, all_of, append, fresh_id, fresh_stream, happened, read, to};
use crate::{
    AppendError, AppendRequest, ClaimChange, ClaimKey, EventStore, Expected, NewEvent, Personal, Position, Signal,
    Snapshot, StreamId, SubjectChanges, TenantId,
};
use futures::StreamExt;
use uuid::Uuid;

/// An event with something personal of a subject.
#[must_use]
pub fn personal(subject: Uuid) -> NewEvent {
    NewEvent { subject_id: Some(subject), personal: Some(b"Ana".to_vec()), ..happened(1) }
}

/// An append that erases these subjects, with the events that say so.
#[must_use]
pub fn erasing(stream: StreamId, subjects: &[Uuid]) -> AppendRequest {
    let told = |subject: &Uuid| NewEvent { event_type: "contract.erased", subject_id: Some(*subject), ..happened(9) };
    let events = subjects.iter().map(told).collect();
    let subjects = SubjectChanges { links: Vec::new(), erases: subjects.to_vec() };
    AppendRequest { subjects, ..to(stream, Expected::Any, events) }
}

fn linking(one: Uuid, other: Uuid) -> AppendRequest {
    let subjects = SubjectChanges { links: vec![(one, other)], erases: Vec::new() };
    AppendRequest { subjects, ..to(fresh_stream("contract"), Expected::Any, vec![happened(5)]) }
}

fn claim(value: Uuid) -> ClaimKey {
    ClaimKey { kind: "email".to_owned(), value: value.to_string() }
}

fn taking(key: ClaimKey, owner: Uuid) -> AppendRequest {
    let request = to(fresh_stream("contract"), Expected::Any, vec![happened(6)]);
    AppendRequest { claims: vec![ClaimChange::Take { key, owner }], ..request }
}

/// Nothing opens any more, nothing more is taken in, claims are free, snapshots are gone; what is not personal stays.
pub async fn an_erased_person_is_forgotten(store: &dyn EventStore) {
    let (stream, subject, key) = (fresh_stream("contract"), fresh_id(), claim(fresh_id()));
    append(store, to(stream, Expected::NoStream, vec![personal(subject), happened(2)])).await;
    append(store, taking(key.clone(), subject)).await;
    let snapshot =
        Snapshot { aggregate_version: 1, stream_version: 2, subject_id: Some(subject), state: b"Ana".to_vec() };
    store.save_snapshot(TENANT, &stream, snapshot.clone()).await.expect("kept");
    append(store, erasing(stream, &[subject])).await;
    let events = read(store, all_of(stream)).await;
    assert_eq!(events[0].personal, Personal::Erased);
    assert_eq!((events[1].payload.as_ref(), &events[1].personal), ("{\"n\":2}", &Personal::Absent));
    assert_eq!(events[2].erases(), Some((TENANT, subject)));
    let refused = store.append(to(stream, Expected::Any, vec![personal(subject)])).await;
    assert!(matches!(refused, Err(AppendError::SubjectErased(id)) if id == subject), "{refused:?}");
    append(store, to(stream, Expected::Any, vec![happened(3)])).await;
    assert_eq!(store.load_snapshot(TENANT, &stream, 1).await.expect("read"), None);
    store.save_snapshot(TENANT, &stream, snapshot).await.expect("not kept");
    assert_eq!(store.load_snapshot(TENANT, &stream, 1).await.expect("read"), None);
    assert_eq!(store.claim_owners(TENANT, std::slice::from_ref(&key)).await.expect("read"), [None]);
    append(store, taking(key, fresh_id())).await;
    append(store, erasing(stream, &[subject])).await; // once more changes nothing
}

/// Who never had personal data and is erased gets none afterwards; the same id of another tenant is another person.
pub async fn who_was_erased_without_a_key_gets_none(store: &dyn EventStore) {
    let (stream, subject) = (fresh_stream("contract"), fresh_id());
    append(store, erasing(stream, &[subject])).await;
    let refused = store.append(to(stream, Expected::Any, vec![personal(subject)])).await;
    assert!(matches!(refused, Err(AppendError::SubjectErased(_))), "{refused:?}");
    let elsewhere = to(fresh_stream("contract"), Expected::Any, vec![personal(subject)]);
    append(store, AppendRequest { tenant: TenantId(8), ..elsewhere }).await;
}

/// A person is erased as a whole, over all links, and nobody becomes one person with an erased one.
pub async fn a_person_is_erased_as_a_whole(store: &dyn EventStore) {
    let [one, other, third] = [fresh_id(), fresh_id(), fresh_id()];
    for subject in [one, other, third] {
        append(store, to(fresh_stream("contract"), Expected::Any, vec![personal(subject)])).await;
    }
    append(store, linking(one, other)).await;
    append(store, linking(third, other)).await;
    append(store, linking(third, other)).await;
    let mut linked = store.linked(TENANT, one).await.expect("read");
    assert_eq!(linked[0], one);
    linked.sort_unstable();
    let mut all = vec![one, other, third];
    all.sort_unstable();
    assert_eq!(linked, all);
    let stream = fresh_stream("contract");
    let refused = store.append(erasing(stream, &[one, other])).await;
    assert!(matches!(refused, Err(AppendError::MoreLinked(id)) if id == third), "{refused:?}");
    append(store, erasing(stream, &all)).await;
    let refused = store.append(linking(fresh_id(), third)).await;
    assert!(matches!(refused, Err(AppendError::SubjectErased(id)) if id == third), "{refused:?}");
}

/// The log says who was erased, and erases who it says was.
pub async fn erasing_is_told_by_an_event(store: &dyn EventStore) {
    let (stream, subject) = (fresh_stream("contract"), fresh_id());
    let untold =
        AppendRequest { streams: to(stream, Expected::Any, vec![happened(1)]).streams, ..erasing(stream, &[subject]) };
    let undone = AppendRequest { subjects: SubjectChanges::default(), ..erasing(stream, &[subject]) };
    for request in [untold, undone] {
        let refused = store.append(request).await;
        assert!(matches!(refused, Err(AppendError::Invalid(_))), "{refused:?}");
    }
    append(store, to(stream, Expected::NoStream, vec![personal(subject)])).await;
}

/// What travels in one batch is judged in its order: before the erasure, and after it.
pub async fn an_erasure_counts_within_its_batch(store: &dyn EventStore) {
    for _ in 0..20 {
        let (stream, subject, other, key) = (fresh_stream("contract"), fresh_id(), fresh_id(), claim(fresh_id()));
        let first = store.submit(to(stream, Expected::NoStream, vec![personal(subject)]));
        let taken = store.submit(taking(key.clone(), subject));
        let linked = store.submit(linking(subject, other));
        let partial = store.submit(erasing(stream, &[subject]));
        let erased = store.submit(erasing(stream, &[subject, other]));
        let late = store.submit(to(stream, Expected::Any, vec![personal(subject)]));
        let retaken = store.submit(taking(key.clone(), stream.id));
        for kept in [first, taken, linked, erased, retaken] {
            kept.verdict().await.expect("kept");
        }
        assert!(matches!(partial.verdict().await, Err(AppendError::MoreLinked(id)) if id == other));
        assert!(matches!(late.verdict().await, Err(AppendError::SubjectErased(id)) if id == subject));
        assert_eq!(read(store, all_of(stream)).await[0].personal, Personal::Erased);
        assert_eq!(store.claim_owners(TENANT, &[key]).await.expect("read"), [Some(stream.id)]);
    }
}

/// What waits to be handed to a reader when its person is erased is handed over without what was personal.
pub async fn what_waits_for_a_reader_is_forgotten_too(store: &dyn EventStore) {
    let (stream, subject) = (fresh_stream("contract"), fresh_id());
    let filter = crate::Filter { stream: Some(stream), ..crate::Filter::default() };
    let head = store.head().await.expect("the head reads");
    let mut readers = [store.subscribe(head, filter.clone(), true), store.feed(head, filter, true)];
    append(store, to(stream, Expected::NoStream, vec![personal(subject)])).await;
    let first = next_event(&mut readers[0]).await;
    assert_eq!(first, Personal::Opened("Ana".into()));
    append(store, to(stream, Expected::Any, vec![personal(subject)])).await;
    let through = append(store, erasing(stream, &[subject])).await.last;
    let mut own = store.subscribe(Position(through.0 - 1), crate::Filter::default(), false);
    own.next().await; // the node has seen the erasure
    assert_eq!(next_event(&mut readers[0]).await, Personal::Erased, "of a projector");
    assert_eq!(next_event(&mut readers[1]).await, Personal::Erased, "of a reader outside");
}

async fn next_event(signals: &mut crate::SignalStream) -> Personal {
    loop {
        match signals.next().await.expect("it goes on").expect("it reads") {
            Signal::Events { events, .. } if events.is_empty() => {}
            Signal::Events { events, .. } => return events[0].personal.clone(),
            Signal::CaughtUp(_) => {}
        }
    }
}
