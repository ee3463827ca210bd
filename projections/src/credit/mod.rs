//! What is known of commercial credit.

pub mod credit_aging;
pub mod credit_groups;
pub mod credit_lines;
pub mod credit_movements;
#[cfg(test)]
pub(crate) mod stories;
