//! Credit: what is found, what jobs are told, by which indexes, and that a rebuild comes to the same.

use crate::world::{Node, OTHER_SHOP, SHOP, World, day, noon, registered};
use chrono::{DateTime, Utc};
use domain::credit::credit_line::Verdict;
use domain::credit::events::{CreditEvent, CreditGroupEvent, RestoredUse};
use domain::credit::financials::{CreditNote, Financials};
use domain::credit::policy::Policy;
use domain::credit::reasons::{Bound, ReleaseCause, SuspensionCause};
use domain::credit::terms::Terms;
use domain::customers::events::CustomerEvent;
use domain::ids::{Actor, CreditGroupId, CreditLineId, CustomerId, HoldId, OrderId, PaymentId, ReasonCode};
use domain::{Currency, Event, Money};
use projections::Back;
use projections::credit::credit_lines::due::{
    Due, due_dunnings, due_hold_lapses, due_overdue, due_reviews, due_temporary_expiries,
};
use projections::credit::credit_lines::{self, Status};
use projections::credit::{credit_aging, credit_groups, credit_movements};
use projections::rebuild::{Progress, Purpose};
use projections::time_travel::Until;
use sqlx::{AssertSqlSafe, Executor, PgConnection, Row};
use std::sync::Arc;
use store::Position;
use store::contract::fresh_id;
use store::postgres::Role;
use uuid::Uuid;

const PROJECTORS: [&str; 4] = ["credit_lines", "credit_movements", "credit_aging", "credit_groups"];

fn money(minor: i64) -> Money {
    Money::from_minor(minor, Currency::parse("EUR").unwrap()).unwrap()
}

fn order(number: u32) -> OrderId {
    OrderId::parse(&format!("order-{number}")).unwrap()
}

fn payment(number: u32) -> PaymentId {
    PaymentId::parse(&format!("payment-{number}")).unwrap()
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// Asked for and given: 1000.00 at 30 days, by the usual rules, to be looked at again in 2027.
pub(crate) fn opened(customer: Uuid) -> [Event; 2] {
    let (requested_by, approved_by) = (Actor::parse("key:1").unwrap(), Actor::parse("key:2").unwrap());
    let policy = Policy { review_on: Some(day("2027-01-10")), ..Policy::default_in(money(0).currency()) };
    let (limit, terms, customer) = (money(100_000), Terms::of_days(30).unwrap(), CustomerId::new(customer));
    let asked = CreditEvent::Requested {
        customer,
        amount: limit,
        requested_by,
        on: day("2026-01-05"),
        personal: Financials::default().into(),
    };
    let personal = CreditNote::default().into();
    let given = CreditEvent::Approved { limit, terms, policy, approved_by, on: day("2026-01-10"), personal };
    [asked.into(), given.into()]
}

pub(crate) fn used(number: u32, minor: i64, on: &str) -> Event {
    let (on, due_on) = (day(on), day(on) + chrono::Days::new(30));
    let (order, amount) = (order(number), money(minor));
    CreditEvent::Used { order, amount, hold: None, invoice: None, on, due_on, overridden: None }.into()
}

fn held(number: u32, minor: i64, lapses_at: &str) -> Event {
    let (hold, lapses_at) = (HoldId::new(Uuid::from_u128(number.into())), at(lapses_at));
    let (order, amount, on) = (order(number), money(minor), day("2026-02-01"));
    let lapses_on = lapses_at.date_naive();
    CreditEvent::HoldPlaced { hold, order, amount, on, lapses_at, lapses_on, overridden: None }.into()
}

/// Money that pays so much of an order, and leaves so much of it to be paid.
fn paid(number: u32, of: u32, (amount, outstanding): (i64, i64), on: &str) -> [Event; 2] {
    let (on, amount, outstanding) = (day(on), money(amount), money(outstanding));
    let (payment, unapplied, orders) = (payment(number), money(0), vec![]);
    let cause = ReleaseCause::Payment { payment: payment.clone() };
    let received = CreditEvent::PaymentApplied { payment, amount, unapplied, orders, received_on: on, on };
    [received.into(), CreditEvent::Released { order: order(of), amount, outstanding, cause, on }.into()]
}

fn reversed(number: u32, of: u32, minor: i64, on: &str) -> Event {
    let (amount, from_unapplied, reason) = (money(minor), money(0), ReasonCode::parse("bounced").unwrap());
    let restored = vec![RestoredUse { order: order(of), amount }];
    let (payment, on) = (payment(number), day(on));
    CreditEvent::PaymentReversed { payment, amount, restored, from_unapplied, reason, on }.into()
}

fn suspended(on: &str) -> Event {
    let (cause, personal) = (SuspensionCause::ByHand, CreditNote::default().into());
    CreditEvent::Suspended { cause, on: day(on), personal }.into()
}

fn granted(expires_on: &str) -> Event {
    let case = "case-1".parse().unwrap();
    let (amount, expires_on, on) = (money(20_000), day(expires_on), day("2026-02-01"));
    CreditEvent::TemporaryGranted { case, amount, expires_on, on }.into()
}

fn joined(group: Uuid) -> Event {
    CreditEvent::GroupJoined { group: CreditGroupId::new(group), on: day("2026-01-11") }.into()
}

/// A group of one line that has taken so much.
pub(crate) fn formed(parent: Uuid, line: Uuid, minor: i64) -> [Event; 3] {
    let (line, on) = (CreditLineId::new(line), day("2026-01-11"));
    let customer = CustomerId::new(parent);
    let formed = CreditGroupEvent::Formed { parent: customer, limit: money(60_000), on };
    let added = CreditGroupEvent::MemberAdded { line, customer, exposure: money(0), on };
    [formed.into(), added.into(), CreditGroupEvent::ExposureChanged { line, exposure: money(minor) }.into()]
}

async fn all_see(node: &Node, last: Position) {
    for projector in PROJECTORS {
        node.sees(projector, last).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_be_used_is_known_by_line_and_by_customer_and_bounded_by_the_group() {
    let world = World::start().await;
    let node = world.node().await;
    let (ana, group) = (fresh_id(), fresh_id());
    world.append(SHOP, ana, opened(ana)).await;
    world
        .append(SHOP, ana, [joined(group), used(1, 40_000, "2026-02-01"), held(2, 5000, "2026-02-08T12:00:00Z")])
        .await;
    let last = world.append(SHOP, group, formed(ana, ana, 45_000)).await;
    all_see(&node, last).await;
    let pools = &node.pools;
    let found = credit_lines::find(pools, SHOP, ana, noon("2026-02-02")).await.unwrap().unwrap();
    let line = &found.value.line;
    assert_eq!((found.position, line.status, line.used_minor, line.held_minor), (last, Status::Active, 40_000, 5000));
    assert_eq!((found.value.available_minor, found.value.group_left_minor), (55_000, Some(15_000)));
    let verdict = found.value.verdict(money(15_001));
    assert_eq!(verdict, Verdict::Exceeds { available: money(15_000), bound: Bound::Group });
    let of_customer = credit_lines::find_of(pools, SHOP, ana, noon("2026-02-02")).await.unwrap();
    assert_eq!((of_customer.position, of_customer.value), (last, vec![found.value.clone()]));
    let lapsed = credit_lines::find(pools, SHOP, ana, noon("2026-02-08")).await.unwrap().unwrap().value;
    assert_eq!((lapsed.available_minor, lapsed.line.held_minor), (60_000, 0));
    assert_eq!(credit_lines::find(pools, OTHER_SHOP, ana, noon("2026-02-02")).await.unwrap(), None);
    assert_eq!(credit_lines::find_of(pools, OTHER_SHOP, ana, noon("2026-02-02")).await.unwrap().value, []);

    let story = credit_groups::find(pools, SHOP, group).await.unwrap().unwrap().value;
    let standing = story.standing;
    assert_eq!((standing.members, standing.exposure_minor, standing.available_minor()), (1, 45_000, 15_000));
    assert_eq!((story.members[0].line, story.members[0].customer), (ana, ana));
    let of_parent = credit_groups::list(pools, SHOP, Some(ana), (Position(0), 10)).await.unwrap().value;
    assert_eq!((of_parent.rows, of_parent.next), (vec![standing], None));
    let of_nobody = credit_groups::list(pools, SHOP, Some(group), (Position(0), 10)).await.unwrap().value;
    assert_eq!(of_nobody.rows, []);
    assert_eq!(credit_groups::list(pools, SHOP, None, (Position(0), 10)).await.unwrap().value.rows, [standing]);
    assert_eq!(credit_groups::find(pools, OTHER_SHOP, group).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_are_listed_by_how_far_they_have_come() {
    let world = World::start().await;
    let node = world.node().await;
    let (ana, eva, leo) = (fresh_id(), fresh_id(), fresh_id());
    for line in [ana, eva] {
        world.append(SHOP, line, opened(line)).await;
    }
    world.append(SHOP, ana, [used(1, 40_000, "2026-02-01")]).await;
    world.append(SHOP, leo, opened(leo).into_iter().take(1)).await;
    let last = world.append(SHOP, eva, [suspended("2026-02-01")]).await;
    all_see(&node, last).await;
    let (pools, now) = (&node.pools, noon("2026-02-02"));
    let listed = async |status, after, limit| {
        let page = credit_lines::list(pools, SHOP, status, (after, limit), now).await.unwrap().value;
        let lines: Vec<_> = page.rows.iter().map(|row| row.line.line).collect();
        (lines, page.next)
    };
    let (first, next) = listed(None, Position(0), 2).await;
    assert_eq!(first, [ana, eva]);
    assert_eq!(listed(None, next.unwrap(), 2).await, (vec![leo], None));
    assert_eq!(listed(Some(Status::Active), Position(0), 2).await, (vec![ana], None));
    assert_eq!(listed(Some(Status::Suspended), Position(0), 2).await, (vec![eva], None));
    assert_eq!(listed(Some(Status::Requested), Position(0), 2).await, (vec![leo], None));
    assert_eq!(listed(Some(Status::Closed), Position(0), 2).await, (vec![], None));
    let used = credit_lines::utilisation(pools, SHOP).await.unwrap().value;
    let [euros] = &used[..] else { panic!("{used:?}") };
    assert_eq!((euros.lines, euros.suspended, euros.limit_minor, euros.used_minor), (2, 1, 200_000, 40_000));
    assert_eq!(credit_lines::utilisation(pools, OTHER_SHOP).await.unwrap().value, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_begins_with_what_was_owed_and_says_what_is_after_each_movement() {
    let world = World::start().await;
    let node = world.node().await;
    let ana = fresh_id();
    world.append(SHOP, ana, opened(ana)).await;
    world.append(SHOP, ana, [used(1, 40_000, "2026-02-01"), used(2, 30_000, "2026-02-20")]).await;
    world.append(SHOP, ana, paid(1, 1, (40_000, 0), "2026-03-01")).await;
    let last = world.append(SHOP, ana, [reversed(1, 1, 40_000, "2026-03-05")]).await;
    all_see(&node, last).await;
    let pools = &node.pools;
    let balances =
        |rows: &[credit_movements::StatementLine]| rows.iter().map(|row| row.balance_minor).collect::<Vec<_>>();
    let newest = credit_movements::list(pools, SHOP, ana, Back::newest(3)).await.unwrap();
    assert_eq!((newest.position, balances(&newest.value.rows)), (last, vec![70_000, 30_000, 30_000]));
    let rest = Back { before: newest.value.next.unwrap(), limit: 3 };
    let rest = credit_movements::list(pools, SHOP, ana, rest).await.unwrap().value;
    assert_eq!((balances(&rest.rows), rest.next), (vec![70_000, 40_000], None));

    let of = async |from, to, after, limit| {
        credit_movements::statement(pools, SHOP, ana, (day(from), day(to)), (after, limit)).await.unwrap().value
    };
    let march = of("2026-02-20", "2026-03-01", None, 2).await;
    assert_eq!((march.opening_minor, march.closing_minor), (40_000, 30_000));
    assert_eq!(balances(&march.page.rows), [70_000, 30_000]);
    let rest = of("2026-02-20", "2026-03-01", march.page.next, 2).await;
    assert_eq!((balances(&rest.page.rows), rest.page.next, rest.opening_minor), (vec![30_000], None, 40_000));
    let quiet = of("2026-04-01", "2026-04-30", None, 10).await;
    assert_eq!((quiet.opening_minor, quiet.closing_minor, quiet.page.rows), (70_000, 70_000, vec![]));
    let before = of("2025-01-01", "2025-12-31", None, 10).await;
    assert_eq!((before.opening_minor, before.closing_minor, before.page.rows), (0, 0, vec![]));
    let others = credit_movements::list(pools, OTHER_SHOP, ana, Back::newest(3)).await.unwrap().value;
    assert_eq!(others.rows, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_outstanding_is_told_by_age_of_a_line_of_a_customer_of_all_and_of_the_past() {
    let world = World::start().await;
    let node = world.node().await;
    let (ana, eva) = (fresh_id(), fresh_id());
    for line in [ana, eva] {
        world.append(SHOP, line, opened(line)).await;
    }
    world.append(SHOP, ana, [used(1, 40_000, "2026-02-01"), used(2, 30_000, "2026-03-01")]).await;
    world.append(SHOP, eva, [used(1, 5000, "2026-02-01")]).await;
    let last = world.append(SHOP, ana, paid(1, 1, (10_000, 30_000), "2026-03-05")).await;
    all_see(&node, last).await;
    let (pools, today) = (&node.pools, day("2026-04-02"));
    let classes = |sum: &credit_aging::AgedSum| sum.aging.classes().map(|money| money.minor());
    let line = credit_aging::of_line(pools, SHOP, ana, today).await.unwrap();
    assert_eq!((line.position, line.value.uses.len(), line.value.sums[0].orders), (last, 2, 2));
    // Due on 3 and 31 March.
    assert_eq!(classes(&line.value.sums[0]), [0, 60_000, 0, 0, 0]);
    let later = credit_aging::of_customer(pools, SHOP, ana, day("2026-04-03")).await.unwrap().value;
    assert_eq!(classes(&later.sums[0]), [0, 30_000, 30_000, 0, 0]);
    assert_eq!(later.uses, line.value.uses);
    let all = credit_aging::of_all(pools, SHOP, day("2026-04-03")).await.unwrap().value;
    assert_eq!((all.len(), all[0].orders, classes(&all[0])), (1, 3, [0, 30_000, 35_000, 0, 0]));
    assert_eq!(credit_aging::of_all(pools, OTHER_SHOP, today).await.unwrap().value, []);
    assert_eq!(credit_aging::of_line(pools, OTHER_SHOP, ana, today).await.unwrap().value.uses, []);

    let past = async |version| {
        let until = Until { version: Some(version), ..Until::default() };
        let aging = credit_aging::past(&*world.store, SHOP, ana, until, today).await.unwrap();
        aging.classes().map(|money| money.minor())
    };
    assert_eq!((past(2).await, past(4).await, past(6).await), ([0; 5], [0, 70_000, 0, 0, 0], [0, 60_000, 0, 0, 0]));
    let row = credit_lines::find_past(&*world.store, SHOP, ana, Until::default()).await.unwrap();
    let now = noon("2026-04-02");
    let live = credit_lines::find(pools, SHOP, ana, now).await.unwrap().unwrap().value;
    assert_eq!(row.at(now, None), live);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_are_told_which_lines_of_a_tenant_are_due_the_longest_first() {
    let world = World::start().await;
    let node = world.node().await;
    let (ana, eva, leo) = (fresh_id(), fresh_id(), fresh_id());
    for (tenant, line) in [(SHOP, ana), (SHOP, eva), (OTHER_SHOP, leo)] {
        world.append(tenant, line, opened(line)).await;
    }
    world.append(SHOP, ana, [held(1, 1000, "2026-02-08T12:00:00Z"), used(2, 1000, "2026-02-02")]).await;
    world.append(OTHER_SHOP, leo, [held(1, 1000, "2026-02-01T12:00:00Z"), used(2, 1000, "2026-01-10")]).await;
    let eva_did = [held(1, 1000, "2026-02-07T12:00:00Z"), used(2, 1000, "2026-02-01"), granted("2026-02-20")];
    let last = world.append(SHOP, eva, eva_did).await;
    all_see(&node, last).await;
    let pools = &node.pools;
    let due = |line, since| Due { line, customer: line, since };
    let lapses = async |until, after| due_hold_lapses(pools, SHOP, at(until), 1, after).await.unwrap();
    assert_eq!(lapses("2026-02-07T11:59:59Z", None).await, []);
    let first = lapses("2026-02-08T12:00:00Z", None).await;
    assert_eq!(first, [Due { line: eva, customer: eva, since: at("2026-02-07T12:00:00Z") }]);
    let second = lapses("2026-02-08T12:00:00Z", first.last()).await;
    assert_eq!(second, [Due { line: ana, customer: ana, since: at("2026-02-08T12:00:00Z") }]);
    assert_eq!(lapses("2026-02-08T12:00:00Z", second.last()).await, []);

    let expiry = due(eva, day("2026-02-20"));
    assert_eq!(due_temporary_expiries(pools, SHOP, day("2026-02-19"), 10, None).await.unwrap(), []);
    assert_eq!(due_temporary_expiries(pools, SHOP, day("2026-02-20"), 10, None).await.unwrap(), [expiry]);
    let late = [due(eva, day("2026-03-04")), due(ana, day("2026-03-05"))];
    assert_eq!(due_overdue(pools, SHOP, day("2026-03-03"), 10, None).await.unwrap(), []);
    assert_eq!(due_overdue(pools, SHOP, day("2026-03-05"), 10, None).await.unwrap(), late);
    assert_eq!(due_dunnings(pools, SHOP, day("2026-03-05"), 10, None).await.unwrap(), late);
    assert_eq!(due_dunnings(pools, SHOP, day("2026-03-05"), 10, Some(&late[0])).await.unwrap(), late[1..]);
    assert_eq!(due_reviews(pools, SHOP, day("2027-01-10"), 10, None).await.unwrap(), []);
    assert_eq!(due_reviews(pools, SHOP, day("2027-01-11"), 10, None).await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_deleted_is_not_reminded_and_who_is_restored_is() {
    let world = World::start().await;
    let node = world.node().await;
    let (ana, eva) = (fresh_id(), fresh_id());
    for customer in [ana, eva] {
        world.append(SHOP, customer, [registered("Torres", "+34600000001")]).await;
        world.append(SHOP, customer, opened(customer)).await;
        world.append(SHOP, customer, [used(1, 1000, "2026-02-02")]).await;
    }
    let on = day("2026-02-03");
    let deleted = CustomerEvent::Deleted { reason: None, on };
    let last = world.append(SHOP, eva, [deleted.into()]).await;
    let due = async |last| {
        all_see(&node, last).await;
        node.sees("customers", last).await;
        let due = due_dunnings(&node.pools, SHOP, day("2026-03-05"), 10, None).await.unwrap();
        due.into_iter().map(|due| due.line).collect::<Vec<_>>()
    };
    assert_eq!(due(last).await, [ana]);
    let overdue = due_overdue(&node.pools, SHOP, day("2026-03-05"), 10, None).await.unwrap();
    assert_eq!(overdue.len(), 2, "what is late is told of all");
    let last = world.append(SHOP, eva, [CustomerEvent::Restored { on }.into()]).await;
    assert_eq!(due(last).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_of_credit_comes_to_the_rows_that_grew_event_by_event() {
    let world = World::start().await;
    let node = world.node().await;
    let (ana, eva, group) = (fresh_id(), fresh_id(), fresh_id());
    let mut last = Position(0);
    for line in [ana, eva] {
        let mut story = Vec::from(opened(line));
        story.extend([used(1, 40_000, "2026-02-01"), held(2, 5000, "2026-02-08T12:00:00Z"), granted("2026-02-20")]);
        story.extend(paid(1, 1, (40_000, 0), "2026-03-01"));
        story.extend([reversed(1, 1, 40_000, "2026-03-05"), joined(group), suspended("2026-03-06")]);
        for event in story {
            last = world.append(SHOP, line, [event]).await;
            // Each by itself, so that every row is read again before it changes.
            node.sees("credit_lines", last).await;
            node.sees("credit_aging", last).await;
        }
    }
    for event in formed(ana, eva, 45_000) {
        last = world.append(SHOP, group, [event]).await;
        node.sees("credit_groups", last).await;
    }
    all_see(&node, last).await;
    let projectors = projections::projectors();
    for projector in projectors.into_iter().filter(|projector| PROJECTORS.contains(&projector.name)) {
        let tell = Arc::new(|_: Progress| {});
        let made = projector.rebuild(&world.database, world.store.clone(), Purpose::Swap, tell).await.unwrap();
        assert!(made.swapped && made.agrees(), "{made:#?}");
    }
    let last = world.append(SHOP, ana, [used(3, 1000, "2026-03-07")]).await;
    all_see(&node, last).await;
    let found = credit_lines::find(&node.pools, SHOP, ana, noon("2026-03-08")).await.unwrap().unwrap();
    assert_eq!(found.value.line.used_minor, 41_000, "the live projector goes on in the new tables");
}

const MANY_LINES: &str = "insert into credit_lines_g1.credit_lines (line_id, tenant, customer_id, currency, status, suspended_for, \
    requested_minor, requested_by, requested_on, limit_minor, used_minor, held_minor, unapplied_minor, uses, paid, holds, temporary, \
    dunning_level, dunning_paused_by, latest_on, updated_at, created_position, position, version, next_lapse_at, next_expiry_on, \
    next_overdue_on, next_dunning_on, next_review_on) \
    select lpad(n::text, 32, '0')::uuid, n % 20 + 1, lpad((n / 2)::text, 32, '0')::uuid, 'EUR', \
    (array['active', 'closed', 'requested'])[n % 3 + 1], '{}', 1, 'key:1', day, 1, 0, 0, 0, '[]', '[]', '[]', '[]', 0, '{}', day, at, \
    n, n, 1, at, day, day, day, day from generate_series(1, 20000) n, \
    lateral (select date '2026-01-01' + n % 700 as day, timestamptz '2026-01-01 00:00Z' + n * interval '1 h' as at) x";
const MANY_USES: &str = "insert into credit_aging_g1.credit_aging (line_id, order_id, tenant, customer_id, currency, amount_minor, \
    outstanding_minor, used_on, due_on, position) \
    select lpad((n % 2000)::text, 32, '0')::uuid, 'order-' || n, n % 20 + 1, lpad((n % 2000)::text, 32, '0')::uuid, 'EUR', 1, n % 2, \
    day, day + 30, n from generate_series(1, 20000) n, lateral (select date '2026-01-01' + n % 700 as day) x; \
    insert into credit_movements_g1.credit_movements (position, tenant, line_id, customer_id, kind, currency, amount_minor, \
    outstanding_minor, unapplied_minor, moved_on, occurred_at, recorded_at) \
    select n, n % 20 + 1, lpad((n % 2000)::text, 32, '0')::uuid, lpad((n % 2000)::text, 32, '0')::uuid, 'used', 'EUR', 1, 1, 0, \
    date '2026-01-01' + n % 700, now(), now() from generate_series(1, 20000) n";
const MANY_GROUPS: &str = "insert into credit_groups_g1.credit_groups (group_id, tenant, parent_id, currency, limit_minor, formed_on, \
    created_position, position) \
    select lpad(n::text, 32, '0')::uuid, n % 20 + 1, lpad((n / 2)::text, 32, '0')::uuid, 'EUR', 1, '2026-01-01', n, n \
    from generate_series(1, 20000) n; \
    insert into credit_groups_g1.credit_group_members (group_id, line_id, tenant, customer_id, currency, exposure_minor, joined_on, position) \
    select group_id, group_id, tenant, parent_id, 'EUR', 1, '2026-01-01', position from credit_groups_g1.credit_groups";
const SOME: &str = "uuid '00000000000000000000000000000106'";

async fn with_many_lines() -> (World, PgConnection) {
    let world = World::start().await;
    let mut engine = world.as_role(Role::Engine).await;
    for many in [MANY_LINES, MANY_USES, MANY_GROUPS] {
        engine.execute(many).await.unwrap();
    }
    world.as_admin().await.execute("analyze").await.unwrap();
    (world, engine)
}

async fn plan(conn: &mut PgConnection, sql: &str, values: &[(&str, &str)]) -> String {
    let sql = values.iter().fold(sql.to_owned(), |sql, (parameter, value)| sql.replace(parameter, value));
    let lines = sqlx::query(AssertSqlSafe(format!("explain (costs off) {sql}"))).fetch_all(conn).await.unwrap();
    lines.iter().map(|line| line.get::<String, _>(0)).collect::<Vec<_>>().join("\n")
}

/// As the request role: a filter that is not leakproof would not use an index under row-level security.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_of_credit_use_their_indexes_under_row_level_security() {
    let (world, _) = with_many_lines().await;
    let mut request = world.as_role(Role::Request).await;
    request.execute("set app.tenant = '7'").await.unwrap();
    let lines = concat!(
        include_str!("../../src/credit/credit_lines/columns.sql"),
        include_str!("../../src/credit/credit_lines/from.sql")
    );
    let of_lines = [
        ("where l.line_id = $1", &["credit_lines_pkey", "credit_groups_pkey", "credit_group_members_pkey"][..]),
        ("where l.customer_id = $1 order by l.currency", &["idx_credit_lines_customer"]),
        (include_str!("../../src/credit/credit_lines/all.sql"), &["idx_credit_lines_created"]),
        (include_str!("../../src/credit/credit_lines/by_status.sql"), &["idx_credit_lines_status"]),
    ];
    for (condition, indexes) in of_lines {
        let after =
            [("$1", if condition.contains("created_position") { "5" } else { SOME }), ("$2", "10"), ("$3", "'active'")];
        uses(&mut request, &format!("{lines} {condition}"), &after, indexes).await;
    }
    for (sql, indexes) in [
        (include_str!("../../src/credit/credit_movements/page.sql"), &["idx_credit_movements_line"][..]),
        (include_str!("../../src/credit/credit_aging/of_line.sql"), &["idx_credit_aging_line"]),
        (include_str!("../../src/credit/credit_aging/of_customer.sql"), &["idx_credit_aging_customer"]),
        (include_str!("../../src/credit/credit_groups/find.sql"), &["credit_groups_pkey", "credit_group_members_pkey"]),
        (include_str!("../../src/credit/credit_groups/members.sql"), &["credit_group_members_pkey"]),
    ] {
        uses(&mut request, sql, &[("$1", SOME), ("$2", "1000"), ("$3", "10")], indexes).await;
    }
    let statement = include_str!("../../src/credit/credit_movements/statement.sql");
    let period = [
        ("$1", SOME),
        ("$2", "date '2026-02-01'"),
        ("$3", "date '2026-02-28'"),
        ("$4", "null"),
        ("$5", "null"),
        ("$6", "10"),
    ];
    uses(&mut request, statement, &period, &["idx_credit_movements"]).await;
    let of_parent = include_str!("../../src/credit/credit_groups/of_parent.sql");
    uses(&mut request, of_parent, &[("$1", "5"), ("$2", "10"), ("$3", SOME)], &["idx_credit_groups_parent"]).await;
}

async fn uses(conn: &mut PgConnection, sql: &str, values: &[(&str, &str)], indexes: &[&str]) {
    let plan = plan(conn, sql, values).await;
    for index in indexes {
        assert!(plan.contains(index), "{index}: {sql}\n{plan}");
    }
    assert!(!plan.contains("Seq Scan on credit"), "{sql}\n{plan}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_due_of_credit_is_found_by_its_index() {
    let (_world, mut engine) = with_many_lines().await;
    for (sql, index, kind) in [
        (include_str!("../../src/credit/credit_lines/due_hold_lapses.sql"), "lapse", "timestamptz"),
        (include_str!("../../src/credit/credit_lines/due_temporary_expiries.sql"), "expiry", "date"),
        (include_str!("../../src/credit/credit_lines/due_overdue.sql"), "overdue", "date"),
        (include_str!("../../src/credit/credit_lines/due_dunnings.sql"), "dunning", "date"),
        (include_str!("../../src/credit/credit_lines/due_reviews.sql"), "review", "date"),
    ] {
        let (until, after) = (format!("{kind} '2026-03-01'"), format!("{kind} '2026-01-15'"));
        let values = [("$1", "7"), ("$2", until.as_str()), ("$3", &after), ("$4", SOME), ("$5", "100")];
        let plan = plan(&mut engine, sql, &values).await;
        assert!(plan.contains(&format!("using idx_credit_lines_{index}")) && !plan.contains("Sort"), "{plan}");
    }
}
