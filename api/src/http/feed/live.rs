//! One reader of the feed: what it is sent, and when.
//!
//! Everything here happens only as fast as the reader takes it. What waits for it meanwhile lies in the store's subscription,
//! which bounds it by events and bytes; at most one signal of that, 128 events or 512 KiB, is written out here at a time.

use super::places::Place;
use crate::Api;
use crate::auth::Standing;
use crate::http::recorded::CloudEvent;
use crate::problem::Problem;
use bytes::Bytes;
use commands::Scope;
use futures::{Stream, StreamExt, stream};
use serde_json::json;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;
use store::{Filter, Position, RecordedEvent, Signal, SignalStream, StoreError};
use tokio::time::{Instant, sleep, sleep_until};

/// A connection on which nothing is said for longer looks dead to proxies.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Checkpoints are at least so far apart.
const CHECKPOINT_GAP: Duration = Duration::from_secs(1);
/// While the log is away it is asked again so often.
const AGAIN: Duration = Duration::from_secs(1);
/// What a message has beside the payload of its event, about; in bytes.
const AROUND_PAYLOAD: usize = 640;
/// How long a reader waits before it comes again, in milliseconds.
const BEGINNING: &str = "retry: 1000\n\n";

/// What a reader follows.
#[derive(Debug, Clone)]
pub(super) struct Feed {
    pub(super) after: Position,
    pub(super) filter: Filter,
    pub(super) reveal: bool,
}

/// One reader.
pub(super) struct Live {
    api: Api,
    feed: Feed,
    standing: Standing,
    signals: SignalStream,
    /// Everything up to here was sent, or is not for this reader.
    at: Position,
    /// The last position that the reader was told.
    told: Position,
    sent_at: Instant,
    checkpoint_at: Instant,
    recheck_at: Instant,
    _place: Place,
}

type Closing = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What happens next.
enum Next {
    Closing,
    RecheckDue,
    Said(Option<Result<Signal, StoreError>>),
    Silence,
}

/// What is sent, and whether more follows.
enum Sent {
    Nothing,
    Text(String),
    Last(String),
}

impl Live {
    pub(super) fn new(api: Api, feed: Feed, standing: Standing, place: Place) -> Self {
        let signals = api.store.feed(feed.after, feed.filter.clone(), feed.reveal);
        let now = Instant::now();
        Self {
            standing,
            signals,
            at: feed.after,
            told: feed.after,
            sent_at: now,
            checkpoint_at: now + CHECKPOINT_GAP,
            recheck_at: now + api.config.feed_recheck,
            api,
            feed,
            _place: place,
        }
    }

    /// The messages, until the reader leaves, may not follow any more, or the server closes.
    pub(super) fn messages(
        self,
        closing: Option<impl Future<Output = ()> + Send + 'static>,
    ) -> impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static {
        let closing: Closing = match closing {
            Some(closing) => Box::pin(closing),
            None => Box::pin(std::future::pending()),
        };
        let messages = stream::unfold(Some((self, closing)), |reader| async move {
            let (mut live, mut closing) = reader?;
            loop {
                match live.next(&mut closing).await {
                    Sent::Nothing => {}
                    Sent::Text(text) => return Some((text, Some((live, closing)))),
                    Sent::Last(text) => return Some((text, None)),
                }
            }
        });
        stream::once(async { BEGINNING.to_owned() }).chain(messages).map(|text| Ok(Bytes::from(text)))
    }

    async fn next(&mut self, closing: &mut Closing) -> Sent {
        let silence = self.silence_until();
        let next = tokio::select! {
            biased;
            () = closing => Next::Closing,
            () = sleep_until(self.recheck_at) => Next::RecheckDue,
            signal = self.signals.next() => Next::Said(signal),
            () = sleep_until(silence) => Next::Silence,
        };
        match next {
            Next::Closing => Sent::Last(end("shutdown", "the server closes; come again")),
            Next::RecheckDue => self.recheck().await,
            Next::Said(Some(Ok(signal))) => self.pass_on(signal),
            Next::Said(Some(Err(StoreError::Unavailable(_))) | None) => {
                self.resume_later();
                Sent::Nothing
            }
            Next::Said(Some(Err(error))) => broken(&error.into()),
            Next::Silence => self.text(String::new()),
        }
    }

    /// The next time at which something has to be said although nothing happened.
    fn silence_until(&self) -> Instant {
        let heartbeat = self.sent_at + HEARTBEAT;
        if self.at > self.told { heartbeat.min(self.checkpoint_at) } else { heartbeat }
    }

    fn pass_on(&mut self, signal: Signal) -> Sent {
        match signal {
            Signal::Events { events, through } => {
                let mut text =
                    String::with_capacity(events.iter().map(|event| event.payload.len() + AROUND_PAYLOAD).sum());
                for event in &events {
                    match event.rendering.get_or_make(|| message(event)) {
                        Ok(message) => text.push_str(message),
                        Err(error) => return broken(&Problem::internal().because(error)),
                    }
                    self.told = event.position;
                }
                self.at = through;
                self.text(text)
            }
            Signal::CaughtUp(position) => {
                (self.at, self.told) = (position, position);
                self.text(marker("caught-up", position))
            }
        }
    }

    /// The text with whatever else is due.
    fn text(&mut self, mut text: String) -> Sent {
        let now = Instant::now();
        if self.at > self.told && now >= self.checkpoint_at {
            text.push_str(&marker("checkpoint", self.at));
            self.told = self.at;
            self.checkpoint_at = now + CHECKPOINT_GAP;
        }
        if text.is_empty() && now >= self.sent_at + HEARTBEAT {
            text.push_str(":\n\n");
        }
        if text.is_empty() {
            return Sent::Nothing;
        }
        self.sent_at = now;
        Sent::Text(text)
    }

    /// Asks for the key again. When nobody can say, it is asked for again later.
    async fn recheck(&mut self) -> Sent {
        self.recheck_at = Instant::now() + self.api.config.feed_recheck;
        let wanted = [Scope::FeedRead, Scope::CustomersPii];
        let wanted = if self.feed.reveal { &wanted[..] } else { &wanted[..1] };
        match self.standing.confirm(&self.api, wanted).await {
            Err(problem) if problem.status().is_client_error() => Sent::Last(end(problem.code(), problem.detail())),
            Ok(()) | Err(_) => Sent::Nothing,
        }
    }

    /// Goes on from here when the log is there again; the reader keeps its connection and notices nothing but silence.
    fn resume_later(&mut self) {
        let (api, feed) = (self.api.clone(), Feed { after: self.at, ..self.feed.clone() });
        let later = async move {
            sleep(AGAIN).await;
            api.store.feed(feed.after, feed.filter, feed.reveal)
        };
        self.signals = stream::once(later).flatten().boxed();
    }
}

/// The end of a feed that cannot go on: logged like any other problem, told as a reason.
fn broken(problem: &Problem) -> Sent {
    crate::envelope::log(problem);
    Sent::Last(end(problem.code(), problem.detail()))
}

/// What is sent of an event: made once for all readers who are shown the same of it.
fn message(event: &RecordedEvent) -> serde_json::Result<String> {
    let mut text = format!("id: {}\nevent: {}\ndata: ", event.position, event.event_type).into_bytes();
    text.reserve(event.payload.len() + AROUND_PAYLOAD);
    let begin = text.len();
    serde_json::to_writer(&mut text, &CloudEvent::of(event)?)?;
    if text[begin..].contains(&b'\n') {
        let lines = text.split_off(begin);
        text.extend(lines.split(|byte| *byte == b'\n').collect::<Vec<_>>().join(&b"\ndata: "[..]));
    }
    text.extend_from_slice(b"\n\n");
    String::from_utf8(text).map_err(serde::ser::Error::custom)
}

/// A message that says how far the feed is. A browser remembers the id of a message only when it has data.
fn marker(kind: &str, position: Position) -> String {
    format!("id: {position}\nevent: {kind}\ndata: {{\"position\":{position}}}\n\n")
}

/// The last message. Without an id: a reader that comes again goes on behind what it has.
fn end(reason: &str, detail: &str) -> String {
    format!("event: end\ndata: {}\n\n", json!({"reason": reason, "detail": detail}))
}

#[cfg(test)]
mod tests {
    use super::{end, marker, message};
    use crate::http::recorded::tests::recorded;
    use std::sync::Arc;
    use store::{Personal, Position, RecordedEvent};

    #[test]
    fn a_message_has_its_position_its_type_and_its_data_in_lines() {
        let payload = Arc::from("{\n\"kind\":\"individual\"}");
        let event = RecordedEvent { payload, ..recorded(7, Personal::Absent) };
        let text = message(&event).expect("it is whole");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..2], ["id: 7", "event: customer.registered"]);
        assert!(lines[2..].iter().all(|line| line.is_empty() || line.starts_with("data: ")), "{text}");
        assert!(text.ends_with("\n\n"));
    }

    #[test]
    fn markers_have_a_position_and_the_end_has_none() {
        assert_eq!(marker("caught-up", Position(7)), "id: 7\nevent: caught-up\ndata: {\"position\":7}\n\n");
        assert_eq!(end("a", "b"), "event: end\ndata: {\"detail\":\"b\",\"reason\":\"a\"}\n\n");
    }
}
