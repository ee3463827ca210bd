//! Where something of a person may stand: every table, a dump, every feed and answer, the files of the servers.

use super::persons::{ERASED, Person};
use crate::client::Caller;
use serde_json::Value;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How often something of those who are erased stands where.
pub(crate) type Found = BTreeMap<String, usize>;

/// How often a text says something of somebody who is erased, as it is or as the bytes of a column are written.
pub(crate) fn hits(text: &str) -> usize {
    let text = text.to_lowercase();
    let plain = |sign: &str, digits: usize| {
        let sign = sign.to_lowercase();
        let rest = text.match_indices(&sign).map(|(at, _)| &text.as_bytes()[at + sign.len()..]);
        rest.filter(|rest| rest.iter().take(digits).filter(|byte| byte.is_ascii_digit()).count() == digits).count()
    };
    let word = ERASED.word;
    let capital = format!("{}{}", word[..1].to_uppercase(), &word[1..]);
    let written = [word.to_owned(), word.to_uppercase(), capital].map(|word| text.matches(&hex::encode(word)).count());
    let phones: usize = ERASED.phones.iter().map(|phone| plain(&phone[1..], 4)).sum();
    plain(word, 4) + phones + plain(ERASED.document, 3) + written.iter().sum::<usize>()
}

/// Every row of every table, the system's too.
pub(crate) async fn tables(superuser: &PgConnectOptions) -> Found {
    let mut session = PgConnection::connect_with(superuser).await.expect("the superuser logs in");
    let tables = "select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace \
                  where c.relkind in ('r', 'm', 'p') and n.nspname <> 'pg_toast' order by 1";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&mut session).await.expect("the tables");
    assert!(tables.iter().any(|table| table.ends_with(".customer_words")), "{tables:?}");
    let mut found = Found::new();
    for table in tables {
        let sql = AssertSqlSafe(format!("select t::text from {table} t"));
        let rows: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut session).await.expect("its rows");
        found.insert(table, rows.iter().map(|row| hits(row)).sum());
    }
    session.close().await.expect("a clean end");
    found
}

/// What `pg_dump` writes.
pub(crate) async fn dump(superuser: &PgConnectOptions) -> usize {
    let mut session = PgConnection::connect_with(superuser).await.expect("the superuser logs in");
    let folder = "select setting from pg_config where name = 'BINDIR'";
    let folder: String = sqlx::query_scalar(folder).fetch_one(&mut session).await.expect("its programs");
    session.close().await.expect("a clean end");
    let socket = superuser.get_socket().expect("it listens on a socket").display().to_string();
    let mut dump = Command::new(Path::new(&folder).join("pg_dump"));
    dump.args(["--host", &socket, "--port", "5432", "--username", superuser.get_username()]);
    let dumped = dump.arg(superuser.get_database().expect("a database")).output().expect("it runs");
    assert!(dumped.status.success(), "{}", String::from_utf8_lossy(&dumped.stderr));
    hits(&String::from_utf8_lossy(&dumped.stdout))
}

/// What a reader of a feed is sent from the first event on.
pub(crate) async fn feed(node: &Caller, query: &str) -> String {
    let mut answer = node.open(&format!("/v1/feed?from=0{query}")).await;
    assert_eq!(answer.status(), 200, "{query}");
    let mut bytes = Vec::new();
    while !bytes.windows(16).any(|part| part == b"event: caught-up") {
        let part = answer.chunk().await.expect("it goes on").expect("it goes on");
        bytes.extend_from_slice(&part);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The paths of a person that can be read, as the server describes itself; an export is recorded, and so is left out.
pub(crate) async fn paths(node: &Caller) -> Vec<String> {
    let document: Value = serde_json::from_str(&node.text("/openapi.json").await.1).expect("JSON");
    let paths = document["paths"].as_object().expect("paths").iter();
    let of_person = paths.filter(|(path, told)| {
        path.starts_with("/v1/customers/{id}") && path.matches('{').count() == 1 && told.get("get").is_some()
    });
    let below: Vec<String> = of_person.map(|(path, _)| path["/v1/customers/{id}".len()..].to_owned()).collect();
    assert!(below.len() > 9, "{below:?}");
    below.into_iter().filter(|path| path != "/export").collect()
}

/// The answers about one person that say something of somebody who is erased.
pub(crate) async fn answers(node: &Caller, below: &[String], person: &Person) -> Found {
    let mut found = Found::new();
    let versions = (1..=3).map(|version| format!("?at_version={version}"));
    let own = below.iter().cloned().chain(versions).map(|below| person.path(&below));
    let of_all = [format!("/v1/audit/events?customer={}", person.id), person.path("/export?format=json")];
    for path in own.chain(of_all) {
        let (status, text) = node.text(&path).await;
        assert!(status.as_u16() < 500, "{path}: {text}");
        *found.entry(path.replace(&person.id.to_string(), "ID")).or_default() += hits(&text);
    }
    for search in person.searches() {
        let (status, text) = node.text(&format!("/v1/customers?{search}")).await;
        assert!(status.as_u16() < 500, "{search}: {text}");
        let answer: Value = serde_json::from_str(&text).unwrap_or_default();
        let items = answer["items"].as_array().map_or(0, Vec::len);
        *found.entry(format!("search {}", search.split('=').next().unwrap_or_default())).or_default() += items;
    }
    found
}

/// What the server itself has written outside of PostgreSQL's own data.
pub(crate) fn files(folder: &Path) -> Found {
    let mut found = Found::new();
    for file in walk(folder).into_iter().filter(|file| !file.components().any(|part| part.as_os_str() == "postgres")) {
        let bytes = std::fs::read(&file).unwrap_or_default();
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        *found.entry(name).or_default() += hits(&ascii(bytes));
    }
    found
}

/// The same of PostgreSQL: its data, which are only clean when they were scrubbed, or what it writes beside them.
pub(crate) fn postgres_files(data: &Path, is_data: bool) -> Found {
    let mut found = Found::new();
    for file in walk(&data.join("postgres")) {
        if file.starts_with(data.join("postgres/data")) == is_data {
            let bytes = std::fs::read(&file).unwrap_or_default();
            let name = file.strip_prefix(data).unwrap_or(&file).display().to_string();
            *found.entry(name).or_default() += hits(&ascii(bytes));
        }
    }
    found
}

/// Bytes as a text, with blanks for all that is not ASCII, as all signs are: thus a large file is searched quickly.
fn ascii(mut bytes: Vec<u8>) -> String {
    for byte in bytes.iter_mut().filter(|byte| !byte.is_ascii()) {
        *byte = b' ';
    }
    String::from_utf8(bytes).expect("ASCII")
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let below = entries.flat_map(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => walk(&entry.path()),
        Ok(kind) if kind.is_file() => vec![entry.path()],
        Ok(_) | Err(_) => Vec::new(),
    });
    below.collect()
}

/// Where there is something.
pub(crate) fn anything(found: &Found) -> Vec<String> {
    found.iter().filter(|(_, count)| **count > 0).map(|(place, count)| format!("{place}: {count}")).collect()
}

#[cfg(test)]
mod tests {
    use super::{anything, ascii, hits};
    use crate::erasing::persons::{ERASED, STAYING, Signs};

    fn all(signs: Signs) -> [String; 5] {
        [signs.of(7, " Nomen"), signs.email(7, "a"), signs.phone(7, 0), signs.nie(7), signs.passport(7)]
    }

    #[test]
    fn the_search_finds_each_sign_of_the_erased_and_none_of_the_others() {
        assert_eq!(all(ERASED).map(|text| hits(&text)), [1; 5], "{:?}", all(ERASED));
        assert_eq!(hits(&hex::encode(ERASED.of(7, ""))), 1, "as the bytes of a column");
        let page = [&[0, 255, 195][..], ERASED.of(7, "").as_bytes(), &[255, 0], ERASED.phone(7, 1).as_bytes()].concat();
        assert_eq!(hits(&ascii(page)), 2, "as it lies in a file");
        assert_eq!(all(STAYING).map(|text| hits(&text)), [0; 5]);
        assert_eq!(anything(&[("a".to_owned(), 0), ("b".to_owned(), 2)].into()), ["b: 2"]);
    }
}
