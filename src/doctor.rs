//! `clientela doctor`: looks at this machine, part by part, and says what to do. Changes nothing, starts nothing.

use crate::client::{Client, ServerAddress};
use crate::config::{CommonFlags, Settings, settings, without_password};
use crate::output::{NOT_WELL, print_json, say, well_or};
use crate::secrets::command::counted;
use chrono::{DateTime, Utc};
use commands::{Clock, SystemClock};
use serde::Serialize;
use sqlx::{Connection, Executor, PgConnection};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;
use store::postgres::embedded::{self, EmbeddedConfig, SUPERUSER};
use store::postgres::keys::{self, Purpose};
use store::postgres::{Database, Role};
use store::scrubs::{self, ScrubRecord, Standing};

/// What `doctor` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    server: ServerAddress,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// How a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Ok,
    Warn,
    Fail,
}

/// One part that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    part: &'static str,
    state: State,
    /// What was found, and what to do about it.
    says: String,
}

/// Less free space than this stops a database soon.
const FREE_MIB_MIN: u64 = 512;
/// Less than this is worth a thought.
const FREE_MIB_GOOD: u64 = 5_120;
/// Clocks that are further apart confuse business dates.
const SKEW_MS_MAX: i64 = 2_000;
const POSTGRESQL_MIN: u32 = 15;
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) async fn run(common: &CommonFlags, args: Args) -> anyhow::Result<ExitCode> {
    let settings = settings(common)?;
    let mut findings = Vec::new();
    if settings.database_url.is_none() {
        findings.push(programs());
        findings.push(setpriv());
    }
    findings.push(data_folder(&settings));
    findings.push(secrets(&settings));
    findings.push(disk(&settings));
    findings.extend(database(&settings).await);
    findings.push(server(&settings, &args.server).await);
    let is_well = findings.iter().all(|finding| finding.state != State::Fail);
    match args.json {
        true => print_json(&findings)?,
        false => findings.iter().try_for_each(print)?,
    }
    Ok(well_or(is_well, NOT_WELL))
}

fn print(finding: &Finding) -> anyhow::Result<()> {
    let word = match finding.state {
        State::Ok => "ok  ",
        State::Warn => "warn",
        State::Fail => "FAIL",
    };
    say!("{word}  {:<12} {}", finding.part, finding.says)
}

impl Finding {
    fn ok(part: &'static str, says: impl Into<String>) -> Self {
        Self { part, state: State::Ok, says: says.into() }
    }

    fn warn(part: &'static str, says: impl Into<String>) -> Self {
        Self { part, state: State::Warn, says: says.into() }
    }

    fn fail(part: &'static str, says: impl Into<String>) -> Self {
        Self { part, state: State::Fail, says: says.into() }
    }
}

/// Whether a private PostgreSQL could be run.
fn programs() -> Finding {
    const PART: &str = "postgresql";
    let named = std::env::var_os("CLIENTELA_POSTGRES_BIN").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let installed = || {
        let majors = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        majors.map(|entry| entry.path().join("bin")).collect::<Vec<_>>()
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = named.map_or_else(
        || installed().into_iter().chain(std::env::split_paths(&path)).collect::<Vec<_>>(),
        |named| vec![named],
    );
    let found = folders.iter().filter_map(|folder| Some((major(folder)?, folder)));
    // Of equal ones the first, which is also the one that is used.
    let found = found.reduce(|best, other| if other.0 > best.0 { other } else { best });
    match found {
        Some((major, folder)) if major >= POSTGRESQL_MIN => {
            Finding::ok(PART, format!("version {major} in {}", folder.display()))
        }
        Some((major, folder)) => Finding::fail(
            PART,
            format!(
                "{} is version {major}; {POSTGRESQL_MIN} or newer is needed: install `postgresql`",
                folder.display()
            ),
        ),
        None => Finding::fail(
            PART,
            "none is installed: run `sudo apt-get install postgresql`, set CLIENTELA_POSTGRES_BIN, or set DATABASE_URL",
        ),
    }
}

fn major(folder: &Path) -> Option<u32> {
    let is_whole = folder.join("initdb").exists();
    let output = Command::new(folder.join("postgres")).arg("-V").output().ok().filter(|_| is_whole)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let number = text.split_once("(PostgreSQL) ")?.1;
    number.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok()
}

fn setpriv() -> Finding {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut programs = std::env::split_paths(&path).chain(["/usr/bin".into(), "/bin".into()]);
    match programs.any(|folder| folder.join("setpriv").is_file()) {
        true => Finding::ok("setpriv", "is there"),
        false => Finding::fail("setpriv", "is missing: run `sudo apt-get install util-linux`"),
    }
}

fn data_folder(settings: &Settings) -> Finding {
    const PART: &str = "data folder";
    let folder = &settings.data_dir;
    let shown = folder.display();
    if !folder.exists() {
        let above = folder.ancestors().skip(1).find(|above| above.exists()).unwrap_or(Path::new("/"));
        return match is_writable(above) {
            true => Finding::ok(PART, format!("{shown} will be made at the first start")),
            false => Finding::fail(
                PART,
                format!("{shown} cannot be made: choose another with --data-dir, or run as its owner"),
            ),
        };
    }
    match is_writable(folder) {
        true => Finding::ok(PART, shown.to_string()),
        false => Finding::fail(
            PART,
            format!("{shown} cannot be written to: run as its owner, or choose another with --data-dir"),
        ),
    }
}

fn is_writable(path: &Path) -> bool {
    nix::unistd::access(path, nix::unistd::AccessFlags::W_OK).is_ok()
}

fn secrets(settings: &Settings) -> Finding {
    const PART: &str = "secrets";
    let folder = settings.data_dir.join("secrets");
    let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let keys: Vec<_> = entries.filter(|path| path.extension().is_some_and(|extension| extension == "key")).collect();
    let admin = settings.admin_key_file();
    let open = keys
        .iter()
        .chain([&folder, &admin])
        .filter(|path| path.metadata().is_ok_and(|found| found.permissions().mode() & 0o077 != 0));
    let open: Vec<_> = open.map(|path| path.display().to_string()).collect();
    match (open.is_empty(), !keys.is_empty() || settings.master_key.is_some()) {
        (false, _) => Finding::fail(PART, format!("others may read {0}: run `chmod go= {0}`", open.join(" "))),
        (true, true) => Finding::ok(PART, "for their owner only; are they in your backup?"),
        (true, false) => Finding::ok(PART, "will be made at the first start"),
    }
}

/// Which keys the data is written with.
async fn keys_in_use(connection: &mut PgConnection) -> Finding {
    const PART: &str = "keys";
    let (mut says, mut is_unfinished) = (Vec::new(), false);
    for purpose in Purpose::ALL {
        let known = match keys::known(&mut *connection, purpose).await {
            Ok(known) => known,
            Err(error) => return Finding::warn(PART, format!("cannot be looked at: {error}")),
        };
        let Some(newest) = known.first() else { continue };
        let needed: Vec<_> = known.iter().skip(1).filter(|key| !key.is_retired).map(|key| key.version).collect();
        is_unfinished |= !needed.is_empty();
        let older = match needed.is_empty() {
            true => String::new(),
            false => format!(" (and {needed:?}: run `clientela secrets rotate-{}` to the end)", purpose.name()),
        };
        says.push(format!("{} {}{older}", purpose.name(), newest.version));
    }
    match (says.is_empty(), is_unfinished) {
        (true, _) => Finding::ok(PART, "nothing has been written yet"),
        (false, false) => Finding::ok(PART, format!("in use are {}", says.join(", "))),
        (false, true) => Finding::warn(PART, format!("a rotation is unfinished: in use are {}", says.join(", "))),
    }
}

/// Whether somebody's data can be read by nobody any more. Looks at the whole log.
async fn lost_keys(connection: &mut PgConnection) -> Finding {
    const PART: &str = "lost keys";
    let counting = async {
        connection.execute("set statement_timeout = '60s'").await?;
        keys::lost_subjects(connection).await
    };
    match counting.await {
        Ok(lost) if lost.is_empty() => Finding::ok(PART, "none: whoever has sealed events has a key, or is erased"),
        Ok(lost) => Finding::fail(
            PART,
            format!("{}: put the table subject_keys back from a backup of the database", counted(&lost)),
        ),
        Err(error) => Finding::warn(PART, format!("cannot be counted: {error}")),
    }
}

fn disk(settings: &Settings) -> Finding {
    const PART: &str = "disk";
    let folder = settings.data_dir.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
    let Ok(found) = nix::sys::statvfs::statvfs(folder) else {
        return Finding::warn(PART, format!("the free space of {} is not known", folder.display()));
    };
    let mebibytes = found.blocks_available() * found.fragment_size() / (1 << 20);
    let says = format!("{mebibytes} MiB are free");
    match mebibytes {
        ..FREE_MIB_MIN => Finding::fail(PART, format!("{says}: make room, or the database will refuse to write")),
        FREE_MIB_MIN..FREE_MIB_GOOD => Finding::warn(PART, format!("{says}: that is not much")),
        _ => Finding::ok(PART, says),
    }
}

async fn database(settings: &Settings) -> Vec<Finding> {
    const PART: &str = "database";
    let found = match &settings.database_url {
        Some(url) => Database::from_url(url).map(Some).map_err(|error| format!("{}: {error:#}", without_password(url))),
        None => attached(settings).await,
    };
    let database = match found {
        Ok(Some(database)) => database,
        Ok(None) => {
            return vec![Finding::ok(PART, "the private PostgreSQL is not running; `clientela serve` starts it")];
        }
        Err(reason) => return vec![Finding::fail(PART, reason)],
    };
    let options = database.options(Role::Engine);
    let connecting = PgConnection::connect_with(&options);
    let mut connection = match tokio::time::timeout(PATIENCE, connecting).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => {
            let says = format!(
                "cannot be used: {error}. Is it running, and is the login a member of the four roles? Run `clientela migrate` first"
            );
            return vec![Finding::fail(PART, says)];
        }
        Err(_) => return vec![Finding::fail(PART, "does not answer: are host and port right, and is it running?")],
    };
    let mut findings = vec![version(&mut connection).await, clocks(&mut connection).await];
    findings.push(match database.verify().await {
        Ok(()) => Finding::ok("roles", "no role bypasses row-level security; the schema is up to date"),
        Err(error) => Finding::fail("roles", error.to_string()),
    });
    findings.push(keys_in_use(&mut connection).await);
    findings.push(lost_keys(&mut connection).await);
    findings.push(scrubbed(&database).await);
    findings.push(analysts(&database, settings).await);
    findings.extend(pooler(settings, &mut connection).await);
    let _closed = connection.close().await; // it was only looked at
    findings
}

/// The private database, if a server runs it.
async fn attached(settings: &Settings) -> Result<Option<Database>, String> {
    let config = EmbeddedConfig::new(&settings.data_dir);
    let cluster = embedded::attach(&config).await.map_err(|error| error.to_string())?;
    Ok(cluster.map(|cluster| Database::with_role_logins(cluster.connect_options(SUPERUSER, "clientela"))))
}

async fn version(connection: &mut PgConnection) -> Finding {
    const PART: &str = "database";
    let number =
        sqlx::query_scalar::<_, String>("select current_setting('server_version_num')").fetch_one(connection).await;
    match number.map(|number| number.parse::<u32>().unwrap_or_default() / 10_000) {
        Ok(major) if major >= POSTGRESQL_MIN => Finding::ok(PART, format!("PostgreSQL {major} answers")),
        Ok(major) => Finding::fail(PART, format!("is PostgreSQL {major}; {POSTGRESQL_MIN} or newer is needed")),
        Err(error) => Finding::fail(PART, format!("does not answer: {error}")),
    }
}

async fn clocks(connection: &mut PgConnection) -> Finding {
    const PART: &str = "clocks";
    let theirs = sqlx::query_scalar::<_, DateTime<Utc>>("select clock_timestamp()").fetch_one(connection).await;
    match theirs.map(|theirs| (theirs - SystemClock.now()).num_milliseconds().abs()) {
        Ok(skew) if skew <= SKEW_MS_MAX => {
            Finding::ok(PART, format!("this machine and the database differ by {skew} ms"))
        }
        Ok(skew) => {
            Finding::warn(PART, format!("this machine and the database differ by {skew} ms: run an NTP client on both"))
        }
        Err(error) => Finding::warn(PART, format!("the database does not tell its time: {error}")),
    }
}

/// Whether bytes of the erased may still be in files.
async fn scrubbed(database: &Database) -> Finding {
    const PART: &str = "scrubbed";
    let pool = database.pool(Role::Engine, 1);
    let standing = scrubs::standing(&pool).await;
    pool.close().await;
    let Standing { last, erased_since } = match standing {
        Ok(standing) => standing,
        Err(error) => return Finding::warn(PART, format!("cannot be looked at: {error}")),
    };
    let since = match &last {
        Some(ScrubRecord { up_to, ended_at, .. }) => {
            format!("last at {} up to position {up_to}", ended_at.format("%Y-%m-%d %H:%M UTC"))
        }
        None => "never".to_owned(),
    };
    match (erased_since, last.filter(|last| !last.remains.is_empty())) {
        (..=0, None) => Finding::ok(PART, format!("{since}; nobody was erased since")),
        (1.., _) => {
            Finding::ok(PART, format!("{since}; {erased_since} erased since, whose bytes go with the next scrub"))
        }
        (_, Some(last)) => Finding::warn(PART, format!("{since}, but left to you is {}", last.remains.join("; "))),
    }
}

/// Whether this login can make logins for analysts.
async fn analysts(database: &Database, settings: &Settings) -> Finding {
    const PART: &str = "analysts";
    if settings.database_url.is_none() {
        return Finding::ok(
            PART,
            "`clientela tenant analyst` can make logins; the socket's folder decides who reaches it",
        );
    }
    let asked = async {
        let mut conn = PgConnection::connect_with(&database.admin_options()).await?;
        let sql = "select rolsuper or rolcreaterole from pg_roles where rolname = current_user";
        let may: bool = sqlx::query_scalar(sql).fetch_one(&mut conn).await?;
        conn.close().await.map(|()| may)
    };
    match asked.await {
        Ok(true) => Finding::ok(PART, "`clientela tenant analyst` can make logins with this DATABASE_URL"),
        Ok(false) => Finding::ok(PART, "for `clientela tenant analyst` give a DATABASE_URL whose login has CREATEROLE"),
        Err(error) => Finding::warn(PART, format!("cannot be looked at: {error}")),
    }
}

/// A transaction pooler hands each transaction to another session: LISTEN and session settings are lost with it.
async fn pooler(settings: &Settings, connection: &mut PgConnection) -> Option<Finding> {
    const PART: &str = "pooler";
    settings.database_url.as_ref()?;
    let mut sessions = Vec::new();
    for _ in 0..5 {
        let session = sqlx::query_scalar::<_, i32>("select pg_backend_pid()").fetch_one(&mut *connection).await;
        sessions.extend(session.ok());
    }
    sessions.dedup();
    let is_usual_port = settings.database_url.as_deref().is_some_and(|url| url.contains(":6432"));
    Some(match (sessions.len(), is_usual_port) {
        (1, false) => Finding::ok(PART, "none seen"),
        (1, true) => {
            Finding::warn(PART, "port 6432 is PgBouncer's: if it pools by transaction, use the database's own port")
        }
        _ => Finding::fail(PART, "sessions change: a transaction pooler is in between; use the database's own port"),
    })
}

async fn server(settings: &Settings, address: &ServerAddress) -> Finding {
    const PART: &str = "server";
    let listen = settings.listen;
    let is_free = std::net::TcpListener::bind(listen).is_ok();
    let client = match Client::new(settings, address) {
        Ok(client) => client,
        Err(_) if is_free => return Finding::ok(PART, format!("not running; {listen} is free")),
        Err(error) => return Finding::warn(PART, format!("{listen} is in use, and {error}")),
    };
    match client.get("/health").await {
        Ok(answer) if answer.body["status"] == "degraded" => {
            Finding::warn(PART, format!("{} is degraded; `clientela status` says why", client.url()))
        }
        Ok(answer) => {
            Finding::ok(PART, format!("{} is {}", client.url(), answer.body["status"].as_str().unwrap_or("up")))
        }
        Err(_) if is_free => Finding::ok(PART, format!("not running; {listen} is free")),
        Err(error) => Finding::fail(PART, format!("{listen} is in use, but: {error}")),
    }
}
