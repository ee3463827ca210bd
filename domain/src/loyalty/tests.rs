//! What loyalty accounts may do, as given / when / then.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use proptest::prelude::*;

use crate::calendar::Moment;
use crate::decider::Decider;
use crate::ids::{CustomerId, HoldId, OrderId, RefundId, TransferId};
use crate::loyalty::adjustments::AdjustmentReason;
use crate::loyalty::commands::{LoyaltyCommand, LoyaltyError};
use crate::loyalty::events::{LotPoints, LoyaltyEvent, MovedLot, ReleaseReason, StampedLine};
use crate::loyalty::loyalty_account::{LoyaltyAccount, Member, POINTS_MAX};
use crate::loyalty::loyalty_programme::LoyaltyProgramme;
use crate::loyalty::programme::Tier;
use crate::loyalty::sale::{Sale, SaleRefund};
use crate::loyalty::windows;
use crate::money::{Currency, Money};
use crate::refusal::{Refusal, RefusalKind};
use crate::testing::given;

mod adjustments;
mod campaigns;
mod flags;
mod holds;
mod merging;
mod pending;
mod programmes;
mod referrals;
mod refunds;
mod rehearsals;
mod returns;
mod reviews;
mod stamps;
mod transfers;

mod closing {
    use super::*;

    fn close(on: &str) -> LoyaltyCommand {
        LoyaltyCommand::Close { now: noon(on) }
    }

    fn closed(points: i64, held: i64) -> LoyaltyEvent {
        LoyaltyEvent::Closed { points, held, currency: code("USD"), on: day("2026-03-01") }
    }

    #[test]
    fn an_account_is_closed_once_and_what_was_left_is_lost() {
        given::<LoyaltyAccount>([]).when(close("2026-03-01")).then_refused(LoyaltyError::NotAMember);
        let history = [enrolled(), earned(1, "order-1", 250, "2026-02-09")];
        let state = given::<LoyaltyAccount>(history.clone()).when(close("2026-03-01")).then([closed(250, 0)]);
        assert_eq!(state, LoyaltyAccount::Closed);
        let [enrolled, earned] = history;
        given::<LoyaltyAccount>([enrolled, earned, closed(250, 0)]).when(close("2026-03-02")).then([]);
    }

    #[test]
    fn what_is_due_expires_before_the_account_is_closed() {
        let state = given::<LoyaltyAccount>([enrolled(), earned(1, "order-1", 250, "2026-02-09")]).state();
        let told = LoyaltyAccount::decide(&state, close("2028-02-09")).unwrap();
        assert!(matches!(
            told[..],
            [LoyaltyEvent::PointsExpired { points: 250, .. }, LoyaltyEvent::Closed { points: 0, .. }]
        ));
    }

    #[test]
    fn held_points_are_lost_and_told_apart() {
        let history = [enrolled(), earned(1, "order-1", 250, "2026-02-09")];
        let held = after(&given::<LoyaltyAccount>(history).state(), place(1, 200, "order-7", "2026-03-02T12:00:00Z"));
        assert_eq!(LoyaltyAccount::decide(&held, close("2026-03-01")), Ok(vec![closed(50, 200)]));
    }

    #[test]
    fn a_closed_account_takes_nothing_more() {
        let now = noon("2026-03-02");
        let state = given::<LoyaltyAccount>([enrolled(), closed(0, 0)]).state();
        for command in [
            LoyaltyCommand::Enrol { currency: code("USD"), on: now.today },
            LoyaltyCommand::Settle { now },
            LoyaltyCommand::Review { programme: standard(), now },
            LoyaltyCommand::Earn {
                sale: Sale::of_total(order("order-8"), usd("1.00"), now.today),
                programme: standard(),
                now,
            },
        ] {
            assert_eq!(LoyaltyAccount::decide(&state, command), Err(LoyaltyError::AccountClosed));
        }
    }
}

mod membership {
    use super::*;

    #[test]
    fn a_customer_enrols_once() {
        let enrol = |currency| LoyaltyCommand::Enrol { currency: code(currency), on: day("2026-01-10") };
        given::<LoyaltyAccount>([]).when(enrol("USD")).then([enrolled()]);
        given::<LoyaltyAccount>([enrolled()]).when(enrol("USD")).then([]);
        given::<LoyaltyAccount>([enrolled()]).when(enrol("EUR")).then_refused(mismatch());
    }

    #[test]
    fn who_is_not_a_member_neither_earns_nor_redeems() {
        let now = noon("2026-02-09");
        for command in [
            earn("order-7", "24.50", "2026-02-09"),
            redeem(100, "order-7", "2026-02-09"),
            reverse("order-7", "0.00", "2026-02-09"),
            LoyaltyCommand::Settle { now },
            LoyaltyCommand::Review { programme: standard(), now },
            place(1, 100, "order-7", "2026-02-09T12:00:00Z"),
            capture(1, "order-7", "2026-02-09T12:00:00Z"),
            release(1, "2026-02-09T12:00:00Z"),
        ] {
            given::<LoyaltyAccount>([]).when(command).then_refused(LoyaltyError::NotAMember);
        }
        assert_eq!(Refusal::from(LoyaltyError::NotAMember).kind, RefusalKind::NotFound);
    }
}

mod earning {
    use super::*;

    #[test]
    fn a_purchase_earns_a_point_per_whole_unit() {
        given::<LoyaltyAccount>([enrolled()]).when(earn("order-7", "24.99", "2026-02-09")).then([
            LoyaltyEvent::PointsEarned {
                order: order("order-7"),
                total: usd("24.99"),
                programme: None,
                tier: Tier::Bronze,
                base_points: 24,
                multiplier_percent: 100,
                points: 24,
                lot: 1,
                earned_on: day("2026-02-09"),
                expires_on: day("2028-02-09"),
                paid_debt: 0,
                campaigns: Vec::new(),
                capped: 0,
                pending_since: None,
                balance: 24,
            },
        ]);
    }

    #[test]
    fn a_purchase_below_a_unit_earns_nothing() {
        given::<LoyaltyAccount>([enrolled()]).when(earn("order-7", "0.99", "2026-02-09")).then([]);
        given::<LoyaltyAccount>([enrolled()])
            .when(earn("order-7", "-1.00", "2026-02-09"))
            .then_refused(LoyaltyError::NegativeTotal { total: usd("-1.00") });
    }

    #[test]
    fn the_same_order_earns_only_once_whatever_its_total() {
        let history = [enrolled(), earned(1, "order-7", 24, "2026-02-09")];
        given::<LoyaltyAccount>(history.clone()).when(earn("order-7", "24.00", "2026-02-09")).then([]);
        given::<LoyaltyAccount>(history).when(earn("order-7", "99.00", "2026-03-09")).then([]);
    }

    #[test]
    fn an_order_told_years_late_still_earns_only_once() {
        let late = expired(2, 24, "2025-01-10", 10);
        let history = [
            enrolled(),
            earned(1, "order-1", 10, "2026-02-09"),
            earned(2, "order-7", 24, "2023-01-10"),
            late,
            earned(3, "order-3", 10, "2026-02-10"),
        ];
        given::<LoyaltyAccount>(history).when(earn_late("order-7", "24.00", "2023-01-10", "2026-02-11")).then([]);
    }

    #[test]
    fn another_currency_than_the_accounts_is_refused() {
        let total = Money::parse("24.50", code("EUR")).unwrap();
        let (on, now) = (day("2026-02-09"), noon("2026-02-09"));
        given::<LoyaltyAccount>([enrolled()])
            .when(LoyaltyCommand::Earn {
                sale: Sale::of_total(order("order-7"), total, on),
                programme: standard(),
                now,
            })
            .then_refused(mismatch());
    }

    #[test]
    fn the_multiplier_is_that_of_the_tier_before_the_purchase() {
        let history = [enrolled(), earned(1, "order-1", 999, "2026-02-01")];
        let state = given::<LoyaltyAccount>(history).when(earn("order-2", "1001.00", "2026-02-09")).then([
            with_balance(2_000, earned(2, "order-2", 1_001, "2026-02-09")),
            upgraded(Tier::Bronze, Tier::Silver, 2_000, "2026-02-09"),
        ]);
        let events = LoyaltyAccount::decide(&state, earn("order-3", "10.99", "2026-02-10")).unwrap();
        assert!(matches!(
            events[..],
            [LoyaltyEvent::PointsEarned { base_points: 10, multiplier_percent: 125, points: 12, balance: 2_012, .. }]
        ));
    }

    #[test]
    fn points_that_are_already_too_old_are_earned_and_lost_at_once() {
        let late = LoyaltyCommand::Earn {
            sale: Sale::of_total(order("order-7"), usd("24.00"), day("2023-01-10")),
            programme: standard(),
            now: noon("2026-02-09"),
        };
        let expired = expired(1, 24, "2025-01-10", 0);
        let state = given::<LoyaltyAccount>([enrolled()])
            .when(late.clone())
            .then([earned(1, "order-7", 24, "2023-01-10"), expired]);
        assert_eq!(LoyaltyAccount::decide(&state, late), Ok(vec![]));
    }
}

mod tiers {
    use super::*;

    #[test]
    fn a_tier_is_reached_at_its_threshold_and_not_a_point_before() {
        given::<LoyaltyAccount>([enrolled()]).when(earn("order-7", "999.00", "2026-02-09")).then([earned(
            1,
            "order-7",
            999,
            "2026-02-09",
        )]);
        given::<LoyaltyAccount>([enrolled()]).when(earn("order-7", "1000.00", "2026-02-09")).then([
            earned(1, "order-7", 1_000, "2026-02-09"),
            upgraded(Tier::Bronze, Tier::Silver, 1_000, "2026-02-09"),
        ]);
    }

    #[test]
    fn one_purchase_may_jump_several_tiers() {
        given::<LoyaltyAccount>([enrolled()]).when(earn("order-7", "20000.00", "2026-02-09")).then([
            earned(1, "order-7", 20_000, "2026-02-09"),
            upgraded(Tier::Bronze, Tier::Platinum, 20_000, "2026-02-09"),
        ]);
    }

    #[test]
    fn what_was_earned_twelve_months_ago_to_the_day_no_longer_counts() {
        let history = || [enrolled(), earned(1, "order-1", 600, "2026-02-09")];
        given::<LoyaltyAccount>(history())
            .when(earn("order-2", "400.00", "2027-02-09"))
            .then([with_balance(1_000, earned(2, "order-2", 400, "2027-02-09"))]);
        given::<LoyaltyAccount>(history()).when(earn("order-2", "400.00", "2027-02-08")).then([
            with_balance(1_000, earned(2, "order-2", 400, "2027-02-08")),
            upgraded(Tier::Bronze, Tier::Silver, 1_000, "2027-02-08"),
        ]);
    }

    #[test]
    fn a_purchase_told_late_counts_as_of_now_and_not_as_of_then() {
        let history = || [enrolled(), earned(1, "order-1", 600, "2025-03-01"), earned(2, "order-2", 300, "2026-02-09")];
        given::<LoyaltyAccount>(history())
            .when(earn_late("order-3", "400.00", "2025-02-01", "2026-02-10"))
            .then([with_balance(1_300, earned(3, "order-3", 400, "2025-02-01"))]);
        given::<LoyaltyAccount>(history()).when(earn_late("order-3", "400.00", "2025-04-01", "2026-02-10")).then([
            with_balance(1_300, earned(3, "order-3", 400, "2025-04-01")),
            upgraded(Tier::Bronze, Tier::Silver, 1_300, "2026-02-09"),
        ]);
    }

    #[test]
    fn a_tier_stays_when_points_are_reversed_or_grow_old_but_they_no_longer_count() {
        let history = [
            enrolled(),
            earned(1, "order-1", 1_000, "2026-02-09"),
            upgraded(Tier::Bronze, Tier::Silver, 1_000, "2026-02-09"),
        ];
        let state = given::<LoyaltyAccount>(history)
            .when(reverse("order-1", "0.00", "2026-02-20"))
            .then([reversed("order-1", 1_000, 0)]);
        assert_eq!(member(&state).tier(), Tier::Silver);
        assert_eq!(member(&state).earned_last_12_months(day("2026-02-20")), 0);
    }
}

mod redeeming {
    use super::*;

    #[test]
    fn a_hundred_points_are_a_discount_of_one() {
        given::<LoyaltyAccount>([enrolled(), earned(1, "order-1", 250, "2026-02-09")])
            .when(redeem(200, "order-7", "2026-03-01"))
            .then([redeemed("order-7", 200, "2.00", 50)]);
    }

    #[test]
    fn never_more_is_redeemed_than_is_available() {
        let refused = given::<LoyaltyAccount>([enrolled(), earned(1, "order-1", 250, "2026-02-09")]).when(redeem(
            300,
            "order-7",
            "2026-03-01",
        ));
        refused.then_refused(LoyaltyError::InsufficientPoints { points: 300, available: 250 });
        let refusal = Refusal::from(LoyaltyError::InsufficientPoints { points: 300, available: 250 });
        assert_eq!(
            (refusal.code.as_str(), &refusal.facts["available"]),
            ("insufficient_points", &serde_json::json!(250))
        );
    }

    #[test]
    fn only_whole_multiples_of_a_hundred_are_redeemed() {
        for points in [-100, 0, 50, 150] {
            given::<LoyaltyAccount>([enrolled(), earned(1, "order-1", 250, "2026-02-09")])
                .when(redeem(points, "order-7", "2026-03-01"))
                .then_refused(LoyaltyError::PointsNotRedeemable { points, multiple_of: 100, minimum: 100 });
        }
    }

    #[test]
    fn the_same_order_redeems_only_once_and_other_points_are_refused() {
        let history = || [enrolled(), earned(1, "order-1", 500, "2026-02-09"), redeemed("order-7", 200, "2.00", 300)];
        given::<LoyaltyAccount>(history()).when(redeem(200, "order-7", "2026-03-01")).then([]);
        given::<LoyaltyAccount>(history())
            .when(redeem(300, "order-7", "2026-03-01"))
            .then_refused(LoyaltyError::OrderAlreadyRedeemed { order: order("order-7"), points: 200 });
    }

    #[test]
    fn the_points_that_expire_first_are_spent_first() {
        let history = [enrolled(), earned(1, "order-1", 150, "2026-02-09"), earned(2, "order-2", 150, "2026-01-15")];
        let state = given::<LoyaltyAccount>(history)
            .when(redeem(200, "order-7", "2026-03-01"))
            .then([out_of([(2, 150), (1, 50)], redeemed("order-7", 200, "2.00", 100))]);
        let left: Vec<_> = member(&state).lots().iter().map(|lot| (lot.number, lot.points)).collect();
        assert_eq!(left, [(1, 100)]);
    }
}

mod expiring {
    use super::*;

    #[test]
    fn points_live_until_the_day_before_the_24th_month_is_full() {
        let history = || [enrolled(), earned(1, "order-1", 100, "2026-02-09")];
        given::<LoyaltyAccount>(history()).when(settle("2028-02-08")).then([]);
        let state =
            given::<LoyaltyAccount>(history()).when(settle("2028-02-09")).then([expired(1, 100, "2028-02-09", 0)]);
        assert_eq!(LoyaltyAccount::decide(&state, settle("2028-02-09")), Ok(vec![]));
    }

    #[test]
    fn each_lot_expires_by_itself_the_oldest_first() {
        let history = [
            enrolled(),
            earned(1, "order-1", 100, "2026-02-09"),
            earned(2, "order-2", 50, "2026-01-15"),
            earned(3, "order-3", 7, "2027-01-15"),
        ];
        given::<LoyaltyAccount>(history)
            .when(settle("2028-03-01"))
            .then([expired(2, 50, "2028-01-15", 107), expired(1, 100, "2028-02-09", 7)]);
    }

    #[test]
    fn what_is_due_expires_before_anything_else_is_decided() {
        let history = || [enrolled(), earned(1, "order-1", 100, "2026-02-09"), earned(2, "order-2", 100, "2027-02-09")];
        given::<LoyaltyAccount>(history()).when(redeem(100, "order-7", "2028-02-09")).then([
            expired(1, 100, "2028-02-09", 100),
            out_of([(2, 100)], redeemed_on("order-7", 100, "1.00", 0, "2028-02-09")),
        ]);
        given::<LoyaltyAccount>(history())
            .when(redeem(200, "order-7", "2028-02-09"))
            .then_refused(LoyaltyError::InsufficientPoints { points: 200, available: 100 });
    }

    #[test]
    fn spent_points_do_not_expire() {
        let history = [enrolled(), earned(1, "order-1", 100, "2026-02-09"), redeemed("order-7", 100, "1.00", 0)];
        given::<LoyaltyAccount>(history).when(settle("2028-02-09")).then([]);
    }
}

mod reversing {
    use super::*;

    #[test]
    fn a_refund_takes_back_exactly_what_the_purchase_earned() {
        given::<LoyaltyAccount>([enrolled(), earned(1, "order-1", 24, "2026-02-09")])
            .when(reverse("order-1", "0.00", "2026-02-20"))
            .then([reversed("order-1", 24, 0)]);
    }

    #[test]
    fn a_refund_that_is_told_late_is_of_its_own_day_although_what_is_due_expires_today() {
        let late = LoyaltyCommand::Reverse {
            refunded: SaleRefund::remaining(order("order-2"), refund("refund-1"), usd("0.00"), day("2026-02-20")),
            programme: standard(),
            now: noon("2028-02-09"),
        };
        given::<LoyaltyAccount>([
            enrolled(),
            earned(1, "order-1", 24, "2026-02-09"),
            earned(2, "order-2", 30, "2026-02-10"),
        ])
        .when(late)
        .then([expired(1, 24, "2028-02-09", 30), reversed("order-2", 30, 0)]);
    }

    #[test]
    fn a_refund_in_part_leaves_what_the_rest_would_have_earned_at_the_same_multiplier() {
        let silver = LoyaltyEvent::PointsEarned {
            order: order("order-1"),
            total: usd("19.99"),
            programme: None,
            tier: Tier::Silver,
            base_points: 19,
            multiplier_percent: 125,
            points: 23,
            lot: 1,
            earned_on: day("2026-02-09"),
            expires_on: day("2028-02-09"),
            paid_debt: 0,
            campaigns: Vec::new(),
            capped: 0,
            pending_since: None,
            balance: 23,
        };
        let state = given::<LoyaltyAccount>([enrolled(), silver])
            .when(reverse("order-1", "10.99", "2026-02-20"))
            .then([reversed("order-1", 11, 12)]);
        let rest = LoyaltyAccount::decide(&state, reverse_by("refund-2", "order-1", "0.00", "2026-02-20"));
        assert_eq!(rest, Ok(vec![reversed_by("refund-2", "order-1", 12, 0)]));
    }

    #[test]
    fn the_same_refund_reverses_only_once_and_a_small_one_nothing() {
        let history = || [enrolled(), earned(1, "order-1", 24, "2026-02-09")];
        let again: Vec<_> = history().into_iter().chain([reversed("order-1", 10, 14)]).collect();
        given::<LoyaltyAccount>(again.clone()).when(reverse("order-1", "14.00", "2026-02-20")).then([]);
        given::<LoyaltyAccount>(again).when(reverse("order-1", "0.00", "2026-02-20")).then([]);
        given::<LoyaltyAccount>(history()).when(reverse("order-1", "24.00", "2026-02-20")).then([]);
    }

    #[test]
    fn an_unknown_order_and_one_whose_points_expired_reverse_nothing() {
        let history = || [enrolled(), earned(1, "order-1", 24, "2026-02-09"), earned(2, "order-2", 24, "2027-02-09")];
        given::<LoyaltyAccount>(history()).when(reverse("order-9", "0.00", "2026-02-20")).then([]);
        given::<LoyaltyAccount>(history()).when(reverse("order-1", "0.00", "2028-02-09")).then([expired(
            1,
            24,
            "2028-02-09",
            24,
        )]);
    }

    #[test]
    fn the_orders_own_points_go_first_then_the_oldest_others() {
        let history = [
            enrolled(),
            earned(1, "order-1", 100, "2026-02-07"),
            earned(2, "order-2", 100, "2026-02-08"),
            earned(3, "order-3", 100, "2026-02-09"),
        ];
        let state = given::<LoyaltyAccount>(history.clone())
            .when(reverse("order-2", "0.00", "2026-02-20"))
            .then([reversed("order-2", 100, 200)]);
        assert_eq!(lots(&state), [(1, 100), (3, 100)]);
        let spent = history.into_iter().chain([out_of([(1, 100), (2, 100)], redeemed("order-7", 200, "2.00", 100))]);
        let state = given::<LoyaltyAccount>(spent)
            .when(reverse("order-1", "0.00", "2026-02-20"))
            .then([out_of([(3, 100)], reversed("order-1", 100, 0))]);
        assert_eq!(lots(&state), []);
    }

    #[test]
    fn what_was_already_spent_is_owed_and_blocks_redemption() {
        let history = || [enrolled(), earned(1, "order-1", 100, "2026-02-09"), redeemed("order-7", 100, "1.00", 0)];
        let state = given::<LoyaltyAccount>(history())
            .when(reverse("order-1", "0.00", "2026-02-20"))
            .then([out_of([], reversed("order-1", 100, -100))]);
        assert_eq!((member(&state).available(), member(&state).debt()), (-100, 100));
        given::<LoyaltyAccount>(history().into_iter().chain([out_of([], reversed("order-1", 100, -100))]))
            .when(redeem(100, "order-8", "2026-03-01"))
            .then_refused(LoyaltyError::InsufficientPoints { points: 100, available: -100 });
    }

    #[test]
    fn what_is_owed_is_paid_by_the_next_points_and_the_rest_becomes_a_lot() {
        let owing = [
            enrolled(),
            earned(1, "order-1", 100, "2026-02-09"),
            redeemed("order-7", 100, "1.00", 0),
            out_of([], reversed("order-1", 100, -100)),
        ];
        let state = given::<LoyaltyAccount>(owing)
            .when(earn("order-8", "130.00", "2026-03-02"))
            .then([paying(100, with_balance(30, earned(2, "order-8", 130, "2026-03-02")))]);
        assert_eq!((lots(&state), member(&state).debt()), (vec![(2, 30)], 0));
    }

    #[test]
    fn another_currency_than_the_accounts_is_refused() {
        let remaining_total = Money::zero(code("EUR"));
        let (order, refund, now) = (order("order-1"), refund("refund-1"), noon("2026-02-20"));
        given::<LoyaltyAccount>([enrolled(), earned(1, "order-1", 24, "2026-02-09")])
            .when(LoyaltyCommand::Reverse {
                refunded: SaleRefund::remaining(order, refund, remaining_total, now.today),
                programme: standard(),
                now,
            })
            .then_refused(mismatch());
    }
}

mod holding {
    use super::*;

    /// A currency without cents reaches the limit with its largest amount.
    fn in_yen() -> LoyaltyEvent {
        LoyaltyEvent::Enrolled { currency: code("JPY"), on: day("2026-01-10") }
    }

    fn buy(order_id: &str, yen: i64) -> LoyaltyCommand {
        let total = Money::from_minor(yen, code("JPY")).unwrap();
        LoyaltyCommand::Earn {
            sale: Sale::of_total(order(order_id), total, day("2026-02-09")),
            programme: standard(),
            now: noon("2026-02-09"),
        }
    }

    fn endless(mut event: LoyaltyEvent) -> LoyaltyEvent {
        if let LoyaltyEvent::PointsEarned { points, .. } = &mut event {
            *points = i64::MAX;
        }
        event
    }

    #[test]
    fn an_account_holds_no_more_than_the_limit() {
        let full = LoyaltyAccount::decide(&given::<LoyaltyAccount>([in_yen()]).state(), buy("order-1", POINTS_MAX));
        let full: Vec<_> = [in_yen()].into_iter().chain(full.unwrap()).collect();
        let state = given::<LoyaltyAccount>(full.clone()).state();
        assert_eq!(member(&state).available(), POINTS_MAX);
        let refused = LoyaltyError::PointsLimit { available: POINTS_MAX, points: 2, limit: POINTS_MAX };
        given::<LoyaltyAccount>(full.clone()).when(buy("order-2", 1)).then_refused(refused.clone());
        given::<LoyaltyAccount>(full).when(buy("order-1", POINTS_MAX)).then([]);
        let refusal = Refusal::from(refused);
        assert_eq!((refusal.kind, refusal.code.as_str()), (RefusalKind::Invalid, "points_limit"));
        assert_eq!(refusal.facts["limit"], POINTS_MAX);
    }

    #[test]
    fn a_purchase_earns_no_more_than_the_limit_whatever_is_owed() {
        let platinum = LoyaltyEvent::TierUpgraded {
            from: Tier::Bronze,
            to: Tier::Platinum,
            earned_12_months: 20_000,
            on: day("2026-02-09"),
        };
        let owed = reversed_by("refund-1", "order-3", 10, -10);
        let owing = [in_yen(), platinum, out_of([], owed)];
        let (points, limit) = (POINTS_MAX + 2, POINTS_MAX);
        given::<LoyaltyAccount>(owing)
            .when(buy("order-1", POINTS_MAX / 2 + 1))
            .then_refused(LoyaltyError::PointsLimit { available: -10, points, limit });
    }

    #[test]
    fn any_stored_sums_are_borne() {
        let history = (1..5).map(|lot| endless(earned(lot, &format!("order-{lot}"), 1, "2026-02-09")));
        let borrowed = out_of([], reversed_by("refund-1", "order-1", i64::MAX, 0));
        let again = out_of([], reversed_by("refund-2", "order-1", i64::MAX, 0));
        let state = given::<LoyaltyAccount>([enrolled()].into_iter().chain(history).chain([borrowed, again])).state();
        assert_eq!(member(&state).available(), 0);
        for command in [
            earn("order-9", "1.00", "2026-02-09"),
            redeem(100, "order-9", "2026-02-09"),
            reverse("order-2", "0.00", "2026-02-09"),
            settle("2029-01-01"),
        ] {
            let _ = LoyaltyAccount::decide(&state, command);
        }
    }
}

mod any_history {
    use super::*;

    proptest! {
        /// Whatever is asked in whatever order, on dates that may go back.
        #[test]
        fn keeps_the_rules(commands in prop::collection::vec(any_command(), 0..60)) {
            let mut state = given::<LoyaltyAccount>([enrolled()]).state();
            for command in commands {
                let Ok(events) = LoyaltyAccount::decide(&state, command.clone()) else { continue };
                for event in &events {
                    state = checked(state, event)?;
                }
                match LoyaltyAccount::decide(&state, command.clone()) {
                    // What the account knew of an order may be gone with it: what was held, or what is too long ago.
                    Err(LoyaltyError::OrderNotKnown { .. } | LoyaltyError::TotalNotKnown { .. }) => {}
                    again => prop_assert_eq!(again, Ok(vec![]), "decided twice"),
                }
            }
        }
    }

    /// Evolves by one event and checks what must hold after each.
    fn checked(state: LoyaltyAccount, event: &LoyaltyEvent) -> Result<LoyaltyAccount, TestCaseError> {
        let before = member(&state).clone();
        let state = LoyaltyAccount::evolve(state, event);
        let after = member(&state);
        let in_lots: i64 = after.lots().iter().map(|lot| lot.points).sum();
        prop_assert_eq!(after.available(), in_lots - after.debt());
        prop_assert!(after.debt() == 0 || in_lots == 0, "points and debt at once");
        prop_assert!(after.lots().iter().all(|lot| lot.points > 0));
        prop_assert!(after.lots().is_sorted_by_key(|lot| (lot.expires_on, lot.number)));
        let is_review = matches!(event, LoyaltyEvent::TierDowngraded { .. });
        prop_assert!(after.tier() >= before.tier() || is_review, "a tier lost without a review");
        prop_assert_eq!(after.review_on().is_some(), after.tier() > Tier::Bronze);
        prop_assert!(balance(event).is_none_or(|balance| balance == after.available()));
        prop_assert!(!is_overdrawn(event), "overdrawn by {:?}", event);
        prop_assert_eq!(after.available() + after.held() - before.available() - before.held(), moved(event));
        prop_assert!(
            after.holds().iter().all(|hold| hold.points == hold.lots.iter().map(|lot| lot.points).sum::<i64>())
        );
        prop_assert!(after.holds().is_sorted_by_key(|hold| (hold.lapses.at, hold.id)));
        prop_assert!(after.earned_last_12_months(day("2026-01-10")) >= 0);
        Ok(state)
    }

    fn balance(event: &LoyaltyEvent) -> Option<i64> {
        use LoyaltyEvent as E;
        match event {
            E::PointsEarned { balance, .. }
            | E::PointsPending { balance, .. }
            | E::PointsRedeemed { balance, .. }
            | E::PointsReversed { balance, .. }
            | E::PointsExpired { balance, .. }
            | E::PointsAdjusted { balance, .. }
            | E::PointsReturned { balance, .. }
            | E::HoldPlaced { balance, .. }
            | E::HoldReleased { balance, .. }
            | E::TransferSent { balance, .. }
            | E::TransferReceived { balance, .. }
            | E::Absorbed { balance, .. } => Some(*balance),
            E::Merged { .. } | E::Closed { .. } => Some(0),
            E::Enrolled { .. }
            | E::TierUpgraded { .. }
            | E::TierDowngraded { .. }
            | E::TierKept { .. }
            | E::OrderRefunded { .. }
            | E::StampAdded { .. }
            | E::StampRemoved { .. }
            | E::RewardEarned { .. }
            | E::RewardWithdrawn { .. }
            | E::RewardRedeemed { .. }
            | E::RewardReturned { .. }
            | E::RewardExpired { .. }
            | E::ReferralChanged { .. }
            | E::FlagRaised { .. }
            | E::FlagCleared { .. } => None,
        }
    }

    /// Only what was promised before may be spent by who owes points.
    fn is_overdrawn(event: &LoyaltyEvent) -> bool {
        use LoyaltyEvent as E;
        match event {
            E::PointsAdjusted { points, reason, balance, .. } => {
                *points < 0 && *balance < 0 && *reason != AdjustmentReason::Referral
            }
            E::PointsRedeemed { balance, hold: None, .. }
            | E::HoldPlaced { balance, .. }
            | E::TransferSent { balance, .. } => *balance < 0,
            _ => false,
        }
    }

    /// What an event adds to all that the member has, held points included.
    fn moved(event: &LoyaltyEvent) -> i64 {
        use LoyaltyEvent as E;
        match event {
            E::PointsEarned { points, .. }
            | E::PointsAdjusted { points, .. }
            | E::PointsReturned { points, .. }
            | E::TransferReceived { points, .. }
            | E::Absorbed { points, .. } => *points,
            E::PointsRedeemed { points, .. }
            | E::PointsReversed { points, pending: false, .. }
            | E::PointsExpired { points, .. }
            | E::TransferSent { points, .. }
            | E::Merged { points, .. } => -points,
            E::Closed { points, held, .. } => -points - held,
            E::Enrolled { .. }
            | E::PointsPending { .. }
            | E::PointsReversed { pending: true, .. }
            | E::TierUpgraded { .. }
            | E::TierDowngraded { .. }
            | E::TierKept { .. }
            | E::HoldPlaced { .. }
            | E::OrderRefunded { .. }
            | E::StampAdded { .. }
            | E::StampRemoved { .. }
            | E::RewardEarned { .. }
            | E::RewardWithdrawn { .. }
            | E::RewardRedeemed { .. }
            | E::RewardReturned { .. }
            | E::RewardExpired { .. }
            | E::ReferralChanged { .. }
            | E::FlagRaised { .. }
            | E::FlagCleared { .. }
            | E::HoldReleased { .. } => 0,
        }
    }

    proptest! {
        /// What a command makes happen, and the account after it, do not depend on when a job let lapse and expire what was due.
        #[test]
        fn is_the_same_however_late_the_job_ran(
            commands in prop::collection::vec(any_command(), 1..40),
            jobs in prop::collection::vec(any_moment(), 0..20),
        ) {
            let punctual: Vec<_> = commands.iter().cloned().chain(jobs.into_iter().map(|now| LoyaltyCommand::Settle { now })).collect();
            let (with, asked) = told(in_time(punctual));
            let (without, asked_alone) = told(in_time(commands));
            prop_assert_eq!(asked, asked_alone);
            let settled = |state: &LoyaltyAccount| {
                let member = member(&after(state, settle("2030-06-01"))).clone();
                (member.lots().to_vec(), member.debt(), member.holds().to_vec(), member.tier(), member.review_on())
            };
            prop_assert_eq!(settled(&with), settled(&without));
        }
    }

    /// In the order in which they are asked; the job's turn comes before what is asked at the same moment.
    pub(super) fn in_time(mut commands: Vec<LoyaltyCommand>) -> Vec<LoyaltyCommand> {
        commands.sort_by_key(|command| (asked_at(command), !matches!(command, LoyaltyCommand::Settle { .. })));
        commands
    }

    /// The account after all of them, and what each command but the job's made happen beside what was due.
    fn told(commands: Vec<LoyaltyCommand>) -> (LoyaltyAccount, Vec<Result<Vec<LoyaltyEvent>, LoyaltyError>>) {
        let mut state = given::<LoyaltyAccount>([enrolled()]).state();
        let mut told = vec![];
        for command in commands {
            let is_job = matches!(command, LoyaltyCommand::Settle { .. });
            let decided = LoyaltyAccount::decide(&state, command);
            state = LoyaltyAccount::fold(state, decided.as_deref().unwrap_or_default());
            if !is_job {
                told.push(decided.map(|events| events.into_iter().filter(|event| !was_due(event)).collect()));
            }
        }
        (state, told)
    }

    const fn was_due(event: &LoyaltyEvent) -> bool {
        matches!(
            event,
            LoyaltyEvent::PointsExpired { .. } | LoyaltyEvent::HoldReleased { reason: ReleaseReason::Lapsed, .. }
        )
    }

    pub(super) const fn asked_at(command: &LoyaltyCommand) -> Option<Moment> {
        use LoyaltyCommand as C;
        match command {
            C::Enrol { .. } => None,
            C::Earn { now, .. }
            | C::Redeem { now, .. }
            | C::Reverse { now, .. }
            | C::RefundOrder { now, .. }
            | C::PlaceHold { now, .. }
            | C::CaptureHold { now, .. }
            | C::ReleaseHold { now, .. }
            | C::Return { now, .. }
            | C::Adjust { now, .. }
            | C::SendTransfer { now, .. }
            | C::ReceiveTransfer { now, .. }
            | C::Stamp { now, .. }
            | C::TakeStampsBack { now, .. }
            | C::NoteReferral { now, .. }
            | C::GiveReferralBack { now, .. }
            | C::RedeemReward { now, .. }
            | C::FlagSelfReferral { now }
            | C::ClearFlag { now, .. }
            | C::MergeInto { now, .. }
            | C::SettleBeforeMerge { now, .. }
            | C::Absorb { now, .. }
            | C::Vest { now, .. }
            | C::Settle { now }
            | C::Review { now, .. }
            | C::Close { now } => Some(*now),
        }
    }

    #[test]
    fn is_forgotten_once_it_cannot_matter() {
        let mut state = given::<LoyaltyAccount>([enrolled()]).state();
        for days in 0..1_600_u64 {
            let on = day("2026-01-10") + Days::new(days);
            let now = noon(&on.to_string());
            let order_id = order(&format!("order-{days}"));
            let bought = LoyaltyCommand::Earn {
                sale: Sale::of_total(order_id.clone(), usd("200.00"), on),
                programme: standard(),
                now,
            };
            let spent = LoyaltyCommand::Redeem { points: 100, order: order_id, programme: standard(), now };
            for command in [bought, spent] {
                let events = LoyaltyAccount::decide(&state, command).unwrap();
                state = LoyaltyAccount::fold(state, &events);
            }
        }
        let bytes = serde_json::to_vec(&state).unwrap().len();
        assert!(bytes < 731 * 500, "{bytes} bytes after 1,600 days");
    }
}

/// On any day of some years, at noon or shortly after.
fn any_moment() -> impl Strategy<Value = Moment> {
    (0_u64..1_500, 0_i64..60).prop_map(|(days, minutes)| {
        let noon = noon(&(day("2026-01-10") + Days::new(days)).to_string());
        Moment { at: noon.at + TimeDelta::minutes(minutes), ..noon }
    })
}

/// Holds last for minutes or for years here, so that all else happens while they are open, too.
pub(crate) fn any_command() -> impl Strategy<Value = LoyaltyCommand> {
    let order_id = (1..8).prop_map(|number| order(&format!("order-{number}")));
    let date = (0_u64..1_500).prop_map(|days| day("2026-01-10") + Days::new(days));
    let total = (0_i64..300_000).prop_map(|minor| Money::from_minor(minor, code("USD")).unwrap());
    let refund = (1..5).prop_map(|number| refund(&format!("refund-{number}")));
    let hold = (1_u128..8).prop_map(hold);
    let points = (1_i64..30).prop_map(|hundreds| 100 * hundreds);
    let lasting = prop_oneof![(1_i64..60).prop_map(TimeDelta::minutes), (1_i64..900).prop_map(TimeDelta::days)];
    let earn = (order_id.clone(), total.clone(), date, any_moment()).prop_map(|(order, total, on, now)| {
        LoyaltyCommand::Earn { sale: Sale::of_total(order, total, on), programme: standard(), now }
    });
    let redeem = (points.clone(), order_id.clone(), any_moment())
        .prop_map(|(points, order, now)| LoyaltyCommand::Redeem { points, order, programme: standard(), now });
    let reverse = (order_id.clone(), refund, total, any_moment()).prop_map(|(order, refund, remaining_total, now)| {
        LoyaltyCommand::Reverse {
            refunded: SaleRefund::remaining(order, refund, remaining_total, now.today),
            programme: standard(),
            now,
        }
    });
    let refund_order = refunds::any_refund_of_an_order();
    // An id of its own for each order: two holds never have the same.
    let place = (1_u128..8, points, lasting, any_moment()).prop_map(|(number, points, lasting, now)| {
        let at = now.at + lasting;
        let lapses = Moment { at, today: at.date_naive() };
        LoyaltyCommand::PlaceHold {
            hold: self::hold(number),
            points,
            order: order(&format!("order-{number}")),
            lapses,
            programme: standard(),
            now,
        }
    });
    let capture = (hold.clone(), order_id, any_moment()).prop_map(|(hold, order, now)| LoyaltyCommand::CaptureHold {
        hold,
        order,
        now,
    });
    let capture_own = (1_u128..8, any_moment()).prop_map(|(number, now)| LoyaltyCommand::CaptureHold {
        hold: self::hold(number),
        order: order(&format!("order-{number}")),
        now,
    });
    let release = (hold, any_moment()).prop_map(|(hold, now)| LoyaltyCommand::ReleaseHold { hold, now });
    let returning = (1..8, 1..5, 0_i64..10, any_moment()).prop_map(|(order, refund, part, now)| {
        returns::give_back_at(&format!("order-{order}"), &format!("refund-{refund}"), (part, 9), now)
    });
    let adjust = (1..20, -2_000_i64..2_000, any_moment())
        .prop_map(|(number, points, now)| adjustments::adjust_at(&format!("adjustment-{number}"), points, now));
    let settle = any_moment().prop_map(|now| LoyaltyCommand::Settle { now });
    let review = any_moment().prop_map(|now| LoyaltyCommand::Review { programme: standard(), now });
    prop_oneof![
        6 => earn, 3 => redeem, 3 => reverse, 4 => place, 1 => capture, 2 => capture_own, 2 => release, 2 => adjust,
        3 => returning, 2 => refund_order, 1 => settle, 1 => review, 3 => transfers::any_transfer()
    ]
}

fn member(state: &LoyaltyAccount) -> &Member {
    state.member().unwrap()
}

/// The account after a command that is not refused.
fn after(state: &LoyaltyAccount, command: LoyaltyCommand) -> LoyaltyAccount {
    let events = LoyaltyAccount::decide(state, command).unwrap();
    LoyaltyAccount::fold(state.clone(), &events)
}

fn lots(state: &LoyaltyAccount) -> Vec<(u32, i64)> {
    member(state).lots().iter().map(|lot| (lot.number, lot.points)).collect()
}

fn mismatch() -> LoyaltyError {
    LoyaltyError::CurrencyMismatch { expected: code("USD"), given: code("EUR") }
}

fn earn(order_id: &str, total: &str, on: &str) -> LoyaltyCommand {
    earn_late(order_id, total, on, on)
}

fn earn_late(order_id: &str, total: &str, on: &str, today: &str) -> LoyaltyCommand {
    LoyaltyCommand::Earn {
        sale: Sale::of_total(order(order_id), usd(total), day(on)),
        programme: standard(),
        now: noon(today),
    }
}

fn redeem(points: i64, order_id: &str, today: &str) -> LoyaltyCommand {
    LoyaltyCommand::Redeem { points, order: order(order_id), programme: standard(), now: noon(today) }
}

fn settle(today: &str) -> LoyaltyCommand {
    LoyaltyCommand::Settle { now: noon(today) }
}

fn place(number: u128, points: i64, order_id: &str, at: &str) -> LoyaltyCommand {
    let (hold, order, now) = (hold(number), order(order_id), moment(at));
    let lapses_at = windows::lapses_at(now.at);
    LoyaltyCommand::PlaceHold { hold, points, order, lapses: utc(lapses_at), programme: standard(), now }
}

fn capture(number: u128, order_id: &str, at: &str) -> LoyaltyCommand {
    LoyaltyCommand::CaptureHold { hold: hold(number), order: order(order_id), now: moment(at) }
}

fn release(number: u128, at: &str) -> LoyaltyCommand {
    LoyaltyCommand::ReleaseHold { hold: hold(number), now: moment(at) }
}

fn reverse(order_id: &str, remaining: &str, today: &str) -> LoyaltyCommand {
    reverse_by("refund-1", order_id, remaining, today)
}

fn reverse_by(refund_id: &str, order_id: &str, remaining: &str, today: &str) -> LoyaltyCommand {
    let (order, refund) = (order(order_id), refund(refund_id));
    let now = noon(today);
    LoyaltyCommand::Reverse {
        refunded: SaleRefund::remaining(order, refund, usd(remaining), now.today),
        programme: standard(),
        now,
    }
}

pub(crate) fn enrolled() -> LoyaltyEvent {
    LoyaltyEvent::Enrolled { currency: code("USD"), on: day("2026-01-10") }
}

/// Points at the multiplier of Bronze; the balance is theirs alone.
fn earned(lot: u32, order_id: &str, points: i64, on: &str) -> LoyaltyEvent {
    let expires_on = day(on) + chrono::Months::new(24);
    LoyaltyEvent::PointsEarned {
        order: order(order_id),
        total: usd(&format!("{points}.00")),
        programme: None,
        tier: Tier::Bronze,
        base_points: points,
        multiplier_percent: 100,
        points,
        lot,
        earned_on: day(on),
        expires_on,
        paid_debt: 0,
        campaigns: Vec::new(),
        capped: 0,
        pending_since: None,
        balance: points,
    }
}

fn with_balance(after: i64, mut event: LoyaltyEvent) -> LoyaltyEvent {
    if let LoyaltyEvent::PointsEarned { balance, .. } = &mut event {
        *balance = after;
    }
    event
}

fn paying(debt: i64, mut event: LoyaltyEvent) -> LoyaltyEvent {
    if let LoyaltyEvent::PointsEarned { paid_debt, .. } = &mut event {
        *paid_debt = debt;
    }
    event
}

fn out_of<const N: usize>(lots: [(u32, i64); N], mut event: LoyaltyEvent) -> LoyaltyEvent {
    if let LoyaltyEvent::PointsRedeemed { from, .. } | LoyaltyEvent::PointsReversed { from, .. } = &mut event {
        *from = lots.map(|(lot, points)| LotPoints { lot, points }).to_vec();
    }
    event
}

fn upgraded(from: Tier, to: Tier, earned_12_months: i64, on: &str) -> LoyaltyEvent {
    LoyaltyEvent::TierUpgraded { from, to, earned_12_months, on: day(on) }
}

fn redeemed(order_id: &str, points: i64, discount: &str, balance: i64) -> LoyaltyEvent {
    redeemed_on(order_id, points, discount, balance, "2026-03-01")
}

/// Out of the first lot.
fn redeemed_on(order_id: &str, points: i64, discount: &str, balance: i64, on: &str) -> LoyaltyEvent {
    LoyaltyEvent::PointsRedeemed {
        order: order(order_id),
        points,
        discount: usd(discount),
        from: vec![LotPoints { lot: 1, points }],
        hold: None,
        redeemed_on: day(on),
        balance,
    }
}

fn reversed(order_id: &str, points: i64, balance: i64) -> LoyaltyEvent {
    reversed_by("refund-1", order_id, points, balance)
}

/// Out of the order's own lot: that of `order-3` is the third.
fn reversed_by(refund_id: &str, order_id: &str, points: i64, balance: i64) -> LoyaltyEvent {
    let (order, refund) = (order(order_id), refund(refund_id));
    let lot = order_id.trim_start_matches("order-").parse().unwrap();
    let (from, reversed_on, currency) = (vec![LotPoints { lot, points }], day("2026-02-20"), Some(code("USD")));
    let (pending, campaigns) = (false, Vec::new());
    LoyaltyEvent::PointsReversed {
        order,
        refund,
        lot,
        points,
        from,
        reversed_on,
        currency,
        pending,
        campaigns,
        balance,
    }
}

fn expired(lot: u32, points: i64, expires_on: &str, balance: i64) -> LoyaltyEvent {
    let (expires_on, currency) = (day(expires_on), Some(code("USD")));
    let (hold, order, refund) = (None, None, None);
    LoyaltyEvent::PointsExpired { lot, points, expires_on, hold, order, refund, currency, balance }
}

fn usd(amount: &str) -> Money {
    Money::parse(amount, code("USD")).unwrap()
}

fn code(currency: &str) -> Currency {
    Currency::parse(currency).unwrap()
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// Where it is never another day than in Greenwich.
fn utc(at: DateTime<Utc>) -> Moment {
    Moment { at, today: at.date_naive() }
}

fn moment(at: &str) -> Moment {
    utc(at.parse().unwrap())
}

fn noon(date: &str) -> Moment {
    moment(&format!("{date}T12:00:00Z"))
}

fn hold(number: u128) -> HoldId {
    HoldId::new(uuid::Uuid::from_u128(number))
}

fn order(text: &str) -> OrderId {
    OrderId::parse(text).unwrap()
}

fn refund(text: &str) -> RefundId {
    RefundId::parse(text).unwrap()
}

/// The rules of a tenant that has made none of its own.
fn standard() -> LoyaltyProgramme {
    LoyaltyProgramme::default()
}
