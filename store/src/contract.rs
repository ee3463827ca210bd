//! What every engine must do: a suite of checks that an engine's tests run one by one.
//!
//! Each function takes an open store and leaves nothing behind that would disturb another one, so that all can run against
//! one log at once. [`Capabilities`](crate::Capabilities) says which of them apply.

pub mod forgetting;

use crate::{
    AppendError, AppendRequest, Appended, ClaimChange, ClaimKey, Direction, EventStore, Expected, Filter, Identity,
    Metadata, NewEvent, OtherName, Personal, Position, ReadAll, ReadStream, RecordedEvent, Repeat, Scan, ScannedEvent,
    Signal, SignalStream, Snapshot, StoreError, StreamAppend, StreamId, SubjectChanges, TenantId, TypePattern, Version,
};
use chrono::DateTime;
use futures::{StreamExt, TryStreamExt};
use std::collections::HashSet;
use uuid::Uuid;

/// The tenant the checks write for.
pub const TENANT: TenantId = TenantId(7);

/// A stream nobody has used yet.
#[must_use]
pub fn fresh_stream(category: &'static str) -> StreamId {
    StreamId { category, id: fresh_id() }
}

/// An id nobody has used yet.
#[must_use]
pub fn fresh_id() -> Uuid {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system gives randomness");
    Uuid::from_bytes(bytes)
}

/// An event that says `n`.
#[must_use]
pub fn happened(n: i64) -> NewEvent {
    NewEvent {
        event_type: "contract.happened",
        schema_version: 1,
        occurred_at: DateTime::from_timestamp_micros(900_000_000_000_000 + n).unwrap_or_default(),
        once_id: None,
        subject_id: None,
        customer_id: None,
        payload: format!("{{\"n\":{n}}}"),
        personal: None,
    }
}

/// An append of some events to one stream.
#[must_use]
pub fn to(stream: StreamId, expected: Expected, events: Vec<NewEvent>) -> AppendRequest {
    AppendRequest {
        tenant: TENANT,
        metadata: Metadata { actor: "contract".into(), ..Metadata::default() },
        identity: Identity::default(),
        other_names: Vec::new(),
        streams: vec![StreamAppend { stream, expected, events }],
        claims: Vec::new(),
        subjects: SubjectChanges::default(),
        outcome: None,
        rests_on: Vec::new(),
    }
}

fn keyed(mut request: AppendRequest, command_id: Uuid, fingerprint: u8) -> AppendRequest {
    request.identity = Identity { command_id: Some(command_id), once_id: None, fingerprint: [fingerprint; 16] };
    request
}

fn all_of(stream: StreamId) -> ReadStream {
    ReadStream { tenant: TENANT, stream, from: 1, direction: Direction::Forwards, limit: u64::MAX, reveal: true }
}

async fn read(store: &dyn EventStore, read: ReadStream) -> Vec<RecordedEvent> {
    store.read_stream(read).try_collect().await.expect("the stream reads")
}

async fn append(store: &dyn EventStore, request: AppendRequest) -> Appended {
    store.append(request).await.expect("the append is kept")
}

fn versions(events: &[RecordedEvent]) -> Vec<Version> {
    events.iter().map(|event| event.version).collect()
}

/// What is appended is read again, forwards, backwards, from a version, limited.
pub async fn a_stream_reads_as_it_was_written(store: &dyn EventStore) {
    let stream = fresh_stream("contract");
    let count = 2_500;
    for start in (1..=count).step_by(500) {
        let events = (start..start + 500).map(happened).collect();
        append(store, to(stream, Expected::Exact(start as Version - 1), events)).await;
    }
    let events = read(store, all_of(stream)).await;
    assert_eq!(versions(&events), (1..=count as Version).collect::<Vec<_>>());
    assert!(events.windows(2).all(|pair| pair[0].position < pair[1].position));
    assert_eq!(&*events[41].payload, "{\"n\":42}");
    assert_eq!(events[41].occurred_at, happened(42).occurred_at);
    assert_eq!((events[41].stream, events[41].event_type, events[41].tenant), (stream, "contract.happened", TENANT));
    let backwards = ReadStream { from: 1_200, direction: Direction::Backwards, limit: 1_100, ..all_of(stream) };
    assert_eq!(versions(&read(store, backwards).await), (101..=1_200).rev().collect::<Vec<_>>());
    let some = ReadStream { from: 2_499, limit: 10, ..all_of(stream) };
    assert_eq!(versions(&read(store, some).await), [2_499, 2_500]);
    let foreign = ReadStream { tenant: TenantId(8), ..all_of(stream) };
    assert!(read(store, foreign).await.is_empty(), "another tenant's stream reads as empty");
}

/// Each expectation holds or is refused with the stream and both versions.
pub async fn expected_versions_are_kept(store: &dyn EventStore) {
    let stream = fresh_stream("contract");
    append(store, to(stream, Expected::NoStream, vec![happened(1)])).await;
    append(store, to(stream, Expected::Exact(1), vec![happened(2)])).await;
    append(store, to(stream, Expected::Any, vec![happened(3)])).await;
    for wrong in [Expected::NoStream, Expected::Exact(2), Expected::Exact(4)] {
        let refused = store.append(to(stream, wrong, vec![happened(9)])).await;
        let Err(AppendError::Conflict { stream: at, expected, actual }) = refused else {
            panic!("{wrong:?} was not refused: {refused:?}")
        };
        assert_eq!((at, expected, actual), (stream, wrong, 3));
    }
    assert_eq!(read(store, all_of(stream)).await.len(), 3);
}

/// Streams have begun with their first event, for their tenant, in their category.
pub async fn streams_begin_with_their_first_event(store: &dyn EventStore) {
    let (begun, other) = (fresh_stream("contract"), fresh_stream("contract"));
    append(store, to(begun, Expected::NoStream, vec![happened(1), happened(2)])).await;
    let elsewhere = StreamId { category: "contract.nobody_wrote", ..begun };
    let asked = [other, begun, elsewhere];
    assert_eq!(store.begun(TENANT, &asked).await.expect("known"), [false, true, false]);
    assert_eq!(store.begun(TenantId(8), &asked).await.expect("known"), [false; 3]);
}

/// A check without events holds or is refused like an append, and writes nothing.
pub async fn a_check_writes_nothing(store: &dyn EventStore) {
    let stream = fresh_stream("contract");
    append(store, to(stream, Expected::NoStream, vec![happened(1)])).await;
    let held = append(store, to(stream, Expected::Exact(1), vec![])).await;
    assert!(held.first == held.last && held.last >= Position(1));
    let refused = store.append(to(stream, Expected::NoStream, vec![])).await;
    assert!(matches!(refused, Err(AppendError::Conflict { actual: 1, .. })), "{refused:?}");
    assert_eq!(read(store, all_of(stream)).await.len(), 1);
}

/// Several streams are appended together or not at all.
pub async fn several_streams_are_one_append(store: &dyn EventStore) {
    let (first, second) = (fresh_stream("contract"), fresh_stream("contract_other"));
    let mut request = to(first, Expected::NoStream, vec![happened(1), happened(2)]);
    let other = StreamAppend { stream: second, expected: Expected::NoStream, events: vec![happened(3)] };
    request.streams.push(other);
    let appended = append(store, request.clone()).await;
    assert_eq!(appended.last.0 - appended.first.0, 2, "the positions of one append follow each other");
    assert_eq!(read(store, all_of(second)).await[0].position, appended.last);
    request.streams[0].expected = Expected::Exact(2);
    let refused = store.append(request).await;
    assert!(matches!(refused, Err(AppendError::Conflict { stream, .. }) if stream == second), "{refused:?}");
    assert_eq!(read(store, all_of(first)).await.len(), 2, "the other stream was left alone");
}

/// Of many concurrent appends that expect the same version one wins; positions have no gap.
pub async fn one_of_many_wins(store: &dyn EventStore) {
    let stream = fresh_stream("contract");
    let attempts = (0..64).map(|n| store.append(to(stream, Expected::NoStream, vec![happened(n)])));
    let outcomes = futures::future::join_all(attempts).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(_) | Err(AppendError::Conflict { actual: 1, .. }))));
    let streams = (0..200).map(|n| store.append(to(fresh_stream("contract"), Expected::NoStream, vec![happened(n)])));
    futures::future::join_all(streams).await.into_iter().collect::<Result<Vec<_>, _>>().expect("kept");
    let read = ReadAll { after: Position(0), filter: Filter::default(), limit: u64::MAX, reveal: false };
    let positions: Vec<i64> =
        store.read_all(read).map_ok(|event| event.position.0).try_collect().await.expect("the log reads");
    assert!(positions.iter().enumerate().all(|(index, position)| *position == index as i64 + 1), "dense from 1");
}

/// A repeat is recognised by its key and answered with what the first one did; the key with another request is refused.
pub async fn a_repeat_is_recognised(store: &dyn EventStore) {
    let (stream, key) = (fresh_stream("contract"), fresh_id());
    let request = || keyed(to(stream, Expected::NoStream, vec![happened(1), happened(2)]), key, 1);
    let (one, two) = tokio::join!(store.append(request()), store.append(request()));
    let first = one.expect("the first is kept");
    let expected = Repeat::Events { first: first.first, count: 2 };
    assert!(matches!(two, Err(AppendError::Repeated(repeat)) if repeat == expected));
    let later = store.append(request()).await;
    assert!(matches!(&later, Err(AppendError::Repeated(repeat)) if *repeat == expected), "{later:?}");
    let doomed = store.submit(to(stream, Expected::NoStream, vec![happened(9)]));
    let resting = AppendRequest { rests_on: vec![doomed.ticket()], ..request() };
    let resting = store.append(resting).await;
    assert!(matches!(resting, Err(AppendError::Repeated(_))), "a repeat is one whatever it rests on: {resting:?}");
    let other = store.append(keyed(to(fresh_stream("contract"), Expected::NoStream, vec![happened(1)]), key, 2)).await;
    assert!(matches!(other, Err(AppendError::KeyReused)), "{other:?}");
    assert_eq!(read(store, all_of(stream)).await.len(), 2);
    let events = read(store, all_of(stream)).await;
    assert_eq!(events.iter().map(|event| event.command_id).collect::<Vec<_>>(), [Some(key), None]);
}

/// A keyed command that made no event leaves its answer.
pub async fn an_answer_without_events_is_kept(store: &dyn EventStore) {
    let (stream, key) = (fresh_stream("contract"), fresh_id());
    let mut request = keyed(to(stream, Expected::NoStream, vec![]), key, 1);
    request.outcome = Some("{\"refused\":true}".into());
    append(store, request.clone()).await;
    let again = store.append(request.clone()).await;
    let expected = Repeat::Outcome("{\"refused\":true}".into());
    assert!(matches!(&again, Err(AppendError::Repeated(repeat)) if *repeat == expected), "{again:?}");
    request.identity.fingerprint = [2; 16];
    let reused = store.append(request).await;
    assert!(matches!(reused, Err(AppendError::KeyReused)), "{reused:?}");
}

/// A once-only fact is in the log once, and leads to the command that made it.
pub async fn a_once_only_fact_happens_once(store: &dyn EventStore) {
    let (stream, fact) = (fresh_stream("contract"), fresh_id());
    let mut request = to(stream, Expected::Any, vec![happened(1), NewEvent { once_id: Some(fact), ..happened(2) }]);
    request.identity = Identity { command_id: None, once_id: Some(fact), fingerprint: [1; 16] };
    let first = append(store, request.clone()).await;
    let again = store.append(request.clone()).await;
    let expected = Repeat::Events { first: first.first, count: 2 };
    assert!(matches!(&again, Err(AppendError::Repeated(repeat)) if *repeat == expected), "{again:?}");
    let unknown = Identity { once_id: Some(fresh_id()), ..request.identity };
    let other = Identity { fingerprint: [2; 16], ..request.identity };
    let recorded = store.recorded(TENANT, &[unknown, request.identity, other]).await.expect("read");
    assert_eq!(recorded, [false, store.capabilities().idempotency_answers, false]);
    request.identity.fingerprint = [2; 16];
    let other = store.append(request.clone()).await;
    assert!(matches!(other, Err(AppendError::AlreadyHappened { position, .. }) if position == first.last), "{other:?}");
    request.identity.once_id = None;
    let carried = store.append(request).await;
    assert!(matches!(carried, Err(AppendError::AlreadyHappened { once_id, .. }) if once_id == fact), "{carried:?}");
    assert_eq!(read(store, all_of(stream)).await.len(), 2);
}

/// A fact that happened under another name has happened: the same request is a repeat, another one about it is refused, and so is an
/// event that would record it again, by the name under which it was asked.
pub async fn a_fact_happens_once_under_all_its_names(store: &dyn EventStore) {
    let (stream, before, now) = (fresh_stream("contract"), fresh_id(), fresh_id());
    let mut first = to(stream, Expected::Any, vec![NewEvent { once_id: Some(before), ..happened(1) }]);
    first.identity = Identity { command_id: None, once_id: Some(before), fingerprint: [1; 16] };
    let made = append(store, first).await;
    let mut request = to(stream, Expected::Any, vec![NewEvent { once_id: Some(now), ..happened(2) }]);
    request.identity = Identity { command_id: None, once_id: Some(now), fingerprint: [2; 16] };
    let unused = OtherName { of: now, once_id: fresh_id(), fingerprint: [1; 16] };
    request.other_names = vec![unused, OtherName { of: now, once_id: before, fingerprint: [1; 16] }];
    let again = store.append(request.clone()).await;
    let expected = Repeat::Events { first: made.first, count: 1 };
    assert!(matches!(&again, Err(AppendError::Repeated(repeat)) if *repeat == expected), "{again:?}");
    let happened_before = |answer: Result<Appended, AppendError>| {
        let told = matches!(&answer, Err(AppendError::AlreadyHappened { once_id, position })
            if (*once_id, *position) == (now, made.first));
        assert!(told, "{answer:?}");
    };
    request.other_names[1].fingerprint = [3; 16];
    happened_before(store.append(request.clone()).await);
    request.identity.once_id = None;
    happened_before(store.append(request.clone()).await);
    request.other_names.pop();
    append(store, request).await;
}

/// A key that first came with a fact that had happened before belongs to that request.
pub async fn a_key_belongs_to_its_first_request(store: &dyn EventStore) {
    let (stream, fact, key) = (fresh_stream("contract"), fresh_id(), fresh_id());
    let mut request = to(stream, Expected::Any, vec![NewEvent { once_id: Some(fact), ..happened(1) }]);
    request.identity = Identity { command_id: None, once_id: Some(fact), fingerprint: [1; 16] };
    let first = append(store, request.clone()).await;
    let expected = Repeat::Events { first: first.first, count: 1 };
    request.identity.command_id = Some(key);
    for _ in 0..2 {
        let again = store.append(request.clone()).await;
        assert!(matches!(&again, Err(AppendError::Repeated(repeat)) if *repeat == expected), "{again:?}");
    }
    let reused = store.append(keyed(to(stream, Expected::Any, vec![happened(3)]), key, 7)).await;
    assert!(matches!(reused, Err(AppendError::KeyReused)), "{reused:?}");
}

/// Who rests on a refused request is refused, even where the versions would fit by chance.
pub async fn who_rests_on_a_refused_request_is_refused(store: &dyn EventStore) {
    let stream = fresh_stream("contract");
    append(store, to(stream, Expected::NoStream, vec![happened(1)])).await;
    let doomed = store.submit(to(stream, Expected::NoStream, vec![happened(2)]));
    let mut resting = to(stream, Expected::Exact(1), vec![happened(3)]);
    resting.rests_on = vec![doomed.ticket()];
    let resting = store.submit(resting);
    let mut above = to(fresh_stream("contract"), Expected::NoStream, vec![happened(4)]);
    above.rests_on = vec![resting.ticket()];
    let above = store.submit(above);
    let free = store.submit(to(stream, Expected::Exact(1), vec![happened(5)]));
    assert!(matches!(doomed.verdict().await, Err(AppendError::Conflict { .. })));
    assert!(matches!(resting.verdict().await, Err(AppendError::Undermined)));
    assert!(matches!(above.verdict().await, Err(AppendError::Undermined)));
    free.verdict().await.expect("who rests on nothing is judged alone");
    assert_eq!(&*read(store, all_of(stream)).await[1].payload, "{\"n\":5}");
}

/// A request may rest on one that is still under way, and both are kept.
pub async fn who_rests_on_a_kept_request_is_kept(store: &dyn EventStore) {
    let stream = fresh_stream("contract");
    let mut receipts: Vec<crate::Receipt> = Vec::new();
    for n in 0..100 {
        let mut request = to(stream, Expected::Exact(n), vec![happened(i64::from(n))]);
        request.rests_on = receipts.last().map(crate::Receipt::ticket).into_iter().collect();
        receipts.push(store.submit(request));
    }
    for receipt in receipts {
        receipt.verdict().await.expect("kept");
    }
    assert_eq!(read(store, all_of(stream)).await.len(), 100);
}

/// A claim has one owner per tenant; it is taken and released with the events that say so.
pub async fn a_claim_has_one_owner(store: &dyn EventStore) {
    let key = ClaimKey { kind: "email".into(), value: format!("{}@example.org", fresh_id()) };
    let claim = |owner: Uuid, take: bool| {
        let mut request = to(fresh_stream("contract"), Expected::NoStream, vec![happened(1)]);
        let key = key.clone();
        request.claims = vec![match take {
            true => ClaimChange::Take { key, owner },
            false => ClaimChange::Release { key, owner },
        }];
        request
    };
    let (ana, ben) = (fresh_id(), fresh_id());
    let (one, two) = tokio::join!(store.append(claim(ana, true)), store.append(claim(ben, true)));
    one.expect("the first takes it");
    assert!(matches!(two, Err(AppendError::Claimed { owner, .. }) if owner == ana));
    append(store, claim(ana, true)).await;
    append(store, claim(ben, false)).await;
    assert_eq!(store.claim_owners(TENANT, std::slice::from_ref(&key)).await.expect("read"), [Some(ana)]);
    assert_eq!(store.claim_owners(TenantId(8), std::slice::from_ref(&key)).await.expect("read"), [None]);
    let (released, taken) = tokio::join!(store.append(claim(ana, false)), store.append(claim(ben, true)));
    released.expect("released");
    taken.expect("taken by another in the same breath");
    assert_eq!(store.claim_owners(TENANT, std::slice::from_ref(&key)).await.expect("read"), [Some(ben)]);
    let mut hands_over = claim(ben, false);
    hands_over.claims.push(ClaimChange::Take { key: key.clone(), owner: ana });
    append(store, hands_over.clone()).await;
    assert_eq!(store.claim_owners(TENANT, std::slice::from_ref(&key)).await.expect("read"), [Some(ana)]);
    hands_over.claims[0] = ClaimChange::Take { key: key.clone(), owner: ana };
    hands_over.claims[1] = ClaimChange::Take { key: key.clone(), owner: ben };
    hands_over.streams = claim(ben, true).streams;
    assert!(matches!(store.append(hands_over).await, Err(AppendError::Claimed { owner, .. }) if owner == ana));
}

/// Personal data comes back to who asks to open it, and only then.
pub async fn personal_data_is_sealed(store: &dyn EventStore) {
    let (stream, subject) = (fresh_stream("contract"), fresh_id());
    let personal =
        |text: &str| NewEvent { subject_id: Some(subject), personal: Some(text.as_bytes().to_vec()), ..happened(1) };
    append(store, to(stream, Expected::NoStream, vec![personal("Ana"), happened(2)])).await;
    append(store, to(stream, Expected::Exact(2), vec![personal("Bea")])).await;
    let events = read(store, all_of(stream)).await;
    let opened: Vec<_> = events.iter().map(|event| &event.personal).collect();
    let plain = |text: &'static str| Personal::Opened(bytes::Bytes::from_static(text.as_bytes()));
    assert_eq!(opened, [&plain("Ana"), &Personal::Absent, &plain("Bea")]);
    let sealed = read(store, ReadStream { reveal: false, ..all_of(stream) }).await;
    assert!(matches!(&sealed[0].personal, Personal::Sealed(bytes) if !bytes.windows(3).any(|part| part == b"Ana")));
    let orphan = NewEvent { subject_id: None, ..personal("Cid") };
    let refused = store.append(to(stream, Expected::Any, vec![orphan])).await;
    assert!(matches!(refused, Err(AppendError::Invalid(_))), "{refused:?}");
}

/// The log is read in order, filtered, limited.
pub async fn the_whole_log_is_read_by_filter(store: &dyn EventStore) {
    let customer = fresh_id();
    let mine = |event_type: &'static str| NewEvent { event_type, customer_id: Some(customer), ..happened(1) };
    let stream = fresh_stream("contract_filter");
    let types = ["contract.a.x", "contract.a.y", "contract.b.x"];
    let first = append(store, to(stream, Expected::NoStream, types.map(mine).to_vec())).await;
    let found = |filter: Filter, limit: u64| {
        let read = ReadAll { after: Position(first.first.0 - 1), filter, limit, reveal: false };
        store.read_all(read).map_ok(|event| event.event_type).try_collect::<Vec<_>>()
    };
    let of_customer = Filter { customer: Some(customer), ..Filter::default() };
    assert_eq!(found(of_customer.clone(), 9).await.expect("read"), types);
    assert_eq!(found(of_customer.clone(), 2).await.expect("read"), types[..2]);
    let prefix = Filter { types: vec![TypePattern::parse("contract.a.*")], ..of_customer.clone() };
    assert_eq!(found(prefix, 9).await.expect("read"), types[..2]);
    let nothing = Filter { types: vec![TypePattern::parse("no.such.type")], ..of_customer.clone() };
    assert!(found(nothing, 9).await.expect("read").is_empty());
    let foreign = Filter { tenant: Some(TenantId(8)), ..of_customer.clone() };
    assert!(found(foreign, 9).await.expect("read").is_empty());
    let category = Filter { categories: vec!["contract_filter"], ..of_customer };
    assert_eq!(found(category, 9).await.expect("read"), types);
    let one = Filter { stream: Some(stream), ..Filter::default() };
    assert_eq!(found(one, 9).await.expect("read"), types);
}

/// A subscription catches up, says so, goes on live, skips nothing and repeats nothing.
pub async fn a_subscription_skips_nothing(store: &dyn EventStore) {
    skips_nothing(store, |after, filter| store.subscribe(after, filter, false)).await;
}

/// And so does one of a reader outside.
pub async fn a_feed_skips_nothing(store: &dyn EventStore) {
    skips_nothing(store, |after, filter| store.feed(after, filter, false)).await;
}

async fn skips_nothing(store: &dyn EventStore, subscribe: impl Fn(Position, Filter) -> SignalStream) {
    let stream = fresh_stream("contract");
    let filter = Filter { stream: Some(stream), ..Filter::default() };
    append(store, to(stream, Expected::NoStream, (1..=1_500).map(happened).collect())).await;
    let mut signals = subscribe(Position(0), filter);
    let (mut seen, mut caught_up) = (Vec::new(), false);
    for n in 1_501..=1_600 {
        append(store, to(stream, Expected::Exact(n - 1), vec![happened(i64::from(n))])).await;
    }
    while seen.len() < 1_600 || !caught_up {
        match signals.next().await.expect("the subscription goes on").expect("it reads") {
            Signal::Events { events, through } => {
                assert!(events.last().is_none_or(|last| last.position <= through));
                seen.extend(events.iter().map(|event| event.version));
            }
            Signal::CaughtUp(_) => assert!(!std::mem::replace(&mut caught_up, true), "said once"),
        }
    }
    assert_eq!(seen, (1..=1_600).collect::<Vec<Version>>());
    let head = store.head().await.expect("the head reads");
    let mut beyond = subscribe(Position(head.0 + 1_000_000), Filter::default());
    let refused = beyond.next().await.expect("it says why");
    assert!(matches!(refused, Err(StoreError::BeyondHead { .. })), "{refused:?}");
}

/// Snapshots come back for the version of the aggregate that wrote them, and never an older one after a newer.
pub async fn a_snapshot_is_kept(store: &dyn EventStore) {
    let (stream, subject) = (fresh_stream("contract"), fresh_id());
    let event = NewEvent { subject_id: Some(subject), personal: Some(b"x".to_vec()), ..happened(1) };
    append(store, to(stream, Expected::NoStream, vec![event])).await;
    let at = |stream_version: Version, subject_id| Snapshot {
        aggregate_version: 3,
        stream_version,
        subject_id,
        state: format!("state {stream_version}").into_bytes(),
    };
    assert_eq!(store.load_snapshot(TENANT, &stream, 3).await.expect("read"), None);
    store.save_snapshot(TENANT, &stream, at(5, Some(subject))).await.expect("kept");
    store.save_snapshot(TENANT, &stream, at(4, None)).await.expect("ignored");
    assert_eq!(store.load_snapshot(TENANT, &stream, 3).await.expect("read"), Some(at(5, Some(subject))));
    assert_eq!(store.load_snapshot(TENANT, &stream, 4).await.expect("read"), None, "another aggregate version");
    assert_eq!(store.load_snapshot(TenantId(8), &stream, 3).await.expect("read"), None, "another tenant");
    store.save_snapshot(TENANT, &stream, at(6, None)).await.expect("kept");
    assert_eq!(store.load_snapshot(TENANT, &stream, 3).await.expect("read"), Some(at(6, None)));
}

/// What cannot be stored is refused at once and disturbs nobody.
pub async fn what_cannot_be_stored_is_refused(store: &dyn EventStore) {
    let bad = [
        NewEvent { payload: "x".repeat(5 * 1024 * 1024), ..happened(1) },
        NewEvent { payload: "a zero \0 byte".into(), ..happened(1) },
        NewEvent { schema_version: 0, ..happened(1) },
        NewEvent { event_type: "", ..happened(1) },
        NewEvent { occurred_at: DateTime::<chrono::Utc>::MIN_UTC, ..happened(1) },
    ];
    for event in bad {
        let good = store.submit(to(fresh_stream("contract"), Expected::NoStream, vec![happened(1)]));
        let refused = store.append(to(fresh_stream("contract"), Expected::NoStream, vec![event])).await;
        assert!(matches!(refused, Err(AppendError::Invalid(_))), "{refused:?}");
        good.verdict().await.expect("its neighbour is kept");
    }
    let many = (0..10_001).map(happened).collect();
    let refused = store.append(to(fresh_stream("contract"), Expected::NoStream, many)).await;
    assert!(matches!(refused, Err(AppendError::Invalid(_))), "{refused:?}");
}

/// A scan says what the log says, to the position asked for; personal parts and metadata only when they are asked for.
pub async fn a_scan_reads_what_the_log_says(store: &dyn EventStore) {
    let subject = fresh_id();
    let sealed = NewEvent { personal: Some(b"{\"name\":\"Ada\"}".to_vec()), subject_id: Some(subject), ..happened(1) };
    append(store, to(fresh_stream("contract"), Expected::NoStream, vec![sealed])).await;
    let many = NewEvent { event_type: "contract.scan.many", customer_id: Some(subject), ..happened(2) };
    let stream = fresh_stream("contract_scan");
    for _ in 0..2 {
        append(store, to(stream, Expected::Any, vec![many.clone(); 4_500])).await;
    }
    let through = store.head().await.expect("a head");
    for (reveal, metadata) in [(true, false), (false, true)] {
        for types in [vec![], vec![TypePattern::parse("contract.scan.*")], vec![TypePattern::parse("no.such.type")]] {
            let read =
                ReadAll { after: Position(0), filter: Filter { types, ..Filter::default() }, limit: u64::MAX, reveal };
            let scan = Scan { after: Position(0), through, types: read.filter.types.clone(), reveal, metadata };
            let events: Vec<RecordedEvent> = store.read_all(read).try_collect().await.expect("the log reads");
            let events = events.into_iter().filter(|event| event.position <= through);
            let expected: Vec<_> = events.map(|event| ScannedEvent::of(event, reveal, metadata)).collect();
            assert!(scanned(store, scan).await == expected, "a scan of {} events differs", expected.len());
        }
    }
    let beyond = Scan { after: Position(i64::MAX - 1), through, types: vec![], reveal: false, metadata: false };
    let refused = store.scan(beyond).try_next().await.err();
    assert!(matches!(refused, Some(StoreError::BeyondHead { .. })), "{refused:?}");
}

async fn scanned(store: &dyn EventStore, scan: Scan) -> Vec<ScannedEvent> {
    let pages: Vec<_> = store.scan(scan).try_collect().await.expect("the pages are read");
    futures::future::try_join_all(pages).await.expect("the pages open").concat()
}

/// Every id in the log is its own.
pub async fn ids_are_unique(store: &dyn EventStore) {
    let read = ReadAll { after: Position(0), filter: Filter::default(), limit: 5_000, reveal: false };
    let ids: Vec<String> = store.read_all(read).map_ok(|event| event.id()).try_collect().await.expect("read");
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
}
