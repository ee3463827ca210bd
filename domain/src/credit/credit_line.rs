//! A customer's line of credit in one currency: asked for, given or not, used and paid, and closed.
//!
//! The state forgets: an order that is paid, a payment, and temporary credit that is over, 24 months after the latest business date at
//! which that happened. So it does not grow for ever; that an order is charged once beyond that is the log's to know. A line that was
//! closed is remembered in the same way when it is asked for again.

mod deciding;
mod dunning;
mod granting;
mod holding;
mod joining;
mod overdue;
mod paying;
mod refunding;
mod releasing;
mod standing;
mod using;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::calendar::{Moment, months_after};
use crate::credit::aging::within_limits;
use crate::credit::commands::{CreditCommand, CreditError};
use crate::credit::events::CreditEvent;
use crate::credit::financials::Financials;
use crate::credit::policy::Policy;
use crate::credit::reasons::{RejectReason, SuspensionCause};
use crate::credit::terms::Terms;
use crate::decider::Decider;
use crate::event::Personal;
use crate::ids::{Actor, CaseId, CreditGroupId, CustomerId, OrderId, PaymentId, RefundId};
use crate::money::{Currency, Money};

pub use dunning::CASES_MAX;
pub use granting::Temporary;
pub use holding::{HOLDS_MAX, Hold, HoldEnd};
pub use paying::{ORDERS_MAX, Payment};
pub use using::{USES_MAX, Use, Verdict};

/// What is over is remembered for so many calendar months at least, to tell its repeats.
pub const REMEMBERED_MONTHS: u32 = 24;

/// A line of credit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CreditLine {
    /// Nobody asked for it.
    NotRequested,
    /// It was asked for, and is to be decided.
    Requested(Box<Request>),
    /// It was not given.
    Rejected(Box<Rejection>),
    /// It may be used, unless it is suspended.
    Open(Box<Line>),
    /// It is over: nothing is bought any more. Nothing was owed then; what is owed since, because a payment turned out to be none, is paid as
    /// on any line.
    Closed(Box<Line>),
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    customer: CustomerId,
    amount: Money,
    requested_by: Actor,
    requested_on: NaiveDate,
    financials: Personal<Financials>,
    /// The line that was closed before, with what is owed on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<Box<Line>>,
}

/// That it was not given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    request: Request,
    reason: RejectReason,
    rejected_by: Actor,
}

/// A line that was given. Amounts are in the smallest unit of its currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    customer: CustomerId,
    currency: Currency,
    approval: deciding::Approval,
    limit: i64,
    terms: Terms,
    policy: Policy,
    suspended: BTreeSet<SuspensionCause>,
    uses: BTreeMap<OrderId, Use>,
    next_use: u32,
    holds: Vec<Hold>,
    over: Vec<holding::Over>,
    payments: BTreeMap<PaymentId, Payment>,
    refunds: BTreeMap<RefundId, refunding::Refund>,
    unapplied: i64,
    temporary: BTreeMap<CaseId, Temporary>,
    group: Option<CreditGroupId>,
    dunning: dunning::Dunning,
    latest: NaiveDate,
}

impl Decider for CreditLine {
    type Command = CreditCommand;
    type Event = CreditEvent;
    type Refusal = CreditError;

    fn initial() -> Self {
        Self::NotRequested
    }

    fn decide(state: &Self, command: CreditCommand) -> Result<Vec<CreditEvent>, CreditError> {
        match command {
            CreditCommand::Request { customer, amount, requested_by, financials, now } => {
                deciding::request(state, (customer, requested_by), amount, *financials, now.today)
            }
            CreditCommand::Approve { limit, terms, policy, approved_by, note, now } => {
                let approval = deciding::Approval { limit, terms, policy: *policy, approved_by };
                deciding::approve(state, approval, note, now.today)
            }
            CreditCommand::Reject { reason, rejected_by, note, now } => {
                deciding::reject(state, (reason, rejected_by), note, now.today)
            }
            CreditCommand::Close { .. } if matches!(state, Self::Closed(_)) => Ok(vec![]),
            command if is_of_debts(&command) => on_owing(state, command),
            command => on_open(state, command),
        }
    }

    fn evolve(state: Self, event: &CreditEvent) -> Self {
        use CreditEvent as E;
        match (state, event) {
            (state, E::Requested { .. } | E::Approved { .. } | E::Rejected { .. }) => deciding::evolve(state, event),
            (Self::Open(line), E::Closed { .. }) => Self::Closed(line),
            (Self::Open(line), event) => Self::Open(Box::new(line.evolve(event))),
            // What is owed is paid, and told to be late, although nothing is bought any more.
            (Self::Closed(line), event) => Self::Closed(Box::new(line.evolve(event))),
            (Self::Requested(request), event) => Self::Requested(Box::new(request.evolve(event))),
            (Self::Rejected(rejection), event) => Self::Rejected(Box::new(rejection.evolve(event))),
            (Self::NotRequested, _) => Self::NotRequested,
        }
    }
}

impl CreditLine {
    /// The line, if it may be used or is suspended.
    ///
    /// # Errors
    /// When it is in another stage.
    pub fn open(&self) -> Result<&Line, CreditError> {
        match self {
            Self::NotRequested => Err(CreditError::NotRequested),
            Self::Requested(_) => Err(CreditError::NotApproved),
            Self::Rejected(_) => Err(CreditError::Rejected),
            Self::Open(line) => Ok(line),
            Self::Closed(_) => Err(CreditError::Closed),
        }
    }

    /// The line, if it was ever given: what is owed on it is owed, also when it was closed or asked for again since.
    ///
    /// # Errors
    /// When it is in another stage.
    pub fn owing(&self) -> Result<&Line, CreditError> {
        match self {
            Self::Closed(line) => Ok(line),
            Self::Requested(request) => request.before().ok_or(CreditError::NotApproved),
            Self::Rejected(rejection) => rejection.request().before().ok_or(CreditError::Rejected),
            Self::NotRequested | Self::Open(_) => self.open(),
        }
    }

    /// Whose line it is; nobody's that nobody asked for.
    pub fn customer(&self) -> Option<CustomerId> {
        match self {
            Self::NotRequested => None,
            Self::Requested(request) => Some(request.customer),
            Self::Rejected(rejection) => Some(rejection.request.customer),
            Self::Open(line) | Self::Closed(line) => Some(line.customer),
        }
    }

    /// What would come of an order, without asking for it.
    pub fn verdict(&self, amount: Money, group_available: Option<Money>, now: Moment) -> Verdict {
        match self.open() {
            Ok(line) => settled(line, now).1.verdict(amount, group_available, now.today),
            Err(error) => Verdict::Refused(error),
        }
    }
}

/// What is known of a line. What has lapsed or expired counts until that is recorded.
impl Line {
    /// Whose it is.
    pub const fn customer(&self) -> CustomerId {
        self.customer
    }

    /// The only currency in which it is used and paid.
    pub const fn currency(&self) -> Currency {
        self.currency
    }

    /// What may be used, without tolerance and temporary credit.
    pub fn limit(&self) -> Money {
        self.money(self.limit)
    }

    /// How what is bought now is paid.
    pub const fn terms(&self) -> Terms {
        self.terms
    }

    /// The rules.
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Why nothing new is bought; empty: it is.
    pub const fn suspended(&self) -> &BTreeSet<SuspensionCause> {
        &self.suspended
    }

    /// The group that it shares a limit with.
    pub const fn group(&self) -> Option<CreditGroupId> {
        self.group
    }

    /// What has come in and paid nothing yet; below nothing when a payment turned out to be none that was paid out already.
    pub fn unapplied(&self) -> Money {
        self.money(self.unapplied)
    }

    /// What may be used on a business date: the limit, the tolerance on it, and what was granted for a time.
    pub fn ceiling(&self, today: NaiveDate) -> Money {
        self.money(self.ceiling_minor(today))
    }

    /// What may still be used; below zero when the limit was lowered, or what was shipped had to be invoiced.
    pub fn available(&self, today: NaiveDate) -> Money {
        self.money(self.available_minor(today))
    }

    /// What it takes of a limit that is shared; never below nothing.
    pub fn exposure(&self) -> Money {
        self.money(self.taken().max(0))
    }

    fn ceiling_minor(&self, today: NaiveDate) -> i64 {
        self.policy.with_tolerance(self.limit).saturating_add(self.temporary_on(today))
    }

    fn available_minor(&self, today: NaiveDate) -> i64 {
        self.ceiling_minor(today).saturating_sub(self.taken())
    }

    /// What is outstanding and, if that counts, held, less what came in and paid nothing yet.
    fn taken(&self) -> i64 {
        let held = if self.policy.counts_holds() { self.held_minor() } else { 0 };
        self.outstanding_minor().saturating_add(held).saturating_sub(self.unapplied)
    }

    fn money(&self, minor: i64) -> Money {
        within_limits(minor, self.currency)
    }

    /// An amount that can be used or paid here.
    fn require(&self, amount: Money) -> Result<i64, CreditError> {
        self.require_currency(amount)?;
        if amount.minor() > 0 { Ok(amount.minor()) } else { Err(CreditError::AmountNotPositive { amount }) }
    }

    fn require_currency(&self, amount: Money) -> Result<(), CreditError> {
        let (expected, given) = (self.currency, amount.currency());
        if expected == given { Ok(()) } else { Err(CreditError::CurrencyMismatch { expected, given }) }
    }
}

/// How an event changes a line.
impl Line {
    fn evolve(mut self, event: &CreditEvent) -> Self {
        use CreditEvent as E;
        match event {
            E::LimitChanged { .. }
            | E::TermsChanged { .. }
            | E::PolicyChanged { .. }
            | E::Suspended { .. }
            | E::Resumed { .. } => self.change_standing(event),
            E::HoldPlaced { .. } | E::HoldReleased { .. } => self.change_holds(event),
            E::Used { .. } => self.add_use(event),
            E::PaymentApplied { .. } => self.add_payment(event),
            E::Released { .. } => self.release(event),
            E::PaymentReversed { .. } => self.restore(event),
            E::UnappliedRefunded { .. } => self.refund(event),
            E::Overdue { order, on, .. } => self.note_overdue(order, *on),
            E::DunningSent { .. } | E::DunningPaused { .. } | E::DunningResumed { .. } => self.change_dunning(event),
            E::TemporaryGranted { .. } | E::TemporarySettled { .. } | E::TemporaryExpired { .. } => {
                self.change_temporary(event);
            }
            E::GroupJoined { group, on } => self.change_group(Some(*group), *on),
            E::GroupLeft { on, .. } => self.change_group(None, *on),
            E::LimitExceeded { on, .. } => self.see(*on),
            E::Requested { .. } | E::Approved { .. } | E::Rejected { .. } | E::Closed { .. } => {} // stages of their own
        }
        self
    }

    /// Moves to the latest business date and forgets what cannot matter from then on.
    fn see(&mut self, on: NaiveDate) {
        if on > self.latest {
            self.latest = on;
            self.uses.retain(|_, used| used.is_remembered(on));
            self.payments.retain(|_, payment| payment.is_remembered(on));
            self.refunds.retain(|_, refund| refund.is_remembered(on));
            self.temporary.retain(|_, temporary| temporary.is_remembered(on));
        }
    }

    /// The first day on which what is over on a day is not remembered any more.
    fn remembered_until(&self, on: NaiveDate) -> NaiveDate {
        months_after(self.latest.max(on), REMEMBERED_MONTHS)
    }
}

/// Decides on a line as it is once what is due by now has lapsed and expired; that happens first.
fn on_open(state: &CreditLine, command: CreditCommand) -> Result<Vec<CreditEvent>, CreditError> {
    let (mut events, line) = settled(state.open()?, command.now());
    events.extend(decide(&line, command)?);
    Ok(events)
}

/// What is asked because something is owed, or was paid: that goes on when a line is over.
const fn is_of_debts(command: &CreditCommand) -> bool {
    use CreditCommand as C;
    match command {
        C::ApplyPayment { .. }
        | C::ReversePayment { .. }
        | C::ApplyUnapplied { .. }
        | C::RefundUnapplied { .. }
        | C::Release { .. }
        | C::PauseDunning { .. }
        | C::ResumeDunning { .. }
        | C::NoteOverdue { .. }
        | C::Dun { .. } => true,
        C::Request { .. }
        | C::Approve { .. }
        | C::Reject { .. }
        | C::ChangeLimit { .. }
        | C::ChangeTerms { .. }
        | C::ChangePolicy { .. }
        | C::Suspend { .. }
        | C::Resume { .. }
        | C::Close { .. }
        | C::Authorise { .. }
        | C::Capture { .. }
        | C::Void { .. }
        | C::Use { .. }
        | C::GrantTemporary { .. }
        | C::SettleTemporary { .. }
        | C::JoinGroup { .. }
        | C::LeaveGroup { .. }
        | C::Settle { .. } => false,
    }
}

/// Decides on a line that may be over. Nothing is bought on one that is: there is nothing to suspend, and nothing to resume.
fn on_owing(state: &CreditLine, command: CreditCommand) -> Result<Vec<CreditEvent>, CreditError> {
    if matches!(state, CreditLine::Open(_)) {
        return on_open(state, command);
    }
    let mut events = decide(state.owing()?, command)?;
    events.retain(|event| !matches!(event, CreditEvent::Suspended { .. } | CreditEvent::Resumed { .. }));
    Ok(events)
}

fn decide(line: &Line, command: CreditCommand) -> Result<Vec<CreditEvent>, CreditError> {
    use CreditCommand as C;
    match command {
        command @ (C::ChangeLimit { .. }
        | C::ChangeTerms { .. }
        | C::ChangePolicy { .. }
        | C::Suspend { .. }
        | C::Resume { .. }
        | C::Close { .. }) => standing::decide(line, command),
        C::Authorise { hold, charge, lapses, now } => holding::place(line, hold, charge, lapses, now),
        C::Capture { hold, order, amount, invoice, now } => {
            holding::capture(line, (hold, order), amount, invoice, now.today)
        }
        C::Void { hold, now } => holding::void(line, hold, now.today),
        C::Use { charge, invoice, now } => using::charge(line, charge, invoice, now.today),
        C::ApplyPayment { payment, amount, orders, received_on, now } => {
            paying::apply(line, paying::Received { payment, amount, orders, received_on }, now.today)
        }
        C::ReversePayment { payment, reason, now } => paying::reverse(line, payment, reason, now.today),
        C::ApplyUnapplied { orders, now } => paying::apply_unapplied(line, &orders, now.today),
        C::RefundUnapplied { refund, amount, reason, now } => {
            refunding::refund(line, refund, amount, reason, now.today)
        }
        C::Release { release, order, amount, reason, now } => {
            releasing::release(line, (release, reason), order, amount, now.today)
        }
        C::GrantTemporary { case, amount, expires_on, now } => {
            granting::grant(line, case, amount, expires_on, now.today)
        }
        C::SettleTemporary { case, now } => granting::settle(line, case, now.today),
        C::PauseDunning { case, now } => dunning::pause(line, case, now.today),
        C::ResumeDunning { case, now } => Ok(dunning::resume(line, case, now.today)),
        C::JoinGroup { group, now } => joining::join(line, group, now.today),
        C::LeaveGroup { group, now } => joining::leave(line, group, now.today),
        C::NoteOverdue { now } => Ok(overdue::note(line, now.today)),
        C::Dun { now } => Ok(dunning::dun(line, now.today)),
        // The first three are decided before there is a line.
        C::Request { .. } | C::Approve { .. } | C::Reject { .. } | C::Settle { .. } => Ok(vec![]),
    }
}

/// What is due by now lapses and expires, and the line as it is then.
fn settled(line: &Line, now: Moment) -> (Vec<CreditEvent>, Cow<'_, Line>) {
    let mut events = holding::lapse(line, now);
    events.extend(granting::expire(line, now.today));
    let line = after(line, &events);
    (events, line)
}

/// The line after these events.
fn after<'l>(line: &'l Line, events: &[CreditEvent]) -> Cow<'l, Line> {
    match events {
        [] => Cow::Borrowed(line),
        events => Cow::Owned(events.iter().fold(line.clone(), Line::evolve)),
    }
}

/// Adds what ends because of these events: a suspension whose cause is gone.
fn with_consequences(line: &Line, mut events: Vec<CreditEvent>, today: NaiveDate) -> Vec<CreditEvent> {
    let ended = standing::ended(&after(line, &events), today);
    events.extend(ended);
    events
}

fn sum_of(amounts: impl Iterator<Item = i64>) -> i64 {
    amounts.fold(0, i64::saturating_add)
}
