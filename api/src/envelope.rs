//! What surrounds every operation: request id and trace, a span, metrics, the limit of requests in flight,
//! the time-out, and the rendering and logging of problems. No body and no query string is ever logged.

use crate::Config;
use crate::headers::{Occasion, TRACEPARENT, X_REQUEST_ID, given_request_id, given_traceparent};
use crate::problem::Problem;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::any::Any;
use std::error::Error;
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tracing::Instrument;

/// Names the request, measures it, and renders whatever problem it ended with.
pub(crate) async fn surround(mut request: Request, next: Next) -> Response {
    let occasion = Occasion {
        request_id: given_request_id(request.headers()).unwrap_or_else(new_request_id),
        traceparent: given_traceparent(request.headers()),
        address: request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip()),
    };
    let method = method_label(request.method());
    let route =
        request.extensions().get::<MatchedPath>().map_or_else(|| "none".to_owned(), |path| path.as_str().to_owned());
    let span = tracing::info_span!(
        "request", method, route, request_id = %occasion.request_id, trace_id = occasion.trace_id().unwrap_or_default()
    );
    request.extensions_mut().insert(occasion.clone());
    let started = Instant::now();
    let response = next.run(request).instrument(span.clone()).await;
    let response = span.in_scope(|| finish(response, &occasion));
    measure(method, route, &response, started);
    response
}

fn finish(response: Response, occasion: &Occasion) -> Response {
    let mut response = match response.extensions().get::<Problem>() {
        None => response,
        Some(problem) => {
            log(problem);
            keeping_headers_of(&response, problem.render(Some(&occasion.request_id)))
        }
    };
    let headers = response.headers_mut();
    // Most answers hold what concerns one person.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if let Ok(value) = HeaderValue::from_str(&occasion.request_id) {
        headers.insert(X_REQUEST_ID, value);
    }
    if let Some(value) = occasion.traceparent.as_deref().and_then(|text| HeaderValue::from_str(text).ok()) {
        headers.insert(TRACEPARENT, value);
    }
    response
}

/// A rendered problem with what the router had added to it, such as `Allow`.
fn keeping_headers_of(bare: &Response, mut rendered: Response) -> Response {
    for (name, value) in bare.headers() {
        if name != header::CONTENT_LENGTH && !rendered.headers().contains_key(name) {
            rendered.headers_mut().append(name, value.clone());
        }
    }
    rendered
}

/// Writes a problem that is not the caller's into the log, once.
pub(crate) fn log(problem: &Problem) {
    match told(problem) {
        Told::Nothing => {}
        Told::TooMuch { reason } => tracing::warn!(code = problem.code(), reason, "a request was turned away"),
        Told::Failed { cause } => tracing::error!(code = problem.code(), cause, "a request could not be answered"),
    }
}

/// What the log is told of a problem.
#[derive(Debug, PartialEq, Eq)]
enum Told<'a> {
    /// It is the caller's.
    Nothing,
    /// There is too much to do, and nothing is broken.
    TooMuch { reason: &'a str },
    /// Something here is broken.
    Failed { cause: String },
}

fn told(problem: &Problem) -> Told<'_> {
    match problem.source() {
        _ if !problem.status().is_server_error() => Told::Nothing,
        None if problem.status() == StatusCode::SERVICE_UNAVAILABLE => Told::TooMuch { reason: problem.detail() },
        source => Told::Failed { cause: source.map(|error| chain(error)).unwrap_or_default() },
    }
}

/// An error and its sources in one line.
fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        // Writing to a String cannot fail.
        let _ = write!(line, ": {cause}");
        source = cause.source();
    }
    line
}

fn measure(method: &'static str, route: String, response: &Response, started: Instant) {
    let status = match response.status().as_u16() / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    };
    metrics::counter!("http_requests_total", "method" => method, "route" => route.clone(), "status" => status)
        .increment(1);
    metrics::histogram!("http_request_duration_seconds", "method" => method, "route" => route)
        .record(started.elapsed().as_secs_f64());
}

/// The methods served here by name, so that a caller cannot invent labels.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// How many requests may be in flight, and for how long each.
#[derive(Debug, Clone)]
pub(crate) struct Limit {
    places: Arc<Semaphore>,
    timeout: Duration,
}

impl Limit {
    pub(crate) fn new(config: &Config) -> Self {
        Self { places: Arc::new(Semaphore::new(config.in_flight_max)), timeout: config.request_timeout }
    }
}

/// Turns away what is too much, and gives up on what takes too long.
pub(crate) async fn limit(State(limit): State<Limit>, request: Request, next: Next) -> Response {
    let Ok(_place) = limit.places.try_acquire() else { return Problem::busy().into_response() };
    let _in_flight = InFlight::enter();
    let answer = tokio::time::timeout(limit.timeout, next.run(request)).await;
    answer.unwrap_or_else(|_| Problem::timed_out().into_response())
}

/// Counts a request while it lives, also when its client leaves before the answer.
struct InFlight(metrics::Gauge);

impl InFlight {
    fn enter() -> Self {
        let gauge = metrics::gauge!("http_requests_in_flight");
        gauge.increment(1);
        Self(gauge)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}

/// A panic is a bug: the caller gets the request's id, the log the message.
#[expect(clippy::needless_pass_by_value, reason = "the layer asks for this signature")]
pub(crate) fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response {
    let message = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&'static str>().copied())
        .unwrap_or("a panic without a message");
    Problem::internal().because(message).into_response()
}

fn new_request_id() -> Arc<str> {
    Arc::from(commands::ids::new_id().to_string())
}

#[cfg(test)]
mod tests {
    use super::{Told, told};
    use crate::problem::Problem;

    #[test]
    fn too_much_to_do_is_no_fault_and_says_why() {
        let reason = "the server has too many requests in flight";
        assert_eq!(told(&Problem::busy()), Told::TooMuch { reason });
        let away = Problem::unavailable("away").because("no connection");
        assert_eq!(told(&away), Told::Failed { cause: "no connection".to_owned() });
        assert_eq!(told(&Problem::internal()), Told::Failed { cause: String::new() });
        assert_eq!(told(&Problem::not_found("no_such_route", "nothing is here")), Told::Nothing);
    }
}
