//! A caller over HTTP.

use crate::intents::{Answer, Deed};
use crate::workload::Ask;
use reqwest::{Client, ClientBuilder, Method, RequestBuilder, StatusCode};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(15);

/// A caller with a key.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    client: Client,
    base: String,
    key: String,
    /// Answers that nobody may ever get: internal errors.
    faults: Arc<Mutex<Vec<String>>>,
}

/// An answer as it came.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) position: Option<i64>,
    pub(crate) text: String,
}

impl Reply {
    pub(crate) fn body(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// The code of a problem.
    pub(crate) fn code(&self) -> String {
        self.body()["code"].as_str().unwrap_or_default().to_owned()
    }
}

impl Caller {
    pub(crate) fn new(port: u16, key: &str) -> Self {
        let client = http().timeout(TIMEOUT).build().expect("a client");
        let base = format!("http://127.0.0.1:{port}");
        Self { client, base, key: key.to_owned(), faults: Arc::default() }
    }

    /// The same caller on another port, with connections of its own.
    pub(crate) fn through(&self, port: u16) -> Self {
        Self { faults: Arc::clone(&self.faults), ..Self::new(port, &self.key) }
    }

    /// Internal errors that were answered so far.
    pub(crate) fn faults(&self) -> Vec<String> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the server says it is ready.
    pub(crate) async fn is_ready(&self) -> bool {
        let asked = self.request(Method::GET, "/health/ready").timeout(Duration::from_secs(3)).send().await;
        asked.is_ok_and(|answer| answer.status() == StatusCode::OK)
    }

    /// Sends anything, under a name of the request if one is given; none when no answer came.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        key: Option<&str>,
    ) -> Option<Reply> {
        let kind = if method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.json(body).header("Content-Type", kind);
        }
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        let answer = request.send().await.ok()?;
        let position = answer.headers().get("x-position").and_then(|value| value.to_str().ok()?.parse().ok());
        let status = answer.status().as_u16();
        Some(Reply { status, position, text: answer.text().await.ok()? })
    }

    /// Opens a feed.
    pub(crate) async fn open(&self, path: &str) -> reqwest::Response {
        let client = http().build().expect("a client");
        let request = client.get(format!("{}{path}", self.base)).bearer_auth(&self.key);
        request.send().await.expect("an answer")
    }

    /// Reads anything, as text.
    pub(crate) async fn text(&self, path: &str) -> (StatusCode, String) {
        let answer = self.request(Method::GET, path).send().await.expect("an answer");
        (answer.status(), answer.text().await.expect("a text"))
    }

    /// Reads a balance that has seen a position; says whether it was answered.
    pub(crate) async fn has_seen(&self, customer: uuid::Uuid, position: i64) -> bool {
        let path = format!("/v1/customers/{customer}/loyalty?min_position={position}");
        let asked = self.request(Method::GET, &path).send().await;
        asked.is_ok_and(|answer| answer.status() == StatusCode::OK)
    }

    /// Reads a balance; the position that it reflects, if it was answered.
    pub(crate) async fn balance_as_of(&self, customer: uuid::Uuid) -> Option<i64> {
        let answer = self.request(Method::GET, &format!("/v1/customers/{customer}/loyalty")).send().await.ok()?;
        let position = answer.headers().get("x-position")?.to_str().ok()?.parse().ok();
        position.filter(|_| answer.status() == StatusCode::OK)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base)).bearer_auth(&self.key)
    }

    fn fault(&self, deed: &Deed, body: &Value) {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{deed:?}: {body}"));
    }

    fn understand(&self, deed: &Deed, (status, position): (StatusCode, Option<i64>), body: &Value) -> Option<Answer> {
        let code = body["code"].as_str().unwrap_or_default().to_owned();
        match status {
            StatusCode::OK | StatusCode::CREATED => {
                let customer = body["customer_id"].as_str().and_then(|id| id.parse().ok());
                Some(Answer::Done { position: position?, customer })
            }
            StatusCode::CONFLICT if code == "conflict" => None,
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => None,
            status if status.is_server_error() => {
                self.fault(deed, body);
                None
            }
            _ => Some(Answer::Refused { code, available: body["available"].as_i64() }),
        }
    }
}

impl Ask for Caller {
    async fn ask(&self, deed: &Deed, key: Option<&str>) -> Option<Answer> {
        let (path, body) = message(deed);
        let mut request = self.request(Method::POST, &path).json(&body);
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        let answer = request.send().await.ok()?;
        let position = answer.headers().get("x-position").and_then(|value| value.to_str().ok()?.parse().ok());
        let status = answer.status();
        let body: Value = answer.json().await.ok()?;
        self.understand(deed, (status, position), &body)
    }
}

fn message(deed: &Deed) -> (String, Value) {
    match deed {
        Deed::Register { email } => {
            ("/v1/customers".to_owned(), json!({"emails": [email], "loyalty": {"currency": "EUR"}}))
        }
        Deed::Purchase { customer, order, units } => (
            format!("/v1/customers/{customer}/purchases"),
            json!({"order_id": order, "total": format!("{units}.50"), "currency": "EUR"}),
        ),
        Deed::Earn { customer, order, units } => (
            format!("/v1/customers/{customer}/loyalty/earn"),
            json!({"order_id": order, "total": format!("{units}.00"), "currency": "EUR"}),
        ),
        Deed::Redeem { customer, order, points } => {
            (format!("/v1/customers/{customer}/loyalty/redeem"), json!({"order_id": order, "points": points}))
        }
    }
}

/// A client for servers of this machine, which need no TLS.
pub(crate) fn http() -> ClientBuilder {
    let believes_nobody = ClientConfig::builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    ClientBuilder::new().no_proxy().tls_backend_preconfigured(believes_nobody)
}
