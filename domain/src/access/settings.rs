//! What a tenant decides for itself: how strictly documents are taken, and how much suspicious things count.

use serde::{Deserialize, Serialize};

use crate::validators::risk::RiskWeights;

/// The settings of a tenant. As usual, unless it decided otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantSettings {
    /// Whether a document with a wrong control character is refused. Usually it is taken, with a warning.
    pub strict_documents: bool,
    /// How much each suspicious thing counts.
    pub risk_weights: RiskWeights,
}
