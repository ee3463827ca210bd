//! What happens to a line of credit and to a group of lines, stored for ever.

use chrono::{DateTime, NaiveDate, Utc};

use crate::credit::financials::{CreditNote, Financials};
use crate::credit::policy::{DunningChannel, Policy};
use crate::credit::reasons::{Bound, HoldRelease, Override, RejectReason, ReleaseCause, SuspensionCause};
use crate::credit::terms::Terms;
use crate::event::upcast::Upcaster;
use crate::event::{Personal, clear_values, events};
use crate::ids::{
    Actor, CaseId, CreditGroupId, CreditLineId, CustomerId, HoldId, InvoiceId, OrderId, PaymentId, ReasonCode, RefundId,
};
use crate::money::Money;

clear_values! {
    /// What of a use is to be paid again.
    #[serde(deny_unknown_fields)]
    pub struct RestoredUse {
        /// The order.
        pub order: OrderId,
        /// How much.
        pub amount: Money,
    }
}

events! {
    /// An event of a line of credit. Amounts are in its currency; `on` is the business date.
    pub enum CreditEvent {
        /// A business asked for credit: for the first time, or again after it was rejected or closed.
        #[serde(rename = "credit.requested")]
        Requested {
            /// Who asks.
            customer: CustomerId,
            /// For how much; also says in which currency.
            amount: Money,
            /// Who said so for it.
            requested_by: Actor,
            /// The business date.
            on: NaiveDate,
            /// What it told of itself.
            personal: Personal<Financials>,
        },
        /// It may buy on credit.
        #[serde(rename = "credit.approved")]
        Approved {
            /// Up to this.
            limit: Money,
            /// To be paid so.
            terms: Terms,
            /// By these rules.
            policy: Policy,
            /// Who decided.
            approved_by: Actor,
            /// The business date.
            on: NaiveDate,
            /// What was said about it.
            personal: Personal<CreditNote>,
        },
        /// It may not.
        #[serde(rename = "credit.rejected")]
        Rejected {
            /// Why.
            reason: RejectReason,
            /// Who decided.
            rejected_by: Actor,
            /// The business date.
            on: NaiveDate,
            /// What was said about it.
            personal: Personal<CreditNote>,
        },
        /// More or less may be used; a limit below what is used stops new uses until enough is paid.
        #[serde(rename = "credit.limit.changed")]
        LimitChanged {
            /// The limit before.
            from: Money,
            /// The limit from now on.
            to: Money,
            /// Why.
            reason: ReasonCode,
            /// Who decided.
            changed_by: Actor,
            /// The business date.
            on: NaiveDate,
            /// What was said about it.
            personal: Personal<CreditNote>,
        },
        /// What is bought from now on is to be paid in another time.
        #[serde(rename = "credit.terms.changed")]
        TermsChanged {
            /// The terms before.
            from: Terms,
            /// The terms from now on.
            to: Terms,
            /// Why.
            reason: ReasonCode,
            /// The business date.
            on: NaiveDate,
            /// What was said about it.
            personal: Personal<CreditNote>,
        },
        /// Other rules hold.
        #[serde(rename = "credit.policy.changed")]
        PolicyChanged {
            /// All of them.
            policy: Policy,
            /// The business date.
            on: NaiveDate,
        },
        /// Nothing new is bought on credit until this cause has ended. There may be several at once.
        #[serde(rename = "credit.suspended")]
        Suspended {
            /// Why.
            cause: SuspensionCause,
            /// The business date.
            on: NaiveDate,
            /// What was said about it.
            personal: Personal<CreditNote>,
        },
        /// A cause of a suspension has ended.
        #[serde(rename = "credit.resumed")]
        Resumed {
            /// Which.
            cause: SuspensionCause,
            /// Who said so; none: it ended by itself. Who resumes what is suspended as overdue bears with what is overdue by then.
            resumed_by: Option<Actor>,
            /// The business date.
            on: NaiveDate,
            /// What was said about it.
            personal: Personal<CreditNote>,
        },
        /// The line is over; nothing was owed. It may be requested again.
        #[serde(rename = "credit.closed")]
        Closed {
            /// Why.
            reason: ReasonCode,
            /// The business date.
            on: NaiveDate,
            /// What was said about it.
            personal: Personal<CreditNote>,
        },
        /// Credit was promised to an order.
        #[serde(rename = "credit.hold.placed")]
        HoldPlaced {
            /// The hold.
            hold: HoldId,
            /// The order.
            order: OrderId,
            /// How much.
            amount: Money,
            /// The business date.
            on: NaiveDate,
            /// From when on the hold is over by itself.
            lapses_at: DateTime<Utc>,
            /// The business date of that moment.
            lapses_on: NaiveDate,
            /// Who let it pass in spite of what would have stopped it.
            #[serde(rename = "override")]
            overridden: Option<Override>,
        },
        /// Credit that was promised came free.
        #[serde(rename = "credit.hold.released")]
        HoldReleased {
            /// The hold.
            hold: HoldId,
            /// The order.
            order: OrderId,
            /// How much.
            amount: Money,
            /// Why.
            cause: HoldRelease,
            /// The business date; of a hold that lapsed that of the moment when it did, whenever that was noticed.
            on: NaiveDate,
        },
        /// An order was bought on credit.
        #[serde(rename = "credit.used")]
        Used {
            /// The order.
            order: OrderId,
            /// How much.
            amount: Money,
            /// The hold that had kept it; what that held beyond the amount comes free.
            hold: Option<HoldId>,
            /// The invoice.
            invoice: Option<InvoiceId>,
            /// The business date.
            on: NaiveDate,
            /// The last day on which it is paid in time.
            due_on: NaiveDate,
            /// Who let it pass in spite of what would have stopped it.
            #[serde(rename = "override")]
            overridden: Option<Override>,
        },
        /// An order was refused because it did not fit. Changes nothing.
        #[serde(rename = "credit.limit.exceeded")]
        LimitExceeded {
            /// The order.
            order: OrderId,
            /// How much it would have taken.
            amount: Money,
            /// How much there was.
            available: Money,
            /// Whose limit it was.
            bound: Bound,
            /// The business date.
            on: NaiveDate,
        },
        /// Money came in. What it pays is told by the events that follow.
        #[serde(rename = "credit.payment.applied")]
        PaymentApplied {
            /// The payment.
            payment: PaymentId,
            /// How much.
            amount: Money,
            /// What of it pays nothing yet.
            unapplied: Money,
            /// The orders that it is for, in this order; none: the oldest due first.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            orders: Vec<OrderId>,
            /// The business date on which it came.
            received_on: NaiveDate,
            /// The business date on which that was recorded.
            on: NaiveDate,
        },
        /// Credit that an order had used came free.
        #[serde(rename = "credit.released")]
        Released {
            /// The order.
            order: OrderId,
            /// How much was paid or cancelled.
            amount: Money,
            /// How much of the order is to be paid still.
            outstanding: Money,
            /// Why.
            cause: ReleaseCause,
            /// The business date.
            on: NaiveDate,
        },
        /// A payment turned out to be none: what it paid is outstanding again.
        #[serde(rename = "credit.payment.reversed")]
        PaymentReversed {
            /// The payment.
            payment: PaymentId,
            /// How much: all of it.
            amount: Money,
            /// What is outstanding again.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            restored: Vec<RestoredUse>,
            /// What of it was unapplied, and is gone. What was paid out of it meanwhile is owed: nothing pays then, but less than nothing is
            /// unapplied.
            from_unapplied: Money,
            /// Why.
            reason: ReasonCode,
            /// The business date.
            on: NaiveDate,
        },
        /// Money that had come in and paid nothing was paid out.
        #[serde(rename = "credit.unapplied.refunded")]
        UnappliedRefunded {
            /// The refund.
            refund: RefundId,
            /// How much.
            amount: Money,
            /// What has come in and pays nothing yet, after it.
            unapplied: Money,
            /// Why.
            reason: ReasonCode,
            /// The business date.
            on: NaiveDate,
        },
        /// An order was not paid in time. Told once.
        #[serde(rename = "credit.overdue")]
        Overdue {
            /// The order.
            order: OrderId,
            /// How much of it is to be paid still.
            outstanding: Money,
            /// The last day on which it would have been paid in time.
            due_on: NaiveDate,
            /// The business date.
            on: NaiveDate,
        },
        /// The customer is reminded of what is overdue.
        #[serde(rename = "credit.dunning.sent")]
        DunningSent {
            /// Which time this is, from one; starts over once nothing is overdue.
            level: u8,
            /// How.
            channels: Vec<DunningChannel>,
            /// How much is overdue.
            overdue: Money,
            /// When the oldest was due.
            oldest_due_on: NaiveDate,
            /// The business date.
            on: NaiveDate,
        },
        /// The customer is not reminded while this case is open. There may be several.
        #[serde(rename = "credit.dunning.paused")]
        DunningPaused {
            /// The case.
            case: CaseId,
            /// The business date.
            on: NaiveDate,
        },
        /// This case is no reason any more not to remind the customer.
        #[serde(rename = "credit.dunning.resumed")]
        DunningResumed {
            /// The case.
            case: CaseId,
            /// The business date.
            on: NaiveDate,
        },
        /// More may be used for some time.
        #[serde(rename = "credit.temporary.granted")]
        TemporaryGranted {
            /// The case because of which; it has one.
            case: CaseId,
            /// How much more.
            amount: Money,
            /// The first day on which it is gone.
            expires_on: NaiveDate,
            /// The business date.
            on: NaiveDate,
        },
        /// The case is over, and with it what more could be used.
        #[serde(rename = "credit.temporary.settled")]
        TemporarySettled {
            /// The case.
            case: CaseId,
            /// The business date.
            on: NaiveDate,
        },
        /// The time is over for which more could be used.
        #[serde(rename = "credit.temporary.expired")]
        TemporaryExpired {
            /// The case.
            case: CaseId,
            /// The first day on which it is gone, whenever that was noticed.
            on: NaiveDate,
        },
        /// The line shares a limit with others.
        #[serde(rename = "credit.group.joined")]
        GroupJoined {
            /// The group.
            group: CreditGroupId,
            /// The business date.
            on: NaiveDate,
        },
        /// The line shares the limit no more.
        #[serde(rename = "credit.group.left")]
        GroupLeft {
            /// The group.
            group: CreditGroupId,
            /// The business date.
            on: NaiveDate,
        },
    }
}

events! {
    /// An event of a group of lines that share a limit. Amounts are in its currency. It tells who belongs together, and nothing else of
    /// anybody.
    pub enum CreditGroupEvent {
        /// There is such a group.
        #[serde(rename = "credit.group.formed")]
        Formed {
            /// The customer that the others belong to.
            parent: CustomerId,
            /// What all may use together; also says in which currency.
            limit: Money,
            /// The business date.
            on: NaiveDate,
        },
        /// All together may use more or less.
        #[serde(rename = "credit.group.limit.changed")]
        LimitChanged {
            /// The limit before.
            from: Money,
            /// The limit from now on.
            to: Money,
            /// Why.
            reason: ReasonCode,
            /// The business date.
            on: NaiveDate,
        },
        /// A line shares the limit.
        #[serde(rename = "credit.group.member.added")]
        MemberAdded {
            /// The line.
            line: CreditLineId,
            /// Whose it is.
            customer: CustomerId,
            /// What it takes of the limit.
            exposure: Money,
            /// The business date.
            on: NaiveDate,
        },
        /// A line shares the limit no more.
        #[serde(rename = "credit.group.member.removed")]
        MemberRemoved {
            /// The line.
            line: CreditLineId,
            /// The business date.
            on: NaiveDate,
        },
        /// A line takes more or less of the limit.
        #[serde(rename = "credit.group.exposure.changed")]
        ExposureChanged {
            /// The line.
            line: CreditLineId,
            /// What it takes now.
            exposure: Money,
        },
        /// There is no such group any more.
        #[serde(rename = "credit.group.dissolved")]
        Dissolved {
            /// The business date.
            on: NaiveDate,
        },
    }
}

/// The upcasters of old versions: there are none yet.
pub(crate) const UPCASTERS: &[Upcaster] = &[];
