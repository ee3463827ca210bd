//! Imports over HTTP: many purchases in one request, each answered for itself, so that one bad row stops no other.

use crate::Api;
use crate::Config;
use crate::amount::AmountText;
use crate::body::JsonBody;
use crate::http::Done;
use crate::http::customers::warnings::WarningView;
use crate::http::wire::{Fields, date_as_written};
use crate::openapi::schemas;
use crate::problem::{Place, Problem};
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use commands::customers::{ImportOptions, PurchaseRow, RowOutcome};
use commands::{Caller, Door, Scope};
use domain::customers::events::ExternalReference;
use domain::ids::{Channel, ExternalSystem, OrderId, Source};
use domain::text::ReferenceText;
use domain::{Currency, Money};
use serde::{Deserialize, Serialize};
use store::Position;
use utoipa::ToSchema;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;
use uuid::Uuid;

const ROWS_MAX: usize = 1_000;
const SOURCE: &str = "import";

mod customers;

pub(crate) fn routes(config: &Config) -> OpenApiRouter<Api> {
    let most = config.import_bytes_max;
    OpenApiRouter::new()
        .routes(routes!(import_purchases).layer(DefaultBodyLimit::max(most)))
        .routes(routes!(customers::import_customers).layer(DefaultBodyLimit::max(most)))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ImportBody {
    /// The clock of the import, for operators only: what has expired by then expires.
    #[schema(value_type = Option<schemas::When>)]
    now: Option<String>,
    /// Whose names for customers the rows use.
    #[schema(example = "erp")]
    system: String,
    #[schema(value_type = schemas::Currency)]
    currency: String,
    #[schema(example = "import")]
    source: Option<String>,
    #[schema(example = "shop")]
    channel: Option<String>,
    #[schema(max_items = 1000)]
    rows: Vec<RowBody>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RowBody {
    /// Comes back in the answer.
    #[schema(example = 1)]
    row: u64,
    /// The customer, in the words of the system.
    #[schema(example = "4711")]
    customer: String,
    /// Names the row among the customer's, so that it counts once.
    #[schema(example = "1998-06-30/1")]
    key: String,
    #[schema(value_type = Option<schemas::OrderId>)]
    order_id: Option<String>,
    total: AmountText,
    #[schema(value_type = schemas::Day)]
    on: String,
}

/// What all rows have in common.
struct Common {
    system: ExternalSystem,
    currency: Currency,
    options: ImportOptions,
}

#[derive(Serialize, ToSchema)]
struct ImportView {
    results: Vec<RowView>,
    position: i64,
}

#[derive(Serialize, ToSchema)]
struct RowView {
    #[schema(example = 1)]
    row: u64,
    /// recorded, repeated, refused, or failed: then it may be sent again.
    #[schema(value_type = schemas::RowOutcome)]
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "invalid_date")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "/on: must be a date such as 1998-06-30")]
    detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "/on")]
    field: Option<String>,
    /// What was recorded although somebody should look at it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<WarningView>,
}

/// Records many purchases. Each row is answered for itself, so one bad row stops no other.
///
/// Customers that are not known yet are registered by their reference. A row counts once, by its key.
#[utoipa::path(
    post, path = "/v1/imports/purchases", tag = "imports",
    request_body = ImportBody,
    responses((status = 200, description = "What became of each row", body = ImportView,
        headers(("X-Position" = i64, description = "The last position that came of it")))),
    security(("key" = [Scope::CustomersWrite])),
)]
async fn import_purchases(
    State(api): State<Api>,
    caller: Caller,
    request: Request,
) -> Result<Done<ImportView>, Problem> {
    caller.require(Scope::CustomersWrite)?;
    // Before the body: it may have megabytes.
    let _place = api.bounds().imports.take(&caller.actor).await?;
    let JsonBody(body) = JsonBody::<ImportBody>::from_request(request, &api).await?;
    let common = body.common()?;
    let caller = body.at_its_clock(caller)?;
    let read: Vec<_> = body.rows.iter().map(|row| row.read(&common)).collect();
    let rows: Vec<PurchaseRow> = read.iter().filter_map(|row| row.as_ref().ok().cloned()).collect();
    let outcomes = commands::customers::import_purchases(&api.commands, &caller, &common.options, &rows).await?;
    answer(&api, body.rows.iter().map(|row| row.row).zip(read), outcomes, |_| Vec::new()).await
}

/// What became of each row: of those that could not be read, it is said why.
async fn answer<T>(
    api: &Api,
    read: impl Iterator<Item = (u64, Result<T, Problem>)>,
    outcomes: Vec<RowOutcome>,
    warnings: impl Fn(&T) -> Vec<WarningView>,
) -> Result<Done<ImportView>, Problem> {
    let last = outcomes.iter().filter_map(position_of).max();
    let position = match last {
        Some(position) => position,
        None => api.store.head().await?,
    };
    let mut outcomes = outcomes.into_iter();
    let results = read.filter_map(|(row, read)| match read {
        Ok(read) => outcomes.next().map(|outcome| RowView::of(row, outcome, || warnings(&read))),
        Err(problem) => Some(RowView::refused(row, "refused", &problem)),
    });
    let view = ImportView { results: results.collect(), position: position.0 };
    Ok(Done::changed(position, None, view))
}

const fn position_of(outcome: &RowOutcome) -> Option<Position> {
    match outcome {
        RowOutcome::Recorded { position, .. } => Some(*position),
        RowOutcome::Repeated { .. } | RowOutcome::Refused(_) | RowOutcome::Failed(_) => None,
    }
}

impl ImportBody {
    fn common(&self) -> Result<Common, Problem> {
        let mut fields = Fields::default();
        let system = fields.keep("/system", ExternalSystem::parse(&self.system));
        let currency = fields.keep("/currency", Currency::parse(&self.currency));
        let source = fields.keep("/source", Source::parse(self.source.as_deref().unwrap_or(SOURCE)));
        let channel = fields.keep_optional("/channel", self.channel.as_ref(), Channel::parse);
        if self.rows.len() > ROWS_MAX {
            fields.blame("/rows", "too_many", "at most 1000 rows are taken at once");
        }
        let read = || {
            let options = ImportOptions { source: Some(source?), channel: channel? };
            Some(Common { system: system?, currency: currency?, options })
        };
        fields.end(read())
    }

    /// A stated clock decides what has expired by then, so it is for operators only.
    fn at_its_clock(&self, caller: Caller) -> Result<Caller, Problem> {
        let mut fields = Fields::default();
        let when = fields.when("/now", self.now.as_ref());
        let caller = Caller { via: Door::Import, ..caller };
        match fields.end(when)? {
            None => Ok(caller),
            Some(when) => {
                caller.require(Scope::Operations)?;
                let now = when.moment(&caller);
                caller.require_business_time("/now", Some(now))?;
                Ok(Caller { now, ..caller })
            }
        }
    }
}

impl RowBody {
    fn read(&self, common: &Common) -> Result<PurchaseRow, Problem> {
        let mut fields = Fields::default();
        let reference = fields.keep("/customer", ReferenceText::parse(&self.customer));
        let row_key = fields.keep("/key", OrderId::parse(&self.key));
        let order = fields.keep_optional("/order_id", self.order_id.as_ref(), OrderId::parse);
        let total: Option<Money> = fields.money("/total", &self.total, Some(common.currency));
        let on = date_as_written(&self.on);
        if on.is_none() {
            fields.blame("/on", "invalid_date", "must be a date such as 1998-06-30");
        }
        let read = || {
            let customer = ExternalReference { system: common.system.clone(), reference: reference? };
            Some(PurchaseRow { customer, order: order?, row_key: row_key?, total: total?, on: on? })
        };
        fields.end(read())
    }
}

impl RowView {
    fn of(row: u64, outcome: RowOutcome, warnings: impl FnOnce() -> Vec<WarningView>) -> Self {
        match outcome {
            RowOutcome::Recorded { customer, .. } => {
                Self { warnings: warnings(), ..Self::happened(row, "recorded", customer.as_uuid()) }
            }
            RowOutcome::Repeated { customer } => Self::happened(row, "repeated", customer.as_uuid()),
            RowOutcome::Refused(refusal) => Self::refused(row, "refused", &refusal.into()),
            RowOutcome::Failed(error) => {
                let problem = Problem::from(error);
                crate::envelope::log(&problem);
                Self::refused(row, "failed", &problem)
            }
        }
    }

    fn happened(row: u64, outcome: &'static str, customer: Uuid) -> Self {
        Self { row, outcome, customer_id: Some(customer), code: None, detail: None, field: None, warnings: Vec::new() }
    }

    fn refused(row: u64, outcome: &'static str, problem: &Problem) -> Self {
        let first = problem.errors().first();
        let field = first.and_then(|error| match &error.place {
            Place::Pointer(pointer) => Some(pointer.clone()),
            Place::Parameter(_) | Place::Header(_) => None,
        });
        let code = first.map_or_else(|| problem.code().to_owned(), |error| error.code.to_string());
        let detail = Some(problem.detail().to_owned());
        Self { row, outcome, customer_id: None, code: Some(code), detail, field, warnings: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::{Common, RowBody};
    use commands::customers::ImportOptions;
    use domain::Currency;
    use domain::ids::ExternalSystem;

    fn read(on: &str) -> Result<String, String> {
        let system = ExternalSystem::parse("erp").expect("it is a system");
        let currency = Currency::parse("EUR").expect("it is a currency");
        let common = Common { system, currency, options: ImportOptions::default() };
        let row = format!(r#"{{"row":1,"customer":"c","key":"k","total":"1.00","on":"{on}"}}"#);
        let row: RowBody = crate::body::parse(row.as_bytes()).expect("it is a row");
        let read = row.read(&common);
        read.map(|row| row.on.to_string()).map_err(|problem| {
            let errors = serde_json::to_value(problem.errors()).expect("it is plain data");
            format!("{} {}", errors[0]["pointer"], errors[0]["code"])
        })
    }

    #[test]
    fn a_row_whose_date_is_written_otherwise_is_refused() {
        assert_eq!(read("1998-06-30"), Ok("1998-06-30".to_owned()));
        for on in ["-5000-01-01", "+1998-06-30", "1998-6-30", "30.06.1998"] {
            assert_eq!(read(on), Err(r#""/on" "invalid_date""#.to_owned()), "{on}");
        }
    }
}
