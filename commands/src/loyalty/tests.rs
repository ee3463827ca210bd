//! Loyalty accounts through the whole pipeline: what happens once, when points expire, many tills at once.

use super::adjustments::{Adjust, adjust};
use super::due::{expire_due, lapse_due_holds, review_year};
use super::holds::{CaptureHold, PlaceHold, ReleaseHold, capture, place, release};
use super::transfers::{Transfer, transfer};
use super::{Earn, Enrol, Redeem, earn, enrol, redeem};
use crate::customers::{Register, register};
use crate::identity::IdempotencyKey;
use crate::testing::node::{Node, caller, event_types, refusal_code};
use crate::{Caller, CommandError, Committed, Scope};
use domain::customers::events::{Contact, CustomerKind};
use domain::email::Email;
use domain::ids::{AdjustmentId, CustomerId, HoldId, OrderId, TransferId};
use domain::loyalty::adjustments::{AdjustmentNote, AdjustmentReason};
use domain::loyalty::events::LoyaltyEvent;
use domain::{Currency, Event, Money};
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
    let request = Register { kind, contact, language: None, currency: None, source: None, enrol_in, referrer: None };
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
    let other = earn(&node.commands, &caller(), None, earning(ana, "7", "9.00")).await;
    assert_eq!(refusal_code(&other), "order_already_earned");
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
    let expired = expire_due(&node.commands, &later, ana).await.unwrap();
    assert_eq!(event_types(&expired), ["loyalty.points.expired"]);
    assert_eq!(expired.events[0].occurred_at.to_rfc3339(), "2028-11-21T23:00:00+00:00");
    assert_eq!(event_types(&expire_due(&node.commands, &later, ana).await.unwrap()), [""; 0]);
    assert!(node.store.events().last().unwrap().once_id.is_some());
}

fn holding(customer: CustomerId, order: &str, points: i64) -> PlaceHold {
    PlaceHold { customer, points, order: OrderId::parse(order).unwrap() }
}

fn held(committed: &Committed) -> HoldId {
    let held = committed.events.iter().find_map(|recorded| match &recorded.event {
        Event::Loyalty(LoyaltyEvent::HoldPlaced { hold, .. }) => Some(*hold),
        _ => None,
    });
    held.unwrap()
}

/// A quarter of an hour later: holds are over.
fn after_a_while() -> Caller {
    let now = caller().now + chrono::TimeDelta::minutes(15);
    Caller { now, ..caller() }
}

#[tokio::test]
async fn a_hold_is_placed_and_captured_once_by_key_and_by_order() {
    let node = Node::start();
    let ana = customer(&node, Some(euro())).await;
    earn(&node.commands, &caller(), None, earning(ana, "7", "500.00")).await.unwrap();
    let key = || Some(IdempotencyKey::new("till-4/77").unwrap());
    let placed = place(&node.commands, &caller(), key(), holding(ana, "8", 300)).await.unwrap();
    let again = place(&node.commands, &caller(), key(), holding(ana, "8", 300)).await.unwrap();
    assert_eq!(
        (event_types(&placed), &again.events, again.repeated),
        (vec!["loyalty.hold.placed"], &placed.events, true)
    );
    assert_eq!(event_types(&place(&node.commands, &caller(), None, holding(ana, "8", 300)).await.unwrap()), [""; 0]);
    assert_eq!(node.available(ana), 200);
    let request = CaptureHold { customer: ana, hold: held(&placed), order: OrderId::parse("8").unwrap() };
    let captured = capture(&node.commands, &caller(), None, request.clone()).await.unwrap();
    assert_eq!(event_types(&captured), ["loyalty.points.redeemed"]);
    let again = capture(&node.commands, &after_a_while(), None, request).await.unwrap();
    assert_eq!((again.events, again.repeated), (captured.events, true));
    let beside = redeem(&node.commands, &caller(), None, redeeming(ana, "8", 100)).await;
    assert_eq!(refusal_code(&beside), "order_already_redeemed");
    assert_eq!(node.available(ana), 200);
}

#[tokio::test]
async fn a_hold_is_released_once_and_what_lapsed_needs_no_release() {
    let node = Node::start();
    let ana = customer(&node, Some(euro())).await;
    earn(&node.commands, &caller(), None, earning(ana, "7", "500.00")).await.unwrap();
    let placed = place(&node.commands, &caller(), None, holding(ana, "8", 300)).await.unwrap();
    let request = ReleaseHold { customer: ana, hold: held(&placed) };
    let released = release(&node.commands, &caller(), None, request.clone()).await.unwrap();
    let again = release(&node.commands, &caller(), None, request).await.unwrap();
    assert_eq!(
        (event_types(&released), again.events, again.repeated),
        (vec!["loyalty.hold.released"], released.events, true)
    );
    let placed = place(&node.commands, &caller(), None, holding(ana, "8", 300)).await.unwrap();
    let lapsed = lapse_due_holds(&node.commands, &after_a_while(), ana).await.unwrap();
    assert_eq!(event_types(&lapsed), ["loyalty.hold.released"]);
    assert_eq!(lapsed.events[0].occurred_at, after_a_while().now);
    assert_eq!(event_types(&lapse_due_holds(&node.commands, &after_a_while(), ana).await.unwrap()), [""; 0]);
    let request = ReleaseHold { customer: ana, hold: held(&placed) };
    assert_eq!(event_types(&release(&node.commands, &after_a_while(), None, request).await.unwrap()), [""; 0]);
    let unknown = ReleaseHold { customer: ana, hold: HoldId::new(uuid::Uuid::nil()) };
    assert_eq!(refusal_code(&release(&node.commands, &caller(), None, unknown).await), "hold_not_found");
    let order = OrderId::parse("8").unwrap();
    let late = CaptureHold { customer: ana, hold: held(&placed), order };
    assert_eq!(refusal_code(&capture(&node.commands, &after_a_while(), None, late).await), "hold_over");
    assert_eq!(node.available(ana), 500);
}

#[tokio::test]
async fn sixty_four_tills_at_once_hold_no_more_than_there_is() {
    let node = Node::start();
    let ana = customer(&node, Some(euro())).await;
    earn(&node.commands, &caller(), None, earning(ana, "7", "1000.00")).await.unwrap();
    let other = node.another();
    let (clerk, tills) = (caller(), [&node.commands, &other.commands]);
    let placed = (0..64).map(|n| place(tills[n % 2], &clerk, None, holding(ana, &format!("o-{n}"), 100)));
    let answers = join_all(placed).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 10);
    assert_eq!(answers.iter().filter(|answer| refusal_code(answer) == "insufficient_points").count(), 54);
    assert_eq!(node.available(ana), 0);
}

#[tokio::test]
async fn a_tier_is_reviewed_once_when_its_day_begins_where_the_tenant_is() {
    let node = Node::start();
    let ana = customer(&node, Some(euro())).await;
    earn(&node.commands, &caller(), None, earning(ana, "7", "5000.00")).await.unwrap();
    let later = |now: &str| Caller { now: now.parse().unwrap(), zone: chrono_tz::Europe::Madrid, ..caller() };
    let too_early = later("2027-11-21T22:59:59Z");
    assert_eq!(event_types(&review_year(&node.commands, &too_early, ana).await.unwrap()), [""; 0]);
    let reviewed = review_year(&node.commands, &later("2027-11-21T23:00:00Z"), ana).await.unwrap();
    assert_eq!(event_types(&reviewed), ["loyalty.tier.downgraded"]);
    assert_eq!(reviewed.events[0].occurred_at.to_rfc3339(), "2027-11-21T23:00:00+00:00");
    assert_eq!(event_types(&review_year(&node.commands, &later("2028-01-01T00:00:00Z"), ana).await.unwrap()), [""; 0]);
    assert!(node.store.events().last().unwrap().once_id.is_some());
}

#[tokio::test]
async fn who_is_no_member_is_told_so() {
    let node = Node::start();
    let ana = customer(&node, None).await;
    let answer = redeem(&node.commands, &caller(), None, redeeming(ana, "7", 100)).await;
    assert_eq!(refusal_code(&answer), "not_a_member");
    assert_eq!(refusal_code(&place(&node.commands, &caller(), None, holding(ana, "7", 100)).await), "not_a_member");
    assert_eq!(refusal_code(&review_year(&node.commands, &caller(), ana).await), "not_a_member");
}

#[tokio::test]
async fn an_adjustment_is_made_once_by_who_may() {
    let node = Node::start();
    let ana = customer(&node, Some(euro())).await;
    let adjusting = |nth: u32, points| Adjust {
        customer: ana,
        adjustment: AdjustmentId::parse(&format!("case-{nth}")).unwrap(),
        points,
        reason: AdjustmentReason::Goodwill,
        note: AdjustmentNote::default(),
    };
    let till = Caller { scopes: vec![Scope::LoyaltyWrite], ..caller() };
    let refused = adjust(&node.commands, &till, None, adjusting(0, 50)).await.unwrap_err();
    assert!(matches!(refused, CommandError::Forbidden { scope: Scope::LoyaltyAdjust }));
    let made = adjust(&node.commands, &caller(), None, adjusting(0, 50)).await.unwrap();
    assert_eq!(event_types(&made), ["loyalty.points.adjusted"]);
    let again = adjust(&node.another().commands, &caller(), None, adjusting(0, 50)).await.unwrap();
    assert_eq!((again.events, again.repeated), (made.events, true));
    let other = adjust(&node.commands, &caller(), None, adjusting(0, 51)).await;
    assert_eq!(refusal_code(&other), "adjustment_already_made");
    for nth in 1..40 {
        adjust(&node.commands, &caller(), None, adjusting(nth, 1)).await.unwrap();
    }
    // The account has forgotten it; the log has not.
    let forgotten = adjust(&node.commands, &caller(), None, adjusting(0, 51)).await;
    assert_eq!((refusal_code(&forgotten), node.available(ana)), ("already_happened", 89));
}

async fn member_called(node: &Node, email: &str, currency: Currency) -> CustomerId {
    let contact = Contact { emails: vec![Email::parse(email).unwrap()], ..Contact::default() };
    let (kind, enrol_in) = (CustomerKind::Individual, Some(currency));
    let request = Register { kind, contact, language: None, currency: None, source: None, enrol_in, referrer: None };
    register(&node.commands, &caller(), None, request).await.unwrap().customer().unwrap()
}

fn transferring(customer: CustomerId, to: CustomerId, name: &str, points: i64) -> Transfer {
    Transfer { customer, transfer: TransferId::parse(name).unwrap(), to, points, reason: None }
}

#[tokio::test]
async fn points_are_transferred_once_in_one_append_on_both_accounts() {
    let node = Node::start();
    let (ana, bea) = (customer(&node, Some(euro())).await, member_called(&node, "bea@example.com", euro()).await);
    earn(&node.commands, &caller(), None, earning(ana, "7", "500.00")).await.unwrap();
    let made = transfer(&node.commands, &caller(), None, transferring(ana, bea, "t-1", 300)).await.unwrap();
    assert_eq!(event_types(&made), ["loyalty.transfer.sent", "loyalty.transfer.received"]);
    assert_eq!((made.customer(), made.position.0 - made.first.0), (Some(ana), 1));
    let again = transfer(&node.commands, &caller(), None, transferring(ana, bea, "t-1", 300)).await.unwrap();
    assert_eq!((again.events, again.repeated), (made.events, true));
    let otherwise = transfer(&node.commands, &caller(), None, transferring(ana, bea, "t-1", 100)).await;
    assert_eq!(refusal_code(&otherwise), "transfer_already_made");
    assert_eq!((node.available(ana), node.available(bea)), (200, 300));
    let itself = transfer(&node.commands, &caller(), None, transferring(ana, ana, "t-2", 100)).await;
    assert_eq!(refusal_code(&itself), "transfer_to_itself");
    let nobody = CustomerId::new(uuid::Uuid::nil());
    let to_nobody = transfer(&node.commands, &caller(), None, transferring(ana, nobody, "t-2", 100)).await;
    assert_eq!(refusal_code(&to_nobody), "receiver_not_a_member");
    let of_nobody = transfer(&node.commands, &caller(), None, transferring(nobody, ana, "t-2", 100)).await;
    assert_eq!(refusal_code(&of_nobody), "not_a_member");
    let dollars = member_called(&node, "eve@example.com", Currency::parse("USD").unwrap()).await;
    let abroad = transfer(&node.commands, &caller(), None, transferring(ana, dollars, "t-2", 100)).await;
    assert_eq!(refusal_code(&abroad), "currency_mismatch");
    let clerk = Caller { scopes: vec![Scope::LoyaltyWrite], ..caller() };
    let unasked = transfer(&node.commands, &clerk, None, transferring(ana, bea, "t-2", 100)).await;
    assert_eq!(refusal_code(&unasked), "forbidden");
}

#[tokio::test]
async fn transfers_crossing_each_other_at_two_nodes_lose_and_make_no_point() {
    let node = Node::start();
    let (ana, bea) = (customer(&node, Some(euro())).await, member_called(&node, "bea@example.com", euro()).await);
    earn(&node.commands, &caller(), None, earning(ana, "7", "1000.00")).await.unwrap();
    let other = node.another();
    let (clerk, nodes) = (caller(), [&node.commands, &other.commands]);
    let there = (0..32).map(|n| transfer(nodes[n % 2], &clerk, None, transferring(ana, bea, &format!("t-{n}"), 70)));
    let back = (0..32).map(|n| transfer(nodes[n % 2], &clerk, None, transferring(bea, ana, &format!("b-{n}"), 30)));
    let answers = join_all(there.chain(back)).await;
    assert!(answers.iter().all(|answer| ["done", "insufficient_points", "conflict"].contains(&refusal_code(answer))));
    assert_eq!(node.available(ana) + node.available(bea), 1_000);
    assert!(node.available(ana) >= 0 && node.available(bea) >= 0);
}
