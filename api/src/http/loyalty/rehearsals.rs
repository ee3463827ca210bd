//! `/v1/loyalty/programme/rehearsals`: what rules would have done, told line by line while it is worked out; and those of late.

use super::programme::RulesBody;
use crate::Api;
use crate::body::JsonBody;
use crate::bounds::Place;
use crate::envelope;
use crate::headers::{MinPosition, NoParameters, Parameters, X_POSITION};
use crate::http::outlet::{self, Broken, Outlet};
use crate::http::wire::Fields;
use crate::http::{Found, wait_for};
use crate::openapi::schemas;
use crate::problem::Problem;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use chrono::NaiveDate;
use commands::loyalty::rehearsals::{Changed, RecordedRehearsal, Rehearsal, Rehearse};
use commands::{Caller, Scope};
use domain::loyalty::events::RehearsalOutcome;
use domain::loyalty::programme::{Programme, Tier};
use domain::{Currency, Money};
use projections::loyalty::loyalty_rehearsals::{self, LoyaltyRehearsals, RehearsalRow};
use projections::{AsOf, ReadModel};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use store::Position;
use utoipa::ToSchema;
use uuid::Uuid;

/// Between two lines that tell the progress.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);
/// Why a place for a rehearsal is not to be had.
const UNDER_WAY: &str = "a rehearsal of this tenant is under way, or as many of others as this server carries out; ask again when it has ended";
/// As many as who publishes may refer to.
const LISTED_MAX: u16 = 100;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RehearseBody {
    rules: RulesBody,
    /// As of when: what has expired or was to be reviewed by then is. Now, unless it is said.
    #[schema(value_type = Option<schemas::When>)]
    now: Option<String>,
}

/// Works out what rules would have done, had they held all the time.
///
/// The tenant's history is replayed as far as it went when this was asked: purchases earn, refunds take back, points expire and tiers
/// are reviewed by these rules; what people did, such as to redeem, stays as it was, and is owed where it would not have been there.
/// Nothing of it holds; `rehearsal_id` can be named when the rules are published. The answer is lines of JSON: `progress` now and then,
/// `customer` for each one who would have another tier or other points, and at the end `rehearsal`, or `error` with the problem. Who
/// finds neither has not got everything. A server rehearses once at a time for a tenant; who goes away has ended it.
#[utoipa::path(
    post, path = "/v1/loyalty/programme/rehearsals", tag = "loyalty", operation_id = "rehearse_loyalty_programme",
    request_body = RehearseBody,
    responses(
        (status = 200, description = "Lines", content_type = "application/x-ndjson", body = schemas::RehearsalLines,
            headers(("X-Position" = i64, description = "The last position that is replayed"))),
        (status = 422, description = "out_of_range, out_of_order, gap, tiers_required, band_required, not_a_multiple, twice, \
            articles_required, too_many, \
            in_the_future, too_long_ago"),
        (status = 503, description = "busy"),
    ),
    security(("key" = [Scope::Admin])),
)]
pub(super) async fn rehearse(
    State(api): State<Api>,
    caller: Caller,
    JsonBody(body): JsonBody<RehearseBody>,
) -> Result<Response, Problem> {
    caller.require(Scope::Admin)?;
    let mut fields = Fields::default();
    let at = fields.when("/now", body.now.as_ref());
    let rules = body.rules.read("/rules", &mut fields);
    let read = || Some(Rehearse { rules: rules?, at: at?.map(|when| when.moment(&caller)) });
    let request = fields.end(read())?;
    let rehearsal = Rehearsal::begin(&api.commands, &caller, request).await?;
    let place = api.bounds().rehearsals.take(&caller.tenant.to_string()).await;
    let place = place.map_err(|busy| busy.saying(UNDER_WAY))?;
    let position = rehearsal.head;
    let request = caller.request_id.clone();
    let body = outlet::body(move |outlet| tell(api, rehearsal, outlet, request, place));
    let head = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson")),
        // Else a proxy might collect lines before it passes them on.
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
        (X_POSITION, HeaderValue::from(position.0)),
    ];
    Ok((head, body).into_response())
}

/// Tells it to its end, or why that is not to be had. Who is not there any more need not know.
async fn tell(
    api: Api,
    rehearsal: Rehearsal,
    mut outlet: Outlet,
    request: Option<String>,
    _place: Place,
) -> Result<Outlet, Broken> {
    match to_its_end(&api, rehearsal, &mut outlet).await {
        Err(Broken::Failed(problem)) => {
            envelope::log(&problem);
            say(&mut outlet, [json!({"error": problem.told(request.as_deref())})]).await?;
        }
        told => told?,
    }
    Ok(outlet)
}

async fn say(outlet: &mut Outlet, lines: impl IntoIterator<Item = Value>) -> Result<(), Broken> {
    for line in lines {
        outlet.write(&format!("{line}\n")).await?;
    }
    outlet.flush().await
}

async fn to_its_end(api: &Api, mut rehearsal: Rehearsal, outlet: &mut Outlet) -> Result<(), Broken> {
    let (head, mut told) = (rehearsal.head, None::<Instant>);
    let progress = |position: Position| json!({"progress": {"position": position.0, "of": head.0}});
    while let Some(position) = rehearsal.go_on().await? {
        let is_time = told.is_none_or(|told| told.elapsed() >= PROGRESS_EVERY);
        say(outlet, is_time.then(|| progress(position))).await?;
        told = if is_time { Some(Instant::now()) } else { told };
    }
    say(outlet, [progress(head)]).await?;
    let mut ending = rehearsal.end();
    let (known, rehearsed) = ending.rules();
    loop {
        let (rest, some) = ending.some().await?;
        ending = rest;
        let Some(some) = some else { break };
        let told = some.iter().map(|changed| json!({"customer": ChangedView::of(changed, &known, &rehearsed)}));
        say(outlet, told.collect::<Vec<_>>()).await?;
    }
    let recorded = ending.record(&api.commands).await?;
    say(outlet, [json!({"rehearsal": RehearsalView::from(recorded)})]).await
}

/// As it is, and as it would be.
#[derive(Serialize)]
struct Both<T> {
    now: T,
    rehearsed: T,
}

#[derive(Serialize)]
struct ChangedView {
    customer_id: Uuid,
    tier: Both<Tier>,
    points: Both<i64>,
    worth: Option<RehearsedWorth>,
}

/// What points are worth, as it is and as it would be.
#[derive(Serialize, ToSchema)]
struct RehearsedWorth {
    #[schema(value_type = schemas::Currency)]
    currency: Currency,
    #[schema(value_type = schemas::Amount)]
    now: String,
    #[schema(value_type = schemas::Amount)]
    rehearsed: String,
}

/// What rules would have changed, in sum.
#[derive(Serialize, ToSchema)]
pub(super) struct RehearsalView {
    rehearsal_id: Uuid,
    rehearsed_on: NaiveDate,
    rules: RulesBody,
    /// The last position of the log that was replayed.
    position: i64,
    /// Where the rehearsal itself was recorded.
    recorded_position: i64,
    members: i64,
    purchases: i64,
    /// The members who would be of a higher tier.
    upgraded: i64,
    /// The members who would be of a lower tier.
    downgraded: i64,
    /// The points that there were, available and held.
    points: i64,
    /// The points that there would have been.
    rehearsed_points: i64,
    /// What they are worth, by currency.
    liabilities: Vec<RehearsedWorth>,
}

/// The rehearsals of late.
#[derive(Serialize, ToSchema)]
pub(super) struct RehearsalsView {
    /// The newest first; those that can be named when rules are published.
    rehearsals: Vec<RehearsalView>,
}

impl RehearsedWorth {
    fn of(now: Money, rehearsed: Money) -> Self {
        Self { currency: now.currency(), now: now.amount(), rehearsed: rehearsed.amount() }
    }
}

impl ChangedView {
    fn of(changed: &Changed, known: &Programme, rehearsed: &Programme) -> Self {
        let outcome = changed.outcome;
        let worth = || {
            let now = known.discount(outcome.known.points, outcome.currency)?;
            Some(RehearsedWorth::of(now, rehearsed.discount(outcome.rehearsed.points, outcome.currency)?))
        };
        Self {
            customer_id: changed.customer.as_uuid(),
            tier: Both { now: outcome.known.tier, rehearsed: outcome.rehearsed.tier },
            points: Both { now: outcome.known.points, rehearsed: outcome.rehearsed.points },
            worth: worth(),
        }
    }
}

impl RehearsalView {
    fn of(id: Uuid, on: NaiveDate, rules: &Programme, outcome: RehearsalOutcome, recorded: Position) -> Self {
        let sums = outcome.liabilities.into_iter().zip(outcome.rehearsed_liabilities);
        Self {
            rehearsal_id: id,
            rehearsed_on: on,
            rules: rules.into(),
            position: outcome.position,
            recorded_position: recorded.0,
            members: outcome.members,
            purchases: outcome.purchases,
            upgraded: outcome.upgraded,
            downgraded: outcome.downgraded,
            points: outcome.points,
            rehearsed_points: outcome.rehearsed_points,
            liabilities: sums.map(|(now, rehearsed)| RehearsedWorth::of(now, rehearsed)).collect(),
        }
    }
}

impl From<RecordedRehearsal> for RehearsalView {
    fn from(recorded: RecordedRehearsal) -> Self {
        let RecordedRehearsal { id, on, rules, outcome, position } = recorded;
        Self::of(id.as_uuid(), on, &rules, outcome, position)
    }
}

impl From<RehearsalRow> for RehearsalView {
    fn from(row: RehearsalRow) -> Self {
        Self::of(row.rehearsal_id, row.rehearsed_on, &row.rules, row.outcome, row.position)
    }
}

/// Lists the rehearsals of late.
#[utoipa::path(
    get, path = "/v1/loyalty/programme/rehearsals", tag = "loyalty", operation_id = "list_loyalty_programme_rehearsals",
    params(MinPosition),
    responses((status = 200, description = "The rehearsals", body = RehearsalsView)),
    security(("key" = [Scope::LoyaltyRead])),
)]
pub(super) async fn list_rehearsals(
    State(api): State<Api>,
    caller: Caller,
    Parameters(NoParameters {}): Parameters<NoParameters>,
    min_position: MinPosition,
) -> Result<Found<RehearsalsView>, Problem> {
    caller.require(Scope::LoyaltyRead)?;
    wait_for(&api, &[LoyaltyRehearsals::NAME], min_position).await?;
    let AsOf { value: rows, position } = loyalty_rehearsals::latest(&api.pools, caller.tenant, LISTED_MAX).await?;
    let rehearsals = rows.into_iter().map(Into::into).collect();
    Ok(Found { position, version: None, body: RehearsalsView { rehearsals } })
}
