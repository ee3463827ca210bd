//! What may be asked of tenants, keys and projectors, and how it may be refused.

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::access::events::KeyDigest;
use crate::access::scope::Scope;
use crate::ids::{Label, TenantId, TimeZoneName};
use crate::refusal::{Refusal, RefusalKind};
use crate::text::ReasonText;
use crate::validators::risk::RiskWeights;

/// A request to a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TenantCommand {
    /// Set it up.
    Create {
        /// Its number.
        tenant: TenantId,
        /// Its short name.
        name: Label,
        /// Where its business day begins and ends.
        time_zone: TimeZoneName,
    },
    /// Decide otherwise; what is not told stays.
    ChangeSettings {
        /// Whether a document with a wrong control character is refused.
        strict_documents: Option<bool>,
        /// How much each suspicious thing counts.
        risk_weights: Option<RiskWeights>,
    },
}

/// A request to a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiKeyCommand {
    /// Make it.
    Create {
        /// Its id.
        key: Uuid,
        /// Its short name.
        name: Label,
        /// What it is known by.
        digest: KeyDigest,
        /// What it may do; at least one.
        scopes: Vec<Scope>,
        /// When it ceases to work; never when absent.
        expires_at: Option<DateTime<Utc>>,
    },
    /// Make it cease to work.
    Revoke,
}

/// A request about a projector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProjectionCommand {
    /// Let it leave out an event.
    Skip {
        /// Its name.
        projector: Label,
        /// Position of the event.
        position: i64,
        /// Why.
        reason: ReasonText,
    },
}

/// Why a command to a tenant or a key is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum AccessError {
    /// The tenant exists, otherwise than asked.
    #[error("the tenant already exists, with other settings")]
    TenantExists,
    /// There is no such tenant.
    #[error("the tenant is not known")]
    TenantNotFound,
    /// The key exists, otherwise than asked.
    #[error("the key already exists, with other settings")]
    KeyExists,
    /// There is no such key.
    #[error("the key is not known")]
    KeyNotFound,
    /// A key that may do nothing.
    #[error("a key needs at least one scope")]
    ScopeRequired,
}

impl AccessError {
    /// Stable, `snake_case`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TenantExists => "tenant_already_exists",
            Self::TenantNotFound => "tenant_not_found",
            Self::KeyExists => "key_already_exists",
            Self::KeyNotFound => "key_not_found",
            Self::ScopeRequired => "scope_required",
        }
    }
}

impl From<AccessError> for Refusal {
    fn from(error: AccessError) -> Self {
        let (kind, field) = match error {
            AccessError::TenantExists | AccessError::KeyExists => (RefusalKind::Conflict, None),
            AccessError::TenantNotFound | AccessError::KeyNotFound => (RefusalKind::NotFound, None),
            AccessError::ScopeRequired => (RefusalKind::Invalid, Some("/scopes".to_owned())),
        };
        Self::of(kind, error.code(), field, &error)
    }
}
