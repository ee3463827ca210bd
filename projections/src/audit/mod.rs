//! Who did what, when, and on which occasion.

pub mod audit_trail;
