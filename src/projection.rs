//! `clientela projections`: asks the running server how its projections are, and tells them what to do.

use crate::client::{Client, ServerAddress};
use crate::config::{CommonFlags, settings};
use crate::output::{print_json, say, table};
use domain::ids::Label;
use serde_json::{Value, json};
use std::process::ExitCode;

/// What can be done with projections.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// List the projections: what each does, how far it is, which node runs it
    List {
        #[command(flatten)]
        server: ServerAddress,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Let a projection that has failed leave out the very event at which it stands; a rebuild leaves it out, too
    Skip {
        /// Name of the projection
        #[arg(value_parser = Label::parse)]
        name: Label,
        /// Position of the event at which it has failed, as `projections list` shows it
        #[arg(long)]
        position: i64,
        /// Why; it is kept in the log, with who said so
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        server: ServerAddress,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Let a projection rest until it is resumed, on all nodes and over restarts
    Pause(One),
    /// End the rest of a projection
    Resume(One),
}

/// One projection.
#[derive(Debug, clap::Args)]
pub(crate) struct One {
    /// Name of the projection
    #[arg(value_parser = Label::parse)]
    name: Label,
    #[command(flatten)]
    server: ServerAddress,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(common: &CommonFlags, command: Command) -> anyhow::Result<ExitCode> {
    let settings = settings(common)?;
    match command {
        Command::List { server, json } => {
            let answer = Client::new(&settings, &server)?.get("/v1/projections").await?;
            match json {
                true => print_json(&answer.body)?,
                false => say!("{}", listed(&answer.body))?,
            }
        }
        Command::Skip { name, position, reason, server, json } => {
            let body = json!({"position": position, "reason": reason});
            let done = format!("{name} leaves out the event at {position}, and goes on");
            tell(&Client::new(&settings, &server)?, (&name, "skip"), &body, json, &done).await?;
        }
        Command::Pause(One { name, server, json }) => {
            let done = format!("{name} rests within a second, until `clientela projections resume {name}`");
            tell(&Client::new(&settings, &server)?, (&name, "pause"), &json!({}), json, &done).await?;
        }
        Command::Resume(One { name, server, json }) => {
            let done = format!("{name} goes on within a second");
            tell(&Client::new(&settings, &server)?, (&name, "resume"), &json!({}), json, &done).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn tell(
    client: &Client,
    (name, what): (&Label, &str),
    body: &Value,
    json: bool,
    done: &str,
) -> anyhow::Result<()> {
    let answer = client.post(&format!("/v1/projections/{name}/{what}"), body).await?;
    match json {
        true => print_json(&answer.body),
        false => say!("{done}"),
    }
}

fn listed(answer: &Value) -> String {
    let header = ["NAME", "GENERATION", "STATE", "POSITION", "LAG", "OWNER", "LEASE"].map(str::to_owned).to_vec();
    let items = answer["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    let lines = items.iter().map(|item| {
        let owner = item["lease"]["owner"].as_str().map_or("-", |owner| owner.split('-').next().unwrap_or(owner));
        let lease =
            item["lease"]["expires_in_seconds"].as_f64().map_or_else(|| "-".to_owned(), |s| format!("{s:.1} s"));
        vec![
            text(&item["name"]),
            format!("{} (version {})", item["generation"], item["version"]),
            text(&item["state"]),
            text(&item["position"]),
            text(&item["lag"]),
            owner.to_owned(),
            lease,
        ]
    });
    let mut said = table(&[header].into_iter().chain(lines).collect::<Vec<_>>());
    for item in items {
        for remark in remarks(item) {
            said.push_str(&format!("\n{}: {remark}", text(&item["name"])));
        }
    }
    said
}

/// What is out of the ordinary.
fn remarks(item: &Value) -> Vec<String> {
    let mut remarks = Vec::new();
    let (error, pause, made) = (&item["error"], &item["pause"], &item["rebuilding"]);
    if error.is_object() {
        let event = error["event_id"].as_str().map(|event| format!(", event {event}")).unwrap_or_default();
        remarks.push(format!("cannot get past position {}{event}: {}", error["position"], text(&error["reason"])));
    }
    if pause.is_object() {
        remarks.push(format!("rests since {}, by order of {}", text(&pause["since"]), text(&pause["by"])));
    }
    if made.is_object() {
        let generation = made["generation"].as_i64().map_or_else(|| "next".to_owned(), |number| number.to_string());
        remarks.push(format!("is being rebuilt or checked: generation {generation} is at {}", made["position"]));
    }
    if let Some(skipped) = item["skipped"].as_array().filter(|skipped| !skipped.is_empty()) {
        let positions: Vec<_> = skipped.iter().map(ToString::to_string).collect();
        remarks.push(format!("leaves out the events at {}", positions.join(", ")));
    }
    remarks
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
