//! Table `customer_addresses`: where things and invoices are sent.

use super::{Child, Listed, listed, owned};
use crate::query::{AsOf, get, word};
use crate::tables::{Columns, TableRow};
use domain::customers::address::{Address, AddressKind};
use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use store::postgres::Pools;
use store::{Position, StoreError, TenantId};
use uuid::Uuid;

/// A row of `customer_addresses`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressRow {
    /// Id of the address.
    pub id: Uuid,
    /// What it is for.
    pub kind: AddressKind,
    /// Whether it is used when none is named.
    pub is_default: bool,
    /// Whom to look for there.
    pub name: Option<String>,
    /// Street and number.
    pub line1: String,
    /// Floor, door and the like.
    pub line2: Option<String>,
    /// The town.
    pub city: Option<String>,
    /// The province or state.
    pub region: Option<String>,
    /// As the country writes it.
    pub postal_code: Option<String>,
    /// The country.
    pub country: String,
    /// Whom to call at the door, E.164.
    pub phone: Option<String>,
    /// What who brings it must know.
    pub instructions: Option<String>,
    /// Position of the event that last said where it is.
    pub position: Position,
}

impl AddressRow {
    pub(super) fn of(id: Uuid, kind: AddressKind, is_default: bool, address: &Address, position: Position) -> Self {
        let Address { name, line1, line2, city, region, postal_code, country, phone, instructions } = address;
        Self {
            id,
            kind,
            is_default,
            name: name.as_ref().map(ToString::to_string),
            line1: line1.to_string(),
            line2: line2.as_ref().map(ToString::to_string),
            city: city.as_ref().map(ToString::to_string),
            region: region.as_ref().map(ToString::to_string),
            postal_code: postal_code.as_ref().map(ToString::to_string),
            country: country.to_string(),
            phone: phone.as_ref().map(ToString::to_string),
            instructions: instructions.as_ref().map(ToString::to_string),
            position,
        }
    }
}

/// An address as it is now, or none where nobody knows any more where it is. A new default is the only one of its kind.
pub(super) fn put(addresses: &mut Vec<AddressRow>, id: Uuid, row: Option<AddressRow>) {
    addresses.retain(|address| address.id != id);
    let Some(row) = row else { return };
    if row.is_default {
        addresses.iter_mut().filter(|other| other.kind == row.kind).for_each(|other| other.is_default = false);
    }
    addresses.push(row);
    addresses.sort_by_key(|address| address.id);
}

pub(super) fn take(addresses: &mut Vec<AddressRow>, id: Uuid, new_default: Option<Uuid>) {
    addresses.retain(|address| address.id != id);
    for address in addresses.iter_mut().filter(|address| Some(address.id) == new_default) {
        address.is_default = true;
    }
}

pub(super) async fn load(
    conn: &mut PgConnection,
    customers: &[Uuid],
) -> Result<Vec<(Uuid, TenantId, AddressRow)>, sqlx::Error> {
    let sql = "select * from customer_addresses where customer_id = any($1) order by id";
    let rows = sqlx::query(sql).bind(customers).fetch_all(conn).await?;
    rows.iter().map(|row| owned(row, read(row)?)).collect()
}

impl TableRow for Child<'_, AddressRow> {
    const TABLE: &'static str = "customer_addresses";

    fn put(&self, to: &mut Columns) {
        to.put("tenant", self.owner.tenant.0)
            .put("customer_id", self.owner.customer)
            .put("id", self.row.id)
            .put("kind", self.row.kind.as_str())
            .put("is_default", self.row.is_default)
            .put("name", self.row.name.as_deref())
            .put("line1", self.row.line1.as_str())
            .put("line2", self.row.line2.as_deref())
            .put("city", self.row.city.as_deref())
            .put("region", self.row.region.as_deref())
            .put("postal_code", self.row.postal_code.as_deref())
            .put("country", self.row.country.as_str())
            .put("phone", self.row.phone.as_deref())
            .put("instructions", self.row.instructions.as_deref())
            .put("position", self.row.position.0);
    }
}

fn read(row: &PgRow) -> Result<AddressRow, sqlx::Error> {
    let kind = |text: &str| AddressKind::ALL.into_iter().find(|kind| kind.as_str() == text);
    Ok(AddressRow {
        id: get(row, "id")?,
        kind: word(row, "kind", kind)?,
        is_default: get(row, "is_default")?,
        name: get(row, "name")?,
        line1: get(row, "line1")?,
        line2: get(row, "line2")?,
        city: get(row, "city")?,
        region: get(row, "region")?,
        postal_code: get(row, "postal_code")?,
        country: get(row, "country")?,
        phone: get(row, "phone")?,
        instructions: get(row, "instructions")?,
        position: Position(get(row, "position")?),
    })
}

/// The addresses of a customer, the oldest first; none when there is no such customer.
///
/// # Errors
/// When the database is away, or a row makes no sense.
pub async fn list(
    pools: &Pools,
    tenant: TenantId,
    customer: Uuid,
) -> Result<Option<AsOf<Listed<AddressRow>>>, StoreError> {
    let sql = concat!(
        include_str!("listed.sql"),
        "left join customer_addresses t on t.customer_id = c.id where c.id = $1 order by t.id"
    );
    listed(pools, tenant, customer, ("customer_addresses", sql), read).await
}
