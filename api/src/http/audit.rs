//! The audit trail over HTTP: who caused which event, when, by which door, on which occasion and because of what. Times are those at which events were written into
//! the log.

pub(crate) mod proofs;

use crate::Api;
use crate::headers::{MinPosition, Parameters};
use crate::http::lists::{self, Cursor, ListView, wrong};
use crate::http::wire::When;
use crate::http::{Found, wait_for};
use crate::openapi::schemas;
use crate::problem::Problem;
use axum::extract::State;
use chrono::{DateTime, Utc};
use commands::{Caller, Door, Scope};
use domain::aggregate::Category;
use domain::ids::OrderId;
use projections::ReadModel;
use projections::audit::audit_trail::search::{self, AuditPlace, Search};
use projections::audit::audit_trail::{AuditRow, AuditTrail};
use serde::{Deserialize, Serialize};
use store::Position;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

const ID_LENGTH_MAX: usize = 128;
/// Tells our cursors from others.
const CURSOR_PREFIX: &str = "a";

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(search_events))
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// Only what this actor caused.
    #[param(example = "cli")]
    actor: Option<String>,
    /// Only what this request caused.
    #[param(example = "till-7-42")]
    request: Option<String>,
    /// Only what this outside occasion set off: a trace, or the run of a job.
    #[param(example = "4bf92f3577b34da6a3ce929d0e0e4736")]
    correlation: Option<String>,
    /// Only what directly follows from this event.
    #[param(example = "customer-018f0000-0000-7000-8000-000000000001/2")]
    causation: Option<String>,
    /// Only what came in by this door.
    #[param(value_type = Option<schemas::Door>)]
    via: Option<String>,
    /// Only what is about this order.
    #[param(example = "order-7")]
    order: Option<String>,
    /// Only what concerns this customer.
    customer: Option<Uuid>,
    /// Only what this stream holds.
    #[param(example = "customer-018f0000-0000-7000-8000-000000000001")]
    stream: Option<String>,
    /// Only this event type, or those that begin so.
    #[serde(rename = "type")]
    #[param(example = "loyalty.*")]
    kind: Option<String>,
    /// Only what was written into the log from here on.
    #[param(value_type = Option<schemas::When>)]
    from: Option<String>,
    /// Only what was written up to here; a day belongs to it as a whole.
    #[param(value_type = Option<schemas::When>)]
    to: Option<String>,
    /// Most events of an answer.
    #[param(minimum = 1, maximum = 200, default = 50, example = 50)]
    limit: Option<usize>,
    /// Where to go on: `next_cursor` of the answer before.
    #[param(example = "a61b3c0f4a2c40.2a")]
    cursor: Option<String>,
}

impl Asked {
    fn search(self, caller: &Caller) -> Result<Search, Problem> {
        Ok(Search {
            customer: self.customer,
            types: lists::event_types(self.kind.as_deref())?,
            from: when("from", self.from.as_deref())?.map(|from| from.moment(caller)),
            to: when("to", self.to.as_deref())?.map(|to| to.end(caller)),
            actor: self.actor.map(|text| id("actor", text, "must be an actor such as key:<id> or cli")).transpose()?,
            request: self.request.map(|text| id("request", text, "must be the id of a request")).transpose()?,
            correlation: self
                .correlation
                .map(|text| id("correlation", text, "must be the id of a trace or of a run"))
                .transpose()?,
            causation: self
                .causation
                .map(|text| id("causation", text, "must be the id of an event such as customer-<id>/2"))
                .transpose()?,
            via: self.via.as_deref().map(door).transpose()?,
            order: self.order.map(order).transpose()?,
            stream: self.stream.as_deref().map(stream).transpose()?,
        })
    }
}

fn when(name: &str, text: Option<&str>) -> Result<Option<When>, Problem> {
    let read =
        |text| When::parse(text).ok_or_else(|| wrong(name, "must be a time of RFC 3339 or a date such as 2026-03-01"));
    text.map(read).transpose()
}

/// No id is written otherwise, and not every text may go to the database.
fn id(name: &str, text: String, detail: &str) -> Result<String, Problem> {
    let fits = (1..=ID_LENGTH_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(text) } else { Err(wrong(name, detail)) }
}

fn order(text: String) -> Result<String, Problem> {
    OrderId::parse(&text).map(|_| text).map_err(|_| wrong("order", "must be the id of an order"))
}

fn door(text: &str) -> Result<&'static str, Problem> {
    let known = Door::ALL.into_iter().map(Door::as_str).find(|door| *door == text);
    known.ok_or_else(|| wrong("via", "must be a door: http, cli, import, reactor or job"))
}

fn stream(text: &str) -> Result<String, Problem> {
    let parts = text
        .split_once('-')
        .and_then(|(category, id)| Some(format!("{}-{}", Category::parse(category)?, Uuid::try_parse(id).ok()?)));
    parts.filter(|parts| parts == text).ok_or_else(|| wrong("stream", "must be a stream such as customer-<id>"))
}

impl Cursor for AuditPlace {
    fn text(&self) -> String {
        format!("{CURSOR_PREFIX}{:x}.{:x}", self.recorded_at.timestamp_micros(), self.position.0)
    }

    fn read(text: &str) -> Option<Self> {
        let (recorded_at, position) = text.strip_prefix(CURSOR_PREFIX)?.split_once('.')?;
        let number = |text: &str| i64::from_str_radix(text, 16).ok().filter(|number| *number > 0);
        let recorded_at = DateTime::from_timestamp_micros(number(recorded_at)?)?;
        Some(Self { recorded_at, position: Position(number(position)?) })
    }
}

#[derive(Serialize, ToSchema)]
struct AuditedView {
    position: i64,
    #[schema(value_type = schemas::EventId)]
    id: String,
    #[serde(rename = "type")]
    #[schema(value_type = schemas::EventType)]
    kind: String,
    #[schema(example = "customer")]
    category: String,
    #[schema(value_type = schemas::Stream)]
    stream: String,
    customer_id: Option<Uuid>,
    #[schema(value_type = schemas::Actor)]
    actor: String,
    #[schema(value_type = Option<schemas::RequestId>)]
    request_id: Option<String>,
    /// The trace that it belongs to, or the run of the job.
    #[schema(example = "4bf92f3577b34da6a3ce929d0e0e4736")]
    correlation_id: Option<String>,
    /// The event that it follows from.
    #[schema(example = "customer-018f0000-0000-7000-8000-000000000001/2")]
    causation_id: Option<String>,
    /// The door that the command came in by; none where doors were not noted yet.
    #[schema(value_type = Option<schemas::Door>)]
    via: Option<String>,
    #[schema(value_type = Option<schemas::OrderId>)]
    order_id: Option<String>,
    occurred_at: DateTime<Utc>,
    recorded_at: DateTime<Utc>,
    /// Where the proof is told that the log holds this event as it is.
    #[schema(example = "/v1/audit/proof?position=7")]
    proof: String,
}

impl From<AuditRow> for AuditedView {
    fn from(row: AuditRow) -> Self {
        Self {
            position: row.position.0,
            id: format!("{}/{}", row.stream, row.version),
            kind: row.event_type,
            category: row.category,
            stream: row.stream,
            customer_id: row.customer,
            actor: row.occasion.actor,
            request_id: row.occasion.request_id,
            correlation_id: row.occasion.correlation_id,
            causation_id: row.occasion.causation_id,
            via: row.occasion.via,
            order_id: row.order,
            occurred_at: row.occurred_at,
            recorded_at: row.recorded_at,
            proof: format!("/v1/audit/proof?position={}", row.position),
        }
    }
}

/// Finds who caused which event, when, by which door, on which occasion and because of what, the newest first.
#[utoipa::path(
    get, path = "/v1/audit/events", tag = "audit", operation_id = "search_audit_events",
    params(Asked, MinPosition),
    responses((status = 200, description = "A part of the trail", body = ListView<AuditedView>)),
    security(("key" = [Scope::AuditRead])),
)]
async fn search_events(
    State(api): State<Api>,
    caller: Caller,
    Parameters(asked): Parameters<Asked>,
    min_position: MinPosition,
) -> Result<Found<ListView<AuditedView>>, Problem> {
    caller.require(Scope::AuditRead)?;
    let limit = lists::limit(asked.limit)?;
    let before = asked.cursor.as_deref().map(AuditPlace::parse).transpose()?;
    let wanted = asked.search(&caller)?;
    wait_for(&api, &[AuditTrail::NAME], min_position).await?;
    let page = search::search(&api.pools, caller.tenant, wanted, before, limit).await?;
    Ok(Found::list(page, AuditedView::from))
}

#[cfg(test)]
mod tests {
    use super::{AuditPlace, Cursor, id, stream};
    use store::Position;

    #[test]
    fn a_cursor_comes_back_as_it_was_given_out() {
        let recorded_at = "2026-03-01T12:00:00.123456Z".parse().expect("a time");
        let place = AuditPlace { recorded_at, position: Position(300) };
        assert_eq!(AuditPlace::parse(&place.text()).expect("it was given out"), place);
        let far = format!("a{:x}.7", i64::MAX);
        for made_up in ["", "a", "a7", "a7.", "a.7", "a-7.7", "a7.-7", "a07.7", "A7.7", "b7", "a0.7", "a7.0", &far] {
            assert_eq!(AuditPlace::parse(made_up).expect_err("refused").code(), "invalid_cursor", "{made_up}");
        }
    }

    #[test]
    fn a_stream_is_a_category_and_an_id_and_an_id_is_one_visible_word() {
        let known = "access_key-0198c2f0-0000-7000-8000-000000000001";
        assert_eq!(stream(known).expect("valid"), known);
        for wrong in
            ["", "customer", "customer-7", "nobody-0198c2f0-0000-7000-8000-000000000001", &known.to_uppercase()]
        {
            assert_eq!(stream(wrong).expect_err("refused").code(), "invalid_parameter", "{wrong}");
        }
        assert!(id("request", "req-1".to_owned(), "").is_ok());
        for wrong in ["", "a b", "a\u{0}", &"x".repeat(129)] {
            assert!(id("request", wrong.to_owned(), "").is_err(), "{wrong}");
        }
    }
}
