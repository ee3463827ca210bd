//! `clientela config`: what the program would run with, and where each value comes from.

use crate::config::{CommonFlags, ServerFlags, effective};
use crate::output::{print_json, say};
use serde_json::{Map, Value};
use std::process::ExitCode;

/// What `config` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    server: ServerFlags,
    /// Print JSON, without where the values come from
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(common: &CommonFlags, args: &Args) -> anyhow::Result<ExitCode> {
    let values = effective(common, Some(&args.server))?.masked();
    if args.json {
        let object: Map<String, Value> = values.into_iter().map(|(key, value, _)| (key.to_owned(), value)).collect();
        print_json(&object)?;
        return Ok(ExitCode::SUCCESS);
    }
    for (key, value, source) in values {
        // JSON strings, numbers, booleans and lists are TOML as well.
        match value {
            Value::Null => say!("# {key} is not set")?,
            value => say!("{key} = {value}  # {source}")?,
        }
    }
    Ok(ExitCode::SUCCESS)
}
