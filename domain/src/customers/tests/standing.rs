//! How a customer stands with us, as given / when / then.

use super::{created, day, moved, record, recorded};
use crate::customers::assignment::Assignment;
use crate::customers::blocking::{BlockNote, BlockReason};
use crate::customers::commands::{CustomerCommand, CustomerError};
use crate::customers::customer::Customer;
use crate::customers::events::{CustomerEvent, LifecycleStage};
use crate::customers::portal::PortalPermission;
use crate::decider::Decider;
use crate::ids::Tag;
use crate::refusal::Refusal;
use crate::segment::{Score, Scores, Segment, Segmented};
use crate::testing::given;

#[test]
fn only_tags_that_are_new_are_told_each_once_and_in_order() {
    let state = given::<Customer>([created()]).when(tag(&["vip", "b2b", "vip"])).then([tagged(&["b2b", "vip"])]);
    assert_eq!(state.active().unwrap().tags().iter().map(Tag::as_str).collect::<Vec<_>>(), ["b2b", "vip"]);
    given::<Customer>([created(), tagged(&["vip"])]).when(tag(&["vip", "b2b"])).then([tagged(&["b2b"])]);
    given::<Customer>([created(), tagged(&["vip"])]).when(tag(&["vip"])).then([]);
    given::<Customer>([created()]).when(tag(&[])).then([]);
}

#[test]
fn only_tags_that_were_there_are_taken_away() {
    let both = || [created(), tagged(&["b2b", "vip"])];
    let state = given::<Customer>(both()).when(untag(&["vip", "new"])).then([untagged(&["vip"])]);
    assert_eq!(state.active().unwrap().tags().iter().map(Tag::as_str).collect::<Vec<_>>(), ["b2b"]);
    given::<Customer>(both()).when(untag(&["new"])).then([]);
    given::<Customer>([created(), tagged(&["vip"]), untagged(&["vip"])]).when(tag(&["vip"])).then([tagged(&["vip"])]);
}

#[test]
fn a_customer_has_fifty_tags_at_most() {
    let names: Vec<String> = (0..51).map(|n| format!("t{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let limit = CustomerError::TooMany { items: "tags", limit: 50 };
    given::<Customer>([created()]).when(tag(&names)).then_refused(limit.clone());
    let most = || [created(), tagged(&names[..50])];
    given::<Customer>(most()).when(tag(&["t50"])).then_refused(limit);
    given::<Customer>(most()).when(tag(&["t7"])).then([]);
}

#[test]
fn a_customer_is_assigned_as_a_whole() {
    let state = given::<Customer>([created()])
        .when(assign(Some("rep-1"), Some("north")))
        .then([assigned(Some("rep-1"), Some("north"))]);
    assert_eq!(*state.active().unwrap().assignment(), assignment(Some("rep-1"), Some("north")));
    let before = || [created(), assigned(Some("rep-1"), Some("north"))];
    given::<Customer>(before()).when(assign(Some("rep-1"), Some("north"))).then([]);
    given::<Customer>(before()).when(assign(Some("rep-1"), None)).then([assigned(Some("rep-1"), None)]);
    given::<Customer>(before()).when(assign(None, None)).then([assigned(None, None)]);
    given::<Customer>([created()]).when(assign(None, None)).then([]);
}

#[test]
fn of_nobody_nothing_is_said() {
    for command in [tag(&["vip"]), untag(&["vip"]), assign(Some("rep-1"), None)] {
        given::<Customer>([]).when(command).then_refused(CustomerError::NotFound);
    }
}

#[test]
fn what_is_said_of_a_customer_outlives_a_snapshot() {
    let told = [created(), tagged(&["vip"]), assigned(Some("rep-1"), None), recorded("order-1", "10.00", "2026-02-01")];
    let state = given::<Customer>(told).when(record("order-1", "10.00", "2026-02-01")).then([]);
    let snapshot = serde_json::to_string(&state).unwrap();
    assert_eq!(serde_json::from_str::<Customer>(&snapshot).unwrap(), state);
}

fn tags(texts: &[&str]) -> Vec<Tag> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn tag(texts: &[&str]) -> CustomerCommand {
    CustomerCommand::Tag(tags(texts))
}

fn untag(texts: &[&str]) -> CustomerCommand {
    CustomerCommand::Untag(tags(texts))
}

fn tagged(texts: &[&str]) -> CustomerEvent {
    CustomerEvent::Tagged { tags: tags(texts) }
}

fn untagged(texts: &[&str]) -> CustomerEvent {
    CustomerEvent::Untagged { tags: tags(texts) }
}

fn assignment(rep: Option<&str>, route: Option<&str>) -> Assignment {
    Assignment { rep: rep.map(|text| text.parse().unwrap()), route: route.map(|text| text.parse().unwrap()) }
}

fn assign(rep: Option<&str>, route: Option<&str>) -> CustomerCommand {
    CustomerCommand::Assign(assignment(rep, route))
}

fn assigned(rep: Option<&str>, route: Option<&str>) -> CustomerEvent {
    let Assignment { rep, route } = assignment(rep, route);
    CustomerEvent::Assigned { rep, route }
}

#[test]
fn the_portal_shows_what_was_granted_last_and_nothing_else() {
    use PortalPermission::{Invoices, Orders, Profile};
    let both = || CustomerEvent::PortalGranted { permissions: vec![Orders, Profile] };
    let grant = |permissions: &[PortalPermission]| CustomerCommand::GrantPortal(permissions.iter().copied().collect());
    given::<Customer>([created()]).when(grant(&[Profile, Orders])).then([both()]);
    given::<Customer>([created(), both()]).when(grant(&[Orders, Profile])).then([]);
    let invoices = CustomerEvent::PortalGranted { permissions: vec![Invoices] };
    given::<Customer>([created(), both()]).when(grant(&[Invoices])).then([invoices]);
    given::<Customer>([created()]).when(grant(&[])).then_refused(CustomerError::PermissionRequired);
    let revoked = given::<Customer>([created(), both()])
        .when(CustomerCommand::RevokePortal)
        .then([CustomerEvent::PortalRevoked {}]);
    given::<Customer>([created(), both(), CustomerEvent::PortalRevoked {}])
        .when(grant(&[Orders, Profile]))
        .then([both()]);
    assert_eq!(Customer::decide(&revoked, CustomerCommand::RevokePortal), Ok(vec![]));
    given::<Customer>([]).when(grant(&[Orders])).then_refused(CustomerError::NotFound);
}

#[test]
fn who_is_blocked_may_spend_nothing_and_buys_as_ever() {
    let state =
        given::<Customer>([created()]).when(block(BlockReason::Fraud, None)).then([blocked(BlockReason::Fraud, None)]);
    let refused = CustomerError::Blocked { reason: BlockReason::Fraud };
    assert_eq!(state.active().unwrap().require_unblocked(), Err(refused.clone()));
    let refusal = Refusal::from(refused);
    assert_eq!((refusal.code.as_str(), &refusal.facts["reason"]), ("customer_blocked", &"fraud".into()));
    let before = || [created(), blocked(BlockReason::Fraud, None)];
    let bought = recorded("order-1", "10.00", "2026-02-01");
    given::<Customer>(before()).when(record("order-1", "10.00", "2026-02-01")).then([bought]);
    let free = given::<Customer>(before()).when(unblock()).then([CustomerEvent::Unblocked { on: day("2026-03-01") }]);
    assert_eq!(free.active().unwrap().require_unblocked(), Ok(()));
    given::<Customer>([created()]).when(unblock()).then([]);
}

#[test]
fn a_customer_is_blocked_once_for_a_reason_and_again_for_another() {
    let before = || [created(), blocked(BlockReason::Debt, Some("two invoices"))];
    given::<Customer>(before()).when(block(BlockReason::Debt, Some("two invoices"))).then([]);
    let others = [(BlockReason::Debt, Some("three invoices")), (BlockReason::Debt, None), (BlockReason::Other, None)];
    for (reason, note) in others {
        given::<Customer>(before()).when(block(reason, note)).then([blocked(reason, note)]);
    }
    given::<Customer>([]).when(block(BlockReason::Debt, None)).then_refused(CustomerError::NotFound);
    given::<Customer>([]).when(unblock()).then_refused(CustomerError::NotFound);
}

#[test]
fn a_person_says_how_far_a_customer_has_come_and_the_next_purchase_goes_on_from_there() {
    use LifecycleStage as S;
    let bought = || [created(), recorded("order-1", "10.00", "2026-02-01"), moved(S::Prospect, S::New, "2026-02-01")];
    let state = given::<Customer>(bought()).when(say(S::Churned)).then([moved(S::New, S::Churned, "2026-03-01")]);
    given::<Customer>(bought()).when(say(S::New)).then([]);
    given::<Customer>(bought()).when(say(S::Prospect)).then_refused(CustomerError::NoProspect);
    given::<Customer>([created()]).when(say(S::Active)).then([moved(S::Prospect, S::Active, "2026-03-01")]);
    let again = Customer::evolve(state, &recorded("order-2", "10.00", "2026-03-02"));
    let advance = CustomerCommand::AdvanceLifecycle { order: "order-2".parse().unwrap() };
    assert_eq!(Customer::decide(&again, advance), Ok(vec![moved(S::Churned, S::WonBack, "2026-03-02")]));
}

#[test]
fn what_a_person_says_overtakes_what_was_due_by_then() {
    use LifecycleStage as S;
    let due = [created(), recorded("order-1", "10.00", "2026-02-01"), recorded("order-2", "10.00", "2026-02-02")];
    let state = given::<Customer>(due).when(say(S::AtRisk)).then([moved(S::Prospect, S::AtRisk, "2026-03-01")]);
    for order in ["order-1", "order-2"] {
        let advance = CustomerCommand::AdvanceLifecycle { order: order.parse().unwrap() };
        assert_eq!(Customer::decide(&state, advance), Ok(vec![]));
    }
    assert_eq!(state.active().unwrap().lifecycle().stage(), S::AtRisk);
}

fn block(reason: BlockReason, note: Option<&str>) -> CustomerCommand {
    let note = BlockNote { note: note.map(|text| text.parse().unwrap()) };
    CustomerCommand::Block { reason, note, on: day("2026-03-01") }
}

fn blocked(reason: BlockReason, note: Option<&str>) -> CustomerEvent {
    let note = BlockNote { note: note.map(|text| text.parse().unwrap()) };
    CustomerEvent::Blocked { reason, on: day("2026-03-01"), personal: note.into() }
}

fn unblock() -> CustomerCommand {
    CustomerCommand::Unblock { on: day("2026-03-01") }
}

fn say(to: LifecycleStage) -> CustomerCommand {
    CustomerCommand::ChangeLifecycle { to, on: day("2026-03-01") }
}

fn segment_change(segment: Option<Segment>, is_vip: bool, score: u8) -> CustomerCommand {
    let score = Score::new(score).unwrap();
    let scores = Some(Scores { recency: score, frequency: score, monetary: score });
    CustomerCommand::ChangeSegment { to: Segmented { segment, is_vip }, scores, on: day("2026-02-09") }
}

fn segment_changed(from: Option<Segment>, to: Option<Segment>, is_vip: bool, score: u8) -> CustomerEvent {
    let score = Score::new(score).unwrap();
    let scores = Some(Scores { recency: score, frequency: score, monetary: score });
    CustomerEvent::SegmentChanged { from, to, is_vip, scores, on: day("2026-02-09") }
}

#[test]
fn a_segment_is_told_when_it_is_another_one_and_not_when_scores_alone_move() {
    use Segment::{AtRisk, Champions};
    let champion = || [created(), segment_changed(None, Some(Champions), false, 5)];
    given::<Customer>([created()]).when(segment_change(Some(Champions), false, 5)).then([segment_changed(
        None,
        Some(Champions),
        false,
        5,
    )]);
    given::<Customer>(champion()).when(segment_change(Some(Champions), false, 4)).then([]);
    let state = given::<Customer>(champion()).when(segment_change(Some(AtRisk), false, 2)).then([segment_changed(
        Some(Champions),
        Some(AtRisk),
        false,
        2,
    )]);
    assert_eq!(state.active().unwrap().segmented(), Segmented { segment: Some(AtRisk), is_vip: false });
    given::<Customer>(champion()).when(segment_change(Some(Champions), true, 5)).then([segment_changed(
        Some(Champions),
        Some(Champions),
        true,
        5,
    )]);
    given::<Customer>(champion()).when(segment_change(None, false, 1)).then([segment_changed(
        Some(Champions),
        None,
        false,
        1,
    )]);
    given::<Customer>([created()]).when(segment_change(None, false, 1)).then([]);
    given::<Customer>([]).when(segment_change(Some(Champions), false, 5)).then_refused(CustomerError::NotFound);
}
