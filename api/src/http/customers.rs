//! Customers over HTTP: register, purchases and refunds, look-ups. Who may see who somebody is, is decided in the view.

use crate::Api;
use crate::amount::AmountText;
use crate::body::JsonBody;
use crate::headers::{Idempotency, MinPosition, Parameters, PathId};
use crate::http::customers::documents::DocumentBody;
use crate::http::loyalty::PointsView;
use crate::http::wire::Fields;
use crate::http::{Done, Found, history, time_travel, wait_for};
use crate::problem::Problem;
use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use chrono::{DateTime, NaiveDate, Utc};
use commands::customers::{RecordPurchase, Refund, Register};
use commands::{Caller, Committed, Scope};
use domain::customers::events::{Contact, CustomerEvent, CustomerKind, ExternalReference, PurchaseLine};
use domain::email::Email;
use domain::ids::{CategoryCode, Channel, CustomerId, ExternalSystem, Language, OrderId, RefundId, Sku, Source};
use domain::phone::Phone;
use domain::text::{CompanyName, PersonName, ReferenceText};
use domain::{Currency, Event, Money};
use projections::ReadModel;
use projections::customers::customers::{self, CustomerRow, Customers};
use projections::time_travel::TimeTravelError;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

mod addresses;
mod documents;
mod overview;
mod preferences;
mod profile;
mod search;
mod timeline;
mod update;

pub(crate) fn routes() -> Router<Api> {
    Router::new()
        .route("/v1/customers", post(register).get(search::find))
        .route("/v1/customers/{id}", get(get_customer).patch(update::update))
        .route("/v1/customers/{id}/addresses", get(addresses::list_addresses).post(addresses::add_address))
        .route(
            "/v1/customers/{id}/addresses/{address_id}",
            get(addresses::get_address).patch(addresses::change_address).delete(addresses::remove_address),
        )
        .route("/v1/customers/{id}/contacts", get(profile::list_contacts))
        .route("/v1/customers/{id}/documents", get(documents::list_documents))
        .route(
            "/v1/customers/{id}/preferences",
            get(preferences::get_preferences).patch(preferences::change_preferences),
        )
        .route("/v1/customers/{id}/purchases", post(record_purchase))
        .route("/v1/customers/{id}/refunds", post(refund))
        .route("/v1/customers/{id}/events", get(history::get_events))
        .route("/v1/customers/{id}/timeline", get(timeline::get_timeline))
        .route("/v1/customers/{id}/overview", get(overview::get_overview))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RegisterBody {
    #[serde(default = "individual")]
    kind: CustomerKind,
    name: Option<String>,
    company: Option<String>,
    #[serde(default)]
    emails: Vec<String>,
    #[serde(default)]
    phones: Vec<String>,
    #[serde(default)]
    documents: Vec<DocumentBody>,
    #[serde(default)]
    references: Vec<ReferenceBody>,
    language: Option<String>,
    currency: Option<String>,
    source: Option<String>,
    #[serde(default)]
    loyalty: LoyaltyChoice,
}

const fn individual() -> CustomerKind {
    CustomerKind::Individual
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReferenceBody {
    pub(crate) system: String,
    pub(crate) reference: String,
}

/// `false`; `true`: in the customer's currency; or `{"currency": …}`.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "invalid type: loyalty must be true, false or an object with a currency")]
enum LoyaltyChoice {
    InCustomersCurrency(bool),
    In(EnrolIn),
}

impl Default for LoyaltyChoice {
    fn default() -> Self {
        Self::InCustomersCurrency(false)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EnrolIn {
    currency: String,
}

impl RegisterBody {
    fn read(&self) -> Result<Register, Problem> {
        let mut fields = Fields::default();
        let contact = self.contact(&mut fields);
        let language = fields.keep_optional("/language", self.language.as_ref(), Language::parse);
        let currency = fields.keep_optional("/currency", self.currency.as_ref(), Currency::parse);
        let source = fields.keep_optional("/source", self.source.as_ref(), Source::parse);
        let enrol_in = match &self.loyalty {
            LoyaltyChoice::InCustomersCurrency(false) => Some(None),
            LoyaltyChoice::InCustomersCurrency(true) => {
                if self.currency.is_none() {
                    fields.blame("/currency", "missing_field", "a member needs a currency to earn in");
                }
                currency
            }
            LoyaltyChoice::In(other) => fields.keep("/loyalty/currency", Currency::parse(&other.currency)).map(Some),
        };
        let read = || {
            Some(Register {
                kind: self.kind,
                contact: contact?,
                language: language?,
                currency: currency?,
                source: source?,
                enrol_in: enrol_in?,
            })
        };
        fields.end(read())
    }

    fn contact(&self, fields: &mut Fields) -> Option<Contact> {
        let name = fields.keep_optional("/name", self.name.as_ref(), PersonName::parse);
        let company = fields.keep_optional("/company", self.company.as_ref(), CompanyName::parse);
        let emails = fields.keep_all("/emails", &self.emails, Email::parse);
        let phones = fields.keep_all("/phones", &self.phones, |text| Phone::parse(text, None));
        let documents = fields.keep_each("/documents", &self.documents, DocumentBody::read);
        let references: Vec<_> = self
            .references
            .iter()
            .enumerate()
            .map(|(index, body)| body.read(&format!("/references/{index}"), fields))
            .collect();
        let references = references.into_iter().collect::<Option<Vec<_>>>();
        Some(Contact {
            name: name?,
            company: company?,
            emails: emails?,
            phones: phones?,
            references: references?,
            documents: documents?,
        })
    }
}

impl ReferenceBody {
    fn read(&self, pointer: &str, fields: &mut Fields) -> Option<ExternalReference> {
        let system = fields.keep(&format!("{pointer}/system"), ExternalSystem::parse(&self.system));
        let reference = fields.keep(&format!("{pointer}/reference"), ReferenceText::parse(&self.reference));
        Some(ExternalReference { system: system?, reference: reference? })
    }
}

#[derive(Serialize)]
struct RegisteredView {
    customer_id: Uuid,
    member: bool,
    position: i64,
    repeated: bool,
}

/// `POST /v1/customers`
async fn register(
    State(api): State<Api>,
    caller: Caller,
    Idempotency(key): Idempotency,
    JsonBody(body): JsonBody<RegisterBody>,
) -> Result<Done<RegisteredView>, Problem> {
    caller.require(Scope::CustomersWrite)?;
    let request = body.read()?;
    let member = request.enrol_in.is_some();
    let committed = commands::customers::register(&api.commands, &caller, key, request).await?;
    let customer = committed.customer().ok_or_else(|| Problem::internal().because("a registration made no event"))?;
    let view = RegisteredView {
        customer_id: customer.as_uuid(),
        member,
        position: committed.position.0,
        repeated: committed.repeated,
    };
    let done = Done::once(committed.repeated, committed.position, view);
    Ok(done.at(format!("/v1/customers/{}", customer.as_uuid())))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PurchaseBody {
    order_id: String,
    total: AmountText,
    currency: String,
    channel: Option<String>,
    occurred_at: Option<String>,
    #[serde(default)]
    lines: Vec<LineBody>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LineBody {
    sku: String,
    category: Option<String>,
    quantity: u32,
    amount: AmountText,
}

impl PurchaseBody {
    fn read(&self, customer: CustomerId, caller: &Caller) -> Result<RecordPurchase, Problem> {
        let mut fields = Fields::default();
        let order = fields.keep("/order_id", OrderId::parse(&self.order_id));
        let currency = fields.keep("/currency", Currency::parse(&self.currency));
        let total = fields.money("/total", &self.total, currency);
        let channel = fields.keep_optional("/channel", self.channel.as_ref(), Channel::parse);
        let at = fields.when("/occurred_at", self.occurred_at.as_ref());
        let lines: Vec<_> = self
            .lines
            .iter()
            .enumerate()
            .map(|(index, line)| line.read(&format!("/lines/{index}"), currency, &mut fields))
            .collect();
        let read = || {
            Some(RecordPurchase {
                customer,
                order: order?,
                channel: channel?,
                lines: lines.into_iter().collect::<Option<_>>()?,
                total: total?,
                at: at?.map(|when| when.moment(caller)),
            })
        };
        let read = read();
        fields.end(read)
    }
}

impl LineBody {
    fn read(&self, pointer: &str, currency: Option<Currency>, fields: &mut Fields) -> Option<PurchaseLine> {
        let sku = fields.keep(&format!("{pointer}/sku"), Sku::parse(&self.sku));
        let category =
            fields.keep_optional(&format!("{pointer}/category"), self.category.as_ref(), CategoryCode::parse);
        let amount = fields.money(&format!("{pointer}/amount"), &self.amount, currency);
        Some(PurchaseLine { sku: sku?, category: category?, quantity: self.quantity, amount: amount? })
    }
}

#[derive(Serialize)]
struct PurchaseView {
    customer_id: Uuid,
    order_id: String,
    total: String,
    currency: String,
    #[serde(flatten)]
    points: PointsView,
    position: i64,
    repeated: bool,
}

/// `POST /v1/customers/{id}/purchases`
async fn record_purchase(
    State(api): State<Api>,
    caller: Caller,
    PathId(id): PathId,
    Idempotency(key): Idempotency,
    JsonBody(body): JsonBody<PurchaseBody>,
) -> Result<Done<PurchaseView>, Problem> {
    caller.require(Scope::CustomersWrite)?;
    let request = body.read(CustomerId::new(id), &caller)?;
    let (order_id, total) = (request.order.as_str().to_owned(), request.total);
    let committed = commands::customers::record_purchase(&api.commands, &caller, key, request).await?;
    let points = PointsView::of(&api, &caller, id, &committed).await;
    let repeated = is_repeated(&committed);
    let view = PurchaseView {
        customer_id: id,
        order_id,
        total: total.amount(),
        currency: total.currency().code().to_owned(),
        points,
        position: committed.position.0,
        repeated,
    };
    Ok(Done::once(repeated, committed.position, view))
}

/// Whether nothing happened now: the same was asked before, with the same key or about the same fact.
pub(crate) fn is_repeated(committed: &Committed) -> bool {
    committed.repeated || committed.events.is_empty()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RefundBody {
    order_id: String,
    refund_id: String,
    amount: Option<AmountText>,
    currency: Option<String>,
    occurred_at: Option<String>,
}

impl RefundBody {
    fn read(&self, customer: CustomerId, caller: &Caller) -> Result<Refund, Problem> {
        let mut fields = Fields::default();
        let order = fields.keep("/order_id", OrderId::parse(&self.order_id));
        let refund = fields.keep("/refund_id", RefundId::parse(&self.refund_id));
        let currency = fields.keep_optional("/currency", self.currency.as_ref(), Currency::parse);
        let amount = match (&self.amount, currency) {
            (None, _) => Some(None),
            (Some(_), Some(None)) => {
                fields.blame("/currency", "missing_field", "an amount needs its currency");
                None
            }
            (Some(amount), currency) => fields.money("/amount", amount, currency.flatten()).map(Some),
        };
        let at = fields.when("/occurred_at", self.occurred_at.as_ref());
        let read = || {
            currency?;
            let at = at?.map(|when| when.moment(caller));
            Some(Refund { customer, refund: refund?, order: order?, amount: amount?, at })
        };
        fields.end(read())
    }
}

#[derive(Serialize)]
struct RefundView {
    customer_id: Uuid,
    order_id: String,
    refund_id: String,
    amount: Option<String>,
    refunded: Option<String>,
    remaining: Option<String>,
    currency: Option<String>,
    #[serde(flatten)]
    points: PointsView,
    position: i64,
    repeated: bool,
}

/// `POST /v1/customers/{id}/refunds`
async fn refund(
    State(api): State<Api>,
    caller: Caller,
    PathId(id): PathId,
    Idempotency(key): Idempotency,
    JsonBody(body): JsonBody<RefundBody>,
) -> Result<Done<RefundView>, Problem> {
    caller.require(Scope::CustomersWrite)?;
    let request = body.read(CustomerId::new(id), &caller)?;
    let (order_id, refund_id) = (request.order.as_str().to_owned(), request.refund.as_str().to_owned());
    let committed = commands::customers::refund(&api.commands, &caller, key, request).await?;
    let points = PointsView::of(&api, &caller, id, &committed).await;
    let made = committed.events.iter().find_map(|recorded| match &recorded.event {
        Event::Customer(CustomerEvent::PurchaseRefunded { amount, refunded, remaining, .. }) => {
            Some((*amount, *refunded, *remaining))
        }
        Event::Customer(_) | Event::Loyalty(_) | Event::Access(_) => None,
    });
    let repeated = is_repeated(&committed);
    let view = RefundView {
        customer_id: id,
        order_id,
        refund_id,
        amount: made.map(|(amount, ..)| amount.amount()),
        refunded: made.map(|(_, refunded, _)| refunded.amount()),
        remaining: made.map(|(.., remaining)| remaining.amount()),
        currency: made.map(|(amount, ..): (Money, _, _)| amount.currency().code().to_owned()),
        points,
        position: committed.position.0,
        repeated,
    };
    Ok(Done::once(repeated, committed.position, view))
}

#[derive(Serialize)]
struct CustomerView {
    customer_id: Uuid,
    kind: CustomerKind,
    status: &'static str,
    name: Option<String>,
    company: Option<String>,
    email: Option<String>,
    phone: Option<String>,
    references: Vec<ReferenceView>,
    masked: bool,
    language: Option<String>,
    currency: Option<String>,
    source: Option<String>,
    lifecycle: &'static str,
    lifecycle_since: Option<NaiveDate>,
    purchase_count: i64,
    first_purchase_on: Option<NaiveDate>,
    last_purchase_on: Option<NaiveDate>,
    registered_on: NaiveDate,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    version: i32,
}

#[derive(Serialize)]
struct ReferenceView {
    system: String,
    reference: String,
}

/// `GET /v1/customers/{id}`, now or as it was
async fn get_customer(
    State(api): State<Api>,
    caller: Caller,
    PathId(id): PathId,
    Parameters(asked): Parameters<time_travel::Asked>,
    min_position: MinPosition,
) -> Result<Found<CustomerView>, Problem> {
    caller.require(Scope::CustomersRead)?;
    if let Some(past) = asked.read(&caller)? {
        let position = time_travel::reflected(&api, min_position).await?;
        let row = customers::find_past(&*api.store, caller.tenant, id, past.until).await;
        let row = row.map_err(|error| match error {
            TimeTravelError::Unknown => customer_not_found(),
            error => error.into(),
        })?;
        // No ETag: what was cannot be changed.
        return Ok(Found { position, version: None, body: CustomerView::of(row, &caller) });
    }
    wait_for(&api, &[Customers::NAME], min_position).await?;
    let row = customers::find(&api.pools, caller.tenant, id).await?;
    let row = row.ok_or_else(customer_not_found)?;
    let (position, version) = (row.position, row.value.version);
    Ok(Found { position, version: Some(version), body: CustomerView::of(row.value, &caller) })
}

fn customer_not_found() -> Problem {
    Problem::not_found("customer_not_found", "the customer is not known")
}

impl CustomerView {
    /// Who may not see who somebody is, sees enough to recognise them by.
    fn of(row: CustomerRow, caller: &Caller) -> Self {
        let masked = caller.require(Scope::CustomersPii).is_err();
        let shown = |text: String, mask: fn(&str) -> String| if masked { mask(&text) } else { text };
        let references = row.references.into_iter().map(|reference| ReferenceView {
            system: reference.system,
            reference: shown(reference.reference, masked_text),
        });
        Self {
            customer_id: row.id,
            kind: row.kind,
            status: row.status.as_str(),
            references: references.collect(),
            name: row.name.map(|text| shown(text, masked_text)),
            company: row.company.map(|text| shown(text, masked_text)),
            email: row.email.map(|text| shown(text, masked_email)),
            phone: row.phone.map(|text| shown(text, masked_phone)),
            masked,
            language: row.language,
            currency: row.currency,
            source: row.source,
            lifecycle: row.lifecycle.as_str(),
            lifecycle_since: row.lifecycle_since,
            purchase_count: row.purchase_count,
            first_purchase_on: row.first_purchase_on,
            last_purchase_on: row.last_purchase_on,
            registered_on: row.registered_on,
            created_at: row.created_at,
            updated_at: row.updated_at,
            version: row.version,
        }
    }
}

fn masked_text(text: &str) -> String {
    text.chars().take(1).chain("***".chars()).collect()
}

fn masked_email(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((local, domain)) => format!("{}@{domain}", masked_text(local)),
        None => masked_text(text),
    }
}

fn masked_phone(text: &str) -> String {
    let kept: String = text.chars().rev().take(2).collect();
    format!("***{}", kept.chars().rev().collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::{masked_email, masked_phone, masked_text};

    #[test]
    fn a_mask_leaves_enough_to_recognise_and_not_enough_to_know() {
        assert_eq!(masked_text("Ana María"), "A***");
        assert_eq!(masked_text(""), "***");
        assert_eq!(masked_email("ana@example.org"), "a***@example.org");
        assert_eq!(masked_phone("+34600123456"), "***56");
    }
}
