//! Which claims the events say are held: the table of claims is compared with that, and written anew from it under another key.

use crate::access::tenant_name_claim;
use crate::cache::StreamKey;
use crate::customers::Held;
use crate::encoding::decode;
use crate::loading::{LoadError, load};
use crate::states::stream_of;
use domain::access::events::AccessEvent;
use domain::customers::customer::Customer;
use domain::{AggregateState, Event};
use futures::{StreamExt, TryStreamExt};
use store::{
    BoxError, ClaimHolder, EventStore, Filter, Position, ReadAll, RecordedEvent, StreamId, TenantId, TypePattern,
};
use uuid::Uuid;

/// Holders in one page.
const PAGE: u64 = 200;
/// Streams that are read at a time.
const STREAMS_AT_A_TIME: usize = 4;
/// The events with which those who claim something begin.
const BEGINNINGS: [&str; 2] = ["customer.created", "access.tenant.created"];

/// Some of those who may claim something, in the order in which they came into being.
#[derive(Debug, Default)]
pub struct Page {
    /// What their events say.
    pub holders: Vec<ClaimHolder>,
    /// Whose events cannot be read, and why.
    pub unreadable: Vec<Unreadable>,
    /// Where the next page begins; none behind the last one.
    pub next: Option<Position>,
}

/// Somebody whose events cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Whose stream.
    pub tenant: TenantId,
    /// Its id.
    pub owner: Uuid,
    /// Why.
    pub reason: String,
}

/// The holders whose first event stands behind a position.
///
/// # Errors
/// When the store is away.
pub async fn holders(store: &dyn EventStore, after: Position) -> Result<Page, BoxError> {
    let types = BEGINNINGS.map(TypePattern::parse).to_vec();
    let read = ReadAll { after, filter: Filter { types, ..Filter::default() }, limit: PAGE, reveal: false };
    let first: Vec<RecordedEvent> = store.read_all(read).try_collect().await?;
    let next = first.last().map(|last| last.position).filter(|_| first.len() as u64 == PAGE);
    let mut page = Page { next, ..Page::default() };
    let mut found = futures::stream::iter(first.iter().map(|event| holder(store, event))).buffered(STREAMS_AT_A_TIME);
    while let Some((event, held)) = found.next().await {
        match held {
            Ok(held) => page.holders.push(held),
            Err(LoadError::Unavailable(reason)) => return Err(reason.into()),
            Err(LoadError::Newer(reason) | LoadError::Corrupt(reason)) => {
                page.unreadable.push(Unreadable { tenant: event.tenant, owner: event.stream.id, reason });
            }
        }
    }
    Ok(page)
}

/// The same holders once more, as their events are now. Who cannot be read any more is left out.
///
/// # Errors
/// When the store is away.
pub async fn again(store: &dyn EventStore, before: &[ClaimHolder]) -> Result<Vec<ClaimHolder>, BoxError> {
    let mut holders = Vec::with_capacity(before.len());
    for holder in before {
        // A tenant's name never changes.
        if holder.tenant == EVERYWHERE {
            holders.push(holder.clone());
            continue;
        }
        match of_customer(store, holder.tenant, stream_of::<Customer>(holder.owner)).await {
            Ok(holder) => holders.push(holder),
            Err(LoadError::Unavailable(reason)) => return Err(reason.into()),
            Err(LoadError::Newer(_) | LoadError::Corrupt(_)) => {}
        }
    }
    Ok(holders)
}

/// Names of tenants are claimed here.
const EVERYWHERE: TenantId = TenantId(0);

async fn holder<'a>(
    store: &dyn EventStore,
    event: &'a RecordedEvent,
) -> (&'a RecordedEvent, Result<ClaimHolder, LoadError>) {
    let held = match event.event_type {
        "access.tenant.created" => of_tenant(event),
        _ => of_customer(store, event.tenant, event.stream).await,
    };
    (event, held)
}

fn of_tenant(event: &RecordedEvent) -> Result<ClaimHolder, LoadError> {
    let claims = match decode(event)? {
        Event::Access(AccessEvent::TenantCreated { name, .. }) => vec![tenant_name_claim(&name)],
        _ => Vec::new(),
    };
    Ok(ClaimHolder { tenant: EVERYWHERE, owner: event.stream.id, claims, besides: Vec::new() })
}

async fn of_customer(store: &dyn EventStore, tenant: TenantId, stream: StreamId) -> Result<ClaimHolder, LoadError> {
    let held = load(store, StreamKey { tenant, stream }).await?;
    let (claims, besides) = match &held.state {
        AggregateState::Customer(customer) => {
            let Held { certain, newer } = Held::by(customer);
            (certain, newer)
        }
        AggregateState::Loyalty(_)
        | AggregateState::Programme(_)
        | AggregateState::Credit(_)
        | AggregateState::CreditGroup(_)
        | AggregateState::Tenant(_)
        | AggregateState::ApiKey(_)
        | AggregateState::Projection(_) => (Vec::new(), Vec::new()),
    };
    Ok(ClaimHolder { tenant, owner: stream.id, claims, besides })
}
