//! What e-mail addresses, telephone numbers, documents, companies and whole customers look like, and what is suspicious about them.
//!
//! Pure: nobody is asked whether a mailbox, a document or a company exists. The types that events are made of
//! ([`Email`](crate::email::Email), [`Phone`](crate::phone::Phone), [`Document`](crate::document::Document)) read their values with these
//! same rules; a verdict says more than whether a value can be taken: all that was looked at, with a word to each.

pub mod address;
pub mod business;
pub mod compact;
pub mod customer;
pub mod disposable;
pub mod document;
pub mod email;
pub mod free_mail;
pub mod iban;
pub mod mail_domain;
pub mod mod97;
pub mod papers;
pub mod phone;
pub mod risk;
pub mod spain;
pub mod vat;
pub mod warnings;

use std::borrow::Cow;

use serde::Serialize;

/// How one check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// As it must be.
    Passed,
    /// As it cannot be.
    Failed,
    /// It can be, and somebody should look.
    Warning,
    /// It was not looked at; the message says why.
    Skipped,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Passed, Self::Failed, Self::Warning, Self::Skipped];

    /// The wire name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Warning => "warning",
            Self::Skipped => "skipped",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// How it ended.
    pub status: Status,
    /// The same in words; may change.
    pub message: Cow<'static, str>,
}

impl Check {
    /// It is as it must be.
    pub fn passed(message: impl Into<Cow<'static, str>>) -> Self {
        Self { status: Status::Passed, message: message.into() }
    }

    /// It is as it cannot be.
    pub fn failed(message: impl Into<Cow<'static, str>>) -> Self {
        Self { status: Status::Failed, message: message.into() }
    }

    /// It can be, and somebody should look.
    pub fn warning(message: impl Into<Cow<'static, str>>) -> Self {
        Self { status: Status::Warning, message: message.into() }
    }

    /// It was not looked at.
    pub fn skipped(message: impl Into<Cow<'static, str>>) -> Self {
        Self { status: Status::Skipped, message: message.into() }
    }

    /// Whether it failed.
    pub fn has_failed(&self) -> bool {
        self.status == Status::Failed
    }
}

/// Checks by name, in the order in which they were made. None: there was nothing to say.
pub type Checks = Vec<(&'static str, Option<Check>)>;

/// The check of a name, if it was made and had something to say.
pub fn check<'a>(checks: &'a Checks, name: &str) -> Option<&'a Check> {
    checks.iter().find(|(own, _)| *own == name).and_then(|(_, check)| check.as_ref())
}

/// What the control characters of a number say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control {
    /// They fit the rest.
    Right,
    /// They do not.
    Wrong {
        /// What would fit.
        expected: String,
    },
}

impl Control {
    /// Right or wrong; what would fit is worked out only when it is needed.
    fn of(is_right: bool, expected: impl FnOnce() -> String) -> Self {
        if is_right { Self::Right } else { Self::Wrong { expected: expected() } }
    }
}

#[cfg(test)]
mod properties;
