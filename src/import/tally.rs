//! What became of the rows so far: counts, the rejected ones, and up to which row nothing is open.

use super::rejects::Rejects;
use super::rows::Reject;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;
use uuid::Uuid;

/// What became of a row.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It was recorded, perhaps with warnings, by their codes.
    Recorded { row: u64, customer: Option<Uuid>, position: i64, warnings: Vec<String> },
    /// It was there already.
    Repeated { row: u64, customer: Option<Uuid>, position: i64 },
    /// It cannot be taken.
    Rejected(Reject),
    /// No use in going on.
    GivenUp(String),
}

/// The counts of a run.
pub(super) struct Tally {
    pub(super) recorded: u64,
    pub(super) repeated: u64,
    pub(super) rejected: u64,
    /// Rows of this run that were recorded although somebody should look at them, by the code of the warning.
    pub(super) warned: BTreeMap<String, Warned>,
    /// Some 20 bytes for each customer of the file.
    customers: HashSet<Uuid>,
    /// Position of the log that all confirmed rows are at or before.
    pub(super) position: i64,
    watermark: Watermark,
    rejects: Rejects,
    given_up: Option<String>,
}

impl Tally {
    /// Nothing yet, behind rows that an earlier run has confirmed.
    pub(super) fn new(confirmed_before: u64, rejects: Rejects) -> Self {
        let watermark = Watermark { through: confirmed_before, beyond: BTreeSet::new() };
        let rejected = rejects.count();
        Self {
            recorded: 0,
            repeated: 0,
            rejected,
            warned: BTreeMap::new(),
            customers: HashSet::new(),
            position: 0,
            watermark,
            rejects,
            given_up: None,
        }
    }

    /// Takes a verdict in.
    pub(super) fn take(&mut self, verdict: Verdict) -> anyhow::Result<()> {
        match verdict {
            Verdict::Recorded { row, customer, position, warnings } => {
                self.recorded += 1;
                warnings.into_iter().for_each(|code| self.warned.entry(code).or_default().add(row));
                self.happened(row, customer, position);
            }
            Verdict::Repeated { row, customer, position } => {
                self.repeated += 1;
                self.happened(row, customer, position);
            }
            Verdict::Rejected(reject) => {
                if self.rejects.write(&reject)? {
                    self.rejected += 1;
                }
                self.watermark.done(reject.row);
            }
            Verdict::GivenUp(reason) => {
                self.given_up.get_or_insert(reason);
            }
        }
        Ok(())
    }

    fn happened(&mut self, row: u64, customer: Option<Uuid>, position: i64) {
        self.customers.extend(customer);
        self.position = self.position.max(position);
        self.watermark.done(row);
    }

    /// Rows answered for, those of an earlier run included.
    pub(super) fn rows(&self) -> u64 {
        self.watermark.through + self.watermark.beyond.len() as u64
    }

    /// The last row before which none is open.
    pub(super) fn confirmed_through(&self) -> u64 {
        self.watermark.through
    }

    /// Different customers of the rows that were taken in this run.
    pub(super) fn customers(&self) -> u64 {
        self.customers.len() as u64
    }

    /// Why there was no use in going on.
    pub(super) fn given_up(&self) -> Option<&str> {
        self.given_up.as_deref()
    }

    /// Where the rejected rows are; none when there are none.
    pub(super) fn rejects_file(&self) -> Option<&Path> {
        self.rejects.file()
    }

    /// Writes the rejected rows to the disk.
    pub(super) fn flush(&mut self) -> anyhow::Result<()> {
        self.rejects.flush()
    }
}

/// Rows with the same warning.
#[derive(Debug, Default, Serialize)]
pub(super) struct Warned {
    pub(super) rows: u64,
    /// The first of them, in the order in which they were answered.
    pub(super) first: Vec<u64>,
}

/// So many rows are named.
const NAMED_MAX: usize = 5;

impl Warned {
    fn add(&mut self, row: u64) {
        self.rows += 1;
        if self.first.len() < NAMED_MAX {
            self.first.push(row);
        }
    }
}

/// Rows become done in any order; counts how many are done from the first one on.
#[derive(Debug)]
struct Watermark {
    through: u64,
    beyond: BTreeSet<u64>,
}

impl Watermark {
    fn done(&mut self, row: u64) {
        if row > self.through {
            self.beyond.insert(row);
        }
        while self.beyond.first() == Some(&(self.through + 1)) {
            self.beyond.pop_first();
            self.through += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BTreeSet, Watermark};

    #[test]
    fn a_row_counts_when_all_before_it_are_done() {
        let mut watermark = Watermark { through: 2, beyond: BTreeSet::new() };
        [5, 4, 1].into_iter().for_each(|row| watermark.done(row));
        assert_eq!(watermark.through, 2);
        watermark.done(3);
        assert_eq!((watermark.through, watermark.beyond.len()), (5, 0));
    }
}
