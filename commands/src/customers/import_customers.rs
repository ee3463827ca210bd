//! Customers of another system, many at a time. Who is known stays as it is: an import makes customers known, it does not take back what
//! people have changed since. So made again it changes nothing.

use super::import::{Line, REFERENCES_AT_ONCE, RowOutcome};
use super::{Register, claims_of, reference_claim, registration, require_born, taken, wrong_control};
use crate::caller::{Caller, Scope, beginning_of};
use crate::error::CommandError;
use crate::execute::{Commands, Committed};
use domain::customers::assignment::Assignment;
use domain::customers::commands::CustomerCommand;
use domain::customers::events::Contact;
use domain::ids::{CustomerId, Tag};
use store::ClaimKey;

/// One customer of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomerRow {
    /// Who it is.
    pub register: Register,
    /// What it is filed under.
    pub tags: Vec<Tag>,
    /// Who looks after it.
    pub assignment: Assignment,
    /// The business date since which it is a customer; today when not given.
    pub since: Option<chrono::NaiveDate>,
}

/// Registers customers in the order of the rows, and says of each what became of it, in the same order. A row is known by its reference;
/// one without by its e-mail address, else its telephone number, else its document. What else of it is another customer's refuses it.
///
/// # Errors
/// When nothing could be begun: the caller may not, or the store is away.
pub async fn import_customers(
    commands: &Commands,
    caller: &Caller,
    rows: &[CustomerRow],
) -> Result<Vec<RowOutcome>, CommandError> {
    caller.require(Scope::CustomersWrite)?;
    let mut outcomes = known(commands, caller, rows).await?;
    let mut line = Line::new(commands, caller);
    for (index, row) in rows.iter().enumerate() {
        if outcomes[index].is_some() {
            continue;
        }
        let on = row.since.unwrap_or_else(|| caller.today());
        let occurred_at = row.since.map_or(caller.now, |since| beginning_of(since, caller.zone));
        let is_since = caller.require_business_time("/registered_on", Some(occurred_at));
        let contact = &row.register.contact;
        let is_born = is_since.and_then(|()| require_born(caller, contact.birth_date));
        let wrong = wrong_control(caller, &contact.documents, |_| "/document".to_owned());
        if let Some(refusal) = is_born.err().or(wrong) {
            outcomes[index] = Some(RowOutcome::Refused(refusal));
            continue;
        }
        let claimed_at = || taken::in_row(contact);
        let request = || registration(row.register.clone(), row.also(), occurred_at, on).claiming(claimed_at());
        line.submit(request, index, |index, answer| outcomes[index] = Some(outcome(&rows[index], answer))).await;
    }
    line.finish(|index, answer| outcomes[index] = Some(outcome(&rows[index], answer))).await;
    let lost = || RowOutcome::Failed(CommandError::internal("a row was lost"));
    Ok(outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(lost)).collect())
}

/// Rows whose customers are known already, found with one look.
async fn known(
    commands: &Commands,
    caller: &Caller,
    rows: &[CustomerRow],
) -> Result<Vec<Option<RowOutcome>>, CommandError> {
    let mut outcomes: Vec<Option<RowOutcome>> = rows.iter().map(|_| None).collect();
    let named: Vec<_> = rows.iter().enumerate().filter_map(|(index, row)| Some((index, row.name()?))).collect();
    for some in named.chunks(REFERENCES_AT_ONCE) {
        let claims: Vec<_> = some.iter().map(|(_, claim)| claim.clone()).collect();
        let owners = commands.store().claim_owners(caller.tenant, &claims).await;
        let owners = owners.map_err(|error| crate::loading::LoadError::from(error).answer())?;
        for ((index, _), owner) in some.iter().zip(owners) {
            outcomes[*index] = owner.map(|owner| RowOutcome::Repeated { customer: CustomerId::new(owner) });
        }
    }
    Ok(outcomes)
}

/// Another row, or somebody else, may have made the customer known meanwhile.
fn outcome(row: &CustomerRow, answer: Result<Committed, CommandError>) -> RowOutcome {
    match answer {
        Ok(committed) => match committed.customer() {
            Some(customer) => RowOutcome::Recorded { customer, position: committed.position },
            None => RowOutcome::Failed(CommandError::internal("a registration made no event")),
        },
        Err(CommandError::Claimed { owner, refusal }) if row.is_named_by(&refusal.code) => {
            RowOutcome::Repeated { customer: CustomerId::new(owner) }
        }
        Err(CommandError::Refused(refusal) | CommandError::Claimed { refusal, .. }) => RowOutcome::Refused(refusal),
        Err(error) => RowOutcome::Failed(error),
    }
}

impl CustomerRow {
    /// The claim that a row is known by.
    fn name(&self) -> Option<ClaimKey> {
        let contact: &Contact = &self.register.contact;
        contact.references.first().map(reference_claim).or_else(|| claims_of(contact).into_iter().next())
    }

    /// Whether a claim that was taken is the one that the row is known by.
    fn is_named_by(&self, code: &str) -> bool {
        let kind = self.name().map(|claim| claim.kind.split(':').next().unwrap_or_default().to_owned());
        kind.is_some_and(|kind| code == format!("{kind}_taken"))
    }

    fn also(&self) -> Vec<CustomerCommand> {
        vec![CustomerCommand::Tag(self.tags.clone()), CustomerCommand::Assign(self.assignment.clone())]
    }
}
