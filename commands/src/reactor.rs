//! Reactors: what is to be done because something happened. Events in, commands out.
//!
//! [`Reactor::react`] is pure: it says which commands follow from an event. [`Reactors`] does the rest: it follows the log for
//! each of them from a checkpoint, on one node at a time, and issues the commands under ids made of (reactor, event, index), so
//! that what is done again after a crash, or by two nodes, happens once. An event that cannot be acted on is put aside with
//! all later ones of its stream, and tried again now and then; other streams go on.
//!
//! A rebuild of read models runs no reactor: these are other types, in a layer that read models do not know.

mod node;
mod progress;
mod runner;

use crate::execute::Request;
use crate::identity::IdempotencyKey;
use chrono::{DateTime, Utc};
use domain::Event;
use store::{Position, StreamId, TenantId, Version};
use uuid::Uuid;

pub use node::{ParkedPage, Parts, Reactors};
pub use progress::{ReactorState, ReactorStatus};
pub use runner::Pace;

/// What follows from events.
#[derive(Debug, Clone, Copy)]
pub struct Reactor {
    /// Its name for people: `customer_lifecycle`.
    pub name: &'static str,
    /// `reactor:` and its name: the actor of its commands, and its name at checkpoints and leases. Stored, so it never changes.
    pub actor: &'static str,
    /// Event types that it reacts to.
    pub handles: &'static [&'static str],
    /// The commands that follow from an event, in order. Pure.
    pub react: fn(&Occurrence) -> Vec<Request>,
}

/// Something that happened, with its place in the log. Who it was about is not opened.
#[derive(Debug, Clone)]
pub struct Occurrence {
    /// What happened.
    pub event: Event,
    /// Whose event.
    pub tenant: TenantId,
    /// The stream it stands in.
    pub stream: StreamId,
    /// Its version in the stream.
    pub version: Version,
    /// Its place in the log.
    pub position: Position,
    /// On whose timeline it stands.
    pub customer_id: Option<Uuid>,
    /// Business time.
    pub occurred_at: DateTime<Utc>,
}

/// All reactors of this build.
#[must_use]
pub fn reactors() -> Vec<Reactor> {
    vec![crate::customers::reactors::LIFECYCLE, crate::loyalty::reactors::REFERRAL_BONUS]
}

/// What names a command for ever: the event that it follows from, and which of the event's commands it is. With the actor
/// it makes the command's id.
fn key_of(event_id: &str, index: usize) -> Option<IdempotencyKey> {
    IdempotencyKey::new(format!("{event_id}#{index}")).ok()
}
