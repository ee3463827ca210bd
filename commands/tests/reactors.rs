//! Reactors on the default engine: once, in order, and past what cannot be acted on.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use commands::customers::{RecordPurchase, Register, record_purchase, register};
use commands::loyalty::{Enrol, account_stream, enrol};
use commands::reactor::{Occurrence, Pace, Parts, Reactor, ReactorState};
use commands::{Caller, Changes, Commands, Config, Door, Reactors, Request, Scope, States};
use domain::access::settings::TenantSettings;
use domain::customers::events::{Contact, CustomerEvent, CustomerKind};
use domain::email::Email;
use domain::ids::{CustomerId, OrderId};
use domain::loyalty::commands::LoyaltyCommand;
use domain::loyalty::loyalty_account::LoyaltyAccount;
use domain::loyalty::loyalty_programme::LoyaltyProgramme;
use domain::loyalty::sale::Sale;
use domain::{Currency, Decider, Event, Moment, Money, Refusal};
use futures::TryStreamExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use store::personal_data::Keys;
use store::postgres::testing::{TestDatabase, migrated_database};
use store::postgres::{Database, Pools, PostgresStore};
use store::{Direction, EventStore, Metadata, Position, ReadStream, RecordedEvent, TenantId};
use support::newer_by;
use uuid::Uuid;

const TENANT: TenantId = TenantId(1);
const PATIENCE: Duration = Duration::from_secs(30);

/// Each purchase earns a point more. Decided twice it would earn two: nothing but the id of the command makes it once.
const BONUS: Reactor =
    Reactor { name: "bonus", actor: "reactor:bonus", handles: &["customer.purchase.recorded"], react: bonus };

/// While it is set, a purchase under such an order cannot be acted on.
static BROKEN: AtomicBool = AtomicBool::new(false);

fn bonus(occurrence: &Occurrence) -> Vec<Request> {
    let Event::Customer(CustomerEvent::PurchaseRecorded { order, on, .. }) = &occurrence.event else {
        panic!("an event that was not asked for")
    };
    assert!(!(order.as_str().starts_with("bad") && BROKEN.load(Ordering::Relaxed)), "cannot be acted on");
    let (on, account) = (*on, occurrence.stream.id);
    let now = Moment { at: occurrence.occurred_at, today: on };
    let stream = account_stream(CustomerId::new(account));
    let decide = move |states: &States<'_>| {
        let order = self::order(&format!("bonus-{}", states.version(&stream)));
        let earn = LoyaltyCommand::Earn {
            sale: Sale::of_total(order, euros("1"), on),
            programme: LoyaltyProgramme::default(),
            now,
        };
        Ok::<_, Refusal>(Changes::of(stream, LoyaltyAccount::decide(states.get::<LoyaltyAccount>(account), earn)?))
    };
    vec![Request::new("test.bonus", occurrence.occurred_at, [stream], decide)]
}

struct World {
    test: TestDatabase,
    database: Database,
    keys: Keys,
    node: Node,
}

/// A node with its reactors.
struct Node {
    store: Arc<PostgresStore>,
    commands: Commands,
    reactors: Reactors,
}

impl World {
    async fn start() -> Self {
        let (test, database) = migrated_database().await;
        let keys = Keys::random();
        let node = Node::start(&database, &keys, 1).await;
        Self { test, database, keys, node }
    }

    async fn customer(&self, email: &str, enrol_in: Option<Currency>) -> CustomerId {
        let contact = Contact { emails: vec![Email::parse(email).unwrap()], ..Contact::default() };
        let kind = CustomerKind::Individual;
        let request =
            Register { kind, contact, language: None, currency: None, source: None, enrol_in, referrer: None };
        register(&self.node.commands, &caller(), None, request).await.unwrap().customer().unwrap()
    }

    async fn buys(&self, customer: CustomerId, order: &str) {
        let (order, total) = (self::order(order), euros("5"));
        let request = RecordPurchase { customer, order, channel: None, lines: Vec::new(), total, at: None };
        record_purchase(&self.node.commands, &caller(), None, request).await.unwrap();
    }

    /// The purchases for which a bonus was given, in the order in which it was.
    async fn bonuses(&self, customer: CustomerId) -> Vec<String> {
        let of_account = self.events(account_stream(customer)).await;
        let metadata = of_account.iter().map(|event| serde_json::from_str::<Metadata>(&event.metadata).unwrap());
        metadata
            .filter(|metadata| metadata.actor == BONUS.actor)
            .map(|metadata| metadata.causation_id.unwrap())
            .collect()
    }

    async fn purchases(&self, customer: CustomerId) -> Vec<String> {
        let of_customer = self.events(commands::customers::customer_stream(customer)).await;
        of_customer.iter().filter(|event| event.event_type == BONUS.handles[0]).map(RecordedEvent::id).collect()
    }

    async fn events(&self, stream: store::StreamId) -> Vec<RecordedEvent> {
        let (direction, limit) = (Direction::Forwards, 10_000);
        let whole = ReadStream { tenant: TENANT, stream, from: 1, direction, limit, reveal: false };
        self.node.store.read_stream(whole).try_collect().await.unwrap()
    }

    /// A customer who has bought while no reactor ran, and an account that holds what a newer build wrote.
    async fn newer_account(&self) -> CustomerId {
        let customer = self.customer("newer@example.com", Some(euro())).await;
        self.settled(0).await;
        self.node.reactors.stop().await;
        self.buys(customer, "order-1").await;
        newer_by(50, &self.test).await;
        customer
    }

    /// Waits until the reactor has dealt with the log, and as many events are put aside.
    async fn settled(&self, parked: i64) {
        let began = Instant::now();
        loop {
            let status = &self.node.reactors.status().await[0];
            if status.lag == 0 && status.parked == parked {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{status:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Node {
    async fn start(database: &Database, keys: &Keys, number: u128) -> Self {
        Self::paced(database, keys, number, Pace::default()).await
    }

    async fn paced(database: &Database, keys: &Keys, number: u128, pace: Pace) -> Self {
        let pools = Pools::new(database);
        let store = Arc::new(PostgresStore::open(database, pools.engine.clone(), keys.clone()).await.unwrap());
        let commands = Commands::start(store.clone(), Config::default());
        let reactors = Reactors::new(vec![BONUS], Parts { pools, store: store.clone() });
        let pace = Pace { look: Duration::from_millis(50), ..pace };
        reactors.start(&commands, Uuid::from_u128(number), pace);
        Self { store, commands, reactors }
    }
}

fn caller() -> Caller {
    Caller {
        tenant: TENANT,
        actor: "cli".to_owned(),
        scopes: vec![Scope::Admin],
        now: "2026-11-22T12:00:00Z".parse().unwrap(),
        zone: chrono_tz::UTC,
        settings: TenantSettings::default(),
        request_id: None,
        correlation_id: None,
        via: Door::Http,
    }
}

fn euros(amount: &str) -> Money {
    Money::parse(amount, euro()).unwrap()
}

fn euro() -> Currency {
    Currency::parse("EUR").unwrap()
}

fn order(text: &str) -> OrderId {
    OrderId::parse(text).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poison_event_and_those_behind_it_wait_in_order_and_other_streams_go_on() {
    let world = World::start().await;
    let (one, other) = (
        world.customer("one@example.com", Some(euro())).await,
        world.customer("other@example.com", Some(euro())).await,
    );
    BROKEN.store(true, Ordering::Relaxed);
    for order in ["good-1", "bad-2", "good-3", "good-4"] {
        world.buys(one, order).await;
        world.buys(other, &format!("other-{order}")).await;
    }
    world.settled(3).await;
    assert_eq!(world.bonuses(one).await, world.purchases(one).await[..1]);
    assert_eq!(world.bonuses(other).await, world.purchases(other).await);
    let parked = world.node.reactors.parked(TENANT, "bonus", Position(0), 2).await.unwrap().unwrap();
    let told: Vec<_> = parked.events.iter().map(|event| (event.error.as_deref(), event.attempts)).collect();
    assert_eq!(told, [(Some("the reactor panicked at this event"), 1), (None, 0)]);
    let rest = world.node.reactors.parked(TENANT, "bonus", parked.next.unwrap(), 2).await.unwrap().unwrap();
    assert_eq!((rest.events.len(), rest.next), (1, None));
    let strangers = world.node.reactors.parked(TenantId(2), "bonus", Position(0), 2).await.unwrap().unwrap();
    assert_eq!(strangers.events, []);
    assert_eq!(world.node.reactors.retry(TenantId(2), "bonus").await.unwrap(), Some(0));

    // Still broken: the first is tried once more, and all go on waiting.
    assert_eq!(world.node.reactors.retry(TENANT, "bonus").await.unwrap(), Some(1));
    let began = Instant::now();
    loop {
        let page = world.node.reactors.parked(TENANT, "bonus", Position(0), 1).await.unwrap().unwrap();
        if page.events[0].attempts == 2 {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "{page:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.settled(3).await;
    BROKEN.store(false, Ordering::Relaxed);
    assert_eq!(world.node.reactors.retry(TENANT, "bonus").await.unwrap(), Some(1));
    world.settled(0).await;
    assert_eq!(world.bonuses(one).await, world.purchases(one).await);
    world.buys(one, "good-5").await;
    world.settled(0).await;
    assert_eq!(world.bonuses(one).await, world.purchases(one).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_command_puts_its_event_aside_until_it_may_happen() {
    let world = World::start().await;
    let customer = world.customer("no-member@example.com", None).await;
    world.buys(customer, "order-1").await;
    world.buys(customer, "order-2").await;
    world.settled(2).await;
    let parked = world.node.reactors.parked(TENANT, "bonus", Position(0), 1).await.unwrap().unwrap();
    assert_eq!(parked.events[0].error.as_deref(), Some("test.bonus was refused: not_a_member"));
    enrol(&world.node.commands, &caller(), None, Enrol { customer, currency: euro() }).await.unwrap();
    world.node.reactors.retry(TENANT, "bonus").await.unwrap();
    world.settled(0).await;
    assert_eq!(world.bonuses(customer).await, world.purchases(customer).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_nodes_one_runs_a_reactor_and_the_other_goes_on_when_it_dies() {
    let mut world = World::start().await;
    let other = Node::start(&world.database, &world.keys, 2).await;
    let customer = world.customer("two@example.com", Some(euro())).await;
    for n in 0..40 {
        world.buys(customer, &format!("order-{n}")).await;
    }
    let states = async |node: &Node| node.reactors.status().await[0].state;
    assert_eq!((states(&world.node).await, states(&other).await), (ReactorState::Live, ReactorState::Standby));
    // Dropped in the middle of its work, as in a crash: its lease has to run out.
    drop(std::mem::replace(&mut world.node, other));
    for n in 40..50 {
        world.buys(customer, &format!("order-{n}")).await;
    }
    world.settled(0).await;
    assert_eq!(states(&world.node).await, ReactorState::Live);
    assert_eq!(world.bonuses(customer).await, world.purchases(customer).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_done_again_from_an_old_checkpoint_happens_once() {
    let mut world = World::start().await;
    let customer = world.customer("again@example.com", Some(euro())).await;
    for n in 0..20 {
        world.buys(customer, &format!("order-{n}")).await;
    }
    world.settled(0).await;
    world.node.reactors.stop().await;
    let pools = Pools::new(&world.database);
    let back = "update projection_checkpoints set position = 0, leaf_hash = null where projector = 'reactor:bonus'";
    sqlx::query(back).execute(&pools.engine).await.unwrap();
    world.node = Node::start(&world.database, &world.keys, 2).await;
    world.settled(0).await;
    let (bonuses, purchases) = (world.bonuses(customer).await, world.purchases(customer).await);
    assert_eq!((bonuses.len(), bonuses), (20, purchases));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_newer_build_wrote_is_left_to_a_node_that_can_read_it() {
    let mut world = World::start().await;
    let customer = world.newer_account().await;
    let older = Node::start(&world.database, &world.keys, 2).await;
    let began = Instant::now();
    let told = loop {
        let status = older.reactors.status().await.remove(0);
        if let Some(error) = status.error.clone() {
            break (error, status.parked);
        }
        assert!(began.elapsed() < PATIENCE, "{status:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(told, ("test.bonus: written by a newer build".to_owned(), 0));

    newer_by(-50, &world.test).await;
    world.node = Node::start(&world.database, &world.keys, 3).await;
    world.settled(0).await;
    assert_eq!(world.bonuses(customer).await, world.purchases(customer).await);
    let owner = world.node.reactors.status().await[0].owner;
    assert_eq!(owner, Some(Uuid::from_u128(3)), "the older one has left it to others");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_no_node_can_read_it_what_a_newer_build_wrote_is_put_aside() {
    let mut world = World::start().await;
    let customer = world.newer_account().await;
    let pace = Pace { left: Duration::from_millis(10), ..Pace::default() };
    world.node = Node::paced(&world.database, &world.keys, 2, pace).await;
    world.settled(1).await;
    let parked = world.node.reactors.parked(TENANT, "bonus", Position(0), 1).await.unwrap().unwrap();
    assert_eq!(parked.events[0].error.as_deref(), Some("test.bonus was refused: newer"));

    newer_by(-50, &world.test).await;
    world.node.reactors.retry(TENANT, "bonus").await.unwrap();
    world.settled(0).await;
    assert_eq!(world.bonuses(customer).await, world.purchases(customer).await);
}
