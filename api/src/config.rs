//! What an operator may set about the doors. Reading it from files and the environment is the binary's work.

use std::time::Duration;

/// Limits and switches of the HTTP server.
#[derive(Debug, Clone)]
pub struct Config {
    /// Development only: requests without a key act as an administrator of tenant 1. Refused on any but a loopback address.
    pub open: bool,
    /// Origins that browsers may call from; empty: CORS is off.
    pub cors_origins: Vec<String>,
    /// Largest body of a request, in bytes.
    pub body_bytes_max: usize,
    /// Largest body of an import, in bytes.
    pub import_bytes_max: usize,
    /// Most imports worked on at the same time, so that their bodies fit into the memory; more wait for one to end.
    pub imports_max: usize,
    /// Longest time an import, or a question about the past, waits until it is begun.
    pub place_timeout: Duration,
    /// Longest time a request may take.
    pub request_timeout: Duration,
    /// Longest time a query waits for its `min_position`.
    pub min_position_timeout: Duration,
    /// Most requests worked on at the same time; more are turned away with 503.
    pub in_flight_max: usize,
    /// Most connections open at the same time besides those of the feed's readers; more are turned away with 503.
    pub connections_max: usize,
    /// Longest time a client may take to send the head of a request.
    pub head_timeout: Duration,
    /// Longest time that an answer waits for its reader to take more of it.
    pub write_timeout: Duration,
    /// Most readers of the feed at the same time; more are turned away with 503.
    pub feed_clients_max: usize,
    /// Most readers of the feed by one key.
    pub feed_clients_per_key_max: usize,
    /// How often a reader of the feed is asked for its key again.
    pub feed_recheck: Duration,
    /// Most requests a second with one key, over two seconds; 0: no limit.
    pub requests_per_key: u32,
    /// Most requests a second without a key that works from one address, over twenty seconds; 0: no limit.
    pub failures_per_address: u32,
    /// Longest time that requests in flight get to finish at shutdown.
    pub drain_timeout: Duration,
    /// How long a key that was found is believed without looking again. At most 60 s.
    pub key_ttl: Duration,
    /// How long an unknown key stays unknown.
    pub unknown_key_ttl: Duration,
    /// Most keys remembered, found and unknown each.
    pub keys_max: u64,
}

impl Config {
    /// Most connections open at the same time, the feed's readers among them.
    #[must_use]
    pub fn all_connections_max(&self) -> usize {
        self.connections_max + self.feed_clients_max
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            open: false,
            cors_origins: Vec::new(),
            body_bytes_max: 1024 * 1024,
            import_bytes_max: 8 * 1024 * 1024,
            // One key has half of them, as many as `clientela import` has lanes: their rows fill the queue of commands.
            imports_max: 16,
            place_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(30),
            min_position_timeout: Duration::from_secs(5),
            in_flight_max: 1_024,
            connections_max: 1_536,
            head_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            feed_clients_max: 2_000,
            feed_clients_per_key_max: 500,
            feed_recheck: Duration::from_secs(60),
            requests_per_key: 10_000,
            failures_per_address: 50,
            drain_timeout: Duration::from_secs(25),
            key_ttl: Duration::from_secs(30),
            unknown_key_ttl: Duration::from_secs(2),
            keys_max: 10_000,
        }
    }
}
