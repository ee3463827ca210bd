//! E-mail addresses: syntax only, nobody is asked whether the mailbox exists.
//!
//! Whether two addresses reach the same person (dots, plus signs) differs by provider and is not guessed. What an address looks like
//! is said in [`crate::validators::address`].

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::refusal::InvalidValue;
use crate::validators::address::{self, Address, AddressError};
use crate::validators::mail_domain::MailDomain;

/// Why a text is not taken as an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EmailError {
    /// Nothing but white space.
    #[error("must not be empty")]
    Empty,
    /// Longer than a mail server must accept (RFC 5321 §4.5.3.1.3, less the angle brackets).
    #[error("must not have more than 254 bytes")]
    TooLong,
    /// Not of the form `name@domain.tld`.
    #[error("is not a valid e-mail address")]
    Malformed,
}

impl InvalidValue for EmailError {
    fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLong => "too_long",
            Self::Malformed => "invalid_email",
        }
    }
}

/// A valid address: trimmed, its domain in lower case, its local part as written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Email(String);

impl Email {
    /// The most bytes an address may have.
    pub const MAX: usize = address::MAX;

    /// Reads an address. A quoted local part and an IP literal are refused: people who have one are told to use another.
    ///
    /// # Errors
    /// When it is empty, too long or malformed.
    pub fn parse(text: &str) -> Result<Self, EmailError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(EmailError::Empty);
        }
        // Of what is too long nothing else is said.
        if text.len() > Self::MAX {
            return Err(EmailError::TooLong);
        }
        let written = Address::parse(text)?.kept();
        if written.len() > Self::MAX { Err(EmailError::TooLong) } else { Ok(Self(written)) }
    }

    /// Reads an address that somebody looks for: one that the rules of its day allowed is found, too.
    ///
    /// # Errors
    /// As [`parse`](Self::parse), where it has not even the shape of an address.
    pub fn parse_known(text: &str) -> Result<Self, EmailError> {
        Self::parse(text).or_else(|error| {
            let (local, domain) = text.trim().rsplit_once('@').ok_or(error)?;
            Self::try_from(format!("{local}@{}", domain.to_lowercase())).map_err(|_| error)
        })
    }

    /// The address as it is written to.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form that uniqueness is judged by: all in lower case, as nearly all providers do.
    pub fn normalized(&self) -> String {
        self.0.to_lowercase()
    }

    /// The form that all ways to write the mailbox have in common: in lower case, the domain as machines write it.
    pub fn mailbox(&self) -> String {
        self.with_domain(|domain| domain.ascii().to_owned())
    }

    /// The forms of which each is one customer's, [`normalized`](Self::normalized) first. Of nearly all addresses there is one; where the
    /// domain has other letters than a to z, it stands for the others in which it may be told.
    pub fn claimed(&self) -> Vec<String> {
        let mut forms = vec![self.normalized()];
        for form in [self.mailbox(), self.with_domain(|domain| domain.unicode().to_owned())] {
            if !forms.contains(&form) {
                forms.push(form);
            }
        }
        forms
    }

    /// One that the rules of today do not allow stands as it was kept.
    fn with_domain(&self, form: impl FnOnce(&MailDomain) -> String) -> String {
        let normalized = self.normalized();
        let read =
            normalized.rsplit_once('@').and_then(|(local, domain)| Some((local, MailDomain::parse(domain).ok()?)));
        read.map(|(local, domain)| format!("{local}@{}", form(&domain))).unwrap_or(normalized)
    }

    /// The part after the at sign, in lower case.
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

impl From<AddressError> for EmailError {
    fn from(error: AddressError) -> Self {
        match error {
            AddressError::Empty => Self::Empty,
            AddressError::TooLong => Self::TooLong,
            AddressError::LocalTooLong
            | AddressError::NoAt
            | AddressError::Quoted
            | AddressError::Local
            | AddressError::Domain(_) => Self::Malformed,
        }
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Email {
    type Err = EmailError;

    fn from_str(text: &str) -> Result<Self, EmailError> {
        Self::parse(text)
    }
}

/// What serde reads a stored address through. Only the shape is checked: the rules change, and an address that could be registered
/// once must stay readable for ever, as it is. What callers send goes through [`Email::parse`].
impl TryFrom<String> for Email {
    type Error = EmailError;

    fn try_from(text: String) -> Result<Self, EmailError> {
        let is_shaped = text.rsplit_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
        let is_plain = !text.chars().any(|character| character.is_control() || character == ' ');
        if is_shaped && is_plain && text.len() <= Self::MAX { Ok(Self(text)) } else { Err(EmailError::Malformed) }
    }
}

impl From<Email> for String {
    fn from(email: Email) -> Self {
        email.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_domain_is_lowered_and_the_local_part_kept() {
        let email = Email::parse("  Ana.Maria+Shop@Example.COM ").unwrap();
        assert_eq!(email.as_str(), "Ana.Maria+Shop@example.com");
        assert_eq!(email.normalized(), "ana.maria+shop@example.com");
        assert_eq!(email.domain(), "example.com");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        assert_eq!(Email::parse(" "), Err(EmailError::Empty));
        for text in [
            "ana",
            "ana@",
            "@example.com",
            "ana@@example.com",
            "ana@example",
            "a b@example.com",
            "\"a b\"@example.com",
            "ana@[127.0.0.1]",
            "ana@127.0.0.1",
            "ana@my_shop.example.com",
            "ana@ab--cd.example.com",
            "Ana <ana@example.com>",
        ] {
            assert_eq!(Email::parse(text), Err(EmailError::Malformed), "{text}");
        }
    }

    /// Claims are made of these, so they never change; the last ones were refused before.
    #[test]
    fn an_address_is_kept_as_ever() {
        for (written, kept, claimed) in [
            ("Ana@Example.COM", "Ana@example.com", "ana@example.com"),
            ("José@MÜNCHEN.de", "José@münchen.de", "josé@münchen.de"),
            ("a@XN--MNCHEN-3ya.de", "a@xn--mnchen-3ya.de", "a@xn--mnchen-3ya.de"),
            ("a@ſ.es", "a@ſ.es", "a@ſ.es"),
            ("a@ｅｘ.es", "a@ｅｘ.es", "a@ｅｘ.es"),
            ("Å@faß.de", "Å@faß.de", "å@faß.de"),
            ("Пётр@почта.рф", "Пётр@почта.рф", "пётр@почта.рф"),
            ("jose\u{301}@example.com", "jos\u{e9}@example.com", "jos\u{e9}@example.com"),
            ("a@mu\u{308}nchen.de", "a@münchen.de", "a@münchen.de"),
            ("a@empresa。es", "a@empresa.es", "a@empresa.es"),
        ] {
            let email = Email::parse(written).unwrap();
            assert_eq!((email.as_str(), email.normalized().as_str()), (kept, claimed), "{written}");
            assert_eq!(Email::parse(kept).unwrap(), email, "{written}");
        }
    }

    #[test]
    fn a_mailbox_has_one_form_however_its_domain_is_written() {
        let claimed = |text: &str| Email::parse(text).unwrap().claimed();
        assert_eq!(claimed("Ana@Example.com"), ["ana@example.com"]);
        let both = ["ana@españa.es", "ana@xn--espaa-rta.es"];
        assert_eq!(claimed("Ana@España.es"), both);
        assert_eq!(claimed("ana@XN--espaa-rta.es"), [both[1], both[0]]);
        assert_eq!(claimed("a@ｅｘ.es"), ["a@ｅｘ.es", "a@ex.es"]);
        for (text, mailbox) in
            [("José@MÜNCHEN.de", "josé@xn--mnchen-3ya.de"), ("a@ｅｘ.es", "a@ex.es"), ("A@b.es", "a@b.es")]
        {
            assert_eq!(Email::parse(text).unwrap().mailbox(), mailbox);
        }
        let of_old: Email = serde_json::from_str("\"Ana@☃.com\"").unwrap();
        assert_eq!(of_old.claimed(), ["ana@☃.com"]);
    }

    #[test]
    fn a_stored_address_needs_only_its_shape_and_is_found() {
        for text in ["ana@exa!mple.com", "ana@☃.com", "Ana@shop.c0m1"] {
            assert_eq!(Email::parse(text), Err(EmailError::Malformed), "{text}");
            let stored: Email = serde_json::from_str(&format!("\"{text}\"")).unwrap();
            assert_eq!(stored.as_str(), text);
            assert_eq!(Email::parse_known(text), Ok(stored));
        }
        for text in ["", "ana", "@example.com", "ana@", "a b@example.com", "a\u{0}@example.com"] {
            assert!(Email::try_from(text.to_owned()).is_err() && Email::parse_known(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_has_254_bytes_at_most() {
        let long =
            format!("ana@{}.example.com", ["a".repeat(60), "b".repeat(60), "c".repeat(60), "d".repeat(60)].join("."));
        assert_eq!(Email::parse(&long), Err(EmailError::TooLong));
    }
}
