//! Commands on a tenant's campaigns: publish one, change it by another version, end it. They need the scope `admin`.
//!
//! Campaigns stand in the stream of the tenant's programme, which every purchase sees.

use super::programme::on_programme;
use crate::caller::Caller;
use crate::error::CommandError;
use crate::execute::{Commands, Committed, content_of};
use crate::identity::IdempotencyKey;
use crate::ids::new_id;
use chrono::NaiveDate;
use domain::Event;
use domain::ids::CampaignId;
use domain::loyalty::campaigns::{CampaignDraft, CampaignName, CampaignRules};
use domain::loyalty::commands::ProgrammeCommand;
use domain::loyalty::events::ProgrammeEvent;
use serde::Serialize;

/// A campaign, or another version of one, to be published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PublishCampaign {
    /// What it is called.
    pub name: CampaignName,
    /// What it gives.
    pub rules: CampaignRules,
    /// The first business date for which it holds; today if not given.
    pub from: Option<NaiveDate>,
    /// The last business date on which it gives anything; none: until it is ended.
    pub until: Option<NaiveDate>,
}

/// A campaign to be ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EndCampaign {
    /// The campaign.
    pub campaign: CampaignId,
    /// The first business date on which it gives nothing any more; today if not given.
    pub on: Option<NaiveDate>,
}

impl PublishCampaign {
    fn draft(self, today: NaiveDate) -> CampaignDraft {
        let Self { name, rules, from, until } = self;
        CampaignDraft { name, rules, from: from.unwrap_or(today), until }
    }
}

/// Publishes a new campaign.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn begin_campaign(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: PublishCampaign,
) -> Result<Committed, CommandError> {
    let (content, on, campaign) = (content_of(&request), caller.today(), CampaignId::new(new_id()));
    let command = ProgrammeCommand::BeginCampaign { campaign, draft: request.draft(on), on };
    let request = on_programme(caller, "loyalty.begin_campaign", command)?.content(content).keyed(key);
    commands.execute(caller, request).await
}

/// Publishes another version of a campaign. Purchases that were decided stay as they are.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn change_campaign(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    campaign: CampaignId,
    request: PublishCampaign,
) -> Result<Committed, CommandError> {
    let (content, on) = (content_of(&(campaign, &request)), caller.today());
    let command = ProgrammeCommand::ChangeCampaign { campaign, draft: request.draft(on), on };
    let request = on_programme(caller, "loyalty.change_campaign", command)?.content(content).keyed(key);
    commands.execute(caller, request).await
}

/// Ends a campaign for good.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn end_campaign(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: EndCampaign,
) -> Result<Committed, CommandError> {
    let (content, today) = (content_of(&request), caller.today());
    let EndCampaign { campaign, on } = request;
    let command = ProgrammeCommand::EndCampaign { campaign, from: on.unwrap_or(today), on: today };
    let request = on_programme(caller, "loyalty.end_campaign", command)?.content(content).keyed(key);
    commands.execute(caller, request).await
}

impl Committed {
    /// The campaign that was published, and as which version.
    #[must_use]
    pub fn published_campaign(&self) -> Option<(CampaignId, u32)> {
        self.events.iter().find_map(|recorded| match &recorded.event {
            Event::Programme(ProgrammeEvent::CampaignPublished { campaign, version, .. }) => {
                Some((*campaign, *version))
            }
            Event::Programme(_)
            | Event::Customer(_)
            | Event::Loyalty(_)
            | Event::Credit(_)
            | Event::CreditGroup(_)
            | Event::Access(_) => None,
        })
    }
}
