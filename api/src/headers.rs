//! Headers and parameters that every operation understands: request id, trace, idempotency key, position to wait for.

use crate::problem::{Place, Problem};
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use commands::IdempotencyKey;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::convert::Infallible;
use std::fmt::Display;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;
use store::Version;

/// Names a request, in and out.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Position of a command's last event, in its answer.
pub const X_POSITION: HeaderName = HeaderName::from_static("x-position");
/// Position that a query waits for.
pub const X_MIN_POSITION: HeaderName = HeaderName::from_static("x-min-position");
/// Names a command, so that a repeat does nothing more.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// W3C trace context.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

const REQUEST_ID_LENGTH_MAX: usize = 128;

/// What is known of a request before anything else. Set by [`crate::envelope`].
#[derive(Debug, Clone, Default)]
pub struct Occasion {
    /// Id of the request: the caller's, or one made here.
    pub request_id: Arc<str>,
    /// The caller's trace context, when it is well-formed.
    pub traceparent: Option<Arc<str>>,
    /// Where the connection comes from.
    pub address: Option<IpAddr>,
}

impl Occasion {
    /// The trace id: what all that one outside occasion set off has in common.
    #[must_use]
    pub fn trace_id(&self) -> Option<&str> {
        self.traceparent.as_deref().and_then(|value| value.split('-').nth(1))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Occasion {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

/// The caller's request id, if it may stand in logs and events as it is.
pub(crate) fn given_request_id(headers: &HeaderMap) -> Option<Arc<str>> {
    let value = headers.get(X_REQUEST_ID)?.to_str().ok()?;
    let fits = !value.is_empty()
        && value.len() <= REQUEST_ID_LENGTH_MAX
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:+/=@".contains(&byte));
    fits.then(|| Arc::from(value))
}

/// The caller's trace context, if it is one (version 00: `00-<32 hex>-<16 hex>-<2 hex>`).
pub(crate) fn given_traceparent(headers: &HeaderMap) -> Option<Arc<str>> {
    let value = headers.get(TRACEPARENT)?.to_str().ok()?;
    let fields: Vec<&str> = value.split('-').collect();
    let [version, trace, span, flags] = fields.as_slice() else { return None };
    let is_hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_set = |text: &str| text.bytes().any(|byte| byte != b'0');
    let fits =
        *version == "00" && is_hex(trace, 32) && is_hex(span, 16) && is_hex(flags, 2) && is_set(trace) && is_set(span);
    fits.then(|| Arc::from(value))
}

/// The `Idempotency-Key` header of a command, if it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency(pub Option<IdempotencyKey>);

impl<S: Send + Sync> FromRequestParts<S> for Idempotency {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut values = parts.headers.get_all(IDEMPOTENCY_KEY).iter();
        let Some(value) = values.next() else { return Ok(Self(None)) };
        let key = value.to_str().ok().and_then(|text| IdempotencyKey::new(text).ok());
        match (key, values.next()) {
            (Some(key), None) => Ok(Self(Some(key))),
            _ => Err(Problem::bad_parameter(
                Place::Header("Idempotency-Key".to_owned()),
                "invalid_idempotency_key",
                "Idempotency-Key must be given once, of 1 to 255 visible ASCII characters",
            )),
        }
    }
}

/// The version that a change is for: the `ETag` of what the caller has seen, given back in `If-Match`. An asterisk is for any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IfMatch(pub Option<Version>);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut values = parts.headers.get_all(header::IF_MATCH).iter();
        let Some(value) = values.next() else { return Ok(Self(None)) };
        let text = value.to_str().unwrap_or_default().trim();
        match (text, version_of(text), values.next()) {
            ("*", _, None) => Ok(Self(None)),
            (_, Some(version), None) => Ok(Self(Some(version))),
            _ => Err(Problem::bad_parameter(
                Place::Header("If-Match".to_owned()),
                "invalid_if_match",
                "If-Match must be given once, with one ETag that was given out here, such as \"3\", or with *",
            )),
        }
    }
}

/// What guards a change: the name of the request, so that a repeat changes nothing more, and the version that it is for.
#[derive(Debug)]
pub struct Guards {
    /// `Idempotency-Key`.
    pub key: Option<IdempotencyKey>,
    /// `If-Match`.
    pub seen: Option<Version>,
}

impl<S: Send + Sync> FromRequestParts<S> for Guards {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Idempotency(key) = Idempotency::from_request_parts(parts, state).await?;
        let IfMatch(seen) = IfMatch::from_request_parts(parts, state).await?;
        Ok(Self { key, seen })
    }
}

/// What stands in `ETag` for a version of a stream.
#[must_use]
pub(crate) fn etag(version: Version) -> Option<HeaderValue> {
    HeaderValue::try_from(format!("\"{version}\"")).ok()
}

/// Only what was given out comes back as the same text.
fn version_of(tag: &str) -> Option<Version> {
    let version: Version = tag.strip_prefix('"')?.strip_suffix('"')?.parse().ok()?;
    Some(version).filter(|version| *version > 0 && format!("\"{version}\"") == tag)
}

/// The position that a query has to have seen: header `X-Min-Position` or parameter `min_position`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MinPosition(pub Option<i64>);

impl<S: Send + Sync> FromRequestParts<S> for MinPosition {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let parameter = pairs(parts).into_iter().find(|(name, _)| name == MIN_POSITION).map(|(_, value)| value);
        let (place, text) = match (parameter, parts.headers.get(X_MIN_POSITION)) {
            (Some(text), _) => (Place::Parameter(MIN_POSITION.to_owned()), text),
            (None, Some(value)) => {
                (Place::Header("X-Min-Position".to_owned()), value.to_str().unwrap_or_default().to_owned())
            }
            (None, None) => return Ok(Self(None)),
        };
        match text.parse::<i64>() {
            Ok(position) if position >= 0 => Ok(Self(Some(position))),
            _ => Err(Problem::bad_parameter(place, "invalid_position", "a position is a whole number from 0")),
        }
    }
}

const MIN_POSITION: &str = "min_position";

/// The query parameters of an operation. Every type used here denies unknown fields; `min_position` is common to all queries.
#[derive(Debug)]
pub struct Parameters<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let own: Vec<_> = pairs(parts).into_iter().filter(|(name, _)| name != MIN_POSITION).collect();
        let text = form_urlencoded::Serializer::new(String::new()).extend_pairs(own).finish();
        let deserializer = serde_urlencoded::Deserializer::new(form_urlencoded::parse(text.as_bytes()));
        serde_path_to_error::deserialize(deserializer).map(Self).map_err(|error| {
            let path = error.path().to_string();
            let message = error.into_inner().to_string();
            match crate::body::named_field(&message) {
                Some(("missing_field", name)) => missing(name),
                Some((_, name)) => {
                    Problem::bad_parameter(Place::Parameter(name.to_owned()), "invalid_parameter", &message)
                }
                None => Problem::bad_parameter(Place::Parameter(path), "invalid_parameter", in_words(&message)),
            }
        })
    }
}

fn missing(name: &str) -> Problem {
    let detail = format!("the parameter {name} is missing");
    Problem::bad_parameter(Place::Parameter(name.to_owned()), "invalid_parameter", &detail)
}

/// What libraries say of numbers and ids is for programmers.
fn in_words(message: &str) -> &str {
    match message {
        _ if message.starts_with("UUID parsing failed") => "must be an id (a UUID)",
        "invalid digit found in string" | "cannot parse integer from empty string" => "must be a whole number",
        "number too large to fit in target type" | "number too small to fit in target type" => "is out of range",
        other => other,
    }
}

/// Nothing may be asked for but `min_position`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoParameters {}

fn pairs(parts: &Parts) -> Vec<(String, String)> {
    form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect()
}

/// An id in the path.
#[derive(Debug, Clone, Copy)]
pub struct PathId(pub uuid::Uuid);

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let id = axum::extract::Path::<uuid::Uuid>::from_request_parts(parts, state).await;
        id.map(|id| Self(id.0)).map_err(|_| no_id("id"))
    }
}

/// The ids in a path of two, whatever they are called there: a customer's, and that of something of the customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathIds(pub uuid::Uuid, pub uuid::Uuid);

impl<S: Send + Sync> FromRequestParts<S> for PathIds {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let given = RawPathParams::from_request_parts(parts, state).await.map_err(|_| no_id("id"))?;
        let ids = given.iter().map(|(name, text)| uuid::Uuid::try_parse(text).map_err(|_| no_id(name)));
        match ids.collect::<Result<Vec<_>, _>>()?.as_slice() {
            [first, second] => Ok(Self(*first, *second)),
            _ => Err(Problem::internal().because("the path has not two parameters")),
        }
    }
}

/// A customer's id in the path, and what something of the customer is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathIdAnd<T>(pub uuid::Uuid, pub T);

impl<T: FromStr<Err: Display>, S: Send + Sync> FromRequestParts<S> for PathIdAnd<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let given = RawPathParams::from_request_parts(parts, state).await.map_err(|_| no_id("id"))?;
        let given: Vec<_> = given.iter().collect();
        let [(id_name, id), (name, text)] = given.as_slice() else {
            return Err(Problem::internal().because("the path has not two parameters"));
        };
        let id = uuid::Uuid::try_parse(id).map_err(|_| no_id(id_name))?;
        let wrong = |error: T::Err| {
            Problem::bad_parameter(
                Place::Parameter((*name).to_owned()),
                "invalid_parameter",
                in_words(&error.to_string()),
            )
        };
        Ok(Self(id, text.parse().map_err(wrong)?))
    }
}

fn no_id(name: &str) -> Problem {
    Problem::bad_parameter(Place::Parameter(name.to_owned()), "invalid_id", "the id in the path is not a UUID")
}

#[cfg(test)]
mod tests {
    use super::{Idempotency, IfMatch, MinPosition, Parameters, given_request_id, given_traceparent};
    use crate::problem::Problem;
    use axum::extract::FromRequestParts;
    use axum::http::{HeaderMap, HeaderValue, Request};
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Page {
        limit: Option<u16>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Proof {
        #[expect(dead_code, reason = "only its parsing matters")]
        position: u64,
        #[expect(dead_code, reason = "only its parsing matters")]
        customer: Option<uuid::Uuid>,
    }

    async fn extract<T: FromRequestParts<()>>(request: Request<()>) -> Result<T, T::Rejection> {
        T::from_request_parts(&mut request.into_parts().0, &()).await
    }

    fn get(uri: &str) -> Request<()> {
        Request::get(uri).body(()).expect("the request is well-formed")
    }

    fn words(problem: &Problem) -> String {
        let errors = serde_json::to_string(problem.errors()).expect("it is plain data");
        format!("{} {} {errors}", problem.status().as_u16(), problem.code())
    }

    #[test]
    fn a_request_id_is_taken_only_when_it_is_harmless() {
        let id = |value: &'static [u8]| {
            let value = HeaderValue::from_bytes(value).expect("a header may hold it");
            given_request_id(&HeaderMap::from_iter([(super::X_REQUEST_ID, value)]))
        };
        assert_eq!(id(b"till-7:42").as_deref(), Some("till-7:42"));
        assert_eq!(id(b""), None);
        assert_eq!(id(b"a b"), None);
        assert_eq!(id(b"\xc3\xa9"), None);
        assert_eq!(id(&[b'a'; 129]), None);
    }

    #[test]
    fn a_trace_context_is_taken_only_when_it_is_one() {
        let trace = |value: &'static str| {
            given_traceparent(&HeaderMap::from_iter([(super::TRACEPARENT, HeaderValue::from_static(value))]))
        };
        assert!(trace("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").is_some());
        assert!(trace("00-00000000000000000000000000000000-00f067aa0ba902b7-01").is_none());
        assert!(trace("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01").is_none());
        assert!(trace("nonsense").is_none());
    }

    #[tokio::test]
    async fn an_idempotency_key_is_one_visible_word() {
        let key = |value: &str| {
            let value = HeaderValue::from_bytes(value.as_bytes()).expect("a header may hold it");
            extract::<Idempotency>(Request::post("/").header("idempotency-key", value).body(()).expect("valid"))
        };
        let given = key("order-7").await.expect("valid").0.expect("it was given");
        assert_eq!(given.as_str(), "order-7");
        assert_eq!(extract::<Idempotency>(get("/")).await.expect("valid"), Idempotency(None));
        for bad in ["", "two words", "é", &"k".repeat(256)] {
            assert_eq!(key(bad).await.expect_err("refused").code(), "invalid_idempotency_key");
        }
    }

    #[tokio::test]
    async fn a_version_is_matched_as_it_was_given_out() {
        let given = |value: &str| {
            extract::<IfMatch>(
                Request::patch("/").header("if-match", value).body(()).expect("the request is well-formed"),
            )
        };
        assert_eq!(given("\"7\"").await.expect("valid"), IfMatch(Some(7)));
        assert_eq!(super::etag(7).expect("a tag"), "\"7\"");
        assert_eq!(given("*").await.expect("valid"), IfMatch(None));
        assert_eq!(extract::<IfMatch>(get("/")).await.expect("valid"), IfMatch(None));
        for bad in
            ["", "7", "W/\"7\"", "\"0\"", "\"-1\"", "\"07\"", "\"+7\"", "\"7\", \"8\"", "\"99999999999\"", "\"a\""]
        {
            assert_eq!(given(bad).await.expect_err("refused").code(), "invalid_if_match", "{bad}");
        }
        let twice = Request::patch("/").header("if-match", "\"7\"").header("if-match", "\"7\"");
        extract::<IfMatch>(twice.body(()).expect("well-formed")).await.expect_err("refused");
    }

    #[tokio::test]
    async fn a_position_comes_by_parameter_or_header() {
        assert_eq!(extract::<MinPosition>(get("/?min_position=7")).await.expect("valid"), MinPosition(Some(7)));
        let header = Request::get("/").header("x-min-position", "8").body(()).expect("valid");
        assert_eq!(extract::<MinPosition>(header).await.expect("valid"), MinPosition(Some(8)));
        let bad = extract::<MinPosition>(get("/?min_position=-1")).await.expect_err("refused");
        insta::assert_snapshot!(words(&bad), @r#"400 invalid_position [{"parameter":"min_position","code":"invalid_position","detail":"a position is a whole number from 0"}]"#);
    }

    #[tokio::test]
    async fn parameters_are_checked_like_bodies() {
        let page = extract::<Parameters<Page>>(get("/?limit=5&min_position=7")).await.expect("valid");
        assert_eq!(page.0.limit, Some(5));
        let unknown = extract::<Parameters<Page>>(get("/?size=5")).await.expect_err("refused");
        insta::assert_snapshot!(words(&unknown), @r#"400 invalid_parameter [{"parameter":"size","code":"invalid_parameter","detail":"unknown field `size`, expected `limit`"}]"#);
        let wrong = extract::<Parameters<Page>>(get("/?limit=many")).await.expect_err("refused");
        insta::assert_snapshot!(words(&wrong), @r#"400 invalid_parameter [{"parameter":"limit","code":"invalid_parameter","detail":"must be a whole number"}]"#);
        let missing = extract::<Parameters<Proof>>(get("/")).await.expect_err("refused");
        insta::assert_snapshot!(words(&missing), @r#"400 invalid_parameter [{"parameter":"position","code":"invalid_parameter","detail":"the parameter position is missing"}]"#);
        let no_id = extract::<Parameters<Proof>>(get("/?position=1&customer=ana")).await.expect_err("refused");
        insta::assert_snapshot!(words(&no_id), @r#"400 invalid_parameter [{"parameter":"customer","code":"invalid_parameter","detail":"must be an id (a UUID)"}]"#);
    }
}
