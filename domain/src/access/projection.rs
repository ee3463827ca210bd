//! A projector, as its operators see it: which events they let it leave out.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::access::commands::{AccessError, ProjectionCommand};
use crate::access::events::{AccessEvent, SkipReason};
use crate::decider::Decider;

/// The events that a projector leaves out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Projection {
    /// Their positions.
    pub skipped: BTreeSet<i64>,
}

impl Decider for Projection {
    type Command = ProjectionCommand;
    type Event = AccessEvent;
    type Refusal = AccessError;

    fn initial() -> Self {
        Self::default()
    }

    fn decide(state: &Self, command: ProjectionCommand) -> Result<Vec<AccessEvent>, AccessError> {
        let ProjectionCommand::Skip { projector, position, reason } = command;
        if state.skipped.contains(&position) {
            return Ok(vec![]);
        }
        Ok(vec![AccessEvent::ProjectionSkipped { projector, position, personal: SkipReason { reason }.into() }])
    }

    fn evolve(mut state: Self, event: &AccessEvent) -> Self {
        match event {
            AccessEvent::ProjectionSkipped { position, .. } => {
                state.skipped.insert(*position);
                state
            }
            AccessEvent::TenantCreated { .. }
            | AccessEvent::SettingsChanged { .. }
            | AccessEvent::KeyCreated { .. }
            | AccessEvent::KeyRevoked { .. } => state,
        }
    }
}
