//! What others want to be noted about a customer, as names and texts. Nothing here knows what it means; any of it may tell who it is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::customers::commands::CustomerError;
use crate::customers::customer::at_most;
use crate::ids::MetadataKey;
use crate::patch::Patch;
use crate::text::MetadataText;

/// The most notes about a customer.
pub const METADATA_MAX: usize = 50;

/// All notes about a customer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// The notes, by their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub notes: BTreeMap<MetadataKey, MetadataText>,
}

/// What is to become of the notes that are named.
pub type MetadataPatch = BTreeMap<MetadataKey, Option<MetadataText>>;

impl Metadata {
    /// With those of another customer of whose names it has none, as many as there is room for.
    pub(super) fn joined(&self, other: &Self) -> Self {
        let mut notes = self.notes.clone();
        let new = other.notes.iter().filter(|(name, _)| !self.notes.contains_key(*name));
        let room = METADATA_MAX.saturating_sub(notes.len());
        notes.extend(new.take(room).map(|(name, text)| (name.clone(), text.clone())));
        Self { notes }
    }
}

/// The notes after a patch, within bounds.
pub(super) fn applied(patch: &Patch<MetadataPatch>, before: &Metadata) -> Result<Metadata, CustomerError> {
    let patch = match patch {
        Patch::Keep => return Ok(before.clone()),
        Patch::Remove => return Ok(Metadata::default()),
        Patch::Set(patch) => patch,
    };
    let mut after = before.clone();
    for (name, text) in patch {
        match text {
            Some(text) => after.notes.insert(name.clone(), text.clone()),
            None => after.notes.remove(name),
        };
    }
    at_most("metadata", METADATA_MAX, after.notes.len())?;
    Ok(after)
}
