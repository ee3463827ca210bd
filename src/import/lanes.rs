//! The lanes: each takes the rows of some customers and sends them in batches, one batch after the other.
//!
//! All rows of a customer go to one lane, and a lane sends the next batch only when the last one is answered for, so the
//! server sees a customer's purchases in the order of the file. A server that is away is waited for; a row that failed for
//! a reason that may pass is sent again before anything else of its lane.

use super::Purchases;
use super::rows::{Reject, Row};
use super::tally::Verdict;
use crate::client::{CallError, Client};
use serde::Deserialize;
use serde_json::{Value, json};
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
        row.customer.hash(&mut hasher);
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
    args: Arc<Purchases>,
    /// When the server last answered anything, any lane.
    heard: Mutex<Instant>,
}

impl Sending {
    pub(super) fn new(client: Client, args: Arc<Purchases>) -> Self {
        Self { client, args, heard: Mutex::new(Instant::now()) }
    }

    async fn post(&self, rows: &[Row]) -> Result<Answer, CallError> {
        let rows: Vec<Value> = rows.iter().map(body).collect();
        let answer = self.client.post("/v1/imports/purchases", &self.args.envelope(&rows)).await?;
        *self.heard.lock().await = Instant::now();
        Ok(serde_json::from_value(answer.body).unwrap_or_default())
    }

    async fn is_out_of_patience(&self) -> bool {
        self.heard.lock().await.elapsed() > self.args.patience()
    }
}

fn body(row: &Row) -> Value {
    json!({
        "row": row.row, "customer": row.customer, "key": row.key, "order_id": row.order, "total": row.total, "on": row.on
    })
}

#[derive(Debug, Default, Deserialize)]
struct Answer {
    #[serde(default)]
    results: Vec<Outcome>,
    #[serde(default)]
    position: i64,
}

#[derive(Debug, Deserialize)]
struct Outcome {
    row: u64,
    outcome: String,
    customer_id: Option<Uuid>,
    code: Option<String>,
    detail: Option<String>,
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
                Ok(answer) => {
                    let before = rows.len();
                    self.take_in(rows, answer, &mut internal).await;
                    if rows.is_empty() {
                        return Ok(());
                    }
                    if rows.len() < before {
                        pause = PAUSE_FIRST;
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

    /// Passes on what became of the rows; those that are to be sent again stay, in their order.
    async fn take_in(&self, rows: &mut Vec<Row>, answer: Answer, internal: &mut HashMap<u64, u32>) {
        let position = answer.position;
        let mut outcomes: HashMap<u64, Outcome> =
            answer.results.into_iter().map(|outcome| (outcome.row, outcome)).collect();
        for row in std::mem::take(rows) {
            let verdict = match outcomes.remove(&row.row) {
                Some(outcome) => verdict(&row, outcome, position, internal),
                None => None,
            };
            match verdict {
                Some(verdict) => {
                    // A tally that is gone needs no verdicts any more.
                    let _gone = self.verdicts.send(verdict).await;
                }
                None => rows.push(row),
            }
        }
    }
}

/// What became of a row; none when it has to be sent again.
fn verdict(row: &Row, outcome: Outcome, position: i64, internal: &mut HashMap<u64, u32>) -> Option<Verdict> {
    let code = outcome.code.unwrap_or_default();
    let reject = |reason| {
        let (fields, line) = (Arc::clone(&row.fields), row.line);
        Verdict::Rejected(Reject { row: row.row, line, code: code.clone(), reason, fields })
    };
    match outcome.outcome.as_str() {
        "recorded" => Some(Verdict::Recorded { row: row.row, customer: outcome.customer_id, position }),
        "repeated" => Some(Verdict::Repeated { row: row.row, customer: outcome.customer_id, position }),
        "refused" => Some(reject(outcome.detail.unwrap_or_default())),
        _ if code == "internal" => {
            let times = internal.entry(row.row).or_insert(0);
            *times += 1;
            (*times >= INTERNAL_MAX)
                .then(|| reject("the server failed at this row; its log has the details".to_owned()))
        }
        _ => None,
    }
}
