//! The rules of the house, as far as a program can check them.
//!
//! Reads the sources as text and the packages through `cargo metadata`; runs nothing of ours. What a
//! compiler lint can say stands in `Cargo.toml` and `clippy.toml` instead.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The contexts, under the same names in each layer.
const CONTEXTS: &[&str] = &[
    "customers",
    "loyalty",
    "credit",
    "segmentation",
    "leads",
    "onboarding",
    "payment_cases",
    "audit",
    "access",
    "inbound",
];

/// Who may use whom among our own packages.
const EDGES: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("store", &[]),
    ("commands", &["domain", "store"]),
    ("projections", &["domain", "store"]),
    ("integrations", &["domain", "store", "commands"]),
    ("api", &["domain", "store", "commands", "projections", "integrations"]),
    // Shares no code with what it checks; tests of the whole hold one against the other.
    ("clientela-verify", &[]),
    ("clientela", &["domain", "store", "commands", "projections", "integrations", "api", "clientela-verify"]),
];

/// What the domain cannot have, because it would bring input, output, time or chance.
const NOT_IN_DOMAIN: &[&str] = &["tokio", "sqlx", "axum", "rand", "getrandom", "reqwest", "futures"];

/// What an auditor's tool cannot have, because it works without a database and without a network.
const NOT_IN_VERIFY: &[&str] = &["tokio", "sqlx", "reqwest", "hyper", "axum", "futures"];

/// Longer functions do more than one thing.
const FUNCTION_LINES_MAX: usize = 70;

/// Built, fetched or run, not written.
const NOT_OURS: &[&str] = &["target", ".git", ".clientela", "node_modules"];

#[test]
fn packages_use_only_those_they_may() {
    let mut wrong = Vec::new();
    for package in packages() {
        let name = text(&package["name"]);
        let Some((_, allowed)) = EDGES.iter().find(|(layer, _)| *layer == name) else {
            wrong.push(format!("{name} is no layer of the plan"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let used = text(&dependency["name"]);
            let is_ours = EDGES.iter().any(|(layer, _)| *layer == used);
            if is_ours && !allowed.contains(&used) {
                wrong.push(format!("{name} uses {used}"));
            }
            let is_for_tests = dependency["kind"] == "dev";
            let forbidden = match name {
                "domain" => NOT_IN_DOMAIN,
                "clientela-verify" => NOT_IN_VERIFY,
                _ => &[],
            };
            if !is_for_tests && forbidden.contains(&used) {
                wrong.push(format!("{name} uses {used}"));
            }
            if used == "clientela-verify" && !is_for_tests {
                wrong.push(format!("{name} uses {used} outside tests"));
            }
        }
    }
    assert_none(&wrong, "dependencies outside the plan");
}

#[test]
fn contexts_of_the_domain_do_not_know_each_other() {
    let mut wrong = Vec::new();
    for file in sources().iter().filter(|file| file.path.starts_with("domain/src")) {
        let own = file.path.iter().nth(2).and_then(|name| name.to_str()).unwrap_or_default();
        if CONTEXTS.contains(&own) {
            let others = CONTEXTS.iter().filter(|&&other| other != own);
            let imported = others.filter(|other| file.code.contains(&format!("crate::{other}")));
            wrong.extend(imported.map(|other| format!("{} imports {other}", file.path.display())));
        }
    }
    assert_none(&wrong, "contexts meet in reactors, through events and ids");
}

#[test]
fn folders_of_contexts_are_those_of_the_plan() {
    let layers =
        ["domain/src", "commands/src", "projections/src", "api/src/http", "api/src/console", "tests/scenarios"];
    let mut wrong = Vec::new();
    for layer in layers {
        let entries = fs::read_dir(root().join(layer)).into_iter().flatten().flatten();
        // A folder without mod.rs belongs to the file of the same name beside it.
        let modules = entries.map(|entry| entry.path()).filter(|folder| folder.join("mod.rs").exists());
        let names = modules.filter_map(|folder| Some(folder.file_name()?.to_str()?.to_owned()));
        let plan = [CONTEXTS, &["webhooks", "support"]].concat();
        wrong.extend(names.filter(|name| !plan.contains(&name.as_str())).map(|name| format!("{layer}/{name}")));
    }
    assert_none(&wrong, "folders outside the plan");
}

#[test]
fn functions_are_short() {
    let mut wrong = Vec::new();
    for file in sources() {
        let long = functions(&file.code).into_iter().filter(|function| function.lines > FUNCTION_LINES_MAX);
        wrong.extend(long.map(|function| {
            format!("{}:{}: {} has {} lines", file.path.display(), function.line, function.name, function.lines)
        }));
    }
    assert_none(&wrong, &format!("functions of more than {FUNCTION_LINES_MAX} lines"));
}

#[test]
fn nothing_unfinished_is_left() {
    let in_code = ["dbg!", "todo!", "unimplemented!", "#[ignore", "#[allow(", "#![allow("];
    let in_comments = ["FIXME", "XXX", "TODO"];
    let mut wrong = Vec::new();
    for file in sources() {
        let found_in = |part: &str, words: &[&str]| -> Vec<String> {
            let lines = part.lines().enumerate();
            let found = lines.flat_map(|(number, line)| {
                words.iter().filter(move |word| line.contains(*word)).map(move |word| (number + 1, *word))
            });
            found.map(|(line, word)| format!("{}:{line}: {word}", file.path.display())).collect()
        };
        wrong.extend(found_in(&file.code, &in_code));
        wrong.extend(found_in(&file.comments, &in_comments));
    }
    assert_none(&wrong, "left over from writing (a lint is switched off by #[expect(…, reason)])");
}

#[test]
fn modules_say_what_they_are_for() {
    let silent = sources().into_iter().filter(|file| !file.text.trim_start().starts_with("//!"));
    let wrong: Vec<String> = silent.map(|file| file.path.display().to_string()).collect();
    assert_none(&wrong, "modules without //! at the top");
}

#[test]
fn every_source_file_is_compiled() {
    let mut reached = BTreeSet::new();
    for package in packages() {
        for target in package["targets"].as_array().into_iter().flatten() {
            follow(Path::new(text(&target["src_path"])), true, &mut reached);
        }
    }
    let dead = sources().into_iter().map(|file| root().join(file.path)).filter(|path| !reached.contains(path));
    let wrong: Vec<String> = dead.map(|path| path.display().to_string()).collect();
    assert_none(&wrong, "files that no mod declaration reaches");
}

#[test]
fn golden_events_are_of_types_that_exist() {
    let domain: String =
        sources().into_iter().filter(|file| file.path.starts_with("domain/src")).map(|file| file.text).collect();
    let mut wrong = Vec::new();
    for kind in fs::read_dir(root().join("domain/tests/golden_events")).into_iter().flatten().flatten() {
        let name = kind.file_name().to_string_lossy().into_owned();
        if !domain.contains(&format!("\"{name}\"")) {
            wrong.push(format!("{name}: no event has this name"));
        }
        let files = fs::read_dir(kind.path()).into_iter().flatten().flatten();
        let files = files.map(|file| file.file_name().to_string_lossy().into_owned());
        wrong.extend(files.filter(|file| !is_golden(file)).map(|file| format!("{name}/{file}: not v<n>.json")));
    }
    assert_none(&wrong, "golden files");
}

#[test]
fn no_file_names_a_path_of_somebodys_machine() {
    // In two pieces, so that this file is not found itself.
    let paths = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];
    let mut wrong = Vec::new();
    for path in committed() {
        let content = fs::read(root().join(&path)).unwrap_or_default();
        let content = String::from_utf8_lossy(&content);
        let found = paths.iter().filter(|wanted| content.contains(*wanted));
        wrong.extend(found.map(|wanted| format!("{}: {wanted}", path.display())));
    }
    assert_none(&wrong, "paths that exist on one machine only");
}

/// The OpenAPI document has one schema for each name: of two, one would be described as the other.
#[test]
fn no_two_bodies_share_a_name() {
    let mut seen = BTreeMap::new();
    let mut wrong = Vec::new();
    for file in sources().into_iter().filter(|file| file.path.starts_with("api/src")) {
        for name in schemas(&file.code) {
            let here = file.path.display().to_string();
            wrong.extend(seen.insert(name.clone(), here.clone()).map(|there| format!("{name}: {there} and {here}")));
        }
    }
    assert!(seen.len() > 200, "only {} are found", seen.len());
    assert_none(&wrong, "schemas of the same name");
}

#[test]
fn the_reader_of_sources_tells_code_from_text() {
    let code = strip("let a = \"fn x() {\"; // fn y() {\nlet b = 'a'; let c = '{'; fn f<'a>() { r#\"}\"#; }").0;
    assert!(!code.contains("fn x") && !code.contains("fn y") && code.contains("fn f<'a>() {"), "{code}");
    assert_eq!(code.matches(['{', '}']).count(), 2, "{code}");
    let found = functions("trait T { fn no_body(); }\nfn outer() -> [u8; 2] {\n    if x {\n    }\n}\n");
    assert_eq!(found.iter().map(|f| (f.name.as_str(), f.line, f.lines)).collect::<Vec<_>>(), [("outer", 2, 4)]);
    let bodies = "use x::ToSchema;\n#[derive(Debug, ToSchema)]\nstruct A {}\n#[derive(ToSchema)]\n#[schema(as = C)]\npub enum B {}\n";
    assert_eq!(schemas(&format!("{bodies}#[derive(Debug)]\nstruct D;\n    E => text(),\n")), ["A", "C", "E"]);
}

/// One source file: as it is, and apart.
struct Source {
    path: PathBuf,
    text: String,
    /// Without comments and the content of strings; lines as in the file.
    code: String,
    /// Nothing but the comments; lines as in the file.
    comments: String,
}

struct Function {
    name: String,
    line: usize,
    lines: usize,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Everything that is written by hand, relative to the root.
fn files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let is_ours = !NOT_OURS.contains(&entry.file_name().to_string_lossy().as_ref());
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && is_ours => folders.push(entry.path()),
                Ok(kind) if kind.is_file() => {
                    let path = entry.path();
                    found.push(path.strip_prefix(root()).expect("below the root").to_path_buf());
                }
                _ => {}
            }
        }
    }
    found.sort();
    found
}

/// What others get; everything where this is no working copy of git.
fn committed() -> Vec<PathBuf> {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output();
    match listed {
        Ok(output) if output.status.success() => {
            let names = String::from_utf8_lossy(&output.stdout).into_owned();
            names.split_terminator('\0').map(PathBuf::from).collect()
        }
        _ => files(),
    }
}

fn sources() -> Vec<Source> {
    let rust = files().into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let read = rust.map(|path| {
        let text = fs::read_to_string(root().join(&path)).expect("a source file is text");
        let (code, comments) = strip(&text);
        Source { path, text, code, comments }
    });
    read.collect()
}

fn packages() -> Vec<Value> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--format-version", "1", "--no-deps", "--offline"]).current_dir(root());
    let output = cargo.output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo answers in JSON");
    serde_json::from_value(metadata["packages"].take()).expect("packages are a list")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[track_caller]
fn assert_none(wrong: &[String], what: &str) {
    assert!(wrong.is_empty(), "{what}:\n  {}", wrong.join("\n  "));
}

/// `v1.json` or `v1.minimal.json`.
fn is_golden(file: &str) -> bool {
    let version = file.strip_suffix(".minimal.json").or_else(|| file.strip_suffix(".json"));
    version.and_then(|version| version.strip_prefix('v')).is_some_and(|number| number.parse::<u32>().is_ok())
}

/// Adds a file and all that its `mod` declarations name.
fn follow(file: &Path, is_crate_root: bool, reached: &mut BTreeSet<PathBuf>) {
    let Ok(text) = fs::read_to_string(file) else { return };
    if !reached.insert(file.to_path_buf()) {
        return;
    }
    let folder = file.parent().unwrap_or(file);
    let stem = file.file_stem().unwrap_or_default();
    let below = if is_crate_root || stem == "mod" { folder.to_path_buf() } else { folder.join(stem) };
    let lines: Vec<&str> = text.lines().collect();
    for (number, line) in lines.iter().enumerate() {
        let Some(name) = declared_module(line) else { continue };
        let before = number.checked_sub(1).map_or("", |previous| lines[previous]);
        match before.trim().strip_prefix("#[path = \"").and_then(|rest| rest.strip_suffix("\"]")) {
            Some(path) => follow(&plain(&folder.join(path)), false, reached),
            None => {
                follow(&below.join(format!("{name}.rs")), false, reached);
                follow(&below.join(name).join("mod.rs"), false, reached);
            }
        }
    }
}

/// `pub(crate) mod name;` → `name`.
fn declared_module(line: &str) -> Option<&str> {
    let declaration = line.trim().strip_suffix(';')?;
    let (visibility, name) = declaration.rsplit_once("mod ")?;
    let is_declaration = visibility.is_empty() || visibility.starts_with("pub");
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (is_declaration && is_name).then_some(name)
}

/// The path without `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path {
        if part == ".." {
            plain.pop();
        } else {
            plain.push(part);
        }
    }
    plain
}

/// All functions with a body, by their first line and length.
fn functions(code: &str) -> Vec<Function> {
    let mut found = Vec::new();
    for (start, _) in code.match_indices("fn ") {
        let is_word = !code[..start].ends_with(|before: char| before.is_alphanumeric() || before == '_');
        let name: String = code[start + 3..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if let (true, false, Some(length)) = (is_word, name.is_empty(), body_end(&code[start..])) {
            let line = code[..start].matches('\n').count() + 1;
            let lines = code[start..start + length].matches('\n').count() + 1;
            found.push(Function { name, line, lines });
        }
    }
    found
}

/// The names under which types of a file stand in the OpenAPI document, those of the list in `schemas.rs` with them.
fn schemas(code: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let derived = code.split("#[derive(").skip(1).filter_map(|item| {
        let (traits, rest) = item.split_once(")]")?;
        let starts =
            ["struct ", "enum "].into_iter().filter_map(|kind| rest.find(kind).map(|at| (at, at + kind.len())));
        let (before, name) = starts.min()?;
        let renamed = rest[..before].split_once("as = ").map(|(_, name)| word(name));
        traits.contains("ToSchema").then(|| renamed.unwrap_or_else(|| word(&rest[name..])))
    });
    let listed = code.lines().filter_map(|line| line.strip_prefix("    ")?.split_once(" => ")).map(|(name, _)| name);
    let listed = listed.filter(|name| name.starts_with(|c: char| c.is_uppercase()) && word(name) == **name);
    derived.chain(listed.map(str::to_owned)).collect()
}

/// Where the braces that follow a signature close; `None` when a semicolon ends it first.
fn body_end(code: &str) -> Option<usize> {
    let (mut braces, mut brackets) = (0, 0);
    for (at, c) in code.char_indices() {
        match c {
            '(' | '[' if braces == 0 => brackets += 1,
            ')' | ']' if braces == 0 => brackets -= 1,
            ';' if braces == 0 && brackets == 0 => return None,
            '{' => braces += 1,
            '}' if braces <= 1 => return (braces == 1).then_some(at),
            '}' => braces -= 1,
            _ => {}
        }
    }
    None
}

/// Takes code and comments apart; each keeps the lines of the whole.
fn strip(text: &str) -> (String, String) {
    let (mut code, mut comments) = (String::new(), String::new());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let comment = comment_length(rest);
        let string = string_length(rest, code.chars().last());
        let length = comment.or(string).unwrap_or(c.len_utf8());
        let (token, after) = rest.split_at(length);
        let lines = "\n".repeat(token.matches('\n').count());
        match (comment, string) {
            (Some(_), _) => {
                comments.push_str(token);
                code.push_str(&lines);
            }
            (None, Some(_)) => {
                code.push_str("\"\"");
                code.push_str(&lines);
                comments.push_str(&lines);
            }
            (None, None) => {
                code.push_str(token);
                comments.push_str(&lines);
            }
        }
        rest = after;
    }
    (code, comments)
}

fn comment_length(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    rest.starts_with("/*").then(|| rest.find("*/").map_or(rest.len(), |end| end + 2))
}

/// Strings, raw strings and characters; a lifetime is none of these.
fn string_length(rest: &str, before: Option<char>) -> Option<usize> {
    if let Some(character) = rest.strip_prefix('\'') {
        let length = match character.strip_prefix('\\') {
            Some(escape) => escape[1..].find('\'')? + 2,
            None => character.chars().next()?.len_utf8(),
        };
        return character[length..].starts_with('\'').then_some(length + 2);
    }
    let begins_word = !before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let raw = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r')).filter(|_| begins_word);
    if let Some(raw) = raw {
        let hashes: String = raw.chars().take_while(|&c| c == '#').collect();
        let open = raw.strip_prefix(hashes.as_str())?.strip_prefix('"')?;
        let begin = rest.len() - open.len();
        return Some(open.find(&format!("\"{hashes}")).map_or(rest.len(), |end| begin + end + 1 + hashes.len()));
    }
    rest.starts_with('"').then(|| quoted_length(rest))
}

fn quoted_length(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}
