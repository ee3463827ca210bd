//! What reactors and jobs of a node have in common: each is run by the node that holds its lease, from when it gets it until it loses it.

use std::time::Duration;
use store::consumer::Candidacy;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The lease of one runner, and the end of its node.
#[derive(Debug, Clone)]
pub(crate) struct Lease {
    pub(crate) held: watch::Receiver<Option<i64>>,
    pub(crate) candidacy: Candidacy,
    pub(crate) stop: CancellationToken,
}

impl Lease {
    /// Waits until this node holds the lease, and says so with `waits` if it has to; the epoch, or none when the node stops.
    pub(crate) async fn granted(&mut self, waits: impl Fn()) -> Option<i64> {
        loop {
            if self.stop.is_cancelled() {
                return None;
            }
            if let Some(epoch) = *self.held.borrow_and_update() {
                return Some(epoch);
            }
            waits();
            tokio::select! {
                () = self.stop.cancelled() => return None,
                changed = self.held.changed() => changed.ok()?,
            }
        }
    }

    /// Leaves the lease to others for a while: a node of a newer build can get on where this one cannot.
    pub(crate) async fn leave(&self, pause: Duration) {
        self.candidacy.withdraw();
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
        self.candidacy.stand();
    }

    /// Ends when the runner has to let go: stop, or the lease is not held under `epoch` any more.
    pub(crate) fn lost(&self, epoch: i64) -> impl Future<Output = ()> + Send + use<> {
        let Self { stop, mut held, .. } = self.clone();
        async move {
            tokio::select! {
                () = stop.cancelled() => {}
                _ = held.wait_for(|held| *held != Some(epoch)) => {}
            }
        }
    }
}
