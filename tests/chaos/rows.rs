//! The rows of the read models against an independent fold of the log.

use crate::fold::{Account, Line, Person, fold};
use crate::log::LogEvent;
use serde_json::Value;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection, Row};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::{Duration, Instant};
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until all read models have seen the whole log, then compares them with its fold.
pub(crate) async fn anomalies(superuser: &PgConnectOptions, log: &[LogEvent]) -> Vec<String> {
    let mut connection = PgConnection::connect_with(superuser).await.expect("the database can be reached");
    catch_up(&mut connection, log.last().map_or(0, |event| event.position)).await;
    let fold = fold(log);
    let mut found = differences("account", &fold.accounts, &accounts(&mut connection).await);
    found.extend(differences("customer", &fold.persons, &persons(&mut connection).await));
    found.extend(differences("line", &fold.lines, &lines(&mut connection).await));
    connection.close().await.expect("a clean end");
    found
}

async fn catch_up(connection: &mut PgConnection, head: i64) {
    let sql = "select coalesce(min(position), 0) from projection_positions";
    let began = Instant::now();
    loop {
        let reached: i64 = sqlx::query_scalar(sql).fetch_one(&mut *connection).await.expect("the positions");
        if reached >= head {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "a read model stands at {reached}, the log at {head}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn accounts(connection: &mut PgConnection) -> BTreeMap<Uuid, Account> {
    let sql = "select account, available, lifetime_earned, redeemed, reversed, expired, tier, position, version \
               from read_models.loyalty_balances";
    let rows = sqlx::query(sql).fetch_all(connection).await.expect("the balances");
    let account = |row: &sqlx::postgres::PgRow| Account {
        available: row.get("available"),
        earned: row.get("lifetime_earned"),
        redeemed: row.get("redeemed"),
        reversed: row.get("reversed"),
        expired: row.get("expired"),
        tier: row.get("tier"),
        position: row.get("position"),
        version: row.get("version"),
    };
    rows.iter().map(|row| (row.get("account"), account(row))).collect()
}

async fn lines(connection: &mut PgConnection) -> BTreeMap<Uuid, Line> {
    let sql = "select line_id, coalesce(limit_minor, 0) as limit_minor, unapplied_minor, uses, position, version, \
               coalesce((select sum(outstanding_minor - unapplied_minor) from read_models.credit_movements m \
                         where m.line_id = l.line_id), 0)::int8 as balance \
               from read_models.credit_lines l";
    let rows = sqlx::query(sql).fetch_all(connection).await.expect("the lines");
    let open = |uses: &Value| -> BTreeMap<String, i64> {
        let uses = uses.as_array().into_iter().flatten();
        let left = |of: &Value| (of["order"].as_str().unwrap_or_default().to_owned(), of["outstanding_minor"].as_i64());
        uses.map(left).map(|(order, left)| (order, left.unwrap_or_default())).collect()
    };
    let line = |row: &sqlx::postgres::PgRow| Line {
        limit: row.get("limit_minor"),
        unapplied: row.get("unapplied_minor"),
        open: open(&row.get("uses")),
        balance: row.get("balance"),
        position: row.get("position"),
        version: row.get("version"),
    };
    rows.iter().map(|row| (row.get("line_id"), line(row))).collect()
}

async fn persons(connection: &mut PgConnection) -> BTreeMap<Uuid, Person> {
    let sql = "select id, purchase_count, first_purchase_on::text as first, last_purchase_on::text as last, position, \
               version from read_models.customers";
    let rows = sqlx::query(sql).fetch_all(connection).await.expect("the customers");
    let person = |row: &sqlx::postgres::PgRow| Person {
        purchases: row.get("purchase_count"),
        first_purchase_on: row.get("first"),
        last_purchase_on: row.get("last"),
        position: row.get("position"),
        version: row.get("version"),
    };
    rows.iter().map(|row| (row.get("id"), person(row))).collect()
}

fn differences<T: PartialEq + Debug>(what: &str, folded: &BTreeMap<Uuid, T>, rows: &BTreeMap<Uuid, T>) -> Vec<String> {
    let missing = folded.iter().filter(|(id, folded)| rows.get(*id) != Some(*folded));
    let missing = missing.map(|(id, folded)| format!("{what} {id} is {folded:?}, its row {:?}", rows.get(id)));
    let surplus = rows.keys().filter(|id| !folded.contains_key(*id)).map(|id| format!("{what} {id} never was"));
    missing.chain(surplus).collect()
}

#[cfg(test)]
mod tests {
    use super::differences;
    use std::collections::BTreeMap;
    use uuid::Uuid;

    #[test]
    fn the_comparison_sees_a_row_that_is_wrong_missing_or_made_up() {
        let table = |rows: &[(u128, i64)]| -> BTreeMap<Uuid, i64> {
            rows.iter().map(|(id, value)| (Uuid::from_u128(*id), *value)).collect()
        };
        let folded = table(&[(1, 10), (2, 20)]);
        assert!(differences("account", &folded, &folded).is_empty());
        assert_eq!(differences("account", &folded, &table(&[(1, 10), (2, 21)])).len(), 1);
        assert_eq!(differences("account", &folded, &table(&[(1, 10)])).len(), 1);
        assert_eq!(differences("account", &folded, &table(&[(1, 10), (2, 20), (3, 30)])).len(), 1);
    }
}
