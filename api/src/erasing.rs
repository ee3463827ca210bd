//! Erases a customer and writes the receipt: the command, the wait until no read model shows the person any more, and what had left
//! before.

use chrono::{DateTime, Utc};
use commands::customers::receipt::{ErasureReceipt, Export, LeftBefore, Reader, kept};
use commands::customers::{Erase, customer_stream, erase};
use commands::{Caller, CommandError, Commands, IdempotencyKey, Scope};
use domain::customers::events::CustomerEvent;
use domain::ids::CustomerId;
use domain::{Event, Sealed};
use futures::TryStreamExt;
use projections::Projections;
use projections::access::api_keys;
use std::sync::Arc;
use std::time::Duration;
use store::erasures::{self, Erasure};
use store::postgres::Pools;
use store::signed_note::LogKey;
use store::{Direction, EventStore, Metadata, Position, ReadStream, RecordedEvent, StoreError, TenantId};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

/// How long an erasure waits for read models. They follow by themselves when it takes longer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long an answer waits until its receipt is kept apart, too.
const TAKING_IN_MAX: Duration = Duration::from_secs(3);
/// Tells of an export of what is known of a customer.
const EXPORTED: &str = "customer.exported";
/// What happened behind an erasure is looked through no further than this; nothing should be there.
const BEHIND_MAX: u64 = 100;

/// Erases customers. Clones share what it works with.
#[derive(Clone)]
pub struct Eraser {
    /// Where commands go.
    pub commands: Commands,
    /// What is known from history.
    pub projections: Arc<Projections>,
    /// Where queries read.
    pub pools: Pools,
    /// The log.
    pub store: Arc<dyn EventStore>,
    /// Signs receipts.
    pub log_key: LogKey,
    /// Where receipts are kept apart from the database.
    pub receipts: ReceiptsApart,
}

/// The place where receipts are kept apart from the database; by default there is none. Clones are the same place.
#[derive(Debug, Clone, Default)]
pub struct ReceiptsApart(Option<mpsc::Sender<oneshot::Sender<()>>>);

impl ReceiptsApart {
    /// A place that is asked like this to take in what is new; it answers when all is there.
    #[must_use]
    pub fn asked_by(sender: mpsc::Sender<oneshot::Sender<()>>) -> Self {
        Self(Some(sender))
    }

    /// Waits until all receipts so far are there. Where that does not work in time it is tried on, and said by who does it.
    pub async fn take_in(&self) {
        let Some(sender) = &self.0 else { return };
        let (done, taken_in) = oneshot::channel();
        let asked = async {
            if sender.send(done).await.is_ok() {
                let _given_up = taken_in.await;
            }
        };
        let _late = tokio::time::timeout(TAKING_IN_MAX, asked).await;
    }
}

/// A customer that was erased.
#[derive(Debug, Clone)]
pub struct Erased {
    /// The receipt.
    pub receipt: ErasureReceipt,
    /// The same, signed.
    pub note: String,
    /// Whether it had been erased before.
    pub repeated: bool,
    /// That it had to be erased once more, because an older backup had brought it back.
    pub again: Option<ErasedAgain>,
}

/// An erasure that was made once more, in a log that was restored.
#[derive(Debug, Clone)]
pub struct ErasedAgain {
    /// The event that says so.
    pub position: Position,
    /// When.
    pub erased_at: DateTime<Utc>,
    /// The signed receipt of that.
    pub note: String,
}

impl Eraser {
    /// Erases a customer, or answers with the receipt of its erasure.
    ///
    /// # Errors
    /// As [`CommandError`] says.
    pub async fn erase(
        &self,
        caller: &Caller,
        key: Option<IdempotencyKey>,
        request: Erase,
    ) -> Result<Erased, CommandError> {
        let customer = request.customer;
        let committed = erase(&self.commands, caller, key, request).await?;
        let repeated = committed.repeated || committed.events.is_empty();
        let told = self.told(caller.tenant, customer).await.map_err(unavailable)?;
        let told = told.ok_or_else(|| unavailable("the event of an erasure is not there"))?;
        let erased = self.erased(caller.tenant, customer, &told).await.map_err(unavailable)?;
        Ok(Erased { repeated, ..erased })
    }

    /// The receipt of a customer's erasure; none when it was not erased. Of somebody who was erased in a log that is lost, and whom the
    /// restored one does not know, there is the receipt alone.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn receipt(&self, tenant: TenantId, customer: CustomerId) -> Result<Option<Erased>, StoreError> {
        match self.told(tenant, customer).await? {
            Some(told) => self.erased(tenant, customer, &told).await.map(Some),
            None => {
                let kept = self.kept(tenant, customer).await?;
                Ok(kept.map(|(receipt, note)| Erased { receipt, note, repeated: true, again: None }))
            }
        }
    }

    async fn erased(&self, tenant: TenantId, customer: CustomerId, told: &RecordedEvent) -> Result<Erased, StoreError> {
        let (receipt, note) = self.receipt_of(tenant, customer, told).await?;
        let is_of_this_event = receipt.position == told.position.0 && receipt.erased_at == told.recorded_at;
        let again = if is_of_this_event { None } else { Some(self.again(tenant, customer, told).await?) };
        Ok(Erased { receipt, note, repeated: true, again })
    }

    /// The event that says that a customer was erased.
    async fn told(&self, tenant: TenantId, customer: CustomerId) -> Result<Option<RecordedEvent>, StoreError> {
        let read = ReadStream {
            tenant,
            stream: customer_stream(customer),
            from: i32::MAX,
            direction: Direction::Backwards,
            limit: BEHIND_MAX,
            reveal: false,
        };
        let erases = |event: RecordedEvent| std::future::ready(Ok(event.erases().map(|_| event)));
        std::pin::pin!(self.store.read_stream(read).try_filter_map(erases)).try_next().await
    }

    /// The receipt that was kept, or a new one, which is kept from now on.
    async fn receipt_of(
        &self,
        tenant: TenantId,
        customer: CustomerId,
        told: &RecordedEvent,
    ) -> Result<(ErasureReceipt, String), StoreError> {
        if let Some(kept) = self.kept(tenant, customer).await? {
            return Ok(kept);
        }
        let (receipt, erasure) = self.signed(tenant, customer, told).await?;
        erasures::keep(&self.pools.engine, &erasure).await?;
        self.receipts.take_in().await;
        // Another node may have been faster: then its receipt counts.
        Ok(self.kept(tenant, customer).await?.unwrap_or((receipt, erasure.receipt)))
    }

    /// The receipt of the event by which somebody was erased once more: kept, or new and kept from now on.
    async fn again(
        &self,
        tenant: TenantId,
        customer: CustomerId,
        told: &RecordedEvent,
    ) -> Result<ErasedAgain, StoreError> {
        let (engine, who) = (&self.pools.engine, (tenant, customer.as_uuid()));
        if erasures::find_again(engine, who, told.position).await?.is_none() {
            erasures::keep_again(engine, &self.signed(tenant, customer, told).await?.1).await?;
        }
        let kept = erasures::find_again(engine, who, told.position).await?;
        let kept = kept.ok_or_else(|| damaged(told)("has no receipt"))?;
        Ok(ErasedAgain { position: kept.position, erased_at: kept.erased_at, note: kept.receipt })
    }

    async fn signed(
        &self,
        tenant: TenantId,
        customer: CustomerId,
        told: &RecordedEvent,
    ) -> Result<(ErasureReceipt, Erasure), StoreError> {
        let receipt = self.written(tenant, customer, told).await?;
        let note = self.log_key.sign(&receipt.text());
        let (subject, position, erased_at) = (customer.as_uuid(), told.position, told.recorded_at);
        Ok((receipt, Erasure { tenant, subject, position, erased_at, receipt: note }))
    }

    async fn kept(
        &self,
        tenant: TenantId,
        customer: CustomerId,
    ) -> Result<Option<(ErasureReceipt, String)>, StoreError> {
        let kept = erasures::find(&self.pools.engine, tenant, customer.as_uuid()).await?;
        let read = |erasure: Erasure| Some((ErasureReceipt::read(text_of(&erasure.receipt))?, erasure.receipt));
        Ok(kept.and_then(read))
    }

    async fn written(
        &self,
        tenant: TenantId,
        customer: CustomerId,
        told: &RecordedEvent,
    ) -> Result<ErasureReceipt, StoreError> {
        let decoded = Event::decode(told.event_type, told.schema_version, told.payload.as_bytes(), Sealed::Absent)
            .map_err(damaged(told))?;
        let Event::Customer(CustomerEvent::Erased { ground, subjects, .. }) = decoded else {
            return Err(damaged(told)("is no erasure of a customer"));
        };
        let metadata: Metadata = serde_json::from_str(&told.metadata).map_err(damaged(told))?;
        let last = self.last_of(tenant, told, &subjects).await?;
        let (blanked, pending) = self.projections.who_reflects(last, PATIENCE).await;
        Ok(ErasureReceipt {
            tenant: tenant.0,
            customer_id: customer.as_uuid(),
            left_before: self.left_before(tenant, &subjects).await?,
            subjects,
            ground,
            actor: metadata.actor,
            position: told.position.0,
            erased_at: told.recorded_at,
            blanked: blanked.into_iter().map(str::to_owned).collect(),
            pending: pending.into_iter().map(str::to_owned).collect(),
            kept: kept(),
        })
    }

    /// All subjects of a person are erased in one append; the read models have to see the last of them.
    async fn last_of(&self, tenant: TenantId, told: &RecordedEvent, subjects: &[Uuid]) -> Result<Position, StoreError> {
        let mut last = told.position;
        for subject in subjects {
            let other = self.told(tenant, CustomerId::new(*subject)).await?;
            last = other.map_or(last, |other| last.max(other.position));
        }
        Ok(last)
    }

    async fn left_before(&self, tenant: TenantId, subjects: &[Uuid]) -> Result<LeftBefore, StoreError> {
        let keys = api_keys::list(&self.pools, tenant).await?;
        let readers = keys.into_iter().filter_map(|row| {
            let may = |scope| row.known_scopes().any(|held: Scope| held.grants(scope));
            may(Scope::CustomersPii).then(|| Reader {
                key: row.key,
                feed: may(Scope::FeedRead),
                name: row.name.clone(),
            })
        });
        let analysts = store::postgres::analyst_login(&self.pools.engine, tenant).await?;
        let mut exports = Vec::new();
        for subject in subjects {
            exports.extend(self.exports(tenant, CustomerId::new(*subject)).await?);
        }
        exports.sort_by_key(|export| export.position);
        Ok(LeftBefore { readers: readers.collect(), exports, analysts: analysts.into_iter().collect() })
    }

    async fn exports(&self, tenant: TenantId, customer: CustomerId) -> Result<Vec<Export>, StoreError> {
        let read = ReadStream {
            tenant,
            stream: customer_stream(customer),
            from: 1,
            direction: Direction::Forwards,
            limit: u64::MAX,
            reveal: false,
        };
        let exported = |event: &RecordedEvent| std::future::ready(event.event_type == EXPORTED);
        let events: Vec<RecordedEvent> = self.store.read_stream(read).try_filter(exported).try_collect().await?;
        let export = |event: &RecordedEvent| {
            let metadata: Metadata = serde_json::from_str(&event.metadata).ok()?;
            Some(Export { position: event.position.0, actor: metadata.actor, at: event.recorded_at })
        };
        Ok(events.iter().filter_map(export).collect())
    }
}

/// The text of a note, without its signatures.
fn text_of(note: &str) -> &str {
    note.split_once("\n\n").map_or(note, |(text, _)| text)
}

fn damaged<E: ToString>(event: &RecordedEvent) -> impl Fn(E) -> StoreError + '_ {
    |error| StoreError::Corrupt {
        table: "events",
        column: "payload",
        row: event.position.to_string(),
        reason: error.to_string(),
    }
}

fn unavailable(cause: impl Into<store::BoxError>) -> CommandError {
    CommandError::Unavailable { retry_after_s: 1, cause: cause.into() }
}
