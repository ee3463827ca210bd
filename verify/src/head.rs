//! Step 3: heads of the log (C2SP tlog-checkpoint): three lines, which name the log, say how many events it has, and give the root of
//! its tree, in a signed note.

use crate::tree::{self, Hash};
use crate::{Key, Wrong, note};

/// What was signed: a log with so many events has this root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Which log.
    pub origin: String,
    /// How many events.
    pub size: u64,
    /// Over all of them.
    pub root: Hash,
    /// Name and id of the key that signed it.
    pub signed_by: String,
}

impl Head {
    /// Opens a signed head.
    ///
    /// # Errors
    /// When none of the keys has signed it, or it is no head of the key's own log.
    pub fn open(note: &str, keys: &[Key]) -> Result<Self, Wrong> {
        let (text, key) = note::open(note, keys)?;
        let origin = text.lines().next().unwrap_or_default();
        // The log's key signs other things, too: their first line is another.
        if origin != key.name() {
            return Err(Wrong::OtherLog { origin: origin.to_owned(), key: key.name().to_owned() });
        }
        let lines: Vec<&str> = text.split_terminator('\n').collect();
        let [_, size, root] = lines[..] else {
            return Err(Wrong::unreadable("the head", "it has not the three lines of name, size and root"));
        };
        let (size, root) = (number("the size of the head", size)?, tree::hash("the root of the head", root)?);
        if size == 0 && root != tree::empty_root() {
            return Err(Wrong::unreadable("the head", "it is of no events, but its root is not the hash of nothing"));
        }
        Ok(Self { origin: origin.to_owned(), size, root, signed_by: key.to_string() })
    }

    /// Opens the heads of a file: one, or several one behind the other with an empty line between, as the server publishes them.
    /// What stands behind the last signature is no head, and passed over.
    ///
    /// # Errors
    /// When there is none, or one that cannot be opened.
    pub fn all(file: &str, keys: &[Key]) -> Result<Vec<Self>, Wrong> {
        let (mut heads, mut note) = (Vec::new(), String::new());
        let mut lines = file.split_inclusive('\n').peekable();
        while let Some(line) = lines.next() {
            if !note.is_empty() || line != "\n" {
                note += line;
            }
            let is_signature = |line: &str| line.starts_with(note::SIGNATURE_LINE);
            if is_signature(line) && !lines.peek().is_some_and(|next| is_signature(next)) {
                heads.push(Self::open(&std::mem::take(&mut note), keys)?);
            }
        }
        // What is not even the beginning of one says by itself why.
        if heads.is_empty() { Self::open(file, keys).map(|head| vec![head]) } else { Ok(heads) }
    }

    /// That this is one of the heads that the auditor has kept.
    ///
    /// # Errors
    /// When one of the same size has another root, or none has this size.
    pub fn is_among(&self, kept: &[Self]) -> Result<(), Wrong> {
        let (same, others): (Vec<&Self>, Vec<&Self>) = kept.iter().partition(|kept| kept.size == self.size);
        match (same.is_empty(), others.last()) {
            (true, Some(last)) => self.same_as(last),
            _ => same.iter().try_for_each(|kept| self.same_as(kept)),
        }
    }

    /// That a head which the auditor has kept says the same.
    ///
    /// # Errors
    /// When both are of one size with two roots, or of two sizes, or of two logs.
    pub fn same_as(&self, kept: &Self) -> Result<(), Wrong> {
        self.of_one_log(kept)?;
        if self.size != kept.size {
            return Err(Wrong::NotComparable { kept: kept.size, size: self.size });
        }
        if self.root != kept.root {
            let (one, other) = (tree::text(&kept.root), tree::text(&self.root));
            return Err(Wrong::Forked { size: self.size, one, other });
        }
        Ok(())
    }

    pub(crate) fn of_one_log(&self, other: &Self) -> Result<(), Wrong> {
        if self.origin == other.origin {
            return Ok(());
        }
        Err(Wrong::TwoLogs { one: self.origin.clone(), other: other.origin.clone() })
    }
}

/// A number in decimal, without zeros before it, that a position of the log can be.
pub(crate) fn number(what: &'static str, text: &str) -> Result<u64, Wrong> {
    let read = text.parse().ok().filter(|number: &i64| number.to_string() == text);
    let read = read.and_then(|number| u64::try_from(number).ok());
    read.ok_or_else(|| Wrong::unreadable(what, format!("{text:?} is no number in decimal")))
}
