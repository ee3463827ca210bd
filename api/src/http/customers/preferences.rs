//! `/v1/customers/{id}/preferences`: what a customer likes, and how they want to be written to and billed. Changed by JSON merge
//! patch: a list is replaced as a whole, `billing` member by member.

use crate::Api;
use crate::body::JsonBody;
use crate::headers::{Guards, MinPosition, NoParameters, Parameters, PathId};
use crate::http::customers::profile::{Shown, not_found_or};
use crate::http::customers::update::customer_version;
use crate::http::wire::Fields;
use crate::http::{Done, Found, wait_for};
use crate::openapi::schemas;
use crate::problem::Problem;
use axum::extract::State;
use commands::customers::ChangePreferences;
use commands::{Caller, Scope};
use domain::customers::preferences::{
    Billing, BillingPatch, FavouriteItem, FavouriteOrder, Notification, PreferencesPatch,
};
use domain::ids::{CategoryCode, Channel, CustomerId, Language, Sku, Topic};
use domain::text::PreferenceText;
use domain::{Currency, Patch};
use projections::ReadModel;
use projections::customers::customer_profiles::CustomerProfiles;
use projections::customers::customer_profiles::preferences::{self, PreferencesRow};
use projections::customers::customers::Customers;
use serde::{Deserialize, Serialize};
use store::Version;
use utoipa::ToSchema;
use uuid::Uuid;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PreferencesBody {
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, example = json!(["shop"]))]
    channels: Patch<Vec<String>>,
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, example = json!(["coffee"]))]
    categories: Patch<Vec<String>>,
    #[serde(default)]
    #[schema(value_type = Option<Vec<NotificationBody>>)]
    notifications: Patch<Vec<NotificationBody>>,
    #[serde(default)]
    #[schema(value_type = Option<BillingBody>)]
    billing: Patch<BillingBody>,
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, example = json!(["no calls before ten"]))]
    restrictions: Patch<Vec<String>>,
    #[serde(default)]
    #[schema(value_type = Option<Vec<FavouriteOrderBody>>)]
    favourite_orders: Patch<Vec<FavouriteOrderBody>>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NotificationBody {
    #[schema(example = "offers")]
    topic: String,
    #[serde(default)]
    #[schema(example = json!(["email"]))]
    channels: Vec<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BillingBody {
    #[serde(default)]
    #[schema(value_type = Option<schemas::Currency>)]
    currency: Patch<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "es")]
    language: Patch<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "email")]
    delivery: Patch<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct FavouriteOrderBody {
    #[schema(example = "the usual")]
    name: String,
    items: Vec<FavouriteItemBody>,
    #[schema(example = "with oat milk")]
    note: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct FavouriteItemBody {
    #[schema(example = "COFFEE-1KG")]
    sku: String,
    #[schema(minimum = 1)]
    quantity: u32,
}

impl PreferencesBody {
    fn read(&self) -> Result<PreferencesPatch, Problem> {
        let mut fields = Fields::default();
        let channels =
            fields.keep_patch(&self.channels, |fields, texts| fields.keep_all("/channels", texts, Channel::parse));
        let categories = fields
            .keep_patch(&self.categories, |fields, texts| fields.keep_all("/categories", texts, CategoryCode::parse));
        let notifications = fields.keep_patch(&self.notifications, |fields, bodies| {
            fields.keep_each("/notifications", bodies, NotificationBody::read)
        });
        let billing = fields.keep_patch(&self.billing, |fields, body| body.read(fields));
        let restrictions = fields.keep_patch(&self.restrictions, |fields, texts| {
            fields.keep_all("/restrictions", texts, PreferenceText::parse)
        });
        let favourite_orders = fields.keep_patch(&self.favourite_orders, |fields, bodies| {
            fields.keep_each("/favourite_orders", bodies, FavouriteOrderBody::read)
        });
        let read = || {
            Some(PreferencesPatch {
                channels: channels?,
                categories: categories?,
                notifications: notifications?,
                billing: billing?,
                restrictions: restrictions?,
                favourite_orders: favourite_orders?,
            })
        };
        fields.end(read())
    }
}

impl NotificationBody {
    fn read(&self, pointer: &str, fields: &mut Fields) -> Option<Notification> {
        let topic = fields.keep(&format!("{pointer}/topic"), Topic::parse(&self.topic));
        let channels = fields.keep_all(&format!("{pointer}/channels"), &self.channels, Channel::parse);
        Some(Notification { topic: topic?, channels: channels? })
    }
}

impl BillingBody {
    fn read(&self, fields: &mut Fields) -> Option<BillingPatch> {
        let currency = fields.keep_patched_text("/billing/currency", &self.currency, Currency::parse);
        let language = fields.keep_patched_text("/billing/language", &self.language, Language::parse);
        let delivery = fields.keep_patched_text("/billing/delivery", &self.delivery, Channel::parse);
        Some(BillingPatch { currency: currency?, language: language?, delivery: delivery? })
    }
}

impl FavouriteOrderBody {
    fn read(&self, pointer: &str, fields: &mut Fields) -> Option<FavouriteOrder> {
        let name = fields.keep(&format!("{pointer}/name"), PreferenceText::parse(&self.name));
        let note = fields.keep_optional(&format!("{pointer}/note"), self.note.as_ref(), PreferenceText::parse);
        let items = fields.keep_each(&format!("{pointer}/items"), &self.items, |item, pointer, fields| {
            let sku = fields.keep(&format!("{pointer}/sku"), Sku::parse(&item.sku))?;
            Some(FavouriteItem { sku, quantity: item.quantity })
        });
        Some(FavouriteOrder { name: name?, items: items?, note: note? })
    }
}

#[derive(Serialize, ToSchema)]
pub(super) struct PreferencesView {
    customer_id: Uuid,
    #[schema(example = json!(["shop"]))]
    channels: Vec<String>,
    #[schema(example = json!(["coffee"]))]
    categories: Vec<String>,
    #[schema(value_type = Vec<NotificationBody>)]
    notifications: Vec<Notification>,
    #[schema(value_type = Option<BillingBody>)]
    billing: Option<Billing>,
    #[schema(example = json!(["no calls before ten"]))]
    restrictions: Vec<String>,
    /// Left out where who somebody is may not be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<FavouriteOrderBody>>)]
    favourite_orders: Option<Vec<FavouriteOrder>>,
    masked: bool,
}

impl PreferencesView {
    fn of(customer: Uuid, row: Option<PreferencesRow>, shown: Shown) -> Self {
        let masked = shown.is_masked();
        let mut view = Self {
            customer_id: customer,
            channels: vec![],
            categories: vec![],
            notifications: vec![],
            billing: None,
            restrictions: vec![],
            favourite_orders: (!masked).then(Vec::new),
            masked,
        };
        if let Some(row) = row {
            view.restrictions = row.restrictions.into_iter().map(|text| shown.text(text)).collect();
            view.favourite_orders = (!masked).then_some(row.favourite_orders);
            (view.channels, view.categories) = (row.channels, row.categories);
            (view.notifications, view.billing) = (row.notifications, row.billing);
        }
        view
    }
}

/// Tells what a customer likes.
#[utoipa::path(
    get, path = "/v1/customers/{id}/preferences", tag = "customers", operation_id = "get_preferences",
    params(PathId, MinPosition),
    responses(
        (status = 200, description = "The preferences", body = PreferencesView,
            headers(("ETag" = String, description = "The customer's version"))),
        (status = 404, description = "customer_not_found"),
    ),
    security(("key" = [Scope::CustomersRead])),
)]
pub(super) async fn get_preferences(
    State(api): State<Api>,
    caller: Caller,
    PathId(id): PathId,
    Parameters(NoParameters {}): Parameters<NoParameters>,
    min_position: MinPosition,
) -> Result<Found<PreferencesView>, Problem> {
    caller.require(Scope::CustomersRead)?;
    wait_for(&api, &[CustomerProfiles::NAME, Customers::NAME], min_position).await?;
    let found = not_found_or(preferences::list(&api.pools, caller.tenant, id).await?)?;
    let view = PreferencesView::of(id, found.body.into_iter().next(), Shown::to(&caller));
    Ok(Found { position: found.position, version: found.version, body: view })
}

#[derive(Serialize, ToSchema)]
pub(super) struct PreferencesDone {
    customer_id: Uuid,
    changed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i32>)]
    version: Option<Version>,
    position: i64,
    repeated: bool,
}

/// Changes what a customer likes by JSON merge patch.
#[utoipa::path(
    patch, path = "/v1/customers/{id}/preferences", tag = "customers", operation_id = "change_preferences",
    params(PathId, Guards),
    request_body = PreferencesBody,
    responses(
        (status = 200, description = "As it was asked", body = PreferencesDone,
            headers(("ETag" = String, description = "The customer's version, when something changed"))),
        (status = 404, description = "customer_not_found"),
        (status = 409, description = "customer_erased, customer_merged, customer_deleted"),
        (status = 412, description = "version_changed"),
        (status = 422, description = "too_many, quantity_required"),
    ),
    security(("key" = [Scope::CustomersWrite])),
)]
pub(super) async fn change_preferences(
    State(api): State<Api>,
    caller: Caller,
    PathId(id): PathId,
    Guards { key, seen }: Guards,
    JsonBody(body): JsonBody<PreferencesBody>,
) -> Result<Done<PreferencesDone>, Problem> {
    caller.require(Scope::CustomersWrite)?;
    let request = ChangePreferences { customer: CustomerId::new(id), patch: body.read()? };
    let committed = commands::customers::change_preferences(&api.commands, &caller, key, request, seen).await?;
    let (position, version) = (committed.position, customer_version(&committed));
    let view = PreferencesDone {
        customer_id: id,
        changed: !committed.events.is_empty(),
        version,
        position: position.0,
        repeated: committed.repeated,
    };
    Ok(Done::changed(position, version, view))
}
