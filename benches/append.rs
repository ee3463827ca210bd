//! Appends of one event each, by many at once, through the store with everything on.

use crate::Settings;
use crate::baselines::{HeadRow, Keyed, Ordered};
use crate::cluster::Cluster;
use crate::cpu::Cpu;
use crate::load::Appenders;
use crate::measure::{Load, Rounds, in_turns};
use crate::table::{Hold, Line, Table};
use sqlx::{Connection, Executor};
use store::EventStore;

const HEAD_ROW: &str = "(a) head row, 64 clients";
const ORDERED: &str = "(b) UNNEST of 1,000";

/// 64 and 256 appenders beside both baselines.
pub(crate) async fn throughput(cluster: &Cluster, settings: Settings, table: &mut Table) -> anyhow::Result<()> {
    let log = cluster.database("append_log").await?;
    let mut head_row = HeadRow::new(&cluster.database("append_a").await?).await?;
    let mut ordered = Ordered::new(&cluster.database("append_b").await?, Keyed::Each).await?;
    let store = log.store().await?;
    let mut few = Appenders::new(std::slice::from_ref(&store), 64);
    let mut many = Appenders::new(std::slice::from_ref(&store), 256);
    cluster.checkpoint().await?;
    let [a, b, few, many] =
        in_turns(settings, [&mut head_row, &mut ordered, &mut few as &mut dyn Load, &mut many]).await?;
    let line = |what: &str, rounds: &Rounds| Line::new("append", what, rounds.rate(), "events/s");
    table.add(line("64 appenders", &few).beside(HEAD_ROW, a.rate(), few.ratio_to(&a)).hold(Hold::Ratio(8.0)));
    table.add(line("64 appenders", &few).beside(ORDERED, b.rate(), few.ratio_to(&b)).hold(Hold::Ratio(0.4)));
    table.add(line("256 appenders", &many).beside(ORDERED, b.rate(), many.ratio_to(&b)).hold(Hold::Ratio(0.5)));
    table.add(Line::new("append", "64 appenders, p99", few.latency_ms(0.99), "ms"));
    table.add(Line::new("append", "256 appenders, p99", many.latency_ms(0.99), "ms"));
    store.close().await;
    Ok(())
}

/// Processor time of one event, by who uses it.
pub(crate) async fn processor(cluster: &Cluster, settings: Settings, table: &mut Table) -> anyhow::Result<()> {
    let log = cluster.database("cpu_log").await?;
    let mut ordered = Ordered::new(&cluster.database("cpu_b").await?, Keyed::Each).await?;
    let store = log.store().await?;
    let mut few = Appenders::new(std::slice::from_ref(&store), 64);
    let mut many = Appenders::new(std::slice::from_ref(&store), 256);
    let sides: [(&str, &mut dyn Load); 3] =
        [("64 appenders", &mut few), ("256 appenders", &mut many), ("(b)", &mut ordered)];
    for (name, side) in sides {
        side.run(settings.side / 2).await?;
        let before = Cpu::now(cluster.pid()?);
        let run = side.run(settings.side * 2).await?;
        let used = Cpu::now(cluster.pid()?).since(&before);
        let per_event = |time: std::time::Duration| time.as_secs_f64() * 1e6 / run.count as f64;
        table.add(Line::new("cpu", format!("{name}: this process"), per_event(used.own()), "µs/event"));
        table.add(Line::new("cpu", format!("{name}: PostgreSQL"), per_event(used.postgres()), "µs/event"));
        for (process, time) in used.by_process().into_iter().take(3) {
            table.add(Line::new("cpu", format!("{name}: {process}"), per_event(time), "µs/event"));
        }
    }
    // One instant is given to all events of a batch.
    let mut reader = log.superuser().await?;
    for (name, clients) in [("64 appenders", &mut few), ("256 appenders", &mut many)] {
        let before = store.head().await?;
        clients.run(settings.side).await?;
        let sql = "select count(*)::float8 / count(distinct recorded_at) from events where position > $1";
        let size: f64 = sqlx::query_scalar(sql).bind(before.0).fetch_one(&mut reader).await?;
        table.add(Line::new("cpu", format!("{name}: mean batch"), size, "events"));
    }
    reader.close().await?;
    store.close().await;
    Ok(())
}

/// The same 64 appenders on one node and on two.
pub(crate) async fn two_nodes(cluster: &Cluster, settings: Settings, table: &mut Table) -> anyhow::Result<()> {
    let (alone, shared) = (cluster.database("nodes_one").await?, cluster.database("nodes_two").await?);
    let one = alone.store().await?;
    let two = [shared.store().await?, shared.store().await?];
    let mut by_one = Appenders::new(std::slice::from_ref(&one), 64);
    let mut by_two = Appenders::new(&two, 64);
    let [base, both] = in_turns(settings, [&mut by_one, &mut by_two]).await?;
    let line = Line::new("append", "64 appenders, two nodes", both.rate(), "events/s");
    table.add(line.beside("one node", base.rate(), both.ratio_to(&base)).hold(Hold::Ratio(0.7)));
    for store in [one].iter().chain(&two) {
        store.close().await;
    }
    Ok(())
}

/// While somebody else keeps a snapshot open (a dump, an analyst).
pub(crate) async fn under_a_foreign_snapshot(
    cluster: &Cluster,
    settings: Settings,
    table: &mut Table,
) -> anyhow::Result<()> {
    let log = cluster.database("foreign_log").await?;
    let store = log.store().await?;
    let mut appenders = Appenders::new(std::slice::from_ref(&store), 64);
    let mut ordered = Ordered::new(&cluster.database("foreign_b").await?, Keyed::Each).await?;
    let [before, machine_before] = in_turns(settings, [&mut appenders, &mut ordered]).await?;
    let mut foreigner = log.superuser().await?;
    foreigner.execute("begin isolation level repeatable read; select count(*) from event_names").await?;
    appenders.run(settings.foreign).await?;
    let [during, machine] = in_turns(settings, [&mut appenders, &mut ordered]).await?;
    foreigner.execute("commit").await?;
    foreigner.close().await?;
    // Both as ratios to (b) at their time: the machine may have changed meanwhile.
    let ratio = during.ratio_to(&machine) / before.ratio_to(&machine_before);
    let what = format!("64 appenders, foreign snapshot of {} s", settings.foreign.as_secs());
    let line = Line::new("append", what, during.rate(), "events/s");
    table.add(line.beside("before it", before.rate(), ratio).hold(Hold::Ratio(0.8)));
    store.close().await;
    Ok(())
}
