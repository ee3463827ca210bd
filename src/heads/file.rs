//! The file of heads: signed notes one behind the other, with an empty line after each.

use anyhow::Context;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use store::signed_note::SIGNATURE_LINE;

/// A file that is added to.
#[derive(Debug)]
pub(super) struct HeadsFile {
    path: PathBuf,
    /// The size of its last head, once that is known.
    last: Option<u64>,
}

impl HeadsFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, last: None }
    }

    /// The size of the last head that is in it, as far as that is known.
    pub(super) fn last(&self) -> Option<u64> {
        self.last
    }

    pub(super) fn is_at(&mut self, size: u64) {
        self.last = Some(size);
    }

    /// The last head in the file. What a crash has left of one that was being written is taken away.
    pub(super) fn open(&self) -> anyhow::Result<Option<String>> {
        let shown = self.path.display();
        let text = match std::fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("{shown} cannot be read")),
        };
        let whole = whole(&String::from_utf8_lossy(&text)).len();
        let text = text.get(..whole).unwrap_or(&text);
        let file = OpenOptions::new().read(true).append(true).open(&self.path);
        let file = file.with_context(|| format!("{shown} cannot be written"))?;
        if file.metadata().is_ok_and(|found| found.len() > whole as u64) {
            file.set_len(whole as u64)
                .with_context(|| format!("{shown} ends with half a head that cannot be taken away"))?;
        }
        Ok(last_note(&String::from_utf8_lossy(text)).map(str::to_owned))
    }

    /// Adds heads, the last of them of this size.
    pub(super) fn add(&mut self, notes: &str, size: u64) -> anyhow::Result<()> {
        let written = OpenOptions::new().create(true).append(true).open(&self.path).and_then(|mut file| {
            file.write_all(notes.as_bytes())?;
            file.sync_all()
        });
        // What stands there now is not known: it is looked at again.
        self.last = written.is_ok().then_some(size);
        written.with_context(|| format!("{} cannot be written", self.path.display()))
    }
}

/// The text up to the end of the last line of a signature.
fn whole(text: &str) -> &str {
    let mut end = 0;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        at += line.len();
        let is_gap = line == "\n" && end + 1 == at;
        if is_gap || (line.starts_with(SIGNATURE_LINE) && line.ends_with('\n')) {
            end = at;
        }
    }
    &text[..end]
}

/// The last note of a text that ends with one.
fn last_note(text: &str) -> Option<&str> {
    let text = whole(text).trim_end_matches('\n');
    let lines = text.rfind(&format!("\n\n{SIGNATURE_LINE}"))?;
    let start = text[..lines].rfind("\n\n").map_or(0, |before| before + 2);
    Some(&text[start..]).filter(|note| !note.is_empty())
}

#[cfg(test)]
mod tests {
    use super::{HeadsFile, last_note, whole};

    const NOTES: &str = "log\n1\nAAAA\n\n— log AAAA\n\nlog\n2\nBBBB\n\n— log BBBB\n\n";

    #[test]
    fn the_last_head_is_found_and_half_a_head_is_taken_away() {
        let last = "log\n2\nBBBB\n\n— log BBBB";
        assert_eq!((whole(NOTES), last_note(NOTES)), (NOTES, Some(last)));
        for torn in ["log", "log\n3\n", "log\n3\nCCCC\n\n", "log\n3\nCCCC\n\n— log C"] {
            let text = format!("{NOTES}{torn}");
            assert_eq!((whole(&text), last_note(&text)), (NOTES, Some(last)), "{torn}");
        }
        assert_eq!((whole("log\n3\n"), last_note("")), ("", None));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("heads");
        assert_eq!(HeadsFile::new(path.clone()).open().unwrap(), None);
        std::fs::write(&path, format!("{NOTES}log\n3\n\u{2014} lo")).unwrap();
        assert_eq!(HeadsFile::new(path.clone()).open().unwrap().as_deref(), Some(last));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), NOTES);
    }

    #[test]
    fn heads_are_added_behind_those_that_are_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("heads");
        let mut file = HeadsFile::new(path.clone());
        file.add("a", 1).unwrap();
        file.add("b", 2).unwrap();
        assert_eq!((file.last(), std::fs::read_to_string(&path).unwrap().as_str()), (Some(2), "ab"));
        let mut nowhere = HeadsFile::new(folder.path().join("no/heads"));
        assert!(nowhere.add("a", 1).is_err() && nowhere.last().is_none());
    }
}
