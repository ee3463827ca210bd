//! What commands must be told from outside: facts that read models know. The wiring of the binary adapts their queries.

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use domain::access::settings::TenantSettings;
use store::{BoxError, TenantId};
use uuid::Uuid;

/// A tenant, as jobs need to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TenantPlace {
    /// Which.
    pub tenant: TenantId,
    /// Where its business day begins and ends.
    pub zone: Tz,
    /// What it decided for itself.
    pub settings: TenantSettings,
    /// Since when it is there.
    pub since: DateTime<Utc>,
}

/// What may be due for a loyalty account, or for a line of credit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Pending points that vest.
    Vesting,
    /// Points that expire.
    Expiry,
    /// Holds whose time is over.
    HoldLapse,
    /// The yearly review of its tier.
    Review,
    /// Credit that was held for orders too long.
    CreditHoldLapse,
    /// Orders that were not paid in time.
    CreditOverdue,
    /// A limit that nobody looked at in time.
    CreditReview,
    /// A reminder of what is overdue.
    CreditDunning,
    /// Credit that was given for a time that is over.
    CreditTemporaryExpiry,
}

/// An account for which something is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueAccount {
    /// The customer whose loyalty account it is, or the line of credit.
    pub id: Uuid,
    /// Its place in the list, to go on behind it.
    pub cursor: String,
}

/// Which accounts are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AskDue<'a> {
    /// Whose accounts.
    pub tenant: TenantId,
    /// What is due.
    pub what: Due,
    /// By when.
    pub now: DateTime<Utc>,
    /// The business date by then.
    pub today: NaiveDate,
    /// Only those behind this place.
    pub after: Option<&'a str>,
    /// At most so many.
    pub limit: u32,
}

/// What jobs must know.
#[async_trait]
pub trait JobFacts: Send + Sync + 'static {
    /// All tenants.
    async fn tenants(&self) -> Result<Vec<TenantPlace>, BoxError>;

    /// Accounts for which something is due, in an order that stays. One for which it was done may still be listed for a moment.
    async fn due(&self, asked: AskDue<'_>) -> Result<Vec<DueAccount>, BoxError>;
}

/// Nothing is known and nothing is due: where no job runs.
#[async_trait]
impl JobFacts for () {
    async fn tenants(&self) -> Result<Vec<TenantPlace>, BoxError> {
        Ok(Vec::new())
    }

    async fn due(&self, _: AskDue<'_>) -> Result<Vec<DueAccount>, BoxError> {
        Ok(Vec::new())
    }
}
