//! The configuration: defaults, below a TOML file, below the environment, below flags. Unknown keys of the file are errors.
//!
//! Each place is read into a map of the same keys; the highest one that names a key wins, and the error of a wrong value
//! says which place it came from.

use crate::mail_lookup::MailLookupBy;
use crate::scrubbing::ScrubAt;
use anyhow::{Context, anyhow, bail};
use clap::ValueEnum;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Flags that every subcommand takes.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Common options")]
pub(crate) struct CommonFlags {
    /// Folder of all data: the private PostgreSQL, the secrets, the admin key [env: CLIENTELA_DATA]
    #[arg(long, visible_alias = "data", value_name = "DIR", global = true)]
    data_dir: Option<PathBuf>,
    /// Configuration file in TOML [default: clientela.toml in the data folder, if it exists] [env: CLIENTELA_CONFIG]
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Address of a PostgreSQL of your own; without it a private one is used [env: DATABASE_URL, POSTGRES_URL]
    #[arg(long, value_name = "URL", global = true)]
    database_url: Option<String>,
    /// How log lines look [default: text] [env: CLIENTELA_LOG_FORMAT]
    #[arg(long, value_enum, value_name = "FORMAT", global = true)]
    log_format: Option<LogFormat>,
    /// What is logged, such as `warn` or `info,store=debug` [env: CLIENTELA_LOG_LEVEL]
    #[arg(long, value_name = "FILTER", global = true)]
    log_level: Option<String>,
}

/// Flags of the server.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct ServerFlags {
    /// Address and port to listen on [default: 127.0.0.1:8007] [env: CLIENTELA_LISTEN]
    #[arg(long, value_name = "IP:PORT", conflicts_with = "port")]
    listen: Option<String>,
    /// Port to listen on, on this machine only
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// Development only: requests without a key act as an administrator; refused unless only this machine can connect
    #[arg(long)]
    open: bool,
    /// Web pages of this origin may call the API from a browser; may be given several times
    #[arg(long = "cors-origin", value_name = "ORIGIN")]
    cors_origins: Vec<String>,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// What the program runs with.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) data_dir: PathBuf,
    pub(crate) listen: SocketAddr,
    /// Whether anybody has said so.
    pub(crate) is_listen_configured: bool,
    pub(crate) database_url: Option<String>,
    pub(crate) master_key: Option<String>,
    pub(crate) claim_key: Option<String>,
    pub(crate) log_key: Option<String>,
    pub(crate) log_format: LogFormat,
    pub(crate) log_level: Option<String>,
    pub(crate) open: bool,
    pub(crate) cors_origins: Vec<String>,
    /// Most readers of the feed, in all and with one key.
    pub(crate) feed_clients_max: usize,
    pub(crate) feed_clients_per_key_max: usize,
    /// How often a reader of the feed is asked for its key again.
    pub(crate) feed_recheck_seconds: u32,
    /// Most requests a second with one key, and without one that works from one address; 0: no limit.
    pub(crate) requests_per_key: u32,
    pub(crate) failures_per_address: u32,
    /// How long requests in flight get to finish when the server is told to stop.
    pub(crate) drain_seconds: u32,
    /// Whether read models of another version are made again when the server starts; else it does not start.
    pub(crate) rebuild_on_start: bool,
    /// Whether this node runs reactors and jobs; at least one node should.
    pub(crate) background: bool,
    /// At which hour of the day (UTC) a node with `background` scrubs those who were erased, or `never`.
    pub(crate) scrub_at: ScrubAt,
    /// At most one head of the log is signed in so many seconds, besides those that are asked for.
    pub(crate) head_every_seconds: u32,
    /// Where signed heads are published: a file, and an address with the token that it asks for.
    pub(crate) heads_file: Option<PathBuf>,
    pub(crate) heads_url: Option<String>,
    pub(crate) heads_token: Option<String>,
    /// Whom that address may be: the authorities in this file, instead of those that everybody believes.
    pub(crate) heads_ca_file: Option<PathBuf>,
    /// Where the erasure list is kept, if not in the data folder.
    pub(crate) erasures_file: Option<PathBuf>,
    /// Whom verdicts on addresses ask for mail servers.
    pub(crate) mail_lookup: MailLookupBy,
}

impl Settings {
    /// Where the admin key of this installation is kept for the command line.
    pub(crate) fn admin_key_file(&self) -> PathBuf {
        self.data_dir.join("admin.key")
    }
}

/// The keys, each with the variables of the environment that set it.
const KEYS: &[(&str, &[&str])] = &[
    ("data_dir", &["CLIENTELA_DATA"]),
    ("listen", &["CLIENTELA_LISTEN"]),
    ("database_url", &["DATABASE_URL", "POSTGRES_URL"]),
    ("master_key", &["CLIENTELA_MASTER_KEY"]),
    ("claim_key", &["CLIENTELA_CLAIM_KEY"]),
    ("log_key", &["CLIENTELA_LOG_KEY"]),
    ("log_format", &["CLIENTELA_LOG_FORMAT"]),
    ("log_level", &["CLIENTELA_LOG_LEVEL"]),
    ("open", &["CLIENTELA_OPEN"]),
    ("cors_origins", &["CLIENTELA_CORS_ORIGINS"]),
    ("feed_clients_max", &["CLIENTELA_FEED_CLIENTS_MAX"]),
    ("feed_clients_per_key_max", &["CLIENTELA_FEED_CLIENTS_PER_KEY_MAX"]),
    ("feed_recheck_seconds", &["CLIENTELA_FEED_RECHECK_SECONDS"]),
    ("requests_per_key", &["CLIENTELA_REQUESTS_PER_KEY"]),
    ("failures_per_address", &["CLIENTELA_FAILURES_PER_ADDRESS"]),
    ("drain_seconds", &["CLIENTELA_DRAIN_SECONDS"]),
    ("rebuild_on_start", &["CLIENTELA_REBUILD_ON_START"]),
    ("background", &["CLIENTELA_BACKGROUND"]),
    ("scrub_at", &["CLIENTELA_SCRUB_AT"]),
    ("head_every_seconds", &["CLIENTELA_HEAD_EVERY_SECONDS"]),
    ("heads_file", &["CLIENTELA_HEADS_FILE"]),
    ("heads_url", &["CLIENTELA_HEADS_URL"]),
    ("heads_token", &["CLIENTELA_HEADS_TOKEN"]),
    ("heads_ca_file", &["CLIENTELA_HEADS_CA_FILE"]),
    ("erasures_file", &["CLIENTELA_ERASURES_FILE"]),
    ("mail_lookup", &["CLIENTELA_MAIL_LOOKUP"]),
];

/// The usual file, in the data folder.
const FILE_NAME: &str = "clientela.toml";
/// The origin of what nobody has said.
const DEFAULT: &str = "default";

/// The configuration with its origins.
#[derive(Debug)]
pub(crate) struct Effective {
    /// Highest first.
    places: Vec<Place>,
}

/// One place where values are set.
#[derive(Debug)]
struct Place {
    values: Map<String, Value>,
    /// Where a key's value comes from, in words.
    origins: Map<String, Value>,
}

/// The settings of a subcommand that serves nothing.
pub(crate) fn settings(common: &CommonFlags) -> anyhow::Result<Settings> {
    effective(common, None)?.settings()
}

/// Reads all places.
pub(crate) fn effective(common: &CommonFlags, server: Option<&ServerFlags>) -> anyhow::Result<Effective> {
    let environment = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    read(flags(common, server), common.config.clone(), &environment)
}

fn read(
    flags: Map<String, Value>,
    named: Option<PathBuf>,
    environment: &dyn Fn(&str) -> Option<String>,
) -> anyhow::Result<Effective> {
    let defaults = Place::new(defaults(environment), DEFAULT);
    let mut places = vec![Place::new(flags, "flag"), from_environment(environment)];
    let named = named.or_else(|| environment("CLIENTELA_CONFIG").map(PathBuf::from));
    let file = match named {
        Some(named) => Some(from_file(&named)?),
        None => {
            let above = places.iter().chain([&defaults]).find_map(|place| place.values.get("data_dir")?.as_str());
            let usual = Path::new(above.unwrap_or_default()).join(FILE_NAME);
            if usual.exists() { Some(from_file(&usual)?) } else { None }
        }
    };
    places.extend(file);
    places.push(defaults);
    Ok(Effective { places })
}

impl Effective {
    /// The values, typed and checked.
    pub(crate) fn settings(&self) -> anyhow::Result<Settings> {
        let required = |key: &str| anyhow!("{key} is not set");
        let settings = Settings {
            data_dir: self.get("data_dir")?.ok_or_else(|| required("data_dir"))?,
            listen: self.get("listen")?.ok_or_else(|| required("listen"))?,
            is_listen_configured: self.find("listen").is_some_and(|(_, origin)| origin != DEFAULT),
            database_url: self.get("database_url")?,
            master_key: self.get("master_key")?,
            claim_key: self.get("claim_key")?,
            log_key: self.get("log_key")?,
            log_format: self.get("log_format")?.unwrap_or(LogFormat::Text),
            log_level: self.get("log_level")?,
            open: self.get("open")?.unwrap_or_default(),
            cors_origins: self.get("cors_origins")?.unwrap_or_default(),
            feed_clients_max: self.get("feed_clients_max")?.ok_or_else(|| required("feed_clients_max"))?,
            feed_clients_per_key_max: self
                .get("feed_clients_per_key_max")?
                .ok_or_else(|| required("feed_clients_per_key_max"))?,
            feed_recheck_seconds: self.get("feed_recheck_seconds")?.ok_or_else(|| required("feed_recheck_seconds"))?,
            requests_per_key: self.get("requests_per_key")?.ok_or_else(|| required("requests_per_key"))?,
            failures_per_address: self.get("failures_per_address")?.ok_or_else(|| required("failures_per_address"))?,
            drain_seconds: self.get("drain_seconds")?.ok_or_else(|| required("drain_seconds"))?,
            rebuild_on_start: self.get("rebuild_on_start")?.unwrap_or(true),
            background: self.get("background")?.unwrap_or(true),
            scrub_at: self.get("scrub_at")?.ok_or_else(|| required("scrub_at"))?,
            head_every_seconds: self.get("head_every_seconds")?.ok_or_else(|| required("head_every_seconds"))?,
            heads_file: self.get("heads_file")?,
            heads_url: self.get("heads_url")?,
            heads_token: self.get("heads_token")?,
            heads_ca_file: self.get("heads_ca_file")?,
            erasures_file: self.get("erasures_file")?,
            mail_lookup: self.get("mail_lookup")?.ok_or_else(|| required("mail_lookup"))?,
        };
        if settings.open && !settings.listen.ip().is_loopback() {
            bail!("open is allowed only on a loopback address, not on {}", settings.listen);
        }
        Ok(settings)
    }

    /// All keys with their values and origins; what is secret is masked.
    pub(crate) fn masked(&self) -> Vec<(&'static str, Value, String)> {
        let row = |&(key, _): &(&'static str, _)| match self.find(key) {
            Some((value, origin)) => (key, masked(key, value), origin.to_owned()),
            None => (key, Value::Null, String::new()),
        };
        KEYS.iter().map(row).collect()
    }

    fn find(&self, key: &str) -> Option<(&Value, &str)> {
        self.places.iter().find_map(|place| {
            let origin = place.origins.get(key).and_then(Value::as_str).unwrap_or_default();
            Some((place.values.get(key)?, origin))
        })
    }

    fn get<T: DeserializeOwned>(&self, key: &str) -> anyhow::Result<Option<T>> {
        let Some((value, origin)) = self.find(key) else { return Ok(None) };
        let read = serde_json::from_value(value.clone());
        read.map(Some).with_context(|| format!("{key} ({origin}) is wrong"))
    }
}

impl Place {
    fn new(values: Map<String, Value>, origin: &str) -> Self {
        let origins = values.keys().map(|key| (key.clone(), json!(origin))).collect();
        Self { values, origins }
    }
}

fn defaults(environment: &dyn Fn(&str) -> Option<String>) -> Map<String, Value> {
    let data_dir = match environment("HOME") {
        Some(home) if !nix::unistd::geteuid().is_root() => Path::new(&home).join(".local/share/clientela"),
        _ => PathBuf::from("/var/lib/clientela"),
    };
    let doors = api::Config::default();
    object([
        ("data_dir", json!(data_dir)),
        ("listen", json!("127.0.0.1:8007")),
        ("log_format", json!("text")),
        ("open", json!(false)),
        ("cors_origins", json!([])),
        ("feed_clients_max", json!(doors.feed_clients_max)),
        ("feed_clients_per_key_max", json!(doors.feed_clients_per_key_max)),
        ("feed_recheck_seconds", json!(doors.feed_recheck.as_secs())),
        ("requests_per_key", json!(doors.requests_per_key)),
        ("failures_per_address", json!(doors.failures_per_address)),
        ("drain_seconds", json!(doors.drain_timeout.as_secs())),
        ("rebuild_on_start", json!(true)),
        ("background", json!(true)),
        ("scrub_at", json!("02:30")),
        ("head_every_seconds", json!(60)),
        ("mail_lookup", json!("off")),
    ])
}

fn flags(common: &CommonFlags, server: Option<&ServerFlags>) -> Map<String, Value> {
    let log_format = common.log_format.and_then(|format| format.to_possible_value());
    let mut values = object([
        ("data_dir", json!(common.data_dir)),
        ("database_url", json!(common.database_url)),
        ("log_format", json!(log_format.map(|value| value.get_name().to_owned()))),
        ("log_level", json!(common.log_level)),
    ]);
    if let Some(server) = server {
        let listen = server.listen.clone().or_else(|| server.port.map(|port| format!("127.0.0.1:{port}")));
        values.extend(object([
            ("listen", json!(listen)),
            ("open", if server.open { json!(true) } else { Value::Null }),
            ("cors_origins", if server.cors_origins.is_empty() { Value::Null } else { json!(server.cors_origins) }),
        ]));
    }
    values
}

fn from_environment(environment: &dyn Fn(&str) -> Option<String>) -> Place {
    let mut place = Place::new(Map::new(), "");
    for (key, names) in KEYS {
        let found = names.iter().find_map(|name| Some((name, environment(name)?)));
        if let Some((name, text)) = found {
            place.values.insert((*key).to_owned(), from_text(key, &text));
            place.origins.insert((*key).to_owned(), json!(format!("environment, {name}")));
        }
    }
    place
}

/// The environment knows texts only.
fn from_text(key: &str, text: &str) -> Value {
    match key {
        "open" | "rebuild_on_start" | "background" => match text {
            "true" | "1" | "yes" => json!(true),
            "false" | "0" | "no" => json!(false),
            _ => json!(text),
        },
        "feed_clients_max"
        | "feed_clients_per_key_max"
        | "feed_recheck_seconds"
        | "requests_per_key"
        | "failures_per_address"
        | "drain_seconds"
        | "head_every_seconds" => text.parse::<u64>().map_or_else(|_| json!(text), |number| json!(number)),
        "cors_origins" => text.split(',').map(|origin| json!(origin.trim())).collect(),
        _ => json!(text),
    }
}

fn from_file(path: &Path) -> anyhow::Result<Place> {
    let shown = path.display();
    let text =
        std::fs::read_to_string(path).with_context(|| format!("the configuration file {shown} cannot be read"))?;
    let table: toml::Table = text.parse().with_context(|| format!("{shown} is not valid TOML"))?;
    for key in table.keys() {
        if !KEYS.iter().any(|(known, _)| known == key) {
            let known: Vec<_> = KEYS.iter().map(|(known, _)| *known).collect();
            bail!("{shown} has the unknown key `{key}`; known are {}", known.join(", "));
        }
    }
    match serde_json::to_value(table) {
        Ok(Value::Object(values)) => Ok(Place::new(values, &format!("file {shown}"))),
        _ => bail!("{shown} holds values that are no texts, numbers, booleans or lists"),
    }
}

fn object<const N: usize>(values: [(&str, Value); N]) -> Map<String, Value> {
    values.into_iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key.to_owned(), value)).collect()
}

const MASK: &str = "****";

fn masked(key: &str, value: &Value) -> Value {
    match (key, value.as_str()) {
        ("master_key" | "claim_key" | "log_key" | "heads_token", Some(_)) => json!(MASK),
        ("database_url" | "heads_url", Some(url)) => json!(without_password(url)),
        _ => value.clone(),
    }
}

/// The URL with the password, wherever it stands, replaced.
pub(crate) fn without_password(url: &str) -> String {
    let (url, query) = url.split_once('?').map_or((url, None), |(url, query)| (url, Some(query)));
    let Some((scheme, rest)) = url.split_once("://") else { return MASK.to_owned() };
    let place = match rest.rsplit_once('@') {
        Some((login, place)) => match login.split_once(':') {
            Some((user, _)) => format!("{user}:{MASK}@{place}"),
            None => format!("{login}@{place}"),
        },
        None => rest.to_owned(),
    };
    let hidden = |pair: &str| match pair.split_once('=') {
        Some((name, _)) if name.contains("password") => format!("{name}={MASK}"),
        _ => pair.to_owned(),
    };
    let query = query.map(|query| query.split('&').map(hidden).collect::<Vec<_>>().join("&"));
    format!("{scheme}://{place}{}", query.map(|query| format!("?{query}")).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::{CommonFlags, Effective, ServerFlags, flags, read, without_password};
    use serde_json::{Map, Value};
    use std::path::PathBuf;

    fn nothing(_: &str) -> Option<String> {
        None
    }

    fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clientela.toml");
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    fn origin_of(effective: &Effective, key: &str) -> (Value, String) {
        let found = effective.masked().into_iter().find(|(known, ..)| *known == key);
        let (_, value, origin) = found.unwrap();
        (value, origin)
    }

    #[test]
    fn a_flag_is_above_the_environment_is_above_the_file_is_above_the_default() {
        let (_folder, file) = written("listen = \"127.0.0.1:1\"\nlog_format = \"json\"\nopen = true\n");
        let environment = |name: &str| match name {
            "CLIENTELA_LISTEN" => Some("127.0.0.1:2".to_owned()),
            "CLIENTELA_OPEN" => Some("false".to_owned()),
            _ => None,
        };
        let server = ServerFlags { port: Some(3), ..ServerFlags::default() };
        let above = flags(&CommonFlags::default(), Some(&server));
        let effective = read(above, Some(file), &environment).unwrap();
        let settings = effective.settings().unwrap();
        assert_eq!(settings.listen.to_string(), "127.0.0.1:3");
        assert!(!settings.open);
        assert_eq!(settings.log_format, super::LogFormat::Json);
        assert_eq!(origin_of(&effective, "listen").1, "flag");
        assert_eq!(origin_of(&effective, "open").1, "environment, CLIENTELA_OPEN");
        assert_eq!(origin_of(&effective, "cors_origins").1, "default");
    }

    #[test]
    fn an_unknown_key_of_the_file_is_an_error() {
        let (_folder, file) = written("lisen = \"127.0.0.1:1\"\n");
        let error = read(Map::new(), Some(file), &nothing).unwrap_err().to_string();
        assert!(error.contains("unknown key `lisen`"), "{error}");
    }

    #[test]
    fn a_wrong_value_is_named_with_its_place() {
        let environment = |name: &str| (name == "CLIENTELA_LISTEN").then(|| "here".to_owned());
        let error = format!("{:#}", read(Map::new(), None, &environment).unwrap().settings().unwrap_err());
        assert!(error.starts_with("listen (environment, CLIENTELA_LISTEN) is wrong"), "{error}");
    }

    #[test]
    fn open_is_refused_where_others_can_connect() {
        let (_folder, file) = written("listen = \"0.0.0.0:8007\"\nopen = true\n");
        assert!(read(Map::new(), Some(file), &nothing).unwrap().settings().is_err());
    }

    #[test]
    fn the_alias_of_the_database_address_is_taken() {
        let environment = |name: &str| (name == "POSTGRES_URL").then(|| "postgres://a:b@c/d".to_owned());
        let effective = read(Map::new(), None, &environment).unwrap();
        assert_eq!(effective.settings().unwrap().database_url.as_deref(), Some("postgres://a:b@c/d"));
        assert_eq!(origin_of(&effective, "database_url").0, "postgres://a:****@c/d");
    }

    #[test]
    fn no_password_is_shown() {
        assert_eq!(without_password("postgres://ana:s@e:c@host:5432/db"), "postgres://ana:****@host:5432/db");
        assert_eq!(
            without_password("postgres://host/db?user=ana&password=secret"),
            "postgres://host/db?user=ana&password=****"
        );
        assert_eq!(without_password("postgres://ana@host/db"), "postgres://ana@host/db");
        assert_eq!(without_password("host=h password=secret"), "****");
    }
}
