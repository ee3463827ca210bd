//! Tables `customer_contacts`, `customer_documents`, `customer_addresses` and `customer_preferences`: what is known of a customer
//! beside its row in `customers`.
//!
//! They are a read model of their own, so that a purchase, which changes that row, does not touch them. They hold personal data in
//! plain; what was erased is not there.

pub mod addresses;
pub mod contacts;
pub mod documents;
pub mod preferences;

use crate::query::{AsOf, failed, get};
use crate::read_model::{ChangeOf, ReadModel, Recorded, Rows};
use crate::tables::{TableRow, Writer};
use addresses::AddressRow;
use contacts::ContactRow;
use documents::DocumentRow;
use domain::Event;
use domain::customers::events::{Contact, CustomerEvent, CustomerField};
use preferences::PreferencesRow;
use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use store::postgres::Pools;
use store::{Position, StoreError, TenantId, Version};
use uuid::Uuid;

/// What the tables have of one customer.
#[derive(Debug, Clone, PartialEq)]
pub struct ProfileRow {
    /// The customer.
    pub customer: Uuid,
    /// Whose customer.
    pub tenant: TenantId,
    /// How to reach it, the primary ones first.
    pub contacts: Vec<ContactRow>,
    /// Its identity documents.
    pub documents: Vec<DocumentRow>,
    /// Its addresses, the oldest first.
    pub addresses: Vec<AddressRow>,
    /// Its preferences, once there were any.
    pub preferences: Option<PreferencesRow>,
}

/// The read model.
#[derive(Debug, Clone, Copy)]
pub struct CustomerProfiles;

impl ReadModel for CustomerProfiles {
    const NAME: &'static str = "customer_profiles";
    const VERSION: i32 = 4;
    const TABLES: &'static [&'static str] =
        &["customer_contacts", "customer_documents", "customer_addresses", "customer_preferences"];
    const TABLES_SQL: &'static str = include_str!("customer_profiles/tables.sql");
    const INDEXES_SQL: &'static str = include_str!("customer_profiles/indexes.sql");
    const PERSONAL: &'static [&'static str] = &[
        "value",
        "normalized",
        "number",
        "name",
        "line1",
        "line2",
        "city",
        "region",
        "postal_code",
        "phone",
        "instructions",
        "restrictions",
        "favourite_orders",
    ];
    const HANDLES: &'static [&'static str] = &["customer.*"];
    const REVEALS: bool = true;

    type Key = Uuid;
    type Row = ProfileRow;

    fn keys(recorded: &Recorded) -> Vec<Uuid> {
        match &recorded.event {
            Event::Customer(event) if touches(event) => vec![recorded.stream.id],
            Event::Customer(_)
            | Event::Loyalty(_)
            | Event::Programme(_)
            | Event::Credit(_)
            | Event::CreditGroup(_)
            | Event::Access(_) => vec![],
        }
    }

    fn apply(key: &Uuid, row: Option<ProfileRow>, recorded: &Recorded) -> Option<ProfileRow> {
        let Event::Customer(event) = &recorded.event else { return row };
        let mut row = row.unwrap_or_else(|| ProfileRow::empty(*key, recorded.tenant));
        row.take_in(event, recorded.position);
        Some(row).filter(|row| *row != ProfileRow::empty(*key, recorded.tenant))
    }

    async fn load(conn: &mut PgConnection, keys: &[Uuid]) -> Result<Rows<Self>, sqlx::Error> {
        let mut rows = Rows::<Self>::new();
        for (customer, tenant, contact) in contacts::load(conn, keys).await? {
            of(&mut rows, customer, tenant).contacts.push(contact);
        }
        for (customer, tenant, document) in documents::load(conn, keys).await? {
            of(&mut rows, customer, tenant).documents.push(document);
        }
        for (customer, tenant, address) in addresses::load(conn, keys).await? {
            of(&mut rows, customer, tenant).addresses.push(address);
        }
        for (customer, tenant, preferences) in preferences::load(conn, keys).await? {
            of(&mut rows, customer, tenant).preferences = Some(preferences);
        }
        Ok(rows)
    }

    async fn write(writer: &mut Writer<'_>, changes: &[ChangeOf<Self>]) -> Result<(), sqlx::Error> {
        replace(writer, changes, |row| row.contacts.as_slice()).await?;
        replace(writer, changes, |row| row.documents.as_slice()).await?;
        replace(writer, changes, |row| row.addresses.as_slice()).await?;
        replace(writer, changes, |row| row.preferences.as_slice()).await
    }
}

fn of(rows: &mut Rows<CustomerProfiles>, customer: Uuid, tenant: TenantId) -> &mut ProfileRow {
    rows.entry(customer).or_insert_with(|| ProfileRow::empty(customer, tenant))
}

/// Whether an event may change anything here. Most customers of an import have nothing but a reference.
fn touches(event: &CustomerEvent) -> bool {
    use CustomerEvent as E;
    match event {
        E::Created { personal, .. } => personal.known().is_some_and(|contact| {
            !(contact.emails.is_empty() && contact.phones.is_empty() && contact.documents.is_empty())
        }),
        E::Updated { changed, .. } => changed.iter().any(|field| match field {
            CustomerField::Emails | CustomerField::Phones | CustomerField::Documents => true,
            CustomerField::Name
            | CustomerField::Company
            | CustomerField::BirthDate
            | CustomerField::Language
            | CustomerField::Currency
            | CustomerField::TimeZone
            | CustomerField::Kind => false,
        }),
        E::AddressAdded { .. }
        | E::AddressChanged { .. }
        | E::AddressRemoved { .. }
        | E::PreferencesChanged { .. }
        | E::Erased { .. } => true,
        E::PurchaseRecorded { .. }
        | E::PurchaseRefunded { .. }
        | E::LifecycleChanged { .. }
        | E::SegmentChanged { .. }
        | E::ReferenceLinked { .. }
        | E::ReferenceUnlinked { .. }
        | E::UserLinked { .. }
        | E::UserUnlinked {}
        | E::Tagged { .. }
        | E::Untagged { .. }
        | E::Assigned { .. }
        | E::PortalGranted { .. }
        | E::PortalRevoked {}
        | E::Referred { .. }
        | E::Blocked { .. }
        | E::Unblocked { .. }
        | E::TermsChanged { .. }
        | E::MetadataChanged { .. }
        | E::Merged { .. }
        | E::DuplicateAbsorbed { .. }
        | E::Deleted { .. }
        | E::Restored { .. }
        | E::Exported { .. } => false,
    }
}

impl ProfileRow {
    const fn empty(customer: Uuid, tenant: TenantId) -> Self {
        Self { customer, tenant, contacts: Vec::new(), documents: Vec::new(), addresses: Vec::new(), preferences: None }
    }

    fn take_in(&mut self, event: &CustomerEvent, position: Position) {
        use CustomerEvent as E;
        match event {
            E::Created { personal, .. } => {
                let all = [CustomerField::Emails, CustomerField::Phones, CustomerField::Documents];
                self.take_in_contact(&all, &personal.known().cloned().unwrap_or_default());
            }
            E::Updated { changed, personal, .. } => {
                self.take_in_contact(changed, &personal.known().cloned().unwrap_or_default());
            }
            E::AddressAdded { address, kind, is_default, personal }
            | E::AddressChanged { address, kind, is_default, personal } => {
                let row = personal.known().map(|known| AddressRow::of(*address, *kind, *is_default, known, position));
                addresses::put(&mut self.addresses, *address, row);
            }
            E::AddressRemoved { address, new_default, .. } => {
                addresses::take(&mut self.addresses, *address, *new_default);
            }
            E::PreferencesChanged { preferences, personal } => {
                self.preferences = Some(PreferencesRow::of(preferences, personal.known(), position));
            }
            E::PurchaseRecorded { .. }
            | E::PurchaseRefunded { .. }
            | E::LifecycleChanged { .. }
            | E::SegmentChanged { .. }
            | E::ReferenceLinked { .. }
            | E::ReferenceUnlinked { .. }
            | E::UserLinked { .. }
            | E::UserUnlinked {}
            | E::Tagged { .. }
            | E::Untagged { .. }
            | E::Assigned { .. }
            | E::PortalGranted { .. }
            | E::PortalRevoked {}
            | E::Referred { .. }
            | E::Blocked { .. }
            | E::Unblocked { .. }
            | E::TermsChanged { .. }
            | E::MetadataChanged { .. }
            | E::Merged { .. }
            | E::DuplicateAbsorbed { .. }
            | E::Deleted { .. }
            | E::Restored { .. }
            | E::Exported { .. } => {}
            E::Erased { .. } => *self = Self::empty(self.customer, self.tenant),
        }
    }

    fn take_in_contact(&mut self, changed: &[CustomerField], contact: &Contact) {
        for field in changed {
            match field {
                CustomerField::Emails => contacts::put_emails(&mut self.contacts, &contact.emails),
                CustomerField::Phones => contacts::put_phones(&mut self.contacts, &contact.phones),
                CustomerField::Documents => self.documents = documents::rows(&contact.documents),
                CustomerField::Name
                | CustomerField::Company
                | CustomerField::BirthDate
                | CustomerField::Language
                | CustomerField::Currency
                | CustomerField::TimeZone
                | CustomerField::Kind => {}
            }
        }
    }
}

/// A row that one of the tables has of a customer.
pub(crate) struct Child<'a, T> {
    owner: &'a ProfileRow,
    row: &'a T,
}

/// Writes the rows of one table, of those customers whose rows there changed.
async fn replace<'a, T: PartialEq + Sync + 'a>(
    writer: &mut Writer<'_>,
    changes: &'a [ChangeOf<CustomerProfiles>],
    rows: impl Fn(&'a ProfileRow) -> &'a [T] + Copy + Send,
) -> Result<(), sqlx::Error>
where
    Child<'a, T>: TableRow,
{
    let of = move |row: &'a Option<ProfileRow>| row.as_ref().map_or(&[][..], rows);
    let changed = || changes.iter().filter(move |change| of(&change.before) != of(&change.after));
    let owners = changed().filter_map(|change| change.after.as_ref().or(change.before.as_ref()));
    let children = move |owner| rows(owner).iter().map(move |row| Child { owner, row });
    let made = changed().filter_map(|change| change.after.as_ref()).flat_map(children);
    writer.replace(owners.map(|row| (row.tenant, row.customer)), made).await
}

/// Which customer's a loaded row is, and whose customer.
fn owned<T>(row: &PgRow, value: T) -> Result<(Uuid, TenantId, T), sqlx::Error> {
    Ok((get(row, "customer_id")?, TenantId(get(row, "tenant")?), value))
}

/// What one table has of a customer that there is.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed<T> {
    /// Version of the customer's stream. None while other rows of the customer are ahead of these: then a change of that version
    /// would be a change of what nobody has seen.
    pub version: Option<Version>,
    /// The rows.
    pub rows: Vec<T>,
}

/// Reads rows that carry the position, the version, and nothing else where the table has none of the customer.
async fn listed<T>(
    pools: &Pools,
    tenant: TenantId,
    customer: Uuid,
    (table, sql): (&'static str, &'static str),
    read: impl Fn(&PgRow) -> Result<T, sqlx::Error>,
) -> Result<Option<AsOf<Listed<T>>>, StoreError> {
    let query = sqlx::query(sql).bind(customer);
    let found = pools.request.fetch_all(tenant, query).await.map_err(failed(table))?;
    let Some(first) = found.first() else { return Ok(None) };
    let made = || {
        let is_there = |row: &&PgRow| get::<Option<Uuid>>(row, "customer_id").ok().flatten().is_some();
        let rows = found.iter().filter(is_there).map(&read).collect::<Result<_, _>>()?;
        let listed = Listed { version: get(first, "stream_version")?, rows };
        Ok(AsOf { value: listed, position: Position(get(first, "as_of")?) })
    };
    made().map(Some).map_err(failed(table))
}

#[cfg(test)]
mod tests;
