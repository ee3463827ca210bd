//! The table of claims against the events: compared by `check claims`, written anew by `secrets rotate-claims`.

use crate::output::{counted, say};
use crate::wiring::Workshop;
use anyhow::anyhow;
use commands::claims::{Page, again, holders};
use serde::Serialize;
use serde_json::{Value, json};
use std::time::Duration;
use store::postgres::claims::{ClaimDifference, Wrong};
use store::{ClaimHolder, Position};

/// Name by which `check` knows the table.
pub(crate) const NAME: &str = "claims";
/// What differs while others write is looked at again.
const LOOKS: usize = 3;
const PAUSE: Duration = Duration::from_millis(100);
/// Most differences that are told one by one.
const TOLD_MAX: usize = 10;

/// What a comparison came to.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Compared {
    holders: u64,
    claims: u64,
    differences: Vec<ClaimDifference>,
    /// Whose events cannot be read.
    unreadable: Vec<Value>,
}

impl Compared {
    /// Whether the table is what the events say, as far as they can be read.
    pub(crate) fn agrees(&self) -> bool {
        self.differences.is_empty() && self.unreadable.is_empty()
    }

    /// As `check --json` shows it, among the projections.
    pub(crate) fn json(&self) -> Value {
        json!({
            "table": NAME, "holders": self.holders, "claims": self.claims, "differences": self.differences,
            "unreadable": self.unreadable
        })
    }

    pub(crate) fn tell(&self) -> anyhow::Result<()> {
        let (claims, holders) = (counted(self.claims, "value"), counted(self.holders, "holder"));
        say!("{NAME}: {claims} claimed by the events of {holders}")?;
        if self.agrees() {
            return say!("  the table is what the events say");
        }
        for ClaimDifference { tenant, kind, owner, wrong } in self.differences.iter().take(TOLD_MAX) {
            match wrong {
                Wrong::Missing => say!("  {kind} of {owner} (tenant {tenant}) is missing")?,
                Wrong::HeldBy { holder } => say!("  {kind} of {owner} (tenant {tenant}) is held by {holder}")?,
                Wrong::Surplus => say!("  {kind} is held by {owner} (tenant {tenant}), but no event says so")?,
            }
        }
        if self.differences.iter().any(is_left_of_a_merge) {
            say!("  a user that no event tells of was the login of a customer that an earlier version merged: PUT")?;
            say!("  /v1/customers/{{id}}/user of the holder makes it the holder's, DELETE then frees it")?;
        }
        for unreadable in self.unreadable.iter().take(TOLD_MAX) {
            say!("  events cannot be read: {unreadable}")?;
        }
        let all = self.differences.len() + self.unreadable.len();
        say!("  {} in all", counted(all as u64, "difference"))
    }
}

/// Whether a merge took a login over without an event that says so, as merges did once.
fn is_left_of_a_merge(difference: &ClaimDifference) -> bool {
    difference.kind == "user" && matches!(difference.wrong, Wrong::Surplus)
}

/// Compares all claims, while others may write.
pub(crate) async fn compare(workshop: &Workshop) -> anyhow::Result<Compared> {
    let mut compared = Compared::default();
    let mut after = Some(Position(0));
    while let Some(from) = after {
        let page = page(workshop, from).await?;
        compared.holders += page.holders.len() as u64;
        compared.claims += page.holders.iter().map(|holder| holder.claims.len() as u64).sum::<u64>();
        compared.differences.extend(lasting(workshop, &page.holders).await?);
        let unreadable = page.unreadable.iter();
        compared.unreadable.extend(
            unreadable.map(|found| json!({"tenant": found.tenant, "owner": found.owner, "reason": found.reason})),
        );
        after = page.next;
    }
    compared.differences.extend(workshop.store.claims_of_nobody().await?);
    Ok(compared)
}

/// Has a new claim key written into all rows; says how many were written anew, and how many are left that no event explains.
pub(crate) async fn rehash(workshop: &Workshop, tell: &dyn Fn(u64)) -> anyhow::Result<u64> {
    let (mut done, mut after) = (0, Some(Position(0)));
    while let Some(from) = after {
        let page = page(workshop, from).await?;
        done += workshop.store.rehash_claims(&page.holders).await?;
        tell(done);
        after = page.next;
    }
    Ok(done)
}

async fn page(workshop: &Workshop, after: Position) -> anyhow::Result<Page> {
    holders(&*workshop.store, after).await.map_err(|error| anyhow!(error))
}

/// The differences that are still there after a moment: a command may have been under way.
async fn lasting(workshop: &Workshop, holders: &[ClaimHolder]) -> anyhow::Result<Vec<ClaimDifference>> {
    let mut differences = workshop.store.compare_claims(holders).await?;
    for _ in 1..LOOKS {
        if differences.is_empty() {
            break;
        }
        tokio::time::sleep(PAUSE).await;
        let differs = |holder: &&ClaimHolder| {
            differences.iter().any(|found| (found.tenant, found.owner) == (holder.tenant, holder.owner))
        };
        let suspects: Vec<_> = holders.iter().filter(differs).cloned().collect();
        let suspects = again(&*workshop.store, &suspects).await.map_err(|error| anyhow!(error))?;
        differences = workshop.store.compare_claims(&suspects).await?;
    }
    Ok(differences)
}
