//! The lines of a customer, for what happens to the customer as a whole: a merge, a deletion.
//!
//! A line has no entry in its customer's stream, and its id is made of the currency. So the log is asked which of all ids that there may
//! be have begun. A line that is requested for the first time at the same moment may be missed: nothing is owed on it, and nothing is
//! approved of a customer that is deleted or merged by then.

use super::line_stream;
use super::lines::settled;
use crate::caller::Caller;
use crate::error::CommandError;
use crate::execute::Commands;
use crate::states::States;
use domain::credit::commands::CreditError;
use domain::credit::credit_line::CreditLine;
use domain::ids::{CreditLineId, CustomerId};
use domain::{Currency, Moment};
use store::StreamId;

/// The lines that a customer has asked for, each in its currency.
///
/// # Errors
/// When the store is away.
pub async fn lines_of(
    commands: &Commands,
    caller: &Caller,
    customer: CustomerId,
) -> Result<Vec<CreditLineId>, CommandError> {
    let lines: Vec<_> = Currency::all().map(|currency| CreditLineId::of(customer, currency)).collect();
    let streams: Vec<StreamId> = lines.iter().copied().map(line_stream).collect();
    let begun = commands.store().begun(caller.tenant, &streams).await.map_err(CommandError::unavailable)?;
    Ok(lines.into_iter().zip(begun).filter_map(|(line, begun)| begun.then_some(line)).collect())
}

/// The first that is neither closed nor rejected. What is owed on one that is stays with the customer that it was made for, and is paid there.
pub(crate) fn live(states: &States<'_>, lines: &[CreditLineId]) -> Option<CreditLineId> {
    let is_live = |line: &CreditLineId| {
        matches!(states.get::<CreditLine>(line.as_uuid()), CreditLine::Requested(_) | CreditLine::Open(_))
    };
    lines.iter().copied().find(is_live)
}

/// Refuses when something is owed on one of the lines, promised, or to be paid out.
pub(crate) fn require_settled(states: &States<'_>, lines: &[CreditLineId], now: Moment) -> Result<(), CreditError> {
    for id in lines {
        let state = settled(states.get::<CreditLine>(id.as_uuid()), now);
        let Ok(line) = state.owing() else { continue };
        let [outstanding, held, unapplied] = [line.outstanding(), line.held(), line.unapplied()];
        if [outstanding, held, unapplied].iter().any(|money| money.minor() != 0) {
            return Err(CreditError::OpenBalance { line: *id, outstanding, held, unapplied });
        }
    }
    Ok(())
}
