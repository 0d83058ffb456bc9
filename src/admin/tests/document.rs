//! The document is what the router does: each of its operations is asked so that each of its
//! statuses comes back, with the kind of body and the headers it promises, and no other.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::Request;
use serde_json::Value;

use super::super::health::{Phase, advance};
use super::{FULL, Port, Relaxed, SALE, read};

fn document() -> Value {
    serde_json::from_str(include_str!("../openapi.json")).expect("JSON")
}

/// Follows a reference within the document.
fn follow<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(path) => document.pointer(&path[1..]).unwrap_or_else(|| panic!("{path} is nowhere")),
        None => value,
    }
}

/// Method, path and response object of everything that is documented.
fn operations(document: &Value) -> Vec<(String, String, u16, &Value)> {
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("a path") {
            if method == "parameters" {
                continue;
            }
            for (status, response) in operation["responses"].as_object().expect("responses") {
                let status = status.parse().expect("a status");
                let response = follow(document, response);
                all.push((method.to_uppercase(), path.clone(), status, response));
            }
        }
    }
    all
}

/// The body that the document shows for an operation; empty if it has none.
fn examples(document: &Value, method: &str, path: &str) -> Vec<String> {
    let operation = &document["paths"][path][method.to_lowercase()];
    let examples = &operation["requestBody"]["content"]["application/json"]["examples"];
    let values = examples.as_object().map(|all| all.values().map(|one| one["value"].to_string()));
    values.map_or_else(|| vec![String::new()], Iterator::collect)
}

/// A port on which the operation meets that status.
async fn port_for(path: &str, status: u16) -> Port {
    if status == 503 && ["/readyz", "/metrics", "/v1/heads", "/v1/sinks"].contains(&path) {
        return Port::loading();
    }
    let port = Port::open();
    if !(status == 201 || status == 404) {
        let mut sale = SALE.replace("10,", "1000,");
        if path.ends_with("/draw") {
            let draw =
                format!(r#","draw":{{"at":"2126-01-01T00:00:00Z","commitment":"{HASH}"}}}}"#);
            sale = format!("{}{draw}", &sale[..sale.len() - 1]);
        }
        assert_eq!(port.ask("PUT", "/v1/sales/drop", &sale).await.status, 201);
        let wave = r#"{"add":1,"at":"2126-01-01T00:00:00Z"}"#;
        if path.contains("/waves/") {
            let planned = port.ask("POST", "/v1/sales/drop/items/tee/stock", wave).await;
            assert_eq!((planned.status, &planned.json()["seq"]), (200, &WAVE.into()));
        }
    }
    let closed = match path {
        "/v1/sales/{sale}" => status == 200,
        _ => status == 409,
    };
    if closed {
        assert_eq!(port.ask("POST", "/v1/sales/drop/close", "").await.status, 200);
    }
    if status == 503 {
        port.desk.mood.store(FULL, Relaxed);
    }
    port
}

const HASH: &str = "00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff";
/// The id of the first wave, planned right after its sale was made.
const WAVE: u64 = 2;

/// A documented path with everything filled in.
fn filled(path: &str, sale: &str) -> String {
    let path = path.replace("{sale}", sale).replace("{sink}", sale).replace("{sku}", "tee");
    path.replace("{channel}", "tv").replace("{wave}", &WAVE.to_string())
}

fn request(method: &str, path: &str, status: u16, body: String) -> Request<Body> {
    let name = if status == 400 { "dr%20op" } else { "drop" };
    let mut uri = filled(path, name);
    if status == 400 && path == "/v1/sales" {
        uri += "?limit=0";
    }
    if status == 400 && path == "/v1/heads" {
        uri += "?from=now";
    }
    let token = match status {
        401 => "nobody",
        403 => "b",
        _ => "a",
    };
    let request = Request::builder().method(method).uri(uri);
    let request = request.header("authorization", format!("Bearer {token}"));
    let request = match status {
        413 => request.header("content-length", (2 << 20).to_string()),
        415 => request.header("content-type", "text/plain"),
        _ => request,
    };
    let body = match status {
        408 => Body::from_stream(futures_util::stream::pending::<Result<String, std::io::Error>>()),
        _ => Body::from(body),
    };
    request.body(body).expect("a request")
}

#[tokio::test(start_paused = true)]
async fn every_status_of_every_operation_comes_back_as_it_is_written() {
    let document = document();
    let all = operations(&document);
    assert!(all.len() > 90, "{} statuses are few", all.len());
    for (method, path, status, promised) in &all {
        for mut body in examples(&document, method, path) {
            let at = format!("{method} {path} {status} {body}");
            let port = port_for(path, *status).await;
            if method == "PUT" && path == "/v1/sales/{sale}" && *status == 200 {
                body = SALE.replace("10,", "1000,");
            }
            let answer = read(port.send(request(method, path, *status, body)).await);
            // A feed has no end of its own.
            let end = async {
                tokio::time::sleep(std::time::Duration::from_secs(8)).await;
                advance(&port.office.phase, Phase::Draining);
            };
            let feeds = path.ends_with("/feed") && *status == 200;
            let (answer, ()) = tokio::join!(answer, async {
                if feeds {
                    end.await;
                }
            });
            assert_eq!(answer.status, *status, "{at}: {}", answer.text);
            let kinds: Vec<&String> =
                promised["content"].as_object().expect("a kind").keys().collect();
            assert!(
                kinds.iter().any(|kind| answer.kind().starts_with(*kind)),
                "{at}: {}",
                answer.kind()
            );
            for name in promised["headers"].as_object().into_iter().flat_map(|all| all.keys()) {
                assert!(answer.headers.contains_key(name.as_str()), "{at}: no {name}");
            }
            let schema = &promised["content"][kinds[0]]["schema"];
            check(&document, schema, kinds[0], &answer.text, &at);
        }
    }
}

/// A body of JSON has all fields that must be there, and none that the document does not know.
fn check(document: &Value, schema: &Value, kind: &str, text: &str, at: &str) {
    let schema = follow(document, schema);
    if !kind.ends_with("json") || schema["properties"].is_null() {
        return;
    }
    let body: Value = serde_json::from_str(text).expect("JSON");
    let body = body.as_object().expect("an object");
    for field in schema["required"].as_array().expect("what must be there") {
        assert!(body.contains_key(field.as_str().expect("a name")), "{at}: no {field}: {text}");
    }
    for field in body.keys() {
        assert!(!schema["properties"][field].is_null(), "{at}: {field} is not documented");
    }
}

#[tokio::test]
async fn what_a_path_cannot_do_is_refused_with_what_it_can() {
    let document = document();
    let port = Port::open();
    for (path, item) in document["paths"].as_object().expect("paths") {
        let uri = filled(path, "drop");
        let answer = port.ask("PATCH", &uri, "").await;
        let detail = answer.expect_problem(405, "method_not_allowed");
        assert!(detail.contains("PATCH"), "{detail}");
        let methods = item.as_object().expect("a path").keys().filter(|key| *key != "parameters");
        let mut known: BTreeSet<String> = methods.map(|method| method.to_uppercase()).collect();
        if known.contains("GET") {
            known.insert("HEAD".to_owned());
        }
        let allowed = answer.headers["allow"].to_str().expect("ASCII");
        let allowed: BTreeSet<String> = allowed.split(',').map(str::to_owned).collect();
        assert_eq!(allowed, known, "{path}: the document and the router differ");
    }
}
