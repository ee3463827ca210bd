//! Two customers turn out to be one: one append on both, on their loyalty accounts, and on all who were merged into the duplicate before.
//!
//! The log learns that they are one person, so that nobody forgets one of them alone. What the duplicate claimed (e-mails, phones,
//! documents, references, its login) is the survivor's in the same append: at no moment may somebody else take it.
//!
//! A line of credit stays with the customer that it was made for: a duplicate that has one, neither closed nor rejected, is not merged.

use super::update::{held_claims, moved_claims};
use super::{customer_stream, person};
use crate::caller::{Caller, Scope};
use crate::changes::Changes;
use crate::credit::line_stream;
use crate::credit::owned::{lines_of, live};
use crate::error::CommandError;
use crate::execute::{Commands, Committed, Request, content_of};
use crate::identity::IdempotencyKey;
use crate::loyalty::programme::programme_stream;
use crate::loyalty::{Today, account_stream, rules_of};
use crate::refusals;
use crate::states::States;
use domain::credit::commands::CreditError;
use domain::customers::commands::{CustomerCommand, CustomerError};
use domain::customers::customer::{ActiveCustomer, Customer};
use domain::customers::events::CustomerEvent;
use domain::customers::referring::one_sent_the_other;
use domain::ids::{CreditLineId, CustomerId};
use domain::loyalty::commands::LoyaltyCommand;
use domain::loyalty::loyalty_account::LoyaltyAccount;
use domain::{Decider, Refusal};
use serde::Serialize;
use store::{StreamId, TenantId};

/// Two customers that are one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Merge {
    /// The one that goes on.
    pub survivor: CustomerId,
    /// The one that it was known as besides.
    pub duplicate: CustomerId,
}

/// Merges a customer into another one, which takes over all it had. Once more changes nothing.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn merge(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: Merge,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CustomersWrite)?;
    if request.survivor == request.duplicate {
        return Err(Refusal::from(CustomerError::MergeWithItself).into());
    }
    let lines = Lines {
        survivor: lines_of(commands, caller, request.survivor).await?,
        duplicate: lines_of(commands, caller, request.duplicate).await?,
    };
    let asked = |person| merging(caller, &request, person, lines.clone()).keyed(key.clone());
    person::execute(commands, caller, request.duplicate, asked).await
}

/// Not remembered when it makes no event: who is linked is looked up before, and asked again it is looked up again.
fn merging(caller: &Caller, request: &Merge, mut others: Vec<CustomerId>, lines: Lines) -> Request {
    others.retain(|other| ![request.survivor, request.duplicate].contains(other));
    let (content, today) = (content_of(request), Today::of(caller, caller.now));
    let everybody = [request.survivor, request.duplicate].into_iter().chain(others.iter().copied());
    let scope: Vec<_> = everybody.flat_map(|id| [customer_stream(id), account_stream(id)]).collect();
    let tenant = caller.tenant;
    let seen: Vec<_> = [programme_stream(tenant)].into_iter().chain(lines.streams()).collect();
    let merge = Merging { request: request.clone(), others, lines, today, tenant };
    let decide = move |states: &States<'_>| merge.decide(states);
    let asked = Request::new("customers.merge", caller.now, scope, decide).seeing(seen);
    asked.content(content).forgetful()
}

/// The lines of credit that were asked for.
#[derive(Debug, Clone)]
struct Lines {
    survivor: Vec<CreditLineId>,
    duplicate: Vec<CreditLineId>,
}

impl Lines {
    fn streams(&self) -> impl Iterator<Item = StreamId> {
        self.survivor.iter().chain(&self.duplicate).copied().map(line_stream)
    }

    /// Refuses when a line would be left with the duplicate.
    fn check(&self, states: &States<'_>) -> Result<(), CreditError> {
        match (live(states, &self.duplicate), live(states, &self.survivor)) {
            (None, _) => Ok(()),
            (Some(line), None) => Err(CreditError::DuplicateHasCredit { line }),
            (Some(line), Some(own)) => Err(CreditError::BothHaveCredit { line, own }),
        }
    }
}

struct Merging {
    request: Merge,
    /// All who are the same person as the duplicate.
    others: Vec<CustomerId>,
    lines: Lines,
    today: Today,
    tenant: TenantId,
}

impl Merging {
    fn decide(&self, states: &States<'_>) -> Result<Changes, Refusal> {
        let Merge { survivor, duplicate } = self.request;
        let on = self.today.now.today;
        let takes_over = states.get::<Customer>(survivor.as_uuid());
        takes_over.active()?;
        let gone = states.get::<Customer>(duplicate.as_uuid());
        let merged = Customer::decide(gone, CustomerCommand::MergeInto { into: survivor, on })?;
        let mut changes = Changes::none();
        let Ok(known) = gone.active() else { return Ok(changes) };
        if !known.duplicates().iter().all(|other| self.others.contains(other)) {
            return Err(refusals::outdated());
        }
        self.lines.check(states)?;
        let absorb = CustomerCommand::Absorb { into: survivor, id: duplicate, duplicate: Box::new(known.clone()), on };
        let absorbed = Customer::decide(takes_over, absorb)?;
        changes = changes.and(customer_stream(survivor), absorbed.iter().cloned());
        changes = changes.and(customer_stream(duplicate), merged);
        let account = self.merge_accounts(states, &mut changes)?;
        if one_sent_the_other((survivor, takes_over.active()?), (duplicate, known)) && account.member().is_ok() {
            let flag = LoyaltyCommand::FlagSelfReferral { now: self.today.now };
            self.today.append(&mut changes, survivor, LoyaltyAccount::decide(&account, flag)?);
        }
        self.follow(states, known, &mut changes)?;
        self.move_claims(states, &absorbed, &mut changes);
        changes.link(survivor.as_uuid(), duplicate.as_uuid());
        Ok(changes)
    }

    /// What was the duplicate's is the survivor's, as far as its events say so: what no event tells of would be nobody's for ever.
    fn move_claims(&self, states: &States<'_>, absorbed: &[CustomerEvent], changes: &mut Changes) {
        let (survivor, duplicate) = (self.request.survivor.as_uuid(), self.request.duplicate.as_uuid());
        for claim in held_claims(states.get::<Customer>(duplicate)) {
            changes.release(claim, duplicate);
        }
        let (_, taken) = moved_claims(states.get::<Customer>(survivor), absorbed);
        for claim in taken {
            changes.take(claim, survivor);
        }
    }

    /// What is due at the duplicate's account lapses, expires and vests there, before the other one takes over. Tells what that comes to.
    fn merge_accounts(&self, states: &States<'_>, changes: &mut Changes) -> Result<LoyaltyAccount, Refusal> {
        let (Merge { survivor, duplicate }, now) = (self.request.clone(), self.today.now);
        let account = states.get::<LoyaltyAccount>(duplicate.as_uuid());
        let takes_over = states.get::<LoyaltyAccount>(survivor.as_uuid());
        if account.member().is_err() {
            return Ok(takes_over.clone());
        }
        let programme = rules_of(states, self.tenant);
        let with = takes_over.member().ok().cloned().map(Box::new);
        let settle = LoyaltyCommand::SettleBeforeMerge { with, programme: programme.clone(), now };
        let due = LoyaltyAccount::decide(account, settle)?;
        let settled = LoyaltyAccount::fold(account.clone(), &due);
        let merged = LoyaltyAccount::decide(&settled, LoyaltyCommand::MergeInto { into: survivor, now })?;
        let account = Box::new(settled.member()?.clone());
        let absorbed =
            LoyaltyAccount::decide(takes_over, LoyaltyCommand::Absorb { duplicate, account, programme, now })?;
        let joined = LoyaltyAccount::fold(takes_over.clone(), &absorbed);
        self.today.append(changes, survivor, absorbed);
        self.today.append(changes, duplicate, due.into_iter().chain(merged).collect());
        Ok(joined)
    }

    /// Who was merged into the duplicate before is told who it is now: no answer leads over two.
    fn follow(&self, states: &States<'_>, known: &ActiveCustomer, changes: &mut Changes) -> Result<(), Refusal> {
        let (Merge { survivor, duplicate }, now) = (self.request.clone(), self.today.now);
        for other in known.duplicates() {
            let follow = CustomerCommand::FollowMerge { from: duplicate, into: survivor, on: now.today };
            let followed = Customer::decide(states.get::<Customer>(other.as_uuid()), follow)?;
            *changes = std::mem::take(changes).and(customer_stream(*other), followed);
            let account = states.get::<LoyaltyAccount>(other.as_uuid());
            if matches!(account, LoyaltyAccount::Merged { .. }) {
                let follow = LoyaltyCommand::MergeInto { into: survivor, now };
                self.today.append(changes, *other, LoyaltyAccount::decide(account, follow)?);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
