//! `clientela verify`: recomputes the whole log and says the first position at which it is not what was written.
//!
//! It reads the database beside a running server and needs none of its secrets: the keys that verify are public.

use crate::config::{CommonFlags, settings};
use crate::logging;
use crate::output::{counted, print_json, rate, say, thousands, well_or};
use crate::wiring::{Ground, require_data};
use anyhow::Context;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use store::postgres::{Against, FindingKind, HeadFile, Report, verify};
use store::signed_note::VerifierKey;

const TEMPLATE: &str = "{prefix:20} {bar:30} {human_pos} of {human_len}  {per_sec}  {eta} left";
/// What was not asked for.
const ONLY_INSIDE: &str =
    "only heads in the database were compared; --head FILE compares with heads that were kept elsewhere";
const MAY_SAY_MORE: &str = "heads that were kept elsewhere may say more exactly between which events: --head FILE";
/// The log is not what was written.
const DOES_NOT_HOLD: u8 = 1;

/// What `verify` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Signed heads that were kept elsewhere, one or many in a file; may be given several times
    #[arg(long = "head", value_name = "FILE")]
    heads: Vec<PathBuf>,
    /// The key that must have signed, instead of those that the database names; may be given several times
    #[arg(long = "key", value_name = "VKEY")]
    keys: Vec<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(common: &CommonFlags, args: Args) -> anyhow::Result<ExitCode> {
    let against = args.against()?;
    let settings = settings(common)?;
    logging::start(&settings, logging::TOOL)?;
    require_data(&settings)?;
    let ground = Ground::of_tool(&settings).await?;
    let bar = bar(args.json);
    let begun = Instant::now();
    let tell = |done, of| {
        bar.set_length(of);
        bar.set_position(done);
    };
    let report = verify(&ground.database, &against, &tell).await.context("the log cannot be read");
    bar.finish_and_clear();
    ground.stop().await;
    let report = report?;
    if args.json {
        print_json(&report)?;
    } else {
        say!("{}", text(&report, begun.elapsed(), !against.files.is_empty()))?;
    }
    Ok(well_or(report.holds(), DOES_NOT_HOLD))
}

impl Args {
    fn against(&self) -> anyhow::Result<Against> {
        let file = |path: &PathBuf| {
            let shown = path.display().to_string();
            let text = std::fs::read_to_string(path).with_context(|| format!("{shown} cannot be read"))?;
            Ok(HeadFile::parse(&shown, &text)?)
        };
        let key = |text: &String| VerifierKey::parse(text).with_context(|| format!("{text} is wrong"));
        Ok(Against {
            files: self.heads.iter().map(file).collect::<anyhow::Result<_>>()?,
            keys: self.keys.iter().map(key).collect::<anyhow::Result<_>>()?,
        })
    }
}

/// A bar on a terminal, nothing elsewhere.
fn bar(json: bool) -> ProgressBar {
    let target = match json || !std::io::stderr().is_terminal() {
        true => ProgressDrawTarget::hidden(),
        false => ProgressDrawTarget::stderr_with_hz(8),
    };
    let bar = ProgressBar::with_draw_target(None, target).with_prefix("verifying");
    bar.set_style(ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

fn text(report: &Report, took: Duration, has_kept_heads: bool) -> String {
    let rate = rate(report.events, took).map(|rate| format!(" ({} events/s)", thousands(rate))).unwrap_or_default();
    let mut lines = vec![format!(
        "{} in {:.1} s{rate}, {}, {}",
        counted(report.events, "event"),
        took.as_secs_f64(),
        counted(report.tiles, "tile"),
        counted(report.heads, "signed head")
    )];
    if report.holds() {
        lines.push("all of it is what was written".to_owned());
        let behind = report.end.saturating_sub(report.covered);
        if behind > 0 {
            lines.push(format!("covered by no signed head yet: the last {}", counted(behind, "event")));
        }
        if !has_kept_heads {
            lines.push(ONLY_INSIDE.to_owned());
        }
        return lines.join("\n");
    }
    let of_position = |position: u64| match position {
        0 => String::new(),
        position => format!("position {position}: "),
    };
    lines.extend(report.findings.iter().map(|finding| format!("{}{}", of_position(finding.position), finding.reason)));
    let more = report.found.saturating_sub(report.findings.len() as u64);
    if more > 0 {
        lines.push(format!("and {} more", thousands(more)));
    }
    let is_between_heads = report.findings.iter().any(|finding| finding.kind == FindingKind::TreeDiffers);
    if is_between_heads && !has_kept_heads {
        lines.push(MAY_SAY_MORE.to_owned());
    }
    lines.push("THE LOG IS NOT WHAT WAS WRITTEN".to_owned());
    lines.join("\n")
}
