//! What happened to a customer before it was merged happened to who took it over: an order that the duplicate told counts once,
//! whoever tells it again, and an equal request is answered as it was then.
//!
//! The log names once-only facts by stream, so a fact of the duplicate has another name. A survivor's state remembers orders and
//! redemptions for two years and adjustments and transfers not at all; the log does for ever.

use crate::execute::Request;
use crate::identity::{Once, fingerprint};
use crate::states::States;
use domain::customers::customer::{ActiveCustomer, Customer};
use domain::ids::CustomerId;
use serde_json::{Value, json};
use store::{OtherName, TenantId};

/// A request about a customer that says so in its content, recognised also where it was made of one who was merged into that customer.
/// `facts`: what it is about, and what its events record, told of whichever customer. The customer's stream has to be one that it
/// looks at.
///
/// Not for facts that are named by what an account counts for itself, such as lots: they get new numbers in a merge.
pub(crate) fn also_of_duplicates<const N: usize>(
    request: Request,
    tenant: TenantId,
    customer: CustomerId,
    facts: impl Fn(CustomerId) -> [Once; N] + Send + Sync + 'static,
) -> Request {
    let (verb, content) = (request.verb, request.content.clone());
    let other_names = move |states: &States<'_>| {
        let Ok(known) = states.get::<Customer>(customer.as_uuid()).active() else { return Vec::new() };
        let names_of = |duplicate: &CustomerId| {
            let fingerprint = fingerprint(verb, &told_of(*duplicate, &content));
            let pairs = facts(customer).into_iter().zip(facts(*duplicate));
            pairs.map(move |(own, other)| OtherName { of: own.id(tenant), once_id: other.id(tenant), fingerprint })
        };
        known.duplicates().iter().flat_map(names_of).collect()
    };
    Request { other_names: Some(Box::new(other_names)), ..request }
}

/// The same only while it holds of the customer.
pub(crate) fn only_while(
    request: Request,
    customer: CustomerId,
    holds: impl Fn(&ActiveCustomer) -> bool + Send + Sync + 'static,
) -> Request {
    let Some(names) = request.other_names else { return request };
    let other_names = move |states: &States<'_>| {
        let known = states.get::<Customer>(customer.as_uuid()).active();
        if known.is_ok_and(&holds) { names(states) } else { Vec::new() }
    };
    Request { other_names: Some(Box::new(other_names)), ..request }
}

fn told_of(customer: CustomerId, content: &Value) -> Value {
    let mut told = content.clone();
    told["customer"] = json!(customer);
    told
}
