//! Identifiers and codes: what is allowed in the clear because it says nothing about a person.
//!
//! Ids made by us are UUIDs; ids made by others are bounded text of a small alphabet, kept as written. None is generated
//! here.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::event::Clear;
use crate::money::Currency;
use crate::refusal::InvalidValue;
use crate::text::string_conversions;

/// Why an identifier is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdentifierError {
    /// Nothing was given.
    #[error("must not be empty")]
    Empty,
    /// More characters than allowed.
    #[error("must not have more than {max} characters")]
    TooLong {
        /// The most characters allowed.
        max: usize,
    },
    /// A character outside the alphabet of this kind of identifier.
    #[error("may contain only {allowed}")]
    InvalidCharacter {
        /// The alphabet, as a character class.
        allowed: &'static str,
    },
    /// Not a UUID.
    #[error("must be a UUID")]
    NotAUuid,
    /// Not a positive number.
    #[error("must be a positive whole number")]
    NotPositive,
}

impl InvalidValue for IdentifierError {
    fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLong { .. } => "too_long",
            Self::InvalidCharacter { .. } => "invalid_character",
            Self::NotAUuid => "not_a_uuid",
            Self::NotPositive => "not_positive",
        }
    }
}

/// Declares a newtype around a UUID that was made outside, where randomness is.
macro_rules! uuids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps an id that was made outside, where randomness is.
            pub const fn new(id: Uuid) -> Self {
                Self(id)
            }

            /// The id as a UUID, which is also the stream's if it has one.
            pub const fn as_uuid(&self) -> Uuid {
                self.0
            }

            /// Reads an id in any of the usual spellings of UUIDs.
            ///
            /// # Errors
            /// When it is not a UUID.
            pub fn parse(text: &str) -> Result<Self, IdentifierError> {
                Uuid::try_parse(text).map(Self).map_err(|_| IdentifierError::NotAUuid)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = IdentifierError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }

        impl Clear for $name {}
    )*};
}

uuids! {
    /// A customer; also the id of the customer's loyalty account.
    CustomerId;
    /// Points or credit that are held for an order until it is paid.
    HoldId;
    /// What a changed programme would have done, worked out before it is published.
    RehearsalId;
    /// A campaign of a loyalty programme.
    CampaignId;
    /// A line of credit: one for each customer and currency, see [`CreditLineId::of`].
    CreditLineId;
    /// Lines of credit that share a limit.
    CreditGroupId;
}

/// The names of lines of credit; their ids are made of it for ever.
const CREDIT_LINES: Uuid = Uuid::from_u128(0x6f1d_3c52_9a0e_5b7d_8e41_27c4_b0d9_15aa);

impl CreditLineId {
    /// The line of a customer in a currency, whether it was ever requested or not.
    #[must_use]
    pub fn of(customer: CustomerId, currency: Currency) -> Self {
        let name = [customer.0.as_bytes(), currency.code().as_bytes()].concat();
        Self(Uuid::new_v5(&CREDIT_LINES, &name))
    }
}

/// A tenant: a small number, because it stands on every row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i32", into = "i32")]
pub struct TenantId(i32);

impl TenantId {
    /// Checks that the number is positive.
    ///
    /// # Errors
    /// When it is zero or negative.
    pub const fn new(number: i32) -> Result<Self, IdentifierError> {
        if number > 0 { Ok(Self(number)) } else { Err(IdentifierError::NotPositive) }
    }

    /// The number.
    pub const fn get(self) -> i32 {
        self.0
    }
}

impl TryFrom<i32> for TenantId {
    type Error = IdentifierError;

    fn try_from(number: i32) -> Result<Self, Self::Error> {
        Self::new(number)
    }
}

impl From<TenantId> for i32 {
    fn from(tenant: TenantId) -> Self {
        tenant.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Clear for TenantId {}

/// Declares a newtype around a bounded text of a given alphabet.
macro_rules! identifiers {
    ($($(#[$doc:meta])* $name:ident: $max:literal of $alphabet:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The most characters it may have.
            pub const MAX: usize = $max;

            /// Checks a text and keeps it as written.
            ///
            /// # Errors
            /// When it is empty, too long or has characters outside the alphabet.
            pub fn parse(text: &str) -> Result<Self, IdentifierError> {
                $alphabet.check(text, Self::MAX).map(|()| Self(text.to_owned()))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Clear for $name {}

        string_conversions!($name, IdentifierError);
    )*};
}

identifiers! {
    /// An order, as the order system or the till numbers it.
    OrderId: 64 of CODE;
    /// A refund, as the system that made it numbers it.
    RefundId: 64 of CODE;
    /// A correction of points by hand, as who makes it numbers it.
    AdjustmentId: 64 of CODE;
    /// A transfer of points, as whoever asks for it numbers it.
    TransferId: 64 of CODE;
    /// An invoice, as the invoicing system numbers it.
    InvoiceId: 64 of CODE;
    /// A payment that came in, as the bank or the system that took it numbers it.
    PaymentId: 64 of CODE;
    /// Credit that comes free because what was bought came to nothing, as who says so numbers it: a return or a credit note.
    ReleaseId: 64 of CODE;
    /// A case about a payment, such as a claim that it was made, as who looks into it numbers it.
    CaseId: 64 of CODE;
    /// Who acts, as the log tells it, such as `key:018f0000-0000-7000-8000-000000000009`.
    Actor: 128 of CODE;
    /// An article.
    Sku: 64 of CODE;
    /// A category of articles.
    CategoryCode: 64 of CODE;
    /// Where something was sold, such as `web` or `store-12`.
    Channel: 64 of SLUG;
    /// Where a customer came from, such as `import` or `web-form`.
    Source: 64 of SLUG;
    /// Another system that knows our customers, such as `stripe`.
    ExternalSystem: 64 of SLUG;
    /// What a message to a customer is about, such as `offers`.
    Topic: 64 of SLUG;
    /// What we file customers under, such as `vip` or `wholesale`.
    Tag: 64 of SLUG;
    /// Who of ours looks after a customer, as the sales system calls them.
    RepCode: 64 of CODE;
    /// The round on which a customer is visited or supplied.
    RouteCode: 64 of CODE;
    /// Why something was done, as a word that reports can count, such as `goodwill`.
    ReasonCode: 64 of SLUG;
    /// A table of discounts that the pricing system keeps.
    DiscountCode: 64 of CODE;
    /// What a note about a customer is called.
    MetadataKey: 64 of CODE;
    /// What members of a tier enjoy, such as `free_shipping`.
    BenefitCode: 64 of SLUG;
    /// A stamp card of a loyalty programme, such as `coffee`.
    StampCardCode: 64 of SLUG;
    /// What a full stamp card is worth, such as `free_coffee`.
    RewardCode: 64 of SLUG;
    /// A short name that operators give to tenants and keys.
    Label: 64 of SLUG;
    /// A language tag in the manner of BCP 47, such as `es-MX`.
    Language: 35 of LANGUAGE;
    /// A time zone's name in the manner of IANA, such as `Europe/Madrid`. Whether the zone exists is checked where zones are known.
    TimeZoneName: 64 of ZONE;
}

struct Alphabet {
    allowed: &'static str,
    contains: fn(u8) -> bool,
}

const CODE: Alphabet = Alphabet {
    allowed: "[A-Za-z0-9._:/#-]",
    contains: |byte| byte.is_ascii_alphanumeric() || b"._:/#-".contains(&byte),
};

const SLUG: Alphabet = Alphabet {
    allowed: "[a-z0-9._-]",
    contains: |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte),
};

const LANGUAGE: Alphabet =
    Alphabet { allowed: "[A-Za-z0-9-]", contains: |byte| byte.is_ascii_alphanumeric() || byte == b'-' };

const ZONE: Alphabet =
    Alphabet { allowed: "[A-Za-z0-9_+/-]", contains: |byte| byte.is_ascii_alphanumeric() || b"_+/-".contains(&byte) };

impl Alphabet {
    fn check(&self, text: &str, max: usize) -> Result<(), IdentifierError> {
        if text.is_empty() {
            return Err(IdentifierError::Empty);
        }
        if !text.bytes().all(self.contains) {
            return Err(IdentifierError::InvalidCharacter { allowed: self.allowed });
        }
        if text.len() > max {
            return Err(IdentifierError::TooLong { max });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_keeps_its_spelling() {
        assert_eq!(OrderId::parse("POS:12/2024-#7.a_").unwrap().as_str(), "POS:12/2024-#7.a_");
    }

    #[test]
    fn an_order_has_no_spaces_at_signs_or_letters_of_other_alphabets() {
        for text in ["order 7", "ana@example.com", "pedido-ñ", "a\n"] {
            assert!(matches!(OrderId::parse(text), Err(IdentifierError::InvalidCharacter { .. })), "{text}");
        }
        assert_eq!(OrderId::parse(""), Err(IdentifierError::Empty));
    }

    #[test]
    fn sixty_four_characters_fit_and_one_more_does_not() {
        assert!(OrderId::parse(&"7".repeat(64)).is_ok());
        assert_eq!(OrderId::parse(&"7".repeat(65)), Err(IdentifierError::TooLong { max: 64 }));
    }

    #[test]
    fn a_label_is_lower_case() {
        assert!(Label::parse("till-1.madrid").is_ok());
        assert!(Label::parse("Till").is_err());
    }

    #[test]
    fn a_tenant_is_positive_also_when_read() {
        assert_eq!(TenantId::new(0), Err(IdentifierError::NotPositive));
        assert!(serde_json::from_str::<TenantId>("-1").is_err());
        assert_eq!(serde_json::from_str::<TenantId>("7").unwrap().get(), 7);
    }

    #[test]
    fn a_customer_has_one_line_of_credit_in_each_currency() {
        let customer = |number| CustomerId::new(Uuid::from_u128(number));
        let line = |number, currency| CreditLineId::of(customer(number), Currency::parse(currency).unwrap());
        assert_eq!(line(7, "EUR"), line(7, "EUR"));
        assert_ne!(line(7, "EUR"), line(7, "USD"));
        assert_ne!(line(7, "EUR"), line(8, "EUR"));
        // Streams are found by it: it never changes.
        assert_eq!(line(7, "EUR").to_string(), "4d12450f-5747-5f6e-949c-8d7cf6b0d018");
    }

    #[test]
    fn a_customer_id_is_a_uuid() {
        assert_eq!(CustomerId::parse("customer-7"), Err(IdentifierError::NotAUuid));
        assert!(CustomerId::parse("0190a5a0-0000-7000-8000-000000000001").is_ok());
    }
}
