//! The Merkle tree of the log in the database: built right behind the append, signed, and asked for proofs.
//!
//! [`builder`] writes full tiles and signs heads from time to time, on one node; [`heads`] signs, on any node; [`nodes`] finds the hashes
//! that proofs are made of; [`proofs`] makes them. What is stored is never changed: where it does not fit the log, that is said and
//! nothing is signed. The format stands in [`crate::merkle`] and [`crate::signed_note`].

mod builder;
mod heads;
mod nodes;
mod proofs;
mod status;
#[cfg(test)]
pub(super) mod tests;

pub use builder::Pace;
pub use heads::SignedHead;
pub use proofs::{Consistency, ProofError, ProvenEvent};
pub use status::{Published, TreeState, TreeStatus};

use super::read::Reader;
use super::sealing::KeyRing;
use crate::consumer::Running;
use crate::personal_data::Keys;
use crate::signed_note::LogKey;
use crate::{Position, StoreError};
use nodes::Nodes;
use sqlx::PgPool;
use status::Standing;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{Mutex, watch};

/// The tree of one log, as one node works with it. Clones share it.
#[derive(Debug, Clone)]
pub struct Tree(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    reader: Reader,
    key: LogKey,
    nodes: Nodes,
    /// The last position that this node has seen.
    seen: watch::Receiver<Position>,
    /// When this node has signed last; who wants to sign waits for it.
    signing: Mutex<Option<Instant>>,
    /// The size of the newest head that this node knows.
    signed: watch::Sender<u64>,
    standing: Standing,
    running: Running,
}

impl Tree {
    pub(super) fn new(reader: Reader, seen: watch::Receiver<Position>) -> Self {
        let key = reader.keyring.keys().log.clone();
        Self(Arc::new(Inner {
            nodes: Nodes::new(reader.pool.clone()),
            reader,
            key,
            seen,
            signing: Mutex::new(None),
            signed: watch::channel(0).0,
            standing: Standing::default(),
            running: Running::default(),
        }))
    }

    /// That of a log which this process does not follow.
    #[must_use]
    pub fn unattached(pool: PgPool, keys: Keys) -> Self {
        let (names, keyring) = (Arc::default(), KeyRing::new(keys));
        Self::new(Reader { pool, names, keyring }, watch::channel(Position(0)).1)
    }

    /// How it is, as far as this node knows.
    #[must_use]
    pub fn status(&self) -> TreeStatus {
        self.0.standing.status()
    }

    /// Follows the size of the newest head that this node knows; 0 at first.
    #[must_use]
    pub fn signed(&self) -> watch::Receiver<u64> {
        self.0.signed.subscribe()
    }

    fn pool(&self) -> &PgPool {
        &self.0.reader.pool
    }
}

/// What is stored does not fit the log, or itself.
fn misfit(table: &'static str, column: &'static str, row: impl Display, reason: impl Into<String>) -> StoreError {
    StoreError::Corrupt { table, column, row: format!("{row}"), reason: reason.into() }
}

/// Sizes and positions are counted by the database's `bigint`, which is never negative here.
fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
