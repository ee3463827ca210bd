//! Queries: what is found, by whom, and how fast.

use crate::world::{
    OTHER_SHOP, SHOP, World, address_added, address_removed, bought, day, documented, earned, enrolled, held,
    key_created, key_revoked, noon, pending, preferring, registered, upgraded,
};
use chrono::{DateTime, Utc};
use domain::access::events::AccessEvent;
use domain::access::scope::Scope;
use domain::access::settings::TenantSettings;
use domain::email::Email;
use domain::ids::{Label, TimeZoneName};
use domain::loyalty::loyalty_programme::LoyaltyProgramme;
use domain::phone::Phone;
use domain::validators::risk::RiskWeights;
use projections::access::{api_keys, tenants};
use projections::audit::audit_trail::search::{self, Search};
use projections::customers::customer_profiles::{addresses, contacts, documents, preferences};
use projections::customers::customers;
use projections::loyalty::loyalty_balances::due::{Due, due_expiries, due_hold_lapses, due_reviews};
use projections::loyalty::loyalty_kpis::report::{self, Report};
use projections::loyalty::{loyalty_balances, loyalty_ledger};
use projections::{AsOf, Back, projectors};
use sqlx::{AssertSqlSafe, Executor, PgConnection, Row};
use store::Position;
use store::contract::fresh_id;
use store::postgres::Role;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_is_found_by_whatever_is_known_of_it() {
    let world = World::start().await;
    let node = world.node().await;
    let ana = fresh_id();
    world.append(SHOP, ana, [registered("ana", "+34600000001")]).await;
    let last = world.append(SHOP, fresh_id(), [registered("eva", "+34600000002")]).await;
    node.sees("customers", last).await;
    node.sees("customer_profiles", last).await;
    let pools = &node.pools;
    let phone = Phone::parse("+34 600 000 001", None).unwrap();
    let email = Email::parse("ANA@example.com").unwrap();
    let by_id = customers::find(pools, SHOP, ana).await.unwrap().unwrap();
    assert_eq!(by_id.position, last);
    assert_eq!(by_id.value.name.as_deref(), Some("ana"));
    assert_eq!(by_id.value.references.len(), 1);
    assert_eq!(customers::find_by_phone(pools, SHOP, &phone).await.unwrap().as_ref(), Some(&by_id));
    assert_eq!(customers::find_by_email(pools, SHOP, &email).await.unwrap().as_ref(), Some(&by_id));
    assert_eq!(customers::find_by_reference(pools, SHOP, "stripe", "cus_ana").await.unwrap(), Some(by_id));
    assert_eq!(customers::find_by_reference(pools, SHOP, "erp", "cus_ana").await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_tenants_rows_are_not_there() {
    let world = World::start().await;
    let node = world.node().await;
    let ana = fresh_id();
    let last = world.append(SHOP, ana, [registered("ana", "+34600000001")]).await;
    node.sees("customers", last).await;
    let phone = Phone::parse("+34600000001", None).unwrap();
    assert_eq!(customers::find(&node.pools, OTHER_SHOP, ana).await.unwrap(), None);
    assert_eq!(customers::find_by_phone(&node.pools, OTHER_SHOP, &phone).await.unwrap(), None);
    assert_eq!(loyalty_balances::find(&node.pools, SHOP, ana, noon("2026-02-09")).await.unwrap(), None);
    let mut request = world.as_role(Role::Request).await;
    for table in projectors().iter().flat_map(|projector| projector.tables) {
        let count = sqlx::AssertSqlSafe(format!("select count(*) from {table}"));
        let seen: i64 = sqlx::query_scalar(count).fetch_one(&mut request).await.unwrap();
        assert_eq!(seen, 0, "{table} without a tenant");
        let delete = sqlx::AssertSqlSafe(format!("delete from {table}"));
        request.execute(delete).await.expect_err("a request writes no read model");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_table_with_a_tenant_is_walled_also_against_its_owner() {
    let world = World::start().await;
    let open: Vec<String> = sqlx::query_scalar(
        "select c.relname::text from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant' \
         where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace \
           and not (c.relrowsecurity and c.relforcerowsecurity)",
    )
    .fetch_all(&mut world.as_admin().await)
    .await
    .unwrap();
    assert_eq!(open, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_found_by_its_digest_and_shows_when_it_works_no_more() {
    let world = World::start().await;
    let node = world.node().await;
    let (key, digest) = (fresh_id(), [7; 32]);
    let made = world.append(SHOP, key, [key_created(key, digest)]).await;
    node.sees("api_keys", made).await;
    let found = api_keys::find_key(&node.pools, &digest).await.unwrap().unwrap();
    assert_eq!((found.key, found.tenant, found.works_at(found.created_at)), (key, SHOP, true));
    assert_eq!(found.known_scopes().collect::<Vec<_>>(), [Scope::LoyaltyRead, Scope::LoyaltyWrite]);
    assert_eq!(api_keys::find_key(&node.pools, &[8; 32]).await.unwrap(), None);
    assert_eq!(api_keys::list(&node.pools, SHOP).await.unwrap(), [found]);
    assert_eq!(api_keys::list(&node.pools, OTHER_SHOP).await.unwrap(), []);
    let revoked = world.append(SHOP, key, [key_revoked(key)]).await;
    node.sees("api_keys", revoked).await;
    let found = api_keys::find_key(&node.pools, &digest).await.unwrap().unwrap();
    assert!(!found.works_at(found.created_at) && found.revoked_at.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_sees_itself() {
    let world = World::start().await;
    let node = world.node().await;
    let created = AccessEvent::TenantCreated {
        tenant: domain::ids::TenantId::new(SHOP.0).unwrap(),
        name: Label::parse("shop").unwrap(),
        time_zone: TimeZoneName::parse("Europe/Madrid").unwrap(),
    };
    let id = fresh_id();
    let last = world.append(SHOP, id, [created.into()]).await;
    node.sees("tenants", last).await;
    let found = tenants::find(&node.pools, SHOP).await.unwrap().unwrap().value;
    assert_eq!(found.settings, TenantSettings::default());
    let risk_weights = RiskWeights::default().with("blocked", 100).unwrap();
    let changed = AccessEvent::SettingsChanged { strict_documents: true, risk_weights };
    let last = world.append(SHOP, id, [changed.into()]).await;
    node.sees("tenants", last).await;
    let found = tenants::find(&node.pools, SHOP).await.unwrap().unwrap().value;
    assert_eq!(found.settings, TenantSettings { strict_documents: true, risk_weights });
    assert_eq!(found.position, last);
    assert_eq!((found.name.as_str(), found.time_zone.as_str()), ("shop", "Europe/Madrid"));
    assert_eq!(tenants::find(&node.pools, OTHER_SHOP).await.unwrap(), None);
    assert_eq!(tenants::all(&node.pools).await.unwrap(), std::slice::from_ref(&found));

    // As an older version made the table: keys work until it is made anew.
    world.as_admin().await.execute(OF_BEFORE).await.unwrap();
    let of_before = tenants::TenantRow { settings: TenantSettings::default(), ..found };
    assert_eq!(tenants::find(&node.pools, SHOP).await.unwrap().unwrap().value, of_before);
    assert_eq!(tenants::all(&node.pools).await.unwrap(), [of_before]);
}

const OF_BEFORE: &str = "drop view read_models.tenants; \
    alter table tenants_g1.tenants drop column strict_documents, drop column risk_weights; \
    create view read_models.tenants with (security_invoker = true) as select * from tenants_g1.tenants; \
    grant select on read_models.tenants to clientela_request, clientela_engine";

/// As the request role: a filter that is not leakproof would not use an index under row-level security.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hot_queries_use_their_index_under_row_level_security() {
    let world = World::start().await;
    let mut engine = world.as_role(Role::Engine).await;
    engine
        .execute(
            "insert into customers_g1.customers (id, tenant, kind, status, lifecycle, email, phone, user_id, stripe_customer_id, \
             purchase_count, registered_on, created_at, updated_at, created_position, position, version) \
             select gen_random_uuid(), 1 + n % 20, 'individual', 'active', 'prospect', n || '@example.com', '+34' || n, 'auth0|' || n, \
             'cus_' || n, 0, '2026-01-10', now(), now(), n, n, 1 from generate_series(1, 20000) n",
        )
        .await
        .unwrap();
    world.as_admin().await.execute("analyze customers_g1.customers").await.unwrap();
    let mut request = world.as_role(Role::Request).await;
    request.execute("set app.tenant = '7'").await.unwrap();
    for (condition, index) in [
        ("email = '106@example.com'", "idx_customers_email"),
        ("user_id = 'auth0|106'", "idx_customers_user_id"),
        ("stripe_customer_id = 'cus_106'", "idx_customers_stripe_customer_id"),
        ("id = '00000000-0000-0000-0000-000000000001'", "customers_pkey"),
    ] {
        let explain = sqlx::AssertSqlSafe(format!("explain select * from customers where {condition}"));
        let plan = sqlx::query(explain).fetch_all(&mut request).await.unwrap();
        let plan: Vec<String> = plan.iter().map(|line| line.get(0)).collect();
        assert!(plan[0].contains(index), "{condition}: {plan:#?}");
    }
    let contacts = "insert into customer_profiles_g1.customer_contacts (tenant, customer_id, kind, rank, value, normalized) \
                    select tenant, id, 'phone', 1, phone, phone from customers_g1.customers union all \
                    select tenant, id, 'email', 1, email, email from customers_g1.customers";
    engine.execute(contacts).await.unwrap();
    world.as_admin().await.execute("analyze customer_profiles_g1.customer_contacts").await.unwrap();
    let by_contact = include_str!("../../src/customers/customers/by_contact.sql");
    for (kind, value) in [("'phone'", "'+34106'"), ("'email'", "'106@example.com'")] {
        let by_contact = format!("select c.id {}", by_contact.replace("$1", kind).replace("$2", value));
        let plan = plan(&mut request, &by_contact).await;
        assert!(plan.contains("idx_customer_contacts_normalized") && plan.contains("customers_pkey"), "{plan}");
        assert!(!plan.contains("Seq Scan on customer"), "{plan}");
    }
    let references = "insert into customers_g1.customer_references (tenant, customer_id, system, reference) \
                      select tenant, id, 'erp', 'E' || phone from customers_g1.customers";
    engine.execute(references).await.unwrap();
    world.as_admin().await.execute("analyze customers_g1.customer_references").await.unwrap();
    let by_reference = "select * from customers c join customer_references f on f.customer_id = c.id \
                        where f.system = 'erp' and f.reference = 'E+34106'";
    let users = "insert into customers_g1.customer_users (tenant, customer_id, user_id) \
                 select tenant, id, 'u' || phone from customers_g1.customers";
    engine.execute(users).await.unwrap();
    world.as_admin().await.execute("analyze customers_g1.customer_users").await.unwrap();
    let by_user = "select * from customers c \
                   where c.id = any(array(select u.customer_id from customer_users u where u.user_id = 'u+34106'))";
    for (statement, index) in [(by_reference, "idx_customer_references"), (by_user, "idx_customer_users")] {
        let plan = plan(&mut request, statement).await;
        assert!(plan.contains(index) && plan.contains("customers_pkey"), "{plan}");
        assert!(!plan.contains("Seq Scan on customer"), "{plan}");
    }
}

/// The same for lists: a page of many is read in the order of the index.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn customers_of_a_tag_or_a_rep_are_listed_by_their_index_under_row_level_security() {
    let world = World::start().await;
    let mut engine = world.as_role(Role::Engine).await;
    engine
        .execute(
            "insert into customers_g1.customers (id, tenant, kind, status, lifecycle, purchase_count, registered_on, created_at, \
             updated_at, created_position, position, version, rep, segment, is_vip) \
             select lpad(n::text, 32, '0')::uuid, 1 + n % 20, 'individual', 'active', 'prospect', 0, '2026-01-10', now(), now(), n, n, 1, \
             'rep-' || n % 3, case when n % 40 = 7 then 'lost' end, n % 400 = 7 from generate_series(1, 20000) n; \
             insert into customers_g1.customer_tags (tenant, customer_id, tag, created_position) \
             select 1 + n % 20, lpad(n::text, 32, '0')::uuid, 'tag-' || n % 3, n from generate_series(1, 20000) n",
        )
        .await
        .unwrap();
    world.as_admin().await.execute("analyze customers_g1.customers; analyze customers_g1.customer_tags").await.unwrap();
    let mut request = world.as_role(Role::Request).await;
    request.execute("set app.tenant = '7'").await.unwrap();
    let by_rep = include_str!("../../src/customers/customers/by_rep.sql").replace("$1", "'rep-1'");
    let by_tag = include_str!("../../src/customers/customers/by_tag.sql").replace("$1", "'tag-1'");
    let by_segment = include_str!("../../src/customers/customers/by_segment.sql").replace("$1", "'lost'");
    let vips = include_str!("../../src/customers/customers/vips.sql").replace("$2", "51").replace("$1", "9000");
    for (statement, indexes) in [
        (by_rep, &["idx_customers_rep"][..]),
        (by_tag, &["idx_customer_tags", "customers_pkey"]),
        (by_segment, &["idx_customers_segment"]),
        (vips, &["idx_customers_vip"]),
    ] {
        let statement = statement.replace("$2", "9000").replace("$3", "51");
        let plan = plan(&mut request, &format!("select c.id {statement}")).await;
        for index in indexes {
            assert!(plan.contains(index), "{index}: {plan}");
        }
        assert!(!plan.contains("Seq Scan"), "{plan}");
    }
}

/// Customers of twenty tenants.
const TWENTY_THOUSAND: &str = "insert into customers_g1.customers (id, tenant, kind, status, lifecycle, purchase_count, \
    registered_on, created_at, updated_at, created_position, position, version) \
    select lpad(n::text, 32, '0')::uuid, 1 + n % 20, 'individual', 'active', 'prospect', 0, '2026-01-10', now(), now(), n, n, 1 \
    from generate_series(1, 20000) n";

/// The same for the members of a tier, of whom there are few of the higher ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_of_a_tier_are_listed_by_their_index_under_row_level_security() {
    let world = World::start().await;
    let mut engine = world.as_role(Role::Engine).await;
    engine.execute(TWENTY_THOUSAND).await.unwrap();
    engine
        .execute(
            "insert into loyalty_balances_g1.loyalty_balances (account, tenant, currency, available, pending, held, lifetime_earned, \
             redeemed, expired, reversed, earned_last_12_months, tier, enrolled_on, lots, updated_at, position, version, holds, adjusted, \
             transferred_in, transferred_out, returned, pending_points, stamp_cards, rewards) \
             select lpad(n::text, 32, '0')::uuid, 1 + n % 20, 'EUR', 0, 0, 0, 0, 0, 0, 0, 0, \
             case when n % 7 = 0 then 'gold' else 'bronze' end, '2026-01-10', '[]', now(), n, 1, '[]', 0, 0, 0, 0, '[]', '[]', '[]' \
             from generate_series(1, 20000) n",
        )
        .await
        .unwrap();
    world
        .as_admin()
        .await
        .execute("analyze customers_g1.customers; analyze loyalty_balances_g1.loyalty_balances")
        .await
        .unwrap();
    let mut request = world.as_role(Role::Request).await;
    request.execute("set app.tenant = '7'").await.unwrap();
    let by_tier = include_str!("../../src/customers/customers/by_tier.sql");
    for (tier, is_rare) in [("'gold'", true), ("'bronze'", false)] {
        let after = "'00000000-0000-0000-0000-000000009000'";
        let statement = by_tier.replace("$1", tier).replace("$2", after).replace("$3", "51");
        let plan = plan(&mut request, &format!("select c.id {statement}")).await;
        // Of a tier that most have, the accounts of a tenant are as good a way.
        assert!(!is_rare || plan.contains("idx_loyalty_balances_tier"), "{plan}");
        assert!(!plan.contains("Seq Scan"), "{plan}");
    }
}

/// The same for numbers of documents, of which the customers are found by id.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_is_found_by_its_index_under_row_level_security() {
    let world = World::start().await;
    let mut engine = world.as_role(Role::Engine).await;
    engine.execute(TWENTY_THOUSAND).await.unwrap();
    engine
        .execute(
            "insert into customer_profiles_g1.customer_documents (tenant, customer_id, rank, kind, number, country) \
             select 1 + n % 20, lpad(n::text, 32, '0')::uuid, 1, 'passport', 'G' || n, 'MX' from generate_series(1, 20000) n",
        )
        .await
        .unwrap();
    let analyze = "analyze customers_g1.customers; analyze customer_profiles_g1.customer_documents";
    world.as_admin().await.execute(analyze).await.unwrap();
    let mut request = world.as_role(Role::Request).await;
    request.execute("set app.tenant = '7'").await.unwrap();
    let statement =
        include_str!("../../src/customers/customers/by_document.sql").replace("$1", "'{G106,ESG106}'::text[]");
    let statement = statement.replace("$2", "0").replace("$3", "51");
    let plan = plan(&mut request, &format!("select c.id {statement}")).await;
    for index in ["idx_customer_documents_number", "customers_pkey"] {
        assert!(plan.contains(index), "{index}: {plan}");
    }
    assert!(!plan.contains("Seq Scan on customers") && !plan.contains("Seq Scan on customer_documents"), "{plan}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_profile_is_listed_as_it_was_told_and_replaced_row_by_row() {
    let world = World::start().await;
    let node = world.node().await;
    let (ana, home, work) = (fresh_id(), fresh_id(), fresh_id());
    let at = |address, line1: &str| address_added(address, line1);
    world
        .append(SHOP, ana, [registered("ana", "+34600000001"), at(home, "Calle Mayor 1"), at(work, "Gran Vía 2")])
        .await;
    let told = world.append(SHOP, ana, [documented("12345678Z"), preferring("web", "no nuts")]).await;
    node.sees("customer_profiles", told).await;
    node.sees("customers", told).await;
    let pools = &node.pools;
    let listed = addresses::list(pools, SHOP, ana).await.unwrap().unwrap();
    let mut lines: Vec<_> = listed.value.rows.iter().map(|row| (row.line1.as_str(), row.is_default)).collect();
    lines.sort_unstable();
    assert_eq!(lines, [("Calle Mayor 1", false), ("Gran Vía 2", true)]);
    assert_eq!((listed.position, listed.value.version), (told, Some(5)));
    let contacts = contacts::list(pools, SHOP, ana).await.unwrap().unwrap().value.rows;
    assert_eq!(contacts.iter().map(|row| row.value.as_str()).collect::<Vec<_>>(), ["ana@example.com", "+34600000001"]);
    let liked = preferences::list(pools, SHOP, ana).await.unwrap().unwrap().value.rows;
    assert_eq!(
        (liked[0].channels.as_slice(), liked[0].restrictions.as_slice()),
        (&["web".to_owned()][..], &["no nuts".to_owned()][..])
    );
    let by_document = async |tenant, number: &str| {
        let numbers = [format!("ES{number}"), number.to_owned()];
        customers::find_by_document(pools, tenant, &numbers, Position(0), 5).await.unwrap()
    };
    let found = by_document(SHOP, "12345678Z").await;
    assert_eq!((found.value.rows.len(), found.value.rows[0].id, found.position), (1, ana, told));
    assert_eq!(by_document(OTHER_SHOP, "12345678Z").await.value.rows, []);
    assert_eq!(addresses::list(pools, OTHER_SHOP, ana).await.unwrap(), None);

    let last = world.append(SHOP, ana, [address_removed(home, None), documented("87654321X"), bought(1)]).await;
    node.sees("customer_profiles", last).await;
    node.sees("customers", last).await;
    let listed = addresses::list(pools, SHOP, ana).await.unwrap().unwrap();
    assert_eq!((listed.value.rows.len(), listed.value.version), (1, Some(8)));
    assert_eq!(by_document(SHOP, "12345678Z").await.value.rows, []);
    assert_eq!(documents::list(pools, SHOP, ana).await.unwrap().unwrap().value.rows[0].number, "87654321X");
}

const ACCOUNT: &str = "'00000000-0000-0000-0000-000000000106'";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_come_out_of_their_index_in_order_under_row_level_security() {
    let world = World::start().await;
    let mut engine = world.as_role(Role::Engine).await;
    // 20 tenants with 100 customers and 20 events each.
    let each = "generate_series(1, 40000) n, lateral (select n % 20 + 1 as tenant, now() as at, \
                lpad((n / 20 % 100 + 100)::text, 32, '0')::uuid as id) x";
    for insert in [
        "loyalty_ledger_g1.loyalty_ledger (position, tenant, account, kind, points, held, balance, moved_on, \
         occurred_at, recorded_at) select n, tenant, id, 'earned', 1, 0, 1, at::date, at, at",
        "customer_timeline_g1.customer_timeline (position, tenant, customer_id, event_type, occurred_at, recorded_at, facts) \
         select n, tenant, id, 'customer.created', at, at, '{}'",
        "audit_trail_g1.audit_trail (position, tenant, event_type, category, stream, version, customer_id, actor, \
         request_id, correlation_id, causation_id, via, order_id, occurred_at, recorded_at) \
         select n, tenant, 'type.' || n / 20 % 100, 'loyalty', 'loyalty-' || id, 1, id, \
         'key:' || id, 'req-' || n / 20, 'trace-' || n / 20 % 1000, 'customer-' || n / 20 || '/1', \
         case when n / 20 % 10 = 0 then 'job' else 'http' end, 'order-' || n / 20 % 1000, at, at - interval '30 days' + n * interval '1 minute'",
    ] {
        engine.execute(AssertSqlSafe(format!("insert into {insert} from {each}"))).await.unwrap();
    }
    world.as_admin().await.execute("analyze").await.unwrap();
    let audited = |condition: &str| {
        format!("select * from audit_trail where true {condition} order by recorded_at desc, position desc limit 51")
    };
    let several_types = audited("and event_type = of_type.name");
    let several_types = format!(
        "select e.* from unnest('{{type.17,type.18}}'::text[]) of_type (name) cross join lateral ({several_types}) e \
         order by e.recorded_at desc, e.position desc limit 51"
    );
    let in_order = [
        (include_str!("../../src/loyalty/loyalty_ledger/page.sql").to_owned(), "idx_loyalty_ledger_account"),
        (
            include_str!("../../src/loyalty/loyalty_ledger/after.sql").replace("$1", "9000").replace("$2", "51"),
            "idx_loyalty_ledger_position",
        ),
        (
            // From the beginning: behind the last row of all nothing is left, and any index will do.
            include_str!("../../src/loyalty/loyalty_ledger/after_of.sql").replace("$2", "0"),
            "idx_loyalty_ledger_account",
        ),
        (include_str!("../../src/customers/customer_timeline/page.sql").to_owned(), "idx_customer_timeline_customer"),
        (audited(""), "idx_audit_trail_recorded"),
        (audited("and (recorded_at, position) < (now(), 9000)"), "idx_audit_trail_recorded"),
        (audited("and recorded_at >= '2026-01-01' and recorded_at < '2026-01-02'"), "idx_audit_trail_recorded"),
        (audited("and actor = 'key:00000000-0000-0000-0000-000000000106'"), "idx_audit_trail_actor"),
        (audited("and request_id = 'req-106'"), "idx_audit_trail_request"),
        (audited("and correlation_id = 'trace-106'"), "idx_audit_trail_correlation"),
        (audited("and causation_id = 'customer-106/1'"), "idx_audit_trail_causation"),
        (audited("and order_id = 'order-106'"), "idx_audit_trail_order"),
        (audited("and via = 'job'"), "idx_audit_trail_via"),
        (audited(&format!("and customer_id = {ACCOUNT}")), "idx_audit_trail_customer"),
        (audited("and stream = 'loyalty-00000000-0000-0000-0000-000000000106'"), "idx_audit_trail_stream"),
        (audited("and event_type = 'type.17' and recorded_at < now()"), "idx_audit_trail_type"),
        (several_types, "idx_audit_trail_type"),
    ];
    let mut request = world.as_role(Role::Request).await;
    request.execute("set app.tenant = '7'").await.unwrap();
    for (sql, index) in in_order {
        let plan = plan(&mut request, &sql).await;
        assert!(plan.contains(&format!("using {index}")), "{sql}: {plan}");
        assert!(!plan.contains("Seq Scan on loyalty") && !plan.contains("Seq Scan on audit"), "{sql}: {plan}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_conditions_the_rarest_leads_an_audit_and_a_page_looks_at_a_bounded_number_of_events() {
    let world = World::start().await;
    let node = world.node().await;
    let last = world.append(SHOP, fresh_id(), [enrolled()]).await;
    node.sees("audit_trail", last).await;
    // 6,000 events of the busy key, none of a type of which there are 6,000 others; and long before them one of that type, one of another.
    let events = "insert into audit_trail_g1.audit_trail (position, tenant, event_type, category, stream, version, actor, occurred_at, \
                  recorded_at) select 100 + n, 7, type, 'loyalty', 'loyalty-1', 1, actor, at, at from (\
                  select n, 'type.' || n % 2, case n % 2 when 0 then 'key:busy' else 'cli' end from generate_series(3, 12002) n \
                  union all values (1, 'type.1', 'key:busy'), (2, 'type.rare', 'key:busy')) of_event (n, type, actor), \
                  lateral (select timestamptz '2020-01-01Z' + n * interval '1 s' as at) x";
    world.as_role(Role::Engine).await.execute(events).await.unwrap();
    world.as_admin().await.execute("analyze").await.unwrap();
    let sizes = async |kind: &'static str| {
        let wanted = Search { actor: Some("key:busy".to_owned()), types: Some(vec![kind]), ..Search::default() };
        let (mut sizes, mut before) = (vec![], None);
        loop {
            let page = search::search(&node.pools, SHOP, wanted.clone(), before, 5).await.unwrap();
            assert_eq!(page.position, last);
            sizes.push(page.value.rows.len());
            before = page.value.next;
            if before.is_none() {
                return sizes;
            }
        }
    };
    assert_eq!(sizes("type.1").await, [0, 0, 0, 1]);
    assert_eq!(sizes("type.rare").await, [1]);
    assert_eq!(sizes("type.none").await, [0]);
}

async fn plan(request: &mut PgConnection, sql: &str) -> String {
    let values = [("$1", ACCOUNT), ("$2", "90000"), ("$3", "51"), ("$4", "null")];
    let sql = values.iter().fold(sql.to_owned(), |sql, (parameter, value)| sql.replace(parameter, value));
    let explain = format!("explain (costs off) {sql}");
    let lines = sqlx::query(AssertSqlSafe(explain)).fetch_all(request).await.unwrap();
    lines.iter().map(|line| line.get::<String, _>(0)).collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_ends_where_the_next_one_begins_and_says_what_it_reflects() {
    let world = World::start().await;
    let node = world.node().await;
    let ana = fresh_id();
    let first = world.append(SHOP, ana, [enrolled()]).await;
    node.sees("loyalty_ledger", first).await;
    let page = async |back: Back| loyalty_ledger::list(&node.pools, SHOP, ana, back).await.unwrap();
    let empty = page(Back::newest(3)).await;
    assert_eq!((empty.position, empty.value.rows.len(), empty.value.next), (first, 0, None));

    let last = world.append(SHOP, ana, (1..=6).map(earned)).await;
    node.sees("loyalty_ledger", last).await;
    let (mut lots, mut back) = (vec![], Back::newest(3));
    let mut sizes = vec![];
    loop {
        let page = page(back).await;
        assert_eq!(page.position, last);
        sizes.push(page.value.rows.len());
        lots.extend(page.value.rows.iter().filter_map(|row| row.lot));
        match page.value.next {
            Some(before) => back = Back { before, ..back },
            None => break,
        }
    }
    assert_eq!((sizes, lots), (vec![3, 3], vec![6, 5, 4, 3, 2, 1]));
    let (mut lots, mut after) = (vec![], Position(0));
    loop {
        let page = loyalty_ledger::list_after(&node.pools, SHOP, None, after, 4).await.unwrap();
        assert_eq!(page.position, last);
        lots.extend(page.value.rows.iter().map(|row| row.lot.unwrap()));
        let Some(next) = page.value.next else { break };
        after = next;
    }
    assert_eq!(lots, [1, 2, 3, 4, 5, 6], "the oldest first");
    let nobody = loyalty_ledger::list_after(&node.pools, SHOP, Some(fresh_id()), Position(0), 4).await.unwrap();
    assert_eq!((nobody.value.rows.len(), nobody.position), (0, last));
    let theirs = loyalty_ledger::list_after(&node.pools, OTHER_SHOP, None, Position(0), 4).await.unwrap();
    assert_eq!(theirs.value.rows, []);
    let theirs = loyalty_ledger::list(&node.pools, OTHER_SHOP, ana, Back::newest(3)).await.unwrap();
    assert_eq!(theirs.value.rows, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn points_that_are_due_are_not_outstanding_although_no_job_recorded_their_expiry() {
    let world = World::start().await;
    let node = world.node().await;
    world.append(SHOP, fresh_id(), [enrolled(), earned(1), earned(2)]).await;
    let last = world.append(SHOP, fresh_id(), [enrolled(), earned(1)]).await;
    for projector in ["loyalty_kpis", "loyalty_balances", "loyalty_programmes"] {
        node.sees(projector, last).await;
    }
    let range = (day("2026-01-10"), day("2026-02-09"));
    let told = async |tenant, today| {
        report::report(&node.pools, tenant, range, noon(today), &LoyaltyProgramme::default()).await.unwrap()
    };
    let before = told(SHOP, "2028-02-08").await;
    assert_eq!((before.position, before.value.sums.earned.points, before.value.sums.enrolled), (last, 72, 2));
    assert_eq!(before.value.days.iter().map(|known| known.day).collect::<Vec<_>>(), [range.0, range.1]);
    let outstanding = |report: &AsOf<Report>| {
        let known = &report.value.outstanding[0];
        (known.points, known.due, known.worth.map(|worth| worth.amount()))
    };
    assert_eq!(outstanding(&before), (72, 0, Some("0.72".to_owned())));
    assert_eq!(outstanding(&told(SHOP, "2028-02-09").await), (0, 72, Some("0.00".to_owned())));
    assert_eq!(told(OTHER_SHOP, "2028-02-08").await.value.outstanding, []);
    let lapses_at = "2026-03-01T12:15:00Z".parse().unwrap();
    let last = world.append(SHOP, fresh_id(), [enrolled(), earned(1), held(lapses_at)]).await;
    node.sees("loyalty_kpis", last).await;
    assert_eq!(outstanding(&told(SHOP, "2028-02-08").await).0, 96, "what is held is owed");
}

/// No job runs here: the days and hours go by, and what vests, lapses and expires with them stands in no event.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_owed_is_the_sum_of_what_all_accounts_have_at_any_moment() {
    let world = World::start().await;
    let node = world.node().await;
    let lapses_at = "2026-03-01T12:15:00Z".parse().unwrap();
    let accounts = [fresh_id(), fresh_id(), fresh_id(), fresh_id()];
    world.append(SHOP, accounts[0], [enrolled(), earned(1), pending(2, Some("2026-03-01"))]).await;
    world.append(SHOP, accounts[1], [enrolled(), pending(1, None)]).await;
    let several = [enrolled(), earned(1), pending(2, Some("2026-03-15")), pending(3, Some("2026-03-01"))];
    world.append(SHOP, accounts[2], several).await;
    let last = world.append(SHOP, accounts[3], [enrolled(), earned(1), held(lapses_at)]).await;
    for projector in ["loyalty_kpis", "loyalty_balances", "loyalty_programmes"] {
        node.sees(projector, last).await;
    }
    for (date, points, vested, due) in [
        ("2026-02-28", 72, 0, 0),
        ("2026-03-01", 172, 100, 0),
        ("2026-03-02", 172, 100, 0),
        ("2026-03-15", 222, 150, 0),
        ("2028-02-08", 222, 150, 0),
        ("2028-02-09", 150, 150, 72),
        ("2028-04-01", 0, 0, 72),
    ] {
        let now = noon(date);
        let mut have = 0;
        for account in accounts {
            let found = loyalty_balances::find(&node.pools, SHOP, account, now).await.unwrap().unwrap().value;
            have += found.available + found.held;
        }
        let range = (now.today, now.today);
        let told = report::report(&node.pools, SHOP, range, now, &LoyaltyProgramme::default()).await.unwrap();
        let owed = &told.value.outstanding[0];
        assert_eq!((owed.points, owed.vested, owed.due), (points, vested, due), "{date}");
        assert_eq!(have, points, "{date}");
    }
}

/// Of a million accounts a few have points that grew too old and whose expiry nobody has recorded yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_report_reads_no_account_but_those_with_points_that_are_due() {
    let world = World::start().await;
    let many = "insert into loyalty_balances_g1.loyalty_balances (account, tenant, currency, available, pending, held, \
                lifetime_earned, redeemed, expired, reversed, adjusted, transferred_in, transferred_out, returned, earned_last_12_months, tier, enrolled_on, lots, updated_at, \
                position, version, holds, pending_points, stamp_cards, rewards, next_expiry_on, next_vest_on, next_lapse_at) \
                select lpad(n::text, 32, '0')::uuid, n % 2 + 7, 'EUR', 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 'bronze', '2026-01-01', '[]', now(), n, 1, \
                '[]', '[]', '[]', '[]', day, day, day from generate_series(1, 20000) n, lateral (select date '2026-03-01' + n % 700 as day) x";
    world.as_role(Role::Engine).await.execute(many).await.unwrap();
    world.as_admin().await.execute("analyze").await.unwrap();
    let mut request = world.as_role(Role::Request).await;
    request.execute("set app.tenant = '7'").await.unwrap();
    let values = [
        ("$1", "date '2026-02-01'"),
        ("$2", "date '2026-03-02'"),
        ("$3", "date '2026-03-02'"),
        ("$4", "timestamptz '2026-03-02 12:00Z'"),
    ];
    let sql = include_str!("../../src/loyalty/loyalty_kpis/report.sql").to_owned();
    let sql = values.iter().fold(sql, |sql, (parameter, value)| sql.replace(parameter, value));
    let plan = plan(&mut request, &sql).await;
    for index in ["expiry", "vest", "lapse"] {
        assert!(plan.contains(&format!("idx_loyalty_balances_{index}")), "{index}: {plan}");
    }
    assert!(!plan.contains("Seq Scan on loyalty_balances"), "{plan}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_are_told_which_accounts_of_a_tenant_are_due_the_longest_first() {
    let world = World::start().await;
    let node = world.node().await;
    let (ana, eva, leo) = (fresh_id(), fresh_id(), fresh_id());
    let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
    world.append(SHOP, ana, [enrolled(), earned(1), upgraded("2026-02-09"), held(at("2026-03-01T12:15:00Z"))]).await;
    world.append(SHOP, eva, [enrolled(), earned(1), held(at("2026-03-01T12:10:00Z"))]).await;
    world.append(OTHER_SHOP, fresh_id(), [enrolled(), earned(1), held(at("2026-03-01T12:05:00Z"))]).await;
    let last = world.append(SHOP, leo, [enrolled()]).await;
    node.sees("loyalty_balances", last).await;
    let pools = &node.pools;
    let lapses = async |until, after| due_hold_lapses(pools, SHOP, at(until), 1, after).await.unwrap();
    assert_eq!(lapses("2026-03-01T12:09:59Z", None).await, []);
    let first = lapses("2026-03-01T12:15:00Z", None).await;
    assert_eq!(first, [Due { account: eva, since: at("2026-03-01T12:10:00Z") }]);
    let second = lapses("2026-03-01T12:15:00Z", first.last()).await;
    assert_eq!(second, [Due { account: ana, since: at("2026-03-01T12:15:00Z") }]);
    assert_eq!(lapses("2026-03-01T12:15:00Z", second.last()).await, []);

    // All points of the accounts are held: nothing expires before the holds end.
    assert_eq!(due_expiries(pools, SHOP, day("2030-01-01"), 10, None).await.unwrap(), []);
    let review = Due { account: ana, since: day("2027-01-10") };
    assert_eq!(due_reviews(pools, SHOP, day("2027-01-09"), 10, None).await.unwrap(), []);
    assert_eq!(due_reviews(pools, SHOP, day("2027-01-10"), 10, None).await.unwrap(), [review]);
    assert_eq!(due_reviews(pools, OTHER_SHOP, day("2027-01-10"), 10, None).await.unwrap(), []);
    let last = world.append(SHOP, leo, [earned(1)]).await;
    node.sees("loyalty_balances", last).await;
    let expiry = Due { account: leo, since: day("2028-02-09") };
    assert_eq!(due_expiries(pools, SHOP, day("2028-02-08"), 10, None).await.unwrap(), []);
    assert_eq!(due_expiries(pools, SHOP, day("2028-02-09"), 10, None).await.unwrap(), [expiry]);
    assert_eq!(due_expiries(pools, SHOP, day("2028-02-09"), 10, Some(&expiry)).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_due_is_found_by_its_index() {
    let world = World::start().await;
    let mut engine = world.as_role(Role::Engine).await;
    let many = "insert into loyalty_balances_g1.loyalty_balances (account, tenant, currency, available, pending, held, \
                lifetime_earned, redeemed, expired, reversed, adjusted, transferred_in, transferred_out, returned, earned_last_12_months, tier, enrolled_on, lots, updated_at, \
                position, version, holds, pending_points, stamp_cards, rewards, next_lapse_at, next_expiry_on, review_on, next_vest_on) \
                select lpad(n::text, 32, '0')::uuid, n % 20 + 1, 'EUR', 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 'bronze', day, '[]', at, n, 1, \
                '[]', '[]', '[]', '[]', at, day, day, day from generate_series(1, 20000) n, \
                lateral (select date '2026-01-01' + n % 700 as day, timestamptz '2026-01-01 00:00Z' + n * interval '1 h' as at) x";
    engine.execute(many).await.unwrap();
    world.as_admin().await.execute("analyze").await.unwrap();
    for (sql, index, until) in [
        (include_str!("../../src/loyalty/loyalty_balances/due_expiries.sql"), "expiry", "date '2026-03-01'"),
        (include_str!("../../src/loyalty/loyalty_balances/due_vestings.sql"), "vest", "date '2026-03-01'"),
        (include_str!("../../src/loyalty/loyalty_balances/due_hold_lapses.sql"), "lapse", "timestamptz '2026-03-01Z'"),
        (include_str!("../../src/loyalty/loyalty_balances/due_reviews.sql"), "review", "date '2026-03-01'"),
    ] {
        let kind = until.split(' ').next().unwrap();
        let after = format!("{kind} '2026-01-15'");
        let values = [("$1", "7"), ("$2", until), ("$3", &after), ("$4", ACCOUNT), ("$5", "100")];
        let sql = values.iter().fold(sql.to_owned(), |sql, (parameter, value)| sql.replace(parameter, value));
        let lines =
            sqlx::query(AssertSqlSafe(format!("explain (costs off) {sql}"))).fetch_all(&mut engine).await.unwrap();
        let plan: Vec<String> = lines.iter().map(|line| line.get(0)).collect();
        let plan = plan.join("\n");
        assert!(plan.contains(&format!("using idx_loyalty_balances_{index}")) && !plan.contains("Sort"), "{plan}");
    }
}
