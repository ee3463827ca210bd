//! How a request is recognised when it comes again: three hashes whose bytes are frozen for ever.
//!
//! They stand in the log on the events they made, so a change of a single byte here would make every
//! retry of an old request a new one. The formats (`‖` joins, `lp(x)` is the length of `x` in bytes as
//! an unsigned 32-bit big-endian number followed by `x`, text is UTF-8):
//!
//! | hash | bytes hashed with SHA-256; the first 16 bytes of the digest are kept |
//! | --- | --- |
//! | command id | `clientela/command/v1` ‖ lp(tenant) ‖ lp(principal) ‖ lp(verb) ‖ lp(idempotency key) |
//! | once id | `clientela/once/v1` ‖ lp(tenant) ‖ lp(category) ‖ lp(stream's uuid) ‖ lp(verb) ‖ lp(business key) |
//! | fingerprint | `clientela/fingerprint/v1` ‖ lp(verb) ‖ lp(canonical JSON of the request) |
//!
//! The tenant is its number in decimal digits, a UUID its 36-character lower-case form. Canonical JSON:
//! no white space, members of an object sorted by the bytes of their names, strings and numbers as
//! `serde_json` writes them.
//!
//! This module hashes; it does not decide what is a repeat: the log does.

use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fmt;
use store::{StreamId, TenantId};
use uuid::Uuid;

/// The longest idempotency key, in bytes.
pub const IDEMPOTENCY_KEY_LENGTH_MAX: usize = 255;

/// A caller's name for one request: 1 to 255 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

/// Why a text is no idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an idempotency key has 1 to 255 visible ASCII characters")]
pub struct InvalidIdempotencyKey;

impl IdempotencyKey {
    /// Checks a key.
    ///
    /// # Errors
    /// When it is empty, longer than 255 bytes, or holds anything but visible ASCII characters.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidIdempotencyKey> {
        let text = text.into();
        let fits = (1..=IDEMPOTENCY_KEY_LENGTH_MAX).contains(&text.len());
        if fits && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(text))
        } else {
            Err(InvalidIdempotencyKey)
        }
    }

    /// The key as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<&str> for IdempotencyKey {
    type Error = InvalidIdempotencyKey;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        Self::new(text)
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A fact that may happen only once: `verb` about `key` on `stream` (order 7 earned points on this account).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Once {
    /// The stream it happens on.
    pub stream: StreamId,
    /// What happens.
    pub verb: &'static str,
    /// What it happens about: an order id, a payment id, a lot.
    pub key: String,
}

impl Once {
    /// Names a fact.
    #[must_use]
    pub fn new(stream: StreamId, verb: &'static str, key: impl Into<String>) -> Self {
        Self { stream, verb, key: key.into() }
    }

    /// Its id in a tenant's part of the log.
    #[must_use]
    pub fn id(&self, tenant: TenantId) -> Uuid {
        once_id(tenant, &self.stream, self.verb, &self.key)
    }
}

/// The id of a keyed request.
#[must_use]
pub fn command_id(tenant: TenantId, principal: &str, verb: &str, key: &IdempotencyKey) -> Uuid {
    Uuid::from_bytes(hash("clientela/command/v1", &[&tenant.to_string(), principal, verb, key.as_str()]))
}

/// The id of a fact that may happen only once.
#[must_use]
pub fn once_id(tenant: TenantId, stream: &StreamId, verb: &str, key: &str) -> Uuid {
    let parts = [&tenant.to_string(), stream.category, &stream.id.to_string(), verb, key];
    Uuid::from_bytes(hash("clientela/once/v1", &parts))
}

/// What tells the repeat of a request from another request under the same key.
#[must_use]
pub fn fingerprint(verb: &str, request: &Value) -> [u8; 16] {
    hash("clientela/fingerprint/v1", &[verb, &canonical_json(request)])
}

/// JSON text in which equal values are equal bytes.
#[must_use]
pub fn canonical_json(value: &Value) -> String {
    let mut text = String::new();
    write_canonical(value, &mut text);
    text
}

fn write_canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_unstable_by(|(left, _), (right, _)| left.as_bytes().cmp(right.as_bytes()));
            text.push('{');
            for (index, (name, member)) in sorted.into_iter().enumerate() {
                separate(index, text);
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                write_canonical(member, text);
            }
            text.push('}');
        }
        Value::Array(elements) => {
            text.push('[');
            for (index, element) in elements.iter().enumerate() {
                separate(index, text);
                write_canonical(element, text);
            }
            text.push(']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => text.push_str(&value.to_string()),
    }
}

fn separate(index: usize, text: &mut String) {
    if index > 0 {
        text.push(',');
    }
}

pub(crate) fn hash(label: &str, parts: &[&str]) -> [u8; 16] {
    let mut hasher = Sha256::new();
    hasher.update(label.as_bytes());
    for part in parts {
        let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
        hasher.update(length.to_be_bytes());
        hasher.update(part.as_bytes());
    }
    let digest = hasher.finalize();
    let mut kept = [0; 16];
    kept.copy_from_slice(&digest[..16]);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use uuid::uuid;

    const ACCOUNT: StreamId = StreamId { category: "loyalty", id: uuid!("018f0000-0000-7000-8000-000000000001") };

    fn key(text: &str) -> IdempotencyKey {
        IdempotencyKey::new(text).unwrap()
    }

    #[test]
    fn a_command_id_is_the_same_for_ever() {
        let id =
            command_id(TenantId(1), "key:018f0000-0000-7000-8000-0000000000aa", "loyalty.redeem", &key("till-4/77"));
        assert_eq!(id.to_string(), "ee6ef116-4f72-3e2b-7b48-298f83b2010b");
    }

    #[test]
    fn a_once_id_is_the_same_for_ever() {
        let once = Once::new(ACCOUNT, "earn", "order-7");
        assert_eq!(once.id(TenantId(12)).to_string(), "1b8439ba-0ec8-70d1-3882-34922ecea7ca");
    }

    #[test]
    fn a_fingerprint_is_the_same_for_ever() {
        let request = json!({"points": 500, "order": "order-7", "note": "café \"x\"", "nested": {"b": [1, null, true], "a": "1.50"}});
        assert_eq!(
            Uuid::from_bytes(fingerprint("loyalty.redeem", &request)).to_string(),
            "ca53af06-3db6-2874-d111-69dc56e639e9"
        );
    }

    #[test]
    fn canonical_json_sorts_members_and_keeps_the_order_of_arrays() {
        let text = canonical_json(&json!({"b": {"z": 1, "a": 2}, "a": [3, 1, 2], "é": "x"}));
        assert_eq!(text, r#"{"a":[3,1,2],"b":{"a":2,"z":1},"é":"x"}"#);
    }

    #[test]
    fn parts_are_told_apart_by_their_lengths() {
        let one = command_id(TenantId(1), "ab", "c", &key("d"));
        let other = command_id(TenantId(1), "a", "bc", &key("d"));
        assert_ne!(one, other);
    }

    #[test]
    fn a_key_has_1_to_255_visible_characters() {
        assert!(IdempotencyKey::new("k").is_ok());
        assert!(IdempotencyKey::new("k".repeat(255)).is_ok());
        assert!(IdempotencyKey::new("").is_err());
        assert!(IdempotencyKey::new("k".repeat(256)).is_err());
        assert!(IdempotencyKey::new("two words").is_err());
        assert!(IdempotencyKey::new("tab\t").is_err());
        assert!(IdempotencyKey::new("é").is_err());
    }
}
