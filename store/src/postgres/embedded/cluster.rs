//! The cluster on disk: made once, configured at each start, freed of what a crash left behind.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::binaries::{self, Binaries};
use super::error::{Context, EmbeddedError};
use super::folders::{Folders, socket_file};
use super::service_user::{End, Place, ServiceUser};
use super::{EmbeddedConfig, SUPERUSER, processes, settings};

/// A log longer than this is set aside at the next start.
const LOG_BYTES_MAX: u64 = 10 * 1024 * 1024;

/// Of a log, as much as an error message quotes.
const LOG_LINES_QUOTED: usize = 4;

/// All that is needed to make a cluster and to start it.
#[derive(Debug)]
pub(in crate::postgres) struct Blueprint {
    pub(in crate::postgres) folders: Folders,
    pub(in crate::postgres) socket_dir: PathBuf,
    user: ServiceUser,
    binaries: Binaries,
    settings: Vec<(String, String)>,
}

impl Blueprint {
    /// Decides who runs which programs where.
    pub(super) fn draw(config: &EmbeddedConfig, folders: Folders) -> Result<Self, EmbeddedError> {
        let cluster = folders.cluster();
        let user = ServiceUser::choose(config.service_user.as_deref(), &cluster)?;
        let made_by = made_by(&cluster)?;
        let binaries = binaries::find(config.binaries.as_deref(), made_by)?;
        if let Some(made_by) = made_by.filter(|&made_by| made_by != binaries.major) {
            let Binaries { folder: binaries, major: installed } = binaries;
            return Err(EmbeddedError::VersionMismatch { cluster, made_by, binaries, installed });
        }
        let socket_dir = folders.socket_dir(&user)?;
        Ok(Self { folders, socket_dir, user, binaries, settings: config.settings.clone() })
    }

    /// A new cluster in place of whatever was there, for those who keep nothing in it.
    pub(in crate::postgres) fn fresh(config: &EmbeddedConfig) -> Result<Self, EmbeddedError> {
        let folders = Folders::prepare(&config.data_dir)?;
        let cluster = folders.cluster();
        processes::end_leftovers(&cluster)?;
        if cluster.exists() {
            fs::remove_dir_all(&cluster).context("remove", &cluster)?;
        }
        let blueprint = Self::draw(config, folders)?;
        blueprint.make_cluster()?;
        blueprint.configure()?;
        blueprint.clear_leftovers()?;
        Ok(blueprint)
    }

    /// Makes the cluster unless it is there. It appears under its name only when it is complete.
    pub(super) fn make_cluster(&self) -> Result<bool, EmbeddedError> {
        let (cluster, unfinished) = (self.folders.cluster(), self.folders.unfinished_cluster());
        self.discard_unfinished(&unfinished)?;
        if made_by(&cluster)?.is_some() {
            return Ok(false);
        }
        fs::create_dir(&unfinished).context("make the folder", &unfinished)?;
        self.user.own(&unfinished)?;
        self.run_initdb(&unfinished)?;
        fs::rename(&unfinished, &cluster).context("put in place", &unfinished)?;
        self.folders.sync_home()?;
        Ok(true)
    }

    /// Writes `postgresql.conf` and `pg_hba.conf`.
    pub(super) fn configure(&self) -> Result<(), EmbeddedError> {
        let cluster = self.folders.cluster();
        let unreachable = Place::new(&cluster, &self.user).is_handed_over();
        // The server's working folder is the cluster, so this names the same folder.
        let relative = Path::new("../run");
        let socket_dir = if unreachable && self.folders.holds(&self.socket_dir) { relative } else { &self.socket_dir };
        let own = cluster.join("local.conf");
        if !own.exists() {
            self.write_file(&own, settings::OPERATORS_OWN)?;
        }
        let wal_compression = self.wal_compression();
        let configuration = settings::configuration(socket_dir, wal_compression, &self.settings);
        self.write_file(&cluster.join("postgresql.conf"), &configuration)?;
        self.write_file(&cluster.join("pg_hba.conf"), settings::HOST_BASED_AUTHENTICATION)
    }

    /// LZ4 where PostgreSQL was built with it: its own method took a sixth of the processor time of a rebuild.
    fn wal_compression(&self) -> &'static str {
        let cluster = self.folders.cluster();
        let place = Place::new(&cluster, &self.user);
        let mut command = self.user.command(self.binaries.postgres(), &place, End::WithThread("TERM"));
        command.arg("-D").arg(place.name()).args(["-C", "wal_compression", "-c", "wal_compression=lz4"]);
        match command.output() {
            Ok(output) if output.status.success() => "lz4",
            _ => "on",
        }
    }

    /// Ends processes of an earlier run and removes the files by which PostgreSQL would take a stranger
    /// for a running instance. The caller holds the instance lock.
    pub(super) fn clear_leftovers(&self) -> Result<(), EmbeddedError> {
        let cluster = self.folders.cluster();
        processes::end_leftovers(&cluster)?;
        let pid_file = cluster.join("postmaster.pid");
        if blocks_start(&pid_file) {
            tracing::warn!("removing a pid file that names no process of this cluster");
            remove_file(&pid_file)?;
        }
        let socket = socket_file(&self.socket_dir);
        remove_file(&socket.with_extension("5432.lock"))?;
        remove_file(&socket)
    }

    /// The command that becomes the postmaster. It stops when the thread that started it ends.
    pub(super) fn postmaster(&self) -> Result<Command, EmbeddedError> {
        let cluster = self.folders.cluster();
        let place = Place::new(&cluster, &self.user);
        let mut command = self.user.command(self.binaries.postgres(), &place, End::WithThread("INT"));
        command.arg("-D").arg(place.name());
        self.log_output(&mut command)?;
        Ok(command)
    }

    /// A command that becomes `program`, run by the cluster's owner, writes to its log and outlives this process.
    pub(in crate::postgres) fn companion(&self, program: &str) -> Result<Command, EmbeddedError> {
        let cluster = self.folders.cluster();
        let mut command = self.user.command(program, &Place::new(&cluster, &self.user), End::OnItsOwn);
        self.log_output(&mut command)?;
        Ok(command)
    }

    /// The program that becomes the postmaster.
    pub(in crate::postgres) fn postgres(&self) -> PathBuf {
        self.binaries.postgres()
    }

    /// Major version of the programs.
    pub(super) fn major(&self) -> u32 {
        self.binaries.major
    }

    /// Whether the postmaster with this pid accepts connections.
    pub(super) fn is_ready(&self, pid: u32) -> bool {
        let pid_file = fs::read_to_string(self.folders.cluster().join("postmaster.pid")).unwrap_or_default();
        let mut lines = pid_file.lines();
        lines.next() == Some(&pid.to_string())
            && lines.nth(6).map(str::trim_end) == Some("ready")
            && socket_file(&self.socket_dir).exists()
    }

    /// How long the log is now.
    pub(super) fn log_length(&self) -> u64 {
        fs::metadata(self.folders.log_file()).map_or(0, |log| log.len())
    }

    /// What the log says from `start` on, shortened for an error message.
    pub(in crate::postgres) fn log_since(&self, start: u64) -> String {
        let mut text = Vec::new();
        let read = File::open(self.folders.log_file()).and_then(|mut log| {
            log.seek(SeekFrom::Start(start))?;
            log.take(1 << 20).read_to_end(&mut text)
        });
        match read {
            Ok(_length) => last_lines(&String::from_utf8_lossy(&text)),
            Err(error) => format!("(unreadable: {error})"),
        }
    }

    fn discard_unfinished(&self, unfinished: &Path) -> Result<(), EmbeddedError> {
        if !unfinished.exists() {
            return Ok(());
        }
        tracing::warn!("an earlier start was interrupted while it made the cluster; making it anew");
        processes::end_leftovers(unfinished)?;
        fs::remove_dir_all(unfinished).context("remove", unfinished)
    }

    fn run_initdb(&self, cluster: &Path) -> Result<(), EmbeddedError> {
        let place = Place::new(cluster, &self.user);
        // Byte order for sorting, the same on every machine and version; letters as Unicode knows them.
        let locale = ["--encoding=UTF8", "--locale=C", "--lc-ctype=C.UTF-8"];
        let mut command = self.user.command(self.binaries.initdb(), &place, End::WithThread("TERM"));
        command.arg("-D").arg(place.name()).args(["--username", SUPERUSER, "--auth=trust", "--data-checksums"]);
        command.args(locale).arg("--no-instructions");
        if self.settings.contains(&("fsync".to_owned(), "off".to_owned())) {
            command.arg("--no-sync");
        }
        let output = command.output().context("run", &self.binaries.initdb())?;
        if output.status.success() {
            return Ok(());
        }
        let log = last_lines(&String::from_utf8_lossy(&output.stderr));
        Err(EmbeddedError::InitdbFailed { cluster: self.folders.cluster(), log })
    }

    /// A file of the cluster, complete or not at all. The folder belongs to the service user, so root
    /// follows no link in it.
    fn write_file(&self, path: &Path, text: &str) -> Result<(), EmbeddedError> {
        let fresh = path.with_extension("new");
        remove_file(&fresh)?;
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(&fresh).context("make", &fresh)?;
        file.write_all(text.as_bytes()).context("write", &fresh)?;
        self.user.own_open(&file, &fresh)?;
        fs::rename(&fresh, path).context("put in place", &fresh)
    }

    fn log_output(&self, command: &mut Command) -> Result<(), EmbeddedError> {
        let path = self.folders.log_file();
        if self.log_length() > LOG_BYTES_MAX {
            fs::rename(&path, path.with_extension("log.1")).context("set aside", &path)?;
        }
        let opened = OpenOptions::new().append(true).create(true).mode(0o600).open(&path);
        let log = opened.context("open", &path)?;
        command.stderr(log.try_clone().context("share", &path)?).stdout(log);
        Ok(())
    }
}

/// The major version that made a cluster; `None` when there is none yet.
fn made_by(cluster: &Path) -> Result<Option<u32>, EmbeddedError> {
    match fs::read_to_string(cluster.join("PG_VERSION")) {
        Ok(version) => {
            let major = version.trim().parse();
            major.map(Some).map_err(|_garbled| EmbeddedError::NotACluster { path: cluster.to_path_buf() })
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            // An empty folder may be a mount point prepared for the cluster; rename replaces it.
            let is_empty = fs::read_dir(cluster).map_or(true, |mut entries| entries.next().is_none());
            if is_empty { Ok(None) } else { Err(EmbeddedError::NotACluster { path: cluster.to_path_buf() }) }
        }
        Err(source) => Err(source).context("read", &cluster.join("PG_VERSION")),
    }
}

/// Whether PostgreSQL would refuse to start for this pid file, although nothing of the cluster runs.
/// Where it would not, the file stays: by it PostgreSQL makes its own check of the shared memory.
fn blocks_start(pid_file: &Path) -> bool {
    let Ok(text) = fs::read_to_string(pid_file) else { return false };
    let pid = text.lines().next().and_then(|line| line.trim().parse::<i32>().ok());
    pid.is_none_or(|pid| processes::exists(pid.saturating_abs()))
}

fn remove_file(path: &Path) -> Result<(), EmbeddedError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => removed.context("remove", path),
    }
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(LOG_LINES_QUOTED)..].join(" | ")
}
