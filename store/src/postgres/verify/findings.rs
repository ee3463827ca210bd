//! What is wrong with a log, the first position first.

use serde::Serialize;
use std::ops::RangeInclusive;

/// Findings that are told; there may be more.
const TOLD_MAX: usize = 20;
/// Who has found so many has seen enough.
const FOUND_MAX: usize = 10_000;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An event is not there.
    Missing,
    /// Several events stand at a position, or one where none may be.
    Duplicate,
    /// An event cannot be read.
    Unreadable,
    /// An event's columns do not give the leaf hash that stands beside them.
    Changed,
    /// An event is another one than the tree has.
    NotInTree,
    /// A tile is missing, or does not fit the log.
    Tile,
    /// A head is not signed by a known key, or says something else than it should.
    Head,
    /// The log is not the one that a head was signed over.
    TreeDiffers,
    /// The log ends before what was built or signed over it.
    Shortened,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The first position that is concerned; 0 where it is none.
    pub position: u64,
    /// What is wrong.
    pub kind: Kind,
    /// The same in words.
    pub reason: String,
}

/// What verification came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// How many positions were looked at.
    pub events: u64,
    /// Where the log ended when it began.
    pub end: u64,
    /// How many tiles were compared.
    pub tiles: u64,
    /// How many heads hold: stored ones, and those from elsewhere.
    pub heads: u64,
    /// The size of the largest head that holds; what is behind it is proved by none.
    pub covered: u64,
    /// How much is wrong.
    pub found: u64,
    /// What is wrong: the first of it.
    pub findings: Vec<Finding>,
}

/// What was found up to now.
#[derive(Debug, Default)]
pub(super) struct Findings {
    all: Vec<Finding>,
}

impl Report {
    /// Whether all is as it was written.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.found == 0
    }
}

impl Findings {
    pub(super) fn add(&mut self, position: u64, kind: Kind, reason: impl Into<String>) {
        self.all.push(Finding { position, kind, reason: reason.into() });
    }

    pub(super) fn append(&mut self, others: Vec<Finding>) {
        self.all.extend(others);
    }

    /// Whether an event in a range of positions was found to be another one, or none.
    pub(super) fn are_about_events(&self, positions: RangeInclusive<u64>) -> bool {
        let is_about_event = |kind: Kind| match kind {
            Kind::Missing | Kind::Duplicate | Kind::Unreadable | Kind::Changed | Kind::NotInTree => true,
            Kind::Tile | Kind::Head | Kind::TreeDiffers | Kind::Shortened => false,
        };
        self.all.iter().any(|finding| positions.contains(&finding.position) && is_about_event(finding.kind))
    }

    pub(super) fn are_too_many(&self) -> bool {
        self.all.len() >= FOUND_MAX
    }

    /// How many there are, and the first ones.
    pub(super) fn told(mut self) -> (u64, Vec<Finding>) {
        self.all.sort();
        let found = self.all.len() as u64;
        self.all.truncate(TOLD_MAX);
        (found, self.all)
    }
}
