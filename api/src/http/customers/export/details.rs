//! What an event or a row says, as lines that people read: whatever fields it has, all of them are there.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use serde_json::{Map, Value};

/// One line: a label and a value; a line without a value is a heading of those that are deeper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Detail {
    pub(super) label: String,
    pub(super) value: String,
    pub(super) depth: usize,
}

impl Detail {
    pub(super) fn new(label: &str, value: impl Into<String>) -> Self {
        Self { label: label.to_owned(), value: value.into(), depth: 0 }
    }
}

/// The lines of an object.
pub(super) fn details(object: &Value, zone: Tz) -> Vec<Detail> {
    let mut lines = Vec::new();
    if let Value::Object(members) = object {
        of_members(members, 0, zone, &mut lines);
    }
    lines
}

fn of_members(members: &Map<String, Value>, depth: usize, zone: Tz, lines: &mut Vec<Detail>) {
    for (name, value) in members {
        of_value(label(name), value, depth, zone, lines);
    }
}

fn of_value(label: String, value: &Value, depth: usize, zone: Tz, lines: &mut Vec<Detail>) {
    match value {
        Value::Null => {}
        Value::Object(members) => match money(members) {
            Some(value) => lines.push(Detail { label, value, depth }),
            None => {
                lines.push(Detail { label, value: String::new(), depth });
                of_members(members, depth + 1, zone, lines);
            }
        },
        Value::Array(items) if items.iter().all(|item| !item.is_object() && !item.is_array()) => {
            let values: Vec<_> = items.iter().map(|item| text(item, zone)).collect();
            lines.push(Detail { label, value: values.join(", "), depth });
        }
        Value::Array(items) => {
            for (item, nth) in items.iter().zip(1..) {
                of_value(format!("{label} {nth}"), item, depth, zone, lines);
            }
        }
        value => lines.push(Detail { label, value: text(value, zone), depth }),
    }
}

/// An amount of money as it is spoken.
fn money(members: &Map<String, Value>) -> Option<String> {
    match (members.get("amount")?, members.get("currency")?, members.len()) {
        (Value::String(amount), Value::String(currency), 2) => Some(format!("{amount} {currency}")),
        _ => None,
    }
}

fn text(value: &Value, zone: Tz) -> String {
    match value {
        Value::String(text) => spoken(text, zone),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        other => other.to_string(),
    }
}

/// Dates and times as people write them; any other text as it is.
fn spoken(text: &str, zone: Tz) -> String {
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return day(date);
    }
    DateTime::parse_from_rfc3339(text).map_or_else(|_| text.to_owned(), |at| moment(at.with_timezone(&Utc), zone))
}

pub(super) fn day(date: NaiveDate) -> String {
    date.format("%-d %B %Y").to_string()
}

pub(super) fn moment(at: DateTime<Utc>, zone: Tz) -> String {
    at.with_timezone(&zone).format("%-d %B %Y, %H:%M").to_string()
}

/// The name of a field in words.
fn label(name: &str) -> String {
    let known = match name {
        "on" => "Date",
        "address" => "Address number",
        "new_default" => "Used instead: address number",
        "line1" => "Address",
        "line2" => "Floor, door",
        "sku" => "Article",
        "is_default" => "Used when no other is named",
        "source" => "Came to us from",
        "categories" => "Interests",
        "notifications" => "Hears of",
        "order" => "Order number",
        "refund" => "Refund number",
        "hold" => "Hold number",
        "remaining" => "Not given back yet",
        "paid_debt" => "Of these, for points owed",
        _ => "",
    };
    if known.is_empty() { with_capital(&name.replace('_', " ")) } else { known.to_owned() }
}

/// A code in words: `at_risk`, `national_id`.
pub(super) fn words(code: &str) -> String {
    with_capital(&code.replace(['_', '-'], " "))
}

fn with_capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
pub(super) mod tests {
    use super::{details, text};
    use chrono_tz::Tz;
    use serde_json::{Value, json};

    /// All values that stand anywhere in a document, as they are shown.
    pub(in super::super) fn leaves(value: &Value, zone: Tz) -> Vec<String> {
        match value {
            Value::Null => vec![],
            Value::Object(members) => members.values().flat_map(|value| leaves(value, zone)).collect(),
            Value::Array(items) => items.iter().flat_map(|value| leaves(value, zone)).collect(),
            leaf => vec![text(leaf, zone)],
        }
    }

    #[test]
    fn lines_say_all_that_an_object_says_in_words() {
        let said = json!({
            "registered_on": "2026-01-10", "total": {"amount": "24.50", "currency": "USD"}, "nothing": null,
            "at": "2026-02-09T23:05:00Z", "is_default": true, "channels": ["web", "app"],
            "lines": [{"sku": "A", "quantity": 2}, {"sku": "B", "deep": {"x": 1}}],
        });
        let lines = details(&said, Tz::Europe__Madrid);
        let told: Vec<_> =
            lines.iter().map(|line| format!("{}{}: {}", " ".repeat(line.depth), line.label, line.value)).collect();
        let expected = [
            "At: 10 February 2026, 00:05",
            "Channels: web, app",
            "Used when no other is named: yes",
            "Lines 1: ",
            " Quantity: 2",
            " Article: A",
            "Lines 2: ",
            " Deep: ",
            "  X: 1",
            " Article: B",
            "Registered on: 10 January 2026",
            "Total: 24.50 USD",
        ];
        assert_eq!(told, expected);
    }
}
