//! New ids and secrets: the only place of this crate that uses randomness.

use uuid::Uuid;

/// A new id, greater than those made before (UUID version 7).
#[expect(clippy::disallowed_methods, reason = "the one place that makes ids")]
#[must_use]
pub fn new_id() -> Uuid {
    Uuid::now_v7()
}

/// The operating system has no randomness to give.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gives no random bytes")]
pub struct NoRandomness(#[source] getrandom::Error);

/// 32 random bytes for a secret.
///
/// # Errors
/// When the operating system has none.
pub fn random_bytes() -> Result<[u8; 32], NoRandomness> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(NoRandomness)?;
    Ok(bytes)
}
