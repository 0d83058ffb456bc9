//! The two documents are whole: every reference leads somewhere, every operation has a name of its
//! own, every error is a problem, every status has a sentence. What the operator's says is walked
//! against its router in `src/admin/tests/document.rs`.

use std::collections::BTreeSet;

use serde_json::Value;

const DOCUMENTS: [(&str, &str); 2] = [
    ("operator", include_str!("../src/admin/openapi.json")),
    ("buyers", include_str!("../src/wire/openapi.json")),
];

/// Calls `look` with every value in `value` and where it is.
fn walk(value: &Value, at: &str, look: &mut impl FnMut(&str, &Value)) {
    look(at, value);
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                walk(value, &format!("{at}/{name}"), look);
            }
        }
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                walk(value, &format!("{at}/{index}"), look);
            }
        }
        _ => {}
    }
}

fn follow<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(path) => document.pointer(&path[1..]).unwrap_or_else(|| panic!("{path} is nowhere")),
        None => value,
    }
}

#[test]
fn both_documents_are_whole() {
    for (which, text) in DOCUMENTS {
        let document: Value = serde_json::from_str(text).expect("JSON");
        assert_eq!(document["openapi"], "3.1.0");
        let mut used = BTreeSet::new();
        walk(&document, "", &mut |at, value| {
            if let Some(path) = value["$ref"].as_str() {
                assert!(document.pointer(&path[1..]).is_some(), "{which} {at}: {path}");
                used.insert(path.to_owned());
            }
            if let Some(pattern) = value["pattern"].as_str() {
                assert!(pattern.starts_with('^') && pattern.ends_with('$'), "{which} {at}");
            }
        });
        for kind in ["schemas", "responses", "parameters"] {
            for name in document["components"][kind].as_object().expect("components").keys() {
                let path = format!("#/components/{kind}/{name}");
                // A feed's events are text to OpenAPI; their form is told by name.
                assert!(used.contains(&path) || name == "Delta", "{which}: {path} is not used");
            }
        }
        let mut names = BTreeSet::new();
        for (path, item) in document["paths"].as_object().expect("paths") {
            let mut parameters: Vec<&Value> = Vec::new();
            parameters.extend(item["parameters"].as_array().into_iter().flatten());
            for (method, operation) in item.as_object().expect("a path") {
                if method == "parameters" {
                    continue;
                }
                let name = operation["operationId"].as_str().expect("a name");
                assert!(names.insert(name.to_owned()), "{which}: two operations {name}");
                for part in path.split('/').filter_map(|part| part.strip_prefix('{')) {
                    let part = part.trim_end_matches('}');
                    let told = |one: &&&Value| follow(&document, one)["name"] == part;
                    assert!(parameters.iter().find(told).is_some(), "{which} {path}: {part}");
                }
                check_responses(&document, operation, &format!("{which} {method} {path}"));
            }
        }
        assert!(names.len() >= 8, "{which} has {} operations", names.len());
    }
}

fn check_responses(document: &Value, operation: &Value, at: &str) {
    let responses = operation["responses"].as_object().expect("responses");
    let succeeds = responses.keys().any(|status| status.starts_with('2'));
    assert!(succeeds != responses.contains_key("501"), "{at}: done, or not possible yet");
    for (status, response) in responses {
        let response = follow(document, response);
        assert!(response["description"].as_str().is_some_and(|text| text.len() > 3), "{at}");
        let content = response["content"].as_object().expect("a kind of body");
        let code: u16 = status.parse().expect("a status");
        if code >= 400 {
            assert!(content.contains_key("application/problem+json"), "{at} {status}");
        }
        if [425, 429, 503].contains(&code) {
            assert!(!response["headers"]["Retry-After"].is_null(), "{at} {status}");
        }
    }
}

/// Status and word of each fault that buyers' HTTP can tell, as its code has them.
fn faults() -> Vec<(u16, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/wire/http");
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a room") {
        let path = entry.expect("a file").path();
        if path.is_dir() {
            continue;
        }
        let code = std::fs::read_to_string(path).expect("text");
        for call in code.split("Fault::new(").skip(1) {
            let (status, rest) = call.split_once(',').expect("more arguments");
            // Not where it is defined.
            let Ok(status) = status.trim().parse() else { continue };
            all.push((status, rest.split('"').nth(1).expect("a word").to_owned()));
        }
    }
    all
}

#[test]
fn every_fault_that_buyers_are_told_is_documented_with_its_status() {
    let document: Value = serde_json::from_str(DOCUMENTS[1].1).expect("JSON");
    let mut told = BTreeSet::new();
    for item in document["paths"].as_object().expect("paths").values() {
        let operations = item.as_object().expect("a path").values();
        for responses in operations.filter_map(|operation| operation["responses"].as_object()) {
            for (status, response) in responses {
                let text = follow(&document, response)["description"].as_str().expect("a sentence");
                for word in text.split('`').skip(1).step_by(2) {
                    told.insert((status.parse().expect("a status"), word.to_owned()));
                }
            }
        }
    }
    let faults = faults();
    assert!(faults.len() > 15, "{} faults are few", faults.len());
    for fault in faults {
        // Where there is no path there is no operation either.
        if fault.1 == "not_found" {
            let text = document["info"]["description"].as_str().expect("a text");
            assert!(text.contains("404 `not_found`"));
            continue;
        }
        assert!(told.contains(&fault), "{fault:?} is not documented");
    }
}

#[test]
fn the_buyers_document_knows_every_path_and_refusal_there_is() {
    let document: Value = serde_json::from_str(DOCUMENTS[1].1).expect("JSON");
    let order = "/v1/sales/{sale}/orders/{order}";
    for (path, method) in [
        ("/v1/sales/{sale}", "get"),
        ("/v1/sales/{sale}/orders", "post"),
        ("/v1/sales/{sale}/orders", "get"),
        (order, "get"),
        (&*format!("{order}/events"), "get"),
        (&*format!("{order}/confirm"), "post"),
        (&*format!("{order}/release"), "post"),
        (&*format!("{order}/extend"), "post"),
        (&*format!("{order}/cancel"), "post"),
        ("/openapi.json", "get"),
    ] {
        assert!(document["paths"][path][method].is_object(), "{method} {path}");
    }
    let text = DOCUMENTS[1].1;
    for outcome in 32..=255_u8 {
        let word = doorbuster::message::outcome::word(outcome);
        // An operator's refusals are in the other document.
        let operators = ["not_closed", "holds_live", "too_much"].contains(&word)
            || ["unknown_wave", "no_draw", "wrong_seed", "bad_time"].contains(&word);
        if !["unknown_outcome", "malformed"].contains(&word) && !operators {
            assert!(text.contains(&format!("`{word}`")), "{word} is not documented");
        }
    }
}
