//! Reading: one stream, or the whole log, page by page by key; never all in memory, never a cursor held open.

use super::database::unavailable;
use super::judge::Found;
use super::names::Names;
use super::rows::{columns, to_events};
use super::sealing::KeyRing;
use crate::{
    ClaimKey, Direction, Filter, Identity, Position, ReadAll, ReadStream, RecordedEvent, StoreError, StreamId,
    TenantId, Version,
};
use sqlx::{PgPool, QueryBuilder};
use std::collections::VecDeque;
use std::sync::Arc;
use uuid::Uuid;

/// Events read at a time.
pub(super) const PAGE: i64 = 1_000;
/// Positions looked at by one statement. Rare types in a long log would else take it longer than a statement may take, and whoever
/// reads them would begin again for ever.
const POSITIONS_MAX: i64 = 100_000;

/// What reads share.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    pub(super) pool: PgPool,
    pub(super) names: Arc<Names>,
    pub(super) keyring: KeyRing,
}

/// How much of the log one page may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    /// At most so many events.
    pub(super) events: i64,
    /// At most so many positions are looked at, so that a filter that lets little through does not make the query long.
    pub(super) positions: i64,
}

impl Extent {
    /// So many events, as far as one statement goes to look for them.
    pub(super) fn events(events: i64) -> Self {
        Self { events: events.min(PAGE), positions: POSITIONS_MAX }
    }
}

/// Some events, and how far they reach.
pub(super) struct Page {
    pub(super) events: Vec<RecordedEvent>,
    pub(super) through: Position,
    pub(super) head: Position,
}

impl Reader {
    pub(super) async fn head(&self) -> Result<Position, StoreError> {
        sqlx::query_scalar("select coalesce((select position from events order by position desc limit 1), 0)")
            .fetch_one(&self.pool)
            .await
            .map(Position)
            .map_err(unavailable)
    }

    /// The next events after a position that pass the filter.
    pub(super) async fn page(&self, after: Position, filter: &Filter, extent: Extent) -> Result<Page, StoreError> {
        self.page_below(self.head().await?, after, filter, extent).await
    }

    /// The same where the head is known already.
    pub(super) async fn page_below(
        &self,
        head: Position,
        after: Position,
        filter: &Filter,
        extent: Extent,
    ) -> Result<Page, StoreError> {
        if after > head {
            return Err(StoreError::BeyondHead { asked: after, head });
        }
        let end = head.min(Position(after.0.saturating_add(extent.positions)));
        let (categories, types) = self.codes(filter).await?;
        let mut query = QueryBuilder::new(concat!("select ", columns!(), " from events where position > "));
        query.push_bind(after.0).push(" and position <= ").push_bind(end.0);
        // Only what is asked for: each condition is looked at for every row.
        if let Some(tenant) = filter.tenant {
            query.push(" and tenant = ").push_bind(tenant.0);
        }
        if let Some(categories) = categories {
            query.push(" and category = any(").push_bind(categories).push(")");
        }
        if let Some(types) = types {
            query.push(" and type = any(").push_bind(types).push(")");
        }
        if let Some(stream) = &filter.stream {
            query.push(" and stream = ").push_bind(stream.id);
        }
        if let Some(customer) = filter.customer {
            query.push(" and customer_id = ").push_bind(customer);
        }
        query.push(" order by position limit ").push_bind(extent.events);
        let rows = query.build().fetch_all(&self.pool).await.map_err(unavailable)?;
        let full = rows.len() as i64 == extent.events;
        let mut events = to_events(&self.pool, &self.names, &rows).await?;
        let through = events.last().filter(|_| full).map_or(end, |last| last.position);
        events.retain(|event| filter.accepts(event));
        Ok(Page { events, through, head })
    }

    /// The codes that a filter means; a name without a code is a name without events.
    pub(super) async fn codes(&self, filter: &Filter) -> Result<(Option<Vec<i16>>, Option<Vec<i16>>), StoreError> {
        if !filter.types.is_empty() || !filter.categories.is_empty() || filter.stream.is_some() {
            self.names.load(&self.pool).await.map_err(unavailable)?;
        }
        let categories = match (&filter.stream, filter.categories.is_empty()) {
            (Some(stream), _) => Some(self.names.codes(|name| name == stream.category)),
            (None, false) => Some(self.names.codes(|name| filter.categories.contains(&name))),
            (None, true) => None,
        };
        let fits = |name: &str| filter.types.iter().any(|pattern| pattern.matches(name));
        let types = (!filter.types.is_empty()).then(|| self.names.codes(fits));
        Ok((categories, types))
    }

    pub(super) async fn stream_page(&self, read: &ReadStream) -> Result<Vec<RecordedEvent>, StoreError> {
        let sql = match read.direction {
            Direction::Forwards => concat!(
                "select ",
                columns!(),
                " from events where stream = $1 and category = $2 and version >= $3 and tenant = $4 \
                 order by stream, category, version limit $5"
            ),
            Direction::Backwards => concat!(
                "select ",
                columns!(),
                " from events where stream = $1 and category = $2 and version <= $3 and tenant = $4 \
                 order by stream desc, category desc, version desc limit $5"
            ),
        };
        let Some(category) = self.category_code(read.stream.category).await? else { return Ok(Vec::new()) };
        let rows = sqlx::query(sql)
            .bind(read.stream.id)
            .bind(category)
            .bind(read.from)
            .bind(read.tenant.0)
            .bind(PAGE.min(i64::try_from(read.limit).unwrap_or(PAGE)))
            .fetch_all(&self.pool)
            .await
            .map_err(unavailable)?;
        let mut events = to_events(&self.pool, &self.names, &rows).await?;
        if read.reveal {
            self.keyring.open(&self.pool, &mut events).await?;
        }
        Ok(events)
    }

    pub(super) async fn category_code(&self, category: &str) -> Result<Option<i16>, StoreError> {
        if self.names.code(category).is_none() {
            self.names.load(&self.pool).await.map_err(unavailable)?;
        }
        Ok(self.names.code(category))
    }

    pub(super) async fn claim_owners(
        &self,
        tenant: TenantId,
        claims: &[ClaimKey],
    ) -> Result<Vec<Option<Uuid>>, StoreError> {
        let keys = self.keyring.keys().claims.now();
        let hashed = |(n, claim): (usize, &'_ ClaimKey)| {
            let hashes = keys.hashes(tenant, claim).map(<Vec<u8>>::from);
            hashes.map(|hash| (n as i32, claim.kind.clone(), hash)).collect::<Vec<_>>()
        };
        let wanted: Vec<(i32, String, Vec<u8>)> = claims.iter().enumerate().flat_map(hashed).collect();
        let numbers: Vec<i32> = wanted.iter().map(|(n, _, _)| *n).collect();
        let kinds: Vec<&str> = wanted.iter().map(|(_, kind, _)| kind.as_str()).collect();
        let hashes: Vec<&[u8]> = wanted.iter().map(|(_, _, hash)| hash.as_slice()).collect();
        let found: Vec<(i32, Uuid)> = sqlx::query_as(
            "select k.n, c.owner from unnest($2::int4[], $3::text[], $4::bytea[]) as k(n, kind, hash) cross join lateral \
             (select owner from claims where tenant = $1 and kind = k.kind and hash = k.hash limit 1) c",
        )
        .bind(tenant.0)
        .bind(numbers)
        .bind(kinds)
        .bind(hashes)
        .fetch_all(&self.pool)
        .await
        .map_err(unavailable)?;
        let mut owners = vec![None; claims.len()];
        found.into_iter().for_each(|(n, owner)| owners[n as usize] = Some(owner));
        Ok(owners)
    }
}

impl Reader {
    pub(super) async fn recorded(&self, tenant: TenantId, requests: &[Identity]) -> Result<Vec<bool>, StoreError> {
        let once_ids: Vec<Option<Uuid>> = requests.iter().map(|request| request.once_id).collect();
        let metadata: Vec<Option<String>> = sqlx::query_scalar(
            "select e.metadata from unnest($1::uuid[]) with ordinality as k(id, n) \
             left join lateral (select metadata from events where once_id = k.id limit 1) e on true order by k.n",
        )
        .bind(once_ids)
        .fetch_all(&self.pool)
        .await
        .map_err(unavailable)?;
        let keys = self.keyring.keys().claims.now();
        let is_recorded = |(request, metadata): (&Identity, Option<String>)| {
            let mut stored = keys.fingerprints(tenant, &request.fingerprint);
            metadata.is_some_and(|metadata| {
                let found = Found::read(0, &metadata);
                stored.any(|stored| found.repeats(&stored))
            })
        };
        Ok(requests.iter().zip(metadata).map(is_recorded).collect())
    }

    /// Which streams have events, by one probe of the index for each.
    pub(super) async fn begun(&self, tenant: TenantId, streams: &[StreamId]) -> Result<Vec<bool>, StoreError> {
        let (ids, categories): (Vec<Uuid>, Vec<&str>) =
            streams.iter().map(|stream| (stream.id, stream.category)).unzip();
        sqlx::query_scalar(
            "select e.stream is not null from unnest($1::uuid[], $2::text[]) with ordinality as k(id, category, n) \
             left join event_names c on c.name = k.category \
             left join lateral (select stream from events where stream = k.id and category = c.code and tenant = $3 \
                                limit 1) e on true order by k.n",
        )
        .bind(ids)
        .bind(categories)
        .bind(tenant.0)
        .fetch_all(&self.pool)
        .await
        .map_err(unavailable)
    }
}

/// A stream being read: what is left of the current page, and where the next one begins.
pub(super) struct StreamCursor {
    pub(super) reader: Reader,
    pub(super) read: ReadStream,
    pub(super) page: VecDeque<RecordedEvent>,
    pub(super) done: bool,
}

impl StreamCursor {
    pub(super) async fn next(mut self) -> Option<(Result<RecordedEvent, StoreError>, Self)> {
        if self.page.is_empty() && !self.done && self.read.limit > 0 {
            match self.reader.stream_page(&self.read).await {
                Ok(events) => {
                    self.done = (events.len() as i64) < PAGE;
                    self.page = events.into();
                }
                Err(error) => return Some((Err(error), self.ended())),
            }
        }
        let event = self.page.pop_front()?;
        self.read.limit = self.read.limit.saturating_sub(1);
        self.read.from = next_version(event.version, self.read.direction);
        Some((Ok(self.reader.keyring.as_of_now(event)), self))
    }

    fn ended(mut self) -> Self {
        self.done = true;
        self
    }
}

fn next_version(version: Version, direction: Direction) -> Version {
    match direction {
        Direction::Forwards => version + 1,
        Direction::Backwards => version - 1,
    }
}

/// The log being read.
pub(super) struct LogCursor {
    pub(super) reader: Reader,
    pub(super) read: ReadAll,
    pub(super) page: VecDeque<RecordedEvent>,
    pub(super) done: bool,
}

impl LogCursor {
    pub(super) async fn next(mut self) -> Option<(Result<RecordedEvent, StoreError>, Self)> {
        while self.page.is_empty() && !self.done && self.read.limit > 0 {
            if let Err(error) = self.fill().await {
                self.done = true;
                return Some((Err(error), self));
            }
        }
        let event = self.page.pop_front()?;
        self.read.limit -= 1;
        Some((Ok(self.reader.keyring.as_of_now(event)), self))
    }

    async fn fill(&mut self) -> Result<(), StoreError> {
        let extent = Extent::events(i64::try_from(self.read.limit).unwrap_or(PAGE));
        let Page { mut events, through, head } = self.reader.page(self.read.after, &self.read.filter, extent).await?;
        if self.read.reveal {
            self.reader.keyring.open(&self.reader.pool, &mut events).await?;
        }
        self.done = through == head;
        self.read.after = through;
        self.page = events.into();
        Ok(())
    }
}
