//! Table `customer_documents`: the identity documents of a customer.

use super::{Child, Listed, listed, owned};
use crate::query::{AsOf, get};
use crate::tables::{Columns, TableRow};
use domain::document::Document;
use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use store::postgres::Pools;
use store::{StoreError, TenantId};
use uuid::Uuid;

/// A row of `customer_documents`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentRow {
    /// Place in the list that was given, from 1.
    pub rank: i32,
    /// What it is.
    pub kind: String,
    /// The number, normalised.
    pub number: String,
    /// The country that issued it.
    pub country: String,
}

pub(super) fn rows(documents: &[Document]) -> Vec<DocumentRow> {
    let row = |(document, rank): (&Document, i32)| DocumentRow {
        rank,
        kind: document.kind().as_str().to_owned(),
        number: document.number().to_owned(),
        country: document.country().as_str().to_owned(),
    };
    documents.iter().zip(1..).map(row).collect()
}

pub(super) async fn load(
    conn: &mut PgConnection,
    customers: &[Uuid],
) -> Result<Vec<(Uuid, TenantId, DocumentRow)>, sqlx::Error> {
    let sql = "select * from customer_documents where customer_id = any($1) order by customer_id, rank";
    let rows = sqlx::query(sql).bind(customers).fetch_all(conn).await?;
    rows.iter().map(|row| owned(row, read(row)?)).collect()
}

impl TableRow for Child<'_, DocumentRow> {
    const TABLE: &'static str = "customer_documents";

    fn put(&self, to: &mut Columns) {
        to.put("tenant", self.owner.tenant.0)
            .put("customer_id", self.owner.customer)
            .put("rank", self.row.rank)
            .put("kind", self.row.kind.as_str())
            .put("number", self.row.number.as_str())
            .put("country", self.row.country.as_str());
    }
}

fn read(row: &PgRow) -> Result<DocumentRow, sqlx::Error> {
    Ok(DocumentRow {
        rank: get(row, "rank")?,
        kind: get(row, "kind")?,
        number: get(row, "number")?,
        country: get(row, "country")?,
    })
}

/// The documents of a customer; none when there is no such customer.
///
/// # Errors
/// When the database is away, or a row makes no sense.
pub async fn list(
    pools: &Pools,
    tenant: TenantId,
    customer: Uuid,
) -> Result<Option<AsOf<Listed<DocumentRow>>>, StoreError> {
    let sql = concat!(
        include_str!("listed.sql"),
        "left join customer_documents t on t.customer_id = c.id where c.id = $1 order by t.rank"
    );
    listed(pools, tenant, customer, ("customer_documents", sql), read).await
}
