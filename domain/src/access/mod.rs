//! Access: tenants, and the keys by which programs act for them.
//!
//! - Words: a *tenant* is a company that uses Clientela, known by a small number; a *key* is known by its digest, never by
//!   itself; a *scope* is what a key may do.
//! - Two aggregates: [`tenant::Tenant`] and [`api_key::ApiKey`], each in streams of its own.
//!
//! Deliberately absent: checking a key or a scope, which is done against plain tables on each request.

pub mod api_key;
pub mod commands;
pub mod events;
pub mod scope;
pub mod tenant;
#[cfg(test)]
mod tests;
