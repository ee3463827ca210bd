//! Bringing a stream's state from the store: the newest snapshot and the events behind it.

use crate::cache::{Held, StreamKey};
use crate::encoding::decode;
use crate::error::CommandError;
use domain::{AggregateState, Category, DecodeError};
use futures::StreamExt;
use store::{Direction, EventStore, ReadStream, StoreError, Version};

/// Why a state could not be loaded. Several commands may wait for it, so it can be told more than once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LoadError {
    /// The stream holds what a newer build wrote.
    #[error("newer events: upgrade this node ({0})")]
    Newer(String),
    /// The store is away.
    #[error("{0}")]
    Unavailable(String),
    /// What is stored makes no sense.
    #[error("{0}")]
    Corrupt(String),
}

impl LoadError {
    pub(crate) fn answer(&self) -> CommandError {
        match self {
            Self::Newer(_) => CommandError::Newer(self.clone().into()),
            Self::Unavailable(_) => CommandError::unavailable(self.clone()),
            Self::Corrupt(_) => CommandError::internal(self.clone()),
        }
    }
}

impl From<StoreError> for LoadError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) | StoreError::BeyondHead { .. } => Self::Unavailable(with_sources(&error)),
            StoreError::Corrupt { .. } => Self::Corrupt(error.to_string()),
        }
    }
}

impl From<DecodeError> for LoadError {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::UnknownType { .. } | DecodeError::UnknownVersion { .. } => Self::Newer(error.to_string()),
            DecodeError::Malformed { .. } => Self::Corrupt(error.to_string()),
        }
    }
}

/// The state of a stream as far as it is committed. A stream without events, and another tenant's, has the initial state.
pub(crate) async fn load(store: &dyn EventStore, key: StreamKey) -> Result<Held, LoadError> {
    let category = Category::parse(key.stream.category)
        .ok_or_else(|| LoadError::Newer(format!("unknown category {}", key.stream.category)))?;
    let mut held = from_snapshot(store, key, category).await?.unwrap_or_else(|| nothing(category));
    let tail = ReadStream {
        tenant: key.tenant,
        stream: key.stream,
        from: held.version + 1,
        direction: Direction::Forwards,
        limit: EVENTS_MAX,
        reveal: true,
    };
    let mut events = store.read_stream(tail);
    while let Some(recorded) = events.next().await {
        let recorded = recorded?;
        if recorded.version != held.version + 1 {
            let gap = format!("stream {}: version {} follows version {}", key.stream, recorded.version, held.version);
            return Err(LoadError::Corrupt(gap));
        }
        held.state = held.state.evolve(&decode(&recorded)?);
        held.version = recorded.version;
        held.bytes += recorded.payload.len();
    }
    Ok(held)
}

/// The state of a stream without events.
pub(crate) fn nothing(category: Category) -> Held {
    Held { state: AggregateState::initial(category), version: 0, snapshot_version: 0, bytes: 0 }
}

async fn from_snapshot(store: &dyn EventStore, key: StreamKey, category: Category) -> Result<Option<Held>, LoadError> {
    let Some(snapshot) = store.load_snapshot(key.tenant, &key.stream, category.snapshot_version()).await? else {
        return Ok(None);
    };
    let version = snapshot.stream_version;
    match AggregateState::from_snapshot(category, &snapshot.state) {
        Ok(state) => Ok(Some(Held { state, version, snapshot_version: version, bytes: snapshot.state.len() })),
        Err(error) => {
            tracing::warn!(stream = %key.stream, error = &error as &dyn std::error::Error, "a snapshot cannot be read; its stream is read from the start");
            Ok(None)
        }
    }
}

/// An error and what caused it, in one line.
pub(crate) fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// The answer when a task of our own died.
pub(crate) fn died(_: Box<dyn std::any::Any + Send>) -> LoadError {
    LoadError::Corrupt("loading a stream panicked".to_owned())
}

/// How many versions a state is behind its snapshot.
pub(crate) fn versions_since_snapshot(held: &Held) -> Version {
    held.version - held.snapshot_version
}

/// More than a stream can have.
const EVENTS_MAX: u64 = Version::MAX as u64;
