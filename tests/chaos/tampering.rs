//! T7: a superuser changes the log behind everybody's back, in every way that he can without the log's key. `clientela verify` finds each
//! change and names the place; a log that was rewritten as a whole is caught by any head that was kept elsewhere.
//!
//! One forger is given the log's key on purpose: him `verify` alone cannot find, and the checker must say so. The kept head finds him.

mod forger;
mod tricks;

use crate::checks;
use crate::client::Caller;
use crate::import::{finish, importer, purchases};
use crate::intents::History;
use crate::log;
use crate::random::Random;
use crate::scale::Scale;
use crate::server::{Server, command};
use crate::workload::{Members, Till};
use clientela_verify::{Head, Key, consistency};
use forger::Forger;
use serde_json::Value;
use sqlx::postgres::PgConnectOptions;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use store::postgres::embedded::{EmbeddedConfig, EmbeddedPostgres, SUPERUSER, start};
use store::signed_note::LogKey;
use tricks::{Deed, TRICKS};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_superuser_changes_is_found_and_its_place_is_named() {
    let scale = Scale::of("tampering");
    let trials = scale.pick(3 * TRICKS.len(), 1_000);
    let scene = Scene::set(scale).await;
    let mut forger = Forger::breaks_in(&scene.superuser, scale.random()).await;
    println!("tampering: {trials} trials on {} events, heads of {:?}", forger.head, forger.heads);
    let (mut missed, mut tried, mut verifying, began) = (Vec::new(), BTreeMap::new(), Duration::ZERO, Instant::now());
    for trick in TRICKS.into_iter().cycle().take(trials) {
        let deed = forger.tries(trick).await;
        let asked = Instant::now();
        missed.extend(missed_by(&scene.verify(&[]), &deed));
        verifying += asked.elapsed();
        forger.undo().await;
        *tried.entry(trick).or_insert(0) += 1;
    }
    println!("tampering: {tried:?} in {:?}, of which `verify` took {verifying:?}", began.elapsed());
    checks::assert_none(&missed);
    let verdict = scene.verify(&[]);
    assert_eq!(verdict.exit, Some(0), "what was put back is the log again: {verdict:?}");
    scene.postgres.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_was_rewritten_as_a_whole_is_caught_by_a_head_that_was_kept() {
    let scale = Scale::of("rewriting");
    let trials = scale.pick(2, 20);
    let scene = Scene::set(scale).await;
    let kept = scene.kept_head();
    let mut forger = Forger::breaks_in(&scene.superuser, scale.random()).await;
    let mut missed = Vec::new();
    for _ in 0..trials {
        let deed = forger.shortens(kept.size).await;
        missed.extend(missed_by(&scene.verify(&["--head", &scene.head_file()]), &deed));
        forger.undo().await;

        let deed = forger.rewrites_with_the_key(kept.size, &scene.log_key()).await;
        // He who has the key leaves nothing that is not as it should be: this is the checker's proof that it can miss somebody.
        assert!(missed_by(&scene.verify(&[]), &deed).is_some(), "{deed:?}");
        missed.extend(missed_by(&scene.verify(&["--head", &scene.head_file()]), &deed));
        forger.undo().await;
    }
    let deed = forger.rewrites_with_the_key(kept.size, &scene.log_key()).await;
    drop(forger);
    let Scene { mut server, postgres, keys, .. } = scene;
    postgres.stop().await;
    server.start().await;
    let (status, answer) = server.caller().text(&format!("/v1/audit/consistency?from={}", kept.size)).await;
    let checked = consistency(answer.as_bytes(), &keys);
    println!("rewriting: {deed:?}: {status}, {checked:?}");
    assert!(
        matches!(&checked, Ok((from, _)) if from.same_as(&kept).is_err()),
        "{deed:?}: {status} {answer} {checked:?}"
    );
    checks::assert_none(&missed);
}

/// A filled log whose server was stopped; its PostgreSQL runs.
struct Scene {
    server: Server,
    postgres: EmbeddedPostgres,
    superuser: PgConnectOptions,
    /// A head that was published, and by now is not the newest.
    kept: PathBuf,
    keys: Vec<Key>,
}

impl Scene {
    async fn set(scale: Scale) -> Self {
        // Nothing of its own in the log, and a head each second: some stand over the middle.
        let environment = [("CLIENTELA_BACKGROUND", "false"), ("CLIENTELA_HEAD_EVERY_SECONDS", "1")];
        let mut server = Server::with(environment.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec());
        server.start().await;
        let mut random = scale.random();
        buy(&server, 500, &mut random).await;
        register(&server, scale.random()).await;
        let caller = server.caller();
        let superuser = server.superuser().await;
        let kept = server.data().with_file_name("kept.head");
        fs::write(&kept, sign(&caller, &superuser).await).expect("it is kept elsewhere");
        buy(&server, 700, &mut random).await;
        sign(&caller, &superuser).await;
        let keys = Key::all(&caller.text("/v1/audit/key").await.1).expect("the log's key");
        server.stop();
        let postgres = start(EmbeddedConfig::new(server.data())).await.expect("its PostgreSQL starts");
        let name = superuser.get_database().expect("it has a name");
        let superuser = postgres.connect_options(SUPERUSER, name);
        Self { server, postgres, superuser, kept, keys }
    }

    /// Runs `clientela verify`.
    fn verify(&self, more: &[&str]) -> Verdict {
        let mut verify = command();
        verify.arg("verify").arg("--json").args(more).arg("--data-dir").arg(self.server.data());
        let output = verify.output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let findings = told["findings"].as_array().into_iter().flatten();
        // What stands before the first position is told, too; what it left behind is what is asked for.
        let position = findings.filter_map(|finding| finding["position"].as_i64()).find(|position| *position > 0);
        Verdict { exit: output.status.code(), position, said }
    }

    fn kept_head(&self) -> Head {
        Head::open(&fs::read_to_string(&self.kept).expect("the kept head"), &self.keys).expect("a signed head")
    }

    fn head_file(&self) -> String {
        self.kept.to_str().expect("UTF-8").to_owned()
    }

    fn log_key(&self) -> LogKey {
        let file = self.server.data().join("secrets/log.key");
        LogKey::parse(&fs::read_to_string(file).expect("the key")).expect("a log key")
    }
}

/// What `clientela verify` says.
#[derive(Debug)]
struct Verdict {
    exit: Option<i32>,
    position: Option<i64>,
    said: String,
}

/// What there is to say against a verdict.
fn missed_by(verdict: &Verdict, deed: &Deed) -> Option<String> {
    let is_found = verdict.exit == Some(1) && verdict.position.is_some_and(|position| deed.at.contains(&position));
    (!is_found).then(|| {
        let Verdict { exit, position, said } = verdict;
        format!("{}, at {:?}: exit code {exit:?}, position {position:?}: {said}", deed.what, deed.at)
    })
}

/// Purchases of customers who are known by a reference only.
async fn buy(server: &Server, rows: u64, random: &mut Random) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("purchases.csv");
    fs::write(&file, purchases(rows, random)).expect("the file is written");
    finish(importer(server, &file, &[])).await;
}

/// Members with an e-mail, which is sealed.
async fn register(server: &Server, random: Random) {
    let (caller, history, members) = (server.caller(), History::begin(), Members::default());
    let mut till = Till::new(&caller, &history, &members, ("till".to_owned(), random)).opening();
    for _ in 0..30 {
        till.serve_one().await;
    }
}

/// Has the log signed as it is; answers the text of a head over all of it.
async fn sign(caller: &Caller, superuser: &PgConnectOptions) -> String {
    let head = log::read(superuser).await.len();
    let (status, answer) = caller.text(&format!("/v1/audit/proof?position={head}")).await;
    let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
    let proof = answer["proof"].as_str().unwrap_or_else(|| panic!("{status} {answer}"));
    proof.split_once("\n\n").expect("a proof ends with a head").1.to_owned()
}
