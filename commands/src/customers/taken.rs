//! What is another customer's: where it stands in what the caller sent, and whether that customer was deleted. Then no search finds it, and
//! who may read customers is told which one it is, so that it can be restored.

use super::{customer_stream, document_claim, email_claims, phone_claim, reference_claim};
use crate::cache::StreamKey;
use crate::caller::{Caller, Scope};
use crate::error::CommandError;
use crate::execute::{Commands, Committed, Request};
use crate::loading::load;
use domain::customers::customer::Customer;
use domain::customers::events::Contact;
use domain::ids::CustomerId;
use domain::{AggregateState, Refusal};
use store::ClaimKey;

/// Where the claims of a contact stand in a body that has lists of them.
pub(super) fn in_lists(contact: &Contact) -> Vec<(ClaimKey, String)> {
    places(contact, |list, index| format!("/{list}/{index}"))
}

/// Where they stand in a row that has one of each.
pub(super) fn in_row(contact: &Contact) -> Vec<(ClaimKey, String)> {
    places(contact, |list, _| format!("/{}", list.trim_end_matches('s')))
}

fn places(contact: &Contact, place: impl Fn(&str, usize) -> String) -> Vec<(ClaimKey, String)> {
    let Contact { emails, phones, documents, references, .. } = contact;
    let mut places = Vec::new();
    for (index, email) in emails.iter().enumerate() {
        places.extend(email_claims(email).map(|claim| (claim, place("emails", index))));
    }
    places.extend(phones.iter().enumerate().map(|(index, phone)| (phone_claim(phone), place("phones", index))));
    let documents = documents.iter().enumerate();
    places.extend(documents.map(|(index, document)| (document_claim(document), place("documents", index))));
    let references = references.iter().enumerate();
    places.extend(references.map(|(index, reference)| (reference_claim(reference), place("references", index))));
    places
}

/// Carries a request out; a refusal says it when what is taken is a deleted customer's.
///
/// # Errors
/// As [`CommandError`] says.
pub(super) async fn execute(commands: &Commands, caller: &Caller, request: Request) -> Result<Committed, CommandError> {
    match commands.execute(caller, request).await {
        Err(CommandError::Claimed { refusal, owner }) => {
            let holder = CustomerId::new(owner);
            let may_know = caller.require(Scope::CustomersRead).is_ok();
            let refusal = match may_know && is_deleted(commands, caller, holder).await {
                true => of_deleted(refusal, holder),
                false => refusal,
            };
            Err(CommandError::Claimed { refusal, owner })
        }
        answer => answer,
    }
}

/// Who cannot be looked at is not said to be deleted: the refusal holds without it.
async fn is_deleted(commands: &Commands, caller: &Caller, holder: CustomerId) -> bool {
    let key = StreamKey { tenant: caller.tenant, stream: customer_stream(holder) };
    let held = load(commands.store(), key).await;
    held.is_ok_and(|held| matches!(held.state, AggregateState::Customer(Customer::Deleted(_))))
}

fn of_deleted(refusal: Refusal, holder: CustomerId) -> Refusal {
    let message = format!("{}: a deleted customer's, who can be restored", refusal.message);
    let mut facts = refusal.facts;
    facts.insert("customer_id".to_owned(), holder.to_string().into());
    facts.insert("customer_status".to_owned(), "deleted".into());
    Refusal { message, facts, ..refusal }
}
