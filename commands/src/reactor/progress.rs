//! How far reactors are, for people and for `/health`.

use super::Reactor;
use serde::Serialize;
use std::sync::{Mutex, PoisonError};
use store::Position;
use store::consumer::parked::Standing;
use uuid::Uuid;

/// What a reactor is doing, as far as this node knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReactorState {
    /// Another node runs it, or nobody does yet.
    Standby,
    /// It acts on what happened before it was started.
    CatchingUp,
    /// It follows the log.
    Live,
    /// Something went wrong; it tries again.
    Retrying,
    /// It cannot go on. It tries again now and then.
    Failed,
    /// It was stopped.
    Stopped,
}

/// How a reactor is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReactorStatus {
    /// Its name.
    pub name: &'static str,
    /// What it is doing.
    pub state: ReactorState,
    /// The last position that it has dealt with.
    pub position: Position,
    /// Last position of the log.
    pub head: Position,
    /// How many events it is behind.
    pub lag: i64,
    /// Events that are put aside, of all tenants.
    pub parked: i64,
    /// Which node runs it.
    pub owner: Option<Uuid>,
    /// What went wrong last, until it goes well again; no personal data.
    pub error: Option<String>,
}

#[derive(Debug, Clone)]
struct Known {
    state: ReactorState,
    position: Position,
    error: Option<String>,
}

/// One reactor's progress on this node, written by its runner.
#[derive(Debug)]
pub(super) struct Progress {
    name: &'static str,
    known: Mutex<Known>,
}

impl Progress {
    pub(super) fn of(reactor: &Reactor) -> Self {
        let known = Known { state: ReactorState::Standby, position: Position(0), error: None };
        Self { name: reactor.name, known: Mutex::new(known) }
    }

    pub(super) fn position(&self) -> Position {
        self.lock().position
    }

    /// It begins at a position, or has dealt with all up to there.
    pub(super) fn reached(&self, position: Position) {
        self.lock().position = position;
        metrics::gauge!("reactor_position", "reactor" => self.name).set(as_gauge(position.0));
    }

    /// All is well.
    pub(super) fn is(&self, state: ReactorState) {
        let mut known = self.lock();
        known.state = state;
        known.error = None;
    }

    pub(super) fn stumbled(&self, state: ReactorState, error: String) {
        let mut known = self.lock();
        known.state = state;
        known.error = Some(error);
    }

    pub(super) fn status(&self, standing: Option<&Standing>, head: Option<Position>) -> ReactorStatus {
        let known = self.lock().clone();
        let position = standing.map_or(known.position, |standing| standing.position.max(known.position));
        let head = head.unwrap_or(position);
        let (lag, parked) = ((head.0 - position.0).max(0), standing.map_or(0, |standing| standing.parked));
        metrics::gauge!("reactor_lag_events", "reactor" => self.name).set(as_gauge(lag));
        metrics::gauge!("reactor_parked_events", "reactor" => self.name).set(as_gauge(parked));
        let owner = standing.and_then(|standing| standing.owner);
        let Known { state, error, .. } = known;
        ReactorStatus { name: self.name, state, position, head, lag, parked, owner, error }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[expect(clippy::cast_precision_loss, reason = "gauges are floating-point numbers")]
fn as_gauge(number: i64) -> f64 {
    number as f64
}
