//! The clock: the only place of this crate that reads the time.
//!
//! Nothing that decides reads it: a [`crate::Caller`] carries the time of its request.

use chrono::{DateTime, SubsecRound, Utc};
use std::sync::{Mutex, PoisonError};
use tokio::time::Instant;

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> DateTime<Utc>;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    fn now(&self) -> DateTime<Utc> {
        // As the log and the tables keep it, so that an answer says the same at once and later.
        Utc::now().trunc_subsecs(6)
    }
}

/// A clock that stands still until it is moved: for tests, and for imports that state their time.
#[derive(Debug)]
pub struct FrozenClock(Mutex<DateTime<Utc>>);

impl FrozenClock {
    /// A clock that stands at `now`.
    #[must_use]
    pub fn at(now: DateTime<Utc>) -> Self {
        Self(Mutex::new(now))
    }

    /// Moves it to another time.
    pub fn set(&self, now: DateTime<Utc>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    /// Moves it forwards.
    pub fn advance(&self, by: chrono::TimeDelta) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }
}

impl Clock for FrozenClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A moment to measure durations and deadlines from; says nothing of the time of day.
pub(crate) fn moment() -> Instant {
    Instant::now()
}
