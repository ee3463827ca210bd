//! The address that a running server listens on, told in its data folder: so the command line finds it on any port.
//!
//! The server holds a lock on the file for as long as it lives, so that what a killed one has left misleads nobody.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const FILE: &str = "address";
/// Who looks whether there is a server holds the lock for an instant.
const PATIENCE: Duration = Duration::from_millis(300);

/// An address that is told until this is dropped.
#[derive(Debug)]
pub(crate) struct Announced {
    _locked: File,
    path: PathBuf,
}

/// Tells where a server listens. Of several on one data folder the first one is told of.
pub(crate) fn tell(data_dir: &Path, address: SocketAddr) -> std::io::Result<Option<Announced>> {
    let path = data_dir.join(FILE);
    let mut file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path)?;
    if !lock(&file)? {
        return Ok(None);
    }
    file.set_len(0)?;
    writeln!(file, "{address}")?;
    Ok(Some(Announced { _locked: file, path }))
}

fn lock(file: &File) -> std::io::Result<bool> {
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) if begun.elapsed() > PATIENCE => return Ok(false),
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(10)),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        // One that stays is not locked any more, and so believed by nobody.
        let _removed = fs::remove_file(&self.path);
    }
}

/// Where the running server of a data folder listens, if there is one.
pub(crate) fn read(data_dir: &Path) -> Option<SocketAddr> {
    let mut file = File::open(data_dir.join(FILE)).ok()?;
    if is_left_behind(&file) {
        return None;
    }
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn is_left_behind(file: &File) -> bool {
    file.try_lock_shared().is_ok()
}

#[cfg(test)]
mod tests {
    use super::{FILE, read, tell};

    #[test]
    fn an_address_is_told_while_its_server_lives() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = ("127.0.0.1:9100".parse().unwrap(), "127.0.0.1:9101".parse().unwrap());
        assert_eq!(read(folder.path()), None);
        let told = tell(folder.path(), first).unwrap();
        assert!(tell(folder.path(), second).unwrap().is_none(), "another server of the same folder");
        assert_eq!(read(folder.path()), Some(first));
        drop(told);
        assert!(!folder.path().join(FILE).exists());
    }

    #[test]
    fn what_a_killed_server_left_misleads_nobody() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), "127.0.0.1:9100 and more than the next one says\n").unwrap();
        assert_eq!(read(folder.path()), None);
        let next = "127.0.0.1:1".parse().unwrap();
        let _told = tell(folder.path(), next).unwrap();
        assert_eq!(read(folder.path()), Some(next));
    }
}
