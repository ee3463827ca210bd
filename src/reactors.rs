//! `clientela reactors`: what a running server does because something happened, and the events it could not act on.

use crate::client::{Client, ServerAddress};
use crate::config::{CommonFlags, settings};
use crate::logging;
use crate::output::{counted, print_json, say, table};
use crate::wiring::Workshop;
use anyhow::Context;
use serde_json::{Value, json};
use std::process::ExitCode;
use store::Position;

/// What `reactors` does.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// How each reactor is
    List(Args),
    /// The events that a reactor has put aside, the oldest first
    Parked(NamedArgs),
    /// Have them tried again at once; they are tried again now and then anyhow
    Retry(NamedArgs),
    /// Have a reactor begin again, after the log was restored to an older point; what it did is not done twice
    Restart(RestartArgs),
}

/// What `restart` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct RestartArgs {
    /// Its name, as `reactors list` has it
    name: String,
    /// Behind which position, when it is known that all up to there was reacted to: what a restore has taken away is a reaction, too
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(i64).range(0..))]
    after: i64,
}

/// What all of them take.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    server: ServerAddress,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What those on one reactor take.
#[derive(Debug, clap::Args)]
pub(crate) struct NamedArgs {
    /// Its name, as `reactors list` has it
    name: String,
    #[command(flatten)]
    args: Args,
}

pub(crate) async fn run(common: &CommonFlags, command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List(args) => {
            let answer = client(common, &args)?.get("/v1/reactors").await?.body;
            print(&args, &answer, |answer| as_table(&answer["items"]))
        }
        Command::Parked(NamedArgs { name, args }) => {
            let answer = parked(&client(common, &args)?, &name).await?;
            print(&args, &answer, parked_table)
        }
        Command::Retry(NamedArgs { name, args }) => {
            let path = format!("/v1/reactors/{}/parked/retry", in_path(&name)?);
            let answer = client(common, &args)?.post(&path, &json!({})).await?.body;
            print(&args, &answer, |answer| {
                format!("tried again: {}", counted(answer["streams"].as_u64().unwrap_or_default(), "stream"))
            })
        }
        Command::Restart(args) => restart(common, args).await,
    }
}

/// Works on the database: who restores has no running server to ask, perhaps.
async fn restart(common: &CommonFlags, RestartArgs { name, after }: RestartArgs) -> anyhow::Result<ExitCode> {
    let known = commands::reactor::reactors();
    let reactor = known.iter().find(|reactor| reactor.name == name).with_context(|| {
        let names: Vec<&str> = known.iter().map(|reactor| reactor.name).collect();
        format!("there is no reactor {name}; the reactors are: {}", names.join(", "))
    })?;
    let settings = settings(common)?;
    logging::start(&settings, logging::TOOL)?;
    let workshop = Workshop::open(&settings).await?;
    let restarted = workshop.restart_reactor(reactor, Position(after)).await;
    workshop.stop().await;
    restarted?;
    say!("{name} begins again behind position {after}")?;
    Ok(ExitCode::SUCCESS)
}

fn client(common: &CommonFlags, args: &Args) -> anyhow::Result<Client> {
    Client::new(&settings(common)?, &args.server)
}

fn print(args: &Args, answer: &Value, as_text: impl Fn(&Value) -> String) -> anyhow::Result<ExitCode> {
    match args.json {
        true => print_json(answer)?,
        false => say!("{}", as_text(answer))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// All pages as one list.
async fn parked(client: &Client, name: &str) -> anyhow::Result<Value> {
    let path = format!("/v1/reactors/{}/parked?limit=200", in_path(name)?);
    let (mut items, mut cursor) = (Vec::new(), None);
    loop {
        let page = cursor.as_ref().map_or_else(|| path.clone(), |cursor| format!("{path}&cursor={cursor}"));
        let mut answer = client.get(&page).await?.body;
        items.extend(answer["items"].as_array_mut().map(std::mem::take).unwrap_or_default());
        match answer["next_cursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => return Ok(json!({"items": items})),
        }
    }
}

/// A name as it may stand in a path.
fn in_path(name: &str) -> anyhow::Result<&str> {
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    anyhow::ensure!(is_name, "no reactor is called so; see `clientela reactors list`");
    Ok(name)
}

/// How reactors are, for people.
pub(crate) fn as_table(reactors: &Value) -> String {
    let header = ["REACTOR", "STATE", "POSITION", "LAG", "PUT ASIDE", "TROUBLE"].map(str::to_owned).to_vec();
    let lines = reactors.as_array().into_iter().flatten().map(|reactor| {
        ["name", "state", "position", "lag", "parked", "error"].map(|field| text(&reactor[field])).to_vec()
    });
    table(&[header].into_iter().chain(lines).collect::<Vec<_>>())
}

fn parked_table(answer: &Value) -> String {
    let header = ["POSITION", "EVENT", "ATTEMPTS", "NEXT ATTEMPT", "TROUBLE"].map(str::to_owned).to_vec();
    let lines = answer["items"].as_array().into_iter().flatten().map(|parked| {
        let error = parked["error"].as_str().unwrap_or("waits behind another").to_owned();
        let told = ["position", "event_id", "attempts", "next_attempt_at"].map(|field| text(&parked[field]));
        told.into_iter().chain([error]).collect()
    });
    table(&[header].into_iter().chain(lines).collect::<Vec<_>>())
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
