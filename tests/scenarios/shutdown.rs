//! A stop while commands run: what was acknowledged is in the log, what was begun is finished, readers of the feed are told, and the
//! program ends well within its time.

use crate::support::{World, http};
use nix::sys::signal::Signal;
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const BUYERS: usize = 8;

/// Buys again and again until the server is gone; the orders that were acknowledged.
async fn buy(url: String, key: String, buyer: usize, acknowledged: Arc<AtomicUsize>) -> Vec<String> {
    let http = http().timeout(Duration::from_secs(60)).build().expect("a client");
    let mut orders = Vec::new();
    loop {
        let order = format!("order-{buyer}-{}", orders.len());
        let body = json!({"order_id": order, "total": "10.00", "currency": "EUR"});
        match http.post(&url).bearer_auth(&key).json(&body).send().await {
            Ok(answer) if answer.status().is_success() => orders.push(order),
            // Nothing was promised: the next server is asked again.
            Ok(_) | Err(_) => return orders,
        }
        acknowledged.fetch_add(1, Ordering::Relaxed);
    }
}

async fn stopped(mut world: World) -> (World, std::process::ExitStatus, Duration) {
    let begun = Instant::now();
    let stopping = tokio::task::spawn_blocking(move || {
        let status = world.end(Signal::SIGTERM);
        (world, status)
    });
    let (world, status) = stopping.await.expect("it ends");
    (world, status, begun.elapsed())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_before_a_stop_is_in_the_log_and_the_program_ends_well() {
    let world = World::start().await;
    let customer = world.member("stopped@example.com").await;
    let path = format!("/v1/customers/{customer}/purchases");
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let buyers: Vec<_> = (0..BUYERS)
        .map(|buyer| {
            let url = format!("http://{}{path}", world.host());
            tokio::spawn(buy(url, world.key().to_owned(), buyer, Arc::clone(&acknowledged)))
        })
        .collect();
    while acknowledged.load(Ordering::Relaxed) < 10 * BUYERS {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (mut world, status, took) = stopped(world).await;
    assert_eq!(status.code(), Some(0), "{}", world.log());
    assert!(took < Duration::from_secs(20), "{took:?}");
    let orders: Vec<String> =
        futures::future::join_all(buyers).await.into_iter().flat_map(|buyer| buyer.expect("it ends")).collect();
    assert!(orders.len() >= 10 * BUYERS, "{}", orders.len());
    world.serve(&[]);
    for order in orders {
        let again = world.buys(&customer, &order, "10.00").await;
        assert_eq!((again.status, &again.body["repeated"]), (200, &json!(true)), "{order}: {}", again.body);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_was_begun_is_finished_and_a_reader_of_the_feed_is_told() {
    let world = World::start().await;
    let body = json!({"name": "Eva", "emails": ["eva@example.com"]}).to_string();
    let (first, second) = body.split_at(10);
    let mut slow = TcpStream::connect(world.host()).expect("a connection");
    let head = format!(
        "POST /v1/customers HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        world.host(),
        world.key(),
        body.len()
    );
    write!(slow, "{head}{first}").expect("it is sent");
    let feed = world.open(None, "/v1/feed?from=now", None).await;
    let told = tokio::spawn(async move { feed.text().await });
    // The server has read the head once it has answered another request of the same time.
    world.head().await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let stopping = tokio::spawn(stopped(world));
    tokio::time::sleep(Duration::from_millis(500)).await;
    slow.write_all(second.as_bytes()).expect("the server still listens");
    let mut answer = String::new();
    slow.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    let (_, status, _) = stopping.await.expect("it ends");
    assert_eq!(status.code(), Some(0));
    let told = told.await.expect("it ends").expect("the whole feed");
    assert!(told.contains("event: end") && told.contains("shutdown"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_never_ends_holds_a_stop_up_for_the_set_time_only() {
    let mut world = World::start().await;
    world.end(Signal::SIGTERM);
    std::fs::write(world.data().join("clientela.toml"), "drain_seconds = 1\n").expect("it is written");
    world.serve(&[]);
    let mut endless = TcpStream::connect(world.host()).expect("a connection");
    let head = format!("POST /v1/customers HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n", world.key());
    write!(endless, "{head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{").expect("it is sent");
    world.head().await;
    let (world, status, took) = stopped(world).await;
    assert_eq!(status.code(), Some(0), "{}", world.log());
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(15), "{took:?}");
}
