//! Where log lines go: standard error, so that standard output stays for results.

use crate::config::{LogFormat, Settings};
use anyhow::Context;
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// What a server logs unless it is told otherwise. Pools complain about sessions that end with the private PostgreSQL.
pub(crate) const SERVER: &str = "info,sqlx=warn,sqlx_core::pool=error";
/// Whose lines are dropped at every level: the resolver's quote the names that it was asked for, and those may be a person's.
const QUOTING: [&str; 3] = ["hickory_net=off", "hickory_proto=off", "hickory_resolver=off"];
/// What the other subcommands log unless they are told otherwise.
pub(crate) const TOOL: &str = "error";

/// Starts logging for the whole process.
pub(crate) fn start(settings: &Settings, usual: &str) -> anyhow::Result<()> {
    let level = settings.log_level.as_deref().unwrap_or(usual);
    let mut filter = EnvFilter::try_new(level).with_context(|| format!("log_level is not a log filter: {level}"))?;
    for quoting in QUOTING {
        filter = filter.add_directive(quoting.parse().context("a log filter of our own is none")?);
    }
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match settings.log_format {
        LogFormat::Json => lines.json().flatten_event(true).init(),
        LogFormat::Text => lines.with_target(false).with_ansi(std::io::stderr().is_terminal()).init(),
    }
    Ok(())
}
