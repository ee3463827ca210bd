//! T11: persons with something unmistakable in every field are erased at two nodes whose caches are warm, while commands for them and for
//! others go on. Then each sign of them is looked for in every table, in a dump, in every feed and answer, in what the servers write; and after
//! a scrub in every file of the database.
//!
//! The same search finds them everywhere before: it can fail.

mod load;
mod persons;
mod places;
mod scene;
mod scrubbed;
mod told;

use crate::checks;
use crate::scale::Scale;
use clientela_verify::Key;
use places::{Found, anything};
use scene::Scene;
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_erased_persons_nothing_is_found_anywhere() {
    let scale = Scale::of("erasing");
    let scene = Scene::set(scale.pick(12, 200), scale.pick(6, 100)).await;
    let before = scene.found_anywhere().await;
    assert_found_everywhere(&before);
    let untouched = scene.answers_of_those_who_stay().await;
    let keys = Key::all(&scene.nodes[0].text("/v1/audit/key").await.1).expect("the log's key");

    let told = scene.erase_all().await;
    println!("erasing: {}", told.figures());
    checks::assert_none(&told.wrong());
    checks::assert_none(&scene.wrong_in_the_log(&told).await);
    checks::assert_none(&scene.sent_again(&told).await);

    let after = scene.found_anywhere().await;
    checks::assert_none(&anything(&after));
    println!("erasing: {} hits in {} places before, none after", before.values().sum::<usize>(), after.len());
    assert_eq!(scene.answers_of_those_who_stay().await, untouched, "those who stay are as they were");
    checks::assert_none(&scene.wrong_in_the_lists().await);
    checks::assert_none(&scene.unproven(&keys).await);
    assert_scrubbed(&scene).await;
    assert_eq!(scene.answers_of_those_who_stay().await, untouched, "those who stay are as they were before the scrub");
    for words in [&["verify"][..], &["check", "--all"], &["doctor", "--json"], &["status", "--json"]] {
        let output = scene.tool(words);
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() || words[0] == "doctor", "{words:?}: {said}");
        assert_eq!(places::hits(&said), 0, "{words:?}: {said}");
    }
    let parked = scene.nodes[0].text("/v1/reactors/customer_lifecycle/parked").await.1;
    assert_eq!(parked, json!({"items": []}).to_string(), "nothing is put aside because somebody was erased");
    scene.end();
}

/// After the erasures the files of the database still have it all; after the scrub no byte.
async fn assert_scrubbed(scene: &Scene) {
    let before = scene.raw();
    assert!(before.pages > 0 && before.ahead > 0, "nothing is in the files before the scrub: {before:#?}");
    let scrubbed = scene.scrub();
    checks::assert_none(&scene.not_told_as_scrubbed(&scrubbed).await);
    let after = scene.raw();
    checks::assert_none(&anything(&after.found));
    println!(
        "erasing: {} hits in pages and {} in the write-ahead log before the scrub, none in {} files after; locked for {} ms at most, {} segments removed",
        before.pages,
        before.ahead,
        after.found.len(),
        scrubbed["locked_ms_max"],
        scrubbed["wal_segments"],
    );
    checks::assert_none(&anything(&scene.found_anywhere().await));
}

fn assert_found_everywhere(found: &Found) {
    let places = [
        ".customers",
        "customer_words",
        "customer_contacts",
        "customer_documents",
        "customer_addresses",
        "customer_preferences",
        "customer_references",
        "the dump",
        "the feed of node 0",
        "the feed of node 1",
        "the feeds of persons",
        "/v1/customers/ID of",
        "/v1/customers/ID/events",
        "/v1/customers/ID?at_version=1",
        "/v1/customers/ID/export",
        "search email",
        "search phone",
        "search document",
        "search reference",
        "search name",
    ];
    for place in places {
        let count: usize = found.iter().filter(|(name, _)| name.contains(place)).map(|(_, count)| count).sum();
        assert!(count > 0, "nothing is found in {place} before: {found:#?}");
    }
}
