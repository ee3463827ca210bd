//! Facts of an account's history, taken into an account that has come to other points by other rules.
//!
//! What was given stays given: nothing is refused here. As many points are taken as are there, and the rest is owed.

use chrono::NaiveDate;

use super::holding::Hold;
use super::returning::{back_to_lots, last_of};
use super::{LoyaltyAccount, Member, sum_of};
use crate::calendar::Moment;
use crate::decider::Decider;
use crate::loyalty::events::{LotPoints, LoyaltyEvent, MovedLot};
use crate::loyalty::holds::give_back;
use crate::loyalty::programme::Programme;

impl LoyaltyAccount {
    /// The account after a fact that no rules decide. What rules decide changes nothing: it is decided anew.
    #[must_use]
    pub(in crate::loyalty) fn after_fact(self, event: &LoyaltyEvent, rules: &Programme) -> Self {
        if matches!(event, LoyaltyEvent::Enrolled { .. } | LoyaltyEvent::Closed { .. }) {
            return Self::evolve(self, event);
        }
        match self {
            Self::Member(mut member) => {
                member.add_fact(event, rules);
                Self::Member(member)
            }
            Self::NotEnrolled | Self::Merged { .. } | Self::Closed => self,
        }
    }
}

impl Member {
    fn add_fact(&mut self, event: &LoyaltyEvent, rules: &Programme) {
        use LoyaltyEvent as E;
        match event {
            E::HoldPlaced { .. } => self.set_aside(event),
            E::PointsRedeemed { .. } => self.spend_for_order(event),
            E::PointsReturned { .. } => self.take_back(event, rules),
            E::PointsAdjusted { points, adjusted_on, .. } => {
                self.see(*adjusted_on);
                if *points > 0 {
                    self.gain(&[new_lot(*points, *adjusted_on, rules)]);
                } else {
                    self.spend(points.saturating_neg());
                }
            }
            E::OrderRefunded { refunded_on, .. } => self.see(*refunded_on),
            E::TransferSent { points, sent_on, .. } => {
                self.see(*sent_on);
                self.spend(*points);
            }
            E::TransferReceived { lots, received_on, .. } => {
                self.see(*received_on);
                self.gain(lots);
            }
            E::Enrolled { .. }
            | E::PointsPending { .. }
            | E::PointsEarned { .. }
            | E::TierUpgraded { .. }
            | E::TierDowngraded { .. }
            | E::TierKept { .. }
            | E::HoldReleased { .. }
            | E::PointsReversed { .. }
            | E::PointsExpired { .. }
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
            | E::Merged { .. }
            | E::Absorbed { .. }
            | E::Closed { .. } => {}
        }
    }

    /// Sets aside what is there. The rest is taken when the hold is captured, and not owed when it is not.
    fn set_aside(&mut self, event: &LoyaltyEvent) {
        let LoyaltyEvent::HoldPlaced { hold, order, points, discount, placed_on, lapses_at, lapses_on, .. } = event
        else {
            return;
        };
        self.see(*placed_on);
        let from = self.draw(*points, None);
        let (id, order, points, lots) = (*hold, order.clone(), drawn(&from), Vec::new());
        let lapses = Moment { at: *lapses_at, today: *lapses_on };
        self.add_hold(Hold { id, order, points, discount: *discount, lapses, lots }, &from);
    }

    /// Spends what a hold has set aside, and the rest as ever; remembers the lots, so that they may get it back.
    fn spend_for_order(&mut self, event: &LoyaltyEvent) {
        let LoyaltyEvent::PointsRedeemed { order, points, hold, redeemed_on, .. } = event else { return };
        self.see(*redeemed_on);
        let open = self.holds.iter().find(|open| Some(open.id) == *hold);
        let mut lots = open.map_or_else(Vec::new, |open| open.lots.clone());
        let rest = points.saturating_sub(sum_of(lots.iter().map(|lot| lot.points)));
        lots.extend(self.lots_of(&self.draw(rest, None), None));
        self.remember_redeemed(order, *points, *hold, lots);
        if let Some(hold) = hold {
            self.capture_hold(*hold);
        }
        self.spend(rest);
    }

    /// Gives redeemed points back. Those that were owed for the order pay that, or make a lot when it is paid.
    fn take_back(&mut self, event: &LoyaltyEvent, rules: &Programme) {
        let mut event = event.clone();
        let LoyaltyEvent::PointsReturned { order, points, returned, paid_debt, returned_on, .. } = &mut event else {
            return;
        };
        let drawn = self.redeemed.get(order).map_or_else(Vec::new, |redeemed| last_of(&redeemed.lots, *points));
        let in_lots = sum_of(drawn.iter().map(|lot| lot.points));
        if *points > in_lots {
            self.gain(&[new_lot(points.saturating_sub(in_lots), *returned_on, rules)]);
        }
        *points = in_lots;
        (*returned, *paid_debt) = back_to_lots(&drawn, self.debt);
        self.add_returned(&event);
    }

    /// Spends the points that expire next; those that are not there are owed.
    fn spend(&mut self, points: i64) {
        let from = self.draw(points, None);
        self.take(&from);
        self.debt = self.debt.saturating_add(points.saturating_sub(drawn(&from)).max(0));
    }

    /// Takes lots in under numbers of its own, less what they pay of the debt.
    fn gain(&mut self, lots: &[MovedLot]) {
        let numbers = (0..).map(|nth| self.next_lot.saturating_add(nth));
        let lots: Vec<_> = numbers.zip(lots).map(|(lot, given)| MovedLot { lot, ..given.clone() }).collect();
        let points: Vec<_> = lots.iter().map(MovedLot::drawn).collect();
        let paid_debt = give_back(&points, self.debt).paid_debt;
        self.add_moved(&lots, paid_debt);
    }
}

fn new_lot(points: i64, earned_on: NaiveDate, rules: &Programme) -> MovedLot {
    MovedLot { lot: 0, points, earned_on, expires_on: rules.expires_on(earned_on) }
}

fn drawn(from: &[LotPoints]) -> i64 {
    sum_of(from.iter().map(|used| used.points))
}
