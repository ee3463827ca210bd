//! What operators tell projectors: to rest, and to leave out an event that they cannot digest.
//!
//! Both stand in the database, so they hold on all nodes and over restarts; each node looks once a second. A skip is for the very
//! event at which the projector has failed, and only while it stands there: the projector is held by the lock of its
//! commits until the skip is written, and no commit passes a skip that it did not know of. So the live rows lack exactly what
//! `projection_skips` says, and a rebuild, which reads the same table, comes to the same rows.

use crate::query::{failed, get};
use sqlx::{PgConnection, PgPool};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use store::consumer;
use store::{Position, StoreError};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

const LOOK_EACH: Duration = Duration::from_secs(1);

/// What a projector was told, and what it is to work on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Orders {
    /// To rest.
    pub(crate) paused: bool,
    /// How many events to leave out.
    pub(crate) skips: i64,
    /// Generation of the rows that everybody reads; none where there are no tables yet.
    pub(crate) generation: Option<i32>,
    /// Version of the fold that made them.
    pub(crate) version: Option<i32>,
}

/// Why an event is not skipped.
#[derive(Debug, thiserror::Error)]
pub enum SkipError<E> {
    /// The projector has not failed, or has got past it by itself.
    #[error("the projector has not failed")]
    NotFailed,
    /// It has failed at another event.
    #[error("the projector has failed at position {failed_at}, not at {asked}")]
    Elsewhere {
        /// The position asked for.
        asked: Position,
        /// Where it has failed.
        failed_at: Position,
    },
    /// It has failed, but no event is to blame.
    #[error("the projector has failed, but not because of an event")]
    NoEvent,
    /// The act could not be written down.
    #[error(transparent)]
    Act(E),
    /// The database is away.
    #[error("the database is away")]
    Store(#[from] StoreError),
}

/// The orders as this node knows them.
#[derive(Debug)]
pub(crate) struct Control {
    pool: PgPool,
    known: HashMap<&'static str, watch::Sender<Option<Orders>>>,
    look: Notify,
}

/// Where a projector stands.
struct Standing {
    reached: i64,
    failed_at: Option<i64>,
    event_id: Option<String>,
    is_skipped: bool,
}

impl Control {
    pub(crate) fn new(pool: PgPool, names: &[&'static str]) -> Self {
        let known = names.iter().map(|name| (*name, watch::Sender::new(None))).collect();
        Self { pool, known, look: Notify::new() }
    }

    /// Follows the orders of a projector.
    pub(crate) fn orders_of(&self, projector: &str) -> Option<watch::Receiver<Option<Orders>>> {
        self.known.get(projector).map(watch::Sender::subscribe)
    }

    /// Looks at the orders, again and again.
    pub(crate) async fn follow(self: Arc<Self>, stop: CancellationToken) {
        while !stop.is_cancelled() {
            match self.read().await {
                Ok(orders) => self.tell(&orders),
                Err(error) => tracing::debug!(%error, "the orders of operators could not be read"),
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.look.notified() => {}
                () = tokio::time::sleep(LOOK_EACH) => {}
            }
        }
    }

    async fn read(&self) -> Result<Vec<(String, Orders)>, sqlx::Error> {
        let names: Vec<&str> = self.known.keys().copied().collect();
        let rows = sqlx::query(include_str!("control/orders.sql")).bind(names).fetch_all(&self.pool).await?;
        let read = |row| {
            let (paused, skips) = (get(row, "paused")?, get(row, "skips")?);
            let orders = Orders { paused, skips, generation: get(row, "generation")?, version: get(row, "version")? };
            Ok((get(row, "projector")?, orders))
        };
        rows.iter().map(read).collect()
    }

    fn tell(&self, orders: &[(String, Orders)]) {
        for (projector, now) in orders {
            if let Some(known) = self.known.get(projector.as_str()) {
                known.send_if_modified(|known| known.replace(*now) != Some(*now));
            }
        }
    }

    pub(crate) async fn pause(&self, projector: &str, by: &str) -> Result<(), StoreError> {
        let insert = "insert into projection_pauses (projector, paused_by) values ($1, $2) on conflict do nothing";
        let paused = sqlx::query(insert).bind(projector).bind(by).execute(&self.pool).await;
        paused.map_err(failed("projection_pauses"))?;
        tracing::info!(projector, by, "projector is told to rest");
        self.look.notify_one();
        Ok(())
    }

    pub(crate) async fn resume(&self, projector: &str) -> Result<(), StoreError> {
        let delete = "delete from projection_pauses where projector = $1";
        let resumed = sqlx::query(delete).bind(projector).execute(&self.pool).await;
        resumed.map_err(failed("projection_pauses"))?;
        tracing::info!(projector, "projector is told to go on");
        self.look.notify_one();
        Ok(())
    }

    pub(crate) async fn skip<T, E>(
        &self,
        projector: &str,
        position: Position,
        act: impl Future<Output = Result<T, E>>,
    ) -> Result<T, SkipError<E>> {
        let away = failed("projection_skips");
        let mut tx = self.pool.begin().await.map_err(&away)?;
        consumer::lock(&mut tx, projector).await.map_err(&away)?;
        let standing = standing(&mut tx, projector, position).await.map_err(&away)?;
        let event_id = standing.event_at(position)?;
        let done = act.await.map_err(SkipError::Act)?;
        if let Some(event_id) = event_id {
            sqlx::query(include_str!("control/skip.sql"))
                .bind(projector)
                .bind(position.0)
                .bind(event_id)
                .execute(&mut *tx)
                .await
                .map_err(&away)?;
        }
        sqlx::query("set local synchronous_commit = on").execute(&mut *tx).await.map_err(&away)?;
        tx.commit().await.map_err(&away)?;
        tracing::warn!(projector, position = position.0, "an event is skipped");
        self.look.notify_one();
        Ok(done)
    }
}

impl Standing {
    /// The event to be skipped; none when it is skipped already.
    fn event_at<E>(self, asked: Position) -> Result<Option<String>, SkipError<E>> {
        if self.is_skipped {
            return Ok(None);
        }
        let failed_at = self.failed_at.ok_or(SkipError::NotFailed)?;
        match self.event_id {
            None => Err(SkipError::NoEvent),
            Some(_) if failed_at <= self.reached => Err(SkipError::NotFailed),
            Some(_) if failed_at != asked.0 => Err(SkipError::Elsewhere { asked, failed_at: Position(failed_at) }),
            Some(event_id) => Ok(Some(event_id)),
        }
    }
}

async fn standing(conn: &mut PgConnection, projector: &str, position: Position) -> Result<Standing, sqlx::Error> {
    let query = sqlx::query(include_str!("control/failed_at.sql")).bind(projector).bind(position.0);
    let row = query.fetch_one(conn).await?;
    Ok(Standing {
        reached: get(&row, "reached")?,
        failed_at: get(&row, "failed_at")?,
        event_id: get(&row, "event_id")?,
        is_skipped: get(&row, "is_skipped")?,
    })
}
