//! How many requests a key may send, and how often an address may come without one that works.
//!
//! Both are rates with a burst, kept as one moment each (GCRA): the time at which all that was taken is paid back. As many are
//! remembered as fit; who was forgotten begins anew, so that made-up addresses cost a bounded memory and nothing else.

use crate::Config;
use crate::problem::Problem;
use moka::sync::Cache;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// How much may be taken at once after a rest, in seconds of the rate.
const BURST_OF_KEY_S: u32 = 2;
const BURST_OF_ADDRESS_S: u32 = 20;
const REMEMBERED_MAX: u64 = 100_000;
/// Longer than any burst takes to be paid back.
const REMEMBERED_FOR: Duration = Duration::from_secs(60);

/// What is kept of keys and addresses.
pub(crate) struct Limits {
    by_key: Rates<Uuid>,
    by_address: Rates<IpAddr>,
}

impl Limits {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            by_key: Rates::new("key", config.requests_per_key, BURST_OF_KEY_S),
            by_address: Rates::new("address", config.failures_per_address, BURST_OF_ADDRESS_S),
        }
    }

    /// Counts a request of a key, or refuses it.
    pub(crate) fn request(&self, key: Uuid) -> Result<(), Problem> {
        self.by_key.take(key, Instant::now())
    }

    /// Refuses an address that came too often without a key that works.
    pub(crate) fn stranger(&self, address: Option<IpAddr>) -> Result<(), Problem> {
        address.map_or(Ok(()), |address| self.by_address.look(&network(address), Instant::now()))
    }

    /// Counts a request without a key that works.
    pub(crate) fn failed(&self, address: Option<IpAddr>) -> Result<(), Problem> {
        address.map_or(Ok(()), |address| self.by_address.take(network(address), Instant::now()))
    }
}

/// Who has one address of IPv6 has all of its network.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

/// One rate for each of many.
struct Rates<K> {
    by: &'static str,
    /// None: no limit.
    rate: Option<Rate>,
    paid_back: Cache<K, Arc<Mutex<Instant>>>,
}

#[derive(Debug, Clone, Copy)]
struct Rate {
    /// What one costs.
    one: Duration,
    burst: Duration,
}

impl Rate {
    fn per_second(number: u32, burst_s: u32) -> Option<Self> {
        let one = Duration::from_secs(1).checked_div(number)?;
        Some(Self { one, burst: Duration::from_secs(burst_s.into()) })
    }

    /// When all is paid back if one more is taken now; or how long to wait.
    fn after_one(self, paid_back: Instant, now: Instant) -> Result<Instant, Duration> {
        let then = paid_back.max(now) + self.one;
        match (then - now).checked_sub(self.burst) {
            Some(wait) if !wait.is_zero() => Err(wait),
            Some(_) | None => Ok(then),
        }
    }
}

impl<K: Hash + Eq + Send + Sync + 'static> Rates<K> {
    fn new(by: &'static str, per_second: u32, burst_s: u32) -> Self {
        let paid_back = Cache::builder().max_capacity(REMEMBERED_MAX).time_to_idle(REMEMBERED_FOR).build();
        Self { by, rate: Rate::per_second(per_second, burst_s), paid_back }
    }

    fn take(&self, whose: K, now: Instant) -> Result<(), Problem> {
        let Some(rate) = self.rate else { return Ok(()) };
        let paid_back = self.paid_back.get_with(whose, || Arc::new(Mutex::new(now)));
        let mut paid_back = paid_back.lock().unwrap_or_else(PoisonError::into_inner);
        *paid_back = rate.after_one(*paid_back, now).map_err(|wait| self.refused(wait))?;
        Ok(())
    }

    /// As `take`, but nothing is taken.
    fn look(&self, whose: &K, now: Instant) -> Result<(), Problem> {
        let (Some(rate), Some(paid_back)) = (self.rate, self.paid_back.get(whose)) else { return Ok(()) };
        let paid_back = *paid_back.lock().unwrap_or_else(PoisonError::into_inner);
        rate.after_one(paid_back, now).map(drop).map_err(|wait| self.refused(wait))
    }

    fn refused(&self, wait: Duration) -> Problem {
        metrics::counter!("http_rate_limited_total", "by" => self.by).increment(1);
        let whole = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Problem::rate_limited(self.by, u32::try_from(whole).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::{Rates, network};
    use std::time::{Duration, Instant};

    #[test]
    fn a_rate_has_a_burst_and_is_paid_back_by_time() {
        let (rates, now) = (Rates::new("key", 10, 2), Instant::now());
        for request in 0..20 {
            assert!(rates.take("a", now).is_ok(), "request {request} of the burst");
        }
        let refused = rates.take("a", now).expect_err("the burst is over");
        assert_eq!((refused.status().as_u16(), refused.code()), (429, "rate_limited"));
        assert!(rates.take("b", now).is_ok(), "another key has its own");
        assert!(rates.look(&"a", now).is_err() && rates.look(&"c", now).is_ok());
        let later = now + Duration::from_millis(100);
        assert!(rates.look(&"a", later).is_ok(), "looking takes nothing");
        assert!(rates.take("a", later).is_ok() && rates.take("a", later).is_err());
    }

    #[test]
    fn no_rate_is_no_limit() {
        let (rates, now) = (Rates::new("key", 0, 2), Instant::now());
        assert!((0..100_000).all(|_| rates.take("a", now).is_ok()));
    }

    #[test]
    fn addresses_of_one_network_count_together() {
        let parse = |text: &str| text.parse().expect("an address");
        assert_eq!(network(parse("2001:db8::1")), network(parse("2001:db8::ffff")));
        assert_ne!(network(parse("2001:db8::1")), network(parse("2001:db8:0:1::1")));
        assert_ne!(network(parse("192.0.2.1")), network(parse("192.0.2.2")));
    }
}
