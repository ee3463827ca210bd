//! Segments: what a customer's buying makes of it, in the words of the RFM tables of marketing (recency, frequency, monetary value).
//!
//! Who works them out is no concern of these types: the customer holds one, campaigns ask for it.

use serde::{Deserialize, Serialize};

use crate::event::{Clear, clear_values};
use crate::refusal::InvalidValue;

/// What kind of buyer a customer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Segment {
    /// Buys often, much, and did so lately.
    Champions,
    /// Buys regularly.
    Loyal,
    /// Bought lately, and more than once.
    PotentialLoyalist,
    /// Bought for the first time, lately.
    New,
    /// Bought lately, and much.
    Promising,
    /// Bought well, and not lately.
    NeedAttention,
    /// Bought little, and not lately.
    AboutToSleep,
    /// Bought much, and long ago.
    AtRisk,
    /// Bought most of all, and long ago.
    CannotLose,
    /// Bought little, and long ago.
    Hibernating,
    /// Bought longest ago.
    Lost,
}

impl Segment {
    /// All of them, the best first.
    pub const ALL: &[Self] = &[
        Self::Champions,
        Self::Loyal,
        Self::PotentialLoyalist,
        Self::New,
        Self::Promising,
        Self::NeedAttention,
        Self::AboutToSleep,
        Self::AtRisk,
        Self::CannotLose,
        Self::Hibernating,
        Self::Lost,
    ];

    /// The wire name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Champions => "champions",
            Self::Loyal => "loyal",
            Self::PotentialLoyalist => "potential_loyalist",
            Self::New => "new",
            Self::Promising => "promising",
            Self::NeedAttention => "need_attention",
            Self::AboutToSleep => "about_to_sleep",
            Self::AtRisk => "at_risk",
            Self::CannotLose => "cannot_lose",
            Self::Hibernating => "hibernating",
            Self::Lost => "lost",
        }
    }
}

impl std::fmt::Display for Segment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// No segment is called so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be one of champions, loyal, potential_loyalist, new, promising, need_attention, about_to_sleep, at_risk, cannot_lose, \
     hibernating, lost"
)]
pub struct UnknownSegment;

impl InvalidValue for UnknownSegment {
    fn code(&self) -> &'static str {
        "unknown_segment"
    }
}

impl std::str::FromStr for Segment {
    type Err = UnknownSegment;

    fn from_str(text: &str) -> Result<Self, UnknownSegment> {
        Self::ALL.iter().copied().find(|segment| segment.as_str() == text).ok_or(UnknownSegment)
    }
}

impl Clear for Segment {}

/// In which fifth of all buyers a customer is: 5 for the best, 1 for the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Score(u8);

/// A score is from 1 to 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be from 1 to 5")]
pub struct NoScore;

impl InvalidValue for NoScore {
    fn code(&self) -> &'static str {
        "out_of_range"
    }
}

impl Score {
    /// Checks that it is from 1 to 5.
    ///
    /// # Errors
    /// When it is not.
    pub const fn new(score: u8) -> Result<Self, NoScore> {
        if matches!(score, 1..=5) { Ok(Self(score)) } else { Err(NoScore) }
    }

    /// The number.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl TryFrom<u8> for Score {
    type Error = NoScore;

    fn try_from(score: u8) -> Result<Self, NoScore> {
        Self::new(score)
    }
}

impl From<Score> for u8 {
    fn from(score: Score) -> Self {
        score.0
    }
}

impl Clear for Score {}

clear_values! {
    /// What a customer's segment follows from.
    #[derive(Copy)]
    #[serde(deny_unknown_fields)]
    pub struct Scores {
        /// How lately it bought.
        pub recency: Score,
        /// How often.
        pub frequency: Score,
        /// For how much money.
        pub monetary: Score,
    }
}

clear_values! {
    /// Which buyer a customer is; at first none.
    #[derive(Copy, Default)]
    pub struct Segmented {
        /// Its segment, if it is in any.
        pub segment: Option<Segment>,
        /// Whether it is one of the few for whom most is done.
        pub is_vip: bool,
    }
}

#[cfg(test)]
mod tests {
    use super::{NoScore, Score, Segment};

    #[test]
    fn each_segment_reads_as_it_is_written() {
        for segment in Segment::ALL {
            assert_eq!(segment.as_str().parse(), Ok(*segment));
            assert_eq!(serde_json::to_value(segment).expect("a word"), segment.as_str());
        }
        assert!("vip".parse::<Segment>().is_err());
    }

    #[test]
    fn a_score_is_a_fifth() {
        assert_eq!([0, 6].map(Score::new), [Err(NoScore), Err(NoScore)]);
        assert_eq!([1, 5].map(|score| Score::new(score).map(Score::get)), [Ok(1), Ok(5)]);
        assert!(serde_json::from_str::<Score>("0").is_err());
    }
}
