//! The one table from errors to `application/problem+json` (RFC 9457).
//!
//! A refusal carries a stable `code` and, where a field is to blame, its place. A bug says nothing
//! but the request's id: what happened stands once in the log, written by [`crate::envelope`]. No other
//! module chooses a status for an error.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use commands::CommandError;
use domain::{Refusal, RefusalKind};
use projections::Behind;
use projections::time_travel::{EVENTS_MAX, TimeTravelError};
use serde::Serialize;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::error::Error;
use std::sync::Arc;
use store::StoreError;

const STANDARD_MEMBERS: [&str; 7] = ["type", "title", "status", "detail", "code", "request_id", "errors"];

/// Where in a request the trouble lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// A JSON pointer (RFC 6901) into the body.
    Pointer(String),
    /// A parameter of the path or the query.
    Parameter(String),
    /// A header.
    Header(String),
}

/// One field that is to blame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// Which field.
    #[serde(flatten)]
    pub place: Place,
    /// Stable code of what is wrong with it.
    pub code: Cow<'static, str>,
    /// The same in words.
    pub detail: String,
}

/// An error as the caller sees it.
#[derive(Debug, Clone)]
pub struct Problem(Box<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    status: StatusCode,
    code: Cow<'static, str>,
    detail: String,
    errors: Vec<FieldError>,
    facts: Map<String, Value>,
    retry_after_s: Option<u32>,
    challenge: Option<&'static str>,
    closes: bool,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl Problem {
    /// A problem with this status, code and explanation.
    #[must_use]
    pub fn new(status: StatusCode, code: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            status,
            code: code.into(),
            detail: detail.into(),
            errors: Vec::new(),
            facts: Map::new(),
            retry_after_s: None,
            challenge: None,
            closes: false,
            source: None,
        }))
    }

    /// 400: the request itself is malformed.
    #[must_use]
    pub fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// 401: no key, or none that is valid; `challenge` is the `WWW-Authenticate` header.
    #[must_use]
    pub fn unauthorized(code: &'static str, detail: &str, challenge: &'static str) -> Self {
        let mut problem = Self::new(StatusCode::UNAUTHORIZED, code, detail);
        problem.0.challenge = Some(challenge);
        problem
    }

    /// 403: the key lacks a scope.
    #[must_use]
    pub fn scope_missing(scope: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "scope_missing", format!("this operation needs the scope {scope}"))
            .with("scope", scope)
    }

    /// 404: there is no such thing, or it belongs to another tenant.
    #[must_use]
    pub fn not_found(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, detail)
    }

    /// 409 for a reader whose projection has not got that far in time.
    #[must_use]
    pub fn projection_behind(behind: &Behind) -> Self {
        let (asked, reached) = (behind.asked.0, behind.reached.0);
        let (why, retry_after) = if behind.failed { (" and stands still; see /health", 30) } else { ("", 1) };
        let detail = format!("position {asked} was asked for; the projection has reached {reached}{why}");
        Self::new(StatusCode::CONFLICT, "projection_behind", detail)
            .with("min_position", asked)
            .with("position", reached)
            .retry_after(retry_after)
    }

    /// 400 for a position that the log has not got.
    #[must_use]
    pub fn position_beyond_head(asked: i64, head: i64) -> Self {
        let detail = format!("position {asked} was asked for; the log ends at {head}");
        Self::bad_request("position_beyond_head", detail).with("min_position", asked).with("head", head)
    }

    /// 409 for a reader that would go on behind the end of the log: it was restored to an older point, or the cursor is another
    /// log's. The reader has to begin anew.
    #[must_use]
    pub fn cursor_beyond_head(place: Place, asked: i64, head: i64) -> Self {
        let detail = format!("the cursor says {asked}; the log ends at {head}");
        Self::new(StatusCode::CONFLICT, "position_beyond_head", detail)
            .with("position", asked)
            .with("head", head)
            .at(place)
    }

    /// 422: the body is JSON, but not what it should be.
    #[must_use]
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let detail = errors.first().map_or_else(|| "the request is not valid".to_owned(), |first| first.detail.clone());
        let mut problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "validation_failed", detail);
        problem.0.errors = errors;
        problem
    }

    /// 422 that blames one field of the body.
    #[must_use]
    pub fn invalid_field(pointer: &str, code: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self::invalid(vec![FieldError {
            place: Place::Pointer(pointer.to_owned()),
            code: code.into(),
            detail: detail.into(),
        }])
    }

    /// 400 that blames a parameter or a header.
    #[must_use]
    pub fn bad_parameter(place: Place, code: &'static str, detail: &str) -> Self {
        let mut problem = Self::bad_request(code, detail);
        problem.0.errors.push(FieldError { place, code: code.into(), detail: detail.to_owned() });
        problem
    }

    /// 503: what this needs is away; the same request may succeed later.
    #[must_use]
    pub fn unavailable(detail: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail).retry_after(2)
    }

    /// 429: too many requests with a key, or without one that works from an address.
    #[must_use]
    pub fn rate_limited(by: &str, retry_after_s: u32) -> Self {
        let detail = format!("too many requests by this {by}");
        Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail).with("by", by).retry_after(retry_after_s)
    }

    /// 503: too much to do at the moment.
    #[must_use]
    pub fn busy() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "the server has too many requests in flight").retry_after(1)
    }

    /// The same in other words.
    #[must_use]
    pub fn saying(mut self, detail: &str) -> Self {
        detail.clone_into(&mut self.0.detail);
        self
    }

    /// 503: as many follow the feed as may, or as may with this key.
    #[must_use]
    pub fn too_many_readers(detail: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_readers", detail).retry_after(10).closing()
    }

    /// 503: as many connections are open as may be.
    #[must_use]
    pub fn too_many_connections() -> Self {
        let detail = "as many connections are open as this server allows";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_connections", detail).retry_after(10).closing()
    }

    /// 503: no answer in time. The command may have happened or not: repeat with the same key.
    #[must_use]
    pub fn timed_out() -> Self {
        let detail = "no answer in time; repeat with the same Idempotency-Key";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "timed_out", detail).retry_after(1)
    }

    /// 500: a bug. The caller gets the request's id and nothing else.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "something went wrong here; the log has the details")
    }

    /// Keeps the cause for the log. The caller never sees it.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.0.source = Some(Arc::from(source.into()));
        self
    }

    /// Adds a fact as a member of the answer, unless it would hide one of the standard's.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        if !STANDARD_MEMBERS.contains(&name) {
            self.0.facts.insert(name.to_owned(), value.into());
        }
        self
    }

    /// Blames a place, too.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        let (code, detail) = (self.0.code.clone(), self.0.detail.clone());
        self.0.errors.push(FieldError { place, code, detail });
        self
    }

    /// Says after how many seconds a repeat makes sense.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.0.retry_after_s = Some(seconds);
        self
    }

    /// Ends the connection with the answer: whoever is too many does not keep it.
    fn closing(mut self) -> Self {
        self.0.closes = true;
        self
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// The explanation.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The fields to blame.
    #[must_use]
    pub fn errors(&self) -> &[FieldError] {
        &self.0.errors
    }

    /// The cause, for the log.
    #[must_use]
    pub fn source(&self) -> Option<&(dyn Error + Send + Sync)> {
        self.0.source.as_deref()
    }

    /// The problem as text, for an answer that has begun.
    pub(crate) fn told(&self, request_id: Option<&str>) -> Value {
        serde_json::to_value(self.view(request_id)).unwrap_or_default()
    }

    fn view<'a>(&'a self, request_id: Option<&'a str>) -> ProblemView<'a> {
        let parts = &self.0;
        ProblemView {
            kind: format!("urn:clientela:problem:{}", parts.code),
            title: title(&parts.code),
            status: parts.status.as_u16(),
            detail: &parts.detail,
            code: &parts.code,
            request_id,
            errors: &parts.errors,
            facts: &parts.facts,
        }
    }

    /// The answer, with the request's id where it is known.
    #[must_use]
    pub fn render(&self, request_id: Option<&str>) -> Response {
        let parts = &self.0;
        let body = self.view(request_id);
        let mut response = (parts.status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = parts.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if parts.closes {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(challenge) = parts.challenge {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.render(None);
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal.kind {
            RefusalKind::NotFound => StatusCode::NOT_FOUND,
            RefusalKind::Conflict => StatusCode::CONFLICT,
            RefusalKind::Stale => StatusCode::PRECONDITION_FAILED,
            RefusalKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        };
        let problem = Self::new(status, refusal.code, refusal.message);
        let problem = match (refusal.field, refusal.kind) {
            (Some(pointer), _) => problem.at(Place::Pointer(pointer)),
            (None, RefusalKind::Stale) => problem.at(Place::Header("If-Match".to_owned())),
            (None, RefusalKind::NotFound | RefusalKind::Conflict | RefusalKind::Invalid) => problem,
        };
        refusal.facts.into_iter().fold(problem, |problem, (name, value)| problem.with(&name, value))
    }
}

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Refused(refusal) | CommandError::Claimed { refusal, .. } => refusal.into(),
            CommandError::Forbidden { scope } => Self::scope_missing(scope.as_str()),
            CommandError::OperatorsOnly => {
                let detail = "this concerns all tenants and is for the operators of the installation";
                Self::new(StatusCode::FORBIDDEN, "operators_only", detail)
            }
            CommandError::KeyReused => Self::new(
                StatusCode::CONFLICT,
                "idempotency_key_reused",
                "the Idempotency-Key was used before with another request",
            )
            .at(Place::Header("Idempotency-Key".to_owned())),
            CommandError::Conflict => {
                let detail = "others changed the same at the same time, too often; nothing was done";
                Self::new(StatusCode::CONFLICT, "conflict", detail).retry_after(1)
            }
            CommandError::Unavailable { retry_after_s, cause } => {
                let detail = "no answer of the event store; repeat with the same Idempotency-Key";
                Self::unavailable(detail).retry_after(retry_after_s).because(cause)
            }
            CommandError::Newer(cause) => {
                let detail = "a newer build has written there; another node may know it";
                Self::unavailable(detail).retry_after(1).because(cause)
            }
            CommandError::Busy => Self::busy(),
            CommandError::Internal(cause) => Self::internal().because(cause),
        }
    }
}

impl From<TimeTravelError> for Problem {
    fn from(error: TimeTravelError) -> Self {
        match error {
            TimeTravelError::Unknown => Self::not_found("not_found", "nothing ever happened there"),
            TimeTravelError::NotYet => Self::not_found("not_known_then", "there was nothing of it then"),
            TimeTravelError::VersionBeyondHead { asked, head } => {
                let detail = format!("version {asked} was asked for; the last one is {head}");
                let problem = Self::bad_request("version_beyond_head", detail).with("head", head);
                problem.at(Place::Parameter("at_version".to_owned()))
            }
            TimeTravelError::TooLong => {
                let detail = format!("more than {EVENTS_MAX} events would have to be read; ask for an earlier version");
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "history_too_long", detail)
            }
            undecodable @ TimeTravelError::Undecodable { .. } => Self::internal().because(undecodable),
            TimeTravelError::Store(error) => error.into(),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(cause) => Self::unavailable("the event store is unavailable").because(cause),
            StoreError::BeyondHead { asked, head } => Self::position_beyond_head(asked.0, head.0),
            corrupt @ StoreError::Corrupt { .. } => Self::internal().because(corrupt),
        }
    }
}

#[derive(Serialize)]
struct ProblemView<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: String,
    status: u16,
    detail: &'a str,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
    #[serde(flatten)]
    facts: &'a Map<String, Value>,
}

/// A title is constant for its code, as RFC 9457 asks.
pub(crate) fn title(code: &str) -> String {
    let words = code.replace(['_', '.'], " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::{Behind, Place, Problem};
    use axum::http::{HeaderMap, header};
    use axum::response::IntoResponse;
    use commands::{CommandError, Scope};
    use domain::{Refusal, RefusalKind};
    use projections::time_travel::TimeTravelError;
    use serde_json::json;
    use store::{Position, StoreError};

    async fn answer(problem: impl Into<Problem>) -> (HeaderMap, String) {
        let response = problem.into().into_response();
        let headers = response.headers().clone();
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.expect("the body is in memory");
        (headers, String::from_utf8(bytes.to_vec()).expect("JSON is UTF-8"))
    }

    fn refusal(kind: RefusalKind) -> Refusal {
        let facts = json!({"available": 300, "status": "hidden"});
        Refusal {
            kind,
            code: "not_enough_points".to_owned(),
            message: "only 300 points are available".to_owned(),
            field: Some("/points".to_owned()),
            facts: facts.as_object().cloned().unwrap_or_default(),
        }
    }

    #[tokio::test]
    async fn a_refusal_names_its_code_its_field_and_its_facts() {
        let (headers, body) = answer(refusal(RefusalKind::Invalid)).await;
        assert_eq!(headers[header::CONTENT_TYPE], "application/problem+json");
        insta::assert_snapshot!(body, @r#"{"type":"urn:clientela:problem:not_enough_points","title":"Not enough points","status":422,"detail":"only 300 points are available","code":"not_enough_points","errors":[{"pointer":"/points","code":"not_enough_points","detail":"only 300 points are available"}],"available":300}"#);
    }

    #[tokio::test]
    async fn each_kind_of_error_has_its_status() {
        let cases: Vec<Problem> = vec![
            refusal(RefusalKind::NotFound).into(),
            refusal(RefusalKind::Conflict).into(),
            refusal(RefusalKind::Stale).into(),
            refusal(RefusalKind::Invalid).into(),
            CommandError::Forbidden { scope: Scope::CustomersWrite }.into(),
            CommandError::OperatorsOnly.into(),
            CommandError::KeyReused.into(),
            CommandError::Conflict.into(),
            CommandError::Unavailable { retry_after_s: 1, cause: "no answer".into() }.into(),
            CommandError::Newer("an unknown type".into()).into(),
            CommandError::Busy.into(),
            CommandError::Internal("a bug".into()).into(),
            StoreError::Unavailable("no connection".into()).into(),
            StoreError::BeyondHead { asked: Position(9), head: Position(7) }.into(),
            TimeTravelError::Unknown.into(),
            TimeTravelError::NotYet.into(),
            TimeTravelError::VersionBeyondHead { asked: 9, head: 7 }.into(),
            TimeTravelError::TooLong.into(),
            TimeTravelError::Undecodable { event: "customer-7/1".to_owned(), reason: "nonsense".to_owned() }.into(),
            TimeTravelError::Store(StoreError::Unavailable("no connection".into())).into(),
        ];
        let lines: Vec<_> = cases.iter().map(|case| format!("{} {}", case.status().as_u16(), case.code())).collect();
        insta::assert_snapshot!(lines.join(", "), @"404 not_enough_points, 409 not_enough_points, 412 not_enough_points, 422 not_enough_points, 403 scope_missing, 403 operators_only, 409 idempotency_key_reused, 409 conflict, 503 unavailable, 503 unavailable, 503 busy, 500 internal, 503 unavailable, 400 position_beyond_head, 404 not_found, 404 not_known_then, 400 version_beyond_head, 422 history_too_long, 500 internal, 503 unavailable");
    }

    #[tokio::test]
    async fn a_bug_tells_the_caller_nothing() {
        let (_, body) = answer(CommandError::Internal("relation secret does not exist".into())).await;
        assert!(!body.contains("secret"));
        insta::assert_snapshot!(body, @r#"{"type":"urn:clientela:problem:internal","title":"Internal","status":500,"detail":"something went wrong here; the log has the details","code":"internal"}"#);
    }

    #[tokio::test]
    async fn what_may_pass_says_when_to_come_again() {
        let (headers, _) = answer(CommandError::Busy).await;
        assert_eq!(headers[header::RETRY_AFTER], "1");
        let behind =
            Behind { projector: "customers".to_owned(), asked: Position(9), reached: Position(7), failed: false };
        let failed = Problem::projection_behind(&Behind { failed: true, ..behind.clone() });
        assert_eq!(answer(failed).await.0[header::RETRY_AFTER], "30");
        let (headers, body) = answer(Problem::projection_behind(&behind)).await;
        assert_eq!(headers[header::RETRY_AFTER], "1");
        insta::assert_snapshot!(body, @r#"{"type":"urn:clientela:problem:projection_behind","title":"Projection behind","status":409,"detail":"position 9 was asked for; the projection has reached 7","code":"projection_behind","min_position":9,"position":7}"#);
    }

    #[tokio::test]
    async fn a_missing_scope_is_named() {
        let (_, body) = answer(CommandError::Forbidden { scope: Scope::AuditRead }).await;
        insta::assert_snapshot!(body, @r#"{"type":"urn:clientela:problem:scope_missing","title":"Scope missing","status":403,"detail":"this operation needs the scope audit:read","code":"scope_missing","scope":"audit:read"}"#);
    }

    #[tokio::test]
    async fn the_place_of_an_error_is_a_pointer_a_parameter_or_a_header() {
        let (_, body) = answer(Problem::bad_parameter(Place::Header("X-A".to_owned()), "invalid", "is wrong")).await;
        insta::assert_snapshot!(body, @r#"{"type":"urn:clientela:problem:invalid","title":"Invalid","status":400,"detail":"is wrong","code":"invalid","errors":[{"header":"X-A","code":"invalid","detail":"is wrong"}]}"#);
    }
}
