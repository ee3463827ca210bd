//! How a tenant's campaigns come about, change and end.

use std::sync::Arc;

use chrono::NaiveDate;

use super::{CAMPAIGN_VERSIONS_MAX, Campaign, CampaignName, CampaignRules, CampaignVersion, Campaigns, RUNNING_MAX};
use crate::ids::CampaignId;
use crate::loyalty::commands::ProgrammeError;
use crate::loyalty::events::ProgrammeEvent;

/// A version of a campaign that is to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CampaignDraft {
    /// What it is called.
    pub name: CampaignName,
    /// What it gives.
    pub rules: CampaignRules,
    /// The first business date for which it holds.
    pub from: NaiveDate,
    /// The last business date on which it gives anything; none: until it is ended.
    pub until: Option<NaiveDate>,
}

impl Campaigns {
    /// A new campaign. Once more under its id changes nothing.
    pub(in crate::loyalty) fn begin(
        &self,
        campaign: CampaignId,
        draft: CampaignDraft,
        published_on: NaiveDate,
    ) -> Result<Vec<ProgrammeEvent>, ProgrammeError> {
        if self.find(campaign).is_some() {
            return Ok(vec![]);
        }
        // Both would give points for the same purchases.
        let is_same = |known: &&Campaign| known.versions.last().is_some_and(|last| last.is(&draft));
        if let Some(known) = self.0.iter().find(|known| !known.is_over(published_on) && is_same(known)) {
            return Err(ProgrammeError::CampaignExists { campaign: known.id });
        }
        self.publish(campaign, draft, published_on)
    }

    /// Another version of a campaign that has not ended. The same once more changes nothing.
    pub(in crate::loyalty) fn change(
        &self,
        campaign: CampaignId,
        draft: CampaignDraft,
        published_on: NaiveDate,
    ) -> Result<Vec<ProgrammeEvent>, ProgrammeError> {
        let known = self.find(campaign).ok_or(ProgrammeError::CampaignNotFound { campaign })?;
        if let Some(on) = known.ended {
            return Err(ProgrammeError::CampaignEnded { campaign, on });
        }
        if known.versions.last().is_some_and(|last| last.is(&draft)) {
            return Ok(vec![]);
        }
        self.publish(campaign, draft, published_on)
    }

    /// Nothing is given from a day on. An end may be brought forward, not put off.
    pub(in crate::loyalty) fn end(
        &self,
        campaign: CampaignId,
        on: NaiveDate,
        ended_on: NaiveDate,
    ) -> Result<Vec<ProgrammeEvent>, ProgrammeError> {
        let known = self.find(campaign).ok_or(ProgrammeError::CampaignNotFound { campaign })?;
        match known.ended {
            Some(before) if before == on => Ok(vec![]),
            Some(before) if before < on => Err(ProgrammeError::CampaignEnded { campaign, on: before }),
            Some(_) | None => Ok(vec![ProgrammeEvent::CampaignEnded { campaign, on, ended_on }]),
        }
    }

    fn publish(
        &self,
        campaign: CampaignId,
        draft: CampaignDraft,
        published_on: NaiveDate,
    ) -> Result<Vec<ProgrammeEvent>, ProgrammeError> {
        draft.rules.check(draft.from, draft.until).map_err(ProgrammeError::FaultyCampaign)?;
        let running = self.0.iter().filter(|other| other.id != campaign && !other.is_over(published_on)).count();
        if running >= RUNNING_MAX {
            return Err(ProgrammeError::TooManyCampaigns { limit: RUNNING_MAX });
        }
        if self.0.iter().map(|campaign| campaign.versions.len()).sum::<usize>() >= CAMPAIGN_VERSIONS_MAX {
            return Err(ProgrammeError::TooManyCampaignVersions { limit: CAMPAIGN_VERSIONS_MAX });
        }
        let last = self.find(campaign).and_then(|known| known.versions.last());
        let version = last.map_or(1, |last| last.number.saturating_add(1));
        let CampaignDraft { name, rules, from, until } = draft;
        Ok(vec![ProgrammeEvent::CampaignPublished { campaign, version, name, rules, from, until, published_on }])
    }

    /// The campaigns after an event; of others they stay as they are.
    pub(in crate::loyalty) fn evolve(&mut self, event: &ProgrammeEvent) {
        match event {
            ProgrammeEvent::CampaignPublished { campaign, version, name, rules, from, until, .. } => {
                let (number, name, rules) = (*version, name.clone(), Arc::new(rules.clone()));
                self.entry(*campaign).versions.push(CampaignVersion {
                    number,
                    name,
                    rules,
                    from: *from,
                    until: *until,
                });
            }
            ProgrammeEvent::CampaignEnded { campaign, on, .. } => self.entry(*campaign).ended = Some(*on),
            ProgrammeEvent::Published { .. } | ProgrammeEvent::Rehearsed { .. } => {}
        }
    }

    fn entry(&mut self, id: CampaignId) -> &mut Campaign {
        let campaigns = Arc::make_mut(&mut self.0);
        let place = campaigns.iter().position(|campaign| campaign.id == id).unwrap_or(campaigns.len());
        if place == campaigns.len() {
            campaigns.push(Campaign { id, versions: Vec::new(), ended: None });
        }
        &mut campaigns[place]
    }
}

impl CampaignVersion {
    fn is(&self, draft: &CampaignDraft) -> bool {
        let CampaignDraft { name, rules, from, until } = draft;
        (&self.name, &*self.rules, &self.from, &self.until) == (name, rules, from, until)
    }
}
