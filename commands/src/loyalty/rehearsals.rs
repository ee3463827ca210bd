//! Rehearsals: the tenant's history replayed under other rules of the loyalty programme. Needs the scope `admin`.
//!
//! The log is read once, in order, up to where it ended when the rehearsal began, without opening what is personal; deciding is
//! work for a thread of its own. What is kept meanwhile is two accounts for each member. Whoever drops it has ended it.

use crate::caller::{Caller, Door, Scope};
use crate::encoding::decode;
use crate::error::CommandError;
use crate::execute::Commands;
use crate::ids::new_id;
use crate::loyalty::jobs::REVIEW;
use crate::loyalty::programme::{RecordRehearsal, record_rehearsal};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use domain::customers::events::CustomerEvent;
use domain::ids::{CustomerId, RehearsalId};
use domain::loyalty::commands::ProgrammeError;
use domain::loyalty::events::{LoyaltyEvent, ProgrammeEvent, RehearsalOutcome};
use domain::loyalty::loyalty_programme::LoyaltyProgramme;
use domain::loyalty::programme::Programme;
use domain::loyalty::rehearsal::{Fact, MemberOutcome, MemberRehearsal, Sums, Told};
use domain::loyalty::sale::{Buyer, Sale, SaleRefund};
use domain::{Decider, Event, Moment, Refusal};
use futures::TryStreamExt;
use futures::stream::{BoxStream, StreamExt};
use std::collections::{BTreeSet, HashMap, hash_map};
use std::sync::Arc;
use store::{Filter, Metadata, Position, ReadAll, RecordedEvent, StoreError, TypePattern};
use uuid::Uuid;

/// Events that are decided on at once.
const CHUNK: usize = 1_000;
/// A decision is recorded so soon after it was asked for.
const RECORDED_WITHIN: TimeDelta = TimeDelta::minutes(1);
/// The types that a rehearsal reads.
const TYPES: [&str; 3] = ["customer.purchase.recorded", "customer.purchase.refunded", "loyalty.*"];

/// Rules to be rehearsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rehearse {
    /// The rules.
    pub rules: Programme,
    /// As of when: what has expired or was to be reviewed by then is; now if not given.
    pub at: Option<DateTime<Utc>>,
}

/// A rehearsal that goes through the history.
pub struct Rehearsal {
    now: Moment,
    rules: Programme,
    /// The last position that is replayed.
    pub head: Position,
    events: BoxStream<'static, Result<Vec<RecordedEvent>, StoreError>>,
    replay: Replay,
}

/// A rehearsal at its end: customer after customer is told.
pub struct Ending {
    caller: Caller,
    now: Moment,
    rules: Programme,
    head: Position,
    programmes: Programmes,
    accounts: hash_map::IntoIter<Uuid, MemberRehearsal>,
    sums: Sums,
}

/// A rehearsal that was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedRehearsal {
    /// Its id.
    pub id: RehearsalId,
    /// The business date.
    pub on: NaiveDate,
    /// The rules.
    pub rules: Programme,
    /// What they would have changed.
    pub outcome: RehearsalOutcome,
    /// Where it was recorded.
    pub position: Position,
}

/// A customer for whom something would have been different.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Changed {
    /// Who.
    pub customer: CustomerId,
    /// What.
    pub outcome: MemberOutcome,
}

/// The rules of today and those that are rehearsed.
#[derive(Debug, Clone)]
struct Programmes {
    known: LoyaltyProgramme,
    rehearsed: LoyaltyProgramme,
}

impl Programmes {
    /// What is rehearsed is the rules: campaigns are the same in both, and purchases find those that were known by then.
    fn take(&mut self, event: &ProgrammeEvent) {
        let after = |programme: &mut LoyaltyProgramme| {
            let before = std::mem::replace(programme, LoyaltyProgramme::initial());
            *programme = LoyaltyProgramme::evolve(before, event);
        };
        match event {
            ProgrammeEvent::Published { .. } => after(&mut self.known),
            ProgrammeEvent::CampaignPublished { .. } | ProgrammeEvent::CampaignEnded { .. } => {
                after(&mut self.known);
                after(&mut self.rehearsed);
            }
            ProgrammeEvent::Rehearsed { .. } => {}
        }
    }
}

struct Replay {
    caller: Caller,
    programmes: Programmes,
    accounts: HashMap<Uuid, MemberRehearsal>,
}

impl Rehearsal {
    /// Begins one.
    ///
    /// # Errors
    /// As [`CommandError`] says; a refusal when the rules make no programme.
    pub async fn begin(commands: &Commands, caller: &Caller, request: Rehearse) -> Result<Self, CommandError> {
        caller.require(Scope::Admin)?;
        caller.require_business_time("/now", request.at)?;
        let Rehearse { rules, at } = request;
        rules.check().map_err(|fault| Refusal::from(ProgrammeError::Faulty(fault)))?;
        let store = commands.store();
        let head = store.head().await.map_err(CommandError::unavailable)?;
        let types = TYPES.map(TypePattern::parse).to_vec();
        let filter = Filter { tenant: Some(caller.tenant), types, ..Filter::default() };
        let read = ReadAll { after: Position(0), filter, limit: u64::MAX, reveal: false };
        let events = store.read_all(read).try_take_while(move |event| std::future::ready(Ok(event.position <= head)));
        let programmes =
            Programmes { known: LoyaltyProgramme::initial(), rehearsed: LoyaltyProgramme::always(rules.clone()) };
        Ok(Self {
            now: caller.moment(at.unwrap_or(caller.now)),
            rules,
            head,
            events: events.try_chunks(CHUNK).map_err(|error| error.1).boxed(),
            replay: Replay { caller: caller.clone(), programmes, accounts: HashMap::new() },
        })
    }

    /// Goes on, and tells the position that it has reached; none at the end.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn go_on(&mut self) -> Result<Option<Position>, CommandError> {
        let Some(events) = self.events.try_next().await.map_err(CommandError::unavailable)? else { return Ok(None) };
        let reached = events.last().map(|event| event.position);
        let empty = Replay::of(&self.replay.caller);
        let mut replay = std::mem::replace(&mut self.replay, empty);
        let taken = tokio::task::spawn_blocking(move || replay.take(&events).map(|()| replay));
        self.replay = taken.await.map_err(CommandError::internal)??;
        Ok(reached)
    }

    /// All has been replayed.
    #[must_use]
    pub fn end(self) -> Ending {
        let Self { now, rules, head, replay, .. } = self;
        let Replay { caller, programmes, accounts } = replay;
        Ending { caller, now, rules, head, programmes, accounts: accounts.into_iter(), sums: Sums::default() }
    }
}

impl Ending {
    /// Some more of those for whom something would have been different; none at the end.
    ///
    /// # Errors
    /// When a thread died.
    pub async fn some(mut self) -> Result<(Self, Option<Vec<Changed>>), CommandError> {
        let settle = move || {
            let some: Vec<_> = self.accounts.by_ref().take(CHUNK).collect();
            let is_over = some.is_empty();
            let mut changed = Vec::new();
            for (customer, account) in some {
                let Programmes { known, rehearsed } = &self.programmes;
                let Some(outcome) = account.end(known, rehearsed, self.now) else { continue };
                self.sums.add(&outcome);
                if outcome.known != outcome.rehearsed {
                    changed.push(Changed { customer: CustomerId::new(customer), outcome });
                }
            }
            (self, (!is_over).then_some(changed))
        };
        tokio::task::spawn_blocking(settle).await.map_err(CommandError::internal)
    }

    /// The rules of the day, and those that were rehearsed.
    #[must_use]
    pub fn rules(&self) -> (Arc<Programme>, Programme) {
        (self.programmes.known.on(self.now.today).rules, self.rules.clone())
    }

    /// Records it, so that a published version may refer to it.
    ///
    /// # Errors
    /// As [`CommandError`] says.
    pub async fn record(self, commands: &Commands) -> Result<RecordedRehearsal, CommandError> {
        let Self { caller, now, rules, head, programmes, sums, .. } = self;
        let outcome = sums.outcome(head.0, &programmes.known.on(now.today).rules, &rules);
        let (id, on) = (RehearsalId::new(new_id()), caller.today());
        let record = RecordRehearsal { rehearsal: id, rules: rules.clone(), outcome: outcome.clone() };
        let position = record_rehearsal(commands, &caller, record).await?.position;
        Ok(RecordedRehearsal { id, on, rules, outcome, position })
    }
}

impl Replay {
    fn of(caller: &Caller) -> Self {
        let none = LoyaltyProgramme::initial();
        let programmes = Programmes { known: none.clone(), rehearsed: none };
        Self { caller: caller.clone(), programmes, accounts: HashMap::new() }
    }

    fn take(&mut self, events: &[RecordedEvent]) -> Result<(), CommandError> {
        events.iter().try_for_each(|recorded| {
            match decode(recorded).map_err(CommandError::internal)? {
                Event::Customer(event) => {
                    if let Some(fact) = fact_of(event) {
                        self.tell(recorded, fact);
                    }
                }
                Event::Loyalty(event) => self.tell(recorded, Fact::Account(event)),
                Event::Programme(event) => self.programmes.take(&event),
                Event::Credit(_) | Event::CreditGroup(_) | Event::Access(_) => {}
            }
            Ok(())
        })
    }

    fn told(&self, recorded: &RecordedEvent, fact: Fact) -> Told {
        let (at, recorded_at) = (self.caller.moment(had_come(recorded)), recorded.recorded_at);
        let reviewed_at = REVIEW.schedule.latest(self.caller.zone, recorded_at).unwrap_or(recorded_at);
        Told { fact, at, recorded_at, reviewed_on: self.caller.business_date(reviewed_at) }
    }

    /// Who is no member yet has nothing that rules decide.
    fn tell(&mut self, recorded: &RecordedEvent, fact: Fact) {
        let told = self.told(recorded, fact);
        let duplicate = match &told.fact {
            Fact::Account(LoyaltyEvent::Absorbed { duplicate, part: 1, .. }) => {
                self.accounts.get(&duplicate.as_uuid()).map(|other| (*duplicate, other.clone()))
            }
            Fact::Account(_) | Fact::Purchase(_) | Fact::Refund(_) => None,
        };
        let account = match self.accounts.entry(recorded.stream.id) {
            hash_map::Entry::Occupied(known) => known.into_mut(),
            hash_map::Entry::Vacant(free) => match &told.fact {
                Fact::Account(LoyaltyEvent::Enrolled { .. } | LoyaltyEvent::Absorbed { .. }) => {
                    free.insert(MemberRehearsal::new(told.at))
                }
                Fact::Account(_) | Fact::Purchase(_) | Fact::Refund(_) => return,
            },
        };
        account.take(told, &self.programmes.rehearsed);
        if let Some((id, other)) = duplicate {
            account.absorb(id, other, &self.programmes.rehearsed);
        }
    }
}

/// The latest moment that is known to have come when an event was decided on. What is told late is decided on when it is told, but
/// an import may state a time of its own; what is told ahead of time is decided on before it comes.
fn had_come(recorded: &RecordedEvent) -> DateTime<Utc> {
    let (occurred_at, recorded_at) = (recorded.occurred_at, recorded.recorded_at);
    let asked_at = recorded_at - RECORDED_WITHIN;
    match occurred_at < asked_at && is_imported(recorded) {
        true => occurred_at,
        false => occurred_at.max(asked_at).min(recorded_at),
    }
}

/// Where nothing is said of it, as of old events, it may have been: the earlier moment had come in any case.
fn is_imported(recorded: &RecordedEvent) -> bool {
    let metadata = serde_json::from_str::<Metadata>(&recorded.metadata);
    metadata.map_or(true, |metadata| metadata.via.is_none_or(|via| via == Door::Import.as_str()))
}

/// The customer's part that concerns points.
fn fact_of(event: CustomerEvent) -> Option<Fact> {
    if let CustomerEvent::PurchaseRecorded { order, channel, lines, total, on } = event {
        // Who bought is not opened; what was earned tells what there is to know.
        let buyer = Buyer::AsRecorded { campaigns: BTreeSet::new() };
        return Some(Fact::Purchase(Sale { order, channel, lines, total, on, buyer }));
    }
    let CustomerEvent::PurchaseRefunded { order, refund, lines, refunded, remaining: remaining_total, on, .. } = event
    else {
        return None;
    };
    // What was given back before is known to who goes through the history.
    let total = refunded.checked_add(remaining_total).ok();
    Some(Fact::Refund(SaleRefund { order, refund, lines, given_back: Vec::new(), total, remaining_total, on }))
}
