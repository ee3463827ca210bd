//! What callers wanted, and what they were told: the history that the checkers compare with the log.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use uuid::Uuid;

/// What somebody wants to happen once.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Deed {
    /// A new customer who is a member; the address names the intent.
    Register { email: String },
    /// A purchase of so many whole units.
    Purchase { customer: Uuid, order: String, units: i64 },
    /// Points without a purchase.
    Earn { customer: Uuid, order: String, units: i64 },
    /// Points into a discount.
    Redeem { customer: Uuid, order: String, points: i64 },
    /// A new customer that is a business; the address names the intent.
    Trade { email: String },
    /// A line of credit of so many whole units, asked for by one and given by another.
    Grant { customer: Uuid, units: i64 },
    /// An order of so many whole units on credit.
    Use { line: Uuid, order: String, units: i64 },
    /// Money for what was bought on credit.
    Pay { line: Uuid, payment: String, units: i64 },
}

/// What somebody was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It was done; `position` is that of its last event, `made` the customer or the line that came of it.
    Done { position: i64, made: Option<Uuid> },
    /// It was refused; `available` as the refusal told it: points, or the smallest unit of money.
    Refused { code: String, available: Option<i64> },
}

impl Answer {
    pub(crate) fn is_done(&self) -> bool {
        matches!(self, Self::Done { .. })
    }
}

/// One intent and its end. Times are microseconds since the history began; a retried request was invoked when it was first
/// sent and answered when the answer came at last.
#[derive(Debug, Clone)]
pub(crate) struct Intent {
    pub(crate) deed: Deed,
    pub(crate) invoked: u64,
    pub(crate) answered: u64,
    pub(crate) answer: Answer,
}

/// All intents of a run.
#[derive(Debug, Clone)]
pub(crate) struct History {
    began: Instant,
    intents: Arc<Mutex<Vec<Intent>>>,
}

impl History {
    pub(crate) fn begin() -> Self {
        Self { began: Instant::now(), intents: Arc::default() }
    }

    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).expect("a run ends within an age")
    }

    /// Remembers an intent that was answered just now.
    pub(crate) fn record(&self, deed: Deed, invoked: u64, answer: Answer) {
        let intent = Intent { deed, invoked, answered: self.now(), answer };
        self.intents.lock().unwrap_or_else(PoisonError::into_inner).push(intent);
    }

    pub(crate) fn len(&self) -> usize {
        self.intents.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    pub(crate) fn intents(&self) -> Vec<Intent> {
        self.intents.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
