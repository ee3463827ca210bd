//! Random schedules: two nodes on one store, verdicts and loads held back and let go at random, faults in between. What the
//! log and the answers say must be what one sequential execution would have said.

use super::world::{
    Answer, TENANT, World, claim, claiming, code, earn, encoded, history, new_account, now, order, redeem, settle,
    transfer,
};
use crate::execute::{Commands, Config, Request};
use crate::ids::new_id;
use crate::testing::fake_store::Fault;
use domain::Decider;
use domain::loyalty::commands::LoyaltyCommand;
use domain::loyalty::events::LoyaltyEvent;
use domain::loyalty::loyalty_account::LoyaltyAccount;
use domain::loyalty::loyalty_programme::LoyaltyProgramme;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};
use std::collections::HashMap;
use std::time::Duration;
use store::{AppendError, Position, StreamId};
use tokio::task::JoinHandle;

const ACCOUNTS: usize = 3;
const POINTS: i64 = 1_000;

#[derive(Debug, Clone)]
enum Step {
    Redeem { node: usize, account: usize, hundreds: i64, keyed: bool },
    Earn { node: usize, account: usize, order: u8 },
    Transfer { node: usize, from: usize, to: usize },
    Lose { node: usize, account: usize },
    AskAgain { node: usize },
    Elsewhere { account: usize },
    HoldJudging,
    Judge { count: usize },
    HoldTelling,
    Tell { count: usize },
    HoldReading,
    Read { account: usize },
    Release,
    Fail { forget: bool },
    Settle,
}

fn step() -> impl Strategy<Value = Step> {
    let (node, account) = (0..2usize, 0..ACCOUNTS);
    prop_oneof![
        8 => (node.clone(), account.clone(), 1..5i64, any::<bool>())
            .prop_map(|(node, account, hundreds, keyed)| Step::Redeem { node, account, hundreds, keyed }),
        3 => (node.clone(), account.clone(), 0..6u8).prop_map(|(node, account, order)| Step::Earn { node, account, order }),
        4 => (node.clone(), account.clone(), account.clone())
            .prop_map(|(node, from, to)| Step::Transfer { node, from, to }),
        3 => (node.clone(), account.clone()).prop_map(|(node, account)| Step::Lose { node, account }),
        3 => node.prop_map(|node| Step::AskAgain { node }),
        2 => account.clone().prop_map(|account| Step::Elsewhere { account }),
        2 => Just(Step::HoldJudging),
        4 => (1..6usize).prop_map(|count| Step::Judge { count }),
        2 => Just(Step::HoldTelling),
        4 => (1..6usize).prop_map(|count| Step::Tell { count }),
        1 => Just(Step::HoldReading),
        2 => account.prop_map(|account| Step::Read { account }),
        2 => Just(Step::Release),
        1 => any::<bool>().prop_map(|forget| Step::Fail { forget }),
        6 => Just(Step::Settle),
    ]
}

/// A command that was asked, how far the log was then, and its answer.
struct Asked {
    kind: Kind,
    order: String,
    head_before: Position,
    answer: JoinHandle<(Answer, Position)>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Redeem { account: StreamId, points: i64 },
    Transfer { from: StreamId, to: StreamId, points: i64 },
    Earn,
    Lost,
}

struct Run {
    world: World,
    nodes: [Commands; 2],
    accounts: Vec<StreamId>,
    asked: Vec<Asked>,
    keyed: Vec<(StreamId, i64, String)>,
}

impl Run {
    fn start() -> Self {
        let config = Config { snapshot_every: 5, cache_entries_max: 2, attempts_max: 1_000, ..Config::default() };
        let world = World::with(config);
        let nodes = [world.commands.clone(), world.another_node()];
        let accounts = (0..ACCOUNTS).map(|_| world.account_with(POINTS)).collect();
        world.store.claim_elsewhere(TENANT, claim("taken"), new_id());
        Self { world, nodes, accounts, asked: Vec::new(), keyed: Vec::new() }
    }

    fn ask(&mut self, node: usize, kind: Kind, order: String, request: Request) {
        let (store, answer) = (self.world.store.clone(), super::world::ask(&self.nodes[node], request));
        let answer = tokio::spawn(async move {
            let answer = answer.await.unwrap();
            (answer, store.head_now())
        });
        self.asked.push(Asked { kind, order, head_before: self.world.store.head_now(), answer });
    }

    fn redeem_keyed(&mut self, node: usize, (account, points, order): (StreamId, i64, String)) {
        let request = redeem(account, points, &order).keyed(super::world::key(&order));
        self.ask(node, Kind::Redeem { account, points }, order, request);
    }

    async fn take(&mut self, number: usize, step: Step) {
        let order = format!("order-{number}");
        let store = self.world.store.clone();
        match step {
            Step::Redeem { node, account, hundreds, keyed } => {
                let (account, points) = (self.accounts[account], hundreds * 100);
                if keyed {
                    self.keyed.push((account, points, order.clone()));
                    return self.redeem_keyed(node, (account, points, order));
                }
                let request = redeem(account, points, &order);
                self.ask(node, Kind::Redeem { account, points }, order, request);
            }
            Step::Earn { node, account, order } => {
                let order = format!("earned-{order}");
                let request = earn(self.accounts[account], 100, &order);
                self.ask(node, Kind::Earn, order, request);
            }
            Step::Transfer { node, from, to } if from != to => {
                let (from, to) = (self.accounts[from], self.accounts[to]);
                let request = transfer(from, to, 200, &order);
                self.ask(node, Kind::Transfer { from, to, points: 200 }, order, request);
            }
            Step::Transfer { .. } => {}
            Step::Lose { node, account } => {
                let account = self.accounts[account];
                let request = claiming(redeem(account, 100, &order), claim("taken"), account.id);
                self.ask(node, Kind::Lost, order, request);
            }
            Step::AskAgain { node } => {
                if let Some(again) = self.keyed.last().cloned() {
                    self.redeem_keyed(node, again);
                }
            }
            Step::Elsewhere { account } => self.redeem_elsewhere(self.accounts[account], &order),
            Step::HoldJudging => store.hold_judging(),
            Step::Judge { count } => store.judge(count),
            Step::HoldTelling => store.hold_telling(),
            Step::Tell { count } => store.tell(count),
            Step::HoldReading => store.hold_reading(),
            Step::Read { account } => store.release_reading_of(self.accounts[account]),
            Step::Release => store.release(),
            Step::Fail { forget: true } => store.add_fault(Fault::Forget),
            Step::Fail { forget: false } => store.add_fault(Fault::Refuse(AppendError::Unavailable("away".into()))),
            Step::Settle => settle().await,
        }
    }

    fn redeem_elsewhere(&self, account: StreamId, order_text: &str) {
        let command = LoyaltyCommand::Redeem {
            points: 100,
            order: order(order_text),
            programme: LoyaltyProgramme::default(),
            now: now(),
        };
        if let Ok(events) = LoyaltyAccount::decide(&self.world.state_of(account), command) {
            self.world.store.append_elsewhere(TENANT, account, &encoded(account, &events));
        }
    }

    async fn finish(self) -> (World, Vec<StreamId>, Vec<(Kind, String, Position, Answer, Position)>) {
        let Self { world, accounts, asked, nodes, .. } = self;
        let mut answers = Vec::new();
        for asked in asked {
            let waiting = async {
                let mut answer = asked.answer;
                loop {
                    world.store.release();
                    tokio::select! {
                        answered = &mut answer => return answered.unwrap(),
                        () = settle() => {}
                    }
                }
            };
            let (answer, head) = tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("no answer");
            answers.push((asked.kind, asked.order, asked.head_before, answer, head));
        }
        drop(nodes);
        (world, accounts, answers)
    }
}

/// Available points of each account after each position of the log: the sequential model, which knows no more of loyalty
/// than that points come and go.
fn balances(world: &World, accounts: &[StreamId]) -> HashMap<StreamId, Vec<i64>> {
    let events = world.store.events();
    let mut balances = HashMap::new();
    for account in accounts {
        let mut own = world.loyalty_events(*account).into_iter();
        let mut after = vec![0];
        for recorded in &events {
            let before = after[after.len() - 1];
            let own_event = if recorded.stream == *account { own.next() } else { None };
            after.push(before + own_event.map_or(0, |event| points_of(&event)));
        }
        balances.insert(*account, after);
    }
    balances
}

fn points_of(event: &LoyaltyEvent) -> i64 {
    match event {
        LoyaltyEvent::PointsEarned { points, .. } => *points,
        LoyaltyEvent::PointsRedeemed { points, .. } => -points,
        LoyaltyEvent::Enrolled { .. } | LoyaltyEvent::TierUpgraded { .. } => 0,
        other => panic!("{other:?} in a schedule"),
    }
}

fn check(world: &World, accounts: &[StreamId], answers: &[(Kind, String, Position, Answer, Position)]) {
    let balances = balances(world, accounts);
    for (account, after) in &balances {
        assert!(after.iter().all(|available| *available >= 0), "{account} is overdrawn: {after:?}");
        claimed_balances_are_true(world, *account);
    }
    for (kind, order, before, answer, after) in answers {
        let within = before.0 as usize..=after.0 as usize;
        match (kind, code(answer)) {
            (_, "conflict" | "internal" | "busy" | "key_reused") => panic!("{order}: {answer:?}"),
            (Kind::Lost, "done") => panic!("{order} took a claim that is another's"),
            (Kind::Lost, _) => assert_eq!(times(world, order), 0, "{order}"),
            (_, "done" | "repeated") => told_events_are_in_the_log(world, answer),
            (
                Kind::Redeem { account, points } | Kind::Transfer { from: account, points, .. },
                "insufficient_points",
            ) => {
                let history = &balances[account];
                let was_so = within.clone().any(|position| history[position] < *points);
                // The repeat of a keyed refusal tells what was true the first time.
                assert!(
                    was_so || asked_twice(answers, order),
                    "{order}: {history:?} was never below {points} in {within:?}"
                );
                assert_eq!(times(world, order), 0, "{order} was refused and happened");
            }
            (_, "unchanged" | "unavailable") => {}
            (kind, other) => panic!("{order}, {kind:?}: {other}"),
        }
        assert!(times(world, order) <= if matches!(kind, Kind::Transfer { .. }) { 2 } else { ACCOUNTS }, "{order}");
    }
}

/// Each event says what was available after it: so it was decided on exactly the state that the log gives.
fn claimed_balances_are_true(world: &World, account: StreamId) {
    let mut available = 0;
    for event in world.loyalty_events(account) {
        available += points_of(&event);
        if let LoyaltyEvent::PointsRedeemed { balance, .. } | LoyaltyEvent::PointsEarned { balance, .. } = &event {
            assert_eq!(available, *balance, "an update was lost: {event:?}");
        }
    }
}

fn told_events_are_in_the_log(world: &World, answer: &Answer) {
    let log = world.store.events();
    for told in &answer.as_ref().unwrap().events {
        let recorded = &log[told.position.0 as usize - 1];
        assert_eq!((recorded.stream, recorded.version), (told.stream, told.version));
        assert_eq!(crate::encoding::decode(recorded).unwrap(), told.event);
    }
}

fn times(world: &World, order: &str) -> usize {
    world.store.events().iter().filter(|event| event.payload.contains(&format!("\"{order}\""))).count()
}

fn asked_twice(answers: &[(Kind, String, Position, Answer, Position)], order: &str) -> bool {
    answers.iter().filter(|answer| answer.1 == order).count() > 1
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn two_nodes_do_what_one_would_have_done(steps in proptest::collection::vec(step(), 1..120)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let mut run = Run::start();
            for (number, step) in steps.into_iter().enumerate() {
                run.take(number, step).await;
            }
            let (world, accounts, answers) = run.finish().await;
            check(&world, &accounts, &answers);
        });
    }
}

#[test]
fn the_check_notices_an_overdraft() {
    let world_of_one = |steps: &[LoyaltyEvent]| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let events = steps.to_vec();
        runtime.block_on(async move {
            let world = World::start();
            let account = new_account();
            world.store.append_elsewhere(TENANT, account, &encoded(account, &events));
            check(&world, &[account], &[]);
        });
    };
    let mut events = history(100);
    let state = LoyaltyAccount::fold(LoyaltyAccount::initial(), &events);
    let redeem = |text| LoyaltyCommand::Redeem {
        points: 100,
        order: order(text),
        programme: LoyaltyProgramme::default(),
        now: now(),
    };
    let once = LoyaltyAccount::decide(&state, redeem("a")).unwrap();
    events.extend(once);
    world_of_one(&events);
    events.extend(LoyaltyAccount::decide(&state, redeem("b")).unwrap());
    assert!(std::panic::catch_unwind(|| world_of_one(&events)).is_err());
}
