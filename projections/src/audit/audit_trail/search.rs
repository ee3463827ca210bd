//! Searches of the audit trail: the newest events first, at a bounded cost for each page.
//!
//! Each condition has an index that holds its events in order; so one condition is the way through it. Of several one leads, the one
//! that the fewest events meet. A bounded number of its events is looked at for one page, which may be shorter for it, even empty,
//! and says where to go on.

use super::{AuditRow, read};
use crate::query::{AsOf, Page, failed, get, listed};
use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::{Postgres, QueryBuilder};
use store::postgres::Pools;
use store::{Position, StoreError, TenantId};
use uuid::Uuid;

/// Events that are looked at for one page when they must meet other conditions too.
const LOOKED_AT_MAX: i64 = 2_000;

/// Which events are looked for. What is not set excludes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// Caused by this actor.
    pub actor: Option<String>,
    /// Caused by this request.
    pub request: Option<String>,
    /// Set off by this outside occasion.
    pub correlation: Option<String>,
    /// Directly caused by this event.
    pub causation: Option<String>,
    /// By this door.
    pub via: Option<&'static str>,
    /// About this order.
    pub order: Option<String>,
    /// On this customer's timeline.
    pub customer: Option<Uuid>,
    /// In this stream: category and id.
    pub stream: Option<String>,
    /// Of one of these types.
    pub types: Option<Vec<&'static str>>,
    /// Written into the log from this moment on.
    pub from: Option<DateTime<Utc>>,
    /// Written into the log before this moment.
    pub to: Option<DateTime<Utc>>,
}

/// A place in the list. Times stand first, so that a search within a range begins where the range does; positions tell events of the
/// same batch apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditPlace {
    /// When the event was appended.
    pub recorded_at: DateTime<Utc>,
    /// Its position.
    pub position: Position,
}

/// What an event must meet; each has its index.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Condition {
    Request(String),
    Causation(String),
    Order(String),
    Correlation(String),
    Stream(String),
    Customer(Uuid),
    Actor(String),
    Types(Vec<&'static str>),
    Via(&'static str),
}

impl Condition {
    fn push(&self, sql: &mut QueryBuilder<Postgres>) {
        match self {
            Self::Request(request) => sql.push(" and request_id = ").push_bind(request.clone()),
            Self::Causation(event) => sql.push(" and causation_id = ").push_bind(event.clone()),
            Self::Order(order) => sql.push(" and order_id = ").push_bind(order.clone()),
            Self::Correlation(occasion) => sql.push(" and correlation_id = ").push_bind(occasion.clone()),
            Self::Via(door) => sql.push(" and via = ").push_bind(*door),
            Self::Stream(stream) => sql.push(" and stream = ").push_bind(stream.clone()),
            Self::Customer(customer) => sql.push(" and customer_id = ").push_bind(*customer),
            Self::Actor(actor) => sql.push(" and actor = ").push_bind(actor.clone()),
            Self::Types(types) => match types.as_slice() {
                [one] => sql.push(" and event_type = ").push_bind(*one),
                some => sql.push(" and event_type = any(").push_bind(some.to_vec()).push(")"),
            },
        };
    }
}

/// Within which times, and behind which place.
#[derive(Debug, Clone, Copy)]
struct Range {
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
    before: Option<AuditPlace>,
}

impl Range {
    fn push(self, sql: &mut QueryBuilder<Postgres>) {
        if let Some(from) = self.from {
            sql.push(" and recorded_at >= ").push_bind(from);
        }
        // One end of the range, not two: the index is entered there.
        match (self.before, self.to) {
            (Some(place), to) if to.is_none_or(|to| place.recorded_at < to) => {
                sql.push(" and (recorded_at, position) < (").push_bind(place.recorded_at);
                sql.push(", ").push_bind(place.position.0).push(")");
            }
            (_, Some(to)) => {
                sql.push(" and recorded_at < ").push_bind(to);
            }
            (_, None) => {}
        }
    }
}

impl Search {
    /// What is asked for beside the times; what mostly leads to fewer events stands before.
    fn conditions(self) -> Vec<Condition> {
        let Self { actor, request, correlation, causation, via, order, customer, stream, types, from: _, to: _ } = self;
        [
            request.map(Condition::Request),
            causation.map(Condition::Causation),
            order.map(Condition::Order),
            correlation.map(Condition::Correlation),
            stream.map(Condition::Stream),
            customer.map(Condition::Customer),
            actor.map(Condition::Actor),
            types.map(Condition::Types),
            via.map(Condition::Via),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// The events that are looked for, those written last first: after a place, or from the newest one on.
///
/// # Errors
/// When the database is away, or a row makes no sense.
pub async fn search(
    pools: &Pools,
    tenant: TenantId,
    search: Search,
    before: Option<AuditPlace>,
    limit: usize,
) -> Result<AsOf<Page<AuditRow, AuditPlace>>, StoreError> {
    let range = Range { from: search.from, to: search.to, before };
    let mut conditions = search.conditions();
    if conditions.len() > 1 {
        let mut counted = rarest(&conditions, range);
        let found = pools.request.fetch_optional(tenant, counted.build()).await.map_err(failed("audit_trail"))?;
        let rarest: i32 = found.map_or(Ok(0), |row| get(&row, "place")).map_err(failed("audit_trail"))?;
        conditions.rotate_left(usize::try_from(rarest).unwrap_or_default());
    }
    let mut statement = statement(&conditions, range, limit);
    let found = pools.request.fetch_all(tenant, statement.build()).await.map_err(failed("audit_trail"))?;
    read_page(&found, limit).map_err(failed("audit_trail"))
}

fn read_page(found: &[PgRow], limit: usize) -> Result<AsOf<Page<AuditRow, AuditPlace>>, sqlx::Error> {
    let place = |row: &PgRow| {
        Ok(AuditPlace { recorded_at: get(row, "recorded_at")?, position: Position(get(row, "position")?) })
    };
    let mut page = listed(found, limit, read, place)?;
    if let (None, Some(first)) = (&page.value.next, found.first()) {
        let last_looked_at: Option<DateTime<Utc>> = get(first, "last_recorded_at")?;
        let position: Option<i64> = get(first, "last_position")?;
        let last = last_looked_at.zip(position);
        page.value.next = last.map(|(recorded_at, position)| AuditPlace { recorded_at, position: Position(position) });
    }
    Ok(page)
}

/// Which condition the fewest events meet; none is counted further than is looked at for a page.
fn rarest(conditions: &[Condition], range: Range) -> QueryBuilder<Postgres> {
    let mut sql = QueryBuilder::new("select place from (");
    for (place, condition) in conditions.iter().enumerate() {
        sql.push(if place == 0 { "" } else { " union all " });
        sql.push(format!("select {place} as place, (select count(*) from ("));
        walk(&mut sql, Some(condition), range, LOOKED_AT_MAX);
        sql.push(") first_ones) as events");
    }
    sql.push(") counted order by events, place limit 1");
    sql
}

/// The first condition leads. Only the conditions that are set: a statement for each kind of search, so that each is planned for its
/// index.
fn statement(conditions: &[Condition], range: Range, limit: usize) -> QueryBuilder<Postgres> {
    let fetched = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let (leader, others) = match conditions {
        [] => (None, conditions),
        [leader, others @ ..] => (Some(leader), others),
    };
    let mut sql = QueryBuilder::new("with looked as materialized (");
    walk(&mut sql, leader, range, if others.is_empty() { fetched } else { LOOKED_AT_MAX });
    // The left joins keep the row that says which position an empty page reflects, and where it goes on.
    sql.push(
        ") select p.position as as_of, l.recorded_at as last_recorded_at, l.position as last_position, a.* \
         from projection_positions p left join (select recorded_at, position from looked \
         order by recorded_at desc, position desc limit 1 offset ",
    );
    sql.push_bind(LOOKED_AT_MAX - 1).push(") l on true left join (select * from looked where true");
    others.iter().for_each(|condition| condition.push(&mut sql));
    sql.push(" order by recorded_at desc, position desc limit ").push_bind(fetched);
    sql.push(") a on true where p.projector = 'audit_trail' order by a.recorded_at desc, a.position desc");
    sql
}

/// The first so many events of the range that meet a condition.
fn walk(sql: &mut QueryBuilder<Postgres>, leader: Option<&Condition>, range: Range, most: i64) {
    const IN_ORDER: &str = " order by recorded_at desc, position desc limit ";
    match leader {
        // Each type has its rows in order in the index, several together have not: as many of each, then merged.
        Some(Condition::Types(types)) if types.len() > 1 => {
            sql.push("select e.* from unnest(").push_bind(types.clone());
            sql.push(") of_type (name) cross join lateral (select * from audit_trail where event_type = of_type.name");
            range.push(sql);
            sql.push(IN_ORDER).push_bind(most).push(") e order by e.recorded_at desc, e.position desc limit ");
        }
        leader => {
            sql.push("select * from audit_trail where true");
            if let Some(condition) = leader {
                condition.push(sql);
            }
            range.push(sql);
            sql.push(IN_ORDER);
        }
    }
    sql.push_bind(most);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sql(search: Search, before: Option<AuditPlace>) -> String {
        let range = Range { from: search.from, to: search.to, before };
        statement(&search.conditions(), range, 2).sql().as_str().to_owned()
    }

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_search_asks_for_what_was_given_and_nothing_else() {
        let plain = sql(Search::default(), None);
        assert!(
            plain.contains("(select * from audit_trail where true order by recorded_at desc, position desc limit $1)"),
            "{plain}"
        );
        let all = Search {
            actor: Some("cli".to_owned()),
            request: Some("req-1".to_owned()),
            correlation: Some("trace-1".to_owned()),
            causation: Some("customer-1/7".to_owned()),
            via: Some("http"),
            order: Some("order-7".to_owned()),
            customer: Some(Uuid::from_u128(1)),
            stream: Some("customer-1".to_owned()),
            types: Some(vec!["customer.created"]),
            from: Some(time("2026-01-10T00:00:00Z")),
            to: Some(time("2026-01-11T00:00:00Z")),
        };
        let all = sql(all, None);
        let walked = "from audit_trail where true and request_id = $1 and recorded_at >= $2 and recorded_at < $3 \
                      order by recorded_at desc, position desc limit $4";
        let others = "and causation_id = $6 and order_id = $7 and correlation_id = $8 and stream = $9 \
                      and customer_id = $10 and actor = $11 and event_type = $12 and via = $13";
        assert!(all.contains(walked) && all.contains(others), "{all}");
    }

    #[test]
    fn several_types_are_read_one_by_one_unless_something_else_leads() {
        let types = Some(vec!["customer.created", "loyalty.points.earned"]);
        let some = sql(Search { types: types.clone(), ..Search::default() }, None);
        assert!(some.contains("unnest($1) of_type (name)") && some.contains("event_type = of_type.name"), "{some}");
        let of_actor = sql(Search { types, actor: Some("cli".to_owned()), ..Search::default() }, None);
        assert!(
            of_actor.contains("where true and actor = $1") && of_actor.contains("event_type = any($4)"),
            "{of_actor}"
        );
    }

    #[test]
    fn a_search_ends_at_its_end_or_at_its_place_whichever_comes_first() {
        let place = |text: &str| Some(AuditPlace { recorded_at: time(text), position: Position(9) });
        let to = Some(time("2026-01-11T00:00:00Z"));
        let within = sql(Search { to, ..Search::default() }, place("2026-01-10T00:00:00Z"));
        assert!(within.contains("(recorded_at, position) < ($1, $2)") && !within.contains("recorded_at <"), "{within}");
        let outside = sql(Search { to, ..Search::default() }, place("2026-01-11T00:00:00Z"));
        assert!(outside.contains("recorded_at < $1") && !outside.contains("(recorded_at, position)"), "{outside}");
    }
}
