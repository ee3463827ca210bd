//! A tenant's loyalty programme: the versions of its rules, its campaigns, and the rehearsals of late.
//!
//! The rules of a date are those of the latest published version whose date has come by then; before the first, the standard
//! rules. So a version also takes the place of those that were published before it for a later date.

use std::sync::Arc;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::decider::Decider;
use crate::ids::{CampaignId, RehearsalId};
use crate::loyalty::campaigns::{CampaignRules, CampaignVersion, Campaigns};
use crate::loyalty::commands::{ProgrammeCommand, ProgrammeError};
use crate::loyalty::events::{ProgrammeEvent, RehearsalOutcome};
use crate::loyalty::programme::Programme;

/// The most versions of a programme.
pub const VERSIONS_MAX: usize = 1_000;
/// So many rehearsals are remembered, for who publishes to refer to.
pub const REHEARSALS_MAX: usize = 100;

/// The versions of a programme. Clones share them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoyaltyProgramme {
    versions: Arc<Vec<ProgrammeVersion>>,
    rehearsals: Arc<Vec<Rehearsal>>,
    campaigns: Campaigns,
}

/// A version of the rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgrammeVersion {
    /// The number, from one.
    pub number: u32,
    /// The first business date for which the rules hold.
    pub from: NaiveDate,
    /// The rules.
    pub rules: Arc<Programme>,
    /// The rehearsal that it refers to.
    pub rehearsal: Option<RehearsalId>,
}

/// Rules that were rehearsed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Rehearsal {
    id: RehearsalId,
    rules: Programme,
    outcome: RehearsalOutcome,
}

/// The rules that hold, and which version they are; none: the standard rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// The version.
    pub version: Option<u32>,
    /// The rules.
    pub rules: Arc<Programme>,
}

impl LoyaltyProgramme {
    /// A programme of one version that has always held: to work out what rules would do. Its campaigns are those that it is told of.
    #[must_use]
    pub fn always(rules: Programme) -> Self {
        let version = ProgrammeVersion { number: 1, from: NaiveDate::MIN, rules: Arc::new(rules), rehearsal: None };
        Self::from_iter([version])
    }

    /// The rules of a business date.
    #[must_use]
    pub fn on(&self, date: NaiveDate) -> InForce {
        InForce::of(self.versions.iter().rev().find(|version| version.from <= date))
    }

    /// The rules of a version, or the standard ones.
    #[must_use]
    pub fn version(&self, number: Option<u32>) -> InForce {
        InForce::of(self.versions.iter().find(|version| Some(version.number) == number))
    }

    /// All versions, in the order in which they were published.
    #[must_use]
    pub fn versions(&self) -> &[ProgrammeVersion] {
        &self.versions
    }

    /// The campaigns that give something on a business date, by the versions that do.
    pub fn campaigns_on(&self, date: NaiveDate) -> impl Iterator<Item = (CampaignId, &CampaignVersion)> {
        self.campaigns.on(date)
    }

    /// The rules of a version of a campaign.
    #[must_use]
    pub fn campaign_rules(&self, campaign: CampaignId, version: u32) -> Option<&CampaignRules> {
        self.campaigns.rules(campaign, version)
    }

    fn rehearsal(&self, id: RehearsalId) -> Option<&Rehearsal> {
        self.rehearsals.iter().find(|rehearsal| rehearsal.id == id)
    }
}

impl FromIterator<ProgrammeVersion> for LoyaltyProgramme {
    fn from_iter<I: IntoIterator<Item = ProgrammeVersion>>(versions: I) -> Self {
        Self { versions: Arc::new(versions.into_iter().collect()), ..Self::default() }
    }
}

impl InForce {
    fn of(version: Option<&ProgrammeVersion>) -> Self {
        Self {
            version: version.map(|version| version.number),
            rules: version.map_or_else(Programme::standard, |version| Arc::clone(&version.rules)),
        }
    }
}

impl Decider for LoyaltyProgramme {
    type Command = ProgrammeCommand;
    type Event = ProgrammeEvent;
    type Refusal = ProgrammeError;

    fn initial() -> Self {
        Self::default()
    }

    fn decide(state: &Self, command: ProgrammeCommand) -> Result<Vec<ProgrammeEvent>, ProgrammeError> {
        match command {
            ProgrammeCommand::Publish { rules, from, rehearsal, on } => publish(state, rules, from, rehearsal, on),
            ProgrammeCommand::RecordRehearsal { rehearsal, rules, outcome, on } => {
                record_rehearsal(state, rehearsal, rules, outcome, on)
            }
            ProgrammeCommand::BeginCampaign { campaign, draft, on } => state.campaigns.begin(campaign, draft, on),
            ProgrammeCommand::ChangeCampaign { campaign, draft, on } => state.campaigns.change(campaign, draft, on),
            ProgrammeCommand::EndCampaign { campaign, from, on } => state.campaigns.end(campaign, from, on),
        }
    }

    fn evolve(mut state: Self, event: &ProgrammeEvent) -> Self {
        match event {
            ProgrammeEvent::Published { version, from, rules, rehearsal, .. } => {
                let (number, rules) = (*version, Arc::new(rules.clone()));
                let published = ProgrammeVersion { number, from: *from, rules, rehearsal: *rehearsal };
                Arc::make_mut(&mut state.versions).push(published);
            }
            ProgrammeEvent::Rehearsed { rehearsal, rules, outcome, .. } => {
                let rehearsals = Arc::make_mut(&mut state.rehearsals);
                rehearsals.push(Rehearsal { id: *rehearsal, rules: rules.clone(), outcome: outcome.clone() });
                rehearsals.drain(..rehearsals.len().saturating_sub(REHEARSALS_MAX));
            }
            ProgrammeEvent::CampaignPublished { .. } | ProgrammeEvent::CampaignEnded { .. } => {
                state.campaigns.evolve(event);
            }
        }
        state
    }
}

/// The same rules for the same date once more change nothing.
fn publish(
    state: &LoyaltyProgramme,
    rules: Programme,
    from: NaiveDate,
    rehearsal: Option<RehearsalId>,
    published_on: NaiveDate,
) -> Result<Vec<ProgrammeEvent>, ProgrammeError> {
    rules.check().map_err(ProgrammeError::Faulty)?;
    if let Some(id) = rehearsal {
        let known = state.rehearsal(id).ok_or(ProgrammeError::RehearsalNotFound { rehearsal: id })?;
        if known.rules != rules {
            return Err(ProgrammeError::RehearsalOfOtherRules { rehearsal: id });
        }
    }
    let last = state.versions.last();
    if last.is_some_and(|last| last.from == from && *last.rules == rules) {
        return Ok(vec![]);
    }
    if state.versions.len() >= VERSIONS_MAX {
        return Err(ProgrammeError::TooManyVersions { limit: VERSIONS_MAX });
    }
    let version = last.map_or(1, |last| last.number.saturating_add(1));
    Ok(vec![ProgrammeEvent::Published { version, from, rules, rehearsal, published_on }])
}

fn record_rehearsal(
    state: &LoyaltyProgramme,
    rehearsal: RehearsalId,
    rules: Programme,
    outcome: RehearsalOutcome,
    rehearsed_on: NaiveDate,
) -> Result<Vec<ProgrammeEvent>, ProgrammeError> {
    rules.check().map_err(ProgrammeError::Faulty)?;
    match state.rehearsal(rehearsal) {
        Some(_) => Ok(vec![]),
        None => Ok(vec![ProgrammeEvent::Rehearsed { rehearsal, rules, outcome, rehearsed_on }]),
    }
}
