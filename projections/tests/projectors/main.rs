//! Projectors on PostgreSQL: they follow, fail, and share the work between nodes.

mod failing;
mod finding;
mod following;
mod sharing;
mod world;
