//! Snapshots: states of long streams, kept to save time. Never truth, always disposable.

use crate::Version;
use uuid::Uuid;

/// The state of a stream at one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Version of the aggregate's own snapshot format; another one is ignored.
    pub aggregate_version: i16,
    /// Version of the stream that the state includes.
    pub stream_version: Version,
    /// Whose personal data the state may hold: it is sealed under this subject's key and dies with it.
    pub subject_id: Option<Uuid>,
    /// The state, in plain; the store seals it.
    pub state: Vec<u8>,
}
