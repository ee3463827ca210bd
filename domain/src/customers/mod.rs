//! Customers: people (`individual`) and companies (`business`), how they are reached, and what they bought.
//!
//! - Words: *contact* is all that tells who a customer is; an *external reference* is what another system calls them; an
//!   *order* is known by the number of the system that took it; *on* is a business date.
//! - A customer has at least one of e-mail, phone, identity document and external reference, also after a change; a business
//!   has a company name. A change that changes nothing makes no event.
//! - An order is recorded once; a refund is made once and never gives back more than was bought; both are possible for
//!   24 months after the purchase.
//! - An *address* is for shipping or for billing; of each kind one is the default as soon as there is any.
//! - A customer has one reference of a system. Another one is not put in its place unasked: the other system's messages would be
//!   lost with the old one, and nobody would see it. As whom a customer *logs in* is one user, which another one replaces.
//! - *Tags* say what we file a customer under; a *rep* looks after it, on a *route*.
//! - What a customer may do in the *portal* is a set of words. A business may have *terms* of its own. *Metadata* are others' notes.
//! - A customer's *stage* follows from its purchases, or from what a person says of it ([`lifecycle`]).
//! - A customer may be in a *segment*, as its buying says ([`crate::segment`]).
//! - Who is *blocked* spends no points; what happens is recorded all the same ([`blocking`]).
//! - Who has not bought yet may have been *referred* by another customer, the *referrer* ([`referring`]).
//! - Two that turn out to be one are *merged*: the *duplicate* into the *survivor*, which takes over what it had ([`merging`]). A
//!   duplicate with a line of credit is not: credit stays where it is.
//! - One that is *deleted* can be restored. With an open credit balance it is not deleted but by who may force it.
//! - One aggregate: [`customer::Customer`].
//!
//! Deliberately absent: uniqueness among customers (claims of the log) and points (the loyalty context).

pub mod address;
pub mod addresses;
pub mod assignment;
pub mod blocking;
pub mod commands;
pub mod customer;
mod deletion;
pub mod events;
pub mod lifecycle;
pub mod links;
pub mod merging;
pub mod metadata;
pub mod portal;
pub mod preferences;
pub mod referring;
mod segments;
pub mod tags;
pub mod terms;
#[cfg(test)]
mod tests;
