//! `/v1/customers/{id}/addresses`: where things and invoices are sent. Of each kind a customer has one default.

use crate::Api;
use crate::body::JsonBody;
use crate::headers::{Guards, MinPosition, NoParameters, Parameters, PathId, PathIds};
use crate::http::customers::profile::{Shown, not_found_or};
use crate::http::customers::update::customer_version;
use crate::http::lists::ListView;
use crate::http::wire::Fields;
use crate::http::{Done, Found, wait_for};
use crate::openapi::parameters::OfAddress;
use crate::openapi::schemas;
use crate::problem::Problem;
use axum::extract::State;
use commands::customers::{AddAddress, ChangeAddress, RemoveAddress};
use commands::{Caller, Committed, Scope};
use domain::country::Country;
use domain::customers::address::{Address, AddressKind, AddressPatch};
use domain::customers::events::CustomerEvent;
use domain::ids::CustomerId;
use domain::phone::Phone;
use domain::text::{AddressLine, Instructions, PersonName, PlaceName, PostalCode};
use domain::{Event, Patch};
use projections::ReadModel;
use projections::customers::customer_profiles::CustomerProfiles;
use projections::customers::customer_profiles::addresses::{self, AddressRow};
use projections::customers::customers::Customers;
use serde::{Deserialize, Serialize};
use store::Version;
use utoipa::ToSchema;
use uuid::Uuid;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AddressBody {
    #[schema(value_type = schemas::AddressKind)]
    #[serde(deserialize_with = "crate::body::word")]
    kind: AddressKind,
    #[serde(default)]
    is_default: bool,
    #[schema(example = "Ana Torres")]
    name: Option<String>,
    #[schema(example = "Calle Mayor 1")]
    line1: String,
    #[schema(example = "3.º B")]
    line2: Option<String>,
    #[schema(example = "Madrid")]
    city: Option<String>,
    #[schema(example = "Madrid")]
    region: Option<String>,
    #[schema(example = "28013")]
    postal_code: Option<String>,
    #[schema(value_type = schemas::Country)]
    country: String,
    #[schema(value_type = Option<schemas::Phone>)]
    phone: Option<String>,
    #[schema(example = "ring twice")]
    instructions: Option<String>,
}

impl AddressBody {
    fn read(&self) -> Result<Address, Problem> {
        let mut fields = Fields::default();
        let name = fields.keep_optional("/name", self.name.as_ref(), PersonName::parse);
        let line1 = fields.keep("/line1", AddressLine::parse(&self.line1));
        let line2 = fields.keep_optional("/line2", self.line2.as_ref(), AddressLine::parse);
        let city = fields.keep_optional("/city", self.city.as_ref(), PlaceName::parse);
        let region = fields.keep_optional("/region", self.region.as_ref(), PlaceName::parse);
        let postal_code = fields.keep_optional("/postal_code", self.postal_code.as_ref(), PostalCode::parse);
        let country = fields.keep("/country", Country::parse(&self.country));
        let phone = fields.keep_optional("/phone", self.phone.as_ref(), |text| Phone::parse(text, None));
        let instructions = fields.keep_optional("/instructions", self.instructions.as_ref(), Instructions::parse);
        let read = || {
            Some(Address {
                name: name?,
                line1: line1?,
                line2: line2?,
                city: city?,
                region: region?,
                postal_code: postal_code?,
                country: country?,
                phone: phone?,
                instructions: instructions?,
            })
        };
        fields.end(read())
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AddressPatchBody {
    #[serde(default)]
    #[schema(value_type = Option<bool>, example = true)]
    is_default: Patch<bool>,
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "Ana Torres")]
    name: Patch<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "Calle Mayor 1")]
    line1: Patch<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "3.º B")]
    line2: Patch<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "Madrid")]
    city: Patch<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "Madrid")]
    region: Patch<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "28013")]
    postal_code: Patch<String>,
    #[serde(default)]
    #[schema(value_type = Option<schemas::Country>)]
    country: Patch<String>,
    #[serde(default)]
    #[schema(value_type = Option<schemas::Phone>)]
    phone: Patch<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "ring twice")]
    instructions: Patch<String>,
}

impl AddressPatchBody {
    fn read(&self) -> Result<(AddressPatch, Option<bool>), Problem> {
        let mut fields = Fields::default();
        let is_default = fields.keep_needed("/is_default", &self.is_default, |_, is_default| Some(*is_default));
        let name = fields.keep_patched_text("/name", &self.name, PersonName::parse);
        let line = |fields: &mut Fields, text: &String| fields.keep("/line1", AddressLine::parse(text));
        let line1 = fields.keep_needed("/line1", &self.line1, line);
        let line2 = fields.keep_patched_text("/line2", &self.line2, AddressLine::parse);
        let city = fields.keep_patched_text("/city", &self.city, PlaceName::parse);
        let region = fields.keep_patched_text("/region", &self.region, PlaceName::parse);
        let postal_code = fields.keep_patched_text("/postal_code", &self.postal_code, PostalCode::parse);
        let code = |fields: &mut Fields, text: &String| fields.keep("/country", Country::parse(text));
        let country = fields.keep_needed("/country", &self.country, code);
        let phone = fields.keep_patched_text("/phone", &self.phone, |text| Phone::parse(text, None));
        let instructions = fields.keep_patched_text("/instructions", &self.instructions, Instructions::parse);
        let read = || {
            let patch = AddressPatch {
                name: name?,
                line1: line1?,
                line2: line2?,
                city: city?,
                region: region?,
                postal_code: postal_code?,
                country: country?,
                phone: phone?,
                instructions: instructions?,
            };
            Some((patch, is_default?))
        };
        fields.end(read())
    }
}

#[derive(Serialize, ToSchema)]
pub(super) struct AddressView {
    address_id: Uuid,
    #[schema(value_type = schemas::AddressKind)]
    kind: AddressKind,
    is_default: bool,
    #[schema(example = "Ana Torres")]
    name: Option<String>,
    #[schema(example = "Calle Mayor 1")]
    line1: String,
    #[schema(example = "3.º B")]
    line2: Option<String>,
    #[schema(example = "Madrid")]
    city: Option<String>,
    #[schema(example = "Madrid")]
    region: Option<String>,
    #[schema(example = "28013")]
    postal_code: Option<String>,
    #[schema(value_type = schemas::Country)]
    country: String,
    #[schema(value_type = Option<schemas::Phone>)]
    phone: Option<String>,
    #[schema(example = "ring twice")]
    instructions: Option<String>,
    masked: bool,
}

impl AddressView {
    fn of(row: AddressRow, shown: Shown) -> Self {
        Self {
            address_id: row.id,
            kind: row.kind,
            is_default: row.is_default,
            name: row.name.map(|text| shown.text(text)),
            line1: shown.text(row.line1),
            line2: row.line2.map(|text| shown.text(text)),
            city: row.city.map(|text| shown.text(text)),
            region: row.region.map(|text| shown.text(text)),
            postal_code: row.postal_code.map(|text| shown.text(text)),
            country: row.country,
            phone: row.phone.map(|text| shown.phone(text)),
            instructions: row.instructions.map(|text| shown.text(text)),
            masked: shown.is_masked(),
        }
    }
}

/// What became of an address.
#[derive(Serialize, ToSchema)]
pub(super) struct AddressDone {
    customer_id: Uuid,
    address_id: Uuid,
    /// None when it is gone, or nothing changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    is_default: Option<bool>,
    /// The address that has become the default instead of one that is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    new_default: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i32>)]
    version: Option<Version>,
    position: i64,
    repeated: bool,
}

impl AddressDone {
    /// Made from the events, so that a repeat reads the same.
    fn of(customer: Uuid, address: Uuid, committed: &Committed) -> Self {
        let mut done = Self {
            customer_id: customer,
            address_id: address,
            is_default: None,
            new_default: None,
            version: customer_version(committed),
            position: committed.position.0,
            repeated: committed.repeated,
        };
        for recorded in &committed.events {
            match &recorded.event {
                Event::Customer(
                    CustomerEvent::AddressAdded { address, is_default, .. }
                    | CustomerEvent::AddressChanged { address, is_default, .. },
                ) => (done.address_id, done.is_default) = (*address, Some(*is_default)),
                Event::Customer(CustomerEvent::AddressRemoved { new_default, .. }) => done.new_default = *new_default,
                Event::Customer(_)
                | Event::Loyalty(_)
                | Event::Programme(_)
                | Event::Credit(_)
                | Event::CreditGroup(_)
                | Event::Access(_) => {}
            }
        }
        done
    }
}

/// Lists a customer's addresses.
#[utoipa::path(
    get, path = "/v1/customers/{id}/addresses", tag = "customers", operation_id = "list_addresses",
    params(PathId, MinPosition),
    responses(
        (status = 200, description = "All of them", body = ListView<AddressView>,
            headers(("ETag" = String, description = "The customer's version"))),
        (status = 404, description = "customer_not_found"),
    ),
    security(("key" = [Scope::CustomersRead])),
)]
pub(super) async fn list_addresses(
    State(api): State<Api>,
    caller: Caller,
    PathId(id): PathId,
    Parameters(NoParameters {}): Parameters<NoParameters>,
    min_position: MinPosition,
) -> Result<Found<ListView<AddressView>>, Problem> {
    let (found, shown) = find(&api, &caller, id, min_position).await?;
    let items = found.body.into_iter().map(|row| AddressView::of(row, shown)).collect();
    Ok(Found { position: found.position, version: found.version, body: ListView::whole(items) })
}

/// Tells one address of a customer.
#[utoipa::path(
    get, path = "/v1/customers/{id}/addresses/{address_id}", tag = "customers", operation_id = "get_address",
    params(OfAddress, MinPosition),
    responses(
        (status = 200, description = "The address", body = AddressView,
            headers(("ETag" = String, description = "The customer's version"))),
        (status = 404, description = "customer_not_found, address_not_found"),
    ),
    security(("key" = [Scope::CustomersRead])),
)]
pub(super) async fn get_address(
    State(api): State<Api>,
    caller: Caller,
    PathIds(id, address): PathIds,
    Parameters(NoParameters {}): Parameters<NoParameters>,
    min_position: MinPosition,
) -> Result<Found<AddressView>, Problem> {
    let (found, shown) = find(&api, &caller, id, min_position).await?;
    let row = found.body.into_iter().find(|row| row.id == address);
    let row = row.ok_or_else(|| Problem::not_found("address_not_found", "the customer has no such address"))?;
    Ok(Found { position: found.position, version: found.version, body: AddressView::of(row, shown) })
}

async fn find(
    api: &Api,
    caller: &Caller,
    customer: Uuid,
    min_position: MinPosition,
) -> Result<(Found<Vec<AddressRow>>, Shown), Problem> {
    caller.require(Scope::CustomersRead)?;
    wait_for(api, &[CustomerProfiles::NAME, Customers::NAME], min_position).await?;
    let found = not_found_or(addresses::list(&api.pools, caller.tenant, customer).await?)?;
    Ok((found, Shown::to(caller)))
}

/// Adds an address to a customer.
#[utoipa::path(
    post, path = "/v1/customers/{id}/addresses", tag = "customers", operation_id = "add_address",
    params(PathId, Guards),
    request_body = AddressBody,
    responses(
        (status = 201, description = "Added", body = AddressDone,
            headers(("Location" = String, description = "Path of the address"), ("ETag" = String, description = "The customer's version"))),
        (status = 404, description = "customer_not_found"),
        (status = 409, description = "customer_erased, customer_merged, customer_deleted, address_already_known"),
        (status = 412, description = "version_changed"),
        (status = 422, description = "too_many"),
    ),
    security(("key" = [Scope::CustomersWrite])),
)]
pub(super) async fn add_address(
    State(api): State<Api>,
    caller: Caller,
    PathId(id): PathId,
    Guards { key, seen }: Guards,
    JsonBody(body): JsonBody<AddressBody>,
) -> Result<Done<AddressDone>, Problem> {
    caller.require(Scope::CustomersWrite)?;
    let (customer, kind, as_default) = (CustomerId::new(id), body.kind, body.is_default);
    let request = AddAddress { customer, kind, as_default, address: body.read()? };
    let committed = commands::customers::add_address(&api.commands, &caller, key, request, seen).await?;
    let (view, position) = (AddressDone::of(id, Uuid::nil(), &committed), committed.position);
    let (location, version) = (format!("/v1/customers/{id}/addresses/{}", view.address_id), view.version);
    Ok(Done { version, ..Done::once(committed.repeated, position, view).at(location) })
}

/// Changes an address by JSON merge patch.
#[utoipa::path(
    patch, path = "/v1/customers/{id}/addresses/{address_id}", tag = "customers", operation_id = "change_address",
    params(OfAddress, Guards),
    request_body = AddressPatchBody,
    responses(
        (status = 200, description = "As it was asked", body = AddressDone,
            headers(("ETag" = String, description = "The customer's version, when something changed"))),
        (status = 404, description = "customer_not_found, address_not_found"),
        (status = 409, description = "customer_erased, customer_merged, customer_deleted, address_already_known"),
        (status = 412, description = "version_changed"),
        (status = 422, description = "default_address_needed"),
    ),
    security(("key" = [Scope::CustomersWrite])),
)]
pub(super) async fn change_address(
    State(api): State<Api>,
    caller: Caller,
    PathIds(id, address): PathIds,
    Guards { key, seen }: Guards,
    JsonBody(body): JsonBody<AddressPatchBody>,
) -> Result<Done<AddressDone>, Problem> {
    caller.require(Scope::CustomersWrite)?;
    let (patch, as_default) = body.read()?;
    let request = ChangeAddress { customer: CustomerId::new(id), address, patch, as_default };
    let committed = commands::customers::change_address(&api.commands, &caller, key, request, seen).await?;
    let view = AddressDone::of(id, address, &committed);
    Ok(Done::changed(committed.position, view.version, view))
}

/// Removes an address of a customer.
#[utoipa::path(
    delete, path = "/v1/customers/{id}/addresses/{address_id}", tag = "customers", operation_id = "remove_address",
    params(OfAddress, Guards),
    responses(
        (status = 200, description = "Gone", body = AddressDone,
            headers(("ETag" = String, description = "The customer's version, when something changed"))),
        (status = 404, description = "customer_not_found, address_not_found"),
        (status = 409, description = "customer_erased, customer_merged, customer_deleted"),
        (status = 412, description = "version_changed"),
    ),
    security(("key" = [Scope::CustomersWrite])),
)]
pub(super) async fn remove_address(
    State(api): State<Api>,
    caller: Caller,
    PathIds(id, address): PathIds,
    Guards { key, seen }: Guards,
) -> Result<Done<AddressDone>, Problem> {
    caller.require(Scope::CustomersWrite)?;
    let request = RemoveAddress { customer: CustomerId::new(id), address };
    let committed = commands::customers::remove_address(&api.commands, &caller, key, request, seen).await?;
    let view = AddressDone::of(id, address, &committed);
    Ok(Done::changed(committed.position, view.version, view))
}
