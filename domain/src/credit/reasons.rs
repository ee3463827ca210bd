//! Why credit is refused, stopped and given back, and who let something pass in spite of it.

use serde::{Deserialize, Serialize};

use crate::event::{Clear, clear_values};
use crate::ids::{Actor, PaymentId, ReasonCode, ReleaseId};
use crate::money::Money;
use crate::refusal::InvalidValue;

/// Declares an enum of words that are stored and read by their wire names.
macro_rules! words {
    ($(
        $(#[$doc:meta])*
        pub enum $name:ident {$(
            $(#[$variant_doc:meta])*
            $variant:ident => $wire:literal,
        )*}
    )*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {$(
            $(#[$variant_doc])*
            #[serde(rename = $wire)]
            $variant,
        )*}

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The wire name.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $wire,)*
                }
            }

            /// Reads the wire name.
            ///
            /// # Errors
            /// When there is no such word.
            pub fn parse(text: &str) -> Result<Self, $crate::credit::reasons::UnknownWord> {
                let known = Self::ALL.iter().copied().find(|word| word.as_str() == text);
                known.ok_or($crate::credit::reasons::UnknownWord { known: &[$($wire),*] })
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl $crate::event::Clear for $name {}
    )*};
}
pub(super) use words;

/// A word that is none of those that are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be one of {}", known.join(", "))]
pub struct UnknownWord {
    /// Those that there are.
    pub known: &'static [&'static str],
}

impl InvalidValue for UnknownWord {
    fn code(&self) -> &'static str {
        "unknown_word"
    }
}

words! {
    /// Why no credit is given.
    pub enum RejectReason {
        /// What the business takes, owns and owes does not carry it.
        Financials => "financials",
        /// A credit bureau advises against it.
        Score => "score",
        /// It has paid late, or not at all.
        PaymentHistory => "payment_history",
        /// Too little is known.
        Incomplete => "incomplete",
        /// Enough is lent already: to it, or to its line of business.
        Exposure => "exposure",
        /// It does not want it any more.
        Withdrawn => "withdrawn",
        /// As the note says.
        Other => "other",
    }

    /// Why nothing new is bought on credit.
    pub enum SuspensionCause {
        /// Somebody said so.
        ByHand => "by_hand",
        /// More is overdue, for longer, than the policy bears.
        Overdue => "overdue",
        /// The limit was to be looked at again, and was not.
        ReviewDue => "review_due",
    }

    /// Whose limit an order would exceed.
    pub enum Bound {
        /// The customer's own.
        Line => "line",
        /// That of the group.
        Group => "group",
    }

    /// Why a hold came to nothing.
    pub enum HoldRelease {
        /// Somebody asked for it.
        Voided => "voided",
        /// Nobody captured it in time.
        Lapsed => "lapsed",
    }
}

clear_values! {
    /// That who may approve credit let an order pass in spite of what would have stopped it.
    #[serde(deny_unknown_fields)]
    pub struct Override {
        /// Who did.
        pub released_by: Actor,
        /// Why.
        pub reason: ReasonCode,
    }
}

/// Why credit that was used came free.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ReleaseCause {
    /// It was paid.
    Payment {
        /// By this payment.
        payment: PaymentId,
    },
    /// It was paid with money that had come in before.
    Unapplied {},
    /// What was bought came to nothing, or to less.
    Cancelled {
        /// Who said so calls it this.
        release: ReleaseId,
        /// Why.
        reason: ReasonCode,
        /// What of it had been paid already, and is unapplied now.
        unapplied: Money,
    },
}

impl ReleaseCause {
    /// The wire name.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Payment { .. } => "payment",
            Self::Unapplied {} => "unapplied",
            Self::Cancelled { .. } => "cancelled",
        }
    }
}

impl Clear for ReleaseCause {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_are_written() {
        for cause in SuspensionCause::ALL {
            assert_eq!(SuspensionCause::parse(cause.as_str()), Ok(*cause));
            assert_eq!(serde_json::to_value(cause).unwrap(), cause.as_str());
        }
        let unknown = Bound::parse("mine").unwrap_err();
        assert_eq!((unknown.code(), unknown.to_string().as_str()), ("unknown_word", "must be one of line, group"));
    }
}
