//! What a programme did within a range of days, and what it owes: at the end of each of them, and now.

use super::{Figures, Moved, UNTOLD};
use crate::query::{AsOf, as_of, failed, get};
use chrono::NaiveDate;
use domain::loyalty::loyalty_programme::LoyaltyProgramme;
use domain::loyalty::programme::Programme;
use domain::{Currency, Moment, Money};
use serde::Deserialize;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use std::collections::{BTreeMap, BTreeSet};
use store::postgres::Pools;
use store::{Position, StoreError, TenantId};

/// What a programme did within a range of days, and what it owes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The sums over the range.
    pub sums: Figures,
    /// The days on which anything happened, in order.
    pub days: Vec<DayReport>,
    /// What all accounts have at the caller's moment, by currency: the sum of their balances and of what is held.
    pub outstanding: Vec<Outstanding>,
}

/// What a programme did on a day, and what it owed when the day was over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayReport {
    /// The day.
    pub day: NaiveDate,
    /// What happened on it.
    pub figures: Figures,
    /// What was owed at its end, by currency, as far as expiries and the vesting of pending points are recorded.
    pub outstanding: Vec<Outstanding>,
}

/// What the accounts of a currency have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outstanding {
    /// The currency in which they earn.
    pub currency: Currency,
    /// What may be redeemed, and what is held, less what is owed to the programme.
    pub points: i64,
    /// What grew too old since the last event of its account: not in `points`, and not yet recorded as expired.
    pub due: i64,
    /// What has vested since the last event of its account: in `points`, and not yet recorded as earned.
    pub vested: i64,
    /// What the points are worth; none when no amount of money is that large.
    pub worth: Option<Money>,
}

/// A day as the statement of the report tells it.
#[derive(Deserialize)]
struct Day {
    day: NaiveDate,
    points_earned: i64,
    points_redeemed: i64,
    points_reversed: i64,
    points_returned: i64,
    points_adjusted: i64,
    points_expired: i64,
    earned_count: i64,
    redeemed_count: i64,
    reversed_count: i64,
    returned_count: i64,
    adjusted_count: i64,
    expired_count: i64,
    enrolled: i64,
    discounts: BTreeMap<String, i64>,
}

impl From<Day> for Figures {
    fn from(day: Day) -> Self {
        Self {
            earned: Moved { points: day.points_earned, count: day.earned_count },
            redeemed: Moved { points: day.points_redeemed, count: day.redeemed_count },
            reversed: Moved { points: day.points_reversed, count: day.reversed_count },
            returned: Moved { points: day.points_returned, count: day.returned_count },
            adjusted: Moved { points: day.points_adjusted, count: day.adjusted_count },
            expired: Moved { points: day.points_expired, count: day.expired_count },
            enrolled: day.enrolled,
            discounts: day.discounts,
        }
    }
}

/// By how many points what is owed grew: on a day of the range, before it (no day), or after it (a later one).
#[derive(Deserialize)]
struct Growth {
    currency: String,
    day: Option<NaiveDate>,
    points: i64,
}

/// Points by code of the currency.
type Points = BTreeMap<String, i64>;

/// What came about with time, and no event says so yet.
#[derive(Default)]
struct Unrecorded {
    /// Gone.
    due: Points,
    /// Vested, and not gone again.
    vested: Points,
}

/// The figures from one day to another, both included, and what is outstanding at the caller's moment. What points are worth
/// is by the rules of each day.
///
/// # Errors
/// When the database is away, or a row makes no sense.
pub async fn report(
    pools: &Pools,
    tenant: TenantId,
    (from, to): (NaiveDate, NaiveDate),
    now: Moment,
    programme: &LoyaltyProgramme,
) -> Result<AsOf<Report>, StoreError> {
    let query = sqlx::query(include_str!("report.sql")).bind(from).bind(to).bind(now.today).bind(now.at);
    let found = pools.request.fetch_all(tenant, query).await.map_err(failed("loyalty_kpis"))?;
    let told = found.first().ok_or(sqlx::Error::RowNotFound).and_then(|row| read(row, now.today, programme));
    told.map_err(failed("loyalty_kpis"))
}

fn read(row: &PgRow, today: NaiveDate, programme: &LoyaltyProgramme) -> Result<AsOf<Report>, sqlx::Error> {
    let (Json(days), Json(mut growth)): (Json<Vec<Day>>, Json<Vec<Growth>>) = (get(row, "days")?, get(row, "owed")?);
    let (Json(due), Json(vested)) = (get(row, "due")?, get(row, "vested")?);
    growth.sort_by_key(|growth| growth.day);
    let report = report_of(days, &growth, (&Unrecorded { due, vested }, today), programme);
    match get::<Option<i64>>(row, "as_of")? {
        Some(_) => as_of(row, report),
        None => Ok(AsOf { value: report, position: Position(0) }),
    }
}

/// Goes through the days, adding up what is owed; `growth` is in the order of days.
fn report_of(
    days: Vec<Day>,
    growth: &[Growth],
    (unrecorded, today): (&Unrecorded, NaiveDate),
    programme: &LoyaltyProgramme,
) -> Report {
    let (mut sums, mut owed, mut growth) = (Figures::default(), Points::new(), growth.iter().peekable());
    let mut told = Vec::with_capacity(days.len());
    for known in days {
        let day = known.day;
        while let Some(grown) = growth.next_if(|growth| growth.day.is_none_or(|on| on <= day)) {
            add(&mut owed, grown);
        }
        let figures = Figures::from(known);
        sums.add(&figures);
        let outstanding = outstanding(&owed, &Unrecorded::default(), &programme.on(day).rules);
        told.push(DayReport { day, figures, outstanding });
    }
    growth.for_each(|growth| add(&mut owed, growth));
    Report { sums, days: told, outstanding: outstanding(&owed, unrecorded, &programme.on(today).rules) }
}

fn add(owed: &mut Points, growth: &Growth) {
    let sum = owed.entry(growth.currency.clone()).or_default();
    *sum = sum.saturating_add(growth.points);
}

/// What is owed in each currency, with what has vested and without what is due. Points whose currency was not told are of the one that owes the most: nearly
/// always there is no other.
fn outstanding(owed: &Points, unrecorded: &Unrecorded, rules: &Programme) -> Vec<Outstanding> {
    let of_code = |points: &Points, code: &str| points.get(code).copied().unwrap_or_default();
    let codes: BTreeSet<&String> = owed.keys().chain(unrecorded.vested.keys()).collect();
    let known = || codes.iter().filter_map(|code| Some((Currency::parse(code).ok()?, of_code(owed, code))));
    let untold = of_code(owed, UNTOLD);
    let most = known().max_by_key(|(_, points)| *points).map(|(currency, _)| currency);
    let of = |(currency, points): (Currency, i64)| {
        let (due, vested) = (of_code(&unrecorded.due, currency.code()), of_code(&unrecorded.vested, currency.code()));
        let untold = if most == Some(currency) { untold } else { 0 };
        let points = points.saturating_add(untold).saturating_add(vested).saturating_sub(due);
        Outstanding { currency, points, due, vested, worth: rules.discount(points, currency) }
    };
    known().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::{Growth, Points, Unrecorded, outstanding, report_of};
    use domain::loyalty::loyalty_programme::LoyaltyProgramme;
    use domain::loyalty::programme::Programme;

    fn growth(currency: &str, day: Option<&str>, points: i64) -> Growth {
        Growth { currency: currency.to_owned(), day: day.map(|day| day.parse().unwrap()), points }
    }

    fn points(points: &[(&str, i64)]) -> Points {
        points.iter().map(|(currency, points)| ((*currency).to_owned(), *points)).collect()
    }

    #[test]
    fn what_is_owed_adds_up_over_the_days_and_what_no_event_says_yet_counts_at_the_end_only() {
        let day = |day: &str| {
            serde_json::from_value(serde_json::json!({
                "day": day, "points_earned": 7, "points_redeemed": 0, "points_reversed": 0, "points_returned": 0, "points_adjusted": 0, "points_expired": 0,
                "earned_count": 1, "redeemed_count": 0, "reversed_count": 0, "returned_count": 0, "adjusted_count": 0, "expired_count": 0, "enrolled": 0, "discounts": {}
            }))
        };
        let days = vec![day("2026-02-09").unwrap(), day("2026-02-11").unwrap()];
        let grown = [
            growth("EUR", None, 100),
            growth("USD", None, 5),
            growth("EUR", Some("2026-02-09"), 20),
            growth("EUR", Some("2026-02-10"), -50),
            growth("EUR", Some("2026-03-01"), 1_000),
        ];
        let unrecorded = Unrecorded { due: points(&[("EUR", 70)]), vested: points(&[("EUR", 30), ("GBP", 4)]) };
        let today = "2026-03-02".parse().unwrap();
        let report = report_of(days, &grown, (&unrecorded, today), &LoyaltyProgramme::default());
        let euros: Vec<_> = report.days.iter().map(|day| (day.outstanding[0].points, day.outstanding[0].due)).collect();
        assert_eq!((euros, report.sums.earned.points), (vec![(120, 0), (70, 0)], 14));
        let now = report.outstanding.iter().map(|now| (now.currency.code(), now.points, now.due, now.vested));
        assert_eq!(now.collect::<Vec<_>>(), [("EUR", 1_030, 70, 30), ("GBP", 4, 0, 4), ("USD", 5, 0, 0)]);
        assert_eq!(report.outstanding[0].worth.map(|worth| worth.amount()), Some("10.30".to_owned()));
    }

    #[test]
    fn points_without_a_currency_are_of_the_one_with_the_most() {
        let owed = points(&[("EUR", 10), ("USD", 500), ("XXX", -200)]);
        let now: Vec<_> =
            outstanding(&owed, &Unrecorded::default(), &Programme::standard()).iter().map(|now| now.points).collect();
        assert_eq!(now, [10, 300]);
        assert_eq!(outstanding(&points(&[("XXX", -200)]), &Unrecorded::default(), &Programme::standard()), []);
    }
}
