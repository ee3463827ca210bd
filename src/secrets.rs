//! The secrets of an installation: given by the operator, or made at the first start and kept in the data folder.
//!
//! A file that exists is never written again. Files are for their owner only and appear complete or not at all. The first version
//! of a key is in `master.key`, later ones are in `master-2.key` and so on; a variable holds `hex`, or `1:hex,2:hex`.

pub(crate) mod command;

use crate::config::Settings;
use anyhow::{Context, bail};
use commands::ids::random_bytes;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::key_versions::{ClaimKeys, KeySource, KeyVersions, MasterKeys};
use store::personal_data::{Keys, SecretKey};
use store::postgres::keys;
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
        let master = versions(settings, &MASTER, settings.master_key.as_deref(), &mut made)?;
        let claims = versions(settings, &CLAIMS, settings.claim_key.as_deref(), &mut made)?;
        let keys = Keys { master: MasterKeys(master), claims: ClaimKeys(claims), log: log_key(settings, &mut made)? };
        Ok(Self { keys, made })
    }

    /// Removes the files that were made just now: the database turned out to have been written with other keys.
    pub(crate) fn forget_made(&self) {
        for path in &self.made {
            // What stays is refused at the next start just as now. The folder goes when nothing else is in it.
            let _removed = fs::remove_file(path);
            let _emptied = path.parent().map(fs::remove_dir);
        }
    }

    /// The file of the log key, if it was made just now.
    pub(crate) fn made_log_key(&self) -> Option<&Path> {
        self.made.iter().map(PathBuf::as_path).find(|path| path.ends_with(LOG.file))
    }
}

/// One of the keys.
#[derive(Debug, Clone, Copy)]
struct Purpose {
    name: &'static str,
    file: &'static str,
    variable: &'static str,
}

const MASTER: Purpose = Purpose { name: "master", file: "master.key", variable: "CLIENTELA_MASTER_KEY" };
const CLAIMS: Purpose = Purpose { name: "claims", file: "claims.key", variable: "CLIENTELA_CLAIM_KEY" };
const LOG: Purpose = Purpose { name: "log", file: "log.key", variable: "CLIENTELA_LOG_KEY" };

impl Purpose {
    fn of(purpose: keys::Purpose) -> Self {
        match purpose {
            keys::Purpose::Master => MASTER,
            keys::Purpose::Claims => CLAIMS,
        }
    }

    fn given(self, settings: &Settings) -> Option<&str> {
        match self.name {
            "master" => settings.master_key.as_deref(),
            _ => settings.claim_key.as_deref(),
        }
    }

    /// The file of a version.
    fn file(self, version: i16) -> String {
        if version == FIRST_VERSION { self.file.to_owned() } else { format!("{}-{version}.key", self.name) }
    }

    /// The version that a file is of.
    fn version(self, file: &str) -> Option<i16> {
        if file == self.file {
            return Some(FIRST_VERSION);
        }
        let number = file.strip_prefix(self.name)?.strip_prefix('-')?.strip_suffix(".key")?;
        number.parse().ok().filter(|version| self.file(*version) == file)
    }
}

/// The files of one key: what is not there at the start may come with a rotation.
#[derive(Debug)]
struct Files {
    folder: PathBuf,
    purpose: Purpose,
}

impl Files {
    fn new(settings: &Settings, purpose: Purpose) -> Self {
        Self { folder: settings.data_dir.join(FOLDER), purpose }
    }

    fn path(&self, version: i16) -> PathBuf {
        self.folder.join(self.purpose.file(version))
    }

    /// The versions for which there are files, the oldest first.
    fn versions(&self) -> anyhow::Result<Vec<i16>> {
        let shown = || format!("the folder {} cannot be read", self.folder.display());
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error).with_context(shown),
        };
        let mut versions = Vec::new();
        for entry in entries {
            versions
                .extend(entry.with_context(shown)?.file_name().to_str().and_then(|file| self.purpose.version(file)));
        }
        versions.sort_unstable();
        Ok(versions)
    }

    fn read(&self, version: i16) -> anyhow::Result<Option<SecretKey>> {
        let path = self.path(version);
        let Some(text) = read(&path)? else { return Ok(None) };
        refuse_open_file(&path)?;
        parse(text.trim()).map(Some).with_context(|| format!("{} is wrong", path.display()))
    }

    /// Makes the file of a version; one that is there already stays as it is.
    fn make(&self, version: i16) -> anyhow::Result<bool> {
        make_folder(&self.folder, 0o700)?;
        let bytes = random_bytes().context("no key can be made")?;
        write_new(&self.path(version), &format!("{}\n", hex::encode(bytes)))
    }
}

impl KeySource for Files {
    fn find(&self, version: i16) -> Option<SecretKey> {
        self.read(version).unwrap_or_else(|error| {
            tracing::error!("{error:#}");
            None
        })
    }
}

/// A key that every user of the machine can read is no secret. A group may be meant, as where secrets are mounted. What lies in a folder
/// that others cannot pass through is closed to them whatever its own mode.
fn refuse_open_file(path: &Path) -> anyhow::Result<()> {
    let mode = |path: &Path| std::io::Result::Ok(fs::metadata(path)?.permissions().mode());
    let modes = || std::io::Result::Ok((mode(path)?, mode(path.parent().unwrap_or(Path::new(".")))?));
    let (file, folder) = modes().with_context(|| format!("{} cannot be read", path.display()))?;
    let shown = path.display();
    if file & 0o007 != 0 && folder & 0o001 != 0 {
        bail!(
            "{shown} is open to every user of this machine: run `chmod o= {shown}`, and think of who may have read it"
        );
    }
    if file & 0o070 != 0 && folder & 0o010 != 0 {
        tracing::warn!("{shown} is open to its group: is that meant? Else run `chmod go= {shown}`");
    }
    Ok(())
}

fn versions(
    settings: &Settings,
    purpose: &Purpose,
    given: Option<&str>,
    made: &mut Vec<PathBuf>,
) -> anyhow::Result<KeyVersions> {
    if let Some(given) = given {
        return several(given).with_context(|| format!("{} is wrong", purpose.variable));
    }
    let files = Files::new(settings, *purpose);
    if files.versions()?.is_empty() {
        first(settings, &files, made)?;
    }
    let mut keys: Option<KeyVersions> = None;
    for version in files.versions()? {
        let Some(key) = files.read(version)? else { continue };
        keys = Some(match keys {
            Some(keys) => keys.and(version, key),
            None => KeyVersions::new(version, key),
        });
    }
    let keys = keys.with_context(|| format!("{} came and went", files.path(FIRST_VERSION).display()))?;
    Ok(keys.found_in(Arc::new(files)))
}

/// Makes the first version, unless something was written with one already. Another process may be faster: its key counts.
fn first(settings: &Settings, files: &Files, made: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let path = files.path(FIRST_VERSION);
    if settings.database_url.is_none() && settings.data_dir.join("postgres/data/PG_VERSION").exists() {
        let (shown, variable) = (path.display(), files.purpose.variable);
        bail!(
            "{shown} is missing, but there is data written with it: put the file back from your backup, or set {variable}"
        );
    }
    if files.make(FIRST_VERSION)? {
        made.push(path);
    }
    Ok(())
}

/// Made also where there is data: installations from before there were log keys have none. Whether the database knows one is seen
/// when the log is opened.
fn log_key(settings: &Settings, made: &mut Vec<PathBuf>) -> anyhow::Result<LogKey> {
    if let Some(given) = &settings.log_key {
        return LogKey::parse(given).with_context(|| format!("{} is wrong", LOG.variable));
    }
    let path = settings.data_dir.join(FOLDER).join(LOG.file);
    let text = match read(&path)? {
        Some(text) => {
            refuse_open_file(&path)?;
            text
        }
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

/// One key, or several with their versions: `1:hex,2:hex`.
fn several(text: &str) -> anyhow::Result<KeyVersions> {
    let mut keys: Option<KeyVersions> = None;
    for part in text.split(',').map(str::trim) {
        let (version, key) = match part.split_once(':') {
            Some((version, key)) => (version.parse().ok().filter(|version| *version > 0), key),
            None => (Some(FIRST_VERSION), part),
        };
        let version: i16 = version.context("a version is a number from 1, as in 2:0123…")?;
        let key = parse(key)?;
        keys = Some(match keys {
            Some(keys) if keys.find(version).is_some() => bail!("version {version} is given twice"),
            Some(keys) => keys.and(version, key),
            None => KeyVersions::new(version, key),
        });
    }
    keys.context("there is no key")
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
    use super::{CLAIMS, MASTER, parse, read, replace, several, write_new};
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
    fn a_variable_holds_one_key_or_several_with_their_versions() {
        let (one, two) = ("1f".repeat(32), "2f".repeat(32));
        let versions =
            |text: &str| several(text).map(|keys| keys.all().iter().map(|(version, _)| *version).collect::<Vec<_>>());
        assert_eq!(versions(&one).unwrap(), vec![1]);
        assert_eq!(versions(&format!("2:{two}")).unwrap(), vec![2]);
        assert_eq!(versions(&format!("1:{one}, 2:{two}")).unwrap(), vec![2, 1]);
        for wrong in ["", "1:", &format!("0:{one}"), &format!("x:{one}"), &format!("{one},1:{two}"), &format!("{one},")]
        {
            assert!(several(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_file_tells_its_version() {
        for (file, version) in [("master.key", Some(1)), ("master-2.key", Some(2)), ("master-12.key", Some(12))] {
            assert_eq!(MASTER.version(file), version);
            assert_eq!(MASTER.file(version.unwrap()), file);
        }
        for other in ["claims.key", "master-1.key", "master-02.key", "master-.key", "master.key.draft-7", "log.key"] {
            assert_eq!(MASTER.version(other), None, "{other}");
        }
        assert_eq!(CLAIMS.version("claims-2.key"), Some(2));
    }

    #[test]
    fn a_key_is_64_hexadecimal_digits() {
        assert!(parse(&"0f".repeat(32)).is_ok());
        assert!(parse(&"0f".repeat(31)).is_err());
        assert!(parse(&"0g".repeat(32)).is_err());
    }
}
