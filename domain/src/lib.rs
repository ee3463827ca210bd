//! What can happen, and why. Pure: values in, values out; no I/O, clock, randomness or async. Time and ids are arguments.
//!
//! A context is a folder (`customers`, `loyalty`, `credit`, `access`); contexts meet in the sum type [`Event`] only, never in each
//! other. Deliberately absent: storage, tenants' isolation, uniqueness across aggregates (claims belong to the log).

#![deny(clippy::float_arithmetic)]

pub mod access;
pub mod aggregate;
pub mod birth_date;
pub mod calendar;
pub mod country;
pub mod credit;
pub mod customers;
pub mod decider;
pub mod document;
pub mod email;
pub mod event;
pub mod ids;
pub mod loyalty;
pub mod money;
pub mod patch;
pub mod phone;
pub mod purchase;
pub mod refusal;
pub mod segment;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod text;
pub mod validators;

pub use aggregate::{Aggregate, AggregateState, Category, SnapshotError};
pub use calendar::Moment;
pub use decider::Decider;
pub use event::{DecodeError, Encoded, Event, Personal, Sealed};
pub use money::{Currency, Money};
pub use patch::Patch;
pub use refusal::{InvalidValue, Refusal, RefusalKind};
