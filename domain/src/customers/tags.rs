//! What we file a customer under.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::customers::commands::CustomerError;
use crate::customers::customer::at_most;
use crate::customers::events::CustomerEvent;
use crate::ids::Tag;

/// The most tags of a customer.
pub const TAGS_MAX: usize = 50;

/// All tags of a customer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tags(BTreeSet<Tag>);

impl Tags {
    pub(super) fn add(&self, tags: Vec<Tag>) -> Result<Vec<CustomerEvent>, CustomerError> {
        let new: BTreeSet<Tag> = tags.into_iter().filter(|tag| !self.0.contains(tag)).collect();
        at_most("tags", TAGS_MAX, self.0.len() + new.len())?;
        let tagged = (!new.is_empty()).then(|| CustomerEvent::Tagged { tags: new.into_iter().collect() });
        Ok(tagged.into_iter().collect())
    }

    /// Those that there is room for: labels are ours, not the customer's.
    pub(super) fn gained(&self, others: &Self) -> Vec<CustomerEvent> {
        let room = TAGS_MAX.saturating_sub(self.0.len());
        let new = others.0.difference(&self.0).take(room).cloned().collect();
        self.add(new).unwrap_or_default()
    }

    pub(super) fn remove(&self, tags: Vec<Tag>) -> Vec<CustomerEvent> {
        let gone: BTreeSet<Tag> = tags.into_iter().filter(|tag| self.0.contains(tag)).collect();
        let untagged = (!gone.is_empty()).then(|| CustomerEvent::Untagged { tags: gone.into_iter().collect() });
        untagged.into_iter().collect()
    }

    /// With these, too.
    pub(super) fn put(&mut self, tags: &[Tag]) {
        self.0.extend(tags.iter().cloned());
    }

    /// Without these.
    pub(super) fn take(&mut self, tags: &[Tag]) {
        self.0.retain(|tag| !tags.contains(tag));
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Tag> {
        self.0.iter()
    }
}
