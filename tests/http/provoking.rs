//! What brings a server to each answer that the buyers' document promises.
//!
//! Every case is a request of its own on a connection of its own, under a key of its own. What a
//! running server cannot be brought to here is written by the same code without one.

use std::time::Duration;

use bytemuck::Zeroable;
use doorbuster::message::{Reply, kind, outcome};
use doorbuster::wire::answers::Subject;
use doorbuster::wire::http::answers::Teller;
use doorbuster::wire::http::{Fault, Manner};

use super::DROP;
use super::peer::{Answer, Peer, request};
use super::server::{House, Server, run};

const ITEM: &str = "items = [{ sku = \"tee\", stock = 10, price = 2500 }]\n";
const TEE: &str = r#"{"item":"tee","buyer":"u1"}"#;
const SECRET: &str = "a-secret-of-the-shop-for-this-week";
const PURCHASES_MAX: usize = 1000;

/// One answer of one operation.
pub(crate) struct Case<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) status: u16,
    /// The word of the problem, empty for none.
    pub(crate) word: &'a str,
}

/// Servers: one that asks nobody who he is, one that asks for tokens and tickets, and one that
/// takes one purchase a second.
pub(crate) struct Street {
    open: Server,
    guarded: Server,
    slow: Server,
    buyer: String,
    reader: String,
    keys: usize,
    _houses: [House; 3],
}

/// A request in the making.
struct Draft {
    method: String,
    target: String,
    version: &'static str,
    lines: String,
    body: String,
}

impl Draft {
    /// Adds a parameter.
    fn asks_for(&mut self, parameter: &str) {
        self.target.push(if self.target.contains('?') { '&' } else { '?' });
        self.target += parameter;
    }

    fn text(&self) -> String {
        let line = format!("{} {}", self.method, self.target);
        request(&line, &self.lines, &self.body).replacen("HTTP/1.1", self.version, 1)
    }
}

impl Street {
    pub(crate) fn open() -> Street {
        let idle = format!("name = \"idle\"\n{ITEM}");
        let later = format!("name = \"later\"\nopens_at = 2126-01-01T00:00:00Z\n{ITEM}");
        let over = format!(
            "name = \"over\"\nopens_at = 2001-01-01T00:00:00Z\n\
             closes_at = 2002-01-01T00:00:00Z\n{ITEM}"
        );
        let brief = format!("name = \"brief\"\nhold_ms = 1\n{ITEM}");
        let empty = "name = \"empty\"\nitems = [{ sku = \"tee\", stock = 0, price = 2500 }]\n";
        let many = "name = \"drop\"\nextend_ms = 1000\n\
            items = [{ sku = \"tee\", stock = 100000, price = 2500 }]\n";
        let line = "name = \"line\"\nwaitlist = 1000\n\
            items = [{ sku = \"tee\", stock = 1, price = 2500 }]\n";
        let first = House::new(&[line, many, &idle, &later, &over, &brief, empty]);
        let (second, third) = (House::new(&[DROP]), House::new(&[many]));
        let (tokens, secrets) = (second.path("tokens.toml"), second.path("secrets"));
        std::fs::write(&secrets, SECRET).expect("written");
        let token = |name: &str, role: &str| {
            let file = tokens.to_str().expect("UTF-8");
            let made = run(&["token", "new", "--name", name, "--role", role, "--file", file]);
            made.expect_code(0);
            made.stdout.trim_end().to_owned()
        };
        let (buyer, reader) = (token("shop", "buy"), token("screen", "read"));
        let guarded = second.server().option("TOKENS_FILE", tokens.display());
        let guarded = guarded.option("TICKET_SECRETS_FILE", secrets.display());
        let open = first.serve();
        let pause = request("POST /v1/sales/idle/pause", "", "");
        assert_eq!(Peer::of_operator(&open).ask(pause).status, 200);
        assert_eq!(Peer::of(&open).order("line", "the-only-one", TEE).status, 201);
        Street {
            open,
            guarded: guarded.option("TICKETS", "required").run(),
            slow: third.server().option("RATE_PER_ADDRESS", 1).option("BURST_PER_ADDRESS", 1).run(),
            buyer,
            reader,
            keys: 0,
            _houses: [first, second, third],
        }
    }

    /// A key that no other purchase has.
    fn key(&mut self) -> String {
        self.keys += 1;
        format!("key-{}", self.keys)
    }

    /// A new order in a sale of the open server.
    fn order(&mut self, sale: &str) -> (String, String) {
        let key = self.key();
        let made = Peer::of(&self.open).order(sale, &key, TEE);
        assert_eq!(made.status, 201, "{made:?}");
        (made.json()["order"].as_str().expect("an id").to_owned(), key)
    }

    /// Confirms an order.
    fn pay(&self, sale: &str, order: &str) {
        let path = format!("/v1/sales/{sale}/orders/{order}/confirm");
        assert_eq!(Peer::of(&self.open).post(&path, "").status, 200);
    }

    /// A request that succeeds on the open server, unless its operation never does.
    fn good(&mut self, method: &str, path: &str) -> Draft {
        let (mut target, mut lines, mut body) = (path.replace("{sale}", "drop"), String::new(), "");
        if path.contains("{order}") {
            let order = self.order("drop").0;
            target = target.replace("{order}", &order);
            if path.ends_with("/cancel") {
                self.pay("drop", &order);
            }
        }
        if path.ends_with("/orders") && method == "POST" {
            lines =
                format!("Idempotency-Key: {}\r\nContent-Type: application/json\r\n", self.key());
            body = TEE;
        } else if path.ends_with("/orders") {
            target = format!("{target}?key={}", self.order("drop").1);
        }
        let (method, body) = (method.to_owned(), body.to_owned());
        Draft { method, target, version: "HTTP/1.1", lines, body }
    }

    /// Brings the answer about.
    pub(crate) fn provoke(&mut self, case: &Case<'_>) -> Answer {
        let Case { method, path, status, word } = *case;
        if let "loading" | "overloaded" = word {
            return written(word);
        }
        let mut draft = self.good(method, path);
        let mut server = "open";
        match (status, word) {
            (200, _) if method == "POST" && path.ends_with("/orders") => {
                assert_eq!(Peer::of(&self.open).ask(draft.text()).status, 201);
            }
            (200 | 201, _) => {}
            (202, _) => {
                draft.target = draft.target.replace("drop", "line");
                draft.body = waiting();
            }
            (400, "bad_request") => draft.lines += "Transfer-Encoding: gzip\r\n",
            (400, "bad_field") => draft.asks_for("colour=red"),
            (400, "malformed_json") => draft.body = "{".to_owned(),
            (400, "missing_idempotency_key") => draft.lines.clear(),
            (401, _) => {
                // Who asks for nothing that is anybody's need not say who he is.
                if path == "/openapi.json" {
                    draft.asks_for("colour=red");
                }
                server = "guarded";
            }
            (403, "not_your_order") => draft.body = r#"{"buyer":"u2"}"#.to_owned(),
            (403, _) => {
                let token = if word == "forbidden" { &self.reader } else { &self.buyer };
                draft.lines += &format!("Authorization: Bearer {token}\r\n");
                server = "guarded";
            }
            (404, "unknown_sale") => draft.target = draft.target.replace("drop", "nope"),
            (404, "unknown_channel") => draft.body = TEE.replace('}', r#","channel":"tv"}"#),
            (404, "unknown_item") => draft.body = TEE.replace("tee", "hat"),
            (404, "unknown_order") => match draft.target.split_once("?key=") {
                Some((front, _)) => draft.target = format!("{front}?key=nobodys"),
                None => {
                    let path = path.replace("{sale}", "drop");
                    draft.target = path.replace("{order}", "9223372036854775807");
                }
            },
            (405, _) => draft.method = "PATCH".to_owned(),
            (413, _) => {
                draft.body = " ".repeat(16 * 1024 + 1);
            }
            (414, _) => draft.asks_for(&"x".repeat(4096)),
            (415, _) => draft.lines += "Content-Encoding: gzip\r\n",
            (417, _) => draft.lines += "Expect: a-lot\r\n",
            (431, _) => draft.lines += &format!("A: {}\r\n", "x".repeat(16 * 1024)),
            (505, _) => draft.version = "HTTP/2.0",
            (409, "sold_out") => draft.target = draft.target.replace("drop", "empty"),
            (409, "price_changed") => draft.body = TEE.replace('}', r#","max_price":1}"#),
            (409, "limit_reached") => return self.beyond_the_limit(draft),
            (409, _) => return self.too_late(path, word),
            (410, _) => draft.target = draft.target.replace("drop", "over"),
            (422, _) => {
                assert_eq!(Peer::of(&self.open).ask(draft.text()).status, 201);
                draft.body = TEE.replace('}', r#","units":2}"#);
            }
            (425, _) => draft.target = draft.target.replace("drop", "later"),
            (429, _) => return self.too_often(draft),
            (503, "paused") => draft.target = draft.target.replace("drop", "idle"),
            _ => panic!("nothing brings about {status} {word} of {method} {path}"),
        }
        let server = if server == "open" { &self.open } else { &self.guarded };
        Peer::of(server).ask(draft.text())
    }

    /// With a good ticket, at the sale that has limits.
    fn beyond_the_limit(&self, mut draft: Draft) -> Answer {
        const LATER: u64 = 4_102_444_800;
        let ticket = doorbuster::access::sign(SECRET.as_bytes(), "drop", "u1", LATER);
        let (token, ticket) = (&self.buyer, ticket.as_str());
        draft.lines += &format!("Authorization: Bearer {token}\r\nDoorbuster-Ticket: {ticket}\r\n");
        draft.body = TEE.replace('}', r#","units":3}"#);
        Peer::of(&self.guarded).ask(draft.text())
    }

    /// An order that cannot be changed any more.
    fn too_late(&mut self, path: &str, word: &str) -> Answer {
        let (sale, before) = match word {
            "hold_expired" => ("brief", ""),
            "already_confirmed" => ("drop", "confirm"),
            "already_released" => ("drop", "release"),
            "extend_refused" => ("drop", "extend"),
            "not_confirmed" => ("drop", ""),
            "not_held" => ("line", ""),
            other => panic!("nothing brings about {other}"),
        };
        let order = if sale == "line" {
            let key = self.key();
            let made = Peer::of(&self.open).order("line", &key, &waiting());
            assert_eq!(made.status, 202, "{made:?}");
            made.json()["order"].as_str().expect("an id").to_owned()
        } else {
            self.order(sale).0
        };
        let mut peer = Peer::of(&self.open);
        if before.is_empty() {
            // Longer than the hold, however long the way is.
            std::thread::sleep(Duration::from_millis(5));
        } else {
            let answer = peer.post(&format!("/v1/sales/{sale}/orders/{order}/{before}"), "");
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        peer.post(&path.replace("{sale}", sale).replace("{order}", &order), "")
    }

    /// Purchases until one is too many.
    fn too_often(&mut self, draft: Draft) -> Answer {
        let mut peer = Peer::of(&self.slow);
        for number in 0..PURCHASES_MAX {
            let answer = peer.ask(draft.text().replacen("key-", &format!("{number}-key-"), 1));
            if answer.status != 201 {
                return answer;
            }
        }
        panic!("{PURCHASES_MAX} purchases were not too many");
    }

    /// Asks the open server.
    pub(crate) fn ask(&self, line: &str) -> Answer {
        let mut peer = Peer::of(&self.open);
        peer.send(request(line, "", ""));
        if line.starts_with("HEAD") { peer.receive_without_body() } else { peer.receive() }
    }
}

fn waiting() -> String {
    TEE.replace('}', r#","wait":true}"#)
}

/// The answer as the server would write it.
fn written(word: &str) -> Answer {
    let (mut teller, mut out) = (Teller::new(1), Vec::new());
    let overloaded = Reply { kind: kind::REPLY, outcome: outcome::OVERLOADED, ..Reply::zeroed() };
    match word {
        "loading" => teller.fault(&Fault::loading(1000), Manner::default(), &mut out),
        _ => teller.refusal(&overloaded, Subject::All, Manner::default(), &mut out),
    }
    Answer::of(std::str::from_utf8(&out).expect("ASCII"))
}
