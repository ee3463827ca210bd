//! Whether the domain of an e-mail address takes mail: asked of name servers, if the operator said so, and remembered for a while.
//!
//! Only verdicts ask ([`crate::http::validators`]): nothing that is written to the log waits for anybody outside. What leaves the
//! machine is the domain, never who has the mailbox; neither is logged.

use async_trait::async_trait;
use domain::validators::email::{EmailVerdict, MailServers};
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::{TokioResolver, system_conf};
use moka::Expiry;
use moka::future::Cache;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::BoxError;
use tokio::sync::Semaphore;

/// An answer takes no longer than this, whoever has to be asked for it.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long one name server has for one question; a datagram may be lost.
const ONE_TRY: Duration = Duration::from_millis(900);
/// At most so many domains are asked about at the same time.
const LOOKUPS_MAX: usize = 64;
/// At most so many domains are remembered.
const DOMAINS_MAX: u64 = 10_000;

/// Where mail servers are looked up.
#[async_trait]
pub trait MailLookup: Send + Sync + 'static {
    /// What is said of a domain, written as machines do; [`MailServers::Unanswered`] when nothing is.
    async fn ask(&self, domain: &str) -> MailServers;
}

/// The mail servers of domains, as they were found of late; nothing is looked up unless there is something to look it up with. Clones share it.
#[derive(Clone, Default)]
pub struct KnownMailServers(Option<Arc<Known>>);

struct Known {
    lookup: Box<dyn MailLookup>,
    places: Semaphore,
    domains: Cache<String, MailServers>,
}

impl KnownMailServers {
    /// Which are looked up so.
    #[must_use]
    pub fn by(lookup: impl MailLookup) -> Self {
        let domains = Cache::builder().max_capacity(DOMAINS_MAX).expire_after(AsItEnded).build();
        Self(Some(Arc::new(Known { lookup: Box::new(lookup), places: Semaphore::new(LOOKUPS_MAX), domains })))
    }

    /// What is known of the domain of an address, if it is one that mail can be sent to.
    pub(crate) async fn of(&self, address: &EmailVerdict) -> MailServers {
        match (&self.0, address.mail_domain()) {
            (Some(known), Some(domain)) => known.of(domain).await,
            (None, _) | (_, None) => MailServers::NotAsked,
        }
    }
}

impl Known {
    /// Those who ask for the same domain at the same time ask once.
    async fn of(&self, domain: &str) -> MailServers {
        let asked = self.domains.get_with_by_ref(domain, self.ask(domain));
        tokio::time::timeout(PATIENCE, asked).await.unwrap_or(MailServers::Unanswered)
    }

    async fn ask(&self, domain: &str) -> MailServers {
        let answer = async {
            let _place = self.places.acquire().await;
            self.lookup.ask(domain).await
        };
        let servers = tokio::time::timeout(PATIENCE, answer).await.unwrap_or(MailServers::Unanswered);
        metrics::counter!("clientela_mail_lookups_total", "outcome" => outcome(servers)).increment(1);
        servers
    }
}

const fn outcome(servers: MailServers) -> &'static str {
    match servers {
        MailServers::Found => "found",
        MailServers::Declined | MailServers::Missing | MailServers::NoDomain => "none",
        MailServers::Unanswered | MailServers::NotAsked => "unanswered",
    }
}

/// How long an answer holds. Who has put a domain in order does not wait for an hour to be believed.
struct AsItEnded;

impl Expiry<String, MailServers> for AsItEnded {
    fn expire_after_create(&self, _: &String, servers: &MailServers, _: Instant) -> Option<Duration> {
        Some(match servers {
            MailServers::Found => Duration::from_secs(3_600),
            MailServers::Declined | MailServers::Missing | MailServers::NoDomain => Duration::from_secs(300),
            MailServers::Unanswered | MailServers::NotAsked => Duration::from_secs(10),
        })
    }
}

/// Name servers.
pub struct NameServers(TokioResolver);

impl NameServers {
    /// Those that the machine asks, as it names them now.
    ///
    /// # Errors
    /// When it names none.
    pub fn of_machine() -> Result<Self, BoxError> {
        let (machine, _) = system_conf::read_system_conf()?;
        Self::asking(machine.name_servers().to_vec())
    }

    /// Those that are given.
    ///
    /// # Errors
    /// When they cannot be asked.
    pub fn at(addresses: &[SocketAddr]) -> Result<Self, BoxError> {
        let server = |address: &SocketAddr| {
            let mut ways = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
            ways.iter_mut().for_each(|way| way.port = address.port());
            NameServerConfig::new(address.ip(), true, ways)
        };
        Self::asking(addresses.iter().map(server).collect())
    }

    /// What is remembered is remembered by [`Known`], also that nobody answered.
    fn asking(servers: Vec<NameServerConfig>) -> Result<Self, BoxError> {
        let config = ResolverConfig::from_name_servers(servers);
        let mut resolver = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        let options = resolver.options_mut();
        options.timeout = ONE_TRY;
        options.attempts = 1;
        options.cache_size = 0;
        options.use_hosts_file = ResolveHosts::Never;
        Ok(Self(resolver.build()?))
    }

    async fn records(&self, name: &Name, kind: RecordType) -> Said {
        match self.0.lookup(name.clone(), kind).await {
            Ok(found) => {
                let of_kind = found.answers().iter().filter(|record| record.record_type() == kind);
                Said::Records(of_kind.map(|record| record.data.clone()).collect())
            }
            Err(NetError::Dns(DnsError::NoRecordsFound(none))) => match none.response_code {
                ResponseCode::NXDomain => Said::NoDomain,
                _ => Said::Records(Vec::new()),
            },
            // Not even why is logged: an error of the resolver may quote the question.
            Err(_) => Said::Nothing,
        }
    }

    /// A domain that names no mail server is one itself, if it has an address (RFC 5321, section 5.1).
    async fn domain_itself(&self, name: &Name) -> MailServers {
        let said = tokio::join!(self.records(name, RecordType::A), self.records(name, RecordType::AAAA));
        match <[Said; 2]>::from(said) {
            said if said.iter().any(Said::has_records) => MailServers::Found,
            said if said.iter().any(|said| matches!(said, Said::Nothing)) => MailServers::Unanswered,
            _ => MailServers::Missing,
        }
    }
}

/// What came of one question.
enum Said {
    /// The records of the kind that was asked for; none: the name is there without them.
    Records(Vec<RData>),
    NoDomain,
    Nothing,
}

impl Said {
    fn has_records(&self) -> bool {
        matches!(self, Self::Records(records) if !records.is_empty())
    }
}

#[async_trait]
impl MailLookup for NameServers {
    async fn ask(&self, domain: &str) -> MailServers {
        // With the dot no suffix of the machine's is tried.
        let Ok(name) = Name::from_ascii(format!("{domain}.")) else { return MailServers::Unanswered };
        let exchanges = match self.records(&name, RecordType::MX).await {
            Said::Records(records) => records,
            Said::NoDomain => return MailServers::NoDomain,
            Said::Nothing => return MailServers::Unanswered,
        };
        let is_nobody = |record: &RData| matches!(record, RData::MX(server) if server.exchange.is_root());
        match exchanges.as_slice() {
            [] => self.domain_itself(&name).await,
            servers if servers.iter().all(is_nobody) => MailServers::Declined,
            _ => MailServers::Found,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{KnownMailServers, LOOKUPS_MAX, MailLookup, PATIENCE};
    use async_trait::async_trait;
    use domain::validators::email::{MailServers, validate};
    use std::future::pending;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Answers, or is silent, and counts how often it was asked, and by how many at the same time.
    #[derive(Clone, Default)]
    struct Told {
        answer: Option<MailServers>,
        asked: Arc<AtomicUsize>,
        under_way: Arc<AtomicUsize>,
        most: Arc<AtomicUsize>,
    }

    struct UnderWay(Arc<AtomicUsize>);

    impl Drop for UnderWay {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }

    #[async_trait]
    impl MailLookup for Told {
        async fn ask(&self, _: &str) -> MailServers {
            self.asked.fetch_add(1, Ordering::Relaxed);
            self.most.fetch_max(self.under_way.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
            let _under_way = UnderWay(Arc::clone(&self.under_way));
            match self.answer {
                Some(answer) => answer,
                None => pending().await,
            }
        }
    }

    impl Told {
        fn asked(&self) -> usize {
            self.asked.load(Ordering::Relaxed)
        }
    }

    async fn of(known: &KnownMailServers, address: &str) -> MailServers {
        known.of(&validate(address)).await
    }

    #[tokio::test]
    async fn a_domain_is_asked_about_once_whoever_writes_to_it() {
        let told = Told { answer: Some(MailServers::Found), ..Told::default() };
        let known = KnownMailServers::by(told.clone());
        for address in ["ana@example.com", "eva@EXAMPLE.com", "ana@example.com"] {
            assert_eq!(of(&known, address).await, MailServers::Found);
        }
        assert_eq!(told.asked(), 1);
        of(&known, "ana@example.org").await;
        assert_eq!(told.asked(), 2);
    }

    #[tokio::test]
    async fn nothing_is_asked_of_what_is_no_address_or_where_nobody_said_to() {
        let told = Told { answer: Some(MailServers::Found), ..Told::default() };
        let known = KnownMailServers::by(told.clone());
        for address in ["ana", "ana@printer.local", "", "ana@my_shop.com"] {
            assert_eq!(of(&known, address).await, MailServers::NotAsked, "{address}");
        }
        assert_eq!(told.asked(), 0);
        assert_eq!(of(&KnownMailServers::default(), "ana@example.com").await, MailServers::NotAsked);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_in_time_also_for_those_who_find_no_place() {
        let told = Told::default();
        let known = KnownMailServers::by(told.clone());
        let begun = tokio::time::Instant::now();
        let addresses: Vec<_> = (0..2 * LOOKUPS_MAX).map(|nth| format!("ana@example-{nth}.com")).collect();
        let answers = futures::future::join_all(addresses.iter().map(|address| of(&known, address))).await;
        assert!(answers.iter().all(|answer| *answer == MailServers::Unanswered), "{answers:?}");
        assert_eq!((begun.elapsed(), told.most.load(Ordering::Relaxed)), (PATIENCE, LOOKUPS_MAX));
        let asked = told.asked();
        assert_eq!(of(&known, &addresses[0]).await, MailServers::Unanswered);
        assert_eq!((begun.elapsed(), told.asked()), (PATIENCE, asked), "that nobody answered is remembered, too");
    }
}
