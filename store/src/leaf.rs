//! The leaf of an event in the log's Merkle tree: SHA-256 over its stored columns, in a byte format that never changes.
//!
//! ```text
//! leaf = SHA-256( 0x00 ‖ field(position) ‖ field(tenant) ‖ field(category) ‖ field(type) ‖ field(schema_version)
//!                 ‖ field(stream) ‖ field(version) ‖ field(command_id) ‖ field(once_id) ‖ field(subject_id)
//!                 ‖ field(customer_id) ‖ field(occurred_at) ‖ field(recorded_at) ‖ field(metadata) ‖ field(payload)
//!                 ‖ field(personal) )
//! field(x)    = u32 big-endian length of x ‖ x          for a value
//! field(null) = 0xFFFFFFFF                               for an absent one
//! ```
//!
//! `position` and times are 8 bytes, `tenant` and `version` 4, `schema_version` 2, all big-endian two's complement; times
//! are microseconds since 1970-01-01T00:00:00Z; ids are their 16 bytes; `category` and `type` are their **names** in UTF-8
//! (not the dictionary's codes, so that the dictionary cannot change what an event says); `metadata` and `payload` are the
//! stored text in UTF-8; `personal` is the sealed box. The leading 0x00 is the leaf prefix of RFC 6962 §2.1.

use crate::{Name, Position, StreamId, TenantId, Version};
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// What a leaf covers: every column of an event but the leaf itself.
#[derive(Debug, Clone, Copy)]
pub struct Leaf<'a> {
    /// Place in the log.
    pub position: Position,
    /// Whose event.
    pub tenant: TenantId,
    /// Its stream.
    pub stream: StreamId,
    /// Its version in the stream.
    pub version: Version,
    /// Wire name.
    pub event_type: Name,
    /// Version of the payload's schema.
    pub schema_version: i16,
    /// See [`crate::RecordedEvent`].
    pub command_id: Option<Uuid>,
    /// See [`crate::RecordedEvent`].
    pub once_id: Option<Uuid>,
    /// See [`crate::RecordedEvent`].
    pub subject_id: Option<Uuid>,
    /// See [`crate::RecordedEvent`].
    pub customer_id: Option<Uuid>,
    /// Business time.
    pub occurred_at: DateTime<Utc>,
    /// Time of the append.
    pub recorded_at: DateTime<Utc>,
    /// JSON text.
    pub metadata: &'a str,
    /// JSON text.
    pub payload: &'a str,
    /// The sealed box.
    pub personal: Option<&'a [u8]>,
}

impl Leaf<'_> {
    /// The hash that stands in `leaf_hash`.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        let mut hasher = Sha256::new_with_prefix([0x00]);
        self.fields(|bytes| hasher.update(bytes));
        hasher.finalize().into()
    }

    /// The bytes that are hashed.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut all = vec![0x00];
        self.fields(|bytes| all.extend_from_slice(bytes));
        all
    }

    fn fields(&self, mut put: impl FnMut(&[u8])) {
        let mut field = |value: Option<&[u8]>| match value {
            Some(bytes) => {
                // A field is at most 4 MiB (append::BYTES_MAX), far below the marker of an absent one.
                put(&(bytes.len() as u32).to_be_bytes());
                put(bytes);
            }
            None => put(&u32::MAX.to_be_bytes()),
        };
        field(Some(&self.position.0.to_be_bytes()));
        field(Some(&self.tenant.0.to_be_bytes()));
        field(Some(self.stream.category.as_bytes()));
        field(Some(self.event_type.as_bytes()));
        field(Some(&self.schema_version.to_be_bytes()));
        field(Some(self.stream.id.as_bytes()));
        field(Some(&self.version.to_be_bytes()));
        for id in [self.command_id, self.once_id, self.subject_id, self.customer_id] {
            field(id.as_ref().map(|id| id.as_bytes().as_slice()));
        }
        field(Some(&self.occurred_at.timestamp_micros().to_be_bytes()));
        field(Some(&self.recorded_at.timestamp_micros().to_be_bytes()));
        field(Some(self.metadata.as_bytes()));
        field(Some(self.payload.as_bytes()));
        field(self.personal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(personal: Option<&'static [u8]>) -> Leaf<'static> {
        Leaf {
            position: Position(7),
            tenant: TenantId(1),
            stream: StreamId { category: "loyalty", id: Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0001) },
            version: 3,
            event_type: "loyalty.points.earned",
            schema_version: 1,
            command_id: Some(Uuid::from_u128(0xC0)),
            once_id: None,
            subject_id: None,
            customer_id: Some(Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0001)),
            occurred_at: DateTime::from_timestamp_micros(852_076_800_000_000).expect("in range"),
            recorded_at: DateTime::from_timestamp_micros(1_795_000_000_123_456).expect("in range"),
            metadata: r#"{"actor":"cli"}"#,
            payload: r#"{"points":11}"#,
            personal,
        }
    }

    #[test]
    fn the_bytes_of_a_leaf_are_the_vector() {
        let expected = concat!(
            "00",
            "00000008",
            "0000000000000007",
            "00000004",
            "00000001",
            "00000007",
            "6c6f79616c7479",
            "00000015",
            "6c6f79616c74792e706f696e74732e6561726e6564",
            "00000002",
            "0001",
            "00000010",
            "01920000000070008000000000000001",
            "00000004",
            "00000003",
            "00000010",
            "000000000000000000000000000000c0",
            "ffffffff",
            "ffffffff",
            "00000010",
            "01920000000070008000000000000001",
            "00000008",
            "000306f596fc4000",
            "00000008",
            "0006608b01611240",
            "0000000f",
            "7b226163746f72223a22636c69227d",
            "0000000d",
            "7b22706f696e7473223a31317d",
            "ffffffff",
        );
        assert_eq!(hex::encode(leaf(None).bytes()), expected);
    }

    #[test]
    fn the_hash_of_a_leaf_is_the_vector() {
        assert_eq!(hex::encode(leaf(None).hash()), "38ce00ac0968b9ebdbfb5d9885eb422de6cd2e37bfcad9cdd493b02fb294f791");
        assert_eq!(
            hex::encode(leaf(Some(b"box")).hash()),
            "1a0c1f3a792efb94b92965fde8b78cec2e5dd3062d23ba519baa3911df905e4e"
        );
        assert_ne!(leaf(None).hash(), leaf(Some(b"")).hash(), "absent and empty differ");
    }
}
