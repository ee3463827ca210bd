//! What lists have in common: how much is asked for, where to go on, and which kinds of events.
//!
//! Most lists go back in time by position, which never changes, so no row is missed or told twice while others are added.

use crate::openapi::schemas;
use crate::problem::{Place, Problem};
use domain::Event;
use projections::{Back, Page};
use serde::{Deserialize, Serialize};
use store::{Position, TypePattern};
use utoipa::{IntoParams, ToSchema};

const LIMIT_DEFAULT: usize = 50;
const LIMIT_MAX: usize = 200;
/// Tells our cursors from other numbers that somebody may have at hand.
const CURSOR_PREFIX: &str = "b";

/// A part of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ListView<T> {
    items: Vec<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schemas::Cursor>)]
    next_cursor: Option<String>,
}

/// How much of a list, and from where.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Asked {
    /// Most items of an answer.
    #[param(minimum = 1, maximum = 200, default = 50, example = 50)]
    pub(crate) limit: Option<usize>,
    /// Where to go on: `next_cursor` of the answer before.
    #[param(example = "b2a")]
    pub(crate) cursor: Option<String>,
}

/// A place in a list, as callers carry it: opaque to them.
pub(crate) trait Cursor: Sized {
    fn text(&self) -> String;
    fn read(text: &str) -> Option<Self>;

    /// Only what was given out comes back as the same text.
    fn parse(text: &str) -> Result<Self, Problem> {
        Self::read(text).filter(|place| place.text() == text).ok_or_else(foreign_cursor)
    }
}

impl Cursor for Position {
    fn text(&self) -> String {
        format!("{CURSOR_PREFIX}{:x}", self.0)
    }

    fn read(text: &str) -> Option<Self> {
        let number = i64::from_str_radix(text.strip_prefix(CURSOR_PREFIX)?, 16).ok()?;
        Some(Self(number)).filter(|position| position.0 > 0)
    }
}

/// Blames a cursor that does not belong here.
pub(crate) fn foreign_cursor() -> Problem {
    let place = Place::Parameter("cursor".to_owned());
    Problem::bad_parameter(place, "invalid_cursor", "the cursor is none that was given out here")
}

impl<T> ListView<T> {
    pub(crate) fn of<R, N: Cursor>(page: Page<R, N>, view: impl Fn(R) -> T) -> Self {
        let next_cursor = page.next.as_ref().map(Cursor::text);
        Self { items: page.rows.into_iter().map(view).collect(), next_cursor }
    }

    /// A list that is short enough to be told at once.
    pub(crate) const fn whole(items: Vec<T>) -> Self {
        Self { items, next_cursor: None }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

/// Reads `limit`.
pub(crate) fn limit(asked: Option<usize>) -> Result<usize, Problem> {
    match asked.unwrap_or(LIMIT_DEFAULT) {
        limit @ 1..=LIMIT_MAX => Ok(limit),
        _ => Err(wrong("limit", "limit must be from 1 to 200")),
    }
}

/// Reads `limit` and `cursor` of a list that goes back in time.
pub(crate) fn back(asked: Option<usize>, cursor: Option<&str>) -> Result<Back, Problem> {
    let newest = Back::newest(limit(asked)?);
    let before = cursor.map(Position::parse).transpose()?;
    Ok(before.map_or(newest, |before| Back { before, ..newest }))
}

/// Reads `type`: an event type, or the beginning of some followed by an asterisk.
pub(crate) fn event_types(asked: Option<&str>) -> Result<Option<Vec<&'static str>>, Problem> {
    let Some(text) = asked else { return Ok(None) };
    let pattern = TypePattern::parse(text);
    let types: Vec<_> = Event::TYPES.iter().copied().filter(|name| pattern.matches(name)).collect();
    if types.is_empty() {
        return Err(wrong("type", "no event type is called so; loyalty.points.earned is one, loyalty.* are several"));
    }
    Ok(Some(types))
}

/// Blames a parameter of the query.
pub(crate) fn wrong(name: &str, detail: &str) -> Problem {
    Problem::bad_parameter(Place::Parameter(name.to_owned()), "invalid_parameter", detail)
}

#[cfg(test)]
mod tests {
    use super::{Cursor, back, event_types};
    use store::Position;

    #[test]
    fn a_cursor_comes_back_as_it_was_given_out() {
        assert_eq!(Position::parse(&Position(300).text()).expect("it was given out"), Position(300));
        for made_up in ["", "b", "b0", "b-7", "b+7", "b007", "B7", "bA", "7", "bffffffffffffffff", "garbage"] {
            assert_eq!(back(None, Some(made_up)).expect_err("refused").code(), "invalid_cursor", "{made_up}");
        }
    }

    #[test]
    fn a_limit_is_from_1_to_200() {
        assert_eq!(back(None, None).expect("valid").limit, 50);
        assert_eq!(back(Some(200), None).expect("valid").limit, 200);
        for limit in [0, 201] {
            assert_eq!(back(Some(limit), None).expect_err("refused").code(), "invalid_parameter");
        }
    }

    #[test]
    fn a_type_is_one_that_exists_or_the_beginning_of_some() {
        assert_eq!(event_types(None).expect("valid"), None);
        assert_eq!(event_types(Some("customer.created")).expect("valid"), Some(vec!["customer.created"]));
        let points = event_types(Some("loyalty.points.*")).expect("valid").expect("some");
        assert!(points.len() > 1 && points.iter().all(|name| name.starts_with("loyalty.points.")), "{points:?}");
        assert!(event_types(Some("customer.exploded")).is_err() && event_types(Some("")).is_err());
    }
}
