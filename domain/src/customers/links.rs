//! What others call a customer: other systems, one reference each, and the service that it logs in with. One that took over duplicates
//! may have more.

use serde::{Deserialize, Serialize};

use crate::customers::commands::CustomerError;
use crate::customers::customer::{ActiveCustomer, REFERENCES_MAX, at_most, check_contact};
use crate::customers::events::{Contact, CustomerEvent, ExternalReference, LinkedReference, LinkedUser};
use crate::ids::ExternalSystem;
use crate::text::{ReferenceText, UserId};

/// The most logins of a customer beside its own.
pub const OTHER_USERS_MAX: usize = 20;

pub(super) fn link_reference(
    customer: &ActiveCustomer,
    reference: ExternalReference,
) -> Result<Vec<CustomerEvent>, CustomerError> {
    let contact = customer.contact().known().ok_or(CustomerError::Erased)?;
    if contact.references.contains(&reference) {
        return Ok(vec![]);
    }
    let ExternalReference { system, reference } = reference;
    if contact.references.iter().any(|known| known.system == system) {
        return Err(CustomerError::ReferenceLinked { system });
    }
    at_most("references", REFERENCES_MAX, contact.references.len() + 1)?;
    Ok(vec![CustomerEvent::ReferenceLinked { system, personal: LinkedReference { reference }.into() }])
}

/// What is not there is not taken away; who would be left without any contact keeps it. Of several names of a system, which come from a
/// merge, one may go: all are taken away and the others told again.
pub(super) fn unlink_reference(
    customer: &ActiveCustomer,
    system: &ExternalSystem,
    reference: Option<&ReferenceText>,
) -> Result<Vec<CustomerEvent>, CustomerError> {
    let contact = customer.contact().known().ok_or(CustomerError::Erased)?;
    let of_system = contact.references.iter().filter(|known| known.system == *system);
    let is_meant = |known: &&ExternalReference| reference.is_none_or(|reference| known.reference == *reference);
    let (gone, stay): (Vec<_>, Vec<_>) = of_system.partition(is_meant);
    if gone.is_empty() {
        return Ok(vec![]);
    }
    if stay.is_empty() {
        check_contact(customer.profile().kind, &contact.clone().unlinked(system))?;
    }
    let stay = stay.into_iter().map(|known| CustomerEvent::ReferenceLinked {
        system: system.clone(),
        personal: LinkedReference { reference: known.reference.clone() }.into(),
    });
    Ok([CustomerEvent::ReferenceUnlinked { system: system.clone() }].into_iter().chain(stay).collect())
}

/// A system has one name for a customer.
pub(super) fn check_systems(references: &[ExternalReference]) -> Result<(), CustomerError> {
    for (reference, ExternalReference { system, .. }) in references.iter().enumerate() {
        if references[..reference].iter().any(|before| before.system == *system) {
            return Err(CustomerError::ReferenceTwice { system: system.clone(), reference });
        }
    }
    Ok(())
}

pub(super) fn link_user(customer: &ActiveCustomer, user: UserId) -> Vec<CustomerEvent> {
    if customer.logins().own() == Some(&user) {
        return vec![];
    }
    vec![CustomerEvent::UserLinked { besides: false, personal: LinkedUser { user }.into() }]
}

pub(super) fn unlink_user(customer: &ActiveCustomer) -> Vec<CustomerEvent> {
    customer.logins().all().next().map(|_| CustomerEvent::UserUnlinked {}).into_iter().collect()
}

/// As whom a customer logs in: as one user of its own, and as those whom its duplicates logged in as.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logins {
    own: Option<UserId>,
    others: Vec<UserId>,
}

impl Logins {
    /// The user that is the customer's own.
    pub const fn own(&self) -> Option<&UserId> {
        self.own.as_ref()
    }

    /// All of them, its own first.
    pub fn all(&self) -> impl Iterator<Item = &UserId> {
        self.own.iter().chain(&self.others)
    }

    /// Those of a duplicate that are not among these: the first becomes the customer's own where it has none.
    pub(super) fn gained(&self, duplicate: &Self) -> Result<Vec<CustomerEvent>, CustomerError> {
        let mut logins = self.clone();
        let mut events = Vec::new();
        for user in duplicate.all().filter(|user| !self.all().any(|known| known == *user)) {
            let besides = logins.own.is_some();
            logins.linked(besides, Some(user));
            events.push(CustomerEvent::UserLinked { besides, personal: LinkedUser { user: user.clone() }.into() });
        }
        if logins.others.len() > OTHER_USERS_MAX {
            return Err(CustomerError::MergeTooMany { items: "user_ids", limit: OTHER_USERS_MAX });
        }
        Ok(events)
    }

    /// Whoever is one of the others already changes places with the customer's own, so that no login is lost.
    pub(super) fn linked(&mut self, besides: bool, user: Option<&UserId>) {
        if besides {
            let is_new = |user: &&UserId| !self.all().any(|known| known == *user);
            let new = user.filter(is_new).cloned();
            self.others.extend(new);
            return;
        }
        let is_other = user.is_some_and(|user| self.others.contains(user));
        let before = std::mem::replace(&mut self.own, user.cloned());
        if is_other {
            self.others.retain(|other| Some(other) != user);
            self.others.extend(before);
        }
    }
}

impl Contact {
    /// With what another system calls the customer.
    #[must_use]
    pub fn linked(mut self, system: &ExternalSystem, linked: &LinkedReference) -> Self {
        self.references.push(ExternalReference { system: system.clone(), reference: linked.reference.clone() });
        self
    }

    /// Without anything that another system calls the customer: a registration may have told several names.
    #[must_use]
    pub fn unlinked(mut self, system: &ExternalSystem) -> Self {
        self.references.retain(|known| known.system != *system);
        self
    }
}
