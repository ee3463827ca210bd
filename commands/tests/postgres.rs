//! The pipeline on the default engine: what the loop believes of the store holds there too.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use commands::customers::{
    Erase, ImportOptions, PurchaseRow, Register, RowOutcome, Update, erase, import_purchases, register, update,
};
use commands::loyalty::{Earn, Redeem, account_stream, earn, redeem};
use commands::{Caller, CommandError, Commands, Committed, Config, Door, Scope};
use domain::access::settings::TenantSettings;
use domain::customers::commands::CustomerPatch;
use domain::customers::events::{Contact, CustomerKind, ErasureGround, ExternalReference};
use domain::email::Email;
use domain::ids::{CustomerId, OrderId};
use domain::{Currency, Money, Patch};
use futures::TryStreamExt;
use futures::future::join_all;
use std::sync::Arc;
use store::personal_data::Keys;
use store::postgres::testing::{TestDatabase, migrated_database};
use store::postgres::{Database, Pools, PostgresStore};
use store::{Direction, EventStore, Filter, Personal, Position, ReadAll, ReadStream, StreamId, TenantId};

struct World {
    /// Dropped with the world.
    _test: TestDatabase,
    database: Database,
    keys: Keys,
    store: Arc<PostgresStore>,
    commands: Commands,
}

impl World {
    async fn start() -> Self {
        let (test, database) = migrated_database().await;
        let keys = Keys::random();
        let store = open(&database, &keys).await;
        let commands = Commands::start(store.clone(), Config::default());
        Self { _test: test, database, keys, store, commands }
    }

    /// Another node on the same database.
    async fn another_node(&self) -> Commands {
        Commands::start(open(&self.database, &self.keys).await, Config::default())
    }

    async fn versions(&self, stream: StreamId) -> Vec<i32> {
        let whole = ReadStream {
            tenant: TENANT,
            stream,
            from: 1,
            direction: Direction::Forwards,
            limit: 10_000,
            reveal: false,
        };
        let events: Vec<_> = self.store.read_stream(whole).try_collect().await.unwrap();
        events.iter().map(|event| event.version).collect()
    }

    async fn member_with(&self, points: i64) -> CustomerId {
        let contact = Contact { emails: vec![Email::parse("ana@example.com").unwrap()], ..Contact::default() };
        let (kind, enrol_in) = (CustomerKind::Individual, Some(euro()));
        let request =
            Register { kind, contact, language: None, currency: None, source: None, enrol_in, referrer: None };
        let customer = register(&self.commands, &caller(), None, request).await.unwrap().customer().unwrap();
        let total = Money::parse(&points.to_string(), euro()).unwrap();
        let request = Earn { customer, order: order("first"), total, at: None };
        earn(&self.commands, &caller(), None, request).await.unwrap();
        customer
    }
}

const TENANT: TenantId = TenantId(1);

async fn open(database: &Database, keys: &Keys) -> Arc<PostgresStore> {
    let pools = Pools::new(database);
    Arc::new(PostgresStore::open(database, pools.engine, keys.clone()).await.unwrap())
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

fn euro() -> Currency {
    Currency::parse("EUR").unwrap()
}

fn order(text: &str) -> OrderId {
    OrderId::parse(text).unwrap()
}

fn redeeming(customer: CustomerId, for_order: &str, points: i64) -> Redeem {
    Redeem { customer, points, order: order(for_order) }
}

fn code(answer: &Result<Committed, CommandError>) -> &str {
    match answer {
        Ok(committed) if committed.repeated => "repeated",
        Ok(_) => "done",
        Err(error) => error.refusal().map_or(error.kind(), |refusal| &refusal.code),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tills_of_two_nodes_never_overdraw() {
    let world = World::start().await;
    let customer = world.member_with(2_000).await;
    let nodes = [world.commands.clone(), world.another_node().await];
    let clerk = caller();
    let tills = (0..64).map(|n| redeem(&nodes[n % 2], &clerk, None, redeeming(customer, &format!("order-{n}"), 100)));
    let answers = join_all(tills).await;
    let count = |wanted: &str| answers.iter().filter(|answer| code(answer) == wanted).count();
    assert_eq!((count("done"), count("insufficient_points"), count("conflict")), (20, 44, 0));
    let versions = world.versions(account_stream(customer)).await;
    assert_eq!(versions, (1..=versions.len() as i32).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repeats_are_answered_from_the_log_by_any_node() {
    let world = World::start().await;
    let customer = world.member_with(500).await;
    let key = || Some("k-1".try_into().unwrap());
    let first = redeem(&world.commands, &caller(), key(), redeeming(customer, "order-1", 300)).await.unwrap();
    let refused =
        redeem(&world.commands, &caller(), Some("k-2".try_into().unwrap()), redeeming(customer, "o", 300)).await;
    let other = world.another_node().await;
    let again = redeem(&other, &caller(), key(), redeeming(customer, "order-1", 300)).await.unwrap();
    assert_eq!((again.events, again.position, again.repeated), (first.events, first.position, true));
    let refused_again = redeem(&other, &caller(), Some("k-2".try_into().unwrap()), redeeming(customer, "o", 300)).await;
    assert_eq!(refused.unwrap_err().refusal(), refused_again.unwrap_err().refusal());
    let reused = redeem(&other, &caller(), key(), redeeming(customer, "order-1", 100)).await;
    assert_eq!(code(&reused), "key_reused");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_tenants_account_does_not_exist() {
    let world = World::start().await;
    let customer = world.member_with(500).await;
    let stranger = Caller { tenant: TenantId(2), ..caller() };
    let answer = redeem(&world.commands, &stranger, None, redeeming(customer, "order-1", 100)).await;
    assert_eq!(code(&answer), "not_a_member");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_made_again_by_another_node_changes_nothing() {
    let world = World::start().await;
    let rows: Vec<PurchaseRow> = (0..300)
        .map(|n| {
            let reference = format!("c{}", n % 20).parse().unwrap();
            PurchaseRow {
                customer: ExternalReference { system: "erp".parse().unwrap(), reference },
                order: None,
                row_key: order(&format!("row-{n}")),
                total: Money::parse("12.50", euro()).unwrap(),
                on: "2026-03-04".parse().unwrap(),
            }
        })
        .collect();
    let options = ImportOptions::default();
    let first = import_purchases(&world.commands, &caller(), &options, &rows).await.unwrap();
    assert!(first.iter().all(|outcome| matches!(outcome, RowOutcome::Recorded { .. })), "{first:?}");
    let head = world.store.head().await.unwrap();
    let other = world.another_node().await;
    let again = import_purchases(&other, &caller(), &options, &rows).await.unwrap();
    assert!(again.iter().all(|outcome| matches!(outcome, RowOutcome::Repeated { .. })), "{again:?}");
    assert_eq!(world.store.head().await.unwrap(), head);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_commands_on_one_account_travel_together() {
    let world = World::start().await;
    let customer = world.member_with(1_000_000).await;
    let before = world.store.head().await.unwrap();
    let clerk = caller();
    let redemptions =
        (0..2_000).map(|n| redeem(&world.commands, &clerk, None, redeeming(customer, &format!("order-{n}"), 100)));
    let answers = join_all(redemptions).await;
    assert!(answers.iter().all(|answer| code(answer) == "done"));
    assert_eq!(world.store.head().await.unwrap().0 - before.0, 2_000);
}

fn renaming(customer: CustomerId, n: usize) -> Update {
    let name = Patch::Set(format!("Ana {n}").parse().unwrap());
    Update { customer, patch: CustomerPatch { name, ..CustomerPatch::default() } }
}

/// Commands of two nodes on a person, before, while and after it is erased by one of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_happens_to_a_person_behind_its_erasure() {
    let world = World::start().await;
    let nodes = [world.commands.clone(), world.another_node().await];
    let customer = world.member_with(100).await;
    let clerk = caller();
    let busy = |from: usize| {
        let nodes = &nodes;
        let clerk = &clerk;
        join_all((from..from + 40).map(move |n| async move {
            let total = Money::parse("1.00", euro()).unwrap();
            let request = Earn { customer, order: order(&format!("order-{n}")), total, at: None };
            let named = update(&nodes[n % 2], clerk, None, renaming(customer, n), None).await;
            [named, earn(&nodes[n % 2], clerk, None, request).await]
        }))
    };
    busy(0).await; // both nodes have the person in memory now
    let request = Erase { customer, ground: ErasureGround::Request };
    let (_, erased, _) = tokio::join!(busy(40), erase(&nodes[0], &clerk, None, request), busy(80));
    let erased = erased.unwrap().position;
    for answer in busy(120).await.iter().flatten() {
        assert!(matches!(code(answer), "customer_erased" | "account_closed"), "{answer:?}");
    }
    let log = ReadAll { after: Position(0), filter: Filter::default(), limit: u64::MAX, reveal: true };
    let log: Vec<_> = world.store.read_all(log).try_collect().await.unwrap();
    let last = log.iter().rfind(|event| event.subject_id == Some(customer.as_uuid())).unwrap();
    assert_eq!((last.position, last.event_type), (erased, "customer.erased"));
    let personal = log.iter().filter(|event| event.personal != Personal::Absent);
    assert!(personal.clone().count() > 40 && personal.into_iter().all(|event| event.personal == Personal::Erased));
    // The address is free again.
    let fresh = world.member_with(1).await;
    assert_ne!(fresh, customer);
}
