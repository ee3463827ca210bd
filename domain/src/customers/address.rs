//! Where things and invoices are sent: as people write it, in pieces that a label can be made of.

use serde::{Deserialize, Serialize};

use crate::country::Country;
use crate::event::Clear;
use crate::patch::Patch;
use crate::phone::Phone;
use crate::text::{AddressLine, Instructions, PersonName, PlaceName, PostalCode};

/// What an address is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AddressKind {
    /// Where things are sent.
    Shipping,
    /// Where invoices are sent.
    Billing,
}

impl AddressKind {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Shipping, Self::Billing];

    /// The wire name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Shipping => "shipping",
            Self::Billing => "billing",
        }
    }
}

impl Clear for AddressKind {}

/// An address; personal as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// Whom to look for there, when it is not the customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<PersonName>,
    /// Street and number, or what stands for them.
    pub line1: AddressLine,
    /// Floor, door and the like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line2: Option<AddressLine>,
    /// The town.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub city: Option<PlaceName>,
    /// The province, state or whatever the country has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<PlaceName>,
    /// As the country writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<PostalCode>,
    /// The country.
    pub country: Country,
    /// Whom to call at the door.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<Phone>,
    /// What who brings it must know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<Instructions>,
}

/// What is to become of an address. What it cannot be without is replaced at most.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AddressPatch {
    /// Whom to look for there.
    pub name: Patch<PersonName>,
    /// Street and number.
    pub line1: Option<AddressLine>,
    /// Floor, door and the like.
    pub line2: Patch<AddressLine>,
    /// The town.
    pub city: Patch<PlaceName>,
    /// The province, state or whatever the country has.
    pub region: Patch<PlaceName>,
    /// As the country writes it.
    pub postal_code: Patch<PostalCode>,
    /// The country.
    pub country: Option<Country>,
    /// Whom to call at the door.
    pub phone: Patch<Phone>,
    /// What who brings it must know.
    pub instructions: Patch<Instructions>,
}

impl AddressPatch {
    /// The address after the patch.
    pub(super) fn applied(&self, before: &Address) -> Address {
        Address {
            name: self.name.applied(before.name.as_ref()),
            line1: self.line1.clone().unwrap_or_else(|| before.line1.clone()),
            line2: self.line2.applied(before.line2.as_ref()),
            city: self.city.applied(before.city.as_ref()),
            region: self.region.applied(before.region.as_ref()),
            postal_code: self.postal_code.applied(before.postal_code.as_ref()),
            country: self.country.unwrap_or(before.country),
            phone: self.phone.applied(before.phone.as_ref()),
            instructions: self.instructions.applied(before.instructions.as_ref()),
        }
    }
}
