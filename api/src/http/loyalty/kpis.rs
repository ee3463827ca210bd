//! `GET /v1/loyalty/kpis`: what the programme did within a range of days, and what it owes.

use crate::Api;
use crate::headers::{MinPosition, Parameters};
use crate::http::lists::wrong;
use crate::http::wire::date_as_written;
use crate::http::{Found, wait_for};
use crate::openapi::schemas;
use crate::problem::Problem;
use axum::extract::State;
use chrono::{Days, NaiveDate};
use commands::{Caller, Scope};
use domain::{Currency, Money};
use projections::ReadModel;
use projections::loyalty::loyalty_balances::LoyaltyBalances;
use projections::loyalty::loyalty_kpis::report::{self, DayReport, Outstanding, Report};
use projections::loyalty::loyalty_kpis::{Figures, LoyaltyKpis, Moved};
use projections::loyalty::loyalty_programmes::{self, LoyaltyProgrammes};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Days that are told when none are asked for.
const DAYS_DEFAULT: u64 = 30;
const DAYS_MAX: i64 = 366;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// First day; 30 days before the last unless it is said.
    #[param(value_type = Option<schemas::Day>)]
    from: Option<String>,
    /// Last day; today unless it is said.
    #[param(value_type = Option<schemas::Day>)]
    to: Option<String>,
}

impl Asked {
    /// The range of days, both included.
    fn range(&self, today: NaiveDate) -> Result<(NaiveDate, NaiveDate), Problem> {
        let to = date("to", self.to.as_deref())?.unwrap_or(today);
        let from = date("from", self.from.as_deref())?;
        let from = from.or_else(|| to.checked_sub_days(Days::new(DAYS_DEFAULT - 1))).unwrap_or(to);
        match (to - from).num_days() {
            0..DAYS_MAX => Ok((from, to)),
            _ => Err(wrong("from", "from must be a day before to, or to itself, and at most 365 days away")),
        }
    }
}

fn date(name: &str, text: Option<&str>) -> Result<Option<NaiveDate>, Problem> {
    let read = |text| date_as_written(text).ok_or_else(|| wrong(name, "must be a date such as 2026-03-01"));
    text.map(read).transpose()
}

#[derive(Serialize, ToSchema)]
pub(super) struct KpisView {
    from: NaiveDate,
    to: NaiveDate,
    #[serde(flatten)]
    sums: FiguresView,
    /// The sum of the balances of all accounts and of what is held, at this moment.
    outstanding_points: i64,
    outstanding: Vec<OutstandingView>,
    days: Vec<DayView>,
}

#[derive(Serialize, ToSchema)]
struct DayView {
    day: NaiveDate,
    #[serde(flatten)]
    figures: FiguresView,
    /// What was owed when the day was over, as far as expiries and the vesting of pending points are recorded; the jobs record both
    /// under the day on which they came about.
    outstanding: Vec<OwedView>,
}

#[derive(Serialize, ToSchema)]
struct FiguresView {
    points_earned: i64,
    points_redeemed: i64,
    points_reversed: i64,
    /// Points that had become discounts, and came back because their orders were given back.
    points_returned: i64,
    /// Points given by hand, less those taken by hand.
    points_adjusted: i64,
    points_expired: i64,
    movements: MovementsView,
    /// Points redeemed, less those that came back, by points earned, as a decimal number; none when nothing was earned.
    #[schema(example = "0.2500")]
    redemption_ratio: Option<String>,
    members_enrolled: i64,
    discounts: Vec<AmountView>,
}

#[derive(Serialize, ToSchema)]
struct MovementsView {
    earned: i64,
    redeemed: i64,
    reversed: i64,
    returned: i64,
    adjusted: i64,
    expired: i64,
}

#[derive(Serialize, ToSchema)]
struct AmountView {
    #[schema(value_type = schemas::Amount)]
    amount: String,
    #[schema(value_type = schemas::Currency)]
    currency: Currency,
}

#[derive(Serialize, ToSchema)]
struct OwedView {
    #[schema(value_type = schemas::Currency)]
    currency: Currency,
    points: i64,
    #[schema(value_type = Option<schemas::Amount>)]
    worth: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct OutstandingView {
    #[serde(flatten)]
    owed: OwedView,
    /// Points that are gone and whose expiry is not recorded yet; not in `points`.
    due_points: i64,
    /// Points that were pending, whose day has come, and that are not recorded as earned yet; in `points`.
    vested_points: i64,
}

impl From<Figures> for FiguresView {
    fn from(figures: Figures) -> Self {
        let ratio = figures.redeemed_by_earned();
        let Figures { earned, redeemed, reversed, returned, adjusted, expired, enrolled, discounts } = figures;
        let count = |moved: Moved| moved.count;
        let given = discounts.iter().filter_map(|(code, minor)| {
            let money = Money::from_minor(*minor, Currency::parse(code).ok()?).ok()?;
            Some(AmountView { amount: money.amount(), currency: money.currency() })
        });
        Self {
            points_earned: earned.points,
            points_redeemed: redeemed.points,
            points_reversed: reversed.points,
            points_returned: returned.points,
            points_adjusted: adjusted.points,
            points_expired: expired.points,
            movements: MovementsView {
                earned: count(earned),
                redeemed: count(redeemed),
                reversed: count(reversed),
                returned: count(returned),
                adjusted: count(adjusted),
                expired: count(expired),
            },
            redemption_ratio: ratio.map(|ratio| format!("{}.{:04}", ratio / 10_000, ratio % 10_000)),
            members_enrolled: enrolled,
            discounts: given.collect(),
        }
    }
}

impl From<Outstanding> for OwedView {
    fn from(known: Outstanding) -> Self {
        let worth = known.worth.map(|worth| worth.amount());
        Self { currency: known.currency, points: known.points, worth }
    }
}

impl From<Outstanding> for OutstandingView {
    fn from(known: Outstanding) -> Self {
        Self { due_points: known.due, vested_points: known.vested, owed: known.into() }
    }
}

impl From<DayReport> for DayView {
    fn from(known: DayReport) -> Self {
        let outstanding = known.outstanding.into_iter().map(Into::into).collect();
        Self { day: known.day, figures: known.figures.into(), outstanding }
    }
}

impl KpisView {
    fn of(report: Report, (from, to): (NaiveDate, NaiveDate)) -> Self {
        Self {
            from,
            to,
            sums: report.sums.into(),
            outstanding_points: report.outstanding.iter().fold(0, |sum, known| sum.saturating_add(known.points)),
            outstanding: report.outstanding.into_iter().map(Into::into).collect(),
            days: report.days.into_iter().map(Into::into).collect(),
        }
    }
}

/// Tells what the loyalty programme did within a range of days, and what it owes.
#[utoipa::path(
    get, path = "/v1/loyalty/kpis", tag = "loyalty", operation_id = "get_loyalty_kpis",
    params(Asked, MinPosition),
    responses((status = 200, description = "The figures", body = KpisView)),
    security(("key" = [Scope::LoyaltyRead])),
)]
pub(super) async fn get_kpis(
    State(api): State<Api>,
    caller: Caller,
    Parameters(asked): Parameters<Asked>,
    min_position: MinPosition,
) -> Result<Found<KpisView>, Problem> {
    caller.require(Scope::LoyaltyRead)?;
    let range = asked.range(caller.today())?;
    wait_for(&api, &[LoyaltyKpis::NAME, LoyaltyBalances::NAME, LoyaltyProgrammes::NAME], min_position).await?;
    let programme = loyalty_programmes::programme(&api.pools, caller.tenant).await?;
    let told = report::report(&api.pools, caller.tenant, range, caller.this_moment(), &programme).await?;
    Ok(Found { position: told.position, version: None, body: KpisView::of(told.value, range) })
}

#[cfg(test)]
mod tests {
    use super::Asked;
    use chrono::NaiveDate;

    fn range(from: Option<&str>, to: Option<&str>) -> Result<String, String> {
        let asked = Asked { from: from.map(str::to_owned), to: to.map(str::to_owned) };
        let today = NaiveDate::from_ymd_opt(2026, 3, 30).expect("it is in the calendar");
        let told = asked.range(today).map(|(from, to)| format!("{from} {to}"));
        told.map_err(|problem| problem.detail().to_owned())
    }

    #[test]
    fn a_range_is_the_last_thirty_days_or_what_is_asked_for_up_to_a_year() {
        assert_eq!(range(None, None).as_deref(), Ok("2026-03-01 2026-03-30"));
        assert_eq!(range(Some("2026-03-30"), None).as_deref(), Ok("2026-03-30 2026-03-30"));
        assert_eq!(range(Some("2024-01-01"), Some("2024-12-31")).as_deref(), Ok("2024-01-01 2024-12-31"));
        assert_eq!(range(None, Some("2025-01-30")).as_deref(), Ok("2025-01-01 2025-01-30"));
        for (from, to) in [("2025-01-01", "2026-01-02"), ("2026-03-02", "2026-03-01"), ("0001-01-01", "9999-12-31")] {
            assert!(range(Some(from), Some(to)).is_err(), "{from} {to}");
        }
        assert_eq!(range(Some("2026-3-1"), None), Err("must be a date such as 2026-03-01".to_owned()));
    }
}
