//! Domains of e-mail addresses: names of hosts (RFC 1123), those of other letters by UTS 46 and the letters of IDNA 2008.
//!
//! Nobody is asked whether the domain exists or takes mail.

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// The most bytes a name has, in its form for machines (RFC 1035 §2.3.4, less the final dot).
const MAX: usize = 253;
/// The most bytes of a label.
const LABEL_MAX: usize = 63;

/// Why a text is no domain that mail is sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MailDomainError {
    /// An address of a machine in brackets.
    #[error("an address of a machine is not taken, only a name")]
    Literal,
    /// Longer than a name may be.
    #[error("must not have more than 253 bytes, 63 between dots")]
    TooLong,
    /// One label only.
    #[error("must have a dot, as in example.com")]
    NoDot,
    /// Characters that no name has, or where they cannot stand.
    #[error("has characters that no domain has, or dots and hyphens where they cannot stand")]
    Malformed,
    /// Letters that names cannot be made of (IDNA).
    #[error("has letters that names cannot be made of (IDNA)")]
    NotIdna,
    /// The last label is no top-level domain.
    #[error("does not end with a top-level domain")]
    NoTopLevel,
}

/// A domain in both of its forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailDomain {
    ascii: String,
    /// None: as the other.
    unicode: Option<String>,
}

impl MailDomain {
    /// Reads a domain.
    ///
    /// # Errors
    /// When mail cannot be sent to such a name.
    pub fn parse(text: &str) -> Result<Self, MailDomainError> {
        if text.starts_with('[') {
            return Err(MailDomainError::Literal);
        }
        // In its form for machines a name only grows, and no character has more than four bytes.
        if text.len() > MAX * 4 {
            return Err(MailDomainError::TooLong);
        }
        let lowered = text.to_ascii_lowercase();
        let domain = if lowered.is_ascii() && !has_encoded_label(&lowered) {
            Self { ascii: lowered, unicode: None }
        } else {
            Self::of_other_letters(&lowered)?
        };
        host_name(&domain.ascii)?;
        Ok(domain)
    }

    fn of_other_letters(text: &str) -> Result<Self, MailDomainError> {
        let rules = Uts46::new();
        let ascii = rules.to_ascii(text.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Allow, DnsLength::Ignore);
        let ascii = ascii.map_err(|_| MailDomainError::NotIdna)?.into_owned();
        let (unicode, read) = rules.to_unicode(ascii.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Check);
        if read.is_err() || !unicode.chars().all(is_of_names) {
            return Err(MailDomainError::NotIdna);
        }
        let unicode = unicode.into_owned();
        Ok(Self { unicode: (unicode != ascii).then_some(unicode), ascii })
    }

    /// As machines write it: `xn--mnchen-3ya.de`.
    pub fn ascii(&self) -> &str {
        &self.ascii
    }

    /// As people write it: `münchen.de`.
    pub fn unicode(&self) -> &str {
        self.unicode.as_deref().unwrap_or(&self.ascii)
    }

    /// The name for special use that this is or belongs to, if there is one: nobody can be reached there from outside.
    pub fn special_use(&self) -> Option<&'static str> {
        let last = self.ascii.rsplit('.').next().unwrap_or_default();
        SPECIAL_USE.iter().copied().find(|name| *name == last)
    }
}

/// Top-level domains reserved by RFC 6761, 6762, 7686, 9476 and for the infrastructure of names.
const SPECIAL_USE: &[&str] = &["alt", "arpa", "internal", "invalid", "local", "localhost", "onion", "test"];

fn has_encoded_label(text: &str) -> bool {
    text.split('.').any(|label| label.starts_with("xn--"))
}

/// Letters, marks and digits, and what IDNA 2008 allows besides (RFC 5892 §2.6 and Appendix A), but for the joiners: nobody sees them,
/// so that two names would look alike.
fn is_of_names(character: char) -> bool {
    use GeneralCategory as G;
    if character.is_ascii() {
        return true;
    }
    let is_letter_or_digit = matches!(
        character.general_category(),
        G::LowercaseLetter | G::OtherLetter | G::ModifierLetter | G::NonspacingMark | G::SpacingMark | G::DecimalNumber
    );
    is_letter_or_digit || "\u{b7}\u{375}\u{5f3}\u{5f4}\u{6fd}\u{6fe}\u{f0b}\u{3007}\u{30fb}".contains(character)
}

/// Labels of letters, digits and hyphens, the last one a top-level domain; `??--` only where it announces other letters
/// (RFC 5891 §4.2.3.1).
fn host_name(name: &str) -> Result<(), MailDomainError> {
    if name.len() > MAX || name.split('.').any(|label| label.len() > LABEL_MAX) {
        return Err(MailDomainError::TooLong);
    }
    let is_label = |label: &str| {
        let is_reserved = label.get(2..4) == Some("--") && !label.starts_with("xn--");
        let is_formed = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        is_formed && !is_reserved && !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
    };
    if !name.split('.').all(is_label) {
        return Err(MailDomainError::Malformed);
    }
    if !name.contains('.') {
        return Err(MailDomainError::NoDot);
    }
    // All that there are end with a letter.
    if name.ends_with(|last: char| last.is_ascii_alphabetic()) { Ok(()) } else { Err(MailDomainError::NoTopLevel) }
}

/// A domain as an address of it has always been kept: in small letters where these are letters and digits, else as people write it.
pub(super) fn kept(written: &str, domain: &MailDomain) -> String {
    let is_plain = written.chars().all(|character| character.is_alphanumeric() || ".-".contains(character));
    if is_plain { written.to_lowercase() } else { domain.unicode().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::{MailDomain, MailDomainError as E};

    #[test]
    fn a_name_has_a_form_for_people_and_one_for_machines() {
        for (text, unicode, ascii) in [
            ("Example-Corp.COM", "example-corp.com", "example-corp.com"),
            ("MÜNCHEN.de", "münchen.de", "xn--mnchen-3ya.de"),
            ("mu\u{308}nchen.de", "münchen.de", "xn--mnchen-3ya.de"),
            ("xn--mnchen-3ya.de", "münchen.de", "xn--mnchen-3ya.de"),
            ("faß.de", "faß.de", "xn--fa-hia.de"),
            ("empresa。es", "empresa.es", "empresa.es"),
            ("почта.рф", "почта.рф", "xn--80a1acny.xn--p1ai"),
        ] {
            let domain = MailDomain::parse(text).unwrap();
            assert_eq!((domain.unicode(), domain.ascii()), (unicode, ascii), "{text}");
        }
    }

    #[test]
    fn what_is_no_name_says_why() {
        let label = "a".repeat(64);
        for (text, error) in [
            ("", E::Malformed),
            ("example", E::NoDot),
            ("[127.0.0.1]", E::Literal),
            ("127.0.0.1", E::NoTopLevel),
            ("my_shop.example.com", E::Malformed),
            ("-a.com", E::Malformed),
            ("a-.com", E::Malformed),
            ("a..com", E::Malformed),
            ("a.com.", E::Malformed),
            ("ab--cd.com", E::Malformed),
            ("xn--a.com", E::NotIdna),
            ("☃.com", E::NotIdna),
            ("é-.com", E::NotIdna),
            ("क\u{94d}\u{200d}ष.com", E::NotIdna),
            ("a\u{200b}b.com\u{80}", E::NotIdna),
            (&format!("{label}.com"), E::TooLong),
            (&"a.".repeat(600), E::TooLong),
        ] {
            assert_eq!(MailDomain::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn names_for_special_use_are_known() {
        let special = |text| MailDomain::parse(text).unwrap().special_use();
        assert_eq!(special("printer.local"), Some("local"));
        assert_eq!(special("example.com"), None);
        assert_eq!(special("local.example.com"), None);
    }
}
