//! Jobs: what is to be done because time has passed. The clock in, commands out.
//!
//! A job is due-work: a read model says for which accounts something is due ([`crate::ports::JobFacts`]), and a command, like
//! any other, does it. [`Jobs`] does the rest: it makes runs known by a schedule in the time of each tenant, one node at a
//! time carries them out, in parts, and goes on behind the last part when a node was killed. That nothing happens twice is
//! the log's to say, by the ids of the facts; the runs say what was done, and when.
//!
//! A moment that was missed, because no node ran, is made up for once.

mod node;
mod runner;
mod schedule;

use crate::caller::{Caller, Scope};
use crate::error::CommandError;
use crate::execute::{Commands, Committed};
use crate::ports::Due;
use futures::future::BoxFuture;
use uuid::Uuid;

pub use node::{JobState, JobStatus, JobView, Jobs, Parts, RunsPage};
pub use runner::Pace;
pub use schedule::Schedule;

type Acting<'a> = BoxFuture<'a, Result<Committed, CommandError>>;

/// Something that the clock asks for.
#[derive(Debug, Clone, Copy)]
pub struct Job {
    /// Its name: `loyalty_expiry`.
    pub name: &'static str,
    /// `job:` and its name: the actor of its commands, and its name at leases.
    pub actor: &'static str,
    /// What it does, in a few words.
    pub about: &'static str,
    /// When.
    pub schedule: Schedule,
    /// Whether a moment at which nothing was due leaves no run behind.
    pub leaves_no_trace: bool,
    /// For which accounts.
    pub due: Due,
    /// What it may do.
    pub scope: Scope,
    /// What is done for one of them.
    pub act: for<'a> fn(&'a Commands, &'a Caller, Uuid) -> Acting<'a>,
}

/// All jobs of this build.
#[must_use]
pub fn jobs() -> Vec<Job> {
    use crate::credit::jobs as credit;
    use crate::loyalty::jobs::{EXPIRY, HOLD_LAPSE, REVIEW, VESTING};
    let of_credit = [credit::HOLD_LAPSE, credit::TEMPORARY_EXPIRY, credit::OVERDUE, credit::REVIEW, credit::DUNNING];
    [VESTING, EXPIRY, HOLD_LAPSE, REVIEW].into_iter().chain(of_credit).collect()
}
