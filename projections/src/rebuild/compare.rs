//! What differs between two generations of the same tables, in the words of the business: rows that came, went and changed,
//! which columns, by how much, and a few examples.

use crate::generations::Generation;
use crate::node::Projector;
use serde::Serialize;
use serde_json::{Map, Value};
use sqlx::{AssertSqlSafe, PgConnection, Row};

/// Examples shown of each table.
const EXAMPLES: usize = 5;

/// What differs between the live rows of a table and the replayed ones.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TableDifference {
    /// Name of the table.
    pub table: &'static str,
    /// Rows of the live table.
    pub rows: i64,
    /// Rows that only the replay has.
    pub added: i64,
    /// Rows that only the live table has.
    pub gone: i64,
    /// Rows that both have, with other values.
    pub changed: i64,
    /// The columns that differ in rows that both have.
    pub columns: Vec<ColumnDifference>,
    /// Some of the rows.
    pub examples: Vec<Example>,
}

impl TableDifference {
    /// Whether the replay came to other rows.
    #[must_use]
    pub const fn is_some(&self) -> bool {
        self.added + self.gone + self.changed > 0
    }
}

/// A column that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColumnDifference {
    /// Name of the column.
    pub column: String,
    /// In how many rows.
    pub rows: i64,
    /// For numbers: the sums over the rows that differ, live and replayed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sums: Option<(String, String)>,
}

/// A row that differs. Personal values are not shown.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Example {
    /// Its key.
    pub key: Value,
    /// What the live table has of what differs; none when it has no such row.
    pub live: Option<Value>,
    /// What the replay has of it.
    pub replayed: Option<Value>,
}

/// Columns of a table that both generations have.
struct Shape {
    key: Vec<String>,
    /// Name, and whether it is a number.
    rest: Vec<(String, bool)>,
}

/// Compares all tables of two generations as one snapshot sees them.
pub(super) async fn compare(
    conn: &mut PgConnection,
    projector: &Projector,
    (live, replayed): (&Generation, &Generation),
) -> Result<Vec<TableDifference>, sqlx::Error> {
    let mut differences = Vec::with_capacity(projector.tables.len());
    for table in projector.tables {
        if !exists(conn, table, live).await? {
            differences.push(all_added(conn, table, replayed).await?);
            continue;
        }
        let shape = shape(conn, table, live, replayed).await?;
        let joined = joined(table, &shape, live, replayed);
        let mut difference = counted(conn, table, &shape, &joined).await?;
        if difference.is_some() {
            difference.examples = examples(conn, &shape, &joined, projector.personal).await?;
        }
        differences.push(difference);
    }
    Ok(differences)
}

/// Whether a generation has a table: an older build may not have known it.
async fn exists(conn: &mut PgConnection, table: &str, generation: &Generation) -> Result<bool, sqlx::Error> {
    let name = format!("{}.{table}", generation.schema());
    sqlx::query_scalar("select to_regclass($1) is not null").bind(name).fetch_one(conn).await
}

async fn all_added(
    conn: &mut PgConnection,
    table: &'static str,
    replayed: &Generation,
) -> Result<TableDifference, sqlx::Error> {
    let count = format!("select count(*) from {}.{table}", replayed.schema());
    let added = sqlx::query_scalar(AssertSqlSafe(count)).fetch_one(conn).await?;
    Ok(TableDifference { table, rows: 0, added, gone: 0, changed: 0, columns: Vec::new(), examples: Vec::new() })
}

async fn shape(
    conn: &mut PgConnection,
    table: &str,
    live: &Generation,
    replayed: &Generation,
) -> Result<Shape, sqlx::Error> {
    let rows = sqlx::query(include_str!("shape.sql"))
        .bind(format!("{}.{table}", live.schema()))
        .bind(format!("{}.{table}", replayed.schema()))
        .fetch_all(conn)
        .await?;
    let mut shape = Shape { key: Vec::new(), rest: Vec::new() };
    for row in rows {
        let name: String = row.try_get("name")?;
        match row.try_get("in_key")? {
            true => shape.key.push(name),
            false => shape.rest.push((name, row.try_get("is_number")?)),
        }
    }
    Ok(shape)
}

/// Live rows `l` beside replayed rows `r`.
fn joined(table: &str, shape: &Shape, live: &Generation, replayed: &Generation) -> String {
    let on: Vec<String> = shape.key.iter().map(|column| format!("l.{column} = r.{column}")).collect();
    let (live, replayed) = (live.schema(), replayed.schema());
    format!("from {live}.{table} l full join {replayed}.{table} r on {}", on.join(" and "))
}

async fn counted(
    conn: &mut PgConnection,
    table: &'static str,
    shape: &Shape,
    joined: &str,
) -> Result<TableDifference, sqlx::Error> {
    let key = &shape.key[0];
    let both = format!("l.{key} is not null and r.{key} is not null");
    let changed = any_differs(shape);
    let mut select = format!(
        "select count(l.{key}) as rows, count(*) filter (where l.{key} is null) as added, \
         count(*) filter (where r.{key} is null) as gone, count(*) filter (where {both} and ({changed})) as changed"
    );
    for (n, (column, is_number)) in shape.rest.iter().enumerate() {
        let differs = format!("{both} and l.{column} is distinct from r.{column}");
        select += &format!(", count(*) filter (where {differs}) as n{n}");
        for (side, alias) in [("l", "live"), ("r", "replayed")].into_iter().filter(|_| *is_number) {
            select += &format!(", coalesce(sum({side}.{column}) filter (where {differs}), 0)::text as {alias}{n}");
        }
    }
    let row = sqlx::query(AssertSqlSafe(format!("{select} {joined}"))).fetch_one(conn).await?;
    let mut columns = Vec::new();
    for (n, (column, is_number)) in shape.rest.iter().enumerate() {
        let rows: i64 = row.try_get(format!("n{n}").as_str())?;
        if rows > 0 {
            let sum = |side: &str| row.try_get::<String, _>(format!("{side}{n}").as_str());
            let sums = if *is_number { Some((sum("live")?, sum("replayed")?)) } else { None };
            columns.push(ColumnDifference { column: column.clone(), rows, sums });
        }
    }
    Ok(TableDifference {
        table,
        rows: row.try_get("rows")?,
        added: row.try_get("added")?,
        gone: row.try_get("gone")?,
        changed: row.try_get("changed")?,
        columns,
        examples: Vec::new(),
    })
}

fn any_differs(shape: &Shape) -> String {
    let each: Vec<String> =
        shape.rest.iter().map(|(column, _)| format!("l.{column} is distinct from r.{column}")).collect();
    if each.is_empty() { "false".to_owned() } else { each.join(" or ") }
}

async fn examples(
    conn: &mut PgConnection,
    shape: &Shape,
    joined: &str,
    personal: &[&str],
) -> Result<Vec<Example>, sqlx::Error> {
    let key = &shape.key[0];
    let sql = format!(
        "select to_jsonb(l) as live, to_jsonb(r) as replayed {joined} \
         where l.{key} is null or r.{key} is null or {} order by coalesce(l.{key}, r.{key}) limit {EXAMPLES}",
        any_differs(shape)
    );
    let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(conn).await?;
    rows.iter()
        .map(|row| {
            let (live, replayed): (Option<Value>, Option<Value>) = (row.try_get("live")?, row.try_get("replayed")?);
            Ok(example(shape, personal, live.as_ref(), replayed.as_ref()))
        })
        .collect()
}

fn example(shape: &Shape, personal: &[&str], live: Option<&Value>, replayed: Option<&Value>) -> Example {
    let shown_of = |row: &Value, column: &str| match personal.contains(&column) && !row[column].is_null() {
        true => Value::from("(personal)"),
        false => row[column].clone(),
    };
    let any = live.or(replayed);
    let key = shape.key.iter().filter_map(|column| Some((column.clone(), shown_of(any?, column))));
    let side = |row: Option<&Value>| {
        row.map(|row| {
            let shown = shape.rest.iter().map(|(column, _)| column).filter(|column| {
                live.is_none()
                    || replayed.is_none()
                    || live.map(|row| &row[column.as_str()]) != replayed.map(|row| &row[column.as_str()])
            });
            Value::Object(shown.map(|column| (column.clone(), shown_of(row, column))).collect::<Map<_, _>>())
        })
    };
    Example { key: Value::Object(key.collect()), live: side(live), replayed: side(replayed) }
}
