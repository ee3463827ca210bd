//! An import that is killed in the middle, with the server, PostgreSQL, both, or the importer itself, and started again,
//! leaves exactly what an undisturbed one leaves.

use crate::checks;
use crate::log;
use crate::random::Random;
use crate::rows;
use crate::scale::Scale;
use crate::server::{Server, command};
use serde_json::Value;
use sqlx::{Connection, PgConnection, Row};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

/// A customer's events in order: type, business time, payload.
type Story = Vec<(String, String, Value)>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_killed_in_the_middle_ends_like_an_undisturbed_one() {
    let scale = Scale::of("import");
    let (rows, kills, mut random) = (scale.pick(5_000, 200_000), scale.pick(5, 60), scale.random());
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("purchases.csv");
    fs::write(&file, purchases(rows, &mut random)).expect("the file is written");
    let undisturbed = undisturbed(&file).await;
    let mut server = Server::new();
    server.start().await;
    let mut importer = importer(&server, &file, &[]);
    let mut cut_short = 0;
    for nth in 0..kills {
        tokio::time::sleep(Duration::from_millis(50 + random.below(250))).await;
        if importer.try_wait().expect("its state").is_none() {
            cut_short += 1;
        }
        disturb(&mut server, &mut importer, nth).await;
        if importer.try_wait().expect("its state").is_some() {
            importer = self::importer(&server, &file, &[]);
        }
    }
    // One that was just starting when its server went has ended; the next one goes on.
    let _ended = ended(importer).await;
    finish(self::importer(&server, &file, &[])).await;
    finish(self::importer(&server, &file, &["--from-start"])).await;
    println!("import: {rows} rows, {cut_short} of {kills} kills came in the middle");
    let superuser = server.superuser().await;
    let log = log::read(&superuser).await;
    let mut found = checks::gaps(&log);
    found.extend(rows::anomalies(&superuser, &log).await);
    found.extend(differences(&undisturbed, &stories(&server).await));
    checks::assert_none(&found);
    assert!(cut_short > 0, "the import was over before anything was killed");
}

async fn undisturbed(file: &Path) -> BTreeMap<String, Story> {
    let mut server = Server::new();
    server.start().await;
    finish(importer(&server, file, &[])).await;
    let stories = stories(&server).await;
    assert!(!stories.is_empty(), "nothing was imported");
    stories
}

/// One after the other, all that can die.
async fn disturb(server: &mut Server, importer: &mut Child, nth: u64) {
    match nth % 4 {
        0 => {
            server.kill();
            server.start().await;
        }
        1 => server.kill_postgres(),
        2 => {
            // It may be over already.
            let _killed = importer.kill();
            importer.wait().expect("it has ended");
        }
        _ => {
            server.kill_postgres();
            server.kill();
            server.start().await;
        }
    }
}

pub(crate) fn importer(server: &Server, file: &Path, more: &[&str]) -> Child {
    let mut command = command();
    command.args(["import", "purchases"]).arg(file).args([
        "--json",
        "--now",
        "1998-06-30",
        "--batch",
        "20",
        "--lanes",
        "4",
    ]);
    command.arg("--url").arg(format!("http://127.0.0.1:{}", server.port())).arg("--data-dir").arg(server.data());
    command.arg("--rejects").arg(file.with_extension("rejects")).args(more).stdout(Stdio::null());
    command.spawn().expect("the importer starts")
}

/// Waits until it is through; all rows were taken.
pub(crate) async fn finish(importer: Child) {
    let ended = ended(importer).await;
    assert!(ended.success(), "the import failed: {ended}");
}

async fn ended(mut importer: Child) -> ExitStatus {
    tokio::task::spawn_blocking(move || importer.wait()).await.expect("no panic").expect("it ends")
}

/// Invented purchases in the order of time; some rows are equal, and none has an order id.
pub(crate) fn purchases(rows: u64, random: &mut Random) -> String {
    let mut text = String::from("customer_id,date,value\n");
    let mut last = String::new();
    for row in 0..rows {
        if last.is_empty() || !random.chance(2) {
            let day = row * 540 / rows;
            let date = chrono::NaiveDate::from_ymd_opt(1997, 1, 1).expect("a date") + chrono::Days::new(day);
            let customer = random.below(rows / 12 + 1);
            last = format!("c-{customer},{date},{}.{:02}", random.below(90), random.below(100));
        }
        writeln!(text, "{last}").expect("memory");
    }
    text
}

/// By the references of the file, because ids are new in each installation.
async fn stories(server: &Server) -> BTreeMap<String, Story> {
    let superuser = server.superuser().await;
    let log = log::read(&superuser).await;
    // Waits until the references are there, too.
    checks::assert_none(&rows::anomalies(&superuser, &log).await);
    let mut connection = PgConnection::connect_with(&superuser).await.expect("the superuser logs in");
    // What reactors do comes behind what it follows from, now sooner and now later.
    let sql = "select r.reference, t.name as kind, e.occurred_at::text as at, e.payload \
               from read_models.customer_references r join events e on e.stream = r.customer_id \
               join event_names t on t.code = e.type \
               order by e.metadata like '%\"actor\":\"reactor:%', e.position";
    let rows = sqlx::query(sql).fetch_all(&mut connection).await.expect("the stories");
    connection.close().await.expect("a clean end");
    let mut stories: BTreeMap<String, Story> = BTreeMap::new();
    for row in rows {
        let payload = serde_json::from_str(row.get("payload")).expect("a payload is JSON");
        stories.entry(row.get("reference")).or_default().push((row.get("kind"), row.get("at"), payload));
    }
    stories
}

fn differences(expected: &BTreeMap<String, Story>, found: &BTreeMap<String, Story>) -> Vec<String> {
    let names = expected.keys().chain(found.keys().filter(|name| !expected.contains_key(*name)));
    let different = names.filter(|name| expected.get(*name) != found.get(*name));
    different.map(|name| format!("{name}: {:?} instead of {:?}", found.get(name), expected.get(name))).collect()
}

#[cfg(test)]
mod tests {
    use super::{Story, differences};
    use serde_json::json;
    use std::collections::BTreeMap;

    #[test]
    fn the_comparison_sees_a_row_that_was_imported_twice_and_one_that_was_lost() {
        let row =
            |order: u8| ("customer.purchase.recorded".to_owned(), "1997-01-01".to_owned(), json!({"order": order}));
        let stories = |story: Story| BTreeMap::from([("c-1".to_owned(), story)]);
        let right = stories(vec![row(1), row(2)]);
        assert!(differences(&right, &right).is_empty());
        assert_eq!(differences(&right, &stories(vec![row(1), row(2), row(2)])).len(), 1);
        assert_eq!(differences(&right, &stories(vec![row(1)])).len(), 1);
        assert_eq!(differences(&right, &BTreeMap::new()).len(), 1);
    }
}
