//! How fast it is: one table, each figure beside a baseline measured in the same run, on a PostgreSQL of its own with the
//! settings of production (`fsync` and `synchronous_commit` on).
//!
//! `cargo bench --bench bench -- [names] [--smoke] [--seconds S] [--rounds N] [--json] [--foreign-minutes M]
//! [--growth-millions N]`
//!
//! The sides of a comparison run in turns; a figure is the median of its rounds, a ratio the median of the ratios within each
//! round, so that what else the machine does meets both sides alike. The exit code is 1 when a figure is below its bar;
//! `--smoke` is a short run with bars at half their height.

mod append;
mod baselines;
mod batch_steps;
mod bulk_import;
mod campaigns;
mod cluster;
mod command;
mod cpu;
mod credit;
mod feed;
mod followers;
mod growth;
mod hot_stream;
mod http;
mod lags;
mod load;
mod measure;
mod members;
mod plans;
mod program;
mod query;
mod rebuild;
mod rehearsals;
mod server;
mod start;
mod steady;
mod table;
mod tree;
mod validators;
mod verify;

use clap::Parser;
use cluster::Cluster;
use metrics_exporter_prometheus::PrometheusBuilder;
use mimalloc::MiMalloc;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::process::ExitCode;
use std::time::Duration;
use table::Table;

/// As in the program.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The benches, in the order in which they run.
const NAMES: &[&str] = &[
    "append",
    "cpu",
    "steps",
    "plans",
    "nodes",
    "foreign",
    "hot_stream",
    "bulk_import",
    "command",
    "http",
    "lag",
    "feed_latency",
    "feed_throughput",
    "feed_readers",
    "feed_connections",
    "query",
    "credit",
    "rebuild",
    "rebuild_all",
    "tree",
    "verify",
    "start",
    "validators",
    "campaigns",
    "rehearsal",
];

/// Those that run only when they are named: they take an hour.
const ON_DEMAND: &[&str] = &["growth"];

#[derive(Debug, Parser)]
struct Arguments {
    /// Which benches; none: all.
    names: Vec<String>,
    /// A short run, with bars at half their height.
    #[arg(long)]
    smoke: bool,
    /// How long each side runs in each round.
    #[arg(long)]
    seconds: Option<f64>,
    /// How many rounds.
    #[arg(long)]
    rounds: Option<usize>,
    /// Prints the table as JSON.
    #[arg(long)]
    json: bool,
    /// How long the foreign snapshot is held open under load.
    #[arg(long)]
    foreign_minutes: Option<f64>,
    /// How many millions of events the log of `growth` comes to.
    #[arg(long, default_value_t = 20)]
    growth_millions: usize,
    /// Given by `cargo bench`; without meaning here.
    #[arg(long, hide = true)]
    bench: bool,
}

/// How long and how often is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) smoke: bool,
    pub(crate) side: Duration,
    pub(crate) rounds: usize,
    pub(crate) foreign: Duration,
    pub(crate) growth_events: usize,
}

impl From<&Arguments> for Settings {
    fn from(arguments: &Arguments) -> Self {
        let or = |given: Option<f64>, full: f64, smoke: f64| {
            Duration::from_secs_f64(given.unwrap_or(if arguments.smoke { smoke } else { full }))
        };
        Self {
            smoke: arguments.smoke,
            side: or(arguments.seconds, 2.0, 0.5),
            rounds: arguments.rounds.unwrap_or(if arguments.smoke { 3 } else { 5 }),
            foreign: or(arguments.foreign_minutes.map(|minutes| minutes * 60.0), 30.0, 3.0),
            growth_events: arguments.growth_millions * 1_000_000,
        }
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let settings = Settings::from(&arguments);
    for name in &arguments.names {
        let known = [NAMES, ON_DEMAND].concat();
        anyhow::ensure!(known.contains(&name.as_str()), "no bench {name}; there are {}", known.join(", "));
    }
    // Both ends of a thousand connections are here.
    let (_, files_max) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, files_max, files_max)?;
    // As in production, counters and histograms are kept.
    let _figures = PrometheusBuilder::new().install_recorder()?;
    let cluster = Cluster::start().await?;
    let mut table = Table::new(settings);
    for name in NAMES.iter().chain(ON_DEMAND) {
        let is_usual = arguments.names.is_empty() && NAMES.contains(name);
        if is_usual || arguments.names.iter().any(|wanted| wanted == name) {
            eprintln!("{name} …");
            run(name, &cluster, settings, &mut table).await?;
        }
    }
    cluster.stop().await;
    table.print(arguments.json)?;
    Ok(if table.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn run(name: &str, cluster: &Cluster, settings: Settings, table: &mut Table) -> anyhow::Result<()> {
    match name {
        "append" => append::throughput(cluster, settings, table).await,
        "cpu" => append::processor(cluster, settings, table).await,
        "steps" => batch_steps::run(cluster, settings, table).await,
        "plans" => plans::run(cluster, settings, table).await,
        "nodes" => append::two_nodes(cluster, settings, table).await,
        "foreign" => append::under_a_foreign_snapshot(cluster, settings, table).await,
        "hot_stream" => hot_stream::run(cluster, settings, table).await,
        "bulk_import" => bulk_import::run(cluster, settings, table).await,
        "command" => command::run(cluster, settings, table).await,
        "http" => http::run(cluster, settings, table).await,
        "lag" => lags::run(cluster, settings, table).await,
        "feed_latency" => feed::latency(cluster, settings, table).await,
        "feed_throughput" => feed::throughput(cluster, settings, table).await,
        "feed_readers" => feed::readers(cluster, settings, table).await,
        "feed_connections" => start::connections(settings, table).await,
        _ => read(name, cluster, settings, table).await,
    }
}

/// What reads, makes again and proves, and what needs no log.
async fn read(name: &str, cluster: &Cluster, settings: Settings, table: &mut Table) -> anyhow::Result<()> {
    match name {
        "credit" => credit::run(cluster, settings, table).await,
        "query" => query::run(cluster, settings, table).await,
        "rebuild" => rebuild::run(cluster, settings, table).await,
        "rebuild_all" => rebuild::all(cluster, settings, table).await,
        "tree" => tree::run(cluster, settings, table).await,
        "verify" => verify::run(cluster, settings, table).await,
        "start" => start::run(settings, table).await,
        "validators" => {
            validators::run(settings, table);
            Ok(())
        }
        "campaigns" => {
            campaigns::run(settings, table);
            Ok(())
        }
        "rehearsal" => rehearsals::run(settings, table).await,
        "growth" => growth::run(cluster, settings, table).await,
        _ => unreachable!("the names were checked"),
    }
}
