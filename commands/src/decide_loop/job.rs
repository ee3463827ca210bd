//! A command on its way through the loop.

use crate::cache::StreamKey;
use crate::caller::Caller;
use crate::error::CommandError;
use crate::execute::{Committed, Decide, OtherNames, Request, Series, metadata_of};
use crate::states::States;
use chrono::{DateTime, Utc};
use std::fmt;
use std::sync::Arc;
use store::{ClaimKey, Identity, Metadata, OtherName, StreamId, TenantId};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;
use uuid::Uuid;

/// What a command is answered.
pub(crate) type Answered = Result<Committed, CommandError>;

/// A stream that a command looks at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scoped {
    pub(crate) key: StreamKey,
    /// What the command has to do with it.
    pub(crate) part: Part,
}

/// What a command has to do with a stream of its scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// It may write to it: commands take turns.
    Writes,
    /// So, and the stream cannot exist yet.
    Creates,
    /// It only looks at it, as many others do at the same time: it waits for who came before to write, and keeps nobody waiting.
    Sees,
}

/// A command on its way.
pub(crate) struct Job {
    /// Its place in the order of arrival, kept when it is decided again.
    pub(super) place: u64,
    pub(super) verb: &'static str,
    pub(super) tenant: TenantId,
    pub(super) metadata: Metadata,
    pub(super) identity: Identity,
    pub(super) scope: Arc<[Scoped]>,
    pub(super) occurred_at: DateTime<Utc>,
    pub(super) asked_at: DateTime<Utc>,
    pub(super) decide: Decide,
    claimed_at: Vec<(ClaimKey, String)>,
    other_names: Option<OtherNames>,
    pub(super) deadline: Instant,
    series: Option<Series>,
    /// Whether its answer is not kept when it makes no event.
    pub(super) forgetful: bool,
    /// How often others changed its streams.
    pub(super) conflicts: u32,
    /// Once-only facts that the log said have happened.
    pub(super) happened: Vec<Uuid>,
    /// Streams that read as empty though the log has events there.
    pub(super) contradicted: Vec<StreamId>,
    /// Streams that read as empty twice though the log has events there: another tenant's.
    pub(super) foreign: Vec<StreamId>,
    answer: oneshot::Sender<Answered>,
    _place: OwnedSemaphorePermit,
}

impl Job {
    pub(crate) fn new(
        caller: &Caller,
        identity: Identity,
        request: Request,
        deadline: Instant,
        (answer, permit): (oneshot::Sender<Answered>, OwnedSemaphorePermit),
    ) -> Self {
        Self {
            place: 0,
            verb: request.verb,
            tenant: caller.tenant,
            scope: scope_of(caller.tenant, &request),
            metadata: Metadata { causation_id: request.cause, ..metadata_of(caller) },
            identity,
            occurred_at: request.occurred_at,
            asked_at: caller.now,
            decide: request.decide,
            claimed_at: request.claimed_at,
            other_names: request.other_names,
            deadline,
            series: request.series,
            forgetful: request.forgetful,
            conflicts: 0,
            happened: Vec::new(),
            contradicted: Vec::new(),
            foreign: Vec::new(),
            answer,
            _place: permit,
        }
    }

    pub(super) fn at_place(self: Box<Self>, place: u64) -> Self {
        Self { place, ..*self }
    }

    /// Where a claim stands in what the caller sent.
    pub(super) fn place_of(&self, claim: &ClaimKey) -> Option<String> {
        self.claimed_at.iter().find(|(key, _)| key == claim).map(|(_, place)| place.clone())
    }

    /// By what an equal command is recognised.
    pub(super) fn ids(&self) -> [Option<Uuid>; 2] {
        [self.identity.command_id, self.identity.once_id]
    }

    /// What the log is to recognise it by. A once-only fact that is known to have happened is not asked about again.
    pub(super) fn asked_identity(&self) -> Identity {
        let once_id = self.identity.once_id.filter(|once_id| !self.happened.contains(once_id));
        Identity { once_id, ..self.identity }
    }

    /// Under which other names its once-only facts may stand in the log.
    pub(super) fn other_names(&self, states: &States<'_>) -> Vec<OtherName> {
        self.other_names.as_ref().map_or_else(Vec::new, |other_names| other_names(states))
    }

    /// Why it is not to be decided, though it is its turn.
    pub(super) fn is_too_late(&self, now: Instant) -> Option<&'static str> {
        if now > self.deadline {
            return Some("it could not be decided in time");
        }
        let broken = self.series.as_ref().is_some_and(Series::is_broken);
        broken.then_some("one before it in its series was not carried out")
    }

    pub(super) fn answer(self, answer: Answered) {
        self.series.iter().for_each(|series| series.note(&answer));
        // Who asked may have given up waiting.
        let _ = self.answer.send(answer);
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").field("place", &self.place).field("verb", &self.verb).finish_non_exhaustive()
    }
}

/// Each stream once, in the order given.
fn scope_of(tenant: TenantId, request: &Request) -> Arc<[Scoped]> {
    let mut scope: Vec<Scoped> = Vec::with_capacity(request.scope.len() + request.seen.len());
    let written = request.scope.iter().map(|stream| match request.fresh.contains(stream) {
        true => (stream, Part::Creates),
        false => (stream, Part::Writes),
    });
    for (stream, part) in written.chain(request.seen.iter().map(|stream| (stream, Part::Sees))) {
        if scope.iter().all(|scoped| scoped.key.stream != *stream) {
            scope.push(Scoped { key: StreamKey { tenant, stream: *stream }, part });
        }
    }
    scope.into()
}
