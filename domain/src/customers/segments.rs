//! Which buyer a customer is. Who says so has worked it out elsewhere, from what all customers bought: here it is kept, and told of when
//! it is another one than before. Scores alone are none: they move a little every day.

use chrono::NaiveDate;

use crate::customers::events::CustomerEvent;
use crate::segment::{Scores, Segmented};

/// In the same segment as before, nothing happens.
pub(super) fn change(
    before: Segmented,
    after: Segmented,
    scores: Option<Scores>,
    on: NaiveDate,
) -> Option<CustomerEvent> {
    let Segmented { segment: to, is_vip } = after;
    (before != after).then_some(CustomerEvent::SegmentChanged { from: before.segment, to, is_vip, scores, on })
}

/// In which segment a survivor is from now on: the duplicate's, when it is in none itself. That the two are more together, the next
/// segmentation finds.
pub(super) fn taken_over(before: Segmented, of_duplicate: Segmented, on: NaiveDate) -> Option<CustomerEvent> {
    change(before, if before == Segmented::default() { of_duplicate } else { before }, None, on)
}
