//! Table `api_keys`: the keys by which programs act for tenants, known by their digests.
//!
//! A key is looked up before its tenant is known, so [`find_key`] asks as the engine; nothing else here does.

use crate::query::{failed, get};
use crate::read_model::{ChangeOf, ReadModel, Recorded, Rows, made};
use crate::tables::{Columns, TableRow, Writer};
use chrono::{DateTime, Utc};
use domain::Event;
use domain::access::events::AccessEvent;
use domain::access::scope::Scope;
use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use store::postgres::Pools;
use store::{Position, StoreError, TenantId};
use uuid::Uuid;

/// A row of `api_keys`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeyRow {
    /// Its id.
    pub key: Uuid,
    /// Whose key.
    pub tenant: TenantId,
    /// Its short name.
    pub name: String,
    /// SHA-256 of the key.
    pub digest: Vec<u8>,
    /// Wire names of what it may do.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it ceases to work.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
    /// Position of its last event.
    pub position: Position,
}

impl ApiKeyRow {
    /// Whether it works at an instant.
    #[must_use]
    pub fn works_at(&self, now: DateTime<Utc>) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }

    /// What it may do; scopes that only a newer build knows are left out.
    pub fn known_scopes(&self) -> impl Iterator<Item = Scope> {
        self.scopes.iter().filter_map(|scope| Scope::parse(scope).ok())
    }
}

/// The read model.
#[derive(Debug, Clone, Copy)]
pub struct ApiKeys;

impl ReadModel for ApiKeys {
    const NAME: &'static str = "api_keys";
    const VERSION: i32 = 1;
    const TABLES: &'static [&'static str] = &["api_keys"];
    const TABLES_SQL: &'static str = include_str!("api_keys/tables.sql");
    const INDEXES_SQL: &'static str = include_str!("api_keys/indexes.sql");
    const PERSONAL: &'static [&'static str] = &["digest"];
    const HANDLES: &'static [&'static str] = &["access.key.created", "access.key.revoked"];
    const REVEALS: bool = false;

    type Key = Uuid;
    type Row = ApiKeyRow;

    fn keys(recorded: &Recorded) -> Vec<Uuid> {
        match &recorded.event {
            Event::Access(AccessEvent::KeyCreated { key, .. } | AccessEvent::KeyRevoked { key }) => vec![*key],
            Event::Access(
                AccessEvent::TenantCreated { .. }
                | AccessEvent::SettingsChanged { .. }
                | AccessEvent::ProjectionSkipped { .. },
            )
            | Event::Customer(_)
            | Event::Loyalty(_)
            | Event::Programme(_)
            | Event::Credit(_)
            | Event::CreditGroup(_) => vec![],
        }
    }

    fn apply(_: &Uuid, row: Option<ApiKeyRow>, recorded: &Recorded) -> Option<ApiKeyRow> {
        use AccessEvent as E;
        let Event::Access(event) = &recorded.event else { return row };
        match (row, event) {
            (_, E::KeyCreated { key, name, digest, scopes, expires_at }) => Some(ApiKeyRow {
                key: *key,
                tenant: recorded.tenant,
                name: name.as_str().to_owned(),
                digest: digest.as_bytes().to_vec(),
                scopes: scopes.iter().map(|scope| scope.as_str().to_owned()).collect(),
                created_at: recorded.occurred_at,
                expires_at: *expires_at,
                revoked_at: None,
                position: recorded.position,
            }),
            (Some(row), E::KeyRevoked { .. }) => {
                let revoked_at = row.revoked_at.or(Some(recorded.occurred_at));
                Some(ApiKeyRow { revoked_at, position: recorded.position, ..row })
            }
            (None, E::KeyRevoked { .. }) => None,
            (row, E::TenantCreated { .. } | E::SettingsChanged { .. } | E::ProjectionSkipped { .. }) => row,
        }
    }

    async fn load(conn: &mut PgConnection, keys: &[Uuid]) -> Result<Rows<Self>, sqlx::Error> {
        let sql = "select key, tenant, name, digest, scopes, created_at, expires_at, revoked_at, position \
                   from api_keys where key = any($1)";
        let rows = sqlx::query(sql).bind(keys).fetch_all(conn).await?;
        rows.iter().map(|row| read(row).map(|row| (row.key, row))).collect()
    }

    async fn write(writer: &mut Writer<'_>, changes: &[ChangeOf<Self>]) -> Result<(), sqlx::Error> {
        writer.put(made(changes)).await
    }
}

impl TableRow for ApiKeyRow {
    const TABLE: &'static str = "api_keys";

    fn put(&self, to: &mut Columns) {
        to.put("key", self.key)
            .put("tenant", self.tenant.0)
            .put("name", self.name.as_str())
            .put("digest", self.digest.as_slice())
            .put_list("scopes", &self.scopes)
            .put("created_at", self.created_at)
            .put("expires_at", self.expires_at)
            .put("revoked_at", self.revoked_at)
            .put("position", self.position.0);
    }
}

fn read(row: &PgRow) -> Result<ApiKeyRow, sqlx::Error> {
    Ok(ApiKeyRow {
        key: get(row, "key")?,
        tenant: TenantId(get(row, "tenant")?),
        name: get(row, "name")?,
        digest: get(row, "digest")?,
        scopes: get(row, "scopes")?,
        created_at: get(row, "created_at")?,
        expires_at: get(row, "expires_at")?,
        revoked_at: get(row, "revoked_at")?,
        position: Position(get(row, "position")?),
    })
}

/// The key of a digest, whosever it is, revoked and expired ones too.
///
/// # Errors
/// When the database is away, or a row makes no sense.
pub async fn find_key(pools: &Pools, digest: &[u8; 32]) -> Result<Option<ApiKeyRow>, StoreError> {
    let sql = "select key, tenant, name, digest, scopes, created_at, expires_at, revoked_at, position \
               from api_keys where digest = $1";
    let found =
        sqlx::query(sql).bind(digest.as_slice()).fetch_optional(&pools.engine).await.map_err(failed("api_keys"))?;
    found.as_ref().map(read).transpose().map_err(failed("api_keys"))
}

/// The keys of a tenant, the oldest first.
///
/// # Errors
/// When the database is away, or a row makes no sense.
pub async fn list(pools: &Pools, tenant: TenantId) -> Result<Vec<ApiKeyRow>, StoreError> {
    let sql = "select key, tenant, name, digest, scopes, created_at, expires_at, revoked_at, position \
               from api_keys where tenant = $1 order by created_at, key";
    let query = sqlx::query(sql).bind(tenant.0);
    let rows = pools.request.fetch_all(tenant, query).await.map_err(failed("api_keys"))?;
    rows.iter().map(read).collect::<Result<_, _>>().map_err(failed("api_keys"))
}
