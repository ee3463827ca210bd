//! Step 1: the leaf of an event, from all of its columns.
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
//! `position` and times are 8 bytes, `tenant` and `version` 4, `schema_version` 2, all big-endian two's complement; times are
//! microseconds since 1970; ids are their 16 bytes; names and texts are UTF-8; `personal` is the sealed box, so that a proof
//! holds after the key of a person was destroyed.
//!
//! Every value has one way of being written only: what reads the same has the same bytes.

use crate::tree::Hash;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chrono::DateTime;
use serde::{Deserialize, Deserializer};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// An event as the server shows it. A field that no leaf covers is refused: nothing unproved may look proved.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// Place in the log, from 1.
    pub position: i64,
    /// Whose event.
    pub tenant: i32,
    /// Kind of the stream.
    pub category: String,
    /// Id of the stream.
    pub stream: Id,
    /// Place in the stream, from 1.
    pub version: i32,
    /// What happened.
    #[serde(rename = "type")]
    pub event_type: String,
    /// Version of the payload's schema.
    pub schema_version: i16,
    /// The request that made it.
    #[serde(deserialize_with = "present")]
    pub command_id: Option<Id>,
    /// The fact that may happen only once.
    #[serde(deserialize_with = "present")]
    pub once_id: Option<Id>,
    /// Whose personal data it holds.
    #[serde(deserialize_with = "present")]
    pub subject_id: Option<Id>,
    /// On whose timeline it stands.
    #[serde(deserialize_with = "present")]
    pub customer_id: Option<Id>,
    /// Business time.
    pub occurred_at: Moment,
    /// When it was written.
    pub recorded_at: Moment,
    /// Who caused it, as stored.
    pub metadata: String,
    /// What it says, as stored.
    pub payload: String,
    /// What it says of a person, sealed.
    #[serde(deserialize_with = "present")]
    pub personal: Option<Sealed>,
}

impl Event {
    /// The hash of all columns.
    #[must_use]
    pub fn leaf(&self) -> Hash {
        let mut leaf = Fields(Sha256::new_with_prefix([0x00]));
        leaf.value(&self.position.to_be_bytes());
        leaf.value(&self.tenant.to_be_bytes());
        leaf.value(self.category.as_bytes());
        leaf.value(self.event_type.as_bytes());
        leaf.value(&self.schema_version.to_be_bytes());
        leaf.value(self.stream.0.as_bytes());
        leaf.value(&self.version.to_be_bytes());
        for id in [&self.command_id, &self.once_id, &self.subject_id, &self.customer_id] {
            leaf.optional(id.as_ref().map(|id| id.0.as_bytes().as_slice()));
        }
        leaf.value(&self.occurred_at.0.to_be_bytes());
        leaf.value(&self.recorded_at.0.to_be_bytes());
        leaf.value(self.metadata.as_bytes());
        leaf.value(self.payload.as_bytes());
        leaf.optional(self.personal.as_ref().map(|sealed| sealed.0.as_slice()));
        leaf.0.finalize().into()
    }
}

struct Fields(Sha256);

impl Fields {
    fn value(&mut self, bytes: &[u8]) {
        // What is longer than its field can say is cut by no honest server; the marker of an absent value is never a length.
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX - 1);
        self.0.update(length.to_be_bytes());
        self.0.update(bytes);
    }

    fn optional(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            Some(bytes) => self.value(bytes),
            None => self.0.update(u32::MAX.to_be_bytes()),
        }
    }
}

/// 16 bytes, written as a UUID in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Id(Uuid);

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<String> for Id {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let read = Uuid::parse_str(&text).ok().filter(|id| id.to_string() == text);
        read.map(Self).ok_or_else(|| format!("{text:?} is no id in lower case"))
    }
}

/// Microseconds since 1970, written as `2026-11-27T02:00:00.123456Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Moment(i64);

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at = DateTime::from_timestamp_micros(self.0).unwrap_or_default();
        write!(f, "{}", at.format("%Y-%m-%dT%H:%M:%S%.6fZ"))
    }
}

impl TryFrom<String> for Moment {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let read = DateTime::parse_from_rfc3339(&text).ok().map(|at| Self(at.timestamp_micros()));
        let read = read.filter(|moment| moment.to_string() == text);
        read.ok_or_else(|| format!("{text:?} is no time in UTC with six digits after the point"))
    }
}

/// Bytes that only the key of a person opens, written in base64.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Sealed(Vec<u8>);

impl Sealed {
    /// How many bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.0.len()
    }
}

impl TryFrom<String> for Sealed {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        BASE64_STANDARD.decode(text).map(Self).map_err(|error| format!("personal is no base64: {error}"))
    }
}

/// May be null, but must be said.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Option::deserialize(deserializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_in_one_way() {
        let read = |text: &str| Moment::try_from(text.to_owned()).map(|moment| moment.0);
        assert_eq!(read("1970-01-01T00:00:01.000002Z"), Ok(1_000_002));
        assert_eq!(read("1969-12-31T23:59:59.999999Z"), Ok(-1));
        for other in [
            "1970-01-01t00:00:01.000002Z",
            "1970-01-01 00:00:01.000002Z",
            "1970-01-01T00:00:01.000002z",
            "1970-01-01T00:00:01.000002+00:00",
            "1970-01-01T00:00:01.0000020Z",
            "1970-01-01T00:00:01Z",
            "1970-01-01T23:59:60.000000Z",
            "tomorrow",
        ] {
            assert!(read(other).is_err(), "{other}");
        }
    }

    #[test]
    fn an_id_is_written_in_one_way() {
        let read = |text: &str| Id::try_from(text.to_owned());
        assert!(read("01920000-0000-7000-8000-00000000000a").is_ok());
        for other in ["01920000-0000-7000-8000-00000000000A", "0192000000007000800000000000000a", "{01920000}", ""] {
            assert!(read(other).is_err(), "{other}");
        }
    }
}
