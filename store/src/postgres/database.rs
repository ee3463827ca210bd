//! How the database is reached: four roles, each with connections of its own, none of them superuser.

use super::request_pool::RequestPool;
use crate::StoreError;
use sha2::{Digest, Sha256};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{Connection, Executor, PgConnection, Row};
use std::time::Duration;

/// A role of the database. What each may do stands in the migrations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Owns the schema; runs migrations.
    Owner,
    /// Answers requests: reads one tenant per transaction, writes nothing.
    Request,
    /// Appends, projects, runs jobs.
    Engine,
    /// Rebuilds projections.
    Rebuild,
}

impl Role {
    /// The role's name in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Owner => "clientela_owner",
            Self::Request => "clientela_request",
            Self::Engine => "clientela_engine",
            Self::Rebuild => "clientela_rebuild",
        }
    }
}

/// Where the database is and how its roles are taken on.
#[derive(Debug, Clone)]
pub struct Database {
    options: PgConnectOptions,
    logins: Logins,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Logins {
    /// Each role logs in as itself.
    PerRole,
    /// One login that is a member of the roles; every session starts with the role set.
    One,
}

/// Why a database cannot be used as it is.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// It cannot be reached or refused a statement.
    #[error("the database cannot be used")]
    Sql(#[from] sqlx::Error),
    /// A migration failed.
    #[error("the database cannot be migrated")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// A login or role passes row-level security by.
    #[error("role {0} is superuser or has BYPASSRLS: tenants would not be walled off; use another login")]
    PassesRowSecurity(String),
    /// The schema is missing or older than this program.
    #[error("the database has not been migrated: run `clientela migrate`")]
    NotMigrated,
    /// A key given is not the one that the data was written with.
    #[error("the {purpose} key{} is not the one this database was written with", of_version(*.version))]
    WrongKey {
        /// Which key.
        purpose: &'static str,
        /// Its version.
        version: i16,
    },
    /// The data needs a key that was not given.
    #[error("the {purpose} key {version} is missing: data of this database was written with it")]
    MissingKey {
        /// Which key.
        purpose: &'static str,
        /// Its version.
        version: i16,
    },
    /// The log holds personal data, but the table of the persons' keys is empty.
    #[error("the table subject_keys is empty, but the log holds personal data, which nobody can read without it")]
    LostSubjectKeys,
}

/// The first version is not worth a word.
fn of_version(version: i16) -> String {
    if version == 1 { String::new() } else { format!(" {version}") }
}

impl Database {
    /// A database in which each role logs in as itself (the embedded one).
    #[must_use]
    pub fn with_role_logins(options: PgConnectOptions) -> Self {
        Self { options, logins: Logins::PerRole }
    }

    /// A database reached by one login that is a member of the four roles.
    ///
    /// # Errors
    /// When the URL cannot be read.
    pub fn from_url(url: &str) -> Result<Self, DatabaseError> {
        Ok(Self { options: url.parse()?, logins: Logins::One })
    }

    /// The options of a session of `role`.
    #[must_use]
    pub fn options(&self, role: Role) -> PgConnectOptions {
        let settings = [("TimeZone", "UTC"), ("search_path", "public,read_models")];
        let options = self.options.clone().application_name(role.name()).options(settings);
        match self.logins {
            Logins::PerRole => options.username(role.name()),
            Logins::One => options.options([("role", role.name())]),
        }
    }

    /// The options of the login as it was given, for what needs the right to create roles.
    #[must_use]
    pub fn admin_options(&self) -> PgConnectOptions {
        self.options.clone().application_name("clientela_admin")
    }

    /// A pool of sessions of `role`.
    #[must_use]
    pub fn pool(&self, role: Role, connections_max: u32) -> PgPool {
        PgPoolOptions::new()
            .max_connections(connections_max)
            .acquire_timeout(Duration::from_secs(3))
            .connect_lazy_with(self.session_options(role))
    }

    /// The options of a session in a pool: nothing in it may take for ever.
    pub(super) fn session_options(&self, role: Role) -> PgConnectOptions {
        self.options(role).options([
            ("statement_timeout", "10s"),
            ("lock_timeout", "5s"),
            ("idle_in_transaction_session_timeout", "10s"),
        ])
    }

    /// Creates the roles where they are missing and brings the schema up to date.
    ///
    /// # Errors
    /// When the login may not create roles that are missing, or a migration fails.
    pub async fn migrate(&self) -> Result<(), DatabaseError> {
        let mut admin = PgConnection::connect_with(&self.admin_options()).await?;
        admin.execute(include_str!("roles.sql")).await?;
        admin.close().await?;
        let mut owner = PgConnection::connect_with(&self.options(Role::Owner)).await?;
        let mut migrator = sqlx::migrate!("../migrations");
        // Who goes back to an older version of the program finds the schema of the newer one, which it can use: see `verify`.
        migrator.set_ignore_missing(true);
        migrator.run(&mut owner).await?;
        owner.execute("grant select on _sqlx_migrations to clientela_engine").await?;
        owner.close().await?;
        Ok(())
    }

    /// Names the schema that this program brings: changes with every migration.
    #[must_use]
    pub fn schema_fingerprint() -> String {
        let mut hasher = Sha256::new_with_prefix(include_str!("roles.sql"));
        sqlx::migrate!("../migrations").iter().for_each(|migration| hasher.update(&migration.checksum));
        hex::encode(&hasher.finalize()[..8])
    }

    /// Refuses a database that is not migrated, or whose sessions would pass row-level security by.
    ///
    /// # Errors
    /// As [`DatabaseError`] says.
    pub async fn verify(&self) -> Result<(), DatabaseError> {
        let mut engine = PgConnection::connect_with(&self.options(Role::Engine)).await?;
        let unsafe_role: Option<String> = sqlx::query_scalar(
            "select rolname::text from pg_roles where (rolsuper or rolbypassrls) \
             and (rolname like 'clientela\\_%' or rolname = session_user) limit 1",
        )
        .fetch_optional(&mut engine)
        .await?;
        if let Some(role) = unsafe_role {
            return Err(DatabaseError::PassesRowSecurity(role));
        }
        let newest: i64 = sqlx::migrate!("../migrations").iter().map(|migration| migration.version).max().unwrap_or(0);
        let migrated = sqlx::query("select coalesce(max(version), 0) from _sqlx_migrations where success")
            .fetch_one(&mut engine)
            .await
            .and_then(|row| row.try_get::<i64, _>(0));
        engine.close().await?;
        match migrated {
            Ok(version) if version >= newest => Ok(()),
            _ => Err(DatabaseError::NotMigrated),
        }
    }
}

/// The pools that a node works with.
#[derive(Debug, Clone)]
pub struct Pools {
    /// Sessions of the engine role: projectors, jobs, reads of the log.
    pub engine: PgPool,
    /// Sessions of the request role.
    pub request: RequestPool,
}

impl Pools {
    /// Lazy pools: nothing is connected yet.
    #[must_use]
    pub fn new(database: &Database) -> Self {
        Self { engine: database.pool(Role::Engine, 12), request: RequestPool::new(database) }
    }
}

/// Any failure of the database while reading, as the store says it.
pub fn unavailable(error: sqlx::Error) -> StoreError {
    StoreError::Unavailable(Box::new(error))
}
