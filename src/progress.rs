//! How a person sees something long move: a bar with rate and remaining time, or now and then a line where there is no terminal.

use crate::output::thousands;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::cell::Cell;
use std::fmt;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// What shows the progress, on standard error.
pub(crate) struct Progress {
    kind: Kind,
    /// What is counted, in the plural.
    unit: &'static str,
    /// What an earlier run had done.
    before: u64,
    begun: Instant,
}

enum Kind {
    Silent,
    Bar(ProgressBar),
    Lines(Cell<Instant>),
}

impl Progress {
    /// A bar on a terminal, lines elsewhere, nothing for programs.
    pub(crate) fn new(is_silent: bool, unit: &'static str, before: u64) -> Self {
        let begun = Instant::now();
        let kind = match (is_silent, std::io::stderr().is_terminal()) {
            (true, _) => Kind::Silent,
            (false, false) => Kind::Lines(Cell::new(begun)),
            (false, true) => Kind::Bar(bar(unit, before)),
        };
        Self { kind, unit, before, begun }
    }

    /// Says something beside it, but not to programs.
    pub(crate) fn says(&self, line: fmt::Arguments<'_>) {
        match &self.kind {
            Kind::Silent => {}
            Kind::Bar(bar) => bar.suspend(|| eprintln!("{line}")),
            Kind::Lines(_) => eprintln!("{line}"),
        }
    }

    /// Shows that so many of about so many are done, those of an earlier run included.
    pub(crate) fn moves(&self, done: u64, of: u64) {
        match &self.kind {
            Kind::Silent => {}
            Kind::Bar(bar) => {
                bar.set_length(of);
                bar.set_position(done);
            }
            Kind::Lines(last) if last.get().elapsed() >= LINE_EVERY => {
                last.set(Instant::now());
                let elapsed = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(1).max(1);
                let (unit, rate) = (self.unit, done.saturating_sub(self.before) * 1_000 / elapsed);
                let left = of.saturating_sub(done) / rate.max(1);
                let (done, of, rate) = (thousands(done), thousands(of), thousands(rate));
                eprintln!("{done} of about {of} {unit}, {rate} {unit}/s, about {left} s left");
            }
            Kind::Lines(_) => {}
        }
    }

    /// Leaves the place to the summary.
    pub(crate) fn ends(&self) {
        if let Kind::Bar(bar) = &self.kind {
            bar.finish_and_clear();
        }
    }
}

fn bar(unit: &str, before: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(before.max(1)), ProgressDrawTarget::stderr_with_hz(8));
    let template = format!("{{bar:30}} {{human_pos}} of {{human_len}} {unit}  {{per_sec}}  {{eta}} left");
    bar.set_style(ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_position(before);
    bar.reset_eta();
    bar
}
