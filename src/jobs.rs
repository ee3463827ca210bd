//! `clientela jobs`: when a running server does what the clock asks for, and a run now.

use crate::client::{Client, ServerAddress};
use crate::config::{CommonFlags, settings};
use crate::output::{NOT_WELL, print_json, say, table, well_or};
use anyhow::bail;
use serde_json::{Value, json};
use std::process::ExitCode;
use std::time::{Duration, Instant};

const POLL: Duration = Duration::from_millis(200);

/// What `jobs` does.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// The jobs, when they run, and what their last runs did
    List(Args),
    /// Run a job now, and wait for its end
    Run(RunArgs),
    /// What the runs of a job did, the newest first
    Runs(RunArgs),
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

/// What those on one job take.
#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// Its name, as `jobs list` has it
    name: String,
    /// Seconds to wait for the end of a run; it goes on all the same
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    patience: u64,
    #[command(flatten)]
    args: Args,
}

pub(crate) async fn run(common: &CommonFlags, command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List(args) => {
            let answer = client(common, &args)?.get("/v1/jobs").await?.body;
            print(&args, &answer, list_table)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Runs(RunArgs { name, args, .. }) => {
            let answer = client(common, &args)?.get(&runs_of(&name)?).await?.body;
            print(&args, &answer, runs_table)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Run(RunArgs { name, patience, args }) => {
            let client = client(common, &args)?;
            let run = run_now(&client, &runs_of(&name)?, Duration::from_secs(patience)).await?;
            print(&args, &run, |run| runs_table(&json!({"items": [run]})))?;
            Ok(well_or(run["status"] == "done", NOT_WELL))
        }
    }
}

fn client(common: &CommonFlags, args: &Args) -> anyhow::Result<Client> {
    Client::new(&settings(common)?, &args.server)
}

fn print(args: &Args, answer: &Value, as_text: impl Fn(&Value) -> String) -> anyhow::Result<()> {
    match args.json {
        true => print_json(answer)?,
        false => say!("{}", as_text(answer))?,
    }
    Ok(())
}

fn runs_of(name: &str) -> anyhow::Result<String> {
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    anyhow::ensure!(is_name, "no job is called so; see `clientela jobs list`");
    Ok(format!("/v1/jobs/{name}/runs"))
}

async fn run_now(client: &Client, path: &str, patience: Duration) -> anyhow::Result<Value> {
    let mut run = client.post(path, &json!({})).await?.body;
    let began = Instant::now();
    while run["ended_at"].is_null() {
        if began.elapsed() >= patience {
            bail!("run {} has not ended yet; no server with `background` may be running", text(&run["run_id"]));
        }
        tokio::time::sleep(POLL).await;
        run = client.get(&format!("{path}/{}", text(&run["run_id"]))).await?.body;
    }
    Ok(run)
}

fn list_table(answer: &Value) -> String {
    let header = ["JOB", "STATE", "SCHEDULE", "NEXT", "LAST RUN", "ABOUT"].map(str::to_owned).to_vec();
    let lines = answer["items"].as_array().into_iter().flatten().map(|job| {
        let last = match &job["last_run"] {
            Value::Null => "never".to_owned(),
            last => format!("{} {}", text(&last["status"]), text(&last["ended_at"])),
        };
        let told = ["name", "state", "schedule", "next_run_at"].map(|field| text(&job[field]));
        told.into_iter().chain([last, text(&job["about"])]).collect()
    });
    table(&[header].into_iter().chain(lines).collect::<Vec<_>>())
}

fn runs_table(answer: &Value) -> String {
    let fields = ["run_id", "status", "created_at", "ended_at", "examined", "changed", "refused", "error"];
    let header = fields.map(|field| field.to_uppercase().replace('_', " ")).to_vec();
    let lines = answer["items"].as_array().into_iter().flatten();
    let lines = lines.map(|run| fields.map(|field| text(&run[field])).to_vec());
    table(&[header].into_iter().chain(lines).collect::<Vec<_>>())
}

/// How jobs are, for people who ask how the server is.
pub(crate) fn as_table(jobs: &Value) -> String {
    let header = ["JOB", "STATE", "TROUBLE"].map(str::to_owned).to_vec();
    let lines = jobs.as_array().into_iter().flatten();
    let lines = lines.map(|job| ["name", "state", "error"].map(|field| text(&job[field])).to_vec());
    table(&[header].into_iter().chain(lines).collect::<Vec<_>>())
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
