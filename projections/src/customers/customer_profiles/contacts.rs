//! Table `customer_contacts`: all e-mail addresses and phones of a customer.

use super::{Child, Listed, listed, owned};
use crate::query::{AsOf, get, word};
use crate::tables::{Columns, TableRow};
use domain::email::Email;
use domain::phone::Phone;
use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use store::postgres::Pools;
use store::{StoreError, TenantId};
use uuid::Uuid;

/// What a contact is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContactKind {
    /// An e-mail address.
    Email,
    /// A phone.
    Phone,
}

impl ContactKind {
    /// The word in the table and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Phone => "phone",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Email, Self::Phone].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A row of `customer_contacts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactRow {
    /// What it is.
    pub kind: ContactKind,
    /// 1 is the primary one of its kind.
    pub rank: i32,
    /// The address as it is written to, or the phone.
    pub value: String,
    /// What it is found by: the address in small letters with its domain as machines write it, or the phone.
    pub normalized: String,
}

pub(super) fn put_emails(contacts: &mut Vec<ContactRow>, emails: &[Email]) {
    put(contacts, ContactKind::Email, emails.iter().map(|email| (email.as_str(), email.mailbox())));
}

pub(super) fn put_phones(contacts: &mut Vec<ContactRow>, phones: &[Phone]) {
    put(contacts, ContactKind::Phone, phones.iter().map(|phone| (phone.as_str(), phone.as_str().to_owned())));
}

/// All of one kind, e-mails before phones.
fn put<'a>(contacts: &mut Vec<ContactRow>, kind: ContactKind, values: impl Iterator<Item = (&'a str, String)>) {
    contacts.retain(|contact| contact.kind != kind);
    contacts.extend(values.zip(1..).map(|((value, normalized), rank)| ContactRow {
        kind,
        rank,
        value: value.to_owned(),
        normalized,
    }));
    contacts.sort_by_key(|contact| (contact.kind.as_str(), contact.rank));
}

pub(super) async fn load(
    conn: &mut PgConnection,
    customers: &[Uuid],
) -> Result<Vec<(Uuid, TenantId, ContactRow)>, sqlx::Error> {
    let sql = "select * from customer_contacts where customer_id = any($1) order by customer_id, kind, rank";
    let rows = sqlx::query(sql).bind(customers).fetch_all(conn).await?;
    rows.iter().map(|row| owned(row, read(row)?)).collect()
}

impl TableRow for Child<'_, ContactRow> {
    const TABLE: &'static str = "customer_contacts";

    fn put(&self, to: &mut Columns) {
        to.put("tenant", self.owner.tenant.0)
            .put("customer_id", self.owner.customer)
            .put("kind", self.row.kind.as_str())
            .put("rank", self.row.rank)
            .put("value", self.row.value.as_str())
            .put("normalized", self.row.normalized.as_str());
    }
}

fn read(row: &PgRow) -> Result<ContactRow, sqlx::Error> {
    Ok(ContactRow {
        kind: word(row, "kind", ContactKind::parse)?,
        rank: get(row, "rank")?,
        value: get(row, "value")?,
        normalized: get(row, "normalized")?,
    })
}

/// How a customer is reached; none when there is no such customer.
///
/// # Errors
/// When the database is away, or a row makes no sense.
pub async fn list(
    pools: &Pools,
    tenant: TenantId,
    customer: Uuid,
) -> Result<Option<AsOf<Listed<ContactRow>>>, StoreError> {
    let sql = concat!(
        include_str!("listed.sql"),
        "left join customer_contacts t on t.customer_id = c.id where c.id = $1 order by t.kind, t.rank"
    );
    listed(pools, tenant, customer, ("customer_contacts", sql), read).await
}
