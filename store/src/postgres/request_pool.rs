//! Sessions of the request role. The only way to one is a read for a tenant, which sets the tenant first.
//!
//! A read is one statement and with it one snapshot: no transaction, no ping, mostly one round trip. So a session keeps its tenant
//! until it serves another one, and a session whose last read did not come to its end is not used again.

use super::database::{Database, Role};
use crate::TenantId;
use deadpool::Runtime;
use deadpool::managed::{Manager, Metrics, Pool, PoolError, RecycleError, RecycleResult, Timeouts};
use sqlx::postgres::{PgArguments, PgConnectOptions, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Postgres};
use std::fmt;
use std::time::{Duration, Instant};

const SESSIONS_MAX: usize = 16;
/// How long a request waits for a session.
const PATIENCE: Duration = Duration::from_secs(3);
/// A session that was idle for so long is asked whether it still lives.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// Sessions of the request role.
#[derive(Clone)]
pub struct RequestPool(Pool<Sessions>);

impl RequestPool {
    /// Nothing is connected yet.
    pub(super) fn new(database: &Database) -> Self {
        let options = database.session_options(Role::Request).options([("default_transaction_read_only", "on")]);
        let timeouts = Timeouts { wait: Some(PATIENCE), create: Some(PATIENCE), recycle: Some(PATIENCE) };
        let pool = Pool::builder(Sessions(options)).max_size(SESSIONS_MAX).timeouts(timeouts).runtime(Runtime::Tokio1);
        Self(pool.build().expect("a runtime is named"))
    }

    /// The row that a statement finds among those of a tenant.
    ///
    /// # Errors
    /// When the database is away, or all sessions are busy for 3 s.
    pub async fn fetch_optional(
        &self,
        tenant: TenantId,
        query: Query<'_, Postgres, PgArguments>,
    ) -> Result<Option<PgRow>, sqlx::Error> {
        let mut session = self.session(tenant).await?;
        let found = query.fetch_optional(&mut session.connection).await;
        session.is_sound = answered(&found);
        found
    }

    /// The rows that a statement finds among those of a tenant. It is planned anew each time: a plan that was kept from when a table was
    /// empty takes a second for each page once an import has filled it.
    ///
    /// # Errors
    /// When the database is away, or all sessions are busy for 3 s.
    pub async fn fetch_all(
        &self,
        tenant: TenantId,
        query: Query<'_, Postgres, PgArguments>,
    ) -> Result<Vec<PgRow>, sqlx::Error> {
        let mut session = self.session(tenant).await?;
        let found = query.persistent(false).fetch_all(&mut session.connection).await;
        session.is_sound = answered(&found);
        found
    }

    /// A session that sees one tenant's rows; not sound until its read has ended.
    async fn session(&self, tenant: TenantId) -> Result<deadpool::managed::Object<Sessions>, sqlx::Error> {
        let mut session = self.0.get().await.map_err(no_session)?;
        session.is_sound = false;
        session.used_at = Instant::now();
        if session.tenant != Some(tenant) {
            session.tenant = None;
            // The tenant is a number, so nothing can be smuggled in.
            let set = AssertSqlSafe(format!("set app.tenant = '{}'", tenant.0));
            sqlx::raw_sql(set).execute(&mut session.connection).await?;
            session.tenant = Some(tenant);
        }
        Ok(session)
    }
}

impl fmt::Debug for RequestPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RequestPool").field(&self.0.status()).finish()
    }
}

/// Whether the session spoke its part to the end.
fn answered<T>(result: &Result<T, sqlx::Error>) -> bool {
    matches!(result, Ok(_) | Err(sqlx::Error::Database(_)))
}

fn no_session(error: PoolError<sqlx::Error>) -> sqlx::Error {
    match error {
        PoolError::Backend(error) => error,
        _ => sqlx::Error::PoolTimedOut,
    }
}

struct Session {
    connection: PgConnection,
    /// Whose rows it sees; none when that is not sure.
    tenant: Option<TenantId>,
    is_sound: bool,
    used_at: Instant,
}

/// How sessions are made and looked after.
struct Sessions(PgConnectOptions);

impl Manager for Sessions {
    type Type = Session;
    type Error = sqlx::Error;

    async fn create(&self) -> Result<Session, sqlx::Error> {
        let connection = PgConnection::connect_with(&self.0).await?;
        Ok(Session { connection, tenant: None, is_sound: true, used_at: Instant::now() })
    }

    async fn recycle(&self, session: &mut Session, _: &Metrics) -> RecycleResult<sqlx::Error> {
        if !session.is_sound {
            return Err(RecycleError::message("its last read did not come to its end"));
        }
        if session.used_at.elapsed() > TRUSTED_FOR {
            session.connection.ping().await?;
        }
        Ok(())
    }
}
