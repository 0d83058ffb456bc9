//! The buyers' document is what the port does: every status and every word that an operation is
//! documented with comes back with the headers and the body that are promised, and each path takes
//! the documented methods and no others.

use std::collections::BTreeSet;

use serde_json::Value;

use super::peer::Answer;
use super::provoking::{Case, Street};
use super::schema::{check, follow};

const HEADERS: [&str; 4] = ["Retry-After", "Allow", "WWW-Authenticate", "Idempotent-Replayed"];
const METHODS: [&str; 9] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"];

fn document(street: &Street) -> Value {
    let answer = street.ask("GET /openapi.json");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    answer.json()
}

/// Path, method and operation of each.
fn operations(document: &Value) -> Vec<(&String, String, &Value)> {
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("a path") {
            if method != "parameters" {
                all.push((path, method.to_uppercase(), operation));
            }
        }
    }
    all
}

/// The problems that a response is documented with; one without a name if it is a success.
fn words(response: &Value) -> Vec<&str> {
    let text = response["description"].as_str().expect("a sentence");
    let is_word = |word: &&str| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let words: Vec<&str> = text.split('`').skip(1).step_by(2).filter(is_word).collect();
    if response["content"]["application/problem+json"].is_null() { vec![""] } else { words }
}

#[track_caller]
fn is_as_promised(document: &Value, response: &Value, answer: &Answer, at: &str) {
    let (kind, content) =
        response["content"].as_object().and_then(|all| all.iter().next()).expect("a kind of body");
    assert_eq!(answer.header("content-type"), Some(kind.as_str()), "{at}");
    let is_stream = kind == "text/event-stream";
    let told = if is_stream { Value::String(answer.body.clone()) } else { answer.json() };
    check(document, &content["schema"], &told, at);
    let promised = |name: &str| &response["headers"][name];
    for name in HEADERS {
        let told = answer.header(name);
        assert_eq!(told.is_some(), !promised(name).is_null(), "{at}: {name} {told:?}");
        let schema = &promised(name)["schema"];
        if let Some(told) = told
            && let Some(wanted) = schema["const"].as_str()
        {
            assert_eq!(told, wanted, "{at}");
        } else if let Some(told) = told
            && schema["type"] == "integer"
        {
            check(document, schema, &told.parse::<u64>().expect("digits").into(), at);
        }
    }
}

#[test]
fn every_status_and_word_of_every_operation_comes_back_as_it_is_written() {
    let mut street = Street::open();
    let document = document(&street);
    let mut count = 0;
    for (path, method, operation) in operations(&document) {
        for (status, response) in operation["responses"].as_object().expect("responses") {
            let response = follow(&document, response);
            let words = words(response);
            assert!(!words.is_empty(), "{method} {path} {status} has no word");
            for word in words {
                let at = format!("{method} {path} {status} {word}");
                let status = status.parse().expect("a status");
                let case = Case { method: &method, path, status, word };
                let answer = street.provoke(&case);
                assert_eq!(answer.status, status, "{at}: {answer:?}");
                if !word.is_empty() {
                    assert_eq!(answer.problem(), word, "{at}: {answer:?}");
                }
                is_as_promised(&document, response, &answer, &at);
                count += 1;
            }
        }
    }
    assert!(count > 100, "{count} answers are few");
}

#[test]
fn a_path_takes_the_documented_methods_and_says_so() {
    let street = Street::open();
    let document = document(&street);
    for (path, item) in document["paths"].as_object().expect("paths") {
        let target = path.replace("{sale}", "drop").replace("{order}", "1");
        let documented = item.as_object().expect("a path").keys().map(|name| name.to_uppercase());
        let mut known: BTreeSet<String> = documented.filter(|name| name != "PARAMETERS").collect();
        if known.contains("GET") {
            known.insert("HEAD".to_owned());
        }
        known.insert("OPTIONS".to_owned());
        for method in METHODS {
            let answer = street.ask(&format!("{method} {target}"));
            let at = format!("{method} {path}: {answer:?}");
            match answer.status {
                405 => assert!(!known.contains(method), "{at}"),
                204 => assert_eq!(method, "OPTIONS", "{at}"),
                _ => assert!(known.contains(method) && method != "OPTIONS", "{at}"),
            }
            if let 204 | 405 = answer.status {
                let allow = answer.header("allow").expect("what it takes").split(", ");
                assert_eq!(allow.map(str::to_owned).collect::<BTreeSet<_>>(), known, "{at}");
            }
        }
    }
}
