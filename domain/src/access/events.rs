//! What happens to tenants, keys and the projectors that operators look after, stored for ever.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::access::scope::Scope;
use crate::event::upcast::Upcaster;
use crate::event::{Clear, Personal, events};
use crate::ids::{Label, TenantId, TimeZoneName};
use crate::refusal::InvalidValue;
use crate::text::ReasonText;
use crate::validators::risk::RiskWeights;

events! {
    /// An event of a tenant, a key or a projector.
    pub enum AccessEvent {
        /// A tenant was set up.
        #[serde(rename = "access.tenant.created")]
        TenantCreated {
            /// Its number.
            tenant: TenantId,
            /// Its short name.
            name: Label,
            /// Where its business day begins and ends.
            time_zone: TimeZoneName,
        },
        /// A tenant decided otherwise: all of its settings from now on.
        #[serde(rename = "access.tenant.settings.changed")]
        SettingsChanged {
            /// Whether a document with a wrong control character is refused.
            strict_documents: bool,
            /// How much suspicious things count, where that is not as usual.
            #[serde(default, skip_serializing_if = "RiskWeights::are_usual")]
            risk_weights: RiskWeights,
        },
        /// A key was made.
        #[serde(rename = "access.key.created")]
        KeyCreated {
            /// Its id.
            key: Uuid,
            /// Its short name.
            name: Label,
            /// What it is known by.
            digest: KeyDigest,
            /// What it may do.
            scopes: Vec<Scope>,
            /// When it ceases to work; never when absent.
            expires_at: Option<DateTime<Utc>>,
        },
        /// A key ceased to work.
        #[serde(rename = "access.key.revoked")]
        KeyRevoked {
            /// Its id.
            key: Uuid,
        },
        /// An operator let a projector leave out an event that it cannot digest.
        #[serde(rename = "access.projection.skipped")]
        ProjectionSkipped {
            /// Name of the projector.
            projector: Label,
            /// Position of the event that it leaves out.
            position: i64,
            /// Why.
            personal: Personal<SkipReason>,
        },
    }
}

/// Why an event was left out, in the words of whoever said so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkipReason {
    /// The words.
    pub reason: ReasonText,
}

/// The upcasters of old versions.
pub(crate) const UPCASTERS: &[Upcaster] = &[];

/// A digest that is not 32 bytes in hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 64 hexadecimal digits")]
pub struct DigestError;

impl InvalidValue for DigestError {
    fn code(&self) -> &'static str {
        "invalid_digest"
    }
}

/// The digest of a key: 32 bytes, written as lower-case hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyDigest([u8; 32]);

impl KeyDigest {
    /// Wraps a digest.
    pub const fn new(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// Reads 64 hexadecimal digits.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse(text: &str) -> Result<Self, DigestError> {
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(DigestError);
        }
        let mut digest = [0; 32];
        for (index, byte) in digest.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).map_err(|_| DigestError)?;
        }
        Ok(Self(digest))
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl TryFrom<String> for KeyDigest {
    type Error = DigestError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<KeyDigest> for String {
    fn from(digest: KeyDigest) -> Self {
        digest.to_string()
    }
}

impl Clear for KeyDigest {}
