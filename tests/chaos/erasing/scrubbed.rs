//! The files of the database as they lie on the disk, before and after a scrub, and the lists of erasures that the servers keep beside it.

use super::places::{self, Found};
use super::scene::Scene;
use crate::server::Server;
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long a server may take to have the receipts of the other one.
const RECEIPTS_PATIENCE: Duration = Duration::from_secs(10);

/// Lets the PostgreSQL of a server that runs hide nothing: what it writes ahead is not compressed any more.
pub(crate) async fn hide_nothing(server: &mut Server) {
    server.stop();
    let own = server.data().join("postgres/data/local.conf");
    let mut own = fs::File::options().append(true).open(own).expect("local.conf opens");
    own.write_all(b"wal_compression = off\n").expect("it is written");
    server.start().await;
}

/// How often something of the erased stands in the files of PostgreSQL.
#[derive(Debug)]
pub(crate) struct Raw {
    /// Tables, indexes and whatever else is no log.
    pub(crate) pages: usize,
    /// The write-ahead log.
    pub(crate) ahead: usize,
    /// Where, and how often.
    pub(crate) found: Found,
}

impl Scene {
    /// What stands in the files of PostgreSQL.
    pub(crate) fn raw(&self) -> Raw {
        let found = places::postgres_files(&self.first.data(), true);
        assert!(found.len() > 100 && found.keys().any(|file| file.contains("pg_wal")), "{:?}", found.keys());
        let all: usize = found.values().sum();
        let ahead = found.iter().filter(|(file, _)| file.contains("pg_wal")).map(|(_, count)| count).sum();
        Raw { pages: all - ahead, ahead, found }
    }

    /// Scrubs beside the servers that run; what it tells.
    pub(crate) fn scrub(&self) -> Value {
        let output = self.tool(&["erase", "--scrub", "--json"]);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}\n{}", String::from_utf8_lossy(&output.stdout));
        assert_eq!(places::hits(&errors), 0, "{errors}");
        let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!((&told["is_complete"], &told["remains"]), (&json!(true), &json!([])), "{told:#}");
        assert_eq!(places::hits(&told.to_string()), 0, "{told:#}");
        told
    }

    /// Those whose receipt does not say when they were scrubbed, at each node.
    pub(crate) async fn not_told_as_scrubbed(&self, scrubbed: &Value) -> Vec<String> {
        let mut wrong = Vec::new();
        for person in &self.persons {
            for node in &self.nodes {
                let (status, text) = node.text(&person.path("/erasure")).await;
                let told: Value = serde_json::from_str(&text).unwrap_or_default();
                let is_told = told["scrubbed_at"] == scrubbed["ended_at"];
                wrong.extend((!is_told).then(|| format!("person {}: {status} {text}", person.n)));
            }
        }
        wrong
    }

    /// What is wrong with the erasure lists: each server's has to name each person, and tell of nobody who it was.
    pub(crate) async fn wrong_in_the_lists(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (n, server) in [&self.first, &self.second].into_iter().enumerate() {
            let list = self.list_of_all(server.data().join("erasures")).await;
            let missing = self.persons.iter().filter(|person| !list.contains(&person.id.to_string()));
            wrong.extend(missing.map(|person| format!("the list of node {n} has no person {}", person.n)));
            let hits = places::hits(&list);
            wrong.extend((hits > 0).then(|| format!("the list of node {n} tells {hits} times who somebody was")));
        }
        wrong
    }

    /// The list, as soon as it names all.
    async fn list_of_all(&self, file: PathBuf) -> String {
        let began = Instant::now();
        loop {
            let list = fs::read_to_string(&file).unwrap_or_default();
            let is_whole = self.persons.iter().all(|person| list.contains(&person.id.to_string()));
            if is_whole || began.elapsed() > RECEIPTS_PATIENCE {
                return list;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}
