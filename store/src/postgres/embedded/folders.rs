//! Where the parts of a private cluster lie, and who may enter them.

use std::fs::{self, DirBuilder, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;
use sha2::{Digest, Sha256};

use super::PORT;
use super::binaries::environment;
use super::error::{Context, EmbeddedError};
use super::service_user::ServiceUser;

/// The kernel takes no longer path for a socket (108 bytes with the closing zero).
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// The folders of one cluster.
#[derive(Debug, Clone)]
pub(in crate::postgres) struct Folders {
    /// The server's data folder.
    pub(in crate::postgres) data_dir: PathBuf,
    /// All that belongs to PostgreSQL in it.
    home: PathBuf,
}

impl Folders {
    /// The folders below `data_dir`, which are made if they are missing.
    pub(in crate::postgres) fn prepare(data_dir: &Path) -> Result<Self, EmbeddedError> {
        make(data_dir, enterable())?;
        let data_dir = data_dir.canonicalize().context("find", data_dir)?;
        let folders = Self::of(&data_dir);
        make(&folders.home, enterable())?;
        make(&folders.logs(), 0o700)?;
        Ok(folders)
    }

    /// The names only.
    pub(super) fn of(data_dir: &Path) -> Self {
        Self { data_dir: data_dir.to_path_buf(), home: data_dir.join("postgres") }
    }

    /// The cluster itself.
    pub(in crate::postgres) fn cluster(&self) -> PathBuf {
        self.home.join("data")
    }

    /// A cluster that initdb is still making, or was when it was killed.
    pub(super) fn unfinished_cluster(&self) -> PathBuf {
        self.home.join("data.unfinished")
    }

    /// What decides who runs the cluster.
    pub(super) fn lock(&self) -> PathBuf {
        self.home.join("lock")
    }

    /// What PostgreSQL says.
    pub(in crate::postgres) fn log_file(&self) -> PathBuf {
        self.logs().join("postgresql.log")
    }

    /// The folder of the socket, made and checked: nobody but the cluster's owner (and root) may enter it.
    pub(in crate::postgres) fn socket_dir(&self, user: &ServiceUser) -> Result<PathBuf, EmbeddedError> {
        let usual = self.home.join("run");
        let folder = if fits(&usual) { usual } else { self.short_socket_dir(user) };
        make(&folder, 0o700)?;
        let found = fs::symlink_metadata(&folder).context("look at", &folder)?;
        if found.uid() != user.uid && found.uid() != geteuid().as_raw() {
            return Err(EmbeddedError::ForeignFolder { path: folder, owner: found.uid(), expected: user.uid });
        }
        if !found.is_dir() {
            return Err(EmbeddedError::NotACluster { path: folder });
        }
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).context("change the mode of", &folder)?;
        user.own(&folder)?;
        Ok(folder)
    }

    /// Makes what was made and renamed in the home of PostgreSQL survive a loss of power.
    pub(super) fn sync_home(&self) -> Result<(), EmbeddedError> {
        File::open(&self.home).and_then(|home| home.sync_all()).context("sync", &self.home)
    }

    /// Whether the socket is in the home of PostgreSQL, next to the cluster.
    pub(super) fn holds(&self, socket_dir: &Path) -> bool {
        socket_dir.starts_with(&self.home)
    }

    /// Removes a socket folder that is not below the data folder.
    pub(super) fn discard_short(&self, socket_dir: &Path) {
        if !self.holds(socket_dir) {
            // Left in place it is used again.
            let _removed = fs::remove_dir(socket_dir);
        }
    }

    fn logs(&self) -> PathBuf {
        self.home.join("log")
    }

    /// A short folder that follows from the data folder, so that others find it again.
    fn short_socket_dir(&self, user: &ServiceUser) -> PathBuf {
        let hash = hex::encode(&Sha256::digest(self.data_dir.as_os_str().as_bytes())[..8]);
        let runtime = match environment("XDG_RUNTIME_DIR") {
            Some(folder) if !user.drops_root() => PathBuf::from(folder),
            _ if user.drops_root() && Path::new("/run").is_dir() => PathBuf::from("/run"),
            _ => PathBuf::from("/tmp"),
        };
        let folder = runtime.join(format!("clientela-{hash}"));
        if fits(&folder) { folder } else { Path::new("/tmp").join(format!("clientela-{hash}")) }
    }
}

/// The socket's file in its folder.
pub(in crate::postgres) fn socket_file(socket_dir: &Path) -> PathBuf {
    socket_dir.join(format!(".s.PGSQL.{PORT}"))
}

fn fits(socket_dir: &Path) -> bool {
    socket_file(socket_dir).as_os_str().len() <= SOCKET_PATH_BYTES_MAX
}

/// Root's folders are walked through by the service user; anyone else's are his own.
fn enterable() -> u32 {
    if geteuid().is_root() { 0o711 } else { 0o700 }
}

fn make(folder: &Path, mode: u32) -> Result<(), EmbeddedError> {
    DirBuilder::new().recursive(true).mode(mode).create(folder).context("make the folder", folder)
}
