//! Loyalty: points earned with purchases, redeemed for discounts, taken back with refunds, and lost when too old.
//!
//! - Words: a *lot* is the points of one purchase, with its expiry; *available* is what may be redeemed; a *debt* is what
//!   was taken back but already spent; *on* and *today* are business dates of the tenant.
//! - Points expire oldest lot first; each decision first lets expire what is due.
//! - Redemption never takes more than is available. Only a reversal can make the balance negative; earning pays that first.
//! - A tier is reached at once and never lost without a review. A late event reopens no decision.
//! - One aggregate: [`loyalty_account::LoyaltyAccount`], under the customer's id; its rules: [`programme::Programme`].
//!
//! Deliberately absent, for now: campaigns, holds, pending points, stamps, the yearly review.

pub mod commands;
pub mod events;
pub mod loyalty_account;
pub mod programme;
#[cfg(test)]
pub(crate) mod tests;
