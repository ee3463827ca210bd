//! What others call a customer, in its row, and in the child table `customer_users`, by which it is found.

use super::{CustomerReference, CustomerRow, Customers, STRIPE, owner};
use crate::read_model::ChangeOf;
use crate::tables::{Columns, TableRow, Writer};
use domain::customers::events::CustomerEvent;

/// Whoever is one of the others already changes places with the customer's own.
fn logging_in(mut row: CustomerRow, besides: bool, user: Option<&str>) -> CustomerRow {
    let is_other = row.other_user_ids.iter().any(|other| Some(other.as_str()) == user);
    if besides {
        let new = user.filter(|_| !is_other && row.user_id.as_deref() != user);
        row.other_user_ids.extend(new.map(ToOwned::to_owned));
        return row;
    }
    let before = std::mem::replace(&mut row.user_id, user.map(ToOwned::to_owned));
    if is_other {
        row.other_user_ids.retain(|other| Some(other.as_str()) != user);
        row.other_user_ids.extend(before);
    }
    row
}

/// As whom a row logs in.
fn users(row: Option<&CustomerRow>) -> impl Iterator<Item = &String> {
    row.into_iter().flat_map(|row| row.user_id.iter().chain(&row.other_user_ids))
}

/// Logins change rarely: only customers whose logins did are touched.
pub(super) async fn replace_users(writer: &mut Writer<'_>, changes: &[ChangeOf<Customers>]) -> Result<(), sqlx::Error> {
    let is_changed = |change: &&ChangeOf<Customers>| users(change.before.as_ref()).ne(users(change.after.as_ref()));
    let changed = || changes.iter().filter(is_changed);
    let rows = changed().filter_map(|change| change.after.as_ref());
    let logs_in = |row| users(Some(row)).map(move |user| User { row, user });
    writer.replace(changed().filter_map(owner), rows.flat_map(logs_in)).await
}

/// A row of `customer_users`.
struct User<'a> {
    row: &'a CustomerRow,
    user: &'a str,
}

impl TableRow for User<'_> {
    const TABLE: &'static str = "customer_users";

    fn put(&self, to: &mut Columns) {
        to.put("tenant", self.row.tenant.0).put("customer_id", self.row.id).put("user_id", self.user);
    }
}

/// A row after its links changed. What is no longer known is blank.
pub(super) fn applied(mut row: CustomerRow, event: &CustomerEvent) -> CustomerRow {
    if let CustomerEvent::ReferenceLinked { system, personal } = event {
        row.references.extend(personal.known().map(|linked| CustomerReference {
            system: system.as_str().to_owned(),
            reference: linked.reference.as_str().to_owned(),
        }));
    }
    if let CustomerEvent::ReferenceUnlinked { system } = event {
        row.references.retain(|reference| reference.system != system.as_str());
    }
    if let CustomerEvent::UserLinked { besides, personal } = event {
        row = logging_in(row, *besides, personal.known().map(|linked| linked.user.as_str()));
    }
    if let CustomerEvent::UserUnlinked {} = event {
        row = CustomerRow { user_id: None, other_user_ids: Vec::new(), ..row };
    }
    let mut stripe = row.references.iter().filter(|reference| reference.system == STRIPE);
    // One that came by a merge does not take the place of the customer's own.
    let own = stripe.clone().find(|reference| Some(&reference.reference) == row.stripe_customer_id.as_ref());
    let stripe_customer_id = own.or_else(|| stripe.next()).map(|reference| reference.reference.clone());
    CustomerRow { stripe_customer_id, ..row }
}
