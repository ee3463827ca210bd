//! Brings signed heads to places outside the database: what is kept there proves later whether the log was changed.
//!
//! The **file** gets every head, one behind the other, on each node that names one. It is added to and not replaced: all heads that were
//! ever in it can be verified against, and a file system or a copy that only adds keeps them from whoever rules the database. At the start the
//! last one is compared with the log, so that a log that was changed meanwhile is told without anybody asking.
//!
//! The **target** gets the newest head, from the node that builds the tree. A redirect is not followed: who may receive heads is said
//! in the configuration and nowhere else.
//!
//! Nothing waits for either. What cannot be published is tried again; how it is stands in the status of the tree.

mod file;
#[cfg(test)]
mod tests;

use crate::config::Settings;
use anyhow::{Context, ensure};
use file::HeadsFile;
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use std::path::PathBuf;
use std::time::Duration;
use store::consumer::Backoff;
use store::postgres::{SignedHead, Tree, TreeState};
use tokio::task::JoinHandle;

/// How often is looked for heads that other nodes have signed.
const LOOK_EACH: Duration = Duration::from_secs(5);
/// What a target has for its answer.
const PATIENCE: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// Heads that are written to the file at a time.
const HEADS_AT_A_TIME: i64 = 500;

/// Where heads are published: as they are called in the status.
const FILE: &str = "file";
const TARGET: &str = "url";

/// The tasks that publish.
#[derive(Debug, Default)]
pub(crate) struct Publishing(Vec<JoinHandle<()>>);

impl Publishing {
    /// Publishes the heads of a tree from now on.
    pub(crate) fn start(tree: &Tree, settings: &Settings) -> anyhow::Result<Self> {
        let mut tasks = Vec::new();
        if let Some(path) = &settings.heads_file {
            tasks.push(tokio::spawn(to_file(tree.clone(), path.clone())));
        }
        if let Some(url) = &settings.heads_url {
            let target = Target::new(url, settings.heads_token.clone())?;
            tasks.push(tokio::spawn(to_target(tree.clone(), target)));
        }
        Ok(Self(tasks))
    }

    /// Ends it where it stands: what was not published is published after the next start.
    pub(crate) fn stop(&self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

async fn to_file(tree: Tree, path: PathBuf) {
    let mut file = HeadsFile::new(path);
    let mut pauses = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    let mut signed = tree.signed();
    loop {
        let written = write_new(&tree, &mut file).await;
        let pause = told(&tree, FILE, written, &mut pauses);
        tokio::select! {
            _ = signed.changed(), if pause == LOOK_EACH => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Adds what is not yet in the file; the size of the last head in it.
async fn write_new(tree: &Tree, file: &mut HeadsFile) -> anyhow::Result<Option<u64>> {
    let mut last = match file.last() {
        Some(last) => last,
        None => {
            let note = file.open()?;
            match note {
                Some(note) => tree.compare(&note).await.context("the last head in the file does not fit the log")?,
                None => 0,
            }
        }
    };
    loop {
        let heads = tree.heads_after(last, HEADS_AT_A_TIME).await?;
        let Some(newest) = heads.last() else { break };
        last = newest.size;
        let notes: String = heads.iter().map(|head| format!("{}\n", head.checkpoint)).collect();
        file.add(&notes, last)?;
    }
    file.is_at(last);
    Ok(Some(last).filter(|last| *last > 0))
}

async fn to_target(tree: Tree, target: Target) {
    let mut pauses = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    let mut signed = tree.signed();
    let mut last = None;
    loop {
        let sent = send_newest(&tree, &target, last).await;
        if let Ok(Some(size)) = &sent {
            last = Some(*size);
        }
        let pause = told(&tree, TARGET, sent, &mut pauses);
        tokio::select! {
            _ = signed.changed(), if pause == LOOK_EACH => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Sends the newest head if it was not sent yet; the size of the last one that was.
async fn send_newest(tree: &Tree, target: &Target, last: Option<u64>) -> anyhow::Result<Option<u64>> {
    // Another node builds the tree, and sends its heads.
    if tree.status().state != TreeState::Building {
        return Ok(last);
    }
    match tree.newest_head().await? {
        Some(head) if last.is_none_or(|last| head.size > last) => target.send(&head).await.map(Some),
        _ => Ok(last),
    }
}

/// Says how it went, and after which pause it goes on.
fn told(tree: &Tree, to: &'static str, done: anyhow::Result<Option<u64>>, pauses: &mut Backoff) -> Duration {
    match done {
        Ok(size) => {
            tree.published(to, Ok(size));
            pauses.reset();
            LOOK_EACH
        }
        Err(error) => {
            tree.published(to, Err(format!("{error:#}")));
            pauses.pause()
        }
    }
}

/// Somebody else's place for heads.
struct Target {
    http: Client,
    url: Url,
    token: Option<String>,
}

impl Target {
    fn new(url: &str, token: Option<String>) -> anyhow::Result<Self> {
        let url: Url = url.parse().context("heads_url is no address")?;
        ensure!(url.scheme() == "http", "heads_url must begin with http://: TLS is for a proxy on this machine");
        let http = Client::builder().redirect(Policy::none()).timeout(PATIENCE).connect_timeout(PATIENCE);
        Ok(Self { http: http.build().context("heads cannot be sent")?, url, token })
    }

    async fn send(&self, head: &SignedHead) -> anyhow::Result<u64> {
        let request = self.http.post(self.url.clone()).header(CONTENT_TYPE, "text/plain; charset=utf-8");
        let request = match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        // The address may hold a password: it is not said.
        let sent = request.body(head.checkpoint.clone()).send().await.map_err(reqwest::Error::without_url);
        let status = sent.context("the target of heads cannot be reached")?.status();
        ensure!(status.is_success(), "the target of heads answered {status}");
        Ok(head.size)
    }
}
