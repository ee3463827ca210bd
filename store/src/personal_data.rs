//! Personal data is stored sealed, under one key per subject. Who destroys the key destroys the data.
//!
//! * **Box** of an event: `0x01 ‖ nonce (24) ‖ XChaCha20-Poly1305(subject key, nonce, plaintext, AAD)`, with
//!   AAD = `"clientela/event/v1" ‖ tenant (4, BE) ‖ len(category) (4, BE) ‖ category ‖ stream (16) ‖ version (4, BE)`: a box
//!   opens only where it was written.
//! * **Wrapped subject key**: the same box format under the master key, with
//!   AAD = `"clientela/subject-key/v1" ‖ tenant (4, BE) ‖ subject (16) ‖ master version (2, BE)`.
//! * **Fingerprint** of a request, as it is stored: the first 16 bytes of HMAC-SHA256(claim key,
//!   `"clientela/fingerprint/v1" ‖ tenant (4, BE) ‖ the 16 bytes given`). A request may be a telephone number and little else: without the
//!   key nobody can try all of them, also not after the person was erased.
//! * **Mark** of a feed ticket: HMAC-SHA256(HMAC-SHA256(master key, `"clientela/ticket-key/v1"`), `"clientela/feed-ticket/v1" ‖ what
//!   the ticket says`). Tickets are for hours: those of an older master key are refused.
//! * **Claim hash**: HMAC-SHA256(claim key, `"clientela/claim/v1" ‖ tenant (4, BE) ‖ len(kind) (4, BE) ‖ kind ‖ value`).
//!
//! Nonces are random: 24 bytes make a repeat impossible in practice (draft-irtf-cfrg-xchacha-03 §1).

use crate::key_versions::{ClaimKeys, KeyVersions, MasterKeys};
use crate::signed_note::LogKey;
use crate::{ClaimKey, StreamId, TenantId, Version};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretBox};
use sha2::Sha256;
use std::fmt;
use std::sync::Arc;
use uuid::Uuid;

const BOX_FORMAT: u8 = 0x01;
const NONCE_LENGTH: usize = 24;

/// A 32-byte secret key that never shows itself.
#[derive(Clone)]
pub struct SecretKey(Arc<SecretBox<[u8; 32]>>);

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

impl SecretKey {
    /// A key from its bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Arc::new(SecretBox::new(Box::new(bytes))))
    }

    /// A fresh random key.
    ///
    /// # Panics
    /// When the operating system gives no randomness: nothing may go on then.
    #[must_use]
    pub fn random() -> Self {
        Self::new(random())
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&Key::from(*self.0.expose_secret()))
    }
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives randomness");
    bytes
}

/// A box that does not open: another key, another place, or changed bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sealed data does not open with this key in this place")]
pub struct Unopenable;

/// Where a box belongs.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Whose stream.
    pub tenant: TenantId,
    /// The stream.
    pub stream: StreamId,
    /// The version.
    pub version: Version,
}

impl Place {
    fn bytes(&self, purpose: &[u8]) -> Vec<u8> {
        let category = self.stream.category.as_bytes();
        let mut aad = purpose.to_vec();
        aad.extend_from_slice(&self.tenant.0.to_be_bytes());
        aad.extend_from_slice(&(category.len() as u32).to_be_bytes());
        aad.extend_from_slice(category);
        aad.extend_from_slice(self.stream.id.as_bytes());
        aad.extend_from_slice(&self.version.to_be_bytes());
        aad
    }
}

/// The data key of one subject.
#[derive(Debug, Clone)]
pub struct SubjectKey(SecretKey);

impl SubjectKey {
    /// A fresh key for a new subject.
    #[must_use]
    pub fn random() -> Self {
        Self(SecretKey::random())
    }

    /// Seals the personal part of an event.
    #[must_use]
    pub fn seal_event(&self, place: &Place, plain: &[u8]) -> Vec<u8> {
        seal(&self.0, &place.bytes(b"clientela/event/v1"), plain)
    }

    /// Opens it.
    ///
    /// # Errors
    /// When the box is not this subject's, not of this place, or was changed.
    pub fn open_event(&self, place: &Place, sealed: &[u8]) -> Result<Vec<u8>, Unopenable> {
        open(&self.0, &place.bytes(b"clientela/event/v1"), sealed)
    }

    pub(crate) fn seal_snapshot(&self, place: &Place, plain: &[u8]) -> Vec<u8> {
        seal(&self.0, &place.bytes(b"clientela/snapshot/v1"), plain)
    }

    pub(crate) fn open_snapshot(&self, place: &Place, sealed: &[u8]) -> Result<Vec<u8>, Unopenable> {
        open(&self.0, &place.bytes(b"clientela/snapshot/v1"), sealed)
    }
}

/// The master key that wraps all subject keys.
#[derive(Debug, Clone)]
pub struct MasterKey {
    /// Which master key it is: a rotation counts up.
    pub version: i16,
    /// The key.
    pub key: SecretKey,
}

impl MasterKey {
    pub(crate) fn wrap(&self, tenant: TenantId, subject: Uuid, key: &SubjectKey) -> Vec<u8> {
        seal(&self.key, &self.place_of(tenant, subject), key.0.0.expose_secret())
    }

    pub(crate) fn unwrap(&self, tenant: TenantId, subject: Uuid, wrapped: &[u8]) -> Result<SubjectKey, Unopenable> {
        let plain = open(&self.key, &self.place_of(tenant, subject), wrapped)?;
        Ok(SubjectKey(SecretKey::new(plain.try_into().map_err(|_| Unopenable)?)))
    }

    /// The key of snapshots whose stream has no subject.
    pub(crate) fn snapshot_key(&self) -> SubjectKey {
        SubjectKey(SecretKey::new(keyed_hash(&self.key, &[b"clientela/snapshot-key/v1"])))
    }

    fn place_of(&self, tenant: TenantId, subject: Uuid) -> Vec<u8> {
        let mut aad = b"clientela/subject-key/v1".to_vec();
        aad.extend_from_slice(&tenant.0.to_be_bytes());
        aad.extend_from_slice(subject.as_bytes());
        aad.extend_from_slice(&self.version.to_be_bytes());
        aad
    }
}

/// The key that marks feed tickets: the same on all nodes and after each restart, and never kept anywhere.
#[derive(Debug, Clone)]
pub struct TicketKey(MasterKeys);

impl TicketKey {
    pub(crate) fn new(master: MasterKeys) -> Self {
        Self(master)
    }

    /// The mark that only an installation with this key can make.
    #[must_use]
    pub fn mark(&self, ticket: &[u8]) -> [u8; 32] {
        let key = SecretKey::new(keyed_hash(&self.0.current().key, &[b"clientela/ticket-key/v1"]));
        keyed_hash(&key, &[b"clientela/feed-ticket/v1", ticket])
    }
}

/// The key under which claims are hashed; apart from the master key, because claims must survive its rotation.
#[derive(Debug, Clone)]
pub struct ClaimHashKey {
    /// Which claim key it is.
    pub version: i16,
    /// The key.
    pub key: SecretKey,
}

impl ClaimHashKey {
    /// What stands in the log in place of a request's fingerprint.
    #[must_use]
    pub fn fingerprint(&self, tenant: TenantId, given: &[u8; 16]) -> [u8; 16] {
        let hash = keyed_hash(&self.key, &[b"clientela/fingerprint/v1", &tenant.0.to_be_bytes(), given]);
        let (stored, _) = hash.split_first_chunk().expect("32 bytes begin with 16");
        *stored
    }

    /// What stands in the table in place of the value.
    #[must_use]
    pub fn hash(&self, tenant: TenantId, claim: &ClaimKey) -> [u8; 32] {
        let kind = claim.kind.as_bytes();
        keyed_hash(
            &self.key,
            &[
                b"clientela/claim/v1",
                &tenant.0.to_be_bytes(),
                &(kind.len() as u32).to_be_bytes(),
                kind,
                claim.value.as_bytes(),
            ],
        )
    }
}

/// The secrets of an installation. All nodes of one log share them.
#[derive(Debug, Clone)]
pub struct Keys {
    /// Wrap the subject keys.
    pub master: MasterKeys,
    /// Hash the claims.
    pub claims: ClaimKeys,
    /// Signs for the log.
    pub log: LogKey,
}

impl Keys {
    /// Fresh keys, all of version 1.
    #[must_use]
    pub fn random() -> Self {
        Self {
            master: MasterKeys(KeyVersions::new(1, SecretKey::random())),
            claims: ClaimKeys(KeyVersions::new(1, SecretKey::random())),
            log: LogKey::random(),
        }
    }
}

/// A value that tells whether a key is the one that was used before, and nothing else of it.
pub(crate) fn check_value(key: &SecretKey) -> [u8; 32] {
    keyed_hash(key, &[b"clientela/key-check/v1"])
}

fn keyed_hash(key: &SecretKey, parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.0.expose_secret()).expect("HMAC takes a key of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

fn seal(key: &SecretKey, aad: &[u8], plain: &[u8]) -> Vec<u8> {
    let nonce: [u8; NONCE_LENGTH] = random();
    let sealed = key
        .cipher()
        .encrypt(&XNonce::from(nonce), Payload { msg: plain, aad })
        .expect("encryption into memory fails for texts of 256 GiB and more only");
    let mut whole = Vec::with_capacity(1 + NONCE_LENGTH + sealed.len());
    whole.push(BOX_FORMAT);
    whole.extend_from_slice(&nonce);
    whole.extend_from_slice(&sealed);
    whole
}

fn open(key: &SecretKey, aad: &[u8], whole: &[u8]) -> Result<Vec<u8>, Unopenable> {
    let Some((&BOX_FORMAT, rest)) = whole.split_first() else { return Err(Unopenable) };
    let (nonce, sealed) = rest.split_at_checked(NONCE_LENGTH).ok_or(Unopenable)?;
    let nonce: [u8; NONCE_LENGTH] = nonce.try_into().map_err(|_| Unopenable)?;
    key.cipher().decrypt(&XNonce::from(nonce), Payload { msg: sealed, aad }).map_err(|_| Unopenable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(version: Version) -> Place {
        Place { tenant: TenantId(1), stream: StreamId { category: "customer", id: Uuid::from_u128(5) }, version }
    }

    #[test]
    fn a_box_opens_only_with_its_key_and_in_its_place() {
        let key = SubjectKey::random();
        let sealed = key.seal_event(&place(1), b"Ana");
        assert_eq!(key.open_event(&place(1), &sealed), Ok(b"Ana".to_vec()));
        assert_eq!(key.open_event(&place(2), &sealed), Err(Unopenable));
        assert_eq!(SubjectKey::random().open_event(&place(1), &sealed), Err(Unopenable));
        for index in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[index] ^= 1;
            assert_eq!(key.open_event(&place(1), &changed), Err(Unopenable), "byte {index}");
        }
        assert_eq!(key.open_event(&place(1), &[]), Err(Unopenable));
    }

    #[test]
    fn a_box_written_by_the_first_release_still_opens() {
        let key = SubjectKey(SecretKey::new([7; 32]));
        let sealed = hex::decode("01000102030405060708090a0b0c0d0e0f1011121314151617d335c5e49779799f0786ef26c49ff7575de1483b4c2fecc7b82443df749a").expect("hex");
        assert_eq!(key.open_event(&place(1), &sealed), Ok(b"{\"name\":\"Ana\"}".to_vec()));
    }

    #[test]
    fn a_wrapped_key_belongs_to_its_subject() {
        let master = Keys::random().master.current();
        let key = SubjectKey::random();
        let wrapped = master.wrap(TenantId(1), Uuid::from_u128(5), &key);
        let unwrapped = master.unwrap(TenantId(1), Uuid::from_u128(5), &wrapped).expect("its own");
        assert_eq!(unwrapped.0.0.expose_secret(), key.0.0.expose_secret());
        assert!(master.unwrap(TenantId(1), Uuid::from_u128(6), &wrapped).is_err());
        assert!(master.unwrap(TenantId(2), Uuid::from_u128(5), &wrapped).is_err());
    }

    #[test]
    fn the_hash_of_a_claim_is_the_vector() {
        let key = ClaimHashKey { version: 1, key: SecretKey::new([9; 32]) };
        let claim = ClaimKey { kind: "email".into(), value: "ana@example.org".into() };
        assert_eq!(
            hex::encode(key.hash(TenantId(1), &claim)),
            "30124afc0da805020fb136e350150c1059c41259d14fe79e3b60c1e6aa44faa3"
        );
        assert_ne!(key.hash(TenantId(1), &claim), key.hash(TenantId(2), &claim));
    }

    #[test]
    fn a_stored_fingerprint_is_the_vector() {
        let key = ClaimHashKey { version: 1, key: SecretKey::new([9; 32]) };
        assert_eq!(hex::encode(key.fingerprint(TenantId(1), &[3; 16])), "ea54b17050dc25b04ce89b09d9f039e4");
        assert_ne!(key.fingerprint(TenantId(1), &[3; 16]), key.fingerprint(TenantId(2), &[3; 16]));
    }

    #[test]
    fn a_key_does_not_show_itself() {
        assert_eq!(format!("{:?}", SecretKey::new([1; 32])), "SecretKey(…)");
    }
}
