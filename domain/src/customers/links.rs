//! What others call a customer: other systems, one reference each, and the service that it logs in with.

use crate::customers::commands::CustomerError;
use crate::customers::customer::{ActiveCustomer, REFERENCES_MAX, at_most, check_contact};
use crate::customers::events::{Contact, CustomerEvent, ExternalReference, LinkedReference, LinkedUser};
use crate::ids::ExternalSystem;
use crate::text::UserId;

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

/// What is not there is not taken away; who would be left without any contact keeps it.
pub(super) fn unlink_reference(
    customer: &ActiveCustomer,
    system: ExternalSystem,
) -> Result<Vec<CustomerEvent>, CustomerError> {
    let contact = customer.contact().known().ok_or(CustomerError::Erased)?;
    if contact.references.iter().all(|known| known.system != system) {
        return Ok(vec![]);
    }
    check_contact(customer.profile().kind, &contact.clone().unlinked(&system))?;
    Ok(vec![CustomerEvent::ReferenceUnlinked { system }])
}

/// A system has one name for a customer.
pub(super) fn check_systems(references: &[ExternalReference]) -> Result<(), CustomerError> {
    for (index, ExternalReference { system, .. }) in references.iter().enumerate() {
        if references[..index].iter().any(|before| before.system == *system) {
            return Err(CustomerError::ReferenceLinked { system: system.clone() });
        }
    }
    Ok(())
}

pub(super) fn link_user(customer: &ActiveCustomer, user: UserId) -> Vec<CustomerEvent> {
    if customer.user() == Some(&user) {
        return vec![];
    }
    vec![CustomerEvent::UserLinked { personal: LinkedUser { user }.into() }]
}

pub(super) fn unlink_user(customer: &ActiveCustomer) -> Vec<CustomerEvent> {
    customer.user().map(|_| CustomerEvent::UserUnlinked {}).into_iter().collect()
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
