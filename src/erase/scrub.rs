//! `clientela erase --scrub`: leaves no byte of those who were erased in the files of the database.

use crate::config::Settings;
use crate::output::{NOT_WELL, print_json, say, well_or};
use crate::scrubbing::{Site, Summary, scrub};
use crate::wiring::Workshop;
use std::process::ExitCode;
use std::sync::Arc;

pub(super) async fn run(settings: &Settings, json: bool) -> anyhow::Result<ExitCode> {
    let workshop = Workshop::open(settings).await?;
    // Read models have to be where the log is; beside a server they get there without us.
    let projections = workshop.follow_if_alone();
    let site = Site {
        database: workshop.database.clone(),
        pools: workshop.pools.clone(),
        store: workshop.store.clone(),
        is_private: workshop.is_private(),
    };
    let tell = move |line: String| eprintln!("{line}");
    let scrubbed = scrub(&site, Arc::new(tell)).await;
    if let Some(projections) = projections {
        projections.stop().await;
    }
    workshop.stop().await;
    let scrubbed = scrubbed?;
    match json {
        true => print_json(&scrubbed)?,
        false => say!("{}", text(&scrubbed))?,
    }
    Ok(well_or(scrubbed.is_complete, NOT_WELL))
}

fn text(scrubbed: &Summary) -> String {
    let seconds = (scrubbed.ended_at - scrubbed.began_at).as_seconds_f64();
    let mut lines = vec![format!(
        "Scrubbed in {seconds:.1} s: of whoever was erased up to position {} nothing is left in the files of the database{}",
        scrubbed.up_to,
        if scrubbed.is_complete { "." } else { ", but for:" }
    )];
    lines.extend(scrubbed.remains.iter().map(|what| format!("  - {what}")));
    lines.push(format!(
        "Nobody had to wait for a table longer than {:.0} ms. Backups and snapshots of the disk made before are out of reach here.",
        scrubbed.locked_ms_max
    ));
    lines.join("\n")
}
