//! Stamp cards: articles are stamped, full cards earn rewards, rewards are redeemed with orders; and all of it the other way round.

use super::*;
use crate::ids::{CategoryCode, Channel, RewardCode, Sku, StampCardCode};
use crate::loyalty::loyalty_account::Reward;
use crate::loyalty::programme::{Programme, StampCard};
use crate::purchase::{PurchaseLine, RefundedLine};

fn card(name: &str) -> StampCardCode {
    StampCardCode::parse(name).unwrap()
}

fn category(name: &str) -> CategoryCode {
    CategoryCode::parse(name).unwrap()
}

fn coffee_card(stamps: u32, reward_expiry_months: Option<u32>) -> StampCard {
    StampCard {
        code: card("coffee"),
        categories: vec![category("coffee")],
        products: vec![Sku::parse("beans-1kg").unwrap()],
        stamps,
        reward: RewardCode::parse("free_coffee").unwrap(),
        reward_expiry_months,
    }
}

fn rules(cards: Vec<StampCard>) -> LoyaltyProgramme {
    LoyaltyProgramme::always(Programme { stamp_cards: cards, ..Programme::clone(&Programme::standard()) })
}

fn ten_coffees() -> LoyaltyProgramme {
    rules(vec![coffee_card(10, Some(6))])
}

fn line(sku: &str, of: Option<&str>, quantity: u32, amount: &str) -> PurchaseLine {
    PurchaseLine { sku: Sku::parse(sku).unwrap(), category: of.map(category), quantity, amount: usd(amount) }
}

fn coffees(quantity: u32) -> Vec<PurchaseLine> {
    vec![line("cake-1", Some("cake"), 1, "4.00"), line("latte-1", Some("coffee"), quantity, "3.00")]
}

fn stamp(order_id: &str, lines: Vec<PurchaseLine>, on: &str, programme: &LoyaltyProgramme) -> LoyaltyCommand {
    let channel = Some(Channel::parse("pos").unwrap());
    let sale = Sale { channel, lines, ..Sale::of_total(order(order_id), usd("30.00"), day(on)) };
    LoyaltyCommand::Stamp { sale, programme: programme.clone(), now: noon(on) }
}

fn take_back(refund_id: &str, order_id: &str, lines: &[(u32, u32)], remaining: &str, on: &str) -> LoyaltyCommand {
    let lines = lines.iter().map(|(line, quantity)| RefundedLine {
        line: *line,
        sku: Sku::parse("latte-1").unwrap(),
        quantity: *quantity,
        amount: usd("3.00"),
    });
    let (order, refund) = (order(order_id), refund(refund_id));
    let told = SaleRefund::remaining(order, refund, usd(remaining), day(on));
    let refunded = SaleRefund { lines: lines.collect(), ..told };
    LoyaltyCommand::TakeStampsBack { refunded, now: noon(on) }
}

fn hand_over(reward: u32, order_id: &str, on: &str) -> LoyaltyCommand {
    LoyaltyCommand::RedeemReward { reward, order: order(order_id), now: noon(on) }
}

fn new_member() -> LoyaltyAccount {
    given::<LoyaltyAccount>([enrolled()]).state()
}

fn bring_back(order_id: &str, on: &str) -> LoyaltyCommand {
    returns::give_back_at(order_id, "refund-back", (1, 1), noon(on))
}

fn absorb(duplicate: &LoyaltyAccount, programme: &LoyaltyProgramme) -> LoyaltyCommand {
    LoyaltyCommand::Absorb {
        duplicate: CustomerId::new(uuid::Uuid::from_u128(9)),
        account: Box::new(member(duplicate).clone()),
        programme: programme.clone(),
        now: noon("2026-03-01"),
    }
}

/// A member who bought so many coffees on the 9th of February.
fn drank(quantity: u32) -> LoyaltyAccount {
    after(&new_member(), stamp("order-1", coffees(quantity), "2026-02-09", &ten_coffees()))
}

fn on_card(state: &LoyaltyAccount) -> (i64, Vec<u32>) {
    (member(state).stamps_on(&card("coffee")), member(state).rewards().iter().map(|reward| reward.number).collect())
}

#[test]
fn each_article_that_the_card_names_is_a_stamp_and_a_full_card_is_a_reward() {
    let mut lines = coffees(10);
    lines.push(line("beans-1kg", None, 2, "20.00"));
    let told = LoyaltyAccount::decide(&new_member(), stamp("order-1", lines, "2026-02-09", &ten_coffees())).unwrap();
    let (order_1, coffee, on) = (order("order-1"), card("coffee"), day("2026-02-09"));
    let lines = vec![StampedLine { line: 1, stamps: 10 }, StampedLine { line: 2, stamps: 2 }];
    let added = LoyaltyEvent::StampAdded {
        order: order_1.clone(),
        card: coffee.clone(),
        programme: Some(1),
        stamps: 12,
        lines,
        stamped_on: on,
        on_card: 12,
    };
    let earned = LoyaltyEvent::RewardEarned {
        reward: 1,
        card: coffee,
        code: RewardCode::parse("free_coffee").unwrap(),
        stamps: 10,
        order: Some(order_1),
        earned_on: on,
        expires_on: Some(day("2026-08-09")),
        on_card: 2,
    };
    assert_eq!(told, vec![added, earned]);
}

#[test]
fn an_order_is_stamped_once_and_what_costs_nothing_never() {
    let state = drank(3);
    let again = stamp("order-1", coffees(3), "2026-02-10", &ten_coffees());
    assert_eq!(LoyaltyAccount::decide(&state, again), Ok(vec![]));
    let free = vec![line("latte-1", Some("coffee"), 1, "0.00"), line("coupon", Some("coffee"), 1, "-3.00")];
    let given_away = stamp("order-2", free, "2026-02-10", &ten_coffees());
    assert_eq!(LoyaltyAccount::decide(&state, given_away), Ok(vec![]));
    let elsewhere = stamp("order-3", vec![line("tea-1", Some("tea"), 1, "2.00")], "2026-02-10", &ten_coffees());
    assert_eq!(LoyaltyAccount::decide(&state, elsewhere), Ok(vec![]));
    assert_eq!(on_card(&state), (3, vec![]));
}

#[test]
fn one_order_brings_no_more_than_its_share() {
    let greedy = rules(vec![coffee_card(1, None)]);
    let state = after(&new_member(), stamp("order-1", coffees(5_000), "2026-02-09", &greedy));
    assert_eq!(member(&state).rewards().len(), 100);
    let mut state = state;
    for number in 2..=12 {
        state = after(&state, stamp(&format!("order-{number}"), coffees(5_000), "2026-02-09", &greedy));
    }
    assert_eq!(member(&state).rewards().len(), 1_000, "a full card waits");
    assert_eq!(on_card(&state).0, 200);
    let state = after(&state, hand_over(1, "order-20", "2026-02-10"));
    let state = after(&state, stamp("order-21", coffees(1), "2026-02-10", &greedy));
    assert_eq!((member(&state).rewards().len(), on_card(&state).0), (1_000, 200));
}

#[test]
fn a_reward_is_redeemed_once_with_an_order() {
    let state = drank(10);
    let told = LoyaltyAccount::decide(&state, hand_over(1, "order-2", "2026-02-10")).unwrap();
    assert!(
        matches!(&told[..], [LoyaltyEvent::RewardRedeemed { reward: 1, order: with, .. }] if *with == order("order-2"))
    );
    let state = after(&state, hand_over(1, "order-2", "2026-02-10"));
    assert_eq!(on_card(&state), (0, vec![]));
    assert_eq!(LoyaltyAccount::decide(&state, hand_over(1, "order-2", "2026-02-11")), Ok(vec![]));
    let with = order("order-2");
    let refused = LoyaltyAccount::decide(&state, hand_over(1, "order-3", "2026-02-11"));
    assert_eq!(refused, Err(LoyaltyError::RewardAlreadyRedeemed { reward: 1, with }));
    let unknown = LoyaltyAccount::decide(&state, hand_over(7, "order-3", "2026-02-11"));
    assert_eq!(unknown, Err(LoyaltyError::RewardNotFound { reward: 7 }));
}

#[test]
fn a_reward_expires_on_its_day_whoever_notices() {
    let state = drank(10);
    assert_eq!(LoyaltyAccount::decide(&state, settle("2026-08-08")), Ok(vec![]));
    let told = LoyaltyAccount::decide(&state, settle("2026-08-10")).unwrap();
    let gone = day("2026-08-09");
    assert!(matches!(&told[..], [LoyaltyEvent::RewardExpired { reward: 1, expires_on, .. }] if *expires_on == gone));
    let refused = LoyaltyAccount::decide(&state, hand_over(1, "order-2", "2026-08-09"));
    assert_eq!(refused, Err(LoyaltyError::RewardNotFound { reward: 1 }));
    assert_eq!(on_card(&after(&state, settle("2026-08-09"))), (0, vec![]));
}

#[test]
fn a_purchase_that_is_told_too_late_earns_a_reward_that_is_gone() {
    let LoyaltyCommand::Stamp { sale, programme, .. } = stamp("order-1", coffees(10), "2026-02-09", &ten_coffees())
    else {
        panic!("a stamp")
    };
    let late = LoyaltyCommand::Stamp { sale, programme, now: noon("2026-09-01") };
    let told = LoyaltyAccount::decide(&new_member(), late).unwrap();
    assert!(matches!(
        &told[..],
        [LoyaltyEvent::StampAdded { .. }, LoyaltyEvent::RewardEarned { .. }, LoyaltyEvent::RewardExpired { .. }]
    ));
}

#[test]
fn a_refund_takes_the_stamps_of_its_articles_back_once() {
    let state = drank(8);
    let part = take_back("refund-1", "order-1", &[(1, 3), (0, 1)], "17.00", "2026-02-10");
    let state = after(&state, part.clone());
    assert_eq!(on_card(&state), (5, vec![]));
    assert_eq!(LoyaltyAccount::decide(&state, part), Ok(vec![]));
    let cake = take_back("refund-2", "order-1", &[(0, 1)], "15.00", "2026-02-10");
    assert_eq!(LoyaltyAccount::decide(&state, cake), Ok(vec![]));
    let amount = take_back("refund-3", "order-1", &[], "10.00", "2026-02-10");
    assert_eq!(LoyaltyAccount::decide(&state, amount), Ok(vec![]), "nobody knows of which article");
    let rest = take_back("refund-4", "order-1", &[], "0.00", "2026-02-10");
    assert_eq!(on_card(&after(&state, rest)), (0, vec![]));
    let unknown = take_back("refund-5", "order-9", &[(1, 1)], "0.00", "2026-02-10");
    assert_eq!(LoyaltyAccount::decide(&state, unknown), Ok(vec![]));
}

#[test]
fn a_reward_that_nobody_has_had_is_withdrawn_with_its_stamps() {
    let state = drank(12);
    let told = LoyaltyAccount::decide(&state, take_back("refund-1", "order-1", &[(1, 5)], "15.00", "2026-02-10"));
    let told = told.unwrap();
    assert!(matches!(
        &told[..],
        [
            LoyaltyEvent::StampRemoved { stamps: 5, on_card: -3, .. },
            LoyaltyEvent::RewardWithdrawn { reward: 1, on_card: 7, .. }
        ]
    ));
    let state = after(&state, take_back("refund-1", "order-1", &[(1, 5)], "15.00", "2026-02-10"));
    assert_eq!(on_card(&state), (7, vec![]));
}

#[test]
fn a_reward_that_is_spent_leaves_a_card_below_nothing_and_other_stamps_make_up_for_it() {
    let state = after(&drank(10), hand_over(1, "order-2", "2026-02-10"));
    let state = after(&state, take_back("refund-1", "order-1", &[], "0.00", "2026-02-11"));
    assert_eq!(on_card(&state), (-10, vec![]));
    let state = after(&state, stamp("order-3", coffees(19), "2026-02-12", &ten_coffees()));
    assert_eq!(on_card(&state), (9, vec![]));
}

#[test]
fn a_reward_comes_back_when_its_order_is_given_back_whole() {
    let state = after(&drank(10), hand_over(1, "order-2", "2026-02-10"));
    let give_back = |share, on: &str| LoyaltyCommand::Return {
        order: order("order-2"),
        refund: refund("refund-1"),
        share,
        on: day(on),
        now: noon(on),
    };
    assert!(member(&state).has_spent(&order("order-2")));
    assert_eq!(LoyaltyAccount::decide(&state, give_back((1, 2), "2026-02-11")), Ok(vec![]));
    let returned = after(&state, give_back((2, 2), "2026-02-11"));
    let [Reward { number: 2, expires_on, .. }] = member(&returned).rewards() else {
        panic!("{:?}", member(&returned).rewards())
    };
    assert_eq!(*expires_on, Some(day("2026-08-09")), "the expiry it had");
    assert_eq!(LoyaltyAccount::decide(&returned, give_back((2, 2), "2026-02-12")), Ok(vec![]));
    let too_late = after(&state, give_back((2, 2), "2026-09-01"));
    assert_eq!(on_card(&too_late), (0, vec![]));
}

#[test]
fn a_reward_that_comes_back_pays_the_stamps_that_are_owed_whichever_order_is_given_back_first() {
    let state = after(&drank(10), hand_over(1, "order-2", "2026-02-10"));
    let (bought, had) =
        (take_back("refund-1", "order-1", &[], "0.00", "2026-02-11"), bring_back("order-2", "2026-02-11"));
    let owing = after(&state, bought.clone());
    assert_eq!(on_card(&owing), (-10, vec![]));
    let told = LoyaltyAccount::decide(&owing, had.clone()).unwrap();
    let (order_2, back) = (Some(order("order-2")), Some(refund("refund-back")));
    let withdrawn = LoyaltyEvent::RewardWithdrawn {
        reward: 2,
        card: card("coffee"),
        code: RewardCode::parse("free_coffee").unwrap(),
        stamps: 10,
        order: order_2,
        refund: back,
        withdrawn_on: day("2026-02-11"),
        on_card: 0,
    };
    assert!(
        matches!(&told[..], [LoyaltyEvent::RewardReturned { reward: 2, .. }, last] if *last == withdrawn),
        "{told:?}"
    );
    let paid = after(&owing, had.clone());
    assert_eq!(on_card(&paid), (0, vec![]));
    assert_eq!(on_card(&after(&after(&state, had.clone()), bought)), (0, vec![]), "the other way round");
    assert_eq!(LoyaltyAccount::decide(&paid, had), Ok(vec![]), "once");
    let refused = LoyaltyAccount::decide(&paid, hand_over(2, "order-3", "2026-02-12"));
    assert_eq!(refused, Err(LoyaltyError::RewardNotFound { reward: 2 }));
}

#[test]
fn of_a_reward_that_pays_a_part_the_rest_is_on_the_card() {
    let state = after(&drank(10), hand_over(1, "order-2", "2026-02-10"));
    let owing = after(&state, take_back("refund-1", "order-1", &[(1, 3)], "21.00", "2026-02-11"));
    assert_eq!(on_card(&owing), (-3, vec![]));
    assert_eq!(on_card(&after(&owing, bring_back("order-2", "2026-02-11"))), (7, vec![]));
}

#[test]
fn a_reward_that_comes_back_too_late_pays_nothing_whichever_order_is_given_back_first() {
    let state = after(&drank(10), hand_over(1, "order-2", "2026-02-10"));
    let (bought, had) =
        (take_back("refund-1", "order-1", &[], "0.00", "2026-09-01"), bring_back("order-2", "2026-09-01"));
    for (first, second) in [(bought.clone(), had.clone()), (had, bought)] {
        assert_eq!(on_card(&after(&after(&state, first), second)), (-10, vec![]));
    }
}

#[test]
fn when_accounts_become_one_the_rewards_of_one_pay_the_stamps_that_the_other_owes() {
    let owing = after(&drank(10), hand_over(1, "order-2", "2026-02-10"));
    let owing = after(&owing, take_back("refund-1", "order-1", &[(1, 3)], "21.00", "2026-02-11"));
    let rich = after(&new_member(), stamp("order-5", coffees(21), "2026-02-09", &ten_coffees()));
    assert_eq!((on_card(&owing), on_card(&rich)), ((-3, vec![]), (1, vec![1, 2])));
    let told = LoyaltyAccount::decide(&rich, absorb(&owing, &ten_coffees())).unwrap();
    let withdrawn = LoyaltyEvent::RewardWithdrawn {
        reward: 2,
        card: card("coffee"),
        code: RewardCode::parse("free_coffee").unwrap(),
        stamps: 10,
        order: None,
        refund: None,
        withdrawn_on: day("2026-03-01"),
        on_card: 8,
    };
    assert_eq!(told.last(), Some(&withdrawn));
    assert_eq!(on_card(&after(&rich, absorb(&owing, &ten_coffees()))), (8, vec![1]));
    assert_eq!(on_card(&after(&owing, absorb(&rich, &ten_coffees()))), (8, vec![2]), "the other way round");
    let back = after(&after(&rich, absorb(&owing, &ten_coffees())), bring_back("order-2", "2026-03-02"));
    assert_eq!(on_card(&back).0, 8, "what the duplicate was given comes back to the survivor");
}

#[test]
fn cards_and_rewards_come_along_when_accounts_become_one() {
    let duplicate = after(&drank(18), hand_over(1, "order-2", "2026-02-10"));
    let survivor = after(&new_member(), stamp("order-5", coffees(13), "2026-02-09", &ten_coffees()));
    let joined = after(&survivor, absorb(&duplicate, &ten_coffees()));
    assert_eq!(on_card(&joined), (1, vec![1, 3]), "8 and 3 are 11: a card is full");
    let again = LoyaltyAccount::decide(&joined, stamp("order-1", coffees(18), "2026-03-02", &ten_coffees()));
    assert_eq!(again, Ok(vec![]));
    assert_eq!(LoyaltyAccount::decide(&joined, hand_over(2, "order-2", "2026-03-02")), Ok(vec![]), "handed over there");
    let back = after(&joined, take_back("refund-1", "order-1", &[(1, 2)], "10.00", "2026-03-02"));
    assert_eq!(on_card(&back), (9, vec![1]), "one stamp is missing, so the latest reward is withdrawn");
}

#[test]
fn every_stamp_is_on_the_card_or_in_a_reward() {
    proptest!(|(steps in prop::collection::vec((0..8_u32, 1..25_u32, 1..4_u32), 1..40))| {
        let programme = rules(vec![coffee_card(4, None)]);
        let mut state = new_member();
        let (mut stamped, mut had) = (BTreeMap::<u32, u32>::new(), Vec::new());
        for (index, (kind, quantity, of)) in steps.into_iter().enumerate() {
            let index = u32::try_from(index).unwrap();
            match kind {
                0..3 => {
                    let quantity = quantity % 9 + 1;
                    state = after(&state, stamp(&format!("order-{index}"), coffees(quantity), "2026-02-09", &programme));
                    stamped.insert(index, quantity);
                }
                3 | 4 => {
                    let Some((order, left)) = stamped.iter_mut().nth(of as usize) else { continue };
                    let back = quantity.min(*left);
                    let refund = format!("refund-{index}");
                    state = after(&state, take_back(&refund, &format!("order-{order}"), &[(1, back)], "1.00", "2026-02-10"));
                    *left -= back;
                }
                5 => {
                    let Some(order) = had.pop() else { continue };
                    state = after(&state, bring_back(&format!("order-{order}"), "2026-02-10"));
                }
                _ => {
                    let Some(reward) = member(&state).rewards().first().map(|reward| reward.number) else { continue };
                    state = after(&state, hand_over(reward, &format!("order-{index}"), "2026-02-10"));
                    had.push(index);
                }
            }
            let (on_card, open) = on_card(&state);
            let (open, had) = (i64::try_from(open.len()).unwrap(), i64::try_from(had.len()).unwrap());
            prop_assert_eq!(on_card + 4 * (open + had), i64::from(stamped.values().sum::<u32>()));
            prop_assert!(on_card < 4, "a full card is a reward");
            prop_assert!(on_card >= 0 || open == 0, "nothing is owed while a reward is there");
        }
    });
}
