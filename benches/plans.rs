//! Whether the statements of the writer use indexes on a log that grew without ever being analysed.

use crate::Settings;
use crate::batch_steps::{Questions, with_history, writer};
use crate::cluster::Cluster;
use crate::table::{Hold, Line, Table};
use sqlx::Row;

const CHECK: &str = include_str!("../store/src/postgres/check.sql");

pub(crate) async fn run(cluster: &Cluster, settings: Settings, table: &mut Table) -> anyhow::Result<()> {
    let log = cluster.database("plans_log").await?;
    let mut early = writer(&log).await?;
    // Planned once while the log is empty, and kept.
    Questions::default().ask(&mut early).await?;
    with_history(&log, if settings.smoke { 50 } else { 500 }).await?;
    let mut late = writer(&log).await?;
    let plan = sqlx::raw_sql(sqlx::AssertSqlSafe(explained())).fetch_all(&mut late).await?;
    let lines: Vec<String> = plan.iter().filter_map(|row| row.try_get(0).ok()).collect();
    let scans = lines.iter().filter(|line| line.contains("Seq Scan on ")).count();
    table.add(Line::new("plans", "sequential scans in check.sql", scans as f64, "scans").hold(Hold::AtMost(0.0)));
    if scans > 0 || std::env::var_os("CLIENTELA_BENCH_PLANS").is_some() {
        lines.iter().for_each(|line| eprintln!("    {line}"));
    }
    for (name, connection) in [("planned when empty", &mut early), ("planned when grown", &mut late)] {
        let questions = Questions { head: Some(0), commands: vec![uuid::Uuid::nil(); 64], ..Questions::default() };
        let begun = std::time::Instant::now();
        for _ in 0..20 {
            questions.ask(connection).await?;
        }
        let micros = begun.elapsed().as_secs_f64() * 1e6 / 20.0;
        table.add(Line::new("plans", format!("check of 64, {name}"), micros, "µs by the clock"));
    }
    Ok(())
}

/// `explain` of the check as a prepared statement with a generic plan.
fn explained() -> String {
    let types = "int8, uuid[], int2[], uuid[], uuid[], int4[], text[], bytea[], int4[], uuid[]";
    let nothing = "0, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'";
    format!("prepare looks ({types}) as {CHECK}; explain (costs off) execute looks ({nothing})")
}
