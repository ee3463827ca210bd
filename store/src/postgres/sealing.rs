//! Subject keys: kept for at most a minute, made with a subject's first personal event, gone when the subject is erased.

use super::judge::opened;
use crate::key_versions::UnwrapError;
use crate::personal_data::{Keys, Place, SubjectKey, Unopenable};
use crate::{Personal, Position, RecordedEvent, ScannedEvent, StoreError, TenantId};
use moka::sync::Cache;
use sqlx::PgPool;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};
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
    erased: Erased,
}

/// Who was erased since this process began: what was opened before, and is not handed over yet, must not be handed over.
#[derive(Debug, Clone, Default)]
struct Erased(Arc<RwLock<HashSet<Subject>>>);

impl Erased {
    fn add(&self, subjects: &[Subject]) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).extend(subjects);
    }

    fn contains(&self, subject: &Subject) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(subject)
    }
}

impl KeyRing {
    pub(super) fn new(keys: Keys) -> Self {
        Self::kept_for(keys, KEY_TTL)
    }

    fn kept_for(keys: Keys, ttl: Duration) -> Self {
        let cache = Cache::builder().max_capacity(KEYS_MAX).time_to_live(ttl).build();
        Self { keys, cache, erased: Erased::default() }
    }

    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// What was read of a key before its subject was erased counts no more.
    pub(super) fn learn(&self, subject: Subject, state: KeyState) {
        self.cache.insert(subject, state);
        if self.erased.contains(&subject) {
            self.cache.insert(subject, KeyState::Erased);
        }
    }

    /// Lets go of the keys of those who were erased. Without this they would be used for a minute more at most.
    pub(super) fn forget_erased(&self, subjects: &[Subject]) {
        if subjects.is_empty() {
            return;
        }
        self.erased.add(subjects);
        subjects.iter().for_each(|subject| self.cache.insert(*subject, KeyState::Erased));
    }

    /// Without the personal data of whoever was erased since it was opened.
    pub(super) fn as_of_now(&self, mut event: RecordedEvent) -> RecordedEvent {
        if self.was_opened_too_early(&event) {
            event.personal = Personal::Erased;
        }
        event
    }

    /// The same for events that are shared.
    pub(super) fn all_as_of_now(&self, events: &mut [Arc<RecordedEvent>]) {
        for event in events.iter_mut().filter(|event| self.was_opened_too_early(event)) {
            *event = Arc::new(RecordedEvent { personal: Personal::Erased, ..RecordedEvent::clone(event) });
        }
    }

    fn was_opened_too_early(&self, event: &RecordedEvent) -> bool {
        let is_opened = matches!(event.personal, Personal::Opened(_));
        is_opened && event.subject_id.is_some_and(|subject| self.erased.contains(&(event.tenant, subject)))
    }

    pub(super) fn known(&self, subject: &Subject) -> Option<KeyState> {
        self.cache.get(subject)
    }

    /// Reads a row of `subject_keys`.
    pub(super) fn unwrap(
        &self,
        subject: Subject,
        master_version: i16,
        wrapped: Option<&[u8]>,
    ) -> Result<KeyState, UnwrapError> {
        match wrapped {
            None => Ok(KeyState::Erased),
            Some(bytes) => self.keys.master.unwrap(master_version, subject, bytes).map(KeyState::Live),
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
                Some(KeyState::Erased) => Personal::Erased,
                None => return Err(lost(subject.1)),
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
        let rows: Vec<(i32, Uuid, i16, Option<Vec<u8>>)> = sqlx::query_as(
            "select s.tenant, s.subject_id, s.master_version, s.wrapped_key from unnest($1::int4[], $2::uuid[]) as k(tenant, id) \
             cross join lateral (select * from subject_keys where tenant = k.tenant and subject_id = k.id limit 1) s",
        )
        .bind(tenants)
        .bind(ids)
        .fetch_all(pool)
        .await
        .map_err(super::database::unavailable)?;
        for (tenant, id, version, wrapped) in rows {
            let subject = (TenantId(tenant), id);
            let state = self.unwrap(subject, version, wrapped.as_deref()).map_err(|error| not_unwrapped(id, error))?;
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
    erased: Vec<Subject>,
}

impl Sealer {
    pub(super) fn new(states: HashMap<Subject, KeyState>) -> Self {
        Self { states, ..Self::default() }
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

    /// Destroys a subject's key, one that this batch made as well.
    pub(super) fn erase(&mut self, subject: Subject) {
        self.states.insert(subject, KeyState::Erased);
        self.fresh.retain(|(other, _)| *other != subject);
        self.erased.push(subject);
    }

    pub(super) fn erased(&self) -> &[Subject] {
        &self.erased
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

/// What is sealed was sealed under a key that stood in the table: who has none any more has lost it. That is not the same as erased,
/// which somebody has asked for.
fn lost(subject: Uuid) -> StoreError {
    let reason = "this subject has sealed events, but its key is lost: restore the table, or see `clientela doctor`";
    StoreError::Corrupt {
        table: "subject_keys",
        column: "subject_id",
        row: subject.to_string(),
        reason: reason.to_owned(),
    }
}

pub(super) fn not_unwrapped(subject: Uuid, error: UnwrapError) -> StoreError {
    match error {
        UnwrapError::MissingMaster(_) => StoreError::Unavailable(Box::new(error)),
        UnwrapError::Unopenable(error) => StoreError::Corrupt {
            table: "subject_keys",
            column: "wrapped_key",
            row: subject.to_string(),
            reason: error.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{KEY_TTL, KeyRing, KeyState, Subject};
    use crate::TenantId;
    use crate::personal_data::{Keys, SubjectKey};
    use crate::postgres::Pools;
    use crate::postgres::testing::migrated_database;
    use sqlx::PgPool;
    use std::collections::HashSet;
    use std::time::{Duration, Instant};
    use uuid::Uuid;

    const SUBJECT: Subject = (TenantId(1), Uuid::from_u128(5));

    async fn is_live(ring: &KeyRing, pool: &PgPool) -> bool {
        let states = ring.states(pool, HashSet::from([SUBJECT])).await.expect("read");
        matches!(states.get(&SUBJECT), Some(KeyState::Live(_)))
    }

    #[tokio::test]
    async fn a_destroyed_key_opens_nothing_once_the_cache_is_a_minute_old_or_was_told() {
        assert!(KEY_TTL <= Duration::from_secs(60));
        let ttl = Duration::from_millis(1_500);
        let (_test, database) = migrated_database().await;
        let (keys, pool) = (Keys::random(), Pools::new(&database).engine);
        let wrapped = keys.master.current().wrap(SUBJECT.0, SUBJECT.1, &SubjectKey::random());
        sqlx::query("insert into subject_keys (tenant, subject_id, wrapped_key, master_version) values (1, $1, $2, 1)")
            .bind(SUBJECT.1)
            .bind(wrapped)
            .execute(&pool)
            .await
            .expect("inserted");
        let (warm, told) = (KeyRing::kept_for(keys.clone(), ttl), KeyRing::kept_for(keys, Duration::from_secs(600)));
        assert!(is_live(&warm, &pool).await && is_live(&told, &pool).await);
        let destroyed = "update subject_keys set wrapped_key = null, erased_at = now()";
        sqlx::query(destroyed).execute(&pool).await.expect("destroyed by another node");
        let begun = Instant::now();
        assert!(is_live(&warm, &pool).await || begun.elapsed() > ttl / 2, "a warm cache answers without the table");
        told.forget_erased(&[SUBJECT]);
        assert!(!is_live(&told, &pool).await, "who was told does not wait for the minute");
        while begun.elapsed() <= ttl {
            // Being used does not make it live longer.
            let _used = is_live(&warm, &pool).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(!is_live(&warm, &pool).await);
    }
}
