//! T5: somebody else's transaction keeps a snapshot open, in this database and in another one of the cluster. Appends
//! stay fast, because no row of the write path is ever updated, and projections keep up.
//!
//! The short form runs on machines that do other things too: it asks that the write path updated no row and that all was
//! seen in the balance, and prints the speed. The long form, alone on its machine for ten minutes, asks for four fifths of the
//! throughput before.

use crate::client::Caller;
use crate::crash::Shift;
use crate::intents::{Answer, Deed, History};
use crate::scale::Scale;
use crate::server::Server;
use crate::workload::{Ask, Members};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, Executor, PgConnection};
use std::time::{Duration, Instant};
use uuid::Uuid;

const LAG_P99_MAX: Duration = Duration::from_millis(250);
const RATIO_MIN: f64 = 0.8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_snapshot_slows_nothing() {
    let scale = Scale::of("foreign snapshot");
    let held = scale.pick(Duration::from_secs(15), Duration::from_secs(600));
    let window = scale.pick(Duration::from_secs(5), Duration::from_secs(60));
    let is_long = scale.pick(false, true);
    let mut server = Server::new();
    server.start().await;
    let caller = server.caller();
    let (history, members) = (History::begin(), Members::default());
    let shift = Shift::begin(&caller, &history, &members, &scale.random()).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = rate(&history, window).await;
    let superuser = server.superuser().await;
    let here = snapshot(&superuser).await;
    let elsewhere = snapshot(&superuser.clone().database("postgres")).await;
    let lags = tokio::spawn(lags(caller.clone(), members.all()[0], held));
    tokio::time::sleep(held.saturating_sub(window)).await;
    let during = rate(&history, window).await;
    let lags = lags.await.expect("the probe does not panic");
    for mut foreign in [here, elsewhere] {
        foreign.execute("commit").await.expect("the snapshot was held to the end");
    }
    shift.end().await;
    assert_eq!(rows_updated(&superuser).await, 0, "rows that every append changes grow old versions under a snapshot");
    assert!(lags.iter().all(|lag| *lag < Duration::MAX), "a command was never seen in the balance");
    let ratio = during / before;
    println!("foreign snapshot: {before:.0} commands/s before, {during:.0} at its end ({ratio:.2} ×)");
    // A busy machine is no fault: what is measured is measured in the long form.
    if is_long {
        let p99 = percentile(lags, 99);
        println!("foreign snapshot: lag p99 {p99:?}");
        assert!(ratio >= RATIO_MIN, "{ratio:.2} × of the throughput is left, {RATIO_MIN} × is asked for");
        assert!(p99 <= LAG_P99_MAX, "the projections were {p99:?} behind");
    }
}

/// How many rows of what each append writes were ever updated.
async fn rows_updated(options: &PgConnectOptions) -> i64 {
    let mut connection = PgConnection::connect_with(options).await.expect("a session");
    let sql = "select coalesce(sum(n_tup_ins), 0)::bigint, coalesce(sum(n_tup_upd), 0)::bigint from pg_stat_user_tables
        where relname ~ '^(events|command_outcomes|event_names)'";
    let (inserted, updated): (i64, i64) = sqlx::query_as(sql).fetch_one(&mut connection).await.expect("its statistics");
    assert!(inserted > 0, "the statistics know nothing of the appends");
    updated
}

/// Commands answered per second.
async fn rate(history: &History, window: Duration) -> f64 {
    let (began, first) = (Instant::now(), history.len());
    tokio::time::sleep(window).await;
    f64::from(u32::try_from(history.len() - first).expect("not so many")) / began.elapsed().as_secs_f64()
}

/// A transaction that has looked at the database and goes on for as long as the connection lives.
async fn snapshot(options: &PgConnectOptions) -> PgConnection {
    let mut connection = PgConnection::connect_with(options).await.expect("a foreign session");
    connection.execute("set idle_in_transaction_session_timeout = 0").await.expect("its patience");
    connection.execute("begin isolation level repeatable read").await.expect("a transaction");
    connection.execute("select count(*), pg_current_xact_id() from pg_class").await.expect("a snapshot and an id");
    connection
}

/// How long after its answer each of some commands can be seen in the balance.
async fn lags(caller: Caller, customer: Uuid, held: Duration) -> Vec<Duration> {
    let (began, mut lags) = (Instant::now(), Vec::new());
    while began.elapsed() < held {
        let deed = Deed::Earn { customer, order: format!("probe-{}", lags.len()), units: 1 };
        if let Some(Answer::Done { position, .. }) = caller.ask(&deed, None).await {
            let answered = Instant::now();
            let seen = caller.has_seen(customer, position).await;
            lags.push(if seen { answered.elapsed() } else { Duration::MAX });
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    lags
}

fn percentile(mut values: Vec<Duration>, percent: usize) -> Duration {
    assert!(values.len() >= 100, "too few probes: {}", values.len());
    values.sort_unstable();
    values[(values.len() - 1) * percent / 100]
}

#[cfg(test)]
mod tests {
    use super::percentile;
    use std::time::Duration;

    #[test]
    fn the_figure_sees_two_slow_ones_in_a_hundred() {
        let mut values = vec![Duration::from_millis(1); 98];
        values.extend([Duration::from_secs(1); 2]);
        assert_eq!(percentile(values.clone(), 99), Duration::from_secs(1));
        assert_eq!(percentile(values, 95), Duration::from_millis(1));
    }
}
