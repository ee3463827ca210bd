//! Brings signed heads to places outside the database: what is kept there proves later whether the log was changed.
//!
//! The **file** gets every head, one behind the other, on each node that names one. It is added to and not replaced: all heads that were
//! ever in it can be verified against, and a file system or a copy that only adds keeps them from whoever rules the database. At the start the
//! last one is compared with the log, so that a log that was changed meanwhile is told without anybody asking.
//!
//! The **target** gets the newest head, from the node that builds the tree: whatever an older one proves, it proves, too. So a target that was
//! away for long is not sent what it has missed.
//!
//! Nothing waits for either. What cannot be published is tried again; how it is stands in the status of the tree.

mod file;
mod target;
#[cfg(test)]
mod tests;

use crate::config::Settings;
use anyhow::{Context, ensure};
use file::HeadsFile;
use std::time::Duration;
use store::consumer::Backoff;
use store::postgres::{Tree, TreeState};
use target::Target;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How often is looked for heads that other nodes have signed.
const LOOK_EACH: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// Heads that are written to the file at a time.
const HEADS_AT_A_TIME: i64 = 500;

/// The tasks that publish.
#[derive(Debug, Default)]
pub(crate) struct Publishing(Vec<JoinHandle<()>>);

impl Publishing {
    /// Publishes the heads of a tree from now on.
    pub(crate) fn start(tree: &Tree, settings: &Settings) -> anyhow::Result<Self> {
        let mut tasks = Vec::new();
        if let Some(path) = &settings.heads_file {
            let place = ToFile { tree: tree.clone(), file: HeadsFile::new(path.clone()) };
            tasks.push(tokio::spawn(again(tree.signed(), place)));
        }
        if let Some(url) = &settings.heads_url {
            let target = Target::new(url, settings.heads_token.clone(), settings.heads_ca_file.as_deref())?;
            let place = ToTarget { tree: tree.clone(), target, last: None };
            tasks.push(tokio::spawn(again(tree.signed(), place)));
        } else {
            ensure!(settings.heads_ca_file.is_none(), "heads_ca_file says whom heads_url may be: it is not set");
        }
        Ok(Self(tasks))
    }

    /// Ends it where it stands: what was not published is published after the next start.
    pub(crate) fn stop(&self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

/// A place outside the database.
trait Place: Send {
    /// Brings there what it does not have yet; the size of the last head that is there.
    fn publish(&mut self) -> impl Future<Output = anyhow::Result<Option<u64>>> + Send;

    /// Says how it went.
    fn tell(&self, done: Result<Option<u64>, String>);
}

/// Publishes when a head was signed, and looks for those of other nodes from time to time. Where it fails it pauses, longer each time, and new
/// heads do not make it hurry.
async fn again(mut signed: watch::Receiver<u64>, mut place: impl Place) {
    let mut pauses = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    loop {
        let done = place.publish().await;
        let pause = match &done {
            Ok(_) => {
                pauses.reset();
                LOOK_EACH
            }
            Err(_) => pauses.pause(),
        };
        place.tell(done.map_err(|error| format!("{error:#}")));
        tokio::select! {
            _ = signed.changed(), if pauses.attempts() == 0 => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

struct ToFile {
    tree: Tree,
    file: HeadsFile,
}

impl Place for ToFile {
    async fn publish(&mut self) -> anyhow::Result<Option<u64>> {
        let mut last = self.last().await?;
        loop {
            let heads = self.tree.heads_after(last, HEADS_AT_A_TIME).await?;
            let Some(newest) = heads.last() else { break };
            last = newest.size;
            let notes: String = heads.iter().map(|head| format!("{}\n", head.checkpoint)).collect();
            self.file.add(&notes, last)?;
        }
        self.file.is_at(last);
        Ok(Some(last).filter(|last| *last > 0))
    }

    fn tell(&self, done: Result<Option<u64>, String>) {
        self.tree.published("file", done);
    }
}

impl ToFile {
    /// The size of the last head in it, which at the start has to fit the log.
    async fn last(&self) -> anyhow::Result<u64> {
        if let Some(last) = self.file.last() {
            return Ok(last);
        }
        match self.file.open()? {
            Some(note) => self.tree.compare(&note).await.context("the last head in the file does not fit the log"),
            None => Ok(0),
        }
    }
}

struct ToTarget {
    tree: Tree,
    target: Target,
    last: Option<u64>,
}

impl Place for ToTarget {
    async fn publish(&mut self) -> anyhow::Result<Option<u64>> {
        // Another node builds the tree, and sends its heads.
        if self.tree.status().state != TreeState::Building {
            return Ok(self.last);
        }
        let newest = self.tree.newest_head().await?;
        if let Some(head) = newest.filter(|head| self.last.is_none_or(|last| head.size > last)) {
            self.last = Some(self.target.send(&head).await?);
        }
        Ok(self.last)
    }

    fn tell(&self, done: Result<Option<u64>, String>) {
        self.tree.published("url", done);
    }
}
