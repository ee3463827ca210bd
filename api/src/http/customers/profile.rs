//! What the lists of a customer's profile have in common, and the shortest of them: `GET /v1/customers/{id}/contacts`, which is
//! changed by `PATCH /v1/customers/{id}`.

use crate::Api;
use crate::headers::{MinPosition, NoParameters, Parameters, PathId};
use crate::http::customers::update::customer_version;
use crate::http::customers::{customer_not_found, masked_email, masked_phone, masked_text};
use crate::http::lists::ListView;
use crate::http::{Done, Found, wait_for};
use crate::problem::Problem;
use axum::extract::State;
use commands::{Caller, Committed, Scope};
use projections::customers::customer_profiles::contacts::{self, ContactKind};
use projections::customers::customer_profiles::{CustomerProfiles, Listed};
use projections::customers::customers::Customers;
use projections::{AsOf, ReadModel};
use serde::Serialize;
use store::Version;
use utoipa::ToSchema;
use uuid::Uuid;

/// How much of what tells who somebody is a caller is shown.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shown {
    Whole,
    Masked,
}

impl Shown {
    pub(super) fn to(caller: &Caller) -> Self {
        if caller.require(Scope::CustomersPii).is_ok() { Self::Whole } else { Self::Masked }
    }

    pub(super) const fn is_masked(self) -> bool {
        matches!(self, Self::Masked)
    }

    pub(super) fn text(self, text: String) -> String {
        self.or(text, masked_text)
    }

    pub(super) fn email(self, text: String) -> String {
        self.or(text, masked_email)
    }

    pub(super) fn phone(self, text: String) -> String {
        self.or(text, masked_phone)
    }

    fn or(self, text: String, mask: fn(&str) -> String) -> String {
        if self.is_masked() { mask(&text) } else { text }
    }
}

/// The rows of a customer that there is.
pub(super) fn not_found_or<T>(found: Option<AsOf<Listed<T>>>) -> Result<Found<Vec<T>>, Problem> {
    let found = found.ok_or_else(customer_not_found)?;
    Ok(Found { position: found.position, version: found.value.version, body: found.value.rows })
}

/// What became of a change of a customer.
#[derive(Serialize, ToSchema)]
pub(super) struct ChangeDone {
    customer_id: Uuid,
    /// Whether anything is otherwise than before.
    changed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i32>)]
    version: Option<Version>,
    position: i64,
    repeated: bool,
}

impl ChangeDone {
    /// Made from the events, so that a repeat reads the same.
    pub(super) fn answer(customer: Uuid, committed: &Committed) -> Done<Self> {
        let (position, version) = (committed.position, customer_version(committed));
        let changed = !committed.events.is_empty();
        let view = Self { customer_id: customer, changed, version, position: position.0, repeated: committed.repeated };
        Done::changed(position, version, view)
    }
}

#[derive(Serialize, ToSchema)]
pub(super) struct ContactView {
    #[schema(example = "email")]
    kind: &'static str,
    #[schema(example = "ana@example.org")]
    value: String,
    is_primary: bool,
    masked: bool,
}

/// Lists a customer's e-mail addresses and telephone numbers.
#[utoipa::path(
    get, path = "/v1/customers/{id}/contacts", tag = "customers", operation_id = "list_contacts",
    params(PathId, MinPosition),
    responses(
        (status = 200, description = "All of them", body = ListView<ContactView>,
            headers(("ETag" = String, description = "The customer's version"))),
        (status = 404, description = "customer_not_found"),
    ),
    security(("key" = [Scope::CustomersRead])),
)]
pub(super) async fn list_contacts(
    State(api): State<Api>,
    caller: Caller,
    PathId(id): PathId,
    Parameters(NoParameters {}): Parameters<NoParameters>,
    min_position: MinPosition,
) -> Result<Found<ListView<ContactView>>, Problem> {
    caller.require(Scope::CustomersRead)?;
    wait_for(&api, &[CustomerProfiles::NAME, Customers::NAME], min_position).await?;
    let found = not_found_or(contacts::list(&api.pools, caller.tenant, id).await?)?;
    let shown = Shown::to(&caller);
    let view = |row: contacts::ContactRow| ContactView {
        kind: row.kind.as_str(),
        value: match row.kind {
            ContactKind::Email => shown.email(row.value),
            ContactKind::Phone => shown.phone(row.value),
        },
        is_primary: row.rank == 1,
        masked: shown.is_masked(),
    };
    let items = found.body.into_iter().map(view).collect();
    Ok(Found { position: found.position, version: found.version, body: ListView::whole(items) })
}
