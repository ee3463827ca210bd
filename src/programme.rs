//! `clientela programme`: the rules of a running server's loyalty programme, as they are; what others would have done over all
//! that has happened ([`rehearsal`]); and others that hold from a day on.

mod rehearsal;
mod rules;
mod versions;

use crate::client::{Client, ServerAddress};
use crate::config::{CommonFlags, settings};
use crate::output::{print_json, say};
use chrono::NaiveDate;
use rules::RulesFile;
use serde_json::{Value, json};
use std::process::ExitCode;
use uuid::Uuid;
use versions::Version;

const PROGRAMME: &str = "/v1/loyalty/programme";
const VERSIONS: &str = "/v1/loyalty/programme/versions";

/// What can be done with the programme.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// The rules that hold today; with --json as a file of rules to begin with
    Show(Args),
    /// All versions of the rules that were published: until when each holds, or by which it was replaced
    Versions(Args),
    /// What rules would have done to tiers, points and what is owed, had they always held. Nothing of it holds
    ///
    /// The tenant's own history is replayed. Tells the sums, and the members for whom most would be different. Only one rehearsal of a tenant
    /// goes on at a time; Ctrl-C ends it. Needs a key with the scope admin.
    Rehearse(rehearsal::Args),
    /// Publish rules that hold from a day on, until a version published later does. What has happened stays as it is
    ///
    /// Versions published before that were to begin on that day or after it are replaced: they never hold, or no longer. Needs a key with the scope admin.
    Publish(Publish),
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

/// What `programme publish` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Publish {
    /// File of the rules (JSON), as `programme show --json` prints them; - for standard input
    file: RulesFile,
    /// The first business date for which they hold
    #[arg(long, value_name = "DATE")]
    from: NaiveDate,
    /// The rehearsal of these rules, by its id
    #[arg(long, value_name = "ID")]
    rehearsal: Option<Uuid>,
    #[command(flatten)]
    args: Args,
}

pub(crate) async fn run(common: &CommonFlags, command: Command) -> anyhow::Result<ExitCode> {
    let client = |server: &ServerAddress| Client::new(&settings(common)?, server);
    match command {
        Command::Show(args) => {
            let programme = client(&args.server)?.get(PROGRAMME).await?.body;
            print(&args, &programme, rules::as_text)?;
        }
        Command::Versions(args) => {
            let versions = client(&args.server)?.get(VERSIONS).await?.body;
            print(&args, &versions, versions::as_table)?;
        }
        Command::Rehearse(args) => rehearsal::run(&client(args.server())?, &args).await?,
        Command::Publish(publish) => {
            let (client, body) = (client(&publish.args.server)?, publish.body()?);
            let published = client.post(VERSIONS, &body).await?.body;
            // Who asks next is to see it; it holds all the same where that takes longer.
            let seen = client.get(&format!("{VERSIONS}?min_position={}", published["position"])).await;
            let versions = seen.map(|answer| versions::of(&answer.body)).unwrap_or_default();
            print(&publish.args, &published, |published| published_text(published, &versions))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl Publish {
    fn body(&self) -> anyhow::Result<Value> {
        let mut body = self.file.read()?;
        if let Some(members) = body.as_object_mut() {
            // Of when a rehearsal of the same file was.
            members.remove("now");
        }
        body["from"] = json!(self.from);
        if let Some(rehearsal) = self.rehearsal {
            body["rehearsal_id"] = json!(rehearsal);
        }
        Ok(body)
    }
}

fn print(args: &Args, answer: &Value, as_text: impl Fn(&Value) -> String) -> anyhow::Result<()> {
    match args.json {
        true => print_json(answer),
        false => say!("{}", as_text(answer)),
    }
}

fn published_text(published: &Value, versions: &[Version]) -> String {
    let from = text(&published["from"]);
    let Some(version) = published["version"].as_u64() else {
        return format!("nothing changes: these rules hold from {from} on already");
    };
    let replaced = versions::replaced_by(version, versions);
    match replaced.as_slice() {
        [] => format!("version {version} holds from {from} on"),
        [one] => format!("version {version} holds from {from} on, in place of version {one}"),
        _ => format!("version {version} holds from {from} on, in place of the versions {}", replaced.join(", ")),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
