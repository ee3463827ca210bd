//! Loyalty: points earned with purchases, redeemed for discounts, taken back with refunds, and lost when too old.
//!
//! - Words: a *lot* is the points of one purchase, with its expiry; *available* is what may be redeemed; a *debt* is what
//!   was taken back but already spent; *on* and *today* are business dates of the tenant.
//! - Points expire oldest lot first; each decision first lets lapse and expire what is due.
//! - Redemption never takes more than is available. Only a reversal can make the balance negative; earning pays that first.
//! - A *hold* sets points aside for an order: they are not available, do not expire, and become the discount that was promised
//!   (*capture*) or come back (*release*), by themselves when its time is over (*lapse*).
//! - An *adjustment* gives or takes points by hand. It never counts for a tier, and takes no more than is available.
//! - A *transfer* moves points to another account, oldest first and with their dates. They count for the tier of who earned them.
//! - An account is *merged* into that of the customer it turned out to be, which *absorbs* all it had: points, debt, orders, and what
//!   counts for the tier.
//! - Articles that a *stamp card* names are stamped; a full card earns a *reward*, which is redeemed with an order. Stamps are no points.
//! - What may be abuse is *flagged*, for a person to look at and clear; nothing is refused because of it.
//! - A tier is reached at once and lost at a yearly review only, on the anniversary of the enrolment. A late event reopens no decision.
//! - The rules are a tenant's [`programme::Programme`], in versions: each holds from a date on, until a later one does. A change
//!   rewrites nothing: what an event says stays, a refund takes back by the rules that its purchase earned by.
//! - A *campaign* gives more for some purchases, for a time. It is a tenant's, in versions; each purchase says what campaigns gave.
//! - A *rehearsal* replays a history under other rules: it decides anew what rules decide, and takes the rest as it was.
//! - Two aggregates: [`loyalty_account::LoyaltyAccount`], under the customer's id, and the tenant's one
//!   [`loyalty_programme::LoyaltyProgramme`].

pub mod adjustments;
pub mod campaigns;
pub mod commands;
pub mod events;
pub mod flags;
pub mod holds;
pub mod loyalty_account;
pub mod loyalty_programme;
pub mod merging;
pub mod programme;
pub mod referrals;
pub mod rehearsal;
pub mod sale;
#[cfg(test)]
pub(crate) mod tests;
pub mod windows;
