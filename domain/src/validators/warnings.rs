//! What is taken although somebody should look at it: told with the answer, while whoever can set it right is still there.

use crate::document::Document;
use crate::email::Email;
use crate::validators::{Control, disposable};

/// Something that somebody should look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Stable, `snake_case`.
    pub code: &'static str,
    /// Where it stands in what the caller sent: a JSON pointer.
    pub pointer: String,
    /// The same in words; may change.
    pub detail: String,
}

/// What there is to be said of contacts, at the places that the caller knows by a list and a place in it.
pub fn of(emails: &[Email], documents: &[Document], place: impl Fn(&str, usize) -> String) -> Vec<Warning> {
    let emails = emails.iter().enumerate();
    let emails = emails.filter_map(|(index, email)| of_email(email, place("emails", index)));
    let documents = documents.iter().enumerate();
    let documents = documents
        .filter_map(|(index, document)| of_document(document, format!("{}/number", place("documents", index))));
    emails.chain(documents).collect()
}

fn of_email(email: &Email, pointer: String) -> Option<Warning> {
    // With the domain as machines write it, as the list does.
    let mailbox = email.mailbox();
    let listed = mailbox.rsplit_once('@').and_then(|(_, domain)| disposable::listed(domain))?;
    Some(Warning { code: "disposable_email", pointer, detail: format!("{listed} gives out mailboxes for minutes") })
}

fn of_document(document: &Document, pointer: String) -> Option<Warning> {
    let Control::Wrong { expected } = document.control() else { return None };
    let detail = format!("the control character does not fit the rest: expected {expected}");
    Some(Warning { code: "wrong_control_character", pointer, detail })
}

#[cfg(test)]
mod tests {
    use super::of;
    use crate::country::Country;
    use crate::document::{Document, DocumentKind};
    use crate::email::Email;

    #[test]
    fn mailboxes_for_minutes_and_wrong_control_characters_are_told_at_their_places() {
        let emails = ["ana@example.com", "x@Sub.10minutemail.com"].map(|text| Email::parse(text).unwrap());
        let dni = |number| Document::parse(DocumentKind::Dni, number, Country::ES).unwrap();
        let documents = [dni("12345678Z"), dni("12345678A")];
        let warnings = of(&emails, &documents, |list, index| format!("/{list}/{index}"));
        let told: Vec<_> =
            warnings.iter().map(|told| format!("{} {}: {}", told.code, told.pointer, told.detail)).collect();
        assert_eq!(
            told,
            [
                "disposable_email /emails/1: 10minutemail.com gives out mailboxes for minutes",
                "wrong_control_character /documents/1/number: the control character does not fit the rest: expected Z",
            ]
        );
        assert_eq!(of(&emails[..1], &documents[..1], |_, _| String::new()), []);
    }
}
