//! Customers over HTTP: register, purchases and refunds, look-ups. Who may see who somebody is, is decided in the view.

use crate::Api;
use crate::amount::AmountText;
use crate::body::JsonBody;
use crate::headers::{Idempotency, MinPosition, Parameters, PathId};
use crate::http::customers::documents::DocumentBody;
use crate::http::loyalty::PointsView;
use crate::http::wire::Fields;
use crate::http::{Done, Found, history, time_travel, wait_for};
use crate::openapi::schemas;
use crate::problem::Problem;
use axum::extract::State;
use chrono::{DateTime, NaiveDate, Utc};
use commands::customers::{RecordPurchase, Refund, Register};
use commands::{Caller, Committed, Scope};
use domain::birth_date::BirthDate;
use domain::customers::commands::RefundLine;
use domain::customers::events::{
    Contact, CustomerEvent, CustomerKind, ExternalReference, LifecycleStage, PurchaseLine,
};
use domain::email::Email;
use domain::ids::{CategoryCode, Channel, CustomerId, ExternalSystem, Language, OrderId, RefundId, Sku, Source};
use domain::phone::Phone;
use domain::text::{CompanyName, PersonName, ReferenceText};
use domain::{Currency, Event, Money};
use projections::ReadModel;
use projections::customers::customers::standing::BlockRow;
use projections::customers::customers::{self, CustomerRow, Customers};
use projections::time_travel::TimeTravelError;
use serde::{Deserialize, Serialize};
use standing::SegmentView;
use std::collections::BTreeMap;
use terms::TermsView;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use warnings::WarningView;

mod addresses;
pub(crate) mod documents;
mod erase;
mod export;
mod merges;
mod overview;
mod preferences;
mod profile;
mod references;
mod referrals;
mod search;
mod standing;
mod terms;
mod timeline;
mod update;
pub(crate) mod warnings;

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(register, search::find))
        .routes(routes!(get_customer, update::update))
        .routes(routes!(addresses::list_addresses, addresses::add_address))
        .routes(routes!(addresses::get_address, addresses::change_address, addresses::remove_address))
        .routes(routes!(profile::list_contacts))
        .routes(routes!(documents::list_documents))
        .routes(routes!(preferences::get_preferences, preferences::change_preferences))
        .routes(routes!(record_purchase))
        .routes(routes!(refund))
        .routes(routes!(history::get_events))
        .routes(routes!(timeline::get_timeline))
        .routes(routes!(overview::get_overview))
        .routes(routes!(export::export))
        .routes(routes!(erase::erase_customer))
        .routes(routes!(erase::get_erasure))
        .merge(references::routes())
        .merge(referrals::routes())
        .merge(standing::routes())
        .merge(merges::routes())
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "kind": "individual", "name": "Ana Torres", "emails": ["ana@example.com"], "phones": ["+34612345678"],
    "documents": [{"kind": "dni", "number": "12345678Z"}], "references": [{"system": "erp", "reference": "4711"}],
    "birth_date": "1984-02-29", "language": "es", "currency": "EUR", "source": "shop", "loyalty": true,
}))]
struct RegisterBody {
    #[serde(default = "individual", deserialize_with = "crate::body::word")]
    #[schema(value_type = schemas::CustomerKind)]
    kind: CustomerKind,
    #[schema(example = "Ana Torres")]
    name: Option<String>,
    /// Needed of a business.
    #[schema(example = "Torres S.L.")]
    company: Option<String>,
    #[serde(default)]
    #[schema(value_type = Vec<schemas::Email>, max_items = 10)]
    emails: Vec<String>,
    #[serde(default)]
    #[schema(value_type = Vec<schemas::Phone>, max_items = 10)]
    phones: Vec<String>,
    #[serde(default)]
    #[schema(max_items = 10)]
    documents: Vec<DocumentBody>,
    #[serde(default)]
    #[schema(max_items = 20)]
    references: Vec<ReferenceBody>,
    /// When the person was born: for campaigns around birthdays.
    #[schema(value_type = Option<schemas::BirthDate>)]
    birth_date: Option<String>,
    #[schema(example = "es")]
    language: Option<String>,
    /// What the customer pays in.
    #[schema(value_type = Option<schemas::Currency>)]
    currency: Option<String>,
    #[schema(example = "shop")]
    source: Option<String>,
    /// The customer that sent this one.
    #[schema(value_type = Option<Uuid>)]
    referrer_id: Option<String>,
    #[serde(default)]
    loyalty: LoyaltyChoice,
}

const fn individual() -> CustomerKind {
    CustomerKind::Individual
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReferenceBody {
    #[schema(example = "erp")]
    pub(crate) system: String,
    #[schema(example = "4711")]
    pub(crate) reference: String,
}

/// `false`; `true`: in the customer's currency; or `{"currency": …}`.
#[derive(Debug, Deserialize, ToSchema)]
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

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EnrolIn {
    #[schema(value_type = schemas::Currency)]
    currency: String,
}

impl RegisterBody {
    fn read(&self) -> Result<Register, Problem> {
        let mut fields = Fields::default();
        let contact = self.contact(&mut fields);
        let language = fields.keep_optional("/language", self.language.as_ref(), Language::parse);
        let currency = fields.keep_optional("/currency", self.currency.as_ref(), Currency::parse);
        let source = fields.keep_optional("/source", self.source.as_ref(), Source::parse);
        let referrer = fields.keep_optional("/referrer_id", self.referrer_id.as_ref(), CustomerId::parse);
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
                referrer: referrer?,
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
        let birth_date = fields.keep_optional("/birth_date", self.birth_date.as_ref(), BirthDate::parse);
        Some(Contact {
            name: name?,
            company: company?,
            emails: emails?,
            phones: phones?,
            references: references?,
            documents: documents?,
            birth_date: birth_date?,
        })
    }
}

impl ReferenceBody {
    pub(super) fn read(&self, pointer: &str, fields: &mut Fields) -> Option<ExternalReference> {
        let system = fields.keep(&format!("{pointer}/system"), ExternalSystem::parse(&self.system));
        let reference = fields.keep(&format!("{pointer}/reference"), ReferenceText::parse(&self.reference));
        Some(ExternalReference { system: system?, reference: reference? })
    }
}

#[derive(Serialize, ToSchema)]
struct RegisteredView {
    customer_id: Uuid,
    member: bool,
    position: i64,
    repeated: bool,
    /// What was taken although somebody should look at it; not there when there is nothing to say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<WarningView>,
}

/// Registers a customer.
///
/// E-mail addresses, telephone numbers, documents and references are one customer's at most. What a deleted customer holds is refused with
/// its `customer_id`, for keys with `customers:read`: restore that one. A document of Spain with a wrong control character is refused only where
/// the tenant's settings say `strict_documents`.
#[utoipa::path(
    post, path = "/v1/customers", tag = "customers", operation_id = "register_customer",
    params(Idempotency),
    request_body = RegisterBody,
    responses(
        (status = 201, description = "Registered", body = RegisteredView,
            headers(("Location" = String, description = "Path of the customer"))),
        (status = 409, description = "customer_already_registered, email_taken, phone_taken, reference_taken, reference_already_linked, document_taken, referrer_erased, referrer_deleted, referrer_merged, referrer_blocked"),
        (status = 422, description = "contact_required, company_required, too_many, in_the_future, referrer_not_found, wrong_control_character"),
    ),
    security(("key" = [Scope::CustomersWrite])),
)]
async fn register(
    State(api): State<Api>,
    caller: Caller,
    Idempotency(key): Idempotency,
    JsonBody(body): JsonBody<RegisterBody>,
) -> Result<Done<RegisteredView>, Problem> {
    caller.require(Scope::CustomersWrite)?;
    let request = body.read()?;
    let member = request.enrol_in.is_some();
    let warnings = warnings::in_lists(&request.contact.emails, &request.contact.documents);
    let committed = commands::customers::register(&api.commands, &caller, key, request).await?;
    let customer = committed.customer().ok_or_else(|| Problem::internal().because("a registration made no event"))?;
    let view = RegisteredView {
        customer_id: customer.as_uuid(),
        member,
        position: committed.position.0,
        repeated: committed.repeated,
        warnings,
    };
    let done = Done::once(committed.repeated, committed.position, view);
    Ok(done.at(format!("/v1/customers/{}", customer.as_uuid())))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PurchaseBody {
    #[schema(value_type = schemas::OrderId)]
    order_id: String,
    total: AmountText,
    #[schema(value_type = schemas::Currency)]
    currency: String,
    #[schema(example = "web")]
    channel: Option<String>,
    /// Now, unless it is said.
    #[schema(value_type = Option<schemas::When>)]
    occurred_at: Option<String>,
    #[serde(default)]
    #[schema(max_items = 500)]
    lines: Vec<LineBody>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct LineBody {
    #[schema(example = "SKU-1")]
    sku: String,
    #[schema(example = "books")]
    category: Option<String>,
    #[schema(minimum = 1)]
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

#[derive(Serialize, ToSchema)]
struct PurchaseView {
    customer_id: Uuid,
    #[schema(value_type = schemas::OrderId)]
    order_id: String,
    #[schema(value_type = schemas::Amount)]
    total: String,
    #[schema(value_type = schemas::Currency)]
    currency: String,
    #[serde(flatten)]
    points: PointsView,
    position: i64,
    repeated: bool,
}

/// Records a purchase. A member earns points by it.
///
/// An order is recorded once: the same again is answered as the first time, another purchase under its name is refused.
#[utoipa::path(
    post, path = "/v1/customers/{id}/purchases", tag = "customers",
    params(PathId, Idempotency),
    request_body = PurchaseBody,
    responses(
        (status = 201, description = "Recorded", body = PurchaseView),
        (status = 404, description = "customer_not_found"),
        (status = 409, description = "order_already_recorded, already_happened, customer_erased, customer_merged, customer_deleted"),
        (status = 422, description = "negative_total, currency_mismatch, quantity_required, too_many, points_limit, in_the_future, too_long_ago"),
    ),
    security(("key" = [Scope::CustomersWrite])),
)]
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

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RefundBody {
    #[schema(value_type = schemas::OrderId)]
    order_id: String,
    #[schema(value_type = schemas::RefundId)]
    refund_id: String,
    /// What the lines cost, without lines all that is left of the purchase, unless it is said.
    amount: Option<AmountText>,
    #[schema(value_type = Option<schemas::Currency>)]
    currency: Option<String>,
    /// What is given back of which article.
    #[schema(min_items = 1, max_items = 500)]
    lines: Option<Vec<RefundLineBody>>,
    #[schema(value_type = Option<schemas::When>)]
    occurred_at: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RefundLineBody {
    #[schema(example = "SKU-1")]
    sku: String,
    #[schema(minimum = 1, example = 1)]
    quantity: u32,
}

impl RefundLineBody {
    fn read(&self, pointer: &str, fields: &mut Fields) -> Option<RefundLine> {
        let sku = fields.keep(&format!("{pointer}/sku"), Sku::parse(&self.sku));
        Some(RefundLine { sku: sku?, quantity: self.quantity })
    }
}

impl RefundBody {
    fn read(&self, customer: CustomerId, caller: &Caller) -> Result<Refund, Problem> {
        let mut fields = Fields::default();
        let order = fields.keep("/order_id", OrderId::parse(&self.order_id));
        let refund = fields.keep("/refund_id", RefundId::parse(&self.refund_id));
        let amount = fields.optional_money("/amount", self.amount.as_ref(), self.currency.as_ref());
        let lines = self.lines.as_deref().unwrap_or_default();
        if self.lines.is_some() && lines.is_empty() {
            // Otherwise nothing would give everything back.
            fields.blame("/lines", "empty", "must have at least one line, or not be there");
        }
        let lines = fields.keep_each("/lines", lines, RefundLineBody::read);
        let at = fields.when("/occurred_at", self.occurred_at.as_ref());
        let read = || {
            let at = at?.map(|when| when.moment(caller));
            Some(Refund { customer, refund: refund?, order: order?, amount: amount?, lines: lines?, at })
        };
        fields.end(read())
    }
}

#[derive(Serialize, ToSchema)]
struct RefundView {
    customer_id: Uuid,
    #[schema(value_type = schemas::OrderId)]
    order_id: String,
    #[schema(value_type = schemas::RefundId)]
    refund_id: String,
    #[schema(value_type = Option<schemas::Amount>)]
    amount: Option<String>,
    /// All that was given back of the purchase.
    #[schema(value_type = Option<schemas::Amount>)]
    refunded: Option<String>,
    /// What may still be given back.
    #[schema(value_type = Option<schemas::Amount>)]
    remaining: Option<String>,
    #[schema(value_type = Option<schemas::Currency>)]
    currency: Option<String>,
    #[serde(flatten)]
    points: PointsView,
    position: i64,
    repeated: bool,
}

/// Gives back what was paid, or a part of it. Its points go, and those redeemed for it come back.
#[utoipa::path(
    post, path = "/v1/customers/{id}/refunds", tag = "customers", operation_id = "refund_purchase",
    params(PathId, Idempotency),
    request_body = RefundBody,
    responses(
        (status = 201, description = "Given back", body = RefundView),
        (status = 404, description = "customer_not_found"),
        (status = 409, description = "refund_already_recorded, customer_erased, customer_merged, customer_deleted"),
        (status = 422, description = "order_not_refundable, refund_not_positive, refund_exceeds_purchase, refund_before_purchase, line_not_bought, line_exceeds_purchase, quantity_required, too_many, currency_mismatch, in_the_future, too_long_ago"),
    ),
    security(("key" = [Scope::CustomersWrite])),
)]
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
        Event::Customer(_)
        | Event::Loyalty(_)
        | Event::Programme(_)
        | Event::Credit(_)
        | Event::CreditGroup(_)
        | Event::Access(_) => None,
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

#[derive(Serialize, ToSchema)]
struct CustomerView {
    customer_id: Uuid,
    #[schema(value_type = schemas::CustomerKind)]
    kind: CustomerKind,
    #[schema(example = "active")]
    status: &'static str,
    #[schema(example = "Ana Torres")]
    name: Option<String>,
    #[schema(example = "Torres S.L.")]
    company: Option<String>,
    #[schema(value_type = Option<schemas::Email>)]
    email: Option<String>,
    #[schema(value_type = Option<schemas::Phone>)]
    phone: Option<String>,
    references: Vec<ReferenceView>,
    /// The user of the authentication service as whom the customer logs in.
    #[schema(example = "auth0|5f7c8ec7c33c6c004bbafe82")]
    user_id: Option<String>,
    /// Users whom its duplicates logged in as: they lead to it, too.
    #[schema(example = json!([]))]
    other_user_ids: Vec<String>,
    /// When the person was born; shown to keys with `customers:pii` only.
    #[schema(value_type = Option<schemas::BirthDate>)]
    birth_date: Option<NaiveDate>,
    /// Whether what tells who it is shows its beginning or its end only, because the key lacks `customers:pii`.
    masked: bool,
    #[schema(example = "es")]
    language: Option<String>,
    #[schema(value_type = Option<schemas::Currency>)]
    currency: Option<String>,
    #[schema(example = "shop")]
    source: Option<String>,
    /// The customer that sent this one.
    referrer_id: Option<Uuid>,
    #[schema(example = json!(["wholesale"]))]
    tags: Vec<String>,
    /// Who of ours looks after the customer.
    #[schema(example = "rep-12")]
    rep: Option<String>,
    /// The round on which the customer is visited or supplied.
    #[schema(example = "north-3")]
    route: Option<String>,
    #[schema(example = "Europe/Madrid")]
    time_zone: Option<String>,
    /// What the customer may see and do in the portal.
    #[schema(value_type = Vec<schemas::PortalPermission>)]
    portal: Vec<String>,
    /// None: the customer is not blocked.
    blocked: Option<BlockView>,
    terms: TermsView,
    /// Others' notes.
    #[schema(value_type = schemas::Metadata)]
    metadata: BTreeMap<String, String>,
    /// The customer that it turned out to be: ask that one.
    #[serde(skip_serializing_if = "Option::is_none")]
    merged_into: Option<Uuid>,
    #[schema(example = "active")]
    lifecycle: &'static str,
    lifecycle_since: Option<NaiveDate>,
    segment: SegmentView,
    #[schema(value_type = schemas::Milestones)]
    milestones: BTreeMap<String, NaiveDate>,
    purchase_count: i64,
    first_purchase_on: Option<NaiveDate>,
    last_purchase_on: Option<NaiveDate>,
    registered_on: NaiveDate,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    version: i32,
}

#[derive(Serialize, ToSchema)]
struct ReferenceView {
    #[schema(example = "erp")]
    system: String,
    #[schema(example = "4711")]
    reference: String,
}

#[derive(Serialize, ToSchema)]
struct BlockView {
    #[schema(value_type = schemas::BlockReason)]
    reason: &'static str,
    since: NaiveDate,
    #[schema(example = "two invoices of last year")]
    note: Option<String>,
}

impl BlockView {
    fn of(row: BlockRow, shown: impl Fn(String, fn(&str) -> String) -> String) -> Self {
        Self { reason: row.reason.as_str(), since: row.since, note: row.note.map(|text| shown(text, masked_text)) }
    }
}

/// Tells what is known of a customer, or was.
#[utoipa::path(
    get, path = "/v1/customers/{id}", tag = "customers",
    params(PathId, time_travel::Asked, MinPosition),
    responses(
        (status = 200, description = "The customer", body = CustomerView,
            headers(("ETag" = String, description = "The customer's version; none of the past"))),
        (status = 404, description = "customer_not_found"),
    ),
    security(("key" = [Scope::CustomersRead])),
)]
async fn get_customer(
    State(api): State<Api>,
    caller: Caller,
    PathId(id): PathId,
    Parameters(asked): Parameters<time_travel::Asked>,
    min_position: MinPosition,
) -> Result<Found<CustomerView>, Problem> {
    caller.require(Scope::CustomersRead)?;
    if let Some(past) = asked.read(&caller)? {
        let (position, _place) = time_travel::reflected(&api, &caller, min_position).await?;
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

pub(crate) fn customer_not_found() -> Problem {
    Problem::not_found("customer_not_found", "the customer is not known")
}

impl CustomerView {
    /// Who may not see who somebody is, sees enough to recognise them by.
    fn of(row: CustomerRow, caller: &Caller) -> Self {
        let masked = caller.require(Scope::CustomersPii).is_err();
        let shown = |text: String, mask: fn(&str) -> String| if masked { mask(&text) } else { text };
        let mut milestones = row.standing.milestones;
        milestones.insert(LifecycleStage::Prospect.as_str().to_owned(), row.registered_on);
        let metadata = row.standing.metadata.into_iter().map(|(name, text)| (name, shown(text, masked_text)));
        let references = row.references.into_iter().map(|reference| ReferenceView {
            system: reference.system,
            reference: shown(reference.reference, masked_text),
        });
        Self {
            customer_id: row.id,
            kind: row.kind,
            status: row.status.as_str(),
            references: references.collect(),
            user_id: row.user_id.map(|text| shown(text, masked_text)),
            other_user_ids: row.other_user_ids.into_iter().map(|text| shown(text, masked_text)).collect(),
            name: row.name.map(|text| shown(text, masked_text)),
            company: row.company.map(|text| shown(text, masked_text)),
            email: row.email.map(|text| shown(text, masked_email)),
            phone: row.phone.map(|text| shown(text, masked_phone)),
            birth_date: row.birth_date.filter(|_| !masked),
            masked,
            language: row.language,
            currency: row.currency,
            source: row.source,
            referrer_id: row.referrer,
            tags: row.tags.into_iter().collect(),
            rep: row.rep,
            route: row.route,
            time_zone: row.time_zone,
            portal: row.standing.portal,
            blocked: row.standing.block.map(|block| BlockView::of(block, shown)),
            terms: row.standing.terms.into(),
            metadata: metadata.collect(),
            merged_into: row.merged_into,
            lifecycle: row.lifecycle.as_str(),
            lifecycle_since: row.lifecycle_since,
            segment: row.standing.segment.into(),
            milestones,
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
