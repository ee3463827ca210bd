//! Customers from a file, and lists of customers and points into files.

use crate::support::World;
use reqwest::Method;
use serde_json::{Value, json};
use std::fs;

fn imported(world: &World, name: &str, content: &str, flags: &[&str]) -> (Value, Option<i32>) {
    let path = world.folder().join(name);
    fs::write(&path, content).expect("it is ours");
    let words = [&["import", "customers", path.to_str().expect("text"), "--json"], flags].concat();
    let output = world.run(&words);
    let summary = serde_json::from_slice(&output.stdout);
    (summary.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr))), output.status.code())
}

fn exported(world: &World, words: &[&str]) -> String {
    let output = world.run(&[&["export"], words].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

const FILE: &str = "\
Reference,Name,Company,E-mail,Phone,Document,Document kind,Tags,Rep,Registered on,Shoe size
1,Ana Núñez,,ana@example.com,612 345 678,12345678Z,dni,vip; b2b,rep-1,2020-01-31,42
2,,Torres S.L.,shop@example.org,+34612345679,,,,,,
3,Eva,,not an address,,,,,,,
4,Eva,,ANA@example.com,,,,,,,
5,Eva,,eva@example.com,,,,,,2020-13-31,
1,Ana again,,ana2@example.com,,,,,,,
6,Zoe,,,,,,VIP,,,
";

#[tokio::test]
async fn customers_of_a_file_are_registered_once_and_what_cannot_be_taken_is_kept_with_its_reason() {
    let world = World::start().await;
    let flags = ["--system", "erp", "--country", "ES", "--enrol-in", "EUR", "--source", "crm"];
    let (summary, code) = imported(&world, "customers.csv", FILE, &flags);
    assert_eq!(code, Some(3), "{summary}");
    assert_eq!(summary["columns_left_out"], json!(["Shoe size"]));
    let counts = ["rows", "recorded", "already_there", "rejected"].map(|name| summary[name].as_u64().expect("a count"));
    let rejects = world.folder().join(summary["rejects_file"].as_str().expect("a file"));
    let mut lines: Vec<String> = Vec::new();
    for row in csv::Reader::from_path(rejects).expect("a file").records() {
        let row = row.expect("a row");
        lines.push(format!("{} {}", &row[0], &row[2]));
    }
    lines.sort();
    assert_eq!(lines, ["3 invalid_email", "4 email_taken", "5 invalid_date", "7 invalid_character"]);
    assert_eq!(counts, [7, 2, 1, 4]);

    let ana = world.get(&format!("/v1/customers?reference=erp:1&min_position={}", world.head().await)).await.body;
    let ana = &ana["items"][0];
    let told = ["name", "email", "phone", "kind", "rep", "registered_on", "source"].map(|field| ana[field].clone());
    let expected = ["Ana Núñez", "ana@example.com", "+34612345678", "individual", "rep-1", "2020-01-31", "crm"];
    assert_eq!(told, expected.map(Value::from));
    assert_eq!(ana["tags"], json!(["b2b", "vip"]));
    let id = ana["customer_id"].as_str().expect("an id");
    assert_eq!(world.loyalty_at(id, Some(world.head().await)).await["balance"], 0, "she is a member");
    let shop = world.get("/v1/customers?reference=erp:2").await.body;
    assert_eq!((&shop["items"][0]["kind"], &shop["items"][0]["company"]), (&json!("business"), &json!("Torres S.L.")));

    let changed = world.patch(&format!("/v1/customers/{id}"), None, json!({"name": "Ana Paz"})).await;
    assert_eq!(changed.status, 200);
    let head = world.head().await;
    let (again, _) = imported(&world, "customers.csv", FILE, &flags);
    assert_eq!((&again["recorded"], &again["already_there"], &again["rejected"]), (&json!(0), &json!(3), &json!(4)));
    assert_eq!(world.head().await, head, "a second time changes nothing");
}

#[tokio::test]
async fn a_kind_that_is_none_refuses_its_row_and_no_other() {
    let world = World::start().await;
    let file = "E-mail,Kind,Document,Document kind,Hair\n\
                ana@example.com,persona,,,red\n\
                eva@example.com,Individual,12345678Z,DNI,\n\
                zoe@example.com,,12345679S,carnet,\n\
                leo@example.com,,,,\n";
    let path = world.folder().join("kinds.csv");
    fs::write(&path, file).expect("it is ours");
    let output = world.run(&["import", "customers", path.to_str().expect("text")]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("columns that are left out: Hair"), "{told}");
    assert_eq!(output.status.code(), Some(3), "{told}");
    let rejects = fs::read_to_string(world.folder().join("kinds.rejects.csv")).expect("a file");
    for line in ["1,2,invalid_value,\"/kind: must be one of", "3,4,invalid_value,\"/document/kind: must be one of"] {
        assert!(rejects.contains(line), "{rejects}");
    }
    let head = world.head().await;
    let eva = world.get(&format!("/v1/customers?email=eva@example.com&min_position={head}")).await.body;
    assert_eq!(eva["items"][0]["kind"], "individual");
    assert_eq!(world.get("/v1/customers?email=leo@example.com").await.body["items"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_row_without_a_reference_is_known_by_its_first_contact() {
    let world = World::start().await;
    world.member("ana@example.com").await;
    let file = "email;phone;document;document-kind\n\
                ANA@example.com;;;\n\
                eva@example.com;+34612345678;;\n\
                eva@example.com;;;\n\
                zoe@example.com;+34612345678;;\n\
                ;+34612345678;;\n\
                ;;12345678Z;dni\n\
                ;;;\n";
    let (summary, code) = imported(&world, "contacts.csv", file, &["--delimiter", ";", "--lanes", "1"]);
    let counts = ["rows", "recorded", "already_there", "rejected"].map(|name| summary[name].as_u64().expect("a count"));
    assert_eq!((counts, code), ([7, 2, 3, 2], Some(3)));
    let rejects = fs::read_to_string(world.folder().join("contacts.rejects.csv")).expect("a file");
    assert!(rejects.contains("4,5,phone_taken,") && rejects.contains("7,8,contact_required,"), "{rejects}");
    let head = world.head().await;
    let (again, _) = imported(&world, "contacts.csv", file, &["--delimiter", ";"]);
    assert_eq!((&again["recorded"], &again["already_there"]), (&json!(0), &json!(5)));
    assert_eq!(world.head().await, head);
    let nobody = world.folder().join("nobody.csv");
    fs::write(&nobody, "name\nAna\n").expect("it is ours");
    let output = world.run(&["import", "customers", nobody.to_str().expect("text")]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("a column is needed that says who it is"), "{said}");
}

#[tokio::test]
async fn a_batch_of_customers_over_http_answers_for_each_row_and_is_refused_as_a_whole_only_for_what_all_share() {
    let world = World::start().await;
    let batch = |rows: Value| json!({"system": "erp", "rows": rows});
    let rows = json!([
        {"row": 1, "reference": "1", "company": "Torres", "kind": "business", "tags": ["vip"]},
        {"row": 2, "reference": "2", "kind": "business"},
        {"row": 3, "reference": "1"},
        {"row": 4, "phone": "612345678"},
    ]);
    let done = world.post("/v1/imports/customers", batch(rows)).await;
    assert_eq!(done.status, 200, "{}", done.body);
    let results: Vec<_> = done.body["results"].as_array().expect("a list").iter().collect();
    let told: Vec<_> =
        results.iter().map(|row| (row["outcome"].as_str().expect("a word"), row["code"].as_str())).collect();
    let expected = [
        ("recorded", None),
        ("refused", Some("company_required")),
        ("repeated", None),
        ("refused", Some("invalid_phone")),
    ];
    assert_eq!(told, expected, "{}", done.body);
    for (body, refusal) in [
        (json!({"rows": []}), "422 validation_failed /system missing_field"),
        (json!({"system": "erp", "country": "XX", "rows": []}), "422 validation_failed /country unknown_country"),
        (
            json!({"system": "erp", "rows": [{"row": 1, "nick": "x"}]}),
            "422 validation_failed /rows/0/nick unknown_field",
        ),
    ] {
        assert_eq!(world.post("/v1/imports/customers", body.clone()).await.refusal(), refusal, "{body}");
    }
    let made = world.run_json(&["key", "create", "reader", "--scope", "customers:read", "--json"]);
    let reader = made["key"].as_str().expect("it is told once").to_owned();
    let body = Some(batch(json!([])));
    let refused = world.ask_as(Some(&reader), Method::POST, "/v1/imports/customers", body).await;
    assert_eq!(refused.refusal(), "403 scope_missing");
}

#[tokio::test]
async fn customers_are_exported_as_far_as_the_key_may_see_and_nothing_in_it_calculates() {
    let world = World::start().await;
    let mut last = 0;
    for number in 0..3 {
        let body = json!({"name": "=1+1", "emails": [format!("a{number}@example.com")], "phones": [format!("+3461234567{number}")],
            "references": [{"system": "erp", "reference": format!("{number}")}]});
        let registered = world.post("/v1/customers", body).await;
        assert_eq!(registered.status, 201, "{}", registered.body);
        last = registered.position.expect("a position");
    }
    world.get(&format!("/v1/customers?all=true&min_position={last}")).await;
    let text = exported(&world, &["customers"]);
    let mut lines = text.lines();
    assert!(lines.next().expect("a head").starts_with("customer_id,kind,status,name,company,email,phone,references,"));
    let second = lines.next().expect("a customer");
    assert!(second.contains(",individual,active,'=1+1,,a0@example.com,+34612345670,erp:0,"), "{second}");
    assert_eq!(text.lines().count(), 4);
    let out = world.folder().join("customers.jsonl");
    let said = exported(&world, &["customers", "--format", "jsonl", "--out", out.to_str().expect("text")]);
    assert_eq!(said, "");
    let rows = fs::read_to_string(&out).expect("a file");
    let names: Vec<Value> = rows.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!((names.len(), &names[2]["name"]), (3, &json!("=1+1")));

    let made = world.run_json(&["key", "create", "blind", "--scope", "customers:read", "--json"]);
    let blind = made["key"].as_str().expect("it is told once").to_owned();
    let masked = exported(&world, &["customers", "--key", &blind]);
    assert!(!masked.contains("a0@example.com") && masked.contains(",true\n"), "{masked}");
    let output = world.run(&["export", "ledger", "--key", &blind]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("403 scope_missing"), "{said}");
}

#[tokio::test]
async fn the_ledger_of_all_or_of_one_is_exported_in_the_order_in_which_it_happened() {
    let world = World::start().await;
    let (ana, eva) = (world.member("ana@example.com").await, world.member("eva@example.com").await);
    world.buys(&ana, "order-1", "10.00").await;
    world.buys(&eva, "order-2", "20.00").await;
    let last = world.buys(&ana, "order-3", "30.00").await.position.expect("a position");
    let first = world.get(&format!("/v1/loyalty/ledger?limit=2&min_position={last}")).await;
    assert_eq!((first.status, first.body["items"].as_array().map(Vec::len)), (200, Some(2)), "{}", first.body);
    assert_eq!(first.body["items"][0]["customer_id"], json!(ana));
    let cursor = first.body["next_cursor"].as_str().expect("there is more");
    let second = world.get(&format!("/v1/loyalty/ledger?limit=2&cursor={cursor}")).await;
    assert_eq!((&second.body["items"][0]["order_id"], &second.body["next_cursor"]), (&json!("order-3"), &Value::Null));
    let refused = world.get("/v1/loyalty/ledger?cursor=n7").await;
    assert_eq!(refused.refusal(), "400 invalid_cursor cursor invalid_cursor");

    let all = exported(&world, &["ledger"]);
    let orders: Vec<_> = all.lines().skip(1).filter_map(|line| line.split(',').nth(7)).collect();
    assert_eq!(orders, ["order-1", "order-2", "order-3"], "{all}");
    let of_ana = exported(&world, &["ledger", "--customer", &ana]);
    let balances: Vec<_> = of_ana.lines().skip(1).filter_map(|line| line.split(',').nth(5)).collect();
    assert_eq!(balances, ["10", "40"], "{of_ana}");
    let tenant = world.run_json(&["tenant", "create", "acme", "--time-zone", "Europe/Madrid", "--json"]);
    let number = tenant["tenant"].to_string();
    let made = world.run_json(&["key", "create", "other", "--scope", "admin", "--tenant", &number, "--json"]);
    let other = made["key"].as_str().expect("it is told once").to_owned();
    assert_eq!(exported(&world, &["ledger", "--key", &other]).lines().count(), 1, "another tenant has none");
    assert_eq!(exported(&world, &["customers", "--key", &other]).lines().count(), 1);
}

#[tokio::test]
async fn rows_that_somebody_should_look_at_are_recorded_and_told_of() {
    let world = World::start().await;
    let file = "email,document,document_kind,document_country\n\
                ana@example.com,12345678A,dni,\n\
                x@10minutemail.com,,,\n\
                eva@example.com,X1234567A,,ES\n\
                zoe@example.com,B58378431,tax_id,ES\n";
    let (summary, code) = imported(&world, "warnings.csv", file, &[]);
    assert_eq!((code, &summary["recorded"], &summary["rejected"]), (Some(3), &json!(3), &json!(1)), "{summary}");
    let expected = json!({
        "disposable_email": {"rows": 1, "first": [2]}, "wrong_control_character": {"rows": 2, "first": [1, 3]},
    });
    assert_eq!(summary["warnings"], expected);
    let rejects = fs::read_to_string(world.folder().join("warnings.rejects.csv")).expect("a file");
    assert!(rejects.contains("4,5,wrong_country,"), "{rejects}");
    let (again, _) = imported(&world, "warnings.csv", file, &[]);
    assert_eq!((&again["already_there"], &again["warnings"]), (&json!(3), &json!({})), "{again}");
}
