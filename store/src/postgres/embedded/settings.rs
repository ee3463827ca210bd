//! What `postgresql.conf` and `pg_hba.conf` of the private cluster say, and why.

use std::fmt::Write;
use std::path::Path;

/// Durable, private, quiet. Values as PostgreSQL reads them, quoted below.
const SETTINGS: &[(&str, &str)] = &[
    // No network: one socket, for its owner.
    ("listen_addresses", ""),
    ("port", "5432"),
    ("unix_socket_permissions", "0700"),
    ("max_connections", "100"),
    ("cluster_name", "clientela"),
    // What was answered stays, whatever happens to the power.
    ("fsync", "on"),
    ("synchronous_commit", "on"),
    ("full_page_writes", "on"),
    // The log of events is written steadily: few, large, spread checkpoints.
    ("min_wal_size", "512MB"),
    ("max_wal_size", "2GB"),
    ("checkpoint_timeout", "15min"),
    ("shared_buffers", "256MB"),
    // Short statements on fast disks.
    ("jit", "off"),
    ("random_page_cost", "1.1"),
    ("timezone", "UTC"),
    ("log_timezone", "UTC"),
    ("lc_messages", "C"),
    // No personal data in the log: statements, parameters and refused rows hold it. An error of a
    // statement goes to its caller; the log keeps what concerns the cluster itself.
    ("log_min_messages", "log"),
    ("log_min_error_statement", "panic"),
    ("log_error_verbosity", "terse"),
    ("log_parameter_max_length", "0"),
    ("log_parameter_max_length_on_error", "0"),
    ("log_line_prefix", "%m [%p] "),
    ("logging_collector", "off"),
    ("log_destination", "stderr"),
];

/// For the shared cluster of the tests only, which is thrown away after a crash.
pub(in crate::postgres) const DISPOSABLE: &[(&str, &str)] = &[
    ("fsync", "off"),
    ("synchronous_commit", "off"),
    ("full_page_writes", "off"),
    ("max_connections", "300"),
    ("log_checkpoints", "off"),
];

/// Every local connection is trusted but those of analysts: who reaches the socket at all is decided by its folder. Should an
/// operator have it listen on a network, nobody but analysts comes in that way.
pub(super) const HOST_BASED_AUTHENTICATION: &str = "\
# Written at each start. The socket's folder (0700) decides who may connect.
local all +clientela_analyst scram-sha-256
local all all trust
local replication all trust
host all +clientela_analyst all scram-sha-256
";

/// What `local.conf` says until the operator changes it.
pub(super) const OPERATORS_OWN: &str =
    "# Settings of your own; they win over those of postgresql.conf, which is written anew at each start.\n";

/// The whole `postgresql.conf`.
pub(super) fn configuration(socket_dir: &Path, wal_compression: &str, more: &[(String, String)]) -> String {
    let mut text = String::from("# Written at each start. Your own settings: local.conf, in this folder.\n");
    let sockets = format!("\"{}\"", socket_dir.display().to_string().replace('"', "\"\""));
    let found = [("wal_compression", wal_compression), ("unix_socket_directories", sockets.as_str())];
    let ours = SETTINGS.iter().copied().chain(found);
    let more = more.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in ours.chain(more) {
        writeln!(text, "{name} = '{}'", quoted(value)).expect("writing to a string cannot fail");
    }
    text.push_str("include = 'local.conf'\n");
    text
}

fn quoted(value: &str) -> String {
    value.replace('\\', "\\\\").replace('\'', "''")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::configuration;

    #[test]
    fn a_folder_with_odd_characters_is_quoted_twice() {
        let text = configuration(Path::new(r#"/a, b's/"c"\d"#), "on", &[]);
        assert!(text.contains(r#"unix_socket_directories = '"/a, b''s/""c""\\d"'"#), "{text}");
    }

    #[test]
    fn settings_of_the_caller_come_after_ours_and_before_the_operators() {
        let text = configuration(Path::new("/run/x"), "on", &[("fsync".to_owned(), "off".to_owned())]);
        let ours = text.find("fsync = 'on'").expect("ours");
        let callers = text.find("fsync = 'off'").expect("the caller's");
        let operators = text.find("include = 'local.conf'").expect("the operator's");
        assert!(ours < callers && callers < operators);
    }
}
