//! A small event store in memory whose every step a test can hold back, disturb or let fail.
//!
//! It judges as the contract of the store says. What a test holds back stays in a queue: requests that are not judged yet,
//! verdicts that are not told yet, streams that are not read yet.

use super::lineage::{self, Lineage, RequestId};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures::{StreamExt, stream};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use store::{
    AppendError, AppendRequest, Appended, Capabilities, ClaimChange, ClaimKey, EventStore, EventStream, Expected,
    Filter, NewEvent, Personal, Position, ReadAll, ReadStream, Receipt, RecordedEvent, Rendering, Repeat, SignalStream,
    Snapshot, StoreError, StreamId, TenantId, Version,
};
use tokio::sync::{Notify, oneshot};
use uuid::Uuid;

type Verdict = Result<Appended, AppendError>;

/// The store.
#[derive(Default)]
pub(crate) struct FakeStore {
    state: Mutex<Log>,
    read: Notify,
}

/// A failure to come.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The next request is not appended and gets this verdict.
    Refuse(AppendError),
    /// The next request is appended, but its verdict says that nobody knows.
    Forget,
}

#[derive(Default)]
struct Log {
    events: Vec<RecordedEvent>,
    claims: HashMap<(TenantId, ClaimKey), Uuid>,
    links: Vec<(Uuid, Uuid)>,
    commands: HashMap<Uuid, Made>,
    once: HashMap<Uuid, Made>,
    outcomes: HashMap<Uuid, ([u8; 16], String)>,
    refused: HashSet<RequestId>,
    snapshots: HashMap<(TenantId, StreamId), Snapshot>,
    faults: VecDeque<Fault>,
    unjudged: VecDeque<Submitted>,
    untold: VecDeque<(oneshot::Sender<Verdict>, Verdict)>,
    judging_held: bool,
    telling_held: bool,
    reading_held: bool,
    released: HashSet<StreamId>,
    reads: Vec<StreamId>,
    reading_fails: bool,
}

struct Submitted {
    request: AppendRequest,
    lineage: Option<Lineage>,
    verdict: oneshot::Sender<Verdict>,
}

#[derive(Debug, Clone, Copy)]
struct Made {
    fingerprint: [u8; 16],
    first: Position,
    position: Position,
    count: i32,
}

impl FakeStore {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Requests are judged, and verdicts told, only when the test says so.
    pub(crate) fn hold_judging(&self) {
        self.log().judging_held = true;
    }

    pub(crate) fn hold_telling(&self) {
        self.log().telling_held = true;
    }

    /// Streams are read only when the test lets them.
    pub(crate) fn hold_reading(&self) {
        self.log().reading_held = true;
    }

    pub(crate) fn release_reading_of(&self, stream: StreamId) {
        self.log().released.insert(stream);
        self.read.notify_waiters();
    }

    pub(crate) fn release_reading(&self) {
        self.log().reading_held = false;
        self.read.notify_waiters();
    }

    pub(crate) fn let_reading_fail(&self, fails: bool) {
        self.log().reading_fails = fails;
    }

    pub(crate) fn add_fault(&self, fault: Fault) {
        self.log().faults.push_back(fault);
    }

    /// Judges so many of the held requests, in order.
    pub(crate) fn judge(&self, count: usize) {
        let mut log = self.log();
        for _ in 0..count {
            let Some(submitted) = log.unjudged.pop_front() else { return };
            log.judge_and_tell(submitted);
        }
    }

    /// Tells so many of the held verdicts, in order.
    pub(crate) fn tell(&self, count: usize) {
        let mut log = self.log();
        for _ in 0..count {
            let Some((sender, verdict)) = log.untold.pop_front() else { return };
            let _ = sender.send(verdict);
        }
    }

    /// Nothing is held back any more.
    pub(crate) fn release(&self) {
        self.log().judging_held = false;
        self.judge(usize::MAX);
        self.log().telling_held = false;
        self.tell(usize::MAX);
        self.release_reading();
    }

    /// How many requests wait to be judged.
    pub(crate) fn unjudged(&self) -> usize {
        self.log().unjudged.len()
    }

    /// Another node appends, ahead of all that is not judged yet.
    pub(crate) fn append_elsewhere(&self, tenant: TenantId, stream: StreamId, events: &[NewEvent]) {
        let mut log = self.log();
        for event in events {
            log.record(tenant, stream, event, None);
        }
    }

    /// Another node's aggregate takes a claim.
    pub(crate) fn claim_elsewhere(&self, tenant: TenantId, key: ClaimKey, owner: Uuid) {
        self.log().claims.insert((tenant, key), owner);
    }

    pub(crate) fn events(&self) -> Vec<RecordedEvent> {
        self.log().events.clone()
    }

    pub(crate) fn events_of(&self, stream: StreamId) -> Vec<RecordedEvent> {
        self.events().into_iter().filter(|event| event.stream == stream).collect()
    }

    /// Streams in the order in which they were read.
    pub(crate) fn reads(&self) -> Vec<StreamId> {
        self.log().reads.clone()
    }

    pub(crate) fn snapshot_of(&self, tenant: TenantId, stream: StreamId) -> Option<Snapshot> {
        self.log().snapshots.get(&(tenant, stream)).cloned()
    }

    pub(crate) fn head_now(&self) -> Position {
        self.log().head()
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.state.lock().unwrap()
    }

    async fn wait_for_reading(self: &FakeStore, stream: StreamId) {
        loop {
            let released = self.read.notified();
            if !self.log().reading_held || self.log().released.contains(&stream) {
                return;
            }
            released.await;
        }
    }
}

impl Log {
    fn head(&self) -> Position {
        Position(self.events.len() as i64)
    }

    fn judge_and_tell(&mut self, submitted: Submitted) {
        let Submitted { request, lineage, verdict: sender } = submitted;
        let verdict = match self.faults.pop_front() {
            None => self.judge(&request, lineage.as_ref()),
            Some(Fault::Refuse(error)) => Err(error),
            Some(Fault::Forget) => match self.judge(&request, lineage.as_ref()) {
                Ok(_) => Err(AppendError::Unavailable("the connection died".into())),
                Err(error) => Err(error),
            },
        };
        if let (Err(_), Some(lineage)) = (&verdict, &lineage) {
            self.refused.insert(lineage.id);
        }
        match self.telling_held {
            true => self.untold.push_back((sender, verdict)),
            false => drop(sender.send(verdict)),
        }
    }

    fn judge(&mut self, request: &AppendRequest, lineage: Option<&Lineage>) -> Verdict {
        self.recognise(request)?;
        if lineage.is_some_and(|lineage| lineage.rests_on.iter().any(|id| self.refused.contains(id))) {
            return Err(AppendError::Undermined);
        }
        self.check_versions(request)?;
        self.check_once(request)?;
        self.check_claims(request)?;
        Ok(self.accept(request))
    }

    fn recognise(&self, request: &AppendRequest) -> Result<(), AppendError> {
        let identity = request.identity;
        if let Some(made) = identity.command_id.and_then(|id| self.commands.get(&id)) {
            return Err(if made.fingerprint == identity.fingerprint {
                made.repeated()
            } else {
                AppendError::KeyReused
            });
        }
        if let Some((fingerprint, body)) = identity.command_id.and_then(|id| self.outcomes.get(&id)) {
            let same = *fingerprint == identity.fingerprint;
            let repeated = AppendError::Repeated(Repeat::Outcome(body.clone()));
            return Err(if same { repeated } else { AppendError::KeyReused });
        }
        if let Some((once_id, made)) = identity.once_id.and_then(|id| Some((id, self.once.get(&id)?))) {
            let happened = AppendError::AlreadyHappened { once_id, position: made.position };
            return Err(if made.fingerprint == identity.fingerprint { made.repeated() } else { happened });
        }
        let mut happened = Ok(());
        for name in request.other_names.iter().filter(|name| Some(name.of) == identity.once_id) {
            let Some(made) = self.once.get(&name.once_id) else { continue };
            if made.fingerprint == name.fingerprint {
                return Err(made.repeated());
            }
            happened = happened.and(Err(AppendError::AlreadyHappened { once_id: name.of, position: made.position }));
        }
        happened
    }

    fn check_versions(&self, request: &AppendRequest) -> Result<(), AppendError> {
        for append in &request.streams {
            let actual = self.version(append.stream);
            let holds = match append.expected {
                Expected::Any => true,
                Expected::NoStream => actual == 0,
                Expected::Exact(version) => actual == version,
            };
            if !holds {
                return Err(AppendError::Conflict { stream: append.stream, expected: append.expected, actual });
            }
        }
        Ok(())
    }

    fn check_once(&self, request: &AppendRequest) -> Result<(), AppendError> {
        let once_ids = request.streams.iter().flat_map(|append| &append.events).filter_map(|event| event.once_id);
        for once_id in once_ids {
            let others = request.other_names.iter().filter(|name| name.of == once_id).map(|name| name.once_id);
            if let Some(made) = [once_id].into_iter().chain(others).find_map(|id| self.once.get(&id)) {
                return Err(AppendError::AlreadyHappened { once_id, position: made.position });
            }
        }
        Ok(())
    }

    fn check_claims(&self, request: &AppendRequest) -> Result<(), AppendError> {
        let mut released: Vec<(&ClaimKey, Uuid)> = Vec::new();
        for change in &request.claims {
            match change {
                ClaimChange::Release { key, owner } => released.push((key, *owner)),
                ClaimChange::Take { key, owner } => {
                    let holder = self.claims.get(&(request.tenant, key.clone())).copied();
                    let holder = holder.filter(|holder| !released.contains(&(key, *holder)));
                    if let Some(holder) = holder.filter(|holder| holder != owner) {
                        return Err(AppendError::Claimed { key: key.clone(), owner: holder });
                    }
                }
            }
        }
        Ok(())
    }

    fn accept(&mut self, request: &AppendRequest) -> Appended {
        for change in &request.claims {
            match change {
                ClaimChange::Take { key, owner } => drop(self.claims.insert((request.tenant, key.clone()), *owner)),
                ClaimChange::Release { key, .. } => drop(self.claims.remove(&(request.tenant, key.clone()))),
            }
        }
        self.links.extend(&request.subjects.links);
        let before = self.head();
        let count = request.streams.iter().map(|append| append.events.len()).sum::<usize>() as i32;
        let fingerprint = request.identity.fingerprint;
        let first = Position(before.0 + 1);
        for append in &request.streams {
            for event in &append.events {
                let position = Position(self.head().0 + 1);
                self.record(request.tenant, append.stream, event, Some(Made { fingerprint, first, position, count }));
            }
        }
        match (request.identity.command_id, &request.outcome) {
            (Some(id), _) if count > 0 => {
                self.commands.insert(id, Made { fingerprint, first, position: first, count });
            }
            (Some(id), Some(outcome)) => drop(self.outcomes.insert(id, (fingerprint, outcome.clone()))),
            (Some(_), None) | (None, _) => {}
        }
        let last = self.head();
        Appended { first: if count == 0 { last } else { first }, last, recorded_at: DateTime::UNIX_EPOCH }
    }

    fn record(&mut self, tenant: TenantId, stream: StreamId, event: &NewEvent, made: Option<Made>) {
        let position = Position(self.head().0 + 1);
        if let (Some(once_id), Some(made)) = (event.once_id, made) {
            self.once.insert(once_id, made);
        }
        self.events.push(RecordedEvent {
            position,
            tenant,
            stream,
            version: self.version(stream) + 1,
            event_type: event.event_type,
            schema_version: event.schema_version,
            command_id: None,
            once_id: event.once_id,
            subject_id: event.subject_id,
            customer_id: event.customer_id,
            occurred_at: event.occurred_at,
            recorded_at: DateTime::<Utc>::UNIX_EPOCH,
            metadata: "{}".into(),
            payload: event.payload.as_str().into(),
            personal: event.personal.clone().map_or(Personal::Absent, |personal| Personal::Opened(personal.into())),
            leaf_hash: [0; 32],
            rendering: Rendering::default(),
        });
    }

    fn version(&self, stream: StreamId) -> Version {
        self.events.iter().rev().find(|event| event.stream == stream).map_or(0, |event| event.version)
    }
}

impl Made {
    fn repeated(&self) -> AppendError {
        AppendError::Repeated(Repeat::Events { first: self.first, count: self.count })
    }
}

#[async_trait]
impl EventStore for FakeStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            multi_stream: true,
            claims: true,
            dense_positions: true,
            proofs: false,
            idempotency_answers: true,
        }
    }

    fn submit(&self, request: AppendRequest) -> Receipt {
        let lineage = lineage::heard();
        assert_eq!(lineage.as_ref().map_or(0, |lineage| lineage.rests_on.len()), request.rests_on.len());
        let (receipt, _, verdict) = Receipt::new();
        let mut log = self.log();
        let submitted = Submitted { request, lineage, verdict };
        match log.judging_held {
            true => log.unjudged.push_back(submitted),
            false => log.judge_and_tell(submitted),
        }
        receipt
    }

    async fn linked(&self, _: TenantId, subject: Uuid) -> Result<Vec<Uuid>, StoreError> {
        let (mut person, mut next) = (vec![subject], 0);
        while let Some(one) = person.get(next).copied() {
            let linked = |(a, b): &(Uuid, Uuid)| (*a == one).then_some(*b).or_else(|| (*b == one).then_some(*a));
            for other in self.log().links.iter().filter_map(linked) {
                if !person.contains(&other) {
                    person.push(other);
                }
            }
            next += 1;
        }
        Ok(person)
    }

    fn read_stream(&self, read: ReadStream) -> EventStream {
        let events: Vec<RecordedEvent> = self.events_of(read.stream);
        let of_tenant = |event: &RecordedEvent| event.tenant == read.tenant && event.version >= read.from;
        stream::iter(events.into_iter().filter(of_tenant).map(Ok).collect::<Vec<_>>()).boxed()
    }

    fn read_all(&self, read: ReadAll) -> EventStream {
        let after = |event: &RecordedEvent| event.position > read.after && read.filter.accepts(event);
        let events = self.events().into_iter().filter(after).take(read.limit as usize).map(Ok);
        stream::iter(events.collect::<Vec<_>>()).boxed()
    }

    fn subscribe(&self, _: Position, _: Filter, _: bool) -> SignalStream {
        stream::empty().boxed()
    }

    async fn head(&self) -> Result<Position, StoreError> {
        Ok(self.head_now())
    }

    async fn claim_owners(&self, tenant: TenantId, claims: &[ClaimKey]) -> Result<Vec<Option<Uuid>>, StoreError> {
        let log = self.log();
        Ok(claims.iter().map(|key| log.claims.get(&(tenant, key.clone())).copied()).collect())
    }

    async fn load_snapshot(
        &self,
        tenant: TenantId,
        stream: &StreamId,
        aggregate_version: i16,
    ) -> Result<Option<Snapshot>, StoreError> {
        self.log().reads.push(*stream);
        self.wait_for_reading(*stream).await;
        if self.log().reading_fails {
            return Err(StoreError::Unavailable("the database is away".into()));
        }
        let snapshot = self.log().snapshots.get(&(tenant, *stream)).cloned();
        Ok(snapshot.filter(|snapshot| snapshot.aggregate_version == aggregate_version))
    }

    async fn save_snapshot(&self, tenant: TenantId, stream: &StreamId, snapshot: Snapshot) -> Result<(), StoreError> {
        self.log().snapshots.insert((tenant, *stream), snapshot);
        Ok(())
    }
}
