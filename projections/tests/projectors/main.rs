//! Projectors on PostgreSQL: they follow, fail, and share the work between nodes.

#![expect(clippy::unwrap_used, reason = "tests: what does not work fails them")]

mod analysts;
mod credit;
mod documenting;
mod failing;
mod finding;
mod following;
mod forgetting;
mod operating;
mod rebuilding;
mod searching;
mod sharing;
mod travelling;
mod world;
