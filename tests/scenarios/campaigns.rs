//! Campaigns: more points for some purchases, for a time; what they gave is told, and taken back with what is given back.

use crate::support::World;
use crate::support::world::Answer;
use chrono::{Datelike, Days, NaiveDate, Utc};
use reqwest::Method;
use serde_json::{Value, json};

const CAMPAIGNS: &str = "/v1/loyalty/campaigns";

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

#[expect(clippy::disallowed_methods, reason = "the server's clock is the machine's, so the test needs it too")]
fn today() -> NaiveDate {
    Utc::now().date_naive()
}

fn double_wine() -> Value {
    json!({"name": "Double points on wine", "rules": {"categories": ["wine"], "multiplier_percent": 200}})
}

async fn publish(world: &World, body: Value) -> String {
    let published = world.post(CAMPAIGNS, body).await;
    assert_eq!((published.status, &published.body["version"]), (201, &json!(1)), "{}", published.body);
    text(&published.body["campaign_id"]).to_owned()
}

/// Two bottles of wine for 40.00 and bread for 10.00.
async fn buys_wine(world: &World, customer: &str, order: &str) -> Answer {
    let lines = json!([
        {"sku": "red", "category": "wine", "quantity": 2, "amount": "40.00"},
        {"sku": "loaf", "category": "bread", "quantity": 1, "amount": "10.00"},
    ]);
    let body = json!({"order_id": order, "total": "50.00", "currency": "EUR", "channel": "web", "lines": lines});
    let bought = world.post(&format!("/v1/customers/{customer}/purchases"), body).await;
    assert!([200, 201].contains(&bought.status), "{}", bought.body);
    bought
}

async fn campaign(world: &World, id: &str) -> Value {
    let position = world.head().await;
    world.get(&format!("{CAMPAIGNS}/{id}?min_position={position}")).await.body
}

#[tokio::test]
async fn double_points_on_a_category_are_given_told_and_taken_back_by_lines() {
    let world = World::start().await;
    let wine = publish(&world, double_wine()).await;
    let customer = world.member("wine@example.com").await;
    let bought = buys_wine(&world, &customer, "order-1").await;
    assert_eq!((&bought.body["points_earned"], &bought.body["balance"]), (&json!(90), &json!(90)));
    assert_eq!(bought.body["campaigns"], json!([{"campaign_id": wine, "version": 1, "points": 40}]));
    let told = buys_wine(&world, &customer, "order-1").await.body;
    assert_eq!((&told["repeated"], &told["points_earned"]), (&json!(true), &json!(90)));

    let refunds = format!("/v1/customers/{customer}/refunds");
    let back = |refund: &str, sku: &str| json!({"order_id": "order-1", "refund_id": refund, "lines": [{"sku": sku, "quantity": 1}]});
    let bread = world.post(&refunds, back("r-1", "loaf")).await;
    assert_eq!((bread.status, &bread.body["points_reversed"]), (201, &json!(10)), "{}", bread.body);
    let bottle = world.post(&refunds, back("r-2", "red")).await;
    assert_eq!((bottle.status, &bottle.body["points_reversed"]), (201, &json!(40)), "{}", bottle.body);
    let known = campaign(&world, &wine).await;
    assert_eq!((&known["orders"], &known["members"]), (&json!(1), &json!(1)), "{known}");
    assert_eq!((&known["points_given"], &known["points_taken_back"]), (&json!(40), &json!(20)));
    let rest = world.post(&refunds, json!({"order_id": "order-1", "refund_id": "r-3"})).await;
    assert_eq!((&rest.body["points_reversed"], &rest.body["balance"]), (&json!(40), &json!(0)), "{}", rest.body);

    let ledger = world
        .get(&format!("/v1/customers/{customer}/loyalty/ledger?min_position={}", rest.position.expect("a position")))
        .await;
    let rows = ledger.body["items"].as_array().expect("rows").clone();
    let campaigns: Vec<_> = rows.iter().map(|row| row["campaigns"][0]["points"].as_i64()).collect();
    assert_eq!(campaigns, [Some(20), Some(20), None, Some(40)], "{rows:#?}");
    assert_eq!(rows[3]["campaigns"][0]["campaign_id"], json!(wine));
    let checked = world.run(&["check", "--all"]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

#[tokio::test]
async fn bonuses_points_for_articles_and_caps_add_up() {
    let world = World::start().await;
    let rules = |rules: Value| json!({"name": "More", "rules": rules});
    let bonus = rules(json!({"bonus_points": 25, "channels": ["web"], "minimum_amount": 50}));
    let bottles = rules(json!({"products": ["red"], "points_per_article": 30, "caps": {"points_per_day": 100}}));
    let gold = rules(json!({"multiplier_percent": 500, "tiers": ["gold"]}));
    let (bonus, bottles) = (publish(&world, bonus).await, publish(&world, bottles).await);
    publish(&world, gold).await;
    let customer = world.member("bonus@example.com").await;
    let given = |told: &Answer| {
        let campaigns = told.body["campaigns"].as_array().cloned().unwrap_or_default();
        campaigns
            .iter()
            .map(|given| (text(&given["campaign_id"]).to_owned(), given["points"].clone()))
            .collect::<Vec<_>>()
    };
    let first = buys_wine(&world, &customer, "order-1").await;
    assert_eq!(first.body["points_earned"], 50 + 25 + 60, "{}", first.body);
    assert_eq!(given(&first), [(bonus.clone(), json!(25)), (bottles.clone(), json!(60))]);
    let second = buys_wine(&world, &customer, "order-2").await;
    assert_eq!(second.body["points_earned"], 50 + 25 + 40, "{}", second.body);
    let third = buys_wine(&world, &customer, "order-3").await;
    assert_eq!(given(&third), [(bonus.clone(), json!(25))], "the day is full");
    // Only the total is told: nobody knows where it was sold, or what it was.
    let total = world.buys(&customer, "order-4", "50.00").await;
    assert_eq!((&total.body["points_earned"], total.body.get("campaigns")), (&json!(50), None));
    let back = json!({"order_id": "order-1", "refund_id": "r-1", "amount": "0.01", "currency": "EUR"});
    let less = world.post(&format!("/v1/customers/{customer}/refunds"), back).await;
    // 49 points and the bottles' 59 remain; 49.99 are less than the bonus asked for.
    assert_eq!(less.body["points_reversed"], 1 + 25 + 30, "{}", less.body);
    let known = campaign(&world, &bottles).await;
    assert_eq!((&known["orders"], &known["points_given"]), (&json!(2), &json!(100)), "{known}");
}

#[tokio::test]
async fn a_purchase_gets_the_campaigns_of_its_date_whenever_it_is_told() {
    let world = World::start().await;
    let customer = world.member("dates@example.com").await;
    let day = |ago: u64| (today() - Days::new(ago)).to_string();
    let body = |name: &str, percent: i64, from: String, until: String| json!({"name": name, "from": from, "until": until, "rules": {"multiplier_percent": percent}});
    let id = publish(&world, body("Double", 200, day(20), day(10))).await;
    let told = async |order: &str, ago: u64| {
        let body = json!({"order_id": order, "total": "10.00", "currency": "EUR", "occurred_at": day(ago)});
        world.post(&format!("/v1/customers/{customer}/loyalty/earn"), body).await.body["points_earned"].clone()
    };
    for (order, ago, points) in [("order-1", 21, 10), ("order-2", 20, 20), ("order-3", 10, 20), ("order-4", 9, 10)] {
        assert_eq!(told(order, ago).await, points, "{order}");
    }
    let versions = format!("{CAMPAIGNS}/{id}/versions");
    let second = world.post(&versions, body("Triple", 300, day(15), day(0))).await;
    assert_eq!((second.status, &second.body["version"]), (201, &json!(2)), "{}", second.body);
    let again = world.post(&versions, body("Triple", 300, day(15), day(0))).await;
    assert_eq!((again.status, &again.body["version"]), (200, &Value::Null), "{}", again.body);
    for (order, ago, points) in [("order-5", 16, 20), ("order-6", 15, 30), ("order-7", 0, 30)] {
        assert_eq!(told(order, ago).await, points, "{order}");
    }
    let returned = json!({"order_id": "order-2", "refund_id": "r-1"});
    let refunded = world.post(&format!("/v1/customers/{customer}/refunds"), returned).await;
    assert_eq!(refunded.refusal(), "422 order_not_refundable", "it is no purchase that is known here");

    let end = format!("{CAMPAIGNS}/{id}/end");
    let ended = world.post(&end, json!({"on": day(5)})).await;
    assert_eq!((ended.status, &ended.body["repeated"]), (201, &json!(false)), "{}", ended.body);
    assert_eq!(world.post(&end, json!({"on": day(5)})).await.status, 200);
    assert_eq!(world.post(&end, json!({})).await.refusal(), "409 campaign_ended", "an end is not put off");
    assert_eq!(world.post(&versions, body("Triple", 400, day(0), day(0))).await.refusal(), "409 campaign_ended");
    assert_eq!((told("order-8", 6).await, told("order-9", 5).await), (json!(30), json!(10)));

    let position = world.head().await;
    let on = async |ago: u64| {
        let listed = world.get(&format!("{CAMPAIGNS}?on={}&min_position={position}", day(ago))).await.body;
        listed["items"].as_array().expect("a list").iter().map(|item| item["version"].clone()).collect::<Vec<_>>()
    };
    assert_eq!((on(21).await, on(20).await, on(15).await), (vec![], vec![json!(1)], vec![json!(2)]));
    assert_eq!((on(6).await, on(5).await), (vec![json!(2)], vec![]));
    let known = campaign(&world, &id).await;
    assert_eq!((&known["name"], &known["over_from"]), (&json!("Triple"), &json!(day(5))), "{known}");
    let names: Vec<_> =
        known["versions"].as_array().expect("versions").iter().map(|known| known["name"].clone()).collect();
    assert_eq!(names, ["Double", "Triple"]);
    assert_eq!((&known["orders"], &known["members"]), (&json!(6), &json!(1)));
}

#[tokio::test]
async fn what_campaigns_gave_is_pending_first_and_goes_along_when_customers_are_merged() {
    let world = World::start().await;
    let rules = json!({
        "earn": [{"points_per_unit": 1}],
        "redeem": {"points_per_unit": 100, "multiple_of": 100, "minimum": 100},
        "expiry_months": 24,
        "tiers": [
            {"tier": "bronze", "from_points": 0, "multiplier_percent": 100},
            {"tier": "silver", "from_points": 1000, "multiplier_percent": 125},
            {"tier": "gold", "from_points": 5000, "multiplier_percent": 150},
            {"tier": "platinum", "from_points": 20000, "multiplier_percent": 200},
        ],
        "pending": {"vest_after_days": 14},
    });
    let wine = publish(&world, double_wine()).await;
    let (survivor, double) = (world.member("ana@example.com").await, world.member("double@example.com").await);
    buys_wine(&world, &double, "order-1").await;
    let published = world.post("/v1/loyalty/programme/versions", json!({"rules": rules})).await;
    assert_eq!(published.status, 201, "{}", published.body);
    let pending = buys_wine(&world, &double, "order-2").await;
    assert_eq!((&pending.body["points_pending"], &pending.body["campaigns"][0]["points"]), (&json!(90), &json!(40)));
    let merged = world.post(&format!("/v1/customers/{survivor}/merges"), json!({"duplicate_id": double})).await;
    assert_eq!((merged.status, &merged.body["balance"]), (201, &json!(90)), "{}", merged.body);
    for (order, refund) in [("order-1", "r-1"), ("order-2", "r-2")] {
        let bottle = json!({"order_id": order, "refund_id": refund, "lines": [{"sku": "red", "quantity": 1}]});
        let refunded = world.post(&format!("/v1/customers/{survivor}/refunds"), bottle).await;
        assert_eq!((refunded.status, &refunded.body["points_reversed"]), (201, &json!(40)), "{}", refunded.body);
    }
    let vested = world.post(&format!("/v1/customers/{survivor}/loyalty/vest"), json!({"order_id": "order-2"})).await;
    assert_eq!((vested.status, &vested.body["points_vested"]), (201, &json!(50)), "{}", vested.body);
    let known = campaign(&world, &wine).await;
    assert_eq!((&known["points_given"], &known["points_taken_back"]), (&json!(80), &json!(40)), "{known}");
    assert_eq!((&known["orders"], &known["members"]), (&json!(2), &json!(1)));
    let checked = world.run(&["check", "--all"]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

#[tokio::test]
async fn what_makes_no_campaign_is_refused_where_it_is_wrong() {
    let world = World::start().await;
    let id = publish(&world, double_wine()).await;
    let head = world.head().await;
    let body = |rules: Value| json!({"name": "More", "rules": rules});
    let codes: Vec<_> = (0..101).map(|number| format!("c-{number}")).collect();
    let mut late = double_wine();
    (late["from"], late["until"]) = (json!("2026-03-02"), json!("2026-03-01"));
    let mut day = double_wine();
    day["until"] = json!("soon");
    let mut nameless = double_wine();
    nameless["name"] = json!(" ");
    for (body, refusal) in [
        (late, "422 until_before_from /until until_before_from"),
        (day, "422 validation_failed /until invalid_date"),
        (nameless, "422 validation_failed /name empty"),
        (body(json!({"categories": ["wine"]})), "422 nothing_given /rules nothing_given"),
        (body(json!({"multiplier_percent": 100})), "422 out_of_range /rules/multiplier_percent out_of_range"),
        (body(json!({"bonus_points": -5})), "422 out_of_range /rules/bonus_points out_of_range"),
        (body(json!({"bonus_points": 5, "minimum_amount": 0})), "422 out_of_range /rules/minimum_amount out_of_range"),
        (body(json!({"points_per_article": 5})), "422 articles_required /rules/points_per_article articles_required"),
        (
            body(json!({"bonus_points": 5, "caps": {"points_per_day": 0}})),
            "422 out_of_range /rules/caps/points_per_day out_of_range",
        ),
        (body(json!({"bonus_points": 5, "categories": codes})), "422 too_many /rules/categories too_many"),
        (body(json!({"bonus_points": 5, "channels": ["web", "web"]})), "422 twice /rules/channels/1 twice"),
        (
            body(json!({"bonus_points": 5, "products": ["a b"]})),
            "422 validation_failed /rules/products/0 invalid_character",
        ),
    ] {
        assert_eq!(world.post(CAMPAIGNS, body.clone()).await.refusal(), refusal);
        assert_eq!(world.post(&format!("{CAMPAIGNS}/{id}/versions"), body).await.refusal(), refusal);
    }
    let end = format!("{CAMPAIGNS}/{id}/end");
    assert_eq!(world.post(&end, json!({"on": "soon"})).await.refusal(), "422 validation_failed /on invalid_date");
    let unknown = "018f0000-0000-7000-8000-000000000009";
    for (path, body) in [("versions", double_wine()), ("end", json!({}))] {
        let refused = world.post(&format!("{CAMPAIGNS}/{unknown}/{path}"), body).await;
        assert_eq!(refused.refusal(), "404 campaign_not_found");
    }
    assert_eq!(world.get(&format!("{CAMPAIGNS}/{unknown}")).await.refusal(), "404 campaign_not_found");
    assert_eq!(
        world.get(&format!("{CAMPAIGNS}?on=soon")).await.refusal(),
        "400 invalid_parameter on invalid_parameter"
    );
    assert_eq!(world.head().await, head);
}

#[tokio::test]
async fn campaigns_are_published_by_admins_once_by_key_and_are_nobody_elses() {
    let world = World::start().await;
    let first = world.post_keyed(CAMPAIGNS, "office-1", double_wine()).await;
    let again = world.post_keyed(CAMPAIGNS, "office-1", double_wine()).await;
    assert_eq!((first.status, again.status, &again.body["repeated"]), (201, 200, &json!(true)), "{}", again.body);
    assert_eq!(first.body["campaign_id"], again.body["campaign_id"]);
    let id = text(&first.body["campaign_id"]).to_owned();
    let reader = world.run_json(&["key", "create", "r", "--scope", "loyalty:read,loyalty:write", "--json"]);
    let reader = Some(text(&reader["key"]));
    let paths = [CAMPAIGNS.to_owned(), format!("{CAMPAIGNS}/{id}/versions")];
    for path in &paths {
        let refused = world.ask_as(reader, Method::POST, path, Some(double_wine())).await;
        assert_eq!(refused.refusal(), "403 scope_missing");
    }
    let end = format!("{CAMPAIGNS}/{id}/end");
    assert_eq!(world.ask_as(reader, Method::POST, &end, Some(json!({}))).await.refusal(), "403 scope_missing");
    let position = world.head().await;
    let listed = world.ask_as(reader, Method::GET, &format!("{CAMPAIGNS}?min_position={position}"), None).await;
    assert_eq!((listed.status, &listed.body["items"][0]["campaign_id"]), (200, &json!(id)), "{}", listed.body);
    let writer = world.run_json(&["key", "create", "w", "--scope", "customers:read", "--json"]);
    for path in [CAMPAIGNS.to_owned(), format!("{CAMPAIGNS}/{id}")] {
        let refused = world.ask_as(Some(text(&writer["key"])), Method::GET, &path, None).await;
        assert_eq!(refused.refusal(), "403 scope_missing");
    }
    let tenant = world.run_json(&["tenant", "create", "acme", "--json"])["tenant"].to_string();
    let theirs = world.run_json(&["key", "create", "a", "--scope", "admin", "--tenant", &tenant, "--json"]);
    let theirs = Some(text(&theirs["key"]));
    assert_eq!(
        world.ask_as(theirs, Method::GET, &format!("{CAMPAIGNS}/{id}"), None).await.refusal(),
        "404 campaign_not_found"
    );
    assert_eq!(world.ask_as(theirs, Method::POST, &end, Some(json!({}))).await.refusal(), "404 campaign_not_found");
    assert_eq!(world.ask_as(theirs, Method::GET, CAMPAIGNS, None).await.body["items"], json!([]));
    let unsaid = world.ask_as(Some(world.key()), Method::POST, &end, None).await;
    assert_eq!(unsaid.status, 201, "nothing has to be said: {}", unsaid.body);
}

#[tokio::test]
async fn a_rehearsal_keeps_the_campaigns_that_there_were() {
    let world = World::start().await;
    let customer = world.member("rehearsed@example.com").await;
    buys_wine(&world, &customer, "order-1").await;
    publish(&world, double_wine()).await;
    buys_wine(&world, &customer, "order-2").await;
    let bottle = json!({"order_id": "order-2", "refund_id": "r-1", "lines": [{"sku": "red", "quantity": 1}]});
    world.post(&format!("/v1/customers/{customer}/refunds"), bottle).await;
    let earn = |points: i64| {
        let mut rules = json!({
            "earn": [{"points_per_unit": points}],
            "redeem": {"points_per_unit": 100, "multiple_of": 100, "minimum": 100},
            "expiry_months": 24,
            "tiers": [
                {"tier": "bronze", "from_points": 0, "multiplier_percent": 100},
                {"tier": "silver", "from_points": 1000, "multiplier_percent": 125},
                {"tier": "gold", "from_points": 5000, "multiplier_percent": 150},
                {"tier": "platinum", "from_points": 20000, "multiplier_percent": 200},
            ],
        });
        rules["expiry_months"] = json!(24);
        json!({"rules": rules})
    };
    let rehearsed = async |points: i64| {
        let path = format!("http://{}/v1/loyalty/programme/rehearsals", world.host());
        let request = crate::support::http().build().expect("a client").post(path);
        let answer = request.bearer_auth(world.key()).json(&earn(points)).send().await.expect("an answer");
        let lines = answer.text().await.expect("all of it");
        let last: Value = serde_json::from_str(lines.lines().last().expect("a line")).expect("JSON");
        (last["rehearsal"]["points"].clone(), last["rehearsal"]["rehearsed_points"].clone())
    };
    // 50; 30 and 20 of the wine.
    assert_eq!(rehearsed(1).await, (json!(100), json!(100)));
    assert_eq!(rehearsed(3).await, (json!(100), json!(300)));
}

#[tokio::test]
async fn a_birthday_is_celebrated_once_by_a_purchase_around_it_and_a_rehearsal_says_the_same() {
    let world = World::start().await;
    let day = |days: u64| today() + Days::new(days);
    let rules = json!({"bonus_points": 300, "birthday": {"within_days": 3, "points_per_birthday": 500}});
    let wrong = world
        .post(CAMPAIGNS, json!({"name": "X", "rules": {"bonus_points": 1, "birthday": {"within_days": 61}}}))
        .await;
    assert_eq!(wrong.refusal(), "422 out_of_range /rules/birthday/within_days out_of_range");
    let birthday = publish(&world, json!({"name": "Happy birthday", "rules": rules})).await;
    let born_on = day(2).with_year(1984).unwrap_or_else(|| NaiveDate::from_ymd_opt(1984, 2, 28).expect("a day"));
    let person = |email: &str, born: Option<NaiveDate>| {
        json!({
            "kind": "individual", "name": "Ana", "emails": [email], "birth_date": born, "loyalty": {"currency": "EUR"},
        })
    };
    let register = async |email: &str, born| {
        let known = world.post("/v1/customers", person(email, born)).await;
        assert_eq!(known.status, 201, "{}", known.body);
        text(&known.body["customer_id"]).to_owned()
    };
    let ana = register("ana@example.com", Some(born_on)).await;
    let bea = register("bea@example.com", born_on.checked_add_days(Days::new(100))).await;
    let nobody = register("nobody@example.com", None).await;
    let earned =
        async |customer: &str, order: &str| buys_wine(&world, customer, order).await.body["points_earned"].clone();
    assert_eq!((earned(&bea, "order-1").await, earned(&nobody, "order-1").await), (json!(50), json!(50)));
    assert_eq!([earned(&ana, "order-1").await, earned(&ana, "order-2").await], [350, 250].map(|points| json!(points)));
    assert_eq!(earned(&ana, "order-3").await, json!(50), "the birthday has had its 500");
    assert_eq!(earned(&ana, "order-1").await, json!(350), "told again");

    // Who tells the date later, or corrects it, has a birthday from then on.
    let corrected = world.patch(&format!("/v1/customers/{bea}"), None, json!({"birth_date": born_on})).await;
    assert_eq!(corrected.status, 200, "{}", corrected.body);
    assert_eq!(earned(&bea, "order-2").await, json!(350));
    let by_hand = json!({"order_id": "till-9", "total": "10.00", "currency": "EUR"});
    let earned_there = world.post(&format!("/v1/customers/{bea}/loyalty/earn"), by_hand).await;
    assert_eq!(earned_there.body["points_earned"], json!(210), "{}", earned_there.body);

    let known = campaign(&world, &birthday).await;
    assert_eq!((&known["points_given"], &known["members"]), (&json!(1_000), &json!(2)), "{known}");
    assert_eq!(known["rules"], rules);
    let standard = world.get("/v1/loyalty/programme").await.body["rules"].clone();
    let lines = world.post("/v1/loyalty/programme/rehearsals", json!({"rules": standard})).await;
    let end: Value = serde_json::from_str(text(&lines.body).lines().last().expect("a line")).expect("JSON");
    let rehearsed = &end["rehearsal"];
    assert_eq!((&rehearsed["points"], &rehearsed["rehearsed_points"]), (&json!(1_310), &json!(1_310)), "{end}");
    let checked = world.run(&["check", "--all"]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

#[tokio::test]
async fn a_campaign_for_segments_is_for_who_is_in_them_as_it_buys_and_a_rehearsal_says_the_same() {
    let world = World::start().await;
    let twice = json!({"bonus_points": 1, "segments": ["lost", "lost"]});
    let wrong = world.post(CAMPAIGNS, json!({"name": "X", "rules": twice})).await;
    assert_eq!(wrong.refusal(), "422 twice /rules/segments/1 twice");
    let rules = json!({"bonus_points": 300, "segments": ["at_risk", "lost"]});
    let come_back = publish(&world, json!({"name": "Come back", "rules": rules})).await;
    publish(&world, json!({"name": "For the few", "rules": {"bonus_points": 7, "vip": true}})).await;
    let ana = world.member("ana@example.com").await;
    let segment = format!("/v1/customers/{ana}/segment");
    let say = async |body| world.ask_as(Some(world.key()), Method::PUT, &segment, Some(body)).await;
    let earned = async |order: &str| buys_wine(&world, &ana, order).await.body["points_earned"].clone();
    assert_eq!(earned("order-1").await, json!(50), "in no segment");
    assert_eq!(say(json!({"segment": "lost"})).await.status, 200);
    assert_eq!(earned("order-2").await, json!(350));
    assert_eq!(say(json!({"segment": "champions", "is_vip": true})).await.status, 200);
    assert_eq!(earned("order-3").await, json!(57));
    assert_eq!(earned("order-2").await, json!(350), "told again");

    let known = campaign(&world, &come_back).await;
    assert_eq!((&known["rules"], &known["points_given"]), (&rules, &json!(300)));
    let standard = world.get("/v1/loyalty/programme").await.body["rules"].clone();
    let lines = world.post("/v1/loyalty/programme/rehearsals", json!({"rules": standard})).await;
    let end: Value = serde_json::from_str(text(&lines.body).lines().last().expect("a line")).expect("JSON");
    let rehearsed = &end["rehearsal"];
    assert_eq!((&rehearsed["points"], &rehearsed["rehearsed_points"]), (&json!(457), &json!(457)), "{end}");
}
