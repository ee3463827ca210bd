//! Table `loyalty_ledger`: every movement of points with the balance that it left, for statements and questions at the desk.
//!
//! A movement is one event, and no later event touches its row.

use crate::query::{AsOf, Back, Page, failed, get, page, word};
use crate::read_model::{ChangeOf, ReadModel, Recorded, Rows, made};
use crate::tables::{Columns, TableRow, Writer};
use chrono::{DateTime, NaiveDate, Utc};
use domain::ids::OrderId;
use domain::loyalty::campaigns::CampaignPoints;
use domain::loyalty::events::LoyaltyEvent;
use domain::{Currency, Event, Money};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use store::postgres::Pools;
use store::{Position, StoreError, TenantId};
use uuid::Uuid;

/// How points moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Movement {
    /// By a purchase.
    Earned,
    /// They were set aside for an order.
    Held,
    /// They came back, because the order came to nothing or nobody captured them in time.
    Released,
    /// They became a discount.
    Redeemed,
    /// They were taken back with their purchase.
    Reversed,
    /// They had become a discount, and came back with its order.
    Returned,
    /// They were given or taken by hand.
    Adjusted,
    /// They grew too old.
    Expired,
    /// They came from another account.
    TransferredIn,
    /// They went to another account.
    TransferredOut,
    /// They came, or were owed, with the account of a duplicate.
    MergedIn,
    /// They went with the account to that of the customer that it turned out to be.
    MergedOut,
    /// They were lost with the account.
    Closed,
}

impl Movement {
    const ALL: [Self; 13] = [
        Self::Earned,
        Self::Held,
        Self::Released,
        Self::Redeemed,
        Self::Reversed,
        Self::Returned,
        Self::Adjusted,
        Self::Expired,
        Self::TransferredIn,
        Self::TransferredOut,
        Self::MergedIn,
        Self::MergedOut,
        Self::Closed,
    ];

    /// The word in the table and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Earned => "earned",
            Self::Held => "held",
            Self::Released => "released",
            Self::Redeemed => "redeemed",
            Self::Reversed => "reversed",
            Self::Returned => "returned",
            Self::Adjusted => "adjusted",
            Self::Expired => "expired",
            Self::TransferredIn => "transferred_in",
            Self::TransferredOut => "transferred_out",
            Self::MergedIn => "merged_in",
            Self::MergedOut => "merged_out",
            Self::Closed => "closed",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// What of the points a campaign gave, or by how much less it gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfCampaign {
    /// The campaign.
    pub campaign_id: Uuid,
    /// The version of its rules.
    pub version: u32,
    /// How many, before the caps of the programme.
    pub points: i64,
}

/// A row of `loyalty_ledger`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerRow {
    /// Position of its event.
    pub position: Position,
    /// Whose account.
    pub tenant: TenantId,
    /// Id of the account, which is its customer's.
    pub account: Uuid,
    /// How the points moved.
    pub kind: Movement,
    /// What was added to the balance: below zero where points went.
    pub points: i64,
    /// What was added to the held points: below zero where they were spent or came back.
    pub held: i64,
    /// Available afterwards; below zero when points are owed.
    pub balance: i64,
    /// The lot that was made, taken back or expired.
    pub lot: Option<i64>,
    /// The order.
    pub order: Option<String>,
    /// The refund.
    pub refund: Option<String>,
    /// The hold that set the points aside.
    pub hold: Option<Uuid>,
    /// The adjustment, by whoever made it.
    pub adjustment: Option<String>,
    /// Why points were given or taken by hand, or transferred.
    pub reason: Option<String>,
    /// The transfer.
    pub transfer: Option<String>,
    /// The account at the other end of it.
    pub other_account: Option<Uuid>,
    /// What was paid for points earned, what points held or redeemed are worth.
    pub amount: Option<Money>,
    /// What of points earned campaigns gave; of those taken back, by how much less.
    pub campaigns: Vec<OfCampaign>,
    /// Business date.
    pub moved_on: NaiveDate,
    /// Business time.
    pub occurred_at: DateTime<Utc>,
    /// When it was appended.
    pub recorded_at: DateTime<Utc>,
}

/// The read model.
#[derive(Debug, Clone, Copy)]
pub struct LoyaltyLedger;

impl ReadModel for LoyaltyLedger {
    const NAME: &'static str = "loyalty_ledger";
    const VERSION: i32 = 9;
    const TABLES: &'static [&'static str] = &["loyalty_ledger"];
    const TABLES_SQL: &'static str = include_str!("loyalty_ledger/tables.sql");
    const INDEXES_SQL: &'static str = include_str!("loyalty_ledger/indexes.sql");
    const PERSONAL: &'static [&'static str] = &[];
    const HANDLES: &'static [&'static str] = &[
        "loyalty.points.earned",
        "loyalty.hold.placed",
        "loyalty.hold.released",
        "loyalty.points.redeemed",
        "loyalty.points.reversed",
        "loyalty.points.returned",
        "loyalty.points.adjusted",
        "loyalty.points.expired",
        "loyalty.transfer.sent",
        "loyalty.transfer.received",
        "loyalty.account.merged",
        "loyalty.account.absorbed",
        "loyalty.account.closed",
    ];
    const REVEALS: bool = false;
    const APPEND_ONLY: bool = true;

    type Key = Position;
    type Row = LedgerRow;

    fn keys(recorded: &Recorded) -> Vec<Position> {
        use LoyaltyEvent as E;
        match &recorded.event {
            Event::Loyalty(event) => match event {
                E::PointsEarned { .. }
                | E::HoldPlaced { .. }
                | E::HoldReleased { .. }
                | E::PointsRedeemed { .. }
                | E::PointsReversed { pending: false, .. }
                | E::PointsReturned { .. }
                | E::PointsAdjusted { .. }
                | E::PointsExpired { .. }
                | E::TransferSent { .. }
                | E::TransferReceived { .. }
                | E::Merged { .. }
                | E::Absorbed { .. }
                | E::Closed { .. } => vec![recorded.position],
                E::Enrolled { .. }
                | E::PointsPending { .. }
                | E::PointsReversed { pending: true, .. }
                | E::TierUpgraded { .. }
                | E::TierDowngraded { .. }
                | E::TierKept { .. }
                | E::StampAdded { .. }
                | E::OrderRefunded { .. }
                | E::StampRemoved { .. }
                | E::RewardEarned { .. }
                | E::RewardWithdrawn { .. }
                | E::RewardRedeemed { .. }
                | E::RewardReturned { .. }
                | E::RewardExpired { .. }
                | E::ReferralChanged { .. }
                | E::FlagRaised { .. }
                | E::FlagCleared { .. } => vec![],
            },
            Event::Customer(_) | Event::Programme(_) | Event::Credit(_) | Event::CreditGroup(_) | Event::Access(_) => {
                vec![]
            }
        }
    }

    fn apply(_: &Position, row: Option<LedgerRow>, recorded: &Recorded) -> Option<LedgerRow> {
        match &recorded.event {
            Event::Loyalty(event) => moved(event, recorded).or(row),
            Event::Customer(_) | Event::Programme(_) | Event::Credit(_) | Event::CreditGroup(_) | Event::Access(_) => {
                row
            }
        }
    }

    async fn load(_: &mut PgConnection, _: &[Position]) -> Result<Rows<Self>, sqlx::Error> {
        Ok(Rows::<Self>::new())
    }

    async fn write(writer: &mut Writer<'_>, changes: &[ChangeOf<Self>]) -> Result<(), sqlx::Error> {
        writer.put(made(changes)).await
    }
}

/// The row of an event that moves points.
fn moved(event: &LoyaltyEvent, recorded: &Recorded) -> Option<LedgerRow> {
    use LoyaltyEvent as E;
    let row = |kind, points, balance, moved_on| LedgerRow::of(recorded, kind, points, balance, moved_on);
    match event {
        E::PointsEarned { order, total, points, lot, earned_on, campaigns, balance, .. } => Some(LedgerRow {
            lot: Some((*lot).into()),
            order: Some(text(order)),
            amount: Some(*total),
            campaigns: of_campaigns(campaigns),
            ..row(Movement::Earned, *points, *balance, *earned_on)
        }),
        E::HoldPlaced { .. } | E::HoldReleased { .. } => held(event, recorded),
        E::PointsRedeemed { order, points, discount, hold, redeemed_on, balance, .. } => Some(LedgerRow {
            held: if hold.is_some() { points.saturating_neg() } else { 0 },
            hold: hold.map(|hold| hold.as_uuid()),
            order: Some(text(order)),
            amount: Some(*discount),
            // Held points had left the balance before.
            ..row(Movement::Redeemed, if hold.is_some() { 0 } else { points.saturating_neg() }, *balance, *redeemed_on)
        }),
        E::PointsReversed { pending: false, .. } => reversed(event, recorded),
        E::PointsReturned { order, refund, points, returned_on, balance, .. } => Some(LedgerRow {
            order: Some(text(order)),
            refund: Some(refund.as_str().to_owned()),
            ..row(Movement::Returned, *points, *balance, *returned_on)
        }),
        E::PointsAdjusted { adjustment, points, reason, lot, adjusted_on, balance, .. } => Some(LedgerRow {
            lot: lot.map(Into::into),
            adjustment: Some(adjustment.as_str().to_owned()),
            reason: Some(reason.as_str().to_owned()),
            ..row(Movement::Adjusted, *points, *balance, *adjusted_on)
        }),
        E::PointsExpired { lot, points, expires_on, hold, order, refund, balance, .. } => Some(LedgerRow {
            lot: Some((*lot).into()),
            order: order.as_ref().map(text),
            refund: refund.as_ref().map(|refund| refund.as_str().to_owned()),
            hold: hold.map(|hold| hold.as_uuid()),
            ..row(Movement::Expired, points.saturating_neg(), *balance, *expires_on)
        }),
        E::TransferSent { .. } | E::TransferReceived { .. } => transferred(event, recorded),
        E::Merged { .. } | E::Absorbed { .. } => merged(event, recorded),
        E::Closed { points, held, on, .. } => {
            Some(LedgerRow { held: held.saturating_neg(), ..row(Movement::Closed, points.saturating_neg(), 0, *on) })
        }
        E::Enrolled { .. }
        | E::PointsPending { .. }
        | E::PointsReversed { pending: true, .. }
        | E::TierUpgraded { .. }
        | E::TierDowngraded { .. }
        | E::TierKept { .. }
        | E::StampAdded { .. }
        | E::OrderRefunded { .. }
        | E::StampRemoved { .. }
        | E::RewardEarned { .. }
        | E::RewardWithdrawn { .. }
        | E::RewardRedeemed { .. }
        | E::RewardReturned { .. }
        | E::RewardExpired { .. }
        | E::ReferralChanged { .. }
        | E::FlagRaised { .. }
        | E::FlagCleared { .. } => None,
    }
}

/// The row of points that were set aside, or came back.
fn held(event: &LoyaltyEvent, recorded: &Recorded) -> Option<LedgerRow> {
    use LoyaltyEvent as E;
    let row = |kind, points, balance, moved_on| LedgerRow::of(recorded, kind, points, balance, moved_on);
    if let E::HoldPlaced { hold, order, points, discount, placed_on, balance, .. } = event {
        return Some(LedgerRow {
            held: *points,
            hold: Some(hold.as_uuid()),
            order: Some(text(order)),
            amount: Some(*discount),
            ..row(Movement::Held, points.saturating_neg(), *balance, *placed_on)
        });
    }
    let E::HoldReleased { hold, order, points, released_on, balance, .. } = event else { return None };
    Some(LedgerRow {
        held: points.saturating_neg(),
        hold: Some(hold.as_uuid()),
        order: Some(text(order)),
        ..row(Movement::Released, *points, *balance, *released_on)
    })
}

/// The row of points that were taken back.
fn reversed(event: &LoyaltyEvent, recorded: &Recorded) -> Option<LedgerRow> {
    let LoyaltyEvent::PointsReversed { order, refund, lot, points, reversed_on, campaigns, balance, .. } = event else {
        return None;
    };
    Some(LedgerRow {
        lot: Some((*lot).into()),
        order: Some(text(order)),
        refund: Some(refund.as_str().to_owned()),
        campaigns: of_campaigns(campaigns),
        ..LedgerRow::of(recorded, Movement::Reversed, points.saturating_neg(), *balance, *reversed_on)
    })
}

/// The row of an account that was taken over, or that took one over.
fn merged(event: &LoyaltyEvent, recorded: &Recorded) -> Option<LedgerRow> {
    use LoyaltyEvent as E;
    if let E::Merged { into, points, on, .. } = event {
        let row = LedgerRow::of(recorded, Movement::MergedOut, points.saturating_neg(), 0, *on);
        return Some(LedgerRow { other_account: Some(into.as_uuid()), ..row });
    }
    let E::Absorbed { duplicate, points, on, balance, .. } = event else { return None };
    let row = LedgerRow::of(recorded, Movement::MergedIn, *points, *balance, *on);
    Some(LedgerRow { other_account: Some(duplicate.as_uuid()), ..row })
}

/// The row of points that went to another account, or came from one.
fn transferred(event: &LoyaltyEvent, recorded: &Recorded) -> Option<LedgerRow> {
    use LoyaltyEvent as E;
    let row = |kind, points, balance, moved_on| LedgerRow::of(recorded, kind, points, balance, moved_on);
    if let E::TransferSent { transfer, to, points, reason, sent_on, balance, .. } = event {
        return Some(LedgerRow {
            reason: reason.as_ref().map(|reason| reason.as_str().to_owned()),
            transfer: Some(transfer.as_str().to_owned()),
            other_account: Some(to.as_uuid()),
            ..row(Movement::TransferredOut, points.saturating_neg(), *balance, *sent_on)
        });
    }
    let E::TransferReceived { transfer, from, points, reason, received_on, balance, .. } = event else { return None };
    Some(LedgerRow {
        reason: reason.as_ref().map(|reason| reason.as_str().to_owned()),
        transfer: Some(transfer.as_str().to_owned()),
        other_account: Some(from.as_uuid()),
        ..row(Movement::TransferredIn, *points, *balance, *received_on)
    })
}

fn of_campaigns(campaigns: &[CampaignPoints]) -> Vec<OfCampaign> {
    let of_campaign = |CampaignPoints { campaign, version, points, .. }: &CampaignPoints| OfCampaign {
        campaign_id: campaign.as_uuid(),
        version: *version,
        points: *points,
    };
    campaigns.iter().map(of_campaign).collect()
}

fn text(order: &OrderId) -> String {
    order.as_str().to_owned()
}

impl LedgerRow {
    fn of(recorded: &Recorded, kind: Movement, points: i64, balance: i64, moved_on: NaiveDate) -> Self {
        Self {
            position: recorded.position,
            tenant: recorded.tenant,
            account: recorded.stream.id,
            kind,
            points,
            held: 0,
            balance,
            lot: None,
            order: None,
            refund: None,
            hold: None,
            adjustment: None,
            reason: None,
            transfer: None,
            other_account: None,
            amount: None,
            campaigns: Vec::new(),
            moved_on,
            occurred_at: recorded.occurred_at,
            recorded_at: recorded.recorded_at,
        }
    }
}

fn read(row: &PgRow) -> Result<LedgerRow, sqlx::Error> {
    Ok(LedgerRow {
        position: Position(get(row, "position")?),
        tenant: TenantId(get(row, "tenant")?),
        account: get(row, "account")?,
        kind: word(row, "kind", Movement::parse)?,
        points: get(row, "points")?,
        held: get(row, "held")?,
        balance: get(row, "balance")?,
        lot: get(row, "lot")?,
        order: get(row, "order_id")?,
        refund: get(row, "refund_id")?,
        hold: get(row, "hold_id")?,
        adjustment: get(row, "adjustment_id")?,
        reason: get(row, "reason")?,
        transfer: get(row, "transfer_id")?,
        other_account: get(row, "other_account")?,
        amount: amount(row)?,
        campaigns: get::<Option<Json<_>>>(row, "campaigns")?.map_or_else(Vec::new, |Json(campaigns)| campaigns),
        moved_on: get(row, "moved_on")?,
        occurred_at: get(row, "occurred_at")?,
        recorded_at: get(row, "recorded_at")?,
    })
}

fn amount(row: &PgRow) -> Result<Option<Money>, sqlx::Error> {
    let Some(minor) = get::<Option<i64>>(row, "amount_minor")? else { return Ok(None) };
    word(row, "currency", |code| Money::from_minor(minor, Currency::parse(code).ok()?).ok()).map(Some)
}

impl TableRow for LedgerRow {
    const TABLE: &'static str = "loyalty_ledger";

    fn put(&self, to: &mut Columns) {
        to.put("position", self.position.0)
            .put("tenant", self.tenant.0)
            .put("account", self.account)
            .put("kind", self.kind.as_str())
            .put("points", self.points)
            .put("balance", self.balance)
            .put("lot", self.lot)
            .put("order_id", self.order.as_deref())
            .put("refund_id", self.refund.as_deref())
            .put("amount_minor", self.amount.map(|amount| amount.minor()))
            .put("currency", self.amount.map(|amount| amount.currency().code().to_owned()))
            .put("moved_on", self.moved_on)
            .put("occurred_at", self.occurred_at)
            .put("recorded_at", self.recorded_at)
            .put("held", self.held)
            .put("hold_id", self.hold)
            .put("adjustment_id", self.adjustment.as_deref())
            .put("reason", self.reason.as_deref())
            .put("transfer_id", self.transfer.as_deref())
            .put("other_account", self.other_account)
            .put("campaigns", (!self.campaigns.is_empty()).then_some(Json(&self.campaigns)));
    }
}

/// The movements of all accounts, or of one, in the order in which they happened, behind a place in the log.
///
/// # Errors
/// When the database is away, or a row makes no sense.
pub async fn list_after(
    pools: &Pools,
    tenant: TenantId,
    account: Option<Uuid>,
    after: Position,
    limit: usize,
) -> Result<AsOf<Page<LedgerRow>>, StoreError> {
    let fetched = Back::newest(limit).fetched();
    let query = match account {
        None => sqlx::query(include_str!("loyalty_ledger/after.sql")).bind(after.0).bind(fetched),
        Some(account) => {
            sqlx::query(include_str!("loyalty_ledger/after_of.sql")).bind(account).bind(after.0).bind(fetched)
        }
    };
    let found = pools.request.fetch_all(tenant, query).await.map_err(failed("loyalty_ledger"))?;
    page(&found, Back::newest(limit), read).map_err(failed("loyalty_ledger"))
}

/// The movements of an account, the newest first.
///
/// # Errors
/// When the database is away, or a row makes no sense.
pub async fn list(
    pools: &Pools,
    tenant: TenantId,
    account: Uuid,
    back: Back,
) -> Result<AsOf<Page<LedgerRow>>, StoreError> {
    let query =
        sqlx::query(include_str!("loyalty_ledger/page.sql")).bind(account).bind(back.before.0).bind(back.fetched());
    let found = pools.request.fetch_all(tenant, query).await.map_err(failed("loyalty_ledger"))?;
    page(&found, back, read).map_err(failed("loyalty_ledger"))
}

#[cfg(test)]
mod tests;
