//! The program `clientela-verify`: reads files, checks them, and says in plain words what is proved, or why nothing is.

use clap::{Args, Parser, Subcommand};
use clientela_verify::leaf::Sealed;
use clientela_verify::{Head, Key, ProvedEvent, Wrong, consistency, event, tree};
use serde_json::{Value, json};
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// An event has at most 4 MiB; what is longer is no answer.
const BYTES_MAX: u64 = 32 * 1024 * 1024;

const AFTER_HELP: &str = "\
KEY is the verifier key of the log, as GET /v1/audit/key answers it. Have it from somebody you trust, and not together with \
the answer that it is to check: who can forge one can forge both.

Exit codes: 0 proved; 1 not proved, with one line that says why; 2 a file cannot be read or is no such answer, or the \
command line is wrong.";

/// Checks proofs of a Clientela event log: no network, no database, no trust in the server
#[derive(Debug, Parser)]
#[command(name = "clientela-verify", version, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// That an event is in the log: the answer of GET /v1/audit/proof?position=N
    #[command(after_help = AFTER_HELP)]
    Event(Arguments),
    /// That the log only grew between two heads: the answer of GET /v1/audit/consistency?from=SIZE&to=SIZE
    #[command(after_help = AFTER_HELP)]
    Consistency(Arguments),
    /// That heads are signed: the text of a checkpoint, or of many as the server publishes them
    #[command(after_help = AFTER_HELP)]
    Head(Arguments),
}

#[derive(Debug, Args)]
struct Arguments {
    /// What the server answered; - is standard input
    file: PathBuf,
    #[command(flatten)]
    keys: KeyArguments,
    /// Heads that you have kept, one or many: that of FILE, or its older one, must be among them
    #[arg(long, value_name = "FILE")]
    head: Option<PathBuf>,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct KeyArguments {
    /// Verifier key of the log (name+id+key); more than one after a change of the key
    #[arg(long, value_name = "KEY")]
    key: Vec<String>,
    /// File with verifier keys, one a line
    #[arg(long, value_name = "FILE")]
    key_file: Vec<PathBuf>,
}

fn main() -> ExitCode {
    let command = Cli::parse().command;
    let (Command::Event(arguments) | Command::Consistency(arguments) | Command::Head(arguments)) = &command;
    match run(&command, arguments) {
        Ok(proved) => {
            say(if arguments.json { &proved.json } else { &proved.text });
            ExitCode::SUCCESS
        }
        Err(wrong) => {
            let is_unreadable = matches!(wrong, Wrong::Unreadable { .. });
            if arguments.json {
                say(&json!({ "proved": false, "code": wrong.code(), "why": wrong.to_string() }));
            } else if is_unreadable {
                // Nothing was checked, so nothing is said of the log.
                eprintln!("clientela-verify: {wrong}");
            } else {
                eprintln!("not proved: {wrong}");
            }
            ExitCode::from(if is_unreadable { 2 } else { 1 })
        }
    }
}

/// Who has closed the other end has seen enough.
fn say(answer: &dyn fmt::Display) {
    let _closed = writeln!(io::stdout(), "{answer}");
}

/// What is proved, for people and for programs.
struct Proved {
    text: String,
    json: Value,
}

fn run(command: &Command, arguments: &Arguments) -> Result<Proved, Wrong> {
    let keys = keys(&arguments.keys)?;
    let kept = arguments.head.as_deref().map(|file| Head::all(&text(file)?, &keys)).transpose()?;
    let is_kept = kept.is_some();
    let compare = |head: &Head| kept.as_ref().map_or(Ok(()), |kept| head.is_among(kept));
    match command {
        Command::Event(_) => {
            let proved = event(&bytes(&arguments.file)?, &keys)?;
            compare(&proved.head)?;
            Ok(of_event(&proved, is_kept))
        }
        Command::Consistency(_) => {
            let (from, to) = consistency(&bytes(&arguments.file)?, &keys)?;
            compare(&from)?;
            Ok(of_growth(&from, &to, is_kept))
        }
        Command::Head(_) => {
            let heads = Head::all(&text(&arguments.file)?, &keys)?;
            heads.iter().try_for_each(compare)?;
            Ok(of_heads(&heads, is_kept))
        }
    }
}

fn of_event(ProvedEvent { event, leaf, head }: &ProvedEvent, is_kept: bool) -> Proved {
    let id = format!("{}-{}/{}", event.category, event.stream, event.version);
    let of_person = match event.personal.as_ref().map_or(0, Sealed::size) {
        0 => "nothing".to_owned(),
        1 => "1 byte, sealed".to_owned(),
        bytes => format!("{bytes} bytes, sealed"),
    };
    let lines = [
        format!("proved: the event at position {} is in the log, as it is shown", event.position),
        format!("  event        {} {}, of tenant {}", plain(&event.event_type), plain(&id), event.tenant),
        format!("  happened     {}", event.occurred_at),
        format!("  recorded     {}", event.recorded_at),
        format!("  payload      {}", plain(&event.payload)),
        format!("  metadata     {}", plain(&event.metadata)),
        format!("  of a person  {of_person}"),
        format!("  leaf         {}", hex::encode(leaf)),
        shown("head", head, is_kept),
    ];
    let json = json!({
        "proved": true, "position": event.position, "tenant": event.tenant, "event": id, "type": event.event_type,
        "occurred_at": event.occurred_at.to_string(), "recorded_at": event.recorded_at.to_string(),
        "leaf_hash": hex::encode(leaf), "head": as_json(head), "kept_head": is_kept,
    });
    Proved { text: lines.join("\n"), json }
}

fn of_growth(from: &Head, to: &Head, is_kept: bool) -> Proved {
    let first = format!("proved: the log of {} events begins with the {} of the older head", to.size, from.size);
    let text = [first, shown("older head", from, is_kept), shown("newer head", to, false)].join("\n");
    let json = json!({ "proved": true, "from": as_json(from), "to": as_json(to), "kept_head": is_kept });
    Proved { text, json }
}

fn of_heads(heads: &[Head], is_kept: bool) -> Proved {
    let first = match heads.len() {
        1 => "proved: the head is signed by the log's key".to_owned(),
        many => format!("proved: {many} heads are signed by the log's key"),
    };
    let lines = std::iter::once(first).chain(heads.iter().map(|head| shown("head", head, is_kept)));
    let json = json!({ "proved": true, "heads": heads.iter().map(as_json).collect::<Vec<_>>(), "kept_head": is_kept });
    Proved { text: lines.collect::<Vec<_>>().join("\n"), json }
}

fn shown(name: &str, head: &Head, is_kept: bool) -> String {
    let kept = if is_kept { ", the one that was kept" } else { "" };
    let (size, root, key) = (head.size, tree::text(&head.root), &head.signed_by);
    format!("  {name:<12} {size} events, root {root}{kept}\n  signed by    {}", plain(key))
}

/// Without anything that a screen would take for a command.
fn plain(text: &str) -> String {
    let shown = |letter: char| match letter {
        '"' | '\'' | '\\' => letter.to_string(),
        other => other.escape_debug().to_string(),
    };
    text.chars().map(shown).collect()
}

fn as_json(head: &Head) -> Value {
    json!({ "origin": head.origin, "size": head.size, "root": tree::text(&head.root), "key": head.signed_by })
}

fn keys(arguments: &KeyArguments) -> Result<Vec<Key>, Wrong> {
    let mut keys = arguments.key.iter().map(|key| key.trim().parse()).collect::<Result<Vec<Key>, _>>()?;
    for file in &arguments.key_file {
        keys.extend(Key::all(&text(file)?)?);
    }
    Ok(keys)
}

fn text(file: &Path) -> Result<String, Wrong> {
    String::from_utf8(bytes(file)?).map_err(|_| unreadable(file, "it is no text in UTF-8"))
}

fn bytes(file: &Path) -> Result<Vec<u8>, Wrong> {
    let mut bytes = Vec::new();
    let read = if file == Path::new("-") {
        io::stdin().take(BYTES_MAX + 1).read_to_end(&mut bytes)
    } else {
        File::open(file).and_then(|file| file.take(BYTES_MAX + 1).read_to_end(&mut bytes))
    };
    read.map_err(|error| unreadable(file, &error.to_string()))?;
    if bytes.len() as u64 > BYTES_MAX { Err(unreadable(file, "it is too long")) } else { Ok(bytes) }
}

fn unreadable(file: &Path, why: &str) -> Wrong {
    Wrong::Unreadable { what: "the file", why: format!("{}: {why}", file.display()) }
}
