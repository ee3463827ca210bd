//! What campaigns give with the first purchase of a customer that another one sent, to both.

use super::campaigns::{category, published};
use super::*;
use crate::ids::Sku;
use crate::loyalty::campaigns::{CampaignPoints, CampaignRules};
use crate::loyalty::flags::FlagKind;
use crate::loyalty::programme::{PendingRule, Programme};
use crate::loyalty::referrals::ReferralStatus;
use crate::loyalty::sale::{Buyer, KnownBuyer, Referred};
use crate::purchase::PurchaseLine;
use ReferralStatus::{Cancelled, Earned, Pending, Reversed};

const ON: &str = "2026-02-09";
const FRIEND: CustomerId = CustomerId::new(uuid::Uuid::from_u128(1));
const REFERRER: CustomerId = CustomerId::new(uuid::Uuid::from_u128(2));
const DUPLICATE: CustomerId = CustomerId::new(uuid::Uuid::from_u128(9));
const OTHER_REFERRER: CustomerId = CustomerId::new(uuid::Uuid::from_u128(10));

/// So much for the friend, and so much for who sent it.
fn both(bonus_points: Option<i64>, referrer_points: Option<i64>) -> CampaignRules {
    CampaignRules { referred: true, bonus_points, referrer_points, ..CampaignRules::default() }
}

fn campaigns(rules: Programme, campaigns: impl IntoIterator<Item = CampaignRules>) -> LoyaltyProgramme {
    let told = (1..).zip(campaigns).map(|(number, rules)| published(number, 1, rules, ("2020-01-01", None)));
    LoyaltyProgramme::fold(LoyaltyProgramme::always(rules), &told.collect::<Vec<_>>())
}

fn during(of: impl IntoIterator<Item = CampaignRules>) -> LoyaltyProgramme {
    campaigns(Programme::clone(&Programme::standard()), of)
}

fn vesting(of: impl IntoIterator<Item = CampaignRules>) -> LoyaltyProgramme {
    let pending = Some(PendingRule { vest_after_days: Some(14) });
    campaigns(Programme { pending, ..Programme::clone(&Programme::standard()) }, of)
}

fn sent() -> Buyer {
    let referred = Some(Referred { customer: FRIEND, by: REFERRER, looks_alike: false });
    Buyer::Known(KnownBuyer { referred, ..KnownBuyer::default() })
}

fn first(total: &str) -> Sale {
    Sale { buyer: sent(), ..Sale::of_total(order("order-1"), usd(total), day(ON)) }
}

fn note(sale: Sale, programme: &LoyaltyProgramme) -> LoyaltyCommand {
    LoyaltyCommand::NoteReferral { sale, tier: None, programme: programme.clone(), now: noon(ON) }
}

fn buy(sale: Sale, programme: &LoyaltyProgramme) -> LoyaltyCommand {
    LoyaltyCommand::Earn { sale, programme: programme.clone(), now: noon(ON) }
}

/// A member after its first purchase.
fn bought(total: &str, programme: &LoyaltyProgramme) -> LoyaltyAccount {
    let earned = after(&given::<LoyaltyAccount>([enrolled()]).state(), buy(first(total), programme));
    after(&earned, note(first(total), programme))
}

fn told(events: &[LoyaltyEvent]) -> Vec<(i64, ReferralStatus)> {
    let changes = events.iter().filter_map(|event| match event {
        LoyaltyEvent::ReferralChanged { points, status, .. } => Some((*points, *status)),
        _ => None,
    });
    changes.collect()
}

/// What the referrer is given for a first purchase.
fn given_for(sale: Sale, programme: &LoyaltyProgramme) -> Vec<(i64, ReferralStatus)> {
    let state = after(&given::<LoyaltyAccount>([enrolled()]).state(), buy(sale.clone(), programme));
    told(&LoyaltyAccount::decide(&state, note(sale, programme)).unwrap())
}

fn give_back(remaining: &str, on: &str) -> LoyaltyCommand {
    let refunded = SaleRefund::remaining(order("order-1"), refund("r-1"), usd(remaining), day(on));
    LoyaltyCommand::GiveReferralBack { refunded, now: noon(on) }
}

fn decided(state: &LoyaltyAccount, command: LoyaltyCommand) -> Vec<(i64, ReferralStatus)> {
    told(&LoyaltyAccount::decide(state, command).unwrap())
}

#[test]
fn the_first_purchase_of_who_was_sent_gives_points_to_both_and_once() {
    let programme = during([both(Some(50), Some(200))]);
    let state = given::<LoyaltyAccount>([enrolled()]).state();
    let events = LoyaltyAccount::decide(&state, buy(first("10.00"), &programme)).unwrap();
    assert!(matches!(events[..], [LoyaltyEvent::PointsEarned { points: 60, .. }]), "{events:?}");
    let state = LoyaltyAccount::fold(state, &events);
    let campaign = crate::ids::CampaignId::new(uuid::Uuid::from_u128(1));
    let expected = LoyaltyEvent::ReferralChanged {
        customer: FRIEND,
        order: order("order-1"),
        referrer: REFERRER,
        points: 200,
        campaigns: vec![CampaignPoints { campaign, version: 1, points: 200, matched: None }],
        status: Earned,
        on: day(ON),
    };
    assert_eq!(LoyaltyAccount::decide(&state, note(first("10.00"), &programme)), Ok(vec![expected]));
    let noted = after(&state, note(first("10.00"), &programme));
    assert_eq!(LoyaltyAccount::decide(&noted, note(first("10.00"), &programme)), Ok(vec![]), "once");
    let snapshot = serde_json::to_string(&noted).unwrap();
    assert_eq!(serde_json::from_str::<LoyaltyAccount>(&snapshot).unwrap(), noted);
}

#[test]
fn who_was_not_sent_or_has_bought_before_earns_nothing_by_it() {
    let programme = during([both(Some(50), Some(200))]);
    let other = Sale { buyer: Buyer::default(), ..first("10.00") };
    assert_eq!(given_for(other.clone(), &programme), []);
    let state = given::<LoyaltyAccount>([enrolled()]).state();
    let events = LoyaltyAccount::decide(&state, buy(other, &programme)).unwrap();
    assert!(matches!(events[..], [LoyaltyEvent::PointsEarned { points: 10, .. }]), "{events:?}");
    given::<LoyaltyAccount>([]).when(note(first("10.00"), &programme)).then_refused(LoyaltyError::NotAMember);
}

#[test]
fn what_the_referrer_is_given_asks_for_what_the_campaign_asks_and_not_for_points_of_the_friend() {
    let least = |minimum_amount| CampaignRules { minimum_amount, ..both(None, Some(200)) };
    assert_eq!(given_for(first("0.50"), &during([least(None)])), [(200, Earned)], "no whole unit, no point");
    assert_eq!(given_for(first("0.00"), &during([least(None)])), [], "it was free");
    assert_eq!(given_for(first("19.00"), &during([least(Some(20))])), []);
    assert_eq!(given_for(first("20.00"), &during([least(Some(20))])), [(200, Earned)]);
    let of = |categories: &[&str], tiers: &[Tier]| CampaignRules {
        categories: categories.iter().map(|code| category(code)).collect(),
        tiers: tiers.to_vec(),
        ..both(None, Some(200))
    };
    let line = |of: &str| PurchaseLine {
        sku: Sku::parse("red").unwrap(),
        category: Some(category(of)),
        quantity: 1,
        amount: usd("10.00"),
    };
    let wine = Sale { lines: vec![line("wine")], ..first("10.00") };
    assert_eq!(given_for(wine.clone(), &during([of(&["wine"], &[])])), [(200, Earned)]);
    assert_eq!(given_for(wine, &during([of(&["bread"], &[])])), []);
    assert_eq!(given_for(first("10.00"), &during([of(&[], &[Tier::Gold])])), []);
    let dear = &during([of(&[], &[Tier::Bronze])]);
    assert_eq!(given_for(first("2000.00"), dear), [], "it is of a higher tier by now");
    let tier = Some(Tier::Bronze);
    let before = LoyaltyCommand::NoteReferral { sale: first("2000.00"), tier, programme: dear.clone(), now: noon(ON) };
    let state = after(&given::<LoyaltyAccount>([enrolled()]).state(), buy(first("2000.00"), dear));
    assert_eq!(decided(&state, before), [(200, Earned)], "as it was before");
}

#[test]
fn several_campaigns_add_up_to_no_more_than_may_be_given_at_once() {
    assert_eq!(given_for(first("10.00"), &during([both(None, Some(200)), both(None, Some(30))])), [(230, Earned)]);
    let most = both(None, Some(1_000_000));
    assert_eq!(given_for(first("10.00"), &during([most.clone(), most])), [(1_000_000, Earned)]);
}

#[test]
fn the_referrer_waits_for_as_long_as_the_points_of_the_friend_do() {
    let programme = vesting([both(None, Some(200))]);
    assert_eq!(given_for(first("10.00"), &programme), [(200, Pending)]);
    let state = bought("10.00", &programme);
    let vest = |order_id: Option<&str>, on: &str| LoyaltyCommand::Vest {
        order: order_id.map(order),
        programme: programme.clone(),
        now: noon(on),
    };
    assert_eq!(decided(&state, vest(None, "2026-02-22")), []);
    assert_eq!(decided(&state, vest(None, "2026-02-23")), [(200, Earned)]);
    assert_eq!(decided(&state, vest(Some("order-1"), "2026-02-10")), [(200, Earned)], "somebody says so");
    let vested = after(&state, vest(None, "2026-02-23"));
    assert_eq!(decided(&vested, vest(None, "2026-02-24")), [], "once");
    // What earns nothing does not wait for it.
    assert_eq!(given_for(first("0.50"), &programme), [(200, Earned)]);
}

#[test]
fn what_is_given_back_whole_gives_nothing_to_who_sent_the_friend() {
    let programme = during([both(None, Some(200))]);
    let state = bought("10.00", &programme);
    assert_eq!(decided(&state, give_back("0.01", "2026-02-10")), [], "something is left");
    assert_eq!(decided(&state, give_back("0.00", "2026-02-10")), [(200, Reversed)]);
    let back = after(&state, give_back("0.00", "2026-02-10"));
    assert_eq!(decided(&back, give_back("0.00", "2026-02-11")), [], "once");
    let other = SaleRefund::remaining(order("order-2"), refund("r-1"), usd("0.00"), day(ON));
    assert_eq!(decided(&state, LoyaltyCommand::GiveReferralBack { refunded: other, now: noon(ON) }), []);
}

#[test]
fn what_is_given_back_before_it_vests_was_promised_only() {
    let programme = vesting([both(None, Some(200))]);
    let reversed = |remaining: &str| {
        let refunded = SaleRefund::remaining(order("order-1"), refund("r-1"), usd(remaining), day("2026-02-10"));
        let reverse = LoyaltyCommand::Reverse { refunded, programme: programme.clone(), now: noon("2026-02-10") };
        after(&bought("10.00", &programme), reverse)
    };
    assert_eq!(decided(&reversed("0.00"), give_back("0.00", "2026-02-10")), [(200, Cancelled)]);
    assert_eq!(decided(&reversed("5.00"), give_back("5.00", "2026-02-10")), [], "5 points are pending");
    assert_eq!(decided(&reversed("0.50"), give_back("0.50", "2026-02-10")), [(200, Earned)], "none is any more");
}

#[test]
fn a_merge_takes_what_was_promised_and_what_was_given_with_it() {
    let programme = vesting([both(None, Some(200))]);
    let absorbed = |duplicate: &LoyaltyAccount| {
        let account = Box::new(member(duplicate).clone());
        let duplicate = CustomerId::new(uuid::Uuid::from_u128(9));
        let absorb =
            LoyaltyCommand::Absorb { duplicate, account, programme: programme.clone(), now: noon("2026-02-10") };
        after(&given::<LoyaltyAccount>([enrolled()]).state(), absorb)
    };
    let survivor = absorbed(&bought("10.00", &programme));
    assert_eq!(decided(&survivor, give_back("0.00", "2026-02-11")), [(200, Cancelled)]);
    let vest = LoyaltyCommand::Vest { order: None, programme: programme.clone(), now: noon("2026-02-23") };
    assert_eq!(decided(&survivor, vest), [(200, Earned)]);
    let given = absorbed(&bought("10.00", &during([both(None, Some(200))])));
    assert_eq!(decided(&given, give_back("0.00", "2026-02-11")), [(200, Reversed)]);
}

/// Both bought first with an order of the same id, each sent by somebody else.
fn both_sent(own: &LoyaltyProgramme, other: &LoyaltyProgramme) -> (LoyaltyAccount, LoyaltyAccount) {
    let referred = Some(Referred { customer: DUPLICATE, by: OTHER_REFERRER, looks_alike: false });
    let buyer = Buyer::Known(KnownBuyer { referred, ..KnownBuyer::default() });
    let sale = Sale { buyer, ..first("20.00") };
    let earned = after(&given::<LoyaltyAccount>([enrolled()]).state(), buy(sale.clone(), other));
    (bought("10.00", own), after(&earned, note(sale, other)))
}

fn referrers(events: &[LoyaltyEvent]) -> Vec<(CustomerId, CustomerId, ReferralStatus)> {
    let changes = events.iter().filter_map(|event| match event {
        LoyaltyEvent::ReferralChanged { customer, referrer, status, .. } => Some((*customer, *referrer, *status)),
        _ => None,
    });
    changes.collect()
}

fn absorb(duplicate: &LoyaltyAccount, programme: &LoyaltyProgramme) -> LoyaltyCommand {
    let (account, programme) = (Box::new(member(duplicate).clone()), programme.clone());
    LoyaltyCommand::Absorb { duplicate: DUPLICATE, account, programme, now: noon("2026-02-10") }
}

#[test]
fn of_an_order_that_both_bought_first_only_who_sent_the_survivor_loses_by_its_refund() {
    let programme = during([both(None, Some(200))]);
    let (survivor, duplicate) = both_sent(&programme, &programme);
    let joined = after(&survivor, absorb(&duplicate, &programme));
    let told = LoyaltyAccount::decide(&joined, give_back("0.00", "2026-02-11")).unwrap();
    assert_eq!(referrers(&told), [(FRIEND, REFERRER, Reversed)]);
    let again = LoyaltyAccount::fold(joined, &told);
    assert_eq!(LoyaltyAccount::decide(&again, give_back("0.00", "2026-02-12")), Ok(vec![]));

    // Nor does who sent the duplicate, when nobody had sent the survivor.
    let sale = Sale { buyer: Buyer::default(), ..first("10.00") };
    let unsent = after(&given::<LoyaltyAccount>([enrolled()]).state(), buy(sale, &programme));
    let joined = after(&unsent, absorb(&duplicate, &programme));
    assert_eq!(decided(&joined, give_back("0.00", "2026-02-11")), []);
}

#[test]
fn what_waits_for_the_duplicates_copy_of_such_an_order_is_given_with_the_merge() {
    let vesting = vesting([both(None, Some(200))]);
    let (survivor, duplicate) = both_sent(&vesting, &vesting);
    let with = Some(Box::new(member(&survivor).clone()));
    let settle = LoyaltyCommand::SettleBeforeMerge { with, programme: vesting.clone(), now: noon("2026-02-10") };
    let told = LoyaltyAccount::decide(&duplicate, settle).unwrap();
    assert_eq!(referrers(&told), [(DUPLICATE, OTHER_REFERRER, Earned)]);
    let joined = after(&survivor, absorb(&LoyaltyAccount::fold(duplicate, &told), &vesting));
    let refunded = SaleRefund::remaining(order("order-1"), refund("r-1"), usd("0.00"), day("2026-02-11"));
    let reverse = LoyaltyCommand::Reverse { refunded, programme: vesting, now: noon("2026-02-11") };
    let told = LoyaltyAccount::decide(&after(&joined, reverse), give_back("0.00", "2026-02-11")).unwrap();
    assert_eq!(referrers(&told), [(FRIEND, REFERRER, Cancelled)]);
}

fn alike() -> Buyer {
    let referred = Some(Referred { customer: FRIEND, by: REFERRER, looks_alike: true });
    Buyer::Known(KnownBuyer { referred, ..KnownBuyer::default() })
}

fn flags(state: &LoyaltyAccount) -> Vec<FlagKind> {
    member(state).flags().collect()
}

#[test]
fn who_may_have_sent_itself_is_flagged_when_that_is_rewarded() {
    let noted = |rules: CampaignRules, buyer: Buyer| {
        let (programme, sale) = (during([rules]), Sale { buyer, ..first("10.00") });
        let state = after(&given::<LoyaltyAccount>([enrolled()]).state(), buy(sale.clone(), &programme));
        flags(&after(&state, note(sale, &programme)))
    };
    assert_eq!(noted(both(None, Some(200)), alike()), [FlagKind::SelfReferral]);
    assert_eq!(noted(both(Some(50), None), alike()), [FlagKind::SelfReferral], "the friend is rewarded");
    assert_eq!(noted(both(Some(50), Some(200)), sent()), []);
    let other = CampaignRules { bonus_points: Some(50), ..CampaignRules::default() };
    assert_eq!(noted(other, alike()), [], "everybody is given that");
}

#[test]
fn a_flag_of_one_kind_is_looked_at_apart_from_those_of_another() {
    let state = given::<LoyaltyAccount>([enrolled()]).state();
    let flag = || LoyaltyCommand::FlagSelfReferral { now: noon(ON) };
    let flagged = after(&state, flag());
    assert_eq!((flags(&flagged), LoyaltyAccount::decide(&flagged, flag())), (vec![FlagKind::SelfReferral], Ok(vec![])));
    let mut looped = flagged;
    for nth in 0..4 {
        let order_id = format!("order-{nth}");
        looped = after(&after(&looped, earn(&order_id, "10.00", ON)), reverse(&order_id, "0.00", ON));
    }
    let clear = |flag| LoyaltyCommand::ClearFlag { flag, reason: None, now: noon(ON) };
    let looked = after(&looped, clear(FlagKind::SelfReferral));
    assert_eq!(flags(&looked), []);
    let fifth = after(&after(&looked, earn("order-9", "10.00", ON)), reverse("order-9", "0.00", ON));
    assert_eq!(flags(&fifth), [FlagKind::BuyRefundLoop], "the four before still count");
    let again = after(&after(&fifth, flag()), clear(FlagKind::BuyRefundLoop));
    assert_eq!(flags(&again), [FlagKind::SelfReferral]);
}

#[test]
fn another_currency_than_the_accounts_is_no_first_purchase_of_a_campaign() {
    let programme = during([both(None, Some(200))]);
    let pesos = Money::parse("10.00", code("MXN")).unwrap();
    let sale = Sale { buyer: sent(), ..Sale::of_total(order("order-1"), pesos, day(ON)) };
    let state = given::<LoyaltyAccount>([enrolled()]).state();
    assert_eq!(decided(&state, note(sale, &programme)), []);
}
