//! How the projectors are on all nodes, for their operators. `/health` tells what one node knows of itself; this reads what
//! stands in the database.

use crate::progress::{Board, Known, ProjectorError, ProjectorState};
use crate::query::{failed, get};
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::postgres::PgRow;
use store::{Position, StoreError};
use uuid::Uuid;

/// A projector, as its operators see it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProjectionOverview {
    /// Name of the projector.
    pub name: String,
    /// Generation of the rows that everybody reads.
    pub generation: i32,
    /// Version of the fold that made them.
    pub version: i32,
    /// What it is doing.
    pub state: ProjectorState,
    /// What its rows reflect.
    pub position: Position,
    /// How many events it is behind.
    pub lag: i64,
    /// Which node runs it, and until when.
    pub lease: Option<Lease>,
    /// That it was told to rest.
    pub pause: Option<Pause>,
    /// What it cannot get past.
    pub error: Option<ProjectorError>,
    /// The rows that are being made beside it.
    pub rebuilding: Option<Rebuilding>,
    /// Positions of the events that it leaves out.
    pub skipped: Vec<Position>,
}

/// That a node runs a projector.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Lease {
    /// This run of that node.
    pub owner: Uuid,
    /// Grows with each change of owner.
    pub epoch: i64,
    /// When it runs out, unless it is renewed.
    pub expires_in_seconds: f64,
}

/// That a projector rests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pause {
    /// Who said so.
    pub by: String,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// A rebuild or check under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rebuilding {
    /// The generation that is being made; none when it is not begun yet, or just done with.
    pub generation: Option<i32>,
    /// How far it has written.
    pub position: Position,
}

/// Reads how all projectors of this build are.
pub(crate) async fn read(board: &Board, head: Position) -> Result<Vec<ProjectionOverview>, StoreError> {
    let names: Vec<&str> = board.projectors.iter().map(|progress| progress.name).collect();
    let query = sqlx::query(include_str!("overview.sql")).bind(names);
    let rows = query.fetch_all(&board.pool).await.map_err(failed("projection_generations"))?;
    let mut found = Vec::with_capacity(rows.len());
    for progress in &board.projectors {
        for row in &rows {
            let name: String = get(row, "projector").map_err(failed("projection_generations"))?;
            if name == progress.name {
                found.push(overview(name, row, &progress.known(), head).map_err(failed("projection_generations"))?);
            }
        }
    }
    Ok(found)
}

fn overview(name: String, row: &PgRow, known: &Known, head: Position) -> Result<ProjectionOverview, sqlx::Error> {
    let (lease, pause, error) = (lease(row)?, pause(row)?, error(row)?);
    let error = error.or_else(|| known.error.clone().filter(|_| known.runs_here));
    let state = match (&pause, &error) {
        (Some(_), _) => ProjectorState::Paused,
        (None, _) if known.state.is_of_another_build() && lease.is_none() => known.state,
        (None, Some(_)) if known.runs_here => known.state,
        (None, Some(_)) => ProjectorState::Failed,
        (None, None) if known.runs_here => known.state,
        (None, None) if lease.is_some() => ProjectorState::Live,
        (None, None) => ProjectorState::Standby,
    };
    let position = Position(get(row, "position")?);
    let skipped: Vec<i64> = get(row, "skipped")?;
    Ok(ProjectionOverview {
        name,
        generation: get(row, "generation")?,
        version: get(row, "version")?,
        state,
        position,
        lag: (head.0 - position.0).max(0),
        lease,
        pause,
        error,
        rebuilding: rebuilding(row)?,
        skipped: skipped.into_iter().map(Position).collect(),
    })
}

fn lease(row: &PgRow) -> Result<Option<Lease>, sqlx::Error> {
    let Some(owner) = get(row, "owner")? else { return Ok(None) };
    Ok(Some(Lease { owner, epoch: get(row, "epoch")?, expires_in_seconds: get(row, "expires_in_seconds")? }))
}

fn pause(row: &PgRow) -> Result<Option<Pause>, sqlx::Error> {
    let Some(by) = get(row, "paused_by")? else { return Ok(None) };
    Ok(Some(Pause { by, since: get(row, "paused_at")? }))
}

fn error(row: &PgRow) -> Result<Option<ProjectorError>, sqlx::Error> {
    let Some(at) = get::<Option<i64>>(row, "failed_position")? else { return Ok(None) };
    Ok(Some(ProjectorError { position: Position(at), event_id: get(row, "event_id")?, reason: get(row, "error")? }))
}

fn rebuilding(row: &PgRow) -> Result<Option<Rebuilding>, sqlx::Error> {
    if !get::<bool>(row, "is_being_made")? {
        return Ok(None);
    }
    let position: Option<i64> = get(row, "made_position")?;
    Ok(Some(Rebuilding { generation: get(row, "made_generation")?, position: Position(position.unwrap_or(0)) }))
}
