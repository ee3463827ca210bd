//! How the fake store learns what a request rests on.
//!
//! Only an engine of the store crate can settle a ticket or tell two of them apart, so the loop announces, in tests, the
//! numbers of the requests whose tickets it is about to pass on.

use std::cell::RefCell;

/// A request of a loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct RequestId {
    pub(crate) node: usize,
    pub(crate) number: u64,
}

/// A request and those it rests on.
#[derive(Debug, Clone)]
pub(crate) struct Lineage {
    pub(crate) id: RequestId,
    pub(crate) rests_on: Vec<RequestId>,
}

thread_local! {
    static NEXT: RefCell<Option<Lineage>> = const { RefCell::new(None) };
}

/// Said by the loop right before it submits.
pub(crate) fn announce(node: usize, number: u64, rests_on: impl Iterator<Item = u64>) {
    let rests_on = rests_on.map(|number| RequestId { node, number }).collect();
    NEXT.with_borrow_mut(|next| *next = Some(Lineage { id: RequestId { node, number }, rests_on }));
}

/// Heard by the fake store; nothing when the request does not come from a loop.
pub(crate) fn heard() -> Option<Lineage> {
    NEXT.take()
}
