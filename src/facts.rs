//! What jobs must know, told by read models: the two layers meet here and nowhere else.

use async_trait::async_trait;
use chrono_tz::Tz;
use commands::ports::{AskDue, DueAccount, JobFacts, TenantPlace};
use domain::ids::CustomerId;
use futures::future::BoxFuture;
use projections::access::tenants::{self, TenantRow};
use projections::loyalty::loyalty_balances::due::{Due, due_expiries, due_hold_lapses, due_reviews};
use serde::Serialize;
use serde::de::DeserializeOwned;
use store::postgres::Pools;
use store::{BoxError, StoreError};

/// The read models of this installation.
pub(crate) struct ReadModels(pub(crate) Pools);

#[async_trait]
impl JobFacts for ReadModels {
    async fn tenants(&self) -> Result<Vec<TenantPlace>, BoxError> {
        let place = |row: TenantRow| {
            let zone: Tz = row.time_zone.parse()?;
            Ok(TenantPlace { tenant: row.tenant, zone, since: row.created_at })
        };
        tenants::all(&self.0).await?.into_iter().map(place).collect()
    }

    async fn due(&self, asked: AskDue<'_>) -> Result<Vec<DueAccount>, BoxError> {
        use commands::ports::Due as What;
        let (pools, today, now, limit) = (&self.0, asked.today, asked.now, asked.limit);
        match asked.what {
            What::Expiry => {
                of_tenant(asked, |after| {
                    Box::pin(async move { due_expiries(pools, today, limit, after.as_ref()).await })
                })
                .await
            }
            What::HoldLapse => {
                of_tenant(asked, |after| {
                    Box::pin(async move { due_hold_lapses(pools, now, limit, after.as_ref()).await })
                })
                .await
            }
            What::Review => {
                of_tenant(asked, |after| {
                    Box::pin(async move { due_reviews(pools, today, limit, after.as_ref()).await })
                })
                .await
            }
        }
    }
}

/// The next of a tenant's accounts. The list is all tenants' together, the longest due first: those of others are passed over.
async fn of_tenant<'a, T: Copy + Serialize + DeserializeOwned>(
    asked: AskDue<'_>,
    list: impl Fn(Option<Due<T>>) -> BoxFuture<'a, Result<Vec<Due<T>>, StoreError>>,
) -> Result<Vec<DueAccount>, BoxError> {
    let place = |(since, account)| Due { tenant: asked.tenant, account, since };
    let mut after = asked.after.map(serde_json::from_str).transpose()?.map(place);
    loop {
        let part = list(after).await?;
        let Some(last) = part.last().copied() else { return Ok(Vec::new()) };
        let own = part.into_iter().filter(|due| due.tenant == asked.tenant);
        let told = own.map(|due| {
            let cursor = serde_json::to_string(&(due.since, due.account))?;
            Ok(DueAccount { customer: CustomerId::new(due.account), cursor })
        });
        let told = told.collect::<Result<Vec<_>, BoxError>>()?;
        if !told.is_empty() {
            return Ok(told);
        }
        after = Some(last);
    }
}
