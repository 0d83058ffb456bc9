//! What the port gives to people and to their tools: the first page and the description of all
//! that can be asked. Both are whole in the program; nothing is fetched from elsewhere.

use std::hash::{BuildHasher, RandomState};

use axum::http::header;
use axum::response::{IntoResponse, Response};

/// One page with its style and script inside, marked with a place for the nonce.
const PAGE: &str = include_str!("page.html");
/// What can be asked here, in OpenAPI 3.1.
const OPENAPI: &str = include_str!("openapi.json");

/// `GET /`
pub(super) async fn first() -> Response {
    // New each time: only what this answer holds may run in the page.
    let words = [1_u8, 2].map(|word| RandomState::new().hash_one(word));
    let nonce = format!("{:016x}{:016x}", words[0], words[1]);
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; \
         connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::REFERRER_POLICY, "no-referrer".to_owned()),
    ];
    (headers, PAGE.replace("{nonce}", &nonce)).into_response()
}

/// `GET /openapi.json`
pub(super) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}
