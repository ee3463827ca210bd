//! What the tests of this crate share: a store in memory that can be held back, disturbed and made to fail.

pub(crate) mod fake_store;
pub(crate) mod lineage;
pub(crate) mod node;
