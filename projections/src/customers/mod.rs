//! What is known of customers.

pub mod customer_profiles;
pub mod customer_timeline;
#[expect(clippy::module_inception, reason = "a read model's file is named after its table")]
pub mod customers;
