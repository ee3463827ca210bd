//! `clientela status`: asks the running server how it is.

use crate::client::{CallError, Client, ServerAddress};
use crate::config::{CommonFlags, settings};
use crate::output::{NOT_WELL, print_json, say, table, well_or};
use crate::{jobs, reactors};
use serde_json::Value;
use std::process::ExitCode;

/// What `status` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    server: ServerAddress,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(common: &CommonFlags, args: Args) -> anyhow::Result<ExitCode> {
    let client = Client::new(&settings(common)?, &args.server)?;
    let health = match client.get("/health").await {
        Ok(answer) => answer.body,
        // Not well, and it says what.
        Err(CallError::Refused(refused)) if refused.body["status"].is_string() => refused.body,
        Err(error) => return Err(error.into()),
    };
    match args.json {
        true => print_json(&health)?,
        false => print(&client, &health).await?,
    }
    Ok(well_or(health["status"] == "ok", NOT_WELL))
}

/// Whoever asks how the server is gets an answer, whatever the key: only what is guarded tells what is wrong with it.
async fn why_no_more(client: &Client) -> String {
    match client.get("/v1/projections").await {
        Err(CallError::Refused(refused)) if refused.status == 401 => CallError::Refused(refused).to_string(),
        _ => "no more is told without a key for operations".to_owned(),
    }
}

async fn print(client: &Client, health: &Value) -> anyhow::Result<()> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    say!("{}: {}", client.url(), text(&health["status"]))?;
    let components = &health["components"];
    if components.is_null() {
        return say!("({})", why_no_more(client).await);
    }
    let store = &components["event_store"];
    say!("event store: {}, {} events", text(&store["status"]), text(&store["head"]))?;
    let header = ["PROJECTOR", "STATE", "POSITION", "LAG", "TROUBLE"].map(str::to_owned).to_vec();
    let lines = components["projectors"].as_array().into_iter().flatten().map(|projector| {
        let trouble = projector["error"]["reason"].as_str().unwrap_or_default().to_owned();
        vec![
            text(&projector["name"]),
            text(&projector["state"]),
            text(&projector["position"]),
            text(&projector["lag"]),
            trouble,
        ]
    });
    say!("{}", table(&[header].into_iter().chain(lines).collect::<Vec<_>>()))?;
    say!("{}", reactors::as_table(&components["reactors"]))?;
    say!("{}", jobs::as_table(&components["jobs"]))
}
