//! The tasks of a node that consume the log, and the leases under which they do.

use super::Leases;
use std::sync::{Mutex, PoisonError};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What of a kind runs on a node. Dropped without [`Self::end`], all ends where it stands, as in a crash: the leases run out by
/// themselves.
#[derive(Debug, Default)]
pub struct Running {
    stop: CancellationToken,
    tasks: Mutex<Option<(Leases, Vec<JoinHandle<()>>)>>,
}

impl Running {
    /// Tells the tasks to end.
    #[must_use]
    pub fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// These are running from now on; they end when [`Self::stop`] says so.
    pub fn begin(&self, leases: Leases, tasks: Vec<JoinHandle<()>>) {
        *self.tasks.lock().unwrap_or_else(PoisonError::into_inner) = Some((leases, tasks));
    }

    /// Tells all to end, waits until they have, and gives the leases back.
    pub async fn end(&self) {
        self.stop.cancel();
        let Some((leases, tasks)) = self.take() else { return };
        for task in tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a task had died");
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
        if let Some((_, tasks)) = self.take() {
            tasks.iter().for_each(JoinHandle::abort);
        }
    }
}
