//! Who of ours looks after a customer.

use crate::customers::events::CustomerEvent;
use crate::event::clear_values;
use crate::ids::{RepCode, RouteCode};

clear_values! {
    /// Who looks after a customer; perhaps nobody.
    #[derive(Default)]
    pub struct Assignment {
        /// The sales representative.
        pub rep: Option<RepCode>,
        /// The round on which it is visited or supplied.
        pub route: Option<RouteCode>,
    }
}

/// Who is looked after so already, is told nothing.
pub(super) fn assign(before: &Assignment, after: Assignment) -> Vec<CustomerEvent> {
    if *before == after {
        return vec![];
    }
    vec![CustomerEvent::Assigned { rep: after.rep, route: after.route }]
}
