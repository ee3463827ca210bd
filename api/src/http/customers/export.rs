//! `GET /v1/customers/{id}/export`: all that is known of a person, for programs as JSON, for the person as a page (GDPR, articles 15
//! and 20).
//!
//! That it is handed out is recorded before anything leaves, so that whoever asks later finds who saw whose data. Then it is written
//! as it is read, part after part: a long history is never held as a whole.

mod details;
mod events;
mod page;
mod program;
mod words;

use crate::Api;
use crate::bounds::Place;
use crate::headers::{MinPosition, Parameters, PathId, X_POSITION};
use crate::http::customers::customer_not_found;
use crate::http::lists::wrong;
use crate::http::outlet::{self, Outlet};
use crate::http::recorded::EventView;
use crate::http::{wait_for, wait_for_log};
use crate::openapi::schemas;
use crate::problem::Problem;
use axum::body::Body;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use commands::credit::owned::lines_of;
use commands::{Caller, CommandError, Scope};
use domain::customers::events::ExportFormat;
use domain::ids::{CreditLineId, CustomerId};
use projections::ReadModel;
use projections::access::api_keys::{self, ApiKeyRow};
use projections::audit::audit_trail::AuditTrail;
use projections::customers::customer_profiles::CustomerProfiles;
use projections::customers::customer_timeline::CustomerTimeline;
use projections::customers::customers::{self, Customers};
use projections::loyalty::loyalty_balances::LoyaltyBalances;
use projections::loyalty::loyalty_ledger::LoyaltyLedger;
use serde::{Deserialize, Serialize};
use store::{EventStream, Position, StoreError};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// The read models that are told from.
const READ_MODELS: &[&str] = &[
    Customers::NAME,
    CustomerProfiles::NAME,
    CustomerTimeline::NAME,
    LoyaltyBalances::NAME,
    LoyaltyLedger::NAME,
    AuditTrail::NAME,
];

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// For programs or for people; if it is not said, as `Accept` prefers.
    #[param(inline, value_type = Option<schemas::ExportFormat>)]
    format: Option<String>,
}

/// How it is asked for.
pub(super) struct Form {
    format: ExportFormat,
    /// Only the headers are wanted.
    is_bare: bool,
}

impl<S: Send + Sync> FromRequestParts<S> for Form {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Parameters(asked) = Parameters::<Asked>::from_request_parts(parts, state).await?;
        let format = match asked.format.as_deref() {
            Some("json") => ExportFormat::Json,
            Some("html") => ExportFormat::Html,
            Some(_) => return Err(wrong("format", "must be json or html")),
            None => preferred(&parts.headers),
        };
        Ok(Self { format, is_bare: parts.method == Method::HEAD })
    }
}

/// What `Accept` prefers: the page only if it is named and nothing that JSON fits is liked as much.
fn preferred(headers: &HeaderMap) -> ExportFormat {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let weight = |wanted: &[&str]| {
        let fitting = accept.split(',').filter_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let named = wanted.contains(&parts.next()?.to_ascii_lowercase().as_str());
            let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1.0), |q| q.parse::<f32>().ok());
            weight.filter(|_| named)
        });
        fitting.fold(0.0, f32::max)
    };
    let (page, program) = (weight(&["text/html"]), weight(&["application/json", "application/*", "*/*"]));
    if page > program { ExportFormat::Html } else { ExportFormat::Json }
}

/// All that is known of a person.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described: it is written as it is read")]
pub(super) struct ExportView {
    #[schema(example = "clientela/export/v1")]
    format: String,
    customer_id: Uuid,
    /// The ids under which the person is known: the customer's, and those of whoever turned out to be the same.
    subjects: Vec<Uuid>,
    /// Who it is handed to.
    #[schema(value_type = schemas::Actor)]
    exported_by: String,
    made_at: DateTime<Utc>,
    /// All events up to here are in it; the last of them says that this was handed out.
    position: i64,
    #[schema(example = "Europe/Madrid")]
    time_zone: String,
    /// Rows of the read models, by table.
    #[schema(value_type = schemas::Facts)]
    tables: String,
    /// All events, the oldest first, with what tells who it is.
    events: Vec<EventView>,
    /// Programs that could or can see who customers are.
    recipients: Vec<RecipientView>,
    /// What stays when the person is erased, and why.
    #[schema(example = json!(["Purchases with their amounts"]))]
    kept_after_erasure: Vec<String>,
    /// The last member: who does not find it has not got everything.
    complete: bool,
}

/// A program that could or can see who customers are.
#[derive(Serialize, ToSchema)]
struct RecipientView {
    key_id: Uuid,
    #[schema(example = "crm")]
    name: String,
    #[schema(example = json!(["customers:read", "customers:pii"]))]
    scopes: Vec<String>,
    since: DateTime<Utc>,
    until: Option<DateTime<Utc>>,
}

impl From<ApiKeyRow> for RecipientView {
    fn from(row: ApiKeyRow) -> Self {
        let until = row.revoked_at.into_iter().chain(row.expires_at).min();
        Self { key_id: row.key, name: row.name, scopes: row.scopes, since: row.created_at, until }
    }
}

/// What stays when a person is erased, and why.
const KEPT: [&str; 5] = [
    "Purchases, refunds and points with their dates and amounts, without anything that says whose they were: books must be kept.",
    "Credit: how much was asked for, given, used and paid, with its dates and with reasons as codes, without what the business told of itself and what was said about it: books must be kept, and what is owed stays owed.",
    "Codes and identifiers: of orders and articles, of the programs that asked, and a customer number that leads to nobody.",
    "That the customer was erased, when, and a signed receipt of it: so that it can be proved, and done again after a backup is restored.",
    "Not kept: names, addresses, contacts, documents, references, restrictions, notes, and what a business told of itself. The key that opens them is destroyed, and their rows are blanked.",
];

/// Hands out all that is known of a customer.
///
/// As JSON for programs, or as a page for the person, by `format` or `Accept`. It is written as it is read; who does not find its last
/// member, `complete`, has not got everything. Each time is recorded as `customer.exported`.
#[utoipa::path(
    get, path = "/v1/customers/{id}/export", tag = "customers", operation_id = "export_customer",
    params(PathId, Asked, MinPosition),
    responses(
        (status = 200, description = "All that is known", content(
            (ExportView = "application/json"),
            (schemas::Page = "text/html"),
        )),
        (status = 404, description = "customer_not_found"),
        (status = 410, description = "erased"),
    ),
    security(("key" = [Scope::CustomersRead, Scope::CustomersPii])),
)]
pub(super) async fn export(
    State(api): State<Api>,
    caller: Caller,
    PathId(id): PathId,
    form: Form,
    min_position: MinPosition,
) -> Result<Response, Problem> {
    caller.require(Scope::CustomersRead)?;
    caller.require(Scope::CustomersPii)?;
    let format = form.format;
    if form.is_bare {
        // Nothing is handed out, so nothing is recorded.
        let known = customers::find(&api.pools, caller.tenant, id).await?.ok_or_else(customer_not_found)?;
        return Ok(answer(format, id, known.position, Body::empty()));
    }
    let place = api.bounds().exports.take(&caller.actor).await?;
    wait_for_log(&api, min_position).await?;
    // What the tables say shall be no older than the answer.
    wait_for(&api, READ_MODELS, MinPosition(Some(api.store.head().await?.0))).await?;
    let recorded = commands::customers::export(&api.commands, &caller, CustomerId::new(id), format).await;
    let position = recorded.map_err(gone)?.position;
    let subjects = api.store.linked(caller.tenant, id).await?;
    let mut lines = Vec::new();
    for subject in &subjects {
        lines.extend(lines_of(&api.commands, &caller, CustomerId::new(*subject)).await?);
    }
    let person = Person { subjects, lines, id, position, api, caller, _place: place };
    let body = outlet::body(async move |outlet: Outlet| match format {
        ExportFormat::Json => program::write(&person, outlet).await,
        ExportFormat::Html => page::write(&person, outlet).await,
    });
    Ok(answer(format, id, position, body))
}

/// What was erased is gone for good, and known to have been there.
fn gone(error: CommandError) -> Problem {
    match error.refusal() {
        Some(refusal) if refusal.code == "customer_erased" => {
            Problem::new(StatusCode::GONE, "erased", "the customer was erased: nobody knows any more who it was")
        }
        Some(_) | None => error.into(),
    }
}

fn answer(format: ExportFormat, customer: Uuid, position: Position, body: Body) -> Response {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    let (kind, policy) = match format {
        ExportFormat::Json => ("application/json", None),
        ExportFormat::Html => ("text/html; charset=utf-8", Some(page::POLICY.as_str())),
    };
    let file = format!("inline; filename=\"customer-{customer}.{}\"", format.as_str());
    let texts = [
        (header::CONTENT_TYPE, Some(kind)),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CONTENT_DISPOSITION, Some(file.as_str())),
        (header::X_CONTENT_TYPE_OPTIONS, Some("nosniff")),
        (header::REFERRER_POLICY, Some("no-referrer")),
        (header::CACHE_CONTROL, Some("no-store")),
        (header::VARY, Some("accept")),
    ];
    for (name, text) in texts {
        if let Some(value) = text.and_then(|text| HeaderValue::from_str(text).ok()) {
            headers.insert(name, value);
        }
    }
    headers.insert(X_POSITION, HeaderValue::from(position.0));
    response
}

/// A person whose data are handed out.
struct Person {
    api: Api,
    caller: Caller,
    /// The customer that was asked for.
    id: Uuid,
    /// The ids under which the person is known.
    subjects: Vec<Uuid>,
    /// Their lines of credit, which have ids of their own.
    lines: Vec<CreditLineId>,
    /// The event that says that this is handed out: what came later is not in it.
    position: Position,
    _place: Place,
}

impl Person {
    /// All events, the oldest first.
    fn events(&self) -> EventStream {
        events::of(self.api.store.as_ref(), self.caller.tenant, (&self.subjects, &self.lines), self.position)
    }

    /// The keys of the tenant.
    async fn keys(&self) -> Result<Vec<ApiKeyRow>, StoreError> {
        api_keys::list(&self.api.pools, self.caller.tenant).await
    }
}

/// Those of them that see who customers are.
fn recipients(keys: Vec<ApiKeyRow>) -> impl Iterator<Item = RecipientView> {
    let sees = |row: &ApiKeyRow| row.known_scopes().any(|scope| scope.grants(Scope::CustomersPii));
    keys.into_iter().filter(sees).map(RecipientView::from)
}

#[cfg(test)]
mod tests {
    use super::preferred;
    use axum::http::{HeaderMap, HeaderValue, header};
    use domain::customers::events::ExportFormat::{Html, Json};

    #[test]
    fn the_page_is_for_those_who_prefer_it() {
        let of = |accept| preferred(&HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]));
        assert_eq!(preferred(&HeaderMap::new()), Json);
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";
        for accept in ["text/html", "Text/HTML; charset=utf-8", browser, "application/json;q=0.5, text/html;q=0.9"] {
            assert_eq!(of(accept), Html, "{accept}");
        }
        for accept in
            ["", "*/*", "application/json", "text/html, application/json", "text/html;q=0", "text/html;q=x", ";"]
        {
            assert_eq!(of(accept), Json, "{accept}");
        }
    }
}
