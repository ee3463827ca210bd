//! The private PostgreSQL against everything that can end a process: real clusters, real signals.
//!
//! Each test has a data folder of its own with the settings of production. The "app" that is killed
//! is this test binary, started again as [`the_app_that_is_killed`]. What needs a second user of the
//! operating system runs as root only and says so.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::{Connection, Executor, PgConnection};
use store::postgres::embedded::{self, EmbeddedConfig, EmbeddedError, EmbeddedPostgres, SUPERUSER, Status};
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal as signal_stream};

/// Names the data folder for the app; unset in a test run.
const APP_FOLDER: &str = "CLIENTELA_TEST_APP_FOLDER";
/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_cluster_is_made_once_and_keeps_its_data() {
    let folder = folder();
    let begun = Instant::now();
    let postgres = start(&folder).await;
    println!("cold start: {:?}", begun.elapsed());
    write(&postgres, "kept").await;
    let begun = Instant::now();
    postgres.stop().await;
    println!("stop: {:?}", begun.elapsed());

    let begun = Instant::now();
    let postgres = start(&folder).await;
    println!("warm start: {:?}", begun.elapsed());
    assert_eq!(read(&postgres).await, ["kept"]);
}

#[tokio::test]
async fn the_cluster_is_durable_and_private() {
    let folder = folder();
    let postgres = start(&folder).await;
    let mut connection = connect(&postgres).await;
    let expected = [
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("data_checksums", "on"),
        ("listen_addresses", ""),
        ("server_encoding", "UTF8"),
        ("log_min_error_statement", "panic"),
        ("log_error_verbosity", "terse"),
    ];
    for (name, value) in expected {
        let shown: String =
            sqlx::query_scalar("SELECT current_setting($1)").bind(name).fetch_one(&mut connection).await.unwrap();
        assert_eq!(shown, value, "{name}");
    }
    let lower: String = sqlx::query_scalar("SELECT lower('ÑANDÚ')").fetch_one(&mut connection).await.unwrap();
    assert_eq!(lower, "ñandú");
    let collation: String =
        sqlx::query_scalar("SELECT datcollate::text FROM pg_database WHERE datname = current_database()")
            .fetch_one(&mut connection)
            .await
            .unwrap();
    assert_eq!(collation, "C");
    assert_eq!(postgres.socket_dir().metadata().unwrap().mode() & 0o777, 0o700);
    assert_ne!(owner_of_process(postgres.pid().unwrap()), 0, "PostgreSQL runs as root");
}

#[tokio::test]
async fn no_value_of_a_statement_reaches_the_log() {
    let folder = folder();
    let postgres = start(&folder).await;
    write(&postgres, "first").await;
    let mut connection = connect(&postgres).await;
    connection.execute("CREATE UNIQUE INDEX ON notes (text)").await.unwrap();
    for statement in ["INSERT INTO notes VALUES ('first')", "SELECT 'secret'::int", "SELEKT 'secret'"] {
        connection.execute(statement).await.unwrap_err();
    }
    sqlx::query("SELECT $1::int").bind("secret").execute(&mut connection).await.unwrap_err();
    connection.close().await.unwrap();
    postgres.stop().await;
    let log = log(&folder);
    assert!(log.contains("database system is shut down"), "{log}");
    assert!(!log.contains("secret") && !log.contains("first") && !log.contains("notes"), "{log}");
}

#[tokio::test]
async fn an_operators_own_settings_win() {
    let folder = folder();
    start(&folder).await.stop().await;
    let own = cluster(&folder).join("local.conf");
    fs::write(&own, "work_mem = '7MB'\n").unwrap();
    fs::set_permissions(&own, fs::Permissions::from_mode(0o644)).unwrap();
    let postgres = start(&folder).await;
    let shown: String = sqlx::query_scalar("SELECT current_setting('work_mem')")
        .fetch_one(&mut connect(&postgres).await)
        .await
        .unwrap();
    assert_eq!(shown, "7MB");
}

#[tokio::test]
async fn a_killed_postmaster_is_started_again_and_pools_reconnect() {
    let folder = folder();
    let postgres = start(&folder).await;
    write(&postgres, "kept").await;
    let pool = pool(&postgres).await;
    let busy = pool.clone();
    let busy = tokio::spawn(async move { busy.execute("SELECT pg_sleep(600)").await });
    let first = postgres.pid().unwrap();

    signal(first, Signal::SIGKILL);
    let mut status = postgres.status();
    let up_again = |status: &Status| matches!(status, Status::Ready { pid } if *pid != first);
    tokio::time::timeout(PATIENCE, status.wait_for(up_again)).await.unwrap().unwrap();

    assert!(busy.await.unwrap().is_err(), "the statement of the killed server ended");
    assert_eq!(read_from(&pool).await, ["kept"]);
    postgres.stop().await;
    assert!(processes_in(&cluster(&folder)).is_empty());
}

#[tokio::test]
async fn the_end_of_a_postmaster_is_seen() {
    let folder = folder();
    let postgres = start(&folder).await;
    signal(postgres.pid().unwrap(), Signal::SIGKILL);
    tokio::time::timeout(PATIENCE, postgres.wait_exit()).await.unwrap();
}

#[tokio::test]
async fn postgres_stops_cleanly_when_the_app_is_killed() {
    let folder = folder();
    let app = App::start(&folder);
    app.kill();
    eventually("PostgreSQL ends with its app", || processes_in(&cluster(&folder)).is_empty());
    assert!(log(&folder).trim_end().ends_with("database system is shut down"), "{}", log(&folder));
    assert_eq!(read(&start(&folder).await).await, ["from the app"]);
}

#[tokio::test]
async fn a_start_right_after_the_app_was_killed_waits_for_the_old_postgres() {
    let folder = folder();
    let app = App::start(&folder);
    app.kill();
    assert_eq!(read(&start(&folder).await).await, ["from the app"]);
}

#[tokio::test]
async fn data_survives_a_kill_of_both() {
    let folder = folder();
    let app = App::start(&folder);
    // A backend at work does not notice at once that its postmaster is gone.
    let mut busy = Command::new("setpriv")
        .args(identity(&folder))
        .args([find_program("psql").as_os_str(), "-h".as_ref(), app.socket_dir.as_os_str()])
        .args(["-U", SUPERUSER, "-c", "SELECT count(*) FROM generate_series(1, 1000000000)"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let at_work =
        |pid: &u32| fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|title| title.contains("SELECT"));
    eventually("the statement runs", || processes_in(&cluster(&folder)).iter().any(at_work));
    signal(app.postmaster, Signal::SIGKILL);
    app.kill();

    let begun = Instant::now();
    let postgres = start(&folder).await;
    println!("recovery after a kill of both: {:?}", begun.elapsed());
    assert_eq!(read(&postgres).await, ["from the app"]);
    busy.wait().unwrap();
}

#[tokio::test]
async fn a_stale_pid_file_that_names_a_live_process_does_not_block_a_start() {
    let folder = crashed().await;
    // Somebody of the same user, so that PostgreSQL itself would believe it to be an instance.
    let mut stranger = Command::new("setpriv").args(identity(&folder)).args(["sleep", "600"]).spawn().unwrap();
    rewrite_pid_files(&folder, &stranger.id().to_string());

    assert_eq!(read(&start(&folder).await).await, ["kept"]);
    assert!(stranger.try_wait().unwrap().is_none(), "the stranger lives on");
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[tokio::test]
async fn a_pid_file_that_names_a_zombie_does_not_block_a_start() {
    let folder = crashed().await;
    let mut zombie = Command::new("setpriv").args(identity(&folder)).args(["sleep", "600"]).spawn().unwrap();
    zombie.kill().unwrap();
    rewrite_pid_files(&folder, &zombie.id().to_string());

    assert_eq!(read(&start(&folder).await).await, ["kept"]);
    zombie.wait().unwrap();
}

#[tokio::test]
async fn an_empty_pid_file_does_not_block_a_start() {
    let folder = crashed().await;
    rewrite_pid_files(&folder, "");
    assert_eq!(read(&start(&folder).await).await, ["kept"]);
}

#[tokio::test]
async fn a_kill_during_initdb_leaves_nothing_that_is_taken_for_a_cluster() {
    let folder = folder();
    let mut app = App::spawn(&folder);
    let unfinished = folder.path().join("postgres/data.unfinished");
    eventually("initdb is at work", || unfinished.join("global").exists());
    signal(app.id(), Signal::SIGKILL);
    for pid in processes_in(&unfinished) {
        // It may be ending by itself, as its app is gone.
        let _sent = kill(pid_of(pid), Signal::SIGKILL);
    }
    app.wait().unwrap();
    assert!(unfinished.exists() && !cluster(&folder).exists());

    let postgres = start(&folder).await;
    write(&postgres, "made anew").await;
    assert_eq!(read(&postgres).await, ["made anew"]);
    assert!(!unfinished.exists());
}

#[tokio::test]
async fn a_folder_that_holds_something_else_is_left_alone() {
    let folder = folder();
    fs::create_dir_all(cluster(&folder)).unwrap();
    fs::write(cluster(&folder).join("letters.txt"), "mine").unwrap();
    let error = embedded::start(EmbeddedConfig::new(folder.path())).await.unwrap_err();
    assert!(matches!(error, EmbeddedError::NotACluster { .. }), "{error}");
    assert!(cluster(&folder).join("letters.txt").exists());
}

#[tokio::test]
async fn a_second_instance_is_refused_with_the_first_ones_pid() {
    let folder = folder();
    let app = App::start(&folder);
    let error = embedded::start(EmbeddedConfig::new(folder.path())).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{} is already in use by process {}: stop that one first, or choose another data folder with --data-dir",
            folder.path().display(),
            app.child.id()
        )
    );
}

#[tokio::test]
async fn tools_attach_to_a_running_server_or_start_their_own() {
    let folder = folder();
    let config = EmbeddedConfig::new(folder.path());
    assert!(embedded::attach(&config).await.unwrap().is_none());
    let app = App::start(&folder);

    let attached = embedded::attach(&config).await.unwrap().unwrap();
    assert_eq!((attached.server(), attached.socket_dir()), (app.child.id(), app.socket_dir.as_path()));
    PgConnection::connect_with(&attached.connect_options(SUPERUSER, "postgres")).await.unwrap();
    assert!(matches!(embedded::attach_or_start(config.clone()).await.unwrap(), embedded::Cluster::Attached(_)));

    app.kill();
    let own = embedded::attach_or_start(config).await.unwrap();
    assert!(matches!(own, embedded::Cluster::Own(_)));
    own.stop().await;
}

#[tokio::test]
async fn a_path_too_long_for_a_socket_gets_a_short_one() {
    let parent = folder();
    let long = parent.path().join("a".repeat(120));
    let postgres = embedded::start(EmbeddedConfig::new(&long)).await.unwrap();
    write(&postgres, "kept").await;
    let socket_dir = postgres.socket_dir().to_path_buf();
    assert!(!socket_dir.starts_with(&long));
    assert_eq!(socket_dir.metadata().unwrap().mode() & 0o777, 0o700);
    let attached = embedded::attach(&EmbeddedConfig::new(&long)).await.unwrap().unwrap();
    assert_eq!(attached.socket_dir(), socket_dir);
    postgres.stop().await;
    assert!(!socket_dir.exists(), "the short folder goes with the cluster");
}

#[tokio::test]
async fn sigint_to_the_app_stops_it_and_postgres() {
    let folder = folder();
    let mut app = App::start(&folder);
    signal(app.child.id(), Signal::SIGINT);
    assert!(app.child.wait().unwrap().success());
    assert!(processes_in(&cluster(&folder)).is_empty());
    assert!(log(&folder).contains("database system is shut down"));
}

#[tokio::test]
async fn ctrl_c_in_a_terminal_reaches_the_app_and_not_postgres() {
    let folder = folder();
    let app = App::start(&folder);
    let group = |pid: u32| nix::unistd::getpgid(Some(pid_of(pid))).unwrap();
    assert_ne!(group(app.child.id()), group(app.postmaster));
}

#[tokio::test]
async fn a_stop_while_starting_stops() {
    let folder = folder();
    let starting = embedded::start(EmbeddedConfig::new(folder.path()));
    assert!(tokio::time::timeout(Duration::from_millis(1), starting).await.is_err());
    assert!(processes_in(&cluster(&folder)).is_empty());
    start(&folder).await;
}

#[tokio::test]
async fn missing_programs_are_one_clear_line() {
    let folder = folder();
    let mut config = EmbeddedConfig::new(folder.path());
    config.binaries = Some("/nonexistent/bin".into());
    let error = embedded::start(config).await.unwrap_err().to_string();
    assert!(error.contains("apt-get install postgresql") && !error.contains('\n'), "{error}");
}

#[tokio::test]
async fn a_postgres_that_cannot_start_says_why() {
    let folder = folder();
    start(&folder).await.stop().await;
    let mut config = EmbeddedConfig::new(folder.path());
    config.settings = vec![("shared_buffers".into(), "many".into())];
    let error = embedded::start(config).await.unwrap_err().to_string();
    assert!(error.contains("invalid value for parameter \"shared_buffers\""), "{error}");
}

#[tokio::test]
async fn an_unknown_service_user_is_named() {
    if !geteuid().is_root() {
        return println!("skipped: only root needs a service user");
    }
    let folder = folder();
    let mut config = EmbeddedConfig::new(folder.path());
    config.service_user = Some("nobody-of-this-name".into());
    let error = embedded::start(config).await.unwrap_err();
    assert!(error.to_string().contains("nobody-of-this-name"), "{error}");
}

#[tokio::test]
async fn root_may_keep_its_data_where_the_service_user_cannot_go() {
    let folder = folder();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let postgres = start(&folder).await;
    write(&postgres, "kept").await;
    signal(postgres.pid().unwrap(), Signal::SIGKILL);
    drop(postgres);
    assert_eq!(read(&start(&folder).await).await, ["kept"]);
    assert_eq!(folder.path().metadata().unwrap().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn another_user_of_the_machine_cannot_connect() {
    if !geteuid().is_root() {
        return println!("skipped: only root can act as another user");
    }
    let folder = folder();
    let postgres = start(&folder).await;
    let connects = |user: &[&str]| {
        let mut psql = Command::new("setpriv");
        psql.args(user).arg(find_program("psql")).arg("-h").arg(postgres.socket_dir());
        psql.args(["-U", SUPERUSER, "-c", "SELECT 1"]).output().unwrap().status.success()
    };
    assert!(connects(&[]), "root may");
    assert!(!connects(&["--reuid=65534", "--regid=65534", "--clear-groups"]), "nobody may not");
}

/// Not a test: the process that the tests above kill. It runs a cluster until it gets SIGINT.
#[tokio::test]
async fn the_app_that_is_killed() {
    let Some(folder) = std::env::var_os(APP_FOLDER) else { return };
    let postgres = embedded::start(EmbeddedConfig::new(folder)).await.unwrap();
    // From here on, and not only once it is awaited.
    let mut interrupted = signal_stream(SignalKind::interrupt()).unwrap();
    write(&postgres, "from the app").await;
    println!("\nready {} {}", postgres.pid().unwrap(), postgres.socket_dir().display());
    interrupted.recv().await.unwrap();
    postgres.stop().await;
}

struct App {
    child: Child,
    postmaster: u32,
    socket_dir: PathBuf,
}

impl App {
    /// Starts the app and waits until its cluster is up.
    fn start(folder: &TempDir) -> Self {
        let mut child = Self::spawn(folder);
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let ready = lines.find_map(|line| Some(line.ok()?.strip_prefix("ready ")?.to_owned())).expect("the app starts");
        let (postmaster, socket_dir) = ready.split_once(' ').expect("pid and folder");
        // The rest of what it says must not fill the pipe.
        std::thread::spawn(move || lines.count());
        Self { child, postmaster: postmaster.parse().expect("a pid"), socket_dir: socket_dir.into() }
    }

    /// SIGKILL, and returns when the process is gone.
    fn kill(self) {
        drop(self);
    }

    fn spawn(folder: &TempDir) -> Child {
        let mut command = Command::new(std::env::current_exe().expect("this test binary"));
        command.args(["--exact", "the_app_that_is_killed", "--nocapture"]).env(APP_FOLDER, folder.path());
        command.stdout(Stdio::piped()).process_group(0).spawn().expect("the test binary starts again")
    }
}

impl Drop for App {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A data folder that the service user can reach, in a short path.
fn folder() -> TempDir {
    let mut builder = tempfile::Builder::new();
    builder.prefix("clientela-").permissions(fs::Permissions::from_mode(0o711));
    builder.tempdir_in("/tmp").expect("a temporary folder")
}

/// A data folder whose PostgreSQL and app were killed at once.
async fn crashed() -> TempDir {
    let folder = folder();
    let postgres = start(&folder).await;
    write(&postgres, "kept").await;
    let copies = pid_files(&folder).map(|path| (fs::read(&path).expect("a pid file"), path));
    postgres.stop().await;
    for (content, path) in copies {
        fs::write(&path, content).expect("the pid file is back");
    }
    folder
}

fn pid_files(folder: &TempDir) -> [PathBuf; 2] {
    [cluster(folder).join("postmaster.pid"), folder.path().join("postgres/run/.s.PGSQL.5432.lock")]
}

/// Puts another pid into what PostgreSQL left behind; nothing at all for an empty one.
fn rewrite_pid_files(folder: &TempDir, pid: &str) {
    for path in pid_files(folder) {
        let old = fs::read_to_string(&path).expect("a pid file");
        let rest = old.split_once('\n').expect("lines").1;
        let new = if pid.is_empty() { String::new() } else { format!("{pid}\n{rest}") };
        fs::write(&path, new).expect("the pid file is written");
    }
}

async fn start(folder: &TempDir) -> EmbeddedPostgres {
    embedded::start(EmbeddedConfig::new(folder.path())).await.expect("PostgreSQL starts")
}

async fn connect(postgres: &EmbeddedPostgres) -> PgConnection {
    let options = postgres.connect_options(SUPERUSER, "postgres");
    PgConnection::connect_with(&options).await.expect("a connection")
}

async fn pool(postgres: &EmbeddedPostgres) -> PgPool {
    let options = postgres.connect_options(SUPERUSER, "postgres");
    PgPoolOptions::new().max_connections(3).connect_with(options).await.expect("a pool")
}

async fn write(postgres: &EmbeddedPostgres, text: &str) {
    let mut connection = connect(postgres).await;
    connection.execute("CREATE TABLE IF NOT EXISTS notes (text text)").await.expect("a table");
    sqlx::query("INSERT INTO notes VALUES ($1)").bind(text).execute(&mut connection).await.expect("a row");
    connection.close().await.expect("a clean end");
}

async fn read(postgres: &EmbeddedPostgres) -> Vec<String> {
    read_from(&pool(postgres).await).await
}

async fn read_from(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar("SELECT text FROM notes ORDER BY text").fetch_all(pool).await.expect("the rows")
}

fn cluster(folder: &TempDir) -> PathBuf {
    folder.path().join("postgres/data")
}

fn log(folder: &TempDir) -> String {
    fs::read_to_string(folder.path().join("postgres/log/postgresql.log")).expect("the log")
}

/// Arguments of `setpriv` that make a program run as the owner of the cluster.
fn identity(folder: &TempDir) -> Vec<String> {
    let owner = cluster(folder).metadata().expect("the cluster").uid();
    if owner == geteuid().as_raw() {
        return vec!["--pdeathsig=KILL".into(), "--".into()];
    }
    vec![format!("--reuid={owner}"), "--clear-groups".into(), "--pdeathsig=KILL".into(), "--".into()]
}

fn find_program(name: &str) -> PathBuf {
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders = debian.map(|entry| entry.path().join("bin").join(name));
    folders.find(|program| program.exists()).unwrap_or_else(|| name.into())
}

/// Live processes whose working folder is this one.
fn processes_in(folder: &Path) -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let inside = entries.filter(|entry| fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd == folder));
    inside.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn owner_of_process(pid: u32) -> u32 {
    fs::metadata(format!("/proc/{pid}")).expect("the process").uid()
}

fn pid_of(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).expect("a pid"))
}

fn signal(pid: u32, signal: Signal) {
    kill(pid_of(pid), signal).expect("the process is there");
}

/// Waits for what the kernel does in its own time.
#[track_caller]
fn eventually(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
