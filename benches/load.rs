//! What is appended: events of a loyalty programme, each from a keyed request, every fourth with a personal part.

use crate::measure::{Counted, Load, Run};
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::postgres::PostgresStore;
use store::{
    AppendRequest, EventStore, Expected, Identity, Metadata, NewEvent, StreamAppend, StreamId, TenantId, Version,
};
use uuid::Uuid;

/// Streams that a load is spread over.
pub(crate) const STREAMS: usize = 10_000;
/// One event in so many has a personal part.
pub(crate) const PERSONAL_EVERY: u64 = 4;
/// The personal part of such an event.
pub(crate) const PERSONAL: &[u8] = br#"{"note":"gave the receipt of the other till","name":"Ana Example"}"#;
/// Who acts in these events.
pub(crate) const ACTOR: &str = "key:018f0000-0000-7000-8000-0000000000aa";
pub(crate) const TENANT: TenantId = TenantId(1);

/// Ids that nobody else makes, without asking the operating system for each.
#[derive(Debug, Clone)]
pub(crate) struct Ids(u64);

impl Ids {
    pub(crate) fn new() -> Self {
        Self(getrandom::u64().expect("the operating system gives randomness"))
    }

    /// SplitMix64.
    pub(crate) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn id(&mut self) -> Uuid {
        Uuid::from_u64_pair(self.number(), self.number())
    }

    pub(crate) fn stream(&mut self) -> StreamId {
        StreamId { category: "loyalty", id: self.id() }
    }
}

/// The business time of all events of a bench.
pub(crate) fn occurred_at() -> DateTime<Utc> {
    DateTime::from_timestamp_micros(1_790_000_000_000_000).unwrap_or_default()
}

/// What an event says in the clear.
pub(crate) fn payload(number: u64) -> String {
    format!(
        r#"{{"points":120,"order":"order-{number}","spent":{{"amount":"60.00","currency":"EUR"}},"on":"2026-09-20"}}"#
    )
}

/// An event; `number` tells it from the others and says whether it has a personal part.
pub(crate) fn event(subject: Uuid, number: u64) -> NewEvent {
    let is_personal = number.is_multiple_of(PERSONAL_EVERY);
    NewEvent {
        event_type: "loyalty.points_earned",
        schema_version: 1,
        occurred_at: occurred_at(),
        once_id: None,
        subject_id: is_personal.then_some(subject),
        customer_id: Some(subject),
        payload: payload(number),
        personal: is_personal.then(|| PERSONAL.to_vec()),
    }
}

/// A keyed request with these streams.
pub(crate) fn request(ids: &mut Ids, streams: Vec<StreamAppend>) -> AppendRequest {
    let fingerprint = ids.id().into_bytes();
    AppendRequest {
        tenant: TENANT,
        metadata: Metadata { actor: ACTOR.to_owned(), ..Metadata::default() },
        identity: Identity { command_id: Some(ids.id()), once_id: None, fingerprint },
        other_names: Vec::new(),
        streams,
        claims: Vec::new(),
        subjects: store::SubjectChanges::default(),
        outcome: None,
        rests_on: Vec::new(),
    }
}

/// Clients that each append one event after the other, to streams of their own, at the version they know.
pub(crate) struct Appenders {
    clients: Vec<Client>,
}

struct Client {
    store: Arc<PostgresStore>,
    ids: Ids,
    streams: Vec<(StreamId, Version)>,
    turn: usize,
}

impl Appenders {
    /// So many clients, dealt out to the nodes in turn.
    pub(crate) fn new(nodes: &[Arc<PostgresStore>], clients: usize) -> Self {
        let client = |number: usize| {
            let mut ids = Ids::new();
            let streams = (0..STREAMS / clients).map(|_| (ids.stream(), 0)).collect();
            Client { store: Arc::clone(&nodes[number % nodes.len()]), ids, streams, turn: 0 }
        };
        Self { clients: (0..clients).map(client).collect() }
    }
}

impl Load for Appenders {
    fn run(&mut self, span: Duration) -> BoxFuture<'_, anyhow::Result<Run>> {
        Box::pin(async move {
            let begun = Instant::now();
            let tasks: Vec<_> =
                self.clients.drain(..).map(|client| tokio::spawn(client.append_until(begun + span))).collect();
            let mut counted = Vec::new();
            for task in tasks {
                let (client, count) = task.await??;
                self.clients.push(client);
                counted.push(count);
            }
            Ok(Run::together(begun, &counted))
        })
    }
}

impl Client {
    async fn append_until(mut self, end: Instant) -> anyhow::Result<(Self, Counted)> {
        let mut counted = Counted::new();
        while Instant::now() < end {
            let asked = Instant::now();
            let request = self.next_request();
            self.store.append(request).await?;
            counted.add(1, asked);
        }
        Ok((self, counted))
    }

    fn next_request(&mut self) -> AppendRequest {
        self.turn = (self.turn + 1) % self.streams.len();
        let (stream, version) = &mut self.streams[self.turn];
        let event = event(stream.id, self.ids.number());
        let append = StreamAppend { stream: *stream, expected: Expected::Exact(*version), events: vec![event] };
        *version += 1;
        request(&mut self.ids, vec![append])
    }
}
