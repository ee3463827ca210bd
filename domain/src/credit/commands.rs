//! What may be asked of a line of credit and of a group of lines, and how it may be refused.

use chrono::NaiveDate;
use serde::Serialize;

use crate::calendar::Moment;
use crate::credit::credit_line::HoldEnd;
use crate::credit::financials::{CreditNote, Financials};
use crate::credit::policy::{Policy, PolicyFault};
use crate::credit::reasons::{Override, RejectReason, SuspensionCause};
use crate::credit::terms::Terms;
use crate::ids::{
    Actor, CaseId, CreditGroupId, CreditLineId, CustomerId, HoldId, InvoiceId, OrderId, PaymentId, ReasonCode,
    RefundId, ReleaseId,
};
use crate::money::{Currency, Money};
use crate::refusal::{Refusal, RefusalKind};

/// An order that wants credit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// The order; it uses credit once.
    pub order: OrderId,
    /// How much.
    pub amount: Money,
    /// Who lets it pass in spite of the limits, a suspension, or what is overdue; whether they may is not known here.
    pub overridden: Option<Override>,
    /// What the group of the line has left. A line of a group that is not told has none of it.
    pub group_available: Option<Money>,
}

/// A request to a line of credit. What is due by `now` lapses or expires first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CreditCommand {
    /// Ask for credit.
    Request {
        /// Who asks.
        customer: CustomerId,
        /// For how much, in the line's currency.
        amount: Money,
        /// Who says so for it.
        requested_by: Actor,
        /// What it tells of itself.
        financials: Box<Financials>,
        /// When it is asked.
        now: Moment,
    },
    /// Give it.
    Approve {
        /// Up to this.
        limit: Money,
        /// To be paid so.
        terms: Terms,
        /// By these rules.
        policy: Box<Policy>,
        /// Who decides: somebody else than who asked.
        approved_by: Actor,
        /// What is said about it.
        note: CreditNote,
        /// When it is asked.
        now: Moment,
    },
    /// Do not give it.
    Reject {
        /// Why.
        reason: RejectReason,
        /// Who decides.
        rejected_by: Actor,
        /// What is said about it.
        note: CreditNote,
        /// When it is asked.
        now: Moment,
    },
    /// Let more or less be used.
    ChangeLimit {
        /// The limit.
        limit: Money,
        /// Why.
        reason: ReasonCode,
        /// Who decides.
        changed_by: Actor,
        /// What is said about it.
        note: CreditNote,
        /// When it is asked.
        now: Moment,
    },
    /// Have what is bought from now on paid in another time.
    ChangeTerms {
        /// The terms.
        terms: Terms,
        /// Why.
        reason: ReasonCode,
        /// What is said about it.
        note: CreditNote,
        /// When it is asked.
        now: Moment,
    },
    /// Let other rules hold.
    ChangePolicy {
        /// All of them.
        policy: Box<Policy>,
        /// When it is asked.
        now: Moment,
    },
    /// Have nothing new bought on credit.
    Suspend {
        /// What is said about it.
        note: CreditNote,
        /// When it is asked.
        now: Moment,
    },
    /// End what a suspension was for. One because the limit is to be looked at again ends with that.
    Resume {
        /// Which cause.
        cause: SuspensionCause,
        /// Who decides.
        resumed_by: Actor,
        /// What is said about it.
        note: CreditNote,
        /// When it is asked.
        now: Moment,
    },
    /// End the line, on which nothing is owed.
    Close {
        /// Why.
        reason: ReasonCode,
        /// What is said about it.
        note: CreditNote,
        /// When it is asked.
        now: Moment,
    },
    /// Promise credit to an order.
    Authorise {
        /// The hold, under a new id.
        hold: HoldId,
        /// The order; has one open hold at most.
        charge: Charge,
        /// From when on the hold is over by itself.
        lapses: Moment,
        /// When it is asked.
        now: Moment,
    },
    /// Use what was promised.
    Capture {
        /// The hold.
        hold: HoldId,
        /// The order that it is for.
        order: OrderId,
        /// How much of it; the rest comes free.
        amount: Money,
        /// The invoice.
        invoice: Option<InvoiceId>,
        /// When it is asked.
        now: Moment,
    },
    /// Give back what was promised, because the order came to nothing.
    Void {
        /// The hold.
        hold: HoldId,
        /// When it is asked.
        now: Moment,
    },
    /// Buy an order on credit at once.
    Use {
        /// The order.
        charge: Charge,
        /// The invoice.
        invoice: Option<InvoiceId>,
        /// When it is asked.
        now: Moment,
    },
    /// Pay what is owed.
    ApplyPayment {
        /// The payment; it is applied once.
        payment: PaymentId,
        /// How much came.
        amount: Money,
        /// The orders that it is for, in this order; none: the oldest due first.
        orders: Vec<OrderId>,
        /// The business date on which it came.
        received_on: NaiveDate,
        /// When it is asked.
        now: Moment,
    },
    /// Take back a payment that turned out to be none.
    ReversePayment {
        /// The payment.
        payment: PaymentId,
        /// Why.
        reason: ReasonCode,
        /// When it is asked.
        now: Moment,
    },
    /// Pay what is owed with money that came in before.
    ApplyUnapplied {
        /// The orders, in this order; none: the oldest due first.
        orders: Vec<OrderId>,
        /// When it is asked.
        now: Moment,
    },
    /// Pay out money that came in before and paid nothing.
    RefundUnapplied {
        /// The refund; it is made once.
        refund: RefundId,
        /// How much.
        amount: Money,
        /// Why.
        reason: ReasonCode,
        /// When it is asked.
        now: Moment,
    },
    /// Give back what an order used, because it came to nothing or to less.
    Release {
        /// Who says so calls it this; it is given back once.
        release: ReleaseId,
        /// The order.
        order: OrderId,
        /// How much.
        amount: Money,
        /// Why.
        reason: ReasonCode,
        /// When it is asked.
        now: Moment,
    },
    /// Let more be used for some time.
    GrantTemporary {
        /// The case because of which.
        case: CaseId,
        /// How much more.
        amount: Money,
        /// The first day on which it is gone.
        expires_on: NaiveDate,
        /// When it is asked.
        now: Moment,
    },
    /// End that, because the case is over.
    SettleTemporary {
        /// The case.
        case: CaseId,
        /// When it is asked.
        now: Moment,
    },
    /// Do not remind the customer while a case is open.
    PauseDunning {
        /// The case.
        case: CaseId,
        /// When it is asked.
        now: Moment,
    },
    /// A case is no reason any more not to.
    ResumeDunning {
        /// The case.
        case: CaseId,
        /// When it is asked.
        now: Moment,
    },
    /// Share a limit with others.
    JoinGroup {
        /// The group.
        group: CreditGroupId,
        /// When it is asked.
        now: Moment,
    },
    /// Share it no more.
    LeaveGroup {
        /// The group.
        group: CreditGroupId,
        /// When it is asked.
        now: Moment,
    },
    /// Let lapse and expire what is due.
    Settle {
        /// When it is asked.
        now: Moment,
    },
    /// Tell what was not paid in time, and suspend the line if its policy says so.
    NoteOverdue {
        /// When it is asked.
        now: Moment,
    },
    /// Remind the customer, if it is time to.
    Dun {
        /// When it is asked.
        now: Moment,
    },
}

impl CreditCommand {
    /// When it is asked.
    pub const fn now(&self) -> Moment {
        match self {
            Self::Request { now, .. }
            | Self::Approve { now, .. }
            | Self::Reject { now, .. }
            | Self::ChangeLimit { now, .. }
            | Self::ChangeTerms { now, .. }
            | Self::ChangePolicy { now, .. }
            | Self::Suspend { now, .. }
            | Self::Resume { now, .. }
            | Self::Close { now, .. }
            | Self::Authorise { now, .. }
            | Self::Capture { now, .. }
            | Self::Void { now, .. }
            | Self::Use { now, .. }
            | Self::ApplyPayment { now, .. }
            | Self::ReversePayment { now, .. }
            | Self::ApplyUnapplied { now, .. }
            | Self::RefundUnapplied { now, .. }
            | Self::Release { now, .. }
            | Self::GrantTemporary { now, .. }
            | Self::SettleTemporary { now, .. }
            | Self::PauseDunning { now, .. }
            | Self::ResumeDunning { now, .. }
            | Self::JoinGroup { now, .. }
            | Self::LeaveGroup { now, .. }
            | Self::Settle { now }
            | Self::NoteOverdue { now }
            | Self::Dun { now } => *now,
        }
    }
}

/// Why a command on a line of credit is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum CreditError {
    /// Nobody asked for it.
    #[error("no credit was requested in this currency")]
    NotRequested,
    /// It was asked for and is not decided.
    #[error("the credit is requested, and not approved yet")]
    NotApproved,
    /// It was not given.
    #[error("the credit was rejected")]
    Rejected,
    /// The line is over.
    #[error("the line of credit was closed")]
    Closed,
    /// A person asks.
    #[error("only a business may have credit")]
    BusinessOnly,
    /// The customer was deleted.
    #[error("the customer was deleted: restore it first")]
    CustomerDeleted,
    /// It was asked for otherwise.
    #[error("credit of {amount} is requested already, and not decided")]
    AlreadyRequested {
        /// How much.
        amount: Money,
    },
    /// There is a line.
    #[error("there is a line of credit of {limit} already")]
    AlreadyOpen {
        /// Its limit.
        limit: Money,
    },
    /// It was approved otherwise.
    #[error("the credit was approved already, up to {limit}")]
    AlreadyApproved {
        /// The limit.
        limit: Money,
    },
    /// Who asked wants to decide.
    #[error("who requested the credit may not approve it")]
    ApproverIsRequester,
    /// The line is in another currency.
    #[error("the line of credit is in {expected}, not in {given}")]
    CurrencyMismatch {
        /// The line's currency.
        expected: Currency,
        /// The currency of the command.
        given: Currency,
    },
    /// Nothing, or less.
    #[error("the amount must be more than nothing")]
    AmountNotPositive {
        /// The amount.
        amount: Money,
    },
    /// A limit of nothing, or less.
    #[error("the limit must be more than nothing; a line that is not to be used is suspended")]
    LimitNotPositive {
        /// The limit.
        limit: Money,
    },
    /// Rules that make no policy.
    #[error(transparent)]
    Faulty(PolicyFault),
    /// Nothing new is bought on the line.
    #[error("the line of credit is suspended: {}", listed(causes))]
    Suspended {
        /// Why.
        causes: Vec<SuspensionCause>,
    },
    /// Too much was not paid in time.
    #[error("{overdue} is overdue: pay it first")]
    Overdue {
        /// How much, beyond the days of grace.
        overdue: Money,
    },
    /// The limit was to be looked at again.
    #[error("the limit was to be reviewed by {review_on}")]
    ReviewDue {
        /// The last day for it.
        review_on: NaiveDate,
    },
    /// A suspension that no one ends by itself.
    #[error("this suspension ends when the policy has a new date of review")]
    ReviewFirst,
    /// The order used credit otherwise.
    #[error("order {order} has used {amount} already")]
    OrderAlreadyCharged {
        /// The order.
        order: OrderId,
        /// How much.
        amount: Money,
    },
    /// The order has a hold.
    #[error("{amount} is held for order {order}: capture or void hold {hold}")]
    OrderHeld {
        /// The order.
        order: OrderId,
        /// The hold.
        hold: HoldId,
        /// How much.
        amount: Money,
    },
    /// No such hold was placed, or it was long ago.
    #[error("there is no hold {hold}")]
    HoldNotFound {
        /// The hold.
        hold: HoldId,
    },
    /// The hold is over.
    #[error("hold {hold} {ended}")]
    HoldOver {
        /// The hold.
        hold: HoldId,
        /// How it ended.
        ended: HoldEnd,
    },
    /// The hold is for another order.
    #[error("hold {hold} is for order {order}")]
    HoldOfAnotherOrder {
        /// The hold.
        hold: HoldId,
        /// The order that it is for.
        order: OrderId,
    },
    /// More than was promised.
    #[error("only {held} is held")]
    CaptureExceedsHold {
        /// How much was.
        held: Money,
    },
    /// More holds than a line has at once.
    #[error("a line of credit has at most {limit} open holds")]
    TooManyHolds {
        /// How many.
        limit: usize,
    },
    /// More orders than a line has at once that are held or not paid.
    #[error("a line of credit has at most {limit} orders that are held or not paid")]
    TooManyUses {
        /// How many.
        limit: usize,
    },
    /// The payment was another one.
    #[error("payment {payment} of {amount} was applied already, otherwise")]
    PaymentAlreadyApplied {
        /// The payment.
        payment: PaymentId,
        /// How much it was.
        amount: Money,
    },
    /// No such payment was applied, or it was long ago.
    #[error("there is no payment {payment}")]
    PaymentNotFound {
        /// The payment.
        payment: PaymentId,
    },
    /// An order that it paid is forgotten: nobody could say any more what is owed again.
    #[error("what payment {payment} paid is too long ago to be owed again")]
    PaymentTooOld {
        /// The payment.
        payment: PaymentId,
    },
    /// More orders than a payment names.
    #[error("a payment names at most {limit} orders")]
    TooManyOrders {
        /// How many.
        limit: usize,
    },
    /// A payment is for an order once.
    #[error("order {order} is named twice")]
    OrderNamedTwice {
        /// The order.
        order: OrderId,
    },
    /// It was another refund.
    #[error("refund {refund} of {amount} was made already")]
    RefundAlreadyMade {
        /// The refund.
        refund: RefundId,
        /// How much it was.
        amount: Money,
    },
    /// More than came in and paid nothing.
    #[error("only {unapplied} can be paid out")]
    RefundExceedsUnapplied {
        /// How much can.
        unapplied: Money,
    },
    /// The order used no credit, or it was long ago.
    #[error("order {order} has used no credit")]
    UnknownOrder {
        /// The order.
        order: OrderId,
    },
    /// Nothing of the order is to be paid.
    #[error("nothing of order {order} is outstanding")]
    OrderSettled {
        /// The order.
        order: OrderId,
    },
    /// It was another release.
    #[error("release {release} was made already, otherwise")]
    ReleaseAlreadyMade {
        /// The release.
        release: ReleaseId,
    },
    /// More than the order used and was not given back.
    #[error("of order {order} only {remaining} can be given back")]
    ReleaseExceedsUse {
        /// The order.
        order: OrderId,
        /// How much can.
        remaining: Money,
    },
    /// Something is still to be paid, promised, or paid out.
    #[error("{outstanding} is outstanding, {held} held, {temporary} granted for a time, {unapplied} not applied")]
    StillInUse {
        /// What is to be paid.
        outstanding: Money,
        /// What is promised to orders.
        held: Money,
        /// What was granted for a time.
        temporary: Money,
        /// What came in and paid nothing yet.
        unapplied: Money,
    },
    /// The line is of a group, and has to leave it first, or is of another one.
    #[error("the line of credit is of group {group}")]
    InGroup {
        /// The group.
        group: CreditGroupId,
    },
    /// The case has granted otherwise.
    #[error("case {case} has granted {amount} until {expires_on} already")]
    TemporaryAlreadyGranted {
        /// The case.
        case: CaseId,
        /// How much.
        amount: Money,
        /// The first day on which it is gone.
        expires_on: NaiveDate,
    },
    /// The case has granted nothing.
    #[error("case {case} has granted nothing")]
    TemporaryNotFound {
        /// The case.
        case: CaseId,
    },
    /// It would be gone at once.
    #[error("temporary credit lasts a day at least")]
    ExpiryNotAhead {
        /// The first day on which it would be gone.
        expires_on: NaiveDate,
    },
    /// More cases than a line has at once.
    #[error("a line of credit has at most {limit} open cases")]
    TooManyCases {
        /// How many.
        limit: usize,
    },
    /// The customer is to be deleted, and owes or is owed something.
    #[error("line of credit {line} is not settled: {outstanding} is outstanding, {held} held, {unapplied} not applied")]
    OpenBalance {
        /// The line.
        line: CreditLineId,
        /// What is to be paid.
        outstanding: Money,
        /// What is promised to orders.
        held: Money,
        /// What came in and paid nothing yet.
        unapplied: Money,
    },
    /// The customer is to be merged into another one, and a line stays with the customer that it was made for.
    #[error(
        "the duplicate has line of credit {line}: close or reject it first, or merge the other way round, as the other customer has none"
    )]
    DuplicateHasCredit {
        /// The line.
        line: CreditLineId,
    },
    /// Both have one.
    #[error("both customers have a line of credit: close or reject line {line} first")]
    BothHaveCredit {
        /// The duplicate's line.
        line: CreditLineId,
        /// The line of who goes on.
        own: CreditLineId,
    },
}

fn listed(causes: &[SuspensionCause]) -> String {
    causes.iter().map(|cause| cause.as_str()).collect::<Vec<_>>().join(", ")
}

impl CreditError {
    /// Stable, `snake_case`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotRequested => "credit_not_requested",
            Self::NotApproved => "credit_not_approved",
            Self::Rejected => "credit_rejected",
            Self::Closed => "credit_closed",
            Self::BusinessOnly => "business_only",
            Self::CustomerDeleted => "customer_deleted",
            Self::AlreadyRequested { .. } => "credit_already_requested",
            Self::AlreadyOpen { .. } => "credit_already_open",
            Self::AlreadyApproved { .. } => "credit_already_approved",
            Self::ApproverIsRequester => "approver_is_requester",
            Self::CurrencyMismatch { .. } => "currency_mismatch",
            Self::AmountNotPositive { .. } => "amount_not_positive",
            Self::LimitNotPositive { .. } => "limit_not_positive",
            Self::Faulty(fault) => fault.code(),
            Self::Suspended { .. } => "credit_suspended",
            Self::Overdue { .. } => "credit_overdue",
            Self::ReviewDue { .. } | Self::ReviewFirst => "credit_review_due",
            Self::OrderAlreadyCharged { .. } => "order_already_charged",
            Self::OrderHeld { .. } => "order_held",
            Self::HoldNotFound { .. } => "hold_not_found",
            Self::HoldOver { .. } => "hold_over",
            Self::HoldOfAnotherOrder { .. } => "hold_of_another_order",
            Self::CaptureExceedsHold { .. } => "capture_exceeds_hold",
            Self::TooManyHolds { .. } => "too_many_holds",
            Self::TooManyUses { .. } => "too_many_uses",
            Self::PaymentAlreadyApplied { .. } => "payment_already_applied",
            Self::PaymentNotFound { .. } => "payment_not_found",
            Self::PaymentTooOld { .. } => "payment_too_old",
            Self::TooManyOrders { .. } => "too_many_orders",
            Self::OrderNamedTwice { .. } => "order_named_twice",
            Self::RefundAlreadyMade { .. } => "refund_already_made",
            Self::RefundExceedsUnapplied { .. } => "refund_exceeds_unapplied",
            Self::UnknownOrder { .. } => "unknown_order",
            Self::OrderSettled { .. } => "order_settled",
            Self::ReleaseAlreadyMade { .. } => "release_already_made",
            Self::ReleaseExceedsUse { .. } => "release_exceeds_use",
            Self::StillInUse { .. } => "credit_in_use",
            Self::InGroup { .. } => "credit_in_group",
            Self::TemporaryAlreadyGranted { .. } => "temporary_already_granted",
            Self::TemporaryNotFound { .. } => "temporary_not_found",
            Self::ExpiryNotAhead { .. } => "expiry_not_ahead",
            Self::TooManyCases { .. } => "too_many_cases",
            Self::OpenBalance { .. } => "credit_open",
            Self::DuplicateHasCredit { .. } => "duplicate_has_credit",
            Self::BothHaveCredit { .. } => "both_have_credit",
        }
    }
}

impl From<CreditError> for Refusal {
    fn from(error: CreditError) -> Self {
        let (kind, field) = match &error {
            CreditError::NotRequested
            | CreditError::HoldNotFound { .. }
            | CreditError::PaymentNotFound { .. }
            | CreditError::UnknownOrder { .. }
            | CreditError::TemporaryNotFound { .. } => (RefusalKind::NotFound, None),
            CreditError::Faulty(fault) => {
                let at = format!("/policy{}", fault.at());
                return Self::of(RefusalKind::Invalid, error.code(), Some(at), fault);
            }
            CreditError::CurrencyMismatch { .. } => (RefusalKind::Invalid, Some("/currency")),
            CreditError::AmountNotPositive { .. }
            | CreditError::CaptureExceedsHold { .. }
            | CreditError::ReleaseExceedsUse { .. }
            | CreditError::RefundExceedsUnapplied { .. } => (RefusalKind::Invalid, Some("/amount")),
            CreditError::TooManyOrders { .. } | CreditError::OrderNamedTwice { .. } => {
                (RefusalKind::Invalid, Some("/order_ids"))
            }
            CreditError::LimitNotPositive { .. } => (RefusalKind::Invalid, Some("/limit")),
            CreditError::ExpiryNotAhead { .. } => (RefusalKind::Invalid, Some("/expires_on")),
            CreditError::BusinessOnly | CreditError::ApproverIsRequester => (RefusalKind::Invalid, None),
            CreditError::HoldOfAnotherOrder { .. } => (RefusalKind::Conflict, Some("/order_id")),
            CreditError::PaymentAlreadyApplied { .. } => (RefusalKind::Conflict, Some("/payment_id")),
            CreditError::ReleaseAlreadyMade { .. } => (RefusalKind::Conflict, Some("/release_id")),
            CreditError::RefundAlreadyMade { .. } => (RefusalKind::Conflict, Some("/refund_id")),
            CreditError::NotApproved
            | CreditError::Rejected
            | CreditError::Closed
            | CreditError::CustomerDeleted
            | CreditError::AlreadyRequested { .. }
            | CreditError::AlreadyOpen { .. }
            | CreditError::AlreadyApproved { .. }
            | CreditError::Suspended { .. }
            | CreditError::Overdue { .. }
            | CreditError::ReviewDue { .. }
            | CreditError::ReviewFirst
            | CreditError::OrderAlreadyCharged { .. }
            | CreditError::OrderHeld { .. }
            | CreditError::HoldOver { .. }
            | CreditError::TooManyHolds { .. }
            | CreditError::TooManyUses { .. }
            | CreditError::PaymentTooOld { .. }
            | CreditError::OrderSettled { .. }
            | CreditError::StillInUse { .. }
            | CreditError::InGroup { .. }
            | CreditError::TemporaryAlreadyGranted { .. }
            | CreditError::TooManyCases { .. }
            | CreditError::OpenBalance { .. }
            | CreditError::DuplicateHasCredit { .. }
            | CreditError::BothHaveCredit { .. } => (RefusalKind::Conflict, None),
        };
        Self::of(kind, error.code(), field.map(str::to_owned), &error)
    }
}

/// A request to a group of lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CreditGroupCommand {
    /// Make a group.
    Form {
        /// The customer that the others belong to.
        parent: CustomerId,
        /// What all may use together; also says in which currency.
        limit: Money,
        /// The business date.
        on: NaiveDate,
    },
    /// Let all together use more or less.
    ChangeLimit {
        /// The limit.
        limit: Money,
        /// Why.
        reason: ReasonCode,
        /// The business date.
        on: NaiveDate,
    },
    /// Let a line share the limit.
    AddMember {
        /// The line.
        line: CreditLineId,
        /// Whose it is.
        customer: CustomerId,
        /// What it takes of the limit.
        exposure: Money,
        /// The business date.
        on: NaiveDate,
    },
    /// Let a line share the limit no more.
    RemoveMember {
        /// The line.
        line: CreditLineId,
        /// The business date.
        on: NaiveDate,
    },
    /// Take note of what a line takes of the limit.
    ChangeExposure {
        /// The line.
        line: CreditLineId,
        /// What it takes.
        exposure: Money,
    },
    /// End the group, which has no members any more.
    Dissolve {
        /// The business date.
        on: NaiveDate,
    },
}

/// Why a command on a group of lines is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum CreditGroupError {
    /// There is no such group.
    #[error("there is no such group of lines of credit")]
    NotFound,
    /// The group was formed otherwise.
    #[error("the group was formed already")]
    AlreadyFormed,
    /// The group is over.
    #[error("the group was dissolved")]
    Dissolved,
    /// The group is in another currency.
    #[error("the group is in {expected}, not in {given}")]
    CurrencyMismatch {
        /// The group's currency.
        expected: Currency,
        /// The currency of the command.
        given: Currency,
    },
    /// A limit of nothing, or less.
    #[error("the limit must be more than nothing")]
    LimitNotPositive {
        /// The limit.
        limit: Money,
    },
    /// The line is of no member.
    #[error("line {line} is not of the group")]
    MemberNotFound {
        /// The line.
        line: CreditLineId,
    },
    /// More lines than share a limit.
    #[error("a group has at most {limit} lines of credit")]
    TooManyMembers {
        /// How many.
        limit: usize,
    },
    /// There are lines in it.
    #[error("the group has {members} lines of credit: remove them first")]
    HasMembers {
        /// How many.
        members: usize,
    },
}

impl CreditGroupError {
    /// Stable, `snake_case`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "credit_group_not_found",
            Self::AlreadyFormed => "credit_group_already_formed",
            Self::Dissolved => "credit_group_dissolved",
            Self::CurrencyMismatch { .. } => "currency_mismatch",
            Self::LimitNotPositive { .. } => "limit_not_positive",
            Self::MemberNotFound { .. } => "credit_group_member_not_found",
            Self::TooManyMembers { .. } => "too_many_members",
            Self::HasMembers { .. } => "credit_group_has_members",
        }
    }
}

impl From<CreditGroupError> for Refusal {
    fn from(error: CreditGroupError) -> Self {
        let (kind, field) = match &error {
            CreditGroupError::NotFound | CreditGroupError::MemberNotFound { .. } => (RefusalKind::NotFound, None),
            CreditGroupError::CurrencyMismatch { .. } => (RefusalKind::Invalid, Some("/currency")),
            CreditGroupError::LimitNotPositive { .. } => (RefusalKind::Invalid, Some("/limit")),
            CreditGroupError::AlreadyFormed
            | CreditGroupError::Dissolved
            | CreditGroupError::TooManyMembers { .. }
            | CreditGroupError::HasMembers { .. } => (RefusalKind::Conflict, None),
        };
        Self::of(kind, error.code(), field.map(str::to_owned), &error)
    }
}
