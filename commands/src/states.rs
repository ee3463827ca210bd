//! What a decision may look at: the states of the streams in its scope, and which once-only facts have happened.

use domain::{Aggregate, AggregateState};
use store::{StreamId, Version};
use uuid::Uuid;

/// The states that one decision rests on.
#[derive(Debug)]
pub struct States<'a> {
    streams: Vec<StreamState<'a>>,
    happened: &'a [Uuid],
}

#[derive(Debug)]
pub(crate) struct StreamState<'a> {
    pub(crate) stream: StreamId,
    pub(crate) state: &'a AggregateState,
    pub(crate) version: Version,
}

impl<'a> States<'a> {
    pub(crate) fn new(streams: Vec<StreamState<'a>>, happened: &'a [Uuid]) -> Self {
        Self { streams, happened }
    }

    /// The state of an aggregate in scope.
    ///
    /// # Panics
    /// When it is not in the request's scope: a bug of the command, answered as an internal error.
    #[must_use]
    pub fn get<A: Aggregate>(&self, id: Uuid) -> &'a A {
        let stream = stream_of::<A>(id);
        let found = self.find(&stream).and_then(|found| A::of(found.state));
        found.unwrap_or_else(|| panic!("stream {stream} is not in the scope of the request"))
    }

    /// The version of a stream in scope; 0 for one without events.
    #[must_use]
    pub fn version(&self, stream: &StreamId) -> Version {
        self.find(stream).map_or(0, |found| found.version)
    }

    /// Whether the log said that a once-only fact has already happened. What nobody asked about reads as "no": the log
    /// refuses an event that says it twice, and then the request is decided again with "yes".
    #[must_use]
    pub fn happened(&self, once_id: Uuid) -> bool {
        self.happened.contains(&once_id)
    }

    fn find(&self, stream: &StreamId) -> Option<&StreamState<'a>> {
        self.streams.iter().find(|found| found.stream == *stream)
    }
}

/// The stream of an aggregate.
#[must_use]
pub fn stream_of<A: Aggregate>(id: Uuid) -> StreamId {
    StreamId { category: A::CATEGORY.as_str(), id }
}
