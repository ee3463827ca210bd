//! How a person sees an import move: a bar with rate and remaining time, or now and then a line where there is no terminal.

use super::tally::Tally;
use crate::output::thousands;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::cell::Cell;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);
const TEMPLATE: &str = "{bar:30} {human_pos} of {human_len} rows  {per_sec}  {eta} left";

/// What shows the progress.
pub(super) struct Display {
    kind: Kind,
    begun: Instant,
}

enum Kind {
    Silent,
    Bar(ProgressBar),
    Lines(Cell<Instant>),
}

impl Display {
    /// A bar on a terminal, lines elsewhere, nothing for programs.
    pub(super) fn new(is_silent: bool, confirmed: u64) -> Self {
        let begun = Instant::now();
        let kind = match (is_silent, std::io::stderr().is_terminal()) {
            (true, _) => Kind::Silent,
            (false, false) => Kind::Lines(Cell::new(begun)),
            (false, true) => {
                let bar = ProgressBar::with_draw_target(Some(confirmed.max(1)), ProgressDrawTarget::stderr_with_hz(8));
                let style = ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
                bar.set_style(style);
                bar.set_position(confirmed);
                bar.reset_eta();
                Kind::Bar(bar)
            }
        };
        Self { kind, begun }
    }

    /// Says that an earlier run is gone on with.
    pub(super) fn resumes(&self, confirmed: u64) {
        if confirmed > 0 && !matches!(self.kind, Kind::Silent) {
            eprintln!("going on after row {}; --from-start sends all rows again", thousands(confirmed));
        }
    }

    /// Shows where the import is, of about so many rows.
    pub(super) fn moves(&self, tally: &Tally, rows: u64) {
        match &self.kind {
            Kind::Silent => {}
            Kind::Bar(bar) => {
                bar.set_length(rows);
                bar.set_position(tally.rows());
            }
            Kind::Lines(last) if last.get().elapsed() >= LINE_EVERY => {
                last.set(Instant::now());
                let rate =
                    tally.rows_now() * 1_000 / u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(1).max(1);
                let left = rows.saturating_sub(tally.rows()) / rate.max(1);
                eprintln!(
                    "{} of about {} rows, {} rows/s, about {left} s left",
                    thousands(tally.rows()),
                    thousands(rows),
                    thousands(rate)
                );
            }
            Kind::Lines(_) => {}
        }
    }

    /// Leaves the place to the summary.
    pub(super) fn ends(&self) {
        if let Kind::Bar(bar) = &self.kind {
            bar.finish_and_clear();
        }
    }
}
