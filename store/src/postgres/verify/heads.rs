//! The heads that a log has to fit: those that are stored with it, and those that were kept elsewhere.

use super::Against;
use super::findings::{Findings, Kind};
use crate::StoreError;
use crate::checkpoint::read;
use crate::merkle::Hash;
use crate::postgres::database::unavailable;
use crate::signed_note::{SIGNATURE_LINE, VerifierKey};
use futures::TryStreamExt;
use sqlx::PgPool;
use std::collections::BTreeMap;
use std::fmt;

/// A file with signed heads, one behind the other.
#[derive(Debug, Clone)]
pub struct HeadFile {
    name: String,
    notes: Vec<String>,
}

/// A file in which there are no signed heads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} holds no signed heads")]
pub struct MalformedHeads(String);

/// A head that the log has to fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) size: u64,
    pub(super) root: Hash,
    /// Where it is from; nothing for those of the database.
    from: Option<String>,
}

/// All of them, by size.
#[derive(Debug, Default)]
pub(super) struct Heads(BTreeMap<u64, Vec<Head>>);

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.from {
            Some(file) => write!(f, "the head over {} in {file}", self.size),
            None => write!(f, "the head over {}", self.size),
        }
    }
}

impl HeadFile {
    /// Reads a file with one or many signed heads. What a crash has left at its end is passed over.
    ///
    /// # Errors
    /// When there are none in it.
    pub fn parse(name: &str, text: &str) -> Result<Self, MalformedHeads> {
        let mut notes = Vec::new();
        let mut note: Vec<&str> = Vec::new();
        let mut is_signed = false;
        for line in text.lines() {
            let is_signature = line.starts_with(SIGNATURE_LINE);
            if is_signed && !is_signature {
                notes.push(std::mem::take(&mut note).join("\n") + "\n");
                is_signed = false;
            }
            if !line.is_empty() || !note.is_empty() {
                note.push(line);
            }
            is_signed |= is_signature;
        }
        if is_signed {
            notes.push(note.join("\n") + "\n");
        }
        match notes.is_empty() {
            true => Err(MalformedHeads(name.to_owned())),
            false => Ok(Self { name: name.to_owned(), notes }),
        }
    }
}

impl Heads {
    /// Reads those that are stored and adds those from elsewhere. What is no head, or signed by nobody who is known, is a finding.
    pub(super) async fn read(pool: &PgPool, against: &Against, findings: &mut Findings) -> Result<Self, StoreError> {
        let keys = if against.keys.is_empty() { stored_keys(pool, findings).await? } else { against.keys.clone() };
        let mut heads = Self::default();
        let mut rows =
            sqlx::query_as::<_, (i64, Vec<u8>, String)>("select size, root, checkpoint from tree_heads order by size")
                .fetch(pool);
        while let Some((size, root, note)) = rows.try_next().await.map_err(unavailable)? {
            let size = u64::try_from(size).unwrap_or(0);
            match read(&note, &keys) {
                Ok((of, signed)) if (of, signed.as_slice()) == (size, root.as_slice()) => {
                    heads.add(Head { size, root: signed, from: None });
                }
                Ok((of, _)) => {
                    let says =
                        format!("the stored head over {size} says something else than its note, which is over {of}");
                    findings.add(size, Kind::Head, says);
                }
                Err(error) => findings.add(size, Kind::Head, format!("the stored head over {size}: {error}")),
            }
        }
        for file in &against.files {
            for note in &file.notes {
                match read(note, &keys) {
                    Ok((size, root)) => heads.add(Head { size, root, from: Some(file.name.clone()) }),
                    Err(error) => findings.add(0, Kind::Head, format!("a head in {}: {error}", file.name)),
                }
            }
        }
        Ok(heads)
    }

    /// The sizes, the smallest first.
    pub(super) fn sizes(&self) -> impl Iterator<Item = u64> {
        self.0.keys().copied()
    }

    pub(super) fn of(&self, size: u64) -> &[Head] {
        self.0.get(&size).map_or(&[], Vec::as_slice)
    }

    /// Those over more events than there are.
    pub(super) fn beyond(&self, end: u64) -> impl Iterator<Item = &Head> {
        self.0.range(end.saturating_add(1)..).flat_map(|(_, heads)| heads)
    }

    fn add(&mut self, head: Head) {
        let same = self.0.entry(head.size).or_default();
        if !same.contains(&head) {
            same.push(head);
        }
    }
}

/// The keys that the database says have signed.
async fn stored_keys(pool: &PgPool, findings: &mut Findings) -> Result<Vec<VerifierKey>, StoreError> {
    let rows: Vec<(Option<String>, Vec<u8>)> =
        sqlx::query_as("select name, check_value from key_checks where purpose = 'log'")
            .fetch_all(pool)
            .await
            .map_err(unavailable)?;
    let mut keys = Vec::with_capacity(rows.len());
    for (name, public) in rows {
        let key = name.as_deref().zip(public.as_slice().try_into().ok());
        match key.and_then(|(name, public)| VerifierKey::new(name, public).ok()) {
            Some(key) => keys.push(key),
            None => findings.add(0, Kind::Head, "a log key that the database names is no key"),
        }
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::HeadFile;
    use crate::signed_note::LogKey;

    #[test]
    fn many_heads_are_read_from_one_file_whatever_stands_between_them() {
        let key = LogKey::random();
        let notes: Vec<_> = (1..4).map(|size| key.sign(&format!("{}\n{size}\nAAAA\n", key.name()))).collect();
        for between in ["", "\n", "\n\n"] {
            let file = HeadFile::parse("heads", &notes.join(between)).unwrap();
            assert_eq!(file.notes, notes);
        }
        let torn = notes.concat() + "clientela/7\n12\n";
        assert_eq!(HeadFile::parse("heads", &torn).unwrap().notes, notes, "what a crash has left");
        for text in ["", "\n\n", "clientela/7\n12\nAAAA\n\n"] {
            assert_eq!(HeadFile::parse("x", text).unwrap_err().to_string(), "x holds no signed heads");
        }
    }
}
