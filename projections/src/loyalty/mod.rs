//! What is known of loyalty accounts.

pub mod loyalty_balances;
pub mod loyalty_campaigns;
pub mod loyalty_flags;
pub mod loyalty_kpis;
pub mod loyalty_ledger;
pub mod loyalty_programmes;
pub mod loyalty_rehearsals;
#[cfg(test)]
pub(crate) mod stories;
