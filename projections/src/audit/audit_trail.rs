//! Table `audit_trail`: who caused which event, by which door, on which occasion and because of what; for searches. What happened stands
//! in the log itself, and no free text here: the reasons that people give are personal.

pub mod search;

use crate::query::get;
use crate::read_model::{ChangeOf, Occasion, ReadModel, Recorded, Rows, made};
use crate::tables::{Columns, TableRow, Writer};
use chrono::{DateTime, Utc};
use domain::Event;
use domain::credit::events::CreditEvent;
use domain::customers::events::CustomerEvent;
use domain::ids::OrderId;
use domain::loyalty::events::LoyaltyEvent;
use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use store::{Position, TenantId, Version};
use uuid::Uuid;

/// A row of `audit_trail`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// Position of the event.
    pub position: Position,
    /// Whose event.
    pub tenant: TenantId,
    /// Wire name of the event.
    pub event_type: String,
    /// Kind of the stream.
    pub category: String,
    /// The stream: category and id.
    pub stream: String,
    /// Version of the event in its stream.
    pub version: Version,
    /// On whose timeline it stands.
    pub customer: Option<Uuid>,
    /// Who caused it, and on which occasion.
    pub occasion: Occasion,
    /// The order that it is about.
    pub order: Option<String>,
    /// Business time.
    pub occurred_at: DateTime<Utc>,
    /// When it was appended.
    pub recorded_at: DateTime<Utc>,
}

/// The read model.
#[derive(Debug, Clone, Copy)]
pub struct AuditTrail;

impl ReadModel for AuditTrail {
    const NAME: &'static str = "audit_trail";
    const VERSION: i32 = 3;
    const TABLES: &'static [&'static str] = &["audit_trail"];
    const TABLES_SQL: &'static str = include_str!("audit_trail/tables.sql");
    const INDEXES_SQL: &'static str = include_str!("audit_trail/indexes.sql");
    const PERSONAL: &'static [&'static str] = &[];
    const HANDLES: &'static [&'static str] = &["*"];
    const REVEALS: bool = false;
    const TELLS_OCCASION: bool = true;
    const APPEND_ONLY: bool = true;

    type Key = Position;
    type Row = AuditRow;

    fn keys(recorded: &Recorded) -> Vec<Position> {
        vec![recorded.position]
    }

    fn apply(_: &Position, _: Option<AuditRow>, recorded: &Recorded) -> Option<AuditRow> {
        Some(AuditRow {
            position: recorded.position,
            tenant: recorded.tenant,
            event_type: recorded.event.event_type().to_owned(),
            category: recorded.stream.category.to_owned(),
            stream: recorded.stream.to_string(),
            version: recorded.version,
            customer: recorded.customer_id,
            occasion: recorded.occasion.clone(),
            order: order(&recorded.event).map(|order| order.as_str().to_owned()),
            occurred_at: recorded.occurred_at,
            recorded_at: recorded.recorded_at,
        })
    }

    async fn load(_: &mut PgConnection, _: &[Position]) -> Result<Rows<Self>, sqlx::Error> {
        Ok(Rows::<Self>::new())
    }

    async fn write(writer: &mut Writer<'_>, changes: &[ChangeOf<Self>]) -> Result<(), sqlx::Error> {
        writer.put(made(changes)).await
    }
}

impl TableRow for AuditRow {
    const TABLE: &'static str = "audit_trail";

    fn put(&self, to: &mut Columns) {
        to.put("position", self.position.0)
            .put("tenant", self.tenant.0)
            .put("event_type", self.event_type.as_str())
            .put("category", self.category.as_str())
            .put("stream", self.stream.as_str())
            .put("version", self.version)
            .put("customer_id", self.customer)
            .put("actor", self.occasion.actor.as_str())
            .put("request_id", self.occasion.request_id.as_deref())
            .put("correlation_id", self.occasion.correlation_id.as_deref())
            .put("causation_id", self.occasion.causation_id.as_deref())
            .put("via", self.occasion.via.as_deref())
            .put("order_id", self.order.as_deref())
            .put("occurred_at", self.occurred_at)
            .put("recorded_at", self.recorded_at);
    }
}

/// The order that an event is about: by what people ask for it.
const fn order(event: &Event) -> Option<&OrderId> {
    match event {
        Event::Customer(event) => order_of_customer(event),
        Event::Loyalty(event) => order_of_account(event),
        Event::Credit(event) => order_of_line(event),
        Event::Programme(_) | Event::CreditGroup(_) | Event::Access(_) => None,
    }
}

const fn order_of_line(event: &CreditEvent) -> Option<&OrderId> {
    use CreditEvent as C;
    match event {
        C::HoldPlaced { order, .. }
        | C::HoldReleased { order, .. }
        | C::Used { order, .. }
        | C::LimitExceeded { order, .. }
        | C::Released { order, .. }
        | C::Overdue { order, .. } => Some(order),
        C::Requested { .. }
        | C::Approved { .. }
        | C::Rejected { .. }
        | C::LimitChanged { .. }
        | C::TermsChanged { .. }
        | C::PolicyChanged { .. }
        | C::Suspended { .. }
        | C::Resumed { .. }
        | C::Closed { .. }
        | C::PaymentApplied { .. }
        | C::PaymentReversed { .. }
        | C::UnappliedRefunded { .. }
        | C::DunningSent { .. }
        | C::DunningPaused { .. }
        | C::DunningResumed { .. }
        | C::TemporaryGranted { .. }
        | C::TemporarySettled { .. }
        | C::TemporaryExpired { .. }
        | C::GroupJoined { .. }
        | C::GroupLeft { .. } => None,
    }
}

const fn order_of_customer(event: &CustomerEvent) -> Option<&OrderId> {
    use CustomerEvent as C;
    match event {
        C::PurchaseRecorded { order, .. } | C::PurchaseRefunded { order, .. } => Some(order),
        C::Created { .. }
        | C::Updated { .. }
        | C::AddressAdded { .. }
        | C::AddressChanged { .. }
        | C::AddressRemoved { .. }
        | C::PreferencesChanged { .. }
        | C::LifecycleChanged { .. }
        | C::ReferenceLinked { .. }
        | C::ReferenceUnlinked { .. }
        | C::UserLinked { .. }
        | C::UserUnlinked {}
        | C::Tagged { .. }
        | C::Untagged { .. }
        | C::Assigned { .. }
        | C::PortalGranted { .. }
        | C::PortalRevoked {}
        | C::Referred { .. }
        | C::SegmentChanged { .. }
        | C::Blocked { .. }
        | C::Unblocked { .. }
        | C::TermsChanged { .. }
        | C::MetadataChanged { .. }
        | C::Merged { .. }
        | C::DuplicateAbsorbed { .. }
        | C::Deleted { .. }
        | C::Restored { .. }
        | C::Exported { .. }
        | C::Erased { .. } => None,
    }
}

const fn order_of_account(event: &LoyaltyEvent) -> Option<&OrderId> {
    use LoyaltyEvent as L;
    match event {
        L::PointsPending { order, .. }
        | L::PointsEarned { order, .. }
        | L::HoldPlaced { order, .. }
        | L::HoldReleased { order, .. }
        | L::PointsRedeemed { order, .. }
        | L::PointsReversed { order, .. }
        | L::OrderRefunded { order, .. }
        | L::PointsReturned { order, .. }
        | L::StampAdded { order, .. }
        | L::StampRemoved { order, .. }
        | L::RewardEarned { order: Some(order), .. }
        | L::RewardWithdrawn { order: Some(order), .. }
        | L::RewardRedeemed { order, .. }
        | L::RewardReturned { order, .. }
        | L::ReferralChanged { order, .. }
        | L::PointsExpired { order: Some(order), .. } => Some(order),
        L::Enrolled { .. }
        | L::TierUpgraded { .. }
        | L::TierDowngraded { .. }
        | L::TierKept { .. }
        | L::PointsAdjusted { .. }
        | L::PointsExpired { order: None, .. }
        | L::RewardEarned { order: None, .. }
        | L::RewardWithdrawn { order: None, .. }
        | L::RewardExpired { .. }
        | L::FlagRaised { .. }
        | L::FlagCleared { .. }
        | L::TransferSent { .. }
        | L::TransferReceived { .. }
        | L::Merged { .. }
        | L::Absorbed { .. }
        | L::Closed { .. } => None,
    }
}

fn read(row: &PgRow) -> Result<AuditRow, sqlx::Error> {
    Ok(AuditRow {
        position: Position(get(row, "position")?),
        tenant: TenantId(get(row, "tenant")?),
        event_type: get(row, "event_type")?,
        category: get(row, "category")?,
        stream: get(row, "stream")?,
        version: get(row, "version")?,
        customer: get(row, "customer_id")?,
        occasion: Occasion {
            actor: get(row, "actor")?,
            request_id: get(row, "request_id")?,
            correlation_id: get(row, "correlation_id")?,
            causation_id: get(row, "causation_id")?,
            via: get(row, "via")?,
        },
        order: get(row, "order_id")?,
        occurred_at: get(row, "occurred_at")?,
        recorded_at: get(row, "recorded_at")?,
    })
}

#[cfg(test)]
mod tests;
