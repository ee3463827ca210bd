//! How rows get into tables. A row says its columns once; it is written *live*, by one statement of arrays that replaces rows of the same
//! key, or in *bulk*, by binary COPY into tables that have not got it.

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgArguments, PgHasArrayType, PgTypeInfo};
use sqlx::types::Uuid;
use sqlx::{Arguments, AssertSqlSafe, Encode, PgConnection, Postgres, Type};
use store::TenantId;

/// What a binary COPY begins with, without flags and extension, and what it ends with (PostgreSQL's manual, COPY, "Binary Format").
const COPY_BEGIN: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const COPY_END: &[u8] = &(-1_i16).to_be_bytes();
/// Bytes in one message of a COPY.
const COPY_MESSAGE: usize = 1 << 18;
/// An array of one dimension begins with its number of dimensions, whether it has nulls, the type of its elements, how many they are and
/// the number of the first one: four bytes each (PostgreSQL's source, `array_recv`).
const ARRAY_HEAD: usize = 20;

/// A row of one table.
pub trait TableRow {
    /// The table.
    const TABLE: &'static str;

    /// Puts all columns, in the same order for each row.
    fn put(&self, to: &mut Columns);
}

impl<R: TableRow> TableRow for &R {
    const TABLE: &'static str = R::TABLE;

    fn put(&self, to: &mut Columns) {
        (*self).put(to);
    }
}

/// Writes rows of a read model.
#[derive(Debug)]
pub struct Writer<'c> {
    conn: &'c mut PgConnection,
    way: Way,
}

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Live,
    /// `freeze`: the tables were emptied in this very transaction, and nobody sees them before its end.
    Bulk {
        freeze: bool,
    },
}

impl<'c> Writer<'c> {
    /// Writes into tables that may have the rows already.
    pub fn live(conn: &'c mut PgConnection) -> Self {
        Self { conn, way: Way::Live }
    }

    /// Writes into tables that have none of the rows, and no walls between tenants yet: PostgreSQL refuses to COPY behind them.
    pub(crate) fn bulk(conn: &'c mut PgConnection, freeze: bool) -> Self {
        Self { conn, way: Way::Bulk { freeze } }
    }

    /// Writes rows; those of the same primary key are replaced.
    ///
    /// # Errors
    /// When the database refuses or is away.
    pub fn put<R: TableRow>(
        &mut self,
        rows: impl IntoIterator<Item = R>,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send {
        // Not within the future, which would have to be fit for other threads with whatever the rows are made by.
        let columns = Columns::of(rows);
        async move {
            match self.way {
                Way::Live => columns?.insert(self.conn, true).await,
                Way::Bulk { freeze } => columns?.copy(self.conn, freeze).await,
            }
        }
    }

    /// Writes all rows that these customers have in a table, instead of those that they had.
    ///
    /// # Errors
    /// When the database refuses or is away.
    pub fn replace<R: TableRow>(
        &mut self,
        owners: impl IntoIterator<Item = (TenantId, Uuid)>,
        rows: impl IntoIterator<Item = R>,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send {
        let columns = Columns::of(rows);
        let (tenants, customers) = owners.into_iter().map(|(tenant, customer)| (tenant.0, customer)).unzip();
        async move {
            match self.way {
                Way::Live => {
                    delete_of(self.conn, R::TABLE, tenants, customers).await?;
                    columns?.insert(self.conn, false).await
                }
                Way::Bulk { freeze } => columns?.copy(self.conn, freeze).await,
            }
        }
    }
}

async fn delete_of(
    conn: &mut PgConnection,
    table: &str,
    tenants: Vec<i32>,
    customers: Vec<Uuid>,
) -> Result<(), sqlx::Error> {
    if customers.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "delete from {table} t using unnest($1::int[], $2::uuid[]) as changed (tenant, customer_id) \
         where t.tenant = changed.tenant and t.customer_id = changed.customer_id"
    );
    sqlx::query(AssertSqlSafe(sql)).bind(tenants).bind(customers).execute(conn).await?;
    Ok(())
}

/// Rows in the making: values as PostgreSQL takes them, row after row, each behind its length.
#[derive(Debug, Default)]
pub struct Columns {
    table: &'static str,
    columns: Vec<Column>,
    rows: usize,
    values: PgArgumentBuffer,
    failed: Option<BoxDynError>,
}

#[derive(Debug)]
struct Column {
    name: &'static str,
    element: PgTypeInfo,
    array: PgTypeInfo,
    /// Arrays of arrays would have to be of one length: lists travel as the text of an array.
    is_list: bool,
}

impl Columns {
    fn of<R: TableRow>(rows: impl IntoIterator<Item = R>) -> Result<Self, sqlx::Error> {
        let mut columns = Self { table: R::TABLE, ..Self::default() };
        for row in rows {
            let at = columns.values.len();
            columns.values.extend_from_slice(&[0; 2]);
            row.put(&mut columns);
            columns.rows += 1;
            let count = i16::try_from(columns.columns.len()).unwrap_or(i16::MAX);
            columns.values[at..at + 2].copy_from_slice(&count.to_be_bytes());
        }
        columns.failed.take().map_or(Ok(columns), |failed| Err(sqlx::Error::Encode(failed)))
    }

    /// Puts the next column of the row.
    pub fn put<'v, T>(&mut self, name: &'static str, value: T) -> &mut Self
    where
        T: Encode<'v, Postgres> + Type<Postgres> + PgHasArrayType,
    {
        self.next(name, || (T::type_info(), T::array_type_info()), value, false)
    }

    /// Puts a column that is a list of texts.
    pub fn put_list(&mut self, name: &'static str, value: &[String]) -> &mut Self {
        let types = || (<str as Type<Postgres>>::type_info(), <&str as PgHasArrayType>::array_type_info());
        self.next(name, types, value, true)
    }

    fn next<'v>(
        &mut self,
        name: &'static str,
        types: impl Fn() -> (PgTypeInfo, PgTypeInfo),
        value: impl Encode<'v, Postgres>,
        is_list: bool,
    ) -> &mut Self {
        if self.rows == 0 {
            let (element, array) = types();
            self.columns.push(Column { name, element, array, is_list });
        }
        let at = self.values.len();
        self.values.extend_from_slice(&[0; 4]);
        let length = match value.encode(&mut self.values) {
            Ok(IsNull::No) => i32::try_from(self.values.len() - at - 4).map_err(BoxDynError::from),
            Ok(IsNull::Yes) => Ok(-1),
            Err(error) => Err(error),
        };
        match length {
            Ok(length) => self.values[at..at + 4].copy_from_slice(&length.to_be_bytes()),
            Err(error) => self.failed = Some(error),
        }
        self
    }

    fn names(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|column| column.name).collect();
        names.join(", ")
    }

    async fn copy(self, conn: &mut PgConnection, freeze: bool) -> Result<(), sqlx::Error> {
        if self.rows == 0 {
            return Ok(());
        }
        let freeze = if freeze { ", freeze" } else { "" };
        let sql = format!("copy {} ({}) from stdin (format binary{freeze})", self.table, self.names());
        let mut copy = conn.copy_in_raw(&sql).await?;
        copy.send(COPY_BEGIN).await?;
        for message in self.values.chunks(COPY_MESSAGE) {
            copy.send(message).await?;
        }
        copy.send(COPY_END).await?;
        copy.finish().await?;
        Ok(())
    }

    async fn insert(self, conn: &mut PgConnection, replaces: bool) -> Result<(), sqlx::Error> {
        if self.rows == 0 {
            return Ok(());
        }
        let sql = self.insertion(replaces);
        sqlx::query_with(AssertSqlSafe(sql), self.arrays()?).execute(conn).await?;
        Ok(())
    }

    /// The same text for every write of a table, so that it is planned once.
    fn insertion(&self, replaces: bool) -> String {
        let (table, names) = (self.table, self.names());
        let listed = |list: &mut dyn Iterator<Item = String>| list.collect::<Vec<_>>().join(", ");
        let arrays = listed(&mut (1..=self.columns.len()).map(|number| format!("${number}")));
        let shown = |column: &Column| format!("{}{}", column.name, if column.is_list { "::text[]" } else { "" });
        let made = listed(&mut self.columns.iter().map(shown));
        let insert = format!("insert into {table} ({names}) select {made} from unnest({arrays}) as made ({names})");
        if !replaces {
            return insert;
        }
        let set = listed(&mut self.columns.iter().map(|column| format!("{0} = excluded.{0}", column.name)));
        format!("{insert} on conflict on constraint {table}_pkey do update set {set}")
    }

    /// Each column as one array.
    fn arrays(self) -> Result<PgArguments, sqlx::Error> {
        let mut arrays: Vec<Array> = self.columns.iter().map(|column| Array::begin(column, self.rows)).collect();
        let mut rest: &[u8] = &self.values;
        for _ in 0..self.rows {
            rest = &rest[2..];
            for (array, column) in arrays.iter_mut().zip(&self.columns) {
                let value = value(&mut rest);
                match value {
                    Some(list) if column.is_list => array.push(Some(&text_of(list))),
                    value => array.push(value),
                }
            }
        }
        let mut arguments = PgArguments::default();
        for array in arrays {
            arguments.add(array).map_err(sqlx::Error::Encode)?;
        }
        Ok(arguments)
    }
}

/// Takes one value from behind its length; −1 stands for null.
fn value<'v>(rest: &mut &'v [u8]) -> Option<&'v [u8]> {
    let (length, behind) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(i32::from_be_bytes(*length)).ok();
    let (value, behind) = behind.split_at(length.unwrap_or_default());
    *rest = behind;
    length.map(|_| value)
}

/// A list of texts as PostgreSQL writes it: `{"one","and \"two\""}`.
fn text_of(list: &[u8]) -> Vec<u8> {
    let mut rest = list.get(ARRAY_HEAD..).unwrap_or_default();
    let mut text = vec![b'{'];
    while let Some(element) = value(&mut rest) {
        if text.len() > 1 {
            text.push(b',');
        }
        text.push(b'"');
        for byte in element {
            if matches!(byte, b'"' | b'\\') {
                text.push(b'\\');
            }
            text.push(*byte);
        }
        text.push(b'"');
    }
    text.push(b'}');
    text
}

/// An array of one dimension, as PostgreSQL takes it.
struct Array {
    info: PgTypeInfo,
    bytes: Vec<u8>,
}

impl Array {
    fn begin(column: &Column, rows: usize) -> Self {
        let element = column.element.oid().unwrap_or_default();
        let length = u32::try_from(rows).unwrap_or(u32::MAX);
        // It is said to have nulls: it may.
        let head = [1, 1, element.0, length, 1].map(u32::to_be_bytes).concat();
        Self { info: column.array.clone(), bytes: head }
    }

    fn push(&mut self, value: Option<&[u8]>) {
        let length = value.map_or(-1, |value| i32::try_from(value.len()).unwrap_or(i32::MAX));
        self.bytes.extend_from_slice(&length.to_be_bytes());
        self.bytes.extend_from_slice(value.unwrap_or_default());
    }
}

impl Type<Postgres> for Array {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("anyarray")
    }
}

impl Encode<'_, Postgres> for Array {
    fn encode_by_ref(&self, buf: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buf.extend_from_slice(&self.bytes);
        Ok(IsNull::No)
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        Some(self.info.clone())
    }
}
