//! What a projector stumbled over, written down for every node to see.

use crate::progress::ProjectorError;
use sqlx::{PgConnection, PgPool};
use store::Position;

/// Writes down why the live generation of a projector stands still.
pub(super) async fn remember(pool: &PgPool, projector: &str, error: &ProjectorError) -> Result<(), sqlx::Error> {
    sqlx::query(include_str!("remember_failure.sql"))
        .bind(projector)
        .bind(error.position.0)
        .bind(&error.event_id)
        .bind(&error.reason)
        .execute(pool)
        .await?;
    Ok(())
}

/// Forgets what a projector has got past.
pub(super) async fn forget(
    conn: &mut PgConnection,
    projector: &str,
    generation: i32,
    reached: Position,
) -> Result<(), sqlx::Error> {
    sqlx::query("delete from projection_failures where projector = $1 and generation = $2 and position <= $3")
        .bind(projector)
        .bind(generation)
        .bind(reached.0)
        .execute(conn)
        .await?;
    Ok(())
}
