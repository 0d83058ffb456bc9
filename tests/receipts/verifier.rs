//! The verifier that knows nothing of the program says what the program's audit says.

use std::fs;

use doorbuster::client::{Answer, Client};

use super::forging::{replace_buyer, segment};
use super::server::{House, run};
use super::{DROP, audited, heads_up_to};

#[path = "../../examples/verify.rs"]
#[allow(dead_code, reason = "its main is not called here")]
mod verify;

fn said(words: &[&str]) -> Vec<Result<String, String>> {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    verify::run(&words).expect("asked rightly")
}

#[test]
fn the_verifier_and_the_audit_agree_on_true_copies_and_on_tampered_ones() {
    let house = House::new(&[DROP]);
    let server = house.server().option("HEADS_MS", 1).run();
    let mut client = Client::over(server.connect()).expect("a greeting");
    let [tee, cap] = ["tee", "cap"].map(|item| client.resolve("drop", item).expect("it is sold"));
    let buyers = [
        "ann",
        "17",
        "6f1e0c4a-93d1-4f3c-8a55-0123456789ab",
        "6F1E0C4A-93D1-4F3C-8A55-0123456789AB",
        "a-buyer-with-a-name-of-more-than-16-characters",
    ];
    let mut receipts = Vec::new();
    let mut keep = |answer: Result<Answer, doorbuster::client::Error>| {
        let Ok(Answer::Order(order)) = answer else { panic!("no order: {answer:?}") };
        receipts.push(order.receipt.expect("a receipt").to_string());
        order
    };
    for (index, buyer) in buyers.iter().enumerate() {
        let key = format!("k{index}");
        let order = keep(client.buy(tee, buyer, &key, 1));
        keep(client.basket(tee.sale, buyer, &format!("b{index}"), &[(cap.item, 1), (tee.item, 2)]));
        keep(client.confirm(tee.sale, order.order));
    }
    let page = heads_up_to(&server, receipts.len() as u64);
    let heads = house.path("heads.json");
    fs::write(&heads, page.to_string()).expect("written");
    let heads = heads.to_str().expect("UTF-8");
    // It may be asked while the server writes.
    let (data, key) = (house.data(), page["key"].as_str().expect("a key"));
    let data = data.to_str().expect("UTF-8");
    let all = said(&[data, "--heads", heads, "--key", key]);
    assert!(all[0].as_ref().is_ok_and(|said| said.contains("signed heads")), "{all:?}");
    server.kill();

    for receipt in &receipts {
        let audited = audited(&house, receipt, true);
        let all = said(&[data, "--receipt", receipt]);
        let (heads, sentence) = (&all[0], all[1].as_ref().expect("a true receipt"));
        assert!(heads.is_ok(), "{heads:?}");
        let place = |item: &serde_json::Value| {
            format!(", number {} of item {}", item["place"], item["item"].as_str().expect("a name"))
        };
        let order = &audited["order"];
        let items: String =
            audited["place"]["items"].as_array().expect("items").iter().map(place).collect();
        let expected = format!(
            "order {} of buyer {} is number {} of sale drop{items}",
            order["order"].as_str().expect("an id"),
            order["buyer"].as_str().expect("a buyer"),
            audited["place"]["sale"]
        );
        assert!(sentence.ends_with(&expected), "{sentence} instead of {expected}");
    }

    // A true copy, one with a flipped bit, one that was written anew.
    let [flipped, forged] = ["flipped", "forged"].map(|name| house.copy(name));
    let mut bytes = fs::read(segment(&flipped)).expect("a segment");
    bytes[64 + 3 * 64 + 20] ^= 1;
    fs::write(segment(&flipped), bytes).expect("written");
    replace_buyer(&forged, "ann", "eve");
    for (copy, code) in [(&flipped, 65), (&forged, 1)] {
        let copy = copy.to_str().expect("UTF-8");
        let all = said(&[copy, "--heads", heads, "--receipt", receipts.last().expect("some")]);
        assert!(all.iter().all(Result::is_err), "{all:?}");
        run(&["audit", copy, "--heads", heads]).expect_code(code);
    }
    let other_key = said(&[data, "--key", &"ab".repeat(32)]);
    assert!(other_key[0].is_err());
    let bad = said(&[data, "--receipt", "12"]);
    assert!(bad[1].is_err());
    assert!(verify::run(&[]).is_err());
}
