//! Commercial credit over HTTP: a business asks for it, somebody else gives it, orders use it, payments free it.
//!
//! A line is asked for under its customer, and is a thing of its own from then on. Amounts are in the line's currency; a body names it.

mod availability;
mod deciding;
mod groups;
mod history;
mod movements;
mod orders;
mod payments;
mod reading;
mod standing;
mod temporary;

pub(crate) use reading::CreditLineView;

use crate::Api;
use crate::amount::AmountText;
use crate::http::Done;
use crate::http::customers::is_repeated;
use crate::http::wire::Fields;
use commands::Committed;
use domain::credit::financials::CreditNote;
use domain::ids::CreditLineId;
use domain::text::ReasonText;
use domain::{Currency, Money};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(deciding::request_credit))
        .routes(routes!(deciding::approve_credit))
        .routes(routes!(deciding::reject_credit))
        .routes(routes!(availability::check_credit))
        .routes(routes!(availability::check_credit_of_customer))
        .merge(standing::routes())
        .merge(orders::routes())
        .merge(payments::routes())
        .merge(temporary::routes())
        .merge(groups::routes())
        .merge(reading::routes())
        .merge(movements::routes())
        .routes(routes!(history::get_credit_line_events))
}

/// A change of a line.
#[derive(Serialize, ToSchema)]
pub(super) struct CreditDone {
    line_id: Uuid,
    /// Whether anything is otherwise than before.
    changed: bool,
    position: i64,
    repeated: bool,
}

impl CreditDone {
    /// Made from the events, so that a repeat reads the same.
    fn of(line: CreditLineId, committed: &Committed) -> Self {
        let (changed, repeated) = (!committed.events.is_empty(), committed.repeated);
        Self { line_id: line.as_uuid(), changed, position: committed.position.0, repeated }
    }

    fn changed(line: CreditLineId, committed: &Committed) -> Done<Self> {
        Done::changed(committed.position, None, Self::of(line, committed))
    }

    /// With the version that the line has now, if something changed.
    fn versioned(line: CreditLineId, committed: &Committed) -> Done<Self> {
        let of_line = committed.events.iter().rev().find(|recorded| recorded.stream.id == line.as_uuid());
        Done { version: of_line.map(|recorded| recorded.version), ..Self::changed(line, committed) }
    }

    fn once(line: CreditLineId, committed: &Committed) -> Done<Self> {
        Done::once(is_repeated(committed), committed.position, Self::of(line, committed))
    }
}

/// An amount of a field of its own, in the currency of the body.
fn money(fields: &mut Fields, pointer: &str, amount: &AmountText, currency: &str) -> Option<Money> {
    let currency = fields.keep("/currency", Currency::parse(currency));
    fields.money(pointer, amount, currency)
}

fn note(fields: &mut Fields, text: Option<&String>) -> Option<CreditNote> {
    let note = fields.keep_optional("/note", text, ReasonText::parse)?;
    Some(CreditNote { note })
}
