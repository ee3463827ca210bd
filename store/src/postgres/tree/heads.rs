//! Signed heads. Before a head is signed, the newest one before is made again from the same hashes: a log that signed two heads that do
//! not fit each other would have proved nothing but that it was changed.

use super::status::TreeState;
use super::{Tree, misfit, signed, unsigned};
use crate::checkpoint;
use crate::merkle::{Hash, Span};
use crate::postgres::database::unavailable;
use crate::signed_note::VerifierKey;
use crate::{Position, StoreError};
use chrono::{DateTime, Utc};
use sqlx::FromRow;
use std::time::{Duration, Instant};

/// Heads that are asked for are at least so far apart.
const SIGNING_GAP: Duration = Duration::from_secs(1);

/// A head that was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHead {
    /// How many events it stands over.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Hash,
    /// The signed note.
    pub checkpoint: String,
    /// When it was signed, by the database's clock.
    pub signed_at: DateTime<Utc>,
}

#[derive(FromRow)]
struct Row {
    size: i64,
    root: Vec<u8>,
    checkpoint: String,
    signed_at: DateTime<Utc>,
}

impl TryFrom<Row> for SignedHead {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let root = row.root.as_slice().try_into();
        let root = root.map_err(|_| misfit("tree_heads", "root", row.size, "it is not 32 bytes long"))?;
        Ok(Self { size: unsigned(row.size), root, checkpoint: row.checkpoint, signed_at: row.signed_at })
    }
}

impl Tree {
    /// The newest signed head.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn newest_head(&self) -> Result<Option<SignedHead>, StoreError> {
        Ok(self.heads(None, 1).await?.pop())
    }

    /// Signed heads, the newest first, from those smaller than `below` on.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn heads(&self, below: Option<u64>, limit: usize) -> Result<Vec<SignedHead>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "select size, root, checkpoint, signed_at from tree_heads where size < $1 order by size desc limit $2",
        )
        .bind(below.map_or(i64::MAX, signed))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(self.pool())
        .await
        .map_err(unavailable)?;
        rows.into_iter().map(SignedHead::try_from).collect()
    }

    /// Signed heads behind one of this size, in the order in which they were signed.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn heads_after(&self, size: u64, limit: i64) -> Result<Vec<SignedHead>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "select size, root, checkpoint, signed_at from tree_heads where size > $1 order by size limit $2",
        )
        .bind(signed(size))
        .bind(limit)
        .fetch_all(self.pool())
        .await
        .map_err(unavailable)?;
        rows.into_iter().map(SignedHead::try_from).collect()
    }

    /// The signed head of this size.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn head_of(&self, size: u64) -> Result<Option<SignedHead>, StoreError> {
        Ok(self.heads(size.checked_add(1), 1).await?.pop().filter(|head| head.size == size))
    }

    /// The keys that have signed for this log, the newest first.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn verifier_keys(&self) -> Result<Vec<VerifierKey>, StoreError> {
        let rows: Vec<(String, Vec<u8>)> = sqlx::query_as(
            "select name, check_value from key_checks where purpose = 'log' and name is not null order by key_version desc",
        )
        .fetch_all(self.pool())
        .await
        .map_err(unavailable)?;
        let key = |(name, public): (String, Vec<u8>)| {
            let public = public.as_slice().try_into().ok();
            let key = public.and_then(|public| VerifierKey::new(&name, public).ok());
            key.ok_or_else(|| misfit("key_checks", "check_value", &name, "it is no public key"))
        };
        rows.into_iter().map(key).collect()
    }

    /// Compares a head that was kept elsewhere with the log; its size. A log that it does not fit is told like any other misfit.
    ///
    /// # Errors
    /// When it is no head of this log, the log does not fit it, or the database is away.
    pub async fn compare(&self, note: &str) -> Result<u64, StoreError> {
        let read = checkpoint::read(note, &self.verifier_keys().await?);
        let (size, root) = read.map_err(|error| misfit("tree_heads", "checkpoint", "kept elsewhere", error))?;
        let end = unsigned(self.0.reader.head().await?.0);
        let kept = SignedHead { size, root, checkpoint: note.to_owned(), signed_at: DateTime::UNIX_EPOCH };
        let fits = self.fits(Some(&kept), end).await;
        if let Err(error @ StoreError::Corrupt { .. }) = &fits {
            self.0.standing.failed(error);
        }
        fits.map(|()| size)
    }

    /// Notes how publishing to some place goes: the size of the last head there, or what went wrong.
    pub fn published(&self, to: &'static str, done: Result<Option<u64>, String>) {
        self.0.standing.published(to, done);
    }

    /// A note that the log signs: no head, but something else that is said in its name.
    #[must_use]
    pub fn sign_note(&self, text: &str) -> String {
        self.0.key.sign(text)
    }

    /// A head that covers a position of the log: the newest one, or one made now. Those who ask at the same time share it.
    pub(super) async fn head_over(&self, position: Position) -> Result<SignedHead, StoreError> {
        let covers = |head: &SignedHead| head.size >= unsigned(position.0);
        if let Some(head) = self.newest_head().await?.filter(covers) {
            return Ok(head);
        }
        let mut last = self.0.signing.lock().await;
        if let Some(head) = self.newest_head().await?.filter(covers) {
            return Ok(head);
        }
        if let Some(rest) = last.and_then(|last| SIGNING_GAP.checked_sub(last.elapsed())) {
            tokio::time::sleep(rest).await;
        }
        *last = Some(Instant::now());
        let head = self.sign_head().await?;
        let head = head.ok_or(StoreError::BeyondHead { asked: position, head: Position(0) })?;
        if covers(&head) {
            return Ok(head);
        }
        Err(StoreError::BeyondHead { asked: position, head: Position(signed(head.size)) })
    }

    /// Signs the head of the log as it is now, if there is anything new; says so where it must not.
    pub(in crate::postgres) async fn sign_head(&self) -> Result<Option<SignedHead>, StoreError> {
        let made = self.made_head().await;
        match &made {
            Ok(Some(head)) => self.know(head, Duration::ZERO),
            Ok(None) => {}
            Err(error @ StoreError::Corrupt { .. }) => {
                self.0.nodes.forget();
                self.0.standing.failed(error);
            }
            Err(_) => {}
        }
        made
    }

    /// How long ago a head was signed, by the database's clock.
    pub(super) async fn age_of(&self, head: &SignedHead) -> Result<Duration, StoreError> {
        let seconds: f64 = sqlx::query_scalar("select extract(epoch from clock_timestamp() - $1)::float8")
            .bind(head.signed_at)
            .fetch_one(self.pool())
            .await
            .map_err(unavailable)?;
        Ok(Duration::try_from_secs_f64(seconds).unwrap_or_default())
    }

    /// A head is there.
    pub(super) fn know(&self, head: &SignedHead, age: Duration) {
        self.0.standing.signed(head.size, age);
        self.0.signed.send_if_modified(|size| std::mem::replace(size, head.size) != head.size);
    }

    async fn made_head(&self) -> Result<Option<SignedHead>, StoreError> {
        let newest = self.newest_head().await?;
        let size = unsigned(self.0.reader.head().await?.0);
        self.fits(newest.as_ref(), size).await?;
        if newest.as_ref().map_or(0, |newest| newest.size) == size {
            return Ok(newest);
        }
        if self.0.standing.status().state == TreeState::Failed {
            return Err(misfit("tree_tiles", "hashes", "", "the tree does not fit the log: nothing is signed"));
        }
        let root = self.0.nodes.root(size).await?;
        let note = self.0.key.sign(&checkpoint::text(self.0.key.name(), size, &root));
        // Of two nodes that sign at the same time, the first one counts; they sign the same. Tiles that are seen are on the disk when this
        // is: whoever verifies may ask for them.
        sqlx::query(
            "insert into tree_heads (size, root, checkpoint, built) \
             select $1, $2, $3, coalesce((select max(tile) + 1 from tree_tiles where level = 0), 0) * 256 \
             on conflict do nothing",
        )
        .bind(signed(size))
        .bind(root.as_slice())
        .bind(note)
        .execute(self.pool())
        .await
        .map_err(unavailable)?;
        let stored = self.head_of(size).await?;
        let differs = || misfit("tree_heads", "root", size, "another root was signed for this size");
        stored.filter(|head| head.root == root).map(Some).ok_or_else(differs)
    }

    /// Refuses to go on from a head that the log does not have.
    pub(super) async fn fits(&self, newest: Option<&SignedHead>, size: u64) -> Result<(), StoreError> {
        let Some(newest) = newest else { return Ok(()) };
        if newest.size > size {
            let reason =
                format!("the log was shortened: a head over {} events was signed, and there are {size}", newest.size);
            return Err(misfit("tree_heads", "size", newest.size, reason));
        }
        let now = self.0.nodes.of_spans(&[Span { start: 0, end: newest.size }]).await?;
        if now == [newest.root] {
            return Ok(());
        }
        let reason = format!("the first {} events have another root now than when this head was signed", newest.size);
        Err(misfit("tree_heads", "root", newest.size, reason))
    }
}
