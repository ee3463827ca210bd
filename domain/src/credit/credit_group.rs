//! Lines of credit that share a limit: what each takes of it, and what is left.
//!
//! It refuses no order: a line is told what is left and decides, and both streams are appended to at once. So what the group knows of its
//! lines is what they are.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::credit::aging::within_limits;
use crate::credit::commands::{CreditGroupCommand, CreditGroupError};
use crate::credit::events::CreditGroupEvent;
use crate::decider::Decider;
use crate::ids::{CreditLineId, CustomerId, ReasonCode};
use crate::money::Money;

/// The most lines of a group.
pub const MEMBERS_MAX: usize = 1_000;

/// A group of lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CreditGroup {
    /// Nobody formed it.
    NotFormed,
    /// It is there.
    Formed(Group),
    /// It was.
    Dissolved,
}

/// A group that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    parent: CustomerId,
    /// As it was formed, to tell a repeat.
    first_limit: Money,
    limit: Money,
    members: BTreeMap<CreditLineId, Member>,
}

/// A line of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Whose it is.
    pub customer: CustomerId,
    /// What it takes of the limit.
    pub exposure: Money,
}

impl Decider for CreditGroup {
    type Command = CreditGroupCommand;
    type Event = CreditGroupEvent;
    type Refusal = CreditGroupError;

    fn initial() -> Self {
        Self::NotFormed
    }

    fn decide(state: &Self, command: CreditGroupCommand) -> Result<Vec<CreditGroupEvent>, CreditGroupError> {
        match command {
            CreditGroupCommand::Form { parent, limit, on } => form(state, parent, limit, on),
            CreditGroupCommand::ChangeLimit { limit, reason, on } => change_limit(state.formed()?, limit, reason, on),
            CreditGroupCommand::AddMember { line, customer, exposure, on } => {
                add_member(state.formed()?, line, Member { customer, exposure }, on)
            }
            CreditGroupCommand::RemoveMember { line, on } => Ok(remove_member(state.formed()?, line, on)),
            CreditGroupCommand::ChangeExposure { line, exposure } => change_exposure(state.formed()?, line, exposure),
            CreditGroupCommand::Dissolve { on } => dissolve(state, on),
        }
    }

    fn evolve(state: Self, event: &CreditGroupEvent) -> Self {
        use CreditGroupEvent as E;
        match (state, event) {
            (_, E::Formed { parent, limit, .. }) => {
                Self::Formed(Group { parent: *parent, first_limit: *limit, limit: *limit, members: BTreeMap::new() })
            }
            (_, E::Dissolved { .. }) => Self::Dissolved,
            (Self::Formed(group), event) => Self::Formed(group.evolve(event)),
            (
                state @ (Self::NotFormed | Self::Dissolved),
                E::LimitChanged { .. } | E::MemberAdded { .. } | E::MemberRemoved { .. } | E::ExposureChanged { .. },
            ) => state,
        }
    }
}

impl CreditGroup {
    /// The group, if it is there.
    ///
    /// # Errors
    /// When it is not.
    pub const fn formed(&self) -> Result<&Group, CreditGroupError> {
        match self {
            Self::NotFormed => Err(CreditGroupError::NotFound),
            Self::Formed(group) => Ok(group),
            Self::Dissolved => Err(CreditGroupError::Dissolved),
        }
    }
}

impl Group {
    /// The customer that the others belong to.
    pub const fn parent(&self) -> CustomerId {
        self.parent
    }

    /// What all may use together.
    pub const fn limit(&self) -> Money {
        self.limit
    }

    /// What all take of it.
    pub fn exposure(&self) -> Money {
        let exposures = self.members.values().map(|member| member.exposure.minor());
        within_limits(exposures.fold(0, i64::saturating_add), self.limit.currency())
    }

    /// What is left; below zero when they take more, because the limit was lowered, or what was shipped had to be invoiced.
    pub fn available(&self) -> Money {
        let left = self.limit.minor().saturating_sub(self.exposure().minor());
        within_limits(left, self.limit.currency())
    }

    /// The lines.
    pub const fn members(&self) -> &BTreeMap<CreditLineId, Member> {
        &self.members
    }

    fn evolve(mut self, event: &CreditGroupEvent) -> Self {
        use CreditGroupEvent as E;
        match event {
            E::LimitChanged { to, .. } => self.limit = *to,
            E::MemberAdded { line, customer, exposure, .. } => {
                self.members.insert(*line, Member { customer: *customer, exposure: *exposure });
            }
            E::MemberRemoved { line, .. } => {
                self.members.remove(line);
            }
            E::ExposureChanged { line, exposure } => {
                if let Some(member) = self.members.get_mut(line) {
                    member.exposure = *exposure;
                }
            }
            E::Formed { .. } | E::Dissolved { .. } => {} // groups of their own kinds
        }
        self
    }

    fn require_currency(&self, given: Money) -> Result<(), CreditGroupError> {
        let (expected, given) = (self.limit.currency(), given.currency());
        if expected == given { Ok(()) } else { Err(CreditGroupError::CurrencyMismatch { expected, given }) }
    }
}

const fn require_positive(limit: Money) -> Result<(), CreditGroupError> {
    if limit.minor() > 0 { Ok(()) } else { Err(CreditGroupError::LimitNotPositive { limit }) }
}

fn form(
    state: &CreditGroup,
    parent: CustomerId,
    limit: Money,
    on: NaiveDate,
) -> Result<Vec<CreditGroupEvent>, CreditGroupError> {
    match state {
        CreditGroup::NotFormed => {
            require_positive(limit)?;
            Ok(vec![CreditGroupEvent::Formed { parent, limit, on }])
        }
        CreditGroup::Formed(group) if group.parent == parent && group.first_limit == limit => Ok(vec![]),
        CreditGroup::Formed(_) => Err(CreditGroupError::AlreadyFormed),
        CreditGroup::Dissolved => Err(CreditGroupError::Dissolved),
    }
}

fn change_limit(
    group: &Group,
    limit: Money,
    reason: ReasonCode,
    on: NaiveDate,
) -> Result<Vec<CreditGroupEvent>, CreditGroupError> {
    group.require_currency(limit)?;
    require_positive(limit)?;
    let changed = CreditGroupEvent::LimitChanged { from: group.limit, to: limit, reason, on };
    Ok((limit != group.limit).then_some(changed).into_iter().collect())
}

/// What the line takes may be more than is left: then nobody uses anything new until there is room.
fn add_member(
    group: &Group,
    line: CreditLineId,
    Member { customer, exposure }: Member,
    on: NaiveDate,
) -> Result<Vec<CreditGroupEvent>, CreditGroupError> {
    group.require_currency(exposure)?;
    if group.members.contains_key(&line) {
        return Ok(vec![]);
    }
    if group.members.len() >= MEMBERS_MAX {
        return Err(CreditGroupError::TooManyMembers { limit: MEMBERS_MAX });
    }
    Ok(vec![CreditGroupEvent::MemberAdded { line, customer, exposure, on }])
}

fn remove_member(group: &Group, line: CreditLineId, on: NaiveDate) -> Vec<CreditGroupEvent> {
    let is_member = group.members.contains_key(&line);
    is_member.then_some(CreditGroupEvent::MemberRemoved { line, on }).into_iter().collect()
}

fn change_exposure(
    group: &Group,
    line: CreditLineId,
    exposure: Money,
) -> Result<Vec<CreditGroupEvent>, CreditGroupError> {
    group.require_currency(exposure)?;
    let member = group.members.get(&line).ok_or(CreditGroupError::MemberNotFound { line })?;
    let changed = CreditGroupEvent::ExposureChanged { line, exposure };
    Ok((member.exposure != exposure).then_some(changed).into_iter().collect())
}

fn dissolve(state: &CreditGroup, on: NaiveDate) -> Result<Vec<CreditGroupEvent>, CreditGroupError> {
    if matches!(state, CreditGroup::Dissolved) {
        return Ok(vec![]);
    }
    match state.formed()?.members.len() {
        0 => Ok(vec![CreditGroupEvent::Dissolved { on }]),
        members => Err(CreditGroupError::HasMembers { members }),
    }
}
