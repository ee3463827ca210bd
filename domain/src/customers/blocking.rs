//! Who is blocked spends nothing that we would have to answer for: no points are redeemed or held.
//!
//! What has happened is recorded all the same. A till that was paid in cash has sold, whoever stood before it; so purchases, refunds and
//! the points that follow from them are as ever, and there is nothing to make up when the customer is unblocked. Holds from before are
//! captured, because the discount was promised. What is known of the customer may be changed: blocked customers move, too.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::customers::events::CustomerEvent;
use crate::event::{Clear, Personal};
use crate::text::ReasonText;

/// Why a customer is blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockReason {
    /// It may not be who it says, or pay with what is not its own.
    Fraud,
    /// It does not pay.
    Debt,
    /// It makes points that nobody meant to give.
    Abuse,
    /// How it treats people.
    Conduct,
    /// It wants to be.
    Request,
    /// As the note says.
    Other,
}

impl BlockReason {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Fraud, Self::Debt, Self::Abuse, Self::Conduct, Self::Request, Self::Other];

    /// The wire name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fraud => "fraud",
            Self::Debt => "debt",
            Self::Abuse => "abuse",
            Self::Conduct => "conduct",
            Self::Request => "request",
            Self::Other => "other",
        }
    }
}

impl Clear for BlockReason {}

/// The same in the words of who did it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockNote {
    /// The words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<ReasonText>,
}

/// That a customer is blocked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Why.
    pub reason: BlockReason,
    /// The business date since which it is so, for this reason.
    pub since: NaiveDate,
    /// The same in words.
    pub note: Personal<BlockNote>,
}

/// Blocked again for the same reason is blocked as before.
pub(super) fn block(before: Option<&Block>, reason: BlockReason, note: BlockNote, on: NaiveDate) -> Vec<CustomerEvent> {
    let personal = Personal::Known(note);
    let is_same = before.is_some_and(|block| block.reason == reason && block.note == personal);
    (!is_same).then_some(CustomerEvent::Blocked { reason, on, personal }).into_iter().collect()
}

pub(super) fn unblock(before: Option<&Block>, on: NaiveDate) -> Vec<CustomerEvent> {
    before.map(|_| CustomerEvent::Unblocked { on }).into_iter().collect()
}
