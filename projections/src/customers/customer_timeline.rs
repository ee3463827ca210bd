//! Table `customer_timeline`: what happened to a customer, in any context, with the facts that a person at the desk needs.
//!
//! Facts come from the clear part of events only, so that nothing here tells who somebody is and erasing finds nothing to
//! blank.

mod credit;

use crate::query::{AsOf, Back, Page, failed, get, page};
use crate::read_model::{ChangeOf, ReadModel, Recorded, Rows, made};
use crate::tables::{Columns, TableRow, Writer};
use chrono::{DateTime, Utc};
use domain::Event;
use domain::customers::events::CustomerEvent;
use domain::loyalty::events::LoyaltyEvent;
use serde_json::{Value, json};
use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use store::postgres::Pools;
use store::{Position, StoreError, TenantId};
use uuid::Uuid;

/// A row of `customer_timeline`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineRow {
    /// Position of the event.
    pub position: Position,
    /// Whose customer.
    pub tenant: TenantId,
    /// To whom it happened.
    pub customer: Uuid,
    /// Wire name of the event.
    pub event_type: String,
    /// Business time.
    pub occurred_at: DateTime<Utc>,
    /// When it was appended.
    pub recorded_at: DateTime<Utc>,
    /// What is to be known of it: an object.
    pub facts: Value,
}

/// The read model.
#[derive(Debug, Clone, Copy)]
pub struct CustomerTimeline;

impl ReadModel for CustomerTimeline {
    const NAME: &'static str = "customer_timeline";
    const VERSION: i32 = 3;
    const TABLES: &'static [&'static str] = &["customer_timeline"];
    const TABLES_SQL: &'static str = include_str!("customer_timeline/tables.sql");
    const INDEXES_SQL: &'static str = include_str!("customer_timeline/indexes.sql");
    const PERSONAL: &'static [&'static str] = &[];
    const HANDLES: &'static [&'static str] = &["customer.*", "loyalty.*", "credit.*"];
    const REVEALS: bool = false;
    const APPEND_ONLY: bool = true;

    type Key = Position;
    type Row = TimelineRow;

    fn keys(recorded: &Recorded) -> Vec<Position> {
        match &recorded.event {
            Event::Customer(_) | Event::Loyalty(_) | Event::Credit(_) => {
                recorded.customer_id.map(|_| recorded.position).into_iter().collect()
            }
            Event::Programme(_) | Event::CreditGroup(_) | Event::Access(_) => vec![],
        }
    }

    fn apply(_: &Position, row: Option<TimelineRow>, recorded: &Recorded) -> Option<TimelineRow> {
        let facts = match &recorded.event {
            Event::Customer(event) => of_customer(event),
            Event::Loyalty(event) => of_loyalty(event),
            Event::Credit(event) => credit::facts(event),
            Event::Programme(_) | Event::CreditGroup(_) | Event::Access(_) => return row,
        };
        Some(TimelineRow {
            position: recorded.position,
            tenant: recorded.tenant,
            customer: recorded.customer_id?,
            event_type: recorded.event.event_type().to_owned(),
            occurred_at: recorded.occurred_at,
            recorded_at: recorded.recorded_at,
            facts: without_nulls(facts),
        })
    }

    async fn load(_: &mut PgConnection, _: &[Position]) -> Result<Rows<Self>, sqlx::Error> {
        Ok(Rows::<Self>::new())
    }

    async fn write(writer: &mut Writer<'_>, changes: &[ChangeOf<Self>]) -> Result<(), sqlx::Error> {
        writer.put(made(changes)).await
    }
}

impl TableRow for TimelineRow {
    const TABLE: &'static str = "customer_timeline";

    fn put(&self, to: &mut Columns) {
        to.put("position", self.position.0)
            .put("tenant", self.tenant.0)
            .put("customer_id", self.customer)
            .put("event_type", self.event_type.as_str())
            .put("occurred_at", self.occurred_at)
            .put("recorded_at", self.recorded_at)
            .put("facts", Json(&self.facts));
    }
}

fn of_customer(event: &CustomerEvent) -> Value {
    use CustomerEvent as E;
    match event {
        E::Created { kind, language, currency, source, registered_on, personal: _ } => json!({
            "kind": kind, "language": language, "currency": currency, "source": source, "on": registered_on,
        }),
        E::Updated { changed, language, currency, time_zone, kind, personal: _ } => {
            json!({"changed": changed, "language": language, "currency": currency, "time_zone": time_zone, "kind": kind})
        }
        E::AddressAdded { address, kind, is_default, personal: _ }
        | E::AddressChanged { address, kind, is_default, personal: _ } => {
            json!({"address_id": address, "kind": kind, "is_default": is_default})
        }
        E::AddressRemoved { address, kind, new_default } => {
            json!({"address_id": address, "kind": kind, "new_default": new_default})
        }
        E::PreferencesChanged { preferences, personal: _ } => {
            json!({"channels": preferences.channels, "categories": preferences.categories})
        }
        E::PurchaseRecorded { order, channel, lines, total, on } => json!({
            "order_id": order, "channel": channel, "lines": lines.len(), "total": total.amount(),
            "currency": total.currency(), "on": on,
        }),
        E::PurchaseRefunded { order, refund, amount, refunded, remaining, lines, on } => json!({
            "order_id": order, "refund_id": refund, "lines": Some(lines.len()).filter(|lines| *lines > 0), "amount": amount.amount(), "refunded": refunded.amount(),
            "remaining": remaining.amount(), "currency": amount.currency(), "on": on,
        }),
        E::LifecycleChanged { from, to, on } => json!({"from": from, "to": to, "on": on}),
        E::SegmentChanged { from, to, is_vip, scores, on } => {
            json!({"from": from, "to": to, "is_vip": is_vip, "scores": scores, "on": on})
        }
        E::ReferenceLinked { system, personal: _ } | E::ReferenceUnlinked { system } => json!({"system": system}),
        E::UserLinked { besides: _, personal: _ } | E::UserUnlinked {} => json!({}),
        E::Tagged { tags } | E::Untagged { tags } => json!({"tags": tags}),
        E::Assigned { rep, route } => json!({"rep": rep, "route": route}),
        E::PortalGranted { permissions } => json!({"permissions": permissions}),
        E::PortalRevoked {} | E::MetadataChanged { personal: _ } => json!({}),
        E::Referred { by, looks_alike, on } => json!({"referrer_id": by, "looks_alike": looks_alike, "on": on}),
        E::Blocked { reason, on, personal: _ } => json!({"reason": reason, "on": on}),
        E::Unblocked { on } => json!({"on": on}),
        E::TermsChanged { terms } => json!({"payment_days": terms.payment_days}),
        E::Merged { into, on } => json!({"into": into, "on": on}),
        E::DuplicateAbsorbed { duplicate, part, parts, purchases, on, .. } => json!({
            "duplicate_id": duplicate, "part": part, "parts": parts, "purchases": purchases, "on": on,
        }),
        E::Deleted { reason, on } => json!({"reason": reason, "on": on}),
        E::Restored { on } => json!({"on": on}),
        E::Exported { format, events } => json!({"format": format, "events": events}),
        E::Erased { ground, subjects: _, on } => json!({"ground": ground, "on": on}),
    }
}

fn of_loyalty(event: &LoyaltyEvent) -> Value {
    use LoyaltyEvent as E;
    match event {
        E::Enrolled { currency, on } => json!({"currency": currency, "on": on}),
        E::PointsPending { order, total, points, pending_on, vests_on, pending, balance, .. } => json!({
            "order_id": order, "total": total.amount(), "currency": total.currency(), "points": points,
            "pending": pending, "balance": balance, "on": pending_on, "vests_on": vests_on,
        }),
        E::PointsEarned { order, total, multiplier_percent, points, earned_on, expires_on, balance, .. } => json!({
            "order_id": order, "total": total.amount(), "currency": total.currency(),
            "multiplier_percent": multiplier_percent, "points": points, "balance": balance, "on": earned_on,
            "expires_on": expires_on,
        }),
        E::TierUpgraded { from, to, earned_12_months, on } | E::TierDowngraded { from, to, earned_12_months, on } => {
            json!({"from": from, "to": to, "earned_12_months": earned_12_months, "on": on})
        }
        E::TierKept { tier, earned_12_months, on } => {
            json!({"tier": tier, "earned_12_months": earned_12_months, "on": on})
        }
        E::HoldPlaced { hold, order, points, discount, placed_on, lapses_at, balance, .. } => json!({
            "hold_id": hold, "order_id": order, "points": points, "discount": discount.amount(),
            "currency": discount.currency(), "balance": balance, "on": placed_on, "lapses_at": lapses_at,
        }),
        E::HoldReleased { hold, order, points, reason, released_on, balance, .. } => json!({
            "hold_id": hold, "order_id": order, "points": points, "reason": reason, "balance": balance,
            "on": released_on,
        }),
        E::PointsRedeemed { order, points, discount, hold, redeemed_on, balance, .. } => json!({
            "order_id": order, "points": points, "discount": discount.amount(), "currency": discount.currency(),
            "hold_id": hold, "balance": balance, "on": redeemed_on,
        }),
        E::PointsReversed { order, refund, points, reversed_on, pending, balance, .. } => json!({
            "order_id": order, "refund_id": refund, "points": points, "balance": balance, "on": reversed_on,
            "pending": pending.then_some(true),
        }),
        E::OrderRefunded { order, refund, remaining, refunded_on } => json!({
            "order_id": order, "refund_id": refund, "remaining": remaining.amount(), "currency": remaining.currency(),
            "on": refunded_on,
        }),
        E::PointsAdjusted { adjustment, points, reason, adjusted_on, balance, .. } => json!({
            "adjustment_id": adjustment, "points": points, "reason": reason, "balance": balance, "on": adjusted_on,
        }),
        E::PointsReturned { order, refund, points, returned_on, balance, .. } => json!({
            "order_id": order, "refund_id": refund, "points": points, "balance": balance, "on": returned_on,
        }),
        E::PointsExpired { points, expires_on, balance, .. } => {
            json!({"points": points, "balance": balance, "on": expires_on})
        }
        E::TransferSent { .. } | E::TransferReceived { .. } | E::Merged { .. } | E::Absorbed { .. } => {
            of_two_accounts(event)
        }
        E::StampAdded { .. }
        | E::StampRemoved { .. }
        | E::RewardEarned { .. }
        | E::RewardWithdrawn { .. }
        | E::RewardRedeemed { .. }
        | E::RewardReturned { .. }
        | E::RewardExpired { .. } => of_stamp_cards(event),
        E::ReferralChanged { order, referrer, points, status, on, .. } => json!({
            "order_id": order, "referrer_id": referrer, "referrer_points": points, "status": status, "on": on,
        }),
        E::FlagRaised { flag, orders, since, raised_on } => {
            json!({"flag": flag, "orders": orders, "since": since, "on": raised_on})
        }
        E::FlagCleared { flag, reason, cleared_on } => json!({"flag": flag, "reason": reason, "on": cleared_on}),
        E::Closed { points, held, currency, on } => {
            json!({"points": points, "held": held, "currency": currency, "balance": 0, "on": on})
        }
    }
}

/// What moves between accounts; all others say nothing of it.
fn of_two_accounts(event: &LoyaltyEvent) -> Value {
    use LoyaltyEvent as E;
    match event {
        E::TransferSent { transfer, to, points, reason, sent_on, balance, .. } => json!({
            "transfer_id": transfer, "to": to, "points": points, "reason": reason, "balance": balance, "on": sent_on,
        }),
        E::TransferReceived { transfer, from, points, reason, received_on, balance, .. } => json!({
            "transfer_id": transfer, "from": from, "points": points, "reason": reason, "balance": balance,
            "on": received_on,
        }),
        E::Merged { into, points, currency, on } => {
            json!({"into": into, "points": points, "currency": currency, "balance": 0, "on": on})
        }
        E::Absorbed { duplicate, part, parts, points, currency, balance, on, .. } => json!({
            "duplicate_id": duplicate, "part": part, "parts": parts, "points": points, "currency": currency,
            "balance": balance, "on": on,
        }),
        _ => json!({}),
    }
}

/// Stamps and rewards; all others say nothing of them.
fn of_stamp_cards(event: &LoyaltyEvent) -> Value {
    use LoyaltyEvent as E;
    match event {
        E::StampAdded { order, card, stamps, stamped_on, on_card, .. } => {
            json!({"order_id": order, "card": card, "stamps": stamps, "on_card": on_card, "on": stamped_on})
        }
        E::StampRemoved { order, refund, card, stamps, removed_on, on_card, .. } => json!({
            "order_id": order, "refund_id": refund, "card": card, "stamps": stamps, "on_card": on_card, "on": removed_on,
        }),
        E::RewardEarned { reward, card, code, order, earned_on, expires_on, on_card, .. } => json!({
            "reward": reward, "card": card, "code": code, "order_id": order, "on_card": on_card, "on": earned_on,
            "expires_on": expires_on,
        }),
        E::RewardWithdrawn { reward, card, code, order, refund, withdrawn_on, on_card, .. } => json!({
            "reward": reward, "card": card, "code": code, "order_id": order, "refund_id": refund, "on_card": on_card,
            "on": withdrawn_on,
        }),
        E::RewardRedeemed { reward, card, code, order, redeemed_on } => {
            json!({"reward": reward, "card": card, "code": code, "order_id": order, "on": redeemed_on})
        }
        E::RewardReturned { reward, card, code, order, refund, expires_on, returned_on, .. } => json!({
            "reward": reward, "card": card, "code": code, "order_id": order, "refund_id": refund, "on": returned_on,
            "expires_on": expires_on,
        }),
        E::RewardExpired { reward, card, code, expires_on } => {
            json!({"reward": reward, "card": card, "code": code, "on": expires_on})
        }
        _ => json!({}),
    }
}

/// What an event does not say is absent.
fn without_nulls(mut facts: Value) -> Value {
    if let Value::Object(facts) = &mut facts {
        facts.retain(|_, fact| !fact.is_null());
    }
    facts
}

fn read(row: &PgRow) -> Result<TimelineRow, sqlx::Error> {
    let Json(facts) = get(row, "facts")?;
    Ok(TimelineRow {
        position: Position(get(row, "position")?),
        tenant: TenantId(get(row, "tenant")?),
        customer: get(row, "customer_id")?,
        event_type: get(row, "event_type")?,
        occurred_at: get(row, "occurred_at")?,
        recorded_at: get(row, "recorded_at")?,
        facts,
    })
}

/// What happened to a customer, and to all who were merged into it, the newest first; of some event types, or of all.
///
/// # Errors
/// When the database is away, or a row makes no sense.
pub async fn list(
    pools: &Pools,
    tenant: TenantId,
    customer: Uuid,
    types: Option<&[&str]>,
    back: Back,
) -> Result<AsOf<Page<TimelineRow>>, StoreError> {
    let query = sqlx::query(include_str!("customer_timeline/page.sql"))
        .bind(customer)
        .bind(back.before.0)
        .bind(back.fetched())
        .bind(types);
    let found = pools.request.fetch_all(tenant, query).await.map_err(failed("customer_timeline"))?;
    page(&found, back, read).map_err(failed("customer_timeline"))
}

#[cfg(test)]
mod tests;
