//! What holds whatever is killed, cut or stopped: no acknowledged event is lost, nothing happens twice, positions have no
//! gap, nobody overdraws, and every read model equals a fold of the log.
//!
//! The tests drive the real binary, or several nodes in one process where that gives more operations a second, and then
//! compare three things that were made independently: what callers were told ([`intents`]), the log as SQL shows it
//! ([`log`]), and the rows of the read models. The checkers ([`checks`], [`fold`]) use no code of the domain, and each has
//! a test that shows it finding a fault that was put in on purpose.
//!
//! Short by default; `CHAOS=long` runs the full numbers. The seed is printed, and `CHAOS_SEED` repeats it.

mod checks;
mod client;
mod crash;
mod cutting_feed;
mod cutting_socket;
mod erasing;
mod fault_points;
mod feeds;
mod fold;
mod foreign_snapshot;
mod hot_accounts;
mod import;
mod intents;
mod log;
mod lost_answers;
mod nodes;
mod random;
mod rebuild;
mod restore;
mod rows;
mod scale;
mod server;
mod supermarket;
mod tampering;
mod two_servers;
mod workload;
