//! Persons with something unmistakable in every field that can hold it, and requests that say it and are refused.

use crate::client::{Caller, Reply};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(60);
/// The letter of a Spanish number, by its remainder.
const LETTERS: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";

/// What all that is planted begins with: nothing else in an installation does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signs {
    pub(crate) word: &'static str,
    pub(crate) phones: [&'static str; 2],
    pub(crate) document: &'static str,
}

/// Of those who are erased.
pub(crate) const ERASED: Signs = Signs { word: "zyzzq", phones: ["+3461199", "+3463399"], document: "Y9183" };
/// Of those who stay.
pub(crate) const STAYING: Signs = Signs { word: "bywlk", phones: ["+3461188", "+3463388"], document: "Y5272" };

/// A person.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) n: usize,
    pub(crate) signs: Signs,
    pub(crate) id: Uuid,
}

/// A command that was carried out or refused, to be sent again.
#[derive(Debug, Clone)]
pub(crate) struct Command {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) body: Value,
    pub(crate) key: String,
    pub(crate) reply: Reply,
}

/// Two nodes, asked in turn.
#[derive(Debug)]
pub(crate) struct Clerk<'a> {
    pub(crate) nodes: &'a [Caller; 2],
    turn: usize,
    key: String,
    pub(crate) commands: Vec<Command>,
}

impl<'a> Clerk<'a> {
    pub(crate) fn new(nodes: &'a [Caller; 2], key: &str) -> Self {
        Self { nodes, turn: 0, key: key.to_owned(), commands: Vec::new() }
    }

    /// Sends a command, again while the node says so; the next one goes to the other node.
    pub(crate) async fn says(&mut self, method: Method, path: &str, body: Value) -> Reply {
        self.turn += 1;
        let key = format!("{}-{}", self.key, self.turn);
        let reply = settled(&self.nodes[self.turn % 2], (&method, path, &body), &key).await;
        let command = Command { method, path: path.to_owned(), body, key, reply: reply.clone() };
        self.commands.push(command);
        reply
    }

    /// The same, and it is done.
    pub(crate) async fn does(&mut self, method: Method, path: &str, body: Value) -> Value {
        let reply = self.says(method, path, body).await;
        assert!(reply.status < 300, "{path}: {}", reply.text);
        reply.body()
    }

    /// The same, and it is not done.
    async fn is_refused(&mut self, method: Method, path: &str, body: Value) {
        let reply = self.says(method, path, body).await;
        assert!((400..500).contains(&reply.status), "{path}: {} {}", reply.status, reply.text);
    }
}

/// Asks until there is an answer that is no "ask again".
pub(crate) async fn settled(node: &Caller, (method, path, body): (&Method, &str, &Value), key: &str) -> Reply {
    let began = Instant::now();
    loop {
        let answer = node.send(method.clone(), path, Some(body), Some(key)).await;
        if let Some(reply) = answer.filter(|reply| !asks_again(reply)) {
            return reply;
        }
        assert!(began.elapsed() < PATIENCE, "no answer to {method} {path}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Whether nothing was done and it is to be asked again.
pub(crate) fn asks_again(reply: &Reply) -> bool {
    reply.status == 503 || (reply.status == 409 && reply.code() == "conflict")
}

impl Signs {
    /// A word of the person with this number.
    pub(crate) fn of(&self, n: usize, what: &str) -> String {
        let word = self.word;
        format!("{}{}{n:04}{what}", word[..1].to_uppercase(), &word[1..])
    }

    pub(crate) fn email(&self, n: usize, what: &str) -> String {
        format!("{}{n:04}.{what}@example.org", self.word)
    }

    pub(crate) fn phone(&self, n: usize, which: usize) -> String {
        format!("{}{n:04}", self.phones[which])
    }

    pub(crate) fn passport(&self, n: usize) -> String {
        format!("{}{n:04}P", self.word.to_uppercase())
    }

    /// A number of a foreigner in Spain: a letter, seven digits, a letter that fits.
    pub(crate) fn nie(&self, n: usize) -> String {
        let digits = format!("{}{n:03}", &self.document[1..]);
        let number: usize = format!("1{digits}").parse().expect("digits");
        format!("Y{digits}{}", char::from(LETTERS[number % 23]))
    }

    /// What the other system of imports calls the person.
    pub(crate) fn reference(&self, n: usize) -> String {
        format!("{}{n:04}-imported", self.word)
    }
}

/// Whether a person comes by an import, or is registered.
pub(crate) const fn is_imported(n: usize) -> bool {
    n % 4 == 3
}

/// A person whom both nodes know, with everything that can be known.
pub(crate) async fn plant(clerk: &mut Clerk<'_>, signs: Signs, n: usize) -> Person {
    let id = if is_imported(n) { found(clerk, signs, n).await } else { registered(clerk, signs, n).await };
    let person = Person { n, signs, id };
    tells_who_it_is(clerk, &person).await;
    lives_somewhere(clerk, &person).await;
    buys_and_earns(clerk, &person).await;
    is_refused_much(clerk, &person).await;
    is_handed_out(clerk, &person).await;
    person
}

async fn registered(clerk: &mut Clerk<'_>, signs: Signs, n: usize) -> Uuid {
    let register = json!({
        "kind": "business", "name": signs.of(n, " Nomen"), "company": signs.of(n, " Firma"), "language": "es",
        "currency": "EUR", "source": "web", "loyalty": true,
        "emails": [signs.email(n, "a"), signs.email(n, "b")], "phones": [signs.phone(n, 0)],
        "documents": [{"kind": "passport", "number": signs.passport(n), "country": "MX"}],
        "references": [
            {"system": "stripe", "reference": format!("cus_{}{n:04}", signs.word)},
            {"system": "crm", "reference": format!("{}{n:04}-crm", signs.word)},
        ],
    });
    let registered = clerk.does(Method::POST, "/v1/customers", register).await;
    registered["customer_id"].as_str().and_then(|id| id.parse().ok()).expect("an id")
}

/// Who came by the import is known by a reference.
async fn found(clerk: &Clerk<'_>, signs: Signs, n: usize) -> Uuid {
    let (_, text) = clerk.nodes[0].text(&format!("/v1/customers?reference=import:{}", signs.reference(n))).await;
    let found: Value = serde_json::from_str(&text).unwrap_or_default();
    found["items"][0]["customer_id"].as_str().and_then(|id| id.parse().ok()).unwrap_or_else(|| panic!("{n}: {text}"))
}

async fn tells_who_it_is(clerk: &mut Clerk<'_>, person: &Person) {
    let Person { n, signs, .. } = *person;
    let change = json!({
        "name": signs.of(n, " Secundus"), "company": signs.of(n, " Filii"),
        "emails": [signs.email(n, "c"), signs.email(n, "a")], "phones": [signs.phone(n, 1), signs.phone(n, 0)],
        "documents": [
            {"kind": "nie", "number": signs.nie(n), "country": "ES"},
            {"kind": "passport", "number": signs.passport(n), "country": "MX"},
        ],
    });
    clerk.does(Method::PATCH, &person.path(""), change).await;
    let likes = json!({
        "channels": ["web"], "categories": ["coffee"], "notifications": [{"topic": "offers", "channels": ["email"]}],
        "restrictions": [signs.of(n, " nuts"), signs.of(n, " milk")],
        "favourite_orders": [{
            "name": signs.of(n, " usual"), "items": [{"sku": "SKU-1", "quantity": 2}], "note": signs.of(n, " hot"),
        }],
    });
    clerk.does(Method::PATCH, &person.path("/preferences"), likes).await;
}

async fn lives_somewhere(clerk: &mut Clerk<'_>, person: &Person) {
    let Person { n, signs, .. } = *person;
    let mut last = String::new();
    for kind in ["shipping", "billing"] {
        let address = json!({
            "kind": kind, "name": signs.of(n, " Vicinus"), "line1": signs.of(n, " Via"), "line2": signs.of(n, " Scala"),
            "city": signs.of(n, " Urbs"), "region": signs.of(n, " Regio"), "postal_code": "28013", "country": "ES",
            "phone": signs.phone(n, 1), "instructions": signs.of(n, " Pulsa"),
        });
        let added = clerk.does(Method::POST, &person.path("/addresses"), address).await;
        last = added["address_id"].as_str().expect("an id").to_owned();
    }
    let moved = json!({"line1": signs.of(n, " Platea")});
    clerk.does(Method::PATCH, &person.path(&format!("/addresses/{last}")), moved).await;
}

async fn buys_and_earns(clerk: &mut Clerk<'_>, person: &Person) {
    if is_imported(person.n) {
        // The import made a member of it already.
        clerk.says(Method::POST, &person.path("/loyalty"), json!({"currency": "EUR"})).await;
    }
    let order = |nth: u8| format!("order-{}-{nth}", person.n);
    let bought = json!({
        "order_id": order(1), "total": "900.00", "currency": "EUR", "channel": "web",
        "lines": [{"sku": "SKU-1", "category": "coffee", "quantity": 1, "amount": "900.00"}],
    });
    clerk.does(Method::POST, &person.path("/purchases"), bought).await;
    let refund = json!({"order_id": order(1), "refund_id": "refund-1", "amount": "100.00", "currency": "EUR"});
    clerk.does(Method::POST, &person.path("/refunds"), refund).await;
    let earned = json!({"order_id": order(2), "total": "50.00", "currency": "EUR"});
    clerk.does(Method::POST, &person.path("/loyalty/earn"), earned).await;
    let redeemed = json!({"order_id": order(3), "points": 100});
    clerk.does(Method::POST, &person.path("/loyalty/redeem"), redeemed).await;
    let held = json!({"order_id": order(4), "points": 100});
    clerk.does(Method::POST, &person.path("/loyalty/holds"), held).await;
}

/// Whatever is not taken must not be kept anywhere either.
async fn is_refused_much(clerk: &mut Clerk<'_>, person: &Person) {
    let Person { n, signs, .. } = *person;
    let again = json!({"name": signs.of(n, " Alter"), "emails": [signs.email(n, "a")]});
    clerk.is_refused(Method::POST, "/v1/customers", again).await;
    let broken = json!({"phones": [signs.of(n, " no phone")], "emails": [signs.of(n, " no mail")]});
    clerk.is_refused(Method::PATCH, &person.path(""), broken).await;
    let unknown = json!({ signs.of(n, ""): signs.of(n, " value") });
    clerk.is_refused(Method::PATCH, &person.path(""), unknown).await;
    let nobody = json!({"kind": "shipping", "line1": signs.of(n, " Via"), "country": signs.of(n, "")});
    clerk.is_refused(Method::POST, &person.path("/addresses"), nobody).await;
    let nowhere = format!("/v1/customers/{}", signs.of(n, ""));
    clerk.is_refused(Method::PATCH, &nowhere, json!({"name": signs.of(n, " Nemo")})).await;
    for path in [
        format!("/v1/{}", signs.of(n, "")),
        format!("/v1/customers?email={}&{}=1", signs.email(n, "a"), signs.of(n, "")),
        format!("/v1/customers?cursor={}", signs.of(n, "")),
        format!("/v1/feed?stream={}", signs.of(n, "")),
    ] {
        let (status, text) = clerk.nodes[n % 2].text(&path).await;
        assert!(status.is_client_error(), "{path}: {text}");
    }
}

async fn is_handed_out(clerk: &Clerk<'_>, person: &Person) {
    for format in ["json", "html"] {
        let (status, text) = clerk.nodes[person.n % 2].text(&person.path(&format!("/export?format={format}"))).await;
        assert!(status.is_success() && text.contains(&person.signs.of(person.n, " Nomen")[..9]), "{text}");
    }
}

impl Person {
    pub(crate) fn path(&self, below: &str) -> String {
        format!("/v1/customers/{}{below}", self.id)
    }

    /// Whether a text says something that only tells of this person.
    pub(crate) fn is_told_in(&self, text: &str) -> bool {
        let Self { n, signs, .. } = self;
        let text = text.to_lowercase();
        let word = format!("{}{n:04}", signs.word);
        [word, signs.phone(*n, 0)[1..].to_owned(), signs.phone(*n, 1)[1..].to_owned(), signs.nie(*n).to_lowercase()]
            .iter()
            .any(|sign| text.contains(sign))
    }

    /// The questions that would find it.
    pub(crate) fn searches(&self) -> Vec<String> {
        let Self { n, signs, .. } = self;
        vec![
            format!("email={}", signs.email(*n, "a")),
            format!("email={}", signs.email(*n, "c")),
            format!("phone=%2B{}", &signs.phone(*n, 0)[1..]),
            format!("phone=%2B{}", &signs.phone(*n, 1)[1..]),
            format!("document={}", signs.nie(*n)),
            format!("document={}", signs.passport(*n)),
            format!("reference=crm:{}{n:04}-crm", signs.word),
            format!("reference=import:{}", signs.reference(*n)),
            format!("name={}", signs.of(*n, "")),
        ]
    }
}
