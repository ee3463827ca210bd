//! Purchases given back by their lines.

use super::*;
use crate::customers::commands::RefundLine;
use crate::customers::customer::LINES_MAX;
use crate::customers::events::RefundedLine;

const ARTICLES: [&str; 3] = ["cup", "plate", "fork"];

fn sku(text: &str) -> Sku {
    Sku::parse(text).unwrap()
}

/// So many of an article for an amount.
fn bought(article: &str, quantity: u32, amount: &str) -> PurchaseLine {
    PurchaseLine { sku: sku(article), category: None, quantity, amount: usd(amount) }
}

fn order_of(lines: Vec<PurchaseLine>, total: &str) -> Vec<CustomerEvent> {
    let (order, total, on) = (order("order-7"), usd(total), day("2026-02-09"));
    vec![created(), CustomerEvent::PurchaseRecorded { order, channel: None, lines, total, on }]
}

fn back(refund: &str, amount: Option<&str>, lines: &[(&str, u32)]) -> CustomerCommand {
    let lines = lines.iter().map(|&(article, quantity)| RefundLine { sku: sku(article), quantity });
    let (refund, order, lines) = (refund_id(refund), order("order-7"), lines.collect());
    let (on, today) = (day("2026-02-20"), day("2026-02-20"));
    CustomerCommand::Refund { refund, order, amount: amount.map(usd), lines, on, today }
}

fn of_lines(mut event: CustomerEvent, given: &[(u32, &str, u32, &str)]) -> CustomerEvent {
    if let CustomerEvent::PurchaseRefunded { lines, .. } = &mut event {
        *lines = given
            .iter()
            .map(|&(line, article, quantity, amount)| {
                let (sku, amount) = (sku(article), usd(amount));
                RefundedLine { line, sku, quantity, amount }
            })
            .collect();
    }
    event
}

/// The amounts that refunds after each other give back, and what remains.
fn amounts(history: Vec<CustomerEvent>, refunds: &[&[(&str, u32)]]) -> (Vec<String>, String) {
    let mut state = given::<Customer>(history).state();
    let mut amounts = vec![];
    for (lines, nth) in refunds.iter().zip(1..) {
        let events = Customer::decide(&state, back(&format!("refund-{nth}"), None, lines)).unwrap();
        let [CustomerEvent::PurchaseRefunded { amount, .. }] = &events[..] else { panic!("{events:?}") };
        amounts.push(amount.amount());
        state = Customer::fold(state, &events);
    }
    (amounts, state.order(&order("order-7")).unwrap().remaining().amount())
}

#[test]
fn a_line_gives_back_what_it_cost_and_its_last_part_the_rest() {
    let history = || order_of(vec![bought("cup", 3, "10.00"), bought("plate", 1, "5.00")], "15.00");
    let first = of_lines(refunded("refund-1", "3.33", "3.33", "11.67"), &[(0, "cup", 1, "3.33")]);
    given::<Customer>(history()).when(back("refund-1", None, &[("cup", 1)])).then([first]);
    let told = amounts(history(), &[&[("cup", 1)], &[("cup", 1)], &[("cup", 1)], &[("plate", 1)]]);
    assert_eq!(told, (["3.33", "3.33", "3.34", "5.00"].map(str::to_owned).to_vec(), "0.00".to_owned()));
    let told = amounts(history(), &[&[("cup", 2), ("plate", 1)], &[("cup", 1)]]);
    assert_eq!(told, (["11.66", "3.34"].map(str::to_owned).to_vec(), "0.00".to_owned()));
}

#[test]
fn what_lowered_the_whole_price_lowers_what_lines_give_back() {
    let lines = || vec![bought("cup", 1, "5.00"), bought("plate", 1, "5.00")];
    let told = amounts(order_of(lines(), "7.99"), &[&[("cup", 1)], &[("plate", 1)]]);
    assert_eq!(told, (["3.99", "4.00"].map(str::to_owned).to_vec(), "0.00".to_owned()));
    // What was paid beside the lines stays.
    let told = amounts(order_of(lines(), "12.00"), &[&[("cup", 1)], &[("plate", 1)]]);
    assert_eq!(told, (["5.00", "5.00"].map(str::to_owned).to_vec(), "2.00".to_owned()));
    // A discount that is a line of its own lowers nothing else.
    let discounted = vec![bought("cup", 1, "5.00"), bought("plate", 1, "5.00"), bought("discount", 1, "-2.00")];
    let told = amounts(order_of(discounted, "8.00"), &[&[("cup", 1), ("discount", 1)], &[("plate", 1)]]);
    assert_eq!(told, (["3.00", "5.00"].map(str::to_owned).to_vec(), "0.00".to_owned()));
}

#[test]
fn an_article_on_two_lines_comes_back_from_the_first_of_them_first() {
    let history = order_of(vec![bought("cup", 1, "3.00"), bought("cup", 2, "4.00")], "7.00");
    let event = of_lines(refunded("refund-1", "5.00", "5.00", "2.00"), &[(0, "cup", 1, "3.00"), (1, "cup", 1, "2.00")]);
    given::<Customer>(history).when(back("refund-1", None, &[("cup", 2)])).then([event]);
}

#[test]
fn no_more_of_an_article_comes_back_than_was_bought_also_over_several_refunds() {
    let history = || order_of(vec![bought("cup", 3, "9.00")], "9.00");
    let too_many = |remaining| CustomerError::LineExceedsPurchase { line: 0, sku: sku("cup"), remaining };
    given::<Customer>(history()).when(back("refund-1", None, &[("cup", 4)])).then_refused(too_many(3));
    let once = of_lines(refunded("refund-1", "6.00", "6.00", "3.00"), &[(0, "cup", 2, "6.00")]);
    let history = || order_of(vec![bought("cup", 3, "9.00")], "9.00").into_iter().chain([once.clone()]);
    given::<Customer>(history()).when(back("refund-2", None, &[("cup", 2)])).then_refused(too_many(1));
    let twice = CustomerError::LineExceedsPurchase { line: 1, sku: sku("cup"), remaining: 0 };
    given::<Customer>(history()).when(back("refund-2", None, &[("cup", 1), ("cup", 1)])).then_refused(twice);
    assert_eq!(Refusal::from(too_many(1)).field.as_deref(), Some("/lines/0/quantity"));
}

#[test]
fn what_was_not_bought_or_is_nothing_is_refused_by_its_place() {
    let history = || order_of(vec![bought("cup", 3, "9.00")], "9.00");
    let unknown = || CustomerError::LineNotBought { line: 1, sku: sku("fork") };
    given::<Customer>(history()).when(back("refund-1", None, &[("cup", 1), ("fork", 1)])).then_refused(unknown());
    assert_eq!(Refusal::from(unknown()).field.as_deref(), Some("/lines/1/sku"));
    given::<Customer>(history())
        .when(back("refund-1", None, &[("cup", 0)]))
        .then_refused(CustomerError::LineQuantity { line: 0 });
    let without_lines = order_of(vec![], "9.00");
    given::<Customer>(without_lines)
        .when(back("refund-1", None, &[("cup", 1)]))
        .then_refused(CustomerError::LineNotBought { line: 0, sku: sku("cup") });
}

#[test]
fn an_amount_beside_the_lines_counts_and_exceeds_nothing() {
    let history = || order_of(vec![bought("cup", 3, "9.00")], "9.00");
    let less = of_lines(refunded("refund-1", "2.50", "2.50", "6.50"), &[(0, "cup", 1, "3.00")]);
    given::<Customer>(history()).when(back("refund-1", Some("2.50"), &[("cup", 1)])).then([less]);
    given::<Customer>(history())
        .when(back("refund-1", Some("9.01"), &[("cup", 1)]))
        .then_refused(CustomerError::RefundExceedsPurchase { remaining: usd("9.00") });
    // What the lines cost is more than an earlier refund has left: who asks says how much.
    let most = history().into_iter().chain([refunded("refund-1", "8.00", "8.00", "1.00")]);
    given::<Customer>(most)
        .when(back("refund-2", None, &[("cup", 1)]))
        .then_refused(CustomerError::RefundExceedsPurchase { remaining: usd("1.00") });
}

#[test]
fn the_same_lines_are_given_back_once_and_others_under_the_refund_are_refused() {
    let once =
        of_lines(refunded("refund-1", "8.00", "8.00", "6.00"), &[(0, "cup", 1, "3.00"), (1, "plate", 1, "5.00")]);
    let lines = || vec![bought("cup", 3, "9.00"), bought("plate", 1, "5.00")];
    let history = || order_of(lines(), "14.00").into_iter().chain([once.clone()]);
    given::<Customer>(history()).when(back("refund-1", None, &[("plate", 1), ("cup", 1)])).then([]);
    given::<Customer>(history()).when(back("refund-1", Some("8.00"), &[("cup", 1), ("plate", 1)])).then([]);
    let conflict = || CustomerError::RefundAlreadyRecorded {
        refund: refund_id("refund-1"),
        order: order("order-7"),
        amount: usd("8.00"),
    };
    for (amount, lines) in [(None, &[("cup", 1)][..]), (Some("8.00"), &[]), (Some("7.00"), &[("cup", 1), ("plate", 1)])]
    {
        given::<Customer>(history()).when(back("refund-1", amount, lines)).then_refused(conflict());
    }
}

#[test]
fn what_cost_nothing_is_given_back_as_well_and_once() {
    let gift = || order_of(vec![bought("cup", 1, "3.00"), bought("fork", 1, "0.00")], "3.00");
    let free = of_lines(refunded("refund-1", "0.00", "0.00", "3.00"), &[(1, "fork", 1, "0.00")]);
    given::<Customer>(gift()).when(back("refund-1", None, &[("fork", 1)])).then([free]);
    let by_points = || order_of(vec![bought("cup", 2, "3.00")], "0.00");
    let whole = refunded("refund-1", "0.00", "0.00", "0.00");
    given::<Customer>(by_points()).when(refund("refund-1", None)).then([whole.clone()]);
    given::<Customer>(by_points().into_iter().chain([whole]))
        .when(refund("refund-2", None))
        .then_refused(CustomerError::RefundExceedsPurchase { remaining: usd("0.00") });
    let half = of_lines(refunded("refund-1", "0.00", "0.00", "0.00"), &[(0, "cup", 1, "1.50")]);
    let state = given::<Customer>(by_points()).when(back("refund-1", None, &[("cup", 1)])).then([half.clone()]);
    assert_eq!(state.order(&order("order-7")).unwrap().share_given_back(), (150, 300));
    let rest = Customer::decide(&state, back("refund-2", None, &[("cup", 1)])).unwrap();
    let state = Customer::fold(state, &rest);
    assert_eq!(state.order(&order("order-7")).unwrap().share_given_back(), (1, 1));
}

#[test]
fn an_order_is_remembered_in_few_bytes_and_its_lines_only_while_something_can_come_back() {
    let lines = (0..LINES_MAX).map(|nth| bought(&format!("a-rather-long-name-of-an-article-{nth}"), 3, "9.00"));
    let history = order_of(lines.collect(), "4500.00");
    let state = given::<Customer>(history).state();
    let bytes = serde_json::to_vec(&state).unwrap().len();
    assert!(bytes < LINES_MAX * 32 + 1_000, "{bytes} bytes");
    let all = Customer::decide(&state, refund("refund-1", None)).unwrap();
    let bytes = serde_json::to_vec(&Customer::fold(state, &all)).unwrap().len();
    assert!(bytes < 1_500, "{bytes} bytes");
}

pub(super) fn any_line() -> impl Strategy<Value = PurchaseLine> {
    let article = prop::sample::select(&ARTICLES[..]);
    (article, 1_u32..4, -200_i64..1_500).prop_map(|(article, quantity, minor)| PurchaseLine {
        sku: sku(article),
        category: None,
        quantity,
        amount: Money::from_minor(minor, Currency::parse("USD").unwrap()).unwrap(),
    })
}

pub(super) fn any_part() -> impl Strategy<Value = RefundLine> {
    let article = prop::sample::select(&ARTICLES[..]);
    (article, 1_u32..3).prop_map(|(article, quantity)| RefundLine { sku: sku(article), quantity })
}
