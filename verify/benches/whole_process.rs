//! How long the whole program takes to check one event of a log of a thousand million, from its start to its exit; beside it a
//! program that does nothing, which is what this machine takes to start one.

#[path = "../tests/support/large.rs"]
mod large;

use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

const ROUNDS: usize = 200;
const MILLISECONDS_MAX: f64 = 5.0;
const PROOF_BYTES_MAX: usize = 2_000;

fn main() -> ExitCode {
    let (answer, key) = large::answer();
    let proof = answer["proof"].as_str().map_or(0, str::len);
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), answer.to_string()).expect("it is written");
    let mut verify = Command::new(env!("CARGO_BIN_EXE_clientela-verify"));
    verify.arg("event").arg(file.path()).args(["--key", &key]).stdout(Stdio::null());
    let mut nothing = Command::new("true");
    let (mut checks, mut starts) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        checks.push(milliseconds(&mut verify));
        starts.push(milliseconds(&mut nothing));
    }
    let (check, worst) = (at(&mut checks, 0.5), at(&mut checks, 0.99));
    println!("proof of one event of {} million: {proof} bytes", large::EVENTS / 1_000_000);
    println!(
        "checked by the whole program: median {check:.2} ms, p99 {worst:.2} ms; one that does nothing: {:.2} ms",
        at(&mut starts, 0.5)
    );
    let holds = check <= MILLISECONDS_MAX && proof <= PROOF_BYTES_MAX;
    println!("bar: {PROOF_BYTES_MAX} bytes, {MILLISECONDS_MAX} ms: {}", if holds { "ok" } else { "BELOW" });
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn milliseconds(command: &mut Command) -> f64 {
    let begun = Instant::now();
    let status = command.status().expect("it runs");
    assert!(status.success(), "{status}");
    begun.elapsed().as_secs_f64() * 1_000.0
}

fn at(figures: &mut [f64], quantile: f64) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[((figures.len() - 1) as f64 * quantile) as usize]
}
