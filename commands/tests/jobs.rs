//! Jobs on the default engine: a moment has one run, and a run goes on where it was, on whatever node.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use async_trait::async_trait;
use commands::customers::{Register, register};
use commands::job::{JobState, Pace, Parts, jobs};
use commands::loyalty::{Earn, account_stream, earn};
use commands::ports::{AskDue, Due, DueAccount, JobFacts, TenantPlace};
use commands::{Caller, Clock, Commands, Config, Door, FrozenClock, Jobs, Scope};
use domain::access::settings::TenantSettings;
use domain::customers::events::{Contact, CustomerKind};
use domain::email::Email;
use domain::ids::{CustomerId, OrderId};
use domain::{Currency, Money};
use futures::TryStreamExt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use store::job_runs::JobRun;
use store::personal_data::Keys;
use store::postgres::testing::{TestDatabase, migrated_database};
use store::postgres::{Database, Pools, PostgresStore};
use store::{BoxError, Direction, EventStore, Position, ReadStream, TenantId};
use support::newer_by;
use uuid::Uuid;

const TENANT: TenantId = TenantId(1);
const PATIENCE: Duration = Duration::from_secs(30);
const EXPIRY: &str = "loyalty_expiry";
/// When the points were earned, and when they have expired.
const THEN: &str = "2023-11-22T12:00:00Z";
const NOW: &str = "2026-11-22T12:00:00Z";

/// Lists the same accounts whatever was done for them, and remembers behind which of them it was asked.
#[derive(Default)]
struct Facts {
    customers: Mutex<Vec<CustomerId>>,
    asked: Mutex<Vec<Option<String>>>,
}

#[async_trait]
impl JobFacts for Facts {
    async fn tenants(&self) -> Result<Vec<TenantPlace>, BoxError> {
        Ok(vec![TenantPlace {
            tenant: TENANT,
            zone: chrono_tz::UTC,
            settings: TenantSettings::default(),
            since: THEN.parse()?,
        }])
    }

    async fn due(&self, asked: AskDue<'_>) -> Result<Vec<DueAccount>, BoxError> {
        if asked.what != Due::Expiry {
            return Ok(Vec::new());
        }
        self.asked.lock().unwrap().push(asked.after.map(str::to_owned));
        let customers = self.customers.lock().unwrap();
        let told = customers.iter().map(|id| DueAccount { id: id.as_uuid(), cursor: id.as_uuid().to_string() });
        let behind = told.filter(|account| asked.after.is_none_or(|after| account.cursor.as_str() > after));
        Ok(behind.take(asked.limit as usize).collect())
    }
}

struct World {
    test: TestDatabase,
    database: Database,
    keys: Keys,
    facts: Arc<Facts>,
}

struct Node {
    store: Arc<PostgresStore>,
    commands: Commands,
    jobs: Jobs,
}

impl World {
    async fn start() -> Self {
        let (test, database) = migrated_database().await;
        Self { test, database, keys: Keys::random(), facts: Arc::default() }
    }

    /// A node that does little at a time.
    async fn node(&self, number: u128) -> Node {
        let pools = Pools::new(&self.database);
        let store =
            Arc::new(PostgresStore::open(&self.database, pools.engine.clone(), self.keys.clone()).await.unwrap());
        let commands = Commands::start(store.clone(), Config::default());
        let clock: Arc<dyn Clock> = Arc::new(FrozenClock::at(NOW.parse().unwrap()));
        let jobs = Jobs::new(jobs(), Parts { pools, clock, facts: self.facts.clone() });
        let pace = Pace { look: Duration::from_millis(50), part: 2, side_by_side: 1, ..Pace::default() };
        jobs.start(&commands, Uuid::from_u128(number), pace);
        Node { store, commands, jobs }
    }
}

impl Node {
    async fn member(&self, nth: usize) -> CustomerId {
        let emails = vec![Email::parse(&format!("member.{nth}@example.com")).unwrap()];
        let (kind, enrol_in) = (CustomerKind::Individual, Some(euro()));
        let contact = Contact { emails, ..Contact::default() };
        let request =
            Register { kind, contact, language: None, currency: None, source: None, enrol_in, referrer: None };
        let customer = register(&self.commands, &caller(THEN), None, request).await.unwrap().customer().unwrap();
        let (order, total) = (OrderId::parse("order-1").unwrap(), Money::parse("7", euro()).unwrap());
        earn(&self.commands, &caller(THEN), None, Earn { customer, order, total, at: None }).await.unwrap();
        customer
    }

    async fn expiries(&self, customer: CustomerId) -> usize {
        let (stream, direction) = (account_stream(customer), Direction::Forwards);
        let whole = ReadStream { tenant: TENANT, stream, from: 1, direction, limit: 100, reveal: false };
        let events: Vec<_> = self.store.read_stream(whole).try_collect().await.unwrap();
        events.iter().filter(|event| event.event_type == "loyalty.points.expired").count()
    }

    async fn runs(&self) -> Vec<JobRun> {
        self.jobs.runs(&caller(NOW), EXPIRY, (Position(i64::MAX), 10)).await.unwrap().unwrap().runs
    }

    async fn until(&self, fits: impl Fn(&JobRun) -> bool) -> JobRun {
        let began = Instant::now();
        loop {
            let runs = self.runs().await;
            if let Some(run) = runs.iter().find(|run| fits(run)) {
                return run.clone();
            }
            assert!(began.elapsed() < PATIENCE, "{runs:?}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    async fn expiry_state(&self) -> JobState {
        self.jobs.status().await.into_iter().find(|job| job.name == EXPIRY).unwrap().state
    }
}

fn caller(now: &str) -> Caller {
    Caller {
        tenant: TENANT,
        actor: "cli".to_owned(),
        scopes: vec![Scope::Admin],
        now: now.parse().unwrap(),
        zone: chrono_tz::UTC,
        settings: TenantSettings::default(),
        request_id: None,
        correlation_id: None,
        via: Door::Http,
    }
}

fn euro() -> Currency {
    Currency::parse("EUR").unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_of_a_node_that_dies_goes_on_at_another_and_nothing_is_done_twice() {
    let world = World::start().await;
    let one = world.node(1).await;
    // Its moment of today is made known with nothing to do; what is asked for later finds the members.
    let scheduled = one.until(|run| run.ended_at.is_some()).await;
    assert_eq!(scheduled.scheduled_for, Some("2026-11-22T00:05:00Z".parse().unwrap()));
    let mut members = Vec::new();
    for nth in 0..120 {
        members.push(one.member(nth).await);
    }
    members.sort_unstable_by_key(CustomerId::as_uuid);
    world.facts.customers.lock().unwrap().clone_from(&members);
    let other = world.node(2).await;
    let asked = one.jobs.ask(&caller(NOW), EXPIRY, None).await.unwrap().unwrap();
    let again = other.jobs.ask(&caller(NOW), EXPIRY, None).await.unwrap().unwrap();
    assert_eq!(again.id, asked.id, "while one waits it is the same run");
    one.until(|run| run.id == asked.id && run.tally.examined >= 10).await;
    assert_eq!(other.expiry_state().await, JobState::Standby);
    // Dropped in the middle of its work, as in a crash: its lease has to run out.
    drop(one);
    let left = other.until(|run| run.id == asked.id).await;
    assert!(left.ended_at.is_none() && left.tally.examined < 120, "{left:?}");
    world.facts.asked.lock().unwrap().clear();
    let ended = other.until(|run| run.id == asked.id && run.ended_at.is_some()).await;
    assert_eq!((ended.outcome.as_deref(), ended.attempts), (Some("done"), 2), "{ended:?}");
    let first_asked = world.facts.asked.lock().unwrap()[0].clone();
    assert!(first_asked.is_some() && first_asked >= left.cursor, "{first_asked:?} is before {:?}", left.cursor);
    for member in members {
        assert_eq!(other.expiries(member).await, 1);
    }
    let runs = other.runs().await;
    assert_eq!(runs.len(), 2, "one for the moment, one that was asked for: {runs:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_meets_what_a_newer_build_wrote_stays_open_for_a_node_that_can_read_it() {
    let world = World::start().await;
    let first = world.node(1).await;
    first.until(|run| run.ended_at.is_some()).await;
    let member = first.member(1).await;
    world.facts.customers.lock().unwrap().push(member);
    first.jobs.stop().await;
    newer_by(50, &world.test).await;

    let older = world.node(2).await;
    let asked = older.jobs.ask(&caller(NOW), EXPIRY, None).await.unwrap().unwrap();
    let began = Instant::now();
    while older.expiry_state().await != JobState::Retrying {
        assert!(began.elapsed() < PATIENCE, "{:?}", older.jobs.status().await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let run = older.until(|run| run.id == asked.id).await;
    assert!(run.ended_at.is_none() && run.cursor.is_none() && run.tally.examined == 0, "{run:?}");

    newer_by(-50, &world.test).await;
    let newer = world.node(3).await;
    let ended = newer.until(|run| run.id == asked.id && run.ended_at.is_some()).await;
    assert_eq!((ended.outcome.as_deref(), ended.tally.changed, ended.tally.refused), (Some("done"), 1, 0), "{ended:?}");
    assert_eq!(newer.expiries(member).await, 1);
    let expiry = newer.jobs.status().await.into_iter().find(|job| job.name == EXPIRY).unwrap();
    assert_eq!(expiry.owner, Some(Uuid::from_u128(3)), "the older one has left it to others");
}
