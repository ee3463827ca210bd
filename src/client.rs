//! A caller of a running server's API: address, key, JSON, and what went wrong in one line.

use crate::announced;
use crate::config::Settings;
use crate::secrets;
use crate::tls;
use anyhow::{Context, bail};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use uuid::Uuid;

/// A request takes at most so long.
const PATIENCE: Duration = Duration::from_secs(60);

const CONNECT_MAX: Duration = Duration::from_secs(5);
/// An answer without an end says something more often than this.
const SILENCE_MAX: Duration = Duration::from_secs(45);

/// Where the server is, and by which key it is asked.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ServerAddress {
    /// Address of the running server [default: the configured one, else where the server of the data folder listens]
    #[arg(long, value_name = "URL", env = "CLIENTELA_URL")]
    url: Option<String>,
    /// Key of the API; better kept out of sight in the variable [default: the admin key in the data folder]
    #[arg(long, value_name = "KEY", env = "CLIENTELA_KEY", hide_env_values = true)]
    key: Option<String>,
}

/// The id of a customer, as an argument of a command.
pub(crate) fn customer_id(text: &str) -> Result<Uuid, &'static str> {
    Uuid::try_parse(text).map_err(|_| "not the id of a customer (a UUID)")
}

/// Calls the API.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
    key: String,
    key_from: KeyFrom,
}

/// Where the key comes from.
#[derive(Debug, Clone)]
enum KeyFrom {
    /// The caller.
    Caller,
    /// This file of the data folder.
    File(PathBuf),
}

/// An answer that is no error.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) body: Value,
}

/// Why a call gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// Nobody answered, or not to the end.
    #[error("no server answers at {url}: start it with `clientela serve`, or name another with --url ({reason})")]
    Away {
        /// Where was asked.
        url: String,
        /// What happened.
        reason: String,
    },
    /// The server said no.
    #[error("{}", .0.line())]
    Refused(Box<Refused>),
}

/// An error of the server (RFC 9457).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Refused {
    #[serde(skip)]
    pub(crate) status: u16,
    pub(crate) code: String,
    detail: String,
    errors: Vec<FieldError>,
    request_id: Option<String>,
    /// The whole answer.
    #[serde(skip)]
    pub(crate) body: Value,
    #[serde(skip)]
    pub(crate) retry_after: Option<Duration>,
    /// What it means for whoever gave this key.
    #[serde(skip)]
    about_key: Option<String>,
}

/// A place in what was asked for, and what is wrong with it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FieldError {
    pointer: Option<String>,
    parameter: Option<String>,
    header: Option<String>,
    detail: String,
}

impl FieldError {
    /// None where the whole of it is to blame.
    fn told(&self) -> Option<String> {
        let place = self.pointer.as_ref().or(self.parameter.as_ref()).or(self.header.as_ref());
        let place = place.filter(|place| !place.is_empty())?;
        let is_said = self.detail.starts_with(&format!("{place}:"));
        Some(if is_said { self.detail.clone() } else { format!("{place}: {}", self.detail) })
    }
}

impl Refused {
    fn line(&self) -> String {
        if let Some(told) = &self.about_key {
            return format!("{told} ({} {})", self.status, self.code);
        }
        let advice = if self.code == "key_missing" { "; give one with --key or CLIENTELA_KEY" } else { "" };
        let request = match &self.request_id {
            Some(id) if self.status >= 500 => format!(" (request {id})"),
            _ => String::new(),
        };
        let places: Option<Vec<_>> = self.errors.iter().map(FieldError::told).collect();
        let detail = places.filter(|places| !places.is_empty()).map(|places| places.join("; "));
        let detail = detail.unwrap_or_else(|| self.detail.clone());
        format!("the server answered {} {}: {detail}{advice}{request}", self.status, self.code)
    }
}

impl CallError {
    /// Whether the same call may succeed later.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Away { .. } => true,
            Self::Refused(refused) => matches!(refused.status, 429 | 500 | 502 | 503 | 504),
        }
    }

    /// When the server wants to be asked again.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Away { .. } => None,
            Self::Refused(refused) => refused.retry_after,
        }
    }
}

impl Client {
    /// A caller of the named server, else of the one of this installation.
    pub(crate) fn new(settings: &Settings, server: &ServerAddress) -> anyhow::Result<Self> {
        let url = match &server.url {
            Some(url) if !url.starts_with("http://") && !url.starts_with("https://") => {
                bail!("--url {url} must begin with http:// or https://")
            }
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => format!("http://{}", reachable(listened_on(settings))),
        };
        let file = settings.admin_key_file();
        let (key, key_from) = match &server.key {
            Some(key) => (key.clone(), KeyFrom::Caller),
            None => (kept_key(&file)?, KeyFrom::File(file)),
        };
        let http = tls::http().no_proxy().timeout(PATIENCE).connect_timeout(CONNECT_MAX).build();
        Ok(Self { http: http.context("no HTTP client can be made")?, url, key: key.trim().to_owned(), key_from })
    }

    /// Where it asks.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Asks for something.
    pub(crate) async fn get(&self, path: &str) -> Result<Answer, CallError> {
        self.call(Method::GET, path, None).await
    }

    /// Sends something.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Answer, CallError> {
        self.call(Method::POST, path, Some(body)).await
    }

    /// Opens an answer without an end, to be read as it comes; `last` is the id of the last message of an earlier one.
    pub(crate) async fn open(&self, path: &str, last: Option<&str>) -> Result<reqwest::Response, CallError> {
        let request = self.patient()?.get(format!("{}{path}", self.url));
        self.opened(if let Some(last) = last { request.header("Last-Event-ID", last) } else { request }).await
    }

    /// Sends something, and opens an answer that is read as it comes.
    pub(crate) async fn open_with(&self, path: &str, body: &Value) -> Result<reqwest::Response, CallError> {
        self.opened(self.patient()?.post(format!("{}{path}", self.url)).json(body)).await
    }

    /// What an answer that has begun says of its end.
    pub(crate) fn told_late(problem: Value) -> CallError {
        let status = problem["status"].as_u64().and_then(|status| StatusCode::from_u16(status.try_into().ok()?).ok());
        CallError::Refused(refused(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), problem, None))
    }

    fn patient(&self) -> Result<reqwest::Client, CallError> {
        let http = tls::http().no_proxy().read_timeout(SILENCE_MAX).connect_timeout(CONNECT_MAX).build();
        http.map_err(|error| self.away(&error))
    }

    async fn opened(&self, request: RequestBuilder) -> Result<reqwest::Response, CallError> {
        let request = request.bearer_auth(&self.key);
        let response = request.send().await.map_err(|error| self.away(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let (status, answer, retry_after) = read(response).await.map_err(|error| self.away(&error))?;
        Err(self.refused(status, answer.body, retry_after))
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, CallError> {
        let asked = self.ask(method, path, body).await;
        let (status, answer, retry_after) = asked.map_err(|error| self.away(&error))?;
        if status.is_success() {
            return Ok(answer);
        }
        Err(self.refused(status, answer.body, retry_after))
    }

    fn refused(&self, status: StatusCode, body: Value, retry_after: Option<Duration>) -> CallError {
        let mut refused = refused(status, body, retry_after);
        if refused.code == "key_unknown" {
            refused.about_key = Some(self.unknown_key());
        }
        CallError::Refused(refused)
    }

    fn unknown_key(&self) -> String {
        let url = &self.url;
        match &self.key_from {
            KeyFrom::Caller => format!("the server at {url} does not know this key"),
            KeyFrom::File(file) => format!(
                "the server at {url} does not know the key in {}. Is it the server of this data folder? (--url, --data-dir) \
                 Only if its database was exchanged for another: remove the file and start the server again",
                file.display()
            ),
        }
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> reqwest::Result<(StatusCode, Answer, Option<Duration>)> {
        let request = self.http.request(method, format!("{}{path}", self.url)).bearer_auth(&self.key);
        let request = if let Some(body) = body { request.json(body) } else { request };
        read(request.send().await?).await
    }

    fn away(&self, error: &reqwest::Error) -> CallError {
        // The innermost reason says most: "Connection refused".
        let mut reason: &dyn std::error::Error = error;
        while let Some(source) = reason.source() {
            reason = source;
        }
        CallError::Away { url: self.url.clone(), reason: reason.to_string() }
    }
}

/// The whole of an answer, and when the server wants to be asked again.
async fn read(response: reqwest::Response) -> reqwest::Result<(StatusCode, Answer, Option<Duration>)> {
    let header = |name: &str| response.headers().get(name)?.to_str().ok()?.parse::<i64>().ok();
    let status = response.status();
    let retry_after = header("retry-after").and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs);
    let bytes = response.bytes().await?;
    let body = serde_json::from_slice(&bytes).unwrap_or_default();
    Ok((status, Answer { body }, retry_after))
}

fn refused(status: StatusCode, body: Value, retry_after: Option<Duration>) -> Box<Refused> {
    let refused: Refused = serde_json::from_value(body.clone()).unwrap_or_default();
    Box::new(Refused { status: status.as_u16(), body, retry_after, ..refused })
}

/// Where the server of this installation is: as it is configured, else as it says itself.
fn listened_on(settings: &Settings) -> SocketAddr {
    let announced = if settings.is_listen_configured { None } else { announced::read(&settings.data_dir) };
    announced.unwrap_or(settings.listen)
}

/// The address as this machine reaches it.
fn reachable(mut address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    address.to_string()
}

fn kept_key(file: &Path) -> anyhow::Result<String> {
    secrets::read(file)?.with_context(|| {
        format!("there is no key in {}: start the server once, or give one with --key or CLIENTELA_KEY", file.display())
    })
}
