//! Purchases of other systems' customers, many at a time and in order. Made again, nothing happens twice.

use super::{RecordPurchase, Register, purchase, reference_claim, registration};
use crate::caller::{Caller, Scope, beginning_of};
use crate::error::CommandError;
use crate::execute::{Commands, Committed, Request, Series, identity_of};
use chrono::{DateTime, NaiveDate, Utc};
use domain::customers::events::{Contact, CustomerKind, ExternalReference};
use domain::ids::{Channel, CustomerId, OrderId, Source};
use domain::{Currency, Money, Refusal};
use futures::future::BoxFuture;
use std::collections::{HashMap, VecDeque};
use store::Position;

/// One purchase of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurchaseRow {
    /// Who bought, in the words of the system that the row comes from. Who is not known becomes a customer and a member.
    pub customer: ExternalReference,
    /// The order, when the row has one.
    pub order: Option<OrderId>,
    /// What names the row where it has no order: the same each time the file is imported.
    pub row_key: OrderId,
    /// What was paid.
    pub total: Money,
    /// The business date.
    pub on: NaiveDate,
}

/// What all rows of an import have in common.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportOptions {
    /// Where new customers came from.
    pub source: Option<Source>,
    /// Where the purchases were made.
    pub channel: Option<Channel>,
}

/// What became of a row.
#[derive(Debug)]
pub enum RowOutcome {
    /// It was recorded.
    Recorded {
        /// Who bought.
        customer: CustomerId,
        /// Position of the last event.
        position: Position,
    },
    /// It had been recorded before.
    Repeated {
        /// Who bought.
        customer: CustomerId,
    },
    /// It is refused: imported again, it is refused again.
    Refused(Refusal),
    /// It failed; imported again, it may succeed.
    Failed(CommandError),
}

/// Records purchases in the order of the rows, and says of each what became of it, in the same order. The caller's `now`
/// is the clock of the whole batch.
///
/// # Errors
/// When nothing could be begun: the caller may not, or the store is away.
pub async fn import_purchases(
    commands: &Commands,
    caller: &Caller,
    options: &ImportOptions,
    rows: &[PurchaseRow],
) -> Result<Vec<RowOutcome>, CommandError> {
    caller.require(Scope::CustomersWrite)?;
    let mut customers = known_customers(commands, caller, rows).await?;
    register_missing(commands, caller, (options, rows), &mut customers).await;
    let mut line = Line::new(commands, caller);
    let mut outcomes = recorded_before(commands, caller, (options, rows), &customers).await?;
    // What a purchase earns depends on those before it: none of a customer's overtakes one that has to come again.
    let mut series: HashMap<CustomerId, Series> = HashMap::new();
    for (index, row) in rows.iter().enumerate() {
        if outcomes[index].is_some() {
            continue;
        }
        if let Err(refusal) = require_business_time(row, caller) {
            outcomes[index] = Some(RowOutcome::Refused(refusal));
            continue;
        }
        match &customers[&row.customer] {
            Resolved::Known(customer) => {
                let series = series.entry(*customer).or_default();
                let request = || purchase(caller, recording(row, *customer, caller, options)).in_series(series);
                line.submit(request, (index, *customer), |(index, customer), answer| {
                    outcomes[index] = Some(outcome(customer, answer));
                })
                .await;
            }
            Resolved::Refused(refusal) => outcomes[index] = Some(RowOutcome::Refused(refusal.clone())),
            Resolved::Failed(reason) => {
                outcomes[index] = Some(RowOutcome::Failed(CommandError::unavailable(reason.as_str())));
            }
        }
    }
    line.finish(|(index, customer), answer| outcomes[index] = Some(outcome(customer, answer))).await;
    let lost = || RowOutcome::Failed(CommandError::internal("a row was lost"));
    Ok(outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(lost)).collect())
}

/// What a reference stands for.
enum Resolved {
    Known(CustomerId),
    Refused(Refusal),
    Failed(String),
}

pub(super) const REFERENCES_AT_ONCE: usize = 1_000;

async fn known_customers(
    commands: &Commands,
    caller: &Caller,
    rows: &[PurchaseRow],
) -> Result<HashMap<ExternalReference, Resolved>, CommandError> {
    let mut references: Vec<&ExternalReference> = rows.iter().map(|row| &row.customer).collect();
    references.sort_unstable();
    references.dedup();
    let mut known = HashMap::with_capacity(references.len());
    for some in references.chunks(REFERENCES_AT_ONCE) {
        let claims: Vec<_> = some.iter().map(|reference| reference_claim(reference)).collect();
        let owners = commands.store().claim_owners(caller.tenant, &claims).await;
        let owners = owners.map_err(|error| crate::loading::LoadError::from(error).answer())?;
        for (reference, owner) in some.iter().zip(owners) {
            if let Some(owner) = owner {
                known.insert((*reference).clone(), Resolved::Known(CustomerId::new(owner)));
            }
        }
    }
    Ok(known)
}

/// Rows that are in the log already, found with one look: an import made again need not decide each of them.
async fn recorded_before(
    commands: &Commands,
    caller: &Caller,
    (options, rows): (&ImportOptions, &[PurchaseRow]),
    customers: &HashMap<ExternalReference, Resolved>,
) -> Result<Vec<Option<RowOutcome>>, CommandError> {
    let identities = rows.iter().enumerate().filter_map(|(index, row)| match customers.get(&row.customer) {
        Some(Resolved::Known(customer)) => {
            let identity = identity_of(caller, &purchase(caller, recording(row, *customer, caller, options)));
            Some((index, *customer, identity))
        }
        Some(Resolved::Refused(_) | Resolved::Failed(_)) | None => None,
    });
    let identities: Vec<_> = identities.collect();
    let requests: Vec<_> = identities.iter().map(|(_, _, identity)| *identity).collect();
    let recorded = commands.store().recorded(caller.tenant, &requests).await;
    let recorded = recorded.map_err(|error| crate::loading::LoadError::from(error).answer())?;
    let mut outcomes: Vec<Option<RowOutcome>> = rows.iter().map(|_| None).collect();
    for ((index, customer, _), recorded) in identities.into_iter().zip(recorded) {
        if recorded {
            outcomes[index] = Some(RowOutcome::Repeated { customer });
        }
    }
    Ok(outcomes)
}

/// Registers who is not known, in the order of their first rows. Who was registered by somebody else meanwhile is taken
/// from them.
async fn register_missing(
    commands: &Commands,
    caller: &Caller,
    (options, rows): (&ImportOptions, &[PurchaseRow]),
    customers: &mut HashMap<ExternalReference, Resolved>,
) {
    let mut resolved: Vec<(ExternalReference, Resolved)> = Vec::new();
    let mut seen: std::collections::HashSet<&ExternalReference> = std::collections::HashSet::new();
    let mut line = Line::new(commands, caller);
    for row in rows {
        let untimely = require_business_time(row, caller).is_err();
        if untimely || customers.contains_key(&row.customer) || !seen.insert(&row.customer) {
            continue;
        }
        let request = || registration(newcomer(row, options), Vec::new(), beginning_of(row.on, caller.zone), row.on);
        line.submit(request, row.customer.clone(), |reference, answer| resolved.push((reference, registered(answer))))
            .await;
    }
    line.finish(|reference, answer| resolved.push((reference, registered(answer)))).await;
    customers.extend(resolved);
}

fn registered(answer: Result<Committed, CommandError>) -> Resolved {
    match answer {
        Ok(committed) => match committed.customer() {
            Some(customer) => Resolved::Known(customer),
            None => Resolved::Failed("a registration made no event".to_owned()),
        },
        Err(CommandError::Claimed { owner, .. }) => Resolved::Known(CustomerId::new(owner)),
        Err(CommandError::Refused(refusal)) => Resolved::Refused(refusal),
        Err(error) => Resolved::Failed(crate::loading::with_sources(&error)),
    }
}

fn newcomer(row: &PurchaseRow, options: &ImportOptions) -> Register {
    let currency: Currency = row.total.currency();
    Register {
        kind: CustomerKind::Individual,
        contact: Contact { references: vec![row.customer.clone()], ..Contact::default() },
        language: None,
        currency: None,
        source: options.source.clone(),
        enrol_in: Some(currency),
        referrer: None,
    }
}

fn recording(row: &PurchaseRow, customer: CustomerId, caller: &Caller, options: &ImportOptions) -> RecordPurchase {
    RecordPurchase {
        customer,
        order: row.order.clone().unwrap_or_else(|| row.row_key.clone()),
        channel: options.channel.clone(),
        lines: Vec::new(),
        total: row.total,
        at: bought_at(row, caller),
    }
}

fn require_business_time(row: &PurchaseRow, caller: &Caller) -> Result<(), Refusal> {
    caller.require_business_time("/on", bought_at(row, caller))
}

fn bought_at(row: &PurchaseRow, caller: &Caller) -> Option<DateTime<Utc>> {
    Some(beginning_of(row.on, caller.zone))
}

fn outcome(customer: CustomerId, answer: Result<Committed, CommandError>) -> RowOutcome {
    match answer {
        Ok(committed) if committed.repeated || committed.events.is_empty() => RowOutcome::Repeated { customer },
        Ok(committed) => RowOutcome::Recorded { customer, position: committed.position },
        Err(CommandError::Refused(refusal) | CommandError::Claimed { refusal, .. }) => RowOutcome::Refused(refusal),
        Err(error) => RowOutcome::Failed(error),
    }
}

/// Commands under way, in order. When the pipeline is full, the oldest is awaited before the next is submitted.
pub(super) struct Line<'a, T> {
    commands: &'a Commands,
    caller: &'a Caller,
    pending: VecDeque<(T, BoxFuture<'static, Result<Committed, CommandError>>)>,
}

const UNDER_WAY_MAX: usize = 2_048;

impl<'a, T> Line<'a, T> {
    pub(super) fn new(commands: &'a Commands, caller: &'a Caller) -> Self {
        Self { commands, caller, pending: VecDeque::new() }
    }

    pub(super) async fn submit(
        &mut self,
        request: impl Fn() -> Request,
        what: T,
        mut answered: impl FnMut(T, Result<Committed, CommandError>),
    ) {
        if self.pending.len() >= UNDER_WAY_MAX {
            self.answer_oldest(&mut answered).await;
        }
        let answer = self.commands.submit(self.caller, request());
        self.pending.push_back((what, Box::pin(answer)));
    }

    async fn answer_oldest(&mut self, answered: &mut impl FnMut(T, Result<Committed, CommandError>)) {
        if let Some((what, answer)) = self.pending.pop_front() {
            answered(what, answer.await);
        }
    }

    pub(super) async fn finish(mut self, mut answered: impl FnMut(T, Result<Committed, CommandError>)) {
        while !self.pending.is_empty() {
            self.answer_oldest(&mut answered).await;
        }
    }
}
