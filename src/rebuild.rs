//! `clientela rebuild` and `clientela check`: read models made again from the log, compared with the live ones, and put in their
//! place or thrown away.

use crate::claims;
use crate::config::{CommonFlags, settings};
use crate::logging;
use crate::output::{NOT_WELL, counted, joined, print_json, rate, say, thousands, well_or};
use crate::wiring::Workshop;
use anyhow::Context;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use projections::Projector;
use projections::rebuild::{Example, Progress, Purpose, RebuildError, Rebuilt, TableDifference, Tell};
use serde_json::Value;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use store::consumer::Backoff;
use store::postgres::{Database, PostgresStore};

/// Pauses between attempts to rebuild what an older version made.
const RETRY_FIRST: Duration = Duration::from_secs(5);
const RETRY_LONGEST: Duration = Duration::from_secs(300);
/// How often a server looks whether there is anything to rebuild.
const LOOK_EACH: Duration = Duration::from_secs(60);
const TEMPLATE: &str = "{prefix:20} {bar:30} {human_pos} of {human_len}  {per_sec}  {eta} left";

/// Which read models.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// Names of projections
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// All projections
    #[arg(long)]
    all: bool,
}

/// What `rebuild` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
    /// Only compare; the next rebuild goes on from there
    #[arg(long)]
    no_swap: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What `check` takes: besides projections, `claims`.
#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    which: Which,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(common: &CommonFlags, args: Args) -> anyhow::Result<ExitCode> {
    let purpose = if args.no_swap { Purpose::Keep } else { Purpose::Swap };
    let projectors = args.which.projectors()?;
    let workshop = workshop(common).await?;
    let (made, failure) = one_by_one(&workshop, &projectors, purpose, args.json).await;
    workshop.stop().await;
    if args.json {
        print_json(&made)?;
    }
    failure.map_or(Ok(ExitCode::SUCCESS), Err)
}

pub(crate) async fn check(common: &CommonFlags, mut args: CheckArgs) -> anyhow::Result<ExitCode> {
    let with_claims = args.which.all || args.which.names.iter().any(|name| name == claims::NAME);
    args.which.names.retain(|name| name != claims::NAME);
    let projectors = args.which.projectors()?;
    let workshop = workshop(common).await?;
    let (made, failure) = one_by_one(&workshop, &projectors, Purpose::Check, args.json).await;
    let compared = if with_claims { Some(claims::compare(&workshop).await) } else { None };
    workshop.stop().await;
    let compared = compared.transpose().context(claims::NAME)?;
    if args.json {
        let mut values = made.iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>()?;
        values.extend(compared.as_ref().map(claims::Compared::json));
        print_json(&values)?;
    } else if let Some(compared) = &compared {
        compared.tell()?;
    }
    let is_well = made.iter().all(Rebuilt::agrees) && compared.is_none_or(|compared| compared.agrees());
    failure.map_or(Ok(well_or(is_well, NOT_WELL)), Err)
}

async fn workshop(common: &CommonFlags) -> anyhow::Result<Workshop> {
    let settings = settings(common)?;
    logging::start(&settings, logging::TOOL)?;
    Workshop::open(&settings).await
}

impl Which {
    fn projectors(&self) -> anyhow::Result<Vec<Projector>> {
        let known = projections::projectors();
        if self.all {
            return Ok(known);
        }
        let find = |name: &String| {
            let names: Vec<&str> = known.iter().map(|projector| projector.name).collect();
            let found = known.iter().find(|projector| projector.name == name).copied();
            found.with_context(|| format!("there is no projection {name}; the projections are: {}", names.join(", ")))
        };
        self.names.iter().map(find).collect()
    }
}

/// What was made, and what went wrong with the others: one that cannot be made does not keep the rest.
async fn one_by_one(
    workshop: &Workshop,
    projectors: &[Projector],
    purpose: Purpose,
    json: bool,
) -> (Vec<Rebuilt>, Option<anyhow::Error>) {
    let (mut made, mut failures) = (Vec::with_capacity(projectors.len()), Vec::new());
    for projector in projectors {
        let (bar, tell) = shown(projector.name, json);
        let rebuilt = projector.rebuild(&workshop.database, workshop.store.clone(), purpose, tell).await;
        bar.finish_and_clear();
        match rebuilt.with_context(|| projector.name) {
            Ok(rebuilt) => {
                if !json {
                    failures.extend(say!("{}", text(&rebuilt, purpose)).err());
                }
                made.push(rebuilt);
            }
            Err(failure) => failures.push(failure),
        }
    }
    (made, joined(failures))
}

/// While a server runs, for the read models that an older version made. What fails is said and tried again: tables may be in
/// use just then, or another node that rebuilds may be killed.
pub(crate) async fn whatever_is_outdated(database: Database, store: Arc<PostgresStore>) {
    let mut pauses = Backoff::new(RETRY_FIRST, RETRY_LONGEST);
    loop {
        let pause = match projections::outdated(&database).await {
            // An older program may make them again, and then this one has to.
            Ok(outdated) if outdated.is_empty() => {
                pauses.reset();
                LOOK_EACH
            }
            Ok(outdated) => {
                one_after_the_other(&database, &store, outdated).await;
                pauses.pause()
            }
            Err(error) => {
                tracing::warn!(%error, "the read models cannot be looked at");
                pauses.pause()
            }
        };
        tokio::time::sleep(pause).await;
    }
}

async fn one_after_the_other(database: &Database, store: &Arc<PostgresStore>, projectors: Vec<Projector>) {
    for projector in projectors {
        tracing::info!(projector = projector.name, "rebuilding: its rows were made by an older version");
        let rebuilt = projector.rebuild(database, store.clone(), Purpose::Swap, Arc::new(|_| {})).await;
        match rebuilt {
            Ok(Rebuilt { generation, events, .. }) => {
                tracing::info!(projector = projector.name, generation, events, "rebuilt");
            }
            Err(error) => not_rebuilt(projector.name, &error),
        }
    }
}

fn not_rebuilt(projector: &str, error: &RebuildError) {
    match error {
        RebuildError::UnderWay(_) => tracing::info!(projector, "another node rebuilds it"),
        error => {
            let error = error as &dyn std::error::Error;
            tracing::error!(projector, error, "not rebuilt; it is tried again");
        }
    }
}

/// A bar on a terminal, nothing elsewhere.
fn shown(name: &'static str, json: bool) -> (ProgressBar, Arc<Tell>) {
    let target = match json || !std::io::stderr().is_terminal() {
        true => ProgressDrawTarget::hidden(),
        false => ProgressDrawTarget::stderr_with_hz(8),
    };
    let bar = ProgressBar::with_draw_target(None, target).with_prefix(name);
    bar.set_style(ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar()));
    let moves = bar.clone();
    let tell = move |progress: Progress| {
        moves.set_length(u64::try_from(progress.end.0).unwrap_or_default());
        moves.set_position(u64::try_from(progress.position.0).unwrap_or_default());
    };
    (bar, Arc::new(tell))
}

fn text(rebuilt: &Rebuilt, purpose: Purpose) -> String {
    let rate = rate(rebuilt.events, Duration::from_secs_f64(rebuilt.replay_seconds.max(0.0)));
    let rate = rate.map(|rate| format!(" ({} events/s)", thousands(rate))).unwrap_or_default();
    let mut lines = vec![format!(
        "{}: {} replayed in {:.1} s{rate}, compared at position {}",
        rebuilt.projector,
        counted(rebuilt.events, "event"),
        rebuilt.replay_seconds,
        rebuilt.position
    )];
    if rebuilt.resumed_from.0 > 0 {
        lines.push(format!("  went on from position {}, where an earlier run had come", rebuilt.resumed_from));
    }
    if !rebuilt.skipped.is_empty() {
        let positions: Vec<_> = rebuilt.skipped.iter().map(ToString::to_string).collect();
        lines.push(format!("  left out, because they were skipped: the events at {}", positions.join(", ")));
    }
    rebuilt.differences.iter().for_each(|difference| lines.extend(told(difference)));
    lines.push(match (purpose, rebuilt.swap_ms) {
        (_, Some(ms)) => format!("  generation {} is live; the projector was held for {ms:.0} ms", rebuilt.generation),
        (Purpose::Check, None) => "  nothing was changed".to_owned(),
        (_, None) => format!("  generation {} is kept beside the live one", rebuilt.generation),
    });
    lines.join("\n")
}

fn told(difference: &TableDifference) -> Vec<String> {
    let count = |rows: i64| thousands(u64::try_from(rows).unwrap_or_default());
    let rows = |number: i64, one: &str| counted(u64::try_from(number).unwrap_or_default(), one);
    if !difference.is_some() {
        return vec![format!("  {}: all is what the events say ({})", difference.table, rows(difference.rows, "row"))];
    }
    let mut lines = vec![format!(
        "  {}: of {} {} would change and {} would go; {} would be added",
        difference.table,
        rows(difference.rows, "live row"),
        count(difference.changed),
        count(difference.gone),
        count(difference.added)
    )];
    for column in &difference.columns {
        let sums = column.sums.as_ref().map(|(live, replayed)| format!(", in sum from {live} to {replayed}"));
        let rows = rows(column.rows, "row");
        lines.push(format!("    {}: in {rows}{}", column.column, sums.unwrap_or_default()));
    }
    lines.extend(difference.examples.iter().map(|example| format!("    {}", example_text(example))));
    lines
}

fn example_text(example: &Example) -> String {
    let key = fields(&example.key, "=");
    match (&example.live, &example.replayed) {
        (Some(live), Some(replayed)) => {
            let columns = live.as_object().into_iter().flatten();
            let changes =
                columns.map(|(column, value)| format!("{column} {} → {}", plain(value), plain(&replayed[column])));
            format!("{key}: {}", changes.collect::<Vec<_>>().join(", "))
        }
        (None, Some(replayed)) => format!("{key} would be added: {}", fields(replayed, " ")),
        (_, None) => format!("{key} would go"),
    }
}

fn fields(row: &Value, between: &str) -> String {
    let columns = row.as_object().into_iter().flatten();
    columns.map(|(column, value)| format!("{column}{between}{}", plain(value))).collect::<Vec<_>>().join(", ")
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
