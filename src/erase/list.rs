//! `clientela erase --list`: who was erased, by file and table; for people, for programs, or as a signed list that `--apply` takes.

use super::notes::Entry;
use super::{file::Opened, keeping};
use crate::config::Settings;
use crate::output::{counted, print_json, say, table};
use crate::secrets::Secrets;
use crate::wiring::Workshop;
use anyhow::{Context, anyhow};
use chrono::{DateTime, NaiveDate, Utc};
use commands::customers::receipt::ErasureReceipt;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::path::Path;
use std::process::ExitCode;
use store::erasures;

/// Receipts that are read at a time.
const AT_A_TIME: i64 = 1_000;

/// What is to be shown, and how.
#[derive(Debug)]
pub(super) struct Show<'a> {
    pub(super) since: Option<DateTime<Utc>>,
    pub(super) to: Option<&'a Path>,
    pub(super) json: bool,
}

/// A moment, or a day: its beginning.
pub(super) fn moment(text: &str) -> Result<DateTime<Utc>, String> {
    let day = || text.parse::<NaiveDate>().map(|day| day.and_time(chrono::NaiveTime::MIN).and_utc());
    text.parse().or_else(|_| day()).map_err(|_| "must be a date, or a time as 2026-03-01T12:00:00Z".to_owned())
}

pub(super) async fn run(settings: &Settings, show: Show<'_>) -> anyhow::Result<ExitCode> {
    let workshop = Workshop::open(settings).await?;
    let shown = list(settings, &workshop, &show).await;
    workshop.stop().await;
    shown.map(|()| ExitCode::SUCCESS)
}

async fn list(settings: &Settings, workshop: &Workshop, show: &Show<'_>) -> anyhow::Result<()> {
    let mut receipts = all(settings, workshop).await?;
    receipts.retain(|(entry, _)| show.since.is_none_or(|since| entry.erased_at >= since));
    receipts.sort_by_key(|(entry, _)| (entry.erased_at, entry.tenant, entry.customer));
    if let Some(to) = show.to {
        let notes: String = receipts.iter().map(|(_, note)| format!("{}\n\n", note.trim_end())).collect();
        std::fs::write(to, notes).with_context(|| format!("{} cannot be written", to.display()))?;
        let receipts = counted(receipts.len() as u64, "receipt");
        eprintln!("Written to {}: {receipts}; `clientela erase --apply` takes the file.", to.display());
    }
    match (show.json, show.to) {
        (true, _) => print_json(&receipts.iter().map(|(_, note)| as_json(note)).collect::<Vec<_>>()),
        (false, Some(_)) => Ok(()),
        (false, None) => {
            let header = ["ERASED AT", "TENANT", "CUSTOMER", "GROUND", "POSITION", "SUBJECTS"].map(str::to_owned);
            let rows = receipts.iter().map(|(entry, _)| entry.as_row());
            say!("{}", table(&[header.to_vec()].into_iter().chain(rows).collect::<Vec<_>>()))
        }
    }
}

/// Everybody of the file and everybody of the table, each once.
async fn all(settings: &Settings, workshop: &Workshop) -> anyhow::Result<Vec<(Entry, String)>> {
    let key = Secrets::load_or_make(settings)?.keys.log;
    let Opened { list, file, .. } = keeping::open(settings, &workshop.database, &key).await?;
    let of_file = list.entries.iter().map(|entry| (entry.clone(), list.note(entry).to_owned()));
    let mut receipts: Vec<(Entry, String)> = of_file.collect();
    let mut seen = HashSet::new();
    receipts.retain(|(entry, _)| seen.insert((entry.tenant, entry.customer)));
    let mut number = 0;
    loop {
        let some = erasures::after(&workshop.pools.engine, number, AT_A_TIME).await?;
        let Some(last) = some.last() else { return Ok(receipts) };
        number = last.number;
        for kept in some.into_iter().map(|kept| kept.erasure) {
            if seen.insert((kept.tenant, kept.subject)) {
                let entry = Entry::of(&kept.receipt, file.known());
                let entry = entry.map_err(|why| anyhow!("the receipt of {} in the table {why}", kept.subject))?;
                receipts.push((entry, kept.receipt));
            }
        }
    }
}

/// The facts of a receipt, and the receipt.
fn as_json(note: &str) -> Value {
    let text = note.split_once("\n\n").map_or(note, |(text, _)| text);
    let mut value = ErasureReceipt::read(text).map(|receipt| json!(receipt)).unwrap_or_default();
    value["receipt"] = json!(note);
    value
}
