//! What scenarios are told with: a world with a server in it, a reader of the feed, the description of the API, and an independent computation of loyalty points.

pub(crate) mod described;
pub(crate) mod expected;
pub(crate) mod feed;
pub(crate) mod world;

pub(crate) use world::World;
