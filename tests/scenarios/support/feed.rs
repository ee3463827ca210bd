//! A reader of the feed, as a caller writes one.

use super::World;
use reqwest::Response;
use serde_json::Value;
use std::time::Duration;

/// Long enough for a busy machine; nothing here takes that long.
const PATIENCE: Duration = Duration::from_secs(30);

/// An open feed.
pub(crate) struct Reader {
    response: Response,
    text: String,
}

/// One message of it.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) id: Option<i64>,
    pub(crate) event: String,
    pub(crate) data: Value,
}

impl Message {
    /// Whether it is an event of the log, and no word about the feed itself.
    pub(crate) fn is_event(&self) -> bool {
        !["caught-up", "checkpoint", "end"].contains(&self.event.as_str())
    }
}

impl Reader {
    /// Opens a feed that must open.
    pub(crate) async fn open(world: &World, key: Option<&str>, query: &str, last: Option<i64>) -> Self {
        let response = world.open(key, &format!("/v1/feed{query}"), last.map(|id| id.to_string()).as_deref()).await;
        assert_eq!(response.status(), 200, "{:?}", response.text().await);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, text: String::new() }
    }

    /// The next message; none when the server ended the feed.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        tokio::time::timeout(PATIENCE, self.read()).await.expect("the feed says something in time")
    }

    async fn read(&mut self) -> Option<Message> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (message, rest) = (Message::of(block), rest.to_owned());
                self.text = rest;
                if message.is_some() {
                    return message;
                }
                continue;
            }
            // All that is sent is ASCII or cut behind a message.
            let bytes = self.response.chunk().await.ok()??;
            self.text.push_str(&String::from_utf8_lossy(&bytes));
        }
    }

    /// The events up to the first message of this kind, and that message.
    pub(crate) async fn until(&mut self, kind: &str) -> (Vec<Message>, Message) {
        let mut events = Vec::new();
        loop {
            let message = self.next().await.unwrap_or_else(|| panic!("the feed ended before {kind}"));
            if message.event == kind {
                return (events, message);
            }
            events.extend(Some(message).filter(Message::is_event));
        }
    }

    /// The next events, this many.
    pub(crate) async fn events(&mut self, count: usize) -> Vec<Message> {
        let mut events = Vec::new();
        while events.len() < count {
            let message = self.next().await.expect("the feed goes on");
            events.extend(Some(message).filter(Message::is_event));
        }
        events
    }
}

impl Message {
    /// None: a comment, or the time to wait before a reader comes again.
    fn of(block: &str) -> Option<Self> {
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let data = serde_json::from_str(field("data")?).expect("JSON");
        Some(Self { id: field("id").and_then(|id| id.parse().ok()), event: field("event")?.to_owned(), data })
    }
}

/// The positions of events.
pub(crate) fn positions(messages: &[Message]) -> Vec<i64> {
    messages.iter().map(|message| message.id.expect("an event has an id")).collect()
}
