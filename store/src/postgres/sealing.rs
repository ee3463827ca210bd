//! Subject keys: kept for at most a minute, made with a subject's first personal event, gone when the subject is erased.

use super::judge::opened;
use crate::personal_data::{Keys, Place, SubjectKey, Unopenable};
use crate::{Personal, Position, RecordedEvent, ScannedEvent, StoreError, TenantId};
use moka::sync::Cache;
use sqlx::PgPool;
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use uuid::Uuid;

/// Longest time that a key may be used after it was destroyed.
const KEY_TTL: Duration = Duration::from_secs(60);
const KEYS_MAX: u64 = 100_000;

/// A subject of one tenant.
pub(super) type Subject = (TenantId, Uuid);

/// What is known of a subject's key.
#[derive(Debug, Clone)]
pub(super) enum KeyState {
    Live(SubjectKey),
    Erased,
}

/// The subject keys this node has in use.
#[derive(Debug, Clone)]
pub(super) struct KeyRing {
    keys: Keys,
    cache: Cache<Subject, KeyState>,
}

impl KeyRing {
    pub(super) fn new(keys: Keys) -> Self {
        Self { keys, cache: Cache::builder().max_capacity(KEYS_MAX).time_to_live(KEY_TTL).build() }
    }

    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    pub(super) fn learn(&self, subject: Subject, state: KeyState) {
        self.cache.insert(subject, state);
    }

    /// Uses a key no longer: its subject was erased. Without this it would be used for a minute more at most.
    pub(super) fn forget(&self, subject: &Subject) {
        self.cache.invalidate(subject);
    }

    pub(super) fn known(&self, subject: &Subject) -> Option<KeyState> {
        self.cache.get(subject)
    }

    /// Reads a row of `subject_keys`.
    pub(super) fn unwrap(&self, subject: Subject, wrapped: Option<&[u8]>) -> Result<KeyState, Unopenable> {
        match wrapped {
            None => Ok(KeyState::Erased),
            Some(bytes) => self.keys.master.unwrap(subject.0, subject.1, bytes).map(KeyState::Live),
        }
    }

    /// Opens the personal parts of a page of events.
    pub(super) async fn open<E: HasBox>(&self, pool: &PgPool, events: &mut [E]) -> Result<(), StoreError> {
        let wanted = events.iter().filter_map(|event| Some(event.sealed()?.0)).collect();
        let states = self.states(pool, wanted).await?;
        for event in events {
            let Some((subject, sealed)) = event.sealed() else { continue };
            let personal = match states.get(&subject) {
                Some(KeyState::Live(key)) => {
                    let plain = key.open_event(&event.place(), sealed);
                    opened(plain.map_err(|error| corrupt(event.position(), &error))?)
                }
                Some(KeyState::Erased) | None => Personal::Erased,
            };
            event.put(personal);
        }
        Ok(())
    }

    /// The key states of these subjects; a subject without a row is left out.
    pub(super) async fn states(
        &self,
        pool: &PgPool,
        subjects: HashSet<Subject>,
    ) -> Result<HashMap<Subject, KeyState>, StoreError> {
        let (mut states, mut missing) = (HashMap::new(), Vec::new());
        for subject in subjects {
            match self.known(&subject) {
                Some(state) => drop(states.insert(subject, state)),
                None => missing.push(subject),
            }
        }
        if missing.is_empty() {
            return Ok(states);
        }
        let (tenants, ids): (Vec<i32>, Vec<Uuid>) = missing.iter().map(|(tenant, id)| (tenant.0, *id)).unzip();
        let rows: Vec<(i32, Uuid, Option<Vec<u8>>)> = sqlx::query_as(
            "select s.tenant, s.subject_id, s.wrapped_key from unnest($1::int4[], $2::uuid[]) as k(tenant, id) \
             cross join lateral (select * from subject_keys where tenant = k.tenant and subject_id = k.id limit 1) s",
        )
        .bind(tenants)
        .bind(ids)
        .fetch_all(pool)
        .await
        .map_err(super::database::unavailable)?;
        for (tenant, id, wrapped) in rows {
            let subject = (TenantId(tenant), id);
            let state = self.unwrap(subject, wrapped.as_deref()).map_err(|error| corrupt_key(id, &error))?;
            self.learn(subject, state.clone());
            states.insert(subject, state);
        }
        Ok(states)
    }
}

/// The keys of one batch: those that exist, and those that its events bring into being.
#[derive(Debug, Default)]
pub(super) struct Sealer {
    states: HashMap<Subject, KeyState>,
    fresh: Vec<(Subject, SubjectKey)>,
}

impl Sealer {
    pub(super) fn new(states: HashMap<Subject, KeyState>) -> Self {
        Self { states, fresh: Vec::new() }
    }

    pub(super) fn is_erased(&self, tenant: TenantId, subject: Uuid) -> bool {
        matches!(self.states.get(&(tenant, subject)), Some(KeyState::Erased))
    }

    /// Seals under the subject's key, which is made here when the subject has none yet.
    ///
    /// Callers have refused erased subjects before; should one come through, its data is sealed under a key that nobody keeps.
    pub(super) fn seal(&mut self, place: &Place, subject: Uuid, plain: &[u8]) -> Vec<u8> {
        let subject = (place.tenant, subject);
        match self.states.get(&subject) {
            Some(KeyState::Live(key)) => key.seal_event(place, plain),
            Some(KeyState::Erased) => SubjectKey::random().seal_event(place, plain),
            None => {
                let key = SubjectKey::random();
                let sealed = key.seal_event(place, plain);
                self.fresh.push((subject, key.clone()));
                self.states.insert(subject, KeyState::Live(key));
                sealed
            }
        }
    }

    pub(super) fn fresh(&self) -> &[(Subject, SubjectKey)] {
        &self.fresh
    }
}

/// An event whose box can be opened, however it was read.
pub(super) trait HasBox {
    /// The box, if it is closed, and whose it is.
    fn sealed(&self) -> Option<(Subject, &[u8])>;
    fn place(&self) -> Place;
    fn position(&self) -> Position;
    fn put(&mut self, personal: Personal);
}

macro_rules! has_box {
    ($event:ty) => {
        impl HasBox for $event {
            fn sealed(&self) -> Option<(Subject, &[u8])> {
                let Personal::Sealed(sealed) = &self.personal else { return None };
                Some(((self.tenant, self.subject_id?), sealed))
            }

            fn place(&self) -> Place {
                Place { tenant: self.tenant, stream: self.stream, version: self.version }
            }

            fn position(&self) -> Position {
                self.position
            }

            fn put(&mut self, personal: Personal) {
                self.personal = personal;
            }
        }
    };
}

has_box!(RecordedEvent);
has_box!(ScannedEvent);

fn corrupt(position: Position, error: &Unopenable) -> StoreError {
    StoreError::Corrupt { table: "events", column: "personal", row: position.to_string(), reason: error.to_string() }
}

fn corrupt_key(subject: Uuid, error: &Unopenable) -> StoreError {
    StoreError::Corrupt {
        table: "subject_keys",
        column: "wrapped_key",
        row: subject.to_string(),
        reason: error.to_string(),
    }
}
