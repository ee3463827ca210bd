//! E-mail addresses: syntax only, nobody is asked whether the mailbox exists.
//!
//! Whether two addresses reach the same person (dots, plus signs) differs by provider and is not guessed.

use email_address::{EmailAddress, Options};
use serde::{Deserialize, Serialize};

use crate::refusal::InvalidValue;
use crate::text::string_conversions;

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
    pub const MAX: usize = 254;

    /// Reads an address. A quoted local part and an IP literal are refused: people who have one are told to use another.
    ///
    /// # Errors
    /// When it is empty, too long or malformed.
    pub fn parse(text: &str) -> Result<Self, EmailError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(EmailError::Empty);
        }
        if text.len() > Self::MAX {
            return Err(EmailError::TooLong);
        }
        if text.contains(['"', ' ', '\\']) || text.chars().any(char::is_control) {
            return Err(EmailError::Malformed);
        }
        let options = Options::default().with_required_tld().without_domain_literal().without_display_text();
        let address = EmailAddress::parse_with_options(text, options).map_err(|_| EmailError::Malformed)?;
        if !is_registrable(address.domain()) {
            return Err(EmailError::Malformed);
        }
        let written = format!("{}@{}", address.local_part(), address.domain().to_lowercase());
        if written.len() > Self::MAX { Err(EmailError::TooLong) } else { Ok(Self(written)) }
    }

    /// The address as it is written to.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form that uniqueness is judged by: all in lower case, as nearly all providers do.
    pub fn normalized(&self) -> String {
        self.0.to_lowercase()
    }

    /// The part after the at sign, in lower case.
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

string_conversions!(Email, EmailError);

/// Whether anyone could have registered such a domain: no underscores, no number as the last label, and `??--` only where
/// it announces a name of other letters (RFC 5891 §4.2.3.1).
fn is_registrable(domain: &str) -> bool {
    let last = domain.rsplit('.').next().unwrap_or_default();
    let reserved = |label: &str| label.get(2..4) == Some("--") && !label.to_ascii_lowercase().starts_with("xn--");
    !domain.contains('_') && !last.bytes().all(|byte| byte.is_ascii_digit()) && !domain.split('.').any(reserved)
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

    #[test]
    fn an_address_has_254_bytes_at_most() {
        let long =
            format!("ana@{}.example.com", ["a".repeat(60), "b".repeat(60), "c".repeat(60), "d".repeat(60)].join("."));
        assert_eq!(Email::parse(&long), Err(EmailError::TooLong));
    }
}
