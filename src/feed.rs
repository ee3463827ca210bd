//! `clientela feed tail`: follows the feed and prints a line per event. When the server goes away it comes again behind the
//! last event that it has seen.

use crate::client::{Client, ServerAddress, customer_id};
use crate::config::{CommonFlags, settings};
use anyhow::bail;
use serde_json::Value;
use sse::{Message, Messages};
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;
use std::time::Duration;
use uuid::Uuid;

mod sse;

/// Between two attempts to come again, unless the server says otherwise.
const AGAIN: Duration = Duration::from_secs(1);

/// What can be done with the feed.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Print events as they happen, until Ctrl-C
    Tail(Tail),
}

/// What `feed tail` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Tail {
    /// Position to begin behind, `start` or `now`
    #[arg(long, value_name = "POSITION", default_value = "now", value_parser = beginning)]
    from: String,
    /// Only this type, or all that begin so, such as `loyalty.*`; several with commas
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',')]
    types: Vec<String>,
    /// Only streams of this category; several with commas
    #[arg(long = "category", value_name = "CATEGORY", value_delimiter = ',')]
    categories: Vec<String>,
    /// Only what concerns this customer
    #[arg(long, value_name = "ID", value_parser = customer_id)]
    customer: Option<Uuid>,
    /// Print each event as a line of JSON (CloudEvents)
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerAddress,
}

fn beginning(text: &str) -> Result<String, String> {
    match text {
        "start" => Ok("0".to_owned()),
        "now" => Ok(text.to_owned()),
        _ if text.parse::<u64>().is_ok() => Ok(text.to_owned()),
        _ => Err("a position is a whole number, `start` or `now`".to_owned()),
    }
}

pub(crate) async fn run(common: &CommonFlags, command: Command) -> anyhow::Result<ExitCode> {
    let Command::Tail(tail) = command;
    let client = Client::new(&settings(common)?, &tail.server)?;
    tokio::select! {
        followed = follow(&client, &tail) => followed?,
        _ = tokio::signal::ctrl_c() => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// What came of one connection.
enum Broken {
    /// The server is away or closes.
    Off,
    /// Nobody reads our output any more.
    Unread,
}

async fn follow(client: &Client, tail: &Tail) -> anyhow::Result<()> {
    let path = path(tail);
    let (mut last, mut is_known) = (None, false);
    loop {
        match client.open(&path, last.as_deref()).await {
            Ok(mut answer) => {
                is_known = true;
                if let Broken::Unread = print_all(&mut answer, &mut last, tail.json).await? {
                    return Ok(());
                }
                eprintln!(
                    "clientela: the server went away; coming again behind {}",
                    last.as_deref().unwrap_or("the beginning")
                );
                tokio::time::sleep(AGAIN).await;
            }
            // The first time it is better to say at once that nobody is there.
            Err(error) if is_known && error.may_pass() => {
                tokio::time::sleep(error.retry_after().unwrap_or(AGAIN)).await
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn path(tail: &Tail) -> String {
    // Nothing in these is more than letters, digits and dots, but for what the server refuses.
    let mut query = vec![format!("from={}", tail.from)];
    query.extend(tail.types.iter().map(|name| format!("type={}", escaped(name))));
    query.extend(tail.categories.iter().map(|name| format!("category={}", escaped(name))));
    query.extend(tail.customer.iter().map(|id| format!("customer={id}")));
    format!("/v1/feed?{}", query.join("&"))
}

fn escaped(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' | b'*' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}

/// Prints what comes, until it breaks off.
async fn print_all(answer: &mut reqwest::Response, last: &mut Option<String>, json: bool) -> anyhow::Result<Broken> {
    let mut messages = Messages::default();
    // An error while reading is a server that went away, too.
    while let Ok(Some(bytes)) = answer.chunk().await {
        messages.feed(&bytes);
        while let Some(message) = messages.next() {
            match message.event.as_str() {
                "caught-up" | "checkpoint" => {}
                "end" => return ended(&message),
                _ => match print(&message, json) {
                    Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(Broken::Unread),
                    printed => printed?,
                },
            }
            if message.id.is_some() {
                *last = message.id;
            }
        }
    }
    Ok(Broken::Off)
}

/// A server that closes may be there again soon; any other end is one.
fn ended(message: &Message) -> anyhow::Result<Broken> {
    let data: Value = serde_json::from_str(&message.data).unwrap_or_default();
    let text = |name: &str| data[name].as_str().unwrap_or("?").to_owned();
    match text("reason").as_str() {
        "shutdown" => Ok(Broken::Off),
        reason => bail!("the server ended the feed: {reason}: {}", text("detail")),
    }
}

fn print(message: &Message, json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if json {
        return writeln!(out, "{}", message.data);
    }
    let event: Value = serde_json::from_str(&message.data).unwrap_or_default();
    let text = |name: &str| event[name].as_str().unwrap_or("?").to_owned();
    writeln!(out, "{:>8}  {}  {:<28}  {}", event["position"], text("time"), text("type"), text("subject"))
}
