//! Events as the log keeps them, and the words that address them.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::{Arc, OnceLock};
use uuid::Uuid;

/// A name from a small closed set (category, event type), interned for the life of the process.
pub type Name = &'static str;

/// How the types of events end that say that their subject was erased, in the same append as they say it.
pub const ERASED: &str = ".erased";

/// Version of a stream: 1 for its first event; 0 stands for "no event yet".
pub type Version = i32;

/// Number of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TenantId(pub i32);

/// Place of an event in the log: 1, 2, 3, … without gaps; 0 stands for "before the first".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(pub i64);

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A stream: the events of one aggregate. The same id may stand in several categories
/// (`customer-X` and `loyalty-X` are two streams).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId {
    /// Kind of the aggregate.
    pub category: Name,
    /// Id of the aggregate.
    pub id: Uuid,
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.category, self.id)
    }
}

/// Order of reading one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Oldest first.
    Forwards,
    /// Newest first.
    Backwards,
}

/// Who caused the events of one append, and on which occasion. Ids only: personal data never stands here.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Metadata {
    /// Who acted: `key:<id>`, `user:<id>`, `job:<name>`, `reactor:<name>`, `cli`.
    pub actor: String,
    /// Id of the request that carried the command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Id shared by all that one outside occasion set off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// What directly caused this: the id of an event or a message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causation_id: Option<String>,
    /// The door that the command came in by: `http`, `cli`, `import`, `reactor`, `job`. Events from before doors were noted have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
    /// On each event that identifies its command. Set by the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<CommandMark>,
}

/// Stands on the first event of a command and on those with a `once_id`, so that a repeat is answered from the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandMark {
    /// Lower-case hex of the request's 16-byte fingerprint.
    pub fingerprint: String,
    /// Which of the command's events this is, from 0.
    pub event: i32,
    /// How many events the command made.
    pub of: i32,
}

/// An event that is to be appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// Wire name, for ever.
    pub event_type: Name,
    /// Version of the payload's schema, from 1.
    pub schema_version: i16,
    /// Business time, kept in microseconds.
    pub occurred_at: DateTime<Utc>,
    /// Names a fact that may happen once only (order 7 earned points on this account): the log holds each at most once.
    pub once_id: Option<Uuid>,
    /// Whose personal data `personal` holds. Required with `personal`.
    pub subject_id: Option<Uuid>,
    /// On whose timeline the event stands.
    pub customer_id: Option<Uuid>,
    /// What happened, in the clear: JSON text.
    pub payload: String,
    /// The personal part of what happened, in plain; the store seals it under the subject's key.
    pub personal: Option<Vec<u8>>,
}

/// The personal part of a recorded event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Personal {
    /// The event has none.
    Absent,
    /// It has some; the reader did not ask to open it.
    Sealed(Bytes),
    /// It was opened.
    Opened(Bytes),
    /// The subject was erased: nobody can open it any more.
    Erased,
}

/// An event as it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedEvent {
    /// Place in the log.
    pub position: Position,
    /// Whose event.
    pub tenant: TenantId,
    /// Its stream.
    pub stream: StreamId,
    /// Its version in the stream.
    pub version: Version,
    /// Wire name.
    pub event_type: Name,
    /// Version of the payload's schema.
    pub schema_version: i16,
    /// Id of the keyed command whose first event this is (see [`crate::Identity`]).
    pub command_id: Option<Uuid>,
    /// The once-only fact that this event records.
    pub once_id: Option<Uuid>,
    /// Whose personal data.
    pub subject_id: Option<Uuid>,
    /// On whose timeline.
    pub customer_id: Option<Uuid>,
    /// Business time.
    pub occurred_at: DateTime<Utc>,
    /// When it was appended, by the database's clock; one instant per batch.
    pub recorded_at: DateTime<Utc>,
    /// Who and on which occasion: the JSON text of [`Metadata`].
    pub metadata: Arc<str>,
    /// JSON text.
    pub payload: Arc<str>,
    /// The personal part.
    pub personal: Personal,
    /// SHA-256 over all of the above (see [`crate::leaf`]).
    pub leaf_hash: [u8; 32],
    /// What readers outside are sent of it; no part of the event.
    pub rendering: Rendering,
}

impl RecordedEvent {
    /// The subject that was erased in the append of this event.
    #[must_use]
    pub fn erases(&self) -> Option<(TenantId, Uuid)> {
        Some((self.tenant, self.subject_id?)).filter(|_| self.event_type.ends_with(ERASED))
    }
}

/// The text that readers outside are sent of an event: made by the first of those who share it, for all. A copy begins anew, as
/// it may be opened or changed.
#[derive(Debug, Default)]
pub struct Rendering(OnceLock<String>);

impl Rendering {
    /// The text, made now if nobody has made it yet.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn get_or_make<E>(&self, make: impl FnOnce() -> Result<String, E>) -> Result<&str, E> {
        if let Some(made) = self.0.get() {
            return Ok(made);
        }
        let made = make()?;
        Ok(self.0.get_or_init(|| made))
    }
}

impl Clone for Rendering {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Rendering {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Rendering {}

impl RecordedEvent {
    /// The id that names this event to the outside: stream and version.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}/{}", self.stream, self.version)
    }

    /// About what it takes in memory.
    pub(crate) fn bytes(&self) -> usize {
        let personal = match &self.personal {
            Personal::Sealed(bytes) | Personal::Opened(bytes) => bytes.len(),
            Personal::Absent | Personal::Erased => 0,
        };
        size_of::<Self>() + self.metadata.len() + self.payload.len() + personal
    }
}
