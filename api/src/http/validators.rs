//! `POST /v1/validators/{email|phone|document|risk|customer}`: verdicts on what people type, without a trace in the log. The rules are the
//! domain's, which registration reads with, too. Nobody is asked but name servers, about the domain of an address, if the operator said so.
//!
//! Whether a customer is known already, or blocked, is looked up for keys that may read customers; how many come from where is not.

use crate::Api;
use crate::body::JsonBody;
use crate::http::wire::Fields;
use crate::openapi::schemas;
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use commands::{Caller, Scope};
use domain::access::settings::TenantSettings;
use domain::country::Country;
use domain::document::{Document, DocumentKind};
use domain::email::Email;
use domain::phone::Phone;
use domain::validators::customer::{self, Claims, CustomerVerdict, RiskFacts, Rules};
use domain::validators::document::{self, DocumentVerdict, NumberKind};
use domain::validators::email::{self, EmailVerdict};
use domain::validators::phone::{self, PhoneKind, PhoneVerdict};
use domain::validators::risk::{RiskFactor, RiskLevel};
use domain::validators::{Check, Checks, check};
use projections::customers::customer_profiles::documents::{self, DocumentRow};
use projections::customers::customers::{self, CustomerStatus};
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use store::Position;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Longer texts are of nobody.
const TEXT_MAX: usize = 1_000;

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(validate_email))
        .routes(routes!(validate_phone))
        .routes(routes!(validate_document))
        .routes(routes!(assess_risk))
        .routes(routes!(validate_customer))
}

/// Checks as an object of their names.
struct ChecksView(Checks);

impl Serialize for ChecksView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        self.0.iter().try_for_each(|(name, check)| map.serialize_entry(name, check))?;
        map.end()
    }
}

/// Blames texts that are longer than any.
fn bounded(fields: &mut Fields, texts: &[(&str, Option<&String>)]) {
    for (pointer, text) in texts {
        if text.is_some_and(|text| text.len() > TEXT_MAX) {
            fields.blame(pointer, "too_long", &format!("must not have more than {TEXT_MAX} bytes"));
        }
    }
}

fn country(fields: &mut Fields, pointer: &str, code: Option<&String>) -> Option<Option<Country>> {
    fields.keep_optional(pointer, code, Country::parse)
}

fn kind(fields: &mut Fields, pointer: &str, text: &str) -> Option<NumberKind> {
    let kind = NumberKind::parse(text);
    if kind.is_none() {
        let known: Vec<_> = NumberKind::all().map(NumberKind::as_str).collect();
        fields.blame(pointer, "unknown_kind", &format!("must be one of {}", known.join(", ")));
    }
    kind
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ValidateEmailBody {
    /// As it was typed.
    #[schema(example = "cliente@empresa.com")]
    email: String,
}

#[derive(Serialize, ToSchema)]
struct EmailVerdictView {
    /// Whether mail can be sent to an address of this form, and to this domain if that was looked up.
    valid: bool,
    /// As people write it; none when it has no form.
    #[schema(example = "cliente@empresa.com")]
    email: Option<String>,
    #[schema(example = "empresa.com")]
    domain: Option<String>,
    /// As machines write it.
    #[schema(example = "empresa.com")]
    ascii_domain: Option<String>,
    /// Whether anybody can have a mailbox of this domain.
    free_mail: bool,
    /// `syntax`, `length`, `domain_format`, `special_use`, `temporary_domain` (null when it is none), `mx`: whether the domain
    /// takes mail, as its name servers say. `skipped` unless the operator has them asked, `warning` when they did not answer in time.
    #[schema(value_type = schemas::Checks)]
    checks: ChecksView,
}

impl From<EmailVerdict> for EmailVerdictView {
    fn from(verdict: EmailVerdict) -> Self {
        Self {
            valid: verdict.valid,
            email: verdict.email,
            domain: verdict.domain,
            ascii_domain: verdict.ascii_domain,
            free_mail: verdict.free_mail,
            checks: ChecksView(verdict.checks),
        }
    }
}

/// Looks at an e-mail address.
#[utoipa::path(
    post, path = "/v1/validators/email", tag = "validators", operation_id = "validate_email",
    request_body = ValidateEmailBody,
    responses((status = 200, description = "The verdict", body = EmailVerdictView)),
    security(("key" = [Scope::OnboardingRead])),
)]
async fn validate_email(
    State(api): State<Api>,
    caller: Caller,
    JsonBody(body): JsonBody<ValidateEmailBody>,
) -> Result<Json<EmailVerdictView>, Problem> {
    caller.require(Scope::OnboardingRead)?;
    let mut fields = Fields::default();
    bounded(&mut fields, &[("/email", Some(&body.email))]);
    fields.end(Some(()))?;
    let verdict = email::validate(body.email.trim());
    let servers = api.mail_servers.of(&verdict).await;
    Ok(Json(verdict.with_mail_servers(servers).into()))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ValidatePhoneBody {
    /// As it was typed.
    #[schema(example = "+34612345678")]
    phone: String,
    /// Where it is thought to be from, and whose number it is when it has no `+`.
    #[schema(value_type = Option<schemas::Country>)]
    country: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct PhoneVerdictView {
    /// Whether it can be assigned.
    valid: bool,
    /// As E.164; none when it cannot be read.
    #[schema(value_type = Option<schemas::Phone>)]
    phone: Option<String>,
    /// Where it is assigned; 001 where it belongs to no country.
    #[schema(example = "ES")]
    country: Option<String>,
    #[serde(rename = "type")]
    #[schema(value_type = Option<schemas::PhoneKind>)]
    kind: Option<&'static str>,
    /// Whether it has as many digits as numbers of its country.
    possible: bool,
    /// `length` and `country_format`, which warns of a number of another country.
    #[schema(value_type = schemas::Checks)]
    checks: ChecksView,
}

impl From<PhoneVerdict> for PhoneVerdictView {
    fn from(verdict: PhoneVerdict) -> Self {
        Self {
            valid: verdict.valid,
            phone: verdict.phone,
            country: verdict.country,
            kind: verdict.kind.map(PhoneKind::as_str),
            possible: verdict.possible,
            checks: ChecksView(verdict.checks),
        }
    }
}

/// Looks at a telephone number.
#[utoipa::path(
    post, path = "/v1/validators/phone", tag = "validators", operation_id = "validate_phone",
    request_body = ValidatePhoneBody,
    responses((status = 200, description = "The verdict", body = PhoneVerdictView)),
    security(("key" = [Scope::OnboardingRead])),
)]
async fn validate_phone(
    caller: Caller,
    JsonBody(body): JsonBody<ValidatePhoneBody>,
) -> Result<Json<PhoneVerdictView>, Problem> {
    caller.require(Scope::OnboardingRead)?;
    let mut fields = Fields::default();
    bounded(&mut fields, &[("/phone", Some(&body.phone))]);
    let country = country(&mut fields, "/country", body.country.as_ref());
    let country = fields.end(country)?;
    Ok(Json(phone::validate(&body.phone, country.as_ref().map(Country::as_str)).into()))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ValidateDocumentBody {
    /// What kind of number it is, in whatever letters; `type` means the same.
    #[serde(alias = "type")]
    #[schema(value_type = schemas::NumberKind)]
    kind: String,
    /// As it was typed.
    #[schema(example = "12345678A")]
    number: String,
    /// Who gave it out, where numbers of the kind are given out by many.
    #[schema(value_type = Option<schemas::Country>)]
    country: Option<String>,
    /// Whether a control letter that does not fit makes a document of Spain invalid. As the tenant's settings have it, unless it is said.
    strict_documents: Option<bool>,
}

#[derive(Serialize, ToSchema)]
struct DocumentVerdictView {
    /// Whether there are such numbers.
    valid: bool,
    #[schema(value_type = schemas::NumberKind)]
    kind: &'static str,
    /// Without separators, in capital letters; none when it has not the form.
    #[schema(example = "12345678A")]
    number: Option<String>,
    /// `format`, and as the kind has them `control_letter`, `check_digits`, `country_format`.
    #[schema(value_type = schemas::Checks)]
    checks: ChecksView,
}

impl From<DocumentVerdict> for DocumentVerdictView {
    fn from(verdict: DocumentVerdict) -> Self {
        let (kind, number) = (verdict.kind.as_str(), verdict.number);
        Self { valid: verdict.valid, kind, number, checks: ChecksView(verdict.checks) }
    }
}

/// Looks at the number of a document, a bank account or a company.
#[utoipa::path(
    post, path = "/v1/validators/document", tag = "validators", operation_id = "validate_document",
    request_body = ValidateDocumentBody,
    responses((status = 200, description = "The verdict", body = DocumentVerdictView)),
    security(("key" = [Scope::OnboardingRead])),
)]
async fn validate_document(
    caller: Caller,
    JsonBody(body): JsonBody<ValidateDocumentBody>,
) -> Result<Json<DocumentVerdictView>, Problem> {
    caller.require(Scope::OnboardingRead)?;
    let mut fields = Fields::default();
    bounded(&mut fields, &[("/number", Some(&body.number))]);
    let kind = kind(&mut fields, "/kind", &body.kind);
    let country = country(&mut fields, "/country", body.country.as_ref());
    let (kind, country) = fields.end(kind.zip(country))?;
    let strict = body.strict_documents.unwrap_or(caller.settings.strict_documents);
    Ok(Json(document::validate(kind, &body.number, country, strict).into()))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ValidateCustomerDocument {
    /// What kind of number it is, in whatever letters; `type` means the same.
    #[serde(alias = "type")]
    #[schema(value_type = schemas::NumberKind)]
    kind: String,
    #[schema(example = "12345678Z")]
    number: String,
    /// Who gave it out, where that is another country than the customer's.
    #[schema(value_type = Option<schemas::Country>)]
    country: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ValidateCustomerBody {
    #[schema(example = "cliente@empresa.com")]
    customer_email: Option<String>,
    #[schema(example = "Juan")]
    first_name: Option<String>,
    #[schema(example = "Pérez")]
    last_name: Option<String>,
    #[schema(example = "Empresa ABC")]
    company_name: Option<String>,
    #[schema(example = "ESB58378431")]
    vat_number: Option<String>,
    #[schema(example = "+34612345678")]
    phone: Option<String>,
    #[schema(value_type = Option<schemas::Country>)]
    country: Option<String>,
    document: Option<ValidateCustomerDocument>,
    /// Not looked at: so that what onboarding is started with can be sent as it is.
    #[schema(example = "premium")]
    service_plan: Option<String>,
    /// Whether a control letter that does not fit makes a document of Spain invalid. As the tenant's settings have it, unless it is said.
    strict_documents: Option<bool>,
}

impl ValidateCustomerBody {
    /// The claims, once they can be read, and what the domain of the address says of itself.
    async fn verdict(&self, api: &Api, caller: &Caller) -> Result<(CustomerVerdict, Option<Known>), Problem> {
        let claims = self.claims()?;
        let known = match caller.require(Scope::CustomersRead) {
            Ok(()) => Some(Known::of(api, caller, &claims).await?),
            Err(_) => None,
        };
        let Known { duplicate, blocked } = known.unwrap_or_default();
        let mail_servers = api.mail_servers.of(&email::validate(claims.email.unwrap_or_default())).await;
        let TenantSettings { strict_documents, risk_weights: weights } = caller.settings;
        let rules = Rules { strict_documents: self.strict_documents.unwrap_or(strict_documents), weights };
        let facts = RiskFacts { mail_servers, duplicate, blocked, ..RiskFacts::default() };
        Ok((customer::validate(&claims, facts, &rules), known))
    }

    fn claims(&self) -> Result<Claims<'_>, Problem> {
        let mut fields = Fields::default();
        let own = self.document.as_ref();
        bounded(
            &mut fields,
            &[
                ("/customer_email", self.customer_email.as_ref()),
                ("/first_name", self.first_name.as_ref()),
                ("/last_name", self.last_name.as_ref()),
                ("/company_name", self.company_name.as_ref()),
                ("/vat_number", self.vat_number.as_ref()),
                ("/phone", self.phone.as_ref()),
                ("/service_plan", self.service_plan.as_ref()),
                ("/document/number", own.map(|document| &document.number)),
            ],
        );
        let home = country(&mut fields, "/country", self.country.as_ref());
        let document = own.map(|document| {
            let kind = kind(&mut fields, "/document/kind", &document.kind);
            let issuer = country(&mut fields, "/document/country", document.country.as_ref());
            kind.zip(issuer).map(|(kind, issuer)| (kind, document.number.as_str(), issuer))
        });
        let document = document.map_or(Some(None), |read| read.map(Some));
        let (country, document) = fields.end(home.zip(document))?;
        Ok(Claims {
            email: self.customer_email.as_deref().map(str::trim),
            first_name: self.first_name.as_deref(),
            last_name: self.last_name.as_deref(),
            company_name: self.company_name.as_deref(),
            vat_number: self.vat_number.as_deref(),
            phone: self.phone.as_deref(),
            country,
            document,
        })
    }
}

/// What is known of whoever has one of the contacts.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    duplicate: bool,
    blocked: bool,
}

impl Known {
    /// As customers are found: by their e-mails, phones and documents.
    async fn of(api: &Api, caller: &Caller, claims: &Claims<'_>) -> Result<Self, Problem> {
        let (pools, tenant) = (&api.pools, caller.tenant);
        let mut found = Vec::new();
        if let Some(email) = claims.email.and_then(|text| Email::parse_known(text).ok()) {
            found.extend(customers::find_by_email(pools, tenant, &email).await?.map(|found| found.value));
        }
        let region = claims.country.as_ref().map(Country::as_str);
        if let Some(phone) = claims.phone.and_then(|text| Phone::parse(text, region).ok()) {
            found.extend(customers::find_by_phone(pools, tenant, &phone).await?.map(|found| found.value));
        }
        if let Some(document) = document_of(claims) {
            let numbers = [document.number().to_owned()];
            let page = customers::find_by_document(pools, tenant, &numbers, Position(0), DOCUMENTS_MAX).await?;
            for row in page.value.rows {
                let own = documents::list(pools, tenant, row.id).await?;
                let own = own.map(|own| own.value.rows).unwrap_or_default();
                let is_same = |own: &DocumentRow| kept(own).is_some_and(|own| own.identity() == document.identity());
                found.extend(own.iter().any(is_same).then_some(row));
            }
        }
        let blocked = found.iter().any(|row| row.status == CustomerStatus::Blocked);
        Ok(Self { duplicate: !found.is_empty(), blocked })
    }
}

/// Customers of different countries may have documents of one number, but not many.
const DOCUMENTS_MAX: usize = 20;

fn kept(row: &DocumentRow) -> Option<Document> {
    let kind = DocumentKind::ALL.into_iter().find(|kind| kind.as_str() == row.kind)?;
    Document::stored(kind, row.number.clone(), Country::parse(&row.country).ok()?).ok()
}

fn document_of(claims: &Claims<'_>) -> Option<Document> {
    let (kind, number, issuer) = claims.document?;
    let NumberKind::Document(kind) = kind else { return None };
    Document::parse(kind, number, issuer.or(claims.country).or(kind.only_in())?).ok()
}

#[derive(Serialize, ToSchema)]
struct RiskVerdictView {
    /// From 0 to 100.
    #[schema(minimum = 0, maximum = 100, example = 35)]
    risk_score: u8,
    #[schema(value_type = schemas::RiskLevel)]
    risk_level: &'static str,
    /// What was found.
    #[schema(example = json!(["Temporary email domain detected", "Email domain doesn't match company name"]))]
    risk_factors: Vec<&'static str>,
    /// What to do: `approve`, `manual_review` or `reject_or_manual_approval`.
    #[schema(example = "manual_review")]
    recommendation: &'static str,
    /// What others know: `duplicate` and `blocked` (a warning when a customer, or a blocked one, has the address, number or document;
    /// skipped for keys without `customers:read`), `velocity` (skipped), and `mx`, which is looked up where the operator says so.
    #[schema(value_type = schemas::Checks)]
    checks: ChecksView,
}

impl RiskVerdictView {
    fn of(verdict: &CustomerVerdict, known: Option<Known>) -> Self {
        let risk = &verdict.risk;
        let asked = |found: fn(Known) -> bool| match known {
            None => Check::skipped("customers are looked up for keys with customers:read"),
            Some(known) if found(known) => Check::warning("there is such a customer"),
            Some(_) => Check::passed("no such customer has this address, number or document"),
        };
        let others = [
            (RiskFactor::Duplicate, asked(|known| known.duplicate)),
            (RiskFactor::Velocity, Check::skipped("how many come from where is not counted")),
            (RiskFactor::Blocked, asked(|known| known.blocked)),
        ];
        let others = others.map(|(factor, check)| (factor.as_str(), Some(check)));
        let mx = ("mx", check(&verdict.email.checks, "mx").cloned());
        Self {
            risk_score: risk.score,
            risk_level: risk.level.as_str(),
            risk_factors: risk.factors.iter().map(|factor| factor.message()).collect(),
            recommendation: RiskLevel::recommendation(risk.level),
            checks: ChecksView(others.into_iter().chain([mx]).collect()),
        }
    }
}

/// Tells how suspicious a new customer is, by the weights of the tenant's settings.
#[utoipa::path(
    post, path = "/v1/validators/risk", tag = "validators", operation_id = "assess_risk",
    request_body = ValidateCustomerBody,
    responses((status = 200, description = "The verdict", body = RiskVerdictView)),
    security(("key" = [Scope::OnboardingRead])),
)]
async fn assess_risk(
    State(api): State<Api>,
    caller: Caller,
    JsonBody(body): JsonBody<ValidateCustomerBody>,
) -> Result<Json<RiskVerdictView>, Problem> {
    caller.require(Scope::OnboardingRead)?;
    let (verdict, known) = body.verdict(&api, &caller).await?;
    Ok(Json(RiskVerdictView::of(&verdict, known)))
}

#[derive(Serialize, ToSchema)]
struct BusinessVerdictView {
    valid: bool,
    /// `company_name`, `vat_number`, `email_domain`.
    #[schema(value_type = schemas::Checks)]
    checks: ChecksView,
}

#[derive(Serialize, ToSchema)]
struct CustomerVerdictParts {
    email: EmailVerdictView,
    /// Of each name that was told.
    #[schema(value_type = schemas::Checks)]
    name: ChecksView,
    phone: Option<PhoneVerdictView>,
    document: Option<DocumentVerdictView>,
    business: BusinessVerdictView,
    risk: RiskVerdictView,
}

#[derive(Serialize, ToSchema)]
struct CustomerVerdictView {
    /// Whether nothing is wrong.
    valid: bool,
    /// What is wrong, in words.
    #[schema(example = json!(["phone length: is too short"]))]
    errors: Vec<String>,
    /// What somebody should look at, in words.
    #[schema(example = json!(["email temporary_domain: 10minutemail.com gives out mailboxes for minutes"]))]
    warnings: Vec<String>,
    checks: CustomerVerdictParts,
}

impl CustomerVerdictView {
    fn of(verdict: CustomerVerdict, known: Option<Known>) -> Self {
        let risk = RiskVerdictView::of(&verdict, known);
        let business =
            BusinessVerdictView { valid: verdict.business.valid, checks: ChecksView(verdict.business.checks) };
        Self {
            valid: verdict.valid,
            errors: verdict.errors,
            warnings: verdict.warnings,
            checks: CustomerVerdictParts {
                email: verdict.email.into(),
                name: ChecksView(verdict.names),
                phone: verdict.phone.map(PhoneVerdictView::from),
                document: verdict.document.map(DocumentVerdictView::from),
                business,
                risk,
            },
        }
    }
}

/// Looks at all that a new customer says of itself.
#[utoipa::path(
    post, path = "/v1/validators/customer", tag = "validators", operation_id = "validate_customer",
    request_body = ValidateCustomerBody,
    responses((status = 200, description = "The verdict", body = CustomerVerdictView)),
    security(("key" = [Scope::OnboardingRead])),
)]
async fn validate_customer(
    State(api): State<Api>,
    caller: Caller,
    JsonBody(body): JsonBody<ValidateCustomerBody>,
) -> Result<Json<CustomerVerdictView>, Problem> {
    caller.require(Scope::OnboardingRead)?;
    let (verdict, known) = body.verdict(&api, &caller).await?;
    Ok(Json(CustomerVerdictView::of(verdict, known)))
}
