//! Customers that turn out to be one: the duplicate is merged into the survivor, which takes over what it had.
//!
//! The orders that can still be given back are told with it, in parts of one append: so the survivor's state stands alone, an order of the
//! duplicate that is told again of the survivor is recorded no second time, and its refund needs no other stream.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::customers::assignment::Assignment;
use crate::customers::commands::CustomerError;
use crate::customers::customer::{
    ActiveCustomer, Customer, DOCUMENTS_MAX, EMAILS_MAX, Order, PHONES_MAX, REFERENCES_MAX, RecordedRefund,
};
use crate::customers::events::{
    Contact, CustomerEvent, CustomerField, CustomerKind, ExternalReference, LinkedReference,
};
use crate::customers::referring;
use crate::customers::segments;
use crate::document::Document;
use crate::email::Email;
use crate::event::clear_values;
use crate::ids::{CustomerId, OrderId, RefundId};
use crate::money::Money;

/// The most customers that are merged into one.
pub const DUPLICATES_MAX: usize = 50;
/// The most orders that can still be given back, of a customer that is merged.
pub const MERGED_ORDERS_MAX: usize = 5_000;
/// So many of them are told in one event.
const ORDERS_IN_A_PART: usize = 500;

clear_values! {
    /// An order of a duplicate that can still be given back.
    pub struct AbsorbedOrder {
        /// The order.
        pub order: OrderId,
        /// What was paid.
        pub total: Money,
        /// What has been given back.
        pub refunded: Money,
        /// The business date of the purchase.
        pub on: NaiveDate,
        /// Tells its content from another.
        pub fingerprint: u64,
        /// The first business date on which it is forgotten.
        pub remembered_until: NaiveDate,
        /// What can still be given back by its lines.
        pub lines: Vec<AbsorbedLine>,
        /// Whether nothing is left to be given back.
        pub is_over: bool,
        /// What gave it back.
        pub refunds: Vec<AbsorbedRefund>,
    }

    /// A line of such an order.
    pub struct AbsorbedLine {
        /// Tells the article from another.
        pub article: u64,
        /// How many.
        pub quantity: u32,
        /// What the line cost, in the smallest unit of the currency.
        pub minor: i64,
        /// How many were given back.
        pub refunded: u32,
    }

    /// A refund of such an order.
    pub struct AbsorbedRefund {
        /// The refund.
        pub refund: RefundId,
        /// What it gave back.
        pub amount: Money,
        /// Whether it left nothing.
        pub completed: bool,
        /// Tells apart the articles that were given back; zero for none.
        pub lines: u64,
    }
}

/// What a customer has bought, in sum.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purchases {
    /// How many purchases.
    pub count: i64,
    /// The business date of the first.
    pub first_on: Option<NaiveDate>,
    /// The business date of the last.
    pub last_on: Option<NaiveDate>,
}

impl Purchases {
    pub(super) fn add(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.first_on = self.first_on.into_iter().chain(other.first_on).min();
        self.last_on = self.last_on.max(other.last_on);
    }

    pub(super) const fn one(on: NaiveDate) -> Self {
        Self { count: 1, first_on: Some(on), last_on: Some(on) }
    }
}

/// What becomes of the duplicate. Once more changes nothing.
pub(super) fn merge_into(
    state: &Customer,
    into: CustomerId,
    on: NaiveDate,
) -> Result<Vec<CustomerEvent>, CustomerError> {
    match state {
        Customer::Unregistered => Err(CustomerError::DuplicateNotFound),
        Customer::Erased => Err(CustomerError::DuplicateErased),
        Customer::Deleted(_) => Err(CustomerError::DuplicateDeleted),
        Customer::Merged { into: survivor } if *survivor == into => Ok(vec![]),
        Customer::Merged { into: survivor } => Err(CustomerError::AlreadyMerged { survivor: *survivor }),
        // Who is blocked would go free by it.
        Customer::Active(customer) if customer.block.is_some() => Err(CustomerError::DuplicateBlocked),
        Customer::Active(customer) => match customer.contact().known() {
            Some(_) => Ok(vec![CustomerEvent::Merged { into, on }]),
            None => Err(CustomerError::DuplicateErased),
        },
    }
}

/// Who was merged into a customer before goes with it, so that nobody has to ask twice.
pub(super) fn follow_merge(state: &Customer, from: CustomerId, into: CustomerId, on: NaiveDate) -> Vec<CustomerEvent> {
    match state {
        Customer::Merged { into: before } if *before == from => vec![CustomerEvent::Merged { into, on }],
        Customer::Merged { .. }
        | Customer::Unregistered
        | Customer::Active(_)
        | Customer::Deleted(_)
        | Customer::Erased => vec![],
    }
}

/// What becomes of the survivor.
pub(super) fn absorb(
    (into, id): (CustomerId, CustomerId),
    (customer, duplicate): (&ActiveCustomer, &ActiveCustomer),
    on: NaiveDate,
) -> Result<Vec<CustomerEvent>, CustomerError> {
    let duplicates: BTreeSet<_> = duplicate.duplicates.iter().copied().chain([id]).collect();
    at_most("duplicates", DUPLICATES_MAX, customer.duplicates.union(&duplicates).count())?;
    at_most("orders", MERGED_ORDERS_MAX, duplicate.orders.len())?;
    let mut events = gains(customer, duplicate)?;
    events.extend(parts(customer, id, duplicate, on));
    events.extend(referring::taken_over((into, id), (customer, duplicate), on));
    events.extend(segments::taken_over(customer.segmented(), duplicate.segmented(), on));
    let (from, to) = (customer.lifecycle().stage(), customer.lifecycle().joined(duplicate.lifecycle()));
    events.extend((from != to).then_some(CustomerEvent::LifecycleChanged { from, to, on }));
    Ok(events)
}

const fn at_most(items: &'static str, limit: usize, given: usize) -> Result<(), CustomerError> {
    if given > limit { Err(CustomerError::MergeTooMany { items, limit }) } else { Ok(()) }
}

/// What the survivor knows better than before: what it had stays, what it lacked comes, lists grow at their ends.
fn gains(customer: &ActiveCustomer, duplicate: &ActiveCustomer) -> Result<Vec<CustomerEvent>, CustomerError> {
    let before = customer.contact().known().ok_or(CustomerError::Erased)?;
    let other = duplicate.contact().known().ok_or(CustomerError::DuplicateErased)?;
    let after = joined(before, other);
    at_most("emails", EMAILS_MAX, after.emails.len())?;
    at_most("phones", PHONES_MAX, after.phones.len())?;
    at_most("documents", DOCUMENTS_MAX, after.documents.len())?;
    at_most("references", REFERENCES_MAX, after.references.len())?;
    let mut events: Vec<_> = updated(customer, duplicate, (before, &after)).into_iter().collect();
    let linked = after.references[before.references.len()..].iter().cloned();
    events.extend(linked.map(|ExternalReference { system, reference }| CustomerEvent::ReferenceLinked {
        system,
        personal: LinkedReference { reference }.into(),
    }));
    events.extend(customer.logins().gained(duplicate.logins())?);
    events.extend(customer.tags().gained(duplicate.tags()));
    events.extend(terms_and_notes(customer, duplicate));
    if *customer.assignment() == Assignment::default() && *duplicate.assignment() != Assignment::default() {
        let Assignment { rep, route } = duplicate.assignment().clone();
        events.push(CustomerEvent::Assigned { rep, route });
    }
    Ok(events)
}

/// What both may see of themselves they may see as one, who is a business as soon as one of them is.
fn terms_and_notes(customer: &ActiveCustomer, duplicate: &ActiveCustomer) -> Vec<CustomerEvent> {
    let mut events = Vec::new();
    let permissions: BTreeSet<_> = customer.portal.union(&duplicate.portal).copied().collect();
    if permissions != customer.portal {
        events.push(CustomerEvent::PortalGranted { permissions: permissions.into_iter().collect() });
    }
    let terms = customer.terms.joined(&duplicate.terms);
    events.extend((terms != customer.terms).then_some(CustomerEvent::TermsChanged { terms }));
    if let (Some(own), Some(other)) = (customer.metadata.known(), duplicate.metadata.known()) {
        let notes = own.joined(other);
        events.extend((notes != *own).then(|| CustomerEvent::MetadataChanged { personal: notes.into() }));
    }
    events
}

fn updated(
    customer: &ActiveCustomer,
    duplicate: &ActiveCustomer,
    (before, after): (&Contact, &Contact),
) -> Option<CustomerEvent> {
    let (own, other) = (customer.profile(), duplicate.profile());
    let language = other.language.clone().filter(|_| own.language.is_none());
    let currency = other.currency.filter(|_| own.currency.is_none());
    let mut changed = before.differing(after);
    changed.extend(language.as_ref().map(|_| CustomerField::Language));
    changed.extend(currency.map(|_| CustomerField::Currency));
    let time_zone = other.time_zone.clone().filter(|_| own.time_zone.is_none());
    changed.extend(time_zone.as_ref().map(|_| CustomerField::TimeZone));
    let kind = Some(other.kind).filter(|kind| *kind == CustomerKind::Business && own.kind != *kind);
    changed.extend(kind.map(|_| CustomerField::Kind));
    let personal = Contact::default().with(&changed, after).into();
    (!changed.is_empty()).then_some(CustomerEvent::Updated { changed, language, currency, time_zone, kind, personal })
}

/// Two are the same when they are claimed as the same.
fn joined(own: &Contact, other: &Contact) -> Contact {
    Contact {
        name: own.name.clone().or_else(|| other.name.clone()),
        company: own.company.clone().or_else(|| other.company.clone()),
        emails: grown(&own.emails, &other.emails, Email::normalized),
        phones: grown(&own.phones, &other.phones, |phone| phone.as_str().to_owned()),
        references: grown(&own.references, &other.references, ExternalReference::identity),
        documents: grown(&own.documents, &other.documents, Document::identity),
        birth_date: own.birth_date.or(other.birth_date),
    }
}

fn grown<T: Clone>(own: &[T], other: &[T], identity: impl Fn(&T) -> String) -> Vec<T> {
    let known: BTreeSet<_> = own.iter().map(&identity).collect();
    own.iter().chain(other.iter().filter(|value| !known.contains(&identity(value)))).cloned().collect()
}

fn parts(customer: &ActiveCustomer, id: CustomerId, duplicate: &ActiveCustomer, on: NaiveDate) -> Vec<CustomerEvent> {
    let new = duplicate.orders.iter().filter(|(order, _)| !customer.orders.contains_key(*order));
    let orders: Vec<AbsorbedOrder> = new.map(|(order, known)| known.absorbed(order, duplicate)).collect();
    let parts = orders.len().div_ceil(ORDERS_IN_A_PART).max(1);
    let mut orders = orders.chunks(ORDERS_IN_A_PART);
    let of_part = |part: usize| {
        let is_first = part == 0;
        let Purchases { count, first_on, last_on } = duplicate.purchases;
        CustomerEvent::DuplicateAbsorbed {
            duplicate: id,
            part: u32::try_from(part).unwrap_or(u32::MAX).saturating_add(1),
            parts: u32::try_from(parts).unwrap_or(u32::MAX),
            duplicates: duplicate.duplicates.iter().copied().filter(|_| is_first).collect(),
            purchases: if is_first { count } else { 0 },
            registered_on: is_first.then_some(duplicate.profile().registered_on),
            first_purchase_on: first_on.filter(|_| is_first),
            last_purchase_on: last_on.filter(|_| is_first),
            orders: orders.next().unwrap_or_default().to_vec(),
            on,
        }
    };
    (0..parts).map(of_part).collect()
}

impl Order {
    fn absorbed(&self, order: &OrderId, of: &ActiveCustomer) -> AbsorbedOrder {
        let refunds = of.refunds.iter().filter(|(_, refund)| refund.order == *order);
        let refunds = refunds.map(|(refund, recorded)| AbsorbedRefund {
            refund: refund.clone(),
            amount: recorded.amount,
            completed: recorded.completed,
            lines: recorded.lines,
        });
        AbsorbedOrder {
            order: order.clone(),
            total: self.total,
            refunded: self.refunded,
            on: self.on,
            fingerprint: self.fingerprint,
            remembered_until: self.remembered_until,
            lines: self.lines.iter().copied().map(AbsorbedLine::from).collect(),
            is_over: self.is_over,
            refunds: refunds.collect(),
        }
    }
}

impl ActiveCustomer {
    /// All customers that were merged into this one.
    pub const fn duplicates(&self) -> &BTreeSet<CustomerId> {
        &self.duplicates
    }

    /// The survivor after a part of what a duplicate had.
    pub(super) fn absorbing(mut self, event: &CustomerEvent) -> Self {
        let CustomerEvent::DuplicateAbsorbed {
            duplicate,
            duplicates,
            purchases,
            registered_on,
            first_purchase_on,
            last_purchase_on,
            orders,
            on,
            ..
        } = event
        else {
            return self;
        };
        self.profile.registered_on =
            registered_on.map_or(self.profile.registered_on, |on| on.min(self.profile.registered_on));
        self = self.seen(*on);
        self.duplicates.extend(duplicates.iter().copied().chain([*duplicate]));
        // Who turns out to be the one that had sent it, was sent by nobody.
        self.referral = self.referral.filter(|referral| !self.duplicates.contains(&referral.by));
        self.purchases.add(&Purchases { count: *purchases, first_on: *first_purchase_on, last_on: *last_purchase_on });
        self.lifecycle.absorbed(*last_purchase_on);
        for absorbed in orders {
            self.take_order(absorbed);
        }
        self
    }

    fn take_order(&mut self, absorbed: &AbsorbedOrder) {
        let AbsorbedOrder { order, total, refunded, on, fingerprint, remembered_until, lines, is_over, refunds } =
            absorbed;
        self.orders.entry(order.clone()).or_insert_with(|| Order {
            total: *total,
            refunded: *refunded,
            on: *on,
            fingerprint: *fingerprint,
            remembered_until: *remembered_until,
            lines: lines.iter().cloned().map(Into::into).collect(),
            is_over: *is_over,
        });
        for AbsorbedRefund { refund, amount, completed, lines } in refunds {
            let (order, amount, completed, lines) = (order.clone(), *amount, *completed, *lines);
            let recorded = RecordedRefund { order, amount, completed, lines };
            self.refunds.entry(refund.clone()).or_insert(recorded);
        }
    }
}
