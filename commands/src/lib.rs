//! All that changes history: one function per command, and the one pipeline that they go through.
//!
//! A command function says who may, on which streams, with which facts and claims; it holds no rule: those are the
//! domain's. [`Commands`] loads the states, lets the domain decide, appends, and answers when the store has committed.
//!
//! It reads no read model and writes none; it knows nothing of HTTP, gRPC or SQL.

pub mod access;
pub mod caller;
pub mod changes;
pub mod claims;
pub mod clock;
pub mod credit;
pub mod customers;
pub mod error;
pub mod execute;
pub mod identity;
pub mod ids;
pub mod job;
pub mod loyalty;
pub mod ports;
pub mod reactor;
pub mod states;

mod cache;
mod decide_loop;
mod encoding;
mod leased;
mod loading;
mod other_names;
mod refusals;
#[cfg(test)]
mod testing;

pub use caller::{Caller, Door, INSTALLATION, Scope};
pub use changes::{Change, Changes};
pub use clock::{Clock, FrozenClock, SystemClock};
pub use error::CommandError;
pub use execute::{Commands, Committed, Config, RecordedDomainEvent, Request};
pub use identity::{IdempotencyKey, Once};
pub use job::Jobs;
pub use reactor::Reactors;
pub use states::{States, stream_of};
