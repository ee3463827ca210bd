//! What reactors and jobs of a node have in common: each is run by the node that holds its lease, from when it gets it until it loses it.

use std::sync::{Mutex, PoisonError};
use store::consumer::Leases;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The lease of one runner, and the end of its node.
#[derive(Debug, Clone)]
pub(crate) struct Lease {
    pub(crate) held: watch::Receiver<Option<i64>>,
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

    /// Ends when the runner has to let go: stop, or the lease is not held under `epoch` any more.
    pub(crate) fn lost(&self, epoch: i64) -> impl Future<Output = ()> + Send + use<> {
        let Self { stop, mut held } = self.clone();
        async move {
            tokio::select! {
                () = stop.cancelled() => {}
                _ = held.wait_for(|held| *held != Some(epoch)) => {}
            }
        }
    }
}

/// The runners of a node. Dropped without [`Self::end`], all ends where it stands: the leases run out by themselves.
#[derive(Debug, Default)]
pub(crate) struct Running {
    pub(crate) stop: CancellationToken,
    tasks: Mutex<Option<(Leases, Vec<JoinHandle<()>>)>>,
}

impl Running {
    /// These are running from now on.
    pub(crate) fn begin(&self, leases: Leases, runners: Vec<JoinHandle<()>>) {
        *self.tasks.lock().unwrap_or_else(PoisonError::into_inner) = Some((leases, runners));
    }

    /// Ends what is under way, as a crash would, and gives the leases back.
    pub(crate) async fn end(&self) {
        self.stop.cancel();
        let Some((leases, runners)) = self.take() else { return };
        for runner in runners {
            if let Err(error) = runner.await {
                tracing::error!(%error, "the task of a reactor or a job had died");
            }
        }
        leases.release().await;
    }

    fn take(&self) -> Option<(Leases, Vec<JoinHandle<()>>)> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some((_, runners)) = self.take() {
            runners.iter().for_each(JoinHandle::abort);
        }
    }
}
