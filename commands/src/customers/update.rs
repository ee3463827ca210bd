//! Changing what is known of a customer. What is taken away becomes free for others in the same append, what is new is taken.

use super::{certain_claims, customer_stream, in_list, newer_claims, require_born, taken, user_claim, wrong_control};
use crate::access::require_zone;
use crate::caller::{Caller, Scope};
use crate::changes::Changes;
use crate::error::CommandError;
use crate::execute::{Commands, Committed, Request, content_of};
use crate::identity::IdempotencyKey;
use crate::states::States;
use domain::customers::commands::{CustomerCommand, CustomerPatch};
use domain::customers::customer::Customer;
use domain::customers::events::{Contact, CustomerEvent};
use domain::ids::CustomerId;
use domain::{Decider, Patch, Refusal};
use serde::Serialize;
use serde_json::Value;
use store::{ClaimKey, Version};

/// A change of what is known of a customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Update {
    /// Who.
    pub customer: CustomerId,
    /// What is to become of each field.
    pub patch: CustomerPatch,
}

/// Changes what is known of a customer; if asked, only as the caller has seen it.
///
/// # Errors
/// As [`CommandError`] says; [`CommandError::Claimed`] when an e-mail, phone or document is another customer's.
pub async fn update(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: Update,
    seen: Option<Version>,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CustomersWrite)?;
    if let Patch::Set(zone) = &request.patch.time_zone {
        require_zone(zone)?;
    }
    if let Patch::Set(birth_date) = request.patch.birth_date {
        require_born(caller, Some(birth_date))?;
    }
    let content = content_of(&request);
    let given = given(&request.patch);
    let wrong = wrong_control(caller, &given.documents, in_list);
    let claimed_at = taken::in_lists(&given);
    let command = CustomerCommand::Update(request.patch);
    let asked = asking(caller, ("customers.update", content), request.customer, command, seen);
    taken::execute(commands, caller, asked.claiming(claimed_at).refused_for(wrong).keyed(key)).await
}

/// The contacts that a patch names.
fn given(patch: &CustomerPatch) -> Contact {
    Contact {
        emails: patch.emails.applied(None).unwrap_or_default(),
        phones: patch.phones.applied(None).unwrap_or_default(),
        documents: patch.documents.applied(None).unwrap_or_default(),
        ..Contact::default()
    }
}

/// A command on one customer, if asked only as the caller has seen it. The claims follow what it changes.
pub(super) fn asking(
    caller: &Caller,
    (verb, content): (&'static str, Value),
    customer: CustomerId,
    command: CustomerCommand,
    seen: Option<Version>,
) -> Request {
    let stream = customer_stream(customer);
    let decide = move |states: &States<'_>| with_claims(states, customer, command.clone());
    Request::new(verb, caller.now, [stream], decide).content(content).only_if_at(stream, seen)
}

/// What a command changes of one customer, with the claims that it gives back and takes by that.
pub(super) fn with_claims(
    states: &States<'_>,
    customer: CustomerId,
    command: CustomerCommand,
) -> Result<Changes, Refusal> {
    let state = states.get::<Customer>(customer.as_uuid());
    let decided = Customer::decide(state, command)?;
    let (free, taken) = moved_claims(state, &decided);
    let mut changes = Changes::of(customer_stream(customer), decided);
    for claim in free {
        changes.release(claim, customer.as_uuid());
    }
    for claim in taken {
        changes.take(claim, customer.as_uuid());
    }
    Ok(changes)
}

/// The claims that are a customer's no more, and those that have become so.
pub(super) fn moved_claims(customer: &Customer, updated: &[CustomerEvent]) -> (Vec<ClaimKey>, Vec<ClaimKey>) {
    if updated.is_empty() {
        return (Vec::new(), Vec::new());
    }
    let before = Held::by(customer);
    let after = Held::by(&Customer::fold(customer.clone(), updated));
    let certain = after.certain.iter().filter(|claim| !before.certain.contains(claim));
    // What was not claimed of a customer of before is left as it is: it may be somebody else's.
    let newer = after.newer.iter().filter(|claim| !before.has(claim) && !after.certain.contains(claim));
    let taken = certain.chain(newer).cloned().collect();
    let free = before.certain.iter().chain(&before.newer).filter(|claim| !after.has(claim)).cloned().collect();
    (free, taken)
}

/// The claims that are a customer's, as its events say.
pub(crate) struct Held {
    /// Those that it holds.
    pub(crate) certain: Vec<ClaimKey>,
    /// Those that it holds if it has come to them since they are claimed at all.
    pub(crate) newer: Vec<ClaimKey>,
}

impl Held {
    pub(crate) fn by(customer: &Customer) -> Self {
        let Some(customer) = customer.holder() else { return Self { certain: Vec::new(), newer: Vec::new() } };
        let contact = customer.contact().known();
        let certain = contact.map(certain_claims).unwrap_or_default();
        let newer = contact.map(|contact| newer_claims(contact).collect()).unwrap_or_default();
        Self { certain: certain.into_iter().chain(customer.logins().all().map(user_claim)).collect(), newer }
    }

    fn has(&self, claim: &ClaimKey) -> bool {
        self.certain.contains(claim) || self.newer.contains(claim)
    }
}

/// All of them.
pub(crate) fn held_claims(customer: &Customer) -> Vec<ClaimKey> {
    let Held { certain, newer } = Held::by(customer);
    certain.into_iter().chain(newer).collect()
}

#[cfg(test)]
mod tests {
    use super::{Held, moved_claims};
    use domain::Decider;
    use domain::customers::customer::Customer;
    use domain::customers::events::{Contact, CustomerEvent, CustomerField, CustomerKind};
    use domain::email::Email;
    use domain::text::PersonName;

    const SPOKEN: &str = "ana@españa.es";
    const ENCODED: &str = "ana@xn--espaa-rta.es";

    fn mail(texts: &[&str]) -> Contact {
        let emails = texts.iter().map(|text| Email::parse(text).unwrap()).collect();
        Contact { emails, ..Contact::default() }
    }

    fn customer(contact: Contact) -> Customer {
        let created = CustomerEvent::Created {
            kind: CustomerKind::Individual,
            language: None,
            currency: None,
            source: None,
            registered_on: "2026-01-10".parse().unwrap(),
            personal: contact.into(),
        };
        Customer::fold(Customer::initial(), &[created])
    }

    fn changed(field: CustomerField, contact: Contact) -> [CustomerEvent; 1] {
        let (changed, personal) = (vec![field], contact.into());
        [CustomerEvent::Updated { changed, language: None, currency: None, time_zone: None, kind: None, personal }]
    }

    fn moved(before: &[&str], events: &[CustomerEvent]) -> (Vec<String>, Vec<String>) {
        let (free, taken) = moved_claims(&customer(mail(before)), events);
        let values = |claims: Vec<store::ClaimKey>| claims.into_iter().map(|claim| claim.value).collect();
        (values(free), values(taken))
    }

    fn told(texts: &[&str]) -> Vec<String> {
        texts.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn all_forms_of_a_mailbox_are_given_back_with_it() {
        let emails = |texts: &[&str]| changed(CustomerField::Emails, mail(texts));
        assert_eq!(moved(&[SPOKEN], &emails(&["b@c.es"])), (told(&[SPOKEN, ENCODED]), told(&["b@c.es"])));
        assert_eq!(moved(&["b@c.es"], &emails(&[SPOKEN])), (told(&["b@c.es"]), told(&[SPOKEN, ENCODED])));
    }

    #[test]
    fn what_a_customer_of_before_never_claimed_is_taken_only_when_it_is_told_so() {
        let name = Contact { name: PersonName::parse("Ana").ok(), ..Contact::default() };
        assert_eq!(moved(&[SPOKEN], &changed(CustomerField::Name, name)), (vec![], vec![]));
        let emails = |texts: &[&str]| changed(CustomerField::Emails, mail(texts));
        assert_eq!(moved(&[SPOKEN], &emails(&[SPOKEN, "b@c.es"])), (vec![], told(&["b@c.es"])));
        assert_eq!(moved(&[SPOKEN], &emails(&[ENCODED])), (vec![], told(&[ENCODED])), "the other it holds");
        assert_eq!(moved(&[SPOKEN], &emails(&[SPOKEN, ENCODED])), (vec![], told(&[ENCODED])));
        let Held { certain, newer } = Held::by(&customer(mail(&[SPOKEN])));
        assert_eq!(
            (certain[0].value.as_str(), newer[0].value.as_str(), certain.len() + newer.len()),
            (SPOKEN, ENCODED, 2)
        );
    }
}
