//! What the clock asks of lines of credit.

use super::due::{dun, expire_due, lapse_due_holds, note_overdue};
use crate::caller::Scope;
use crate::job::{Job, Schedule};
use crate::ports::Due;
use domain::ids::CreditLineId;

/// Holds lapse seven days after they were placed.
pub const HOLD_LAPSE: Job = Job {
    name: "credit_hold_lapse",
    actor: "job:credit_hold_lapse",
    about: "Gives credit back that was held too long",
    schedule: Schedule::EachMinute,
    leaves_no_trace: true,
    due: Due::CreditHoldLapse,
    scope: Scope::CreditWrite,
    act: |commands, caller, id| Box::pin(lapse_due_holds(commands, caller, CreditLineId::new(id))),
};

/// Temporary credit expires when its day begins.
pub const TEMPORARY_EXPIRY: Job = Job {
    name: "credit_temporary_expiry",
    actor: "job:credit_temporary_expiry",
    about: "Ends credit that was given for a time",
    schedule: Schedule::Daily { minute: 8 },
    leaves_no_trace: false,
    due: Due::CreditTemporaryExpiry,
    scope: Scope::CreditWrite,
    act: |commands, caller, id| Box::pin(expire_due(commands, caller, CreditLineId::new(id))),
};

/// What was not paid in time is told the day after.
pub const OVERDUE: Job = Job {
    name: "credit_overdue",
    actor: "job:credit_overdue",
    about: "Tells what was not paid in time, and suspends lines",
    schedule: Schedule::Daily { minute: 10 },
    leaves_no_trace: false,
    due: Due::CreditOverdue,
    scope: Scope::CreditWrite,
    act: |commands, caller, id| Box::pin(note_overdue(commands, caller, CreditLineId::new(id))),
};

/// Lines whose limit nobody looked at in time are suspended.
pub const REVIEW: Job = Job {
    name: "credit_review",
    actor: "job:credit_review",
    about: "Suspends lines whose limit was not looked at in time",
    schedule: Schedule::Daily { minute: 15 },
    leaves_no_trace: false,
    due: Due::CreditReview,
    scope: Scope::CreditWrite,
    act: |commands, caller, id| Box::pin(note_overdue(commands, caller, CreditLineId::new(id))),
};

/// Customers are reminded of what is overdue. What has become so is noted before, whichever job comes first.
pub const DUNNING: Job = Job {
    name: "credit_dunning",
    actor: "job:credit_dunning",
    about: "Reminds customers of what is overdue",
    schedule: Schedule::Daily { minute: 30 },
    leaves_no_trace: false,
    due: Due::CreditDunning,
    scope: Scope::CreditWrite,
    act: |commands, caller, id| Box::pin(dun(commands, caller, CreditLineId::new(id))),
};
