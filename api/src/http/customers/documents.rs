//! `GET /v1/customers/{id}/documents`, and how identity documents are read in bodies. They are given with the registration or by
//! `PATCH /v1/customers/{id}`.

use crate::Api;
use crate::headers::{MinPosition, NoParameters, Parameters, PathId};
use crate::http::customers::profile::{Shown, not_found_or};
use crate::http::lists::ListView;
use crate::http::wire::Fields;
use crate::http::{Found, wait_for};
use crate::openapi::schemas;
use crate::problem::Problem;
use axum::extract::State;
use commands::{Caller, Scope};
use domain::country::Country;
use domain::document::{Document, DocumentKind};
use projections::ReadModel;
use projections::customers::customer_profiles::CustomerProfiles;
use projections::customers::customer_profiles::documents::{self, DocumentRow};
use projections::customers::customers::Customers;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DocumentBody {
    /// What it is, in whatever letters.
    #[schema(value_type = schemas::DocumentKind)]
    kind: String,
    #[schema(example = "12345678Z")]
    number: String,
    /// Who issued it. Not needed of kinds that only Spain has.
    #[schema(value_type = Option<schemas::Country>)]
    country: Option<String>,
}

impl DocumentBody {
    pub(crate) fn read(&self, pointer: &str, fields: &mut Fields) -> Option<Document> {
        let kind =
            fields.keep_word(&format!("{pointer}/kind"), &self.kind, &DocumentKind::ALL, DocumentKind::as_str)?;
        let country = match (&self.country, kind.only_in()) {
            (Some(code), _) => fields.keep(&format!("{pointer}/country"), Country::parse(code)),
            (None, Some(country)) => Some(country),
            (None, None) => {
                let detail = "the country that issued it is needed";
                fields.blame(&format!("{pointer}/country"), "missing_field", detail);
                None
            }
        };
        fields.keep(&format!("{pointer}/number"), Document::parse(kind, &self.number, country?))
    }
}

#[derive(Serialize, ToSchema)]
pub(super) struct DocumentView {
    #[schema(value_type = schemas::DocumentKind)]
    kind: String,
    #[schema(example = "12345678Z")]
    number: String,
    #[schema(value_type = schemas::Country)]
    country: String,
    masked: bool,
}

/// Lists a customer's identity documents.
#[utoipa::path(
    get, path = "/v1/customers/{id}/documents", tag = "customers", operation_id = "list_documents",
    params(PathId, MinPosition),
    responses(
        (status = 200, description = "All of them", body = ListView<DocumentView>,
            headers(("ETag" = String, description = "The customer's version"))),
        (status = 404, description = "customer_not_found"),
    ),
    security(("key" = [Scope::CustomersRead])),
)]
pub(super) async fn list_documents(
    State(api): State<Api>,
    caller: Caller,
    PathId(id): PathId,
    Parameters(NoParameters {}): Parameters<NoParameters>,
    min_position: MinPosition,
) -> Result<Found<ListView<DocumentView>>, Problem> {
    caller.require(Scope::CustomersRead)?;
    wait_for(&api, &[CustomerProfiles::NAME, Customers::NAME], min_position).await?;
    let found = not_found_or(documents::list(&api.pools, caller.tenant, id).await?)?;
    let shown = Shown::to(&caller);
    let view = |row: DocumentRow| DocumentView {
        kind: row.kind,
        number: shown.phone(row.number),
        country: row.country,
        masked: shown.is_masked(),
    };
    let items = found.body.into_iter().map(view).collect();
    Ok(Found { position: found.position, version: found.version, body: ListView::whole(items) })
}
