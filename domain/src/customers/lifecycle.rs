//! How far a customer has come with us, as purchases and people tell it: `prospect` → `new` → `active`, and `won_back` after a long
//! silence.
//!
//! A purchase does not move the stage itself: it makes a step due, which the reactor `customer_lifecycle` has recorded as
//! `customer.lifecycle.changed`. Which steps are due depends on the purchases alone, so it is the same whenever somebody asks,
//! and a step is taken once. That somebody stays away (`at_risk`, `churned`) no purchase can tell: a person does. What a person says
//! stands above what purchases before it had made due; the next purchase goes on from there.

use std::collections::VecDeque;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::calendar::months_after;
use crate::customers::commands::CustomerError;
use crate::customers::events::{CustomerEvent, LifecycleStage};
use crate::ids::OrderId;

/// Who buys again after so many months without a purchase was lost and is won back.
pub const SILENCE_MONTHS: u32 = 12;

/// The stage of a customer, and what purchases have made of it that is not recorded yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifecycle {
    stage: LifecycleStage,
    due: VecDeque<Step>,
    last_purchase_on: Option<NaiveDate>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Step {
    order: OrderId,
    to: LifecycleStage,
    on: NaiveDate,
}

impl Lifecycle {
    /// Of a customer who has bought nothing yet.
    pub(crate) const fn new() -> Self {
        Self { stage: LifecycleStage::Prospect, due: VecDeque::new(), last_purchase_on: None }
    }

    /// The stage that is recorded.
    pub const fn stage(&self) -> LifecycleStage {
        self.stage
    }

    /// The stage of a customer that turned out to be two: that of the one who bought last, where both did.
    pub(crate) fn joined(&self, other: &Self) -> LifecycleStage {
        let (latest, earlier) =
            if other.last_purchase_on > self.last_purchase_on { (other, self) } else { (self, other) };
        match (latest.coming(), earlier.coming()) {
            (LifecycleStage::New, stage) if stage != LifecycleStage::Prospect => LifecycleStage::Active,
            (stage, _) => stage,
        }
    }

    /// The stage once all is recorded that is due.
    fn coming(&self) -> LifecycleStage {
        self.due.back().map_or(self.stage, |step| step.to)
    }

    /// Takes over when a duplicate bought last. The stage that both come to is recorded with it, so nothing is due any more.
    pub(crate) fn absorbed(&mut self, last_purchase_on: Option<NaiveDate>) {
        self.due.clear();
        self.last_purchase_on = self.last_purchase_on.max(last_purchase_on);
    }

    /// Makes the step due that a purchase is.
    pub(crate) fn purchased(&mut self, order: OrderId, on: NaiveDate) {
        let was_silent = self.last_purchase_on.is_some_and(|last| on >= months_after(last, SILENCE_MONTHS));
        let from = self.due.back().map_or(self.stage, |step| step.to);
        let to = after_purchase(from, was_silent);
        if to != from {
            self.due.push_back(Step { order, to, on });
        }
        self.last_purchase_on = self.last_purchase_on.max(Some(on));
    }

    /// Moves to a stage that was recorded. One that was not due was said by a person: what was due is overtaken by that.
    pub(crate) fn changed(&mut self, to: LifecycleStage) {
        self.stage = to;
        if self.due.front().is_some_and(|step| step.to == to) {
            self.due.pop_front();
        } else {
            self.due.clear();
        }
    }

    /// Moves to the stage that a person says.
    pub(crate) fn said(&self, to: LifecycleStage, on: NaiveDate) -> Result<Vec<CustomerEvent>, CustomerError> {
        if to == LifecycleStage::Prospect && self.last_purchase_on.is_some() {
            return Err(CustomerError::NoProspect);
        }
        let changed = (to != self.stage).then_some(CustomerEvent::LifecycleChanged { from: self.stage, to, on });
        Ok(changed.into_iter().collect())
    }

    /// The steps that are due up to a purchase, in order; none when it made none or they are recorded.
    pub(crate) fn due_with(&self, order: &OrderId) -> Vec<CustomerEvent> {
        let Some(last) = self.due.iter().position(|step| step.order == *order) else { return Vec::new() };
        let mut from = self.stage;
        let steps = self.due.iter().take(last + 1).map(|step| {
            let from = std::mem::replace(&mut from, step.to);
            CustomerEvent::LifecycleChanged { from, to: step.to, on: step.on }
        });
        steps.collect()
    }
}

const fn after_purchase(stage: LifecycleStage, was_silent: bool) -> LifecycleStage {
    use LifecycleStage as S;
    match stage {
        S::Prospect => S::New,
        S::New | S::Active | S::WonBack if was_silent => S::WonBack,
        S::AtRisk | S::Churned => S::WonBack,
        S::New | S::Active | S::WonBack => S::Active,
    }
}
