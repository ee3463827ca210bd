//! Stamp cards: articles of a purchase are stamped, a full card earns a reward, a reward is redeemed with an order.
//!
//! Stamps are no points: they are not pending, and nothing caps them but a bound on what one order may bring. What is given away (a
//! line that costs nothing, a reward) is not stamped. Refunds by lines take the stamps of these articles back; one that says an amount only takes them
//! back when nothing remains. If they had filled a card whose reward is still there, it is withdrawn; if it is spent, the card is
//! below nothing until other stamps have made up for it, or a reward that comes back pays what is owed: so it is all the same which of two
//! orders is given back first.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{Member, after};
use crate::calendar::months_after;
use crate::ids::{OrderId, RefundId, RewardCode, StampCardCode};
use crate::loyalty::commands::LoyaltyError;
use crate::loyalty::events::{LoyaltyEvent, StampedLine};
use crate::loyalty::loyalty_programme::{InForce, LoyaltyProgramme};
use crate::loyalty::merging::{AbsorbedCard, AbsorbedReward, AbsorbedStamps};
use crate::loyalty::programme::{Programme, StampCard};
use crate::loyalty::sale::{Sale, SaleRefund};
use crate::loyalty::windows;
use crate::purchase::{PurchaseLine, RefundedLine};

/// The most stamps of an order on one card.
const STAMPS_OF_ORDER_MAX: u32 = 1_000;
/// The most rewards that an order earns on one card, but for one that was nearly full before.
const REWARDS_OF_ORDER_MAX: u32 = 100;
/// The most rewards that an account has to redeem; a full card waits.
const OPEN_REWARDS_MAX: usize = 1_000;

/// What a member has of stamp cards.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamps {
    /// By card; below zero when they had earned a reward that is spent.
    cards: BTreeMap<StampCardCode, i64>,
    open: Vec<Reward>,
    redeemed: Vec<RedeemedReward>,
    orders: BTreeMap<OrderId, StampedOrder>,
    last_reward: u32,
}

/// A reward that can be redeemed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reward {
    /// The number, from one.
    pub number: u32,
    /// The card that earned it.
    pub card: StampCardCode,
    /// What it is.
    pub code: RewardCode,
    /// How many stamps it took.
    pub stamps: u32,
    /// The business date on which it was earned.
    pub earned_on: NaiveDate,
    /// The first day on which it is gone; none: never.
    pub expires_on: Option<NaiveDate>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct RedeemedReward {
    reward: Reward,
    order: OrderId,
    remembered_until: NaiveDate,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct StampedOrder {
    /// What has not been taken back, by card.
    cards: BTreeMap<StampCardCode, Vec<StampedLine>>,
    refunds: BTreeSet<RefundId>,
    remembered_until: NaiveDate,
}

/// Stamps what a purchase has for the cards of its date; once for an order.
pub(super) fn stamp(member: &Member, sale: &Sale, programme: &LoyaltyProgramme, today: NaiveDate) -> Vec<LoyaltyEvent> {
    if member.stamps.orders.contains_key(&sale.order) {
        return Vec::new();
    }
    let InForce { version, rules } = programme.on(sale.on);
    let mut events = Vec::new();
    for card in &rules.stamp_cards {
        let stamped = stamp_card(&after(member, &events), sale, card, version);
        events.extend(stamped);
    }
    let expired = expire(&after(member, &events), today);
    events.extend(expired);
    events
}

fn stamp_card(member: &Member, sale: &Sale, card: &StampCard, programme: Option<u32>) -> Vec<LoyaltyEvent> {
    let most = STAMPS_OF_ORDER_MAX.min(card.stamps.saturating_mul(REWARDS_OF_ORDER_MAX));
    let lines = stamped_lines(card, &sale.lines, most);
    let stamps = sum_of(&lines);
    if stamps == 0 {
        return Vec::new();
    }
    let on_card = member.stamps_on(&card.code).saturating_add(stamps.into());
    let (order, code, on) = (sale.order.clone(), card.code.clone(), sale.on);
    let added = LoyaltyEvent::StampAdded { order, card: code, programme, stamps, lines, stamped_on: on, on_card };
    let mut events = vec![added];
    let rewards = rewards_of(&after(member, &events), card, Some(&sale.order), on);
    events.extend(rewards);
    events
}

/// A stamp for each article that the card names and that costs something.
fn stamped_lines(card: &StampCard, lines: &[PurchaseLine], most: u32) -> Vec<StampedLine> {
    let mut left = most;
    let numbered = (0..).zip(lines).filter(|(_, line)| line.amount.minor() > 0 && names(card, line));
    let stamped = numbered.map(|(index, line)| {
        let stamps = line.quantity.min(left);
        left -= stamps;
        StampedLine { line: index, stamps }
    });
    stamped.filter(|line| line.stamps > 0).collect()
}

fn names(card: &StampCard, line: &PurchaseLine) -> bool {
    card.products.contains(&line.sku)
        || line.category.as_ref().is_some_and(|category| card.categories.contains(category))
}

/// The rewards that a card is full for.
fn rewards_of(member: &Member, card: &StampCard, order: Option<&OrderId>, on: NaiveDate) -> Vec<LoyaltyEvent> {
    let places = OPEN_REWARDS_MAX.saturating_sub(member.stamps.open.len());
    let size = i64::from(card.stamps.max(1));
    let full = member.stamps_on(&card.code) / size;
    let numbers = (1..).map(|nth: u32| member.stamps.last_reward.saturating_add(nth));
    let rewards = numbers.zip(1..=full).take(places).map(|(reward, nth)| LoyaltyEvent::RewardEarned {
        reward,
        card: card.code.clone(),
        code: card.reward.clone(),
        stamps: card.stamps,
        order: order.cloned(),
        earned_on: on,
        expires_on: card.reward_expiry_months.map(|months| months_after(on, months)),
        on_card: member.stamps_on(&card.code).saturating_sub(size.saturating_mul(nth)),
    });
    rewards.collect()
}

/// Takes back the stamps of what was given back; once for a refund.
pub(super) fn take_back(member: &Member, refunded: &SaleRefund) -> Vec<LoyaltyEvent> {
    let Some(order) = member.stamps.orders.get(&refunded.order) else { return Vec::new() };
    if order.refunds.contains(&refunded.refund) {
        return Vec::new();
    }
    let mut events = Vec::new();
    for (card, stamped) in &order.cards {
        let lines = match refunded.remaining_total.minor() <= 0 {
            true => stamped.clone(),
            false => given_back(stamped, &refunded.lines),
        };
        if !lines.is_empty() {
            let removed = remove(&after(member, &events), refunded, card, lines);
            events.extend(removed);
        }
    }
    events
}

fn given_back(stamped: &[StampedLine], refunded: &[RefundedLine]) -> Vec<StampedLine> {
    let taken = stamped.iter().map(|own| {
        let articles = refunded.iter().filter(|line| line.line == own.line).map(|line| line.quantity);
        StampedLine { line: own.line, stamps: articles.fold(0, u32::saturating_add).min(own.stamps) }
    });
    taken.filter(|line| line.stamps > 0).collect()
}

/// The stamps leave the card. What it lacks then comes from its rewards that nobody has had yet.
fn remove(member: &Member, refunded: &SaleRefund, card: &StampCardCode, lines: Vec<StampedLine>) -> Vec<LoyaltyEvent> {
    let SaleRefund { order, refund, on, .. } = refunded;
    let stamps = sum_of(&lines);
    let removed = LoyaltyEvent::StampRemoved {
        order: order.clone(),
        refund: refund.clone(),
        card: card.clone(),
        stamps,
        lines,
        removed_on: *on,
        on_card: member.stamps_on(card).saturating_sub(stamps.into()),
    };
    let mut events = vec![removed];
    let withdrawn = pay_owed(&after(member, &events), Some((order, refund)), *on);
    events.extend(withdrawn);
    events
}

/// Cards that owe stamps are paid by their rewards that nobody has had yet, the latest first. None: because cards became one.
fn pay_owed(member: &Member, refunded: Option<(&OrderId, &RefundId)>, on: NaiveDate) -> Vec<LoyaltyEvent> {
    let owing = member.stamp_cards().filter(|(_, stamps)| *stamps < 0);
    owing.flat_map(|(card, owed)| withdraw(member, (card, owed), refunded, on)).collect()
}

fn withdraw(
    member: &Member,
    (card, mut on_card): (&StampCardCode, i64),
    refunded: Option<(&OrderId, &RefundId)>,
    withdrawn_on: NaiveDate,
) -> Vec<LoyaltyEvent> {
    let mut events = Vec::new();
    for reward in member.stamps.open.iter().rev().filter(|reward| reward.card == *card) {
        if on_card >= 0 {
            break;
        }
        on_card = on_card.saturating_add(reward.stamps.into());
        let (order, refund) = refunded.map(|(order, refund)| (order.clone(), refund.clone())).unzip();
        let (code, stamps) = (reward.code.clone(), reward.stamps);
        let (reward, card) = (reward.number, card.clone());
        events.push(LoyaltyEvent::RewardWithdrawn { reward, card, code, stamps, order, refund, withdrawn_on, on_card });
    }
    events
}

/// Hands a reward over with an order. The same once more changes nothing.
pub(super) fn redeem(
    member: &Member,
    number: u32,
    order: OrderId,
    today: NaiveDate,
) -> Result<Vec<LoyaltyEvent>, LoyaltyError> {
    if let Some(redeemed) = member.stamps.redeemed.iter().find(|redeemed| redeemed.reward.number == number) {
        let with = redeemed.order.clone();
        return if with == order {
            Ok(vec![])
        } else {
            Err(LoyaltyError::RewardAlreadyRedeemed { reward: number, with })
        };
    }
    let open = member.stamps.open.iter().find(|reward| reward.number == number);
    let Reward { card, code, .. } = open.ok_or(LoyaltyError::RewardNotFound { reward: number })?.clone();
    Ok(vec![LoyaltyEvent::RewardRedeemed { reward: number, card, code, order, redeemed_on: today }])
}

/// The rewards that were redeemed with an order of which nothing remains come back, under numbers of their own, as old as they are. They
/// pay stamps that are owed, unless they are too old by now: had they been there, they would have been too old for that as well.
pub(super) fn give_back(
    member: &Member,
    (order, refund): (&OrderId, &RefundId),
    returned_on: NaiveDate,
    today: NaiveDate,
) -> Vec<LoyaltyEvent> {
    let numbers = (1..).map(|nth: u32| member.stamps.last_reward.saturating_add(nth));
    let redeemed = member.stamps.redeemed.iter().filter(|redeemed| redeemed.order == *order);
    let returned = numbers.zip(redeemed).map(|(reward, RedeemedReward { reward: before, .. })| {
        let Reward { number: redeemed, card, code, stamps, earned_on, expires_on } = before.clone();
        let (order, refund) = (order.clone(), refund.clone());
        LoyaltyEvent::RewardReturned {
            reward,
            redeemed,
            card,
            code,
            stamps,
            order,
            refund,
            earned_on,
            expires_on,
            returned_on,
        }
    });
    let mut events: Vec<_> = returned.collect();
    if events.is_empty() {
        return events;
    }
    let expired = expire(&after(member, &events), today);
    events.extend(expired);
    let withdrawn = pay_owed(&after(member, &events), Some((order, refund)), returned_on);
    events.extend(withdrawn);
    events
}

/// The rewards that are too old by a day, the oldest first.
pub(super) fn expire(member: &Member, today: NaiveDate) -> Vec<LoyaltyEvent> {
    let due = member.stamps.open.iter().filter_map(|reward| {
        let expires_on = reward.expires_on.filter(|day| *day <= today)?;
        let (card, code) = (reward.card.clone(), reward.code.clone());
        Some(LoyaltyEvent::RewardExpired { reward: reward.number, card, code, expires_on })
    });
    due.collect()
}

/// What comes of cards that became one with those of a duplicate: the rewards of one pay what the other owed, and cards may be full.
pub(super) fn joined(member: &Member, rules: &Programme, today: NaiveDate) -> Vec<LoyaltyEvent> {
    let mut events = pay_owed(member, None, today);
    for card in &rules.stamp_cards {
        let rewards = rewards_of(&after(member, &events), card, None, today);
        events.extend(rewards);
    }
    events
}

fn sum_of(lines: &[StampedLine]) -> u32 {
    lines.iter().map(|line| line.stamps).fold(0, u32::saturating_add)
}

impl Stamps {
    pub(super) const fn new() -> Self {
        Self { cards: BTreeMap::new(), open: Vec::new(), redeemed: Vec::new(), orders: BTreeMap::new(), last_reward: 0 }
    }

    /// Forgets what cannot matter from a day on.
    pub(super) fn see(&mut self, on: NaiveDate) {
        self.orders.retain(|_, order| on < order.remembered_until);
        self.redeemed.retain(|redeemed| on < redeemed.remembered_until);
    }

    /// How many orders it remembers.
    pub(super) fn orders(&self) -> usize {
        self.orders.len()
    }

    /// In the order in which they expire; what never does comes last.
    fn add_open(&mut self, reward: Reward) {
        self.last_reward = self.last_reward.max(reward.number);
        let key = |reward: &Reward| (reward.expires_on.unwrap_or(NaiveDate::MAX), reward.number);
        let place = self.open.partition_point(|other| key(other) < key(&reward));
        self.open.insert(place, reward);
    }

    fn put_on_card(&mut self, card: &StampCardCode, stamps: i64) {
        self.cards.insert(card.clone(), stamps);
        self.cards.retain(|_, stamps| *stamps != 0);
    }
}

impl Member {
    /// The stamps on a card; below zero when they had earned a reward that is spent.
    pub fn stamps_on(&self, card: &StampCardCode) -> i64 {
        self.stamps.cards.get(card).copied().unwrap_or_default()
    }

    /// The cards that have stamps, by their codes.
    pub fn stamp_cards(&self) -> impl Iterator<Item = (&StampCardCode, i64)> {
        self.stamps.cards.iter().map(|(card, stamps)| (card, *stamps))
    }

    /// The rewards that can be redeemed, in the order in which they expire.
    pub fn rewards(&self) -> &[Reward] {
        &self.stamps.open
    }

    /// Whether a reward is remembered to have been redeemed with an order.
    pub(super) fn has_redeemed_reward_with(&self, order: &OrderId) -> bool {
        self.stamps.redeemed.iter().any(|redeemed| redeemed.order == *order)
    }

    /// Whether an order has stamps that may be taken back.
    pub fn has_stamps_of(&self, order: &OrderId) -> bool {
        self.stamps.orders.contains_key(order)
    }

    pub(super) fn add_stamps(&mut self, event: &LoyaltyEvent) {
        let LoyaltyEvent::StampAdded { order, card, lines, stamped_on, on_card, .. } = event else { return };
        self.see(*stamped_on);
        self.stamps.put_on_card(card, *on_card);
        let remembered_until = windows::remembered_until(self.latest);
        self.remember_stamps(order, card, lines, remembered_until);
    }

    fn remember_stamps(
        &mut self,
        order: &OrderId,
        card: &StampCardCode,
        lines: &[StampedLine],
        remembered_until: NaiveDate,
    ) -> &mut StampedOrder {
        let (cards, refunds) = (BTreeMap::new(), BTreeSet::new());
        let of_order = self.stamps.orders.entry(order.clone());
        let order = of_order.or_insert_with(|| StampedOrder { cards, refunds, remembered_until });
        order.cards.entry(card.clone()).or_insert_with(|| lines.to_vec());
        order
    }

    pub(super) fn remove_stamps(&mut self, event: &LoyaltyEvent) {
        let LoyaltyEvent::StampRemoved { order, refund, card, lines, removed_on, on_card, .. } = event else { return };
        self.see(*removed_on);
        self.stamps.put_on_card(card, *on_card);
        let Some(order) = self.stamps.orders.get_mut(order) else { return };
        order.refunds.insert(refund.clone());
        let Some(own) = order.cards.get_mut(card) else { return };
        for line in own.iter_mut() {
            let taken = lines.iter().filter(|taken| taken.line == line.line).map(|taken| taken.stamps);
            line.stamps = line.stamps.saturating_sub(taken.fold(0, u32::saturating_add));
        }
        own.retain(|line| line.stamps > 0);
    }

    pub(super) fn add_reward(&mut self, event: &LoyaltyEvent) {
        if let LoyaltyEvent::RewardEarned { card, on_card, .. } = event {
            self.stamps.put_on_card(card, *on_card);
        }
        if let LoyaltyEvent::RewardReturned { redeemed, .. } = event {
            self.stamps.redeemed.retain(|before| before.reward.number != *redeemed);
        }
        if let LoyaltyEvent::RewardEarned { reward, card, code, stamps, earned_on, expires_on, .. }
        | LoyaltyEvent::RewardReturned { reward, card, code, stamps, earned_on, expires_on, .. } = event
        {
            let (number, card, code, stamps) = (*reward, card.clone(), code.clone(), *stamps);
            let (earned_on, expires_on) = (*earned_on, *expires_on);
            self.stamps.add_open(Reward { number, card, code, stamps, earned_on, expires_on });
        }
    }

    pub(super) fn withdraw_reward(&mut self, number: u32, card: &StampCardCode, on_card: i64) {
        self.stamps.put_on_card(card, on_card);
        self.lose_reward(number);
    }

    pub(super) fn lose_reward(&mut self, number: u32) {
        self.stamps.open.retain(|reward| reward.number != number);
    }

    pub(super) fn hand_reward_over(&mut self, number: u32, order: &OrderId, on: NaiveDate) {
        self.see(on);
        let remembered_until = windows::remembered_until(self.latest);
        if let Some(place) = self.stamps.open.iter().position(|reward| reward.number == number) {
            let (reward, order) = (self.stamps.open.remove(place), order.clone());
            self.stamps.redeemed.push(RedeemedReward { reward, order, remembered_until });
        }
    }

    /// What is on the cards, to be added to those of the account that takes over.
    pub(super) fn cards_handed_over(&self) -> Vec<AbsorbedCard> {
        self.stamp_cards().map(|(card, stamps)| AbsorbedCard { card: card.clone(), stamps }).collect()
    }

    /// All rewards, under the numbers of the account that takes over.
    pub(super) fn rewards_handed_over(&self, to: &Self) -> Vec<AbsorbedReward> {
        let absorbed = |reward: &Reward, redeemed: Option<&RedeemedReward>| AbsorbedReward {
            reward: reward.number.saturating_add(to.stamps.last_reward),
            card: reward.card.clone(),
            code: reward.code.clone(),
            stamps: reward.stamps,
            earned_on: reward.earned_on,
            expires_on: reward.expires_on,
            redeemed_with: redeemed.map(|redeemed| redeemed.order.clone()),
            remembered_until: redeemed.map(|redeemed| redeemed.remembered_until),
        };
        let open = self.stamps.open.iter().map(|reward| absorbed(reward, None));
        let redeemed = self.stamps.redeemed.iter().map(|redeemed| absorbed(&redeemed.reward, Some(redeemed)));
        open.chain(redeemed).collect()
    }

    /// The orders whose stamps may be taken back. Of one that both accounts know the stamps stay, and it is given back once.
    pub(super) fn stamps_handed_over(&self, to: &Self) -> Vec<AbsorbedStamps> {
        let new = self.stamps.orders.iter().filter(|(order, _)| !to.stamps.orders.contains_key(*order));
        let by_card = new.flat_map(|(order, stamped)| {
            stamped.cards.iter().map(move |(card, lines)| AbsorbedStamps {
                order: order.clone(),
                card: card.clone(),
                lines: lines.clone(),
                refunds: stamped.refunds.iter().cloned().collect(),
                remembered_until: stamped.remembered_until,
            })
        });
        by_card.collect()
    }

    pub(super) fn absorb_stamps(
        &mut self,
        cards: &[AbsorbedCard],
        rewards: &[AbsorbedReward],
        stamped: &[AbsorbedStamps],
    ) {
        for AbsorbedCard { card, stamps } in cards {
            self.stamps.put_on_card(card, self.stamps_on(card).saturating_add(*stamps));
        }
        for absorbed in rewards {
            self.absorb_reward(absorbed.clone());
        }
        for AbsorbedStamps { order, card, lines, refunds, remembered_until } in stamped {
            let order = self.remember_stamps(order, card, lines, *remembered_until);
            order.refunds.extend(refunds.iter().cloned());
        }
    }

    fn absorb_reward(&mut self, absorbed: AbsorbedReward) {
        let AbsorbedReward {
            reward: number,
            card,
            code,
            stamps,
            earned_on,
            expires_on,
            redeemed_with,
            remembered_until,
        } = absorbed;
        let reward = Reward { number, card, code, stamps, earned_on, expires_on };
        self.stamps.last_reward = self.stamps.last_reward.max(number);
        match (redeemed_with, remembered_until) {
            (Some(order), Some(remembered_until)) => {
                self.stamps.redeemed.push(RedeemedReward { reward, order, remembered_until });
            }
            (Some(_) | None, _) => self.stamps.add_open(reward),
        }
    }
}
