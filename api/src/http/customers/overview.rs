//! `GET /v1/customers/{id}/overview`: all that somebody at the desk needs to know of a customer, in one answer.

use super::timeline::{EntryView, visible};
use super::{CustomerView, customer_not_found};
use crate::Api;
use crate::headers::{MinPosition, NoParameters, Parameters, PathId};
use crate::http::credit::CreditLineView;
use crate::http::loyalty::LoyaltyView;
use crate::http::{Found, wait_for};
use crate::problem::Problem;
use axum::extract::State;
use chrono::NaiveDate;
use commands::{Caller, Scope};
use projections::credit::credit_groups::CreditGroups;
use projections::credit::credit_lines::{self, CreditLines};
use projections::customers::customer_timeline::{self, CustomerTimeline};
use projections::customers::customers::{self, CustomerRow, Customers};
use projections::loyalty::loyalty_balances::{self, LoyaltyBalances};
use projections::loyalty::loyalty_programmes::LoyaltyProgrammes;
use projections::{Back, ReadModel, lowest_position};
use serde::Serialize;
use store::StoreError;
use utoipa::ToSchema;
use uuid::Uuid;

const READ_MODELS: &[&str] = &[Customers::NAME, LoyaltyBalances::NAME, LoyaltyProgrammes::NAME, CustomerTimeline::NAME];
const READ_MODELS_WITH_CREDIT: &[&str] = &[
    Customers::NAME,
    LoyaltyBalances::NAME,
    LoyaltyProgrammes::NAME,
    CustomerTimeline::NAME,
    CreditLines::NAME,
    CreditGroups::NAME,
];
const TIMELINE_ENTRIES: usize = 20;
const PURCHASES: usize = 5;

#[derive(Serialize, ToSchema)]
pub(super) struct OverviewView {
    customer: CustomerView,
    /// None: the customer is not a member.
    loyalty: Option<LoyaltyView>,
    /// The lines of credit, one for each currency; not told to who may not read credit.
    #[serde(skip_serializing_if = "Option::is_none")]
    credit: Option<Vec<CreditLineView>>,
    figures: FiguresView,
    last_purchases: Vec<EntryView>,
    timeline: Vec<EntryView>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = CustomerFiguresView)]
struct FiguresView {
    customer_for_days: i64,
    purchase_count: i64,
    first_purchase_on: Option<NaiveDate>,
    last_purchase_on: Option<NaiveDate>,
    days_since_last_purchase: Option<i64>,
}

impl FiguresView {
    fn of(row: &CustomerRow, today: NaiveDate) -> Self {
        // A business date may be a day ahead.
        let days_since = |date: NaiveDate| (today - date).num_days().max(0);
        Self {
            customer_for_days: days_since(row.registered_on),
            purchase_count: row.purchase_count,
            first_purchase_on: row.first_purchase_on,
            last_purchase_on: row.last_purchase_on,
            days_since_last_purchase: row.last_purchase_on.map(days_since),
        }
    }
}

/// Tells all that somebody at the desk needs to know of a customer.
#[utoipa::path(
    get, path = "/v1/customers/{id}/overview", tag = "customers", operation_id = "get_customer_overview",
    params(PathId, MinPosition),
    responses(
        (status = 200, description = "The customer, the account, the lines of credit and what happened of late", body = OverviewView),
        (status = 404, description = "customer_not_found"),
    ),
    security(("key" = [Scope::CustomersRead, Scope::LoyaltyRead])),
)]
pub(super) async fn get_overview(
    State(api): State<Api>,
    caller: Caller,
    PathId(id): PathId,
    Parameters(NoParameters {}): Parameters<NoParameters>,
    min_position: MinPosition,
) -> Result<Found<OverviewView>, Problem> {
    caller.require(Scope::CustomersRead)?;
    caller.require(Scope::LoyaltyRead)?;
    let sees_credit = caller.require(Scope::CreditRead).is_ok();
    let read_models = if sees_credit { READ_MODELS_WITH_CREDIT } else { READ_MODELS };
    wait_for(&api, read_models, min_position).await?;
    // Before the rows: what they show may be newer, never older.
    let position = lowest_position(&api.pools, caller.tenant, read_models).await?;
    let row = customers::find(&api.pools, caller.tenant, id).await?.ok_or_else(customer_not_found)?.value;
    let loyalty = loyalty_balances::find(&api.pools, caller.tenant, id, caller.this_moment()).await?;
    let body = OverviewView {
        loyalty: loyalty.map(|known| known.value.into()),
        credit: if sees_credit { Some(lines(&api, &caller, id).await?) } else { None },
        figures: FiguresView::of(&row, caller.today()),
        last_purchases: entries(&api, &caller, id, Some(PURCHASE), PURCHASES).await?,
        timeline: entries(&api, &caller, id, visible(&caller, None)?.as_deref(), TIMELINE_ENTRIES).await?,
        customer: CustomerView::of(row, &caller),
    };
    Ok(Found { position, version: None, body })
}

const PURCHASE: &[&str] = &["customer.purchase.recorded"];

async fn lines(api: &Api, caller: &Caller, customer: Uuid) -> Result<Vec<CreditLineView>, StoreError> {
    let lines = credit_lines::find_of(&api.pools, caller.tenant, customer, caller.this_moment()).await?;
    Ok(lines.value.into_iter().map(CreditLineView::from).collect())
}

async fn entries(
    api: &Api,
    caller: &Caller,
    customer: Uuid,
    types: Option<&[&str]>,
    count: usize,
) -> Result<Vec<EntryView>, StoreError> {
    let page = customer_timeline::list(&api.pools, caller.tenant, customer, types, Back::newest(count)).await?;
    Ok(page.value.rows.into_iter().map(EntryView::from).collect())
}
