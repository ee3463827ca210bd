//! `clientela migrate`: brings the schema of the database up to date, and does nothing else.

use crate::config::{CommonFlags, settings};
use crate::logging;
use crate::output::{print_json, say};
use crate::wiring::{Ground, migrated};
use serde_json::json;
use std::process::ExitCode;
use store::postgres::Database;

/// What `migrate` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(common: &CommonFlags, args: Args) -> anyhow::Result<ExitCode> {
    let settings = settings(common)?;
    logging::start(&settings, logging::TOOL)?;
    let ground = Ground::of_tool(&settings).await?;
    let done = migrated(&ground.database).await;
    ground.stop().await;
    done?;
    let schema = Database::schema_fingerprint();
    match args.json {
        true => print_json(&json!({ "schema": schema }))?,
        false => say!("the schema is up to date ({schema})")?,
    }
    Ok(ExitCode::SUCCESS)
}
