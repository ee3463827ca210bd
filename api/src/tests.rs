//! The doors without a database: who is let in, what is turned away, and how each no looks.

use crate::{Api, Config, KeyDirectory, Keys, KnownKey, Parts, TenantRules, router};
use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, StatusCode};
use commands::{Commands, FrozenClock, Jobs, Reactors, Scope, job, reactor};
use futures::{StreamExt, stream};
use metrics_exporter_prometheus::PrometheusBuilder;
use projections::Projections;
use projections::runner::Pace;
use sha2::{Digest, Sha256};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use store::postgres::{Database, Pools, Tree};
use store::{
    AppendRequest, BoxError, Capabilities, ClaimKey, EventStore, EventStream, Filter, Position, ReadAll, ReadStream,
    Receipt, SignalStream, Snapshot, StoreError, StreamId, TenantId,
};
use tower::ServiceExt;
use uuid::Uuid;

const ID: &str = "018f0000-0000-7000-8000-000000000001";

/// A log that is away, and how often its end was asked for.
#[derive(Default)]
struct Away {
    asked: AtomicUsize,
}

fn away<T>() -> Result<T, StoreError> {
    Err(StoreError::Unavailable("no database in this test".into()))
}

#[async_trait]
impl EventStore for Away {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            multi_stream: true,
            claims: true,
            dense_positions: true,
            proofs: true,
            idempotency_answers: true,
        }
    }

    fn submit(&self, _: AppendRequest) -> Receipt {
        Receipt::new().0
    }

    fn read_stream(&self, _: ReadStream) -> EventStream {
        stream::once(async { away() }).boxed()
    }

    fn read_all(&self, _: ReadAll) -> EventStream {
        stream::once(async { away() }).boxed()
    }

    fn subscribe(&self, _: Position, _: Filter, _: bool) -> SignalStream {
        stream::pending().boxed()
    }

    async fn head(&self) -> Result<Position, StoreError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        // As if it were far away: others ask meanwhile.
        tokio::task::yield_now().await;
        away()
    }

    async fn claim_owners(&self, _: TenantId, _: &[ClaimKey]) -> Result<Vec<Option<Uuid>>, StoreError> {
        away()
    }

    async fn load_snapshot(&self, _: TenantId, _: &StreamId, _: i16) -> Result<Option<Snapshot>, StoreError> {
        Ok(None)
    }

    async fn save_snapshot(&self, _: TenantId, _: &StreamId, _: Snapshot) -> Result<(), StoreError> {
        away()
    }
}

/// The keys `writer`, `importer`, `reader`, `auditor`, `operator`, `expired` and `revoked`; `broken` breaks the directory.
#[derive(Default)]
struct FewKeys {
    asked: AtomicUsize,
}

#[async_trait]
impl KeyDirectory for FewKeys {
    async fn find(&self, digest: &[u8; 32]) -> Result<Option<KnownKey>, BoxError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let is = |text: &str| <[u8; 32]>::from(Sha256::digest(text)) == *digest;
        if is("broken") {
            return Err("no directory".into());
        }
        let keys = [
            ("writer", vec![Scope::CustomersWrite, Scope::LoyaltyWrite]),
            ("importer", vec![Scope::CustomersWrite, Scope::Operations]),
            ("reader", vec![Scope::CustomersRead]),
            ("auditor", vec![Scope::AuditRead]),
            ("operator", vec![Scope::Operations]),
            ("expired", vec![Scope::Admin]),
            ("revoked", vec![Scope::Admin]),
        ];
        let found = keys.into_iter().find(|(name, _)| is(name));
        Ok(found.map(|(name, scopes)| KnownKey {
            id: Uuid::from_slice(&digest[..16]).expect("16 bytes"),
            tenant: TenantId(1),
            rules: TenantRules::default(),
            digest: *digest,
            scopes,
            expires_at: (name == "expired").then(|| "2026-01-01T00:00:00Z".parse().expect("a time")),
            revoked: name == "revoked",
        }))
    }

    async fn rules(&self, _: TenantId) -> Result<Option<TenantRules>, BoxError> {
        Ok(Some(TenantRules::default()))
    }
}

pub(crate) struct Doors {
    router: Router,
    keys: Arc<FewKeys>,
    log: Arc<Away>,
}

pub(crate) fn doors(config: Config) -> Doors {
    let log = Arc::new(Away::default());
    let store = Arc::clone(&log) as Arc<dyn EventStore>;
    let database = Database::from_url("postgres://nobody@127.0.0.1:9/none").expect("the URL is well-formed");
    let pools = Pools::new(&database);
    let keys = Arc::new(FewKeys::default());
    let now = "2026-03-01T12:00:00Z".parse().expect("a time");
    let api = Api::new(Parts {
        commands: Commands::start(Arc::clone(&store), commands::Config::default()),
        projections: Arc::new(Projections::start_with(&[], &pools, Arc::clone(&store), Uuid::nil(), Pace::default())),
        reactors: Arc::new(Reactors::new(
            reactor::reactors(),
            reactor::Parts { pools: pools.clone(), store: Arc::clone(&store) },
        )),
        jobs: Arc::new(Jobs::new(
            job::jobs(),
            job::Parts { pools: pools.clone(), clock: Arc::new(FrozenClock::at(now)), facts: Arc::new(()) },
        )),
        tree: Tree::unattached(pools.engine.clone(), store::personal_data::Keys::random()),
        pools,
        store,
        clock: Arc::new(FrozenClock::at(now)),
        keys: Keys::new(Arc::clone(&keys) as Arc<dyn KeyDirectory>, &config),
        mail_servers: crate::KnownMailServers::default(),
        log_key: store::signed_note::LogKey::random(),
        receipts: crate::ReceiptsApart::default(),
        ticket_key: store::personal_data::Keys::random().master.ticket_key(),
        metrics: PrometheusBuilder::new().build_recorder().handle(),
        config,
    });
    Doors { router: router(api), keys, log }
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Doors {
    pub(crate) async fn ask(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("the router always answers");
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.expect("the body is in memory");
        let body = String::from_utf8(bytes.to_vec()).expect("answers are UTF-8");
        Answer { status: parts.status, headers: parts.headers, body }
    }

    async fn post(&self, path: &str, key: &str, body: &str) -> Answer {
        let request = Request::post(path)
            .header("authorization", format!("Bearer {key}"))
            .header("content-type", "application/json")
            .header("x-request-id", "test");
        self.ask(request.body(Body::from(body.to_owned())).expect("the request is well-formed")).await
    }

    pub(crate) async fn get(&self, path: &str, key: Option<&str>) -> Answer {
        let request = Request::get(path).header("x-request-id", "test");
        let request = match key {
            Some(key) => request.header("x-api-key", key),
            None => request,
        };
        self.ask(request.body(Body::empty()).expect("the request is well-formed")).await
    }
}

fn purchases() -> String {
    format!("/v1/customers/{ID}/purchases")
}

#[tokio::test]
async fn without_a_key_nobody_gets_in() {
    let doors = doors(Config::default());
    let answer = doors.get("/v1/customers?phone=1", None).await;
    assert_eq!(answer.headers["www-authenticate"], r#"Bearer realm="clientela""#);
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    insta::assert_snapshot!(answer.body, @r#"{"type":"urn:clientela:problem:key_missing","title":"Key missing","status":401,"detail":"this operation needs a key","code":"key_missing","request_id":"test"}"#);
}

#[tokio::test]
async fn every_operation_refuses_bad_keys_and_missing_scopes() {
    let doors = doors(Config::default());
    let customer = format!("/v1/customers/{ID}");
    let gets = ["/v1/customers", &customer, &format!("{customer}/events"), &format!("{customer}/loyalty")];
    for path in gets {
        for (key, status) in [("made-up", 401), ("expired", 401), ("revoked", 401), ("operator", 403), ("broken", 503)]
        {
            assert_eq!(doors.get(path, Some(key)).await.status.as_u16(), status, "GET {path} as {key}");
        }
    }
    let reference = r#"{"name":"Ana"}"#;
    let order = r#"{"order_id":"1","total":"1","currency":"USD"}"#;
    let posts = [
        ("/v1/customers", reference),
        (&purchases(), order),
        (&format!("{customer}/refunds"), r#"{"order_id":"1","refund_id":"1"}"#),
        (&format!("{customer}/loyalty"), r#"{"currency":"USD"}"#),
        (&format!("{customer}/loyalty/earn"), order),
        (&format!("{customer}/loyalty/redeem"), r#"{"order_id":"1","points":100}"#),
        ("/v1/imports/purchases", r#"{"system":"a","currency":"USD","rows":[]}"#),
    ];
    for (path, body) in posts {
        for (key, status) in [("made-up", 401), ("expired", 401), ("revoked", 401), ("operator", 403), ("broken", 503)]
        {
            assert_eq!(doors.post(path, key, body).await.status.as_u16(), status, "POST {path} as {key}");
        }
    }
}

#[tokio::test]
async fn projections_are_for_operators() {
    let doors = doors(Config::default());
    let paths =
        ["/v1/projections/customers/skip", "/v1/projections/customers/pause", "/v1/projections/customers/resume"];
    for (key, status) in [("made-up", 401), ("expired", 401), ("reader", 403), ("broken", 503)] {
        assert_eq!(doors.get("/v1/projections", Some(key)).await.status.as_u16(), status, "as {key}");
        for path in paths {
            let answer = doors.post(path, key, r#"{"position":1,"reason":"a"}"#).await;
            assert_eq!(answer.status.as_u16(), status, "POST {path} as {key}");
        }
    }
    for path in paths {
        let unknown = doors.post(path, "operator", r#"{"position":1,"reason":"a"}"#).await;
        assert!(unknown.status == StatusCode::NOT_FOUND && unknown.body.contains("projection_not_found"), "{path}");
    }
    assert_eq!(doors.get("/v1/projections", Some("operator")).await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_real_key_that_works_no_more_says_why() {
    let doors = doors(Config::default());
    for (key, code) in [("made-up", "key_unknown"), ("expired", "key_expired"), ("revoked", "key_revoked")] {
        let answer = doors.get("/v1/customers", Some(key)).await;
        assert!(answer.body.contains(code), "{}", answer.body);
        assert_eq!(answer.headers["www-authenticate"], r#"Bearer realm="clientela", error="invalid_token""#);
    }
}

#[tokio::test]
async fn a_key_is_looked_up_once() {
    let doors = doors(Config::default());
    for _ in 0..3 {
        doors.get("/v1/customers", Some("operator")).await;
        doors.get("/v1/customers", Some("made-up")).await;
    }
    assert_eq!(doors.keys.asked.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_missing_scope_is_named() {
    let answer =
        doors(Config::default()).post(&purchases(), "reader", r#"{"order_id":"1","total":"1","currency":"USD"}"#).await;
    insta::assert_snapshot!(answer.body, @r#"{"type":"urn:clientela:problem:scope_missing","title":"Scope missing","status":403,"detail":"this operation needs the scope customers:write","code":"scope_missing","request_id":"test","scope":"customers:write"}"#);
}

#[tokio::test]
async fn an_open_server_needs_no_key_but_its_own_name() {
    let doors = doors(Config { open: true, ..Config::default() });
    assert_eq!(doors.get("/v1/customers", None).await.status, StatusCode::BAD_REQUEST);
    for (host, status) in [("localhost:8007", 400), ("127.0.0.1", 400), ("[::1]:8007", 400), ("evil.example:8007", 401)]
    {
        let request = Request::get("/v1/customers").header("host", host).body(Body::empty()).expect("valid");
        assert_eq!(doors.ask(request).await.status.as_u16(), status, "{host}");
    }
}

#[tokio::test]
async fn unknown_paths_methods_and_ids_are_problems_too() {
    let doors = doors(Config::default());
    insta::assert_snapshot!(doors.get("/v2/nothing", None).await.body, @r#"{"type":"urn:clientela:problem:no_such_route","title":"No such route","status":404,"detail":"there is nothing under this path","code":"no_such_route","request_id":"test"}"#);
    let request = Request::delete("/v1/customers").header("x-request-id", "test").body(Body::empty()).expect("valid");
    let answer = doors.ask(request).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(answer.headers.contains_key("allow"));
    insta::assert_snapshot!(answer.body, @r#"{"type":"urn:clientela:problem:method_not_allowed","title":"Method not allowed","status":405,"detail":"this path does not answer to this method","code":"method_not_allowed","request_id":"test"}"#);
    insta::assert_snapshot!(doors.get("/v1/customers/seven", Some("reader")).await.body, @r#"{"type":"urn:clientela:problem:invalid_id","title":"Invalid id","status":400,"detail":"the id in the path is not a UUID","code":"invalid_id","request_id":"test","errors":[{"parameter":"id","code":"invalid_id","detail":"the id in the path is not a UUID"}]}"#);
}

#[tokio::test]
async fn a_wrong_id_is_called_by_its_name() {
    let doors = doors(Config::default());
    for (path, name) in [("seven/addresses/8", "id"), (&format!("{ID}/addresses/8"), "address_id")] {
        let answer = doors.get(&format!("/v1/customers/{path}"), Some("reader")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}");
        assert!(answer.body.contains(&format!(r#""parameter":"{name}","code":"invalid_id""#)), "{}", answer.body);
    }
    let capture = doors.post(&format!("/v1/customers/{ID}/loyalty/holds/8/capture"), "writer", "{}").await;
    assert!(capture.body.contains(r#""parameter":"hold""#), "{}", capture.body);
}

#[tokio::test]
async fn what_a_query_does_not_know_is_refused_and_not_left_out() {
    let doors = doors(Config::default());
    let below = ["addresses", &format!("addresses/{ID}"), "contacts", "documents", "preferences"];
    for path in below {
        let answer = doors.get(&format!("/v1/customers/{ID}/{path}?as_of=2026-01-01"), Some("reader")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}: {}", answer.body);
        assert!(answer.body.contains(r#""parameter":"as_of","code":"invalid_parameter""#), "{}", answer.body);
        let known = doors.get(&format!("/v1/customers/{ID}/{path}?min_position=0"), Some("reader")).await;
        assert_ne!(known.status, StatusCode::BAD_REQUEST, "{path}: {}", known.body);
    }
}

#[tokio::test]
async fn bodies_are_refused_with_the_field_at_fault() {
    let doors = doors(Config::default());
    let purchase = |body: &'static str| {
        let doors = &doors;
        async move { doors.post(&purchases(), "writer", body).await.body }
    };
    insta::assert_snapshot!(purchase("{").await, @r#"{"type":"urn:clientela:problem:malformed_json","title":"Malformed json","status":400,"detail":"the body is not valid JSON: EOF while parsing an object at line 1 column 1","code":"malformed_json","request_id":"test","column":1,"line":1}"#);
    insta::assert_snapshot!(purchase(r#"{"order_id":"1","total":1e3,"currency":"USD"}"#).await, @r#"{"type":"urn:clientela:problem:validation_failed","title":"Validation failed","status":422,"detail":"/total: must be a decimal number such as 12.34","code":"validation_failed","request_id":"test","errors":[{"pointer":"/total","code":"not_a_decimal","detail":"/total: must be a decimal number such as 12.34"}]}"#);
    insta::assert_snapshot!(purchase(r#"{"order_id":"a b","total":12.345,"currency":"USD","occurred_at":"soon"}"#).await, @r#"{"type":"urn:clientela:problem:validation_failed","title":"Validation failed","status":422,"detail":"/order_id: may contain only [A-Za-z0-9._:/#-]","code":"validation_failed","request_id":"test","errors":[{"pointer":"/order_id","code":"invalid_character","detail":"/order_id: may contain only [A-Za-z0-9._:/#-]"},{"pointer":"/total","code":"too_many_decimals","detail":"/total: USD has 2 decimals"},{"pointer":"/occurred_at","code":"invalid_time","detail":"/occurred_at: must be a time of RFC 3339 or a date such as 2026-03-01"}]}"#);
    insta::assert_snapshot!(purchase(r#"{"order_id":"1","total":"1","currency":"USD","lines":[{"sku":"","quantity":1,"amount":"x"}]}"#).await, @r#"{"type":"urn:clientela:problem:validation_failed","title":"Validation failed","status":422,"detail":"/lines/0/sku: must not be empty","code":"validation_failed","request_id":"test","errors":[{"pointer":"/lines/0/sku","code":"empty","detail":"/lines/0/sku: must not be empty"},{"pointer":"/lines/0/amount","code":"not_a_decimal","detail":"/lines/0/amount: must be a decimal number such as 12.34"}]}"#);
    let register =
        doors.post("/v1/customers", "writer", r#"{"emails":["a@example.org","nobody"],"loyalty":true}"#).await;
    insta::assert_snapshot!(register.body, @r#"{"type":"urn:clientela:problem:validation_failed","title":"Validation failed","status":422,"detail":"/emails/1: is not a valid e-mail address","code":"validation_failed","request_id":"test","errors":[{"pointer":"/emails/1","code":"invalid_email","detail":"/emails/1: is not a valid e-mail address"},{"pointer":"/currency","code":"missing_field","detail":"/currency: a member needs a currency to earn in"}]}"#);
    let register = doors.post("/v1/customers", "writer", r#"{"loyalty":7}"#).await;
    insta::assert_snapshot!(register.body, @r#"{"type":"urn:clientela:problem:validation_failed","title":"Validation failed","status":422,"detail":"loyalty must be true, false or an object with a currency","code":"validation_failed","request_id":"test","errors":[{"pointer":"/loyalty","code":"wrong_type","detail":"loyalty must be true, false or an object with a currency"}]}"#);
}

#[tokio::test]
async fn a_body_must_be_json_and_of_bounded_size() {
    let doors = doors(Config { body_bytes_max: 64, ..Config::default() });
    let text = Request::post(purchases()).header("x-api-key", "writer").body(Body::from("{}")).expect("valid");
    assert_eq!(doors.ask(text).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let large = format!(r#"{{"order_id":"{}"}}"#, "7".repeat(64));
    let answer = doors.post(&purchases(), "writer", &large).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    insta::assert_snapshot!(answer.body, @r#"{"type":"urn:clientela:problem:payload_too_large","title":"Payload too large","status":413,"detail":"the body is larger than allowed here","code":"payload_too_large","request_id":"test"}"#);
    let rows = format!(r#"{{"system":"A B","currency":"USD","rows":[{}]}}"#, " ".repeat(64));
    let import = doors.post("/v1/imports/purchases", "writer", &rows).await;
    assert_eq!(import.status, StatusCode::UNPROCESSABLE_ENTITY, "an import may be larger");
}

#[tokio::test]
async fn a_bad_idempotency_key_is_refused() {
    let request = Request::post(purchases())
        .header("x-api-key", "writer")
        .header("content-type", "application/json")
        .header("x-request-id", "test")
        .header("idempotency-key", "two words");
    let request = request.body(Body::from("{}")).expect("the request is well-formed");
    insta::assert_snapshot!(doors(Config::default()).ask(request).await.body, @r#"{"type":"urn:clientela:problem:invalid_idempotency_key","title":"Invalid idempotency key","status":400,"detail":"Idempotency-Key must be given once, of 1 to 255 visible ASCII characters","code":"invalid_idempotency_key","request_id":"test","errors":[{"header":"Idempotency-Key","code":"invalid_idempotency_key","detail":"Idempotency-Key must be given once, of 1 to 255 visible ASCII characters"}]}"#);
}

#[tokio::test]
async fn while_the_log_is_away_the_answer_is_503_with_retry_after() {
    let doors = doors(Config::default());
    let answer = doors.post(&purchases(), "writer", r#"{"order_id":"1","total":"1","currency":"USD"}"#).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers.contains_key("retry-after"));
    assert!(!answer.body.contains("no database"), "{}", answer.body);
    let history = doors.get(&format!("/v1/customers/{ID}/events"), Some("auditor")).await;
    assert_eq!(history.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_stated_clock_is_for_operators() {
    let body = r#"{"now":"1998-06-30","system":"cdnow","currency":"USD","rows":[]}"#;
    let answer = doors(Config::default()).post("/v1/imports/purchases", "writer", body).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(answer.body.contains("operations"));
}

#[tokio::test]
async fn a_stated_clock_lies_between_1900_and_tomorrow() {
    let doors = doors(Config::default());
    let import = async |now: &str| {
        let body = format!(r#"{{"now":"{now}","system":"cdnow","currency":"USD","rows":[]}}"#);
        let answer = doors.post("/v1/imports/purchases", "importer", &body).await;
        let problem: serde_json::Value = serde_json::from_str(&answer.body).expect("it is JSON");
        let (code, pointer) = (problem["code"].to_string(), problem["errors"][0]["pointer"].to_string());
        format!("{} {code} {pointer}", answer.status.as_u16())
    };
    insta::assert_snapshot!(import("1899-12-31").await, @r#"422 "too_long_ago" "/now""#);
    insta::assert_snapshot!(import("2026-03-02T12:00:01Z").await, @r#"422 "in_the_future" "/now""#);
    for now in ["1900-01-01", "2026-03-02T12:00:00Z"] {
        assert!(import(now).await.starts_with("503"), "it comes as far as the log, which is away");
    }
}

#[tokio::test]
async fn a_reference_looked_for_is_read_like_one_in_a_body() {
    let doors = doors(Config::default());
    for reference in ["s:a%00", "S%20:a", "s:", ":a", "nothing"] {
        let answer = doors.get(&format!("/v1/customers?reference={reference}"), Some("reader")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{reference}: {}", answer.body);
        assert!(answer.body.contains(r#""parameter":"reference""#), "{reference}: {}", answer.body);
    }
    let good = doors.get("/v1/customers?reference=s:a", Some("reader")).await;
    assert_eq!(good.status, StatusCode::SERVICE_UNAVAILABLE, "it comes as far as the database, which is away");
}

#[tokio::test]
async fn a_request_keeps_its_id_and_its_trace() {
    let doors = doors(Config::default());
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let request = Request::get("/health/live").header("x-request-id", "till-7").header("traceparent", trace);
    let answer = doors.ask(request.body(Body::empty()).expect("the request is well-formed")).await;
    assert_eq!(
        (&answer.headers["x-request-id"], &answer.headers["traceparent"]),
        (&"till-7".parse().expect("valid"), &trace.parse().expect("valid"))
    );
    let request = Request::get("/health/live").header("x-request-id", "two words").body(Body::empty()).expect("valid");
    let made = doors.ask(request).await.headers["x-request-id"].to_str().expect("it is ASCII").to_owned();
    assert!(Uuid::try_parse(&made).is_ok());
}

#[tokio::test]
async fn health_is_terse_to_strangers() {
    let doors = doors(Config::default());
    insta::assert_snapshot!(doors.get("/health/live", None).await.body, @r#"{"status":"live"}"#);
    let ready = doors.get("/health/ready", None).await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    insta::assert_snapshot!(ready.body, @r#"{"status":"unavailable"}"#);
    insta::assert_snapshot!(doors.get("/health", None).await.body, @r#"{"status":"unavailable"}"#);
    insta::assert_snapshot!(doors.get("/health", Some("operator")).await.body, @r#"{"status":"unavailable","components":{"event_store":{"status":"down","head":null},"reactors":[],"jobs":[],"tree":{"state":"standby","published":{}}}}"#);
}

#[tokio::test]
async fn one_looks_for_all_strangers_and_operators_look_for_themselves() {
    let doors = doors(Config::default());
    let asked = stream::iter(0..50).map(|_| doors.get("/health/ready", None)).buffer_unordered(50);
    assert_eq!(asked.collect::<Vec<_>>().await.len(), 50);
    doors.get("/health", None).await;
    assert_eq!(doors.log.asked.load(Ordering::Relaxed), 1);
    doors.get("/health", Some("operator")).await;
    doors.get("/health", Some("reader")).await;
    assert_eq!(doors.log.asked.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn who_tries_keys_on_health_is_counted_and_who_has_none_is_not() {
    let doors = doors(Config { failures_per_address: 1, ..Config::default() });
    let from = |key: Option<String>| {
        let request = key.into_iter().fold(Request::get("/health"), |request, key| request.header("x-api-key", key));
        let mut request = request.body(Body::empty()).expect("valid");
        let peer: SocketAddr = "203.0.113.7:5000".parse().expect("an address");
        request.extensions_mut().insert(ConnectInfo(peer));
        doors.ask(request)
    };
    for _ in 0..30 {
        assert_eq!(from(None).await.body, r#"{"status":"unavailable"}"#);
    }
    for guess in 0..20 {
        assert_eq!(from(Some(format!("guess-{guess}"))).await.status, StatusCode::SERVICE_UNAVAILABLE);
    }
    assert_eq!(from(Some("guess-20".to_owned())).await.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(from(None).await.status, StatusCode::SERVICE_UNAVAILABLE, "it guesses nothing");
}

#[tokio::test]
async fn figures_are_for_this_machine_and_for_operators() {
    let doors = doors(Config::default());
    let from = |peer: &str, proxied: bool| {
        let mut request = Request::get("/metrics").body(Body::empty()).expect("the request is well-formed");
        request.extensions_mut().insert(ConnectInfo(peer.parse::<SocketAddr>().expect("an address")));
        if proxied {
            request.headers_mut().insert("x-forwarded-for", "203.0.113.7".parse().expect("a header"));
        }
        request
    };
    assert_eq!(doors.ask(from("127.0.0.1:5000", false)).await.status, StatusCode::OK);
    assert_eq!(doors.ask(from("127.0.0.1:5000", true)).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(doors.ask(from("203.0.113.7:5000", false)).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(doors.get("/metrics", Some("operator")).await.status, StatusCode::OK);
    assert_eq!(doors.get("/metrics", Some("reader")).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn too_much_at_once_is_turned_away() {
    let doors = doors(Config { in_flight_max: 0, ..Config::default() });
    let answer = doors.get("/v1/customers", Some("reader")).await;
    assert_eq!(
        (answer.status, &answer.headers["retry-after"]),
        (StatusCode::SERVICE_UNAVAILABLE, &"1".parse().expect("valid"))
    );
    insta::assert_snapshot!(answer.body, @r#"{"type":"urn:clientela:problem:busy","title":"Busy","status":503,"detail":"the server has too many requests in flight","code":"busy","request_id":"test"}"#);
    assert_eq!(doors.get("/health/live", None).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_key_may_send_so_many_requests_and_then_has_to_wait() {
    let doors = doors(Config { requests_per_key: 1, ..Config::default() });
    for _ in 0..2 {
        assert_eq!(doors.get("/v1/customers", Some("reader")).await.status, StatusCode::BAD_REQUEST);
    }
    let refused = doors.get("/v1/customers", Some("reader")).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers["retry-after"], "1");
    insta::assert_snapshot!(refused.body, @r#"{"type":"urn:clientela:problem:rate_limited","title":"Rate limited","status":429,"detail":"too many requests by this key","code":"rate_limited","request_id":"test","by":"key"}"#);
    assert_eq!(doors.get("/metrics", Some("operator")).await.status, StatusCode::OK, "another key has its own");
    assert_eq!(doors.get("/health/live", None).await.status, StatusCode::OK);
}

#[tokio::test]
async fn who_comes_too_often_without_a_key_that_works_is_not_looked_up_any_more() {
    let doors = doors(Config { failures_per_address: 1, ..Config::default() });
    let from = |address: &str, key: &str| {
        let mut request = Request::get("/v1/customers").header("x-api-key", key).body(Body::empty()).expect("valid");
        let peer = format!("{address}:5000").parse::<SocketAddr>().expect("an address");
        request.extensions_mut().insert(ConnectInfo(peer));
        doors.ask(request)
    };
    assert_eq!(from("203.0.113.7", "reader").await.status, StatusCode::BAD_REQUEST);
    for guess in 0..20 {
        assert_eq!(from("203.0.113.7", &format!("guess-{guess}")).await.status, StatusCode::UNAUTHORIZED);
    }
    let asked = doors.keys.asked.load(Ordering::Relaxed);
    for guess in 20..30 {
        let refused = from("203.0.113.7", &format!("guess-{guess}")).await;
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{}", refused.body);
        assert!(refused.headers.contains_key("retry-after") && refused.body.contains("by this address"));
    }
    assert_eq!(doors.keys.asked.load(Ordering::Relaxed), asked, "the directory is left alone");
    assert_eq!(from("203.0.113.7", "reader").await.status, StatusCode::BAD_REQUEST, "a key that is known works on");
    assert_eq!(from("203.0.113.8", "guess-0").await.status, StatusCode::UNAUTHORIZED, "others are not held to account");
}

#[tokio::test]
async fn a_key_that_worked_works_on_while_strangers_of_the_same_address_knock() {
    // What is remembered of keys lapses at once, as it does after half a minute else.
    let doors = doors(Config { failures_per_address: 1, key_ttl: Duration::ZERO, ..Config::default() });
    let from_the_proxy = |key: &str| {
        let mut request = Request::get("/v1/customers").header("x-api-key", key).body(Body::empty()).expect("valid");
        let peer: SocketAddr = "203.0.113.7:5000".parse().expect("an address");
        request.extensions_mut().insert(ConnectInfo(peer));
        doors.ask(request)
    };
    assert_eq!(from_the_proxy("reader").await.status, StatusCode::BAD_REQUEST);
    for guess in 0..20 {
        from_the_proxy(&format!("guess-{guess}")).await;
    }
    assert_eq!(from_the_proxy("guess-20").await.status, StatusCode::TOO_MANY_REQUESTS);
    let asked = doors.keys.asked.load(Ordering::Relaxed);
    for _ in 0..3 {
        assert_eq!(from_the_proxy("reader").await.status, StatusCode::BAD_REQUEST);
    }
    assert_eq!(doors.keys.asked.load(Ordering::Relaxed), asked + 3, "each time the directory said so");
    assert_eq!(from_the_proxy("writer").await.status, StatusCode::TOO_MANY_REQUESTS, "it was never seen here");
}

#[tokio::test]
async fn so_many_imports_at_once_and_who_waits_too_long_for_one_is_told_so() {
    let config = Config { imports_max: 1, place_timeout: Duration::from_millis(20), ..Config::default() };
    let doors = doors(config);
    let import = |key: &str, body: Body| {
        let request = Request::post("/v1/imports/purchases").header("x-api-key", key);
        let request = request.header("content-type", "application/json").body(body);
        doors.ask(request.expect("the request is well-formed"))
    };
    let endless = || Body::from_stream(stream::pending::<Result<bytes::Bytes, std::io::Error>>());
    let text = r#"{"system":"A B","currency":"USD","rows":[]}"#;
    let mut first = std::pin::pin!(import("importer", endless()));
    assert!(futures::poll!(&mut first).is_pending(), "its body never ends");
    let second = import("importer", Body::from(text)).await;
    assert!(second.status == StatusCode::SERVICE_UNAVAILABLE && second.body.contains("busy"), "{}", second.body);
    assert!(second.headers.contains_key("retry-after"));
    for (key, status) in [("made-up", StatusCode::UNAUTHORIZED), ("reader", StatusCode::FORBIDDEN)] {
        assert_eq!(import(key, endless()).await.status, status, "nobody waits for the body of who may not");
    }
    assert_eq!(doors.get("/v1/customers", Some("reader")).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_takes_too_long_is_given_up() {
    let doors = doors(Config { request_timeout: Duration::ZERO, ..Config::default() });
    let request =
        Request::post("/v1/customers").header("x-api-key", "writer").header("content-type", "application/json");
    let never = Body::from_stream(stream::pending::<Result<bytes::Bytes, std::io::Error>>());
    let answer = doors.ask(request.body(never).expect("the request is well-formed")).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.body.contains("timed_out"));
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a route of this test only")]
async fn a_panic_is_a_problem_without_details() {
    async fn bug() -> &'static str {
        panic!("secret")
    }
    let router = Router::new()
        .route("/bug", axum::routing::get(bug))
        .layer(tower_http::catch_panic::CatchPanicLayer::custom(crate::envelope::panicked))
        .layer(axum::middleware::from_fn(crate::envelope::surround));
    let doors = Doors { router, keys: Arc::default(), log: Arc::default() };
    let answer = doors.get("/bug", None).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    insta::assert_snapshot!(answer.body, @r#"{"type":"urn:clientela:problem:internal","title":"Internal","status":500,"detail":"something went wrong here; the log has the details","code":"internal","request_id":"test"}"#);
}

#[tokio::test]
async fn browsers_of_other_origins_are_let_in_by_configuration_only() {
    let preflight = || {
        Request::options("/v1/customers")
            .header("origin", "https://shop.example")
            .header("access-control-request-method", "POST")
            .body(Body::empty())
            .expect("the request is well-formed")
    };
    let closed = doors(Config::default()).ask(preflight()).await;
    assert!(!closed.headers.contains_key("access-control-allow-origin"));
    let open = Config { cors_origins: vec!["https://shop.example".to_owned()], ..Config::default() };
    let answer = doors(open).ask(preflight()).await;
    assert_eq!(answer.headers["access-control-allow-origin"], "https://shop.example");
}
