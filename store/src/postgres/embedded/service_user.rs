//! Who runs PostgreSQL, and how a program is started as that user and tied to this process.
//!
//! PostgreSQL refuses root. `setpriv` changes the user and then asks the kernel for a signal at the
//! end of the thread that started it (the order matters: a change of user clears that wish).

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::unistd::{Gid, Uid, User, geteuid};

use super::binaries::environment;
use super::error::{Context, EmbeddedError};

/// The user that owns the cluster and runs it.
#[derive(Debug, Clone)]
pub(in crate::postgres) struct ServiceUser {
    pub(in crate::postgres) uid: u32,
    gid: u32,
    /// This process is root and has to become that user first.
    drops_root: bool,
    setpriv: PathBuf,
}

/// When a command's process ends, besides by itself.
#[derive(Debug, Clone, Copy)]
pub(in crate::postgres) enum End {
    /// It gets this signal when the thread that started it ends, with its process or before.
    WithThread(&'static str),
    /// It outlives this process.
    OnItsOwn,
}

/// A folder that PostgreSQL works in.
///
/// Root may keep its data below a folder that the service user cannot enter, such as root's home. The
/// folder itself is then opened by root and handed over as a file descriptor; no permission changes.
#[derive(Debug)]
pub(in crate::postgres) struct Place<'a> {
    folder: &'a Path,
    handed_over: bool,
}

impl ServiceUser {
    /// The owner of an existing cluster; else, for root, the configured user; else this user.
    pub(in crate::postgres) fn choose(named: Option<&str>, cluster: &Path) -> Result<Self, EmbeddedError> {
        let setpriv = setpriv()?;
        let me = geteuid();
        let owner = cluster.metadata().ok().map(|found| (Uid::from_raw(found.uid()), Gid::from_raw(found.gid())));
        let (uid, gid) = match owner {
            Some((owner, _)) if !me.is_root() && owner != me => {
                let path = cluster.to_path_buf();
                return Err(EmbeddedError::ForeignFolder { path, owner: owner.as_raw(), expected: me.as_raw() });
            }
            Some((owner, group)) if me.is_root() && !owner.is_root() => (owner, group),
            _ if me.is_root() => configured(named)?,
            _ => (me, nix::unistd::getegid()),
        };
        Ok(Self { uid: uid.as_raw(), gid: gid.as_raw(), drops_root: me.is_root(), setpriv })
    }

    /// A command that runs as this user at `place`, alone in its process group, with an empty environment.
    pub(in crate::postgres) fn command(&self, program: impl AsRef<OsStr>, place: &Place<'_>, end: End) -> Command {
        let mut command = place.entrance(&self.setpriv);
        if self.drops_root {
            command.arg(format!("--reuid={}", self.uid)).arg(format!("--regid={}", self.gid)).arg("--clear-groups");
        }
        if let End::WithThread(signal) = end {
            command.args(["--pdeathsig", signal]);
        }
        command.arg("--").arg(program);
        // Its own process group: Ctrl-C in a terminal reaches the server only, which stops PostgreSQL last.
        command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C.UTF-8").process_group(0);
        command
    }

    /// Gives a path to this user.
    pub(in crate::postgres) fn own(&self, path: &Path) -> Result<(), EmbeddedError> {
        if !self.drops_root {
            return Ok(());
        }
        std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid)).context("change the owner of", path)
    }

    /// Gives an open file to this user; `path` only names it in an error.
    pub(in crate::postgres) fn own_open(&self, file: &File, path: &Path) -> Result<(), EmbeddedError> {
        if !self.drops_root {
            return Ok(());
        }
        std::os::unix::fs::fchown(file, Some(self.uid), Some(self.gid)).context("change the owner of", path)
    }

    /// Whether this process acts for another user.
    pub(in crate::postgres) fn drops_root(&self) -> bool {
        self.drops_root
    }

    /// Whether this user may walk down to `path`, by the permission bits of the folders above it.
    pub(in crate::postgres) fn reaches(&self, path: &Path) -> bool {
        path.ancestors().skip(1).all(|folder| folder.metadata().is_ok_and(|found| self.may_enter(&found)))
    }

    fn may_enter(&self, folder: &std::fs::Metadata) -> bool {
        let execute = match folder {
            _ if folder.uid() == self.uid => 0o100,
            _ if folder.gid() == self.gid => 0o010,
            _ => 0o001,
        };
        folder.mode() & execute != 0
    }
}

impl<'a> Place<'a> {
    /// A folder as `user` will see it.
    pub(in crate::postgres) fn new(folder: &'a Path, user: &ServiceUser) -> Self {
        Self { folder, handed_over: user.drops_root && !user.reaches(folder) }
    }

    /// How PostgreSQL names the folder.
    pub(in crate::postgres) fn name(&self) -> &Path {
        if self.handed_over { Path::new("/proc/self/fd/9") } else { self.folder }
    }

    /// Whether the service user cannot walk down to the folder.
    pub(in crate::postgres) fn is_handed_over(&self) -> bool {
        self.handed_over
    }

    /// A command that takes its first steps as this process's user and goes on with `program`.
    fn entrance(&self, program: &Path) -> Command {
        if !self.handed_over {
            let mut command = Command::new(program);
            command.stdin(Stdio::null()).current_dir(self.folder);
            return command;
        }
        let mut command = Command::new("/bin/sh");
        command.args(["-c", r#"exec 9<&0 </dev/null; exec "$@""#, "sh"]).arg(program).current_dir("/");
        match File::open(self.folder) {
            Ok(folder) => command.stdin(folder),
            // The program then says itself that the folder is not there.
            Err(_missing) => command.stdin(Stdio::null()),
        };
        command
    }
}

fn configured(named: Option<&str>) -> Result<(Uid, Gid), EmbeddedError> {
    let environment = environment("CLIENTELA_POSTGRES_USER").map(|name| name.to_string_lossy().into_owned());
    let name = named.map(str::to_owned).or(environment).unwrap_or_else(|| "postgres".to_owned());
    match User::from_name(&name) {
        Ok(Some(user)) if user.uid.is_root() => Err(EmbeddedError::ServiceUserIsRoot { name }),
        Ok(Some(user)) => Ok((user.uid, user.gid)),
        _ => Err(EmbeddedError::ServiceUserMissing { name }),
    }
}

fn setpriv() -> Result<PathBuf, EmbeddedError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/bin".into(), "/bin".into()]);
    let mut programs = folders.map(|folder| folder.join("setpriv"));
    programs.find(|program| program.is_file()).ok_or(EmbeddedError::SetprivMissing)
}
