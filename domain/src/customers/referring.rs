//! Who sent whom: a customer that another one referred, before it bought anything.
//!
//! Nothing is refused because two look alike: families share names and addresses. That they do is remembered with the referral, for who
//! rewards it; by what, is not: that would tell who they are.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::customers::address::Address;
use crate::customers::commands::CustomerError;
use crate::customers::customer::{ActiveCustomer, Customer};
use crate::customers::events::{Contact, CustomerEvent};
use crate::ids::CustomerId;
use crate::text::{PlaceName, PostalCode, folded};

/// Whom a customer was referred by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Referral {
    /// The customer that referred it.
    pub by: CustomerId,
    /// Whether the two may have been one person, by what was known of them.
    pub looks_alike: bool,
}

/// Once: another one cannot have sent whom one has sent already. The same again changes nothing, by whichever of its names.
pub(super) fn refer(
    state: &Customer,
    (id, by): (CustomerId, CustomerId),
    referrer: &Customer,
    on: NaiveDate,
) -> Result<Vec<CustomerEvent>, CustomerError> {
    let customer = state.known()?;
    if by == id {
        return Err(CustomerError::SelfReferral);
    }
    if let Some(before) = customer.referral() {
        let is_same = before.by == by || referrer.active().is_ok_and(|known| known.duplicates().contains(&before.by));
        return if is_same { Ok(vec![]) } else { Err(CustomerError::AlreadyReferred { referrer: before.by }) };
    }
    let known = may_refer(referrer)?;
    if customer.has_bought() {
        return Err(CustomerError::AlreadyBought);
    }
    if known.referral().is_some_and(|other| other.by == id || customer.duplicates().contains(&other.by)) {
        return Err(CustomerError::CircularReferral);
    }
    Ok(vec![CustomerEvent::Referred { by, looks_alike: look_alike(customer, known), on }])
}

/// Who is no customer any more, or is blocked, refers nobody.
fn may_refer(referrer: &Customer) -> Result<&ActiveCustomer, CustomerError> {
    match referrer {
        Customer::Unregistered => Err(CustomerError::ReferrerNotFound),
        Customer::Merged { into } => Err(CustomerError::ReferrerMerged { survivor: *into }),
        Customer::Deleted(_) => Err(CustomerError::ReferrerDeleted),
        Customer::Erased => Err(CustomerError::ReferrerErased),
        Customer::Active(known) if known.contact().known().is_none() => Err(CustomerError::ReferrerErased),
        Customer::Active(known) => match known.require_unblocked() {
            Ok(()) => Ok(known),
            Err(_) => Err(CustomerError::ReferrerBlocked),
        },
    }
}

/// By whom the survivor of a merge was referred from now on, if that was the duplicate's: when it has no referrer of its own, neither has
/// bought, and it is nobody of those who are one now.
pub(super) fn taken_over(
    (survivor, duplicate): (CustomerId, CustomerId),
    (customer, gone): (&ActiveCustomer, &ActiveCustomer),
    on: NaiveDate,
) -> Option<CustomerEvent> {
    let mut one: BTreeSet<CustomerId> = customer.duplicates().union(gone.duplicates()).copied().collect();
    one.extend([survivor, duplicate]);
    let by_another = |referral: &Referral| !one.contains(&referral.by);
    if customer.has_bought() || gone.has_bought() || customer.referral().is_some_and(|own| by_another(&own)) {
        return None;
    }
    let Referral { by, looks_alike } = gone.referral().filter(by_another)?;
    Some(CustomerEvent::Referred { by, looks_alike, on })
}

/// Whether one of two had sent the other, by whichever of its names.
#[must_use]
pub fn one_sent_the_other(
    (first_id, first): (CustomerId, &ActiveCustomer),
    (second_id, second): (CustomerId, &ActiveCustomer),
) -> bool {
    let sent_by = |referral: Option<Referral>, id: CustomerId, by: &ActiveCustomer| {
        referral.is_some_and(|referral| referral.by == id || by.duplicates().contains(&referral.by))
    };
    sent_by(first.referral(), second_id, second) || sent_by(second.referral(), first_id, first)
}

/// Whether two may be one person: they have the same name, an address in common, or the same birthday and the same last name.
fn look_alike(one: &ActiveCustomer, other: &ActiveCustomer) -> bool {
    let (Some(own), Some(others)) = (one.contact().known(), other.contact().known()) else { return false };
    let name_of = |contact: &Contact| contact.name.as_ref().map_or_else(Vec::new, |name| words(name.as_str()));
    let (name, other_name) = (name_of(own), name_of(others));
    // A first name alone is many people's.
    let same_name = name.len() > 1 && name == other_name;
    let same_last = name.last().is_some_and(|last| Some(last) == other_name.last());
    let same_birth = own.birth_date.is_some() && own.birth_date == others.birth_date;
    same_name || (same_birth && same_last) || share_an_address(one, other)
}

fn share_an_address(one: &ActiveCustomer, other: &ActiveCustomer) -> bool {
    let places: BTreeSet<_> = one.addresses().known().map(place).collect();
    other.addresses().known().map(place).any(|found| places.contains(&found))
}

/// What tells one front door from another, however it is written.
fn place(address: &Address) -> (String, String, String) {
    let Address { line1, line2, city, postal_code, country, .. } = address;
    let town = postal_code.as_ref().map(PostalCode::as_str).or(city.as_ref().map(PlaceName::as_str));
    let lines = words(line1.as_str()).into_iter().chain(line2.iter().flat_map(|line| words(line.as_str())));
    (country.to_string(), words(town.unwrap_or_default()).concat(), lines.collect::<Vec<_>>().join(" "))
}

/// The words of a text in small letters without accents.
fn words(text: &str) -> Vec<String> {
    let folded: String = folded(text).collect();
    let words = folded.split(|character: char| !character.is_alphanumeric());
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}
