//! `PATCH /v1/customers/{id}`: changes what is known of a customer, by JSON merge patch (RFC 7396).
//!
//! A field that is not named stays, one that is null goes, a list is replaced as a whole. External references, addresses and
//! preferences have paths of their own.

use crate::Api;
use crate::body::JsonBody;
use crate::headers::{Guards, PathId};
use crate::http::Done;
use crate::http::customers::documents::DocumentBody;
use crate::http::customers::terms::{self, TermsBody};
use crate::http::customers::warnings::{self, WarningView};
use crate::http::wire::Fields;
use crate::openapi::schemas;
use crate::problem::Problem;
use axum::extract::State;
use commands::customers::Update;
use commands::{Caller, Committed, Scope};
use domain::aggregate::Category;
use domain::birth_date::BirthDate;
use domain::customers::commands::CustomerPatch;
use domain::customers::events::{CustomerEvent, CustomerKind};
use domain::email::Email;
use domain::ids::{CustomerId, Language, TimeZoneName};
use domain::phone::Phone;
use domain::text::{CompanyName, PersonName};
use domain::{Currency, Event, Patch};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use store::Version;
use utoipa::ToSchema;
use uuid::Uuid;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "kind": "business", "name": "Ana Torres", "company": "Torres S.L.", "emails": ["ana@example.com"], "phones": ["+34612345678"],
    "language": "es", "currency": "EUR", "time_zone": "Europe/Madrid", "terms": {"payment_days": 30},
    "metadata": {"shoe-size": "42, wide", "hat": null},
}))]
pub(super) struct UpdateBody {
    /// A business needs a company; who is none any more gives up its terms.
    #[serde(default)]
    #[schema(value_type = Option<schemas::CustomerKind>)]
    kind: Patch<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "Ana Torres")]
    name: Patch<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "Torres S.L.")]
    company: Patch<String>,
    #[serde(default)]
    #[schema(value_type = Option<Vec<schemas::Email>>)]
    emails: Patch<Vec<String>>,
    #[serde(default)]
    #[schema(value_type = Option<Vec<schemas::Phone>>)]
    phones: Patch<Vec<String>>,
    #[serde(default)]
    #[schema(value_type = Option<Vec<DocumentBody>>)]
    documents: Patch<Vec<DocumentBody>>,
    #[serde(default)]
    #[schema(value_type = Option<schemas::BirthDate>)]
    birth_date: Patch<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "es")]
    language: Patch<String>,
    #[serde(default)]
    #[schema(value_type = Option<schemas::Currency>)]
    currency: Patch<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "Europe/Madrid")]
    time_zone: Patch<String>,
    /// Of a business only.
    #[serde(default)]
    #[schema(value_type = Option<TermsBody>)]
    terms: Patch<TermsBody>,
    /// Notes by their names; null takes one away.
    #[serde(default)]
    #[schema(value_type = Option<schemas::MetadataPatch>)]
    metadata: Patch<BTreeMap<String, Option<String>>>,
}

impl UpdateBody {
    fn read(&self) -> Result<CustomerPatch, Problem> {
        let mut fields = Fields::default();
        let kind = fields.keep_needed("/kind", &self.kind, |fields, text| {
            fields.keep_word("/kind", text, &CustomerKind::ALL, CustomerKind::as_str)
        });
        let name = fields.keep_patched_text("/name", &self.name, PersonName::parse);
        let company = fields.keep_patched_text("/company", &self.company, CompanyName::parse);
        let emails = fields.keep_patch(&self.emails, |fields, texts| fields.keep_all("/emails", texts, Email::parse));
        let phone = |text: &str| Phone::parse(text, None);
        let phones = fields.keep_patch(&self.phones, |fields, texts| fields.keep_all("/phones", texts, phone));
        let documents = fields
            .keep_patch(&self.documents, |fields, bodies| fields.keep_each("/documents", bodies, DocumentBody::read));
        let birth_date = fields.keep_patched_text("/birth_date", &self.birth_date, BirthDate::parse);
        let language = fields.keep_patched_text("/language", &self.language, Language::parse);
        let currency = fields.keep_patched_text("/currency", &self.currency, Currency::parse);
        let time_zone = fields.keep_patched_text("/time_zone", &self.time_zone, TimeZoneName::parse);
        let terms = fields.keep_patch(&self.terms, |fields, body| body.read(fields));
        let metadata = terms::read_metadata(&self.metadata, &mut fields);
        let read = || {
            Some(CustomerPatch {
                kind: kind?,
                name: name?,
                company: company?,
                emails: emails?,
                phones: phones?,
                documents: documents?,
                birth_date: birth_date?,
                language: language?,
                currency: currency?,
                time_zone: time_zone?,
                terms: terms?,
                metadata: metadata?,
            })
        };
        fields.end(read())
    }
}

#[derive(Serialize, ToSchema)]
pub(super) struct UpdatedView {
    customer_id: Uuid,
    #[schema(value_type = Vec<schemas::CustomerField>)]
    changed: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i32>)]
    version: Option<Version>,
    position: i64,
    repeated: bool,
    /// What was taken although somebody should look at it; not there when there is nothing to say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<WarningView>,
}

/// Changes what is known of a customer.
///
/// By JSON merge patch: a field that is not named stays, one that is null goes, a list is replaced as a whole.
#[utoipa::path(
    patch, path = "/v1/customers/{id}", tag = "customers", operation_id = "update_customer",
    params(PathId, Guards),
    request_body = UpdateBody,
    responses(
        (status = 200, description = "As it was asked", body = UpdatedView,
            headers(("ETag" = String, description = "The customer's version, when something changed"))),
        (status = 404, description = "customer_not_found"),
        (status = 409, description = "customer_erased, customer_merged, customer_deleted, email_taken, phone_taken, document_taken"),
        (status = 412, description = "version_changed"),
        (status = 422, description = "contact_required, company_required, too_many, in_the_future, unknown_time_zone, business_only, too_many_days, step_required, steps_out_of_order, wrong_control_character"),
    ),
    security(("key" = [Scope::CustomersWrite])),
)]
pub(super) async fn update(
    State(api): State<Api>,
    caller: Caller,
    PathId(id): PathId,
    Guards { key, seen }: Guards,
    JsonBody(body): JsonBody<UpdateBody>,
) -> Result<Done<UpdatedView>, Problem> {
    caller.require(Scope::CustomersWrite)?;
    let request = Update { customer: CustomerId::new(id), patch: body.read()? };
    let warnings = warnings_of(&request.patch);
    let committed = commands::customers::update(&api.commands, &caller, key, request, seen).await?;
    let (position, version) = (committed.position, customer_version(&committed));
    let view = UpdatedView {
        customer_id: id,
        changed: changed(&committed),
        version,
        position: position.0,
        repeated: committed.repeated,
        warnings,
    };
    Ok(Done::changed(position, version, view))
}

/// Of what the patch brings.
fn warnings_of(patch: &CustomerPatch) -> Vec<WarningView> {
    let (emails, documents) = (patch.emails.applied(None), patch.documents.applied(None));
    warnings::in_lists(&emails.unwrap_or_default(), &documents.unwrap_or_default())
}

/// The version of the customer's stream that a command led to; none when nothing happened to it.
pub(super) fn customer_version(committed: &Committed) -> Option<Version> {
    let of_customer = |category: &str| category == Category::Customer.as_str();
    committed
        .events
        .iter()
        .rev()
        .find(|recorded| of_customer(recorded.stream.category))
        .map(|recorded| recorded.version)
}

fn changed(committed: &Committed) -> Vec<&'static str> {
    let fields = committed.events.iter().map(|recorded| match &recorded.event {
        Event::Customer(CustomerEvent::Updated { changed, .. }) => changed.iter().map(|field| field.as_str()).collect(),
        Event::Customer(CustomerEvent::TermsChanged { .. }) => vec!["terms"],
        Event::Customer(CustomerEvent::MetadataChanged { .. }) => vec!["metadata"],
        Event::Customer(_)
        | Event::Loyalty(_)
        | Event::Programme(_)
        | Event::Credit(_)
        | Event::CreditGroup(_)
        | Event::Access(_) => vec![],
    });
    fields.flatten().collect()
}
