//! Commands through the whole pipeline: load, decide, append, answer.

use crate::Settings;
use crate::baselines::{Keyed, Ordered};
use crate::cluster::Cluster;
use crate::cpu::Cpu;
use crate::load::STREAMS;
use crate::measure::{Load, in_turns, median};
use crate::members::{Members, Redeemers};
use crate::table::{Hold, Line, Table};
use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

const ORDERED: &str = "(b) UNNEST of 1,000";

pub(crate) async fn run(cluster: &Cluster, settings: Settings, table: &mut Table) -> anyhow::Result<()> {
    let log = cluster.database("command_log").await?;
    let mut ordered = Ordered::new(&cluster.database("command_b").await?, Keyed::Each).await?;
    let store = log.store().await?;
    let members = Members::enrolled(Arc::clone(&store), if settings.smoke { STREAMS / 10 } else { STREAMS }).await?;
    cluster.checkpoint().await?;
    let mut many = Redeemers::new(&members, 64);
    let mut hot = Redeemers::on_one(&members, 64);
    let [b, many_rounds, hot] = in_turns(settings, [&mut ordered as &mut dyn Load, &mut many, &mut hot]).await?;
    let line = Line::new("command", "64 clients", many_rounds.rate(), "commands/s");
    table.add(line.beside(ORDERED, b.rate(), many_rounds.ratio_to(&b)).hold(Hold::Ratio(0.35)));
    let p99 = Line::new("command", "64 clients, p99", many_rounds.latency_ms(0.99), "ms");
    table.add(p99.hold(Hold::AtMost(10.0)));
    let line = Line::new("hot stream", "64 clients on one account", hot.rate(), "commands/s");
    table.add(line.beside("command", many_rounds.rate(), hot.ratio_to(&many_rounds)).hold(Hold::Ratio(0.3)));
    let fairness = Line::new("hot stream", "slowest client of the fastest", hot.fairness(), "×");
    table.add(fairness.hold(Hold::AtLeast(0.5)));
    processor(cluster, settings, &mut many, table).await?;
    alone(cluster, settings, &members, table).await?;
    drop((members, many));
    store.close().await;
    Ok(())
}

async fn processor(
    cluster: &Cluster,
    settings: Settings,
    many: &mut Redeemers,
    table: &mut Table,
) -> anyhow::Result<()> {
    let before = Cpu::now(cluster.pid()?);
    let run = many.run(settings.side * 2).await?;
    let used = Cpu::now(cluster.pid()?).since(&before);
    let each = |time: std::time::Duration| time.as_secs_f64() * 1e6 / run.count as f64;
    table.add(Line::new("command", "64 clients: this process", each(used.own()), "µs of cpu/command"));
    table.add(Line::new("command", "64 clients: PostgreSQL", each(used.postgres()), "µs of cpu/command"));
    Ok(())
}

/// One client, whose answer takes as long as the machine needs to make it durable, and little more.
async fn alone(cluster: &Cluster, settings: Settings, members: &Members, table: &mut Table) -> anyhow::Result<()> {
    let folder = cluster.folder().to_owned();
    let mut one = Redeemers::new(members, 1);
    let [rounds] = in_turns(settings, [&mut one]).await?;
    let flush = tokio::task::spawn_blocking(move || flush_ms(&folder)).await??;
    table.add(Line::new("command", "one fdatasync of 8 KiB, p50", flush, "ms"));
    let p50 = Line::new("command", "1 client, p50", rounds.latency_ms(0.5), "ms");
    table.add(p50.hold(Hold::AtMost(0.5 + flush)));
    Ok(())
}

/// How long the disk of the cluster takes to keep 8 KiB, as PostgreSQL writes its WAL: over what is there already.
fn flush_ms(folder: &Path) -> anyhow::Result<f64> {
    let mut file = File::create(folder.join("flush"))?;
    file.write_all(&vec![0; 16 * 1024 * 1024])?;
    file.sync_all()?;
    file.rewind()?;
    let mut took = Vec::new();
    for _ in 0..500 {
        let begun = Instant::now();
        file.write_all(&[1; 8192])?;
        file.sync_data()?;
        took.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    Ok(median(took.into_iter()))
}
