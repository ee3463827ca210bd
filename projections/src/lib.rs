//! All that is known from history: read models made from the log, and the queries on them.
//!
//! A read model is one file: its row, a pure fold, one set-based write, its queries. [`runner`] follows the log for it
//! and commits rows and checkpoint together; [`Projections`] is all projectors of one node: start, wait, status, stop.
//! Reading needs a tenant: every query goes through a transaction of the request role, except those that must come before
//! a tenant is known (keys).
//!
//! Deliberately absent: anything that changes history, and the clock: a row depends on its events only, and what depends
//! on today is computed by the query, from the caller's date.

pub mod access;
pub mod audit;
mod batch;
#[cfg(debug_assertions)]
mod changed_rule;
mod control;
pub mod credit;
pub mod customers;
#[cfg(test)]
mod folding;
mod generations;
pub mod loyalty;
mod node;
pub mod of_person;
mod overview;
mod progress;
mod query;
pub mod read_model;
pub mod rebuild;
pub mod runner;
pub mod tables;
pub mod testing;
pub mod time_travel;
#[cfg(test)]
mod versions;

pub use control::SkipError;
pub use generations::{behind, outdated, prepare};
pub use node::{Projections, Projector};
pub use overview::{Lease, Pause, ProjectionOverview, Rebuilding};
pub use progress::{Behind, ProjectorError, ProjectorState, ProjectorStatus};
pub use query::{AsOf, Back, Page, lowest_position};
pub use read_model::{ReadModel, Recorded};

/// All projectors of this build.
#[must_use]
pub fn projectors() -> Vec<Projector> {
    let projectors = vec![
        Projector::of::<customers::customers::Customers>(),
        Projector::of::<customers::customer_profiles::CustomerProfiles>(),
        Projector::of::<customers::customer_timeline::CustomerTimeline>(),
        Projector::of::<loyalty::loyalty_balances::LoyaltyBalances>(),
        Projector::of::<loyalty::loyalty_ledger::LoyaltyLedger>(),
        Projector::of::<loyalty::loyalty_kpis::LoyaltyKpis>(),
        Projector::of::<loyalty::loyalty_programmes::LoyaltyProgrammes>(),
        Projector::of::<loyalty::loyalty_flags::LoyaltyFlags>(),
        Projector::of::<loyalty::loyalty_rehearsals::LoyaltyRehearsals>(),
        Projector::of::<loyalty::loyalty_campaigns::LoyaltyCampaigns>(),
        Projector::of::<credit::credit_lines::CreditLines>(),
        Projector::of::<credit::credit_movements::CreditMovements>(),
        Projector::of::<credit::credit_aging::CreditAging>(),
        Projector::of::<credit::credit_groups::CreditGroups>(),
        Projector::of::<audit::audit_trail::AuditTrail>(),
        Projector::of::<access::tenants::Tenants>(),
        Projector::of::<access::api_keys::ApiKeys>(),
    ];
    #[cfg(debug_assertions)]
    let projectors = changed_rule::in_force(projectors);
    projectors
}
