//! A day of a supermarket: members at many tills of two servers, who buy, give back, spend points, and whose tills ask again.
//!
//! What everybody has in the evening is compared with a model that knows the answers only: it goes through what was done in
//! the order of the positions that the tills were told, by the numbers of the specification and with no code of the domain.

use crate::client::{Caller, Reply};
use crate::nodes::Installation;
use crate::random::Random;
use crate::scale::Scale;
use crate::server::Server;
use crate::two_servers::{environment, forget_login};
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tokio::task::JoinSet;

const TILLS: u64 = 24;

/// What a till wants; amounts in cents.
#[derive(Debug, Clone)]
enum Ticket {
    Buy { member: usize, order: String, cents: i64 },
    GiveBack { member: usize, order: String, refund: String, cents: i64 },
    Spend { member: usize, order: String, points: i64 },
}

/// A ticket that was carried out, and where in the log.
type Done = (i64, Ticket);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_of_a_supermarket_ends_with_the_right_balances() {
    let scale = Scale::of("supermarket");
    let (members, tickets) = (scale.pick(120, 5_000), scale.pick(1_500, 50_000));
    let mut random = scale.random();
    let installation = Installation::new().await;
    let shared = environment(&installation, &mut random).await;
    let mut servers = [Server::with(shared.clone()), Server::with(shared)];
    for server in &mut servers {
        fs::create_dir_all(server.data()).expect("its data folder");
        server.start().await;
    }
    let caller = servers[0].caller();
    let callers = [caller.clone(), caller.through(servers[1].port())];
    let ids = Arc::new(enrol(&callers, members).await);
    let began = Instant::now();
    let done = open(&callers, &ids, &random, tickets).await;
    println!("supermarket: {} of {tickets} tickets done in {:?}", done.len(), began.elapsed());

    let model = model(&done, ids.len());
    let last = done.iter().map(|(position, _)| *position).max().expect("something was done");
    compare(&callers, &ids, &model, last).await;
    owes(&callers[1], &model, last, &installation.superuser()).await;
    assert_eq!(caller.faults(), Vec::<String>::new());
    drop(servers);
    forget_login(&installation).await;
}

async fn enrol(callers: &[Caller; 2], members: usize) -> Vec<String> {
    let mut ids = Vec::with_capacity(members);
    for first in (0..members).step_by(64) {
        let some = (first..members.min(first + 64)).map(|member| async move {
            let body = json!({"phones": [format!("+3461{member:07}")], "loyalty": {"currency": "EUR"}});
            let told = asked(&callers[member % 2], "/v1/customers", &body, &format!("enrol-{member}")).await;
            told.body()["customer_id"].as_str().expect("an id").to_owned()
        });
        ids.extend(join_all(some).await);
    }
    ids
}

/// Asks until there is an answer, as a till does.
async fn asked(caller: &Caller, path: &str, body: &Value, key: &str) -> Reply {
    for _ in 0..200 {
        match caller.send(Method::POST, path, Some(body), Some(key)).await {
            Some(reply) if !matches!(reply.status, 429 | 503) && reply.code() != "conflict" => return reply,
            Some(_) | None => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
        }
    }
    panic!("no answer to {path}");
}

async fn open(callers: &[Caller; 2], ids: &Arc<Vec<String>>, random: &Random, tickets: u64) -> Vec<Done> {
    let (left, mut tills) = (Arc::new(AtomicU64::new(tickets)), JoinSet::new());
    for till in 0..TILLS {
        let (callers, ids, left) = (callers.clone(), Arc::clone(ids), Arc::clone(&left));
        let mut till = Till { number: till, random: random.fork(till), bought: Vec::new(), nth: 0 };
        tills.spawn(async move {
            let mut done = Vec::new();
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                let ticket = till.next(ids.len());
                done.extend(till.serve(&callers, &ids, ticket).await);
            }
            done
        });
    }
    let mut done = Vec::new();
    while let Some(served) = tills.join_next().await {
        done.extend(served.expect("no till panics"));
    }
    done.sort_by_key(|(position, _)| *position);
    done
}

struct Till {
    number: u64,
    random: Random,
    /// What was bought here and not given back: member, order, cents that are left.
    bought: Vec<(usize, String, i64)>,
    nth: u64,
}

impl Till {
    fn next(&mut self, members: usize) -> Ticket {
        self.nth += 1;
        let name = format!("{}-{}", self.number, self.nth);
        let member = usize::try_from(self.random.below(members as u64)).expect("few");
        match self.random.below(100) {
            0..10 if !self.bought.is_empty() => self.give_back(&name),
            10..18 => {
                let points = 100 * (1 + i64::try_from(self.random.below(4)).expect("few"));
                Ticket::Spend { member, order: format!("spend-{name}"), points }
            }
            _ => {
                let cents = 100 + i64::try_from(self.random.below(25_000)).expect("few");
                Ticket::Buy { member, order: format!("order-{name}"), cents }
            }
        }
    }

    /// A part of what is left of an order, or all of it.
    fn give_back(&mut self, name: &str) -> Ticket {
        let index = usize::try_from(self.random.below(self.bought.len() as u64)).expect("few");
        let (member, order, left) = self.bought.swap_remove(index);
        let part = 1 + i64::try_from(self.random.below(u64::try_from(left).expect("something is left"))).expect("few");
        let cents = if self.random.chance(50) { left } else { part };
        if left > cents {
            self.bought.push((member, order.clone(), left - cents));
        }
        Ticket::GiveBack { member, order, refund: format!("refund-{name}"), cents }
    }

    /// Carries a ticket out; some are asked for by both servers at the same time, or once more afterwards.
    async fn serve(&mut self, callers: &[Caller; 2], ids: &[String], ticket: Ticket) -> Option<Done> {
        let (path, body) = message(&ticket, ids);
        let (mine, others) =
            (&callers[usize::from(self.nth.is_multiple_of(2))], &callers[usize::from(!self.nth.is_multiple_of(2))]);
        let key = format!("till-{}-{}", self.number, self.nth);
        let twice = self.random.below(100);
        let reply = match twice {
            0..8 => {
                let (reply, twin) = tokio::join!(asked(mine, &path, &body, &key), asked(others, &path, &body, &key));
                assert_eq!(reply.position, twin.position, "{path}: both are told the same");
                reply
            }
            _ => asked(mine, &path, &body, &key).await,
        };
        if twice >= 95 {
            let again = asked(others, &path, &body, &key).await;
            assert_eq!(
                (again.position, again.code()),
                (reply.position, reply.code()),
                "{path}: told as the first time"
            );
        }
        match reply.status {
            200 | 201 => {
                if let Ticket::Buy { member, order, cents } = &ticket {
                    self.bought.push((*member, order.clone(), *cents));
                }
                Some((reply.position.expect("a position"), ticket))
            }
            422 if reply.code() == "insufficient_points" => None,
            _ => panic!("{ticket:?}: {} {}", reply.status, reply.text),
        }
    }
}

fn message(ticket: &Ticket, ids: &[String]) -> (String, Value) {
    let amount = |cents: i64| format!("{}.{:02}", cents / 100, cents % 100);
    match ticket {
        Ticket::Buy { member, order, cents } => (
            format!("/v1/customers/{}/purchases", ids[*member]),
            json!({"order_id": order, "total": amount(*cents), "currency": "EUR", "channel": "till"}),
        ),
        Ticket::GiveBack { member, order, refund, cents } => (
            format!("/v1/customers/{}/refunds", ids[*member]),
            json!({"order_id": order, "refund_id": refund, "amount": amount(*cents), "currency": "EUR"}),
        ),
        Ticket::Spend { member, order, points } => {
            (format!("/v1/customers/{}/loyalty/redeem", ids[*member]), json!({"order_id": order, "points": points}))
        }
    }
}

/// What a member has, by the specification: 1 point per whole unit, times the tier's multiplier, rounded down; tiers from 0,
/// 1,000, 5,000 and 20,000 points earned, reached at once and not lost on the same day; a refund takes back what the rest would not have
/// earned at the same multiplier.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Member {
    earned: i64,
    redeemed: i64,
    reversed: i64,
    tier: usize,
    orders: BTreeMap<String, Bought>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Bought {
    left: i64,
    kept: i64,
    percent: i64,
}

const TIERS: [(&str, i64, i64); 4] =
    [("bronze", 0, 100), ("silver", 1_000, 125), ("gold", 5_000, 150), ("platinum", 20_000, 200)];

impl Member {
    fn available(&self) -> i64 {
        self.earned - self.redeemed - self.reversed
    }

    fn does(&mut self, ticket: &Ticket) {
        match ticket {
            Ticket::Buy { order, cents, .. } => {
                let percent = TIERS[self.tier].2;
                let points = cents / 100 * percent / 100;
                self.earned += points;
                self.orders.insert(order.clone(), Bought { left: *cents, kept: points, percent });
                let counted = self.earned - self.reversed;
                let reached = TIERS.iter().rposition(|(_, from, _)| counted >= *from).expect("bronze is from nothing");
                self.tier = self.tier.max(reached);
            }
            Ticket::GiveBack { order, cents, .. } => {
                let bought = self.orders.get_mut(order).expect("it was bought before");
                bought.left -= cents;
                let kept = bought.left / 100 * bought.percent / 100;
                self.reversed += bought.kept - kept;
                bought.kept = kept;
            }
            Ticket::Spend { points, .. } => {
                assert!(self.available() >= *points, "more was spent than there was");
                self.redeemed += points;
            }
        }
    }
}

fn model(done: &[Done], members: usize) -> Vec<Member> {
    let mut model = vec![Member::default(); members];
    for (_, ticket) in done {
        let (Ticket::Buy { member, .. } | Ticket::GiveBack { member, .. } | Ticket::Spend { member, .. }) = ticket;
        model[*member].does(ticket);
    }
    model
}

async fn compare(callers: &[Caller; 2], ids: &[String], model: &[Member], last: i64) {
    for (member, (id, expected)) in ids.iter().zip(model).enumerate() {
        let path = format!("/v1/customers/{id}/loyalty?min_position={last}");
        let (status, text) = callers[member % 2].text(&path).await;
        let account: Value = serde_json::from_str(&text).unwrap_or_default();
        assert_eq!(status.as_u16(), 200, "{text}");
        let told = ["balance", "lifetime_earned", "redeemed", "reversed"].map(|field| account[field].as_i64());
        let Member { earned, redeemed, reversed, .. } = *expected;
        assert_eq!(told, [expected.available(), earned, redeemed, reversed].map(Some), "{id}: {account}");
        assert_eq!(account["tier"], TIERS[expected.tier].0, "{id}: {account}");
    }
}

/// What the shop owes is the sum of all lots less what members owe to it, and as much in money.
async fn owes(caller: &Caller, model: &[Member], last: i64, superuser: &PgConnectOptions) {
    let (_, text) = caller.text(&format!("/v1/loyalty/kpis?min_position={last}")).await;
    let kpis: Value = serde_json::from_str(&text).expect("JSON");
    let points: i64 = model.iter().map(Member::available).sum();
    assert_eq!(kpis["outstanding_points"], points, "{kpis}");
    let worth = format!("{}.{:02}", points / 100, points % 100);
    assert_eq!(kpis["outstanding"][0]["worth"], worth, "{kpis}");
    let mut connection = PgConnection::connect_with(superuser).await.expect("the superuser logs in");
    let sql = "select coalesce(sum((lot ->> 'left')::bigint), 0)::bigint from read_models.loyalty_balances, jsonb_array_elements(lots) lot";
    let lots: i64 = sqlx::query_scalar(sql).fetch_one(&mut connection).await.expect("the lots");
    let owed: i64 = model.iter().map(|member| member.available().min(0)).sum();
    assert_eq!(lots + owed, points, "the lots, less what members owe");
    connection.close().await.expect("a clean end");
}

#[test]
fn the_model_counts_as_the_specification_says() {
    let buy = |order: &str, cents| Ticket::Buy { member: 0, order: order.to_owned(), cents };
    let mut member = Member::default();
    member.does(&buy("1", 99_999));
    assert_eq!((member.available(), member.tier), (999, 0));
    member.does(&buy("2", 199));
    assert_eq!((member.available(), member.tier), (1_000, 1));
    member.does(&buy("3", 1_099));
    assert_eq!(member.available(), 1_012, "10 × 1.25, rounded down");
    member.does(&Ticket::GiveBack { member: 0, order: "3".to_owned(), refund: "r".to_owned(), cents: 1_000 });
    assert_eq!(member.available(), 1_000);
}
