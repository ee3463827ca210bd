//! A newer master key takes the place of the older ones: all subject keys are wrapped anew while everything goes on.
//!
//! 1. The new version is written down in `key_checks`: from then on whoever has it wraps new keys with it.
//! 2. Page by page, what was wrapped with older ones is wrapped anew, until a pass finds nothing.
//! 3. Under the log lock the older ones are closed: the database takes no more rows that were wrapped with them.
//! 4. Passes go on until one finds nothing. Then no row needs the older ones: they are retired.
//!
//! Each step can be done twice, so a rotation that was killed is begun again and goes on. Sealed data is not touched: the subject
//! keys stay what they are. A row that somebody else holds is left for the next pass, so that nobody waits for a rotation in a circle.

use super::PostgresStore;
use super::database::unavailable;
use super::keys::{Purpose, insert_check, known};
use super::sealing::not_unwrapped;
use super::writer::{LOG_LOCK, begin_and_lock};
use crate::personal_data::{Keys, check_value};
use crate::{StoreError, TenantId};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::time::Duration;
use uuid::Uuid;

/// Rows looked at in one transaction.
const PAGE: i64 = 500;
/// How long a pass waits for rows that somebody else held.
const PAUSE: Duration = Duration::from_millis(50);

/// Why a rotation did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// There is no newer key than the one in use.
    #[error("there is no {} key newer than {in_use}, which is in use", purpose.name())]
    NoNewerKey {
        /// Which key.
        purpose: Purpose,
        /// The newest version in use.
        in_use: i16,
    },
    /// The database cannot be asked, or a row makes no sense.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a rotation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotated {
    /// The key that is in use now.
    pub version: i16,
    /// Rows that were written anew.
    pub rewritten: u64,
    /// Whether an earlier rotation was finished, with no new key.
    pub is_resumed: bool,
}

/// Where a pass has come to.
#[derive(Debug, Clone, Copy)]
struct Pass {
    after: (i32, Uuid),
    /// Rows of older versions that were met, and those of them that were wrapped anew.
    met: u64,
    rewrapped: u64,
}

impl PostgresStore {
    /// Has the newest master key of this node take the place of all others, or finishes a rotation that was begun before.
    ///
    /// # Errors
    /// As [`RotationError`] says. What was done stays done; the next call goes on.
    pub async fn rotate_master(&self, tell: &(dyn Fn(u64) + Sync)) -> Result<Rotated, RotationError> {
        let keys = self.reader.keyring.keys();
        let mut session = self.reader.pool.acquire().await.map_err(unavailable)?;
        let (version, is_resumed) = begin(&mut session, keys, Purpose::Master).await?;
        let mut rewritten = rewrap_all(&mut session, keys, version, 0, tell).await?;
        close_older(&mut session, Purpose::Master, version).await.map_err(unavailable)?;
        rewritten += rewrap_all(&mut session, keys, version, rewritten, tell).await?;
        retire_older(&mut session, Purpose::Master, version).await.map_err(unavailable)?;
        Ok(Rotated { version, rewritten, is_resumed })
    }
}

/// The version to rotate to, and whether that was begun before.
pub(super) async fn begin(
    session: &mut PgConnection,
    keys: &Keys,
    purpose: Purpose,
) -> Result<(i16, bool), RotationError> {
    let rows = known(session, purpose).await.map_err(unavailable)?;
    let in_use = rows.first().map_or(0, |row| row.version);
    if rows.iter().skip(1).any(|row| !row.is_retired) {
        return Ok((in_use, true));
    }
    let newest = purpose.of(keys).all().into_iter().next();
    let Some((version, key)) = newest.filter(|(version, _)| *version > in_use) else {
        return Err(RotationError::NoNewerKey { purpose, in_use });
    };
    let activated = async {
        let mut transaction = session.begin_with(AssertSqlSafe(begin_and_lock(LOG_LOCK))).await?;
        insert_check(&mut *transaction, purpose, version, &check_value(&key)).await?;
        transaction.commit().await
    };
    activated.await.map_err(unavailable)?;
    purpose.of(keys).make_current(version);
    Ok((version, false))
}

/// Passes over all subject keys until one meets no older version.
async fn rewrap_all(
    session: &mut PgConnection,
    keys: &Keys,
    version: i16,
    done_before: u64,
    tell: &(dyn Fn(u64) + Sync),
) -> Result<u64, StoreError> {
    let mut done = 0;
    loop {
        let mut pass = Pass { after: (i32::MIN, Uuid::nil()), met: 0, rewrapped: 0 };
        while rewrap_page(session, keys, version, &mut pass).await? {
            tell(done_before + done + pass.rewrapped);
        }
        done += pass.rewrapped;
        if pass.met == 0 {
            return Ok(done);
        }
        if pass.met > pass.rewrapped {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

type Row = (i32, Uuid, i16, Option<Vec<u8>>);

/// One page; `false` behind the last one.
async fn rewrap_page(
    session: &mut PgConnection,
    keys: &Keys,
    version: i16,
    pass: &mut Pass,
) -> Result<bool, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "select tenant, subject_id, master_version, case when master_version < $3 then wrapped_key end \
         from subject_keys where (tenant, subject_id) > ($1, $2) order by tenant, subject_id limit $4",
    )
    .bind(pass.after.0)
    .bind(pass.after.1)
    .bind(version)
    .bind(PAGE)
    .fetch_all(&mut *session)
    .await
    .map_err(unavailable)?;
    let Some(last) = rows.last() else { return Ok(false) };
    pass.after = (last.0, last.1);
    let older: Vec<_> = rows.into_iter().filter_map(|(t, s, v, wrapped)| Some((t, s, v, wrapped?))).collect();
    pass.met += older.len() as u64;
    pass.rewrapped += rewrap(session, keys, older).await?;
    Ok(true)
}

/// Wraps these keys anew, each unless it was changed meanwhile or somebody holds its row.
async fn rewrap(
    session: &mut PgConnection,
    keys: &Keys,
    rows: Vec<(i32, Uuid, i16, Vec<u8>)>,
) -> Result<u64, StoreError> {
    if rows.is_empty() {
        return Ok(0);
    }
    let master = keys.master.current();
    let (mut tenants, mut subjects, mut before, mut after) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (tenant, subject, version, wrapped) in rows {
        let owner = (TenantId(tenant), subject);
        let key = keys.master.unwrap(version, owner, &wrapped).map_err(|error| not_unwrapped(subject, error))?;
        after.push(master.wrap(owner.0, owner.1, &key));
        tenants.push(tenant);
        subjects.push(subject);
        before.push(wrapped);
    }
    let done = sqlx::query(
        "with free as (select s.tenant, s.subject_id, k.after from unnest($1::int4[], $2::uuid[], $3::bytea[], $4::bytea[]) \
           as k(tenant, subject, before, after) \
           join subject_keys s on s.tenant = k.tenant and s.subject_id = k.subject and s.wrapped_key = k.before \
           for update of s skip locked) \
         update subject_keys s set wrapped_key = free.after, master_version = $5 from free \
         where s.tenant = free.tenant and s.subject_id = free.subject_id",
    )
    .bind(tenants)
    .bind(subjects)
    .bind(before)
    .bind(after)
    .bind(master.version)
    .execute(session)
    .await
    .map_err(unavailable)?;
    Ok(done.rows_affected())
}

/// No batch that began before still writes with an older version: it would hold the log lock.
pub(super) async fn close_older(session: &mut PgConnection, purpose: Purpose, version: i16) -> Result<(), sqlx::Error> {
    let mut transaction = session.begin_with(AssertSqlSafe(begin_and_lock(LOG_LOCK))).await?;
    sqlx::query(
        "update key_checks set closed_at = now() where purpose = $1 and key_version < $2 and closed_at is null",
    )
    .bind(purpose.name())
    .bind(version)
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await
}

pub(super) async fn retire_older(
    session: &mut PgConnection,
    purpose: Purpose,
    version: i16,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update key_checks set retired_at = now() where purpose = $1 and key_version < $2 and retired_at is null",
    )
    .bind(purpose.name())
    .bind(version)
    .execute(session)
    .await
    .map(drop)
}
