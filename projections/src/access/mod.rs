//! What is known of tenants and keys: read on every request, so kept small.

pub mod api_keys;
pub mod tenants;
