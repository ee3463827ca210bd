//! The log as SQL shows it to a superuser: rows, no types of ours.

use serde_json::Value;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection, Row};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// A row of the log.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LogEvent {
    pub(crate) position: i64,
    pub(crate) category: String,
    pub(crate) stream: Uuid,
    pub(crate) version: i32,
    pub(crate) kind: String,
    pub(crate) payload: Value,
}

impl LogEvent {
    pub(crate) fn text(&self, field: &str) -> &str {
        self.payload[field].as_str().unwrap_or_default()
    }

    /// An amount of money with two decimals, in its smallest unit.
    pub(crate) fn minor(&self, field: &str) -> i64 {
        let amount = self.payload[field]["amount"].as_str().unwrap_or_default();
        amount.replace('.', "").parse().unwrap_or_default()
    }

    pub(crate) fn number(&self, field: &str) -> i64 {
        self.payload[field].as_i64().unwrap_or_default()
    }
}

/// The whole log, in the order of positions, once nobody adds to it any more.
pub(crate) async fn read(superuser: &PgConnectOptions) -> Vec<LogEvent> {
    let mut connection = PgConnection::connect_with(superuser).await.expect("the database can be reached");
    reactors_rest(&mut connection).await;
    let sql = "select e.position, c.name as category, e.stream, e.version, t.name as kind, e.payload \
               from events e join event_names c on c.code = e.category join event_names t on t.code = e.type \
               order by e.position";
    let rows = sqlx::query(sql).fetch_all(&mut connection).await.expect("the log can be read");
    connection.close().await.expect("a clean end");
    rows.iter()
        .map(|row| LogEvent {
            position: row.get("position"),
            category: row.get("category"),
            stream: row.get("stream"),
            version: row.get("version"),
            kind: row.get("kind"),
            payload: serde_json::from_str(row.get("payload")).expect("a payload is JSON"),
        })
        .collect()
}

/// Where reactors run, they add to the log when all others have ended. Waits until they have dealt with all of it.
async fn reactors_rest(connection: &mut PgConnection) {
    let sql = "select coalesce(bool_and(reached >= (select max(position) from events)), true) \
               from (select max(position) as reached from projection_checkpoints \
                     where projector like 'reactor:%' group by projector) reactors";
    let began = Instant::now();
    loop {
        let is_quiet: bool = sqlx::query_scalar(sql).fetch_one(&mut *connection).await.expect("the checkpoints");
        if is_quiet {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "the reactors do not come to rest");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

const PATIENCE: Duration = Duration::from_secs(60);
