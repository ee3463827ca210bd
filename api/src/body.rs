//! The JSON body of a request: read whole within its limit, parsed, and each trouble named by its place.

use crate::problem::{FieldError, Place, Problem};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use serde::de::{DeserializeOwned, IntoDeserializer};
use serde::{Deserialize, Deserializer};
use serde_json::error::Category;
use serde_path_to_error::{Path, Segment};

/// A JSON body. Every type used here denies unknown fields.
#[derive(Debug)]
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        require_json(request.headers())?;
        parse(&whole(request, state).await?).map(Self)
    }
}

/// A JSON body that may be left out where nothing has to be said.
#[derive(Debug)]
pub struct AnyJsonBody<T>(pub T);

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for AnyJsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let is_json = require_json(request.headers());
        let bytes = whole(request, state).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        is_json?;
        parse(&bytes).map(Self)
    }
}

async fn whole<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    Bytes::from_request(request, state).await.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", "the body is larger than allowed here")
        }
        _ => Problem::bad_request("unreadable_body", "the body broke off"),
    })
}

fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_json = essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"));
    if is_json {
        return Ok(());
    }
    let detail = "the body must be sent as application/json";
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail))
}

/// Parses a body, or says which field is wrong and how.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    require_object(bytes)?;
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().clone();
        explain(bytes, &path, &error.into_inner())
    })?;
    deserializer.end().map_err(|error| malformed(&error))?;
    Ok(value)
}

/// serde would take the members of an object from a list, too.
fn require_object(bytes: &[u8]) -> Result<(), Problem> {
    match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'[') => Err(Problem::invalid_field("", "wrong_type", "the body must be an object")),
        _ => Ok(()),
    }
}

fn explain(bytes: &[u8], path: &Path, error: &serde_json::Error) -> Problem {
    // What serde finds where it wants something else, such as a null, it may take for a fault of the JSON.
    let is_json = || serde_json::from_slice::<serde_json::Value>(bytes).is_ok();
    match error.classify() {
        Category::Data => Problem::invalid(vec![field_error(path, &without_place(error))]),
        Category::Syntax if is_json() => Problem::invalid_field(&pointer(path), "wrong_type", "is of another type"),
        Category::Syntax | Category::Eof | Category::Io => malformed(error),
    }
}

/// Reads one of a few words: of itself serde would take `{"word": null}` for it, too.
pub(crate) fn word<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    T::deserialize(String::deserialize(deserializer)?.into_deserializer())
}

/// Reads several of a few words.
pub(crate) fn words<'de, T, C, D>(deserializer: D) -> Result<C, D::Error>
where
    T: Deserialize<'de>,
    C: FromIterator<T>,
    D: Deserializer<'de>,
{
    #[derive(Deserialize)]
    #[serde(bound = "T: Deserialize<'de>")]
    struct Word<T>(#[serde(deserialize_with = "word")] T);
    Ok(Vec::<Word<T>>::deserialize(deserializer)?.into_iter().map(|word| word.0).collect())
}

fn malformed(error: &serde_json::Error) -> Problem {
    let detail = format!("the body is not valid JSON: {error}");
    Problem::bad_request("malformed_json", detail)
        .with("line", u64::try_from(error.line()).unwrap_or_default())
        .with("column", u64::try_from(error.column()).unwrap_or_default())
}

/// The message of serde, without the line and the column that `serde_json` puts behind it.
fn without_place(error: &serde_json::Error) -> String {
    let place = format!(" at line {} column {}", error.line(), error.column());
    let text = error.to_string();
    text.strip_suffix(&place).map_or_else(|| text.clone(), str::to_owned)
}

fn field_error(path: &Path, message: &str) -> FieldError {
    let parent = pointer(path);
    let (code, place, detail) = match named_field(message) {
        Some((code, name)) => (code, below(&parent, name), message.to_owned()),
        None if message.starts_with("invalid type") => ("wrong_type", parent, plain(message)),
        None => ("invalid_value", parent, plain(message)),
    };
    FieldError { place: Place::Pointer(place), code: code.into(), detail }
}

/// What serde says of a value, without the value, which may be somebody's, and without our names for types.
fn plain(message: &str) -> String {
    let is_variant = message.starts_with("unknown variant");
    let quotes = is_variant
        || ["invalid type: ", "invalid value: ", "invalid length "].iter().any(|start| message.starts_with(start));
    match message.rfind(", expected ").filter(|_| quotes) {
        Some(place) if is_variant => {
            let words = message[place..].split('`').skip(1).step_by(2);
            format!("must be one of {}", words.collect::<Vec<_>>().join(", "))
        }
        Some(place) => format!("must be {}", wanted(&message[place + ", expected ".len()..])),
        None => message.trim_start_matches("invalid type: ").to_owned(),
    }
}

fn wanted(kind: &str) -> String {
    let whole = |least: i128, most: i128| format!("a whole number from {least} to {most}");
    match kind {
        "u8" => whole(0, u8::MAX.into()),
        "u16" => whole(0, u16::MAX.into()),
        "u32" => whole(0, u32::MAX.into()),
        "u64" | "usize" => "a whole number from 0".to_owned(),
        "i16" => whole(i16::MIN.into(), i16::MAX.into()),
        "i32" => whole(i32::MIN.into(), i32::MAX.into()),
        "i64" => "a whole number".to_owned(),
        "f64" => "a number".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a map" => "an object".to_owned(),
        kind if ["struct ", "enum ", "tuple "].iter().any(|start| kind.starts_with(start)) => "an object".to_owned(),
        kind => kind.to_owned(),
    }
}

/// The kinds of serde's own errors that name a field in back-ticks.
pub(crate) fn named_field(message: &str) -> Option<(&'static str, &str)> {
    let kinds = [
        ("missing field `", "missing_field"),
        ("unknown field `", "unknown_field"),
        ("duplicate field `", "duplicate_field"),
    ];
    kinds.into_iter().find_map(|(start, code)| {
        let rest = message.strip_prefix(start)?;
        Some((code, rest.split('`').next().unwrap_or_default()))
    })
}

fn below(parent: &str, name: &str) -> String {
    let own = format!("/{}", escaped(name));
    if parent.ends_with(&own) { parent.to_owned() } else { format!("{parent}{own}") }
}

fn pointer(path: &Path) -> String {
    path.iter().fold(String::new(), |pointer, segment| match segment {
        Segment::Seq { index } => format!("{pointer}/{index}"),
        Segment::Map { key } => format!("{pointer}/{}", escaped(key)),
        Segment::Enum { .. } | Segment::Unknown => pointer,
    })
}

fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::parse;
    use crate::amount::AmountText;
    use crate::problem::Problem;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Order {
        #[expect(dead_code, reason = "only its parsing matters")]
        order_id: String,
        total: AmountText,
        #[serde(default)]
        lines: Vec<Line>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Line {
        #[expect(dead_code, reason = "only its parsing matters")]
        quantity: u32,
    }

    fn refusal(body: &str) -> String {
        let problem: Problem = parse::<Order>(body.as_bytes()).expect_err("it should be refused");
        let errors = serde_json::to_string(problem.errors()).expect("it is plain data");
        format!("{} {} {errors}", problem.status().as_u16(), problem.code())
    }

    #[test]
    fn amounts_are_taken_as_written() {
        let number: Order = parse(br#"{"order_id":"1","total":12.340,"lines":[{"quantity":1}]}"#).expect("valid");
        assert_eq!(number.total.as_str(), "12.340");
        assert_eq!(number.lines.len(), 1);
        let text: Order = parse(br#"{"order_id":"1","total":"0.1"}"#).expect("valid");
        assert_eq!(text.total.as_str(), "0.1");
    }

    #[test]
    fn broken_json_says_where() {
        insta::assert_snapshot!(refusal("{\"order_id\": "), @"400 malformed_json []");
        insta::assert_snapshot!(refusal(""), @"400 malformed_json []");
        insta::assert_snapshot!(refusal(r#"{"order_id":"1","total":"1"} x"#), @"400 malformed_json []");
        let deep = format!(r#"{{"order_id":{}"#, "[".repeat(100_000));
        assert!(refusal(&deep).contains("/order_id"));
        let bytes = parse::<Order>(b"{\"order_id\":\"\xff\"}").expect_err("it is not UTF-8");
        assert_eq!(bytes.code(), "malformed_json");
    }

    #[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Colour {
        Red,
        DarkBlue,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Cup {
        #[serde(deserialize_with = "super::word")]
        colour: Colour,
        #[serde(default, deserialize_with = "super::words")]
        spots: std::collections::BTreeSet<Colour>,
        #[expect(dead_code, reason = "only its parsing matters")]
        unguarded: Option<Colour>,
        #[expect(dead_code, reason = "only its parsing matters")]
        size: Option<u16>,
    }

    #[test]
    fn a_word_is_a_text_and_what_is_sent_instead_is_not_told() {
        let cup: Cup = parse(br#"{"colour":"red","spots":["dark_blue","red"]}"#).expect("valid");
        assert_eq!((cup.colour, cup.spots.len()), (Colour::Red, 2));
        let refusal = |body: &str| {
            let problem = parse::<Cup>(body.as_bytes()).expect_err("it should be refused");
            let error =
                problem.errors().first().map(|error| (error.place.clone(), error.code.clone(), error.detail.clone()));
            format!("{} {error:?}", problem.code())
        };
        let place = |pointer: &str| super::Place::Pointer(pointer.to_owned());
        for (body, pointer, code, detail) in [
            (r#"{"colour":null}"#, "/colour", "wrong_type", "must be a string"),
            (r#"{"colour":7}"#, "/colour", "wrong_type", "must be a string"),
            (r#"{"colour":{"red":null}}"#, "/colour", "wrong_type", "must be a string"),
            (r#"{"colour":"Ana, expected `x`"}"#, "/colour", "invalid_value", "must be one of red, dark_blue"),
            (r#"{"colour":"red","spots":["red",{"red":null}]}"#, "/spots/1", "wrong_type", "must be a string"),
            (r#"{"colour":"red","spots":"red"}"#, "/spots", "wrong_type", "must be a list"),
            (r#"{"colour":"red","unguarded":7}"#, "/unguarded", "wrong_type", "is of another type"),
            (r#"{"colour":"red","size":-7}"#, "/size", "invalid_value", "must be a whole number from 0 to 65535"),
            (
                r#"{"colour":"red","size":"600 123 456, expected"}"#,
                "/size",
                "wrong_type",
                "must be a whole number from 0 to 65535",
            ),
            (r#""Ana""#, "", "wrong_type", "must be an object"),
        ] {
            let expected = Some((place(pointer), std::borrow::Cow::Borrowed(code), detail.to_owned()));
            assert_eq!(refusal(body), format!("validation_failed {expected:?}"), "{body}");
        }
    }

    #[test]
    fn each_wrong_field_is_named() {
        insta::assert_snapshot!(refusal(r#"{"order_id":7,"total":"1"}"#), @r#"422 validation_failed [{"pointer":"/order_id","code":"wrong_type","detail":"must be a string"}]"#);
        insta::assert_snapshot!(refusal(r#"{"order_id":"7"}"#), @r#"422 validation_failed [{"pointer":"/total","code":"missing_field","detail":"missing field `total`"}]"#);
        insta::assert_snapshot!(refusal(r#"{"order_id":"7","total":"1","tax":1}"#), @r#"422 validation_failed [{"pointer":"/tax","code":"unknown_field","detail":"unknown field `tax`, expected one of `order_id`, `total`, `lines`"}]"#);
        insta::assert_snapshot!(refusal(r#"{"order_id":"7","order_id":"8","total":"1"}"#), @r#"422 validation_failed [{"pointer":"/order_id","code":"duplicate_field","detail":"duplicate field `order_id`"}]"#);
        insta::assert_snapshot!(refusal(r#"{"order_id":"7","total":true}"#), @r#"422 validation_failed [{"pointer":"/total","code":"wrong_type","detail":"must be an amount: a decimal string or a number"}]"#);
        insta::assert_snapshot!(refusal(r#"{"order_id":"7","total":"1","lines":[{"quantity":1},{"quantity":-1}]}"#), @r#"422 validation_failed [{"pointer":"/lines/1/quantity","code":"invalid_value","detail":"must be a whole number from 0 to 4294967295"}]"#);
        insta::assert_snapshot!(refusal(r#"{"order_id":"7","total":"1","lines":[{"quantity":1,"a/b":2}]}"#), @r#"422 validation_failed [{"pointer":"/lines/0/a~1b","code":"unknown_field","detail":"unknown field `a/b`, expected `quantity`"}]"#);
        insta::assert_snapshot!(refusal("[1]"), @r#"422 validation_failed [{"pointer":"","code":"wrong_type","detail":"the body must be an object"}]"#);
    }
}
