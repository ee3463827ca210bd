//! What a key may do.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::event::Clear;
use crate::refusal::InvalidValue;

/// Declares the scopes with their wire names once.
macro_rules! scopes {
    ($($(#[$doc:meta])* $scope:ident = $wire:literal,)*) => {
        /// One thing that a key may do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Scope {$(
            $(#[$doc])*
            #[serde(rename = $wire)]
            $scope,
        )*}

        impl Scope {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$scope),*];

            /// The wire name.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$scope => $wire,)*
                }
            }
        }
    };
}

scopes! {
    /// See customers, without who they are.
    CustomersRead = "customers:read",
    /// Change customers.
    CustomersWrite = "customers:write",
    /// See who customers are.
    CustomersPii = "customers:pii",
    /// Forget customers for good.
    CustomersErase = "customers:erase",
    /// See points.
    LoyaltyRead = "loyalty:read",
    /// Earn and redeem points.
    LoyaltyWrite = "loyalty:write",
    /// Correct points by hand.
    LoyaltyAdjust = "loyalty:adjust",
    /// See credit lines.
    CreditRead = "credit:read",
    /// Use and pay credit.
    CreditWrite = "credit:write",
    /// Approve credit.
    CreditApprove = "credit:approve",
    /// See leads.
    LeadsRead = "leads:read",
    /// Change leads.
    LeadsWrite = "leads:write",
    /// Import leads.
    LeadsImport = "leads:import",
    /// See onboardings.
    OnboardingRead = "onboarding:read",
    /// Run onboardings.
    OnboardingWrite = "onboarding:write",
    /// Decide on onboardings.
    OnboardingReview = "onboarding:review",
    /// See payment cases.
    CasesRead = "cases:read",
    /// Work on payment cases.
    CasesWrite = "cases:write",
    /// Read the feed of events.
    FeedRead = "feed:read",
    /// Read the audit trail.
    AuditRead = "audit:read",
    /// Run the server.
    Operations = "operations",
    /// All of the above.
    Admin = "admin",
}

/// A text that names no scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a scope")]
pub struct UnknownScope;

impl InvalidValue for UnknownScope {
    fn code(&self) -> &'static str {
        "unknown_scope"
    }
}

impl Scope {
    /// Reads a wire name.
    ///
    /// # Errors
    /// When no scope has it.
    pub fn parse(text: &str) -> Result<Self, UnknownScope> {
        Self::ALL.iter().copied().find(|scope| scope.as_str() == text).ok_or(UnknownScope)
    }

    /// Whether who has this one may do what asks for the other: `admin` may do all, every other scope only itself.
    pub fn grants(self, wanted: Self) -> bool {
        self == Self::Admin || self == wanted
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl Clear for Scope {}
