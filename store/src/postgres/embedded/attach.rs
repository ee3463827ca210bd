//! For tools that work beside a running server: its cluster, if it runs one, else one of their own.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;

use super::error::EmbeddedError;
use super::folders::Folders;
use super::instance_lock::{Holder, holder};
use super::{EmbeddedConfig, EmbeddedPostgres, connect_options, start};

/// A server that is just starting tells where its socket is within this time.
const PATIENCE: Duration = Duration::from_secs(30);

/// The cluster of another process. Dropping this stops nothing.
#[derive(Debug)]
pub struct AttachedPostgres {
    socket_dir: PathBuf,
    server: u32,
}

/// A private cluster, whoever runs it.
#[derive(Debug)]
pub enum Cluster {
    /// This process runs it.
    Own(EmbeddedPostgres),
    /// Another one does.
    Attached(AttachedPostgres),
}

/// The cluster that another process runs in this data folder, or `None` if nobody does.
pub async fn attach(config: &EmbeddedConfig) -> Result<Option<AttachedPostgres>, EmbeddedError> {
    let Ok(data_dir) = config.data_dir.canonicalize() else { return Ok(None) };
    let lock = Folders::of(&data_dir).lock();
    let begun = Instant::now();
    loop {
        match holder(&lock)? {
            None => return Ok(None),
            Some(Holder { pid, socket_dir: Some(socket_dir) }) => {
                return Ok(Some(AttachedPostgres { socket_dir, server: pid }));
            }
            Some(Holder { pid, socket_dir: None }) if begun.elapsed() > PATIENCE => {
                return Err(EmbeddedError::AlreadyRunning { data_dir, pid });
            }
            Some(_starting) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// The cluster of a running server, or one of our own for as long as it is needed.
pub async fn attach_or_start(config: EmbeddedConfig) -> Result<Cluster, EmbeddedError> {
    if let Some(attached) = attach(&config).await? {
        return Ok(Cluster::Attached(attached));
    }
    match start(config.clone()).await {
        Ok(own) => Ok(Cluster::Own(own)),
        // A server began in this very moment.
        Err(error @ EmbeddedError::AlreadyRunning { .. }) => attach(&config).await?.map(Cluster::Attached).ok_or(error),
        Err(error) => Err(error),
    }
}

impl AttachedPostgres {
    /// How to connect as `role` to `database`.
    pub fn connect_options(&self, role: &str, database: &str) -> PgConnectOptions {
        connect_options(&self.socket_dir, role, database)
    }

    /// Folder of the Unix socket; the port is 5432.
    pub fn socket_dir(&self) -> &Path {
        &self.socket_dir
    }

    /// The process that runs the cluster.
    pub fn server(&self) -> u32 {
        self.server
    }
}

impl Cluster {
    /// How to connect as `role` to `database`.
    pub fn connect_options(&self, role: &str, database: &str) -> PgConnectOptions {
        connect_options(self.socket_dir(), role, database)
    }

    /// Folder of the Unix socket; the port is 5432.
    pub fn socket_dir(&self) -> &Path {
        match self {
            Self::Own(own) => own.socket_dir(),
            Self::Attached(attached) => attached.socket_dir(),
        }
    }

    /// Stops a cluster of our own; leaves another process's alone.
    pub async fn stop(self) {
        if let Self::Own(own) = self {
            own.stop().await;
        }
    }
}
