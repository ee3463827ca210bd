//! Twenty tenants read at the same time, through the same few sessions of the database, and half of the requests are given up before
//! their answer: nobody ever sees a row of another. With the walls of one table torn down the same test finds foreign rows.

use crate::support::feed::Reader;
use crate::support::{World, http};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::sync::Arc;
use std::time::Duration;

const TENANTS: usize = 20;
const READERS: usize = 40;
const ROUNDS: usize = 5;
/// What is told of a customer.
const BELOW: [&str; 10] = [
    "",
    "/overview",
    "/loyalty",
    "/loyalty/ledger",
    "/events",
    "/timeline",
    "/addresses",
    "/contacts",
    "/documents",
    "/preferences",
];

/// A tenant with one customer, as the tenant itself knows it.
#[derive(Debug)]
struct Tenant {
    key: String,
    customer: String,
    email: String,
    name: String,
    phone: String,
    document: String,
    /// Of all tenants only this one has so many points.
    points: i64,
}

impl Tenant {
    async fn with_a_customer(world: &World, number: usize) -> Self {
        let slug = format!("tenant-{number}");
        let tenant = world.run_json(&["tenant", "create", &slug, "--json"])["tenant"].to_string();
        let made = world.run_json(&["key", "create", "fuzz", "--scope", "admin", "--tenant", &tenant, "--json"]);
        let key = made["key"].as_str().expect("a key").to_owned();
        let (name, email) = (format!("Person Of {slug}."), format!("person@{slug}.example"));
        let (phone, document) = (format!("+346123450{number:02}"), format!("DOC{number:02}X"));
        let body = json!({
            "name": name, "emails": [email], "phones": [phone], "currency": "EUR", "loyalty": true,
            "documents": [{"kind": "passport", "number": document, "country": "MX"}]
        });
        let registered = world.ask_as(Some(&key), Method::POST, "/v1/customers", Some(body)).await;
        let customer = registered.body["customer_id"].as_str().expect("an id").to_owned();
        let total = 100 * (number + 1);
        let body = json!({"order_id": "order-1", "total": total.to_string(), "currency": "EUR"});
        let path = format!("/v1/customers/{customer}/purchases");
        let home = json!({"kind": "shipping", "name": name, "line1": "Calle Mayor 1", "country": "ES"});
        let address = format!("/v1/customers/{customer}/addresses");
        assert_eq!(world.ask_as(Some(&key), Method::POST, &address, Some(home)).await.status, 201);
        let liked = format!("/v1/customers/{customer}/preferences");
        let likes = json!({"restrictions": [email]});
        assert_eq!(world.ask_as(Some(&key), Method::PATCH, &liked, Some(likes)).await.status, 200);
        let bought = world.ask_as(Some(&key), Method::POST, &path, Some(body)).await;
        let points = bought.body["points_earned"].as_i64().expect("points");
        let made = Self { key, customer, email, name, phone, document, points };
        let last = bought.position.expect("a position");
        for path in made.questions(&made) {
            let seen = format!("{path}{}min_position={last}", if path.contains('?') { '&' } else { '?' });
            let answer = world.ask_as(Some(&made.key), Method::GET, &seen, None).await;
            assert_eq!(answer.status, 200, "{seen}: {}", answer.body);
            assert!(made.foreign(&path, answer.status, &answer.body, &[]).is_none(), "{seen}: {}", answer.body);
        }
        made
    }

    /// What it may ask: of its own customer, and of another's.
    fn questions(&self, other: &Self) -> Vec<String> {
        let of = |whose: &Self| {
            let customer = &whose.customer;
            let below = BELOW.map(|part| format!("/v1/customers/{customer}{part}"));
            [below.to_vec(), whose.searches().to_vec(), vec![format!("/v1/audit/events?customer={customer}")]].concat()
        };
        let common = ["/v1/audit/events", "/v1/loyalty/kpis"].map(str::to_owned).to_vec();
        [of(self), of(other), common].concat()
    }

    /// What finds its customer, and perhaps others of the same tenant.
    fn searches(&self) -> [String; 4] {
        let (email, phone, document) = (&self.email, self.phone.replace('+', "%2B"), &self.document);
        let name = self.name.replace(' ', "%20");
        [format!("email={email}"), format!("phone={phone}"), format!("document={document}"), format!("name={name}")]
            .map(|search| format!("/v1/customers?{search}"))
    }

    /// What of an answer is not this tenant's.
    fn foreign(&self, path: &str, status: u16, body: &Value, others: &[Self]) -> Option<String> {
        let text = body.to_string();
        let others = others.iter().filter(|other| other.customer != self.customer);
        let mut shown = others.filter(|other| {
            let own = [&other.customer, &other.name, &other.email, &other.phone, &other.document];
            own.into_iter().any(|word| text.contains(word))
        });
        if let Some(other) = shown.next() {
            return Some(format!("{path} shows {} to {}", other.name, self.name));
        }
        let is_search = self.searches().iter().any(|search| search == path);
        let is_own = is_search || path.contains(&self.customer);
        match body["outstanding_points"].as_i64() {
            Some(points) if points != self.points => {
                Some(format!("{path} tells {points} points instead of {}", self.points))
            }
            _ if is_search && status == 200 && !text.contains(&self.customer) => {
                Some(format!("{path} does not find the customer of its own tenant"))
            }
            _ if is_own && status != 200 => Some(format!("{path} is {status} to its own tenant")),
            _ if path.starts_with("/v1/customers/") && !is_own && status != 404 => {
                Some(format!("{path} is {status} to a stranger"))
            }
            _ => None,
        }
    }
}

async fn tenants(world: &World) -> Arc<Vec<Tenant>> {
    let mut tenants = Vec::new();
    for number in 0..TENANTS {
        tenants.push(Tenant::with_a_customer(world, number).await);
    }
    Arc::new(tenants)
}

/// Numbers that look random and are the same each time.
fn scattered(seed: usize) -> usize {
    let mixed = (seed as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    usize::try_from((mixed ^ (mixed >> 29)) % 1_000_003).unwrap_or_default()
}

/// All readers at once; what they saw of others, and how many answers they had.
async fn read_by_all(host: &str, tenants: &Arc<Vec<Tenant>>) -> (Vec<String>, usize) {
    let readers = (0..READERS).map(|reader| tokio::spawn(read_by_one(host.to_owned(), Arc::clone(tenants), reader)));
    let seen = futures::future::join_all(readers.collect::<Vec<_>>()).await;
    seen.into_iter().map(|seen| seen.expect("a reader does not panic")).fold(
        (Vec::new(), 0),
        |(mut all, count), (found, answers)| {
            all.extend(found);
            (all, count + answers)
        },
    )
}

async fn read_by_one(host: String, tenants: Arc<Vec<Tenant>>, reader: usize) -> (Vec<String>, usize) {
    let http = http().build().expect("a client");
    let (mut found, mut answers) = (Vec::new(), 0);
    for round in 0..ROUNDS {
        let seed = scattered(reader * ROUNDS + round);
        let own = &tenants[seed % TENANTS];
        let other = &tenants[(seed + 1 + scattered(seed) % (TENANTS - 1)) % TENANTS];
        for (number, path) in own.questions(other).into_iter().enumerate() {
            let request = http.get(format!("http://{host}{path}")).bearer_auth(&own.key).send();
            let patience = match (seed + number) % 2 {
                // Given up somewhere between being sent and being answered.
                0 => Duration::from_micros((scattered(seed + number) % 4_000) as u64),
                _ => Duration::from_secs(60),
            };
            let Ok(answer) = tokio::time::timeout(patience, request).await else { continue };
            let answer = answer.expect("an answer");
            let status = answer.status().as_u16();
            // All sessions may be busy for a moment: that tells nothing of anybody.
            let body: Value = answer.json().await.expect("JSON");
            answers += usize::from(status != 503);
            found.extend(own.foreign(&path, status, &body, &tenants).filter(|_| status != 503));
        }
    }
    (found, answers)
}

/// What the feed tells a tenant of others.
async fn fed(world: &World, tenants: &[Tenant]) -> Vec<String> {
    let mut found = Vec::new();
    for tenant in tenants {
        let (events, _) = Reader::open(world, Some(&tenant.key), "", None).await.until("caught-up").await;
        let told = Value::from_iter(events.into_iter().map(|event| event.data));
        assert!(told.to_string().contains(&tenant.customer), "its own customer is on the feed");
        found.extend(tenant.foreign("/v1/feed", 200, &told, tenants));
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_tenants_see_no_row_of_each_other_while_requests_are_given_up() {
    let world = World::start().await;
    let tenants = tenants(&world).await;
    let (found, answers) = read_by_all(world.host(), &tenants).await;
    assert_eq!(fed(&world, &tenants).await, Vec::<String>::new());
    assert!(found.is_empty(), "{} of {answers} answers were foreign: {:?}", found.len(), &found[..found.len().min(5)]);
    assert!(answers > READERS * ROUNDS * 12, "only {answers} answers");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_rows_are_found_when_a_wall_is_torn_down() {
    let world = World::start().await;
    let tenants = tenants(&world).await;
    let mut admin = PgConnection::connect(&world.database_url("postgres")).await.expect("a connection");
    let walls = "select format('alter policy %I on %I.%I using (true)', policyname, schemaname, tablename) \
        from pg_policies where policyname = 'request' and tablename in ('loyalty_balances', 'customers', 'audit_trail')";
    let torn: Vec<String> = sqlx::query_scalar(walls).fetch_all(&mut admin).await.expect("the walls are found");
    assert!(!torn.is_empty(), "the walls are called otherwise now");
    for statement in torn {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut admin).await.expect("a wall is torn down");
    }
    let (found, _) = read_by_all(world.host(), &tenants).await;
    assert!(found.len() > READERS, "only {} foreign answers were noticed", found.len());
}
