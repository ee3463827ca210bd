//! What is known of a customer beside who it is: addresses and preferences. Nothing of it is unique among customers.

use super::update::asking;
use crate::caller::{Caller, Scope};
use crate::error::CommandError;
use crate::execute::{Commands, Committed, content_of};
use crate::identity::IdempotencyKey;
use crate::ids::new_id;
use domain::customers::address::{Address, AddressKind, AddressPatch};
use domain::customers::commands::CustomerCommand;
use domain::customers::preferences::PreferencesPatch;
use domain::ids::CustomerId;
use serde::Serialize;
use store::Version;
use uuid::Uuid;

/// Another address of a customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AddAddress {
    /// Whose.
    pub customer: CustomerId,
    /// What it is for.
    pub kind: AddressKind,
    /// Whether it becomes the default of its kind; the first one does anyway.
    pub as_default: bool,
    /// Where it is.
    pub address: Address,
}

/// A change of an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangeAddress {
    /// Whose.
    pub customer: CustomerId,
    /// Which one.
    pub address: Uuid,
    /// What is to become of it.
    pub patch: AddressPatch,
    /// Whether it becomes the default of its kind.
    pub as_default: Option<bool>,
}

/// An address that is no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RemoveAddress {
    /// Whose.
    pub customer: CustomerId,
    /// Which one.
    pub address: Uuid,
}

/// A change of what a customer likes and wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangePreferences {
    /// Whose.
    pub customer: CustomerId,
    /// What is to become of them.
    pub patch: PreferencesPatch,
}

/// Remembers another address, under a new id.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn add_address(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: AddAddress,
    seen: Option<Version>,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CustomersWrite)?;
    let content = content_of(&request);
    let AddAddress { customer, kind, as_default, address } = request;
    let command = CustomerCommand::AddAddress { id: new_id(), kind, as_default, address };
    let asked = asking(caller, ("customers.add_address", content), customer, command, seen);
    commands.execute(caller, asked.keyed(key)).await
}

/// Changes an address, or makes it the default of its kind.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn change_address(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: ChangeAddress,
    seen: Option<Version>,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CustomersWrite)?;
    let content = content_of(&request);
    let ChangeAddress { customer, address, patch, as_default } = request;
    let command = CustomerCommand::ChangeAddress { id: address, patch, as_default };
    let asked = asking(caller, ("customers.change_address", content), customer, command, seen);
    commands.execute(caller, asked.keyed(key)).await
}

/// Forgets an address; if it was the default, the oldest other one of its kind becomes so.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn remove_address(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: RemoveAddress,
    seen: Option<Version>,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CustomersWrite)?;
    let content = content_of(&request);
    let command = CustomerCommand::RemoveAddress { id: request.address };
    let asked = asking(caller, ("customers.remove_address", content), request.customer, command, seen);
    commands.execute(caller, asked.keyed(key)).await
}

/// Changes what a customer likes and wants.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn change_preferences(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: ChangePreferences,
    seen: Option<Version>,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CustomersWrite)?;
    let content = content_of(&request);
    let command = CustomerCommand::ChangePreferences(request.patch);
    let asked = asking(caller, ("customers.change_preferences", content), request.customer, command, seen);
    commands.execute(caller, asked.keyed(key)).await
}
