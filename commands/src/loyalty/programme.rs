//! Commands on a tenant's loyalty programme: publish rules, remember rehearsals. Needs the scope `admin`.

use crate::caller::{Caller, Scope};
use crate::changes::Changes;
use crate::error::CommandError;
use crate::execute::{Commands, Committed, Request, content_of};
use crate::identity::{self, IdempotencyKey};
use crate::states::{States, stream_of};
use chrono::NaiveDate;
use domain::Event;
use domain::ids::RehearsalId;
use domain::loyalty::commands::ProgrammeCommand;
use domain::loyalty::events::{ProgrammeEvent, RehearsalOutcome};
use domain::loyalty::loyalty_programme::LoyaltyProgramme;
use domain::loyalty::programme::Programme;
use domain::{Decider, Refusal};
use serde::Serialize;
use store::{StreamId, TenantId};
use uuid::Uuid;

/// Rules to be published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Publish {
    /// The rules.
    pub rules: Programme,
    /// The first business date for which they hold; today if not given.
    pub from: Option<NaiveDate>,
    /// The rehearsal that showed what they would have done.
    pub rehearsal: Option<RehearsalId>,
}

/// What rules would have done, to be remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordRehearsal {
    /// The rehearsal, under a new id.
    pub rehearsal: RehearsalId,
    /// The rules.
    pub rules: Programme,
    /// What they would have changed.
    pub outcome: RehearsalOutcome,
}

/// Lets rules hold from a date on.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn publish(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: Publish,
) -> Result<Committed, CommandError> {
    let (content, on) = (content_of(&request), caller.today());
    let Publish { rules, from, rehearsal } = request;
    let command = ProgrammeCommand::Publish { rules, from: from.unwrap_or(on), rehearsal, on };
    let request = on_programme(caller, "loyalty.publish_programme", command)?.content(content).keyed(key);
    commands.execute(caller, request).await
}

/// Remembers what rules would have done.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn record_rehearsal(
    commands: &Commands,
    caller: &Caller,
    request: RecordRehearsal,
) -> Result<Committed, CommandError> {
    let (content, on) = (content_of(&request), caller.today());
    let RecordRehearsal { rehearsal, rules, outcome } = request;
    let command = ProgrammeCommand::RecordRehearsal { rehearsal, rules, outcome, on };
    commands.execute(caller, on_programme(caller, "loyalty.rehearse_programme", command)?.content(content)).await
}

/// The stream of a tenant's loyalty programme.
#[must_use]
pub fn programme_stream(tenant: TenantId) -> StreamId {
    let id = identity::hash("clientela/loyalty_programme/v1", &[&tenant.to_string()]);
    stream_of::<LoyaltyProgramme>(Uuid::from_bytes(id))
}

/// A command on the tenant's programme.
pub(super) fn on_programme(
    caller: &Caller,
    verb: &'static str,
    command: ProgrammeCommand,
) -> Result<Request, CommandError> {
    caller.require(Scope::Admin)?;
    let stream = programme_stream(caller.tenant);
    let decide = move |states: &States<'_>| {
        let programme = states.get::<LoyaltyProgramme>(stream.id);
        Ok::<_, Refusal>(Changes::of(stream, LoyaltyProgramme::decide(programme, command.clone())?))
    };
    Ok(Request::new(verb, caller.now, [stream], decide))
}

impl Committed {
    /// The version of the rules that was published.
    #[must_use]
    pub fn published_version(&self) -> Option<u32> {
        self.events.iter().find_map(|recorded| match &recorded.event {
            Event::Programme(ProgrammeEvent::Published { version, .. }) => Some(*version),
            Event::Programme(
                ProgrammeEvent::Rehearsed { .. }
                | ProgrammeEvent::CampaignPublished { .. }
                | ProgrammeEvent::CampaignEnded { .. },
            )
            | Event::Customer(_)
            | Event::Loyalty(_)
            | Event::Credit(_)
            | Event::CreditGroup(_)
            | Event::Access(_) => None,
        })
    }
}
