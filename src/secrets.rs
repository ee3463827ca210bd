//! The secrets of an installation: given by the operator, or made at the first start and kept in the data folder.
//!
//! A file that exists is never written again. Files are for their owner only and appear complete or not at all.

use crate::config::Settings;
use anyhow::{Context, bail};
use commands::ids::random_bytes;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use store::personal_data::{ClaimHashKey, Keys, MasterKey, SecretKey};
use store::signed_note::LogKey;

/// Folder of the secrets in the data folder.
const FOLDER: &str = "secrets";
const FIRST_VERSION: i16 = 1;

/// The keys of an installation, and which of their files were made just now.
#[derive(Debug)]
pub(crate) struct Secrets {
    pub(crate) keys: Keys,
    made: Vec<PathBuf>,
}

impl Secrets {
    /// Reads the keys, or makes those that are missing.
    pub(crate) fn load_or_make(settings: &Settings) -> anyhow::Result<Self> {
        let mut made = Vec::new();
        let master = key(settings, &MASTER, settings.master_key.as_deref(), &mut made)?;
        let claims = key(settings, &CLAIMS, settings.claim_key.as_deref(), &mut made)?;
        let keys = Keys {
            master: MasterKey { version: FIRST_VERSION, key: master },
            claims: ClaimHashKey { version: FIRST_VERSION, key: claims },
            log: log_key(settings, &mut made)?,
        };
        Ok(Self { keys, made })
    }

    /// Removes the files that were made just now: the database turned out to have been written with other keys.
    pub(crate) fn forget_made(&self) {
        for path in &self.made {
            // What stays is refused at the next start just as now.
            let _removed = fs::remove_file(path);
        }
    }

    /// The file of the log key, if it was made just now.
    pub(crate) fn made_log_key(&self) -> Option<&Path> {
        self.made.iter().map(PathBuf::as_path).find(|path| path.ends_with(LOG.file))
    }
}

/// One of the keys.
struct Purpose {
    file: &'static str,
    variable: &'static str,
}

const MASTER: Purpose = Purpose { file: "master.key", variable: "CLIENTELA_MASTER_KEY" };
const CLAIMS: Purpose = Purpose { file: "claims.key", variable: "CLIENTELA_CLAIM_KEY" };
const LOG: Purpose = Purpose { file: "log.key", variable: "CLIENTELA_LOG_KEY" };

fn key(
    settings: &Settings,
    purpose: &Purpose,
    given: Option<&str>,
    made: &mut Vec<PathBuf>,
) -> anyhow::Result<SecretKey> {
    if let Some(given) = given {
        return parse(given).with_context(|| format!("{} is wrong", purpose.variable));
    }
    let path = settings.data_dir.join(FOLDER).join(purpose.file);
    if let Some(text) = read(&path)? {
        return parse(text.trim()).with_context(|| format!("{} is wrong", path.display()));
    }
    if settings.database_url.is_none() && settings.data_dir.join("postgres/data/PG_VERSION").exists() {
        let (shown, variable) = (path.display(), purpose.variable);
        bail!(
            "{shown} is missing, but there is data written with it: put the file back from your backup, or set {variable}"
        );
    }
    let bytes = random_bytes().context("no key can be made")?;
    let text = kept(path.clone(), &hex::encode(bytes), made)?;
    parse(text.trim()).with_context(|| format!("{} is wrong", path.display()))
}

/// Made also where there is data: installations from before there were log keys have none. Whether the database knows one is seen
/// when the log is opened.
fn log_key(settings: &Settings, made: &mut Vec<PathBuf>) -> anyhow::Result<LogKey> {
    if let Some(given) = &settings.log_key {
        return LogKey::parse(given).with_context(|| format!("{} is wrong", LOG.variable));
    }
    let path = settings.data_dir.join(FOLDER).join(LOG.file);
    let text = match read(&path)? {
        Some(text) => text,
        None => kept(path.clone(), &LogKey::random().secret_text(), made)?,
    };
    LogKey::parse(&text).with_context(|| format!("{} is wrong", path.display()))
}

/// What the file of a new key holds in the end: this text, or that of another process that was faster.
fn kept(path: PathBuf, text: &str, made: &mut Vec<PathBuf>) -> anyhow::Result<String> {
    make_folder(path.parent().unwrap_or(Path::new(".")), 0o700)?;
    if write_new(&path, &format!("{text}\n"))? {
        made.push(path);
        return Ok(text.to_owned());
    }
    read(&path)?.with_context(|| format!("{} came and went", path.display()))
}

fn parse(text: &str) -> anyhow::Result<SecretKey> {
    let bytes = hex::decode(text).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    bytes.map(SecretKey::new).context("a key is 64 hexadecimal digits")
}

/// The content of a file; none when there is no such file.
pub(crate) fn read(path: &Path) -> anyhow::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", path.display())),
    }
}

/// Makes a folder for its owner only; those above it can be walked through, as PostgreSQL's user must.
/// Makes the data folder. Where this is root, the user that runs PostgreSQL must be able to pass through it.
pub(crate) fn make_data_folder(folder: &Path) -> anyhow::Result<()> {
    make_folder(folder, if nix::unistd::geteuid().is_root() { 0o711 } else { 0o700 })
}

fn make_folder(folder: &Path, mode: u32) -> anyhow::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(mode).create(folder);
    made.with_context(|| format!("the folder {} cannot be made", folder.display()))
}

/// Writes a file that is not there yet; `false` when it is there, which changes nothing.
fn write_new(path: &Path, text: &str) -> anyhow::Result<bool> {
    let draft = draft(path, text)?;
    let linked = fs::hard_link(&draft, path);
    let _removed = fs::remove_file(&draft); // a leftover draft is harmless: it is overwritten
    match linked {
        Ok(()) => sync_folder(path).map(|()| true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error).with_context(|| format!("{} cannot be written", path.display())),
    }
}

/// Writes a file for its owner only, in place of one that may be there.
pub(crate) fn replace(path: &Path, text: &str) -> anyhow::Result<()> {
    let draft = draft(path, text)?;
    fs::rename(&draft, path).with_context(|| format!("{} cannot be written", path.display()))?;
    sync_folder(path)
}

fn draft(path: &Path, text: &str) -> anyhow::Result<PathBuf> {
    let draft = path.with_extension(format!("draft-{}", std::process::id()));
    let _leftover = fs::remove_file(&draft); // of an earlier process of the same number
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.with_context(|| format!("{} cannot be written", draft.display()))?;
    Ok(draft)
}

fn sync_folder(path: &Path) -> anyhow::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.with_context(|| format!("{} cannot be written to the disk", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::{parse, read, replace, write_new};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_is_written_once_and_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.key");
        assert!(write_new(&path, "one").unwrap());
        assert!(!write_new(&path, "two").unwrap());
        assert_eq!(read(&path).unwrap().as_deref(), Some("one"));
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        replace(&path, "three").unwrap();
        assert_eq!(read(&path).unwrap().as_deref(), Some("three"));
        assert_eq!(folder.path().read_dir().unwrap().count(), 1, "no drafts are left");
    }

    #[test]
    fn a_key_is_64_hexadecimal_digits() {
        assert!(parse(&"0f".repeat(32)).is_ok());
        assert!(parse(&"0f".repeat(31)).is_err());
        assert!(parse(&"0g".repeat(32)).is_err());
    }
}
