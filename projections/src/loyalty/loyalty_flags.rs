//! Table `loyalty_flags`: what about accounts a person is to look at, or has looked at.

use crate::query::{AsOf, Back, Page, failed, get, page, word};
use crate::read_model::{ChangeOf, ReadModel, Recorded, Rows, made};
use crate::tables::{Columns, TableRow, Writer};
use chrono::NaiveDate;
use domain::Event;
use domain::ids::ReasonCode;
use domain::loyalty::events::LoyaltyEvent;
use domain::loyalty::flags::{FlagKind, GivenBackDay};
use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use store::postgres::Pools;
use store::{Position, StoreError, TenantId};
use uuid::Uuid;

/// A row of `loyalty_flags`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagRow {
    /// Id of the account, which is its customer's.
    pub account: Uuid,
    /// What is to be looked at.
    pub flag: FlagKind,
    /// Whose account.
    pub tenant: TenantId,
    /// How many orders it is about.
    pub orders: i32,
    /// Business date of the first of them.
    pub since: NaiveDate,
    /// Business date on which it was flagged last.
    pub raised_on: NaiveDate,
    /// Business date on which somebody had looked at it, or the account was over; none: it is to be looked at.
    pub cleared_on: Option<NaiveDate>,
    /// What came of it.
    pub reason: Option<String>,
    /// Position of the event that flagged it last.
    pub position: Position,
}

/// The read model.
#[derive(Debug, Clone, Copy)]
pub struct LoyaltyFlags;

impl ReadModel for LoyaltyFlags {
    const NAME: &'static str = "loyalty_flags";
    const VERSION: i32 = 2;
    const TABLES: &'static [&'static str] = &["loyalty_flags"];
    const TABLES_SQL: &'static str = include_str!("loyalty_flags/tables.sql");
    const INDEXES_SQL: &'static str = include_str!("loyalty_flags/indexes.sql");
    const PERSONAL: &'static [&'static str] = &[];
    const HANDLES: &'static [&'static str] = &[
        "loyalty.flag.raised",
        "loyalty.flag.cleared",
        "loyalty.account.absorbed",
        "loyalty.account.merged",
        "loyalty.account.closed",
    ];
    const REVEALS: bool = false;

    type Key = (Uuid, FlagKind);
    type Row = FlagRow;

    fn keys(recorded: &Recorded) -> Vec<(Uuid, FlagKind)> {
        use LoyaltyEvent as E;
        let Event::Loyalty(event) = &recorded.event else { return vec![] };
        let flags = match event {
            E::FlagRaised { flag, .. } | E::FlagCleared { flag, .. } => std::slice::from_ref(flag),
            E::Absorbed { flags, .. } => flags,
            E::Merged { .. } | E::Closed { .. } => FlagKind::ALL,
            E::Enrolled { .. }
            | E::PointsPending { .. }
            | E::PointsEarned { .. }
            | E::TierUpgraded { .. }
            | E::TierDowngraded { .. }
            | E::TierKept { .. }
            | E::HoldPlaced { .. }
            | E::HoldReleased { .. }
            | E::PointsRedeemed { .. }
            | E::PointsReversed { .. }
            | E::PointsAdjusted { .. }
            | E::PointsReturned { .. }
            | E::PointsExpired { .. }
            | E::TransferSent { .. }
            | E::TransferReceived { .. }
            | E::StampAdded { .. }
            | E::OrderRefunded { .. }
            | E::StampRemoved { .. }
            | E::RewardEarned { .. }
            | E::RewardWithdrawn { .. }
            | E::RewardRedeemed { .. }
            | E::RewardReturned { .. }
            | E::RewardExpired { .. }
            | E::ReferralChanged { .. } => &[],
        };
        flags.iter().map(|flag| (recorded.stream.id, *flag)).collect()
    }

    fn apply(key: &(Uuid, FlagKind), row: Option<FlagRow>, recorded: &Recorded) -> Option<FlagRow> {
        use LoyaltyEvent as E;
        let Event::Loyalty(event) = &recorded.event else { return row };
        match event {
            E::FlagRaised { orders, since, raised_on, .. } => {
                Some(FlagRow::raised(*key, (*orders, *since), *raised_on, recorded))
            }
            E::Absorbed { given_back, on, .. } => {
                Some(FlagRow::raised(*key, counted(key.1, given_back, *on), *on, recorded))
            }
            E::FlagCleared { reason, cleared_on, .. } => Some(row?.cleared(*cleared_on, reason.as_ref())),
            E::Merged { on, .. } | E::Closed { on, .. } => Some(row?.cleared(*on, None)),
            E::Enrolled { .. }
            | E::PointsPending { .. }
            | E::PointsEarned { .. }
            | E::TierUpgraded { .. }
            | E::TierDowngraded { .. }
            | E::TierKept { .. }
            | E::HoldPlaced { .. }
            | E::HoldReleased { .. }
            | E::PointsRedeemed { .. }
            | E::PointsReversed { .. }
            | E::PointsAdjusted { .. }
            | E::PointsReturned { .. }
            | E::PointsExpired { .. }
            | E::TransferSent { .. }
            | E::TransferReceived { .. }
            | E::StampAdded { .. }
            | E::OrderRefunded { .. }
            | E::StampRemoved { .. }
            | E::RewardEarned { .. }
            | E::RewardWithdrawn { .. }
            | E::RewardRedeemed { .. }
            | E::RewardReturned { .. }
            | E::RewardExpired { .. }
            | E::ReferralChanged { .. } => row,
        }
    }

    async fn load(conn: &mut PgConnection, keys: &[(Uuid, FlagKind)]) -> Result<Rows<Self>, sqlx::Error> {
        let sql = concat!(
            "select * from loyalty_flags ",
            "join unnest($1::uuid[], $2::text[]) as wanted (account, flag) using (account, flag)"
        );
        let (accounts, flags): (Vec<Uuid>, Vec<&str>) = keys.iter().map(|(id, flag)| (*id, flag.as_str())).unzip();
        let rows = sqlx::query(sql).bind(accounts).bind(flags).fetch_all(conn).await?;
        rows.iter().map(|row| read(row).map(|row| ((row.account, row.flag), row))).collect()
    }

    async fn write(writer: &mut Writer<'_>, changes: &[ChangeOf<Self>]) -> Result<(), sqlx::Error> {
        writer.put(made(changes)).await
    }
}

impl FlagRow {
    fn raised(
        (account, flag): (Uuid, FlagKind),
        (orders, since): (u32, NaiveDate),
        raised_on: NaiveDate,
        recorded: &Recorded,
    ) -> Self {
        let orders = i32::try_from(orders).unwrap_or(i32::MAX);
        let (tenant, position) = (recorded.tenant, recorded.position);
        Self { account, flag, tenant, orders, since, raised_on, cleared_on: None, reason: None, position }
    }

    /// What is cleared already stays as it was.
    fn cleared(self, on: NaiveDate, reason: Option<&ReasonCode>) -> Self {
        match self.cleared_on {
            Some(_) => self,
            None => Self { cleared_on: Some(on), reason: reason.map(|reason| reason.as_str().to_owned()), ..self },
        }
    }
}

/// How many orders it is about, and the day of the first of them. Which purchase it was of who may have sent itself, its own account says.
fn counted(flag: FlagKind, given_back: &[GivenBackDay], on: NaiveDate) -> (u32, NaiveDate) {
    match flag {
        FlagKind::BuyRefundLoop => {}
        FlagKind::SelfReferral => return (0, on),
    }
    let orders = given_back.iter().map(|day| day.orders).fold(0, u32::saturating_add);
    (orders, given_back.first().map_or(on, |day| day.on))
}

impl TableRow for FlagRow {
    const TABLE: &'static str = "loyalty_flags";

    fn put(&self, to: &mut Columns) {
        to.put("account", self.account)
            .put("flag", self.flag.as_str())
            .put("tenant", self.tenant.0)
            .put("orders", self.orders)
            .put("since", self.since)
            .put("raised_on", self.raised_on)
            .put("cleared_on", self.cleared_on)
            .put("reason", self.reason.as_deref())
            .put("position", self.position.0);
    }
}

fn read(row: &PgRow) -> Result<FlagRow, sqlx::Error> {
    Ok(FlagRow {
        account: get(row, "account")?,
        flag: word(row, "flag", FlagKind::parse)?,
        tenant: TenantId(get(row, "tenant")?),
        orders: get(row, "orders")?,
        since: get(row, "since")?,
        raised_on: get(row, "raised_on")?,
        cleared_on: get(row, "cleared_on")?,
        reason: get(row, "reason")?,
        position: Position(get(row, "position")?),
    })
}

/// What is to be looked at, or all that ever was, of one account or of all, the latest first.
///
/// # Errors
/// When the database is away, or a row makes no sense.
pub async fn list(
    pools: &Pools,
    tenant: TenantId,
    (account, with_cleared): (Option<Uuid>, bool),
    back: Back,
) -> Result<AsOf<Page<FlagRow>>, StoreError> {
    let query = sqlx::query(include_str!("loyalty_flags/page.sql"));
    let query = query.bind(with_cleared).bind(back.before.0).bind(back.fetched()).bind(account);
    let found = pools.request.fetch_all(tenant, query).await.map_err(failed("loyalty_flags"))?;
    page(&found, back, read).map_err(failed("loyalty_flags"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folding::folded;
    use domain::Currency;
    use domain::ids::CustomerId;

    const LOOP: FlagKind = FlagKind::BuyRefundLoop;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn raised() -> Event {
        let (since, raised_on) = (day("2026-02-01"), day("2026-02-12"));
        LoyaltyEvent::FlagRaised { flag: LOOP, orders: 5, since, raised_on }.into()
    }

    #[test]
    fn a_flag_is_to_be_looked_at_until_it_is_cleared_or_the_account_is_over() {
        let key = (Uuid::from_u128(1), LOOP);
        let row = folded::<LoyaltyFlags>(&key, [raised()]).unwrap();
        assert_eq!((row.orders, row.since, row.cleared_on), (5, day("2026-02-01"), None));
        let reason = Some(ReasonCode::parse("talked-to").unwrap());
        let cleared: Event = LoyaltyEvent::FlagCleared { flag: LOOP, reason, cleared_on: day("2026-02-13") }.into();
        let into = CustomerId::new(Uuid::from_u128(8));
        let currency = Currency::parse("EUR").unwrap();
        let merged: Event = LoyaltyEvent::Merged { into, points: 0, currency, on: day("2026-02-14") }.into();
        let row = folded::<LoyaltyFlags>(&key, [raised(), cleared.clone(), merged.clone()]).unwrap();
        assert_eq!((row.cleared_on, row.reason.as_deref()), (Some(day("2026-02-13")), Some("talked-to")));
        let row = folded::<LoyaltyFlags>(&key, [raised(), merged]).unwrap();
        assert_eq!((row.cleared_on, row.reason), (Some(day("2026-02-14")), None));
        let row = folded::<LoyaltyFlags>(&key, [raised(), cleared, raised()]).unwrap();
        assert_eq!(row.cleared_on, None);
    }
}
