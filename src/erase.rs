//! `clientela erase`: has a running server forget who a customer is, for good, and hands out the signed receipt. Or it lists who was
//! erased ([`list`]), or erases whoever of such a list is alive ([`apply`]), or leaves no byte of the
//! erased in files ([`scrub`](mod@scrub)).

mod again;
mod apply;
mod file;
pub(crate) mod keeping;
mod list;
mod notes;
mod scrub;

pub(crate) use file::Opened;

use crate::client::{Client, ServerAddress, customer_id};
use crate::config::{CommonFlags, Settings, settings};
use crate::logging;
use crate::output::{counted, print_json, print_line};
use anyhow::{Context, bail};
use apply::How;
use chrono::{DateTime, Utc};
use list::Show;
use serde_json::{Value, json};
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use uuid::Uuid;

/// What `erase` takes.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["customer", "list", "apply", "scrub"])))]
pub(crate) struct Args {
    /// Id of the customer
    #[arg(value_name = "CUSTOMER", value_parser = customer_id)]
    customer: Option<Uuid>,
    /// List who was erased, from the file and the table of this server
    #[arg(long)]
    list: bool,
    /// With --list: only those erased since this date or time
    #[arg(long, value_name = "TIME", requires = "list", value_parser = list::moment)]
    since: Option<DateTime<Utc>>,
    /// Erase whoever of this list is alive in this database: for a copy of an older backup, or a server without its own list
    #[arg(long, value_name = "FILE")]
    apply: Option<PathBuf>,
    /// Leave no byte of those who were erased in the files of the database; while servers run, or without one
    #[arg(long, conflicts_with_all = ["ground", "receipt", "yes"])]
    scrub: bool,
    /// Why: the person asked for it, or nothing allows to keep the data any longer
    #[arg(long, value_enum, default_value_t = Ground::Request)]
    ground: Ground,
    /// Write the signed receipt here [default: standard output]; with --list all of them, to be applied elsewhere
    #[arg(long, value_name = "FILE", conflicts_with = "apply")]
    receipt: Option<PathBuf>,
    /// Do not ask first: it cannot be undone
    #[arg(long)]
    yes: bool,
    /// Print the whole answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerAddress,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Ground {
    Request,
    Retention,
}

impl Ground {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Retention => "retention",
        }
    }
}

pub(crate) async fn run(common: &CommonFlags, args: Args) -> anyhow::Result<ExitCode> {
    let settings = settings(common)?;
    if args.customer.is_none() {
        logging::start(&settings, logging::TOOL)?;
    }
    if args.scrub {
        return scrub::run(&settings, args.json).await;
    }
    match (&args.customer, &args.apply) {
        (Some(customer), _) => erase(&settings, *customer, &args).await,
        (None, Some(file)) => apply::run(&settings, file, How { is_agreed: args.yes, json: args.json }).await,
        (None, None) => {
            let show = Show { since: args.since, to: args.receipt.as_deref(), json: args.json };
            list::run(&settings, show).await
        }
    }
}

async fn erase(settings: &Settings, customer: Uuid, args: &Args) -> anyhow::Result<ExitCode> {
    let client = Client::new(settings, &args.server)?;
    if !args.yes {
        ask(&format!("Who customer {customer} is will be forgotten for good"))?;
    }
    let path = format!("/v1/customers/{customer}/erase");
    let erased = client.post(&path, &json!({"ground": args.ground.as_str()})).await?.body;
    let receipt = erased["receipt"].as_str().context("the server answered without a receipt")?;
    match (&args.receipt, args.json) {
        (Some(file), _) => {
            std::fs::write(file, receipt).with_context(|| format!("{} cannot be written", file.display()))?
        }
        (None, false) => print_line(format_args!("{}", receipt.trim_end()))?,
        (None, true) => {}
    }
    if args.json {
        print_json(&erased)?;
    }
    tell(&erased);
    Ok(ExitCode::SUCCESS)
}

/// Who cannot be asked has to say so beforehand.
fn ask(what: &str) -> anyhow::Result<()> {
    if !io::stdin().is_terminal() {
        bail!("this cannot be undone: say --yes where nobody can be asked");
    }
    eprint!("{what}. Type `erase` to go on: ");
    io::stderr().flush().context("the question cannot be asked")?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).context("the answer cannot be read")?;
    if answer.trim() == "erase" { Ok(()) } else { bail!("nothing was erased") }
}

/// What whoever asked for it has to know: what is out of reach here.
fn tell(erased: &Value) {
    let count = |list: &Value| list.as_array().map_or(0, Vec::len);
    let counted = |list: &Value, one: &str| counted(count(list) as u64, one);
    let before = if erased["repeated"] == true { "It had been erased before. " } else { "" };
    eprintln!("{before}Erased at position {}, {}.", erased["position"], counted(&erased["subjects"], "subject"));
    if count(&erased["pending"]) > 0 {
        eprintln!("Still on their way, and follow by themselves: {}.", erased["pending"]);
    }
    let left = &erased["left_before"];
    eprintln!(
        "Had left before, and is out of reach here: what {} could read, {}, what {} of analysts could see; the receipt names them.",
        counted(&left["readers"], "key"),
        counted(&left["exports"], "export"),
        counted(&left["analysts"], "login")
    );
}
