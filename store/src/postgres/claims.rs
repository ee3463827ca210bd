//! The table of claims against what the events say, and claims written anew under another key.
//!
//! What the events say is told by whoever can read them; here only hashes are compared. A claim that is written anew keeps its owner,
//! so nobody needs to stop for it.

use super::PostgresStore;
use super::database::unavailable;
use super::keys::Purpose;
use super::rotation::{RotationError, begin, close_older, retire_older};
use super::writer::{LOG_LOCK, begin_and_lock};
use crate::key_versions::ClaimKeysNow;
use crate::{ClaimHolder, ClaimKey, StoreError, TenantId};
use serde::Serialize;
use sqlx::{AssertSqlSafe, Connection};
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

/// Rows of the table looked at by one statement.
const PAGE: i64 = 5_000;

/// A claim that is not what the events say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClaimDifference {
    /// Whose claims.
    pub tenant: TenantId,
    /// Kind of the claim.
    pub kind: String,
    /// Who it is about.
    pub owner: Uuid,
    /// What is wrong.
    #[serde(flatten)]
    pub wrong: Wrong,
}

/// What is wrong with a claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "wrong")]
pub enum Wrong {
    /// The events say that the owner holds it, but nobody does.
    Missing,
    /// The events say that the owner holds it, but another one does.
    HeldBy {
        /// Who does.
        holder: Uuid,
    },
    /// The owner holds it, but no event says so.
    Surplus,
}

impl PostgresStore {
    /// What these hold against what their events say.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn compare_claims(&self, holders: &[ClaimHolder]) -> Result<Vec<ClaimDifference>, StoreError> {
        let keys = self.reader.keyring.keys().claims.now();
        let mut held = self.held(holders).await?;
        let mut differences = Vec::new();
        for holder in holders {
            let mut rows = held.remove(&(holder.tenant, holder.owner)).unwrap_or_default();
            let mut missing = Vec::new();
            for claim in distinct(holder.claims.iter()) {
                let mut hashes = keys.hashes(holder.tenant, claim);
                if !hashes.any(|hash| rows.remove(&(claim.kind.clone(), hash.to_vec()))) {
                    missing.push(claim.clone());
                }
            }
            for claim in &holder.besides {
                for hash in keys.hashes(holder.tenant, claim) {
                    rows.remove(&(claim.kind.clone(), hash.to_vec()));
                }
            }
            let others = self.reader.claim_owners(holder.tenant, &missing).await?;
            let wrong = |other: Option<Uuid>| other.map_or(Wrong::Missing, |holder| Wrong::HeldBy { holder });
            let missing = missing.into_iter().zip(others).map(|(claim, other)| (claim.kind, wrong(other)));
            let surplus = rows.into_iter().map(|(kind, _)| (kind, Wrong::Surplus));
            let (tenant, owner) = (holder.tenant, holder.owner);
            differences.extend(missing.chain(surplus).map(|(kind, wrong)| ClaimDifference {
                tenant,
                kind,
                owner,
                wrong,
            }));
        }
        Ok(differences)
    }

    async fn held(
        &self,
        holders: &[ClaimHolder],
    ) -> Result<HashMap<(TenantId, Uuid), HashSet<(String, Vec<u8>)>>, StoreError> {
        let owners: Vec<Uuid> = holders.iter().map(|holder| holder.owner).collect();
        let rows: Vec<(i32, Uuid, String, Vec<u8>)> =
            sqlx::query_as("select tenant, owner, kind, hash from claims where owner = any($1)")
                .bind(owners)
                .fetch_all(&self.reader.pool)
                .await
                .map_err(unavailable)?;
        let mut held: HashMap<_, HashSet<_>> = HashMap::new();
        for (tenant, owner, kind, hash) in rows {
            held.entry((TenantId(tenant), owner)).or_default().insert((kind, hash));
        }
        Ok(held)
    }

    /// Claims of owners of whom there is no event at all.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn claims_of_nobody(&self) -> Result<Vec<ClaimDifference>, StoreError> {
        let (mut after, mut found) = ((i32::MIN, String::new(), Vec::new()), Vec::new());
        loop {
            let rows: Vec<(i32, String, Vec<u8>, Uuid, bool)> = sqlx::query_as(
                "select c.tenant, c.kind, c.hash, c.owner, exists (select from events e where e.stream = c.owner) \
                 from claims c where (c.tenant, c.kind, c.hash) > ($1, $2, $3) \
                 order by c.tenant, c.kind, c.hash limit $4",
            )
            .bind(after.0)
            .bind(after.1)
            .bind(after.2)
            .bind(PAGE)
            .fetch_all(&self.reader.pool)
            .await
            .map_err(unavailable)?;
            let Some((tenant, kind, hash, _, _)) = rows.last().cloned() else { return Ok(found) };
            after = (tenant, kind, hash);
            let nobodys = rows.into_iter().filter(|(.., is_known)| !is_known);
            found.extend(nobodys.map(|(tenant, kind, _, owner, _)| ClaimDifference {
                tenant: TenantId(tenant),
                kind,
                owner,
                wrong: Wrong::Surplus,
            }));
        }
    }

    /// Has the newest claim key of this node be the one that claims are taken under; says which it is, and whether it was already.
    ///
    /// # Errors
    /// As [`RotationError`] says.
    pub async fn begin_claims_rotation(&self) -> Result<(i16, bool), RotationError> {
        let mut session = self.reader.pool.acquire().await.map_err(unavailable)?;
        begin(&mut session, self.reader.keyring.keys(), Purpose::Claims).await
    }

    /// Writes the claims of these anew under the current key, as far as they stand under another one.
    ///
    /// # Errors
    /// When the database cannot be asked. Then nothing was changed.
    pub async fn rehash_claims(&self, holders: &[ClaimHolder]) -> Result<u64, StoreError> {
        let keys = self.reader.keyring.keys().claims.now();
        let rows: Vec<Rehashed> = holders.iter().flat_map(|holder| rehashed(&keys, holder)).collect();
        let rehashing = async {
            let mut session = self.reader.pool.acquire().await?;
            let mut transaction = session.begin_with(AssertSqlSafe(begin_and_lock(LOG_LOCK))).await?;
            let done = sqlx::query(
                "with gone as (delete from claims c using unnest($1::int4[], $2::text[], $3::bytea[], $4::bytea[], $5::uuid[]) \
                   as r(tenant, kind, before, after, owner) \
                   where c.tenant = r.tenant and c.kind = r.kind and c.hash = r.before and c.owner = r.owner \
                   returning c.tenant, c.kind, r.after, c.owner) \
                 insert into claims (tenant, kind, hash, key_version, owner) select tenant, kind, after, $6, owner from gone",
            )
            .bind(rows.iter().map(|row| row.tenant.0).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.kind).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.before.as_slice()).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.after.as_slice()).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.owner).collect::<Vec<_>>())
            .bind(keys.current.version)
            .execute(&mut *transaction)
            .await?;
            transaction.commit().await?;
            Ok(done.rows_affected())
        };
        rehashing.await.map_err(unavailable)
    }

    /// Retires the older claim keys, unless rows are left that were written with them; says how many.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn end_claims_rotation(&self, version: i16) -> Result<i64, StoreError> {
        let ending = async {
            let mut session = self.reader.pool.acquire().await?;
            close_older(&mut session, Purpose::Claims, version).await?;
            let left: i64 = sqlx::query_scalar("select count(*) from claims where key_version < $1")
                .bind(version)
                .fetch_one(&mut *session)
                .await?;
            if left == 0 {
                retire_older(&mut session, Purpose::Claims, version).await?;
            }
            Ok(left)
        };
        ending.await.map_err(unavailable)
    }
}

/// A row as it stands, and as it is to stand.
struct Rehashed<'a> {
    tenant: TenantId,
    kind: &'a str,
    before: [u8; 32],
    after: [u8; 32],
    owner: Uuid,
}

fn rehashed<'a>(keys: &'a ClaimKeysNow, holder: &'a ClaimHolder) -> impl Iterator<Item = Rehashed<'a>> {
    let (tenant, owner) = (holder.tenant, holder.owner);
    distinct(holder.claims.iter().chain(&holder.besides)).into_iter().flat_map(move |claim| {
        let after = keys.current.hash(tenant, claim);
        let before = keys.others.iter().map(move |key| key.hash(tenant, claim));
        before.map(move |before| Rehashed { tenant, kind: &claim.kind, before, after, owner })
    })
}

/// The same telephone number may stand twice in somebody's contact.
fn distinct<'a>(claims: impl Iterator<Item = &'a ClaimKey>) -> Vec<&'a ClaimKey> {
    let mut seen = HashSet::new();
    claims.filter(|claim| seen.insert((&claim.kind, &claim.value))).collect()
}
