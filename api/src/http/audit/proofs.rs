//! Proofs over HTTP: that an event is in the log as it was written, and that the log has only grown since. What is answered is verified
//! without this server, by whoever has kept a head and the log's verifier key.

use crate::Api;
use crate::headers::Parameters;
use crate::http::lists::{self, ListView, wrong};
use crate::openapi::schemas;
use crate::problem::Problem;
use ::projections::Page;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, SecondsFormat, Utc};
use commands::{Caller, Scope};
use serde::{Deserialize, Serialize};
use store::postgres::{Consistency, ProofError, ProvenEvent, SignedHead};
use store::{Personal, Position, RecordedEvent, StoreError};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(prove)).routes(routes!(heads)).routes(routes!(consistency)).routes(routes!(key))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct WhichEvent {
    /// The event's position.
    #[param(minimum = 1, example = 7)]
    position: i64,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct WhichHeads {
    /// The size of the older head.
    #[param(minimum = 1, example = 7)]
    from: u64,
    /// The size of the newer one; the newest if none is named.
    #[param(minimum = 1, example = 9)]
    to: Option<u64>,
}

/// An event as it is stored: what its leaf is made of.
#[derive(Serialize, ToSchema)]
struct StoredEventView {
    position: i64,
    tenant: i32,
    #[schema(example = "loyalty")]
    category: &'static str,
    stream: Uuid,
    version: i32,
    #[serde(rename = "type")]
    #[schema(value_type = schemas::EventType)]
    kind: &'static str,
    schema_version: i16,
    command_id: Option<Uuid>,
    once_id: Option<Uuid>,
    subject_id: Option<Uuid>,
    customer_id: Option<Uuid>,
    /// RFC 3339 with six digits of a second, in UTC.
    #[schema(example = "2026-03-01T12:00:00.000000Z")]
    occurred_at: String,
    #[schema(example = "2026-03-01T12:00:00.123456Z")]
    recorded_at: String,
    /// The stored text.
    #[schema(example = r#"{"actor":"cli"}"#)]
    metadata: String,
    /// The stored text.
    #[schema(example = r#"{"points":11}"#)]
    payload: String,
    /// The sealed box, in base64.
    #[schema(example = "AQID")]
    personal: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct ProofView {
    position: i64,
    event: StoredEventView,
    /// The leaf of the event in the tree, in hexadecimal digits.
    #[schema(example = "38ce00ac0968b9ebdbfb5d9885eb422de6cd2e37bfcad9cdd493b02fb294f791")]
    leaf_hash: String,
    /// The text of a C2SP tlog-proof, with the signed head in it.
    #[schema(
        example = "c2sp.org/tlog-proof@v1\nindex 6\n\nclientela/018f000000007000\n7\nAAAA\n\n— clientela/018f000000007000 AAAA\n"
    )]
    proof: String,
}

#[derive(Serialize, ToSchema)]
struct HeadView {
    /// How many events it stands over.
    size: u64,
    /// The root of the tree over them, in base64.
    #[schema(example = "DY5cpDIpKcVzDU3hMPQn9iLVlNbXuDyQ1hk0MnO2LRA=")]
    root: String,
    signed_at: DateTime<Utc>,
    #[schema(value_type = schemas::Checkpoint)]
    checkpoint: String,
}

#[derive(Serialize, ToSchema)]
struct ConsistencyView {
    #[schema(value_type = schemas::Checkpoint)]
    from: String,
    #[schema(value_type = schemas::Checkpoint)]
    to: String,
    /// The hashes of RFC 9162 §2.1.4, in base64.
    #[schema(value_type = Vec<schemas::HashText>)]
    hashes: Vec<String>,
}

impl From<RecordedEvent> for StoredEventView {
    fn from(event: RecordedEvent) -> Self {
        let time = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Micros, true);
        let personal = match &event.personal {
            Personal::Sealed(bytes) => Some(STANDARD.encode(bytes)),
            // Nobody asked for it to be opened.
            Personal::Absent | Personal::Opened(_) | Personal::Erased => None,
        };
        Self {
            position: event.position.0,
            tenant: event.tenant.0,
            category: event.stream.category,
            stream: event.stream.id,
            version: event.version,
            kind: event.event_type,
            schema_version: event.schema_version,
            command_id: event.command_id,
            once_id: event.once_id,
            subject_id: event.subject_id,
            customer_id: event.customer_id,
            occurred_at: time(event.occurred_at),
            recorded_at: time(event.recorded_at),
            metadata: event.metadata.to_string(),
            payload: event.payload.to_string(),
            personal,
        }
    }
}

impl From<ProvenEvent> for ProofView {
    fn from(ProvenEvent { event, proof }: ProvenEvent) -> Self {
        let leaf_hash = hex::encode(event.leaf_hash);
        Self { position: event.position.0, event: event.into(), leaf_hash, proof }
    }
}

impl From<SignedHead> for HeadView {
    fn from(head: SignedHead) -> Self {
        let root = STANDARD.encode(head.root);
        Self { size: head.size, root, signed_at: head.signed_at, checkpoint: head.checkpoint }
    }
}

impl From<Consistency> for ConsistencyView {
    fn from(proof: Consistency) -> Self {
        let hashes = proof.hashes.iter().map(|hash| STANDARD.encode(hash)).collect();
        Self { from: proof.from.checkpoint, to: proof.to.checkpoint, hashes }
    }
}

/// Proves that an event stands in the log as it was written.
///
/// The answer is verified without this server: the leaf is made of the event's fields, the hashes of the proof lead from it to the root
/// that the head says, and the head is signed. An event that was written just now gets a head just now.
#[utoipa::path(
    get, path = "/v1/audit/proof", tag = "audit", operation_id = "prove_event",
    params(WhichEvent),
    responses(
        (status = 200, description = "The event and its proof", body = ProofView),
        (status = 404, description = "event_not_found, beyond_head"),
    ),
    security(("key" = [Scope::AuditRead])),
)]
async fn prove(
    State(api): State<Api>,
    caller: Caller,
    Parameters(asked): Parameters<WhichEvent>,
) -> Result<Json<ProofView>, Problem> {
    caller.require(Scope::AuditRead)?;
    if asked.position < 1 {
        return Err(wrong("position", "positions begin at 1"));
    }
    let proven = api.tree.prove(caller.tenant, Position(asked.position)).await.map_err(refused)?;
    Ok(Json(proven.into()))
}

/// Lists the signed heads of the log, the newest first.
///
/// Who keeps one elsewhere can prove later that the log was changed below it.
#[utoipa::path(
    get, path = "/v1/audit/heads", tag = "audit", operation_id = "list_heads",
    params(lists::Asked),
    responses((status = 200, description = "A part of the heads", body = ListView<HeadView>)),
    security(("key" = [Scope::AuditRead])),
)]
async fn heads(
    State(api): State<Api>,
    caller: Caller,
    Parameters(asked): Parameters<lists::Asked>,
) -> Result<Json<ListView<HeadView>>, Problem> {
    caller.require(Scope::AuditRead)?;
    let back = lists::back(asked.limit, asked.cursor.as_deref())?;
    let mut rows = api.tree.heads(u64::try_from(back.before.0).ok(), back.limit + 1).await?;
    let has_more = rows.len() > back.limit;
    rows.truncate(back.limit);
    let last = rows.last().and_then(|last| i64::try_from(last.size).ok());
    let page = Page { next: last.filter(|_| has_more).map(Position), rows };
    Ok(Json(ListView::of(page, HeadView::from)))
}

/// Proves that the log under one signed head goes on from the log under an earlier one.
#[utoipa::path(
    get, path = "/v1/audit/consistency", tag = "audit", operation_id = "prove_consistency",
    params(WhichHeads),
    responses(
        (status = 200, description = "Both heads and the proof", body = ConsistencyView),
        (status = 404, description = "head_not_found"),
    ),
    security(("key" = [Scope::AuditRead])),
)]
async fn consistency(
    State(api): State<Api>,
    caller: Caller,
    Parameters(asked): Parameters<WhichHeads>,
) -> Result<Json<ConsistencyView>, Problem> {
    caller.require(Scope::AuditRead)?;
    if asked.to.is_some_and(|to| to < asked.from) {
        return Err(wrong("to", "must not be smaller than from"));
    }
    let proof = api.tree.consistency(asked.from, asked.to).await.map_err(refused)?;
    Ok(Json(proof.into()))
}

/// Tells the keys that verify what the log has signed, one a line, the newest first.
#[utoipa::path(
    get, path = "/v1/audit/key", tag = "audit", operation_id = "get_log_key",
    responses((status = 200, description = "The keys", content_type = "text/plain", body = schemas::VerifierKeys)),
    security(("key" = [Scope::AuditRead])),
)]
async fn key(State(api): State<Api>, caller: Caller) -> Result<Response, Problem> {
    caller.require(Scope::AuditRead)?;
    let lines: String = api.tree.verifier_keys().await?.iter().map(|key| format!("{key}\n")).collect();
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], lines).into_response())
}

fn refused(error: ProofError) -> Problem {
    let detail = error.to_string();
    match error {
        ProofError::NoEvent(position) => Problem::not_found("event_not_found", detail).with("position", position.0),
        ProofError::NoHead(size) => {
            let detail = format!("{detail}; GET /v1/audit/heads lists those that were");
            Problem::not_found("head_not_found", detail).with("size", size)
        }
        ProofError::Store(StoreError::BeyondHead { asked, head }) => {
            let problem = Problem::new(StatusCode::NOT_FOUND, "beyond_head", detail);
            problem.with("position", asked.0).with("head", head.0)
        }
        ProofError::Store(error) => error.into(),
    }
}
