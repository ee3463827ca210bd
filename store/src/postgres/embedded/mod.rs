//! A private PostgreSQL: made, started, restarted and stopped by the process that uses it.
//!
//! Without a database address the server runs one cluster of its own out of the installed binaries.
//! It listens on a Unix socket only, never runs as root, keeps every promise of durability (`fsync`,
//! page checksums), and ends with its process, even when that is killed with SIGKILL: the kernel then
//! sends PostgreSQL SIGINT, a fast and clean shutdown. The other way round, a PostgreSQL that dies is
//! started again on the same socket, so pools reconnect by themselves.
//!
//! ```text
//! <data>/postgres/lock   held (flock) by the one process that may run this cluster; says who and where
//! <data>/postgres/data   the cluster; local.conf in it is the operator's
//! <data>/postgres/run    the socket, for its owner only (a short path elsewhere when this one is too long)
//! <data>/postgres/log    what PostgreSQL says; never values of statements
//! ```
//!
//! Who may connect is decided by the socket folder (0700), not by passwords: `pg_hba.conf` trusts
//! every local connection, and only the cluster's owner and root reach the socket.
//!
//! Deliberately absent: upgrades between major versions, replicas, remote access. Who needs them
//! gives the server a database address.

mod attach;
mod binaries;
mod cluster;
mod error;
mod folders;
mod instance_lock;
mod processes;
mod service_user;
mod settings;
mod supervisor;

use std::path::{Path, PathBuf};

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tokio::sync::watch;

pub use attach::{AttachedPostgres, Cluster, attach, attach_or_start};
pub use error::EmbeddedError;
pub use supervisor::Status;

pub(in crate::postgres) use cluster::Blueprint;
pub(in crate::postgres) use folders::socket_file;
pub(in crate::postgres) use settings::DISPOSABLE;

/// The role that initdb makes; the only superuser.
pub const SUPERUSER: &str = "postgres";

/// The port is part of the socket's file name; nothing listens on TCP.
const PORT: u16 = 5432;

/// What a private cluster needs to know.
#[derive(Debug, Clone)]
pub struct EmbeddedConfig {
    /// The server's data folder; the cluster lives below it in `postgres/`.
    pub data_dir: PathBuf,
    /// Folder of the PostgreSQL programs. `None`: `CLIENTELA_POSTGRES_BIN`, then the newest installed.
    pub binaries: Option<PathBuf>,
    /// Who runs PostgreSQL when this process is root. `None`: `CLIENTELA_POSTGRES_USER`, then `postgres`.
    pub service_user: Option<String>,
    /// Settings of `postgresql.conf` beyond ours; the last one of a name wins.
    pub settings: Vec<(String, String)>,
}

impl EmbeddedConfig {
    /// The usual cluster of a data folder.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self { data_dir: data_dir.into(), binaries: None, service_user: None, settings: Vec::new() }
    }
}

/// A running private cluster. Stops when dropped; [`EmbeddedPostgres::stop`] does so without blocking the runtime.
#[derive(Debug)]
pub struct EmbeddedPostgres {
    socket_dir: PathBuf,
    supervisor: supervisor::Supervisor,
}

/// Makes the cluster if there is none, starts it, and returns when it accepts connections.
///
/// Only one process at a time runs the cluster of a data folder; a second one is refused with the first one's pid.
pub async fn start(config: EmbeddedConfig) -> Result<EmbeddedPostgres, EmbeddedError> {
    let (socket_dir, supervisor) = supervisor::Supervisor::start(config).await?;
    Ok(EmbeddedPostgres { socket_dir, supervisor })
}

impl EmbeddedPostgres {
    /// How to connect as `role` to `database`.
    pub fn connect_options(&self, role: &str, database: &str) -> PgConnectOptions {
        connect_options(&self.socket_dir, role, database)
    }

    /// Folder of the Unix socket; the port is 5432.
    pub fn socket_dir(&self) -> &Path {
        &self.socket_dir
    }

    /// Whether the cluster is up, being restarted, or stopped; changes as it happens.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.supervisor.status()
    }

    /// The pid of the postmaster, if there is one at the moment.
    pub fn pid(&self) -> Option<u32> {
        self.supervisor.pid()
    }

    /// Waits until the present postmaster has ended, for whatever reason.
    pub async fn wait_exit(&self) {
        let mut status = self.status();
        // An error means that the supervisor is gone, and PostgreSQL with it.
        let _gone = status.wait_for(|status| !matches!(status, Status::Ready { .. })).await;
    }

    /// Stops the cluster: a fast shutdown, which ends open sessions and writes a checkpoint.
    pub async fn stop(self) {
        // A panic in there has been reported by its own thread.
        let _stopped = tokio::task::spawn_blocking(move || drop(self)).await;
    }
}

/// How to connect over the socket in `socket_dir`.
pub(in crate::postgres) fn connect_options(socket_dir: &Path, role: &str, database: &str) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .socket(socket_dir)
        .port(PORT)
        .username(role)
        .database(database)
        .ssl_mode(PgSslMode::Disable)
}
