//! One batch, one transaction: lock, check, walk, insert, commit.

use super::erasing;
use super::judge::{
    Candidate, ClaimRow, Facts, Found, Judge, Judged, StoredOutcome, events_of, names_of, sealed, subjects_of,
};
use super::keys::{Purpose, catch_up};
use super::sealing::{KeyState, Sealer, Subject};
use super::writer::{ANSWER_WITHIN, Queued, Writer, begin_and_lock, timed_out};
use crate::key_versions::ClaimKeysNow;
use crate::{ClaimChange, ClaimKey, Name, OtherName, Position, RecordedEvent, StreamId, TenantId, Version};
use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row};
use std::collections::{HashMap, HashSet};
use tokio::time::timeout;
use uuid::Uuid;

/// How a batch failed as a whole.
pub(super) enum BatchError {
    /// The connection failed before the commit was sent: nothing happened.
    Away(sqlx::Error),
    /// The database said no: nothing happened.
    Refused(sqlx::Error),
    /// The connection failed with the commit under way.
    Unknown {
        /// What was to be committed.
        written: Box<Judged>,
        /// How the connection failed.
        error: sqlx::Error,
    },
}

/// A batch on its way.
pub(super) struct Batch<'a> {
    pub(super) writer: &'a mut Writer,
    pub(super) connection: &'a mut PgConnection,
    pub(super) requests: &'a [Queued],
}

/// What has to be looked up for a batch.
struct Wanted {
    keys: ClaimKeysNow,
    streams: Vec<StreamId>,
    commands: Vec<Uuid>,
    once: Vec<Uuid>,
    /// Each claim as it is known in this batch, and as it may stand in the table.
    claims: Vec<(ClaimRow, [u8; 32])>,
    subjects: Vec<Subject>,
}

/// What the check answered.
struct Checked {
    facts: Facts,
    versions: HashMap<StreamId, Version>,
    sealer: Sealer,
    claims: Claims,
}

/// The claims of a batch: the keys, and how those that exist stand in the table.
struct Claims {
    keys: ClaimKeysNow,
    stored: HashMap<ClaimRow, [u8; 32]>,
}

impl Batch<'_> {
    pub(super) async fn run(mut self) -> Result<Judged, BatchError> {
        // A session that hangs (a frozen server, a cut network without a word) must not hold the node for ever.
        let prepared = timeout(ANSWER_WITHIN, self.prepare()).await;
        let (judged, sealer, new_names) =
            prepared.unwrap_or_else(|elapsed| Err(BatchError::Away(timed_out(elapsed))))?;
        let commit = sqlx::raw_sql("commit").execute(&mut *self.connection);
        let committed = timeout(ANSWER_WITHIN, commit).await.unwrap_or_else(|elapsed| Err(timed_out(elapsed)));
        if let Err(error) = committed {
            return Err(match is_refusal(&error) {
                true => BatchError::Refused(error),
                false => BatchError::Unknown { written: Box::new(judged), error },
            });
        }
        self.learn(&sealer, &new_names);
        Ok(judged)
    }

    /// All but the commit.
    async fn prepare(&mut self) -> Result<(Judged, Sealer, Vec<(i16, Name)>), BatchError> {
        let lock = begin_and_lock(self.writer.lock_key);
        sqlx::raw_sql(AssertSqlSafe(lock)).execute(&mut *self.connection).await.map_err(failed)?;
        let new_names = self.unknown_names().await.map_err(failed)?;
        let mut checked = self.look().await.map_err(failed)?;
        let judged = self.judge(checked.facts, &checked.versions, &mut checked.sealer, &checked.claims.keys);
        self.insert(&judged, &checked.sealer, &checked.claims, &new_names).await.map_err(failed)?;
        Ok((judged, checked.sealer, new_names))
    }

    /// Names without a code, with the codes they get in this transaction.
    async fn unknown_names(&mut self) -> Result<Vec<(i16, Name)>, sqlx::Error> {
        let unknown = |names: &super::names::Names| {
            let all = self.requests.iter().flat_map(|queued| names_of(&queued.request));
            let mut missing: Vec<Name> = all.filter(|name| names.code(name).is_none()).collect();
            missing.sort_unstable();
            missing.dedup();
            missing
        };
        if unknown(&self.writer.names).is_empty() {
            return Ok(Vec::new());
        }
        self.writer.names.load(&mut *self.connection).await?; // another node may have named them meanwhile
        let next = self.writer.names.next_code();
        Ok((next..).zip(unknown(&self.writer.names)).collect())
    }

    /// Looks up all that the batch must know; once more when it turned out on the way that what was known does not hold.
    async fn look(&mut self) -> Result<Checked, sqlx::Error> {
        let persons = erasing::wanted(self.requests.iter().map(|queued| &queued.request));
        let links = erasing::links(self.connection, &persons).await?;
        loop {
            let wanted = self.wanted();
            let rows = self.check(&wanted).await?;
            if self.is_behind(&wanted.keys, &rows)? && self.catch_up(&wanted.keys).await? {
                continue;
            }
            if let Some(mut checked) = self.read(wanted, &rows)? {
                checked.facts.links = links;
                return Ok(checked);
            }
            self.writer.versions.clear();
        }
    }

    fn wanted(&self) -> Wanted {
        let keys = self.writer.keyring.keys().claims.now();
        let (streams, commands, once) = (Vec::new(), Vec::new(), Vec::new());
        let mut wanted = Wanted { keys, streams, commands, once, claims: Vec::new(), subjects: Vec::new() };
        let (mut streams, mut subjects) = (HashSet::new(), HashSet::new());
        for request in self.requests.iter().map(|queued| &queued.request) {
            for append in &request.streams {
                if self.writer.known_version(&append.stream).is_none() && streams.insert(append.stream) {
                    wanted.streams.push(append.stream);
                }
            }
            wanted.commands.extend(request.identity.command_id);
            wanted.once.extend(request.identity.once_id);
            wanted.once.extend(events_of(request).filter_map(|event| event.once_id));
            wanted.once.extend(request.other_names.iter().map(|name| name.once_id));
            for change in &request.claims {
                let (ClaimChange::Take { key, .. } | ClaimChange::Release { key, .. }) = change;
                let row = claim_row(&wanted.keys, request.tenant, key);
                let hashes = wanted.keys.hashes(request.tenant, key);
                wanted.claims.extend(hashes.map(|hash| (row.clone(), hash)));
            }
            let named = subjects_of(request).map(|id| (request.tenant, id));
            wanted.subjects.extend(named.filter(|subject| subjects.insert(*subject)));
        }
        wanted.once.sort_unstable();
        wanted.once.dedup();
        wanted
    }

    async fn check(&mut self, wanted: &Wanted) -> Result<Vec<PgRow>, sqlx::Error> {
        let stream_ids: Vec<Uuid> = wanted.streams.iter().map(|stream| stream.id).collect();
        // A category without a code has no events: its streams are not found, which is right.
        let categories: Vec<i16> =
            wanted.streams.iter().map(|stream| self.writer.names.code(stream.category).unwrap_or(0)).collect();
        let claim_tenants: Vec<i32> = wanted.claims.iter().map(|((tenant, _, _), _)| tenant.0).collect();
        let claim_kinds: Vec<&str> = wanted.claims.iter().map(|((_, kind, _), _)| kind.as_str()).collect();
        let claim_hashes: Vec<&[u8]> = wanted.claims.iter().map(|(_, hash)| hash.as_slice()).collect();
        let (subject_tenants, subject_ids): (Vec<i32>, Vec<Uuid>) =
            wanted.subjects.iter().map(|(tenant, id)| (tenant.0, *id)).unzip();
        sqlx::query(include_str!("check.sql"))
            .bind(self.writer.head.map(|head| head.0))
            .bind(stream_ids)
            .bind(categories)
            .bind(&wanted.commands)
            .bind(&wanted.once)
            .bind(claim_tenants)
            .bind(claim_kinds)
            .bind(claim_hashes)
            .bind(subject_tenants)
            .bind(subject_ids)
            .fetch_all(&mut *self.connection)
            .await
    }

    /// Whether the log is written with newer keys than those of this node.
    fn is_behind(&self, looked_up_with: &ClaimKeysNow, rows: &[PgRow]) -> Result<bool, sqlx::Error> {
        for row in rows {
            if row.try_get::<i16, _>("kind")? == 0 {
                let (master, claims): (i32, i16) = (row.try_get("n")?, row.try_get("code")?);
                let own = self.writer.keyring.keys().master.0.version();
                return Ok(i32::from(own) < master || looked_up_with.current.version < claims);
            }
        }
        Ok(false)
    }

    /// Takes on the newest keys; says whether claims must be looked up anew. A node may go on with an older master key for a while,
    /// but not with an older claim key: it would not see what others claim.
    async fn catch_up(&mut self, looked_up_with: &ClaimKeysNow) -> Result<bool, sqlx::Error> {
        let keys = self.writer.keyring.keys();
        let lacking = catch_up(self.connection, keys).await?;
        match lacking.into_iter().find(|lacking| lacking.purpose == Purpose::Claims) {
            Some(lacking) => Err(sqlx::Error::Decode(Box::new(lacking))),
            None => Ok(keys.claims.0.version() != looked_up_with.current.version),
        }
    }

    /// What the check said; none when the versions known to this node do not hold any more.
    fn read(&mut self, wanted: Wanted, rows: &[PgRow]) -> Result<Option<Checked>, sqlx::Error> {
        let mut facts = Facts {
            head: Position(0),
            now: DateTime::<Utc>::UNIX_EPOCH,
            commands: HashMap::new(),
            outcomes: HashMap::new(),
            once: HashMap::new(),
            claims: HashMap::new(),
            links: erasing::Links::default(),
        };
        let (mut versions, mut keys, mut foreign) = (HashMap::new(), HashMap::new(), Vec::new());
        let mut stored = HashMap::new();
        for row in rows {
            let n = row.try_get::<i32, _>("n")? as usize;
            match row.try_get::<i16, _>("kind")? {
                0 => {
                    facts.head = Position(row.try_get("number")?);
                    facts.now = row.try_get("at")?;
                }
                1 => {
                    foreign.push((row.try_get::<i16, _>("code")?, row.try_get("id")?, row.try_get::<i64, _>("number")?))
                }
                2 => drop(versions.insert(wanted.streams[n - 1], row.try_get::<i64, _>("number")? as Version)),
                3 => drop(facts.commands.insert(row.try_get("id")?, found(row)?)),
                4 => drop(facts.outcomes.insert(row.try_get("id")?, outcome(row)?)),
                5 => drop(facts.once.insert(row.try_get("id")?, found(row)?)),
                6 => {
                    let (claim, hash) = &wanted.claims[n - 1];
                    facts.claims.insert(claim.clone(), row.try_get("id")?);
                    stored.insert(claim.clone(), *hash);
                }
                _ => drop(keys.insert(wanted.subjects[n - 1], self.key(wanted.subjects[n - 1], row)?)),
            }
        }
        let holds = self.follow(facts.head, foreign);
        let claims = Claims { keys: wanted.keys, stored };
        Ok(holds.then(|| Checked { facts, versions, sealer: Sealer::new(keys), claims }))
    }

    fn key(&self, subject: Subject, row: &PgRow) -> Result<KeyState, sqlx::Error> {
        let wrapped: Option<&[u8]> = row.try_get("bytes")?;
        match (wrapped, self.writer.keyring.known(&subject)) {
            (Some(_), Some(live @ KeyState::Live(_))) => Ok(live),
            _ => self
                .writer
                .keyring
                .unwrap(subject, row.try_get("code")?, wrapped)
                .map_err(|error| sqlx::Error::Decode(format!("subject_keys {}: {error}", subject.1).into())),
        }
    }

    /// Takes in what other nodes appended since this node last looked: just those streams, not the whole cache. Says whether
    /// what was known can be kept: not when this node is far behind (`check.sql` lists up to 20,000 events), when the log was
    /// restored to an older point, or when a category is new to it.
    fn follow(&mut self, head: Position, foreign: Vec<(i16, Uuid, i64)>) -> bool {
        let before = self.writer.head.replace(head);
        let mut holds = before.is_none_or(|before| before <= head && head.0 - before.0 <= 20_000);
        for (code, id, version) in foreign {
            match self.writer.names.name(code) {
                None => holds = false,
                Some(category) => {
                    if let Some(known) = self.writer.versions.peek_mut(&(category, id)) {
                        *known = (*known).max(version as Version);
                    }
                }
            }
        }
        holds
    }

    fn judge(
        &self,
        facts: Facts,
        looked_up: &HashMap<StreamId, Version>,
        sealer: &mut Sealer,
        keys: &ClaimKeysNow,
    ) -> Judged {
        let writer = &*self.writer;
        let known = |stream: &StreamId| {
            looked_up.get(stream).copied().or_else(|| writer.known_version(stream)).unwrap_or_default()
        };
        let claim_hash = |tenant: TenantId, key: &ClaimKey| keys.current.hash(tenant, key);
        let others = |queued: &Queued| keys.other_fingerprints(queued.request.tenant, &queued.given);
        let others: Vec<_> = self.requests.iter().map(others).collect();
        let named = |queued: &Queued| {
            let all = |name: &OtherName| keys.fingerprints(queued.request.tenant, &name.fingerprint).collect();
            queued.request.other_names.iter().map(all).collect()
        };
        let named: Vec<Vec<Vec<[u8; 16]>>> = self.requests.iter().map(named).collect();
        let batch = self.requests.iter().zip(&others).zip(&named);
        let batch = batch.map(|((queued, other_fingerprints), named_fingerprints)| Candidate {
            request: &queued.request,
            ticket: &queued.ticket,
            other_fingerprints,
            named_fingerprints,
        });
        let mut judged = Judge::new(facts, &known, &claim_hash, sealer).walk(batch);
        for (stream, version) in looked_up {
            judged.versions.entry(*stream).or_insert(*version);
        }
        judged
    }

    async fn insert(
        &mut self,
        judged: &Judged,
        sealer: &Sealer,
        claims: &Claims,
        names: &[(i16, Name)],
    ) -> Result<(), sqlx::Error> {
        for (code, name) in names {
            sqlx::query("insert into event_names (code, name) values ($1, $2)")
                .bind(code)
                .bind(name)
                .execute(&mut *self.connection)
                .await?;
        }
        self.insert_keys(sealer).await?;
        self.insert_events(&judged.events, names).await?;
        self.change_claims(judged, claims).await?;
        self.insert_outcomes(judged).await?;
        erasing::insert_links(self.connection, &judged.links).await?;
        let master = self.writer.keyring.keys().master.current().version;
        erasing::erase(self.connection, sealer.erased(), master).await
    }

    async fn insert_keys(&mut self, sealer: &Sealer) -> Result<(), sqlx::Error> {
        if sealer.fresh().is_empty() {
            return Ok(());
        }
        let master = self.writer.keyring.keys().master.current();
        let tenants: Vec<i32> = sealer.fresh().iter().map(|((tenant, _), _)| tenant.0).collect();
        let ids: Vec<Uuid> = sealer.fresh().iter().map(|((_, id), _)| *id).collect();
        let wrapped: Vec<Vec<u8>> =
            sealer.fresh().iter().map(|((tenant, id), key)| master.wrap(*tenant, *id, key)).collect();
        sqlx::query(
            "insert into subject_keys (tenant, subject_id, wrapped_key, master_version) \
             select t, s, w, $4 from unnest($1::int4[], $2::uuid[], $3::bytea[]) as r(t, s, w)",
        )
        .bind(tenants)
        .bind(ids)
        .bind(wrapped)
        .bind(master.version)
        .execute(&mut *self.connection)
        .await
        .map(drop)
    }

    async fn insert_events(&mut self, events: &[RecordedEvent], new: &[(i16, Name)]) -> Result<(), sqlx::Error> {
        let Some(first) = events.first() else { return Ok(()) };
        let names = &self.writer.names;
        let code = |name: Name| names.code(name).or_else(|| Some(new.iter().find(|(_, n)| *n == name)?.0)).unwrap_or(0);
        let column = Columns(events);
        sqlx::query(include_str!("append.sql"))
            .bind(column.of(|event| event.position.0))
            .bind(column.of(|event| event.tenant.0))
            .bind(column.of(|event| code(event.stream.category)))
            .bind(column.of(|event| code(event.event_type)))
            .bind(column.of(|event| event.schema_version))
            .bind(column.of(|event| event.stream.id))
            .bind(column.of(|event| event.version))
            .bind(column.of(|event| event.command_id))
            .bind(column.of(|event| event.once_id))
            .bind(column.of(|event| event.subject_id))
            .bind(column.of(|event| event.customer_id))
            .bind(first.recorded_at)
            .bind(column.of(|event| event.occurred_at))
            .bind(column.of(|event| &*event.metadata))
            .bind(column.of(|event| &*event.payload))
            .bind(column.of(|event| sealed(&event.personal)))
            .bind(column.of(|event| event.leaf_hash.as_slice()))
            .execute(&mut *self.connection)
            .await
            .map(drop)
    }

    async fn change_claims(&mut self, judged: &Judged, claims: &Claims) -> Result<(), sqlx::Error> {
        if !judged.claims_released.is_empty() {
            let (tenants, kinds, mut hashes, _) = claim_columns(&judged.claims_released);
            for ((row, _), hash) in judged.claims_released.iter().zip(&mut hashes) {
                *hash = claims.stored.get(row).map_or(*hash, <[u8; 32]>::as_slice);
            }
            sqlx::query(
                "delete from claims c using unnest($1::int4[], $2::text[], $3::bytea[]) as r(tenant, kind, hash) \
                 where c.tenant = r.tenant and c.kind = r.kind and c.hash = r.hash",
            )
            .bind(tenants)
            .bind(kinds)
            .bind(hashes)
            .execute(&mut *self.connection)
            .await?;
        }
        if !judged.claims_taken.is_empty() {
            let (tenants, kinds, hashes, owners) = claim_columns(&judged.claims_taken);
            sqlx::query(
                "insert into claims (tenant, kind, hash, key_version, owner) select t, k, h, $5, o \
                 from unnest($1::int4[], $2::text[], $3::bytea[], $4::uuid[]) as r(t, k, h, o)",
            )
            .bind(tenants)
            .bind(kinds)
            .bind(hashes)
            .bind(owners)
            .bind(claims.keys.current.version)
            .execute(&mut *self.connection)
            .await?;
        }
        Ok(())
    }

    async fn insert_outcomes(&mut self, judged: &Judged) -> Result<(), sqlx::Error> {
        if judged.outcomes.is_empty() {
            return Ok(());
        }
        let outcomes = &judged.outcomes;
        sqlx::query(
            "insert into command_outcomes (command_id, recorded_at, fingerprint, tenant, outcome) \
             select c, now(), f, t, o from unnest($1::uuid[], $2::bytea[], $3::int4[], $4::text[]) as r(c, f, t, o)",
        )
        .bind(outcomes.iter().map(|outcome| outcome.command_id).collect::<Vec<_>>())
        .bind(outcomes.iter().map(|outcome| outcome.fingerprint.as_slice()).collect::<Vec<_>>())
        .bind(outcomes.iter().map(|outcome| outcome.tenant.0).collect::<Vec<_>>())
        .bind(outcomes.iter().map(|outcome| outcome.body.as_str()).collect::<Vec<_>>())
        .execute(&mut *self.connection)
        .await
        .map(drop)
    }

    fn learn(&mut self, sealer: &Sealer, names: &[(i16, Name)]) {
        names.iter().for_each(|(code, name)| self.writer.names.learn(*code, name));
        for (subject, key) in sealer.fresh() {
            self.writer.keyring.learn(*subject, KeyState::Live(key.clone()));
        }
        self.writer.keyring.forget_erased(sealer.erased());
    }
}

/// Events turned into columns for `unnest`.
struct Columns<'a>(&'a [RecordedEvent]);

impl<'a> Columns<'a> {
    fn of<T>(&self, field: impl Fn(&'a RecordedEvent) -> T) -> Vec<T> {
        self.0.iter().map(field).collect()
    }
}

#[expect(clippy::type_complexity, reason = "four columns of one table")]
fn claim_columns(rows: &[(ClaimRow, Uuid)]) -> (Vec<i32>, Vec<&str>, Vec<&[u8]>, Vec<Uuid>) {
    let tenants = rows.iter().map(|((tenant, _, _), _)| tenant.0).collect();
    let kinds = rows.iter().map(|((_, kind, _), _)| kind.as_str()).collect();
    let hashes = rows.iter().map(|((_, _, hash), _)| hash.as_slice()).collect();
    (tenants, kinds, hashes, rows.iter().map(|(_, owner)| *owner).collect())
}

/// How a claim is known in a batch: by its hash under the current key, whichever it stands under in the table.
fn claim_row(keys: &ClaimKeysNow, tenant: TenantId, key: &ClaimKey) -> ClaimRow {
    (tenant, key.kind.clone(), keys.current.hash(tenant, key))
}

fn found(row: &PgRow) -> Result<Found, sqlx::Error> {
    Ok(Found::read(row.try_get("number")?, row.try_get("body")?))
}

fn outcome(row: &PgRow) -> Result<StoredOutcome, sqlx::Error> {
    let fingerprint: &[u8] = row.try_get("bytes")?;
    let fingerprint = fingerprint.try_into().map_err(|_| sqlx::Error::Decode("a fingerprint has 16 bytes".into()))?;
    Ok(StoredOutcome { fingerprint, body: row.try_get("body")? })
}

/// A failure before the commit was sent.
fn failed(error: sqlx::Error) -> BatchError {
    match is_refusal(&error) {
        true => BatchError::Refused(error),
        false => BatchError::Away(error),
    }
}

/// Whether the database itself said no to the statement, and not because it is going down or somebody else holds the lock.
fn is_refusal(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(database) = error else { return matches!(error, sqlx::Error::Decode(_)) };
    let code = database.code().unwrap_or_default().into_owned();
    // 57P0x: shutdown, crash, not accepting; 08: connection; 25P03: idle in transaction; 55P03, 57014: time-outs; 53: resources.
    !(code.starts_with("57") || code.starts_with("08") || code.starts_with("53") || code == "25P03" || code == "55P03")
}
