//! The program `clientela`: reads what is asked on the command line and hands it to the file of that subcommand.
//!
//! Errors are one line on standard error. The exit codes are part of the interface, see [`EXIT_CODES`].

mod announced;
mod claims;
mod client;
mod config;
mod demo;
mod doctor;
mod erase;
mod export;
mod facts;
mod feed;
mod first_start;
mod heads;
mod import;
mod jobs;
mod key;
mod logging;
mod mail_lookup;
mod migrate;
mod open_files;
mod output;
mod programme;
mod progress;
mod projection;
mod reactors;
mod rebuild;
mod scrubbing;
mod secrets;
mod serve;
mod show_config;
mod status;
mod tenant;
mod tls;
mod verify;
mod wiring;

use clap::{Parser, Subcommand};
use mimalloc::MiMalloc;
use std::process::ExitCode;

/// With the allocator of the C library, giving pages back and taking them again cost half of the commands a second.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 failed, with one line that says why, or `verify` found a log that is not what was written; 2 the command line is wrong; 3 an import went through, but \
some rows were rejected; 4 `status`, `doctor` or `check` found \
something that is not as it should be, or `erase --scrub` did all it could and something is left to you.";

/// A customer backend: customers, purchases and loyalty points on one log of events.
///
/// Start with `clientela serve`. Without a database address it runs its own private PostgreSQL in its data folder.
#[derive(Debug, Parser)]
#[command(name = "clientela", version, after_help = EXIT_CODES, propagate_version = true)]
struct Cli {
    #[command(flatten)]
    common: config::CommonFlags,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server, with its own private PostgreSQL unless a database address is set
    Serve(serve::Args),
    /// Bring the database's schema up to date
    Migrate(migrate::Args),
    /// Make read models again from the log, compare, and put them in the place of the live ones
    Rebuild(rebuild::Args),
    /// Prove that read models, and the table `claims`, are what the log says; prints what is not
    Check(rebuild::CheckArgs),
    /// Recompute the whole log and name the first position at which it is not what was written
    Verify(verify::Args),
    /// How projections are; let one rest, or leave out an event that it cannot digest
    #[command(subcommand)]
    Projections(projection::Command),
    /// Import from CSV files into a running server
    #[command(subcommand)]
    Import(import::Command),
    /// Fill a running server with invented customers, purchases, refunds and redemptions
    Demo(demo::Args),
    /// All that a running server knows of a customer: for programs, or as a page for the person. Each time is recorded
    Export(export::Args),
    /// Have a running server forget who a customer is, for good; hands out the signed receipt. With --scrub: leave no byte of the erased in files
    Erase(erase::Args),
    /// Follow the events of a running server
    #[command(subcommand)]
    Feed(feed::Command),
    /// What a running server does because something happened, and the events it could not act on
    #[command(subcommand)]
    Reactors(reactors::Command),
    /// What a running server does because time has passed
    #[command(subcommand)]
    Jobs(jobs::Command),
    /// The rules of the loyalty programme: show them, rehearse others over all that has happened, publish
    #[command(subcommand)]
    Programme(programme::Command),
    /// Ask a running server how it is
    Status(status::Args),
    /// Check this machine and say what to do
    Doctor(doctor::Args),
    /// Tenants: companies that use this installation
    #[command(subcommand)]
    Tenant(tenant::Command),
    /// Keys by which programs use the API
    #[command(subcommand)]
    Key(key::Command),
    /// The secrets that personal data and claims rest on: list them, put new ones in their place
    #[command(subcommand)]
    Secrets(secrets::command::Command),
    /// Print the effective configuration and where each value comes from; secrets are masked
    Config(show_config::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&anyhow::Error::new(error).context("no worker threads can be started")),
    };
    match runtime.block_on(run(cli)) {
        Ok(code) => code,
        Err(error) => failed(&error),
    }
}

async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let Cli { common, command } = cli;
    match command {
        Command::Serve(args) => serve::run(&common, args).await,
        Command::Migrate(args) => migrate::run(&common, args).await,
        Command::Rebuild(args) => rebuild::run(&common, args).await,
        Command::Check(args) => rebuild::check(&common, args).await,
        Command::Verify(args) => verify::run(&common, args).await,
        Command::Projections(projections) => projection::run(&common, projections).await,
        Command::Import(import) => import::run(&common, import).await,
        Command::Demo(args) => demo::run(&common, args).await,
        Command::Export(args) => export::run(&common, args).await,
        Command::Erase(args) => erase::run(&common, args).await,
        Command::Feed(feed) => feed::run(&common, feed).await,
        Command::Reactors(reactors) => reactors::run(&common, reactors).await,
        Command::Jobs(jobs) => jobs::run(&common, jobs).await,
        Command::Programme(programme) => programme::run(&common, programme).await,
        Command::Status(args) => status::run(&common, args).await,
        Command::Doctor(args) => doctor::run(&common, args).await,
        Command::Tenant(tenant) => tenant::run(&common, tenant).await,
        Command::Key(key) => key::run(&common, key).await,
        Command::Secrets(command) => secrets::command::run(&common, command).await,
        Command::Config(args) => show_config::run(&common, &args),
    }
}

/// One line: what failed and, behind colons, why. A cause that was said already is not said again.
fn failed(error: &anyhow::Error) -> ExitCode {
    let mut whole = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if whole.ends_with(&cause) {
            continue;
        }
        if !whole.is_empty() {
            whole.push_str(": ");
        }
        whole.push_str(&cause);
    }
    eprintln!("clientela: {}", whole.split_whitespace().collect::<Vec<_>>().join(" "));
    ExitCode::FAILURE
}
