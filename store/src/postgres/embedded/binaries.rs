//! Which PostgreSQL programs to use. Looks only; installs nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::EmbeddedError;

/// The oldest major version that has what the store uses.
const MINIMUM: u32 = 15;

/// Where Debian and its children put each major version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// The programs of one PostgreSQL version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::postgres) struct Binaries {
    /// Folder of `postgres` and `initdb`.
    pub(in crate::postgres) folder: PathBuf,
    /// Major version.
    pub(in crate::postgres) major: u32,
}

impl Binaries {
    pub(in crate::postgres) fn postgres(&self) -> PathBuf {
        self.folder.join("postgres")
    }

    pub(in crate::postgres) fn initdb(&self) -> PathBuf {
        self.folder.join("initdb")
    }
}

/// The programs for a cluster: the named ones, else those that made it, else the newest installed.
pub(in crate::postgres) fn find(named: Option<&Path>, made_by: Option<u32>) -> Result<Binaries, EmbeddedError> {
    let named = named.map(Path::to_path_buf).or_else(|| environment("CLIENTELA_POSTGRES_BIN").map(PathBuf::from));
    let candidates = match named {
        Some(folder) => vec![folder],
        None => installed(made_by),
    };
    let found = candidates.iter().find_map(|folder| inspect(folder)).filter(|found| found.major >= MINIMUM);
    found.ok_or_else(|| EmbeddedError::BinariesMissing { minimum: MINIMUM, searched: list(&candidates) })
}

/// A variable of the environment that is set to something.
pub(in crate::postgres) fn environment(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Folders that may hold PostgreSQL, best first.
fn installed(made_by: Option<u32>) -> Vec<PathBuf> {
    let mut majors: Vec<u32> = fs::read_dir(DEBIAN)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    majors.sort_unstable_by_key(|&major| (Some(major) == made_by, major));
    let debian = majors.iter().rev().map(|major| Path::new(DEBIAN).join(major.to_string()).join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path: Vec<PathBuf> = std::env::split_paths(&path).filter(|folder| folder.join("initdb").exists()).collect();
    debian.chain(path).collect()
}

/// What is in a folder, if both programs are and `postgres` tells its version.
fn inspect(folder: &Path) -> Option<Binaries> {
    let folder = folder.canonicalize().ok()?;
    if !folder.join("initdb").exists() {
        return None;
    }
    let output = Command::new(folder.join("postgres")).arg("-V").env_clear().output().ok()?;
    let major = major(&String::from_utf8_lossy(&output.stdout))?;
    Some(Binaries { folder, major })
}

/// `postgres (PostgreSQL) 15.20 (Debian …)` → 15.
fn major(version: &str) -> Option<u32> {
    let number = version.split_once("(PostgreSQL) ")?.1;
    let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

fn list(folders: &[PathBuf]) -> String {
    if folders.is_empty() {
        return format!("{DEBIAN}/*/bin and PATH");
    }
    folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::major;

    #[test]
    fn the_major_version_is_read_from_releases_and_previews() {
        assert_eq!(major("postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)\n"), Some(15));
        assert_eq!(major("postgres (PostgreSQL) 18beta2"), Some(18));
        assert_eq!(major("initdb: command not found"), None);
    }
}
