//! `clientela secrets`: shows which keys are in use, and puts new ones in the place of older ones while servers run.

use super::{FIRST_VERSION, Files, MASTER, Purpose as Kept};
use crate::config::{CommonFlags, Settings, settings};
use crate::logging;
use crate::output::{print_json, say, table, thousands};
use crate::wiring::Workshop;
use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressDrawTarget};
use serde_json::json;
use std::fs;
use std::io::IsTerminal;
use std::process::ExitCode;
use store::postgres::keys::{KnownKey, Purpose};
use store::postgres::rotation::Rotated;

/// What can be done with secrets.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// List the versions of the keys, and which of them are in use
    List(Output),
    /// Put a new master key in the place of the one in use; goes on with a rotation that was interrupted
    RotateMaster(Output),
    /// Delete the files of keys that nothing needs any more
    ForgetOld(Output),
}

/// How the result is shown.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Output {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(common: &CommonFlags, command: Command) -> anyhow::Result<ExitCode> {
    let settings = settings(common)?;
    logging::start(&settings, logging::TOOL)?;
    let workshop = Workshop::open(&settings).await?;
    let done = match command {
        Command::List(output) => list(&workshop, output).await,
        Command::RotateMaster(output) => rotate_master(&workshop, &settings, output).await,
        Command::ForgetOld(output) => forget_old(&workshop, &settings, output).await,
    };
    workshop.stop().await;
    done.map(|()| ExitCode::SUCCESS)
}

async fn list(workshop: &Workshop, output: Output) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    for purpose in Purpose::ALL {
        let known = workshop.store.known_keys(purpose).await?;
        let states = known.iter().enumerate().map(|(index, key)| (key.version, state(index, key)));
        rows.extend(states.map(|(version, state)| (purpose.name(), version, state)));
    }
    if output.json {
        let view = |(key, version, state): &(&str, i16, &str)| json!({"key": key, "version": version, "state": state});
        return print_json(&rows.iter().map(view).collect::<Vec<_>>());
    }
    let header = ["KEY", "VERSION", "STATE"].map(str::to_owned).to_vec();
    let lines =
        rows.iter().map(|(key, version, state)| vec![(*key).to_owned(), version.to_string(), (*state).to_owned()]);
    say!("{}", table(&[header].into_iter().chain(lines).collect::<Vec<_>>()))
}

/// The state of a key, the newest one having the index 0.
pub(crate) fn state(index: usize, key: &KnownKey) -> &'static str {
    match (index, key.is_retired) {
        (0, _) => "in use",
        (_, true) => "retired",
        (_, false) => "still needed: a rotation is unfinished",
    }
}

async fn rotate_master(workshop: &Workshop, settings: &Settings, output: Output) -> anyhow::Result<()> {
    let known = workshop.store.known_keys(Purpose::Master).await?;
    let is_unfinished = known.iter().skip(1).any(|key| !key.is_retired);
    if !is_unfinished {
        let in_use = known.first().map_or(FIRST_VERSION, |key| key.version);
        provide(workshop, settings, Purpose::Master, in_use)?;
    }
    let bar = progress(output.json);
    let rotated = workshop.store.rotate_master(&|done| bar.set_position(done)).await;
    bar.finish_and_clear();
    let rotated = rotated.context("the rotation is not finished; the same command goes on with it")?;
    report(settings, Purpose::Master, &rotated, output)
}

/// Sees to it that there is a key newer than the one in use: makes its file, or finds it among those given.
fn provide(workshop: &Workshop, settings: &Settings, purpose: Purpose, in_use: i16) -> anyhow::Result<()> {
    let keys = match purpose {
        Purpose::Master => &workshop.keys.master.0,
        Purpose::Claims => &workshop.keys.claims.0,
    };
    if keys.all().first().is_some_and(|(newest, _)| *newest > in_use) {
        return Ok(());
    }
    let (kept, next) = (Kept::of(purpose), in_use.checked_add(1).context("there are no more versions")?);
    if kept.given(settings).is_some() {
        bail!(
            "the keys come from {variable}: put a new one behind those there, as in {variable}={in_use}:…,{next}:…, \
             restart all servers with it, and rotate then",
            variable = kept.variable
        );
    }
    let files = Files::new(settings, kept);
    files.make(next)?;
    keys.find(next).with_context(|| format!("{} cannot be read", files.path(next).display()))?;
    Ok(())
}

fn report(settings: &Settings, purpose: Purpose, rotated: &Rotated, output: Output) -> anyhow::Result<()> {
    let Rotated { version, rewritten, is_resumed } = *rotated;
    if output.json {
        return print_json(
            &json!({"key": purpose.name(), "version": version, "rewritten": rewritten, "resumed": is_resumed}),
        );
    }
    let (name, count) = (purpose.name(), thousands(rewritten));
    let begun = if is_resumed { "the rotation that was begun before is finished: " } else { "" };
    say!("{begun}{name} key {version} is in use, {count} rows were written anew, none needs an older key")?;
    let kept = Kept::of(purpose);
    match kept.given(settings) {
        Some(_) => say!("take the older keys out of {}; keep them with backups made until now", kept.variable),
        None => say!(
            "back up {}; `clientela secrets forget-old` deletes the older keys, which backups made until now still need",
            Files::new(settings, kept).path(version).display()
        ),
    }
}

/// Only of master keys: older claim keys go on telling requests that were made before.
async fn forget_old(workshop: &Workshop, settings: &Settings, output: Output) -> anyhow::Result<()> {
    if MASTER.given(settings).is_some() {
        bail!("the keys come from {0}: take the older ones out of it", MASTER.variable);
    }
    let files = Files::new(settings, MASTER);
    let known = workshop.store.known_keys(Purpose::Master).await?;
    let mut forgotten = Vec::new();
    for key in known.iter().skip(1).filter(|key| key.is_retired) {
        let path = files.path(key.version);
        match fs::remove_file(&path) {
            Ok(()) => forgotten.push(path.display().to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("{} cannot be deleted", path.display())),
        }
    }
    match (output.json, forgotten.is_empty()) {
        (true, _) => print_json(&json!({"forgotten": forgotten})),
        (false, true) => say!("there are no files of keys that nothing needs"),
        (false, false) => say!("deleted: {}", forgotten.join(" ")),
    }
}

/// Rows that were written anew, on a terminal.
fn progress(is_silent: bool) -> ProgressBar {
    let target = match is_silent || !std::io::stderr().is_terminal() {
        true => ProgressDrawTarget::hidden(),
        false => ProgressDrawTarget::stderr_with_hz(8),
    };
    ProgressBar::with_draw_target(None, target)
}
