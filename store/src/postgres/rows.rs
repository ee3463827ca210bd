//! Rows of `events` as they are read.

use super::database::unavailable;
use super::names::Names;
use crate::event::Rendering;
use crate::{Personal, Position, RecordedEvent, StoreError, StreamId, TenantId};
use bytes::Bytes;
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};
use std::sync::Arc;

/// The columns that [`to_events`] reads, in the words of SQL.
macro_rules! columns {
    () => {
        "position, tenant, category, type, schema_version, stream, version, command_id, once_id, subject_id, \
         customer_id, occurred_at, recorded_at, metadata, payload, personal, leaf_hash"
    };
}
pub(super) use columns;

/// Turns rows into events; codes that another node has introduced meanwhile are looked up once.
pub(super) async fn to_events(pool: &PgPool, names: &Names, rows: &[PgRow]) -> Result<Vec<RecordedEvent>, StoreError> {
    for row in rows {
        let codes: (i16, i16) =
            (row.try_get("category").map_err(unavailable)?, row.try_get("type").map_err(unavailable)?);
        if names.name(codes.0).is_none() || names.name(codes.1).is_none() {
            names.load(pool).await.map_err(unavailable)?;
            break;
        }
    }
    rows.iter().map(|row| to_event(names, row)).collect()
}

fn to_event(names: &Names, row: &PgRow) -> Result<RecordedEvent, StoreError> {
    let position: i64 = row.try_get("position").map_err(unavailable)?;
    let odd = |error: sqlx::Error| StoreError::Corrupt {
        table: "events",
        column: "(several)",
        row: position.to_string(),
        reason: error.to_string(),
    };
    let text = |column: &str| row.try_get::<&str, _>(column).map(Arc::<str>::from).map_err(odd);
    let personal: Option<&[u8]> = row.try_get("personal").map_err(odd)?;
    let leaf: &[u8] = row.try_get("leaf_hash").map_err(odd)?;
    Ok(RecordedEvent {
        position: Position(position),
        tenant: TenantId(row.try_get("tenant").map_err(odd)?),
        stream: StreamId {
            category: names.require(row.try_get("category").map_err(odd)?, position)?,
            id: row.try_get("stream").map_err(odd)?,
        },
        version: row.try_get("version").map_err(odd)?,
        event_type: names.require(row.try_get("type").map_err(odd)?, position)?,
        schema_version: row.try_get("schema_version").map_err(odd)?,
        command_id: row.try_get("command_id").map_err(odd)?,
        once_id: row.try_get("once_id").map_err(odd)?,
        subject_id: row.try_get("subject_id").map_err(odd)?,
        customer_id: row.try_get("customer_id").map_err(odd)?,
        occurred_at: row.try_get("occurred_at").map_err(odd)?,
        recorded_at: row.try_get("recorded_at").map_err(odd)?,
        metadata: text("metadata")?,
        payload: text("payload")?,
        personal: personal.map_or(Personal::Absent, |bytes| Personal::Sealed(Bytes::copy_from_slice(bytes))),
        leaf_hash: leaf.try_into().unwrap_or_default(),
        rendering: Rendering::default(),
    })
}
