//! How the domain says no: one shape for the answers of all contexts.
//!
//! Each context has its own error enum that compares and carries facts; here is what it becomes at the edge. Conflicts of
//! versions, outages and bugs are not refusals and have no place here.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What kind of no it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalKind {
    /// What the command is about does not exist.
    NotFound,
    /// It contradicts what has already happened.
    Conflict,
    /// The caller asked for it only as long as nobody else had changed the same.
    Stale,
    /// It breaks a rule, whoever asks and however often.
    Invalid,
}

/// A refusal as callers see it. Comparable and storable, because a repeated command gets the same answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What kind of no it is.
    pub kind: RefusalKind,
    /// Stable, `snake_case`; callers may branch on it.
    pub code: String,
    /// For people; may change.
    pub message: String,
    /// JSON pointer to the field at fault, when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What the decision rested on, such as the points that are available.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub facts: Map<String, Value>,
}

/// A value that could not be made of what was given. It knows no field name; whoever parses the field does.
pub trait InvalidValue: std::error::Error {
    /// Stable, `snake_case`.
    fn code(&self) -> &'static str;
}

impl Refusal {
    /// The refusal of a field whose value is not valid.
    pub fn invalid(field: impl Into<String>, error: &impl InvalidValue) -> Self {
        Self {
            kind: RefusalKind::Invalid,
            code: error.code().to_owned(),
            message: error.to_string(),
            field: Some(field.into()),
            facts: Map::new(),
        }
    }

    /// The refusal that a context's error stands for; its serialised fields become the facts.
    pub(crate) fn of(
        kind: RefusalKind,
        code: &'static str,
        field: Option<String>,
        error: &(impl Serialize + fmt::Display),
    ) -> Self {
        Self { kind, code: code.to_owned(), message: error.to_string(), field, facts: facts_of(error) }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)
    }
}

impl std::error::Error for Refusal {}

/// The fields of an error variant: serde writes them under the variant's name, or the name alone when there are none.
fn facts_of(error: &impl Serialize) -> Map<String, Value> {
    let Ok(Value::Object(variant)) = serde_json::to_value(error) else {
        return Map::new();
    };
    match variant.into_iter().next() {
        Some((_, Value::Object(fields))) => fields,
        _ => Map::new(),
    }
}
