//! The text of a head: a checkpoint of C2SP tlog-checkpoint without extensions, signed as a note.
//!
//! ```text
//! checkpoint = origin ‖ "\n" ‖ size in decimal digits ‖ "\n" ‖ base64(root) ‖ "\n"
//! ```

use crate::merkle::Hash;
use crate::signed_note::{VerifierKey, open};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What is signed.
#[must_use]
pub fn text(origin: &str, size: u64, root: &Hash) -> String {
    format!("{origin}\n{size}\n{}\n", STANDARD.encode(root))
}

/// The size and the root that a signed head says.
///
/// # Errors
/// Why it is none of a log whose key is known.
pub fn read(note: &str, known: &[VerifierKey]) -> Result<(u64, Hash), String> {
    let text = open(note, known).map_err(|error| error.to_string())?;
    let mut lines = text.lines();
    let parts = (lines.next(), lines.next(), lines.next(), lines.next());
    let (Some(origin), Some(size), Some(root), None) = parts else { return Err("this is no head".to_owned()) };
    let (size, root) = (size.parse().ok(), STANDARD.decode(root).ok().and_then(|root| root.try_into().ok()));
    match (size, root) {
        (Some(size @ 1..), Some(root)) if known.iter().any(|key| key.name() == origin) => Ok((size, root)),
        (Some(1..), Some(_)) => Err(format!("it is the head of another log, {origin}")),
        _ => Err("this is no head".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::{read, text};
    use crate::signed_note::LogKey;

    #[test]
    fn a_head_comes_back_as_it_was_signed_and_nothing_else_is_one() {
        let key = LogKey::random();
        let known = [key.verifier()];
        let head = text(key.name(), 7, &[7; 32]);
        assert_eq!(read(&key.sign(&head), &known), Ok((7, [7; 32])));
        assert_eq!(read(&key.sign(&head), &[]), Err("the note is signed by none of the known keys".to_owned()));
        let foreign = text("elsewhere", 7, &[7; 32]);
        assert_eq!(read(&key.sign(&foreign), &known), Err("it is the head of another log, elsewhere".to_owned()));
        for wrong in
            ["a\n", "a\n7\n", &text(key.name(), 0, &[7; 32]), &format!("{head}more\n"), &head.replace('7', "x")]
        {
            assert_eq!(read(&key.sign(wrong), &known), Err("this is no head".to_owned()), "{wrong}");
        }
    }
}
