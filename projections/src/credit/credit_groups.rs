//! Tables `credit_groups` and `credit_group_members`: lines of credit that share a limit, and what each takes of it.
//!
//! What all take together is summed up by the query: so a use of a line touches the row of that line only.

use crate::query::{AsOf, Page, failed, get, lowest_position, word};
use crate::read_model::{ChangeOf, ReadModel, Recorded, Rows, made};
use crate::tables::{Columns, TableRow, Writer};
use chrono::NaiveDate;
use domain::credit::events::CreditGroupEvent;
use domain::ids::CreditLineId;
use domain::{Currency, Event, Money};
use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use store::postgres::Pools;
use store::{Position, StoreError, TenantId};
use uuid::Uuid;

/// What names a row of one of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// Of `credit_groups`.
    Group(Uuid),
    /// Of `credit_group_members`: the group and the line.
    Member(Uuid, Uuid),
}

/// A row of one of the tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// Of `credit_groups`.
    Group(GroupRow),
    /// Of `credit_group_members`.
    Member(MemberRow),
}

/// A row of `credit_groups`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupRow {
    /// The group.
    pub group: Uuid,
    /// Whose business it is.
    pub tenant: TenantId,
    /// The customer that the others belong to.
    pub parent: Uuid,
    /// What all may use together.
    pub limit: Money,
    /// Business date on which it was formed.
    pub formed_on: NaiveDate,
    /// Business date on which it was dissolved.
    pub dissolved_on: Option<NaiveDate>,
    /// Position of its first event: the order in which groups are listed.
    pub created_position: Position,
    /// Position of the last event that changed the group itself.
    pub position: Position,
}

/// A row of `credit_group_members`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemberRow {
    /// The group.
    pub group: Uuid,
    /// The line.
    pub line: Uuid,
    /// Whose business it is.
    pub tenant: TenantId,
    /// Whose line it is.
    pub customer: Uuid,
    /// What it takes of the limit; nothing once it has left.
    pub exposure: Money,
    /// Business date on which it joined last.
    pub joined_on: NaiveDate,
    /// Business date on which it left.
    pub left_on: Option<NaiveDate>,
    /// Position of its last event.
    pub position: Position,
}

/// The read model.
#[derive(Debug, Clone, Copy)]
pub struct CreditGroups;

impl ReadModel for CreditGroups {
    const NAME: &'static str = "credit_groups";
    const VERSION: i32 = 1;
    const TABLES: &'static [&'static str] = &["credit_groups", "credit_group_members"];
    const TABLES_SQL: &'static str = include_str!("credit_groups/tables.sql");
    const INDEXES_SQL: &'static str = include_str!("credit_groups/indexes.sql");
    const PERSONAL: &'static [&'static str] = &[];
    const HANDLES: &'static [&'static str] = CreditGroupEvent::TYPES;
    const REVEALS: bool = false;

    type Key = Key;
    type Row = Row;

    fn keys(recorded: &Recorded) -> Vec<Key> {
        use CreditGroupEvent as E;
        let group = recorded.stream.id;
        let member = |line: &CreditLineId| vec![Key::Member(group, line.as_uuid())];
        match &recorded.event {
            Event::CreditGroup(event) => match event {
                E::Formed { .. } | E::LimitChanged { .. } | E::Dissolved { .. } => vec![Key::Group(group)],
                E::MemberAdded { line, .. } | E::MemberRemoved { line, .. } | E::ExposureChanged { line, .. } => {
                    member(line)
                }
            },
            Event::Customer(_) | Event::Loyalty(_) | Event::Programme(_) | Event::Credit(_) | Event::Access(_) => {
                vec![]
            }
        }
    }

    fn apply(key: &Key, row: Option<Row>, recorded: &Recorded) -> Option<Row> {
        let Event::CreditGroup(event) = &recorded.event else { return row };
        match (key, row) {
            (Key::Group(group), row) => of_group(*group, row.and_then(|row| row.group().copied()), event, recorded),
            (Key::Member(group, _), row) => {
                of_member(*group, row.and_then(|row| row.member().copied()), event, recorded)
            }
        }
    }

    async fn load(conn: &mut PgConnection, keys: &[Key]) -> Result<Rows<Self>, sqlx::Error> {
        let mut rows = Rows::<Self>::new();
        load_groups(conn, keys, &mut rows).await?;
        load_members(conn, keys, &mut rows).await?;
        Ok(rows)
    }

    async fn write(writer: &mut Writer<'_>, changes: &[ChangeOf<Self>]) -> Result<(), sqlx::Error> {
        writer.put(made(changes).filter_map(Row::group)).await?;
        writer.put(made(changes).filter_map(Row::member)).await
    }
}

fn of_group(group: Uuid, row: Option<GroupRow>, event: &CreditGroupEvent, recorded: &Recorded) -> Option<Row> {
    use CreditGroupEvent as E;
    let position = recorded.position;
    let row = match (event, row) {
        (E::Formed { parent, limit, on }, row) => GroupRow {
            group,
            tenant: recorded.tenant,
            parent: parent.as_uuid(),
            limit: *limit,
            formed_on: *on,
            dissolved_on: None,
            created_position: row.map_or(position, |row| row.created_position),
            position,
        },
        (E::LimitChanged { to, .. }, Some(row)) => GroupRow { limit: *to, position, ..row },
        (E::Dissolved { on }, Some(row)) => GroupRow { dissolved_on: Some(*on), position, ..row },
        (E::MemberAdded { .. } | E::MemberRemoved { .. } | E::ExposureChanged { .. }, row) => row?,
        (E::LimitChanged { .. } | E::Dissolved { .. }, None) => return None,
    };
    Some(Row::Group(row))
}

fn of_member(group: Uuid, row: Option<MemberRow>, event: &CreditGroupEvent, recorded: &Recorded) -> Option<Row> {
    use CreditGroupEvent as E;
    let position = recorded.position;
    let row = match (event, row) {
        (E::MemberAdded { line, customer, exposure, on }, _) => MemberRow {
            group,
            line: line.as_uuid(),
            tenant: recorded.tenant,
            customer: customer.as_uuid(),
            exposure: *exposure,
            joined_on: *on,
            left_on: None,
            position,
        },
        (E::MemberRemoved { on, .. }, Some(row)) => {
            MemberRow { exposure: Money::zero(row.exposure.currency()), left_on: Some(*on), position, ..row }
        }
        (E::ExposureChanged { exposure, .. }, Some(row)) if row.left_on.is_none() => {
            MemberRow { exposure: *exposure, position, ..row }
        }
        (
            E::ExposureChanged { .. }
            | E::MemberRemoved { .. }
            | E::Formed { .. }
            | E::LimitChanged { .. }
            | E::Dissolved { .. },
            row,
        ) => row?,
    };
    Some(Row::Member(row))
}

impl Row {
    const fn group(&self) -> Option<&GroupRow> {
        if let Self::Group(row) = self { Some(row) } else { None }
    }

    const fn member(&self) -> Option<&MemberRow> {
        if let Self::Member(row) = self { Some(row) } else { None }
    }
}

async fn load_groups(conn: &mut PgConnection, keys: &[Key], rows: &mut Rows<CreditGroups>) -> Result<(), sqlx::Error> {
    let wanted = keys.iter().filter_map(|key| match key {
        Key::Group(group) => Some(*group),
        Key::Member(..) => None,
    });
    let wanted: Vec<Uuid> = wanted.collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let query = sqlx::query("select * from credit_groups where group_id = any($1)").bind(wanted);
    for row in query.fetch_all(conn).await? {
        let row = read_group(&row)?;
        rows.insert(Key::Group(row.group), Row::Group(row));
    }
    Ok(())
}

async fn load_members(conn: &mut PgConnection, keys: &[Key], rows: &mut Rows<CreditGroups>) -> Result<(), sqlx::Error> {
    let wanted = keys.iter().filter_map(|key| match key {
        Key::Group(_) => None,
        Key::Member(group, line) => Some((*group, *line)),
    });
    let (groups, lines): (Vec<Uuid>, Vec<Uuid>) = wanted.unzip();
    if groups.is_empty() {
        return Ok(());
    }
    let sql = concat!(
        "select * from credit_group_members ",
        "join unnest($1::uuid[], $2::uuid[]) as wanted (group_id, line_id) using (group_id, line_id)"
    );
    for row in sqlx::query(sql).bind(groups).bind(lines).fetch_all(conn).await? {
        let row = read_member(&row)?;
        rows.insert(Key::Member(row.group, row.line), Row::Member(row));
    }
    Ok(())
}

fn money(row: &PgRow, column: &'static str) -> Result<Money, sqlx::Error> {
    let minor = get(row, column)?;
    word(row, "currency", |code| Money::from_minor(minor, Currency::parse(code).ok()?).ok())
}

fn read_group(row: &PgRow) -> Result<GroupRow, sqlx::Error> {
    Ok(GroupRow {
        group: get(row, "group_id")?,
        tenant: TenantId(get(row, "tenant")?),
        parent: get(row, "parent_id")?,
        limit: money(row, "limit_minor")?,
        formed_on: get(row, "formed_on")?,
        dissolved_on: get(row, "dissolved_on")?,
        created_position: Position(get(row, "created_position")?),
        position: Position(get(row, "position")?),
    })
}

fn read_member(row: &PgRow) -> Result<MemberRow, sqlx::Error> {
    Ok(MemberRow {
        group: get(row, "group_id")?,
        line: get(row, "line_id")?,
        tenant: TenantId(get(row, "tenant")?),
        customer: get(row, "customer_id")?,
        exposure: money(row, "exposure_minor")?,
        joined_on: get(row, "joined_on")?,
        left_on: get(row, "left_on")?,
        position: Position(get(row, "position")?),
    })
}

impl TableRow for GroupRow {
    const TABLE: &'static str = "credit_groups";

    fn put(&self, to: &mut Columns) {
        to.put("group_id", self.group)
            .put("tenant", self.tenant.0)
            .put("parent_id", self.parent)
            .put("currency", self.limit.currency().code().to_owned())
            .put("limit_minor", self.limit.minor())
            .put("formed_on", self.formed_on)
            .put("dissolved_on", self.dissolved_on)
            .put("created_position", self.created_position.0)
            .put("position", self.position.0);
    }
}

impl TableRow for MemberRow {
    const TABLE: &'static str = "credit_group_members";

    fn put(&self, to: &mut Columns) {
        to.put("group_id", self.group)
            .put("line_id", self.line)
            .put("tenant", self.tenant.0)
            .put("customer_id", self.customer)
            .put("currency", self.exposure.currency().code().to_owned())
            .put("exposure_minor", self.exposure.minor())
            .put("joined_on", self.joined_on)
            .put("left_on", self.left_on)
            .put("position", self.position.0);
    }
}

/// A group as a list shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupStanding {
    /// The group.
    pub group: GroupRow,
    /// How many lines share its limit.
    pub members: i64,
    /// What all take of it.
    pub exposure_minor: i64,
}

impl GroupStanding {
    /// What is left; below zero when more was taken, nothing once it is dissolved.
    #[must_use]
    pub const fn available_minor(&self) -> i64 {
        match self.group.dissolved_on {
            Some(_) => 0,
            None => self.group.limit.minor().saturating_sub(self.exposure_minor),
        }
    }
}

/// A group with its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupStory {
    /// The group.
    pub standing: GroupStanding,
    /// The lines that share its limit, those that joined first before the others.
    pub members: Vec<MemberRow>,
}

/// A group with its lines.
///
/// # Errors
/// When the database is away, or a row makes no sense.
pub async fn find(pools: &Pools, tenant: TenantId, group: Uuid) -> Result<Option<AsOf<GroupStory>>, StoreError> {
    let position = lowest_position(pools, tenant, &["credit_groups"]).await?;
    let query = sqlx::query(include_str!("credit_groups/find.sql")).bind(group);
    let found = pools.request.fetch_optional(tenant, query).await.map_err(failed("credit_groups"))?;
    let Some(standing) = found.map(|row| standing(&row)).transpose().map_err(failed("credit_groups"))? else {
        return Ok(None);
    };
    let query = sqlx::query(include_str!("credit_groups/members.sql")).bind(group);
    let found = pools.request.fetch_all(tenant, query).await.map_err(failed("credit_group_members"))?;
    let members = found.iter().map(read_member).collect::<Result<Vec<_>, _>>();
    let members = members.map_err(failed("credit_group_members"))?;
    // Members that changed between the two queries are counted as they are listed.
    let exposure_minor = members.iter().fold(0_i64, |sum, member| sum.saturating_add(member.exposure.minor()));
    let count = i64::try_from(members.len()).unwrap_or(i64::MAX);
    let standing = GroupStanding { members: count, exposure_minor, ..standing };
    Ok(Some(AsOf { value: GroupStory { standing, members }, position }))
}

/// The groups, or those of a parent, the oldest first, behind a place in the list.
///
/// # Errors
/// When the database is away, or a row makes no sense.
pub async fn list(
    pools: &Pools,
    tenant: TenantId,
    parent: Option<Uuid>,
    (after, limit): (Position, usize),
) -> Result<AsOf<Page<GroupStanding>>, StoreError> {
    let position = lowest_position(pools, tenant, &["credit_groups"]).await?;
    let fetched = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let query = match parent {
        None => sqlx::query(include_str!("credit_groups/all.sql")).bind(after.0).bind(fetched),
        Some(parent) => {
            sqlx::query(include_str!("credit_groups/of_parent.sql")).bind(after.0).bind(fetched).bind(parent)
        }
    };
    let found = pools.request.fetch_all(tenant, query).await.map_err(failed("credit_groups"))?;
    let shown = found.iter().take(limit).map(standing).collect::<Result<Vec<_>, _>>();
    let rows = shown.map_err(failed("credit_groups"))?;
    let next = rows.last().filter(|_| found.len() > rows.len()).map(|last| last.group.created_position);
    Ok(AsOf { value: Page { rows, next }, position })
}

fn standing(row: &PgRow) -> Result<GroupStanding, sqlx::Error> {
    Ok(GroupStanding {
        group: read_group(row)?,
        members: get(row, "members")?,
        exposure_minor: get(row, "exposure_minor")?,
    })
}

#[cfg(test)]
mod tests;
