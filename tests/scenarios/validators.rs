//! Verdicts on what people type: the examples of the requirements over HTTP, what is refused, and that nothing is written.

use crate::support::World;
use reqwest::Method;
use serde_json::{Value, json};

/// Asks for a verdict; it leaves no trace in the log.
async fn verdict(world: &World, name: &str, body: Value) -> Value {
    let head = world.head().await;
    let answer = world.post(&format!("/v1/validators/{name}"), body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(world.head().await, head, "a verdict is no event");
    answer.body
}

#[tokio::test]
async fn an_address_a_number_and_a_document_are_judged_with_each_check() {
    let world = World::start().await;
    let email = verdict(&world, "email", json!({"email": "cliente@empresa.com"})).await;
    assert_eq!((&email["valid"], &email["domain"]), (&json!(true), &json!("empresa.com")));
    assert_eq!(email["checks"]["domain_format"]["status"], "passed");
    assert_eq!(
        (email["checks"].get("temporary_domain"), &email["checks"]["mx"]["status"]),
        (Some(&Value::Null), &json!("skipped"))
    );
    let temporary = verdict(&world, "email", json!({"email": "test@10minutemail.com"})).await;
    assert_eq!(
        (&temporary["valid"], &temporary["checks"]["temporary_domain"]["status"]),
        (&json!(true), &json!("warning"))
    );
    let other = verdict(&world, "email", json!({"email": "ana@MÜNCHEN.de"})).await;
    assert_eq!((&other["email"], &other["ascii_domain"]), (&json!("ana@münchen.de"), &json!("xn--mnchen-3ya.de")));

    let phone = verdict(&world, "phone", json!({"phone": "+34612345678", "country": "ES"})).await;
    assert_eq!(
        (&phone["valid"], &phone["phone"], &phone["type"]),
        (&json!(true), &json!("+34612345678"), &json!("mobile"))
    );
    assert_eq!(
        (&phone["checks"]["length"]["status"], &phone["checks"]["country_format"]["status"]),
        (&json!("passed"), &json!("passed"))
    );

    for (kind, number, letter) in [("DNI", "12345678A", "Z"), ("NIE", "X1234567A", "L")] {
        let body = json!({"type": kind, "number": number, "country": "ES"});
        let lenient = verdict(&world, "document", body.clone()).await;
        let control = &lenient["checks"]["control_letter"];
        assert_eq!((&lenient["valid"], &control["status"]), (&json!(true), &json!("failed")), "{lenient}");
        assert!(
            control["message"].as_str().is_some_and(|message| message.ends_with(&format!("expected {letter}"))),
            "{control}"
        );
        let mut strict = body;
        strict["strict_documents"] = json!(true);
        assert_eq!(verdict(&world, "document", strict).await["valid"], false);
    }
    let account = verdict(&world, "document", json!({"kind": "iban", "number": "ES91 2100 0418 4502 0005 1332"})).await;
    assert_eq!((&account["valid"], &account["number"]), (&json!(true), &json!("ES9121000418450200051332")));
}

#[tokio::test]
async fn the_risk_of_the_requirements_is_thirty_five() {
    let world = World::start().await;
    let customer =
        json!({"customer_email": "test@10minutemail.com", "company_name": "Test Corp", "phone": "+1234567890"});
    let risk = verdict(&world, "risk", customer).await;
    assert_eq!(risk["risk_score"], 35);
    assert_eq!((&risk["risk_level"], &risk["recommendation"]), (&json!("medium"), &json!("manual_review")));
    assert_eq!(
        risk["risk_factors"],
        json!(["Temporary email domain detected", "Email domain doesn't match company name"])
    );
    let status = |name: &str| risk["checks"][name]["status"].clone();
    assert_eq!((status("duplicate"), status("blocked")), (json!("passed"), json!("passed")));
    assert_eq!(status("velocity"), "skipped", "what is not looked up is said");
}

#[tokio::test]
async fn who_is_known_or_blocked_is_suspicious_to_who_may_know_it_and_what_is_none_is_to_all() {
    let world = World::start().await;
    let body = json!({"emails": ["ana@example.com"], "phones": ["+34612345678"], "documents": [{"kind": "dni", "number": "12345678Z"}]});
    let registered = world.post("/v1/customers", body).await;
    let customer = registered.body["customer_id"].as_str().expect("an id").to_owned();
    let seen = async |position: Option<i64>| {
        let path = format!("/v1/customers?phone=%2B34612345678&min_position={}", position.expect("a position"));
        assert_eq!(world.get(&path).await.status, 200);
    };
    seen(registered.position).await;
    let asked = [
        json!({"customer_email": " ANA@example.com "}),
        json!({"phone": "612 345 678", "country": "ES"}),
        json!({"document": {"kind": "NIF", "number": "ES12345678Z"}}),
    ];
    for body in &asked {
        let risk = verdict(&world, "risk", body.clone()).await;
        assert_eq!(
            (&risk["risk_score"], &risk["risk_factors"]),
            (&json!(15), &json!(["Customer is known already"])),
            "{body}"
        );
    }
    let block = json!({"reason": "fraud"});
    let path = format!("/v1/customers/{customer}/block");
    let blocked = world.ask_as(Some(world.key()), reqwest::Method::PUT, &path, Some(block)).await;
    seen(blocked.position).await;
    for body in &asked {
        let risk = verdict(&world, "risk", body.clone()).await;
        assert_eq!(
            (&risk["risk_score"], &risk["recommendation"]),
            (&json!(75), &json!("reject_or_manual_approval")),
            "{body}"
        );
    }
    let other = json!({"document": {"kind": "national_id", "number": "12345678Z", "country": "AD"}});
    assert_eq!(verdict(&world, "risk", other).await["risk_score"], 0);
    let made = world.run_json(&["key", "create", "web", "--scope", "onboarding:read", "--json"]);
    for body in &asked {
        let risk =
            world.ask_as(made["key"].as_str(), reqwest::Method::POST, "/v1/validators/risk", Some(body.clone())).await;
        let status = |name: &str| risk.body["checks"][name]["status"].clone();
        assert_eq!(
            (risk.body["risk_score"].clone(), status("duplicate"), status("blocked")),
            (json!(0), json!("skipped"), json!("skipped"))
        );
    }
    let none = verdict(&world, "risk", json!({"customer_email": "ana", "phone": "call me"})).await;
    assert_eq!((&none["risk_score"], &none["risk_level"]), (&json!(60), &json!("high")), "{none}");
}

#[tokio::test]
async fn a_whole_customer_is_judged_at_once() {
    let world = World::start().await;
    let customer = json!({
        "customer_email": "cliente@empresa.com", "first_name": "Juan", "last_name": "Pérez", "company_name": "Empresa ABC",
        "phone": "+34612345678", "country": "ES", "service_plan": "premium",
    });
    let good = verdict(&world, "customer", customer).await;
    assert_eq!((&good["valid"], &good["errors"], &good["warnings"]), (&json!(true), &json!([]), &json!([])));
    let parts = good["checks"].as_object().expect("parts");
    assert!(["email", "phone", "business", "risk"].iter().all(|part| parts[*part].is_object()), "{good}");
    assert_eq!((&good["checks"]["risk"]["risk_score"], &good["checks"]["document"]), (&json!(0), &Value::Null));

    let bad =
        json!({"customer_email": "ana", "phone": "12", "country": "ES", "document": {"kind": "dni", "number": "1"}});
    let bad = verdict(&world, "customer", bad).await;
    assert_eq!((&bad["valid"], bad["errors"].as_array().map(Vec::len)), (&json!(false), Some(4)), "{bad}");
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_and_so_is_who_may_not() {
    let world = World::start().await;
    let cases = [
        ("email", json!({}), "422 validation_failed /email missing_field"),
        ("email", json!({"email": "a", "name": "b"}), "422 validation_failed /name unknown_field"),
        ("email", json!({"email": "a".repeat(1_001)}), "422 validation_failed /email too_long"),
        ("phone", json!({"phone": "600123456", "country": "Spain"}), "422 validation_failed /country unknown_country"),
        ("document", json!({"kind": "licence", "number": "1"}), "422 validation_failed /kind unknown_kind"),
        (
            "customer",
            json!({"document": {"kind": "x", "number": "1"}}),
            "422 validation_failed /document/kind unknown_kind",
        ),
        ("risk", json!({"customer_email": 7}), "422 validation_failed /customer_email wrong_type"),
    ];
    for (name, body, expected) in cases {
        let answer = world.post(&format!("/v1/validators/{name}"), body).await;
        assert_eq!(answer.refusal(), expected, "{}", answer.body);
    }
    let made = world.run_json(&["key", "create", "till", "--scope", "customers:read", "--json"]);
    let key = made["key"].as_str().expect("it is told once");
    for name in ["email", "phone", "document", "risk", "customer"] {
        let path = format!("/v1/validators/{name}");
        let body = json!({"email": "ana@example.com"});
        let body = if name == "email" {
            body
        } else {
            world.get("/openapi.json").await.body["paths"][&path]["post"]["requestBody"]["content"]["application/json"]
                ["example"]
                .clone()
        };
        let answer = world.ask_as(Some(key), Method::POST, &path, Some(body)).await;
        assert_eq!(answer.refusal(), "403 scope_missing", "{path}");
    }
}

#[tokio::test]
async fn a_verdict_follows_the_settings_of_the_tenant_unless_the_request_says_otherwise() {
    let world = World::start().await;
    let document = json!({"kind": "dni", "number": "12345678A"});
    let customer = json!({"customer_email": "test@10minutemail.com", "country": "ES", "document": document});
    let said = |body: &Value, strict: bool| {
        let mut body = body.clone();
        body["strict_documents"] = json!(strict);
        body
    };
    assert_eq!(verdict(&world, "document", document.clone()).await["valid"], true);
    assert_eq!(verdict(&world, "customer", customer.clone()).await["valid"], true);
    assert_eq!(verdict(&world, "risk", customer.clone()).await["risk_score"], 45);

    let settings = json!({"strict_documents": true, "risk_weights": {"temporary_domain": 0, "document_control": 70}});
    let changed = world.ask_as(Some(world.key()), Method::PUT, "/v1/tenant/settings", Some(settings)).await;
    assert_eq!(changed.status, 200, "{}", changed.body);
    let strict = verdict(&world, "document", document.clone()).await;
    assert_eq!((&strict["valid"], &strict["checks"]["control_letter"]["status"]), (&json!(false), &json!("failed")));
    assert_eq!(verdict(&world, "document", said(&document, false)).await["valid"], true);
    assert_eq!(verdict(&world, "customer", customer.clone()).await["valid"], false);
    assert_eq!(verdict(&world, "customer", said(&customer, false)).await["valid"], true);
    let risk = verdict(&world, "risk", customer).await;
    assert_eq!((&risk["risk_score"], &risk["risk_level"]), (&json!(70), &json!("high")), "{risk}");
}

#[tokio::test]
async fn a_document_of_spain_is_of_spains_kinds() {
    let world = World::start().await;
    for kind in ["national_id", "tax_id"] {
        let verdict = verdict(&world, "document", json!({"kind": kind, "number": "B58378431", "country": "ES"})).await;
        let format = &verdict["checks"]["format"];
        let told = format["message"].as_str().expect("words");
        assert_eq!((&verdict["valid"], &format["status"]), (&json!(false), &json!("failed")));
        assert!(told.ends_with("dni, nie, cif and nif"), "{told}");
    }
}
