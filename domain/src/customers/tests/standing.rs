//! How a customer stands with us, as given / when / then.

use super::{created, record, recorded};
use crate::customers::assignment::Assignment;
use crate::customers::commands::{CustomerCommand, CustomerError};
use crate::customers::customer::Customer;
use crate::customers::events::CustomerEvent;
use crate::ids::Tag;
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
