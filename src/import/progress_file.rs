//! The note of how far an import came, so that the next run of the same one need not send everything again.
//!
//! It saves time and nothing else: without it, or with an old one, the server recognises the rows. It counts only for the
//! log that it was made with: one that is shorter than the note says is another.

use super::tally::Tally;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

/// Where the note of one import is; none when it can be kept nowhere.
pub(super) struct ProgressFile(Option<PathBuf>);

#[derive(Debug, Serialize, Deserialize)]
struct Note {
    /// All rows up to this one are answered for.
    confirmed_row: u64,
    /// The log had got this far.
    position: i64,
}

impl ProgressFile {
    /// The note of an import, named by all that makes it this one.
    pub(super) fn of(data_dir: &Path, identity: &str) -> Self {
        let name = format!("{}.json", hex::encode(&Sha256::digest(identity)[..16]));
        let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(".local/state/clientela"));
        let folders = [Some(data_dir.to_path_buf()).filter(|folder| folder.is_dir()), home];
        let usable = folders.into_iter().flatten().map(|folder| folder.join("imports")).find(|folder| {
            fs::create_dir_all(folder).is_ok() && nix::unistd::access(folder, nix::unistd::AccessFlags::W_OK).is_ok()
        });
        Self(usable.map(|folder| folder.join(name)))
    }

    /// The last row that is answered for in a log that has `head` events.
    pub(super) fn confirmed(&self, head: i64) -> u64 {
        let read = || {
            let text = fs::read_to_string(self.0.as_ref()?).ok()?;
            serde_json::from_str::<Note>(&text).ok()
        };
        read().filter(|note| note.position <= head).map_or(0, |note| note.confirmed_row)
    }

    /// Notes how far the import is.
    pub(super) fn write(&self, tally: &Tally) {
        let Some(path) = &self.0 else { return };
        let note = Note { confirmed_row: tally.confirmed_through(), position: tally.position };
        let draft = path.with_extension("draft");
        let written = serde_json::to_vec(&note)
            .map_err(std::io::Error::from)
            .and_then(|text| fs::write(&draft, text))
            .and_then(|()| fs::rename(&draft, path));
        if let Err(error) = written {
            tracing::warn!(%error, "the progress of the import cannot be noted");
        }
    }

    /// Forgets it: the import is complete.
    pub(super) fn remove(&self) {
        if let Some(path) = &self.0 {
            let _removed = fs::remove_file(path); // what stays is recognised as complete by the server
        }
    }
}
