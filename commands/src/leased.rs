//! What reactors and jobs of a node have in common: each is run by the node that holds its lease, from when it gets it until it loses it.

use std::time::Duration;
use store::consumer::{Candidacy, Leases};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Who has left it to other nodes does not do so again for so long: where none is newer, the rest has to go on.
const LEFT_EACH: Duration = Duration::from_secs(600);

/// The lease of one runner, and the end of its node.
#[derive(Debug, Clone)]
pub(crate) struct Lease {
    held: watch::Receiver<Option<i64>>,
    candidacy: Candidacy,
    stop: CancellationToken,
    /// When it was last left to others.
    left_at: Option<Instant>,
}

impl Lease {
    /// The lease of a consumer; none if it is not among those that are kept.
    pub(crate) fn of(consumer: &'static str, leases: &Leases, stop: CancellationToken) -> Option<Self> {
        Some(Self { held: leases.of(consumer)?, candidacy: leases.candidacy(consumer), stop, left_at: None })
    }

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

    /// Whether a node of a newer build may not have had the chance to go on.
    pub(crate) fn may_leave(&self) -> bool {
        self.left_at.is_none_or(|left_at| left_at.elapsed() > LEFT_EACH)
    }

    /// Leaves the lease to others for a while: a node of a newer build can get on where this one cannot.
    pub(crate) async fn leave(&mut self, pause: Duration) {
        self.candidacy.withdraw();
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
        self.candidacy.stand();
        self.left_at = Some(Instant::now());
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
