//! The supplied data of a real shop, imported into a real server and compared with an independent computation.
//!
//! Needs the folder of that data, which is not part of this repository: `CLIENTELA_SHARED=path`. Without it the test says
//! so and passes. The computation is [`support::expected`]: written from the rules, in integers, without the domain's code.

#[expect(dead_code, reason = "scenarios use the rest")]
#[path = "scenarios/support/mod.rs"]
mod support;

use chrono::{Datelike, NaiveDate};
use domain::Moment;
use domain::country::Country;
use domain::document::{Document, DocumentKind};
use domain::validators::Control;
use flate2::read::GzDecoder;
use futures::StreamExt;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use projections::customers::customers;
use projections::loyalty::loyalty_balances::{self, LoyaltyBalance};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use store::TenantId;
use store::postgres::embedded::{EmbeddedConfig, SUPERUSER, attach};
use store::postgres::{Database, Pools};
use support::expected::{self, Day, Expected, Purchase, TIERS, months_later};
use support::{World, http};
use uuid::Uuid;

/// The day of the import: all has been bought, nothing has expired.
const TODAY: Day = (1998, 6, 30);
/// A later day, on which some lots are gone.
const LATER: Day = (1999, 9, 15);
const TENANT: TenantId = TenantId(1);
const PURCHASES: usize = 47_797;
const CUSTOMERS: usize = 15_713;
/// Rows of the kinds DNI, NIE, CIF and NIF.
const DOCUMENTS: usize = 1_213;
const LOOKS_AT_ONCE: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_customer_of_the_shop_has_the_points_the_tier_and_the_lots_of_the_rules() {
    let Some(file) = shared("purchases/cdnow_transactions.csv.gz") else { return };
    let purchases = read(&file);
    let expected = expected::from_purchases(&purchases);
    assert_eq!((purchases.len(), expected.len()), (PURCHASES, CUSTOMERS));

    let world = World::embedded();
    let file = file.to_str().expect("a path of text");
    let words = ["import", "purchases", file, "--now", "1998-06-30", "--json"];
    let first = world.run_json(&words);
    println!("{} purchases/s", first["purchases_per_second"]);
    assert_eq!((&first["recorded"], &first["rejected"]), (&PURCHASES.into(), &0.into()));
    assert_eq!(first["customers"], CUSTOMERS);
    compare(&world, &expected).await;

    let head = world.head().await;
    let again = world.run_json(&words);
    assert_eq!((&again["recorded"], &again["already_there"]), (&0.into(), &PURCHASES.into()));
    assert_eq!(world.head().await, head, "a repeated import changes nothing");
}

/// The verdicts are those of another program on its own examples and on altered ones.
#[test]
fn a_document_of_spain_is_taken_when_its_control_character_is_right_and_kept_without_separators() {
    let Some(file) = shared("validators/identifiers.csv") else { return };
    let (mut wrong, mut count) = (Vec::new(), 0);
    for row in csv::Reader::from_path(file).expect("the supplied file").records() {
        let row = row.expect("a row");
        let Some(kind) = DocumentKind::ALL.into_iter().find(|kind| kind.as_str() == &row[1]) else { continue };
        count += 1;
        let document = Document::parse(kind, &row[0], Country::ES).ok();
        let document = document.filter(|document| document.control() == Control::Right);
        if document.as_ref().map(Document::number) != (&row[2] == "true").then_some(&row[3]) {
            wrong.push(format!("{row:?}"));
        }
    }
    assert_eq!((count, wrong), (DOCUMENTS, vec![]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_during_which_everything_is_killed_ends_the_same() {
    let Some(file) = shared("purchases/cdnow_transactions.csv.gz") else { return };
    let expected = expected::from_purchases(&read(&file));
    let mut world = World::embedded();
    let import = |world: &World| {
        let mut command = world.command();
        command.args(["import", "purchases"]).arg(&file).args(["--now", "1998-06-30", "--batch", "100", "--json"]);
        command
    };
    let mut importer = import(&world).spawn().expect("the importer starts");
    let mut cut_short = 0;
    for part in ["server", "PostgreSQL", "both", "importer"] {
        grows(&world, 5_000).await;
        cut_short += usize::from(importer.try_wait().expect("its state").is_none());
        match part {
            "PostgreSQL" => kill_postgres(&world),
            "importer" => importer.kill().expect("it is killed"),
            part => {
                if part == "both" {
                    kill_postgres(&world);
                }
                world.end(Signal::SIGKILL);
                world.serve(&[]);
            }
        }
    }
    importer.wait().expect("it has ended");
    assert_eq!(cut_short, 4, "all was killed in the middle of the import");
    let output = import(&world).output().expect("the importer runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    compare(&world, &expected).await;
}

/// The customers of the shop under other rules: rehearsed over what was imported by the standard ones, and really imported by them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rehearsed_rules_give_every_customer_of_the_shop_what_an_import_under_them_gives() {
    let Some(file) = shared("purchases/cdnow_transactions.csv.gz") else { return };
    let names = expected::from_purchases(&read(&file)).into_keys();
    let file = file.to_str().expect("a path of text");
    let words = ["import", "purchases", file, "--now", "1998-06-30", "--json"];
    let (standard, other) = (World::embedded(), World::embedded());
    let mut rules = other.get("/v1/loyalty/programme").await.body["rules"].clone();
    let bands = rules["earn"].as_array_mut().expect("bands");
    bands.push(json!({"above": 50, "points_per_unit": 2}));
    let published = json!({"rules": rules, "from": "1996-01-01"});
    let published = other.post("/v1/loyalty/programme/versions", published).await;
    assert_eq!(published.status, 201, "{}", published.body);
    for world in [&standard, &other] {
        assert_eq!(world.run_json(&words)["recorded"], PURCHASES);
    }
    let (changed, sums) = rehearsed(&standard, &rules).await;
    let (unchanged, known) = rehearsed(&other, &rules).await;
    assert_eq!(unchanged, BTreeMap::new(), "the rules that have held change nothing");
    assert_eq!((&sums["members"], &sums["purchases"]), (&CUSTOMERS.into(), &PURCHASES.into()));
    for (rehearsed, is) in [("members", "members"), ("purchases", "purchases"), ("rehearsed_points", "points")] {
        assert_eq!(sums[rehearsed], known[is], "{rehearsed}");
    }
    assert_eq!(sums["liabilities"][0]["rehearsed"], known["liabilities"][0]["now"]);
    let different: Vec<_> = standings(&standard, &other, names)
        .await
        .into_iter()
        .filter_map(|standing| {
            let Standings { name, id, standard, other } = standing;
            let told = changed.get(&id).cloned().unwrap_or_else(|| (standard.clone(), standard.clone()));
            (told != (standard.clone(), other.clone()))
                .then(|| format!("{name}: {told:?} instead of {standard:?}, {other:?}"))
        })
        .collect();
    let some: Vec<_> = different.iter().take(10).collect();
    assert!(different.is_empty(), "{} differences, among them {some:#?}", different.len());
    assert!(changed.len() > 1_000, "{} customers changed", changed.len());
}

/// A tier and points.
type Has = (String, i64);

/// Who would have changed, from what to what, and the sums.
async fn rehearsed(world: &World, rules: &Value) -> (BTreeMap<String, (Has, Has)>, Value) {
    let url = format!("http://{}/v1/loyalty/programme/rehearsals", world.host());
    let request = http().build().expect("a client").post(url).bearer_auth(world.key());
    let begun = Instant::now();
    let answer = request.json(&json!({"rules": rules, "now": "1998-06-30T12:00:00Z"})).send().await.expect("an answer");
    let text = answer.text().await.expect("all of it");
    println!("rehearsed in {:.2} s", begun.elapsed().as_secs_f64());
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON in each line"));
    let (mut changed, mut sums) = (BTreeMap::new(), Value::Null);
    for mut line in lines {
        if let Some(customer) = line.get("customer") {
            let has = |when: &str| {
                let (tier, points) = (&customer["tier"][when], &customer["points"][when]);
                (tier.as_str().expect("a tier").to_owned(), points.as_i64().expect("points"))
            };
            let id = customer["customer_id"].as_str().expect("an id").to_owned();
            changed.insert(id, (has("now"), has("rehearsed")));
        }
        sums = line["rehearsal"].take();
    }
    assert!(sums.is_object(), "an end: {text}");
    (changed, sums)
}

/// What a customer has on the day of the import in two worlds, and the id in the first.
struct Standings {
    name: String,
    id: String,
    standard: Has,
    other: Has,
}

async fn standings(standard: &World, other: &World, names: impl Iterator<Item = String>) -> Vec<Standings> {
    let (standard, other) = (caught_up(standard).await, caught_up(other).await);
    let of = async |name: String| {
        let ((id, standard), (_, other)) = (standing(&standard, &name).await, standing(&other, &name).await);
        Standings { name, id: id.to_string(), standard, other }
    };
    futures::stream::iter(names).map(of).buffer_unordered(LOOKS_AT_ONCE).collect().await
}

/// What a customer has, after the review if one is due.
async fn standing(pools: &Pools, name: &str) -> (Uuid, Has) {
    let found = customers::find_by_reference(pools, TENANT, "import", name).await.expect("the database answers");
    let id = found.expect("a customer").value.id;
    let today = NaiveDate::from_ymd_opt(TODAY.0, TODAY.1, TODAY.2).expect("a date");
    let balance = loyalty_balances::find(pools, TENANT, id, noon(today)).await.expect("the database answers");
    let LoyaltyBalance { tier, projected_tier, review_on, available, held, .. } = balance.expect("a member").value;
    let is_due = review_on.is_some_and(|on| on <= today);
    let tier = projected_tier.filter(|_| is_due).unwrap_or(tier);
    (id, (tier.as_str().to_owned(), available + held))
}

/// Ends the first process of the private PostgreSQL with SIGKILL, if there is one at the moment.
fn kill_postgres(world: &World) {
    let file = fs::read_to_string(world.data().join("postgres/data/postmaster.pid")).unwrap_or_default();
    if let Some(pid) = file.lines().next().and_then(|pid| pid.parse().ok()) {
        // It may have ended a moment ago.
        let _sent = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
}

/// Waits until the log has so many more events.
async fn grows(world: &World, events: i64) {
    let wanted = world.known_head().await.unwrap_or_default() + events;
    while world.known_head().await.is_none_or(|head| head < wanted) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A file of the supplied data; none, and a word about it, where there is none.
fn shared(path: &str) -> Option<PathBuf> {
    match std::env::var_os("CLIENTELA_SHARED").filter(|folder| !folder.is_empty()) {
        Some(folder) => Some(PathBuf::from(folder).join(path)),
        None => {
            println!("skipped: CLIENTELA_SHARED does not name the folder of the supplied data");
            None
        }
    }
}

fn read(file: &PathBuf) -> Vec<Purchase> {
    let mut text = String::new();
    let packed = File::open(file).expect("the supplied file");
    GzDecoder::new(packed).read_to_string(&mut text).expect("gzipped text");
    let purchase = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        let [customer, on, _, total] = fields.as_slice() else { panic!("four fields: {line}") };
        let on = expected::day(on).unwrap_or_else(|| panic!("a date: {line}"));
        let cents = expected::cents(total).unwrap_or_else(|| panic!("an amount: {line}"));
        Purchase { customer: (*customer).to_owned(), on, cents }
    };
    text.lines().skip(1).map(purchase).collect()
}

/// The tables when they have all that is in the log.
async fn caught_up(world: &World) -> Pools {
    let (pools, head) = (pools(world).await, world.head().await);
    let seen = world.get(&format!("/v1/customers?reference=import:1&min_position={head}")).await;
    let anyone = seen.body["items"][0]["customer_id"].as_str().expect("the first customer of the file");
    world.loyalty_at(anyone, Some(head)).await;
    pools
}

async fn compare(world: &World, expected: &BTreeMap<String, Expected>) {
    let pools = caught_up(world).await;
    let looks = expected.iter().map(|(name, customer)| differences(&pools, name, customer));
    let different: Vec<String> = futures::stream::iter(looks)
        .buffer_unordered(LOOKS_AT_ONCE)
        .map(futures::stream::iter)
        .flatten()
        .collect()
        .await;
    let some: Vec<_> = different.iter().take(10).collect();
    assert!(different.is_empty(), "{} differences, among them {some:#?}", different.len());
}

/// What is not as it must be with one customer.
async fn differences(pools: &Pools, name: &str, customer: &Expected) -> Vec<String> {
    let mut different = Vec::new();
    let found = customers::find_by_reference(pools, TENANT, "import", name).await.expect("the database answers");
    let Some(row) = found.map(|found| found.value) else { return vec![format!("{name} is not there")] };
    if row.purchase_count != customer.purchases {
        different.push(format!("{name}: {} purchases instead of {}", row.purchase_count, customer.purchases));
    }
    for day in [TODAY, LATER] {
        let date = NaiveDate::from_ymd_opt(day.0, day.1, day.2).expect("a date");
        let balance = loyalty_balances::find(pools, TENANT, row.id, noon(date)).await.expect("the database answers");
        let (balance, wanted) = (balance.map(|balance| shown(&balance.value)), Some(wanted(customer, day)));
        if balance != wanted {
            different.push(format!("{name} on {date}: {balance:?} instead of {wanted:?}"));
        }
    }
    different
}

fn noon(today: NaiveDate) -> Moment {
    Moment { at: today.and_hms_opt(12, 0, 0).expect("a time").and_utc(), today }
}

/// Sessions on the private database of the server.
async fn pools(world: &World) -> Pools {
    let cluster = attach(&EmbeddedConfig::new(world.data())).await.expect("a lock file").expect("the cluster runs");
    Pools::new(&Database::with_role_logins(cluster.connect_options(SUPERUSER, "clientela")))
}

/// What can be compared of an account: points that can be spent, all earned, those of the window, the tier, and when what is
/// gone.
type Shown = (i64, i64, i64, &'static str, Vec<(Day, i64)>);

fn shown(balance: &LoyaltyBalance) -> Shown {
    let mut expiries: BTreeMap<Day, i64> = BTreeMap::new();
    for expiry in &balance.expiries {
        let day = (expiry.expires_on.year(), expiry.expires_on.month(), expiry.expires_on.day());
        *expiries.entry(day).or_default() += expiry.points;
    }
    let tier = balance.tier.as_str();
    let expiries = expiries.into_iter().collect();
    (balance.available, balance.lifetime_earned, balance.earned_last_12_months, tier, expiries)
}

fn wanted(customer: &Expected, day: Day) -> Shown {
    let mut alive: BTreeMap<Day, i64> = BTreeMap::new();
    for (earned_on, points) in &customer.lots {
        let gone_on = months_later(*earned_on, 24);
        if gone_on > day {
            *alive.entry(gone_on).or_default() += points;
        }
    }
    let alive: Vec<_> = alive.into_iter().collect();
    let available = alive.iter().map(|(_, points)| points).sum();
    (available, customer.earned, customer.earned_last_12_months(day), TIERS[customer.tier], alive)
}
