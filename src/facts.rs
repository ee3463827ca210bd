//! What jobs must know, told by read models: the two layers meet here and nowhere else.

use async_trait::async_trait;
use chrono_tz::Tz;
use commands::ports::{AskDue, Due as What, DueAccount, JobFacts, TenantPlace};
use projections::access::tenants::{self, TenantRow};
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
            // No read model knows of lines of credit.
            What::CreditHoldLapse | What::CreditOverdue | What::CreditDunning | What::CreditTemporaryExpiry => {
                Ok(Vec::new())
            }
        }
    }
}

/// The account that a cursor of [`told`] stands for.
fn behind<T: DeserializeOwned>(cursor: Option<&str>) -> Result<Option<Due<T>>, BoxError> {
    let last: Option<(T, _)> = cursor.map(serde_json::from_str).transpose()?;
    Ok(last.map(|(since, account)| Due { account, since }))
}

fn told<T: Serialize>(due: Vec<Due<T>>) -> Result<Vec<DueAccount>, BoxError> {
    let one = |due: Due<T>| {
        let cursor = serde_json::to_string(&(due.since, due.account))?;
        Ok(DueAccount { id: due.account, cursor })
    };
    due.into_iter().map(one).collect()
}
