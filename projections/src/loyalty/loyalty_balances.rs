//! Table `loyalty_balances`: points, tier and coming expiries of each account, as of its last event.
//!
//! A row knows no clock. Holds and lots whose time has come since the last event are ended by the query, as of the caller's
//! moment ([`LoyaltyBalanceRow::at`]), so a balance is right although no job ran.

pub mod due;

use crate::loyalty::loyalty_programmes::in_force;
use crate::query::{AsOf, as_of, failed, get, word};
use crate::read_model::{ChangeOf, ReadModel, Recorded, Rows, made};
use crate::tables::{Columns, TableRow, Writer};
use crate::time_travel::{TimeTravelError, Until, row_of};
use chrono::{DateTime, NaiveDate, Utc};
use domain::aggregate::Category;
use domain::ids::{BenefitCode, HoldId};
use domain::loyalty::events::{LotPoints, LoyaltyEvent, MovedLot};
use domain::loyalty::holds::give_back;
use domain::loyalty::merging::{AbsorbedCard, AbsorbedLot};
use domain::loyalty::programme::{Programme, Tier};
use domain::loyalty::windows;
use domain::{Currency, Event, Moment, Money};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use store::postgres::Pools;
use store::{EventStore, Position, StoreError, StreamId, TenantId, Version};
use uuid::Uuid;

/// The points of one purchase, or given by hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LotRow {
    /// Its number in the account, from one.
    pub lot: u32,
    /// The points that can still be redeemed; 0 when used up.
    pub left: i64,
    /// The points that count for the tier: earned, less reversed.
    pub counted: i64,
    /// Business date of the purchase.
    pub earned_on: NaiveDate,
    /// The first day on which the points are gone.
    pub expires_on: NaiveDate,
}

/// Points of a purchase that have not vested.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingRow {
    /// The number of the lot that they will be.
    pub lot: u32,
    /// The order.
    pub order: String,
    /// How many.
    pub points: i64,
    /// Business date of the purchase.
    pub pending_on: NaiveDate,
    /// The day on which they vest; none when somebody has to say so.
    pub vests_on: Option<NaiveDate>,
    /// The first day on which they are gone, if they vest then.
    pub expires_on: Option<NaiveDate>,
}

/// Points that are set aside for an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldRow {
    /// Its id.
    pub hold: HoldId,
    /// The order.
    pub order: String,
    /// How many points.
    pub points: i64,
    /// What they will be worth.
    pub discount: Money,
    /// From when on it is over.
    pub lapses_at: DateTime<Utc>,
    /// The lots they came from, with what they gave.
    pub lots: Vec<HeldLot>,
}

/// What a lot gave to a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldLot {
    /// Its number in the account, from one.
    pub lot: u32,
    /// How many points.
    pub points: i64,
    /// Business date of the purchase.
    pub earned_on: NaiveDate,
    /// The first day on which the points are gone.
    pub expires_on: NaiveDate,
}

/// What is on a stamp card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardRow {
    /// The card.
    pub card: String,
    /// Its stamps; below zero when they had earned a reward that is spent.
    pub stamps: i64,
}

/// A reward that can be redeemed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RewardRow {
    /// Its number in the account, from one.
    pub reward: u32,
    /// The card that earned it.
    pub card: String,
    /// What it is.
    pub code: String,
    /// Business date on which it was earned.
    pub earned_on: NaiveDate,
    /// The first day on which it is gone; none: never.
    pub expires_on: Option<NaiveDate>,
}

/// A row of `loyalty_balances`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoyaltyBalanceRow {
    /// Id of the account, which is its customer's.
    pub account: Uuid,
    /// Whose account.
    pub tenant: TenantId,
    /// The currency in which it earns.
    pub currency: Currency,
    /// What may be redeemed, lots that are due since included and held points not; below zero when points are owed.
    pub available: i64,
    /// Points that have not vested, also those whose day has come since.
    pub pending: i64,
    /// Points that are held for a sale, also by holds that lapsed since.
    pub held: i64,
    /// All that was ever earned.
    pub lifetime_earned: i64,
    /// All that was ever redeemed.
    pub redeemed: i64,
    /// All whose expiry is recorded.
    pub expired: i64,
    /// All that was taken back.
    pub reversed: i64,
    /// All that was redeemed for orders that were given back, and came back itself.
    pub returned: i64,
    /// All that was given by hand, less what was taken by hand.
    pub adjusted: i64,
    /// All that came from other accounts.
    pub transferred_in: i64,
    /// All that went to other accounts.
    pub transferred_out: i64,
    /// Earned, less reversed, in the twelve calendar months that end on `earned_reference_on`.
    pub earned_last_12_months: i64,
    /// The latest business date on which the account has earned.
    pub earned_reference_on: Option<NaiveDate>,
    /// The tier.
    pub tier: Tier,
    /// Business date of the enrolment.
    pub enrolled_on: NaiveDate,
    /// In the order in which they expire. Used-up ones stay while the last twelve months, or the next review, count them.
    pub lots: Vec<LotRow>,
    /// Open holds, in the order in which they lapse.
    pub holds: Vec<HoldRow>,
    /// What is pending, in the order in which it vests; last what waits for somebody to say so.
    pub pending_points: Vec<PendingRow>,
    /// When the first of it vests.
    pub next_vest_on: Option<NaiveDate>,
    /// When the first of the holds lapses.
    pub next_lapse_at: Option<DateTime<Utc>>,
    /// What is on stamp cards, by card; not those with nothing on them.
    pub stamp_cards: Vec<CardRow>,
    /// The rewards that can be redeemed, those whose day has come since included, in the order in which they expire.
    pub rewards: Vec<RewardRow>,
    /// When the first of the lots expires that have points left, or of the rewards.
    pub next_expiry_on: Option<NaiveDate>,
    /// The latest day whose lots are recorded as expired.
    pub expired_until: Option<NaiveDate>,
    /// When the tier is reviewed next; none for the lowest.
    pub review_on: Option<NaiveDate>,
    /// Business date on which the account was closed.
    pub closed_on: Option<NaiveDate>,
    /// Whose account took over what it had.
    pub merged_into: Option<Uuid>,
    /// When something happened to it last.
    pub updated_at: DateTime<Utc>,
    /// Position of its last event.
    pub position: Position,
    /// Version of its stream.
    pub version: Version,
}

/// Points that will be gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Expiry {
    /// How many.
    pub points: i64,
    /// From which day on.
    pub expires_on: NaiveDate,
}

/// A stamp card as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardBalance {
    /// The card.
    pub card: String,
    /// Its stamps; below zero when they had earned a reward that is spent.
    pub stamps: i64,
    /// How many make it full; none when the rules have no such card any more.
    pub of: Option<u32>,
    /// What a full card earns.
    pub reward: Option<String>,
}

/// A balance as it is on a business date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoyaltyBalance {
    /// Id of the account, which is its customer's.
    pub account: Uuid,
    /// The currency in which it earns.
    pub currency: Currency,
    /// What may be redeemed, held points not among them; below zero when points are owed.
    pub available: i64,
    /// Points that have not vested.
    pub pending: i64,
    /// Points that are held for a sale.
    pub held: i64,
    /// All that was ever earned.
    pub lifetime_earned: i64,
    /// All that was ever redeemed.
    pub redeemed: i64,
    /// All that grew too old, whether or not a job has recorded it.
    pub expired: i64,
    /// All that was taken back.
    pub reversed: i64,
    /// All that was redeemed for orders that were given back, and came back itself.
    pub returned: i64,
    /// All that was given by hand, less what was taken by hand.
    pub adjusted: i64,
    /// All that came from other accounts.
    pub transferred_in: i64,
    /// All that went to other accounts.
    pub transferred_out: i64,
    /// Earned, less reversed, in the twelve calendar months that end today.
    pub earned_last_12_months: i64,
    /// The tier.
    pub tier: Tier,
    /// What its members enjoy.
    pub benefits: Vec<BenefitCode>,
    /// The tier above.
    pub next_tier: Option<Tier>,
    /// How many points it is away.
    pub points_to_next_tier: Option<i64>,
    /// Business date of the enrolment.
    pub enrolled_on: NaiveDate,
    /// All points that will be gone, by day, the next ones first.
    pub expiries: Vec<Expiry>,
    /// What is pending, in the order in which it vests; last what waits for somebody to say so.
    pub pending_points: Vec<PendingRow>,
    /// Open holds, in the order in which they lapse.
    pub holds: Vec<HoldRow>,
    /// The stamp cards of the rules, and those of other ones that have stamps.
    pub stamp_cards: Vec<CardBalance>,
    /// The rewards that can be redeemed, in the order in which they expire.
    pub rewards: Vec<RewardRow>,
    /// When the tier is reviewed next; none for the lowest.
    pub review_on: Option<NaiveDate>,
    /// The tier after that review, if nothing more is earned.
    pub projected_tier: Option<Tier>,
    /// Business date on which the account was closed.
    pub closed_on: Option<NaiveDate>,
    /// Whose account took over what it had.
    pub merged_into: Option<Uuid>,
    /// When something happened to it last.
    pub updated_at: DateTime<Utc>,
    /// Position of its last event.
    pub position: Position,
    /// Version of its stream.
    pub version: Version,
}

/// The read model.
#[derive(Debug, Clone, Copy)]
pub struct LoyaltyBalances;

impl ReadModel for LoyaltyBalances {
    const NAME: &'static str = "loyalty_balances";
    const VERSION: i32 = 12;
    const TABLES: &'static [&'static str] = &["loyalty_balances"];
    const TABLES_SQL: &'static str = include_str!("loyalty_balances/tables.sql");
    const INDEXES_SQL: &'static str = include_str!("loyalty_balances/indexes.sql");
    const PERSONAL: &'static [&'static str] = &[];
    const HANDLES: &'static [&'static str] = LoyaltyEvent::TYPES;
    const REVEALS: bool = false;

    type Key = Uuid;
    type Row = LoyaltyBalanceRow;

    fn keys(recorded: &Recorded) -> Vec<Uuid> {
        match &recorded.event {
            Event::Loyalty(_) => vec![recorded.stream.id],
            Event::Customer(_) | Event::Programme(_) | Event::Credit(_) | Event::CreditGroup(_) | Event::Access(_) => {
                vec![]
            }
        }
    }

    fn apply(_: &Uuid, row: Option<LoyaltyBalanceRow>, recorded: &Recorded) -> Option<LoyaltyBalanceRow> {
        match &recorded.event {
            Event::Loyalty(event) => apply(row, event, recorded),
            Event::Customer(_) | Event::Programme(_) | Event::Credit(_) | Event::CreditGroup(_) | Event::Access(_) => {
                row
            }
        }
    }

    async fn load(conn: &mut PgConnection, keys: &[Uuid]) -> Result<Rows<Self>, sqlx::Error> {
        let sql =
            concat!(include_str!("loyalty_balances/columns.sql"), "from loyalty_balances b where b.account = any($1)");
        let rows = sqlx::query(sql).bind(keys).fetch_all(conn).await?;
        rows.iter().map(|row| read(row).map(|row| (row.account, row))).collect()
    }

    async fn write(writer: &mut Writer<'_>, changes: &[ChangeOf<Self>]) -> Result<(), sqlx::Error> {
        writer.put(made(changes)).await
    }
}

/// The row that an event changes. Who is no member becomes one by taking over an account, too.
fn opened(row: Option<LoyaltyBalanceRow>, event: &LoyaltyEvent, recorded: &Recorded) -> Option<LoyaltyBalanceRow> {
    match (row, event) {
        (_, LoyaltyEvent::Enrolled { currency, on }) => Some(LoyaltyBalanceRow::enrolled(*currency, *on, recorded)),
        (None, LoyaltyEvent::Absorbed { currency, enrolled_on, .. }) => {
            Some(LoyaltyBalanceRow::enrolled(*currency, *enrolled_on, recorded))
        }
        (row, _) => row,
    }
}

/// What one event makes of an account's row.
fn apply(row: Option<LoyaltyBalanceRow>, event: &LoyaltyEvent, recorded: &Recorded) -> Option<LoyaltyBalanceRow> {
    use LoyaltyEvent as E;
    let mut row = opened(row, event, recorded)?;
    match event {
        E::Enrolled { .. } => {}
        E::PointsPending { .. } => row.set_pending(event),
        E::PointsEarned { points, lot, earned_on, expires_on, paid_debt, balance, .. } => {
            row.pending_points.retain(|pending| pending.lot != *lot);
            let (left, counted) = (points.saturating_sub(*paid_debt), *points);
            row.earn(LotRow { lot: *lot, left, counted, earned_on: *earned_on, expires_on: *expires_on });
            row.available = *balance;
        }
        E::TierUpgraded { to: tier, on, .. }
        | E::TierDowngraded { to: tier, on, .. }
        | E::TierKept { tier, on, .. } => {
            row.tier = *tier;
            row.review_on = windows::review_after(*on, row.enrolled_on, *tier);
        }
        E::HoldPlaced { .. } => row.set_aside(event),
        E::HoldReleased { hold, returned, balance, .. } => {
            row.give_back(*hold, returned);
            row.available = *balance;
        }
        E::PointsRedeemed { points, from, hold, balance, .. } => {
            row.redeemed = row.redeemed.saturating_add(*points);
            match hold {
                Some(hold) => row.give_back(*hold, &[]),
                None => row.take(from),
            }
            row.available = *balance;
        }
        E::PointsReversed { lot, points, pending: true, .. } => row.take_pending(*lot, *points),
        E::PointsReversed { lot, points, from, pending: false, balance, .. } => {
            row.reversed = row.reversed.saturating_add(*points);
            for own in row.lots.iter_mut().filter(|other| other.lot == *lot) {
                own.counted = own.counted.saturating_sub(*points);
            }
            row.take(from);
            row.available = *balance;
        }
        E::PointsAdjusted { .. } => row.adjust(event),
        E::PointsReturned { points, returned, balance, .. } => {
            row.returned = row.returned.saturating_add(*points);
            row.put_back(returned);
            row.available = *balance;
        }
        E::PointsExpired { lot, points, expires_on, balance, .. } => {
            row.expired = row.expired.saturating_add(*points);
            row.expired_until = Some(row.expired_until.map_or(*expires_on, |latest| latest.max(*expires_on)));
            row.take(&[LotPoints { lot: *lot, points: *points }]);
            row.available = *balance;
        }
        E::TransferSent { .. } | E::TransferReceived { .. } => row.transfer(event),
        E::Merged { .. } | E::Absorbed { .. } => row.merge(event),
        E::StampAdded { .. } | E::StampRemoved { .. } => row.stamp(event),
        E::RewardEarned { .. } | E::RewardReturned { .. } => row.add_reward(event),
        E::RewardWithdrawn { .. } | E::RewardRedeemed { .. } | E::RewardExpired { .. } => row.lose_reward(event),
        // Told by loyalty_flags; and what another account is given.
        E::OrderRefunded { .. } | E::FlagRaised { .. } | E::FlagCleared { .. } | E::ReferralChanged { .. } => {}
        E::Closed { on, .. } => row.close(*on),
    }
    row.settle();
    Some(LoyaltyBalanceRow {
        updated_at: row.updated_at.max(recorded.occurred_at),
        position: recorded.position,
        version: recorded.version,
        ..row
    })
}

impl LoyaltyBalanceRow {
    fn enrolled(currency: Currency, on: NaiveDate, recorded: &Recorded) -> Self {
        Self {
            account: recorded.stream.id,
            tenant: recorded.tenant,
            currency,
            available: 0,
            pending: 0,
            held: 0,
            lifetime_earned: 0,
            redeemed: 0,
            expired: 0,
            reversed: 0,
            returned: 0,
            adjusted: 0,
            transferred_in: 0,
            transferred_out: 0,
            earned_last_12_months: 0,
            earned_reference_on: None,
            tier: Tier::Bronze,
            enrolled_on: on,
            lots: Vec::new(),
            holds: Vec::new(),
            pending_points: Vec::new(),
            stamp_cards: Vec::new(),
            rewards: Vec::new(),
            next_vest_on: None,
            next_lapse_at: None,
            next_expiry_on: None,
            expired_until: None,
            review_on: None,
            closed_on: None,
            merged_into: None,
            updated_at: recorded.occurred_at,
            position: recorded.position,
            version: recorded.version,
        }
    }

    /// A new lot, in its place in the order of expiry.
    fn earn(&mut self, earned: LotRow) {
        self.lifetime_earned = self.lifetime_earned.saturating_add(earned.counted);
        let earned_on = earned.earned_on;
        self.earned_reference_on = Some(self.earned_reference_on.map_or(earned_on, |latest| latest.max(earned_on)));
        self.insert(earned);
    }

    fn set_pending(&mut self, event: &LoyaltyEvent) {
        let LoyaltyEvent::PointsPending { lot, order, points, pending_on, vests_on, expires_on, .. } = event else {
            return;
        };
        let (lot, order, points, pending_on) = (*lot, order.as_str().to_owned(), *points, *pending_on);
        let (vests_on, expires_on) = (*vests_on, *expires_on);
        self.insert_pending(PendingRow { lot, order, points, pending_on, vests_on, expires_on });
    }

    /// In its place in the order of vesting.
    fn insert_pending(&mut self, pending: PendingRow) {
        let key = |row: &PendingRow| (row.vests_on.unwrap_or(NaiveDate::MAX), row.lot);
        let place = self.pending_points.partition_point(|other| key(other) < key(&pending));
        self.pending_points.insert(place, pending);
    }

    /// Pending points are taken back where they are: nothing of them was earned.
    fn take_pending(&mut self, lot: u32, points: i64) {
        for pending in self.pending_points.iter_mut().filter(|pending| pending.lot == lot) {
            pending.points = pending.points.saturating_sub(points);
        }
        self.pending_points.retain(|pending| pending.points > 0);
    }

    /// Redeemed points that come back go to their lots. A lot that was forgotten counts for nothing when it comes back.
    fn put_back(&mut self, returned: &[MovedLot]) {
        for part in returned {
            match self.lots.iter_mut().find(|lot| lot.lot == part.lot) {
                Some(lot) => lot.left = lot.left.saturating_add(part.points),
                None => {
                    let MovedLot { lot, points: left, earned_on, expires_on } = part.clone();
                    self.insert(LotRow { lot, left, counted: 0, earned_on, expires_on });
                }
            }
        }
    }

    /// Points given by hand are a lot that counts for no tier; those taken leave their lots.
    fn adjust(&mut self, event: &LoyaltyEvent) {
        let LoyaltyEvent::PointsAdjusted { points, lot, expires_on, from, paid_debt, adjusted_on, balance, .. } = event
        else {
            return;
        };
        self.adjusted = self.adjusted.saturating_add(*points);
        if let Some((lot, expires_on)) = lot.zip(*expires_on) {
            let left = points.saturating_sub(*paid_debt);
            self.insert(LotRow { lot, left, counted: 0, earned_on: *adjusted_on, expires_on });
        }
        self.take(from);
        self.available = *balance;
    }

    /// Points that went to another account, or came from one.
    fn transfer(&mut self, event: &LoyaltyEvent) {
        if let LoyaltyEvent::TransferSent { points, lots, balance, .. } = event {
            self.transferred_out = self.transferred_out.saturating_add(*points);
            self.take(&lots.iter().map(MovedLot::drawn).collect::<Vec<_>>());
            self.available = *balance;
        }
        if let LoyaltyEvent::TransferReceived { points, lots, paid_debt, balance, .. } = event {
            self.transferred_in = self.transferred_in.saturating_add(*points);
            self.take_in(lots, *paid_debt);
            self.available = *balance;
        }
    }

    /// All that went to another account, or came from one, because their customers turned out to be one.
    fn merge(&mut self, event: &LoyaltyEvent) {
        if let LoyaltyEvent::Merged { into, points, on, .. } = event {
            self.transferred_out = self.transferred_out.saturating_add(*points);
            self.merged_into = Some(into.as_uuid());
            self.close(*on);
        }
        let LoyaltyEvent::Absorbed { points, debt_from, lots, paid_debt, pending, latest_earned_on, balance, .. } =
            event
        else {
            return;
        };
        self.transferred_in = self.transferred_in.saturating_add(*points);
        let drawn: Vec<_> = lots.iter().map(|lot| lot.moved().drawn()).collect();
        let left = give_back(&drawn, *paid_debt).returned;
        for AbsorbedLot { lot, counted, earned_on, expires_on, .. } in lots {
            let left = left.iter().find(|part| part.lot == *lot).map_or(0, |part| part.points);
            let (earned_on, expires_on) = (*earned_on, *expires_on);
            self.insert(LotRow { lot: *lot, left, counted: *counted, earned_on, expires_on });
        }
        for pending in pending {
            self.insert_pending(PendingRow {
                lot: pending.lot,
                order: pending.order.as_str().to_owned(),
                points: pending.points,
                pending_on: pending.pending_on,
                vests_on: pending.vests_on,
                expires_on: pending.expires_on,
            });
        }
        self.take(debt_from);
        self.earned_reference_on = self.earned_reference_on.max(*latest_earned_on);
        self.available = *balance;
        self.take_cards_in(event);
    }

    /// The stamp cards of another account are added to these, and its rewards can be redeemed here.
    fn take_cards_in(&mut self, event: &LoyaltyEvent) {
        let LoyaltyEvent::Absorbed { stamp_cards, rewards, .. } = event else { return };
        for AbsorbedCard { card, stamps } in stamp_cards {
            let known = self.stamp_cards.iter().find(|known| known.card == card.as_str());
            let before = known.map_or(0, |known| known.stamps);
            self.put_on_card(card.as_str(), before.saturating_add(*stamps));
        }
        for reward in rewards.iter().filter(|reward| reward.redeemed_with.is_none()) {
            self.insert_reward(RewardRow {
                reward: reward.reward,
                card: reward.card.as_str().to_owned(),
                code: reward.code.as_str().to_owned(),
                earned_on: reward.earned_on,
                expires_on: reward.expires_on,
            });
        }
    }

    fn stamp(&mut self, event: &LoyaltyEvent) {
        if let LoyaltyEvent::StampAdded { card, on_card, .. } | LoyaltyEvent::StampRemoved { card, on_card, .. } = event
        {
            self.put_on_card(card.as_str(), *on_card);
        }
    }

    fn put_on_card(&mut self, card: &str, stamps: i64) {
        self.stamp_cards.retain(|known| known.card != card);
        if stamps != 0 {
            let place = self.stamp_cards.partition_point(|known| *known.card < *card);
            self.stamp_cards.insert(place, CardRow { card: card.to_owned(), stamps });
        }
    }

    fn add_reward(&mut self, event: &LoyaltyEvent) {
        if let LoyaltyEvent::RewardEarned { card, on_card, .. } = event {
            self.put_on_card(card.as_str(), *on_card);
        }
        if let LoyaltyEvent::RewardEarned { reward, card, code, earned_on, expires_on, .. }
        | LoyaltyEvent::RewardReturned { reward, card, code, earned_on, expires_on, .. } = event
        {
            let (card, code) = (card.as_str().to_owned(), code.as_str().to_owned());
            let (earned_on, expires_on) = (*earned_on, *expires_on);
            self.insert_reward(RewardRow { reward: *reward, card, code, earned_on, expires_on });
        }
    }

    /// In its place in the order of expiry; what never expires comes last.
    fn insert_reward(&mut self, reward: RewardRow) {
        let key = |row: &RewardRow| (row.expires_on.unwrap_or(NaiveDate::MAX), row.reward);
        let place = self.rewards.partition_point(|other| key(other) < key(&reward));
        self.rewards.insert(place, reward);
    }

    fn lose_reward(&mut self, event: &LoyaltyEvent) {
        if let LoyaltyEvent::RewardWithdrawn { card, on_card, .. } = event {
            self.put_on_card(card.as_str(), *on_card);
        }
        if let LoyaltyEvent::RewardWithdrawn { reward, .. }
        | LoyaltyEvent::RewardRedeemed { reward, .. }
        | LoyaltyEvent::RewardExpired { reward, .. } = event
        {
            self.rewards.retain(|other| other.reward != *reward);
        }
    }

    /// Lots that come from another account, less what they pay of the debt: they count for the tier there.
    fn take_in(&mut self, lots: &[MovedLot], paid_debt: i64) {
        let drawn: Vec<_> = lots.iter().map(MovedLot::drawn).collect();
        for part in give_back(&drawn, paid_debt).returned {
            for lot in lots.iter().filter(|lot| lot.lot == part.lot) {
                let (left, counted) = (part.points, 0);
                let (earned_on, expires_on) = (lot.earned_on, lot.expires_on);
                self.insert(LotRow { lot: lot.lot, left, counted, earned_on, expires_on });
            }
        }
    }

    fn insert(&mut self, lot: LotRow) {
        let place = self.lots.partition_point(|other| (other.expires_on, other.lot) < (lot.expires_on, lot.lot));
        self.lots.insert(place, lot);
    }

    fn set_aside(&mut self, event: &LoyaltyEvent) {
        let LoyaltyEvent::HoldPlaced { hold, order, points, discount, from, lapses_at, balance, .. } = event else {
            return;
        };
        let order = order.as_str().to_owned();
        let (hold, points, discount, lapses_at) = (*hold, *points, *discount, *lapses_at);
        self.hold(HoldRow { hold, order, points, discount, lapses_at, lots: Vec::new() }, from);
        self.available = *balance;
    }

    /// A new hold, in its place in the order of lapsing, with what it takes out of the lots.
    fn hold(&mut self, placed: HoldRow, from: &[LotPoints]) {
        let held = from.iter().filter_map(|used| {
            let lot = self.lots.iter().find(|lot| lot.lot == used.lot)?;
            Some(HeldLot { lot: lot.lot, points: used.points, earned_on: lot.earned_on, expires_on: lot.expires_on })
        });
        let placed = HoldRow { lots: held.collect(), ..placed };
        self.take(from);
        let place = self.holds.partition_point(|other| (other.lapses_at, other.hold) < (placed.lapses_at, placed.hold));
        self.holds.insert(place, placed);
    }

    /// Ends a hold and gives these of its points back to their lots. One that nothing counted any more was forgotten: it counts
    /// for nothing when it comes back.
    fn give_back(&mut self, hold: HoldId, returned: &[LotPoints]) {
        let Some(place) = self.holds.iter().position(|other| other.hold == hold) else { return };
        let ended = self.holds.remove(place);
        for part in returned {
            match self.lots.iter_mut().find(|lot| lot.lot == part.lot) {
                Some(lot) => lot.left = lot.left.saturating_add(part.points),
                None => ended.lots.iter().filter(|lot| lot.lot == part.lot).for_each(|lot| {
                    let (left, counted) = (part.points, 0);
                    let (earned_on, expires_on) = (lot.earned_on, lot.expires_on);
                    self.insert(LotRow { lot: lot.lot, left, counted, earned_on, expires_on });
                }),
            }
        }
    }

    /// Nothing is left and nothing will be due.
    fn close(&mut self, on: NaiveDate) {
        self.available = 0;
        self.lots.clear();
        self.holds.clear();
        self.pending_points.clear();
        self.stamp_cards.clear();
        self.rewards.clear();
        self.review_on = None;
        self.closed_on = Some(on);
    }

    fn take(&mut self, from: &[LotPoints]) {
        for used in from {
            for lot in self.lots.iter_mut().filter(|lot| lot.lot == used.lot) {
                lot.left = lot.left.saturating_sub(used.points);
            }
        }
    }

    /// Brings up to date what follows from lots, holds and tier, and forgets lots that nothing counts any more.
    fn settle(&mut self) {
        // What was given by hand counts for no tier: nothing is to be known of it once it is used up.
        self.lots.retain(|lot| lot.left > 0 || lot.counted != 0);
        if let Some(reference) = self.earned_reference_on {
            let before = windows::before_counted(reference, self.review_on);
            self.lots.retain(|lot| lot.left > 0 || lot.earned_on > before);
            self.earned_last_12_months = self.earned_until(reference);
        }
        self.pending = sum_of(self.pending_points.iter().map(|pending| pending.points));
        self.next_vest_on = self.pending_points.first().and_then(|pending| pending.vests_on);
        self.held = sum_of(self.holds.iter().map(|hold| hold.points));
        self.next_lapse_at = self.holds.first().map(|hold| hold.lapses_at);
        let of_points = self.lots.iter().find(|lot| lot.left > 0).map(|lot| lot.expires_on);
        let of_rewards = self.rewards.first().and_then(|reward| reward.expires_on);
        self.next_expiry_on = of_points.into_iter().chain(of_rewards).min();
    }

    /// The tier after the next review, if nothing more is earned than what is pending and vests by then.
    fn projected_tier(&self, rules: &Programme) -> Option<Tier> {
        let on = self.review_on?;
        if self.next_vest_on.is_none_or(|day| day > on) {
            return Some(self.tier_after(on, rules));
        }
        let mut then = self.clone();
        then.vest(on, rules);
        Some(then.tier_after(on, rules))
    }

    /// What a review would decide by what is known.
    fn tier_after(&self, review_on: NaiveDate, rules: &Programme) -> Tier {
        let latest = self.earned_reference_on.unwrap_or(review_on);
        let forgotten = windows::before_counted(latest, self.review_on);
        let earned = self.earned_between(forgotten, review_on).max(self.earned_until(latest.max(review_on)));
        rules.tier_for(earned).min(self.tier)
    }

    fn earned_until(&self, reference: NaiveDate) -> i64 {
        self.earned_between(NaiveDate::MIN, reference)
    }

    /// Within the twelve months that end on the reference, after another day.
    fn earned_between(&self, before: NaiveDate, reference: NaiveDate) -> i64 {
        let before = windows::before_window(reference).max(before);
        let counted = self.lots.iter().filter(|lot| lot.earned_on > before && lot.earned_on <= reference);
        sum_of(counted.map(|lot| lot.counted))
    }

    /// The balance at a moment: points whose day has come have vested, holds whose time is over have given back, and lots whose time has come are gone, whether or not
    /// that is recorded; tiers are by these rules.
    #[must_use]
    pub fn at(mut self, now: Moment, rules: &Programme) -> LoyaltyBalance {
        self.lapse(now);
        self.vest(now.today, rules);
        let today = now.today;
        let due = sum_of(self.lots.iter().filter(|lot| lot.expires_on <= today).map(|lot| lot.left));
        let reference = self.earned_reference_on.map_or(today, |latest| latest.max(today));
        let earned_last_12_months = self.earned_until(reference);
        let next_tier = self.tier.next().filter(|_| self.closed_on.is_none());
        let projected_tier = self.projected_tier(rules);
        LoyaltyBalance {
            account: self.account,
            currency: self.currency,
            available: self.available.saturating_sub(due),
            pending: sum_of(self.pending_points.iter().map(|pending| pending.points)),
            pending_points: self.pending_points,
            held: sum_of(self.holds.iter().map(|hold| hold.points)),
            lifetime_earned: self.lifetime_earned,
            redeemed: self.redeemed,
            expired: self.expired.saturating_add(due),
            reversed: self.reversed,
            returned: self.returned,
            adjusted: self.adjusted,
            transferred_in: self.transferred_in,
            transferred_out: self.transferred_out,
            earned_last_12_months,
            tier: self.tier,
            benefits: rules.benefits(self.tier).to_vec(),
            next_tier,
            points_to_next_tier: next_tier
                .map(|next| rules.threshold(next).saturating_sub(earned_last_12_months).max(0)),
            enrolled_on: self.enrolled_on,
            expiries: expiries(self.lots.iter().filter(|lot| lot.expires_on > today && lot.left > 0)),
            holds: self.holds,
            stamp_cards: cards(&self.stamp_cards, rules),
            rewards: self
                .rewards
                .into_iter()
                .filter(|reward| reward.expires_on.is_none_or(|day| day > today))
                .collect(),
            review_on: self.review_on,
            projected_tier,
            closed_on: self.closed_on,
            merged_into: self.merged_into,
            updated_at: self.updated_at,
            position: self.position,
            version: self.version,
        }
    }

    /// What the account decides when the day of pending points has come.
    fn vest(&mut self, today: NaiveDate, rules: &Programme) {
        let is_due = |pending: &PendingRow| pending.vests_on.is_some_and(|day| day <= today);
        while let Some(due) = self.pending_points.first().filter(|pending| is_due(pending)).cloned() {
            self.pending_points.remove(0);
            let (Some(earned_on), Some(expires_on)) = (due.vests_on, due.expires_on) else { continue };
            let left = due.points.saturating_sub(self.available.saturating_neg().clamp(0, due.points));
            self.earn(LotRow { lot: due.lot, left, counted: due.points, earned_on, expires_on });
            self.available = self.available.saturating_add(due.points);
            let reference = self.earned_reference_on.unwrap_or(earned_on);
            self.tier = self.tier.max(rules.tier_for(self.earned_until(reference)));
        }
    }

    /// What the account decides when the time of holds is over.
    fn lapse(&mut self, now: Moment) {
        let gone_until = self.expired_until.map_or(now.today, |day| day.max(now.today));
        while let Some(over) = self.holds.first().filter(|hold| hold.lapses_at <= now.at).cloned() {
            let held: Vec<_> = over.lots.iter().map(|lot| LotPoints { lot: lot.lot, points: lot.points }).collect();
            let back = give_back(&held, self.available.saturating_neg());
            self.available = self.available.saturating_add(over.points);
            self.give_back(over.hold, &back.returned);
            let is_gone =
                |part: &LotPoints| over.lots.iter().any(|lot| lot.lot == part.lot && lot.expires_on <= gone_until);
            let gone: Vec<_> = back.returned.into_iter().filter(is_gone).collect();
            let expired = sum_of(gone.iter().map(|part| part.points));
            self.take(&gone);
            self.available = self.available.saturating_sub(expired);
            self.expired = self.expired.saturating_add(expired);
        }
    }
}

/// Whatever was stored makes a row: a sum stops at the largest number rather than stop the projector.
fn sum_of(points: impl Iterator<Item = i64>) -> i64 {
    points.fold(0, i64::saturating_add)
}

/// The cards of the rules, in their order, and behind them those of other rules that have stamps.
fn cards(stamped: &[CardRow], rules: &Programme) -> Vec<CardBalance> {
    let on = |code: &str| stamped.iter().find(|row| row.card == code).map_or(0, |row| row.stamps);
    let of_rules = rules.stamp_cards.iter().map(|card| CardBalance {
        card: card.code.as_str().to_owned(),
        stamps: on(card.code.as_str()),
        of: Some(card.stamps),
        reward: Some(card.reward.as_str().to_owned()),
    });
    let others = stamped.iter().filter(|row| rules.stamp_cards.iter().all(|card| card.code.as_str() != row.card));
    let others = others.map(|row| CardBalance { card: row.card.clone(), stamps: row.stamps, of: None, reward: None });
    of_rules.chain(others).collect()
}

/// Lots that expire on the same day are one expiry.
fn expiries<'a>(lots: impl Iterator<Item = &'a LotRow>) -> Vec<Expiry> {
    let mut expiries: Vec<Expiry> = Vec::new();
    for lot in lots {
        match expiries.last_mut() {
            Some(last) if last.expires_on == lot.expires_on => last.points = last.points.saturating_add(lot.left),
            _ => expiries.push(Expiry { points: lot.left, expires_on: lot.expires_on }),
        }
    }
    expiries
}

fn read(row: &PgRow) -> Result<LoyaltyBalanceRow, sqlx::Error> {
    let (Json(lots), Json(holds)) = (get(row, "lots")?, get(row, "holds")?);
    let (Json(pending_points), Json(stamp_cards)) = (get(row, "pending_points")?, get(row, "stamp_cards")?);
    let Json(rewards) = get(row, "rewards")?;
    Ok(LoyaltyBalanceRow {
        account: get(row, "account")?,
        tenant: TenantId(get(row, "tenant")?),
        currency: word(row, "currency", |code| Currency::parse(code).ok())?,
        available: get(row, "available")?,
        pending: get(row, "pending")?,
        held: get(row, "held")?,
        lifetime_earned: get(row, "lifetime_earned")?,
        redeemed: get(row, "redeemed")?,
        expired: get(row, "expired")?,
        reversed: get(row, "reversed")?,
        returned: get(row, "returned")?,
        adjusted: get(row, "adjusted")?,
        transferred_in: get(row, "transferred_in")?,
        transferred_out: get(row, "transferred_out")?,
        earned_last_12_months: get(row, "earned_last_12_months")?,
        earned_reference_on: get(row, "earned_reference_on")?,
        tier: word(row, "tier", tier)?,
        enrolled_on: get(row, "enrolled_on")?,
        lots,
        holds,
        pending_points,
        stamp_cards,
        rewards,
        next_vest_on: get(row, "next_vest_on")?,
        next_lapse_at: get(row, "next_lapse_at")?,
        next_expiry_on: get(row, "next_expiry_on")?,
        expired_until: get(row, "expired_until")?,
        review_on: get(row, "review_on")?,
        closed_on: get(row, "closed_on")?,
        merged_into: get(row, "merged_into")?,
        updated_at: get(row, "updated_at")?,
        position: Position(get(row, "position")?),
        version: get(row, "version")?,
    })
}

fn tier(text: &str) -> Option<Tier> {
    Tier::ALL.iter().copied().find(|tier| tier.as_str() == text)
}

impl TableRow for LoyaltyBalanceRow {
    const TABLE: &'static str = "loyalty_balances";

    fn put(&self, to: &mut Columns) {
        to.put("account", self.account)
            .put("tenant", self.tenant.0)
            .put("currency", self.currency.code())
            .put("available", self.available)
            .put("pending", self.pending)
            .put("held", self.held)
            .put("lifetime_earned", self.lifetime_earned)
            .put("redeemed", self.redeemed)
            .put("expired", self.expired)
            .put("reversed", self.reversed)
            .put("transferred_in", self.transferred_in)
            .put("transferred_out", self.transferred_out)
            .put("earned_last_12_months", self.earned_last_12_months)
            .put("earned_reference_on", self.earned_reference_on)
            .put("tier", self.tier.as_str())
            .put("enrolled_on", self.enrolled_on)
            .put("lots", Json(&self.lots))
            .put("updated_at", self.updated_at)
            .put("position", self.position.0)
            .put("version", self.version)
            .put("holds", Json(&self.holds))
            .put("next_lapse_at", self.next_lapse_at)
            .put("next_expiry_on", self.next_expiry_on)
            .put("expired_until", self.expired_until)
            .put("review_on", self.review_on)
            .put("closed_on", self.closed_on)
            .put("merged_into", self.merged_into)
            .put("adjusted", self.adjusted)
            .put("returned", self.returned)
            .put("pending_points", Json(&self.pending_points))
            .put("next_vest_on", self.next_vest_on)
            .put("stamp_cards", Json(&self.stamp_cards))
            .put("rewards", Json(&self.rewards));
    }
}

/// The balance of an account at the caller's moment.
///
/// # Errors
/// When the database is away, or a row makes no sense.
pub async fn find(
    pools: &Pools,
    tenant: TenantId,
    account: Uuid,
    now: Moment,
) -> Result<Option<AsOf<LoyaltyBalance>>, StoreError> {
    let sql = concat!(include_str!("loyalty_balances/columns.sql"), include_str!("loyalty_balances/find.sql"));
    let query = sqlx::query(sql).bind(account).bind(now.today);
    let found = pools.request.fetch_optional(tenant, query).await.map_err(failed("loyalty_balances"))?;
    let balance = |row: &PgRow| {
        let rules = in_force(row)?;
        as_of(row, read(row)?.at(now, &rules))
    };
    found.map(|row| balance(&row)).transpose().map_err(failed("loyalty_balances"))
}

/// An account as it was, from its events.
///
/// # Errors
/// As [`TimeTravelError`] says.
pub async fn find_past(
    store: &dyn EventStore,
    tenant: TenantId,
    account: Uuid,
    until: Until,
) -> Result<LoyaltyBalanceRow, TimeTravelError> {
    let stream = StreamId { category: Category::Loyalty.as_str(), id: account };
    row_of::<LoyaltyBalances>(store, tenant, stream, until, rebalanced).await
}

/// The event with the balance that it leaves among those that count: what is left out has moved no points.
fn rebalanced(mut recorded: Recorded, row: Option<&LoyaltyBalanceRow>) -> Recorded {
    use LoyaltyEvent as E;
    let available = row.map_or(0, |row| row.available);
    let is_held = |hold: &HoldId| row.is_some_and(|row| row.holds.iter().any(|other| other.hold == *hold));
    if let Event::Loyalty(event) = &mut recorded.event {
        match event {
            E::PointsEarned { points, balance, .. }
            | E::PointsAdjusted { points, balance, .. }
            | E::PointsReturned { points, balance, .. }
            | E::TransferReceived { points, balance, .. }
            | E::Absorbed { points, balance, .. } => {
                *balance = available.saturating_add(*points);
            }
            E::HoldReleased { hold, points, balance, .. } => {
                *balance = available.saturating_add(if is_held(hold) { *points } else { 0 });
            }
            E::PointsPending { balance, .. } | E::PointsReversed { pending: true, balance, .. } => *balance = available,
            // Held points had left the balance before.
            E::PointsRedeemed { hold: Some(hold), balance, .. } if is_held(hold) => *balance = available,
            E::PointsRedeemed { points, balance, .. }
            | E::HoldPlaced { points, balance, .. }
            | E::PointsReversed { points, balance, .. }
            | E::PointsExpired { points, balance, .. }
            | E::TransferSent { points, balance, .. } => *balance = available.saturating_sub(*points),
            E::Enrolled { .. }
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
            | E::FlagCleared { .. }
            | E::Merged { .. }
            | E::Closed { .. } => {}
        }
    }
    recorded
}

#[cfg(test)]
mod tests;
