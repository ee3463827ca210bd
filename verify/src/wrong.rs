//! Everything that can be wrong with an answer, each with a sentence of its own.

use thiserror::Error;

/// Why something is not proved. Texts of the answer itself are shown with escapes: they are not to be trusted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Wrong {
    /// It has not the form it should have, so that there is nothing to check.
    #[error("{what} cannot be read: {why}")]
    Unreadable {
        /// Which part.
        what: &'static str,
        /// What was met.
        why: String,
    },
    /// Nobody whom the auditor knows has signed it.
    #[error("the head is signed by {signers}, and by none of the given keys")]
    UnknownKey {
        /// The names and ids of those who signed.
        signers: String,
    },
    /// A given key is named, but has not signed this text.
    #[error("the signature by {key} is wrong: the head or its signature was changed, or forged without the key")]
    Signature {
        /// Name and id of the key.
        key: String,
    },
    /// A head of one log under the key of another, or a signed text that is no head at all.
    #[error("the key of the log {key:?} has signed something that begins with {origin:?}: that is no head of its log")]
    OtherLog {
        /// The first line of what was signed.
        origin: String,
        /// The name of the key.
        key: String,
    },
    /// Two heads that have nothing to do with each other.
    #[error("the heads are of two logs, {one:?} and {other:?}")]
    TwoLogs {
        /// Name of the first log.
        one: String,
        /// Name of the second one.
        other: String,
    },
    /// The answer is about another event than it shows.
    #[error("the answer is about position {position}, but shows the event of position {shown}")]
    Position {
        /// What was asked for.
        position: i64,
        /// What the event says.
        shown: i64,
    },
    /// The event was changed, or the stated leaf.
    #[error("the leaf differs: the columns of the event hash to {computed}, the answer says {stated:?}")]
    Leaf {
        /// From the columns, in hexadecimal.
        computed: String,
        /// As the answer has it.
        stated: String,
    },
    /// The proof is for another place in the log.
    #[error("the proof is for index {index}, but the event at position {position} has index {expected}")]
    Index {
        /// The proof's.
        index: u64,
        /// The event's place, from 1.
        position: i64,
        /// The event's index, from 0.
        expected: u64,
    },
    /// The head is older than the event.
    #[error("index {index} lies beyond the head, which covers {size} events")]
    BeyondHead {
        /// The event's.
        index: u64,
        /// The head's.
        size: u64,
    },
    /// A path that does not fit a tree of this size.
    #[error("the proof has {given} hashes, too {few_or_many} for trees of this size")]
    PathLength {
        /// How many there are.
        given: usize,
        /// Which of the two.
        few_or_many: &'static str,
    },
    /// The event is not in the tree of this head.
    #[error("the path differs: event and path hash to the root {computed}, the head says {root}")]
    Path {
        /// From the leaf upwards.
        computed: String,
        /// The head's.
        root: String,
    },
    /// The heads stand in the wrong order.
    #[error("the older head covers {from} events, the newer one only {to}")]
    Shrunk {
        /// Size of the older one.
        from: u64,
        /// Size of the newer one.
        to: u64,
    },
    /// Two histories.
    #[error("there are two heads of {size} events, with the roots {one} and {other}: the log was rewritten, or forked")]
    Forked {
        /// Of both.
        size: u64,
        /// The root of the first.
        one: String,
        /// The root of the second.
        other: String,
    },
    /// The newer tree does not begin with the older one.
    #[error("the newer log does not begin with the older one: the hashes do not lead to the root of the {which} head")]
    Rewritten {
        /// `older` or `newer`.
        which: &'static str,
    },
    /// Nothing can be said about a kept head from a head of another size.
    #[error(
        "the kept head covers {kept} events, this one {size}: ask the server for the consistency of the two \
         (/v1/audit/consistency), and check that"
    )]
    NotComparable {
        /// Size of the kept one.
        kept: u64,
        /// Size of the one in the answer.
        size: u64,
    },
}

impl Wrong {
    /// A part that has not its form.
    pub(crate) fn unreadable(what: &'static str, why: impl Into<String>) -> Self {
        Self::Unreadable { what, why: why.into() }
    }

    pub(crate) fn too_few(given: usize) -> Self {
        Self::PathLength { given, few_or_many: "few" }
    }

    pub(crate) fn too_many(given: usize) -> Self {
        Self::PathLength { given, few_or_many: "many" }
    }

    /// The same in one word, for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "unreadable",
            Self::UnknownKey { .. } => "unknown_key",
            Self::Signature { .. } => "signature_wrong",
            Self::OtherLog { .. } => "other_log",
            Self::TwoLogs { .. } => "two_logs",
            Self::Position { .. } => "position_differs",
            Self::Leaf { .. } => "leaf_differs",
            Self::Index { .. } => "index_differs",
            Self::BeyondHead { .. } => "beyond_head",
            Self::PathLength { .. } => "path_length",
            Self::Path { .. } => "path_differs",
            Self::Shrunk { .. } => "shrunk",
            Self::Forked { .. } => "forked",
            Self::Rewritten { .. } => "rewritten",
            Self::NotComparable { .. } => "not_comparable",
        }
    }
}
