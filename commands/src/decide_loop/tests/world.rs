//! Words for the tests of the loop: accounts with points, tills that redeem them, other nodes that interfere.

use crate::changes::{Change, Changes};
use crate::encoding::{decode, encode};
use crate::error::CommandError;
use crate::execute::{Commands, Committed, Config, Request, content_of};
use crate::identity::{IdempotencyKey, Once};
use crate::ids::new_id;
use crate::states::{States, stream_of};
use crate::testing::fake_store::FakeStore;
pub(super) use crate::testing::node::caller;
use domain::ids::OrderId;
use domain::loyalty::commands::LoyaltyCommand;
use domain::loyalty::events::LoyaltyEvent;
use domain::loyalty::loyalty_account::LoyaltyAccount;
use domain::loyalty::loyalty_programme::LoyaltyProgramme;
use domain::loyalty::sale::Sale;
use domain::{Currency, Decider, Event, Moment, Money};
use std::sync::Arc;
use store::{ClaimKey, NewEvent, StreamId, TenantId};
use tokio::task::JoinHandle;
use uuid::Uuid;

pub(super) const TENANT: TenantId = TenantId(1);

pub(super) type Answer = Result<Committed, CommandError>;

/// A store and a node that works on it.
pub(super) struct World {
    pub(super) store: Arc<FakeStore>,
    pub(super) commands: Commands,
}

impl World {
    pub(super) fn start() -> Self {
        Self::with(Config::default())
    }

    pub(super) fn with(config: Config) -> Self {
        let store = FakeStore::new();
        Self { commands: Commands::start(store.clone(), config), store }
    }

    /// Another node on the same store.
    pub(super) fn another_node(&self) -> Commands {
        Commands::start(self.store.clone(), Config::default())
    }

    /// An account with so many points, that this node has not seen yet.
    pub(super) fn account_with(&self, points: i64) -> StreamId {
        let account = new_account();
        self.store.append_elsewhere(TENANT, account, &encoded(account, &history(points)));
        account
    }

    /// Asks without waiting for the answer.
    pub(super) fn ask(&self, request: Request) -> JoinHandle<Answer> {
        ask(&self.commands, request)
    }

    pub(super) async fn answer(&self, request: Request) -> Answer {
        self.commands.execute(&caller(), request).await
    }

    /// Another node redeems points, ahead of all that is not judged yet.
    pub(super) fn redeem_elsewhere(&self, account: StreamId, points: i64) {
        let state = self.state_of(account);
        let command = LoyaltyCommand::Redeem {
            points,
            order: order(&new_id().to_string()),
            programme: LoyaltyProgramme::default(),
            now: now(),
        };
        let events = LoyaltyAccount::decide(&state, command).unwrap();
        self.store.append_elsewhere(TENANT, account, &encoded(account, &events));
    }

    pub(super) fn state_of(&self, account: StreamId) -> LoyaltyAccount {
        let events: Vec<LoyaltyEvent> = self.loyalty_events(account);
        LoyaltyAccount::fold(LoyaltyAccount::initial(), &events)
    }

    pub(super) fn available(&self, account: StreamId) -> i64 {
        self.state_of(account).member().unwrap().available()
    }

    pub(super) fn loyalty_events(&self, account: StreamId) -> Vec<LoyaltyEvent> {
        let recorded = self.store.events_of(account);
        let events = recorded.iter().map(|recorded| match decode(recorded).unwrap() {
            Event::Loyalty(event) => event,
            other => panic!("{other:?} on a loyalty account"),
        });
        events.collect()
    }

    /// The orders that redeemed points, in the order of the log.
    pub(super) fn redeemed_orders(&self, account: StreamId) -> Vec<String> {
        let events = self.loyalty_events(account).into_iter();
        let orders = events.filter_map(|event| match event {
            LoyaltyEvent::PointsRedeemed { order, .. } => Some(order.to_string()),
            _ => None,
        });
        orders.collect()
    }
}

pub(super) fn ask(commands: &Commands, request: Request) -> JoinHandle<Answer> {
    tokio::spawn(commands.submit(&caller(), request))
}

pub(super) fn new_account() -> StreamId {
    stream_of::<LoyaltyAccount>(new_id())
}

pub(super) fn order(text: &str) -> OrderId {
    OrderId::parse(text).unwrap()
}

pub(super) fn key(text: &str) -> Option<IdempotencyKey> {
    Some(IdempotencyKey::new(text).unwrap())
}

pub(super) fn euros(amount: i64) -> Money {
    Money::parse(&amount.to_string(), Currency::parse("EUR").unwrap()).unwrap()
}

pub(super) fn today() -> chrono::NaiveDate {
    caller().today()
}

pub(super) fn now() -> Moment {
    caller().this_moment()
}

/// Redeems points of one account.
pub(super) fn redeem(account: StreamId, points: i64, for_order: &str) -> Request {
    let order = order(for_order);
    let content = content_of(&(account.id, points, &order));
    let decide = move |states: &States<'_>| {
        let command =
            LoyaltyCommand::Redeem { points, order: order.clone(), programme: LoyaltyProgramme::default(), now: now() };
        Ok(Changes::of(account, LoyaltyAccount::decide(states.get::<LoyaltyAccount>(account.id), command)?))
    };
    Request::new("test.redeem", caller().now, [account], decide).content(content)
}

/// Earns points on one account, as the once-only fact that its order names.
pub(super) fn earn(account: StreamId, amount: i64, for_order: &str) -> Request {
    let order = order(for_order);
    let content = content_of(&(account.id, amount, &order));
    let once = Once::new(account, "earn", for_order);
    let once_id = once.id(TENANT);
    let decide = move |states: &States<'_>| {
        let state = states.get::<LoyaltyAccount>(account.id);
        if states.happened(once_id) {
            return Ok(Changes::none());
        }
        let command = LoyaltyCommand::Earn {
            sale: Sale::of_total(order.clone(), euros(amount), today()),
            programme: LoyaltyProgramme::default(),
            now: now(),
        };
        let mut changes = Changes::none();
        for event in LoyaltyAccount::decide(state, command)? {
            let earned = matches!(event, LoyaltyEvent::PointsEarned { .. });
            let change = Change::new(account, event);
            changes.push(if earned { change.once(once_id) } else { change });
        }
        Ok(changes)
    };
    Request::new("test.earn", caller().now, [account], decide).content(content).once(once)
}

/// Moves points: redeems them on one account and earns as many on another, in one append.
pub(super) fn transfer(from: StreamId, to: StreamId, points: i64, for_order: &str) -> Request {
    let order = order(for_order);
    let decide = move |states: &States<'_>| {
        let (giver, taker) = (states.get::<LoyaltyAccount>(from.id), states.get::<LoyaltyAccount>(to.id));
        let redeem =
            LoyaltyCommand::Redeem { points, order: order.clone(), programme: LoyaltyProgramme::default(), now: now() };
        let earn = LoyaltyCommand::Earn {
            sale: Sale::of_total(order.clone(), euros(points), today()),
            programme: LoyaltyProgramme::default(),
            now: now(),
        };
        Ok(Changes::of(from, LoyaltyAccount::decide(giver, redeem)?).and(to, LoyaltyAccount::decide(taker, earn)?))
    };
    Request::new("test.transfer", caller().now, [from, to], decide)
}

/// The same, but it also takes a claim: refused by the store when another holds it, whatever the loop thinks.
pub(super) fn claiming(request: Request, claim: ClaimKey, owner: Uuid) -> Request {
    let decide = request.decide;
    Request {
        decide: Box::new(move |states| {
            let mut changes = decide(states)?;
            changes.take(claim.clone(), owner);
            Ok(changes)
        }),
        ..request
    }
}

pub(super) fn claim(value: &str) -> ClaimKey {
    ClaimKey { kind: "email".to_owned(), value: value.to_owned() }
}

/// Points as a purchase earns them.
pub(super) fn history(points: i64) -> Vec<LoyaltyEvent> {
    let enrol = LoyaltyCommand::Enrol { currency: Currency::parse("EUR").unwrap(), on: today() };
    let mut events = LoyaltyAccount::decide(&LoyaltyAccount::initial(), enrol).unwrap();
    if points > 0 {
        let state = LoyaltyAccount::fold(LoyaltyAccount::initial(), &events);
        let earn = LoyaltyCommand::Earn {
            sale: Sale::of_total(order("first"), euros(points), today()),
            programme: LoyaltyProgramme::default(),
            now: now(),
        };
        events.extend(LoyaltyAccount::decide(&state, earn).unwrap());
    }
    events
}

pub(super) fn encoded(stream: StreamId, events: &[LoyaltyEvent]) -> Vec<NewEvent> {
    let changes = events.iter().map(|event| Change::new(stream, event.clone()));
    changes.map(|change| encode(&change, caller().now).unwrap()).collect()
}

/// Lets everything run that can.
pub(super) async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

pub(super) fn code(answer: &Answer) -> &str {
    match answer {
        Ok(committed) if committed.repeated => "repeated",
        Ok(committed) if committed.events.is_empty() => "unchanged",
        Ok(_) => "done",
        Err(error) => error.refusal().map_or(error.kind(), |refusal| &refusal.code),
    }
}
