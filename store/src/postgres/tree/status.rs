//! How the tree is: what a node knows of it, for those who operate it.

use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What becomes of the tree on this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TreeState {
    /// Another node builds it, or none does yet.
    #[default]
    Standby,
    /// This node builds it.
    Building,
    /// The database is away; it tries again.
    Retrying,
    /// What is stored does not fit the log. Nothing is signed until somebody has looked.
    Failed,
}

/// How the tree is, as far as this node knows.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct TreeStatus {
    /// What becomes of it.
    pub state: TreeState,
    /// How many events are in full tiles.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub built: Option<u64>,
    /// The size of the newest signed head.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head: Option<u64>,
    /// What went wrong, until it goes well again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How publishing heads goes, by place.
    pub published: BTreeMap<&'static str, Published>,
}

/// How publishing heads to one place goes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Published {
    /// The size of the last head that is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head: Option<u64>,
    /// What went wrong, until it goes well again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The status as it is kept; a change of it is logged once.
#[derive(Debug, Default)]
pub(super) struct Standing(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    status: TreeStatus,
    signed_at: Option<Instant>,
}

impl Standing {
    pub(super) fn status(&self) -> TreeStatus {
        self.change(|kept| kept.status.clone())
    }

    pub(super) fn is(&self, state: TreeState) {
        self.change(|kept| {
            if std::mem::replace(&mut kept.status.state, state) == TreeState::Failed {
                tracing::info!("the tree of the log is well again");
            }
            kept.status.error = None;
        });
        metrics::gauge!("log_tree_failed").set(0);
    }

    pub(super) fn retries(&self, error: &dyn std::error::Error) {
        self.change(|kept| kept.status.say(TreeState::Retrying, error));
    }

    pub(super) fn failed(&self, error: &dyn std::error::Error) {
        self.change(|kept| kept.status.say(TreeState::Failed, error));
        metrics::gauge!("log_tree_failed").set(1);
    }

    pub(super) fn built(&self, size: u64) {
        self.change(|kept| kept.status.built = Some(size));
        metrics::gauge!("log_tree_built").set(size as f64);
    }

    /// A head is known; `age` says how long it has been signed.
    pub(super) fn signed(&self, size: u64, age: Duration) {
        self.change(|kept| {
            kept.status.head = Some(size);
            kept.signed_at = Instant::now().checked_sub(age);
        });
        metrics::gauge!("log_head_size").set(size as f64);
    }

    pub(super) fn published(&self, to: &'static str, done: Result<Option<u64>, String>) {
        metrics::gauge!("log_head_publishing_failed", "to" => to).set(u8::from(done.is_err()));
        if let Ok(Some(size)) = done {
            metrics::gauge!("log_head_published_size", "to" => to).set(size as f64);
        }
        self.change(|kept| {
            let known = kept.status.published.entry(to).or_default();
            match done {
                Ok(size) => {
                    if known.error.take().is_some() {
                        tracing::info!(to, "heads are published again");
                    }
                    known.head = size;
                }
                Err(error) if known.error.as_ref() == Some(&error) => {}
                Err(error) => {
                    tracing::warn!(to, error, "heads cannot be published now");
                    known.error = Some(error);
                }
            }
        });
    }

    /// How long ago the newest head that is known was signed.
    pub(super) fn age(&self) -> Option<Duration> {
        let age = self.change(|kept| kept.signed_at.map(|at| at.elapsed()));
        if let Some(age) = age {
            metrics::gauge!("log_head_age_seconds").set(age.as_secs_f64());
        }
        age
    }

    fn change<T>(&self, change: impl FnOnce(&mut Kept) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl TreeStatus {
    fn say(&mut self, state: TreeState, error: &dyn std::error::Error) {
        let text = with_causes(error);
        if self.error.as_ref() != Some(&text) {
            match state {
                TreeState::Failed => tracing::error!(error = text, "the tree does not fit the log: nothing is signed"),
                _ => tracing::warn!(error = text, "the tree cannot be built now"),
            }
        }
        (self.state, self.error) = (state, Some(text));
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
