//! Child table `customer_tags`: what customers are filed under, so that all under a tag are found in the order of their registrations.

use super::{CustomerRow, CustomerStatus, Customers, owner};
use crate::read_model::ChangeOf;
use crate::tables::{Columns, TableRow, Writer};
use domain::ids::Tag;

pub(super) fn added(mut row: CustomerRow, tags: &[Tag]) -> CustomerRow {
    row.tags.extend(tags.iter().map(ToString::to_string));
    row
}

pub(super) fn removed(mut row: CustomerRow, tags: &[Tag]) -> CustomerRow {
    row.tags.retain(|known| tags.iter().all(|tag| tag.as_str() != known));
    row
}

/// What a row is found by. Who is gone is not found.
fn of_row(row: &CustomerRow) -> impl Iterator<Item = &String> {
    let is_found = match row.status {
        CustomerStatus::Active | CustomerStatus::Blocked => true,
        CustomerStatus::Merged | CustomerStatus::Deleted | CustomerStatus::Erased => false,
    };
    row.tags.iter().filter(move |_| is_found)
}

/// Tags change rarely: only customers whose tags did are touched.
pub(super) async fn replace(writer: &mut Writer<'_>, changes: &[ChangeOf<Customers>]) -> Result<(), sqlx::Error> {
    let found =
        |row: Option<&'_ CustomerRow>| row.map(|row| of_row(row).cloned().collect::<Vec<_>>()).unwrap_or_default();
    let is_changed = |change: &&ChangeOf<Customers>| found(change.before.as_ref()) != found(change.after.as_ref());
    let changed = || changes.iter().filter(is_changed);
    let found_by = |row| of_row(row).map(move |tag| Found { row, tag });
    let rows = changed().filter_map(|change| change.after.as_ref());
    writer.replace(changed().filter_map(owner), rows.flat_map(found_by)).await
}

/// A row of the table.
struct Found<'a> {
    row: &'a CustomerRow,
    tag: &'a str,
}

impl TableRow for Found<'_> {
    const TABLE: &'static str = "customer_tags";

    fn put(&self, to: &mut Columns) {
        to.put("tenant", self.row.tenant.0)
            .put("customer_id", self.row.id)
            .put("tag", self.tag)
            .put("created_position", self.row.created_position.0);
    }
}
