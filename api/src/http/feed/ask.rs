//! What a reader of the feed asks for: which events, and from where.

use super::LAST_EVENT_ID;
use crate::problem::{Place, Problem};
use axum::http::HeaderMap;
use commands::{Caller, Scope};
use domain::aggregate::Category;
use std::collections::BTreeMap;
use store::{Filter, Name, Position, StreamId, TypePattern};
use utoipa::IntoParams;
use uuid::Uuid;

/// Most types or categories that one reader may name.
const NAMES_MAX: usize = 100;
const TYPE_LENGTH_MAX: usize = 128;

/// Which events, and from where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// Of any tenant: the caller's is set later.
    pub(super) filter: Filter,
    pub(super) start: Start,
}

/// Where a reader begins.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// Behind this position, which stood at this place of the request.
    After(Position, Place),
    /// Behind the last position of the log.
    Now,
}

/// The same, as it is described.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described: values may be repeated, and stand with commas")]
pub(super) struct Parameters {
    /// The position to begin behind, `start` or `now`; the header `Last-Event-ID` is above it.
    #[param(pattern = "^([0-9]+|start|now)$", default = "0", example = "0")]
    from: Option<String>,
    /// Only streams of these categories; repeated or with commas.
    #[param(example = json!(["loyalty"]), style = Form, explode = true)]
    category: Option<Vec<String>>,
    /// Only these types, or those that begin so; repeated or with commas.
    #[param(rename = "type", example = json!(["loyalty.*"]), style = Form, explode = true)]
    kind: Option<Vec<String>>,
    /// Only this stream, as category:uuid.
    #[param(example = "customer:018f0000-0000-7000-8000-000000000001")]
    stream: Option<String>,
    /// Only what concerns this customer.
    customer: Option<Uuid>,
}

impl Asked {
    pub(super) fn read(query: &str, headers: &HeaderMap) -> Result<Self, Problem> {
        let given = given(query)?;
        let many = |name: &str| {
            let values = given.get(name).map(Vec::as_slice).unwrap_or_default();
            values.iter().flat_map(|value| value.split(',')).collect::<Vec<_>>()
        };
        let categories = list("category", &many("category"), category)?;
        let types = list("type", &many("type"), type_pattern)?;
        let stream = once(&given, "stream")?.map(stream).transpose()?;
        let customer = once(&given, "customer")?.map(|text| id("customer", text)).transpose()?;
        // Read even when the header wins, so that a mistake shows at the first request and not at a later one.
        let from = once(&given, "from")?.map(from).transpose()?;
        let start = match last_event_id(headers)? {
            Some(start) => start,
            None => from.unwrap_or(Start::After(Position(0), Place::Parameter("from".to_owned()))),
        };
        once(&given, "ticket")?; // it was read already, whatever stands beside it
        Ok(Self { filter: Filter { tenant: None, categories, types, stream, customer }, start })
    }
}

/// The filter for a caller: of its tenant, and of keys and tenants only for who may read the audit trail.
pub(super) fn narrowed(filter: Filter, caller: &Caller) -> Result<Filter, Problem> {
    let filter = Filter { tenant: Some(caller.tenant), ..filter };
    let Err(missing) = caller.require(Scope::AuditRead) else { return Ok(filter) };
    let open: Vec<Name> =
        Category::ALL.iter().filter(|category| !category.is_access()).map(|category| category.as_str()).collect();
    let mut named = filter.categories.iter().chain(filter.stream.iter().map(|stream| &stream.category));
    if named.any(|name| !open.contains(name)) {
        return Err(missing.into());
    }
    let categories = if filter.categories.is_empty() { open } else { filter.categories };
    Ok(Filter { categories, ..filter })
}

/// What stands for a key where no header can be sent.
pub(super) fn ticket(query: &str) -> Option<String> {
    let mut given = form_urlencoded::parse(query.as_bytes());
    given.find(|(name, _)| name == "ticket").map(|(_, value)| value.into_owned())
}

/// The values of each parameter.
type Given = BTreeMap<&'static str, Vec<String>>;

const KNOWN: [&str; 6] = ["category", "type", "stream", "customer", "from", "ticket"];

fn given(query: &str) -> Result<Given, Problem> {
    let mut given = Given::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let Some(known) = KNOWN.iter().find(|known| **known == name) else {
            let expected = KNOWN.join(", ");
            return Err(refused(&name, "invalid_parameter", &format!("unknown parameter; known are {expected}")));
        };
        given.entry(known).or_default().push(value.into_owned());
    }
    Ok(given)
}

fn once<'a>(given: &'a Given, name: &'static str) -> Result<Option<&'a str>, Problem> {
    match given.get(name).map(Vec::as_slice).unwrap_or_default() {
        [] => Ok(None),
        [value] => Ok(Some(value)),
        _ => Err(refused(name, "invalid_parameter", "may be given once only")),
    }
}

fn list<T>(name: &'static str, texts: &[&str], read: fn(&str) -> Result<T, Problem>) -> Result<Vec<T>, Problem> {
    if texts.len() > NAMES_MAX {
        return Err(refused(name, "invalid_parameter", &format!("at most {NAMES_MAX} may be given")));
    }
    texts.iter().map(|text| read(text)).collect()
}

fn category(text: &str) -> Result<Name, Problem> {
    known_category("category", text)
}

fn known_category(parameter: &str, text: &str) -> Result<Name, Problem> {
    Category::parse(text).map(Category::as_str).ok_or_else(|| {
        let known: Vec<_> = Category::ALL.iter().map(|category| category.as_str()).collect();
        refused(parameter, "unknown_category", &format!("there is no such category; known are {}", known.join(", ")))
    })
}

/// `loyalty.points.earned` or `loyalty.*`. A type that nobody has written yet is no mistake.
fn type_pattern(text: &str) -> Result<TypePattern, Problem> {
    let name = text.strip_suffix('*').unwrap_or(text);
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'.' || byte == b'_';
    if text.is_empty() || text.len() > TYPE_LENGTH_MAX || !name.bytes().all(is_word) {
        return Err(refused("type", "invalid_type", "a type is like loyalty.points.earned, or like loyalty.*"));
    }
    Ok(TypePattern::parse(text))
}

fn stream(text: &str) -> Result<StreamId, Problem> {
    let Some((category, text)) = text.split_once(':') else {
        return Err(refused("stream", "invalid_stream", "a stream is category:id, such as customer:<uuid>"));
    };
    Ok(StreamId { category: known_category("stream", category)?, id: id("stream", text)? })
}

fn id(parameter: &str, text: &str) -> Result<Uuid, Problem> {
    Uuid::parse_str(text).map_err(|_| refused(parameter, "invalid_id", "the id is not a UUID"))
}

fn from(text: &str) -> Result<Start, Problem> {
    let place = || Place::Parameter("from".to_owned());
    match text {
        "now" => Ok(Start::Now),
        "start" => after("0", place()),
        _ => after(text, place()).map_err(|_| {
            Problem::bad_parameter(place(), "invalid_position", "give a whole number from 0, start or now")
        }),
    }
}

/// A browser sends no header as long as it has no id, other readers perhaps an empty one.
fn last_event_id(headers: &HeaderMap) -> Result<Option<Start>, Problem> {
    let place = || Place::Header("Last-Event-ID".to_owned());
    let mut values = headers.get_all(LAST_EVENT_ID).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) if value.is_empty() => Ok(None),
        (Some(value), None) => after(value.to_str().unwrap_or_default(), place()).map(Some),
        (Some(_), Some(_)) => {
            Err(Problem::bad_parameter(place(), "invalid_position", "Last-Event-ID may be given once only"))
        }
    }
}

fn after(text: &str, place: Place) -> Result<Start, Problem> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<i64>() {
        Ok(position) if is_number => Ok(Start::After(Position(position), place)),
        _ => Err(Problem::bad_parameter(place, "invalid_position", "a position is a whole number from 0")),
    }
}

fn refused(parameter: &str, code: &'static str, detail: &str) -> Problem {
    Problem::bad_parameter(Place::Parameter(parameter.to_owned()), code, detail)
}

#[cfg(test)]
mod tests {
    use super::{Asked, Start, ticket};
    use crate::problem::Place;
    use axum::http::{HeaderMap, HeaderValue};
    use store::{Filter, Position, StreamId, TypePattern};
    use uuid::Uuid;

    const ID: &str = "018f0000-0000-7000-8000-000000000001";

    fn read(query: &str) -> Result<Asked, String> {
        read_with(query, &[])
    }

    fn read_with(query: &str, last_event_ids: &[&'static [u8]]) -> Result<Asked, String> {
        let value = |bytes: &&'static [u8]| HeaderValue::from_bytes(bytes).expect("a header may hold it");
        let mut headers = HeaderMap::new();
        for id in last_event_ids {
            headers.append(super::LAST_EVENT_ID, value(id));
        }
        Asked::read(query, &headers).map_err(|problem| {
            let places = serde_json::to_string(problem.errors()).expect("it is plain data");
            let place = places.split("\"code\"").next().unwrap_or_default().to_owned();
            format!("{} {} {place}", problem.status().as_u16(), problem.code())
        })
    }

    fn from(position: i64) -> Start {
        Start::After(Position(position), Place::Parameter("from".to_owned()))
    }

    #[test]
    fn nothing_asked_for_is_everything_from_the_beginning() {
        assert_eq!(read("").expect("valid"), Asked { filter: Filter::default(), start: from(0) });
    }

    #[test]
    fn filters_may_be_repeated_or_listed() {
        let id: Uuid = ID.parse().expect("an id");
        let asked = read(&format!(
            "category=customer,loyalty&type=loyalty.*&type=customer.registered,a.b_2&stream=loyalty:{ID}&customer={ID}&from=7"
        ));
        let expected = Filter {
            tenant: None,
            categories: vec!["customer", "loyalty"],
            types: vec![
                TypePattern::Prefix("loyalty.".into()),
                TypePattern::Exact("customer.registered".into()),
                TypePattern::Exact("a.b_2".into()),
            ],
            stream: Some(StreamId { category: "loyalty", id }),
            customer: Some(id),
        };
        assert_eq!(asked.expect("valid"), Asked { filter: expected, start: from(7) });
        assert_eq!(ticket("type=&ticket=a1").as_deref(), Some("a1"));
        assert_eq!(read("ticket=a1").expect("valid"), Asked { filter: Filter::default(), start: from(0) });
        assert_eq!(read("type=*").expect("valid").filter.types, [TypePattern::Prefix(String::new())]);
    }

    #[test]
    fn the_header_is_above_the_parameter() {
        let header = |position| Start::After(Position(position), Place::Header("Last-Event-ID".to_owned()));
        assert_eq!(read("from=now").expect("valid").start, Start::Now);
        assert_eq!(read("from=start").expect("valid").start, from(0));
        assert_eq!(read_with("from=now", &[b"12"]).expect("valid").start, header(12));
        assert_eq!(read_with("", &[b"0"]).expect("valid").start, header(0));
        assert_eq!(read_with("from=9", &[b""]).expect("valid").start, from(9), "an empty header says nothing");
    }

    #[test]
    fn what_cannot_be_is_refused_and_named() {
        let cases = [
            ("types=a", r#"400 invalid_parameter [{"parameter":"types","#),
            ("min_position=1", r#"400 invalid_parameter [{"parameter":"min_position","#),
            ("category=customers", r#"400 unknown_category [{"parameter":"category","#),
            ("category=", r#"400 unknown_category [{"parameter":"category","#),
            ("type=", r#"400 invalid_type [{"parameter":"type","#),
            ("type=a,,b", r#"400 invalid_type [{"parameter":"type","#),
            ("type=*.earned", r#"400 invalid_type [{"parameter":"type","#),
            ("type=Loyalty", r#"400 invalid_type [{"parameter":"type","#),
            ("stream=7", r#"400 invalid_stream [{"parameter":"stream","#),
            ("stream=customer:7", r#"400 invalid_id [{"parameter":"stream","#),
            ("stream=shop:018f0000-0000-7000-8000-000000000001", r#"400 unknown_category [{"parameter":"stream","#),
            ("customer=ana", r#"400 invalid_id [{"parameter":"customer","#),
            ("customer=&customer=", r#"400 invalid_parameter [{"parameter":"customer","#),
            ("from=later", r#"400 invalid_position [{"parameter":"from","#),
            ("from=-1", r#"400 invalid_position [{"parameter":"from","#),
            ("from=%2B1", r#"400 invalid_position [{"parameter":"from","#),
            ("from=", r#"400 invalid_position [{"parameter":"from","#),
            ("from=99999999999999999999", r#"400 invalid_position [{"parameter":"from","#),
            ("ticket=a&ticket=b", r#"400 invalid_parameter [{"parameter":"ticket","#),
            ("from=1&from=2", r#"400 invalid_parameter [{"parameter":"from","#),
        ];
        for (query, expected) in cases {
            assert_eq!(read(query).expect_err(query), expected, "{query}");
        }
        let many = format!("type={}", vec!["a"; 101].join(","));
        assert_eq!(read(&many).expect_err("too many"), r#"400 invalid_parameter [{"parameter":"type","#);
        for ids in [&[&b"abc"[..]][..], &[b"1.5"], &[b"\xc3\xa9"], &[b"1", b"2"]] {
            let refused = read_with("", ids).expect_err("garbage");
            assert_eq!(refused, r#"400 invalid_position [{"header":"Last-Event-ID","#);
        }
    }
}
