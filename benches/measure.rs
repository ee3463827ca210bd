//! Runs in turns, medians, percentiles.

use crate::Settings;
use futures::future::BoxFuture;
use hdrhistogram::Histogram;
use std::time::{Duration, Instant};

/// Something that can be done for a while and counted.
pub(crate) trait Load: Send {
    /// Does it for so long.
    fn run(&mut self, span: Duration) -> BoxFuture<'_, anyhow::Result<Run>>;
}

/// What was done in a while.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    /// How much: events, commands, requests.
    pub(crate) count: u64,
    pub(crate) elapsed: Duration,
    /// How long each operation took, in microseconds.
    pub(crate) latencies: Histogram<u64>,
    /// The least and the most that one client did.
    pub(crate) per_client: (u64, u64),
}

impl Run {
    pub(crate) fn rate(&self) -> f64 {
        self.count as f64 / self.elapsed.as_secs_f64()
    }

    pub(crate) fn latency_ms(&self, quantile: f64) -> f64 {
        self.latencies.value_at_quantile(quantile) as f64 / 1_000.0
    }

    /// Puts together what several clients did at the same time.
    pub(crate) fn together(begun: Instant, clients: &[Counted]) -> Self {
        let counts = || clients.iter().map(|client| client.count);
        let mut latencies = histogram();
        clients.iter().for_each(|client| latencies.add(&client.latencies).expect("the same bounds"));
        Self {
            count: counts().sum(),
            elapsed: begun.elapsed(),
            latencies,
            per_client: (counts().min().unwrap_or(0), counts().max().unwrap_or(0)),
        }
    }
}

/// What one client did.
#[derive(Debug, Clone)]
pub(crate) struct Counted {
    pub(crate) count: u64,
    latencies: Histogram<u64>,
}

impl Counted {
    pub(crate) fn new() -> Self {
        Self { count: 0, latencies: histogram() }
    }

    /// One operation that did `count` things and was asked for at `asked`.
    pub(crate) fn add(&mut self, count: u64, asked: Instant) {
        self.count += count;
        self.latencies.saturating_record(asked.elapsed().as_micros() as u64);
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("bounds in order")
}

/// The rounds of one side.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rounds(pub(crate) Vec<Run>);

impl Rounds {
    pub(crate) fn rate(&self) -> f64 {
        median(self.0.iter().map(Run::rate))
    }

    pub(crate) fn latency_ms(&self, quantile: f64) -> f64 {
        median(self.0.iter().map(|run| run.latency_ms(quantile)))
    }

    /// The median of the ratios to another side, round by round.
    pub(crate) fn ratio_to(&self, baseline: &Self) -> f64 {
        median(self.0.iter().zip(&baseline.0).map(|(run, base)| run.rate() / base.rate()))
    }

    /// The least that one client did, of the most that one did, in the worst round.
    pub(crate) fn fairness(&self) -> f64 {
        let of = |run: &Run| run.per_client.0 as f64 / (run.per_client.1.max(1)) as f64;
        self.0.iter().map(of).fold(f64::INFINITY, f64::min)
    }
}

/// Runs all sides in turns, round by round, after a short warming-up of each.
pub(crate) async fn in_turns<const N: usize>(
    settings: Settings,
    mut sides: [&mut dyn Load; N],
) -> anyhow::Result<[Rounds; N]> {
    for side in &mut sides {
        side.run(settings.side / 2).await?;
    }
    let mut rounds: [Rounds; N] = std::array::from_fn(|_| Rounds::default());
    for round in 0..settings.rounds {
        // Every other round in the other order: what one side leaves behind (dirty pages, WAL) meets each in turn.
        for step in 0..N {
            let index = if round % 2 == 0 { step } else { N - 1 - step };
            rounds[index].0.push(sides[index].run(settings.side).await?);
        }
    }
    Ok(rounds)
}

/// The middle one of some figures.
pub(crate) fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    match figures.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => figures[odd / 2],
        even => f64::midpoint(figures[even / 2 - 1], figures[even / 2]),
    }
}

/// How many microseconds each of `count` calls takes, the best of five attempts.
pub(crate) fn micros_each(count: u32, mut call: impl FnMut()) -> f64 {
    let attempt = |_| {
        let begun = Instant::now();
        (0..count).for_each(|_| call());
        begun.elapsed().as_secs_f64() * 1e6 / f64::from(count)
    };
    (0..5).map(attempt).fold(f64::INFINITY, f64::min)
}
