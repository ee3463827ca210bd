//! The target of heads: what it is sent, and what is not followed.

use super::Target;
use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::post;
use std::sync::{Arc, Mutex};
use store::postgres::SignedHead;

fn head() -> SignedHead {
    let checkpoint = "log\n7\nAAAA\n\n— log AAAA\n".to_owned();
    SignedHead { size: 7, root: [7; 32], checkpoint, signed_at: chrono::DateTime::UNIX_EPOCH }
}

/// A server that answers heads under `/heads` and sends those under `/elsewhere` there.
async fn receiver() -> (String, Arc<Mutex<Vec<(HeaderMap, String)>>>) {
    let received = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&received);
    let take = move |headers: HeaderMap, body: String| async move {
        kept.lock().unwrap().push((headers, body));
        StatusCode::NO_CONTENT
    };
    let elsewhere = || async { (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, "/heads")]) };
    #[expect(clippy::disallowed_methods, reason = "it is no part of the API")]
    let router = Router::new().route("/heads", post(take)).route("/elsewhere", post(elsewhere));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, received)
}

#[tokio::test]
async fn a_target_gets_the_signed_head_and_its_token() {
    let (address, received) = receiver().await;
    let target = Target::new(&format!("{address}/heads"), Some("secret".to_owned())).unwrap();
    assert_eq!(target.send(&head()).await.unwrap(), 7);
    let (headers, body) = received.lock().unwrap().pop().unwrap();
    assert_eq!(body, head().checkpoint);
    assert_eq!(headers[header::AUTHORIZATION], "Bearer secret");
    assert_eq!(headers[header::CONTENT_TYPE], "text/plain; charset=utf-8");
}

#[tokio::test]
async fn what_is_no_success_is_an_error_and_a_redirect_is_not_followed() {
    let (address, received) = receiver().await;
    let said = async |path: &str| {
        let target = Target::new(&format!("{address}{path}"), None).unwrap();
        format!("{:#}", target.send(&head()).await.unwrap_err())
    };
    assert_eq!(said("/elsewhere").await, "the target of heads answered 307 Temporary Redirect");
    assert_eq!(said("/nowhere").await, "the target of heads answered 404 Not Found");
    assert!(received.lock().unwrap().is_empty());
    let away = Target::new("http://user:hidden@127.0.0.1:9/heads", None).unwrap();
    let said = format!("{:#}", away.send(&head()).await.unwrap_err());
    assert!(said.starts_with("the target of heads cannot be reached") && !said.contains("hidden"), "{said}");
    for wrong in ["", "heads", "ftp://x/heads", "https://x/heads"] {
        assert!(Target::new(wrong, None).is_err(), "{wrong}");
    }
}
