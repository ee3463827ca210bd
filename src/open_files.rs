//! Each connection is an open file: raises how many this process may have to what its connections need, or serves fewer.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// The log, the database's sessions, and what libraries open for a moment.
const OTHERS: u64 = 256;

/// Makes room for all connections of this configuration. Where the system allows less, the configuration is made to fit, and the
/// log says so.
pub(crate) fn make_room(config: &mut api::Config) {
    let needed = config.all_connections_max() as u64 + OTHERS;
    let allowed = match raised(needed) {
        Ok(allowed) => allowed,
        Err(error) => {
            tracing::warn!(%error, "how many files may be open could not be found out");
            return;
        }
    };
    if allowed < needed {
        fit(config, allowed);
        tracing::warn!(
            needed,
            allowed,
            feed_clients_max = config.feed_clients_max,
            "fewer connections than configured are served: let this process open more files (ulimit -n, LimitNOFILE=)"
        );
    }
}

/// Raises the limit to what is needed, if it can be, and says what it is then.
fn raised(needed: u64) -> nix::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let wanted = needed.min(hard);
    if wanted > soft {
        setrlimit(Resource::RLIMIT_NOFILE, wanted, hard)?;
    }
    Ok(wanted.max(soft))
}

/// Readers of the feed give way first, down to half of all.
fn fit(config: &mut api::Config, allowed: u64) {
    let connections = usize::try_from(allowed.saturating_sub(OTHERS)).unwrap_or(usize::MAX).max(2);
    config.connections_max = config.connections_max.min(connections / 2);
    config.feed_clients_max = config.feed_clients_max.min(connections - config.connections_max);
}

#[cfg(test)]
mod tests {
    use super::{OTHERS, fit, make_room};

    #[test]
    fn connections_fit_into_what_is_allowed() {
        for (allowed, expected) in [(3_256, (1_500, 1_500)), (1_256, (500, 500)), (0, (1, 1))] {
            let mut config = api::Config::default();
            fit(&mut config, allowed);
            assert_eq!((config.connections_max, config.feed_clients_max), expected, "{allowed}");
            assert!(config.all_connections_max() as u64 + OTHERS <= allowed.max(OTHERS + 2));
        }
    }

    #[test]
    fn what_is_possible_is_left_as_it_is() {
        let mut config = api::Config { connections_max: 1, feed_clients_max: 2, ..api::Config::default() };
        make_room(&mut config);
        assert_eq!((config.connections_max, config.feed_clients_max), (1, 2));
    }
}
