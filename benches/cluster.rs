//! The PostgreSQL of a run: the embedded one, with the settings of production, in a folder that is thrown away.

use anyhow::Context;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::personal_data::Keys;
use store::postgres::embedded::{self, EmbeddedConfig, EmbeddedPostgres, SUPERUSER};
use store::postgres::{Database, PostgresStore, Role};
use tempfile::TempDir;

/// A running cluster.
pub(crate) struct Cluster {
    postgres: EmbeddedPostgres,
    folder: TempDir,
}

/// A migrated database of the cluster. Nobody ever analyses it, autovacuum neither: plans must be right without.
pub(crate) struct BenchDatabase {
    pub(crate) database: Database,
    keys: Keys,
    admin: sqlx::postgres::PgConnectOptions,
}

impl Cluster {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        // PostgreSQL runs as another user when this process is root: it must be able to walk in.
        let permissions = std::fs::Permissions::from_mode(0o711);
        let folder = tempfile::Builder::new().prefix("clientela-bench-").permissions(permissions).tempdir()?;
        let mut config = EmbeddedConfig::new(folder.path());
        // Only room for the 64 connections of baseline (a) beside our own; all else is as in production.
        config.settings = vec![("max_connections".to_owned(), "160".to_owned())];
        let postgres = embedded::start(config).await?;
        Ok(Self { postgres, folder })
    }

    /// Makes and migrates a database.
    pub(crate) async fn database(&self, name: &str) -> anyhow::Result<BenchDatabase> {
        let mut admin = PgConnection::connect_with(&self.postgres.connect_options(SUPERUSER, "postgres")).await?;
        admin.execute(AssertSqlSafe(format!("create database {name}"))).await?;
        admin.close().await?;
        let admin = self.postgres.connect_options(SUPERUSER, name);
        let database = Database::with_role_logins(admin.clone());
        database.migrate().await?;
        projections::prepare(&database, &projections::projectors()).await?;
        let made = BenchDatabase { database, keys: Keys::random(), admin };
        made.as_superuser("alter table events set (autovacuum_enabled = false)").await?;
        made.as_superuser("alter table subject_keys set (autovacuum_enabled = false)").await?;
        Ok(made)
    }

    /// Writes all dirty pages, so that each bench begins alike.
    pub(crate) async fn checkpoint(&self) -> anyhow::Result<()> {
        let mut admin = PgConnection::connect_with(&self.postgres.connect_options(SUPERUSER, "postgres")).await?;
        admin.execute("checkpoint").await?;
        Ok(admin.close().await?)
    }

    /// The pid of the postmaster.
    pub(crate) fn pid(&self) -> anyhow::Result<u32> {
        self.postgres.pid().context("PostgreSQL has died")
    }

    /// Where its socket is.
    pub(crate) fn socket_dir(&self) -> PathBuf {
        self.postgres.socket_dir().to_owned()
    }

    /// A folder on the disk that the cluster is on.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) async fn stop(self) {
        self.postgres.stop().await;
    }
}

impl BenchDatabase {
    pub(crate) async fn store(&self) -> anyhow::Result<Arc<PostgresStore>> {
        let pool = self.database.pool(Role::Engine, 12);
        Ok(Arc::new(PostgresStore::open(&self.database, pool, self.keys.clone()).await?))
    }

    /// A connection of the engine role, as the writer has one.
    pub(crate) async fn engine(&self) -> anyhow::Result<PgConnection> {
        Ok(PgConnection::connect_with(&self.database.options(Role::Engine)).await?)
    }

    pub(crate) async fn as_superuser(&self, statements: &str) -> anyhow::Result<()> {
        let mut admin = self.superuser().await?;
        sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&mut admin).await?;
        Ok(admin.close().await?)
    }

    pub(crate) async fn superuser(&self) -> anyhow::Result<PgConnection> {
        Ok(PgConnection::connect_with(&self.admin).await?)
    }
}
