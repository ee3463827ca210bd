//! States of streams that nothing is going on with: the recently used ones, bounded by number and by rough size.
//!
//! It holds committed states only. What is still pending is the decide loop's own business.

use domain::AggregateState;
use lru::LruCache;
use store::{StreamId, TenantId, Version};

/// A stream of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct StreamKey {
    pub(crate) tenant: TenantId,
    pub(crate) stream: StreamId,
}

/// A state at a version.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) state: AggregateState,
    pub(crate) version: Version,
    /// Version of the newest snapshot that was made or tried.
    pub(crate) snapshot_version: Version,
    /// A rough upper bound: the bytes it was folded from.
    pub(crate) bytes: usize,
}

/// The recently used states.
#[derive(Debug)]
pub(crate) struct Cache {
    states: LruCache<StreamKey, Held>,
    bytes: usize,
    entries_max: usize,
    bytes_max: usize,
}

impl Cache {
    pub(crate) fn new(entries_max: usize, bytes_max: usize) -> Self {
        Self { states: LruCache::unbounded(), bytes: 0, entries_max, bytes_max }
    }

    /// Takes a state out, to work on it.
    pub(crate) fn take(&mut self, key: &StreamKey) -> Option<Held> {
        let held = self.states.pop(key)?;
        self.bytes -= size_of(&held);
        Some(held)
    }

    /// Looks at a state without taking it out.
    pub(crate) fn peek(&self, key: &StreamKey) -> Option<&Held> {
        self.states.peek(key)
    }

    /// Puts a state in; the least recently used ones make room for it.
    pub(crate) fn put(&mut self, key: StreamKey, held: Held) {
        self.bytes += size_of(&held);
        if let Some(replaced) = self.states.put(key, held) {
            self.bytes -= size_of(&replaced);
        }
        while self.states.len() > self.entries_max || self.bytes > self.bytes_max {
            let Some((_, dropped)) = self.states.pop_lru() else { break };
            self.bytes -= size_of(&dropped);
        }
    }
}

const ENTRY_BYTES: usize = 512;

fn size_of(held: &Held) -> usize {
    ENTRY_BYTES + held.bytes
}
