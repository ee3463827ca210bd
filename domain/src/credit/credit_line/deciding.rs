//! Credit is asked for, and given or not. Who asks does not decide.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::dunning::Dunning;
use super::{CreditLine, Line, Rejection, Request};
use crate::credit::commands::CreditError;
use crate::credit::events::CreditEvent;
use crate::credit::financials::{CreditNote, Financials};
use crate::credit::policy::Policy;
use crate::credit::reasons::RejectReason;
use crate::credit::terms::Terms;
use crate::event::Personal;
use crate::ids::{Actor, CustomerId};
use crate::money::{Currency, Money};

/// What was decided, to tell a repeat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Approval {
    pub(super) limit: Money,
    pub(super) terms: Terms,
    pub(super) policy: Policy,
    pub(super) approved_by: Actor,
}

impl Request {
    /// Who asks.
    pub const fn customer(&self) -> CustomerId {
        self.customer
    }

    /// For how much.
    pub const fn amount(&self) -> Money {
        self.amount
    }

    /// Who said so for it.
    pub const fn requested_by(&self) -> &Actor {
        &self.requested_by
    }

    /// Since when.
    pub const fn requested_on(&self) -> NaiveDate {
        self.requested_on
    }

    /// What it told of itself.
    pub const fn financials(&self) -> &Personal<Financials> {
        &self.financials
    }

    /// The line that was closed before, with what is owed on it.
    pub fn before(&self) -> Option<&Line> {
        self.before.as_deref()
    }

    pub(super) fn evolve(mut self, event: &CreditEvent) -> Self {
        self.before = self.before.map(|before| Box::new(before.evolve(event)));
        self
    }

    /// The line that it becomes. One that was closed goes on: what it remembers is known, and what is owed on it is owed.
    fn approved(self, approval: Approval, on: NaiveDate) -> Line {
        let given = Line::new(self.customer, self.amount.currency(), approval, on);
        let Some(before) = self.before else { return given };
        let Line { approval, limit, terms, policy, suspended, latest, .. } = given;
        Line { approval, limit, terms, policy, suspended, latest, ..*before }
    }
}

impl Line {
    /// One on which nothing has happened.
    fn new(customer: CustomerId, currency: Currency, approval: Approval, on: NaiveDate) -> Self {
        Self {
            customer,
            currency,
            limit: approval.limit.minor(),
            terms: approval.terms,
            policy: approval.policy.clone(),
            approval,
            suspended: BTreeSet::new(),
            uses: BTreeMap::new(),
            next_use: 1,
            holds: Vec::new(),
            over: Vec::new(),
            payments: BTreeMap::new(),
            refunds: BTreeMap::new(),
            unapplied: 0,
            temporary: BTreeMap::new(),
            group: None,
            dunning: Dunning::default(),
            latest: on,
        }
    }
}

impl Rejection {
    pub(super) fn evolve(self, event: &CreditEvent) -> Self {
        Self { request: self.request.evolve(event), ..self }
    }

    /// What was asked for.
    pub const fn request(&self) -> &Request {
        &self.request
    }

    /// Why it was not given.
    pub const fn reason(&self) -> RejectReason {
        self.reason
    }

    /// Who decided.
    pub const fn rejected_by(&self) -> &Actor {
        &self.rejected_by
    }
}

/// A line that is there, is closed or was refused: what was asked for, given or not given makes it another one.
pub(super) fn evolve(state: CreditLine, event: &CreditEvent) -> CreditLine {
    use {CreditEvent as E, CreditLine as L};
    match (state, event) {
        (state, E::Requested { customer, amount, requested_by, on, personal }) => L::Requested(Box::new(Request {
            customer: *customer,
            amount: *amount,
            requested_by: requested_by.clone(),
            requested_on: *on,
            financials: personal.clone(),
            before: remembered(state),
        })),
        (L::Requested(request), E::Approved { limit, terms, policy, approved_by, on, .. }) => {
            let (policy, approved_by) = (policy.clone(), approved_by.clone());
            L::Open(Box::new(request.approved(Approval { limit: *limit, terms: *terms, policy, approved_by }, *on)))
        }
        (L::Requested(request), E::Rejected { reason, rejected_by, .. }) => {
            L::Rejected(Box::new(Rejection { request: *request, reason: *reason, rejected_by: rejected_by.clone() }))
        }
        (state, _) => state,
    }
}

fn remembered(state: CreditLine) -> Option<Box<Line>> {
    match state {
        CreditLine::NotRequested => None,
        CreditLine::Requested(request) => request.before,
        CreditLine::Rejected(rejection) => rejection.request.before,
        CreditLine::Open(line) | CreditLine::Closed(line) => Some(line),
    }
}

pub(super) fn request(
    state: &CreditLine,
    (customer, requested_by): (CustomerId, Actor),
    amount: Money,
    financials: Financials,
    on: NaiveDate,
) -> Result<Vec<CreditEvent>, CreditError> {
    let personal = Personal::Known(financials);
    match state {
        CreditLine::Open(line) => return Err(CreditError::AlreadyOpen { limit: line.limit() }),
        CreditLine::Requested(made) => {
            let is_same = made.amount == amount && made.requested_by == requested_by && made.financials == personal;
            return if is_same { Ok(vec![]) } else { Err(CreditError::AlreadyRequested { amount: made.amount }) };
        }
        CreditLine::Closed(line) => line.require_currency(amount)?,
        CreditLine::NotRequested | CreditLine::Rejected(_) => {}
    }
    if amount.minor() <= 0 {
        return Err(CreditError::AmountNotPositive { amount });
    }
    Ok(vec![CreditEvent::Requested { customer, amount, requested_by, on, personal }])
}

pub(super) fn approve(
    state: &CreditLine,
    approval: Approval,
    note: CreditNote,
    on: NaiveDate,
) -> Result<Vec<CreditEvent>, CreditError> {
    let request = match state {
        CreditLine::Requested(request) => request,
        CreditLine::Open(line) if line.approval == approval => return Ok(vec![]),
        CreditLine::Open(line) => return Err(CreditError::AlreadyApproved { limit: line.limit() }),
        CreditLine::NotRequested => return Err(CreditError::NotRequested),
        CreditLine::Rejected(_) => return Err(CreditError::Rejected),
        CreditLine::Closed(_) => return Err(CreditError::Closed),
    };
    let Approval { limit, terms, policy, approved_by } = approval;
    if approved_by == request.requested_by {
        return Err(CreditError::ApproverIsRequester);
    }
    let (expected, given) = (request.amount.currency(), limit.currency());
    if expected != given {
        return Err(CreditError::CurrencyMismatch { expected, given });
    }
    if limit.minor() <= 0 {
        return Err(CreditError::LimitNotPositive { limit });
    }
    policy.check(expected, on).map_err(CreditError::Faulty)?;
    Ok(vec![CreditEvent::Approved { limit, terms, policy, approved_by, on, personal: note.into() }])
}

pub(super) fn reject(
    state: &CreditLine,
    (reason, rejected_by): (RejectReason, Actor),
    note: CreditNote,
    on: NaiveDate,
) -> Result<Vec<CreditEvent>, CreditError> {
    match state {
        CreditLine::Requested(_) => Ok(vec![CreditEvent::Rejected { reason, rejected_by, on, personal: note.into() }]),
        CreditLine::Rejected(made) if made.reason == reason && made.rejected_by == rejected_by => Ok(vec![]),
        CreditLine::Rejected(_) => Err(CreditError::Rejected),
        CreditLine::NotRequested => Err(CreditError::NotRequested),
        CreditLine::Open(line) => Err(CreditError::AlreadyApproved { limit: line.limit() }),
        CreditLine::Closed(_) => Err(CreditError::Closed),
    }
}
