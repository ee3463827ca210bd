//! What a customer may see and do for itself.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::customers::commands::CustomerError;
use crate::customers::events::CustomerEvent;
use crate::event::Clear;

/// A part of the portal. Which address that is, the portal knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PortalPermission {
    /// Its orders.
    Orders,
    /// Its invoices.
    Invoices,
    /// Its points.
    Loyalty,
    /// Its credit.
    Credit,
    /// What is known of it, and changing that.
    Profile,
}

impl PortalPermission {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Orders, Self::Invoices, Self::Loyalty, Self::Credit, Self::Profile];

    /// The wire name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Invoices => "invoices",
            Self::Loyalty => "loyalty",
            Self::Credit => "credit",
            Self::Profile => "profile",
        }
    }
}

impl Clear for PortalPermission {}

/// What is given is all that the customer may then. Nothing is not given: that is taking it away.
pub(super) fn grant(
    before: &BTreeSet<PortalPermission>,
    permissions: &BTreeSet<PortalPermission>,
) -> Result<Vec<CustomerEvent>, CustomerError> {
    if permissions.is_empty() {
        return Err(CustomerError::PermissionRequired);
    }
    let granted = || CustomerEvent::PortalGranted { permissions: permissions.iter().copied().collect() };
    Ok((before != permissions).then(granted).into_iter().collect())
}

pub(super) fn revoke(before: &BTreeSet<PortalPermission>) -> Vec<CustomerEvent> {
    (!before.is_empty()).then_some(CustomerEvent::PortalRevoked {}).into_iter().collect()
}
