//! Commercial credit: what a business may buy before it pays, within a limit, and what becomes of it until it has paid.
//!
//! - Words: a *line* is a customer's credit in one currency; a *use* is an order that was bought on it, *outstanding* as far as it is
//!   not paid; *held* is what is promised to orders that are not invoiced yet; *unapplied* is money that came in and paid nothing yet.
//! - The *ceiling* is the limit, the tolerance on it, and temporary credit while that lives. *Available* is the ceiling less what is
//!   outstanding and, if the policy counts open orders, held; unapplied money adds to it. Each decision first lets lapse what is due.
//! - An order uses credit once. Two steps are possible: *authorise* places a hold, *capture* makes a use of it, *void* gives it back. A
//!   hold lapses by itself after [`policy::HOLD_DAYS`] days.
//! - What does not fit is no error but an event, [`events::CreditEvent::LimitExceeded`]: that somebody tried is worth knowing.
//! - The rules stop an order, never the invoicing of what was shipped: a capture is refused for no limit, suspension or debt. Who may
//!   approve credit lets an order pass in spite of them; the event says who did, and why (*override*).
//! - Money pays the oldest due first, or the orders that it names. What is left of it stays unapplied, and pays the next use at once.
//!   What nothing is to be bought with is paid out (*refunded*). A payment that bounces after that is owed without an order: less than
//!   nothing is unapplied.
//! - A use is *overdue* from the day after its due date. Overdue beyond the grace that the policy gives *blocks*: nothing new is bought.
//!   The line may be *suspended* for it, which ends by itself when it is paid.
//! - *Dunning* reminds of what is overdue, one level after the other; it starts over once nothing is.
//! - What is owed outlives the line: on one that was closed, or asked for again since, money comes in and turns out to be none, goods come
//!   back, and what is late is told and reminded of. Nothing is bought on it.
//! - Lines of a *group* (a parent and its branches) share a limit beside their own.
//! - Two aggregates: [`credit_line::CreditLine`], under [`crate::ids::CreditLineId::of`] the customer and the currency, and
//!   [`credit_group::CreditGroup`]. Whoever decides on a line tells it what its group has left, and appends to both at once.
//!
//! No interest, no fees, no conversion between currencies; who may do what is not known here.

pub mod aging;
pub mod commands;
pub mod credit_group;
pub mod credit_line;
pub mod events;
pub mod financials;
pub mod policy;
pub mod reasons;
pub mod terms;
#[cfg(test)]
pub(crate) mod tests;
