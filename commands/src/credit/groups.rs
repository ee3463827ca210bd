//! Lines that share a limit. All need the scope `credit:approve`.

use super::lines::{Known, Needs, When, looking, require_business};
use super::{group_stream, line_stream};
use crate::caller::{Caller, Scope};
use crate::changes::Changes;
use crate::customers::customer_stream;
use crate::error::CommandError;
use crate::execute::{Commands, Committed, Request, content_of};
use crate::identity::IdempotencyKey;
use crate::ids::new_id;
use crate::states::States;
use domain::credit::commands::{CreditCommand, CreditError, CreditGroupCommand};
use domain::credit::credit_group::CreditGroup;
use domain::credit::credit_line::CreditLine;
use domain::credit::events::CreditGroupEvent;
use domain::ids::{CreditGroupId, CreditLineId, CustomerId, ReasonCode};
use domain::{Decider, Event, Moment, Money, Refusal};
use serde::Serialize;

/// A group to be formed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FormGroup {
    /// The customer that the others belong to.
    pub parent: CustomerId,
    /// What all may use together; also says in which currency.
    pub limit: Money,
}

/// Another limit of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangeGroupLimit {
    /// The group.
    pub group: CreditGroupId,
    /// The limit.
    pub limit: Money,
    /// Why.
    pub reason: ReasonCode,
}

/// A line to share the limit of a group, or not any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Membership {
    /// The group.
    pub group: CreditGroupId,
    /// The line.
    pub line: CreditLineId,
}

/// Forms a group, under a new id.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn form(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: FormGroup,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CreditApprove)?;
    let (content, on, group) = (content_of(&request), caller.today(), CreditGroupId::new(new_id()));
    let FormGroup { parent, limit } = request;
    let stream = group_stream(group);
    let decide = move |states: &States<'_>| {
        require_business(states, parent)?;
        let formed = CreditGroup::decide(&CreditGroup::NotFormed, CreditGroupCommand::Form { parent, limit, on })?;
        Ok::<_, Refusal>(Changes::of(stream, formed))
    };
    let asked = Request::new("credit.form_group", caller.now, [stream], decide).creating([stream]);
    commands.execute(caller, asked.seeing([customer_stream(parent)]).content(content).keyed(key)).await
}

/// Lets all together use more or less.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn change_limit(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: ChangeGroupLimit,
) -> Result<Committed, CommandError> {
    let content = content_of(&request);
    let ChangeGroupLimit { group, limit, reason } = request;
    let command = CreditGroupCommand::ChangeLimit { limit, reason, on: caller.today() };
    let asked = on_group(caller, "credit.change_group_limit", group, command)?;
    commands.execute(caller, asked.content(content).keyed(key)).await
}

/// Ends a group that has no members any more.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn dissolve(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    group: CreditGroupId,
) -> Result<Committed, CommandError> {
    let command = CreditGroupCommand::Dissolve { on: caller.today() };
    let asked = on_group(caller, "credit.dissolve_group", group, command)?;
    commands.execute(caller, asked.content(content_of(&group)).keyed(key)).await
}

fn on_group(
    caller: &Caller,
    verb: &'static str,
    group: CreditGroupId,
    command: CreditGroupCommand,
) -> Result<Request, CommandError> {
    caller.require(Scope::CreditApprove)?;
    let stream = group_stream(group);
    let decide = move |states: &States<'_>| {
        let changed = CreditGroup::decide(states.get::<CreditGroup>(group.as_uuid()), command.clone())?;
        Ok::<_, Refusal>(Changes::of(stream, changed))
    };
    Ok(Request::new(verb, caller.now, [stream], decide))
}

/// Lets a line share the limit of a group, with what it has used already.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn add_member(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: Membership,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CreditApprove)?;
    let asked = |known| membership(caller, request, known, ("credit.add_member", joining)).keyed(key.clone());
    looking(commands, caller, request.line, asked).await
}

/// Lets a line share the limit no more.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn remove_member(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: Membership,
) -> Result<Committed, CommandError> {
    caller.require(Scope::CreditApprove)?;
    let asked = |known| membership(caller, request, known, ("credit.remove_member", leaving)).keyed(key.clone());
    looking(commands, caller, request.line, asked).await
}

/// What becomes of line and group.
type Decided = (Vec<domain::credit::events::CreditEvent>, Vec<CreditGroupEvent>);

/// Decides on a membership.
type DecideMembership = fn(&States<'_>, Membership, CustomerId, Moment) -> Result<Decided, Refusal>;

fn membership(
    caller: &Caller,
    request: Membership,
    known: Known,
    (verb, decision): (&'static str, DecideMembership),
) -> Request {
    let (when, now) = (When::of(caller), caller.this_moment());
    let Membership { group, line } = request;
    let decide = move |states: &States<'_>| {
        let state = known.checked(states, line)?;
        let customer = known.customer.ok_or(CreditError::NotRequested)?;
        let (of_line, of_group) = decision(states, request, customer, now)?;
        let mut changes = Changes::none();
        when.append(&mut changes, (states, line, customer), state, of_line);
        Ok::<_, Refusal>(changes.and(group_stream(group), of_group))
    };
    let scope = [line_stream(line), group_stream(group)];
    let asked = Request::new(verb, caller.now, scope, decide).content(content_of(&request));
    asked.seeing(known.customer.map(customer_stream))
}

fn joining(
    states: &States<'_>,
    Membership { group, line }: Membership,
    customer: CustomerId,
    now: Moment,
) -> Result<Decided, Refusal> {
    let (state, shared) = (states.get::<CreditLine>(line.as_uuid()), states.get::<CreditGroup>(group.as_uuid()));
    Needs::Active.check(states, customer)?;
    let joined = CreditLine::decide(state, CreditCommand::JoinGroup { group, now })?;
    let exposure = CreditLine::fold(state.clone(), &joined).open()?.exposure();
    let add = CreditGroupCommand::AddMember { line, customer, exposure, on: now.today };
    let added = CreditGroup::decide(shared, add)?;
    Ok((joined, added))
}

fn leaving(
    states: &States<'_>,
    Membership { group, line }: Membership,
    _: CustomerId,
    now: Moment,
) -> Result<Decided, Refusal> {
    let (state, shared) = (states.get::<CreditLine>(line.as_uuid()), states.get::<CreditGroup>(group.as_uuid()));
    let removed = CreditGroup::decide(shared, CreditGroupCommand::RemoveMember { line, on: now.today })?;
    Ok((CreditLine::decide(state, CreditCommand::LeaveGroup { group, now })?, removed))
}

impl Committed {
    /// The group that was formed.
    #[must_use]
    pub fn formed_group(&self) -> Option<CreditGroupId> {
        self.events.iter().find_map(|recorded| match &recorded.event {
            Event::CreditGroup(CreditGroupEvent::Formed { .. }) => Some(CreditGroupId::new(recorded.stream.id)),
            Event::CreditGroup(_)
            | Event::Customer(_)
            | Event::Loyalty(_)
            | Event::Programme(_)
            | Event::Credit(_)
            | Event::Access(_) => None,
        })
    }
}
