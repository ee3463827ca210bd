//! Proofs: that an event is in a signed head, and that a signed head continues an earlier one.

use super::{SignedHead, Tree, misfit, unsigned};
use crate::merkle::{self, Hash, Span};
use crate::postgres::database::unavailable;
use crate::postgres::rows::{columns, to_events};
use crate::{Position, RecordedEvent, StoreError, TenantId};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt::Write;

/// The first line of a proof, as C2SP tlog-proof says.
const PROOF: &str = "c2sp.org/tlog-proof@v1";

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// The tenant has no event there.
    #[error("no event of this tenant stands at position {0}")]
    NoEvent(Position),
    /// No head of this size was signed.
    #[error("no head over {0} events was signed")]
    NoHead(u64),
    /// The log could not be read, or is not what was signed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An event and the proof that it is in the log.
#[derive(Debug, Clone)]
pub struct ProvenEvent {
    /// The event as it is stored.
    pub event: RecordedEvent,
    /// The text of a C2SP tlog-proof.
    pub proof: String,
}

/// The proof that the tree of one head begins with that of another.
#[derive(Debug, Clone)]
pub struct Consistency {
    /// The older head.
    pub from: SignedHead,
    /// The newer one.
    pub to: SignedHead,
    /// The hashes of RFC 9162 §2.1.4.
    pub hashes: Vec<Hash>,
}

impl Tree {
    /// Proves an event of a tenant. What was committed before this call is covered, by a head that is made now if need be.
    ///
    /// # Errors
    /// When there is no such event, the database is away, or the log is not what was signed.
    pub async fn prove(&self, tenant: TenantId, position: Position) -> Result<ProvenEvent, ProofError> {
        let event = self.event(tenant, position).await?;
        let head = self.head_over(position).await?;
        let leaf = unsigned(position.0) - 1;
        let spans = merkle::inclusion(leaf, head.size);
        let hashes = self.0.nodes.of_spans(&spans).await?;
        if folded(leaf, event.leaf_hash, &spans, &hashes) != head.root {
            let error = misfit("events", "leaf_hash", position, format!("it is not in the head over {}", head.size));
            self.0.nodes.forget();
            self.0.standing.failed(&error);
            return Err(error.into());
        }
        Ok(ProvenEvent { event, proof: proof(leaf, &hashes, &head) })
    }

    /// Proves that a signed head continues another; the newest one if none is named.
    ///
    /// # Errors
    /// When there are no such heads, or the database is away.
    pub async fn consistency(&self, from: u64, to: Option<u64>) -> Result<Consistency, ProofError> {
        let older = self.head_of(from).await?.ok_or(ProofError::NoHead(from))?;
        let newer = match to {
            Some(to) => self.head_of(to).await?.ok_or(ProofError::NoHead(to))?,
            None => self.newest_head().await?.ok_or(ProofError::NoHead(from))?,
        };
        let hashes = self.0.nodes.of_spans(&merkle::consistency(older.size, newer.size)).await?;
        Ok(Consistency { from: older, to: newer, hashes })
    }

    async fn event(&self, tenant: TenantId, position: Position) -> Result<RecordedEvent, ProofError> {
        let (pool, names) = (self.pool(), &self.0.reader.names);
        let rows = sqlx::query(concat!("select ", columns!(), " from events where position = $1 and tenant = $2"))
            .bind(position.0)
            .bind(tenant.0)
            .fetch_all(pool)
            .await
            .map_err(unavailable)?;
        if let Some(event) = to_events(pool, names, &rows).await?.pop() {
            return Ok(event);
        }
        let head = self.0.reader.head().await?;
        if position > head {
            return Err(StoreError::BeyondHead { asked: position, head }.into());
        }
        Err(ProofError::NoEvent(position))
    }
}

/// The root that a proof leads to.
fn folded(leaf: u64, hash: Hash, spans: &[Span], hashes: &[Hash]) -> Hash {
    spans.iter().zip(hashes).fold(hash, |hash, (span, beside)| match span.start > leaf {
        true => merkle::node(&hash, beside),
        false => merkle::node(beside, &hash),
    })
}

fn proof(leaf: u64, hashes: &[Hash], head: &SignedHead) -> String {
    let mut text = format!("{PROOF}\nindex {leaf}\n");
    for hash in hashes {
        let _ = writeln!(text, "{}", STANDARD.encode(hash)); // a String takes everything
    }
    text + "\n" + &head.checkpoint
}
