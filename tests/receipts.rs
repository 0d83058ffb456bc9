//! Receipts and signed heads, from the answer a buyer gets to the word of those who check it: the
//! program's own audit, and a verifier that knows nothing of the program.

use super::support::{resp, server};

#[path = "receipts/forging.rs"]
mod forging;
#[path = "receipts/heads.rs"]
mod heads;
#[path = "receipts/told.rs"]
mod told;
#[path = "receipts/verifier.rs"]
mod verifier;

use std::time::{Duration, Instant};

use serde_json::Value;

use server::{House, PATIENCE, Server};

/// Ten caps and many tees; holds last.
const DROP: &str = r#"
name = "drop"
hold_ms = 3600000
extend_ms = 60000
waitlist = 10
items = [
    { sku = "tee", stock = 1000, price = 2500 },
    { sku = "cap", stock = 10, price = 900 },
    { sku = "pin", stock = 1, price = 100 },
]
"#;

/// What the audit says of a receipt, which must be one of the journal, or must not.
#[track_caller]
fn audited(house: &House, receipt: &str, is_true: bool) -> Value {
    let audit = house.look("audit", &["--json", "--receipt", receipt]);
    audit.expect_code(if is_true { 0 } else { 1 });
    let found: Value = serde_json::from_str(&audit.stdout).expect("JSON");
    let found = found["receipt"].clone();
    assert_eq!(found["verdict"], if is_true { "yes" } else { "no" }, "{found}");
    assert_eq!(found["receipt"], receipt.to_lowercase());
    found
}

/// Asks a port over HTTP, by GET. Returns the status and the body.
fn get(address: std::net::SocketAddr, target: &str) -> (u16, Value) {
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let mut answer = agent.get(format!("http://{address}{target}")).call().expect("an answer");
    let status = answer.status().as_u16();
    let text = answer.body_mut().read_to_string().expect("a body");
    (status, serde_json::from_str(&text).expect("JSON"))
}

/// The heads that a server shows once there is one of `seq` or later.
fn heads_up_to(server: &Server, seq: u64) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (status, page) = get(server.address, "/v1/heads");
        assert_eq!(status, 200, "{page}");
        let newest = page["heads"].as_array().and_then(|heads| heads.last()?["seq"].as_u64());
        if newest >= Some(seq) {
            return page;
        }
        assert!(Instant::now() < deadline, "no head of seq {seq}: {page}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
