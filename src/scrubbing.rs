//! A scrub: no byte of those who were erased is left in the files of the database. By command, or each night when somebody was erased.

use crate::output::{counted, joined};
use anyhow::{Context, anyhow, bail};
use chrono::{DateTime, Days, NaiveTime, Utc};
use commands::{Clock, SystemClock};
use projections::Projector;
use projections::of_person::projectors_of_persons;
use projections::rebuild::{Purpose, RebuildError, Rebuilt};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::consumer::Backoff;
use store::postgres::scrub::{REWRITTEN, Rewritten, Scrub, ScrubError, clear_up};
use store::postgres::{Database, Pools, PostgresStore};
use store::{Position, scrubs};

/// How long this node and the read models may take to come to where the scrub begins.
const BEHIND_PATIENCE: Duration = Duration::from_secs(60);
/// How long other rebuilds may take.
const REBUILD_PATIENCE: Duration = Duration::from_secs(1_800);
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// How often a server looks whether the hour has come.
const LOOK_EACH: Duration = Duration::from_secs(30);
const RETRY_FIRST: Duration = Duration::from_secs(60);
const RETRY_LONGEST: Duration = Duration::from_secs(900);

/// Told in a few words what is done.
pub(crate) type Tell = dyn Fn(String) + Send + Sync;

/// At which hour of the day, in UTC, a server scrubs; none: only when it is told to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct ScrubAt(Option<NaiveTime>);

impl TryFrom<String> for ScrubAt {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.as_str() {
            "never" => Ok(Self(None)),
            text => NaiveTime::parse_from_str(text, "%H:%M")
                .map(|time| Self(Some(time)))
                .map_err(|_| "it is a time of day in UTC, such as 02:30, or never"),
        }
    }
}

impl ScrubAt {
    /// The last such hour.
    fn last_before(self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let today = now.date_naive().and_time(self.0?).and_utc();
        if today <= now { Some(today) } else { today.checked_sub_days(Days::new(1)) }
    }
}

/// What a scrub works with.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) database: Database,
    pub(crate) pools: Pools,
    pub(crate) store: Arc<PostgresStore>,
    /// Whether the database is the private cluster.
    pub(crate) is_private: bool,
}

/// What a scrub did.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    /// Of whoever was erased up to here nothing is left, but for what remains.
    pub(crate) up_to: i64,
    pub(crate) began_at: DateTime<Utc>,
    pub(crate) ended_at: DateTime<Utc>,
    pub(crate) is_complete: bool,
    pub(crate) remains: Vec<String>,
    pub(crate) read_models: Vec<Remade>,
    pub(crate) tables: Vec<Rewritten>,
    /// Segments of the write-ahead log that were removed.
    pub(crate) wal_segments: u64,
    /// Files that no table owned.
    pub(crate) orphaned_files: u64,
    /// The longest time for which a table could not be used.
    pub(crate) locked_ms_max: f64,
}

/// A read model that was made again.
#[derive(Debug, Serialize)]
pub(crate) struct Remade {
    name: &'static str,
    generation: i32,
    events: u64,
    swap_ms: f64,
}

/// Scrubs. Killed anywhere, nothing is lost; it is begun again from the start.
pub(crate) async fn scrub(site: &Site, tell: Arc<Tell>) -> anyhow::Result<Summary> {
    let mut work = Scrub::begin(&site.database, site.is_private).await?;
    let projectors = projectors_of_persons();
    tell(format!("scrubbing those who were erased up to position {}", work.up_to()));
    wait_until_there(site, &projectors, work.up_to()).await?;
    let read_models = remake(site, projectors, &tell).await?;
    work.wait_for_old_snapshots().await?;
    let mut tables = Vec::with_capacity(REWRITTEN.len() + 1);
    for table in REWRITTEN {
        let rewritten = work.rewrite(table).await?;
        tell(format!("{table}: written anew, locked for {:.0} ms", rewritten.locked_ms));
        tables.push(rewritten);
    }
    let scrubbed = work.end(&*tell).await?;
    tables.extend(scrubbed.statistics);
    let longest = tables.iter().map(|table| table.locked_ms).fold(0.0, f64::max);
    let record = scrubbed.record;
    Ok(Summary {
        up_to: record.up_to.0,
        began_at: record.began_at,
        ended_at: record.ended_at,
        is_complete: record.remains.is_empty(),
        remains: record.remains,
        read_models,
        tables,
        wal_segments: scrubbed.segments,
        orphaned_files: scrubbed.orphans,
        locked_ms_max: longest,
    })
}

/// Waits until neither this node nor a projector can have anything in its hands of whoever was erased before the scrub.
async fn wait_until_there(site: &Site, projectors: &[Projector], position: Position) -> anyhow::Result<()> {
    let until = Instant::now() + BEHIND_PATIENCE;
    loop {
        let behind = projections::behind(&site.pools.engine, projectors, position).await?;
        if behind.is_empty() && site.store.seen() >= position {
            return Ok(());
        }
        if Instant::now() > until {
            let who = behind.iter().map(|(name, at)| format!("{name} (at {at})")).collect::<Vec<_>>().join(", ");
            bail!("read models do not reflect position {position} yet: {who}; `clientela status` says why");
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// One that cannot be made again does not keep the others, but it keeps the scrub from its end.
async fn remake(site: &Site, projectors: Vec<Projector>, tell: &Arc<Tell>) -> anyhow::Result<Vec<Remade>> {
    let (mut made, mut failures) = (Vec::new(), Vec::new());
    for projector in projectors {
        match remade(site, &projector).await {
            Ok(rebuilt) => {
                let swap_ms = rebuilt.swap_ms.unwrap_or_default();
                let Rebuilt { projector: name, generation, events, .. } = rebuilt;
                tell(format!("{name}: {} replayed, swapped in {swap_ms:.0} ms", counted(events, "event")));
                made.push(Remade { name, generation, events, swap_ms });
            }
            Err(failure) => failures.push(anyhow!(failure).context(projector.name)),
        }
    }
    match joined(failures) {
        None => Ok(made),
        Some(failure) => Err(failure),
    }
}

async fn remade(site: &Site, projector: &Projector) -> Result<Rebuilt, RebuildError> {
    let until = Instant::now() + REBUILD_PATIENCE;
    loop {
        match projector.rebuild(&site.database, site.store.clone(), Purpose::Scrub, Arc::new(|_| {})).await {
            Err(RebuildError::UnderWay(_)) if Instant::now() < until => tokio::time::sleep(LOOK_AGAIN).await,
            rebuilt => return rebuilt,
        }
    }
}

/// While a server runs: scrubs once after each such hour, if somebody was erased before it. An hour at which no server ran is made up for.
pub(crate) async fn nightly(site: Site, at: ScrubAt) {
    if site.is_private {
        clear_up_settings(&site.database).await;
    }
    let mut pauses = Backoff::new(RETRY_FIRST, RETRY_LONGEST);
    loop {
        let pause = match if_due(&site, at).await {
            Ok(()) => {
                pauses.reset();
                LOOK_EACH
            }
            Err(error) => {
                tracing::error!("not scrubbed: {error:#}; it is tried again");
                pauses.pause()
            }
        };
        tokio::time::sleep(pause).await;
    }
}

async fn clear_up_settings(private: &Database) {
    if let Err(error) = clear_up(private).await {
        tracing::warn!(%error, "the settings of an interrupted scrub cannot be cleared up");
    }
}

async fn if_due(site: &Site, at: ScrubAt) -> anyhow::Result<()> {
    if !due(site, at).await? {
        return Ok(());
    }
    match scrub(site, Arc::new(|_| {})).await {
        // Another node does it.
        Err(error) if matches!(error.downcast_ref(), Some(ScrubError::UnderWay)) => Ok(()),
        scrubbed => {
            told(&scrubbed?);
            Ok(())
        }
    }
}

fn told(scrubbed: &Summary) {
    let Summary { up_to, locked_ms_max, remains, .. } = scrubbed;
    match scrubbed.is_complete {
        true => tracing::info!(up_to, locked_ms_max, "scrubbed: nothing is left in files of those who were erased"),
        false => tracing::warn!(up_to, locked_ms_max, ?remains, "scrubbed, but something is left to the operator"),
    }
}

/// Whether somebody was erased before the last such hour and was not scrubbed since.
async fn due(site: &Site, at: ScrubAt) -> anyhow::Result<bool> {
    let Some(hour) = at.last_before(SystemClock.now()) else { return Ok(false) };
    let last = scrubs::standing(&site.pools.engine).await.context("scrubs cannot be read")?.last;
    let since = last.as_ref().map(|last| last.began_at);
    if since.is_some_and(|since| since >= hour) {
        return Ok(false);
    }
    Ok(scrubs::erased_between(&site.pools.engine, since, Some(hour)).await? > 0)
}

#[cfg(test)]
mod tests {
    use super::ScrubAt;
    use chrono::{DateTime, Utc};

    fn at(text: &str) -> ScrubAt {
        ScrubAt::try_from(text.to_owned()).unwrap()
    }

    fn moment(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn the_last_hour_is_today_or_yesterday() {
        let hour = |now| at("02:30").last_before(moment(now)).unwrap();
        assert_eq!(hour("2026-11-27T02:30:00Z"), moment("2026-11-27T02:30:00Z"));
        assert_eq!(hour("2026-11-27T02:29:59Z"), moment("2026-11-26T02:30:00Z"));
        assert_eq!(at("never").last_before(moment("2026-11-27T02:30:00Z")), None);
        assert!(ScrubAt::try_from("2 o'clock".to_owned()).is_err());
    }
}
