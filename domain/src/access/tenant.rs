//! A tenant: set up once.

use serde::{Deserialize, Serialize};

use crate::access::commands::{AccessError, TenantCommand};
use crate::access::events::AccessEvent;
use crate::decider::Decider;
use crate::ids::{Label, TenantId, TimeZoneName};

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tenant {
    /// Not set up.
    Absent,
    /// In use.
    Active {
        /// Its number.
        tenant: TenantId,
        /// Its short name.
        name: Label,
        /// Where its business day begins and ends.
        time_zone: TimeZoneName,
    },
}

impl Decider for Tenant {
    type Command = TenantCommand;
    type Event = AccessEvent;
    type Refusal = AccessError;

    fn initial() -> Self {
        Self::Absent
    }

    fn decide(state: &Self, command: TenantCommand) -> Result<Vec<AccessEvent>, AccessError> {
        let TenantCommand::Create { tenant, name, time_zone } = command;
        let event = AccessEvent::TenantCreated { tenant, name, time_zone };
        match state {
            Self::Absent => Ok(vec![event]),
            Self::Active { .. } if Self::evolve(Self::Absent, &event) == *state => Ok(vec![]),
            Self::Active { .. } => Err(AccessError::TenantExists),
        }
    }

    fn evolve(state: Self, event: &AccessEvent) -> Self {
        match event {
            AccessEvent::TenantCreated { tenant, name, time_zone } => {
                Self::Active { tenant: *tenant, name: name.clone(), time_zone: time_zone.clone() }
            }
            AccessEvent::KeyCreated { .. } | AccessEvent::KeyRevoked { .. } | AccessEvent::ProjectionSkipped { .. } => {
                state
            }
        }
    }
}
