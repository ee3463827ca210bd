//! Whether an address's domain takes mail, asked of a name server of the test's own: what each answer means, that nobody waits for
//! long, that answers are remembered, and that nothing is asked where nobody said so.

use crate::support::World;
use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, MX};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::fs;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::UdpSocket;

/// A name server that knows a few domains, and keeps what it was asked.
#[derive(Clone)]
struct NameServer {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<(String, RecordType)>>>,
}

impl NameServer {
    async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let server = Self { address: socket.local_addr().expect("its address"), asked: Arc::default() };
        tokio::spawn(server.clone().answer(socket));
        server
    }

    async fn answer(self, socket: UdpSocket) {
        let mut datagram = [0; 4_096];
        loop {
            let (length, from) = socket.recv_from(&mut datagram).await.expect("a question");
            let question = Message::from_vec(&datagram[..length]).expect("a question");
            if let Some(answer) = self.answer_to(question) {
                socket.send_to(&answer.to_vec().expect("bytes"), from).await.expect("sent");
            }
        }
    }

    /// None: silence.
    fn answer_to(&self, question: Message) -> Option<Message> {
        let (name, kind) = (question.queries[0].name.clone(), question.queries[0].query_type);
        let domain = name.to_ascii().to_lowercase();
        self.asked.lock().expect("whole").push((domain.clone(), kind));
        let mail = |host: &str| Some(RData::MX(MX::new(10, Name::from_ascii(host).expect("a name"))));
        let record = match (domain.as_str(), kind) {
            ("silencio.es.", _) => return None,
            ("empresa.com." | "10minutemail.com.", RecordType::MX) => mail("mail.empresa.com."),
            ("sin-correo.es.", RecordType::MX) => mail("."),
            ("solo-web.es.", RecordType::A) => Some(RData::A(A::new(192, 0, 2, 7))),
            _ => None,
        };
        let mut answer = question.into_response();
        answer.edns = None;
        if domain == "no-existe.es." {
            answer.metadata.response_code = ResponseCode::NXDomain;
        }
        answer.add_answers(record.map(|data| Record::from_rdata(name, 300, data)));
        Some(answer)
    }

    fn asked_of(&self, domain: &str) -> usize {
        self.asked.lock().expect("whole").iter().filter(|(asked, _)| asked == domain).count()
    }

    fn asked(&self) -> usize {
        self.asked.lock().expect("whole").len()
    }
}

/// A server that asks this name server, and logs whatever it has to say.
async fn world_with(names: &NameServer) -> World {
    let mut world = World::start().await;
    world.end(Signal::SIGTERM);
    let configured = format!("mail_lookup = \"{}\"\n", names.address);
    fs::write(world.data().join("clientela.toml"), configured).expect("written");
    world.serve(&["--log-level", "trace"]);
    world
}

async fn verdict(world: &World, name: &str, body: Value) -> Value {
    let answer = world.post(&format!("/v1/validators/{name}"), body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_domain_of_an_address_is_asked_for_its_mail_servers_and_the_answer_remembered() {
    let names = NameServer::start().await;
    let world = world_with(&names).await;
    for (domain, valid, status) in [
        ("empresa.com", true, "passed"),
        ("solo-web.es", true, "passed"),
        ("sin-correo.es", false, "failed"),
        ("sin-nada.es", false, "failed"),
        ("no-existe.es", false, "failed"),
        ("silencio.es", true, "warning"),
    ] {
        let address = json!({"email": format!("planted-ana@{domain}")});
        let first = verdict(&world, "email", address).await;
        let found = (&first["valid"], &first["checks"]["mx"]["status"]);
        assert_eq!(found, (&json!(valid), &json!(status)), "{domain}: {first}");
        let asked = names.asked_of(&format!("{domain}."));
        assert!(asked > 0, "{domain}");
        let again = verdict(&world, "email", json!({"email": format!("eva@{domain}")})).await;
        assert_eq!(again["checks"]["mx"], first["checks"]["mx"], "{domain}");
        assert_eq!(names.asked_of(&format!("{domain}.")), asked, "{domain}: it is remembered");
    }
    let asked = names.asked();
    for text in ["ana", "ana@printer.local", "ana@my_shop.com"] {
        assert_eq!(verdict(&world, "email", json!({"email": text})).await["checks"]["mx"]["status"], "skipped");
    }
    assert_eq!(names.asked(), asked, "who is no address is not asked about");
    let log = world.log();
    assert!(!log.contains("planted-ana") && !log.contains("silencio") && !log.contains("empresa.com"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_domain_without_mail_is_suspicious_and_makes_a_customer_invalid_and_a_registration_asks_nobody() {
    let names = NameServer::start().await;
    let world = world_with(&names).await;
    let risk = verdict(&world, "risk", json!({"customer_email": "ana@no-existe.es"})).await;
    assert_eq!((&risk["risk_score"], &risk["risk_factors"]), (&json!(25), &json!(["Email domain takes no mail"])));
    assert_eq!(risk["checks"]["mx"]["status"], "failed");
    let customer = verdict(&world, "customer", json!({"customer_email": "ana@no-existe.es"})).await;
    assert_eq!(
        (&customer["valid"], &customer["errors"]),
        (&json!(false), &json!(["email mx: there is no such domain"]))
    );
    let silent = verdict(&world, "customer", json!({"customer_email": "ana@silencio.es"})).await;
    assert_eq!((&silent["valid"], &silent["errors"]), (&json!(true), &json!([])), "{silent}");
    assert_eq!(silent["warnings"].as_array().map(Vec::len), Some(1), "{silent}");
    let temporary = json!({"customer_email": "test@10minutemail.com", "company_name": "Test Corp"});
    assert_eq!(verdict(&world, "risk", temporary).await["risk_score"], 35, "mail comes there");

    let asked = names.asked();
    let body = json!({"name": "Ana", "emails": ["ana@otra-tienda.es"]});
    assert_eq!(world.post("/v1/customers", body).await.status, 201);
    assert_eq!(names.asked(), asked);
}

#[tokio::test]
async fn name_servers_that_are_none_stop_the_start() {
    let world = World::empty(None);
    fs::write(world.folder().join("a.toml"), "mail_lookup = \"somewhere\"\n").expect("written");
    let output = world.run(&["serve", "--config", "a.toml"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(told.contains("mail_lookup (file a.toml) is wrong: it is off, machine, or name servers"), "{told}");
}
