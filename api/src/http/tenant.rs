//! `GET` and `PUT /v1/tenant/settings`: what the caller's tenant decided for itself. Nobody sees or changes another tenant's.

use crate::Api;
use crate::body::JsonBody;
use crate::headers::{Idempotency, MinPosition, NoParameters, Parameters};
use crate::http::customers::is_repeated;
use crate::http::wire::Fields;
use crate::http::{Done, Found, wait_for};
use crate::openapi::schemas;
use crate::problem::Problem;
use axum::extract::State;
use commands::access::{ChangeSettings, change_settings};
use commands::{Caller, Scope};
use domain::access::settings::TenantSettings;
use domain::validators::risk::RiskWeights;
use projections::ReadModel;
use projections::access::tenants::{self, Tenants};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(get_settings, put_settings))
}

#[derive(Serialize, ToSchema)]
struct SettingsView {
    /// Whether a document with a wrong control character is refused. Otherwise it is taken, with a warning.
    #[schema(example = true)]
    strict_documents: bool,
    #[schema(value_type = schemas::RiskWeights)]
    risk_weights: BTreeMap<&'static str, u8>,
}

impl From<TenantSettings> for SettingsView {
    fn from(TenantSettings { strict_documents, risk_weights }: TenantSettings) -> Self {
        let weights = risk_weights.all().map(|(factor, weight)| (factor.as_str(), weight));
        Self { strict_documents, risk_weights: weights.collect() }
    }
}

/// Tells the settings of the tenant: how strictly documents are taken, and how much suspicious things count.
#[utoipa::path(
    get, path = "/v1/tenant/settings", tag = "tenant", operation_id = "get_tenant_settings",
    params(MinPosition),
    responses(
        (status = 200, description = "All of them, those that are as usual too", body = SettingsView),
        (status = 404, description = "tenant_not_found"),
    ),
    security(("key" = [Scope::Admin])),
)]
async fn get_settings(
    State(api): State<Api>,
    caller: Caller,
    Parameters(NoParameters {}): Parameters<NoParameters>,
    min_position: MinPosition,
) -> Result<Found<SettingsView>, Problem> {
    caller.require(Scope::Admin)?;
    wait_for(&api, &[Tenants::NAME], min_position).await?;
    let found = tenants::find(&api.pools, caller.tenant).await?;
    let found = found.ok_or_else(|| Problem::not_found("tenant_not_found", "the tenant is not known"))?;
    Ok(Found { position: found.position, version: None, body: found.value.settings.into() })
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SettingsBody {
    /// Whether a document with a wrong control character is refused. Otherwise it is taken, with a warning.
    #[schema(example = true)]
    strict_documents: bool,
    /// What is not named counts as usual.
    #[schema(value_type = schemas::RiskWeights)]
    risk_weights: BTreeMap<String, i64>,
}

impl SettingsBody {
    fn read(&self) -> Result<TenantSettings, Problem> {
        let mut fields = Fields::default();
        let mut risk_weights = RiskWeights::default();
        for (name, weight) in &self.risk_weights {
            // As RFC 6901 writes a name in a pointer.
            let pointer = format!("/risk_weights/{}", name.replace('~', "~0").replace('/', "~1"));
            if let Some(weights) = fields.keep(&pointer, risk_weights.with(name, *weight)) {
                risk_weights = weights;
            }
        }
        fields.end(Some(TenantSettings { strict_documents: self.strict_documents, risk_weights }))
    }
}

#[derive(Serialize, ToSchema)]
struct SettingsChangedView {
    #[serde(flatten)]
    settings: SettingsView,
    position: i64,
    /// Whether nothing happened now: they were so already.
    repeated: bool,
}

/// Decides all settings of the tenant anew. The same again changes nothing.
///
/// What was registered before stays as it is. Other servers of the installation follow within half a minute.
#[utoipa::path(
    put, path = "/v1/tenant/settings", tag = "tenant", operation_id = "put_tenant_settings",
    params(Idempotency),
    request_body = SettingsBody,
    responses(
        (status = 200, description = "As it was asked", body = SettingsChangedView),
        (status = 404, description = "tenant_not_found"),
    ),
    security(("key" = [Scope::Admin])),
)]
async fn put_settings(
    State(api): State<Api>,
    caller: Caller,
    Idempotency(key): Idempotency,
    JsonBody(body): JsonBody<SettingsBody>,
) -> Result<Done<SettingsChangedView>, Problem> {
    caller.require(Scope::Admin)?;
    let settings = body.read()?;
    let TenantSettings { strict_documents, risk_weights } = settings;
    let request = ChangeSettings { strict_documents: Some(strict_documents), risk_weights: Some(risk_weights) };
    let committed = change_settings(&api.commands, &caller, key, request).await?;
    let position = committed.position;
    // It has happened, whether the read model has seen it or not: then this server follows when others do.
    let _seen = wait_for(&api, &[Tenants::NAME], MinPosition(Some(position.0))).await;
    api.keys.forget_all_of(caller.tenant).await;
    let view =
        SettingsChangedView { settings: settings.into(), position: position.0, repeated: is_repeated(&committed) };
    Ok(Done::changed(position, None, view))
}
