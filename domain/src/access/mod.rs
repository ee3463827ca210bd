//! Access: tenants, the keys by which programs act for them, and what operators do to the projectors of an installation.
//!
//! - Words: a *tenant* is a company that uses Clientela, known by a small number; a *key* is known by its digest, never by
//!   itself; a *scope* is what a key may do; to *skip* an event is to let one projector leave it out for good.
//! - A tenant has *settings* ([`settings::TenantSettings`]): rules that are its own to choose.
//! - Three aggregates: [`tenant::Tenant`], [`api_key::ApiKey`] and [`projection::Projection`], each in streams of its own.
//!
//! Deliberately absent: checking a key or a scope, which is done against plain tables on each request.

pub mod api_key;
pub mod commands;
pub mod events;
pub mod projection;
pub mod scope;
pub mod settings;
pub mod tenant;
#[cfg(test)]
mod tests;
