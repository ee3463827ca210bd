//! What a decision wants: events on streams of its scope, claims to take or give back, and persons to forget, all or nothing.

use chrono::{DateTime, Utc};
use domain::Event;
use domain::ids::CustomerId;
use store::{ClaimChange, ClaimKey, StreamId, SubjectChanges};
use uuid::Uuid;

/// What is to happen, in order.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    pub(crate) events: Vec<Change>,
    pub(crate) claims: Vec<ClaimChange>,
    pub(crate) subjects: SubjectChanges,
}

/// One event that is to happen.
#[derive(Debug, Clone)]
pub struct Change {
    pub(crate) stream: StreamId,
    pub(crate) event: Event,
    pub(crate) once_id: Option<Uuid>,
    pub(crate) occurred_at: Option<DateTime<Utc>>,
    pub(crate) customer: Option<CustomerId>,
}

impl Change {
    /// An event on a stream.
    #[must_use]
    pub fn new(stream: StreamId, event: impl Into<Event>) -> Self {
        Self { stream, event: event.into(), once_id: None, occurred_at: None, customer: None }
    }

    /// Says whose event it is, where the id of the stream does not: under that customer's key it is sealed, and on that customer's timeline it
    /// stands.
    #[must_use]
    pub fn of_customer(self, customer: CustomerId) -> Self {
        Self { customer: Some(customer), ..self }
    }

    /// Names the once-only fact that the event records.
    #[must_use]
    pub fn once(self, once_id: Uuid) -> Self {
        Self { once_id: Some(once_id), ..self }
    }

    /// Gives the event a business time of its own, other than its request's.
    #[must_use]
    pub fn at(self, occurred_at: DateTime<Utc>) -> Self {
        Self { occurred_at: Some(occurred_at), ..self }
    }
}

impl Changes {
    /// Nothing happens.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// These events happen on one stream.
    #[must_use]
    pub fn of<E: Into<Event>>(stream: StreamId, events: impl IntoIterator<Item = E>) -> Self {
        Self::none().and(stream, events)
    }

    /// Then these events happen on one stream.
    #[must_use]
    pub fn and<E: Into<Event>>(mut self, stream: StreamId, events: impl IntoIterator<Item = E>) -> Self {
        self.events.extend(events.into_iter().map(|event| Change::new(stream, event)));
        self
    }

    /// Then these events of a customer happen on one stream, whose id does not tell whose they are.
    #[must_use]
    pub fn and_of_customer<E: Into<Event>>(
        mut self,
        stream: StreamId,
        customer: CustomerId,
        events: impl IntoIterator<Item = E>,
    ) -> Self {
        self.events.extend(events.into_iter().map(|event| Change::new(stream, event).of_customer(customer)));
        self
    }

    /// Then this happens.
    pub fn push(&mut self, change: Change) {
        self.events.push(change);
    }

    /// `owner` takes a claim.
    pub fn take(&mut self, key: ClaimKey, owner: Uuid) {
        self.claims.push(ClaimChange::Take { key, owner });
    }

    /// Two subjects are one person from now on: whoever forgets one forgets both.
    pub fn link(&mut self, one: Uuid, other: Uuid) {
        self.subjects.links.push((one, other));
    }

    /// A subject is forgotten: its key is destroyed, and its claims are given back. One of the events has to say so.
    pub fn erase(&mut self, subject: Uuid) {
        self.subjects.erases.push(subject);
    }

    /// `owner` gives a claim back.
    pub fn release(&mut self, key: ClaimKey, owner: Uuid) {
        self.claims.push(ClaimChange::Release { key, owner });
    }
}
