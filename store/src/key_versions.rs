//! Keys with versions: one that is written with, and others that are only read with, older ones or one that is still to come.
//!
//! Which one is written with is said by the log (`key_checks`), not by whoever gives the keys: so nodes may be given the next key
//! one after the other, and all begin to use it in the same moment. A copy of a ring is the same ring.

use crate::personal_data::{ClaimHashKey, MasterKey, SecretKey, SubjectKey, TicketKey, Unopenable};
use crate::{ClaimKey, TenantId};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// How often a source is asked again for a version that it did not have.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Where keys may be found that were not there when the node started, such as a folder of files.
pub trait KeySource: fmt::Debug + Send + Sync + 'static {
    /// The key of this version, if there is one by now. Asked at most once a second for each version, and must be quick.
    fn find(&self, version: i16) -> Option<SecretKey>;
}

/// All keys of one purpose that a node has.
#[derive(Clone)]
pub struct KeyVersions(Arc<RwLock<Held>>);

struct Held {
    keys: BTreeMap<i16, SecretKey>,
    current: i16,
    retired: BTreeSet<i16>,
    source: Option<Arc<dyn KeySource>>,
    asked: HashMap<i16, Instant>,
}

impl fmt::Debug for KeyVersions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = self.read();
        write!(f, "KeyVersions({:?}, current {})", held.keys.keys().collect::<Vec<_>>(), held.current)
    }
}

impl KeyVersions {
    /// One key, which is written with.
    #[must_use]
    pub fn new(version: i16, key: SecretKey) -> Self {
        let keys = BTreeMap::from([(version, key)]);
        let (retired, asked) = (BTreeSet::new(), HashMap::new());
        Self(Arc::new(RwLock::new(Held { keys, current: version, retired, source: None, asked })))
    }

    /// One more key. Until a log says otherwise the newest is the one that is written with.
    #[must_use]
    pub fn and(self, version: i16, key: SecretKey) -> Self {
        let mut held = self.write();
        held.keys.insert(version, key);
        held.current = held.current.max(version);
        drop(held);
        self
    }

    /// Where to look for keys that come later.
    #[must_use]
    pub fn found_in(self, source: Arc<dyn KeySource>) -> Self {
        self.write().source = Some(source);
        self
    }

    /// The key that is written with.
    #[must_use]
    pub fn current(&self) -> (i16, SecretKey) {
        let held = self.read();
        let key = held.keys.get(&held.current).expect("the current key is never forgotten");
        (held.current, key.clone())
    }

    /// Version of the key that is written with.
    #[must_use]
    pub fn version(&self) -> i16 {
        self.read().current
    }

    /// All keys, the newest first.
    #[must_use]
    pub fn all(&self) -> Vec<(i16, SecretKey)> {
        self.read().keys.iter().rev().map(|(version, key)| (*version, key.clone())).collect()
    }

    /// The key of a version, looked for in the source if it is not there yet.
    #[must_use]
    pub fn find(&self, version: i16) -> Option<SecretKey> {
        if let Some(key) = self.read().keys.get(&version) {
            return Some(key.clone());
        }
        let mut held = self.write();
        let source = held.source.clone()?;
        if held.asked.get(&version).is_some_and(|asked| asked.elapsed() < ASK_AGAIN_AFTER) {
            return None;
        }
        match source.find(version) {
            Some(key) => {
                held.asked.remove(&version);
                held.keys.insert(version, key.clone());
                Some(key)
            }
            None => {
                held.asked.insert(version, Instant::now());
                None
            }
        }
    }

    /// Writes with this version from now on; `false` when there is no such key.
    pub(crate) fn make_current(&self, version: i16) -> bool {
        let mut held = self.write();
        let is_there = held.keys.contains_key(&version);
        if is_there {
            held.current = version;
        }
        is_there
    }

    /// Lets go of a key that nothing needs any more; never of the current one.
    pub(crate) fn forget(&self, version: i16) {
        let mut held = self.write();
        if version != held.current {
            held.keys.remove(&version);
        }
    }

    /// No row stands under this version any more, but it is kept.
    pub(crate) fn retire(&self, version: i16) {
        self.write().retired.insert(version);
    }

    fn is_retired(&self, version: i16) -> bool {
        self.read().retired.contains(&version)
    }

    fn read(&self) -> RwLockReadGuard<'_, Held> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Held> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why the key of a subject cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnwrapError {
    /// It was wrapped with a master key that this node was not given.
    #[error("master key {0} is missing on this node")]
    MissingMaster(i16),
    /// It does not open.
    #[error(transparent)]
    Unopenable(#[from] Unopenable),
}

/// The master keys of a node.
#[derive(Debug, Clone)]
pub struct MasterKeys(pub KeyVersions);

impl MasterKeys {
    /// The key that wraps new subject keys.
    #[must_use]
    pub fn current(&self) -> MasterKey {
        let (version, key) = self.0.current();
        MasterKey { version, key }
    }

    /// Opens a subject's key that was wrapped with this version.
    ///
    /// # Errors
    /// When the node lacks that version, or it does not open.
    pub(crate) fn unwrap(
        &self,
        version: i16,
        (tenant, subject): (TenantId, Uuid),
        wrapped: &[u8],
    ) -> Result<SubjectKey, UnwrapError> {
        let key = self.0.find(version).ok_or(UnwrapError::MissingMaster(version))?;
        Ok(MasterKey { version, key }.unwrap(tenant, subject, wrapped)?)
    }

    /// The key that marks feed tickets. It follows a rotation: tickets of the older master key are refused then.
    #[must_use]
    pub fn ticket_key(&self) -> TicketKey {
        TicketKey::new(self.clone())
    }
}

/// The claim keys of a node.
#[derive(Debug, Clone)]
pub struct ClaimKeys(pub KeyVersions);

impl ClaimKeys {
    /// The key under which claims are taken.
    #[must_use]
    pub fn current(&self) -> ClaimHashKey {
        let (version, key) = self.0.current();
        ClaimHashKey { version, key }
    }

    /// All of them in this moment, with the current one first.
    #[must_use]
    pub fn now(&self) -> ClaimKeysNow {
        let current = self.current();
        let others = self.0.all().into_iter().filter(|(version, _)| *version != current.version);
        let others = others.map(|(version, key)| ClaimHashKey { version, key });
        let (retired, others) = others.partition(|key| self.0.is_retired(key.version));
        ClaimKeysNow { current, others, retired }
    }
}

/// The claim keys as they were at one moment.
#[derive(Debug, Clone)]
pub struct ClaimKeysNow {
    /// Claims are taken under this one.
    pub current: ClaimHashKey,
    /// Claims that were taken under these still count.
    pub others: Vec<ClaimHashKey>,
    /// No claim stands under these any more, but requests do.
    pub retired: Vec<ClaimHashKey>,
}

impl ClaimKeysNow {
    /// What may stand in the table in place of the value, under the current key first.
    pub(crate) fn hashes(&self, tenant: TenantId, claim: &ClaimKey) -> impl Iterator<Item = [u8; 32]> {
        [&self.current].into_iter().chain(&self.others).map(move |key| key.hash(tenant, claim))
    }

    /// What may stand in the log in place of a request's fingerprint; nothing where there is but one key.
    pub(crate) fn other_fingerprints(&self, tenant: TenantId, given: &[u8; 16]) -> Vec<[u8; 16]> {
        if self.others.is_empty() && self.retired.is_empty() {
            return Vec::new();
        }
        self.fingerprints(tenant, given).collect()
    }

    /// The same under each key.
    pub(crate) fn fingerprints(&self, tenant: TenantId, given: &[u8; 16]) -> impl Iterator<Item = [u8; 16]> {
        let all = [&self.current].into_iter().chain(&self.others).chain(&self.retired);
        all.map(move |key| key.fingerprint(tenant, given))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[derive(Debug)]
    struct Third(AtomicUsize);

    impl KeySource for Third {
        fn find(&self, version: i16) -> Option<SecretKey> {
            self.0.fetch_add(1, Ordering::Relaxed);
            (version == 3).then(|| SecretKey::new([3; 32]))
        }
    }

    fn one() -> KeyVersions {
        KeyVersions::new(1, SecretKey::new([1; 32]))
    }

    #[test]
    fn a_version_that_came_later_is_found_and_one_that_did_not_is_not_asked_for_each_time() {
        let source = Arc::new(Third(AtomicUsize::new(0)));
        let keys = one().found_in(source.clone());
        assert!(keys.find(3).is_some() && keys.find(3).is_some());
        assert!(keys.find(2).is_none() && keys.find(2).is_none());
        assert_eq!(source.0.load(Ordering::Relaxed), 2);
        assert_eq!(keys.version(), 1, "what is found is not written with before the log says so");
    }

    #[test]
    fn a_subject_key_opens_with_the_version_that_wrapped_it() {
        let old = MasterKeys(one());
        let place = (TenantId(1), Uuid::from_u128(5));
        let key = SubjectKey::random();
        let wrapped = old.current().wrap(place.0, place.1, &key);
        let both = MasterKeys(one().and(2, SecretKey::new([2; 32])));
        assert_eq!(both.current().version, 2);
        assert!(both.unwrap(1, place, &wrapped).is_ok());
        assert_eq!(both.unwrap(2, place, &wrapped).unwrap_err(), UnwrapError::Unopenable(Unopenable));
        let new = MasterKeys(KeyVersions::new(2, SecretKey::new([2; 32])));
        assert_eq!(new.unwrap(1, place, &wrapped).unwrap_err(), UnwrapError::MissingMaster(1));
    }

    #[test]
    fn the_current_key_is_never_forgotten_and_tickets_follow_it() {
        let master = MasterKeys(one().and(2, SecretKey::new([2; 32])));
        assert!(master.0.make_current(1) && !master.0.make_current(3));
        let tickets = master.ticket_key();
        let before = tickets.mark(b"ticket");
        assert!(master.0.make_current(2));
        assert_ne!(tickets.mark(b"ticket"), before);
        master.0.forget(2);
        master.0.forget(1);
        assert_eq!(master.0.all().len(), 1);
        assert_eq!(master.0.version(), 2);
    }
}
