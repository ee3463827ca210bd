//! What jobs must know, told by read models: the two layers meet here and nowhere else.

use async_trait::async_trait;
use chrono_tz::Tz;
use commands::ports::{AskDue, Due as What, DueAccount, JobFacts, TenantPlace};
use projections::access::tenants::{self, TenantRow};
use projections::credit::credit_lines::due as credit;
use projections::loyalty::loyalty_balances::due::{Due, due_expiries, due_hold_lapses, due_reviews, due_vestings};
use serde::Serialize;
use serde::de::DeserializeOwned;
use store::BoxError;
use store::postgres::Pools;

/// The read models of this installation.
pub(crate) struct ReadModels(pub(crate) Pools);

#[async_trait]
impl JobFacts for ReadModels {
    async fn tenants(&self) -> Result<Vec<TenantPlace>, BoxError> {
        let place = |row: TenantRow| {
            let zone: Tz = row.time_zone.parse()?;
            Ok(TenantPlace { tenant: row.tenant, zone, settings: row.settings, since: row.created_at })
        };
        tenants::all(&self.0).await?.into_iter().map(place).collect()
    }

    async fn due(&self, asked: AskDue<'_>) -> Result<Vec<DueAccount>, BoxError> {
        let (pools, AskDue { tenant, today, now, limit, after, .. }) = (&self.0, asked);
        match asked.what {
            What::Vesting => told(due_vestings(pools, tenant, today, limit, behind(after)?.as_ref()).await?),
            What::Expiry => told(due_expiries(pools, tenant, today, limit, behind(after)?.as_ref()).await?),
            What::HoldLapse => told(due_hold_lapses(pools, tenant, now, limit, behind(after)?.as_ref()).await?),
            What::Review => told(due_reviews(pools, tenant, today, limit, behind(after)?.as_ref()).await?),
            What::CreditHoldLapse => {
                of_lines(credit::due_hold_lapses(pools, tenant, now, limit, behind_line(after)?.as_ref()).await?)
            }
            What::CreditOverdue => {
                of_lines(credit::due_overdue(pools, tenant, today, limit, behind_line(after)?.as_ref()).await?)
            }
            What::CreditReview => {
                of_lines(credit::due_reviews(pools, tenant, today, limit, behind_line(after)?.as_ref()).await?)
            }
            What::CreditDunning => {
                of_lines(credit::due_dunnings(pools, tenant, today, limit, behind_line(after)?.as_ref()).await?)
            }
            What::CreditTemporaryExpiry => {
                let after = behind_line(after)?;
                of_lines(credit::due_temporary_expiries(pools, tenant, today, limit, after.as_ref()).await?)
            }
        }
    }
}

/// The account that a cursor of [`told`] stands for.
fn behind<T: DeserializeOwned>(cursor: Option<&str>) -> Result<Option<Due<T>>, BoxError> {
    let last: Option<(T, _)> = cursor.map(serde_json::from_str).transpose()?;
    Ok(last.map(|(since, account)| Due { account, since }))
}

/// The same, of a line of credit.
fn behind_line<T: DeserializeOwned>(cursor: Option<&str>) -> Result<Option<credit::Due<T>>, BoxError> {
    let last: Option<(T, _, _)> = cursor.map(serde_json::from_str).transpose()?;
    Ok(last.map(|(since, line, customer)| credit::Due { line, customer, since }))
}

fn of_lines<T: Serialize>(due: Vec<credit::Due<T>>) -> Result<Vec<DueAccount>, BoxError> {
    let one = |due: credit::Due<T>| {
        let cursor = serde_json::to_string(&(due.since, due.line, due.customer))?;
        Ok(DueAccount { id: due.line, cursor })
    };
    due.into_iter().map(one).collect()
}

fn told<T: Serialize>(due: Vec<Due<T>>) -> Result<Vec<DueAccount>, BoxError> {
    let one = |due: Due<T>| {
        let cursor = serde_json::to_string(&(due.since, due.account))?;
        Ok(DueAccount { id: due.account, cursor })
    };
    due.into_iter().map(one).collect()
}
