//! The real program with a private PostgreSQL in a folder that is thrown away, as a user starts it.

use anyhow::Context;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A replay of a million events may take so long.
const PATIENCE: Duration = Duration::from_secs(900);
const ROWS_A_REQUEST: u64 = 1_000;

pub(crate) struct Program {
    folder: TempDir,
    http: reqwest::Client,
    settings: Vec<(&'static str, String)>,
    running: Option<Running>,
}

struct Running {
    process: Child,
    address: SocketAddr,
}

/// How long a start took.
pub(crate) struct Started {
    /// From the start of the process to the first `/health/ready` that says so.
    pub(crate) whole: Duration,
    /// The part of it that the private PostgreSQL took.
    pub(crate) database: Duration,
}

impl Program {
    /// One that is not running yet, with these variables in its environment.
    pub(crate) fn new(settings: Vec<(&'static str, String)>) -> anyhow::Result<Self> {
        // PostgreSQL runs as another user when this process is root: it must be able to walk in.
        let permissions = Permissions::from_mode(0o711);
        let folder = tempfile::Builder::new().prefix("clientela-bench-").permissions(permissions).tempdir()?;
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).tls_backend_preconfigured(believes_nobody());
        let http = http.build()?;
        Ok(Self { folder, http, settings, running: None })
    }

    /// Starts it and waits until it is ready.
    pub(crate) async fn start(&mut self) -> anyhow::Result<Started> {
        let begun = Instant::now();
        let mut command = Command::new(env!("CARGO_BIN_EXE_clientela"));
        command.args(["serve", "--port", "0", "--data-dir"]).arg(self.folder.path().join("data"));
        command.envs(self.settings.iter().cloned()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().context("the program does not start")?;
        let screen = BufReader::new(process.stdout.take().context("its screen is piped")?);
        let (address, database) = told(screen)?;
        self.running = Some(Running { process, address });
        while !self.http.get(self.url("/health/ready")?).send().await?.status().is_success() {
            anyhow::ensure!(begun.elapsed() < PATIENCE, "it is not ready");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(Started { whole: begun.elapsed(), database })
    }

    /// Imports purchases until the log has so many events, and waits until all of them are projected.
    pub(crate) async fn fill(&self, events: i64) -> anyhow::Result<()> {
        let mut row = 0;
        loop {
            let rows: Vec<Value> = (row..row + ROWS_A_REQUEST).map(purchase).collect();
            row += ROWS_A_REQUEST;
            let body = json!({"system": "till", "currency": "EUR", "rows": rows, "now": "1998-06-30"});
            let position = self.posted("/v1/imports/purchases", &body).await?;
            if position >= events {
                return self.projected(position).await;
            }
        }
    }

    /// Waits until a read model has a position.
    async fn projected(&self, position: i64) -> anyhow::Result<()> {
        let begun = Instant::now();
        loop {
            let ask = self.http.get(self.url("/health")?).bearer_auth(self.key()?);
            let health: Value = ask.send().await?.json().await?;
            let projectors = health["components"]["projectors"].as_array().context("the projectors")?;
            if projectors.iter().all(|projector| projector["position"].as_i64() >= Some(position)) {
                return Ok(());
            }
            anyhow::ensure!(begun.elapsed() < PATIENCE, "the projectors are late: {health}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// What a POST with this body answers: the position.
    pub(crate) async fn posted(&self, path: &str, body: &Value) -> anyhow::Result<i64> {
        let answer = self.asked(path, body).await?;
        let position = answer.headers().get("x-position").and_then(|value| value.to_str().ok()?.parse().ok());
        let (status, text) = (answer.status(), answer.text().await?);
        anyhow::ensure!(status.is_success(), "{path}: {status} {text}");
        position.context("an answer without a position")
    }

    /// An answer to a POST, to be read as it comes.
    pub(crate) async fn asked(&self, path: &str, body: &Value) -> anyhow::Result<reqwest::Response> {
        Ok(self.http.post(self.url(path)?).bearer_auth(self.key()?).json(body).send().await?)
    }

    pub(crate) fn address(&self) -> anyhow::Result<SocketAddr> {
        Ok(self.running.as_ref().context("it runs")?.address)
    }

    pub(crate) fn key(&self) -> anyhow::Result<Arc<str>> {
        Ok(fs::read_to_string(self.folder.path().join("data/admin.key"))?.trim().into())
    }

    /// What its process has in memory, without its PostgreSQL.
    pub(crate) fn resident_bytes(&self) -> anyhow::Result<u64> {
        let process = &self.running.as_ref().context("it runs")?.process;
        resident_bytes(&process.id().to_string())
    }

    /// Stops it as Ctrl-C does.
    pub(crate) fn stop(&mut self) -> anyhow::Result<()> {
        let Some(mut running) = self.running.take() else { return Ok(()) };
        kill(Pid::from_raw(i32::try_from(running.process.id())?), Signal::SIGTERM)?;
        running.process.wait()?;
        Ok(())
    }

    fn url(&self, path: &str) -> anyhow::Result<String> {
        Ok(format!("http://{}{path}", self.address()?))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // A bench that failed must not leave it running; there is nobody to tell that it could not be stopped.
        let _ = self.stop();
    }
}

/// What a process (or `self`) has in memory.
pub(crate) fn resident_bytes(process: &str) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").trim().parse()?;
    Ok(kilobytes * 1024)
}

/// The address that a starting server tells, and how long its database took. The rest of its screen is read and left.
fn told(screen: BufReader<impl std::io::Read + Send + 'static>) -> anyhow::Result<(SocketAddr, Duration)> {
    let mut lines = screen.lines();
    let mut address = None;
    for line in lines.by_ref() {
        let line = line?;
        if let Some((_, url)) = line.split_once("address    http://") {
            address = Some(url.trim().parse()?);
        }
        if let (Some(address), Some((_, timings))) = (address, line.split_once("started    in ")) {
            std::thread::spawn(move || lines.for_each(drop));
            return Ok((address, database_part(timings)));
        }
    }
    anyhow::bail!("the server did not start")
}

/// Of `1.20 s (database 0.90 s, …)`.
fn database_part(timings: &str) -> Duration {
    let part = timings.split_once("database ").and_then(|(_, rest)| rest.split([' ', ',', ')']).next()?.parse().ok());
    Duration::from_secs_f64(part.unwrap_or_default())
}

fn purchase(row: u64) -> Value {
    let customer = format!("customer {}", row % 20_000);
    json!({"row": row, "customer": customer, "key": format!("k-{row}"), "total": "20.00", "on": "1998-01-01"})
}

/// Servers of this machine need no TLS.
fn believes_nobody() -> ClientConfig {
    ClientConfig::builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth()
}
