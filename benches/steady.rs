//! Commands at a steady rate, whether those before have been answered or not.

use crate::load::Ids;
use crate::members::{Members, POINTS, caller};
use commands::IdempotencyKey;
use commands::loyalty::Redeem;
use domain::ids::OrderId;
use std::time::{Duration, Instant};
use store::Position;
use tokio::task::JoinSet;

/// A command, and when it was answered.
pub(crate) type Answered = (Position, Instant);

/// Redeems points of members chosen by lot, each command one event, until the span is over and all are answered.
pub(crate) async fn redeem(members: &Members, a_second: u32, span: Duration) -> anyhow::Result<Vec<Answered>> {
    let (mut ids, begun, mut asked) = (Ids::new(), Instant::now(), 0);
    let mut under_way = JoinSet::new();
    let mut ticks = tokio::time::interval(Duration::from_millis(1));
    while begun.elapsed() < span {
        ticks.tick().await;
        let due = (begun.elapsed().as_secs_f64() * f64::from(a_second)) as u64;
        while asked < due {
            asked += 1;
            let customer = members.customers[ids.number() as usize % members.customers.len()];
            let order = OrderId::parse(&ids.id().simple().to_string())?;
            let key = IdempotencyKey::new(ids.id().simple().to_string())?;
            let commands = members.commands.clone();
            under_way.spawn(async move {
                let redeem = Redeem { customer, points: POINTS, order };
                let committed = commands::loyalty::redeem(&commands, &caller(), Some(key), redeem).await?;
                anyhow::Ok((committed.position, Instant::now()))
            });
        }
    }
    under_way.join_all().await.into_iter().collect()
}

/// Delays in milliseconds, from the shortest to the longest.
pub(crate) struct Delays(Vec<f64>);

impl Delays {
    pub(crate) fn new(mut delays: Vec<f64>) -> Self {
        delays.sort_by(f64::total_cmp);
        Self(delays)
    }

    pub(crate) fn at(&self, quantile: f64) -> f64 {
        let index = (self.0.len() as f64 * quantile) as usize;
        self.0.get(index).or(self.0.last()).copied().unwrap_or(f64::NAN)
    }
}
