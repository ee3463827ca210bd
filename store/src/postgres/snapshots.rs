//! Snapshots in PostgreSQL: sealed under the subject's key, or under one derived from the master key where nobody is the subject.

use super::database::unavailable;
use super::read::Reader;
use super::sealing::KeyState;
use crate::personal_data::{Place, SubjectKey};
use crate::{Snapshot, StoreError, StreamId, TenantId, Version};
use std::collections::HashSet;
use uuid::Uuid;

pub(super) async fn load(
    reader: &Reader,
    tenant: TenantId,
    stream: &StreamId,
    aggregate_version: i16,
) -> Result<Option<Snapshot>, StoreError> {
    let Some(category) = reader.category_code(stream.category).await? else { return Ok(None) };
    let row: Option<(Version, Option<Uuid>, Vec<u8>)> = sqlx::query_as(
        "select stream_version, subject_id, state from snapshots \
         where stream = $1 and category = $2 and tenant = $3 and aggregate_version = $4",
    )
    .bind(stream.id)
    .bind(category)
    .bind(tenant.0)
    .bind(aggregate_version)
    .fetch_optional(&reader.pool)
    .await
    .map_err(unavailable)?;
    let Some((stream_version, subject_id, sealed)) = row else { return Ok(None) };
    let Some(key) = key(reader, tenant, subject_id).await? else { return Ok(None) };
    let place = Place { tenant, stream: *stream, version: stream_version };
    // One that does not open (an older master key, a flipped bit) is as good as none: the events tell the same.
    let state = key.open_snapshot(&place, &sealed).ok();
    Ok(state.map(|state| Snapshot { aggregate_version, stream_version, subject_id, state }))
}

pub(super) async fn save(
    reader: &Reader,
    tenant: TenantId,
    stream: &StreamId,
    snapshot: Snapshot,
) -> Result<(), StoreError> {
    let Some(category) = reader.category_code(stream.category).await? else { return Ok(()) };
    let Some(key) = key(reader, tenant, snapshot.subject_id).await? else { return Ok(()) };
    let place = Place { tenant, stream: *stream, version: snapshot.stream_version };
    sqlx::query(
        "insert into snapshots as s (stream, category, tenant, aggregate_version, stream_version, subject_id, state) \
         values ($1, $2, $3, $4, $5, $6, $7) on conflict (stream, category) do update \
         set aggregate_version = excluded.aggregate_version, stream_version = excluded.stream_version, \
             subject_id = excluded.subject_id, state = excluded.state \
         where s.tenant = excluded.tenant and (s.aggregate_version, s.stream_version) \
             < (excluded.aggregate_version, excluded.stream_version)",
    )
    .bind(stream.id)
    .bind(category)
    .bind(tenant.0)
    .bind(snapshot.aggregate_version)
    .bind(snapshot.stream_version)
    .bind(snapshot.subject_id)
    .bind(key.seal_snapshot(&place, &snapshot.state))
    .execute(&reader.pool)
    .await
    .map(drop)
    .map_err(unavailable)
}

/// The key to seal with; none when the subject is erased or has no key yet.
async fn key(reader: &Reader, tenant: TenantId, subject: Option<Uuid>) -> Result<Option<SubjectKey>, StoreError> {
    let Some(subject) = subject else { return Ok(Some(reader.keyring.keys().master.current().snapshot_key())) };
    let states = reader.keyring.states(&reader.pool, HashSet::from([(tenant, subject)])).await?;
    Ok(match states.get(&(tenant, subject)) {
        Some(KeyState::Live(key)) => Some(key.clone()),
        Some(KeyState::Erased) | None => None,
    })
}
