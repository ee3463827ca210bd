//! What an installation says about an erasure, to be signed and handed to the person.
//!
//! It names ids and facts, and nothing that tells who the person was. Its first line tells it from all else that is signed by the
//! same key; the second is the receipt in JSON.

use chrono::{DateTime, Utc};
use domain::customers::events::ErasureGround;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The first line of a receipt.
pub const FIRST_LINE: &str = "clientela/erasure/v1";

/// A receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasureReceipt {
    /// Whose customer.
    pub tenant: i32,
    /// Who was to be erased.
    pub customer_id: Uuid,
    /// All subjects that were this person and were erased together.
    pub subjects: Vec<Uuid>,
    /// Why.
    pub ground: ErasureGround,
    /// Who asked for it.
    pub actor: String,
    /// Position of the event that says so.
    pub position: i64,
    /// When.
    pub erased_at: DateTime<Utc>,
    /// Read models that were seen to hold nothing of the person any more when this was written.
    pub blanked: Vec<String>,
    /// Those that were still on their way; they follow by themselves.
    pub pending: Vec<String>,
    /// What had left before, and is out of reach here.
    pub left_before: LeftBefore,
    /// What is kept, and why that is allowed.
    pub kept: Vec<String>,
}

/// What had left the installation before the erasure.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftBefore {
    /// Keys of other systems that were allowed to read personal data, by the API or by the feed: their owners have to be told.
    pub readers: Vec<Reader>,
    /// Exports of this person's data.
    pub exports: Vec<Export>,
    /// The login of analysts, who read the tables.
    pub analysts: Vec<String>,
}

/// A key that was allowed to read personal data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reader {
    /// Its id.
    pub key: Uuid,
    /// Its name.
    pub name: String,
    /// Whether it could follow the feed.
    pub feed: bool,
}

/// An export of a person's data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    /// Position of the event that tells of it.
    pub position: i64,
    /// Who asked for it.
    pub actor: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// What every erasure leaves, in words.
#[must_use]
pub fn kept() -> Vec<String> {
    [
        "events without their personal part: purchases, points, credit and dates under a number that leads to nobody (accounting, and the proofs of the log)",
        "the sealed boxes in the log, which nobody can open any more: the only key was destroyed",
        "backups made before, until they run out: this erasure is applied again whenever one is restored",
    ]
    .map(str::to_owned)
    .to_vec()
}

impl ErasureReceipt {
    /// The text to be signed.
    #[must_use]
    pub fn text(&self) -> String {
        let body = serde_json::to_string(self).expect("texts, numbers and lists always have a JSON form");
        format!("{FIRST_LINE}\n{body}\n")
    }

    /// Reads the text of a note that was signed; none when it is something else.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let body = text.strip_prefix(FIRST_LINE)?.strip_prefix('\n')?;
        serde_json::from_str(body.trim_end()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_reads_as_it_was_written_and_nothing_else_does() {
        let receipt = ErasureReceipt {
            tenant: 1,
            customer_id: Uuid::from_u128(7),
            subjects: vec![Uuid::from_u128(7), Uuid::from_u128(8)],
            ground: ErasureGround::Request,
            actor: "cli".to_owned(),
            position: 12,
            erased_at: "2026-03-01T12:00:00Z".parse().unwrap(),
            blanked: vec!["customers".to_owned()],
            pending: vec![],
            left_before: LeftBefore {
                readers: vec![Reader { key: Uuid::from_u128(9), name: "crm".to_owned(), feed: true }],
                ..LeftBefore::default()
            },
            kept: kept(),
        };
        assert_eq!(receipt.text().lines().count(), 2);
        assert_eq!(ErasureReceipt::read(&receipt.text()), Some(receipt.clone()));
        let before = receipt.text().replace("points, credit and dates", "points and dates");
        let read = ErasureReceipt::read(&before).expect("an old receipt is one");
        assert_eq!(read.text(), before, "it is checked in the words in which it was signed");
        assert_ne!(read.kept, kept());
        for other in ["", "clientela/abc\n7\nAAAA\n", FIRST_LINE, "clientela/erasure/v1\n{}", &receipt.text()[1..]] {
            assert_eq!(ErasureReceipt::read(other), None, "{other}");
        }
    }
}
