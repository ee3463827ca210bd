//! T1: sixteen tills serve while the server, its PostgreSQL, a backend or all of it is killed with SIGKILL at random
//! moments. Nothing acknowledged is lost, nothing happens twice, and all is well again within ten seconds.

use crate::checks;
use crate::client::Caller;
use crate::intents::History;
use crate::log;
use crate::random::Random;
use crate::rows;
use crate::scale::Scale;
use crate::server::Server;
use crate::workload::{Ask, Members, Till};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const TILLS: u64 = 16;
const MEMBERS: usize = 20;
const LINES: usize = 4;
/// The longest time from a kill, or from the start that follows it, until commands are carried out again.
const RECOVERY_MAX: Duration = Duration::from_secs(10);

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Victim {
    Server,
    Postgres,
    Backend,
    Both,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_whatever_is_killed() {
    let scale = Scale::of("crash");
    let (kills, mut random) = (scale.pick(20, 200), scale.random());
    let mut server = Server::new();
    let first_start = server.start().await;
    let caller = server.caller_with_manager();
    let (history, members) = (History::begin(), Members::default());
    let shift = Shift::begin(&caller, &history, &members, &random).await;
    let mut longest = (Duration::ZERO, Victim::Server);
    for _ in 0..kills {
        tokio::time::sleep(Duration::from_millis(100 + random.below(700))).await;
        let victim = *random.pick(&[Victim::Server, Victim::Postgres, Victim::Backend, Victim::Both]);
        let recovery = kill(&mut server, victim, random.next(), &history).await;
        longest = longest.max((recovery, victim));
    }
    shift.end().await;
    println!(
        "crash: {} intents over {kills} kills; first start {first_start:?}, longest recovery {:?} (of {:?})",
        history.len(),
        longest.0,
        longest.1
    );
    let superuser = server.superuser().await;
    let log = log::read(&superuser).await;
    checks::assert_none(&caller.faults());
    checks::assert_none(&checks::anomalies(&history.intents(), &log));
    checks::assert_none(&rows::anomalies(&superuser, &log).await);
    assert!(longest.0 <= RECOVERY_MAX, "commands were carried out again only after {longest:?}");
}

/// Tills at work.
pub(crate) struct Shift {
    stop: Arc<AtomicBool>,
    tills: tokio::task::JoinSet<()>,
}

impl Shift {
    /// Opens some accounts, and lines of credit where somebody gives them, and lets all tills serve.
    pub(crate) async fn begin(caller: &Caller, history: &History, members: &Members, random: &Random) -> Self {
        Self::begin_at(std::slice::from_ref(caller), history, members, random).await
    }

    /// The same, with the tills dealt to several servers.
    pub(crate) async fn begin_at(callers: &[Caller], history: &History, members: &Members, random: &Random) -> Self {
        let till = |(nth, caller): (u64, &Caller)| {
            Till::new(caller, history, members, (format!("till-{nth}"), random.fork(nth)))
        };
        let mut first = till((TILLS, &callers[0])).opening();
        while members.all().len() < MEMBERS {
            first.serve_one().await;
        }
        while callers[0].gives_credit() && members.lines().len() < LINES {
            first.open_line().await;
        }
        let stop = Arc::new(AtomicBool::new(false));
        let mut tills = tokio::task::JoinSet::new();
        for numbered in (0..TILLS).zip(callers.iter().cycle()) {
            tills.spawn(till(numbered).serve_until(Arc::clone(&stop)));
        }
        Self { stop, tills }
    }

    /// Tells the tills to begin nothing more.
    pub(crate) fn call_off(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Lets each till finish what it is at.
    pub(crate) async fn end(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(till) = self.tills.join_next().await {
            till.expect("no till panics");
        }
    }
}

/// Kills, starts again what does not start by itself, and waits until commands are carried out; says how long that took.
async fn kill(server: &mut Server, victim: Victim, choice: u64, history: &History) -> Duration {
    match victim {
        Victim::Server => server.kill(),
        Victim::Postgres => server.kill_postgres(),
        Victim::Backend => server.kill_backend(choice),
        Victim::Both => {
            server.kill_postgres();
            server.kill();
        }
    }
    let began = Instant::now();
    match victim {
        Victim::Server | Victim::Both => server.start().await,
        Victim::Postgres | Victim::Backend => server.ready().await,
    };
    let answered = history.len() + usize::try_from(TILLS).expect("small");
    while history.len() <= answered {
        assert!(began.elapsed() < 6 * RECOVERY_MAX, "nobody is served after a kill of {victim:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    began.elapsed()
}
