//! Which process may run a cluster: the one that holds the lock on `<data>/postgres/lock`.
//!
//! The kernel releases the lock with its process, whatever ends it, so there is nothing to clean up.
//! The content only tells others who holds it and where the socket is.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::error::{Context, EmbeddedError};

/// A tool that looks whether a server is there holds the lock for an instant.
const PATIENCE: Duration = Duration::from_millis(300);

/// The right to run a cluster, until dropped.
#[derive(Debug)]
pub(super) struct InstanceLock {
    file: File,
    path: PathBuf,
}

/// Who runs a cluster, and where its socket is once that is known.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) pid: u32,
    pub(super) socket_dir: Option<PathBuf>,
}

impl InstanceLock {
    /// Takes the lock, or says who has it.
    pub(super) fn take(path: &Path, data_dir: &Path) -> Result<Self, EmbeddedError> {
        let file = open(path)?;
        if !lock(&file, path, PATIENCE)? {
            let pid = read_holder(path).map_or(0, |holder| holder.pid);
            return Err(EmbeddedError::AlreadyRunning { data_dir: data_dir.to_path_buf(), pid });
        }
        let mut lock = Self { file, path: path.to_path_buf() };
        lock.write(&format!("{}\n", std::process::id()))?;
        Ok(lock)
    }

    /// Tells others where the socket is.
    pub(super) fn announce(&mut self, socket_dir: &Path) -> Result<(), EmbeddedError> {
        self.write(&format!("{}\n{}\n", std::process::id(), socket_dir.display()))
    }

    fn write(&mut self, text: &str) -> Result<(), EmbeddedError> {
        self.file
            .set_len(0)
            .and_then(|()| self.file.rewind())
            .and_then(|()| self.file.write_all(text.as_bytes()))
            .context("write", &self.path)
    }
}

/// Who holds the lock, or `None` if nobody does.
pub(super) fn holder(path: &Path) -> Result<Option<Holder>, EmbeddedError> {
    if !path.exists() {
        return Ok(None);
    }
    let file = open(path)?;
    if lock(&file, path, Duration::ZERO)? {
        return Ok(None);
    }
    Ok(Some(read_holder(path).unwrap_or(Holder { pid: 0, socket_dir: None })))
}

fn open(path: &Path) -> Result<File, EmbeddedError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options.open(path).context("open", path)
}

fn lock(file: &File, path: &Path, patience: Duration) -> Result<bool, EmbeddedError> {
    let started = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) if started.elapsed() >= patience => return Ok(false),
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(10)),
            Err(TryLockError::Error(source)) => return Err(source).context("lock", path),
        }
    }
}

fn read_holder(path: &Path) -> Option<Holder> {
    let mut text = String::new();
    File::open(path).ok()?.read_to_string(&mut text).ok()?;
    let (pid, rest) = text.split_once('\n')?;
    let socket_dir = rest.strip_suffix('\n').filter(|folder| !folder.is_empty()).map(PathBuf::from);
    Some(Holder { pid: pid.parse().ok()?, socket_dir })
}
