//! The form of e-mail addresses: what RFC 5321, 5322 and 6531 allow of what people really have. A quoted local part and an address of a
//! machine are refused: people who have one are told to use another.

use std::borrow::Cow;

use unicode_normalization::{UnicodeNormalization, is_nfc};
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

use crate::validators::mail_domain::{self, MailDomain, MailDomainError};

/// The most bytes of an address (RFC 5321 §4.5.3.1.3, less the angle brackets).
pub const MAX: usize = 254;
/// The most bytes before the at sign (RFC 5321 §4.5.3.1.1).
const LOCAL_MAX: usize = 64;

/// Why a text is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Nothing.
    #[error("must not be empty")]
    Empty,
    /// Too long as a whole.
    #[error("must not have more than 254 bytes")]
    TooLong,
    /// Too long before the at sign.
    #[error("must not have more than 64 bytes before the at sign")]
    LocalTooLong,
    /// No at sign.
    #[error("must have an at sign")]
    NoAt,
    /// Quoted before the at sign.
    #[error("quotes before the at sign are not taken")]
    Quoted,
    /// Not dots between letters, digits and signs.
    #[error("has characters before the at sign that no address has, or dots where they cannot stand")]
    Local,
    /// No domain.
    #[error("the domain {0}")]
    Domain(#[from] MailDomainError),
}

impl AddressError {
    /// Whether it is about how long the address is.
    pub const fn is_length(self) -> bool {
        matches!(self, Self::TooLong | Self::LocalTooLong | Self::Domain(MailDomainError::TooLong))
    }
}

/// An address that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address<'a> {
    local: &'a str,
    written_domain: &'a str,
    domain: MailDomain,
}

impl<'a> Address<'a> {
    /// Reads an address as it stands, white space around it included.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &'a str) -> Result<Self, AddressError> {
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        let (local, written_domain) = text.rsplit_once('@').ok_or(AddressError::NoAt)?;
        if local.starts_with('"') {
            return Err(AddressError::Quoted);
        }
        let too_long = if local.len() > LOCAL_MAX { Err(AddressError::LocalTooLong) } else { Ok(()) };
        if local.len() <= MAX && !is_local_part(local) {
            return Err(AddressError::Local);
        }
        too_long?;
        let address = Self { local, written_domain, domain: MailDomain::parse(written_domain)? };
        let length = |domain: &str| local.len() + 1 + domain.len();
        let longest = text.len().max(length(address.domain.ascii())).max(length(address.domain.unicode()));
        if longest > MAX { Err(AddressError::TooLong) } else { Ok(address) }
    }

    /// The part after the at sign.
    pub const fn domain(&self) -> &MailDomain {
        &self.domain
    }

    /// As people write it: the domain in small letters and decoded, composed characters.
    pub fn normalized(&self) -> String {
        format!("{}@{}", composed(self.local), self.domain.unicode())
    }

    /// As customers' addresses are kept. What was always taken is kept as always, because claims are made of it; what has characters
    /// that once were refused is kept in the form that all ways to write it have in common.
    pub fn kept(&self) -> String {
        let is_plain = self.local.chars().all(|character| character.is_ascii() || character.is_alphanumeric());
        let local = if is_plain { Cow::Borrowed(self.local) } else { composed(self.local) };
        format!("{local}@{}", mail_domain::kept(self.written_domain, &self.domain))
    }
}

fn composed(local: &str) -> Cow<'_, str> {
    if is_nfc(local) { Cow::Borrowed(local) } else { Cow::Owned(local.nfc().collect()) }
}

/// Runs of what RFC 5322 calls atext, with single dots between them. No accent without a letter under it.
fn is_local_part(local: &str) -> bool {
    let is_marked =
        local.chars().next().is_some_and(|first| first.general_category_group() == GeneralCategoryGroup::Mark);
    !is_marked && local.split('.').all(|run| !run.is_empty() && run.chars().all(is_atext))
}

fn is_atext(character: char) -> bool {
    use GeneralCategoryGroup as G;
    if character.is_ascii() {
        return character.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(character);
    }
    matches!(character.general_category_group(), G::Letter | G::Mark | G::Number | G::Punctuation | G::Symbol)
}

#[cfg(test)]
mod tests {
    use super::{Address, AddressError as E};

    #[test]
    fn an_address_is_composed_and_its_domain_decoded() {
        let address = Address::parse("jose\u{301}.Pérez@xn--mnchen-3ya.DE").unwrap();
        assert_eq!(address.normalized(), "jos\u{e9}.Pérez@münchen.de");
        assert_eq!(address.domain().ascii(), "xn--mnchen-3ya.de");
    }

    #[test]
    fn what_is_no_address_says_why() {
        let long =
            format!("{}@{}.example.com", "a".repeat(60), ["b", "c", "d"].map(|letter| letter.repeat(60)).join("."));
        for (text, error) in [
            ("", E::Empty),
            ("ana", E::NoAt),
            ("@example.com", E::Local),
            ("a..b@example.com", E::Local),
            (".a@example.com", E::Local),
            ("a.@example.com", E::Local),
            ("a b@example.com", E::Local),
            (" ana@example.com", E::Local),
            ("a\u{200b}b@example.com", E::Local),
            ("\u{301}a@example.com", E::Local),
            ("Ana <ana@example.com>", E::Local),
            ("\"a b\"@example.com", E::Quoted),
            (&format!("{}@example.com", "a".repeat(65)), E::LocalTooLong),
            (&long, E::TooLong),
        ] {
            assert_eq!(Address::parse(text), Err(error), "{text}");
        }
        assert!(matches!(Address::parse("ana@example.com "), Err(E::Domain(_))));
    }
}
