//! The real program: how soon it is ready with a long log, and what thousands of readers of its feed cost.

use crate::Settings;
use crate::followers::{Followers, Pace, follow};
use crate::measure::median;
use crate::program::Program;
use crate::steady::Delays;
use crate::table::{Hold, Line, Table};
use serde_json::json;
use std::time::{Duration, Instant};

/// From the start of the process to `/health/ready`.
pub(crate) async fn run(settings: Settings, table: &mut Table) -> anyhow::Result<()> {
    let events = if settings.smoke { 20_000 } else { 1_000_000 };
    let mut program = Program::new(Vec::new())?;
    program.start().await?;
    program.fill(events).await?;
    program.stop()?;
    let (mut whole, mut own) = (Vec::new(), Vec::new());
    for _ in 0..settings.rounds {
        let started = program.start().await?;
        whole.push(started.whole.as_secs_f64());
        own.push(started.whole.saturating_sub(started.database).as_secs_f64());
        program.stop()?;
    }
    let line = |what: String, seconds: Vec<f64>| Line::new("start", what, median(seconds.into_iter()), "s");
    table.add(line(format!("{events} events, ready"), own).hold(Hold::AtMost(1.0)));
    table.add(line(format!("{events} events, ready, its PostgreSQL included"), whole).hold(Hold::AtMost(2.0)));
    Ok(())
}

/// Thousands of connections that follow: their memory, one too many, and commands meanwhile.
pub(crate) async fn connections(settings: Settings, table: &mut Table) -> anyhow::Result<()> {
    const MOST: usize = 10_000;
    let count = if settings.smoke { 1_000 } else { MOST };
    let most = |name| (name, count.to_string());
    let mut program =
        Program::new(vec![most("CLIENTELA_FEED_CLIENTS_MAX"), most("CLIENTELA_FEED_CLIENTS_PER_KEY_MAX")])?;
    program.start().await?;
    let alone = commanded(&program, "before").await?;
    let (before, begun) = (program.resident_bytes()?, Instant::now());
    let (address, key) = (program.address()?, program.key()?);
    let readers = Followers::open(address, &key, count, Pace::Attentive).await?;
    let rate = count as f64 / begun.elapsed().as_secs_f64();
    table.add(Line::new("feed connections", format!("{count} opened"), rate, "connections/s"));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let each = (program.resident_bytes()? - before) as f64 / count as f64 / 1024.0;
    table.add(Line::new("feed connections", "memory of each", each, "KiB").hold(Hold::AtMost(64.0)));
    let refused = follow(address, &key, "from=now", Pace::Attentive).await.err();
    let told = refused.map(|error| error.to_string()).unwrap_or_default();
    anyhow::ensure!(told.contains("503"), "one too many was not refused: {told}");
    let (taken, followed) = (readers.bytes(), commanded(&program, "meanwhile").await?);
    for (quantile, name) in [(0.5, "p50"), (0.95, "p95")] {
        let what = format!("commands while {count} follow, {name}");
        let (followed, alone) = (followed.at(quantile), alone.at(quantile));
        table.add(Line::new("feed connections", what, followed, "ms").beside("nobody", alone, followed / alone));
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let events = (readers.bytes() - taken) as f64 / count as f64;
    anyhow::ensure!(events > 100.0 * 400.0, "not every reader was told of every event: {events} bytes each");
    let each = (program.resident_bytes()? - before) as f64 / count as f64 / 1024.0;
    table.add(Line::new("feed connections", "memory of each after 100 commands", each, "KiB").hold(Hold::AtMost(64.0)));
    readers.end()?;
    program.stop()
}

/// A hundred commands one after the other.
async fn commanded(program: &Program, name: &str) -> anyhow::Result<Delays> {
    let mut took = Vec::new();
    for number in 0..100 {
        let begun = Instant::now();
        let body = json!({"name": "Ana Example", "emails": [format!("{name}-{number}@example.com")]});
        program.posted("/v1/customers", &body).await?;
        took.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    Ok(Delays::new(took))
}
