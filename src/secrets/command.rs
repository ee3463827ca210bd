//! `clientela secrets`: shows which keys are in use, and puts new ones in the place of older ones while servers run.

use super::{FIRST_VERSION, Files, MASTER, Purpose as Kept, Secrets};
use crate::claims;
use crate::config::{CommonFlags, Settings, settings};
use crate::logging;
use crate::output::{self, print_json, say, table};
use crate::wiring::{Ground, Workshop, compared, require_data};
use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressDrawTarget};
use serde_json::json;
use sqlx::{Connection, PgConnection};
use std::fs;
use std::io::IsTerminal;
use std::process::ExitCode;
use store::TenantId;
use store::postgres::Role;
use store::postgres::keys::{self, KnownKey, Purpose};
use store::postgres::rotation::Rotated;

/// What can be done with secrets.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// List the versions of the keys, and which of them are in use
    List(Output),
    /// Put a new master key in the place of the one in use; goes on with a rotation that was interrupted
    RotateMaster(Output),
    /// Put a new claim key in the place of the one in use: all claims are written anew from the events
    RotateClaims(Output),
    /// Go on without the keys of persons whose rows in `subject_keys` are lost: they read as erased from then on
    AcceptLoss {
        /// Do it; else it is only counted
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Delete the files of master keys that nothing needs any more
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
    if let Command::AcceptLoss { yes, output } = command {
        return accept_loss(&settings, yes, output).await.map(|()| ExitCode::SUCCESS);
    }
    let workshop = Workshop::open(&settings).await?;
    let done = match command {
        Command::List(output) => list(&workshop, output).await,
        Command::RotateMaster(output) => rotate_master(&workshop, &settings, output).await,
        Command::RotateClaims(output) => rotate_claims(&workshop, &settings, output).await,
        Command::ForgetOld(output) => forget_old(&workshop, &settings, output).await,
        Command::AcceptLoss { .. } => Ok(()), // done above: no log opens without its keys
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

async fn rotate_claims(workshop: &Workshop, settings: &Settings, output: Output) -> anyhow::Result<()> {
    let known = workshop.store.known_keys(Purpose::Claims).await?;
    if known.iter().skip(1).all(|key| key.is_retired) {
        provide(workshop, settings, Purpose::Claims, known.first().map_or(FIRST_VERSION, |key| key.version))?;
    }
    let (version, is_resumed) = workshop.store.begin_claims_rotation().await?;
    let bar = progress(output.json);
    let rehashed = claims::rehash(workshop, &|done| bar.set_position(done)).await;
    bar.finish_and_clear();
    let rewritten = rehashed.context("the rotation is not finished; the same command goes on with it")?;
    let left = workshop.store.end_claims_rotation(version).await?;
    if left > 0 {
        bail!(
            "claims key {version} is in use and written anew were {}, but of {} no event says what they hold: \
             `clientela check claims` names them; until they are gone the older key is needed",
            output::counted(rewritten, "row"),
            output::counted(left.unsigned_abs(), "row")
        );
    }
    report(settings, Purpose::Claims, &Rotated { version, rewritten, is_resumed }, output)
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
    let (name, rows) = (purpose.name(), output::counted(rewritten, "row"));
    let begun = if is_resumed { "the rotation that was begun before is finished: " } else { "" };
    say!("{begun}{name} key {version} is in use; written anew: {rows}; none needs an older key")?;
    let kept = Kept::of(purpose);
    let path = Files::new(settings, kept).path(version).display().to_string();
    match (purpose, kept.given(settings)) {
        (Purpose::Claims, Some(_)) => say!("keep the older keys in {}: {KEPT}", kept.variable),
        (Purpose::Claims, None) => say!("back up {path}, and keep the files of the older keys: {KEPT}"),
        (Purpose::Master, Some(_)) => {
            say!("take the older keys out of {}; keep them with backups made until now", kept.variable)
        }
        (Purpose::Master, None) => say!(
            "back up {path}; `clientela secrets forget-old` deletes the older keys, which backups made until now still need"
        ),
    }
}

const KEPT: &str = "requests made under them are recognised by them when they are sent again";

/// Works beside the log, which does not open while all keys are lost.
async fn accept_loss(settings: &Settings, yes: bool, output: Output) -> anyhow::Result<()> {
    require_data(settings)?;
    let secrets = Secrets::load_or_make(settings)?;
    let ground = compared(Ground::of_tool(settings).await?, &secrets).await?;
    let counting = async {
        let mut session = PgConnection::connect_with(&ground.database.options(Role::Engine)).await?;
        let lost = if yes { keys::accept_loss(&mut session).await? } else { keys::lost_subjects(&mut session).await? };
        session.close().await.map(|()| lost)
    };
    let lost = counting.await.context("the lost keys cannot be looked up");
    ground.stop().await;
    let lost = lost?;
    if output.json {
        let view = |(tenant, persons): &(TenantId, i64)| json!({"tenant": tenant, "persons": persons});
        return print_json(&json!({"accepted": yes, "lost": lost.iter().map(view).collect::<Vec<_>>()}));
    }
    match (lost.is_empty(), yes) {
        (true, _) => say!("no keys are lost"),
        (false, true) => say!(
            "{}: from now on they read as erased; rebuild the read models, which may still show them",
            counted(&lost)
        ),
        (false, false) => say!(
            "{}: their data can be read again only with the table from a backup; --yes goes on without",
            counted(&lost)
        ),
    }
}

/// How many persons' keys are lost, in words.
pub(crate) fn counted(lost: &[(TenantId, i64)]) -> String {
    let all = lost.iter().map(|(_, persons)| persons).sum::<i64>();
    let tenants = lost.iter().map(|(tenant, persons)| format!("{persons} of tenant {tenant}"));
    let persons = output::counted(all.unsigned_abs(), "person");
    format!("the keys of {persons} are lost ({})", tenants.collect::<Vec<_>>().join(", "))
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
