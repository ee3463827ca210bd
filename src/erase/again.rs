//! Erases again whoever of an erasure list is alive: an older backup has brought them back.

use super::file::Person;
use super::notes::Entry;
use crate::wiring::Node;
use anyhow::Context;
use commands::customers::{Erase, erase};
use commands::{Caller, CommandError};
use domain::customers::events::ErasureGround;
use domain::ids::CustomerId;
use futures::{StreamExt, stream};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;
use store::consumer::Backoff;
use store::{Position, TenantId, erasures};
use uuid::Uuid;

/// Subjects that the database is asked about at a time.
const ASKED_AT_A_TIME: usize = 10_000;
/// Persons who are erased at the same time.
const AT_A_TIME: usize = 8;
/// A database that is busy or away for a moment is asked again.
const ATTEMPTS_MAX: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long is waited until no read model shows them. They follow by themselves when it takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A person of the list, with those of its subjects that are alive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Returned {
    tenant: TenantId,
    subjects: Vec<Uuid>,
}

/// What was done.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// How many subjects were erased.
    pub(crate) erased: usize,
    /// Who could not be, and why.
    pub(crate) failed: Vec<(Person, String)>,
    /// Read models that were still on their way.
    pub(crate) pending: Vec<&'static str>,
    /// Position of the last event that says so.
    pub(crate) position: Option<Position>,
}

/// The persons of a list of whom somebody is alive, each with those who are.
pub(crate) async fn returned(node: &Node, entries: &[Entry]) -> anyhow::Result<Vec<Returned>> {
    let persons: BTreeSet<(TenantId, Vec<Uuid>)> = entries.iter().map(person).collect();
    let subjects: BTreeSet<Person> =
        persons.iter().flat_map(|(tenant, subjects)| subjects.iter().map(|subject| (*tenant, *subject))).collect();
    let alive: HashSet<Person> = alive(node, &subjects.into_iter().collect::<Vec<_>>()).await?.into_iter().collect();
    let returned = persons.into_iter().map(|(tenant, mut subjects)| {
        subjects.retain(|subject| alive.contains(&(tenant, *subject)));
        Returned { tenant, subjects }
    });
    Ok(returned.filter(|person| !person.subjects.is_empty()).collect::<BTreeSet<_>>().into_iter().collect())
}

fn person(entry: &Entry) -> (TenantId, Vec<Uuid>) {
    let subjects: BTreeSet<Uuid> = entry.subjects.iter().copied().chain([entry.customer]).collect();
    (entry.tenant, subjects.into_iter().collect())
}

async fn alive(node: &Node, subjects: &[Person]) -> anyhow::Result<Vec<Person>> {
    let mut alive = Vec::new();
    for some in subjects.chunks(ASKED_AT_A_TIME) {
        let found = erasures::alive(&node.pools.engine, some).await;
        alive.extend(found.context("who of the erasure list is alive cannot be looked up")?);
    }
    Ok(alive)
}

/// Erases them by the usual command, waits for the read models, and writes receipts of it.
pub(crate) async fn erase_all(node: &Node, persons: &[Returned], caller: impl Fn(TenantId) -> Caller) -> Done {
    let callers: BTreeMap<TenantId, Caller> =
        persons.iter().map(|person| (person.tenant, caller(person.tenant))).collect();
    let each = persons.iter().map(|person| erase_one(node, &callers[&person.tenant], person));
    let done: Vec<Done> = stream::iter(each).buffer_unordered(AT_A_TIME).collect().await;
    let mut all = Done::default();
    for one in done {
        all.erased += one.erased;
        all.failed.extend(one.failed);
        all.position = all.position.max(one.position);
    }
    if let Some(position) = all.position {
        all.pending = node.projections.who_reflects(position, PATIENCE).await.1;
        write_receipts(node, persons).await;
    }
    all
}

/// One after the other: those whom the log still knows as one person go together.
async fn erase_one(node: &Node, caller: &Caller, person: &Returned) -> Done {
    let mut done = Done::default();
    for subject in &person.subjects {
        match erase_subject(node, caller, (person.tenant, *subject)).await {
            Ok(position) => {
                done.erased += 1;
                done.position = done.position.max(position);
            }
            Err(error) => done.failed.push(((person.tenant, *subject), format!("{error:#}"))),
        }
    }
    done
}

/// The position of the event that says so; none when it was gone by then.
async fn erase_subject(node: &Node, caller: &Caller, subject: Person) -> anyhow::Result<Option<Position>> {
    let mut pauses = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    loop {
        let tried = try_to_erase(node, caller, subject).await;
        let may_pass = |error: &anyhow::Error| error.downcast_ref().is_some_and(CommandError::may_pass);
        match tried {
            Err(error) if may_pass(&error) && pauses.attempts() < ATTEMPTS_MAX => {
                tokio::time::sleep(pauses.pause()).await;
            }
            tried => return tried,
        }
    }
}

async fn try_to_erase(node: &Node, caller: &Caller, subject: Person) -> anyhow::Result<Option<Position>> {
    if alive(node, &[subject]).await?.is_empty() {
        return Ok(None);
    }
    let request = Erase { customer: CustomerId::new(subject.1), ground: ErasureGround::Restored };
    let committed = erase(&node.commands, caller, None, request).await?;
    anyhow::ensure!(alive(node, &[subject]).await?.is_empty(), "the key is still there after the erasure");
    Ok(Some(committed.position))
}

/// They are written when they are asked for, too: nobody waits for one that cannot be written now.
async fn write_receipts(node: &Node, persons: &[Returned]) {
    let eraser = node.eraser();
    for person in persons {
        for subject in &person.subjects {
            if let Err(error) = eraser.receipt(person.tenant, CustomerId::new(*subject)).await {
                tracing::warn!(%subject, %error, "the receipt of a repeated erasure is not written yet");
            }
        }
    }
}
