//! What may be appended, and the verdicts on it.

use crate::{BoxError, Metadata, Name, NewEvent, Position, StreamId, TenantId, Version};
use chrono::{DateTime, Utc};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use tokio::sync::oneshot;
use uuid::Uuid;

/// At most so many events in one append.
pub const EVENTS_MAX: usize = 10_000;
/// At most so many bytes of payload and personal data in one append.
pub const BYTES_MAX: usize = 4 * 1024 * 1024;

/// What the caller believes of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Whatever it is.
    Any,
    /// It has no event.
    NoStream,
    /// It stands at this version.
    Exact(Version),
}

/// Identity of a request: how the log recognises it when it comes again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Identity {
    /// 16-byte hash of (tenant, principal, verb, idempotency key), when a key was given. It stands on the first event.
    pub command_id: Option<Uuid>,
    /// The once-only fact the request is about (16-byte hash of stream, verb, order id …), when there is one. It is
    /// looked up whether or not an event carries it.
    pub once_id: Option<Uuid>,
    /// 16-byte hash of the request itself: tells a repeat from a reuse. Stored as a keyed hash, never as it is.
    pub fingerprint: [u8; 16],
}

/// Another name under which a once-only fact may stand in the log already: it was told of somebody who is the same person today.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OtherName {
    /// The fact as the request, or one of its events, names it.
    pub of: Uuid,
    /// The once-only fact that it counts as.
    pub once_id: Uuid,
    /// The fingerprint that the request has under that name: tells a repeat of that request from another one about the same fact.
    pub fingerprint: [u8; 16],
}

/// Something that only one owner of a tenant may have: an e-mail address, a reference in another system.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ClaimKey {
    /// Kind of value, for example `email` or `reference:erp`.
    pub kind: String,
    /// The value, normalised. It is stored as a keyed hash, never in clear.
    pub value: String,
}

/// The value tells who somebody is, and is not for logs.
impl fmt::Debug for ClaimKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClaimKey").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// Somebody who claims something, and what it is as the events say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimHolder {
    /// Whose claims.
    pub tenant: TenantId,
    /// Who holds them.
    pub owner: Uuid,
    /// What is held.
    pub claims: Vec<ClaimKey>,
    /// What may be held besides.
    pub besides: Vec<ClaimKey>,
}

/// A claim taken or released together with the events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimChange {
    /// `owner` takes it; refused when another holds it, without effect when `owner` does.
    Take {
        /// What is claimed.
        key: ClaimKey,
        /// Id of the aggregate that takes it.
        owner: Uuid,
    },
    /// `owner` gives it back; without effect when it holds it not.
    Release {
        /// What was claimed.
        key: ClaimKey,
        /// Id of the aggregate that held it.
        owner: Uuid,
    },
}

/// What an append says of the persons whose data the log holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SubjectChanges {
    /// Pairs of subjects that are one person from now on. Refused when one of them was erased.
    pub links: Vec<(Uuid, Uuid)>,
    /// Subjects to be erased: their keys are destroyed and their claims released in the same transaction. All that are linked to
    /// them have to be among them, and each needs an event of its own that says so (see [`crate::event::ERASED`]).
    pub erases: Vec<Uuid>,
}

/// One stream of an append: what is believed of it, and what is added to it (perhaps nothing: then only the belief counts).
#[derive(Debug, Clone)]
pub struct StreamAppend {
    /// The stream.
    pub stream: StreamId,
    /// What the caller believes of it.
    pub expected: Expected,
    /// Events to add, in order.
    pub events: Vec<NewEvent>,
}

/// One atomic append. With no event at all it is a check: do these beliefs hold, behind all that was appended before?
#[derive(Debug, Clone)]
pub struct AppendRequest {
    /// Whose events.
    pub tenant: TenantId,
    /// Who and on which occasion.
    pub metadata: Metadata,
    /// How the request is recognised when it comes again.
    pub identity: Identity,
    /// Other names of the once-only facts of this request.
    pub other_names: Vec<OtherName>,
    /// Streams in the order in which their events get positions.
    pub streams: Vec<StreamAppend>,
    /// Claims taken and released.
    pub claims: Vec<ClaimChange>,
    /// Persons that turn out to be one, and persons to be forgotten.
    pub subjects: SubjectChanges,
    /// For a keyed command that makes no event: its answer, kept 30 days.
    pub outcome: Option<String>,
    /// Requests submitted before, whose events this one counts on: if one of them is refused, so is this.
    pub rests_on: Vec<Ticket>,
}

/// Where an append landed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// Position of the first event; for a check the head at which it held.
    pub first: Position,
    /// Position of the last event; for a check the head at which it held.
    pub last: Position,
    /// When, by the database's clock.
    pub recorded_at: DateTime<Utc>,
}

/// What a keyed command did when it was first made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Repeat {
    /// It made these events.
    Events {
        /// Position of its first event.
        first: Position,
        /// How many.
        count: i32,
    },
    /// It made none; this was its answer.
    Outcome(String),
}

/// Why an append did not happen.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// A stream is not where the caller believed it to be: load again, decide again.
    #[error("stream {stream} is at version {actual}, not at {expected:?}")]
    Conflict {
        /// The stream.
        stream: StreamId,
        /// What was believed.
        expected: Expected,
        /// What is.
        actual: Version,
    },
    /// It rested on a request that was refused: load again, decide again.
    #[error("a request this one rested on was refused")]
    Undermined,
    /// The same request was made before; this is what it did.
    #[error("this request was made before")]
    Repeated(Repeat),
    /// The key was used before with another request.
    #[error("the idempotency key was used before with another request")]
    KeyReused,
    /// A once-only fact has already happened, by another request than this.
    #[error("this has already happened, at position {position}")]
    AlreadyHappened {
        /// The fact.
        once_id: Uuid,
        /// The event that recorded it.
        position: Position,
    },
    /// Another owner holds a claim.
    #[error("{} is already taken", .key.kind)]
    Claimed {
        /// The claim.
        key: ClaimKey,
        /// Who holds it.
        owner: Uuid,
    },
    /// An event holds personal data of somebody who was erased.
    #[error("the subject was erased")]
    SubjectErased(Uuid),
    /// A subject that is linked to those to be erased is not among them: look again who is linked.
    #[error("the person has more subjects than are to be erased")]
    MoreLinked(Uuid),
    /// The request itself cannot be stored.
    #[error("the append cannot be stored: {0}")]
    Invalid(Name),
    /// Too many requests wait already.
    #[error("the event store is busy")]
    Busy,
    /// The database is away. Nothing was appended, or it is not known yet: repeat with the same key.
    #[error("the event store is unavailable")]
    Unavailable(#[source] BoxError),
}

impl AppendError {
    /// Whether the caller should load the streams again and decide again.
    #[must_use]
    pub fn asks_to_decide_again(&self) -> bool {
        matches!(self, Self::Conflict { .. } | Self::Undermined)
    }
}

const PENDING: u8 = 0;
const KEPT: u8 = 1;
const REFUSED: u8 = 2;

/// The fate of a submitted request, for those that rest on it.
#[derive(Debug, Clone, Default)]
pub struct Ticket(Arc<AtomicU8>);

impl Ticket {
    /// Whether the request was refused.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.0.load(Ordering::Acquire) == REFUSED
    }

    /// Whether the request is committed.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.0.load(Ordering::Acquire) == KEPT
    }

    /// Whether nothing is known yet.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.0.load(Ordering::Acquire) == PENDING
    }

    /// Tells tickets apart.
    pub(crate) fn address(&self) -> *const () {
        Arc::as_ptr(&self.0).cast()
    }

    pub(crate) fn keep(&self) {
        self.0.store(KEPT, Ordering::Release);
    }

    pub(crate) fn refuse(&self) {
        self.0.store(REFUSED, Ordering::Release);
    }
}

/// Given for a submitted request.
#[derive(Debug)]
pub struct Receipt {
    ticket: Ticket,
    verdict: oneshot::Receiver<Result<Appended, AppendError>>,
}

impl Receipt {
    /// A receipt and the sender of its verdict.
    #[must_use]
    pub fn new() -> (Self, Ticket, oneshot::Sender<Result<Appended, AppendError>>) {
        let (sender, verdict) = oneshot::channel();
        let ticket = Ticket::default();
        (Self { ticket: ticket.clone(), verdict }, ticket, sender)
    }

    /// For requests that are to rest on this one.
    #[must_use]
    pub fn ticket(&self) -> Ticket {
        self.ticket.clone()
    }

    /// Waits for the verdict.
    ///
    /// # Errors
    /// As [`AppendError`] says; `Unavailable` too when the store was closed.
    pub async fn verdict(self) -> Result<Appended, AppendError> {
        self.verdict.await.unwrap_or_else(|closed| Err(AppendError::Unavailable(Box::new(closed))))
    }
}
