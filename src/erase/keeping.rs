//! Keeps the erasure list of a server: its file and the table `erasures` know the same persons, whichever of them was put back from a
//! backup. What is in the file and alive is erased again before any door opens; afterwards the file follows the table.
//!
//! An erasure whose receipt was never written, because a node died in between, gets it here.

use super::again::{self, Done};
use super::file::{ListFile, Opened, Person};
use super::notes::{Entry, List};
use crate::config::Settings;
use crate::wiring::Node;
use anyhow::{Context, bail};
use api::{Eraser, ReceiptsApart};
use chrono_tz::Tz;
use commands::{Caller, Door, Scope};
use domain::ids::CustomerId;
use projections::access::tenants;
use sqlx::PgPool;
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use store::TenantId;
use store::consumer::Backoff;
use store::erasures::{self, Erasure};
use store::postgres::{Database, keys};
use store::signed_note::{LogKey, VerifierKey};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Who acts when a server erases again, in the log for ever.
const ACTOR: &str = "system:restore";
/// The usual file, and the mark, in the data folder.
const FILE: &str = "erasures";
const MARK: &str = "erasures.mark";
/// How often is looked for receipts of other nodes.
const LOOK_EACH: Duration = Duration::from_secs(2);
/// How often is looked for erasures without a receipt, and how far back.
const MISSING_EACH: Duration = Duration::from_secs(60);
const MISSING_WITHIN: Duration = Duration::from_secs(3600);
const MISSING_AT_A_TIME: i64 = 1_000;
const RECEIPTS_AT_A_TIME: usize = 500;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// What a server that stops gives its list.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// Requests to take in what is new that may wait.
const WAITING_MAX: usize = 64;

/// The keys that may have signed receipts: those that the database names, and the one in use.
pub(super) async fn known(database: &Database, key: &LogKey) -> anyhow::Result<Vec<VerifierKey>> {
    let known = keys::log_keys(database).await.context("the keys that have signed for the log cannot be read")?;
    let ours = Some(key.verifier()).filter(|ours| !known.contains(ours));
    Ok(known.into_iter().chain(ours).collect())
}

/// Reads and verifies the list of a server, and changes nothing.
pub(crate) async fn open(settings: &Settings, database: &Database, key: &LogKey) -> anyhow::Result<Opened> {
    let known = known(database, key).await?;
    let path = settings.erasures_file.clone().unwrap_or_else(|| settings.data_dir.join(FILE));
    ListFile::open(path, settings.data_dir.join(MARK), key.clone(), known)
}

/// Makes one list of file and table, and erases again whoever of it is alive. No door is open yet; where this fails, none opens.
pub(crate) async fn before_doors(node: &Node, opened: Opened) -> anyhow::Result<Keeper> {
    let Opened { mut file, list, was_there } = opened;
    file.repair(&list)?;
    let seen = join(&node.pools.engine, &mut file, &list).await.context("the erasure list cannot be completed")?;
    tell(&file, was_there);
    let returned = again::returned(node, &list.entries).await?;
    if !returned.is_empty() {
        let zones = zones(node).await?;
        let done = again::erase_all(node, &returned, |tenant| caller(node, tenant, &zones)).await;
        tell_done(&done)?;
    }
    Ok(Keeper { eraser: node.eraser(), file, seen })
}

/// What of the file is not in the table goes there, and the other way round; the last number of the table.
async fn join(engine: &PgPool, file: &mut ListFile, list: &List) -> anyhow::Result<i64> {
    let (table, last) = erasures::all_subjects(engine).await?;
    let in_table: HashSet<Person> = table.iter().copied().collect();
    let new: Vec<&Entry> =
        list.entries.iter().filter(|entry| !in_table.contains(&(entry.tenant, entry.customer))).collect();
    for some in new.chunks(RECEIPTS_AT_A_TIME) {
        let receipts: Vec<Erasure> = some.iter().map(|entry| list.erasure(entry)).collect();
        erasures::keep_all(engine, &receipts).await?;
    }
    let missing: Vec<Person> = table.into_iter().filter(|person| !file.holds(*person)).collect();
    for some in missing.chunks(RECEIPTS_AT_A_TIME) {
        let receipts = believed(file, erasures::of(engine, some).await?);
        anyhow::ensure!(file.add(&receipts)?, "{} is written by somebody else", file.path().display());
    }
    Ok(last)
}

/// A receipt that the log has not signed does not get into the file: no start would believe it any more.
fn believed(file: &ListFile, erasures: Vec<Erasure>) -> Vec<Erasure> {
    let is_believed = |erasure: &Erasure| match Entry::of(&erasure.receipt, file.known()) {
        Ok(entry) if (entry.tenant, entry.customer) == (erasure.tenant, erasure.subject) => true,
        told => {
            let why = told.err().unwrap_or_else(|| "is of somebody else".to_owned());
            tracing::error!(subject = %erasure.subject, "a receipt in the table `erasures` {why}: it is left out of the erasure list");
            false
        }
    };
    erasures.into_iter().filter(is_believed).collect()
}

fn tell(file: &ListFile, was_there: bool) {
    let (shown, count) = (file.path().display(), file.len());
    if !was_there {
        tracing::info!(
            "an erasure list is begun at {shown}, with {count} receipts that the database knew: keep it apart from the database's backups"
        );
    }
    if file.lost() > 0 {
        tracing::error!(
            "the erasure list has lost {lost} receipts: neither {shown} nor the database knows them. Should an older backup of the database have \
             been restored, persons who were erased since are back. Put the list of another server or of a backup at {shown} and start again; if \
             there is none, remove the file `{MARK}` in the data folder to be told no more",
            lost = file.lost()
        );
    }
}

fn tell_done(done: &Done) -> anyhow::Result<()> {
    if let Some((_, why)) = done.failed.first() {
        bail!(
            "{} persons who had been erased are back, by an older backup, and cannot be erased again: {why}. The server does not start with them",
            done.failed.len()
        );
    }
    tracing::warn!(
        count = done.erased,
        "an older backup had brought back persons who were erased: they are erased again, before any door was open"
    );
    if !done.pending.is_empty() {
        tracing::warn!("read models that do not show it yet, and follow by themselves: {}", done.pending.join(", "));
    }
    Ok(())
}

/// In which time zones tenants are, as far as is known by now.
async fn zones(node: &Node) -> anyhow::Result<HashMap<TenantId, Tz>> {
    let rows = tenants::all(&node.pools).await.context("the tenants cannot be read")?;
    Ok(rows.into_iter().filter_map(|row| Some((row.tenant, row.time_zone.parse().ok()?))).collect())
}

fn caller(node: &Node, tenant: TenantId, zones: &HashMap<TenantId, Tz>) -> Caller {
    Caller {
        actor: ACTOR.to_owned(),
        scopes: vec![Scope::CustomersErase],
        zone: zones.get(&tenant).copied().unwrap_or(Tz::UTC),
        via: Door::Restore,
        ..node.operator(tenant)
    }
}

/// The list of a running server.
pub(crate) struct Keeper {
    eraser: Eraser,
    file: ListFile,
    /// The last number of the table that is in the file.
    seen: i64,
}

/// The task that keeps it.
#[derive(Debug)]
pub(crate) struct Keeping {
    receipts: ReceiptsApart,
    task: JoinHandle<()>,
}

impl Keeper {
    /// Follows the table from now on.
    pub(crate) fn start(self) -> Keeping {
        let (sender, asked) = mpsc::channel(WAITING_MAX);
        Keeping { receipts: ReceiptsApart::asked_by(sender), task: tokio::spawn(self.run(asked)) }
    }

    async fn run(mut self, mut asked: mpsc::Receiver<oneshot::Sender<()>>) {
        let mut pauses = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        let (mut waiting, mut missing_at) = (Vec::new(), Instant::now());
        let mut within = None;
        loop {
            let pause = match self.follow().await {
                Ok(()) => {
                    waiting.drain(..).for_each(tell_waiting);
                    pauses.reset();
                    LOOK_EACH
                }
                Err(error) => {
                    tracing::error!("the erasure list falls behind, and is tried again: {error:#}");
                    // Whoever waits is not made to wait for a disk.
                    waiting.clear();
                    pauses.pause()
                }
            };
            if missing_at <= Instant::now() {
                self.write_missing(within).await;
                (missing_at, within) = (Instant::now() + MISSING_EACH, Some(MISSING_WITHIN));
                continue;
            }
            tokio::select! {
                request = asked.recv() => {
                    let Some(request) = request else { return };
                    waiting.push(request);
                    while let Ok(request) = asked.try_recv() {
                        waiting.push(request);
                    }
                }
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Adds what is new in the table.
    async fn follow(&mut self) -> anyhow::Result<()> {
        loop {
            let limit = i64::try_from(RECEIPTS_AT_A_TIME).unwrap_or(i64::MAX);
            let new = erasures::after(&self.eraser.pools.engine, self.seen, limit).await?;
            let Some(last) = new.last().map(|new| new.number) else { return Ok(()) };
            let new = new.into_iter().map(|new| new.erasure);
            let new = new.filter(|new| !self.file.holds((new.tenant, new.subject))).collect();
            let new = believed(&self.file, new);
            // Who has changed the file may have taken something away: all of the table is looked at again.
            self.seen = if new.is_empty() || self.file.add(&new)? { last } else { 0 };
        }
    }

    /// Writes receipts of erasures that have none; of which ones, says `within`.
    async fn write_missing(&self, within: Option<Duration>) {
        let missing = erasures::without_receipt(&self.eraser.pools.engine, within, MISSING_AT_A_TIME).await;
        let missing = missing.unwrap_or_else(|error| {
            tracing::warn!(%error, "erasures without a receipt cannot be looked for");
            Vec::new()
        });
        for (tenant, subject) in missing {
            match self.eraser.receipt(tenant, CustomerId::new(subject)).await {
                Ok(_) => tracing::info!(%subject, "the receipt of an erasure was missing: it is written"),
                Err(error) => tracing::warn!(%subject, %error, "the receipt of an erasure is still missing"),
            }
        }
    }
}

fn tell_waiting(waiting: oneshot::Sender<()>) {
    // Who has stopped waiting need not be told.
    let _gone = waiting.send(());
}

impl Keeping {
    /// Where answers wait until their receipts are in the file.
    pub(crate) fn receipts(&self) -> ReceiptsApart {
        self.receipts.clone()
    }

    /// Ends it, after what is new by now is in the file.
    pub(crate) async fn stop(self) {
        let _late = tokio::time::timeout(LAST_WORDS, self.receipts.take_in()).await;
        self.task.abort();
    }
}
