//! A key of the API: made, and revoked for good.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::access::commands::{AccessError, ApiKeyCommand};
use crate::access::events::{AccessEvent, KeyDigest};
use crate::access::scope::Scope;
use crate::decider::Decider;
use crate::ids::Label;

/// A key of the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApiKey {
    /// Not made.
    Absent,
    /// It works until it expires.
    Active(Key),
    /// It works no more.
    Revoked(Key),
}

/// What a key was made with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// Its id.
    pub key: Uuid,
    /// Its short name.
    pub name: Label,
    /// What it is known by.
    pub digest: KeyDigest,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When it ceases to work; never when absent.
    pub expires_at: Option<DateTime<Utc>>,
}

impl Decider for ApiKey {
    type Command = ApiKeyCommand;
    type Event = AccessEvent;
    type Refusal = AccessError;

    fn initial() -> Self {
        Self::Absent
    }

    fn decide(state: &Self, command: ApiKeyCommand) -> Result<Vec<AccessEvent>, AccessError> {
        match command {
            ApiKeyCommand::Create { key, name, digest, scopes, expires_at } => {
                create(state, Key { key, name, digest, scopes, expires_at })
            }
            ApiKeyCommand::Revoke => revoke(state),
        }
    }

    fn evolve(state: Self, event: &AccessEvent) -> Self {
        use AccessEvent as E;
        match (state, event) {
            (_, E::KeyCreated { key, name, digest, scopes, expires_at }) => Self::Active(Key {
                key: *key,
                name: name.clone(),
                digest: *digest,
                scopes: scopes.clone(),
                expires_at: *expires_at,
            }),
            (Self::Active(key) | Self::Revoked(key), E::KeyRevoked { .. }) => Self::Revoked(key),
            (state @ Self::Absent, E::KeyRevoked { .. })
            | (state, E::TenantCreated { .. } | E::SettingsChanged { .. } | E::ProjectionSkipped { .. }) => state,
        }
    }
}

fn create(state: &ApiKey, wanted: Key) -> Result<Vec<AccessEvent>, AccessError> {
    if wanted.scopes.is_empty() {
        return Err(AccessError::ScopeRequired);
    }
    match state {
        ApiKey::Absent => {
            let Key { key, name, digest, scopes, expires_at } = wanted;
            Ok(vec![AccessEvent::KeyCreated { key, name, digest, scopes, expires_at }])
        }
        ApiKey::Active(made) if *made == wanted => Ok(vec![]),
        ApiKey::Active(_) | ApiKey::Revoked(_) => Err(AccessError::KeyExists),
    }
}

fn revoke(state: &ApiKey) -> Result<Vec<AccessEvent>, AccessError> {
    match state {
        ApiKey::Absent => Err(AccessError::KeyNotFound),
        ApiKey::Active(key) => Ok(vec![AccessEvent::KeyRevoked { key: key.key }]),
        ApiKey::Revoked(_) => Ok(vec![]),
    }
}
