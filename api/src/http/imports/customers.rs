//! `POST /v1/imports/customers`: many customers in one request.

use super::{ImportView, ROWS_MAX, SOURCE, answer};
use crate::Api;
use crate::body::JsonBody;
use crate::http::Done;
use crate::http::customers::documents::DocumentBody;
use crate::http::customers::warnings;
use crate::http::wire::{Fields, date_as_written};
use crate::openapi::schemas;
use crate::problem::Problem;
use axum::extract::{FromRequest, Request, State};
use commands::customers::{CustomerRow, Register};
use commands::{Caller, Door, Scope};
use domain::Currency;
use domain::birth_date::BirthDate;
use domain::country::Country;
use domain::customers::assignment::Assignment;
use domain::customers::events::{Contact, CustomerKind, ExternalReference};
use domain::email::Email;
use domain::ids::{ExternalSystem, Language, RepCode, RouteCode, Source, Tag};
use domain::phone::Phone;
use domain::text::{CompanyName, PersonName, ReferenceText};
use serde::Deserialize;
use utoipa::ToSchema;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CustomersBody {
    /// Whose names for customers the rows use.
    #[schema(example = "erp")]
    system: String,
    #[schema(example = "import")]
    source: Option<String>,
    /// Where telephone numbers are that are written without a country code.
    #[schema(value_type = Option<schemas::Country>)]
    country: Option<String>,
    /// All become members of the loyalty programme, earning in this currency.
    #[schema(value_type = Option<schemas::Currency>)]
    enrol_in: Option<String>,
    #[schema(max_items = 1000)]
    rows: Vec<CustomerBody>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ImportedCustomerBody)]
struct CustomerBody {
    /// Comes back in the answer.
    #[schema(example = 1)]
    row: u64,
    /// The customer, in the words of the system.
    #[schema(example = "4711")]
    reference: Option<String>,
    /// In whatever letters. A business when there is a company and nothing is said.
    #[schema(value_type = Option<schemas::CustomerKind>)]
    kind: Option<String>,
    #[schema(example = "Ana Torres")]
    name: Option<String>,
    #[schema(example = "Torres S.L.")]
    company: Option<String>,
    #[schema(value_type = Option<schemas::Email>)]
    email: Option<String>,
    #[schema(value_type = Option<schemas::Phone>)]
    phone: Option<String>,
    document: Option<DocumentBody>,
    /// When the person was born.
    #[schema(value_type = Option<schemas::BirthDate>)]
    birth_date: Option<String>,
    #[schema(example = "es")]
    language: Option<String>,
    #[schema(value_type = Option<schemas::Currency>)]
    currency: Option<String>,
    #[serde(default)]
    #[schema(max_items = 50, example = json!(["wholesale"]))]
    tags: Vec<String>,
    #[schema(example = "rep-12")]
    rep: Option<String>,
    #[schema(example = "north-3")]
    route: Option<String>,
    /// Since when it is a customer; today, unless it is said.
    #[schema(value_type = Option<schemas::Day>)]
    registered_on: Option<String>,
}

/// What all rows have in common.
struct Common {
    system: ExternalSystem,
    source: Source,
    country: Option<Country>,
    enrol_in: Option<Currency>,
}

/// Registers many customers. Each row is answered for itself, so one bad row stops no other.
///
/// A row is known by its reference; one without by its e-mail address, else its telephone number, else its document. Who is known stays
/// as it is. What else of a row is another customer's refuses it.
#[utoipa::path(
    post, path = "/v1/imports/customers", tag = "imports",
    request_body = CustomersBody,
    responses((status = 200, description = "What became of each row", body = ImportView,
        headers(("X-Position" = i64, description = "The last position that came of it")))),
    security(("key" = [Scope::CustomersWrite])),
)]
pub(super) async fn import_customers(
    State(api): State<Api>,
    caller: Caller,
    request: Request,
) -> Result<Done<ImportView>, Problem> {
    caller.require(Scope::CustomersWrite)?;
    // Before the body: it may have megabytes.
    let _place = api.bounds().imports.take(&caller.actor).await?;
    let JsonBody(body) = JsonBody::<CustomersBody>::from_request(request, &api).await?;
    let common = body.common()?;
    let caller = Caller { via: Door::Import, ..caller };
    let read: Vec<_> = body.rows.iter().map(|row| row.read(&common)).collect();
    let rows: Vec<CustomerRow> = read.iter().filter_map(|row| row.as_ref().ok().cloned()).collect();
    let outcomes = commands::customers::import_customers(&api.commands, &caller, &rows).await?;
    let warnings = |row: &CustomerRow| {
        let Contact { emails, documents, .. } = &row.register.contact;
        warnings::in_row(emails, documents)
    };
    answer(&api, body.rows.iter().map(|row| row.row).zip(read), outcomes, warnings).await
}

impl CustomersBody {
    fn common(&self) -> Result<Common, Problem> {
        let mut fields = Fields::default();
        let system = fields.keep("/system", ExternalSystem::parse(&self.system));
        let source = fields.keep("/source", Source::parse(self.source.as_deref().unwrap_or(SOURCE)));
        let country = fields.keep_optional("/country", self.country.as_ref(), Country::parse);
        let enrol_in = fields.keep_optional("/enrol_in", self.enrol_in.as_ref(), Currency::parse);
        if self.rows.len() > ROWS_MAX {
            fields.blame("/rows", "too_many", "at most 1000 rows are taken at once");
        }
        let read = || Some(Common { system: system?, source: source?, country: country?, enrol_in: enrol_in? });
        fields.end(read())
    }
}

impl CustomerBody {
    fn read(&self, common: &Common) -> Result<CustomerRow, Problem> {
        let mut fields = Fields::default();
        let contact = self.contact(common, &mut fields);
        let language = fields.keep_optional("/language", self.language.as_ref(), Language::parse);
        let currency = fields.keep_optional("/currency", self.currency.as_ref(), Currency::parse);
        let tags = fields.keep_all("/tags", &self.tags, Tag::parse);
        let rep = fields.keep_optional("/rep", self.rep.as_ref(), RepCode::parse);
        let route = fields.keep_optional("/route", self.route.as_ref(), RouteCode::parse);
        let since = self.registered_on.as_deref().map(date_as_written);
        if since == Some(None) {
            fields.blame("/registered_on", "invalid_date", "must be a date such as 1998-06-30");
        }
        let kind = self.kind.as_deref();
        let kind = kind.map(|text| fields.keep_word("/kind", text, &CustomerKind::ALL, CustomerKind::as_str));
        let usual = if self.company.is_some() { CustomerKind::Business } else { CustomerKind::Individual };
        let read = || {
            let register = Register {
                kind: kind.unwrap_or(Some(usual))?,
                contact: contact?,
                language: language?,
                currency: currency?,
                source: Some(common.source.clone()),
                enrol_in: common.enrol_in,
                referrer: None,
            };
            let assignment = Assignment { rep: rep?, route: route? };
            Some(CustomerRow { register, tags: tags?, assignment, since: since.flatten() })
        };
        fields.end(read())
    }

    fn contact(&self, common: &Common, fields: &mut Fields) -> Option<Contact> {
        let name = fields.keep_optional("/name", self.name.as_ref(), PersonName::parse);
        let company = fields.keep_optional("/company", self.company.as_ref(), CompanyName::parse);
        let email = fields.keep_optional("/email", self.email.as_ref(), Email::parse);
        let region = common.country.as_ref().map(Country::as_str);
        let phone = fields.keep_optional("/phone", self.phone.as_ref(), |text| Phone::parse(text, region));
        let reference_of = fields.keep_optional("/reference", self.reference.as_ref(), ReferenceText::parse);
        let document = self.document.as_ref().map(|body| body.read("/document", fields));
        let birth_date = fields.keep_optional("/birth_date", self.birth_date.as_ref(), BirthDate::parse);
        let reference = |reference| ExternalReference { system: common.system.clone(), reference };
        Some(Contact {
            name: name?,
            company: company?,
            emails: email?.into_iter().collect(),
            phones: phone?.into_iter().collect(),
            references: reference_of?.map(reference).into_iter().collect(),
            documents: document.map_or(Some(vec![]), |document| document.map(|document| vec![document]))?,
            birth_date: birth_date?,
        })
    }
}
