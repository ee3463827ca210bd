//! The customer: who it is, and the orders that can still be given back.
//!
//! The state forgets an order 24 months after the latest business date at which it was recorded, so it does not grow for
//! ever; that an order is recorded once beyond that is the log's to know.

mod refunding;

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::calendar::months_after;
use crate::customers::addresses::{Addresses, HeldAddress};
use crate::customers::assignment::{self, Assignment};
use crate::customers::blocking::{self, Block};
use crate::customers::commands::{CustomerCommand, CustomerError, CustomerPatch};
use crate::customers::deletion;
use crate::customers::events::{
    Contact, CustomerEvent, CustomerField, CustomerKind, ErasureGround, ExportFormat, PurchaseLine, distinct,
};
use crate::customers::lifecycle::Lifecycle;
use crate::customers::links::{self, Logins};
use crate::customers::merging::{self, Purchases};
use crate::customers::metadata::{self, Metadata};
use crate::customers::portal::{self, PortalPermission};
use crate::customers::preferences::{self, HeldPreferences, PreferencesPatch};
use crate::customers::referring::{self, Referral};
use crate::customers::segments;
use crate::customers::tags::Tags;
use crate::customers::terms::{self, Terms, TermsPatch};
use crate::decider::Decider;
use crate::document::Document;
use crate::email::Email;
use crate::event::Personal;
use crate::ids::{Channel, CustomerId, Language, OrderId, RefundId, Source, TimeZoneName};
use crate::money::{Currency, Money};
use crate::patch::Patch;
use crate::segment::Segmented;
use refunding::BoughtLine;

/// For so many months after the purchase an order can be given back.
pub const REFUNDABLE_MONTHS: u32 = 24;
/// The most e-mail addresses of a customer.
pub const EMAILS_MAX: usize = 10;
/// The most telephone numbers of a customer.
pub const PHONES_MAX: usize = 10;
/// The most external references of a customer.
pub const REFERENCES_MAX: usize = 20;
/// The most identity documents of a customer.
pub const DOCUMENTS_MAX: usize = 10;
/// The most lines of a purchase.
pub const LINES_MAX: usize = 500;

/// A customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Customer {
    /// Nobody knows it yet.
    Unregistered,
    /// It buys and is given back.
    Active(Box<ActiveCustomer>),
    /// It turned out to be another one, who took over what it had.
    Merged {
        /// Who that is.
        into: CustomerId,
    },
    /// Nothing happens to it until it is restored.
    Deleted(Box<ActiveCustomer>),
    /// Nobody knows any more who it was. Nothing happens to it again.
    Erased,
}

/// A customer that is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActiveCustomer {
    pub(super) profile: Profile,
    contact: Personal<Contact>,
    addresses: Addresses,
    preferences: HeldPreferences,
    pub(super) orders: BTreeMap<OrderId, Order>,
    pub(super) refunds: BTreeMap<RefundId, RecordedRefund>,
    pub(super) purchases: Purchases,
    pub(super) duplicates: BTreeSet<CustomerId>,
    pub(super) referral: Option<Referral>,
    pub(super) lifecycle: Lifecycle,
    segmented: Segmented,
    logins: Logins,
    tags: Tags,
    assignment: Assignment,
    pub(super) portal: BTreeSet<PortalPermission>,
    pub(super) block: Option<Block>,
    pub(super) terms: Terms,
    pub(super) metadata: Personal<Metadata>,
    latest: NaiveDate,
}

/// What may be known of a customer without knowing who it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// A person or a company.
    pub kind: CustomerKind,
    /// The language to write in.
    pub language: Option<Language>,
    /// The preferred currency.
    pub currency: Option<Currency>,
    /// Where its clocks are.
    pub time_zone: Option<TimeZoneName>,
    /// Where the customer came from.
    pub source: Option<Source>,
    /// The business date.
    pub registered_on: NaiveDate,
}

/// An order that is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    pub(super) total: Money,
    pub(super) refunded: Money,
    pub(super) on: NaiveDate,
    pub(super) fingerprint: u64,
    pub(super) remembered_until: NaiveDate,
    /// What can still be given back by its lines.
    pub(super) lines: Vec<BoughtLine>,
    /// Whether nothing is left to be given back.
    pub(super) is_over: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RecordedRefund {
    pub(super) order: OrderId,
    pub(super) amount: Money,
    pub(super) completed: bool,
    /// Tells apart the articles that were given back; zero for none.
    pub(super) lines: u64,
}

impl Decider for Customer {
    type Command = CustomerCommand;
    type Event = CustomerEvent;
    type Refusal = CustomerError;

    fn initial() -> Self {
        Self::Unregistered
    }

    fn decide(state: &Self, command: CustomerCommand) -> Result<Vec<CustomerEvent>, CustomerError> {
        match command {
            CustomerCommand::Register { kind, contact, language, currency, source, registered_on } => {
                let time_zone = None;
                register(state, Profile { kind, language, currency, time_zone, source, registered_on }, contact)
            }
            CustomerCommand::Update(patch) => update(state, &patch),
            CustomerCommand::AddAddress { id, kind, as_default, address } => {
                state.known()?.addresses.add(id, kind, as_default, address)
            }
            CustomerCommand::ChangeAddress { id, patch, as_default } => {
                state.active()?.addresses.change(id, &patch, as_default)
            }
            CustomerCommand::RemoveAddress { id } => state.active()?.addresses.remove(id),
            CustomerCommand::ChangePreferences(patch) => change_preferences(state, &patch),
            CustomerCommand::RecordPurchase { order, channel, lines, total, on } => {
                record_purchase(state, Purchase { order, channel, lines, total, on })
            }
            CustomerCommand::Refund { refund, order, amount, lines, on, today } => {
                refunding::refund(state.active()?, refunding::Refund { refund, order, amount, lines, on, today })
            }
            CustomerCommand::AdvanceLifecycle { order } => advance_lifecycle(state, &order),
            CustomerCommand::LinkReference(reference) => links::link_reference(state.active()?, reference),
            CustomerCommand::UnlinkReference { system, reference } => {
                links::unlink_reference(state.active()?, &system, reference.as_ref())
            }
            CustomerCommand::LinkUser(user) => Ok(links::link_user(state.known()?, user)),
            CustomerCommand::UnlinkUser => Ok(links::unlink_user(state.active()?)),
            CustomerCommand::Tag(tags) => state.active()?.tags.add(tags),
            CustomerCommand::Untag(tags) => Ok(state.active()?.tags.remove(tags)),
            CustomerCommand::GrantPortal(permissions) => portal::grant(&state.active()?.portal, &permissions),
            CustomerCommand::RevokePortal => Ok(portal::revoke(&state.active()?.portal)),
            CustomerCommand::ChangeSegment { to, scores, on } => {
                Ok(segments::change(state.active()?.segmented, to, scores, on).into_iter().collect())
            }
            CustomerCommand::Block { reason, note, on } => {
                Ok(blocking::block(state.known()?.block.as_ref(), reason, note, on))
            }
            CustomerCommand::Unblock { on } => Ok(blocking::unblock(state.active()?.block.as_ref(), on)),
            CustomerCommand::ChangeLifecycle { to, on } => state.active()?.lifecycle.said(to, on),
            CustomerCommand::Assign(assignment) => Ok(assignment::assign(&state.active()?.assignment, assignment)),
            CustomerCommand::MergeInto { into, on } => merging::merge_into(state, into, on),
            CustomerCommand::FollowMerge { from, into, on } => Ok(merging::follow_merge(state, from, into, on)),
            CustomerCommand::Absorb { into, id, duplicate, on } => {
                merging::absorb((into, id), (state.active()?, &duplicate), on)
            }
            CustomerCommand::Refer { id, by, referrer, on } => referring::refer(state, (id, by), &referrer, on),
            CustomerCommand::Delete { reason, on } => deletion::delete(state, reason, on),
            CustomerCommand::Restore { on } => deletion::restore(state, on),
            CustomerCommand::Export { format, events } => export(state, format, events),
            CustomerCommand::Erase { ground, subjects, on } => erase(state, ground, subjects, on),
        }
    }

    /// Of who is not known, or not any more, nothing is remembered.
    fn evolve(state: Self, event: &CustomerEvent) -> Self {
        match (state, event) {
            (_, CustomerEvent::Created { kind, language, currency, source, registered_on, personal }) => {
                let (kind, currency, registered_on) = (*kind, *currency, *registered_on);
                let (language, time_zone, source) = (language.clone(), None, source.clone());
                let profile = Profile { kind, language, currency, time_zone, source, registered_on };
                Self::Active(Box::new(ActiveCustomer::new(profile, personal.clone())))
            }
            (
                Self::Active(_) | Self::Merged { .. } | Self::Deleted(_) | Self::Unregistered,
                CustomerEvent::Erased { .. },
            ) => Self::Erased,
            (Self::Active(_) | Self::Merged { .. }, CustomerEvent::Merged { into, .. }) => Self::Merged { into: *into },
            (Self::Active(customer), CustomerEvent::Deleted { .. }) => Self::Deleted(customer),
            (Self::Deleted(customer), CustomerEvent::Restored { .. }) => Self::Active(customer),
            (Self::Active(customer), event) => Self::Active(Box::new(customer.after(event))),
            (state @ (Self::Unregistered | Self::Merged { .. } | Self::Deleted(_) | Self::Erased), _) => state,
        }
    }
}

impl Customer {
    /// The customer, unless it is not known, or was erased.
    ///
    /// # Errors
    /// When it is not, or was.
    pub fn active(&self) -> Result<&ActiveCustomer, CustomerError> {
        match self {
            Self::Unregistered => Err(CustomerError::NotFound),
            Self::Active(customer) => Ok(customer),
            Self::Merged { into } => Err(CustomerError::Merged { survivor: *into }),
            Self::Deleted(_) => Err(CustomerError::Deleted),
            Self::Erased => Err(CustomerError::Erased),
        }
    }

    /// The customer whose contacts are its own: one that is deleted keeps them.
    pub fn holder(&self) -> Option<&ActiveCustomer> {
        match self {
            Self::Active(customer) | Self::Deleted(customer) => Some(customer),
            Self::Unregistered | Self::Merged { .. } | Self::Erased => None,
        }
    }

    /// The customer, unless it is not known, or nobody knows any more who it was.
    pub(super) fn known(&self) -> Result<&ActiveCustomer, CustomerError> {
        let customer = self.active()?;
        customer.contact.known().map(|_| customer).ok_or(CustomerError::Erased)
    }

    /// An order that is remembered.
    pub fn order(&self, order: &OrderId) -> Option<&Order> {
        self.active().ok()?.orders.get(order)
    }
}

impl ActiveCustomer {
    fn new(profile: Profile, contact: Personal<Contact>) -> Self {
        let latest = profile.registered_on;
        Self {
            profile,
            contact,
            addresses: Addresses::default(),
            preferences: HeldPreferences::default(),
            orders: BTreeMap::new(),
            refunds: BTreeMap::new(),
            purchases: Purchases::default(),
            duplicates: BTreeSet::new(),
            referral: None,
            lifecycle: Lifecycle::new(),
            segmented: Segmented::default(),
            logins: Logins::default(),
            tags: Tags::default(),
            assignment: Assignment::default(),
            portal: BTreeSet::new(),
            block: None,
            terms: Terms::default(),
            metadata: Metadata::default().into(),
            latest,
        }
    }

    fn with_contact(mut self, changed: &[CustomerField], personal: &Personal<Contact>) -> Self {
        self.contact = match (self.contact, personal) {
            (Personal::Known(contact), Personal::Known(new)) => Personal::Known(contact.with(changed, new)),
            (Personal::Erased, _) | (_, Personal::Erased) => Personal::Erased,
        };
        self
    }

    /// The customer after something happened to it.
    fn after(mut self, event: &CustomerEvent) -> Self {
        use CustomerEvent as E;
        match event {
            E::Updated { changed, personal, .. } => {
                self.profile.change(event);
                return self.with_contact(changed, personal);
            }
            E::AddressAdded { address, kind, is_default, personal }
            | E::AddressChanged { address, kind, is_default, personal } => {
                let held = HeldAddress { kind: *kind, is_default: *is_default, address: personal.clone() };
                self.addresses.put(*address, held);
            }
            E::AddressRemoved { address, new_default, .. } => self.addresses.take(*address, *new_default),
            E::PreferencesChanged { preferences, personal } => {
                self.preferences = HeldPreferences { clear: preferences.clone(), personal: personal.clone() };
            }
            E::PurchaseRecorded { .. } => return self.with_purchase(event),
            E::PurchaseRefunded { .. } => return self.with_refund(event),
            E::LifecycleChanged { to, .. } => self.lifecycle.changed(*to),
            E::SegmentChanged { to, is_vip, .. } => self.segmented = Segmented { segment: *to, is_vip: *is_vip },
            E::ReferenceLinked { system, personal } => {
                self.contact = match (self.contact, personal) {
                    (Personal::Known(contact), Personal::Known(linked)) => contact.linked(system, linked).into(),
                    (Personal::Erased, _) | (_, Personal::Erased) => Personal::Erased,
                };
            }
            E::ReferenceUnlinked { system } => {
                if let Personal::Known(contact) = self.contact {
                    self.contact = contact.unlinked(system).into();
                }
            }
            E::UserLinked { besides, personal } => {
                self.logins.linked(*besides, personal.known().map(|linked| &linked.user));
            }
            E::UserUnlinked {} => self.logins = Logins::default(),
            E::Tagged { tags } => self.tags.put(tags),
            E::Untagged { tags } => self.tags.take(tags),
            E::Assigned { rep, route } => self.assignment = Assignment { rep: rep.clone(), route: route.clone() },
            E::PortalGranted { permissions } => self.portal = permissions.iter().copied().collect(),
            E::PortalRevoked {} => self.portal.clear(),
            E::Blocked { reason, on, personal } => {
                self.block = Some(Block { reason: *reason, since: *on, note: personal.clone() });
            }
            E::Unblocked { .. } => self.block = None,
            E::TermsChanged { terms } => self.terms = terms.clone(),
            E::MetadataChanged { personal } => self.metadata = personal.clone(),
            E::Referred { by, looks_alike, .. } => {
                self.referral = Some(Referral { by: *by, looks_alike: *looks_alike });
            }
            E::DuplicateAbsorbed { .. } => return self.absorbing(event),
            E::Created { .. }
            | E::Merged { .. }
            | E::Deleted { .. }
            | E::Restored { .. }
            | E::Exported { .. }
            | E::Erased { .. } => {}
        }
        self
    }

    fn with_purchase(mut self, event: &CustomerEvent) -> Self {
        let CustomerEvent::PurchaseRecorded { order, channel, lines, total, on } = event else { return self };
        let (order, total, on) = (order.clone(), *total, *on);
        self = self.seen(on);
        self.lifecycle.purchased(order.clone(), on);
        self.purchases.add(&Purchases::one(on));
        let (fingerprint, bought) = (fingerprint(channel.as_ref(), lines), lines.iter().map(BoughtLine::of).collect());
        let (remembered_until, refunded) =
            (months_after(self.latest, REFUNDABLE_MONTHS), Money::zero(total.currency()));
        let is_over = false;
        self.orders.insert(order, Order { total, refunded, on, fingerprint, remembered_until, lines: bought, is_over });
        self
    }

    /// Moves to the latest business date and forgets what is out of reach then.
    pub(super) fn seen(mut self, on: NaiveDate) -> Self {
        if on > self.latest {
            self.latest = on;
            self.orders.retain(|_, order| on < order.remembered_until);
            self.refunds.retain(|_, refund| self.orders.contains_key(&refund.order));
        }
        self
    }

    /// What may be known without knowing who it is.
    pub const fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Its addresses.
    pub const fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// What it likes and wants.
    pub const fn preferences(&self) -> &HeldPreferences {
        &self.preferences
    }

    /// Who it is.
    pub const fn contact(&self) -> &Personal<Contact> {
        &self.contact
    }

    /// As whom it logs in.
    pub const fn logins(&self) -> &Logins {
        &self.logins
    }

    /// What we file it under.
    pub const fn tags(&self) -> &Tags {
        &self.tags
    }

    /// Who looks after it.
    pub const fn assignment(&self) -> &Assignment {
        &self.assignment
    }

    /// Whether it may spend points.
    ///
    /// # Errors
    /// When it is blocked.
    pub fn require_unblocked(&self) -> Result<(), CustomerError> {
        self.block.as_ref().map_or(Ok(()), |block| Err(CustomerError::Blocked { reason: block.reason }))
    }

    /// Whether it has bought anything, given back since or not.
    pub const fn has_bought(&self) -> bool {
        self.purchases.count > 0
    }

    /// Whom it was referred by.
    pub const fn referral(&self) -> Option<Referral> {
        self.referral
    }

    /// Which kind of buyer it is.
    pub const fn segmented(&self) -> Segmented {
        self.segmented
    }

    /// How far it has come with us.
    pub const fn lifecycle(&self) -> &Lifecycle {
        &self.lifecycle
    }
}

impl Profile {
    fn change(&mut self, event: &CustomerEvent) {
        let CustomerEvent::Updated { changed, language, currency, time_zone, kind, personal: _ } = event else {
            return;
        };
        for field in changed {
            match field {
                CustomerField::Language => self.language.clone_from(language),
                CustomerField::Currency => self.currency = *currency,
                CustomerField::TimeZone => self.time_zone.clone_from(time_zone),
                CustomerField::Kind => self.kind = kind.unwrap_or(self.kind),
                CustomerField::Name
                | CustomerField::Company
                | CustomerField::Emails
                | CustomerField::Phones
                | CustomerField::Documents
                | CustomerField::BirthDate => {}
            }
        }
    }
}

impl Order {
    /// What was paid.
    pub const fn total(&self) -> Money {
        self.total
    }

    /// What has been given back.
    pub const fn refunded(&self) -> Money {
        self.refunded
    }

    /// What has not been given back.
    pub fn remaining(&self) -> Money {
        self.total.checked_sub(self.refunded).unwrap_or(Money::zero(self.total.currency()))
    }

    /// The business date of the purchase.
    pub const fn on(&self) -> NaiveDate {
        self.on
    }

    /// The first day on which nothing is given back any more.
    pub fn refundable_until(&self) -> NaiveDate {
        months_after(self.on, REFUNDABLE_MONTHS)
    }
}

fn register(state: &Customer, profile: Profile, contact: Contact) -> Result<Vec<CustomerEvent>, CustomerError> {
    let contact = contact.distinct();
    match state {
        Customer::Unregistered => {}
        Customer::Erased => return Err(CustomerError::Erased),
        Customer::Merged { .. } | Customer::Deleted(_) => return Err(CustomerError::AlreadyRegistered),
        Customer::Active(customer) => {
            let same = customer.profile == profile && customer.contact.known() == Some(&contact);
            return if same { Ok(vec![]) } else { Err(CustomerError::AlreadyRegistered) };
        }
    }
    check_contact(profile.kind, &contact)?;
    links::check_systems(&contact.references)?;
    let Profile { kind, language, currency, time_zone: _, source, registered_on } = profile;
    Ok(vec![CustomerEvent::Created { kind, language, currency, source, registered_on, personal: contact.into() }])
}

fn update(state: &Customer, patch: &CustomerPatch) -> Result<Vec<CustomerEvent>, CustomerError> {
    let customer = state.active()?;
    let updated = update_profile(customer, patch)?;
    let terms = change_terms(customer, patch.kind.unwrap_or(customer.profile.kind), &patch.terms)?;
    let metadata = customer.metadata.known().ok_or(CustomerError::Erased)?;
    let noted = metadata::applied(&patch.metadata, metadata)?;
    let noted = (noted != *metadata).then(|| CustomerEvent::MetadataChanged { personal: noted.into() });
    Ok(updated.into_iter().chain(terms).chain(noted).collect())
}

/// Who is a business no more has to give up its terms with that.
fn change_terms(
    customer: &ActiveCustomer,
    kind: CustomerKind,
    patch: &Patch<TermsPatch>,
) -> Result<Option<CustomerEvent>, CustomerError> {
    let terms = match patch {
        Patch::Keep if kind == customer.profile.kind => return Ok(None),
        Patch::Keep => customer.terms.clone(),
        Patch::Remove => Terms::default(),
        Patch::Set(patch) => patch.applied(&customer.terms),
    };
    terms::check(kind, &terms)?;
    Ok((terms != customer.terms).then_some(CustomerEvent::TermsChanged { terms }))
}

fn update_profile(customer: &ActiveCustomer, patch: &CustomerPatch) -> Result<Option<CustomerEvent>, CustomerError> {
    let before = customer.contact.known().ok_or(CustomerError::Erased)?;
    let after = patch.contact(before);
    let kind = patch.kind.unwrap_or(customer.profile.kind);
    check_contact(kind, &after)?;
    let language = patch.language.applied(customer.profile.language.as_ref());
    let currency = patch.currency.applied(customer.profile.currency.as_ref());
    let time_zone = patch.time_zone.applied(customer.profile.time_zone.as_ref());
    let mut changed = before.differing(&after);
    changed.extend((language != customer.profile.language).then_some(CustomerField::Language));
    changed.extend((currency != customer.profile.currency).then_some(CustomerField::Currency));
    changed.extend((time_zone != customer.profile.time_zone).then_some(CustomerField::TimeZone));
    changed.extend((kind != customer.profile.kind).then_some(CustomerField::Kind));
    if changed.is_empty() {
        return Ok(None);
    }
    Ok(Some(CustomerEvent::Updated {
        language: language.filter(|_| changed.contains(&CustomerField::Language)),
        currency: currency.filter(|_| changed.contains(&CustomerField::Currency)),
        time_zone: time_zone.filter(|_| changed.contains(&CustomerField::TimeZone)),
        kind: changed.contains(&CustomerField::Kind).then_some(kind),
        personal: Contact::default().with(&changed, &after).into(),
        changed,
    }))
}

/// What is told twice stands once; what is not told of stays as it is.
fn listed<T: Clone>(patch: &Patch<Vec<T>>, before: &[T], identity: impl Fn(&T) -> String) -> Vec<T> {
    match patch {
        Patch::Keep => before.to_vec(),
        Patch::Remove => Vec::new(),
        Patch::Set(values) => distinct(values.clone(), identity),
    }
}

impl CustomerPatch {
    /// The contact after the patch.
    fn contact(&self, before: &Contact) -> Contact {
        Contact {
            name: self.name.applied(before.name.as_ref()),
            company: self.company.applied(before.company.as_ref()),
            emails: listed(&self.emails, &before.emails, Email::normalized),
            phones: listed(&self.phones, &before.phones, |phone| phone.as_str().to_owned()),
            references: before.references.clone(),
            documents: listed(&self.documents, &before.documents, Document::identity),
            birth_date: self.birth_date.applied(before.birth_date.as_ref()),
        }
    }
}

fn change_preferences(state: &Customer, patch: &PreferencesPatch) -> Result<Vec<CustomerEvent>, CustomerError> {
    let held = &state.known()?.preferences;
    let before = held.personal.known().ok_or(CustomerError::Erased)?;
    let (preferences, personal) = patch.applied(&held.clear, before);
    preferences::check(&preferences, &personal)?;
    if preferences == held.clear && personal == *before {
        return Ok(vec![]);
    }
    Ok(vec![CustomerEvent::PreferencesChanged { preferences, personal: personal.into() }])
}

pub(super) fn check_contact(kind: CustomerKind, contact: &Contact) -> Result<(), CustomerError> {
    at_most("emails", EMAILS_MAX, contact.emails.len())?;
    at_most("phones", PHONES_MAX, contact.phones.len())?;
    at_most("references", REFERENCES_MAX, contact.references.len())?;
    at_most("documents", DOCUMENTS_MAX, contact.documents.len())?;
    let Contact { emails, phones, references, documents, .. } = contact;
    if emails.is_empty() && phones.is_empty() && references.is_empty() && documents.is_empty() {
        return Err(CustomerError::ContactRequired);
    }
    if kind == CustomerKind::Business && contact.company.is_none() {
        return Err(CustomerError::CompanyRequired);
    }
    Ok(())
}

pub(super) const fn at_most(items: &'static str, limit: usize, given: usize) -> Result<(), CustomerError> {
    if given > limit { Err(CustomerError::TooMany { items, limit }) } else { Ok(()) }
}

/// What is known is told of whoever it is known of: of one that is merged or deleted as well.
fn export(state: &Customer, format: ExportFormat, events: i64) -> Result<Vec<CustomerEvent>, CustomerError> {
    match state {
        Customer::Merged { .. } | Customer::Deleted(_) => {}
        Customer::Unregistered | Customer::Active(_) | Customer::Erased => drop(state.known()?),
    }
    Ok(vec![CustomerEvent::Exported { format, events }])
}

/// What follows from a purchase follows no more when its customer was erased meanwhile: there is nothing to refuse.
fn advance_lifecycle(state: &Customer, order: &OrderId) -> Result<Vec<CustomerEvent>, CustomerError> {
    match state {
        Customer::Erased | Customer::Merged { .. } | Customer::Deleted(_) => Ok(vec![]),
        Customer::Active(customer) => Ok(customer.lifecycle.due_with(order)),
        Customer::Unregistered => Err(CustomerError::NotFound),
    }
}

/// Once more changes nothing. Who is no customer here may be erased all the same, as somebody of a person who is one. And what a backup
/// has brought back goes whatever the log says of it: it may hold less of the person than was erased, or the key alone came back.
fn erase(
    state: &Customer,
    ground: ErasureGround,
    subjects: Vec<Uuid>,
    on: NaiveDate,
) -> Result<Vec<CustomerEvent>, CustomerError> {
    match state {
        _ if ground == ErasureGround::Restored => Ok(vec![CustomerEvent::Erased { ground, subjects, on }]),
        Customer::Unregistered if subjects.len() < 2 => Err(CustomerError::NotFound),
        Customer::Unregistered | Customer::Active(_) | Customer::Merged { .. } | Customer::Deleted(_) => {
            Ok(vec![CustomerEvent::Erased { ground, subjects, on }])
        }
        Customer::Erased => Ok(vec![]),
    }
}

/// A purchase that is to be recorded.
struct Purchase {
    order: OrderId,
    channel: Option<Channel>,
    lines: Vec<PurchaseLine>,
    total: Money,
    on: NaiveDate,
}

fn record_purchase(state: &Customer, purchase: Purchase) -> Result<Vec<CustomerEvent>, CustomerError> {
    let customer = state.active()?;
    let Purchase { order, channel, lines, total, on } = purchase;
    check_purchase(&lines, total)?;
    if let Some(recorded) = customer.orders.get(&order) {
        let same = recorded.total == total && recorded.fingerprint == fingerprint(channel.as_ref(), &lines);
        let conflict = CustomerError::OrderAlreadyRecorded { order, total: recorded.total };
        return if same { Ok(vec![]) } else { Err(conflict) };
    }
    Ok(vec![CustomerEvent::PurchaseRecorded { order, channel, lines, total, on }])
}

fn check_purchase(lines: &[PurchaseLine], total: Money) -> Result<(), CustomerError> {
    if total.is_negative() {
        return Err(CustomerError::NegativeTotal { total });
    }
    at_most("lines", LINES_MAX, lines.len())?;
    for (line, PurchaseLine { quantity, amount, .. }) in lines.iter().enumerate() {
        if *quantity == 0 {
            return Err(CustomerError::LineQuantity { line });
        }
        if amount.currency() != total.currency() {
            return Err(CustomerError::LineCurrency { line, expected: total.currency() });
        }
    }
    Ok(())
}

/// Tells apart contents of orders without keeping them: FNV-1a of 64 bits, from the parameters of its authors
/// (draft-eastlake-fnv). Stable, because snapshots hold it. The business date is left out: a till that repeats an order
/// after midnight repeats it.
fn fingerprint(channel: Option<&Channel>, lines: &[PurchaseLine]) -> u64 {
    hash(&serde_json::to_vec(&(channel, lines)).unwrap_or_default())
}

fn hash(content: &[u8]) -> u64 {
    content.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
