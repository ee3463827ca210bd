//! What is known of loyalty accounts.

pub mod loyalty_balances;
