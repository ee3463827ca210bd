//! What lists have in common: how much is asked for, where to go on, and which kinds of events.
//!
//! A list goes back in time by position, which never changes, so no row is missed or told twice while others are added.

use crate::problem::{Place, Problem};
use domain::Event;
use projections::{Back, Page};
use serde::Serialize;
use store::{Position, TypePattern};

const LIMIT_DEFAULT: usize = 50;
const LIMIT_MAX: usize = 200;
/// Tells our cursors from other numbers that somebody may have at hand.
const CURSOR_PREFIX: &str = "b";

/// A part of a list.
#[derive(Debug, Serialize)]
pub(crate) struct ListView<T> {
    items: Vec<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

impl<T> ListView<T> {
    pub(crate) fn of<R>(page: Page<R>, view: impl Fn(R) -> T) -> Self {
        Self { items: page.rows.into_iter().map(view).collect(), next_cursor: page.next.map(cursor) }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

/// Reads `limit` and `cursor`.
pub(crate) fn back(limit: Option<usize>, cursor: Option<&str>) -> Result<Back, Problem> {
    let limit = match limit.unwrap_or(LIMIT_DEFAULT) {
        limit @ 1..=LIMIT_MAX => limit,
        _ => return Err(wrong("limit", "limit must be from 1 to 200")),
    };
    let newest = Back::newest(limit);
    let Some(text) = cursor else { return Ok(newest) };
    let before = before(text).ok_or_else(|| {
        let place = Place::Parameter("cursor".to_owned());
        Problem::bad_parameter(place, "invalid_cursor", "the cursor is none that was given out here")
    })?;
    Ok(Back { before, ..newest })
}

/// Says where a list goes on. Opaque to callers.
fn cursor(next: Position) -> String {
    format!("{CURSOR_PREFIX}{:x}", next.0)
}

/// Only what was given out comes back as the same text.
fn before(text: &str) -> Option<Position> {
    let number = i64::from_str_radix(text.strip_prefix(CURSOR_PREFIX)?, 16).ok()?;
    Some(Position(number)).filter(|position| number > 0 && cursor(*position) == text)
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
    use super::{back, before, cursor, event_types};
    use store::Position;

    #[test]
    fn a_cursor_comes_back_as_it_was_given_out() {
        assert_eq!(before(&cursor(Position(300))), Some(Position(300)));
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
