//! Customers that turned out to be one: the row of the duplicate names the survivor, that of the survivor counts what both bought.

use super::{CustomerRow, CustomerStatus};
use crate::query::{failed, get};
use domain::customers::events::CustomerEvent;
use domain::ids::CustomerId;
use store::postgres::Pools;
use store::{StoreError, TenantId};
use uuid::Uuid;

pub(super) fn merged(row: CustomerRow, into: CustomerId) -> CustomerRow {
    CustomerRow { status: CustomerStatus::Merged, merged_into: Some(into.as_uuid()), ..row }
}

/// Who was blocked when it was deleted is so again.
pub(super) fn restored(row: CustomerRow) -> CustomerRow {
    let is_blocked = row.standing.block.is_some();
    CustomerRow { status: if is_blocked { CustomerStatus::Blocked } else { CustomerStatus::Active }, ..row }
}

pub(super) fn absorbed(row: CustomerRow, event: &CustomerEvent) -> CustomerRow {
    let CustomerEvent::DuplicateAbsorbed {
        duplicate,
        duplicates,
        purchases,
        registered_on,
        first_purchase_on,
        last_purchase_on,
        ..
    } = event
    else {
        return row;
    };
    let is_one = |referrer: &Uuid| duplicates.iter().chain([duplicate]).any(|one| one.as_uuid() == *referrer);
    CustomerRow {
        purchase_count: row.purchase_count.saturating_add(*purchases),
        registered_on: registered_on.map_or(row.registered_on, |on| on.min(row.registered_on)),
        first_purchase_on: row.first_purchase_on.into_iter().chain(*first_purchase_on).min(),
        last_purchase_on: row.last_purchase_on.max(*last_purchase_on),
        // Nobody sends itself.
        referrer: row.referrer.filter(|referrer| !is_one(referrer)),
        ..row
    }
}

/// The customers that were merged into one, in the order in which they came to it.
///
/// # Errors
/// When the database is away.
pub async fn duplicates(pools: &Pools, tenant: TenantId, survivor: Uuid) -> Result<Vec<Uuid>, StoreError> {
    let query = sqlx::query("select c.id from customers c where c.merged_into = $1 order by c.merged_position");
    let found = pools.request.fetch_all(tenant, query.bind(survivor)).await.map_err(failed("customers"))?;
    found.iter().map(|row| get(row, "id")).collect::<Result<_, _>>().map_err(failed("customers"))
}
