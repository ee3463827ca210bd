//! What others call a customer, in its row.

use super::{CustomerReference, CustomerRow, STRIPE};
use domain::customers::events::CustomerEvent;

/// A row after its links changed. What is no longer known is blank.
pub(super) fn applied(mut row: CustomerRow, event: &CustomerEvent) -> CustomerRow {
    if let CustomerEvent::ReferenceLinked { system, personal } = event {
        row.references.extend(personal.known().map(|linked| CustomerReference {
            system: system.as_str().to_owned(),
            reference: linked.reference.as_str().to_owned(),
        }));
    }
    if let CustomerEvent::ReferenceUnlinked { system } = event {
        row.references.retain(|reference| reference.system != system.as_str());
    }
    if let CustomerEvent::UserLinked { personal } = event {
        row.user_id = personal.known().map(|linked| linked.user.as_str().to_owned());
    }
    if let CustomerEvent::UserUnlinked {} = event {
        row.user_id = None;
    }
    let mut stripe = row.references.iter().filter(|reference| reference.system == STRIPE);
    // One that came by a merge does not take the place of the customer's own.
    let own = stripe.clone().find(|reference| Some(&reference.reference) == row.stripe_customer_id.as_ref());
    let stripe_customer_id = own.or_else(|| stripe.next()).map(|reference| reference.reference.clone());
    CustomerRow { stripe_customer_id, ..row }
}
