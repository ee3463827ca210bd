//! How much a run does, and the seed it does it with.

use crate::random::Random;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

/// The size of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    long: bool,
    seed: u64,
}

impl Scale {
    /// The size and seed that the environment asks for; says them.
    pub(crate) fn of(test: &str) -> Self {
        let long = std::env::var("CHAOS").is_ok_and(|scale| scale == "long");
        let given = std::env::var("CHAOS_SEED").ok();
        let seed = match given {
            Some(text) => text.parse().expect("CHAOS_SEED is a whole number"),
            None => RandomState::new().hash_one(test) % 1_000_000_000,
        };
        let form = if long { "long" } else { "short" };
        println!("{test}: {form} form, CHAOS_SEED={seed}");
        Self { long, seed }
    }

    /// The number for this form.
    pub(crate) fn pick<T>(self, short: T, long: T) -> T {
        if self.long { long } else { short }
    }

    pub(crate) fn random(self) -> Random {
        Random::new(self.seed)
    }
}
