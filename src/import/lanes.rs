//! The lanes: each takes the rows of some customers and sends them in batches, one batch after the other.
//!
//! All rows of a customer go to one lane, and a lane sends the next batch only when the last one is answered for, so the
//! server sees a customer's purchases in the order of the file. A server that is away is waited for; a row that failed for
//! a reason that may pass is sent again before anything else of its lane.

use super::Goal;
use super::rows::{Reject, Row};
use super::tally::Verdict;
use crate::client::{CallError, Client};
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, mpsc};
use uuid::Uuid;

/// The first pause before another attempt; doubled up to the longest.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_LONGEST: Duration = Duration::from_secs(3);
/// A row that is answered "internal error" so often is rejected.
const INTERNAL_MAX: u32 = 5;

/// The way to the lanes.
pub(super) struct Lanes {
    lanes: Vec<mpsc::Sender<Row>>,
    verdicts: mpsc::Sender<Verdict>,
}

impl Lanes {
    /// Starts the lanes; their verdicts end when all rows are answered for.
    pub(super) fn start(sending: Sending, count: u8, batch: u16) -> (Self, mpsc::Receiver<Verdict>) {
        let (verdicts, received) = mpsc::channel(8_192);
        let sending = Arc::new(sending);
        let start = |_| {
            let (rows, queue) = mpsc::channel(usize::from(batch) * 2);
            let lane = Lane { sending: Arc::clone(&sending), verdicts: verdicts.clone(), batch: usize::from(batch) };
            tokio::spawn(lane.run(queue));
            rows
        };
        let lanes = (0..count).map(start).collect();
        (Self { lanes, verdicts }, received)
    }

    /// Hands a row to its customer's lane, as soon as there is room; `false` when the import has been given up.
    pub(super) fn send(&self, row: Row) -> bool {
        let mut hasher = DefaultHasher::new();
        row.lane.hash(&mut hasher);
        let lane = hasher.finish() % self.lanes.len() as u64;
        let lane = usize::try_from(lane).unwrap_or_default();
        self.lanes[lane].blocking_send(row).is_ok()
    }

    /// Passes on what became of a row that goes to no lane.
    pub(super) fn verdict(&self, verdict: Verdict) -> bool {
        self.verdicts.blocking_send(verdict).is_ok()
    }
}

/// How rows are sent; what the lanes share.
pub(super) struct Sending {
    client: Client,
    goal: Goal,
    /// How long a server that is away is waited for.
    patience: Duration,
    /// When the server last settled a row, of any lane.
    heard: Mutex<Instant>,
}

impl Sending {
    pub(super) fn new(client: Client, goal: Goal, patience: Duration) -> Self {
        Self { client, goal, patience, heard: Mutex::new(Instant::now()) }
    }

    async fn post(&self, rows: &[Row]) -> Result<Value, CallError> {
        let rows = rows.iter().map(|row| row.body.clone()).collect();
        Ok(self.client.post(self.goal.path, &self.goal.body(rows)).await?.body)
    }

    async fn heard(&self) {
        *self.heard.lock().await = Instant::now();
    }

    async fn is_out_of_patience(&self) -> bool {
        self.heard.lock().await.elapsed() > self.patience
    }
}

#[derive(Debug, Deserialize)]
struct Answer {
    results: Vec<Outcome>,
    #[serde(default)]
    position: i64,
}

impl Answer {
    fn parse(body: Value) -> Result<Self, String> {
        serde_json::from_value(body).map_err(|error| format!("the server's answer cannot be understood: {error}"))
    }
}

#[derive(Debug, Deserialize)]
struct Outcome {
    row: u64,
    outcome: String,
    customer_id: Option<Uuid>,
    code: Option<String>,
    detail: Option<String>,
    #[serde(default)]
    warnings: Vec<Warning>,
}

/// What was recorded although somebody should look at it.
#[derive(Debug, Deserialize)]
struct Warning {
    code: String,
}

struct Lane {
    sending: Arc<Sending>,
    verdicts: mpsc::Sender<Verdict>,
    batch: usize,
}

impl Lane {
    async fn run(self, mut queue: mpsc::Receiver<Row>) {
        let mut rows = Vec::with_capacity(self.batch);
        while queue.recv_many(&mut rows, self.batch).await > 0 {
            if let Err(reason) = self.settle(&mut rows).await {
                // The reader ends when the queue is gone, the import when the tally hears of it.
                let _ended = self.verdicts.send(Verdict::GivenUp(reason)).await;
                return;
            }
        }
    }

    /// Sends rows until each is answered for, or says why there is no use.
    async fn settle(&self, rows: &mut Vec<Row>) -> Result<(), String> {
        let mut pause = PAUSE_FIRST;
        let mut internal = HashMap::new();
        while !rows.is_empty() {
            match self.sending.post(rows).await {
                Ok(body) => {
                    let before = rows.len();
                    let open = self.take_in(rows, Answer::parse(body)?, &mut internal).await;
                    if rows.len() < before {
                        self.sending.heard().await;
                        pause = PAUSE_FIRST;
                    }
                    let Some(reason) = open else { return Ok(()) };
                    if rows.len() == before && self.sending.is_out_of_patience().await {
                        return Err(reason);
                    }
                    tokio::time::sleep(pause).await;
                }
                Err(error) if error.may_pass() => {
                    if self.sending.is_out_of_patience().await {
                        return Err(error.to_string());
                    }
                    tokio::time::sleep(error.retry_after().unwrap_or(pause).min(PAUSE_LONGEST)).await;
                }
                Err(error) => return Err(error.to_string()),
            }
            pause = (pause * 2).min(PAUSE_LONGEST);
        }
        Ok(())
    }

    /// Passes on what became of the rows; those that are to be sent again stay, in their order. Says why the first does.
    async fn take_in(&self, rows: &mut Vec<Row>, answer: Answer, internal: &mut HashMap<u64, u32>) -> Option<String> {
        let mut open = None;
        let position = answer.position;
        let mut outcomes: HashMap<u64, Outcome> =
            answer.results.into_iter().map(|outcome| (outcome.row, outcome)).collect();
        for row in std::mem::take(rows) {
            let outcome = outcomes.remove(&row.row);
            let verdict = outcome.as_ref().and_then(|outcome| verdict(&row, outcome, position, internal));
            match verdict {
                Some(verdict) => {
                    // A tally that is gone needs no verdicts any more.
                    let _gone = self.verdicts.send(verdict).await;
                }
                None => {
                    open.get_or_insert_with(|| failure(&row, outcome.as_ref()));
                    rows.push(row);
                }
            }
        }
        open
    }
}

/// Why a row has to be sent again.
fn failure(row: &Row, outcome: Option<&Outcome>) -> String {
    let reason = match outcome {
        None => "the server's answer leaves it out".to_owned(),
        Some(Outcome { outcome, code, detail, .. }) => {
            format!("{}: {}", code.as_deref().unwrap_or(outcome), detail.as_deref().unwrap_or("no reason is given"))
        }
    };
    format!("row {} (line {}) fails each time: {reason}", row.row, row.line)
}

/// What became of a row; none when it has to be sent again.
fn verdict(row: &Row, outcome: &Outcome, position: i64, internal: &mut HashMap<u64, u32>) -> Option<Verdict> {
    let code = outcome.code.as_deref().unwrap_or_default();
    let reject = |reason| {
        let (fields, line) = (Arc::clone(&row.fields), row.line);
        Verdict::Rejected(Reject { row: row.row, line, code: code.to_owned(), reason, fields })
    };
    match outcome.outcome.as_str() {
        "recorded" => {
            let warnings = outcome.warnings.iter().map(|warning| warning.code.clone()).collect();
            Some(Verdict::Recorded { row: row.row, customer: outcome.customer_id, position, warnings })
        }
        "repeated" => Some(Verdict::Repeated { row: row.row, customer: outcome.customer_id, position }),
        "refused" => Some(reject(outcome.detail.clone().unwrap_or_default())),
        _ if code == "internal" => {
            let times = internal.entry(row.row).or_insert(0);
            *times += 1;
            (*times >= INTERNAL_MAX)
                .then(|| reject("the server failed at this row; its log has the details".to_owned()))
        }
        _ => None,
    }
}
