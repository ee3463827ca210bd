//! The dictionary of categories and event types: names outside, small codes in the rows.

use crate::{Name, StoreError};
use std::collections::HashMap;
use std::sync::RwLock;

/// Codes known to this node. Names are few and live for ever, so they are interned for the life of the process.
#[derive(Debug, Default)]
pub(super) struct Names(RwLock<Known>);

#[derive(Debug, Default)]
struct Known {
    codes: HashMap<Name, i16>,
    names: HashMap<i16, Name>,
}

impl Names {
    pub(super) fn code(&self, name: &str) -> Option<i16> {
        self.read().codes.get(name).copied()
    }

    pub(super) fn name(&self, code: i16) -> Option<Name> {
        self.read().names.get(&code).copied()
    }

    /// All codes whose names fit.
    pub(super) fn codes(&self, fits: impl Fn(&str) -> bool) -> Vec<i16> {
        self.read().codes.iter().filter(|(name, _)| fits(name)).map(|(_, code)| *code).collect()
    }

    /// The code that the next unknown name gets, while the log lock is held.
    pub(super) fn next_code(&self) -> i16 {
        self.read().names.keys().max().map_or(1, |code| code + 1)
    }

    pub(super) fn learn(&self, code: i16, name: &str) {
        let mut known = self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        let interned: Name = known.names.entry(code).or_insert_with(|| Box::leak(name.to_owned().into_boxed_str()));
        known.codes.insert(interned, code);
    }

    pub(super) async fn load<'c>(&self, executor: impl sqlx::PgExecutor<'c>) -> Result<(), sqlx::Error> {
        let rows: Vec<(i16, String)> = sqlx::query_as("select code, name from event_names").fetch_all(executor).await?;
        rows.iter().for_each(|(code, name)| self.learn(*code, name));
        Ok(())
    }

    /// The name of a code that stands in a row, or the error that says it makes no sense.
    pub(super) fn require(&self, code: i16, position: i64) -> Result<Name, StoreError> {
        self.name(code).ok_or_else(|| StoreError::Corrupt {
            table: "events",
            column: "type",
            row: position.to_string(),
            reason: format!("code {code} is not in event_names"),
        })
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Known> {
        self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
