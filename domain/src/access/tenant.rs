//! A tenant: set up once; its settings are its own to change.

use serde::{Deserialize, Serialize};

use crate::access::commands::{AccessError, TenantCommand};
use crate::access::events::AccessEvent;
use crate::access::settings::TenantSettings;
use crate::decider::Decider;
use crate::ids::{Label, TenantId, TimeZoneName};
use crate::validators::risk::RiskWeights;

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
        /// What it decided for itself.
        settings: TenantSettings,
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
        match command {
            TenantCommand::Create { tenant, name, time_zone } => create(state, tenant, name, time_zone),
            TenantCommand::ChangeSettings { strict_documents, risk_weights } => {
                change(state, strict_documents, risk_weights)
            }
        }
    }

    fn evolve(state: Self, event: &AccessEvent) -> Self {
        use AccessEvent as E;
        match (state, event) {
            (_, E::TenantCreated { tenant, name, time_zone }) => Self::Active {
                tenant: *tenant,
                name: name.clone(),
                time_zone: time_zone.clone(),
                settings: TenantSettings::default(),
            },
            (Self::Active { tenant, name, time_zone, .. }, E::SettingsChanged { strict_documents, risk_weights }) => {
                let settings = TenantSettings { strict_documents: *strict_documents, risk_weights: *risk_weights };
                Self::Active { tenant, name, time_zone, settings }
            }
            (state @ Self::Absent, E::SettingsChanged { .. })
            | (state, E::KeyCreated { .. } | E::KeyRevoked { .. } | E::ProjectionSkipped { .. }) => state,
        }
    }
}

fn create(
    state: &Tenant,
    wanted: TenantId,
    called: Label,
    zone: TimeZoneName,
) -> Result<Vec<AccessEvent>, AccessError> {
    match state {
        Tenant::Absent => Ok(vec![AccessEvent::TenantCreated { tenant: wanted, name: called, time_zone: zone }]),
        Tenant::Active { tenant, name, time_zone, .. } if (tenant, name, time_zone) == (&wanted, &called, &zone) => {
            Ok(vec![])
        }
        Tenant::Active { .. } => Err(AccessError::TenantExists),
    }
}

fn change(
    state: &Tenant,
    strict_documents: Option<bool>,
    risk_weights: Option<RiskWeights>,
) -> Result<Vec<AccessEvent>, AccessError> {
    let Tenant::Active { settings, .. } = state else { return Err(AccessError::TenantNotFound) };
    let strict_documents = strict_documents.unwrap_or(settings.strict_documents);
    let risk_weights = risk_weights.unwrap_or(settings.risk_weights);
    match *settings == (TenantSettings { strict_documents, risk_weights }) {
        true => Ok(vec![]),
        false => Ok(vec![AccessEvent::SettingsChanged { strict_documents, risk_weights }]),
    }
}
