//! The file of the erasure list: it is added to, and every receipt is on the disk before anybody is told that it is kept.
//!
//! Beside the data lies the **mark**: how many persons the list has named, and how far it was verified, signed by the log. So a start need not
//! verify again what it has verified before, and a list that has become shorter is noticed.

use super::notes::{Entry, List};
use crate::secrets;
use anyhow::{Context, anyhow};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use store::TenantId;
use store::erasures::Erasure;
use store::signed_note::{self, LogKey, VerifierKey};
use uuid::Uuid;

/// The first line of a mark: it tells it from all else that the log signs.
const MARK_LINE: &str = "clientela/erasure-list/v1";

/// Whom a receipt is about.
pub(crate) type Person = (TenantId, Uuid);

/// The file, and who is in it.
#[derive(Debug)]
pub(crate) struct ListFile {
    path: PathBuf,
    mark: PathBuf,
    key: LogKey,
    known: Vec<VerifierKey>,
    held: HashSet<Person>,
    /// Its length, and what it hashes to.
    length: u64,
    hasher: Sha256,
    /// How many persons it is known to have named once.
    had: usize,
}

/// What the mark says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    persons: usize,
    bytes: u64,
    sha256: String,
}

/// How a file was taken up again.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) file: ListFile,
    pub(crate) list: List,
    /// Whether there was one.
    pub(crate) was_there: bool,
}

impl ListFile {
    /// Reads and verifies the file, and changes nothing.
    pub(crate) fn open(path: PathBuf, mark: PathBuf, key: LogKey, known: Vec<VerifierKey>) -> anyhow::Result<Opened> {
        let told = read_mark(&mark, &known);
        let bytes = read_all(&path)?;
        let was_there = bytes.is_some();
        let (held, hasher, had) = (HashSet::new(), Sha256::new(), told.persons);
        let mut file = Self { path, mark, key, known, held, length: 0, hasher, had };
        let list = file.take_up(bytes.unwrap_or_default(), &told)?;
        Ok(Opened { file, list, was_there })
    }

    /// Takes away what a crash has left of an entry that was being written, and makes the file where there is none.
    pub(crate) fn repair(&mut self, list: &List) -> anyhow::Result<()> {
        let shown = self.path.display();
        let file = opened(&self.path).with_context(|| format!("the erasure list {shown} cannot be written"))?;
        if list.is_torn {
            tracing::warn!(
                "the erasure list {shown} ended with half an entry, as a crash leaves it: it was taken away"
            );
            let cut = file.set_len(self.length).and_then(|()| file.sync_all());
            cut.with_context(|| format!("the half entry at the end of {shown} cannot be taken away"))?;
        }
        self.write_mark()
    }

    /// Whether somebody is in it.
    pub(crate) fn holds(&self, person: Person) -> bool {
        self.held.contains(&person)
    }

    /// How many are in it.
    pub(crate) fn len(&self) -> usize {
        self.held.len()
    }

    /// How many persons it has lost, as far as that is known.
    pub(crate) fn lost(&self) -> usize {
        self.had.saturating_sub(self.held.len())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Those who verify receipts.
    pub(crate) fn known(&self) -> &[VerifierKey] {
        &self.known
    }

    /// Adds receipts of persons who are not in it. Says false when somebody else has changed the file: it was read anew then, and who asks has to
    /// look again who is missing.
    pub(crate) fn add(&mut self, erasures: &[Erasure]) -> anyhow::Result<bool> {
        let shown = self.path.display().to_string();
        let mut file = opened(&self.path).with_context(|| format!("{shown} cannot be written"))?;
        file.lock().with_context(|| format!("{shown} cannot be locked"))?;
        if file.metadata().with_context(|| format!("{shown} cannot be read"))?.len() != self.length {
            let list = self.take_up(read_all(&self.path)?.unwrap_or_default(), &Mark::default())?;
            self.repair(&list)?;
            return Ok(false);
        }
        let new: Vec<_> = erasures.iter().filter(|new| !self.holds((new.tenant, new.subject))).collect();
        let notes: String = new.iter().map(|new| format!("{}\n\n", new.receipt.trim_end())).collect();
        let written = file.write_all(notes.as_bytes()).and_then(|()| file.sync_all());
        if let Err(error) = written {
            // A part of it may stand there: what does not, is made good when it is read anew.
            let _cut = file.set_len(self.length);
            return Err(error).with_context(|| format!("{shown} cannot be written"));
        }
        self.length += notes.len() as u64;
        self.hasher.update(notes.as_bytes());
        self.held.extend(new.iter().map(|new| (new.tenant, new.subject)));
        self.write_mark().map(|()| true)
    }

    fn take_up(&mut self, bytes: Vec<u8>, mark: &Mark) -> anyhow::Result<List> {
        let verified = usize::try_from(mark.bytes).ok().filter(|end| {
            bytes.get(..*end).is_some_and(|verified| hex::encode(Sha256::digest(verified)) == mark.sha256)
        });
        let shown = self.path.display();
        let list = List::read(bytes, &self.known, verified.unwrap_or_default()).map_err(|disbelief| {
            anyhow!(
                "the erasure list {shown} is not believed: {disbelief}; nothing was touched. Put the list of another server or of a backup there, \
                 or take that entry away"
            )
        })?;
        self.held = list.entries.iter().map(|entry: &Entry| (entry.tenant, entry.customer)).collect();
        self.length = list.kept().len() as u64;
        self.hasher = Sha256::new_with_prefix(list.kept().as_bytes());
        Ok(list)
    }

    /// A list that has lost persons goes on being said to have.
    fn write_mark(&self) -> anyhow::Result<()> {
        let sha256 = hex::encode(self.hasher.clone().finalize());
        let mark = Mark { persons: self.held.len().max(self.had), bytes: self.length, sha256 };
        let body = serde_json::to_string(&mark).context("the mark of the erasure list cannot be written")?;
        secrets::replace(&self.mark, &self.key.sign(&format!("{MARK_LINE}\n{body}\n")))
    }
}

fn read_all(path: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    match File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)) {
        Ok(_) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("the erasure list {} cannot be read", path.display())),
    }
}

/// Opens the file, or makes it in a way that survives a crash.
fn opened(path: &Path) -> std::io::Result<File> {
    let is_new = !path.exists();
    let file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
    if is_new {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()?;
    }
    Ok(file)
}

/// A mark that is not there or not believed says nothing: the list is verified as a whole then.
fn read_mark(path: &Path, known: &[VerifierKey]) -> Mark {
    let read = || {
        let note = std::fs::read_to_string(path).ok()?;
        let body = signed_note::open(&note, known).ok()?.strip_prefix(MARK_LINE)?.strip_prefix('\n')?;
        serde_json::from_str(body.trim_end()).ok()
    };
    read().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::notes::tests::list;
    use super::*;
    use std::ops::Range;
    use std::path::PathBuf;
    use tempfile::TempDir;

    struct Place {
        folder: TempDir,
        key: LogKey,
    }

    impl Place {
        fn new() -> Self {
            Self { folder: tempfile::tempdir().expect("a folder"), key: LogKey::random() }
        }

        fn path(&self) -> PathBuf {
            self.folder.path().join("erasures")
        }

        fn open(&self) -> anyhow::Result<Opened> {
            let mark = self.folder.path().join("erasures.mark");
            ListFile::open(self.path(), mark, self.key.clone(), vec![self.key.verifier()])
        }

        /// As a start does it.
        fn started(&self) -> ListFile {
            let Opened { mut file, list, .. } = self.open().expect("it is believed");
            file.repair(&list).expect("it is repaired");
            file
        }

        fn erasures(&self, numbers: Range<u128>) -> Vec<Erasure> {
            let text = list(&self.key, numbers);
            let list = List::read(text.into_bytes(), &[self.key.verifier()], 0).expect("it is believed");
            list.entries.iter().map(|entry| list.erasure(entry)).collect()
        }

        fn text(&self) -> String {
            std::fs::read_to_string(self.path()).expect("the list")
        }
    }

    #[test]
    fn receipts_are_added_once_and_found_again() {
        let place = Place::new();
        assert!(!place.open().unwrap().was_there);
        let mut file = place.started();
        assert!(file.add(&place.erasures(1..4)).unwrap() && file.add(&place.erasures(2..6)).unwrap());
        assert_eq!(place.text(), list(&place.key, 1..6));
        let opened = place.open().unwrap();
        assert_eq!((opened.was_there, opened.file.len(), opened.file.lost()), (true, 5, 0));
        assert!(opened.file.holds((TenantId(1), Uuid::from_u128(5))));
        assert!(!opened.file.holds((TenantId(2), Uuid::from_u128(5))));
    }

    #[test]
    fn half_an_entry_is_taken_away_and_what_is_added_then_stands_behind_whole_ones() {
        let place = Place::new();
        place.started().add(&place.erasures(1..3)).unwrap();
        std::fs::write(place.path(), format!("{}clientela/erasure/v1\n{{\"ten\0\0", place.text())).unwrap();
        let mut file = place.started();
        assert_eq!((file.len(), place.text().trim_end()), (2, list(&place.key, 1..3).trim_end()));
        assert!(file.add(&place.erasures(3..4)).unwrap());
        assert_eq!(place.open().unwrap().file.len(), 3);
    }

    #[test]
    fn what_somebody_else_has_done_to_the_file_is_seen_before_anything_is_added() {
        let place = Place::new();
        let mut file = place.started();
        assert!(file.add(&place.erasures(1..3)).unwrap());
        assert!(place.started().add(&place.erasures(3..4)).unwrap());
        assert!(!file.add(&place.erasures(4..5)).unwrap(), "it has to be looked again who is missing");
        assert!(file.holds((TenantId(1), Uuid::from_u128(3))) && file.add(&place.erasures(4..5)).unwrap());
        std::fs::remove_file(place.path()).unwrap();
        assert!(!file.add(&place.erasures(5..6)).unwrap() && file.len() == 0);
        assert!(file.add(&place.erasures(1..6)).unwrap());
        assert_eq!(place.text(), list(&place.key, 1..6));
        std::fs::write(place.path(), "hello").unwrap();
        assert!(file.add(&place.erasures(6..7)).is_err() && place.text() == "hello", "it is not touched");
    }

    #[test]
    fn a_list_that_was_changed_is_refused_whatever_the_mark_says() {
        let place = Place::new();
        place.started().add(&place.erasures(1..4)).unwrap();
        let whole = place.text();
        std::fs::write(place.path(), whole.replacen("\"position\":2", "\"position\":7", 1)).unwrap();
        let said = format!("{:#}", place.open().unwrap_err());
        assert!(said.contains("is not believed: entry 2 (line 6) was changed"), "{said}");
        // A mark of another log says nothing.
        let mark = place.folder.path().join("erasures.mark");
        let other = LogKey::random();
        let text = std::fs::read_to_string(&mark).unwrap();
        std::fs::write(&mark, other.sign(text.split_once("\n\n").unwrap().0)).unwrap();
        assert!(place.open().is_err());
        std::fs::write(place.path(), whole).unwrap();
        assert_eq!(place.open().unwrap().file.len(), 3);
    }

    #[test]
    fn a_list_that_has_become_shorter_is_told_until_it_is_whole_again() {
        let place = Place::new();
        place.started().add(&place.erasures(1..6)).unwrap();
        let whole = place.text();
        std::fs::write(place.path(), list(&place.key, 1..3)).unwrap();
        for _ in 0..2 {
            assert_eq!(place.started().lost(), 3);
        }
        std::fs::remove_file(place.path()).unwrap();
        assert_eq!(place.started().lost(), 5);
        std::fs::write(place.path(), whole).unwrap();
        assert_eq!(place.started().lost(), 0);
    }

    #[test]
    fn what_was_verified_is_not_verified_again() {
        let place = Place::new();
        place.started().add(&place.erasures(1..4)).unwrap();
        // With no key known nothing is believed but what the mark vouches for, and that is signed, too.
        let told = read_mark(&place.folder.path().join("erasures.mark"), &[place.key.verifier()]);
        assert_eq!((told.persons, told.bytes), (3, place.text().len() as u64));
        let bytes = place.text().into_bytes();
        assert!(List::read(bytes.clone(), &[], 0).is_err());
        assert_eq!(List::read(bytes, &[], usize::try_from(told.bytes).unwrap()).unwrap().entries.len(), 3);
    }
}
