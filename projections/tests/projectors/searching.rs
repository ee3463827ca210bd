//! Search by name: who is found, in which order, at what cost.

use crate::world::{Node, OTHER_SHOP, SHOP, World, day};
use domain::customers::events::{Contact, CustomerEvent, CustomerKind};
use domain::text::{CompanyName, PersonName};
use domain::{Event, event::Personal};
use projections::ReadModel;
use projections::customers::customers::by_name::{NamePlace, NameQuery, find_by_name};
use projections::customers::customers::{self, CustomerRow, CustomerStatus, Customers};
use projections::read_model::Change;
use projections::tables::Writer;
use sqlx::{AssertSqlSafe, Executor, PgConnection, Row};
use store::contract::fresh_id;
use store::postgres::{Pools, Role};
use store::{Position, TenantId};

fn named(name: Option<&str>, company: Option<&str>) -> Event {
    let contact = Contact {
        name: name.map(|name| PersonName::parse(name).unwrap()),
        company: company.map(|company| CompanyName::parse(company).unwrap()),
        emails: vec![],
        phones: vec![],
        references: vec![],
        ..Contact::default()
    };
    let created = CustomerEvent::Created {
        kind: CustomerKind::Individual,
        language: None,
        currency: None,
        source: None,
        registered_on: day("2026-01-10"),
        personal: Personal::Known(contact),
    };
    created.into()
}

/// Registers people; the position of the last one.
async fn register(world: &World, tenant: TenantId, names: &[&str]) -> Position {
    let mut last = Position(0);
    for name in names {
        last = world.append(tenant, fresh_id(), [named(Some(name), None)]).await;
    }
    last
}

/// All pages of an answer: the names found, and how many rows each page had.
async fn pages(pools: &Pools, tenant: TenantId, asked: &str, limit: usize) -> (Vec<String>, Vec<usize>) {
    let query = NameQuery::parse(asked).unwrap();
    let (mut names, mut sizes, mut after): (Vec<String>, Vec<usize>, Option<NamePlace>) = (vec![], vec![], None);
    loop {
        let page = find_by_name(pools, tenant, &query, after, limit).await.unwrap().value;
        sizes.push(page.rows.len());
        names.extend(page.rows.into_iter().map(|row| row.name.or(row.company).unwrap()));
        after = page.next;
        if after.is_none() {
            return (names, sizes);
        }
        assert!(query.leads_to(after.as_ref().unwrap()));
    }
}

async fn found(node: &Node, tenant: TenantId, asked: &str) -> Vec<String> {
    pages(&node.pools, tenant, asked, 50).await.0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_are_found_by_the_beginnings_of_their_names_the_exact_ones_first() {
    let world = World::start().await;
    let node = world.node().await;
    register(&world, SHOP, &["Anabel Núñez", "ANA Maria López", "José Ánalovich", "Mariana Ana", "Ана"]).await;
    register(&world, OTHER_SHOP, &["Ana Nuñez"]).await;
    let last = world.append(SHOP, fresh_id(), [named(None, Some("Ana & Sons, S.L."))]).await;
    node.sees("customers", last).await;
    let of_ana = found(&node, SHOP, "ana").await;
    assert_eq!(of_ana[3..], ["Anabel Núñez", "José Ánalovich"], "words in their order");
    let mut exact = of_ana[..3].to_vec();
    exact.sort();
    assert_eq!(exact, ["ANA Maria López", "Ana & Sons, S.L.", "Mariana Ana"]);
    for (asked, expected) in [
        ("Nuñe", &["Anabel Núñez"][..]),
        ("lopez ANA", &["ANA Maria López"]),
        ("ma an lo", &["ANA Maria López"]),
        ("ana sons", &["Ana & Sons, S.L."]),
        ("ан", &["Ана"]),
        ("riana", &[]),
        ("ana zz", &[]),
        ("maria ana ana", &["ANA Maria López", "Mariana Ana"]),
    ] {
        assert_eq!(found(&node, SHOP, asked).await, expected, "{asked}");
    }
    let empty = find_by_name(&node.pools, SHOP, &NameQuery::parse("zz").unwrap(), None, 5).await.unwrap();
    assert_eq!(empty.position, last, "an empty page says what it reflects, too");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_are_found_in_spite_of_typing_errors_when_nobody_is_called_so() {
    let world = World::start().await;
    let node = world.node().await;
    register(&world, OTHER_SHOP, &["Leo Gonsales"]).await;
    let last = register(&world, SHOP, &["Ana González", "Eva Gonzales", "Ana García", "Inés Muñoz"]).await;
    node.sees("customers", last).await;
    for (asked, expected) in [
        ("gonsales", &["Eva Gonzales", "Ana González"][..]),
        ("gonzaelz", &["Ana González", "Eva Gonzales"]),
        ("ana gonsalez", &["Ana González"]),
        ("muñzo", &["Inés Muñoz"]),
        ("gonz", &["Ana González", "Eva Gonzales"]),
        ("eva garcia", &[]),
        ("gonsalo", &[]),
        ("monoz eva", &[]),
    ] {
        let mut found = found(&node, SHOP, asked).await;
        if asked == "gonz" {
            found.sort_unstable();
        }
        assert_eq!(found, expected, "{asked}");
    }
    let (query, page) = (NameQuery::parse("gonsales").unwrap(), 1);
    let first = find_by_name(&node.pools, SHOP, &query, None, page).await.unwrap();
    assert_eq!((first.value.rows.len(), first.value.next, first.position), (1, None, last));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_by_name_show_everybody_once() {
    let world = World::start().await;
    let node = world.node().await;
    let names: Vec<String> = (0..23).map(|n| format!("Maria Mar{} Marina", n % 5)).collect();
    let last = register(&world, SHOP, &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    node.sees("customers", last).await;
    let (mut all, sizes) = pages(&node.pools, SHOP, "mar", 10).await;
    assert_eq!(sizes, [10, 10, 3]);
    let mut expected = names.clone();
    all.sort();
    expected.sort();
    assert_eq!(all, expected);
    assert_eq!(pages(&node.pools, SHOP, "mar", 23).await.1, [23], "no page that is empty for nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn words_follow_the_names_and_go_with_the_person() {
    let world = World::start().await;
    let node = world.node().await;
    let ana = fresh_id();
    let last = world.append(SHOP, ana, [named(Some("Ana López"), Some("Tres"))]).await;
    node.sees("customers", last).await;
    let known = customers::find(&node.pools, SHOP, ana).await.unwrap().unwrap().value;
    node.projections.stop().await;
    let mut engine = world.as_role(Role::Engine).await;
    engine.execute("set search_path = customers_g1, public").await.unwrap();
    let renamed = CustomerRow { name: Some("Eva López".to_owned()), ..known.clone() };
    let erased = CustomerRow { status: CustomerStatus::Erased, name: None, company: None, ..known.clone() };
    let deleted = CustomerRow { status: CustomerStatus::Deleted, ..known.clone() };
    for (before, after, expected) in [
        (Some(known.clone()), renamed.clone(), "eva lopez tres"),
        (Some(renamed.clone()), renamed.clone(), "eva lopez tres"),
        (Some(renamed.clone()), deleted.clone(), ""),
        (Some(deleted), known.clone(), "ana lopez tres"),
        (Some(known), erased, ""),
    ] {
        Customers::write(&mut Writer::live(&mut engine), &[Change { key: ana, before, after: Some(after) }])
            .await
            .unwrap();
        assert_eq!(words_of(&mut engine).await, expected);
    }
}

async fn words_of(engine: &mut PgConnection) -> String {
    let words = "select coalesce(string_agg(word, ' ' order by word), '') from customer_words";
    sqlx::query_scalar(words).fetch_one(engine).await.unwrap()
}

/// 20 tenants; customers are called `maria`, and by a rarer name that 20 of them have, one of each tenant.
async fn many(world: &World, count: u32) {
    let customers = format!(
        "insert into customers_g1.customers (id, tenant, kind, status, lifecycle, name, purchase_count, registered_on, created_at, \
         updated_at, created_position, position, version) \
         select lpad(n::text, 32, '0')::uuid, 1 + n % 20, 'individual', 'active', 'prospect', 'Maria Rare' || n / 20, 0, '2026-01-10', \
         now(), now(), n, n, 1 from generate_series(1, {count}) n"
    );
    let words = format!(
        "insert into customers_g1.customer_words select 1 + n % 20, lpad(n::text, 32, '0')::uuid, word \
         from generate_series(1, {count}) n, lateral (values ('maria'), ('rare' || n / 20)) of_name (word)"
    );
    let mut engine = world.as_role(Role::Engine).await;
    engine.execute(AssertSqlSafe(customers)).await.unwrap();
    engine.execute(AssertSqlSafe(words)).await.unwrap();
    world.as_admin().await.execute("vacuum analyze").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_words_that_many_have_a_bounded_number_is_looked_at_for_a_page() {
    let world = World::start().await;
    let node = world.node().await;
    let (both, only_one) = (fresh_id(), fresh_id());
    world.append(SHOP, both, [named(Some("Maria Zebra"), None)]).await;
    let last = world.append(SHOP, only_one, [named(Some("Maria Rare"), None)]).await;
    node.sees("customers", last).await;
    // 6,000 customers each before them in the list, of whom none has both names.
    let words = "insert into customers_g1.customer_words select 7, lpad(n::text, 32, '0')::uuid, word \
                 from generate_series(1, 12000) n, lateral (select (array['maria', 'zebra'])[1 + n % 2] as word) of_name";
    world.as_role(Role::Engine).await.execute(words).await.unwrap();
    for (asked, name, sizes) in [
        ("maria rare", "Maria Rare", &[1][..]),
        ("rare maria", "Maria Rare", &[1]),
        ("maria zebra", "Maria Zebra", &[0, 0, 0, 1]),
    ] {
        let found = pages(&node.pools, SHOP, asked, 5).await;
        assert_eq!(found, (vec![name.to_owned()], sizes.to_vec()), "{asked}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_by_name_reads_its_index_under_row_level_security() {
    let world = World::start().await;
    world.node().await.projections.stop().await;
    many(&world, 60_000).await;
    let page = concat!(
        include_str!("../../src/customers/customers/columns.sql"),
        include_str!("../../src/customers/customers/by_name/page.sql")
    );
    let rarest = include_str!("../../src/customers/customers/by_name/rarest.sql");
    let last = include_str!("../../src/customers/customers/by_name/last_looked_at.sql");
    let known = include_str!("../../src/customers/customers/by_name/known_words.sql");
    let nil = "'00000000-0000-0000-0000-000000000000'";
    let one = ["'rare7'", nil, "'rare7\u{10ffff}'", "'rare7'", "9223372036854775807", "'{}'", "'{}'", "51"];
    let two = ["'maria'", nil, "'maria\u{10ffff}'", "'maria'", "2000", "'{rare}'", "'{rare\u{10ffff}}'", "51"];
    let mut request = world.as_role(Role::Request).await;
    request.execute("set app.tenant = '8'").await.unwrap();
    for (sql, values) in [
        (page, &one[..]),
        (page, &two),
        (rarest, &["'{maria,rare}'", "'{maria\u{10ffff},rare\u{10ffff}}'", "2000"]),
        (last, &["'maria'", nil, "'maria\u{10ffff}'", "1999"]),
        (known, &["'r'", "'r\u{10ffff}'", "10000"]),
    ] {
        let plan = plan(&mut request, sql, values).await;
        let times = if sql == known { 2 } else { 1 };
        assert_eq!(plan.matches("using idx_customer_words on").count(), times, "{values:?}: {plan}");
        assert!(!plan.contains("Seq Scan on customer_words") && !plan.contains("Filter: (word"), "{values:?}: {plan}");
        assert!(sql != page || plan.contains("using customer_words_pkey on"), "{values:?}: {plan}");
        assert!(sql != page || plan.contains("using customers_pkey on"), "{values:?}: {plan}");
    }
}

async fn plan(request: &mut PgConnection, sql: &str, values: &[&str]) -> String {
    let numbered = values.iter().enumerate();
    let sql = numbered.fold(sql.to_owned(), |sql, (n, value)| sql.replace(&format!("${}", n + 1), value));
    let explain = format!("explain (costs off) {sql}");
    let lines = sqlx::query(AssertSqlSafe(explain)).fetch_all(request).await.unwrap();
    lines.iter().map(|line| line.get::<String, _>(0)).collect::<Vec<_>>().join("\n")
}
