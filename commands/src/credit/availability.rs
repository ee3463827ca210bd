//! What would come of an order, asked of the states that commands are decided on: no read model is as new, and the answer is given after
//! the commit of all that it rests on. It changes nothing and promises nothing.

use super::lines::{Known, Needs, available_in_group, looking, settled};
use super::{group_stream, line_stream};
use crate::caller::{Caller, Scope};
use crate::changes::Changes;
use crate::customers::customer_stream;
use crate::error::CommandError;
use crate::execute::{Commands, Request};
use crate::states::States;
use domain::credit::commands::CreditError;
use domain::credit::credit_line::{CreditLine, Verdict};
use domain::credit::reasons::Bound;
use domain::ids::{CreditGroupId, CreditLineId, CustomerId};
use domain::{Currency, Moment, Money, Refusal};
use std::sync::{Arc, Mutex, PoisonError};
use store::Position;

/// What is available on a line, and whether an order would be bought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Availability {
    /// Whose line it is.
    pub customer: CustomerId,
    /// The group that it shares a limit with.
    pub group: Option<CreditGroupId>,
    /// The figures.
    pub figures: Figures,
    /// None: it would be bought.
    pub obstacle: Option<Obstacle>,
}

/// Figures of a line; of one that is not open only what is owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// What may be used, without tolerance and temporary credit.
    pub limit: Money,
    /// With them.
    pub ceiling: Money,
    /// What is to be paid.
    pub used: Money,
    /// What is promised to orders.
    pub held: Money,
    /// What came in and paid nothing yet.
    pub unapplied: Money,
    /// What was not paid in time.
    pub overdue: Money,
    /// What an order may take at most; not below nothing.
    pub available: Money,
}

/// Why an order would not be bought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// The code of the refusal.
    pub code: String,
    /// In words.
    pub message: String,
    /// Whose limit it is, if it is one.
    pub bound: Option<Bound>,
}

/// Says what would come of an order of so much, and the position up to which that holds.
///
/// # Errors
/// As [`CommandError`] says; refused as `credit_not_requested` where there is no line, as `currency_mismatch` on one in another currency.
pub async fn availability(
    commands: &Commands,
    caller: &Caller,
    line: CreditLineId,
    amount: Money,
) -> Result<(Availability, Position), CommandError> {
    caller.require(Scope::CreditRead)?;
    let found = Arc::new(Mutex::new(None));
    let asked = |known| asking(caller, (line, amount), known, Arc::clone(&found));
    let committed = looking(commands, caller, line, asked).await?;
    let found = found.lock().unwrap_or_else(PoisonError::into_inner).take();
    found.map(|found| (found, committed.position)).ok_or_else(|| CommandError::internal("nobody answered"))
}

/// A request that makes no event. What its last decision found is what was committed.
fn asking(
    caller: &Caller,
    (line, amount): (CreditLineId, Money),
    known: Known,
    found: Arc<Mutex<Option<Availability>>>,
) -> Request {
    let now = caller.this_moment();
    let decide = move |states: &States<'_>| {
        let seen = look(states, (line, amount), known, now)?;
        *found.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
        Ok::<_, Refusal>(Changes::none())
    };
    let seen = known.group.map(group_stream).into_iter().chain(known.customer.map(customer_stream));
    Request::new("credit.check_availability", caller.now, [line_stream(line)], decide).seeing(seen)
}

fn look(
    states: &States<'_>,
    (line, amount): (CreditLineId, Money),
    known: Known,
    now: Moment,
) -> Result<Availability, Refusal> {
    let state = known.checked(states, line)?;
    let Some(customer) = known.customer else {
        return Err(CreditError::NotRequested.into());
    };
    if let Verdict::Refused(error @ CreditError::CurrencyMismatch { .. }) = state.verdict(amount, None, now) {
        return Err(error.into());
    }
    let group_available = available_in_group(states, known, line, now);
    let obstacle = Needs::Buyer.check(states, customer).err().map(Obstacle::of);
    let obstacle = obstacle.or_else(|| in_the_way(state, amount, group_available, now));
    let figures = Figures::of(&settled(state, now), group_available, amount.currency(), now);
    Ok(Availability { customer, group: known.group, figures, obstacle })
}

fn in_the_way(line: &CreditLine, amount: Money, group_available: Option<Money>, now: Moment) -> Option<Obstacle> {
    match line.verdict(amount, group_available, now) {
        Verdict::Passes => None,
        Verdict::Refused(error) => Some(Obstacle::of(error.into())),
        Verdict::Exceeds { available, bound } => Some(Obstacle {
            code: "credit_limit_exceeded".to_owned(),
            message: format!("{available} is available"),
            bound: Some(bound),
        }),
    }
}

impl Obstacle {
    fn of(refusal: Refusal) -> Self {
        Self { code: refusal.code, message: refusal.message, bound: None }
    }
}

impl Figures {
    fn of(line: &CreditLine, group_available: Option<Money>, currency: Currency, now: Moment) -> Self {
        let zero = Money::zero(currency);
        let none = Self {
            limit: zero,
            ceiling: zero,
            used: zero,
            held: zero,
            unapplied: zero,
            overdue: zero,
            available: zero,
        };
        let owed = line.owing().map_or(none, |line| Self {
            used: line.outstanding(),
            held: line.held(),
            unapplied: line.unapplied(),
            overdue: line.overdue(now.today),
            ..none
        });
        line.open().map_or(owed, |line| Self {
            limit: line.limit(),
            ceiling: line.ceiling(now.today),
            available: line.available_to_an_order(group_available, now.today),
            ..owed
        })
    }
}
