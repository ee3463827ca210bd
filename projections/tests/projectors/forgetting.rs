//! What outlives rows that are blanked: nothing of a person.

use crate::world::{SHOP, World, documented, registered};
use projections::projectors;
use sqlx::Executor;
use store::contract::fresh_id;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_planner_knows_nothing_of_what_tells_who_somebody_is() {
    let world = World::start().await;
    let node = world.node().await;
    let ana = fresh_id();
    let last = world.append(SHOP, ana, [registered("ana", "+34600000001"), documented("12345678Z")]).await;
    node.sees("customers", last).await;
    node.sees("customer_profiles", last).await;
    let mut admin = world.as_admin().await;
    admin.execute("analyze").await.unwrap();
    let known: Vec<(String, String)> = sqlx::query_as(
        "select substring(schemaname from '(.*)_g[0-9]+$') as projector, attname::text from pg_stats \
         where schemaname ~ '_g[0-9]+$' order by 1, 2",
    )
    .fetch_all(&mut admin)
    .await
    .unwrap();
    let is_known = |projector: &str, column: &str| known.contains(&(projector.to_owned(), column.to_owned()));
    assert!(is_known("customers", "registered_on") && is_known("customer_profiles", "kind"), "{known:?}");
    for projector in projectors() {
        for column in projector.personal {
            assert!(!is_known(projector.name, column), "{}: {column}", projector.name);
        }
    }
}
