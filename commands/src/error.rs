//! Why a command was not carried out: refusals, conflicts, outages and bugs, told apart once for all doors.

use crate::caller::Scope;
use domain::Refusal;
use store::BoxError;
use uuid::Uuid;

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The domain says no; the same request gets the same answer again.
    #[error("refused: {0}")]
    Refused(#[source] Refusal),
    /// Another owner holds an address, a reference or a name. Callers are told the refusal; the owner is for imports,
    /// which go on with it.
    #[error("refused: {refusal}")]
    Claimed {
        /// What callers are told.
        refusal: Refusal,
        /// Who holds it.
        owner: Uuid,
    },
    /// The caller may not do this.
    #[error("the scope {scope} is needed")]
    Forbidden {
        /// What the caller lacks.
        scope: Scope,
    },
    /// What concerns all tenants is for the operators of the installation.
    #[error("only operators of the installation may do this")]
    OperatorsOnly,
    /// The idempotency key was used before with another request.
    #[error("the idempotency key was used before with another request")]
    KeyReused,
    /// Others changed the same streams again and again: nothing was done, ask again.
    #[error("others changed the same streams too often")]
    Conflict,
    /// No answer in time. What was asked may or may not have been done: repeat it with the same key.
    #[error("unavailable; repeat with the same key in {retry_after_s} s")]
    Unavailable {
        /// When to try again, in seconds.
        retry_after_s: u32,
        /// What was missing.
        #[source]
        cause: BoxError,
    },
    /// A stream holds what a newer build wrote: this node has to be upgraded, or another one asked.
    #[error("written by a newer build")]
    Newer(#[source] BoxError),
    /// Too many commands wait already: this one was not taken in.
    #[error("too many commands wait already")]
    Busy,
    /// A bug.
    #[error("internal error")]
    Internal(#[source] BoxError),
}

impl CommandError {
    /// The refusal, when it is one.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) | Self::Claimed { refusal, .. } => Some(refusal),
            Self::Forbidden { .. }
            | Self::OperatorsOnly
            | Self::KeyReused
            | Self::Conflict
            | Self::Unavailable { .. }
            | Self::Newer(_)
            | Self::Busy
            | Self::Internal(_) => None,
        }
    }

    /// Whether the same request, made again, may be carried out.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        match self {
            Self::Conflict | Self::Unavailable { .. } | Self::Newer(_) | Self::Busy | Self::Internal(_) => true,
            Self::Refused(_)
            | Self::Claimed { .. }
            | Self::Forbidden { .. }
            | Self::OperatorsOnly
            | Self::KeyReused => false,
        }
    }

    /// A short stable name of the kind, for metrics.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Refused(_) | Self::Claimed { .. } => "refused",
            Self::Forbidden { .. } | Self::OperatorsOnly => "forbidden",
            Self::KeyReused => "key_reused",
            Self::Conflict => "conflict",
            Self::Unavailable { .. } => "unavailable",
            Self::Newer(_) => "newer",
            Self::Busy => "busy",
            Self::Internal(_) => "internal",
        }
    }

    pub(crate) fn unavailable(cause: impl Into<BoxError>) -> Self {
        Self::Unavailable { retry_after_s: RETRY_AFTER_S, cause: cause.into() }
    }

    pub(crate) fn internal(cause: impl Into<BoxError>) -> Self {
        Self::Internal(cause.into())
    }
}

impl From<Refusal> for CommandError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

const RETRY_AFTER_S: u32 = 1;
