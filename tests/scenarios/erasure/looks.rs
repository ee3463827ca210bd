//! What an erased customer looks like: all that can be read is listed here. An operation, a table or a subcommand that is new fails these
//! tests until somebody has said what it shows of such a customer.

use super::{assert_nothing_planted, person};
use crate::support::World;
use crate::support::feed::Reader;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::collections::{BTreeMap, BTreeSet};

/// What is asked, and what the answer must be like.
struct Look {
    /// The operation, as the description of the API calls it.
    path: &'static str,
    /// The same with what is asked for; words in capitals are put in.
    asked: &'static str,
    status: u16,
    says: fn(&Value) -> bool,
}

const fn look(path: &'static str, asked: &'static str, status: u16, says: fn(&Value) -> bool) -> Look {
    Look { path, asked, status, says }
}

/// Of no person at all; that nothing planted is in it counts for all.
const ANYTHING: fn(&Value) -> bool = |_| true;
const NOBODY: fn(&Value) -> bool = |answer| answer["items"] == json!([]);
const NO_LINE: fn(&Value) -> bool = |answer| answer["code"] == "credit_not_requested";

/// Every operation that reads.
const LOOKS: &[Look] = &[
    look("/health", "/health", 200, ANYTHING),
    look("/health/live", "/health/live", 200, ANYTHING),
    look("/health/ready", "/health/ready", 200, ANYTHING),
    look("/metrics", "/metrics", 200, ANYTHING),
    look("/v1/audit/consistency", "/v1/audit/consistency?from=SIZE", 200, ANYTHING),
    look("/v1/audit/events", "/v1/audit/events?customer=ID&type=customer.*", 200, |answer| {
        answer["items"][0]["type"] == "customer.erased"
            && answer["items"].as_array().is_some_and(|items| items.len() > 4)
    }),
    look("/v1/audit/heads", "/v1/audit/heads", 200, ANYTHING),
    look("/v1/audit/key", "/v1/audit/key", 200, ANYTHING),
    // The box is a part of what is proven; nobody can open it.
    look("/v1/audit/proof", "/v1/audit/proof?position=CREATED", 200, |answer| {
        answer["event"]["type"] == "customer.created" && answer["event"]["personal"].is_string()
    }),
    // Told by scenarios of credit.
    look("/v1/credit-lines", "/v1/credit-lines", 200, NOBODY),
    look("/v1/credit-lines/{line}", "/v1/credit-lines/ID", 404, NO_LINE),
    look("/v1/credit-lines/{line}/events", "/v1/credit-lines/ID/events", 404, NO_LINE),
    look("/v1/credit-lines/{line}/movements", "/v1/credit-lines/ID/movements", 404, NO_LINE),
    look("/v1/credit-lines/{line}/uses", "/v1/credit-lines/ID/uses", 404, NO_LINE),
    look("/v1/credit-lines/{line}/aging", "/v1/credit-lines/ID/aging", 404, NO_LINE),
    look(
        "/v1/credit-lines/{line}/statement",
        "/v1/credit-lines/ID/statement?from=2026-01-01&to=2026-02-01",
        404,
        NO_LINE,
    ),
    look("/v1/credit/aging", "/v1/credit/aging", 200, NOBODY),
    look("/v1/credit-groups", "/v1/credit-groups", 200, NOBODY),
    look("/v1/credit-groups/{group}", "/v1/credit-groups/ID", 404, |answer| answer["code"] == "credit_group_not_found"),
    look("/v1/customers/{id}/credit-lines", "/v1/customers/ID/credit-lines", 200, NOBODY),
    look(
        "/v1/credit-lines/{line}/availability",
        "/v1/credit-lines/ID/availability?amount=1.00&currency=EUR",
        404,
        ANYTHING,
    ),
    look(
        "/v1/customers/{id}/credit-lines/availability",
        "/v1/customers/ID/credit-lines/availability?amount=1.00&currency=EUR",
        404,
        NO_LINE,
    ),
    look("/v1/customers", "/v1/customers?email=planted-quixote@example.org", 200, NOBODY),
    look("/v1/customers", "/v1/customers?phone=%2B34600987654", 200, NOBODY),
    look("/v1/customers", "/v1/customers?reference=erp:PLANTEDREF77", 200, NOBODY),
    look("/v1/customers", "/v1/customers?document=X1234567L", 200, NOBODY),
    look("/v1/customers", "/v1/customers?user_id=plantedlogin99", 200, NOBODY),
    look("/v1/customers", "/v1/customers?tag=vip", 200, NOBODY),
    look("/v1/customers", "/v1/customers?rep=rep-1", 200, NOBODY),
    look("/v1/customers", "/v1/customers?tier=bronze", 200, NOBODY),
    look("/v1/customers", "/v1/customers?segment=lost", 200, NOBODY),
    look("/v1/customers", "/v1/customers?vip=true", 200, NOBODY),
    look("/v1/customers", "/v1/customers?all=true", 200, |answer| is_blank(&answer["items"][0])),
    look("/v1/customers", "/v1/customers?name=planted", 200, NOBODY),
    look("/v1/customers", "/v1/customers?name=quixotte", 200, NOBODY),
    look("/v1/customers/{id}", "/v1/customers/ID", 200, is_blank),
    look("/v1/customers/{id}", "/v1/customers/ID?at_version=1", 200, is_blank),
    look("/v1/customers/{id}/addresses", "/v1/customers/ID/addresses", 200, NOBODY),
    look("/v1/customers/{id}/addresses/{address_id}", "/v1/customers/ID/addresses/ADDRESS", 404, |answer| {
        answer["code"] == "address_not_found"
    }),
    look("/v1/customers/{id}/contacts", "/v1/customers/ID/contacts", 200, NOBODY),
    look("/v1/customers/{id}/documents", "/v1/customers/ID/documents", 200, NOBODY),
    look("/v1/customers/{id}/erasure", "/v1/customers/ID/erasure", 200, |answer| {
        answer["repeated"] == true
            && answer["receipt"].as_str().is_some_and(|note| note.starts_with("clientela/erasure/v1"))
    }),
    look("/v1/customers/{id}/events", "/v1/customers/ID/events", 200, |answer| {
        let events = answer["events"].as_array().cloned().unwrap_or_default();
        let states: BTreeSet<_> = events.iter().filter_map(|event| event["personal_state"].as_str()).collect();
        events.iter().all(|event| event["personal"].is_null()) && states == BTreeSet::from(["absent", "erased"])
    }),
    look("/v1/customers/{id}/export", "/v1/customers/ID/export", 410, |answer| answer["code"] == "erased"),
    look("/v1/customers/{id}/export", "/v1/customers/ID/export?format=html", 410, |answer| answer["code"] == "erased"),
    look("/v1/customers/{id}/loyalty", "/v1/customers/ID/loyalty", 200, is_closed),
    look("/v1/customers/{id}/loyalty/ledger", "/v1/customers/ID/loyalty/ledger", 200, |answer| {
        answer["items"][0]["kind"] == "closed" && answer["items"][0]["balance"] == 0
    }),
    look("/v1/customers/{id}/overview", "/v1/customers/ID/overview", 200, |answer| {
        is_blank(&answer["customer"])
            && is_closed(&answer["loyalty"])
            && answer["credit"] == json!([])
            && answer["timeline"][0]["type"] == "customer.erased"
    }),
    look("/v1/customers/{id}/preferences", "/v1/customers/ID/preferences", 200, |answer| {
        ["restrictions", "favourite_orders", "channels"].iter().all(|list| answer[list] == json!([]))
    }),
    look("/v1/customers/{id}/timeline", "/v1/customers/ID/timeline", 200, |answer| {
        answer["items"][0]["facts"]["ground"] == "request"
    }),
    // Told by its own test.
    look("/v1/feed", "", 0, ANYTHING),
    look("/v1/jobs", "/v1/jobs", 200, ANYTHING),
    look("/v1/jobs/{name}/runs", "/v1/jobs/loyalty_expiry/runs", 200, NOBODY),
    look("/v1/jobs/{name}/runs/{id}", "/v1/jobs/loyalty_expiry/runs/ID", 404, ANYTHING),
    look("/v1/loyalty/flags", "/v1/loyalty/flags", 200, NOBODY),
    look("/v1/loyalty/kpis", "/v1/loyalty/kpis", 200, |answer| answer["outstanding_points"] == 0),
    look("/v1/loyalty/campaigns", "/v1/loyalty/campaigns", 200, NOBODY),
    look("/v1/loyalty/campaigns/{id}", "/v1/loyalty/campaigns/ID", 404, ANYTHING),
    look("/v1/loyalty/programme", "/v1/loyalty/programme", 200, ANYTHING),
    look("/v1/loyalty/programme/versions", "/v1/loyalty/programme/versions", 200, ANYTHING),
    look("/v1/loyalty/programme/rehearsals", "/v1/loyalty/programme/rehearsals", 200, ANYTHING),
    look("/v1/loyalty/ledger", "/v1/loyalty/ledger?customer=ID", 200, |answer| {
        answer["items"].as_array().and_then(|items| items.last()).is_some_and(|item| item["kind"] == "closed")
    }),
    look("/v1/projections", "/v1/projections", 200, ANYTHING),
    look("/v1/reactors", "/v1/reactors", 200, ANYTHING),
    look("/v1/reactors/{name}/parked", "/v1/reactors/customer_lifecycle/parked", 200, NOBODY),
    look("/v1/tenant/settings", "/v1/tenant/settings", 200, ANYTHING),
];

/// That there was a customer, when it came and bought, and nothing that tells who it was.
fn is_blank(customer: &Value) -> bool {
    let gone = ["name", "company", "email", "phone", "user_id"];
    customer["status"] == "erased"
        && gone.iter().all(|field| customer[field].is_null())
        && customer["references"] == json!([])
}

fn is_closed(account: &Value) -> bool {
    let none = ["balance", "pending", "held"];
    none.iter().all(|points| account[points] == 0) && account["holds"] == json!([]) && account["expiries"] == json!([])
}

async fn text(world: &World, path: &str) -> (u16, String) {
    let answer = world.open(None, path, None).await;
    (answer.status().as_u16(), answer.text().await.expect("a text"))
}

/// An erased customer, and what stands for the words in capitals.
async fn erased(world: &World) -> (String, BTreeMap<&'static str, String>) {
    let id = person(world).await;
    let address = world.get(&format!("/v1/customers/{id}/addresses?min_position={}", world.head().await)).await.body;
    let address = address["items"][0]["address_id"].as_str().expect("an address").to_owned();
    give_back_again_and_again(world, &id).await;
    let held = json!({"order_id": "order-9", "points": 100});
    assert_eq!(world.post(&format!("/v1/customers/{id}/loyalty/holds"), held).await.status, 201);
    let created = world.get(&format!("/v1/customers/{id}/events")).await.body["events"][0]["position"].to_string();
    let proof = world.get(&format!("/v1/audit/proof?position={created}")).await;
    assert_eq!(proof.status, 200, "{}", proof.body);
    let size = world.get("/v1/audit/heads").await.body["items"][0]["size"].to_string();
    let erased = world.post(&format!("/v1/customers/{id}/erase"), json!({})).await;
    assert_eq!((erased.status, &erased.body["pending"]), (200, &json!([])), "{}", erased.body);
    let words = BTreeMap::from([("ID", id.clone()), ("ADDRESS", address), ("CREATED", created), ("SIZE", size)]);
    (id, words)
}

/// So often that it is flagged.
async fn give_back_again_and_again(world: &World, customer: &str) {
    for number in 1..=5 {
        let order = format!("loop-{number}");
        assert_eq!(world.buys(customer, &order, "20.00").await.status, 201);
        let refund = json!({"order_id": order, "refund_id": format!("refund-{order}")});
        assert_eq!(world.post(&format!("/v1/customers/{customer}/refunds"), refund).await.status, 201);
    }
}

#[tokio::test]
async fn every_operation_that_reads_shows_nothing_of_an_erased_customer() {
    let world = World::start().await;
    let document: Value = serde_json::from_str(&text(&world, "/openapi.json").await.1).expect("JSON");
    let paths = document["paths"].as_object().expect("paths").iter();
    let reads: BTreeSet<&str> =
        paths.filter(|(_, told)| told.get("get").is_some()).map(|(path, _)| path.as_str()).collect();
    let listed: BTreeSet<&str> = LOOKS.iter().map(|look| look.path).collect();
    // Descriptions, and the pages that show them, are the same for everybody.
    let is_of_a_kind = |path: &&&str| path.ends_with(".json") || path.starts_with("/docs");
    let unlisted: Vec<_> = reads.symmetric_difference(&listed).filter(|path| !is_of_a_kind(path)).collect();
    assert!(unlisted.is_empty(), "say what an erased customer looks like there: {unlisted:?}");
    let (_, words) = erased(&world).await;
    for Look { asked, status, says, .. } in LOOKS.iter().filter(|look| look.status > 0) {
        let path = words.iter().fold((*asked).to_owned(), |path, (word, value)| path.replace(word, value));
        let (found, told) = text(&world, &path).await;
        assert_eq!(found, *status, "{path}: {told}");
        assert!(says(&serde_json::from_str(&told).unwrap_or_default()), "{path}: {told}");
        assert_nothing_planted(&path, &told);
    }
}

#[tokio::test]
async fn a_feed_tells_that_it_happened_and_not_to_whom() {
    let world = World::start().await;
    let (id, _) = erased(&world).await;
    let key =
        world.run_json(&["key", "create", "blind", "--scope", "feed:read", "--scope", "customers:read", "--json"]);
    let blind = key["key"].as_str().expect("a key").to_owned();
    for (key, state) in [(None, "erased"), (Some(blind.as_str()), "sealed")] {
        for query in ["".to_owned(), format!("?customer={id}"), format!("?stream=customer:{id}")] {
            let (events, _) = Reader::open(&world, key, &query, None).await.until("caught-up").await;
            let own: Vec<_> = events.iter().filter(|event| event.data.to_string().contains(&id)).collect();
            assert!(own.iter().any(|event| event.event == "customer.erased"), "{query}: {events:?}");
            for event in own {
                let personal = &event.data["personalstate"];
                assert!(personal == state || personal == "absent", "{query}: {event:?}");
                assert!(event.data["data"].get("personal").is_none(), "{query}: {event:?}");
                assert_nothing_planted(&query, &event.data.to_string());
            }
        }
    }
}

/// What a table has of an erased customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaves {
    /// No row.
    Nothing,
    /// Rows that name its id.
    Facts,
}

use Leaves::{Facts, Nothing};

/// Every table of a database.
const TABLES: &[(&str, Leaves)] = &[
    ("_sqlx_migrations", Nothing),
    ("analyst_logins", Nothing),
    ("api_keys", Nothing),
    ("audit_trail", Facts),
    ("claims", Nothing),
    ("command_outcomes", Nothing),
    ("credit_aging", Nothing),
    ("credit_group_members", Nothing),
    ("credit_groups", Nothing),
    ("credit_lines", Nothing),
    ("credit_movements", Nothing),
    ("customer_addresses", Nothing),
    ("customer_contacts", Nothing),
    ("customer_documents", Nothing),
    ("customer_preferences", Nothing),
    ("customer_references", Nothing),
    ("customer_users", Nothing),
    ("customer_tags", Nothing),
    ("customer_timeline", Facts),
    ("customer_words", Nothing),
    ("customers", Facts),
    ("erasures", Facts),
    ("erasures_again", Nothing),
    ("event_names", Nothing),
    ("events", Facts),
    ("job_runs", Nothing),
    ("key_checks", Nothing),
    ("leases", Nothing),
    ("loyalty_balances", Facts),
    ("loyalty_campaign_members", Nothing),
    ("loyalty_campaign_versions", Nothing),
    ("loyalty_campaigns", Nothing),
    ("loyalty_flags", Facts),
    ("loyalty_kpis", Nothing),
    ("loyalty_ledger", Facts),
    ("loyalty_liabilities", Nothing),
    ("loyalty_programmes", Nothing),
    ("loyalty_rehearsals", Nothing),
    ("parked_events", Nothing),
    ("projection_checkpoints", Nothing),
    ("projection_failures", Nothing),
    ("projection_generations", Nothing),
    ("projection_pauses", Nothing),
    ("projection_skips", Nothing),
    ("scrubs", Nothing),
    ("snapshots", Nothing),
    ("subject_keys", Facts),
    ("subject_links", Nothing),
    ("tenants", Nothing),
    ("tree_heads", Nothing),
];

/// Of hashes only, too many to be said one by one.
const HASHES: &str = "tree_tiles";

#[tokio::test]
async fn every_table_holds_facts_of_an_erased_customer_at_most() {
    let world = World::start().await;
    let (id, _) = erased(&world).await;
    let mut admin = PgConnection::connect(&world.database_url("postgres")).await.expect("the superuser logs in");
    let tables = "select n.nspname::text, c.relname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace \
                  where c.relkind in ('r', 'm') and n.nspname <> 'information_schema' and n.nspname not like 'pg\\_%'";
    let tables: Vec<(String, String)> = sqlx::query_as(tables).fetch_all(&mut admin).await.expect("the tables");
    for (schema, table) in tables {
        // Those of a month are one.
        let name = table.split("_20").next().unwrap_or_default().to_owned();
        let sql = AssertSqlSafe(format!("select t::text from {schema}.{table} t"));
        let rows: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut admin).await.expect("its rows");
        rows.iter().for_each(|row| assert_nothing_planted(&format!("{schema}.{table}"), row));
        let has_id = rows.iter().any(|row| row.contains(&id));
        if name != HASHES {
            let said = TABLES.iter().find(|(known, _)| **known == *name);
            let (_, leaves) = said.unwrap_or_else(|| panic!("say what {name} has of an erased customer"));
            assert_eq!(if has_id { Facts } else { Nothing }, *leaves, "{schema}.{name}: {rows:#?}");
        }
    }
    let keys = "select count(*) from subject_keys where subject_id = $1::uuid and wrapped_key is null and erased_at is not null";
    let keyless: i64 = sqlx::query_scalar(keys).bind(&id).fetch_one(&mut admin).await.expect("a count");
    assert_eq!(keyless, 1, "that it was erased is remembered; its key is not");
}

#[tokio::test]
async fn the_command_line_shows_nothing_of_an_erased_customer() {
    let world = World::start().await;
    let (id, _) = erased(&world).await;
    let export = world.run(&["export", &id]);
    let said = String::from_utf8_lossy(&export.stderr).into_owned();
    assert!(!export.status.success() && export.stdout.is_empty() && said.contains("410 erased"), "{said}");
    for words in [
        &["status", "--json"][..],
        &["doctor", "--json"],
        &["check", "--all", "--json"],
        &["check", "claims", "--json"],
        &["verify", "--json"],
        &["projections", "list", "--json"],
        &["reactors", "list", "--json"],
        &["erase", &id, "--yes", "--json"],
    ] {
        let output = world.run(words);
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() || words[0] == "doctor", "{words:?}: {said}");
        assert_nothing_planted(&words.join(" "), &said);
    }
    assert_nothing_planted("the log", &world.log());
}
