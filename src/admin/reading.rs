//! Requests to values, each with its bound: names out of the path, JSON out of the body. What
//! cannot be read is refused with the field and what is allowed.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::problem::Problem;
use crate::sale::Name;

/// Time for a body to arrive.
pub(super) const BODY_DEADLINE: Duration = Duration::from_secs(10);

/// The sale that a path names.
pub(super) struct OfSale(pub(super) Name);

/// The sale and the item that a path names.
pub(super) struct OfItem(pub(super) Name, pub(super) Name);

/// The sale, the item and the channel that a path names.
pub(super) struct OfChannel(pub(super) Name, pub(super) Name, pub(super) Name);

/// The sale that a path names, and the wave by its id.
pub(super) struct OfWave(pub(super) Name, pub(super) u64);

fn name(what: &str, text: &str) -> Result<Name, Problem> {
    Name::parse(text.as_bytes()).map_err(|why| Problem::bad(format!("{what}: {why}")))
}

impl<S: Send + Sync> FromRequestParts<S> for OfSale {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(sale) = path.map_err(|why| Problem::bad(format!("path: {}", why.body_text())))?;
        Ok(OfSale(name("sale", &sale)?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for OfItem {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let path = path.map_err(|why| Problem::bad(format!("path: {}", why.body_text())))?;
        let Path((sale, item)) = path;
        Ok(OfItem(name("sale", &sale)?, name("sku", &item)?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for OfChannel {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<(String, String, String)>::from_request_parts(parts, state).await;
        let path = path.map_err(|why| Problem::bad(format!("path: {}", why.body_text())))?;
        let Path((sale, item, channel)) = path;
        Ok(OfChannel(name("sale", &sale)?, name("sku", &item)?, name("channel", &channel)?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for OfWave {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let path = path.map_err(|why| Problem::bad(format!("path: {}", why.body_text())))?;
        let Path((sale, wave)) = path;
        let is_number = wave.bytes().all(|byte| byte.is_ascii_digit());
        let number = wave.parse().ok().filter(|_| is_number);
        let number = number.ok_or_else(|| {
            let wave: String = wave.chars().take(64).collect();
            Problem::bad(format!("wave: '{}' is no number", wave.escape_debug()))
        })?;
        Ok(OfWave(name("sale", &sale)?, number))
    }
}

/// Reads a body of JSON as text.
pub(super) async fn text(
    headers: &HeaderMap,
    body: Body,
    bytes_max: usize,
) -> Result<String, Problem> {
    if let Some(kind) = headers.get(header::CONTENT_TYPE) {
        let kind = kind.to_str().unwrap_or_default();
        let essence = kind.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/json") {
            let kind: String = kind.chars().take(64).collect();
            let detail = format!("Content-Type: '{}'; send application/json", kind.escape_debug());
            return Err(Problem::new("unsupported_media_type", detail));
        }
    }
    let large = || Problem::new("too_large", format!("the body may have {bytes_max} bytes here"));
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    if length
        .and_then(|length| length.parse().ok())
        .is_some_and(|length: u64| length > bytes_max as u64)
    {
        return Err(large());
    }
    let read = timeout(BODY_DEADLINE, to_bytes(body, bytes_max)).await;
    let read = read.map_err(|_| {
        let seconds = BODY_DEADLINE.as_secs();
        Problem::new("request_timeout", format!("the body did not arrive within {seconds} s"))
    })?;
    let bytes = read.map_err(|why| {
        let source = std::error::Error::source(&why);
        if source.is_some_and(|source| source.is::<http_body_util::LengthLimitError>()) {
            large()
        } else {
            Problem::bad("body: it broke off")
        }
    })?;
    String::from_utf8(bytes.into()).map_err(|why| {
        let at = why.utf8_error().valid_up_to();
        Problem::bad(format!("body: byte {at} is not UTF-8"))
    })
}

/// Reads JSON; `form` is what would be right.
pub(super) fn json<T: DeserializeOwned>(text: &str, form: &str) -> Result<T, Problem> {
    // A list of values in the right order is no object, though serde would take it for one.
    if text.trim_start().starts_with('[') {
        return Err(Problem::bad(format!("body: is a list; send {form}")));
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|why| {
        let path = why.path().to_string();
        let path = if path == "." { "body" } else { &path };
        Problem::bad(format!("{path}: {}; send {form}", why.inner()))
    })?;
    reader.end().map_err(|why| Problem::bad(format!("body: {why}; send {form}")))?;
    Ok(value)
}
