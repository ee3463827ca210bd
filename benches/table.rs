//! The table that a run ends with.

use crate::Settings;
use serde_json::{Value, json};

/// What a line has to hold.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Hold {
    /// At least this ratio to the baseline.
    Ratio(f64),
    /// At least this figure.
    AtLeast(f64),
    /// At most this figure.
    AtMost(f64),
}

/// A figure of the table.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) bench: &'static str,
    pub(crate) what: String,
    pub(crate) figure: f64,
    pub(crate) unit: &'static str,
    pub(crate) baseline: Option<(&'static str, f64)>,
    pub(crate) ratio: Option<f64>,
    pub(crate) hold: Option<Hold>,
}

impl Line {
    pub(crate) fn new(bench: &'static str, what: impl Into<String>, figure: f64, unit: &'static str) -> Self {
        Self { bench, what: what.into(), figure, unit, baseline: None, ratio: None, hold: None }
    }

    pub(crate) fn beside(self, baseline: &'static str, figure: f64, ratio: f64) -> Self {
        Self { baseline: Some((baseline, figure)), ratio: Some(ratio), ..self }
    }

    pub(crate) fn hold(self, hold: Hold) -> Self {
        Self { hold: Some(hold), ..self }
    }

    fn holds(&self, smoke: bool) -> Option<bool> {
        let (lower, upper) = if smoke { (0.5, 2.0) } else { (1.0, 1.0) };
        Some(match self.hold? {
            Hold::Ratio(bar) => self.ratio? >= bar * lower,
            Hold::AtLeast(bar) => self.figure >= bar * lower,
            Hold::AtMost(bar) => self.figure <= bar * upper,
        })
    }

    fn bar(&self) -> String {
        match self.hold {
            Some(Hold::Ratio(bar)) => format!("≥ {bar} ×"),
            Some(Hold::AtLeast(bar)) => format!("≥ {}", rounded(bar)),
            Some(Hold::AtMost(bar)) => format!("≤ {}", rounded(bar)),
            None => String::new(),
        }
    }

    fn verdict(&self, smoke: bool) -> &'static str {
        match self.holds(smoke) {
            Some(true) => "ok",
            Some(false) => "BELOW",
            None => "",
        }
    }

    fn cells(&self, smoke: bool) -> [String; 7] {
        let baseline = self.baseline.map(|(name, figure)| format!("{name} {}", rounded(figure)));
        [
            self.bench.to_owned(),
            self.what.clone(),
            format!("{} {}", rounded(self.figure), self.unit),
            baseline.unwrap_or_default(),
            self.ratio.map(|ratio| format!("{ratio:.2} ×")).unwrap_or_default(),
            self.bar(),
            self.verdict(smoke).to_owned(),
        ]
    }

    fn json(&self, smoke: bool) -> Value {
        json!({
            "bench": self.bench, "what": self.what, "figure": self.figure, "unit": self.unit,
            "baseline": self.baseline.map(|(name, figure)| json!({"name": name, "figure": figure})),
            "ratio": self.ratio, "bar": self.bar(), "holds": self.holds(smoke),
        })
    }
}

/// All lines of a run.
#[derive(Debug)]
pub(crate) struct Table {
    smoke: bool,
    lines: Vec<Line>,
}

impl Table {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { smoke: settings.smoke, lines: Vec::new() }
    }

    /// Takes a line in, and shows it at once to whoever waits for the table.
    pub(crate) fn add(&mut self, line: Line) {
        eprintln!("  {}", line.cells(self.smoke).join("  "));
        self.lines.push(line);
    }

    /// Whether every bar holds.
    pub(crate) fn holds(&self) -> bool {
        self.lines.iter().all(|line| line.holds(self.smoke) != Some(false))
    }

    pub(crate) fn print(&self, as_json: bool) -> anyhow::Result<()> {
        if as_json {
            let lines: Vec<Value> = self.lines.iter().map(|line| line.json(self.smoke)).collect();
            println!("{}", serde_json::to_string_pretty(&json!({"smoke": self.smoke, "lines": lines}))?);
            return Ok(());
        }
        let head = ["bench", "what", "figure", "baseline", "ratio", "hold", ""].map(str::to_owned);
        let rows: Vec<[String; 7]> =
            std::iter::once(head).chain(self.lines.iter().map(|line| line.cells(self.smoke))).collect();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: [usize; 7] = std::array::from_fn(width);
        for row in &rows {
            let padded = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
            println!("{}", padded.collect::<Vec<_>>().join("  ").trim_end());
        }
        println!("{}", if self.smoke { "smoke: every bar at half its height" } else { "full" });
        Ok(())
    }
}

/// Three or more digits that mean something.
fn rounded(figure: f64) -> String {
    match figure.abs() {
        large if large >= 100.0 => format!("{figure:.0}"),
        middle if middle >= 10.0 => format!("{middle:.1}"),
        small if small >= 0.1 => format!("{small:.2}"),
        _ => format!("{figure:.4}"),
    }
}
