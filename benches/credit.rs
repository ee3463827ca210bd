//! What is available on lines of credit, asked of a server at a steady rate: alone, and while others command.

use crate::Settings;
use crate::cluster::Cluster;
use crate::http::read_answer;
use crate::load::Ids;
use crate::members::{Members, caller};
use crate::server::{PATIENCE, Server};
use crate::steady::{self, Delays};
use crate::table::{Hold, Line, Table};
use anyhow::Context;
use commands::Caller;
use commands::credit::deciding::{Approve, RequestCredit, approve, request};
use commands::credit::orders::{UseCredit, use_credit};
use commands::customers::{Register, register};
use domain::credit::financials::{CreditNote, Financials};
use domain::credit::terms::Terms;
use domain::customers::events::{Contact, CustomerKind};
use domain::email::Email;
use domain::ids::{CreditLineId, OrderId};
use domain::text::CompanyName;
use domain::{Currency, Money};
use futures::stream::{StreamExt, TryStreamExt};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const LINES: usize = 1_000;
/// Orders that are not paid, on each line.
const ORDERS: usize = 20;
/// Questions a second.
const RATE: u32 = 1_000;
/// Redemptions a second meanwhile.
const COMMANDS: u32 = 1_000;
const CONNECTIONS: u32 = 64;

pub(crate) async fn run(cluster: &Cluster, settings: Settings, table: &mut Table) -> anyhow::Result<()> {
    let server = Server::start(cluster, settings, "credit_log").await?;
    let lines: Arc<[CreditLineId]> = futures::stream::iter(0..LINES)
        .map(|number| given(&server.members, number))
        .buffer_unordered(64)
        .try_collect::<Vec<_>>()
        .await?
        .into();
    let all: Vec<&str> = projections::projectors().iter().map(|projector| projector.name).collect();
    server.projections.wait_for(&all, server.store.seen(), PATIENCE).await?;
    cluster.checkpoint().await?;
    let span = if settings.smoke { Duration::from_secs(5) } else { Duration::from_secs(30) };
    let asking = |what: &'static str| {
        let (address, key, lines) = (server.address, Arc::clone(&server.key), Arc::clone(&lines));
        tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(ask(address, path_of(what, &key, &lines), span))
        })
    };
    let line = |what: &str, delays: &Delays| {
        Line::new("credit", format!("{what}, {RATE} questions/s, p99"), delays.at(0.99), "ms")
    };
    table.add(line("nothing but HTTP", &asking("live").await??));
    table.add(line("availability", &asking("availability").await??).hold(Hold::AtMost(5.0)));
    let asked = asking("availability");
    steady::redeem(&server.members, COMMANDS, span).await?;
    table.add(line(&format!("availability beside {COMMANDS} commands/s"), &asked.await??));
    server.stop().await;
    Ok(())
}

/// A line of a new business, with orders that are not paid.
async fn given(members: &Members, number: usize) -> anyhow::Result<CreditLineId> {
    let (commands, clerk, euro) = (&members.commands, caller(), Currency::parse("EUR")?);
    let manager = Caller { actor: "manager".to_owned(), ..caller() };
    let contact = Contact {
        company: Some(CompanyName::parse(&format!("Shop {number}"))?),
        emails: vec![Email::parse(&format!("shop.{number}@example.com"))?],
        ..Contact::default()
    };
    let business = Register {
        kind: CustomerKind::Business,
        contact,
        language: None,
        currency: None,
        source: None,
        enrol_in: None,
        referrer: None,
    };
    let registered = register(commands, &clerk, None, business).await?;
    let customer = registered.customer().context("a registration without a customer")?;
    let (line, amount) = (CreditLineId::of(customer, euro), Money::parse("10000.00", euro)?);
    request(commands, &clerk, None, RequestCredit { customer, amount, financials: Financials::default() }).await?;
    let (terms, note) = (Terms::of_days(30)?, CreditNote::default());
    approve(commands, &manager, None, Approve { line, limit: amount, terms, policy: None, note }).await?;
    for order in 0..ORDERS {
        let (order, amount) = (OrderId::parse(&format!("order-{order}"))?, Money::parse("120.50", euro)?);
        use_credit(commands, &clerk, None, UseCredit { line, order, amount, invoice: None, override_reason: None })
            .await?;
    }
    Ok(line)
}

/// What is asked next.
fn path_of(what: &'static str, key: &str, lines: &Arc<[CreditLineId]>) -> impl Fn(&mut Ids) -> String + Clone + use<> {
    let (lines, key) = (Arc::clone(lines), key.to_owned());
    move |ids: &mut Ids| {
        let line = lines[ids.number() as usize % lines.len()];
        let path = match what {
            "live" => "/health/live".to_owned(),
            _ => format!("/v1/credit-lines/{line}/availability?amount=99.90&currency=EUR"),
        };
        format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n\r\n")
    }
}

/// Asks at a steady rate, dealt to the connections in turn; a delay counts from the moment at which the question was due.
async fn ask(
    server: SocketAddr,
    question: impl Fn(&mut Ids) -> String + Clone,
    span: Duration,
) -> anyhow::Result<Delays> {
    let begun = Instant::now() + Duration::from_millis(100);
    let client = |nth: u32| {
        let question = question.clone();
        async move {
            let mut connection = TcpStream::connect(server).await?;
            connection.set_nodelay(true)?;
            let (mut ids, mut answer, mut delays) = (Ids::new(), vec![0; 16 * 1024], Vec::new());
            for number in (nth..).step_by(CONNECTIONS as usize) {
                let due = begun + Duration::from_secs(1) * number / RATE;
                if due > begun + span {
                    break;
                }
                tokio::time::sleep_until(due.into()).await;
                connection.write_all(question(&mut ids).as_bytes()).await?;
                read_answer(&mut connection, &mut answer).await?;
                delays.push(due.elapsed().as_secs_f64() * 1e3);
            }
            anyhow::Ok(delays)
        }
    };
    let delays = futures::future::try_join_all((0..CONNECTIONS).map(client)).await?;
    Ok(Delays::new(delays.concat()))
}
