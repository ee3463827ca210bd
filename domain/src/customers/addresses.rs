//! The addresses of one customer: of each kind there is a default as soon as there is any address.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::customers::address::{Address, AddressKind, AddressPatch};
use crate::customers::commands::CustomerError;
use crate::customers::events::CustomerEvent;
use crate::event::Personal;

/// The most addresses of a customer.
pub const ADDRESSES_MAX: usize = 50;

/// All addresses of a customer, by id: ids grow, so the first is the oldest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses(BTreeMap<Uuid, HeldAddress>);

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldAddress {
    /// What it is for.
    pub kind: AddressKind,
    /// Whether it is used when none is named.
    pub is_default: bool,
    /// Where it is.
    pub address: Personal<Address>,
}

impl Addresses {
    pub(super) fn add(
        &self,
        id: Uuid,
        kind: AddressKind,
        as_default: bool,
        address: Address,
    ) -> Result<Vec<CustomerEvent>, CustomerError> {
        if self.0.contains_key(&id) {
            return Err(CustomerError::AddressKnown);
        }
        if self.0.len() >= ADDRESSES_MAX {
            return Err(CustomerError::TooMany { items: "addresses", limit: ADDRESSES_MAX });
        }
        let is_default = as_default || self.default_of(kind).is_none();
        Ok(vec![CustomerEvent::AddressAdded { address: id, kind, is_default, personal: address.into() }])
    }

    pub(super) fn change(
        &self,
        id: Uuid,
        patch: &AddressPatch,
        as_default: Option<bool>,
    ) -> Result<Vec<CustomerEvent>, CustomerError> {
        let held = self.0.get(&id).ok_or(CustomerError::AddressNotFound)?;
        if held.is_default && as_default == Some(false) {
            return Err(CustomerError::DefaultAddressNeeded);
        }
        let before = held.address.known().ok_or(CustomerError::Erased)?;
        let (after, is_default) = (patch.applied(before), held.is_default || as_default == Some(true));
        if after == *before && is_default == held.is_default {
            return Ok(vec![]);
        }
        let kind = held.kind;
        Ok(vec![CustomerEvent::AddressChanged { address: id, kind, is_default, personal: after.into() }])
    }

    pub(super) fn remove(&self, id: Uuid) -> Result<Vec<CustomerEvent>, CustomerError> {
        let held = self.0.get(&id).ok_or(CustomerError::AddressNotFound)?;
        let mut others = self.0.iter().filter(|(other, address)| **other != id && address.kind == held.kind);
        let new_default = if held.is_default { others.next().map(|(other, _)| *other) } else { None };
        Ok(vec![CustomerEvent::AddressRemoved { address: id, kind: held.kind, new_default }])
    }

    /// With an address as it is now. A new default is the only one of its kind.
    pub(super) fn put(&mut self, id: Uuid, held: HeldAddress) {
        if held.is_default {
            self.0.values_mut().filter(|other| other.kind == held.kind).for_each(|other| other.is_default = false);
        }
        self.0.insert(id, held);
    }

    /// Without an address; another may become the default.
    pub(super) fn take(&mut self, id: Uuid, new_default: Option<Uuid>) {
        self.0.remove(&id);
        if let Some(address) = new_default.and_then(|id| self.0.get_mut(&id)) {
            address.is_default = true;
        }
    }

    /// Where they are, as far as that is known.
    pub(super) fn known(&self) -> impl Iterator<Item = &Address> {
        self.0.values().filter_map(|held| held.address.known())
    }

    /// The address that is used when none is named.
    pub fn default_of(&self, kind: AddressKind) -> Option<Uuid> {
        self.0.iter().find(|(_, held)| held.kind == kind && held.is_default).map(|(id, _)| *id)
    }
}
