//! Forgetting persons, in the append that says so: who is one person with whom, whose key is destroyed, what goes with it.
//!
//! Keys, claims and snapshots go in the transaction of the events. What nodes hold in memory goes when they see the event
//! ([`super::tail`]); what lies ready for a reader then is looked at once more as it is handed over ([`super::sealing`]).

use super::sealing::Subject;
use crate::{AppendError, AppendRequest, RecordedEvent, StoreError, TenantId};
use sqlx::{PgConnection, PgPool};
use std::collections::{BTreeSet, HashMap};
use uuid::Uuid;

/// Who is one person with whom, as far as a batch has to know.
#[derive(Debug, Default)]
pub(super) struct Links(HashMap<Subject, BTreeSet<Uuid>>);

impl Links {
    pub(super) fn add(&mut self, tenant: TenantId, (one, other): (Uuid, Uuid)) {
        self.0.entry((tenant, one)).or_default().insert(other);
        self.0.entry((tenant, other)).or_default().insert(one);
    }

    /// All who are one person with somebody who is to be erased, and are not to be erased.
    fn left_out(&self, tenant: TenantId, erases: &[Uuid]) -> Option<Uuid> {
        let mut seen: BTreeSet<Uuid> = erases.iter().copied().collect();
        let mut next: Vec<Uuid> = erases.to_vec();
        while let Some(subject) = next.pop() {
            for other in self.0.get(&(tenant, subject)).into_iter().flatten() {
                if seen.insert(*other) {
                    return Some(*other);
                }
            }
        }
        None
    }

    /// Whether a request erases whole persons.
    pub(super) fn check(&self, request: &AppendRequest) -> Result<(), AppendError> {
        match self.left_out(request.tenant, &request.subjects.erases) {
            Some(other) => Err(AppendError::MoreLinked(other)),
            None => Ok(()),
        }
    }
}

/// The subjects whose links a batch must know: of persons to be erased, and of those who become one with them meanwhile.
pub(super) fn wanted<'a>(requests: impl Iterator<Item = &'a AppendRequest> + Clone) -> Vec<Subject> {
    if requests.clone().all(|request| request.subjects.erases.is_empty()) {
        return Vec::new();
    }
    let ends = requests.flat_map(|request| {
        let linked = request.subjects.links.iter().flat_map(|(one, other)| [*one, *other]);
        linked.chain(request.subjects.erases.iter().copied()).map(|subject| (request.tenant, subject))
    });
    ends.collect::<BTreeSet<_>>().into_iter().collect()
}

/// Reads the links of these subjects and of those linked to them.
pub(super) async fn links(connection: &mut PgConnection, of: &[Subject]) -> Result<Links, sqlx::Error> {
    let mut links = Links::default();
    if of.is_empty() {
        return Ok(links);
    }
    let (tenants, subjects) = columns(of);
    let rows: Vec<(i32, Uuid, Uuid)> =
        sqlx::query_as(include_str!("links.sql")).bind(tenants).bind(subjects).fetch_all(connection).await?;
    rows.into_iter().for_each(|(tenant, one, other)| links.add(TenantId(tenant), (one, other)));
    Ok(links)
}

/// All who are one person with this one, itself first.
pub(super) async fn linked(pool: &PgPool, tenant: TenantId, subject: Uuid) -> Result<Vec<Uuid>, StoreError> {
    let mut connection = pool.acquire().await.map_err(super::unavailable)?;
    let links = links(&mut connection, &[(tenant, subject)]).await.map_err(super::unavailable)?;
    let others: BTreeSet<Uuid> =
        links.0.into_keys().map(|(_, other)| other).filter(|other| *other != subject).collect();
    Ok([subject].into_iter().chain(others).collect())
}

/// Writes down who has become one person.
pub(super) async fn insert_links(
    connection: &mut PgConnection,
    made: &[(TenantId, (Uuid, Uuid))],
) -> Result<(), sqlx::Error> {
    if made.is_empty() {
        return Ok(());
    }
    let both = made.iter().flat_map(|(tenant, (one, other))| [(*tenant, *one, *other), (*tenant, *other, *one)]);
    let (mut tenants, mut ones, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for (tenant, one, other) in both {
        tenants.push(tenant.0);
        ones.push(one);
        others.push(other);
    }
    sqlx::query(
        "insert into subject_links (tenant, subject_id, other_id) \
         select t, s, o from unnest($1::int4[], $2::uuid[], $3::uuid[]) as r(t, s, o) on conflict do nothing",
    )
    .bind(tenants)
    .bind(ones)
    .bind(others)
    .execute(connection)
    .await
    .map(drop)
}

/// Destroys the keys of these subjects, and what else the store keeps of them beside the log. One that had no key yet is remembered
/// all the same, so that it gets none.
pub(super) async fn erase(
    connection: &mut PgConnection,
    erased: &[Subject],
    master_version: i16,
) -> Result<(), sqlx::Error> {
    if erased.is_empty() {
        return Ok(());
    }
    let (tenants, subjects) = columns(erased);
    sqlx::query(
        "insert into subject_keys as k (tenant, subject_id, wrapped_key, master_version, erased_at) \
         select t, s, null, $3, now() from unnest($1::int4[], $2::uuid[]) as r(t, s) \
         on conflict (tenant, subject_id) do update set wrapped_key = null, erased_at = coalesce(k.erased_at, now())",
    )
    .bind(&tenants)
    .bind(&subjects)
    .bind(master_version)
    .execute(&mut *connection)
    .await?;
    for sql in [
        "delete from claims c using unnest($1::int4[], $2::uuid[]) as r(t, s) where c.owner = r.s and c.tenant = r.t",
        "delete from snapshots n using unnest($1::int4[], $2::uuid[]) as r(t, s) \
         where n.subject_id = r.s and n.tenant = r.t",
    ] {
        sqlx::query(sql).bind(&tenants).bind(&subjects).execute(&mut *connection).await?;
    }
    Ok(())
}

/// The subjects that events say were erased.
pub(super) fn erased_by<'a>(events: impl Iterator<Item = &'a RecordedEvent>) -> Vec<Subject> {
    events.filter_map(RecordedEvent::erases).collect()
}

fn columns(subjects: &[Subject]) -> (Vec<i32>, Vec<Uuid>) {
    subjects.iter().map(|(tenant, subject)| (tenant.0, *subject)).unzip()
}

#[cfg(test)]
mod tests {
    use super::{Links, TenantId, Uuid};

    const TENANT: TenantId = TenantId(1);

    fn id(n: u128) -> Uuid {
        Uuid::from_u128(n)
    }

    #[test]
    fn who_is_linked_over_others_belongs_to_the_person() {
        let mut links = Links::default();
        links.add(TENANT, (id(1), id(2)));
        links.add(TENANT, (id(3), id(2)));
        links.add(TENANT, (id(7), id(8)));
        links.add(TenantId(2), (id(1), id(9)));
        assert_eq!(links.left_out(TENANT, &[id(1), id(2)]), Some(id(3)));
        assert_eq!(links.left_out(TENANT, &[id(3)]), Some(id(2)));
        assert_eq!(links.left_out(TENANT, &[id(1), id(2), id(3)]), None);
        assert_eq!(links.left_out(TENANT, &[id(4)]), None, "nobody is linked to this one");
    }
}
