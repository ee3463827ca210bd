//! Which keys a log was written with, and which one it is written with now: compared when it is opened, and followed while it runs.
//!
//! All is compared before anything is written: whoever comes with wrong keys leaves no trace.

use super::database::{Database, DatabaseError, Role};
use crate::TenantId;
use crate::key_versions::{KeyVersions, UnwrapError};
use crate::personal_data::{Keys, SecretKey, check_value};
use crate::signed_note::VerifierKey;
use sqlx::{Connection, Executor, PgConnection, PgPool, Postgres};
use std::time::Duration;
use uuid::Uuid;

/// How often a node looks whether a newer key is in use. The writer sees it with its next batch; tickets and snapshots follow by this.
const LOOK_EACH: Duration = Duration::from_secs(10);

/// What keys are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Wrapping subject keys.
    Master,
    /// Hashing claims.
    Claims,
}

impl Purpose {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Master, Self::Claims];

    /// Its name in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Master => "master",
            Self::Claims => "claims",
        }
    }

    pub(super) fn of(self, keys: &Keys) -> &KeyVersions {
        match self {
            Self::Master => &keys.master.0,
            Self::Claims => &keys.claims.0,
        }
    }

    /// Whether rows were written with this version.
    fn in_use(self) -> &'static str {
        match self {
            Self::Master => {
                "select exists (select from subject_keys where master_version = $1 and wrapped_key is not null)"
            }
            Self::Claims => "select exists (select from claims where key_version = $1)",
        }
    }
}

/// A key that the log knows of.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct KnownKey {
    /// Which one.
    #[sqlx(rename = "key_version")]
    pub version: i16,
    check_value: Vec<u8>,
    /// No new rows are written with it.
    pub is_closed: bool,
    /// No rows need it.
    pub is_retired: bool,
}

impl KnownKey {
    fn is(&self, key: &SecretKey) -> bool {
        self.check_value == check_value(key)
    }
}

/// All keys that the log knows of, the newest of each purpose first.
///
/// # Errors
/// When the database cannot be asked.
pub async fn known(session: &mut PgConnection, purpose: Purpose) -> Result<Vec<KnownKey>, sqlx::Error> {
    sqlx::query_as(
        "select key_version, check_value, closed_at is not null as is_closed, retired_at is not null as is_retired \
         from key_checks where purpose = $1 order by key_version desc",
    )
    .bind(purpose.name())
    .fetch_all(session)
    .await
}

/// Refuses keys that are not this log's, before the schema is touched. A database without the table has nothing to compare with.
///
/// # Errors
/// As [`DatabaseError`] says.
pub async fn compare(database: &Database, keys: &Keys) -> Result<(), DatabaseError> {
    let mut session = match PgConnection::connect_with(&database.options(Role::Engine)).await {
        Ok(session) => session,
        // The roles are made with the first migration; whatever else it is, the next step says.
        Err(_) => return Ok(()),
    };
    let is_there: bool =
        sqlx::query_scalar("select to_regclass('public.key_checks') is not null").fetch_one(&mut session).await?;
    if is_there {
        for purpose in Purpose::ALL {
            let rows: Vec<(i16, Vec<u8>)> =
                sqlx::query_as("select key_version, check_value from key_checks where purpose = $1")
                    .bind(purpose.name())
                    .fetch_all(&mut session)
                    .await?;
            rows.iter().try_for_each(|(version, value)| compare_one(purpose, keys, *version, value))?;
        }
    }
    Ok(session.close().await?)
}

/// The keys that have signed for a log, as far as its database knows of any, before the schema is touched.
///
/// # Errors
/// As [`DatabaseError`] says.
pub async fn log_keys(database: &Database) -> Result<Vec<VerifierKey>, DatabaseError> {
    let Ok(mut session) = PgConnection::connect_with(&database.options(Role::Engine)).await else {
        return Ok(Vec::new());
    };
    let is_there: bool = sqlx::query_scalar(
        "select exists (select from pg_attribute where attrelid = to_regclass('public.key_checks') and attname = 'name')",
    )
    .fetch_one(&mut session)
    .await?;
    let mut rows: Vec<(String, Vec<u8>)> = Vec::new();
    if is_there {
        let sql = "select name, check_value from key_checks where purpose = 'log' and name is not null";
        rows = sqlx::query_as(sql).fetch_all(&mut session).await?;
    }
    session.close().await?;
    let key = |(name, public): (String, Vec<u8>)| VerifierKey::new(&name, public.as_slice().try_into().ok()?).ok();
    // One that is no key has signed nothing.
    Ok(rows.into_iter().filter_map(key).collect())
}

fn compare_one(purpose: Purpose, keys: &Keys, version: i16, value: &[u8]) -> Result<(), DatabaseError> {
    match purpose.of(keys).find(version) {
        Some(key) if check_value(&key) != value => Err(DatabaseError::WrongKey { purpose: purpose.name(), version }),
        _ => Ok(()),
    }
}

/// Opens a log with these keys, or refuses them. The first node to open a log writes down how its keys are recognised.
pub(super) async fn recognise(pool: &PgPool, keys: &Keys) -> Result<(), DatabaseError> {
    let mut transaction = pool.begin().await?;
    let mut newest = Vec::with_capacity(Purpose::ALL.len());
    for purpose in Purpose::ALL {
        newest.push((purpose, newest_compared(&mut transaction, purpose, keys).await?));
    }
    compare_log_key(&mut transaction, keys).await?;
    let are_checks_new = newest.iter().any(|(purpose, version)| *purpose == Purpose::Master && version.is_none());
    look_at_subjects(&mut transaction, keys, are_checks_new).await?;
    for (purpose, version) in &newest {
        match version {
            Some(version) => drop(purpose.of(keys).make_current(*version)),
            None => write_down(&mut transaction, *purpose, keys).await?,
        }
    }
    write_down_log_key(&mut transaction, keys).await?;
    Ok(transaction.commit().await?)
}

/// The newest version that the log is written with, after all that it knows were compared; none when it knows none.
async fn newest_compared(
    session: &mut PgConnection,
    purpose: Purpose,
    keys: &Keys,
) -> Result<Option<i16>, DatabaseError> {
    let rows = known(&mut *session, purpose).await?;
    rows.iter().try_for_each(|row| compare_one(purpose, keys, row.version, &row.check_value))?;
    let newest = rows.first().map(|row| row.version);
    for row in rows.iter().filter(|row| !row.is_retired && purpose.of(keys).find(row.version).is_none()) {
        if newest == Some(row.version) || is_in_use(&mut *session, purpose, row.version).await? {
            return Err(DatabaseError::MissingKey { purpose: purpose.name(), version: row.version });
        }
    }
    let_go(purpose, purpose.of(keys), &rows);
    Ok(newest)
}

async fn is_in_use(session: &mut PgConnection, purpose: Purpose, version: i16) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(purpose.in_use()).bind(version).fetch_one(session).await
}

async fn compare_log_key(session: &mut PgConnection, keys: &Keys) -> Result<(), DatabaseError> {
    let (version, verifier) = (keys.log.version, keys.log.verifier());
    let stored: Option<(Vec<u8>, Option<String>)> =
        sqlx::query_as("select check_value, name from key_checks where purpose = 'log' and key_version = $1")
            .bind(version)
            .fetch_optional(session)
            .await?;
    match stored {
        Some((value, name)) if value != verifier.public() || name.as_deref() != Some(verifier.name()) => {
            Err(DatabaseError::WrongKey { purpose: "log", version })
        }
        _ => Ok(()),
    }
}

async fn write_down_log_key(session: &mut PgConnection, keys: &Keys) -> Result<(), DatabaseError> {
    let verifier = keys.log.verifier();
    sqlx::query(
        "insert into key_checks (purpose, key_version, check_value, name) values ('log', $1, $2, $3) on conflict do nothing",
    )
    .bind(keys.log.version)
    .bind(verifier.public().as_slice())
    .bind(verifier.name())
    .execute(&mut *session)
    .await?;
    compare_log_key(session, keys).await
}

/// Another node may write down its keys in the same moment: the first ones count.
async fn write_down(session: &mut PgConnection, purpose: Purpose, keys: &Keys) -> Result<(), DatabaseError> {
    let (version, key) = purpose.of(keys).current();
    insert_check(&mut *session, purpose, version, &check_value(&key)).await?;
    let rows = known(session, purpose).await?;
    rows.iter().try_for_each(|row| compare_one(purpose, keys, row.version, &row.check_value))
}

pub(super) async fn insert_check(
    executor: impl Executor<'_, Database = Postgres>,
    purpose: Purpose,
    version: i16,
    value: &[u8],
) -> Result<(), sqlx::Error> {
    sqlx::query("insert into key_checks (purpose, key_version, check_value) values ($1, $2, $3) on conflict do nothing")
        .bind(purpose.name())
        .bind(version)
        .bind(value)
        .execute(executor)
        .await
        .map(drop)
}

/// Where the table of subject keys is empty, the log must not hold personal data; where the checks are gone, the keys must open it.
async fn look_at_subjects(session: &mut PgConnection, keys: &Keys, is_new: bool) -> Result<(), DatabaseError> {
    let any: bool = sqlx::query_scalar("select exists (select from subject_keys)").fetch_one(&mut *session).await?;
    match (any, is_new) {
        (false, _) if has_personal_events(session).await? => Err(DatabaseError::LostSubjectKeys),
        (true, true) => try_a_subject_key(session, keys).await,
        (true | false, _) => Ok(()),
    }
}

async fn try_a_subject_key(session: &mut PgConnection, keys: &Keys) -> Result<(), DatabaseError> {
    let row: Option<(i32, Uuid, i16, Vec<u8>)> = sqlx::query_as(
        "select tenant, subject_id, master_version, wrapped_key from subject_keys where wrapped_key is not null limit 1",
    )
    .fetch_optional(session)
    .await?;
    let Some((tenant, subject, version, wrapped)) = row else { return Ok(()) };
    let opened = keys.master.unwrap(version, (TenantId(tenant), subject), &wrapped);
    opened.map(drop).map_err(|error| match error {
        UnwrapError::MissingMaster(version) => DatabaseError::MissingKey { purpose: "master", version },
        UnwrapError::Unopenable(_) => DatabaseError::WrongKey { purpose: "master", version },
    })
}

/// Looks at both ends of the log: where there are customers, there is one of them here. Never at the whole of it.
async fn has_personal_events(session: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "select exists (select from (select personal from events order by position limit 10000) e where personal is not null) \
         or exists (select from (select personal from events order by position desc limit 10000) e where personal is not null)",
    )
    .fetch_one(session)
    .await
}

/// A newer key is in use than this node has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{} key {version} is in use, but this node does not have it: give it to this node", purpose.name())]
pub(super) struct Lacking {
    pub(super) purpose: Purpose,
    version: i16,
}

/// Writes with the newest keys that the log is written with, as far as this node has them; says which it lacks.
pub(super) async fn catch_up(session: &mut PgConnection, keys: &Keys) -> Result<Vec<Lacking>, sqlx::Error> {
    let mut lacking = Vec::new();
    for purpose in Purpose::ALL {
        let (versions, rows) = (purpose.of(keys), known(&mut *session, purpose).await?);
        let Some(newest) = rows.first() else { continue };
        match versions.find(newest.version) {
            Some(key) if newest.is(&key) => drop(versions.make_current(newest.version)),
            _ => lacking.push(Lacking { purpose, version: newest.version }),
        }
        let_go(purpose, versions, &rows);
    }
    Ok(lacking)
}

/// Retired master keys are forgotten. Retired claim keys go on telling requests that were made before.
fn let_go(purpose: Purpose, versions: &KeyVersions, rows: &[KnownKey]) {
    for row in rows.iter().filter(|row| row.is_retired) {
        match purpose {
            Purpose::Master => versions.forget(row.version),
            Purpose::Claims => versions.retire(row.version),
        }
    }
}

/// Follows rotations for as long as the node runs.
pub(super) async fn follow(pool: PgPool, keys: Keys) {
    loop {
        tokio::time::sleep(LOOK_EACH).await;
        let caught_up = async { catch_up(&mut *pool.acquire().await?, &keys).await };
        match caught_up.await {
            Ok(lacking) => lacking.iter().for_each(|lacking| tracing::error!("{lacking}")),
            Err(error) => tracing::debug!(%error, "the keys in use cannot be looked up"),
        }
    }
}

/// How many persons' keys are lost, by tenant: they have sealed events, but no row in the table of keys. Reads the whole log.
///
/// # Errors
/// When the database cannot be asked.
pub async fn lost_subjects(session: &mut PgConnection) -> Result<Vec<(TenantId, i64)>, sqlx::Error> {
    let rows: Vec<(i32, i64)> = sqlx::query_as(
        "select e.tenant, count(*) from (select distinct tenant, subject_id from events where personal is not null) e \
         where not exists (select from subject_keys s where s.tenant = e.tenant and s.subject_id = e.subject_id) \
         group by e.tenant order by e.tenant",
    )
    .fetch_all(session)
    .await?;
    Ok(rows.into_iter().map(|(tenant, count)| (TenantId(tenant), count)).collect())
}

/// Writes down that the keys of these persons are lost for good: they read as erased from then on, and take no more personal data.
/// Says how many there are, by tenant.
///
/// # Errors
/// When the database cannot be asked.
pub async fn accept_loss(session: &mut PgConnection) -> Result<Vec<(TenantId, i64)>, sqlx::Error> {
    let newest = known(&mut *session, Purpose::Master).await?.first().map_or(1, |key| key.version);
    let rows: Vec<(i32, i64)> = sqlx::query_as(
        "with lost as (insert into subject_keys (tenant, subject_id, wrapped_key, master_version, erased_at) \
           select distinct e.tenant, e.subject_id, null::bytea, $1::int2, now() from events e where e.personal is not null \
           and not exists (select from subject_keys s where s.tenant = e.tenant and s.subject_id = e.subject_id) \
           on conflict do nothing returning tenant) \
         select tenant, count(*) from lost group by tenant order by tenant",
    )
    .bind(newest)
    .fetch_all(session)
    .await?;
    Ok(rows.into_iter().map(|(tenant, count)| (TenantId(tenant), count)).collect())
}
