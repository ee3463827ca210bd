//! Customers that are deleted: nothing happens to them until they are restored, and nothing is forgotten. Whoever asks for the latter
//! erases.

use chrono::NaiveDate;

use crate::customers::commands::CustomerError;
use crate::customers::customer::Customer;
use crate::customers::events::CustomerEvent;
use crate::ids::ReasonCode;

pub(super) fn delete(
    state: &Customer,
    reason: Option<ReasonCode>,
    on: NaiveDate,
) -> Result<Vec<CustomerEvent>, CustomerError> {
    if matches!(state, Customer::Deleted(_)) {
        return Ok(vec![]);
    }
    state.active().map(|_| vec![CustomerEvent::Deleted { reason, on }])
}

pub(super) fn restore(state: &Customer, on: NaiveDate) -> Result<Vec<CustomerEvent>, CustomerError> {
    match state {
        Customer::Deleted(_) => Ok(vec![CustomerEvent::Restored { on }]),
        Customer::Active(_) | Customer::Unregistered | Customer::Merged { .. } | Customer::Erased => {
            state.active().map(|_| vec![])
        }
    }
}
