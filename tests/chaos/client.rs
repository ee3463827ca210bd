//! A caller over HTTP.

use crate::intents::{Answer, Deed};
use crate::workload::Ask;
use reqwest::{Client, ClientBuilder, Method, RequestBuilder, StatusCode};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use uuid::Uuid;

const TIMEOUT: Duration = Duration::from_secs(15);

/// A caller with a key.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    client: Client,
    base: String,
    key: String,
    /// The key of who gives credit.
    manager: Option<String>,
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
        Self { client, base, key: key.to_owned(), manager: None, faults: Arc::default() }
    }

    /// The same caller on another port, with connections of its own.
    pub(crate) fn through(&self, port: u16) -> Self {
        let (faults, manager) = (Arc::clone(&self.faults), self.manager.clone());
        Self { faults, manager, ..Self::new(port, &self.key) }
    }

    /// The same caller together with somebody who gives credit.
    pub(crate) fn with_manager(self, key: &str) -> Self {
        Self { manager: Some(key.to_owned()), ..self }
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
    pub(crate) async fn has_seen(&self, customer: Uuid, position: i64) -> bool {
        let path = format!("/v1/customers/{customer}/loyalty?min_position={position}");
        let asked = self.request(Method::GET, &path).send().await;
        asked.is_ok_and(|answer| answer.status() == StatusCode::OK)
    }

    /// Reads a balance; the position that it reflects, if it was answered.
    pub(crate) async fn balance_as_of(&self, customer: Uuid) -> Option<i64> {
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
                let made = if matches!(deed, Deed::Grant { .. }) { "line_id" } else { "customer_id" };
                let made = body[made].as_str().and_then(|id| id.parse().ok());
                Some(Answer::Done { position: position?, made })
            }
            StatusCode::CONFLICT if code == "conflict" => None,
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => None,
            status if status.is_server_error() => {
                self.fault(deed, body);
                None
            }
            _ => Some(Answer::Refused { code, available: available(&body["available"]) }),
        }
    }
}

impl Ask for Caller {
    async fn ask(&self, deed: &Deed, key: Option<&str>) -> Option<Answer> {
        let (path, body) = message(deed);
        let (status, position, body) = self.post((&path, &self.key), &body, key).await?;
        let answer = self.understand(deed, (status, position), &body)?;
        match (deed, &answer) {
            (Deed::Grant { units, .. }, Answer::Done { made: Some(line), .. }) => self.give(deed, *line, *units).await,
            _ => Some(answer),
        }
    }

    fn gives_credit(&self) -> bool {
        self.manager.is_some()
    }
}

impl Caller {
    /// Gives what was asked for.
    async fn give(&self, deed: &Deed, line: Uuid, units: i64) -> Option<Answer> {
        let manager = self.manager.as_deref().expect("only who has a manager asks for credit");
        let terms = json!({"limit": format!("{units}.00"), "currency": "EUR", "term_days": 30});
        let path = format!("/v1/credit-lines/{line}/approve");
        let (status, position, body) = self.post((&path, manager), &terms, None).await?;
        self.understand(deed, (status, position), &body)
    }

    async fn post(
        &self,
        (path, secret): (&str, &str),
        body: &Value,
        key: Option<&str>,
    ) -> Option<(StatusCode, Option<i64>, Value)> {
        let mut request = self.client.post(format!("{}{path}", self.base)).bearer_auth(secret).json(body);
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        let answer = request.send().await.ok()?;
        let position = answer.headers().get("x-position").and_then(|value| value.to_str().ok()?.parse().ok());
        Some((answer.status(), position, answer.json().await.ok()?))
    }
}

/// What a refusal says is available: points, or an amount with two decimals.
pub(crate) fn available(told: &Value) -> Option<i64> {
    told.as_i64().or_else(|| told["amount"].as_str()?.replace('.', "").parse().ok())
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
        Deed::Trade { email } => {
            ("/v1/customers".to_owned(), json!({"kind": "business", "company": email, "emails": [email]}))
        }
        Deed::Grant { customer, units } => (
            format!("/v1/customers/{customer}/credit-lines"),
            json!({"amount": format!("{units}.00"), "currency": "EUR"}),
        ),
        Deed::Use { line, order, units } => (
            format!("/v1/credit-lines/{line}/uses"),
            json!({"order_id": order, "amount": format!("{units}.00"), "currency": "EUR"}),
        ),
        Deed::Pay { line, payment, units } => (
            format!("/v1/credit-lines/{line}/payments"),
            json!({"payment_id": payment, "amount": format!("{units}.00"), "currency": "EUR"}),
        ),
    }
}

/// A client for servers of this machine, which need no TLS.
pub(crate) fn http() -> ClientBuilder {
    let believes_nobody = ClientConfig::builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    ClientBuilder::new().no_proxy().tls_backend_preconfigured(believes_nobody)
}
