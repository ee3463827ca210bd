//! What follows from what happened to customers.

use crate::customers::lifecycle_advance;
use crate::execute::Request;
use crate::reactor::{Occurrence, Reactor};
use domain::Event;
use domain::customers::events::CustomerEvent;
use domain::ids::CustomerId;

/// A purchase may bring a customer to another stage.
pub const LIFECYCLE: Reactor = Reactor {
    name: "customer_lifecycle",
    actor: "reactor:customer_lifecycle",
    handles: &["customer.purchase.recorded"],
    react: advance_lifecycle,
};

fn advance_lifecycle(occurrence: &Occurrence) -> Vec<Request> {
    match &occurrence.event {
        Event::Customer(CustomerEvent::PurchaseRecorded { order, .. }) => {
            let customer = CustomerId::new(occurrence.stream.id);
            vec![lifecycle_advance(customer, order.clone(), occurrence.occurred_at)]
        }
        Event::Customer(
            CustomerEvent::Created { .. }
            | CustomerEvent::Updated { .. }
            | CustomerEvent::AddressAdded { .. }
            | CustomerEvent::AddressChanged { .. }
            | CustomerEvent::AddressRemoved { .. }
            | CustomerEvent::PreferencesChanged { .. }
            | CustomerEvent::PurchaseRefunded { .. }
            | CustomerEvent::LifecycleChanged { .. }
            | CustomerEvent::ReferenceLinked { .. }
            | CustomerEvent::ReferenceUnlinked { .. }
            | CustomerEvent::UserLinked { .. }
            | CustomerEvent::UserUnlinked {}
            | CustomerEvent::Tagged { .. }
            | CustomerEvent::Untagged { .. }
            | CustomerEvent::Assigned { .. }
            | CustomerEvent::PortalGranted { .. }
            | CustomerEvent::PortalRevoked {}
            | CustomerEvent::Referred { .. }
            | CustomerEvent::SegmentChanged { .. }
            | CustomerEvent::Blocked { .. }
            | CustomerEvent::Unblocked { .. }
            | CustomerEvent::TermsChanged { .. }
            | CustomerEvent::MetadataChanged { .. }
            | CustomerEvent::Merged { .. }
            | CustomerEvent::DuplicateAbsorbed { .. }
            | CustomerEvent::Deleted { .. }
            | CustomerEvent::Restored { .. }
            | CustomerEvent::Exported { .. }
            | CustomerEvent::Erased { .. },
        )
        | Event::Loyalty(_)
        | Event::Programme(_)
        | Event::Credit(_)
        | Event::CreditGroup(_)
        | Event::Access(_) => Vec::new(),
    }
}
