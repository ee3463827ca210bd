//! Notes that are signed, as C2SP signed-note says: the heads of the log, and whatever else an installation says under its name.
//!
//! ```text
//! note         = text ‖ "\n" ‖ one line a signature          text ends with "\n"
//! signature    = "— " name " " base64(key id ‖ Ed25519(text)) "\n"
//! signing key  = "PRIVATE+KEY+" name "+" hex(key id) "+" base64(0x01 ‖ seed)
//! verifier key = name "+" hex(key id) "+" base64(0x01 ‖ public key)
//! key id       = the first 4 bytes of SHA-256(name ‖ "\n" ‖ 0x01 ‖ public key)
//! ```
//!
//! The text forms of the keys are those of Go's `sumdb/note`, so that tools of others read them. What a text means is not known here.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::Arc;

/// The algorithm byte of Ed25519.
const ED25519: u8 = 0x01;
const PRIVATE: &str = "PRIVATE+KEY+";
/// What the line of a signature begins with.
pub const SIGNATURE_LINE: &str = "— ";
const KEY_ID_LENGTH: usize = 4;
/// More lines than this are no signatures of honest people.
const SIGNATURES_MAX: usize = 100;

/// The key that signs for the log. It never shows itself.
#[derive(Clone)]
pub struct LogKey {
    /// Which log key it is.
    pub version: i16,
    name: Arc<str>,
    signing: Arc<SigningKey>,
}

/// What tells whether a note was signed by the key of this name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: Arc<str>,
    public: VerifyingKey,
}

/// A text that is no key of a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no key for signed notes")]
pub struct MalformedKey;

/// Why a note is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// It is no signed note.
    #[error("this is no signed note")]
    Malformed,
    /// Nobody who is known has signed it.
    #[error("the note is signed by none of the known keys")]
    UnknownKey,
    /// A known key is named, but did not sign this text.
    #[error("the signature of {0} does not fit the text")]
    WrongSignature(String),
}

impl fmt::Debug for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogKey({}, …)", self.name)
    }
}

impl LogKey {
    /// A fresh key of a fresh name.
    ///
    /// # Panics
    /// When the operating system gives no randomness: nothing may go on then.
    #[must_use]
    pub fn random() -> Self {
        let (mut seed, mut name) = ([0; 32], [0; 8]);
        getrandom::fill(&mut seed).expect("the operating system gives randomness");
        getrandom::fill(&mut name).expect("the operating system gives randomness");
        Self::new(&format!("clientela/{}", hex::encode(name)), &seed)
    }

    /// Reads the text form, with or without white space around it.
    ///
    /// # Errors
    /// When it is none, or its parts do not fit each other.
    pub fn parse(text: &str) -> Result<Self, MalformedKey> {
        let (name, id, seed) = parts(text.trim().strip_prefix(PRIVATE).ok_or(MalformedKey)?)?;
        let key = Self::new(name, &seed);
        if key.verifier().id() == id { Ok(key) } else { Err(MalformedKey) }
    }

    /// The text form, which is to be kept secret.
    #[must_use]
    pub fn secret_text(&self) -> String {
        let id = hex::encode(self.verifier().id());
        format!("{PRIVATE}{}+{id}+{}", self.name, encoded_key(self.signing.as_bytes()))
    }

    /// The name of the log: the origin of its heads.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What tells whether a note was signed by this key.
    #[must_use]
    pub fn verifier(&self) -> VerifierKey {
        VerifierKey { name: Arc::clone(&self.name), public: self.signing.verifying_key() }
    }

    /// The whole note of a text, which ends with a line feed.
    #[must_use]
    pub fn sign(&self, text: &str) -> String {
        let signature = self.signing.sign(text.as_bytes()).to_bytes();
        let signed = [self.verifier().id().as_slice(), &signature].concat();
        format!("{text}\n{SIGNATURE_LINE}{} {}\n", self.name, STANDARD.encode(signed))
    }

    fn new(name: &str, seed: &[u8; 32]) -> Self {
        Self { version: 1, name: name.into(), signing: Arc::new(SigningKey::from_bytes(seed)) }
    }
}

impl VerifierKey {
    /// Reads the text form, with or without white space around it.
    ///
    /// # Errors
    /// When it is none, or its parts do not fit each other.
    pub fn parse(text: &str) -> Result<Self, MalformedKey> {
        let (name, id, public) = parts(text.trim())?;
        let key = Self::new(name, &public)?;
        if key.id() == id { Ok(key) } else { Err(MalformedKey) }
    }

    /// A key of its parts.
    ///
    /// # Errors
    /// When the name is none, or the bytes are no public key.
    pub fn new(name: &str, public: &[u8; 32]) -> Result<Self, MalformedKey> {
        let public = VerifyingKey::from_bytes(public).map_err(|_| MalformedKey)?;
        if is_name(name) { Ok(Self { name: name.into(), public }) } else { Err(MalformedKey) }
    }

    /// The name of the log.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        self.public.to_bytes()
    }

    fn id(&self) -> [u8; KEY_ID_LENGTH] {
        let mut hasher = Sha256::new_with_prefix(self.name.as_bytes());
        hasher.update([b'\n', ED25519]);
        hasher.update(self.public.as_bytes());
        let hash: [u8; 32] = hasher.finalize().into();
        let (id, _) = hash.split_first_chunk().expect("32 bytes begin with 4");
        *id
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}+{}", self.name, hex::encode(self.id()), encoded_key(self.public.as_bytes()))
    }
}

/// The text of a note that one of these keys has signed. Signatures of others count for nothing.
///
/// # Errors
/// When it is no note, a known key did not sign this text, or no known key signed it.
pub fn open<'a>(note: &'a str, known: &[VerifierKey]) -> Result<&'a str, NoteError> {
    let (text, lines) = split(note)?;
    let mut is_signed = false;
    for line in lines.lines() {
        let (name, signed) = signature(line).ok_or(NoteError::Malformed)?;
        let (id, bytes) = signed.split_first_chunk::<KEY_ID_LENGTH>().ok_or(NoteError::Malformed)?;
        let Some(key) = known.iter().find(|key| &*key.name == name && key.id() == *id) else { continue };
        let fits = Signature::from_slice(bytes).is_ok_and(|it| key.public.verify_strict(text.as_bytes(), &it).is_ok());
        if !fits {
            return Err(NoteError::WrongSignature(name.to_owned()));
        }
        is_signed = true;
    }
    if is_signed { Ok(text) } else { Err(NoteError::UnknownKey) }
}

/// The text with its last line feed, and the lines of signatures.
fn split(note: &str) -> Result<(&str, &str), NoteError> {
    let is_text = note.chars().all(|character| character == '\n' || !character.is_ascii_control());
    let end = note.rfind("\n\n").filter(|_| is_text && note.ends_with('\n')).ok_or(NoteError::Malformed)?;
    let (text, lines) = (&note[..=end], &note[end + 2..]);
    let count = lines.lines().count();
    if (1..=SIGNATURES_MAX).contains(&count) { Ok((text, lines)) } else { Err(NoteError::Malformed) }
}

fn signature(line: &str) -> Option<(&str, Vec<u8>)> {
    let (name, signed) = line.strip_prefix(SIGNATURE_LINE)?.split_once(' ')?;
    let signed = STANDARD.decode(signed).ok()?;
    is_name(name).then_some((name, signed))
}

/// Name, key id and key of a text form without its prefix.
fn parts(text: &str) -> Result<(&str, [u8; KEY_ID_LENGTH], [u8; 32]), MalformedKey> {
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(MalformedKey);
    };
    let id = hex::decode(id).ok().and_then(|id| id.try_into().ok()).ok_or(MalformedKey)?;
    let key = STANDARD.decode(key).map_err(|_| MalformedKey)?;
    match key.split_first() {
        Some((&ED25519, key)) if is_name(name) => Ok((name, id, key.try_into().map_err(|_| MalformedKey)?)),
        _ => Err(MalformedKey),
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|character| character.is_whitespace() || character == '+')
}

fn encoded_key(key: &[u8; 32]) -> String {
    STANDARD.encode([[ED25519].as_slice(), key].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    // The key pair and the note of the documentation of Go's `sumdb/note`.
    const SECRET: &str = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    const PUBLIC: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const TEXT: &str =
        "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
    const LINE: &str =
        "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    #[test]
    fn keys_and_notes_are_those_of_other_tools() {
        let key = LogKey::parse(SECRET).unwrap();
        assert_eq!(key.verifier().to_string(), PUBLIC);
        assert_eq!(key.secret_text(), SECRET);
        assert_eq!(key.sign(TEXT), format!("{TEXT}\n{LINE}"));
        assert_eq!(VerifierKey::parse(PUBLIC), Ok(key.verifier()));
        assert_eq!(VerifierKey::new("PeterNeumann", &key.verifier().public()), Ok(key.verifier()));
    }

    #[test]
    fn a_note_is_opened_by_an_independent_implementation_and_one_of_it_by_ours() {
        let key = LogKey::random();
        let text = "origin\n12\n\nwith an empty line\n";
        let other = signed_note::StandardVerifier::new(&key.verifier().to_string()).unwrap();
        let note = signed_note::Note::from_bytes(key.sign(text).as_bytes()).unwrap();
        let (opened, _) = note.verify(&signed_note::VerifierList::new(vec![Box::new(other)])).unwrap();
        assert_eq!(opened.len(), 1);
        let signer = signed_note::StandardSigner::new(&key.secret_text()).unwrap();
        let mut note = signed_note::Note::new(text.as_bytes(), &[]).unwrap();
        note.add_sigs(&[&signer]).unwrap();
        let note = String::from_utf8(note.to_bytes()).unwrap();
        assert_eq!(open(&note, &[key.verifier()]), Ok(text));
    }

    #[test]
    fn a_changed_note_is_not_believed() {
        let key = LogKey::random();
        let note = key.sign("origin\n7\n");
        let known = [key.verifier()];
        assert_eq!(open(&note, &known), Ok("origin\n7\n"));
        let changed = note.replacen('7', "8", 1);
        assert_eq!(open(&changed, &known), Err(NoteError::WrongSignature(key.name().to_owned())));
        for (index, _) in note.char_indices() {
            let mut bytes = note.clone().into_bytes();
            bytes[index] ^= 1;
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            assert!(open(&changed, &known).is_err(), "byte {index}");
        }
    }

    #[test]
    fn only_known_keys_count() {
        let (ours, other) = (LogKey::random(), LogKey::random());
        let note = ours.sign("a\n");
        assert_eq!(open(&note, &[other.verifier()]), Err(NoteError::UnknownKey));
        let both = format!("{note}{}", other.sign("a\n").split_once("\n\n").unwrap().1);
        assert_eq!(open(&both, &[other.verifier()]), Ok("a\n"));
        assert_eq!(open(&both, &[other.verifier(), ours.verifier()]), Ok("a\n"));
        // One name, two keys: the key id tells them apart.
        let same_name = VerifierKey::new(ours.name(), &other.verifier().public()).unwrap();
        assert_eq!(open(&note, &[same_name]), Err(NoteError::UnknownKey));
    }

    #[test]
    fn what_is_no_note_is_refused() {
        for text in [
            "",
            "\n",
            "\n\n",
            "a\n\n",
            "a\n\n- x AAAAAAA=\n",
            "a\n\n— x AAAAAAA=",
            "a\u{7}\n\n— x AAAAAAA=\n",
            "a\n\n— x AA==\n",
            "a\n\n— x+y AAAAAAA=\n",
        ] {
            assert_eq!(open(text, &[]), Err(NoteError::Malformed), "{text:?}");
        }
        let many = format!("a\n\n{}", "— x AAAAAAA=\n".repeat(SIGNATURES_MAX + 1));
        assert_eq!(open(&many, &[]), Err(NoteError::Malformed));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in [
            "",
            "a",
            "a+b",
            "a+c74f20a3+",
            &PUBLIC[1..],
            &PUBLIC[..60],
            &PUBLIC.replace("+c7", "+c8"),
            &PUBLIC.replace("+AR", "+AB"),
            SECRET,
        ] {
            assert_eq!(VerifierKey::parse(text), Err(MalformedKey), "{text}");
        }
        assert!(LogKey::parse(PUBLIC).is_err());
        assert!(LogKey::parse(&SECRET.replace("+c7", "+c8")).is_err());
        assert!(VerifierKey::parse(&format!(" {PUBLIC}\n")).is_ok(), "a file ends with a line feed");
    }

    #[test]
    fn a_key_does_not_show_itself() {
        assert_eq!(format!("{:?}", LogKey::parse(SECRET).unwrap()), "LogKey(PeterNeumann, …)");
    }
}
