//! Step 4: signed notes (C2SP signed-note), as far as one key type goes: Ed25519, type byte 1.
//!
//! A note is a text, an empty line, and a line `— name base64(key id ‖ signature)` for each signature. Signatures of strangers say
//! nothing and are passed over; each of a given key must be right.

use crate::Wrong;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ed25519_dalek::{PUBLIC_KEY_LENGTH, SIGNATURE_LENGTH, Signature, VerifyingKey};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

/// A head has some hundred bytes, and a line for each witness.
const NOTE_MAX: usize = 64 * 1024;
pub(crate) const SIGNATURE_LINE: &str = "— ";
const ED25519: u8 = 0x01;
const ID_LENGTH: usize = 4;

/// Who may sign: `<name>+<8 hexadecimal digits>+<base64(0x01 ‖ public key)>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    name: String,
    id: [u8; ID_LENGTH],
    public: VerifyingKey,
}

impl Key {
    /// The name, which is that of the log.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// All keys of a text with one on each line.
    ///
    /// # Errors
    /// When a line is no key, or there is none at all.
    pub fn all(text: &str) -> Result<Vec<Self>, Wrong> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let keys = lines.map(Self::from_str).collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() { Err(Wrong::unreadable("the key", "the file is empty")) } else { Ok(keys) }
    }
}

/// Name and id, without the key itself.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}", self.name, hex::encode(self.id))
    }
}

impl FromStr for Key {
    type Err = Wrong;

    fn from_str(text: &str) -> Result<Self, Wrong> {
        let unreadable = |why: &str| Wrong::unreadable("the key", why);
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(encoded)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(unreadable("it is not of the form name+id+key"));
        };
        if !is_name(name) {
            return Err(unreadable("its name is empty or has spaces"));
        }
        let bytes = BASE64_STANDARD.decode(encoded).map_err(|_| unreadable("its last part is no base64"))?;
        let Some((&ED25519, public)) = bytes.split_first() else {
            return Err(unreadable("it is no Ed25519 key (type 1)"));
        };
        let hash = Sha256::new_with_prefix(name).chain_update([b'\n', ED25519]).chain_update(public).finalize();
        if hex::encode(&hash[..ID_LENGTH]) != id {
            return Err(unreadable("its id does not belong to this name and key: a letter is wrong somewhere"));
        }
        let public = <[u8; PUBLIC_KEY_LENGTH]>::try_from(public).ok();
        let public = public.and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok()).filter(|key| !key.is_weak());
        let public = public.ok_or_else(|| unreadable("it is no Ed25519 key, or a weak one"))?;
        Ok(Self { name: name.to_owned(), id: [hash[0], hash[1], hash[2], hash[3]], public })
    }
}

/// The text of a note, and who of the given keys has signed it.
///
/// # Errors
/// When it is no note, when none of the keys has signed it, or when a signature of one of them is wrong.
pub fn open<'n, 'k>(note: &'n str, keys: &'k [Key]) -> Result<(&'n str, &'k Key), Wrong> {
    let (text, lines) = parts(note)?;
    let (mut signer, mut strangers) = (None, Vec::new());
    for line in lines.lines() {
        let (name, id, signature) = signature(line)?;
        let Some(key) = keys.iter().find(|key| key.name == name && key.id == id) else {
            strangers.push(format!("{name}+{}", hex::encode(id)));
            continue;
        };
        let is_right = Signature::from_slice(&signature)
            .is_ok_and(|signature| key.public.verify_strict(text.as_bytes(), &signature).is_ok());
        if !is_right {
            return Err(Wrong::Signature { key: key.to_string() });
        }
        signer = signer.or(Some(key));
    }
    match signer {
        Some(key) => Ok((text, key)),
        None => Err(Wrong::UnknownKey { signers: format!("{:?}", strangers.join(", ")) }),
    }
}

/// The text with its last line break, and the lines of signatures with theirs.
fn parts(note: &str) -> Result<(&str, &str), Wrong> {
    let unreadable = |why: &str| Wrong::unreadable("the signed head", why);
    if note.len() > NOTE_MAX {
        return Err(unreadable("it is too long"));
    }
    if note.chars().any(|letter| letter.is_control() && letter != '\n') {
        return Err(unreadable("there are control characters in it"));
    }
    let end = note.rfind("\n\n").ok_or_else(|| unreadable("there is no empty line before the signatures"))?;
    let (text, lines) = (&note[..=end], &note[end + 2..]);
    if lines.is_empty() || !lines.ends_with('\n') {
        return Err(unreadable("there is no signature, or it is not a whole line"));
    }
    Ok((text, lines))
}

/// Name, id of the key, signature.
fn signature(line: &str) -> Result<(&str, [u8; ID_LENGTH], Vec<u8>), Wrong> {
    let unreadable = || Wrong::unreadable("the signature", format!("{line:?} is not of the form — name base64"));
    let (name, encoded) =
        line.strip_prefix(SIGNATURE_LINE).and_then(|rest| rest.split_once(' ')).ok_or_else(unreadable)?;
    let bytes = BASE64_STANDARD.decode(encoded).map_err(|_| unreadable())?;
    let (id, signature) = bytes.split_first_chunk().ok_or_else(unreadable)?;
    // Those of strangers may have other lengths.
    if is_name(name) && !signature.is_empty() { Ok((name, *id, signature.to_vec())) } else { Err(unreadable()) }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|letter: char| letter.is_whitespace() || letter.is_control() || letter == '+')
}

/// So that nobody takes a key of another scheme for one of ours.
const _: () = assert!(SIGNATURE_LENGTH == 64 && PUBLIC_KEY_LENGTH == 32);
