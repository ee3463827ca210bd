//! What the clock asks of loyalty accounts.

use super::due::{expire_due, lapse_due_holds, review_year, vest_due};
use crate::caller::Scope;
use crate::job::{Job, Schedule};
use crate::ports::Due;
use domain::ids::CustomerId;

/// Pending points vest when their day begins.
pub const VESTING: Job = Job {
    name: "loyalty_vesting",
    actor: "job:loyalty_vesting",
    about: "Lets pending points vest whose day has come",
    schedule: Schedule::Daily { minute: 2 },
    leaves_no_trace: false,
    due: Due::Vesting,
    scope: Scope::LoyaltyWrite,
    act: |commands, caller, id| Box::pin(vest_due(commands, caller, CustomerId::new(id))),
};

/// Points expire when their day begins.
pub const EXPIRY: Job = Job {
    name: "loyalty_expiry",
    actor: "job:loyalty_expiry",
    about: "Lets points expire whose day has come",
    schedule: Schedule::Daily { minute: 5 },
    leaves_no_trace: false,
    due: Due::Expiry,
    scope: Scope::LoyaltyWrite,
    act: |commands, caller, id| Box::pin(expire_due(commands, caller, CustomerId::new(id))),
};

/// Holds lapse a quarter of an hour after they were placed.
pub const HOLD_LAPSE: Job = Job {
    name: "loyalty_hold_lapse",
    actor: "job:loyalty_hold_lapse",
    about: "Gives points back that were held too long",
    schedule: Schedule::EachMinute,
    leaves_no_trace: true,
    due: Due::HoldLapse,
    scope: Scope::LoyaltyWrite,
    act: |commands, caller, id| Box::pin(lapse_due_holds(commands, caller, CustomerId::new(id))),
};

/// Tiers are reviewed once a year, each on its day.
pub const REVIEW: Job = Job {
    name: "loyalty_review",
    actor: "job:loyalty_review",
    about: "Reviews the tiers whose year is over",
    schedule: Schedule::Daily { minute: 20 },
    leaves_no_trace: false,
    due: Due::Review,
    scope: Scope::LoyaltyWrite,
    act: |commands, caller, id| Box::pin(review_year(commands, caller, CustomerId::new(id))),
};
