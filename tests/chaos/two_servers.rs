//! T13: two servers on one database take commands for the same accounts; one of them is killed with SIGKILL and started
//! again, over and over. All that holds for one holds for both, the projectors of the dead one move to the other within
//! fifteen seconds, and each has one owner at a time.

use crate::checks;
use crate::crash::Shift;
use crate::fault_points::effects;
use crate::intents::History;
use crate::log;
use crate::nodes::Installation;
use crate::random::Random;
use crate::rows;
use crate::scale::Scale;
use crate::server::Server;
use crate::workload::Members;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use store::signed_note::LogKey;
use uuid::Uuid;

const LEASE_MOVE_MAX: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(25);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_are_as_good_as_one() {
    let scale = Scale::of("two servers");
    let (kills, mut random) = (scale.pick(3, 50), scale.random());
    let installation = Installation::new().await;
    let superuser = installation.superuser();
    let environment = environment(&installation, &mut random).await;
    let mut servers = [Server::with(environment.clone()), Server::with(environment)];
    for server in &mut servers {
        fs::create_dir_all(server.data()).expect("its data folder");
        server.start().await;
    }
    let caller = servers[0].caller_with_manager();
    let callers = [caller.clone(), caller.through(servers[1].port())];
    let (history, members) = (History::begin(), Members::default());
    let shift = Shift::begin_at(&callers, &history, &members, &random).await;
    let watch = Watch::begin(&superuser);
    let mut longest = Duration::ZERO;
    for _ in 0..kills {
        tokio::time::sleep(Duration::from_millis(200 + random.below(1_000))).await;
        let victim = usize::from(random.chance(50));
        servers[victim].kill();
        longest = longest.max(until_all_leases_live(&superuser).await);
        servers[victim].start().await;
    }
    shift.end().await;
    let observed = watch.end().await;
    println!("two servers: {} intents over {kills} kills, longest move of a lease {longest:?}", history.len());
    let log = log::read(&superuser).await;
    checks::assert_none(&caller.faults());
    checks::assert_none(&checks::anomalies(&history.intents(), &log));
    checks::assert_none(&rows::anomalies(&superuser, &log).await);
    checks::assert_none(&two_owners(&observed));
    checks::assert_none(&effects(&log));
    assert!(longest <= LEASE_MOVE_MAX, "a lease moved only after {longest:?}");
    assert!(!two_owners(&two_at_once(&superuser).await).is_empty(), "a lease with two owners was not found out");
    drop(servers);
    forget_login(&installation).await;
}

/// Nothing but the admin key goes there, and it must not be lost for want of a folder.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_on_a_given_database_makes_its_data_folder() {
    let installation = Installation::new().await;
    let environment = environment(&installation, &mut Random::new(1)).await;
    let mut server = Server::with(environment);
    server.start().await;
    drop(server);
    forget_login(&installation).await;
}

/// One login that is a member of the roles and no superuser, and secrets that both servers share.
pub(crate) async fn environment(installation: &Installation, random: &mut Random) -> Vec<(String, String)> {
    let test = installation.test();
    let mut admin = PgConnection::connect_with(&installation.superuser()).await.expect("the superuser logs in");
    let roles = "clientela_owner, clientela_request, clientela_engine, clientela_rebuild";
    let login = format!("drop role if exists {0}; create role {0} login in role {roles}", login(installation));
    admin.execute(AssertSqlSafe(login)).await.expect("a login");
    admin.close().await.expect("a clean end");
    let (socket, user) = (test.server().socket_dir().display().to_string(), self::login(installation));
    let url = format!("postgres://{user}@localhost/{}?host={socket}&sslmode=disable", test.name());
    let mut key = || (0..4).map(|_| format!("{:016x}", random.next())).collect::<String>();
    vec![
        ("DATABASE_URL".to_owned(), url),
        ("CLIENTELA_MASTER_KEY".to_owned(), key()),
        ("CLIENTELA_CLAIM_KEY".to_owned(), key()),
        ("CLIENTELA_LOG_KEY".to_owned(), LogKey::random().secret_text()),
    ]
}

fn login(installation: &Installation) -> String {
    format!("chaos_{}", installation.test().name())
}

pub(crate) async fn forget_login(installation: &Installation) {
    let mut admin = PgConnection::connect_with(&installation.superuser()).await.expect("the superuser logs in");
    admin.execute(AssertSqlSafe(format!("drop role {}", login(installation)))).await.expect("the login goes");
    admin.close().await.expect("a clean end");
}

/// Waits until each lease was renewed or taken over since now; says how long that took.
async fn until_all_leases_live(superuser: &PgConnectOptions) -> Duration {
    let began = Instant::now();
    let mut connection = PgConnection::connect_with(superuser).await.expect("the superuser logs in");
    // What the dead one had sent has arrived by then.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let sql = "select consumer, extract(epoch from expires_at)::float8 from leases";
    let read = async |connection: &mut PgConnection| -> BTreeMap<String, f64> {
        let rows = sqlx::query_as(sql).fetch_all(connection).await.expect("the leases");
        rows.into_iter().collect()
    };
    let dead = read(&mut connection).await;
    assert!(!dead.is_empty(), "nobody holds a lease");
    while read(&mut connection).await.iter().any(|(consumer, expires)| dead.get(consumer) == Some(expires)) {
        assert!(began.elapsed() < 4 * LEASE_MOVE_MAX, "a lease does not move");
        tokio::time::sleep(POLL).await;
    }
    connection.close().await.expect("a clean end");
    began.elapsed()
}

/// A projector as it was seen once.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Observed {
    projector: String,
    owner: Uuid,
    epoch: i64,
    /// Epoch and position of its newest checkpoint.
    checkpoint: (i64, i64),
}

/// Looks at the owners all the time.
struct Watch {
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<Vec<Observed>>,
}

impl Watch {
    fn begin(superuser: &PgConnectOptions) -> Self {
        let (stop, options) = (Arc::new(AtomicBool::new(false)), superuser.clone());
        let stopped = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            let mut connection = PgConnection::connect_with(&options).await.expect("the superuser logs in");
            let mut observed = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                observed.extend(look(&mut connection).await);
                tokio::time::sleep(POLL).await;
            }
            observed
        });
        Self { stop, task }
    }

    async fn end(self) -> Vec<Observed> {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.expect("the watch does not panic")
    }
}

async fn look(connection: &mut PgConnection) -> Vec<Observed> {
    let sql = "select l.consumer, l.owner, l.epoch, p.epoch as written_epoch, p.position \
               from leases l join projection_positions p on p.projector = l.consumer";
    let rows = sqlx::query(sql).fetch_all(connection).await.expect("the leases");
    let observed = rows.iter().map(|row| Observed {
        projector: row.get("consumer"),
        owner: row.get("owner"),
        epoch: row.get("epoch"),
        checkpoint: (row.get("written_epoch"), row.get("position")),
    });
    observed.collect()
}

/// What is seen of a lease that is given to another without a new epoch, as no server may do.
async fn two_at_once(superuser: &PgConnectOptions) -> Vec<Observed> {
    let mut admin = PgConnection::connect_with(superuser).await.expect("the superuser logs in");
    let mut observed = look(&mut admin).await;
    admin.execute("update leases set owner = gen_random_uuid()").await.expect("given away");
    observed.extend(look(&mut admin).await);
    admin.close().await.expect("a clean end");
    observed
}

/// An epoch belongs to one owner, epochs and checkpoints only grow, and nobody writes under an epoch that has no owner yet.
fn two_owners(observed: &[Observed]) -> Vec<String> {
    let mut found = Vec::new();
    let mut owners: HashMap<(&str, i64), Uuid> = HashMap::new();
    let mut latest: HashMap<&str, &Observed> = HashMap::new();
    for now in observed {
        let owner = *owners.entry((&now.projector, now.epoch)).or_insert(now.owner);
        if owner != now.owner {
            found.push(format!("epoch {} of {} has two owners", now.epoch, now.projector));
        }
        if now.checkpoint.0 > now.epoch {
            found.push(format!("{} was written under an epoch that is not given out yet: {now:?}", now.projector));
        }
        if let Some(before) = latest.insert(&now.projector, now) {
            let went_back = now.epoch < before.epoch || now.checkpoint < before.checkpoint;
            let lost_ground = now.checkpoint.1 < before.checkpoint.1;
            if went_back || lost_ground {
                found.push(format!("{} went back: {before:?}, then {now:?}", now.projector));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{Observed, two_owners};
    use uuid::Uuid;

    fn seen(owner: u128, epoch: i64, checkpoint: (i64, i64)) -> Observed {
        Observed { projector: "customers".to_owned(), owner: Uuid::from_u128(owner), epoch, checkpoint }
    }

    #[test]
    fn the_checker_sees_two_owners_and_steps_back() {
        assert!(two_owners(&[seen(1, 1, (1, 5)), seen(2, 2, (1, 9)), seen(2, 2, (2, 9))]).is_empty());
        assert_eq!(two_owners(&[seen(1, 1, (1, 5)), seen(2, 1, (1, 5))]).len(), 1);
        assert_eq!(two_owners(&[seen(1, 2, (2, 5)), seen(1, 2, (2, 4))]).len(), 1);
        assert_eq!(two_owners(&[seen(1, 2, (2, 5)), seen(2, 3, (1, 6))]).len(), 1);
        assert_eq!(two_owners(&[seen(1, 1, (2, 5))]).len(), 1);
    }
}
