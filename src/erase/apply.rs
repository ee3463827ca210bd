//! `clientela erase --apply FILE`: erases whoever of a signed list is alive in this database, with or without a running server.

use super::again::{self, Done};
use super::notes::List;
use super::{ask, keeping};
use crate::config::Settings;
use crate::output::{counted, print_json};
use crate::wiring::Node;
use anyhow::{Context, anyhow};
use commands::Caller;
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;
use store::TenantId;
use store::erasures;

/// Receipts that are written at a time.
const AT_A_TIME: usize = 500;

/// How it is done.
#[derive(Debug, Clone, Copy)]
pub(super) struct How {
    pub(super) is_agreed: bool,
    pub(super) json: bool,
}

pub(super) async fn run(settings: &Settings, file: &Path, how: How) -> anyhow::Result<ExitCode> {
    let bytes = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let node = Node::of_tool(settings).await?;
    let applied = apply(&node, file, bytes, how).await;
    node.stop().await;
    applied
}

async fn apply(node: &Node, file: &Path, bytes: Vec<u8>, how: How) -> anyhow::Result<ExitCode> {
    let known = keeping::known(node.database(), node.log_key()).await?;
    let list = List::read(bytes, &known, 0)
        .map_err(|disbelief| anyhow!("{} is not believed: {disbelief}; nothing was touched", file.display()))?;
    let returned = again::returned(node, &list.entries).await?;
    if !returned.is_empty() && !how.is_agreed {
        ask(&format!(
            "{} of the list will be forgotten for good: alive here",
            counted(returned.len() as u64, "person")
        ))?;
    }
    keep(node, &list).await.context("the receipts cannot be kept")?;
    let operator = |tenant: TenantId| -> Caller { node.operator(tenant) };
    let done = again::erase_all(node, &returned, operator).await;
    tell(&list, returned.len(), &done, how)?;
    Ok(if done.failed.is_empty() && !list.is_torn { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The first receipts stay those of the list: whoever asks later is told by them, and running servers take them into their own lists.
async fn keep(node: &Node, list: &List) -> anyhow::Result<()> {
    for some in list.entries.chunks(AT_A_TIME) {
        let receipts: Vec<_> = some.iter().map(|entry| list.erasure(entry)).collect();
        erasures::keep_all(&node.pools.engine, &receipts).await?;
    }
    Ok(())
}

fn tell(list: &List, alive: usize, done: &Done, how: How) -> anyhow::Result<()> {
    let of = |((tenant, subject), why): &((TenantId, uuid::Uuid), String)| json!({"tenant": tenant.0, "subject": subject, "reason": why});
    let failed: Vec<_> = done.failed.iter().map(of).collect();
    if how.json {
        print_json(&json!({
            "receipts": list.entries.len(),
            "alive": alive,
            "erased": done.erased,
            "position": done.position.map(|position| position.0),
            "failed": failed,
            "pending": done.pending,
            "torn": list.is_torn,
        }))?;
    }
    eprintln!(
        "{}, all signed by this log. Alive here: {}; {} erased.",
        counted(list.entries.len() as u64, "receipt"),
        counted(alive as u64, "person"),
        counted(done.erased as u64, "subject")
    );
    if !done.pending.is_empty() {
        eprintln!("Still on their way, and follow by themselves: {}.", done.pending.join(", "));
    }
    for ((tenant, subject), why) in &done.failed {
        eprintln!("Not erased: {subject} of tenant {}: {why}.", tenant.0);
    }
    if list.is_torn {
        eprintln!("The list ends with half an entry: whom it named is not known. Take a whole copy, and apply that.");
    }
    Ok(())
}
