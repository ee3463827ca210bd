//! Commands on customers: who may, on which streams, with which facts and claims. The rules are the domain's.
//!
//! A customer's e-mails, phones, documents, references and user are claims of the log: one owner each. A purchase and its points, a refund and
//! the points taken back, are one append on the customer and the loyalty account.

mod deletion;
mod erase;
mod export;
mod import;
mod import_customers;
mod links;
mod merge;
mod person;
mod profile;
pub mod reactors;
pub mod receipt;
mod referring;
mod standing;
mod taken;
#[cfg(test)]
mod tests;
mod update;

pub use deletion::{Delete, delete, restore};
pub use erase::{Erase, erase};
pub use export::export;
pub use import::{ImportOptions, PurchaseRow, RowOutcome, import_purchases};
pub use import_customers::{CustomerRow, import_customers};
pub use links::{
    LinkReference, LinkUser, UnlinkReference, link_reference, link_user, unlink_reference, unlink_user, user_claim,
};
pub use merge::{Merge, merge};
pub use profile::{
    AddAddress, ChangeAddress, ChangePreferences, RemoveAddress, add_address, change_address, change_preferences,
    remove_address,
};
pub use referring::{Refer, refer};
pub use standing::{
    Assign, Block, ChangeLifecycle, ChangeSegment, GrantPortal, Tags, assign, block, change_lifecycle, change_segment,
    grant_portal, revoke_portal, tag, unblock, untag,
};
pub(crate) use update::Held;
pub use update::{Update, update};

use crate::caller::{Caller, Scope, beginning_of};
use crate::changes::{Change, Changes};
use crate::error::CommandError;
use crate::execute::{Commands, Committed, Request, content_of};
use crate::identity::{IdempotencyKey, Once};
use crate::ids::new_id;
use crate::loyalty::programme::programme_stream;
use crate::loyalty::{self, Today, account_stream, rules_of};
use crate::other_names::{self, also_of_duplicates};
use crate::states::{States, stream_of};
use chrono::{DateTime, NaiveDate, Utc};
use domain::birth_date::BirthDate;
use domain::customers::commands::{CustomerCommand, RefundLine};
use domain::customers::customer::{ActiveCustomer, Customer, Order};
use domain::customers::events::{Contact, CustomerEvent, CustomerKind, ExternalReference, PurchaseLine};
use domain::customers::referring::Referral;
use domain::document::{Document, DocumentError};
use domain::email::Email;
use domain::ids::{Channel, CustomerId, Language, OrderId, RefundId, Source};
use domain::loyalty::commands::LoyaltyCommand;
use domain::loyalty::loyalty_account::LoyaltyAccount;
use domain::loyalty::loyalty_programme::LoyaltyProgramme;
use domain::loyalty::sale::{Buyer, KnownBuyer, Referred, Sale, SaleRefund};
use domain::phone::Phone;
use domain::validators::Control;
use domain::{Currency, Decider, Moment, Money, Refusal};
use serde::Serialize;
use store::{ClaimKey, StreamId};

/// A customer to be made known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Register {
    /// A person or a company.
    pub kind: CustomerKind,
    /// Who it is.
    pub contact: Contact,
    /// The language to write in.
    pub language: Option<Language>,
    /// The preferred currency.
    pub currency: Option<Currency>,
    /// Where the customer came from.
    pub source: Option<Source>,
    /// Becomes a member of the loyalty programme too, earning in this currency.
    pub enrol_in: Option<Currency>,
    /// Who sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referrer: Option<CustomerId>,
}

/// A purchase to be remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordPurchase {
    /// Who bought.
    pub customer: CustomerId,
    /// The order; recorded once.
    pub order: OrderId,
    /// Where it was sold.
    pub channel: Option<Channel>,
    /// What was bought.
    pub lines: Vec<PurchaseLine>,
    /// What was paid.
    pub total: Money,
    /// When; now if not given.
    pub at: Option<DateTime<Utc>>,
}

/// A purchase to be given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refund {
    /// Who bought.
    pub customer: CustomerId,
    /// The refund; made once.
    pub refund: RefundId,
    /// The order.
    pub order: OrderId,
    /// How much; when not given what the lines cost, without lines all that remains.
    pub amount: Option<Money>,
    /// What is given back of which article; none when it is said by an amount only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<RefundLine>,
    /// When; now if not given.
    pub at: Option<DateTime<Utc>>,
}

/// Makes a customer known, under a new id (see [`Committed::customer`]), and a member if asked.
///
/// # Errors
/// As [`CommandError`] says; [`CommandError::Claimed`] when an e-mail, phone or reference is another customer's.
pub async fn register(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: Register,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CustomersWrite)?;
    require_born(caller, request.contact.birth_date)?;
    let claimed_at = taken::in_lists(&request.contact);
    let wrong = wrong_control(caller, &request.contact.documents, in_list);
    let registration = registration(request, Vec::new(), caller.now, caller.today());
    taken::execute(commands, caller, registration.claiming(claimed_at).refused_for(wrong).keyed(key)).await
}

/// Remembers a purchase; a member earns points with it.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn record_purchase(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: RecordPurchase,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CustomersWrite)?;
    caller.require_business_time("/occurred_at", request.at)?;
    commands.execute(caller, purchase(caller, request).keyed(key)).await
}

/// Gives a purchase back, whole, in part or by its lines; the points it earned are taken back, and those redeemed for it come back.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn refund(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: Refund,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CustomersWrite)?;
    caller.require_business_time("/occurred_at", request.at)?;
    commands.execute(caller, refunding(caller, request).keyed(key)).await
}

/// The claim of an e-mail address, as it always was.
#[must_use]
pub fn email_claim(email: &Email) -> ClaimKey {
    ClaimKey { kind: "email".to_owned(), value: email.normalized() }
}

/// The claim of a telephone number.
#[must_use]
pub fn phone_claim(phone: &Phone) -> ClaimKey {
    ClaimKey { kind: "phone".to_owned(), value: phone.as_str().to_owned() }
}

/// The claim of what another system calls a customer.
#[must_use]
pub fn reference_claim(reference: &ExternalReference) -> ClaimKey {
    ClaimKey { kind: format!("reference:{}", reference.system), value: reference.reference.as_str().to_owned() }
}

/// The claim of an identity document.
#[must_use]
pub fn document_claim(document: &Document) -> ClaimKey {
    ClaimKey { kind: "document".to_owned(), value: document.identity() }
}

/// The stream of a customer.
#[must_use]
pub fn customer_stream(customer: CustomerId) -> StreamId {
    stream_of::<Customer>(customer.as_uuid())
}

/// All claims of a contact.
fn claims_of(contact: &Contact) -> Vec<ClaimKey> {
    certain_claims(contact).into_iter().chain(newer_claims(contact)).collect()
}

/// The claims of the other forms in which mailboxes may be told. Customers of before may hold none of them.
fn newer_claims(contact: &Contact) -> impl Iterator<Item = ClaimKey> {
    contact.emails.iter().flat_map(|email| email_claims(email).skip(1))
}

/// The claims of all forms in which a mailbox may be told, [`email_claim`] first.
fn email_claims(email: &Email) -> impl Iterator<Item = ClaimKey> + use<> {
    email.claimed().into_iter().map(|value| ClaimKey { kind: "email".to_owned(), value })
}

/// The claims that whoever has the contact holds.
fn certain_claims(contact: &Contact) -> Vec<ClaimKey> {
    let emails = contact.emails.iter().map(email_claim);
    let phones = contact.phones.iter().map(phone_claim);
    let documents = contact.documents.iter().map(document_claim);
    emails.chain(phones).chain(contact.references.iter().map(reference_claim)).chain(documents).collect()
}

/// Nobody is a customer who is not born.
fn require_born(caller: &Caller, birth_date: Option<BirthDate>) -> Result<(), Refusal> {
    let born_at = birth_date.map(|born| beginning_of(born.date(), caller.zone));
    caller.require_business_time("/birth_date", born_at)
}

/// Why documents are not taken: one has a wrong control character, and the tenant takes none such. Its place is its number's.
fn wrong_control(caller: &Caller, documents: &[Document], place: impl Fn(usize) -> String) -> Option<Refusal> {
    if !caller.settings.strict_documents {
        return None;
    }
    let wrong = documents.iter().position(|document| document.control() != Control::Right)?;
    Some(Refusal::invalid(format!("{}/number", place(wrong)), &DocumentError::WrongControl))
}

/// Where a document stands in a body that has a list of them.
fn in_list(index: usize) -> String {
    format!("/documents/{index}")
}

/// A registration, and what is said of the customer with it.
fn registration(request: Register, also: Vec<CustomerCommand>, occurred_at: DateTime<Utc>, on: NaiveDate) -> Request {
    let customer = CustomerId::new(new_id());
    let content = content_of(&request);
    let streams = [customer_stream(customer), account_stream(customer)];
    let scope = if request.enrol_in.is_some() { &streams[..] } else { &streams[..1] };
    let scope = scope.to_vec();
    let referrer = request.referrer.map(customer_stream);
    let decide = move |states: &States<'_>| decide_registration(states, customer, (&request, &also), on);
    let asked = Request::new("customers.register", occurred_at, scope.clone(), decide).content(content);
    asked.creating(scope).seeing(referrer)
}

fn decide_registration(
    states: &States<'_>,
    customer: CustomerId,
    (request, also): (&Register, &[CustomerCommand]),
    on: NaiveDate,
) -> Result<Changes, Refusal> {
    let register = CustomerCommand::Register {
        kind: request.kind,
        contact: request.contact.clone(),
        language: request.language.clone(),
        currency: request.currency,
        source: request.source.clone(),
        registered_on: on,
    };
    let state = states.get::<Customer>(customer.as_uuid());
    let mut registered = Customer::decide(state, register)?;
    let referred = request.referrer.map(|referrer| referring::referring(states, customer, referrer, on));
    for command in also.iter().cloned().chain(referred) {
        let so_far = Customer::fold(state.clone(), &registered);
        registered.extend(Customer::decide(&so_far, command)?);
    }
    let mut changes = Changes::of(customer_stream(customer), registered);
    if let Some(currency) = request.enrol_in {
        let account = states.get::<LoyaltyAccount>(customer.as_uuid());
        let enrolled = LoyaltyAccount::decide(account, LoyaltyCommand::Enrol { currency, on })?;
        changes = changes.and(account_stream(customer), enrolled);
    }
    for claim in claims_of(&request.contact) {
        changes.take(claim, customer.as_uuid());
    }
    Ok(changes)
}

fn purchase(caller: &Caller, request: RecordPurchase) -> Request {
    let (occurred_at, content) = (request.at.unwrap_or(caller.now), content_of(&request));
    let today = Today::of(caller, occurred_at);
    let on = caller.business_date(occurred_at);
    let (customer, order, tenant) = (request.customer, request.order.clone(), caller.tenant);
    let once = recorded_once(customer, &order);
    let once_id = once.id(tenant);
    let earned_id = loyalty::earned_once(customer, &order).id(tenant);
    let scope = [customer_stream(request.customer), account_stream(request.customer)];
    let decide = move |states: &States<'_>| {
        let RecordPurchase { customer, order, channel, lines, total, .. } = request.clone();
        let known = states.get::<Customer>(customer.as_uuid());
        let buyer = buyer_with_purchase(customer, known);
        let sale = Sale { order: order.clone(), channel: channel.clone(), lines: lines.clone(), total, on, buyer };
        let command = CustomerCommand::RecordPurchase { order, channel, lines, total, on };
        let recorded = Customer::decide(known, command)?;
        let mut changes = Changes::none();
        for event in recorded {
            changes.push(Change::new(customer_stream(customer), event).once(once_id));
            let account = states.get::<LoyaltyAccount>(customer.as_uuid());
            if account.member().is_ok() {
                let sale = (sale.clone(), states.happened(earned_id));
                let sold = loyalty::sold(account, sale, rules_of(states, tenant), today.now)?;
                today.append(&mut changes, customer, sold);
            }
        }
        Ok(changes)
    };
    let asked = Request::new("customers.record_purchase", occurred_at, scope, decide).content(content).once(once);
    let facts = move |customer| [recorded_once(customer, &order), loyalty::earned_once(customer, &order)];
    also_of_duplicates(asked.seeing([programme_stream(tenant)]), tenant, customer, facts)
}

/// What campaigns ask of who buys, where no purchase is recorded: nobody knows whether it is the first one.
pub(crate) fn buyer_of(customer: &Customer) -> Buyer {
    Buyer::Known(known_buyer(customer))
}

/// What campaigns ask of who buys, as the purchase is recorded.
fn buyer_with_purchase(id: CustomerId, customer: &Customer) -> Buyer {
    let is_first = |known: &&ActiveCustomer| !known.has_bought();
    let referral = customer.active().ok().filter(is_first).and_then(ActiveCustomer::referral);
    let referred = referral.map(|Referral { by, looks_alike }| Referred { customer: id, by, looks_alike });
    Buyer::Known(KnownBuyer { referred, ..known_buyer(customer) })
}

fn known_buyer(customer: &Customer) -> KnownBuyer {
    let Ok(known) = customer.active() else { return KnownBuyer::default() };
    let birth_date = known.contact().known().and_then(|contact| contact.birth_date);
    KnownBuyer { birth_date, segmented: known.segmented(), referred: None }
}

/// A purchase is remembered.
fn recorded_once(customer: CustomerId, order: &OrderId) -> Once {
    Once::new(customer_stream(customer), "record_purchase", order.as_str())
}

/// Records the stages that a purchase has brought a customer to.
pub(crate) fn lifecycle_advance(customer: CustomerId, order: OrderId, occurred_at: DateTime<Utc>) -> Request {
    let stream = customer_stream(customer);
    let content = content_of(&order);
    let decide = move |states: &States<'_>| {
        let advance = CustomerCommand::AdvanceLifecycle { order: order.clone() };
        let moved = Customer::decide(states.get::<Customer>(customer.as_uuid()), advance)?;
        Ok::<_, Refusal>(Changes::of(stream, moved))
    };
    Request::new("customers.advance_lifecycle", occurred_at, [stream], decide).content(content)
}

fn refunding(caller: &Caller, request: Refund) -> Request {
    let (occurred_at, content) = (request.at.unwrap_or(caller.now), content_of(&request));
    let today = Today::of(caller, occurred_at);
    let on = caller.business_date(occurred_at);
    let (customer, order, refund) = (request.customer, request.order.clone(), request.refund.clone());
    let key = loyalty::refund_key(&order, &refund);
    let once = Once::new(customer_stream(customer), "refund", &key);
    let (once_id, tenant) = (once.id(caller.tenant), caller.tenant);
    let scope = [customer_stream(request.customer), account_stream(request.customer)];
    let decide = move |states: &States<'_>| {
        let Refund { customer, refund, order, amount, lines, .. } = request.clone();
        let command = CustomerCommand::Refund { refund, order, amount, lines, on, today: today.now.today };
        let bought = states.get::<Customer>(customer.as_uuid());
        let refunded = Customer::decide(bought, command)?;
        let mut changes = Changes::none();
        for event in refunded {
            let account = states.get::<LoyaltyAccount>(customer.as_uuid());
            let reverse = reversal(&event, bought, account, rules_of(states, tenant), today.now)?;
            let account = LoyaltyAccount::fold(account.clone(), &reverse);
            let stamps = stamps_back(&event, &account, today.now)?;
            let account = LoyaltyAccount::fold(account, &stamps);
            let referral = referral_back(&event, &account, today.now)?;
            let account = LoyaltyAccount::fold(account, &referral);
            let give_back = giving_back(&event, bought, &account, today.now)?;
            changes.push(Change::new(customer_stream(customer), event).once(once_id));
            today.append(&mut changes, customer, reverse);
            today.append(&mut changes, customer, stamps);
            today.append(&mut changes, customer, referral);
            today.append(&mut changes, customer, give_back);
        }
        Ok(changes)
    };
    let request = Request::new("customers.refund", occurred_at, scope, decide).content(content).once(once);
    let facts = move |customer| [Once::new(customer_stream(customer), "refund", &key)];
    let asked = also_of_duplicates(request.seeing([programme_stream(tenant)]), tenant, customer, facts);
    // Where both knew the order, the survivor's own copy of it is still to be given back.
    other_names::only_while(asked, customer, move |known| known.has_refunded(&order, &refund))
}

/// What a refund takes back: nothing from who is no member or had no points for the order.
fn reversal(
    refunded: &CustomerEvent,
    bought: &Customer,
    account: &LoyaltyAccount,
    programme: LoyaltyProgramme,
    now: Moment,
) -> Result<Vec<domain::loyalty::events::LoyaltyEvent>, Refusal> {
    let Some(mut told) = sale_refund(refunded) else { return Ok(Vec::new()) };
    let Some(member) = account.member().ok().filter(|member| member.has_earned(&told.order)) else {
        return Ok(Vec::new());
    };
    if member.asks_for_lines(&told.order) {
        let given_back = Customer::evolve(bought.clone(), refunded);
        told.given_back = given_back.order(&told.order).map_or_else(Vec::new, Order::lines_given_back);
    }
    Ok(LoyaltyAccount::decide(account, LoyaltyCommand::Reverse { refunded: told, programme, now })?)
}

/// The stamps that a refund takes back.
fn stamps_back(
    refunded: &CustomerEvent,
    account: &LoyaltyAccount,
    now: Moment,
) -> Result<Vec<domain::loyalty::events::LoyaltyEvent>, Refusal> {
    let Some(refunded) = sale_refund(refunded) else { return Ok(Vec::new()) };
    if !account.member().is_ok_and(|member| member.has_stamps_of(&refunded.order)) {
        return Ok(Vec::new());
    }
    Ok(LoyaltyAccount::decide(account, LoyaltyCommand::TakeStampsBack { refunded, now })?)
}

/// What who sent the customer is given no more.
fn referral_back(
    refunded: &CustomerEvent,
    account: &LoyaltyAccount,
    now: Moment,
) -> Result<Vec<domain::loyalty::events::LoyaltyEvent>, Refusal> {
    let Some(refunded) = sale_refund(refunded) else { return Ok(Vec::new()) };
    if !account.member().is_ok_and(|member| member.has_referral_with(&refunded.order)) {
        return Ok(Vec::new());
    }
    Ok(LoyaltyAccount::decide(account, LoyaltyCommand::GiveReferralBack { refunded, now })?)
}

/// What a refund tells a loyalty account.
fn sale_refund(refunded: &CustomerEvent) -> Option<SaleRefund> {
    let CustomerEvent::PurchaseRefunded { order, refund, lines, refunded, remaining, on, .. } = refunded else {
        return None;
    };
    let (order, refund, lines, total) =
        (order.clone(), refund.clone(), lines.clone(), refunded.checked_add(*remaining).ok());
    Some(SaleRefund { order, refund, lines, given_back: Vec::new(), total, remaining_total: *remaining, on: *on })
}

/// What a refund gives back of the points that were redeemed for the order.
fn giving_back(
    refunded: &CustomerEvent,
    bought: &Customer,
    account: &LoyaltyAccount,
    now: Moment,
) -> Result<Vec<domain::loyalty::events::LoyaltyEvent>, Refusal> {
    let CustomerEvent::PurchaseRefunded { order, refund, on, .. } = refunded else { return Ok(Vec::new()) };
    if !account.member().is_ok_and(|member| member.has_spent(order)) {
        return Ok(Vec::new());
    }
    let given_back = Customer::evolve(bought.clone(), refunded);
    let share = given_back.order(order).map_or((0, 1), Order::share_given_back);
    let (order, refund) = (order.clone(), refund.clone());
    Ok(LoyaltyAccount::decide(account, LoyaltyCommand::Return { order, refund, share, on: *on, now })?)
}

impl Committed {
    /// The customer that the events are about.
    #[must_use]
    pub fn customer(&self) -> Option<CustomerId> {
        let categories = [domain::Category::Customer.as_str(), domain::Category::Loyalty.as_str()];
        let found = self.events.iter().find(|recorded| categories.contains(&recorded.stream.category));
        found.map(|recorded| CustomerId::new(recorded.stream.id))
    }
}
