//! The real server as a process of its own, with all that belongs to it in a folder of its own.

use crate::client::Caller;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use std::fs::{self, File, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};
use store::postgres::embedded::{EmbeddedConfig, SUPERUSER, attach};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(10);

/// A server.
#[derive(Debug)]
pub(crate) struct Server {
    process: Option<Child>,
    folder: TempDir,
    port: u16,
    environment: Vec<(String, String)>,
}

impl Server {
    /// One on a private PostgreSQL in a new folder; not started yet.
    pub(crate) fn new() -> Self {
        Self::with(Vec::new())
    }

    /// One with these variables in its environment; not started yet.
    pub(crate) fn with(environment: Vec<(String, String)>) -> Self {
        let folder = tempfile::Builder::new().prefix("chaos-").tempdir().expect("a folder");
        // The user that runs PostgreSQL must be able to walk through it.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o711)).expect("its mode");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("it has an address").port();
        Self { process: None, folder, port, environment }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// All that belongs to it, its log too.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Starts it; returns at once.
    pub(crate) fn launch(&mut self) {
        let log = File::options().create(true).append(true).open(self.log_file()).expect("the log opens");
        let mut command = command();
        command.args(["serve", "--port", &self.port.to_string()]).arg("--data-dir").arg(self.data());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdout(log.try_clone().expect("a second handle")).stderr(log);
        self.process = Some(command.spawn().expect("the server starts"));
    }

    /// Starts it and waits until it is ready; says how long that took.
    pub(crate) async fn start(&mut self) -> Duration {
        self.launch();
        self.ready().await
    }

    /// Waits until it is ready; says how long that took.
    pub(crate) async fn ready(&mut self) -> Duration {
        let (began, caller) = (Instant::now(), Caller::new(self.port, ""));
        while !caller.is_ready().await {
            let ended = self.process.as_mut().and_then(|process| process.try_wait().expect("its state"));
            assert!(ended.is_none(), "the server ended by itself: {ended:?}\n{}", self.last_words());
            assert!(began.elapsed() < PATIENCE, "the server is not ready\n{}", self.last_words());
            tokio::time::sleep(POLL).await;
        }
        began.elapsed()
    }

    /// Ends it with SIGKILL.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("it can be killed");
            process.wait().expect("it has ended");
        }
    }

    /// Ends it with SIGTERM, and waits until it has.
    pub(crate) fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let pid = Pid::from_raw(i32::try_from(process.id()).expect("a pid"));
            kill(pid, Signal::SIGTERM).expect("the signal is sent");
            process.wait().expect("it has ended");
        }
    }

    /// Ends the first process of its PostgreSQL with SIGKILL.
    pub(crate) fn kill_postgres(&self) {
        if let Some(pid) = self.postmaster() {
            // It may have ended a moment ago.
            let _sent = kill(pid, Signal::SIGKILL);
        }
    }

    /// Ends one of the other processes of its PostgreSQL with SIGKILL.
    pub(crate) fn kill_backend(&self, choice: u64) {
        let postmaster = self.postmaster();
        let backends: Vec<Pid> = self.postgres().into_iter().filter(|pid| Some(*pid) != postmaster).collect();
        if !backends.is_empty() {
            let index = usize::try_from(choice).expect("it fits") % backends.len();
            let _sent = kill(backends[index], Signal::SIGKILL);
        }
    }

    /// A caller with the administrator's key.
    pub(crate) fn caller(&self) -> Caller {
        Caller::new(self.port, &self.key())
    }

    /// The same, with somebody who gives the credit that the administrator asks for. The server must run.
    pub(crate) fn caller_with_manager(&self) -> Caller {
        let words = ["key", "create", "manager", "--scope", "credit:approve", "--json"];
        let mut command = command();
        command.args(words).arg("--data-dir").arg(self.data());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let made = command.output().expect("the program runs");
        assert!(made.status.success(), "no key for a manager: {}", String::from_utf8_lossy(&made.stderr));
        let told: serde_json::Value = serde_json::from_slice(&made.stdout).expect("JSON");
        self.caller().with_manager(told["key"].as_str().expect("a key"))
    }

    /// The administrator's key.
    pub(crate) fn key(&self) -> String {
        let key = fs::read_to_string(self.data().join("admin.key")).expect("the first start leaves a key");
        key.trim().to_owned()
    }

    /// How to look into its private database as superuser.
    pub(crate) async fn superuser(&self) -> PgConnectOptions {
        let cluster = attach(&EmbeddedConfig::new(self.data())).await.expect("the cluster is found");
        let cluster = cluster.expect("the cluster runs");
        let mut admin =
            PgConnection::connect_with(&cluster.connect_options(SUPERUSER, "postgres")).await.expect("admin");
        let sql = "select datname from pg_database where not datistemplate and datname <> 'postgres'";
        let name: String = sqlx::query_scalar(sql).fetch_one(&mut admin).await.expect("it has a database");
        admin.close().await.expect("a clean end");
        cluster.connect_options(SUPERUSER, &name)
    }

    fn postmaster(&self) -> Option<Pid> {
        let file = fs::read_to_string(self.cluster().join("postmaster.pid")).ok()?;
        file.lines().next()?.parse().ok().map(Pid::from_raw)
    }

    /// All processes of its PostgreSQL: each has the cluster as its working folder.
    fn postgres(&self) -> Vec<Pid> {
        let Ok(cluster) = self.cluster().canonicalize() else { return Vec::new() };
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let works_here = |process: &Path| fs::read_link(process.join("cwd")).is_ok_and(|folder| folder == cluster);
        let processes = entries.filter(|entry| works_here(&entry.path()));
        processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok().map(Pid::from_raw)).collect()
    }

    fn cluster(&self) -> PathBuf {
        self.data().join("postgres/data")
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }

    fn last_words(&self) -> String {
        let log = fs::read_to_string(self.log_file()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the server's last words:\n{}", self.last_words());
        }
        self.kill();
        // PostgreSQL ends by itself when its server has; the folder must not go before.
        let began = Instant::now();
        while !self.postgres().is_empty() && began.elapsed() < PATIENCE {
            std::thread::sleep(POLL);
        }
    }
}

/// The program, with nothing of this process's own configuration.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clientela"));
    let ours = std::env::vars().map(|(name, _)| name);
    for name in ours.filter(|name| name.starts_with("CLIENTELA_") && !name.starts_with("CLIENTELA_POSTGRES_")) {
        command.env_remove(name);
    }
    command.env_remove("DATABASE_URL").env_remove("POSTGRES_URL");
    command
}
