//! Why a private cluster could not be started, in words for the person who has to do something about it.

use std::path::PathBuf;

/// Why the private PostgreSQL is not there.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// No usable PostgreSQL is installed.
    #[error(
        "no PostgreSQL {minimum} or newer is installed (looked in {searched}): run \
         `sudo apt-get install postgresql`, or set CLIENTELA_POSTGRES_BIN to the folder of its programs, or set DATABASE_URL"
    )]
    BinariesMissing {
        /// Oldest major version that will do.
        minimum: u32,
        /// Where was looked.
        searched: String,
    },
    /// The folder was made by another major version than those installed.
    #[error(
        "{} was made by PostgreSQL {made_by}, but {} is version {installed}: run \
         `sudo apt-get install postgresql-{made_by}`, or move the data with pg_upgrade",
        cluster.display(), binaries.display()
    )]
    VersionMismatch {
        /// The cluster.
        cluster: PathBuf,
        /// Major version that made it.
        made_by: u32,
        /// Folder of the programs found.
        binaries: PathBuf,
        /// Their major version.
        installed: u32,
    },
    /// The program that drops privileges and ties PostgreSQL to this process is missing.
    #[error("the program `setpriv` is missing: run `sudo apt-get install util-linux`")]
    SetprivMissing,
    /// PostgreSQL refuses to run as root and its user does not exist.
    #[error(
        "PostgreSQL does not run as root, and the user `{name}` does not exist: run \
         `useradd --system {name}`, or name another system user in CLIENTELA_POSTGRES_USER"
    )]
    ServiceUserMissing {
        /// The user looked for.
        name: String,
    },
    /// PostgreSQL refuses to run as root.
    #[error("PostgreSQL does not run as root: name another system user than `{name}` in CLIENTELA_POSTGRES_USER")]
    ServiceUserIsRoot {
        /// The user that is root.
        name: String,
    },
    /// Another process runs the cluster of this data folder.
    #[error("{} is already in use by process {pid}: stop that one first, or choose another data folder with --data-dir", data_dir.display())]
    AlreadyRunning {
        /// The data folder.
        data_dir: PathBuf,
        /// The process that holds it (0 when it has not yet said so).
        pid: u32,
    },
    /// PostgreSQL processes of this cluster do not end.
    #[error("{} is still in use by PostgreSQL processes {pids:?}, which do not end: stop them first", cluster.display())]
    StillRunning {
        /// The cluster.
        cluster: PathBuf,
        /// The processes.
        pids: Vec<u32>,
    },
    /// The cluster's folder holds something else.
    #[error("{} is not empty and holds no PostgreSQL cluster: move it away, or choose another data folder with --data-dir", path.display())]
    NotACluster {
        /// The folder.
        path: PathBuf,
    },
    /// A folder belongs to somebody else.
    #[error(
        "{} belongs to user {owner}, not to {expected}: run as its owner (or as root), or choose another data folder with --data-dir",
        path.display()
    )]
    ForeignFolder {
        /// The folder.
        path: PathBuf,
        /// Whose it is (uid).
        owner: u32,
        /// Whose it should be (uid).
        expected: u32,
    },
    /// initdb failed.
    #[error("PostgreSQL could not make a cluster in {}: {log}", cluster.display())]
    InitdbFailed {
        /// Where.
        cluster: PathBuf,
        /// The end of what it said.
        log: String,
    },
    /// PostgreSQL ended while starting.
    #[error("PostgreSQL did not start ({status}); {} ends with: {log}", log_file.display())]
    StartFailed {
        /// How it ended.
        status: String,
        /// Its log.
        log_file: PathBuf,
        /// The end of the log.
        log: String,
    },
    /// The file system refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The supervisor ended before it could say why, or was told to stop while starting.
    #[error("the private PostgreSQL was stopped while it started")]
    Interrupted,
}

/// Names what was tried when an input or output fails.
pub(super) trait Context<T> {
    /// Adds the action and its path to the error.
    fn context(self, action: &'static str, path: &std::path::Path) -> Result<T, EmbeddedError>;
}

impl<T> Context<T> for std::io::Result<T> {
    fn context(self, action: &'static str, path: &std::path::Path) -> Result<T, EmbeddedError> {
        self.map_err(|source| EmbeddedError::Io { action, path: path.to_path_buf(), source })
    }
}
