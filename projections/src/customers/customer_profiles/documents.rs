//! Table `customer_documents`: the identity documents of a customer.

use super::{Children, Listed, listed, owned};
use crate::query::{AsOf, get};
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

pub(super) async fn replace(conn: &mut PgConnection, documents: &Children<'_, DocumentRow>) -> Result<(), sqlx::Error> {
    if !documents.clear(conn, "delete from customer_documents where customer_id = any($1)").await? {
        return Ok(());
    }
    sqlx::query(
        "insert into customer_documents (tenant, customer_id, rank, kind, number, country) \
         select * from unnest($1::int[], $2::uuid[], $3::int[], $4::text[], $5::text[], $6::text[])",
    )
    .bind(documents.tenants())
    .bind(documents.of_customers())
    .bind(documents.column(|document| document.rank))
    .bind(documents.column(|document| document.kind.as_str()))
    .bind(documents.column(|document| document.number.as_str()))
    .bind(documents.column(|document| document.country.as_str()))
    .execute(conn)
    .await?;
    Ok(())
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
