//! Tables `loyalty_campaigns`, `loyalty_campaign_versions` and `loyalty_campaign_members`: the campaigns of each tenant, and what each has
//! given so far, in sum and to whom.
//!
//! What a campaign gave is told by the events of accounts, before the caps of the programme; it counts when a purchase is made, whether its
//! points are pending first or not, and what refunds took of it is counted apart.

use crate::query::{AsOf, Back, Page, failed, get, page};
use crate::read_model::{ChangeOf, ReadModel, Recorded, Rows, made};
use crate::tables::{Columns, TableRow, Writer};
use chrono::{DateTime, NaiveDate, Utc};
use domain::Event;
use domain::loyalty::campaigns::{CampaignPoints, CampaignRules};
use domain::loyalty::events::{LoyaltyEvent, ProgrammeEvent};
use serde::Deserialize;
use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use store::postgres::Pools;
use store::{Position, StoreError, TenantId};
use uuid::Uuid;

/// What names a row of one of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// Of `loyalty_campaigns`.
    Campaign(TenantId, Uuid),
    /// Of `loyalty_campaign_versions`.
    Version(TenantId, Uuid, i32),
    /// Of `loyalty_campaign_members`.
    Member(TenantId, Uuid, Uuid),
}

/// A row of one of the tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// Of `loyalty_campaigns`.
    Campaign(CampaignRow),
    /// Of `loyalty_campaign_versions`.
    Version(Box<VersionRow>),
    /// Of `loyalty_campaign_members`.
    Member(MemberRow),
}

/// What a campaign gave.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Given {
    /// With how many orders.
    pub orders: i64,
    /// How many points, before the caps of the programme.
    pub points: i64,
    /// How many of them refunds took back.
    pub taken_back: i64,
}

/// A row of `loyalty_campaigns`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CampaignRow {
    /// Whose campaign.
    pub tenant: TenantId,
    /// The campaign.
    pub campaign_id: Uuid,
    /// What its last version calls it.
    pub name: String,
    /// The number of that version.
    pub version: i32,
    /// The first business date for which that version holds.
    pub from_on: NaiveDate,
    /// The last business date on which that version gives anything.
    pub until_on: Option<NaiveDate>,
    /// The first business date on which the campaign gives nothing any more, because it was ended.
    pub over_from: Option<NaiveDate>,
    /// What it gave so far.
    pub given: Given,
    /// Position of the event by which it was published first.
    pub position: Position,
}

/// A row of `loyalty_campaign_versions`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRow {
    /// Whose campaign.
    pub tenant: TenantId,
    /// The campaign.
    pub campaign_id: Uuid,
    /// The number, from one.
    pub version: i32,
    /// What it is called.
    pub name: String,
    /// The first business date for which it holds.
    pub from_on: NaiveDate,
    /// The last business date on which it gives anything.
    pub until_on: Option<NaiveDate>,
    /// What it gives.
    pub rules: CampaignRules,
    /// Business date of its publication.
    pub published_on: NaiveDate,
    /// When that was.
    pub published_at: DateTime<Utc>,
    /// Position of the event.
    pub position: Position,
}

/// A row of `loyalty_campaign_members`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemberRow {
    /// Whose campaign.
    pub tenant: TenantId,
    /// The campaign.
    pub campaign_id: Uuid,
    /// The member's account.
    pub account: Uuid,
    /// What it gave to this member so far.
    pub given: Given,
    /// Position of the last event that counted.
    pub position: Position,
}

/// The read model.
#[derive(Debug, Clone, Copy)]
pub struct LoyaltyCampaigns;

impl ReadModel for LoyaltyCampaigns {
    const NAME: &'static str = "loyalty_campaigns";
    const VERSION: i32 = 1;
    const TABLES: &'static [&'static str] =
        &["loyalty_campaigns", "loyalty_campaign_versions", "loyalty_campaign_members"];
    const TABLES_SQL: &'static str = include_str!("loyalty_campaigns/tables.sql");
    const INDEXES_SQL: &'static str = include_str!("loyalty_campaigns/indexes.sql");
    const PERSONAL: &'static [&'static str] = &[];
    const HANDLES: &'static [&'static str] = &[
        "loyalty.campaign.published",
        "loyalty.campaign.ended",
        "loyalty.points.pending",
        "loyalty.points.earned",
        "loyalty.points.reversed",
    ];
    const REVEALS: bool = false;

    type Key = Key;
    type Row = Row;

    fn keys(recorded: &Recorded) -> Vec<Key> {
        let tenant = recorded.tenant;
        match &recorded.event {
            Event::Programme(ProgrammeEvent::CampaignPublished { campaign, version, .. }) => {
                let id = campaign.as_uuid();
                vec![Key::Campaign(tenant, id), Key::Version(tenant, id, version.cast_signed())]
            }
            Event::Programme(ProgrammeEvent::CampaignEnded { campaign, .. }) => {
                vec![Key::Campaign(tenant, campaign.as_uuid())]
            }
            Event::Loyalty(event) => {
                let ids = moved(event).0.iter().map(|points| points.campaign.as_uuid());
                let keys = |id| [Key::Campaign(tenant, id), Key::Member(tenant, id, recorded.stream.id)];
                ids.flat_map(keys).collect()
            }
            Event::Programme(ProgrammeEvent::Published { .. } | ProgrammeEvent::Rehearsed { .. })
            | Event::Customer(_)
            | Event::Credit(_)
            | Event::CreditGroup(_)
            | Event::Access(_) => vec![],
        }
    }

    fn apply(key: &Key, row: Option<Row>, recorded: &Recorded) -> Option<Row> {
        match (key, row, &recorded.event) {
            (Key::Version(..), row, event) => version_of(event, recorded).map(Box::new).map(Row::Version).or(row),
            (Key::Campaign(..), row, Event::Programme(event)) => match row {
                Some(Row::Campaign(row)) => Some(Row::Campaign(row.after(event))),
                _ => begun(event, recorded).map(Row::Campaign),
            },
            (Key::Campaign(_, id), Some(Row::Campaign(mut row)), Event::Loyalty(event)) => {
                row.given.add(event, *id);
                Some(Row::Campaign(row))
            }
            (Key::Member(tenant, campaign_id, account), row, Event::Loyalty(event)) => {
                let mut given = match row {
                    Some(Row::Member(row)) => row.given,
                    _ => Given::default(),
                };
                given.add(event, *campaign_id);
                let (tenant, campaign_id, account, position) = (*tenant, *campaign_id, *account, recorded.position);
                Some(Row::Member(MemberRow { tenant, campaign_id, account, given, position }))
            }
            (Key::Campaign(..) | Key::Member(..), row, _) => row,
        }
    }

    async fn load(conn: &mut PgConnection, keys: &[Key]) -> Result<Rows<Self>, sqlx::Error> {
        let mut rows = Rows::<Self>::new();
        load_campaigns(conn, keys, &mut rows).await?;
        load_members(conn, keys, &mut rows).await?;
        // A version is published once, and never changed: none is there before.
        Ok(rows)
    }

    async fn write(writer: &mut Writer<'_>, changes: &[ChangeOf<Self>]) -> Result<(), sqlx::Error> {
        writer.put(made(changes).filter_map(Row::campaign)).await?;
        writer.put(made(changes).filter_map(Row::version)).await?;
        writer.put(made(changes).filter_map(Row::member)).await
    }
}

/// What campaigns gave with a purchase, or what was taken back of it. Points that vest were given before.
fn moved(event: &LoyaltyEvent) -> (&[CampaignPoints], Moved) {
    if let LoyaltyEvent::PointsReversed { campaigns, .. } = event {
        return (campaigns, Moved::TakenBack);
    }
    let (LoyaltyEvent::PointsPending { campaigns, .. }
    | LoyaltyEvent::PointsEarned { campaigns, pending_since: None, .. }) = event
    else {
        return (&[], Moved::Given);
    };
    (campaigns, Moved::Given)
}

#[derive(Clone, Copy)]
enum Moved {
    Given,
    TakenBack,
}

impl Given {
    /// Whatever was stored makes a sum: it stops at the largest number.
    fn add(&mut self, event: &LoyaltyEvent, campaign: Uuid) {
        let (campaigns, moved) = moved(event);
        for points in campaigns.iter().filter(|points| points.campaign.as_uuid() == campaign) {
            match moved {
                Moved::Given => {
                    self.orders = self.orders.saturating_add(1);
                    self.points = self.points.saturating_add(points.points);
                }
                Moved::TakenBack => self.taken_back = self.taken_back.saturating_add(points.points),
            }
        }
    }
}

fn begun(event: &ProgrammeEvent, recorded: &Recorded) -> Option<CampaignRow> {
    let ProgrammeEvent::CampaignPublished { campaign, version, name, from, until, .. } = event else { return None };
    Some(CampaignRow {
        tenant: recorded.tenant,
        campaign_id: campaign.as_uuid(),
        name: name.as_str().to_owned(),
        version: version.cast_signed(),
        from_on: *from,
        until_on: *until,
        over_from: None,
        given: Given::default(),
        position: recorded.position,
    })
}

fn version_of(event: &Event, recorded: &Recorded) -> Option<VersionRow> {
    let Event::Programme(event) = event else { return None };
    let ProgrammeEvent::CampaignPublished { campaign, version, name, rules, from, until, published_on } = event else {
        return None;
    };
    Some(VersionRow {
        tenant: recorded.tenant,
        campaign_id: campaign.as_uuid(),
        version: version.cast_signed(),
        name: name.as_str().to_owned(),
        from_on: *from,
        until_on: *until,
        rules: rules.clone(),
        published_on: *published_on,
        published_at: recorded.occurred_at,
        position: recorded.position,
    })
}

impl CampaignRow {
    fn after(self, event: &ProgrammeEvent) -> Self {
        match event {
            ProgrammeEvent::CampaignPublished { version, name, from, until, .. } => Self {
                name: name.as_str().to_owned(),
                version: version.cast_signed(),
                from_on: *from,
                until_on: *until,
                ..self
            },
            ProgrammeEvent::CampaignEnded { on, .. } => Self { over_from: Some(*on), ..self },
            ProgrammeEvent::Published { .. } | ProgrammeEvent::Rehearsed { .. } => self,
        }
    }
}

impl Row {
    const fn campaign(&self) -> Option<&CampaignRow> {
        if let Self::Campaign(row) = self { Some(row) } else { None }
    }

    fn version(&self) -> Option<&VersionRow> {
        if let Self::Version(row) = self { Some(row) } else { None }
    }

    const fn member(&self) -> Option<&MemberRow> {
        if let Self::Member(row) = self { Some(row) } else { None }
    }
}

async fn load_campaigns(
    conn: &mut PgConnection,
    keys: &[Key],
    rows: &mut Rows<LoyaltyCampaigns>,
) -> Result<(), sqlx::Error> {
    let wanted = keys.iter().filter_map(|key| match key {
        Key::Campaign(tenant, id) => Some((tenant.0, *id)),
        Key::Version(..) | Key::Member(..) => None,
    });
    let (tenants, ids): (Vec<i32>, Vec<Uuid>) = wanted.unzip();
    let query = sqlx::query(include_str!("loyalty_campaigns/load_campaigns.sql")).bind(tenants).bind(ids);
    for row in query.fetch_all(conn).await? {
        let row = read_campaign(&row)?;
        rows.insert(Key::Campaign(row.tenant, row.campaign_id), Row::Campaign(row));
    }
    Ok(())
}

async fn load_members(
    conn: &mut PgConnection,
    keys: &[Key],
    rows: &mut Rows<LoyaltyCampaigns>,
) -> Result<(), sqlx::Error> {
    let (mut tenants, mut ids, mut accounts) = (Vec::new(), Vec::new(), Vec::new());
    for key in keys {
        if let Key::Member(tenant, id, account) = key {
            tenants.push(tenant.0);
            ids.push(*id);
            accounts.push(*account);
        }
    }
    if tenants.is_empty() {
        return Ok(());
    }
    let query = sqlx::query(include_str!("loyalty_campaigns/load_members.sql")).bind(tenants).bind(ids).bind(accounts);
    for row in query.fetch_all(conn).await? {
        let row = read_member(&row)?;
        rows.insert(Key::Member(row.tenant, row.campaign_id, row.account), Row::Member(row));
    }
    Ok(())
}

fn read_given(row: &PgRow) -> Result<Given, sqlx::Error> {
    Ok(Given {
        orders: get(row, "orders")?,
        points: get(row, "points_given")?,
        taken_back: get(row, "points_taken_back")?,
    })
}

fn read_campaign(row: &PgRow) -> Result<CampaignRow, sqlx::Error> {
    Ok(CampaignRow {
        tenant: TenantId(get(row, "tenant")?),
        campaign_id: get(row, "campaign_id")?,
        name: get(row, "name")?,
        version: get(row, "version")?,
        from_on: get(row, "from_on")?,
        until_on: get(row, "until_on")?,
        over_from: get(row, "over_from")?,
        given: read_given(row)?,
        position: Position(get(row, "position")?),
    })
}

fn read_member(row: &PgRow) -> Result<MemberRow, sqlx::Error> {
    Ok(MemberRow {
        tenant: TenantId(get(row, "tenant")?),
        campaign_id: get(row, "campaign_id")?,
        account: get(row, "account")?,
        given: read_given(row)?,
        position: Position(get(row, "position")?),
    })
}

impl TableRow for CampaignRow {
    const TABLE: &'static str = "loyalty_campaigns";

    fn put(&self, to: &mut Columns) {
        to.put("tenant", self.tenant.0)
            .put("campaign_id", self.campaign_id)
            .put("name", self.name.as_str())
            .put("version", self.version)
            .put("from_on", self.from_on)
            .put("until_on", self.until_on)
            .put("over_from", self.over_from)
            .put("orders", self.given.orders)
            .put("points_given", self.given.points)
            .put("points_taken_back", self.given.taken_back)
            .put("position", self.position.0);
    }
}

impl TableRow for VersionRow {
    const TABLE: &'static str = "loyalty_campaign_versions";

    fn put(&self, to: &mut Columns) {
        to.put("tenant", self.tenant.0)
            .put("campaign_id", self.campaign_id)
            .put("version", self.version)
            .put("name", self.name.as_str())
            .put("from_on", self.from_on)
            .put("until_on", self.until_on)
            .put("rules", Json(&self.rules))
            .put("published_on", self.published_on)
            .put("published_at", self.published_at)
            .put("position", self.position.0);
    }
}

impl TableRow for MemberRow {
    const TABLE: &'static str = "loyalty_campaign_members";

    fn put(&self, to: &mut Columns) {
        to.put("tenant", self.tenant.0)
            .put("campaign_id", self.campaign_id)
            .put("account", self.account)
            .put("orders", self.given.orders)
            .put("points_given", self.given.points)
            .put("points_taken_back", self.given.taken_back)
            .put("position", self.position.0);
    }
}

/// A version of a campaign, as a query tells it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct KnownVersion {
    /// The number, from one.
    pub version: i32,
    /// What it is called.
    pub name: String,
    /// The first business date for which it holds.
    pub from_on: NaiveDate,
    /// The last business date on which it gives anything.
    pub until_on: Option<NaiveDate>,
    /// What it gives.
    pub rules: CampaignRules,
    /// Business date of its publication.
    pub published_on: NaiveDate,
}

/// A campaign, by one of its versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownCampaign {
    /// The campaign.
    pub campaign_id: Uuid,
    /// The version that was asked for, or the last one.
    pub version: KnownVersion,
    /// The first business date on which it gives nothing any more, because it was ended.
    pub over_from: Option<NaiveDate>,
    /// What it gave so far.
    pub given: Given,
}

/// A campaign with all its versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CampaignStory {
    /// By its last version.
    pub campaign: KnownCampaign,
    /// To how many members it gave something.
    pub members: i64,
    /// The first one first.
    pub versions: Vec<KnownVersion>,
}

/// The campaigns that give something on a business date, by the versions that do, or all by their last versions; the newest first.
///
/// # Errors
/// When the database is away, or a row makes no sense.
pub async fn list(
    pools: &Pools,
    tenant: TenantId,
    on: Option<NaiveDate>,
    back: Back,
) -> Result<AsOf<Page<KnownCampaign>>, StoreError> {
    let query =
        sqlx::query(include_str!("loyalty_campaigns/page.sql")).bind(back.before.0).bind(back.fetched()).bind(on);
    let found = pools.request.fetch_all(tenant, query).await.map_err(failed("loyalty_campaigns"))?;
    page(&found, back, read_known).map_err(failed("loyalty_campaigns"))
}

/// A campaign with its versions.
///
/// # Errors
/// When the database is away, or a row makes no sense.
pub async fn find(pools: &Pools, tenant: TenantId, campaign: Uuid) -> Result<Option<AsOf<CampaignStory>>, StoreError> {
    let query = sqlx::query(include_str!("loyalty_campaigns/find.sql")).bind(campaign);
    let found = pools.request.fetch_optional(tenant, query).await.map_err(failed("loyalty_campaigns"))?;
    found.map(|row| read_story(&row)).transpose().map_err(failed("loyalty_campaigns"))
}

fn read_known(row: &PgRow) -> Result<KnownCampaign, sqlx::Error> {
    let Json(rules) = get(row, "rules")?;
    let version = KnownVersion {
        version: get(row, "version")?,
        name: get(row, "name")?,
        from_on: get(row, "from_on")?,
        until_on: get(row, "until_on")?,
        rules,
        published_on: get(row, "published_on")?,
    };
    Ok(KnownCampaign {
        campaign_id: get(row, "campaign_id")?,
        version,
        over_from: get(row, "over_from")?,
        given: read_given(row)?,
    })
}

fn read_story(row: &PgRow) -> Result<AsOf<CampaignStory>, sqlx::Error> {
    let Json(versions) = get(row, "versions")?;
    let story = CampaignStory { campaign: read_known(row)?, members: get(row, "members")?, versions };
    Ok(AsOf { value: story, position: Position(get(row, "as_of")?) })
}

#[cfg(test)]
mod tests;
