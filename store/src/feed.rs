//! Following the log: filters, and what a subscription says.

use crate::{Name, Position, RecordedEvent, StreamId, TenantId};
use std::sync::Arc;
use uuid::Uuid;

/// An event type, or all that begin alike (`loyalty.*`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TypePattern {
    /// Exactly this type.
    Exact(String),
    /// All types with this prefix.
    Prefix(String),
}

impl TypePattern {
    /// Reads `loyalty.points.earned` or `loyalty.*`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text.strip_suffix('*') {
            Some(prefix) => Self::Prefix(prefix.to_owned()),
            None => Self::Exact(text.to_owned()),
        }
    }

    /// Whether a type fits.
    #[must_use]
    pub fn matches(&self, event_type: &str) -> bool {
        match self {
            Self::Exact(name) => name == event_type,
            Self::Prefix(prefix) => event_type.starts_with(prefix.as_str()),
        }
    }
}

/// Which events a reader wants. What is not set excludes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only this tenant's.
    pub tenant: Option<TenantId>,
    /// Only these categories.
    pub categories: Vec<Name>,
    /// Only types that fit one of these.
    pub types: Vec<TypePattern>,
    /// Only this stream's.
    pub stream: Option<StreamId>,
    /// Only what stands on this customer's timeline.
    pub customer: Option<Uuid>,
}

impl Filter {
    /// Whether an event passes.
    #[must_use]
    pub fn accepts(&self, event: &RecordedEvent) -> bool {
        self.tenant.is_none_or(|tenant| tenant == event.tenant)
            && (self.categories.is_empty() || self.categories.contains(&event.stream.category))
            && (self.types.is_empty() || self.types.iter().any(|pattern| pattern.matches(event.event_type)))
            && self.stream.is_none_or(|stream| stream == event.stream)
            && self.customer.is_none_or(|customer| Some(customer) == event.customer_id)
    }
}

/// Most events that lie ready for one reader of [`crate::EventStore::feed`].
pub const BUFFERED_EVENTS_MAX: usize = 256;
/// Most bytes that lie ready for one reader of [`crate::EventStore::feed`], but for an event that is larger by itself.
pub const BUFFERED_BYTES_MAX: usize = 1024 * 1024;

/// What a subscription says, in order.
#[derive(Debug, Clone)]
pub enum Signal {
    /// Events that pass the filter, in order, all those up to `through` that were not said before (perhaps none).
    Events {
        /// The events.
        events: Vec<Arc<RecordedEvent>>,
        /// Everything up to here has been said or did not pass the filter: a place to resume from.
        through: Position,
    },
    /// All that was in the log when the subscription last looked has been said; what follows is live. Said once.
    CaughtUp(Position),
}
