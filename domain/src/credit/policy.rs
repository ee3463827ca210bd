//! The rules of a line of credit: what counts, what blocks, when is reminded.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::credit::reasons::words;
use crate::event::clear_values;
use crate::money::{Currency, Money};

/// A hold is over by itself after so many days.
pub const HOLD_DAYS: u32 = 7;
/// The most that may be used above the limit, in per cent of it.
pub const TOLERANCE_PERCENT_MAX: u8 = 100;
/// The most days for which overdue uses may go on not blocking.
pub const GRACE_DAYS_MAX: u16 = 365;
/// The most levels of dunning.
pub const LEVELS_MAX: usize = 5;
/// The latest that a level may be due.
pub const LEVEL_DAYS_MAX: u16 = 3_650;

words! {
    /// What counts as used.
    pub enum Counts {
        /// What is promised to orders, too.
        OpenOrders => "open_orders",
        /// Only what was invoiced.
        Invoices => "invoices",
    }

    /// How a customer is reminded.
    pub enum DunningChannel {
        /// By e-mail.
        Email => "email",
        /// By post.
        Letter => "letter",
        /// By telephone.
        Phone => "phone",
        /// By text message.
        Sms => "sms",
    }
}

clear_values! {
    /// From when on what is overdue stops orders.
    #[derive(Copy)]
    #[serde(deny_unknown_fields)]
    pub struct OverdueBlock {
        /// Less than this does not.
        pub minimum: Money,
        /// Nor does what is overdue for no more days than this.
        pub grace_days: u16,
    }

    /// When and how a customer is reminded of what is overdue.
    #[serde(deny_unknown_fields)]
    pub struct DunningLevel {
        /// So many days after the oldest was due.
        pub after_days: u16,
        /// Not of less than this.
        pub minimum: Money,
        /// How.
        pub channels: Vec<DunningChannel>,
    }

    /// The rules of a line.
    #[serde(deny_unknown_fields)]
    pub struct Policy {
        /// How much more than the limit may be used, in per cent of it.
        pub tolerance_percent: u8,
        /// What counts as used.
        pub counts: Counts,
        /// The last day before the limit has to be looked at again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub review_on: Option<NaiveDate>,
        /// From when on what is overdue stops orders.
        pub overdue_block: OverdueBlock,
        /// Whether the line is suspended then, which all can see, and not only each order refused.
        pub suspend_when_overdue: bool,
        /// How the customer is reminded, one level after the other.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub dunning: Vec<DunningLevel>,
    }
}

/// Why rules make no policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum PolicyFault {
    /// More than everything.
    #[error("the tolerance must not be more than {limit} %")]
    Tolerance {
        /// The most.
        limit: u8,
    },
    /// More than a year.
    #[error("grace must not be more than {limit} days")]
    Grace {
        /// The most.
        limit: u16,
    },
    /// A minimum below zero.
    #[error("a minimum must not be negative")]
    BlockMinimum,
    /// A minimum in another currency.
    #[error("the line is in {expected}")]
    BlockCurrency {
        /// The line's.
        expected: Currency,
    },
    /// A day to look at the limit again that is over.
    #[error("the limit is to be looked at again on {today} or later")]
    ReviewOver {
        /// The business date.
        today: NaiveDate,
    },
    /// More levels than there may be.
    #[error("there are at most {limit} levels of dunning")]
    TooManyLevels {
        /// The most.
        limit: usize,
    },
    /// A level that is not due after the one before it.
    #[error("each level of dunning is due after the one before it, at most {limit} days late")]
    LevelOrder {
        /// The level, from zero.
        level: usize,
        /// The most days.
        limit: u16,
    },
    /// A level's minimum below zero.
    #[error("a minimum must not be negative")]
    LevelMinimum {
        /// The level, from zero.
        level: usize,
    },
    /// A level's minimum in another currency.
    #[error("the line is in {expected}")]
    LevelCurrency {
        /// The level, from zero.
        level: usize,
        /// The line's.
        expected: Currency,
    },
    /// A level that reminds nobody, or names a channel twice.
    #[error("a level of dunning names at least one channel, each once")]
    LevelChannels {
        /// The level, from zero.
        level: usize,
    },
}

impl PolicyFault {
    /// Stable, `snake_case`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Tolerance { .. } => "tolerance_too_high",
            Self::Grace { .. } => "grace_too_long",
            Self::BlockMinimum | Self::LevelMinimum { .. } => "negative_minimum",
            Self::BlockCurrency { .. } | Self::LevelCurrency { .. } => "currency_mismatch",
            Self::ReviewOver { .. } => "review_not_ahead",
            Self::TooManyLevels { .. } => "too_many_levels",
            Self::LevelOrder { .. } => "levels_out_of_order",
            Self::LevelChannels { .. } => "channels_required",
        }
    }

    /// Where in the policy, as a JSON pointer.
    pub fn at(&self) -> String {
        match self {
            Self::Tolerance { .. } => "/tolerance_percent".to_owned(),
            Self::Grace { .. } => "/overdue_block/grace_days".to_owned(),
            Self::BlockMinimum | Self::BlockCurrency { .. } => "/overdue_block/minimum".to_owned(),
            Self::ReviewOver { .. } => "/review_on".to_owned(),
            Self::TooManyLevels { .. } => "/dunning".to_owned(),
            Self::LevelOrder { level, .. } => format!("/dunning/{level}/after_days"),
            Self::LevelMinimum { level } | Self::LevelCurrency { level, .. } => format!("/dunning/{level}/minimum"),
            Self::LevelChannels { level } => format!("/dunning/{level}/channels"),
        }
    }
}

impl Policy {
    /// What holds unless somebody says otherwise: no tolerance; open orders count; nothing to review; whatever is overdue for more than
    /// five days blocks, and suspends; reminded after 1, 15 and 30 days, the last time by letter, too.
    #[must_use]
    pub fn default_in(currency: Currency) -> Self {
        let minimum = Money::zero(currency);
        let level = |after_days, channels: &[_]| DunningLevel { after_days, minimum, channels: channels.to_vec() };
        Self {
            tolerance_percent: 0,
            counts: Counts::OpenOrders,
            review_on: None,
            overdue_block: OverdueBlock { minimum, grace_days: 5 },
            suspend_when_overdue: true,
            dunning: vec![
                level(1, &[DunningChannel::Email]),
                level(15, &[DunningChannel::Email]),
                level(30, &[DunningChannel::Email, DunningChannel::Letter]),
            ],
        }
    }

    /// Whether these rules can hold for a line in a currency from a business date on.
    ///
    /// # Errors
    /// The first fault.
    pub fn check(&self, currency: Currency, today: NaiveDate) -> Result<(), PolicyFault> {
        let OverdueBlock { minimum, grace_days } = self.overdue_block;
        if self.tolerance_percent > TOLERANCE_PERCENT_MAX {
            return Err(PolicyFault::Tolerance { limit: TOLERANCE_PERCENT_MAX });
        }
        if grace_days > GRACE_DAYS_MAX {
            return Err(PolicyFault::Grace { limit: GRACE_DAYS_MAX });
        }
        if minimum.currency() != currency {
            return Err(PolicyFault::BlockCurrency { expected: currency });
        }
        if minimum.is_negative() {
            return Err(PolicyFault::BlockMinimum);
        }
        if self.review_overdue(today).is_some() {
            return Err(PolicyFault::ReviewOver { today });
        }
        if self.dunning.len() > LEVELS_MAX {
            return Err(PolicyFault::TooManyLevels { limit: LEVELS_MAX });
        }
        let levels = self.dunning.iter().enumerate();
        levels.zip(self.earliest()).try_for_each(|((level, rule), earliest)| rule.check(level, earliest, currency))
    }

    /// From when on each level may be due: after the one before it, the first at once.
    fn earliest(&self) -> impl Iterator<Item = u16> {
        std::iter::once(1).chain(self.dunning.iter().map(|before| before.after_days.saturating_add(1)))
    }

    /// The limit and the tolerance on it, in the smallest unit. What is left of a unit is not given.
    pub fn with_tolerance(&self, limit: i64) -> i64 {
        let tolerance = i128::from(limit) * i128::from(self.tolerance_percent) / 100;
        limit.saturating_add(i64::try_from(tolerance).unwrap_or(i64::MAX))
    }

    /// Whether what is promised to orders counts as used.
    pub const fn counts_holds(&self) -> bool {
        matches!(self.counts, Counts::OpenOrders)
    }

    /// Since when the limit should have been looked at again, if it should.
    pub fn review_overdue(&self, today: NaiveDate) -> Option<NaiveDate> {
        self.review_on.filter(|review_on| *review_on < today)
    }
}

impl DunningLevel {
    fn check(&self, level: usize, earliest: u16, currency: Currency) -> Result<(), PolicyFault> {
        if self.after_days < earliest || self.after_days > LEVEL_DAYS_MAX {
            return Err(PolicyFault::LevelOrder { level, limit: LEVEL_DAYS_MAX });
        }
        if self.minimum.currency() != currency {
            return Err(PolicyFault::LevelCurrency { level, expected: currency });
        }
        if self.minimum.is_negative() {
            return Err(PolicyFault::LevelMinimum { level });
        }
        let is_twice = |(nth, channel)| self.channels[..nth].contains(channel);
        if self.channels.is_empty() || self.channels.iter().enumerate().any(is_twice) {
            return Err(PolicyFault::LevelChannels { level });
        }
        Ok(())
    }
}
