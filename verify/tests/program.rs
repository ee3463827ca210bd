//! The program itself: what it prints, and its exit codes.

use insta::assert_snapshot;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/answers").join(name)
}

/// Runs it with the log's key; words that end in json or txt are files of the vectors.
fn verify(words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clientela-verify"));
    for word in words {
        match Path::new(word).extension() {
            Some(_) if file(word).exists() => command.arg(file(word)),
            _ => command.arg(word),
        };
    }
    command.arg("--key-file").arg(file("log.key.pub")).output().expect("it runs")
}

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}exit code {:?}", text(&output.stdout), text(&output.stderr), output.status.code())
}

#[test]
fn an_event_that_is_proved_is_described() {
    assert_snapshot!(said(&verify(&["event", "event-30-of-300.json"])));
    assert_snapshot!(said(&verify(&["event", "event-30-of-300.json", "--json", "--head", "head-300.txt"])));
}

#[test]
fn growth_and_heads_are_described() {
    assert_snapshot!(said(&verify(&["consistency", "consistency-7-to-300.json", "--head", "head-7.txt"])));
    assert_snapshot!(said(&verify(&["consistency", "consistency-7-to-300.json", "--json"])));
    assert_snapshot!(said(&verify(&["head", "head-300.txt"])));
}

#[test]
fn what_is_not_proved_says_why_and_the_exit_code_is_1() {
    let older = verify(&["event", "event-30-of-300.json", "--head", "head-7.txt"]);
    assert_snapshot!(said(&older));
    let folder = tempfile::tempdir().expect("a folder");
    let changed = std::fs::read_to_string(file("event-30-of-300.json")).expect("the answer").replace("cli", "api");
    let path = folder.path().join("changed");
    std::fs::write(&path, changed).expect("it is written");
    let path = path.to_str().expect("UTF-8");
    assert_snapshot!(said(&verify(&["event", path])));
    assert_snapshot!(said(&verify(&["event", path, "--json"])));
}

#[test]
fn a_kept_head_must_be_where_the_growth_begins() {
    let other = verify(&["consistency", "consistency-7-to-300.json", "--head", "head-256.txt"]);
    assert_snapshot!(said(&other));
}

#[test]
fn what_cannot_be_read_has_the_exit_code_2() {
    for words in [
        &["event", "no such file"][..],
        &["event", "head-7.txt"],
        &["event", "consistency-7-to-300.json"],
        &["head", "event-30-of-300.json"],
        &["event", "event-30-of-300.json", "--key", "nonsense"],
        &["event", "event-30-of-300.json", "--key-file", "head-7.txt"],
        &["event"],
        &["believe"],
    ] {
        let output = verify(words);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {}", said(&output));
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!told.is_empty() && !told.contains("not proved"), "nothing was checked: {told}");
    }
    let mut without_key = Command::new(env!("CARGO_BIN_EXE_clientela-verify"));
    let output = without_key.arg("event").arg(file("event-30-of-300.json")).output().expect("it runs");
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
}

#[test]
fn what_is_longer_than_any_answer_is_not_read_to_its_end() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clientela-verify"));
    command.args(["event", "/dev/zero", "--key-file"]).arg(file("log.key.pub"));
    let output = command.output().expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("too long"), "{}", said(&output));
}

#[test]
fn standard_input_is_read() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clientela-verify"));
    command.args(["event", "-", "--key"]).arg(std::fs::read_to_string(file("log.key.pub")).expect("the key"));
    let mut program = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
    let answer = std::fs::read(file("event-7-of-7.json")).expect("the answer");
    program.stdin.take().expect("a pipe").write_all(&answer).expect("it is read");
    let output = program.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn the_help_tells_what_there_is() {
    assert_snapshot!(said(&verify(&["--help"])));
    assert_snapshot!(said(&verify(&["event", "--help"])));
}
