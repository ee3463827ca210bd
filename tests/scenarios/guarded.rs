//! Each operation of `/openapi.json`: who may not, may not; what is another tenant's, is not there; what is given as an example, is taken.

use crate::access::since_epoch;
use crate::support::World;
use domain::access::scope::Scope;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

/// A customer, and what only this customer has: the ids in paths.
struct Owned {
    id: String,
    hold: String,
    address_id: String,
}

impl Owned {
    async fn by(world: &World, email: &str) -> Self {
        let id = world.member(email).await;
        world.buys(&id, "order-7", "500.00").await;
        let made = async |path: &str, body: Value, name: &str| {
            let answer = world.post(&format!("/v1/customers/{id}/{path}"), body).await;
            assert_eq!(answer.status, 201, "{}", answer.body);
            (text(&answer.body[name]), answer.position)
        };
        let (hold, _) = made("loyalty/holds", json!({"order_id": "order-8", "points": 100}), "hold_id").await;
        let home = json!({"kind": "shipping", "line1": "Calle Mayor 1", "country": "ES"});
        let (address_id, last) = made("addresses", home, "address_id").await;
        let last = last.expect("a position");
        for seen in ["", "/addresses", "/loyalty", "/loyalty/ledger", "/timeline"] {
            let answer = world.get(&format!("/v1/customers/{id}{seen}?min_position={last}")).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
        }
        Self { id, hold, address_id }
    }
}

/// An operation as a caller finds it in the document.
struct Operation {
    method: Method,
    path: String,
    told: Value,
}

impl Operation {
    /// All that ask for a key and are answered at once.
    async fn guarded(world: &World) -> Vec<Self> {
        let document = world.get("/openapi.json").await.body;
        let paths = document["paths"].as_object().expect("paths").clone();
        let operations = paths.into_iter().flat_map(|(path, item)| {
            let methods = item.as_object().expect("methods").clone();
            methods.into_iter().map(move |(method, told)| {
                let method = Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method");
                Self { method, path: path.clone(), told }
            })
        });
        operations
            .filter(|operation| operation.told.get("security").is_some() && operation.path.starts_with("/v1/"))
            .collect()
    }

    /// The path with the ids of what there is and with the other parameters that must be there, as in their examples.
    fn path(&self, owned: &Owned) -> String {
        let parameters = self.told["parameters"].as_array().cloned().unwrap_or_default();
        let required = |place: &str| {
            let chosen = move |parameter: &&Value| parameter["in"] == place && parameter["required"] == true;
            let pair = |parameter: &Value| (text(&parameter["name"]), text(&parameter["example"]));
            parameters.iter().filter(chosen).map(pair).collect::<Vec<_>>()
        };
        let ids = [("{id}", &owned.id), ("{hold}", &owned.hold), ("{address_id}", &owned.address_id)];
        let path = ids.into_iter().fold(self.path.clone(), |path, (name, id)| path.replace(name, id));
        let path =
            required("path").into_iter().fold(path, |path, (name, value)| path.replace(&format!("{{{name}}}"), &value));
        let query: Vec<_> = required("query").into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) }
    }

    fn body(&self) -> Option<Value> {
        let body = self.told["requestBody"]["content"]["application/json"]["example"].clone();
        (!body.is_null()).then_some(body)
    }

    fn scopes(&self) -> Vec<String> {
        self.told["security"][0]["key"].as_array().into_iter().flatten().map(text).collect()
    }

    async fn refusal(&self, world: &World, key: Option<&str>, owned: &Owned) -> String {
        world.ask_as(key, self.method.clone(), &self.path(owned), self.body()).await.refusal()
    }
}

impl std::fmt::Display for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Makes a key on the command line: its id and the key itself.
fn key(world: &World, flags: &[&str]) -> (String, String) {
    let made = world.run_json(&[&["key", "create", "test", "--json"], flags].concat());
    (text(&made["id"]), text(&made["key"]))
}

#[tokio::test]
async fn every_operation_refuses_who_has_no_key_that_works() {
    let world = World::start().await;
    let (id, revoked) = key(&world, &["--scope", "admin"]);
    world.run_json(&["key", "revoke", &id, "--json"]);
    let soon = chrono::DateTime::<chrono::Utc>::from(UNIX_EPOCH + since_epoch() + Duration::from_secs(3));
    let (_, expired) = key(&world, &["--scope", "admin", "--expires", &soon.to_rfc3339()]);
    while world.ask_as(Some(&expired), Method::GET, "/v1/loyalty/kpis", None).await.status != 401 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let owned = Owned::by(&world, "guarded@example.com").await;
    let cases = [
        (None, "401 key_missing"),
        (Some("clk_made_up"), "401 key_unknown"),
        (Some(revoked.as_str()), "401 key_revoked"),
        (Some(expired.as_str()), "401 key_expired"),
    ];
    let operations = Operation::guarded(&world).await;
    assert!(operations.len() > 10, "{}", operations.len());
    let head = world.head().await;
    for operation in operations {
        for (key, expected) in cases {
            assert_eq!(operation.refusal(&world, key, &owned).await, expected, "{operation} with {key:?}");
        }
    }
    assert_eq!(world.head().await, head, "nothing was done");
}

#[tokio::test]
async fn every_operation_refuses_who_has_all_scopes_but_its_own() {
    let world = World::start().await;
    let owned = Owned::by(&world, "scoped@example.com").await;
    let operations = Operation::guarded(&world).await;
    let all = Scope::ALL.iter().map(|scope| scope.as_str()).filter(|scope| *scope != "admin");
    let mut lacking = BTreeMap::new();
    for own in operations.iter().map(Operation::scopes) {
        let others = all.clone().filter(|scope| !own.iter().any(|own| own == scope));
        let flags: Vec<_> = others.flat_map(|scope| ["--scope", scope]).collect();
        lacking.entry(own).or_insert_with(|| key(&world, &flags).1);
    }
    let head = world.head().await;
    for operation in operations {
        let own = operation.scopes();
        let path = operation.path(&owned);
        let answer = world.ask_as(Some(&lacking[&own]), operation.method.clone(), &path, operation.body()).await;
        assert_eq!(answer.refusal(), "403 scope_missing", "{operation}: {}", answer.body);
        let is_named = own.iter().any(|own| answer.body["scope"] == **own);
        assert!(is_named, "{operation} is said to ask for {own:?}: {}", answer.body);
    }
    assert_eq!(world.head().await, head, "nothing was done");
}

#[tokio::test]
async fn every_operation_on_another_tenants_customer_finds_none() {
    let world = World::start().await;
    let owned = Owned::by(&world, "foreign@example.com").await;
    let tenant = world.run_json(&["tenant", "create", "acme", "--json"])["tenant"].to_string();
    let (_, theirs) = key(&world, &["--scope", "admin", "--tenant", &tenant]);
    let operations = Operation::guarded(&world).await;
    let of_customers: Vec<_> = operations.iter().filter(|operation| operation.path.contains("{id}")).collect();
    assert!(of_customers.len() > 8, "{}", of_customers.len());
    for operation in of_customers {
        if operation.method == Method::GET && operation.path.starts_with("/v1/customers/") {
            let answer = world.get(&operation.path(&owned)).await;
            let has_none = ["not_erased", "credit_not_requested"].iter().any(|code| answer.body["code"] == **code);
            let is_told = answer.status == 200 || has_none;
            assert!(is_told, "{operation} by the owner: {}", answer.body);
        }
        // What its owner is told may be recorded; what a stranger asks for is not.
        let head = world.head().await;
        let refusal = operation.refusal(&world, Some(&theirs), &owned).await;
        assert!(refusal.starts_with("404 "), "{operation}: {refusal}");
        assert_eq!(world.head().await, head, "{operation}: nothing was done");
    }
}

#[tokio::test]
async fn every_example_is_taken() {
    let world = World::start().await;
    let owned = Owned::by(&world, "exemplary@example.com").await;
    for operation in Operation::guarded(&world).await {
        if operation.told["responses"]["200"]["content"].get("text/event-stream").is_some() {
            continue;
        }
        let answer =
            world.ask_as(Some(world.key()), operation.method.clone(), &operation.path(&owned), operation.body()).await;
        let code = answer.body["code"].as_str().unwrap_or_default();
        let is_malformed =
            ["invalid_", "malformed_", "unreadable_", "validation_"].iter().any(|kind| code.starts_with(kind));
        let is_let_in = ![401, 403, 413, 415].contains(&answer.status) && answer.status < 500;
        assert!(is_let_in && !is_malformed, "{operation}: {}", answer.body);
    }
}

#[tokio::test]
async fn examples_that_belong_together_do_what_they_say() {
    let world = World::start().await;
    let mut owned = Owned::by(&world, "exemplary@example.com").await;
    let operations = Operation::guarded(&world).await;
    let asks = async |owned: &Owned, method: Method, path: &str| {
        let operation =
            operations.iter().find(|asked| asked.method == method && asked.path == path).expect("there is one");
        let answer = world.ask_as(Some(world.key()), method, &operation.path(owned), operation.body()).await;
        assert!(answer.status < 300, "{operation}: {}", answer.body);
        answer.body
    };
    let registered = asks(&owned, Method::POST, "/v1/customers").await;
    owned.id = text(&registered["customer_id"]);
    asks(&owned, Method::PATCH, "/v1/customers/{id}").await;
    asks(&owned, Method::POST, "/v1/customers/{id}/purchases").await;
    asks(&owned, Method::POST, "/v1/customers/{id}/refunds").await;
    owned.address_id = text(&asks(&owned, Method::POST, "/v1/customers/{id}/addresses").await["address_id"]);
    asks(&owned, Method::PATCH, "/v1/customers/{id}/addresses/{address_id}").await;
}
