//! Sharing a limit with other lines.

use chrono::NaiveDate;

use super::Line;
use crate::credit::commands::CreditError;
use crate::credit::events::CreditEvent;
use crate::ids::CreditGroupId;

impl Line {
    pub(super) fn change_group(&mut self, group: Option<CreditGroupId>, on: NaiveDate) {
        self.see(on);
        self.group = group;
    }
}

/// A line is of one group at most.
pub(super) fn join(line: &Line, group: CreditGroupId, on: NaiveDate) -> Result<Vec<CreditEvent>, CreditError> {
    match line.group {
        None => Ok(vec![CreditEvent::GroupJoined { group, on }]),
        Some(joined) if joined == group => Ok(vec![]),
        Some(group) => Err(CreditError::InGroup { group }),
    }
}

pub(super) fn leave(line: &Line, group: CreditGroupId, on: NaiveDate) -> Result<Vec<CreditEvent>, CreditError> {
    match line.group {
        None => Ok(vec![]),
        Some(joined) if joined == group => Ok(vec![CreditEvent::GroupLeft { group, on }]),
        Some(group) => Err(CreditError::InGroup { group }),
    }
}
