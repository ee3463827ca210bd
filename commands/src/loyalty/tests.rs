//! Loyalty accounts through the whole pipeline: what happens once, when points expire, many tills at once.

use super::{Earn, Enrol, Redeem, earn, enrol, expire, redeem};
use crate::Caller;
use crate::customers::{Register, register};
use crate::testing::node::{Node, caller, event_types, refusal_code};
use domain::customers::events::{Contact, CustomerKind};
use domain::email::Email;
use domain::ids::{CustomerId, OrderId};
use domain::{Currency, Money};
use futures::future::join_all;

fn euro() -> Currency {
    Currency::parse("EUR").unwrap()
}

fn earning(customer: CustomerId, order: &str, amount: &str) -> Earn {
    Earn { customer, order: OrderId::parse(order).unwrap(), total: Money::parse(amount, euro()).unwrap(), at: None }
}

fn redeeming(customer: CustomerId, order: &str, points: i64) -> Redeem {
    Redeem { customer, order: OrderId::parse(order).unwrap(), points }
}

async fn customer(node: &Node, enrol_in: Option<Currency>) -> CustomerId {
    let contact = Contact { emails: vec![Email::parse("ana@example.com").unwrap()], ..Contact::default() };
    let kind = CustomerKind::Individual;
    let request = Register { kind, contact, language: None, currency: None, source: None, enrol_in };
    register(&node.commands, &caller(), None, request).await.unwrap().customer().unwrap()
}

#[tokio::test]
async fn a_customer_becomes_a_member_once() {
    let node = Node::start();
    let ana = customer(&node, None).await;
    let request = Enrol { customer: ana, currency: euro() };
    let first = enrol(&node.commands, &caller(), None, request.clone()).await.unwrap();
    assert_eq!(event_types(&first), ["loyalty.account.enrolled"]);
    assert_eq!(event_types(&enrol(&node.commands, &caller(), None, request).await.unwrap()), [""; 0]);
    let nobody = Enrol { customer: CustomerId::new(uuid::Uuid::nil()), currency: euro() };
    assert_eq!(refusal_code(&enrol(&node.commands, &caller(), None, nobody).await), "customer_not_found");
}

#[tokio::test]
async fn an_order_earns_and_redeems_once() {
    let node = Node::start();
    let ana = customer(&node, Some(euro())).await;
    let first = earn(&node.commands, &caller(), None, earning(ana, "7", "500.00")).await.unwrap();
    let again = earn(&node.commands, &caller(), None, earning(ana, "7", "500.00")).await.unwrap();
    assert_eq!((again.events, again.repeated), (first.events, true));
    assert_eq!(event_types(&earn(&node.commands, &caller(), None, earning(ana, "7", "9.00")).await.unwrap()), [""; 0]);
    let redeemed = redeem(&node.commands, &caller(), None, redeeming(ana, "8", 300)).await.unwrap();
    assert_eq!(event_types(&redeemed), ["loyalty.points.redeemed"]);
    assert!(redeem(&node.commands, &caller(), None, redeeming(ana, "8", 300)).await.unwrap().repeated);
    let other = redeem(&node.commands, &caller(), None, redeeming(ana, "8", 100)).await;
    assert_eq!(refusal_code(&other), "order_already_redeemed");
    assert_eq!(node.available(ana), 200);
}

#[tokio::test]
async fn sixty_four_tills_at_once_never_overdraw() {
    let node = Node::start();
    let ana = customer(&node, Some(euro())).await;
    earn(&node.commands, &caller(), None, earning(ana, "7", "1000.00")).await.unwrap();
    let other = node.another();
    let (clerk, tills) = (caller(), [&node.commands, &other.commands]);
    let redemptions = (0..64).map(|n| redeem(tills[n % 2], &clerk, None, redeeming(ana, &format!("o-{n}"), 100)));
    let answers = join_all(redemptions).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 10);
    assert_eq!(answers.iter().filter(|answer| refusal_code(answer) == "insufficient_points").count(), 54);
    assert_eq!(node.available(ana), 0);
}

#[tokio::test]
async fn points_expire_when_their_day_begins_where_the_tenant_is() {
    let node = Node::start();
    let ana = customer(&node, Some(euro())).await;
    earn(&node.commands, &caller(), None, earning(ana, "7", "500.00")).await.unwrap();
    let later = Caller { now: "2028-12-24T10:00:00Z".parse().unwrap(), zone: chrono_tz::Europe::Madrid, ..caller() };
    let expired = expire(&node.commands, &later, ana).await.unwrap();
    assert_eq!(event_types(&expired), ["loyalty.points.expired"]);
    assert_eq!(expired.events[0].occurred_at.to_rfc3339(), "2028-11-21T23:00:00+00:00");
    assert_eq!(event_types(&expire(&node.commands, &later, ana).await.unwrap()), [""; 0]);
    assert!(node.store.events().last().unwrap().once_id.is_some());
}

#[tokio::test]
async fn who_is_no_member_is_told_so() {
    let node = Node::start();
    let ana = customer(&node, None).await;
    let answer = redeem(&node.commands, &caller(), None, redeeming(ana, "7", 100)).await;
    assert_eq!(refusal_code(&answer), "not_a_member");
}
