//! The walk over a batch: request by request, in order, against what the check said and what earlier requests of the same
//! batch did. Pure: no connection, no clock. Nothing here refuses the batch; a refused request refuses only what rests on it.

use super::erasing::Links;
use super::sealing::Sealer;
use crate::event::{CommandMark, Rendering};
use crate::leaf::Leaf;
use crate::personal_data::Place;
use crate::{
    AppendError, AppendRequest, Appended, ClaimChange, Expected, Metadata, Name, NewEvent, Personal, Position,
    RecordedEvent, Repeat, StreamId, TenantId, Ticket, Version,
};
use bytes::Bytes;
use chrono::{DateTime, SubsecRound, Utc};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use uuid::Uuid;

/// A request that waits for its verdict, in the eyes of the walk.
pub(super) struct Candidate<'a> {
    pub(super) request: &'a AppendRequest,
    pub(super) ticket: &'a Ticket,
    /// How its fingerprint may stand in the log besides, where claim keys were rotated.
    pub(super) other_fingerprints: &'a [[u8; 16]],
    /// How it may stand there under each of its other names.
    pub(super) named_fingerprints: &'a [Vec<[u8; 16]>],
}

impl Candidate<'_> {
    fn repeats(&self, found: &Found) -> bool {
        self.fingerprints().any(|fingerprint| found.repeats(fingerprint))
    }

    fn fingerprints(&self) -> impl Iterator<Item = &[u8; 16]> {
        [&self.request.identity.fingerprint].into_iter().chain(self.other_fingerprints)
    }
}

/// An event that carries the id of a command or of a once-only fact, and what its mark says.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) position: Position,
    pub(super) mark: Option<CommandMark>,
}

impl Found {
    pub(super) fn read(position: i64, metadata: &str) -> Self {
        let mark = serde_json::from_str::<Metadata>(metadata).ok().and_then(|metadata| metadata.command);
        Self { position: Position(position), mark }
    }

    pub(super) fn repeats(&self, fingerprint: &[u8; 16]) -> bool {
        self.mark.as_ref().is_some_and(|mark| mark.fingerprint == hex::encode(fingerprint))
    }

    fn repeat(&self) -> Repeat {
        let (event, of) = self.mark.as_ref().map_or((0, 1), |mark| (mark.event, mark.of));
        Repeat::Events { first: Position(self.position.0 - i64::from(event)), count: of }
    }
}

/// The stored answer of a keyed command that made no event.
#[derive(Debug, Clone)]
pub(super) struct StoredOutcome {
    pub(super) fingerprint: [u8; 16],
    pub(super) body: String,
}

impl StoredOutcome {
    /// Instead of an answer: where the events are that the request repeats. No answer begins with `@`.
    fn pointing_at(first: Position, count: i32) -> String {
        format!("@{first}+{count}")
    }

    fn repeat(&self) -> Repeat {
        let pointer = self.body.strip_prefix('@').and_then(|pointer| pointer.split_once('+'));
        let events = pointer.and_then(|(first, count)| Some((first.parse().ok()?, count.parse().ok()?)));
        match events {
            Some((first, count)) => Repeat::Events { first: Position(first), count },
            None => Repeat::Outcome(self.body.clone()),
        }
    }
}

/// A claim as it stands in the table.
pub(super) type ClaimRow = (TenantId, String, [u8; 32]);

/// What the check said.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) head: Position,
    pub(super) now: DateTime<Utc>,
    pub(super) commands: HashMap<Uuid, Found>,
    pub(super) outcomes: HashMap<Uuid, StoredOutcome>,
    pub(super) once: HashMap<Uuid, Found>,
    pub(super) claims: HashMap<ClaimRow, Uuid>,
    /// Of persons to be erased.
    pub(super) links: Links,
}

/// A row of `command_outcomes`.
#[derive(Debug)]
pub(super) struct OutcomeRow {
    pub(super) command_id: Uuid,
    pub(super) fingerprint: [u8; 16],
    pub(super) tenant: TenantId,
    pub(super) body: String,
}

/// What the batch comes to.
pub(super) struct Judged {
    pub(super) events: Vec<RecordedEvent>,
    pub(super) claims_taken: Vec<(ClaimRow, Uuid)>,
    pub(super) claims_released: Vec<(ClaimRow, Uuid)>,
    pub(super) links: Vec<(TenantId, (Uuid, Uuid))>,
    pub(super) outcomes: Vec<OutcomeRow>,
    pub(super) verdicts: Vec<Result<Appended, AppendError>>,
    pub(super) versions: HashMap<StreamId, Version>,
}

/// Walks the batch.
pub(super) struct Judge<'a> {
    facts: Facts,
    known: &'a dyn Fn(&StreamId) -> Version,
    claim_hash: &'a dyn Fn(TenantId, &crate::ClaimKey) -> [u8; 32],
    sealer: &'a mut Sealer,
    refused: HashSet<*const ()>,
    claims: HashMap<ClaimRow, Option<Uuid>>,
    judged: Judged,
}

impl<'a> Judge<'a> {
    pub(super) fn new(
        facts: Facts,
        known: &'a dyn Fn(&StreamId) -> Version,
        claim_hash: &'a dyn Fn(TenantId, &crate::ClaimKey) -> [u8; 32],
        sealer: &'a mut Sealer,
    ) -> Self {
        let judged = Judged {
            events: Vec::new(),
            claims_taken: Vec::new(),
            claims_released: Vec::new(),
            links: Vec::new(),
            outcomes: Vec::new(),
            verdicts: Vec::new(),
            versions: HashMap::new(),
        };
        Self { facts, known, claim_hash, sealer, refused: HashSet::new(), claims: HashMap::new(), judged }
    }

    pub(super) fn walk<'c>(mut self, batch: impl Iterator<Item = Candidate<'c>>) -> Judged {
        for candidate in batch {
            let verdict = self.judge(&candidate);
            if verdict.is_err() {
                self.refused.insert(candidate.ticket.address());
            }
            self.judged.verdicts.push(verdict);
        }
        self.settle_claims();
        self.judged
    }

    fn judge(&mut self, candidate: &Candidate<'_>) -> Result<Appended, AppendError> {
        let request = candidate.request;
        self.recognise(candidate).inspect_err(|known| self.bind(request, known))?;
        if request.rests_on.iter().any(|ticket| ticket.is_refused() || self.refused.contains(&ticket.address())) {
            return Err(AppendError::Undermined);
        }
        self.check_versions(request)?;
        self.check_once(request)?;
        let claims = self.check_claims(request)?;
        self.check_subjects(request)?;
        self.facts.links.check(request)?;
        self.claims.extend(claims);
        Ok(self.accept(request))
    }

    /// Has this request been made before?
    fn recognise(&self, candidate: &Candidate<'_>) -> Result<(), AppendError> {
        let identity = &candidate.request.identity;
        if let Some(found) = identity.command_id.and_then(|id| self.facts.commands.get(&id)) {
            return Err(match candidate.repeats(found) {
                true => AppendError::Repeated(found.repeat()),
                false => AppendError::KeyReused,
            });
        }
        if let Some(outcome) = identity.command_id.and_then(|id| self.facts.outcomes.get(&id)) {
            return Err(match candidate.fingerprints().any(|fingerprint| *fingerprint == outcome.fingerprint) {
                true => AppendError::Repeated(outcome.repeat()),
                false => AppendError::KeyReused,
            });
        }
        if let Some((once_id, found)) = identity.once_id.and_then(|id| Some((id, self.facts.once.get(&id)?))) {
            return Err(match candidate.repeats(found) {
                true => AppendError::Repeated(found.repeat()),
                false => AppendError::AlreadyHappened { once_id, position: found.position },
            });
        }
        self.recognise_otherwise(candidate)
    }

    /// Has what the request is about happened under another name?
    fn recognise_otherwise(&self, candidate: &Candidate<'_>) -> Result<(), AppendError> {
        let Some(once_id) = candidate.request.identity.once_id else { return Ok(()) };
        let names = candidate.request.other_names.iter().zip(candidate.named_fingerprints);
        let mut happened = None;
        for (name, fingerprints) in names.filter(|(name, _)| name.of == once_id) {
            let Some(found) = self.facts.once.get(&name.once_id) else { continue };
            if fingerprints.iter().any(|fingerprint| found.repeats(fingerprint)) {
                return Err(AppendError::Repeated(found.repeat()));
            }
            happened = happened.or(Some(found.position));
        }
        happened.map_or(Ok(()), |position| Err(AppendError::AlreadyHappened { once_id, position }))
    }

    /// A key that comes with a fact that happened before is that request's key from now on.
    fn bind(&mut self, request: &AppendRequest, known: &AppendError) {
        let AppendError::Repeated(Repeat::Events { first, count }) = known else { return };
        let Some(command_id) = request.identity.command_id else { return };
        if !self.facts.commands.contains_key(&command_id) && !self.facts.outcomes.contains_key(&command_id) {
            self.keep_outcome(request, command_id, StoredOutcome::pointing_at(*first, *count));
        }
    }

    fn keep_outcome(&mut self, request: &AppendRequest, command_id: Uuid, body: String) {
        let (fingerprint, tenant) = (request.identity.fingerprint, request.tenant);
        self.facts.outcomes.insert(command_id, StoredOutcome { fingerprint, body: body.clone() });
        self.judged.outcomes.push(OutcomeRow { command_id, fingerprint, tenant, body });
    }

    fn check_versions(&self, request: &AppendRequest) -> Result<(), AppendError> {
        for append in &request.streams {
            let actual = self.version(&append.stream);
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
        let mut own = HashSet::new();
        for once_id in events_of(request).filter_map(|event| event.once_id) {
            let others = request.other_names.iter().filter(|name| name.of == once_id).map(|name| name.once_id);
            if let Some(found) = [once_id].into_iter().chain(others).find_map(|id| self.facts.once.get(&id)) {
                return Err(AppendError::AlreadyHappened { once_id, position: found.position });
            }
            if !own.insert(once_id) {
                return Err(AppendError::Invalid("two events carry the same once id"));
            }
        }
        Ok(())
    }

    /// Who holds what the request takes and gives back, once it is accepted.
    fn check_claims(&self, request: &AppendRequest) -> Result<HashMap<ClaimRow, Option<Uuid>>, AppendError> {
        let mut after = HashMap::new();
        for change in &request.claims {
            let (ClaimChange::Take { key, owner } | ClaimChange::Release { key, owner }) = change;
            let row = self.claim_row(request.tenant, key);
            let holder = after.get(&row).copied().unwrap_or_else(|| self.claim_owner(&row));
            match (change, holder) {
                (ClaimChange::Take { key, .. }, Some(holder)) if holder != *owner => {
                    return Err(AppendError::Claimed { key: key.clone(), owner: holder });
                }
                (ClaimChange::Take { .. }, _) => drop(after.insert(row, Some(*owner))),
                (ClaimChange::Release { .. }, Some(holder)) if holder == *owner => drop(after.insert(row, None)),
                (ClaimChange::Release { .. }, _) => {}
            }
        }
        Ok(after)
    }

    fn check_subjects(&self, request: &AppendRequest) -> Result<(), AppendError> {
        let erased = subjects_of(request).find(|subject| self.sealer.is_erased(request.tenant, *subject));
        erased.map_or(Ok(()), |subject| Err(AppendError::SubjectErased(subject)))
    }

    fn accept(&mut self, request: &AppendRequest) -> Appended {
        let first = self.head();
        let count = events_of(request).count() as i32;
        let unmarked = text(&request.metadata);
        let mut index = 0;
        for append in &request.streams {
            for event in &append.events {
                let metadata = match event.once_id.is_some() || (index == 0 && request.identity.command_id.is_some()) {
                    true => marked(request, index, count),
                    false => Arc::clone(&unmarked),
                };
                let command_id = request.identity.command_id.filter(|_| index == 0);
                self.record(request, append.stream, event, (metadata, command_id));
                index += 1;
            }
        }
        self.remember(request, first, count);
        self.change_subjects(request);
        let last = self.head();
        let first = if count == 0 { last } else { Position(first.0 + 1) };
        Appended { first, last, recorded_at: self.facts.now }
    }

    fn record(
        &mut self,
        request: &AppendRequest,
        stream: StreamId,
        event: &NewEvent,
        (metadata, command_id): (Arc<str>, Option<Uuid>),
    ) {
        let version = self.version(&stream) + 1;
        let position = Position(self.head().0 + 1);
        let place = Place { tenant: request.tenant, stream, version };
        let personal = match (&event.personal, event.subject_id) {
            (Some(plain), Some(subject)) => Personal::Sealed(self.sealer.seal(&place, subject, plain).into()),
            _ => Personal::Absent,
        };
        let mut recorded = RecordedEvent {
            position,
            tenant: request.tenant,
            stream,
            version,
            event_type: event.event_type,
            schema_version: event.schema_version,
            command_id,
            once_id: event.once_id,
            subject_id: event.subject_id,
            customer_id: event.customer_id,
            occurred_at: event.occurred_at.trunc_subsecs(6),
            recorded_at: self.facts.now,
            metadata,
            payload: event.payload.as_str().into(),
            personal,
            leaf_hash: [0; 32],
            rendering: Rendering::default(),
        };
        recorded.leaf_hash = leaf_of(&recorded).hash();
        self.judged.versions.insert(stream, version);
        self.judged.events.push(recorded);
    }

    /// Lets later requests of the batch see what this one did.
    fn remember(&mut self, request: &AppendRequest, before: Position, count: i32) {
        let identity = &request.identity;
        for (index, event) in events_of(request).enumerate() {
            let mark = mark_of(request, index as i32, count);
            let found = Found { position: Position(before.0 + 1 + index as i64), mark: Some(mark) };
            if let Some(once_id) = event.once_id {
                self.facts.once.insert(once_id, found.clone());
            }
            if let (0, Some(command_id)) = (index, identity.command_id) {
                self.facts.commands.insert(command_id, found);
            }
        }
        if let (0, Some(command_id), Some(body)) = (count, identity.command_id, &request.outcome) {
            self.keep_outcome(request, command_id, body.clone());
        }
    }

    /// Lets later requests of the batch see who is one person now, and who is forgotten.
    fn change_subjects(&mut self, request: &AppendRequest) {
        for link in &request.subjects.links {
            self.facts.links.add(request.tenant, *link);
            self.judged.links.push((request.tenant, *link));
        }
        for subject in &request.subjects.erases {
            self.sealer.erase((request.tenant, *subject));
        }
        let is_released = |row: &&ClaimRow| {
            let owner = self.claim_owner(row).filter(|_| row.0 == request.tenant);
            owner.is_some_and(|owner| request.subjects.erases.contains(&owner))
        };
        let looked_up = self.facts.claims.keys().chain(self.claims.keys());
        let released: Vec<ClaimRow> = looked_up.filter(is_released).cloned().collect();
        self.claims.extend(released.into_iter().map(|row| (row, None)));
    }

    fn claim_row(&self, tenant: TenantId, key: &crate::ClaimKey) -> ClaimRow {
        (tenant, key.kind.clone(), (self.claim_hash)(tenant, key))
    }

    fn claim_owner(&self, row: &ClaimRow) -> Option<Uuid> {
        self.claims.get(row).copied().unwrap_or_else(|| self.facts.claims.get(row).copied())
    }

    /// What the claims table must be told: the difference between before and after the whole batch.
    fn settle_claims(&mut self) {
        for (row, after) in self.claims.drain() {
            let before = self.facts.claims.get(&row).copied();
            if before == after {
                continue;
            }
            if let Some(owner) = before {
                self.judged.claims_released.push((row.clone(), owner));
            }
            if let Some(owner) = after {
                self.judged.claims_taken.push((row, owner));
            }
        }
    }

    fn version(&self, stream: &StreamId) -> Version {
        self.judged.versions.get(stream).copied().unwrap_or_else(|| (self.known)(stream))
    }

    fn head(&self) -> Position {
        Position(self.facts.head.0 + self.judged.events.len() as i64)
    }
}

/// What the leaf of a recorded event covers.
pub(super) fn leaf_of(event: &RecordedEvent) -> Leaf<'_> {
    Leaf {
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
        personal: sealed(&event.personal),
    }
}

/// The stored bytes of the personal part.
pub(super) fn sealed(personal: &Personal) -> Option<&[u8]> {
    match personal {
        Personal::Sealed(bytes) => Some(bytes),
        Personal::Absent | Personal::Opened(_) | Personal::Erased => None,
    }
}

/// The events of a request in the order of their positions.
pub(super) fn events_of(request: &AppendRequest) -> impl Iterator<Item = &NewEvent> {
    request.streams.iter().flat_map(|append| &append.events)
}

/// The subjects that must not have been erased: whose personal data a request brings, and who are to be one person.
pub(super) fn subjects_of(request: &AppendRequest) -> impl Iterator<Item = Uuid> + '_ {
    let personal = events_of(request).filter(|event| event.personal.is_some()).filter_map(|event| event.subject_id);
    personal.chain(request.subjects.links.iter().flat_map(|(one, other)| [*one, *other]))
}

/// The names that a request needs codes for.
pub(super) fn names_of(request: &AppendRequest) -> impl Iterator<Item = Name> + '_ {
    let categories = request.streams.iter().map(|append| append.stream.category);
    categories.chain(events_of(request).map(|event| event.event_type))
}

fn mark_of(request: &AppendRequest, event: i32, of: i32) -> CommandMark {
    CommandMark { fingerprint: hex::encode(request.identity.fingerprint), event, of }
}

fn marked(request: &AppendRequest, event: i32, of: i32) -> Arc<str> {
    text(&Metadata { command: Some(mark_of(request, event, of)), ..request.metadata.clone() })
}

fn text(metadata: &Metadata) -> Arc<str> {
    serde_json::to_string(metadata).expect("strings and numbers always serialise").into()
}

/// An event's bytes, for limits.
pub(super) fn size_of(request: &AppendRequest) -> usize {
    events_of(request)
        .map(|event| event.payload.len() + event.personal.as_ref().map_or(0, Vec::len) + 300)
        .sum::<usize>()
        + request.outcome.as_ref().map_or(0, String::len)
        + size_of_val(request.other_names.as_slice())
}

/// Personal data as bytes that can be cloned cheaply.
pub(super) fn opened(plain: Vec<u8>) -> Personal {
    Personal::Opened(Bytes::from(plain))
}
