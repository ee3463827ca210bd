//! What stands on the page: all that events say, and nothing that runs.

use super::parts::Head;
use super::{CONTENTS, INNER_POLICY, POLICY, STYLE, company, entry};
use crate::http::customers::export::details::tests::leaves;
use crate::http::customers::export::words::Actors;
use crate::http::recorded::tests::recorded;
use askama::Template;
use chrono_tz::Tz;
use domain::{Category, Event, Sealed};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::{Personal, RecordedEvent};
use uuid::Uuid;

const ZONE: Tz = Tz::Europe__Madrid;

fn plain(html: &str) -> String {
    let html = html.replace("&#60;", "<").replace("&#62;", ">").replace("&#34;", "\"").replace("&#39;", "'");
    html.replace("&#38;", "&")
}

fn told(event: &RecordedEvent) -> String {
    match entry(event, &Actors::of(&[]), ZONE) {
        Ok(html) => html,
        Err(_) => panic!("{} has no entry", event.event_type),
    }
}

/// Every version of every event that was ever released, as it was stored.
fn golden() -> Vec<(&'static str, i16, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../domain/tests/golden_events");
    let files = |folder: PathBuf| fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let of_type = |name: &'static str| {
        let named = files(folder.join(name)).map(move |path| {
            let file = path.file_name().expect("a name").to_string_lossy().into_owned();
            let version = file.trim_start_matches('v').split('.').next().and_then(|version| version.parse().ok());
            let text = fs::read_to_string(path).expect("a golden file");
            (name, version.expect("a version"), serde_json::from_str(&text).expect("JSON"))
        });
        named.collect::<Vec<_>>()
    };
    Event::TYPES.iter().copied().flat_map(of_type).collect()
}

fn stored((event_type, schema_version, golden): &(&'static str, i16, Value)) -> RecordedEvent {
    let personal = golden.get("personal").map_or(Personal::Absent, |said| Personal::Opened(said.to_string().into()));
    let payload = Arc::from(golden["payload"].to_string());
    RecordedEvent { event_type, schema_version: *schema_version, payload, ..recorded(7, personal) }
}

#[test]
fn every_event_of_a_person_has_a_sentence_and_shows_each_of_its_fields() {
    let mut count = 0;
    for one in golden() {
        let event = stored(&one);
        let sealed = match &event.personal {
            Personal::Opened(bytes) => Sealed::Opened(bytes),
            _ => Sealed::Absent,
        };
        let decoded = Event::decode(event.event_type, event.schema_version, event.payload.as_bytes(), sealed);
        let category = decoded.expect("it was released").stream_category();
        if matches!(category, Category::Tenant | Category::ApiKey | Category::Projection) {
            continue;
        }
        let html = plain(&told(&event));
        assert!(!html.contains(&format!("<h3>{}", event.event_type)), "{html}");
        for leaf in leaves(&one.2, ZONE) {
            assert!(html.contains(&leaf), "{} does not show {leaf}: {html}", event.event_type);
        }
        count += 1;
    }
    assert!(count > 30, "{count}");
}

#[test]
fn what_people_write_is_text_and_nothing_else() {
    let hostile = r#"</dd><script>alert("1")</script><img src=x onerror='alert(2)'>&amp;"#;
    let personal = json!({"name": hostile, "emails": ["a@example.com"], hostile: {"deep": hostile}});
    let event = RecordedEvent {
        event_type: "customer.created",
        payload: Arc::from(r#"{"kind":"individual","registered_on":"2026-01-10"}"#),
        metadata: Arc::from(json!({ "actor": hostile }).to_string()),
        ..recorded(7, Personal::Opened(personal.to_string().into()))
    };
    let html = told(&event);
    assert!(plain(&html).contains(hostile), "it is all there: {html}");
    assert!(!html.contains("<script") && !html.contains("<img") && !html.contains("&amp;"), "{html}");
    let whole = head(hostile);
    assert!(!whole.contains("<script") && !whole.contains("<img"), "{whole}");
}

#[test]
fn what_was_erased_is_said_to_be() {
    let event = RecordedEvent { event_type: "customer.created", ..recorded(7, Personal::Erased) };
    assert!(told(&event).contains("was erased"));
}

fn head(company: &str) -> String {
    let head = Head {
        policy: &INNER_POLICY,
        style: STYLE,
        company,
        made_at: "today",
        zone: "UTC",
        customer: Uuid::nil(),
        position: 7,
        contents: &CONTENTS,
    };
    head.render().expect("it has all it needs")
}

#[test]
fn a_tenant_that_nobody_has_named_is_not_told_to_persons() {
    assert_eq!((company("default"), company("acme")), (None, Some("acme")));
}

#[test]
fn the_page_stands_alone_and_may_do_nothing() {
    let html = head("Acme");
    let (_, style) = html.split_once("<style>").expect("a style sheet");
    assert!(style.starts_with(STYLE) && style[STYLE.len()..].starts_with("</style>"), "as it was hashed");
    for outside in ["<script", "<link", "<img", "<iframe", "src=", "@import", "url(", "http:", "https:", "style=\""] {
        assert!(!html.contains(outside), "{outside}");
    }
    assert!(html.split("href=\"").skip(1).all(|link| link.starts_with('#')));
    for policy in [INNER_POLICY.as_str(), POLICY.as_str()] {
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("unsafe"), "{policy}");
    }
}
