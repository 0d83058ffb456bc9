//! Who may ask for what on the operator's port: one question to the house for each request, before
//! anything of its body is read. It keeps no token.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;

/// What a token is good for here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// There is no such token, or none was shown.
    Unknown,
    /// It is good for something else.
    Elsewhere,
    /// Looking.
    Read,
    /// Looking and changing.
    Admin,
}

/// Says what the token in `Authorization: Bearer` is good for, or what nobody's is.
pub type AskAccess = Arc<dyn Fn(Option<&str>) -> Access + Send + Sync>;

/// Everybody who reaches the port may do everything.
pub fn open_to_all() -> AskAccess {
    Arc::new(|_| Access::Admin)
}

/// Health, for those who watch the process; and what is the same for everybody.
const OPEN: [&str; 4] = ["/livez", "/readyz", "/", "/openapi.json"];

/// Lets a request pass, or answers it.
pub(super) async fn guard(State(ask): State<AskAccess>, request: Request, next: Next) -> Response {
    match check(&ask, &request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn check(ask: &AskAccess, request: &Request) -> Result<(), Problem> {
    let changes = ![Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method());
    if !changes && OPEN.contains(&request.uri().path()) {
        return Ok(());
    }
    if changes && is_from_elsewhere(request.headers()) {
        let detail =
            "the header Origin names another place: pages of other sites may not change sales";
        return Err(Problem::new("forbidden", detail));
    }
    if changes && ask(None) == Access::Admin && is_from_a_renamed_place(request.headers()) {
        let detail = "without tokens a page may change sales only where its address is an IP \
            address or localhost: any other name could have been pointed here by its owner";
        return Err(Problem::new("forbidden", detail));
    }
    match (ask(bearer(request.headers())?), changes) {
        (Access::Admin, _) | (Access::Read, false) => Ok(()),
        (Access::Unknown, _) => {
            let detail = "send a token that is known here: 'Authorization: Bearer <token>'";
            Err(Problem::new("unauthorized", detail))
        }
        (_, true) => Err(Problem::new("forbidden", "changes need a token with the role admin")),
        (_, false) => Err(Problem::new("forbidden", "this needs the role read or admin")),
    }
}

fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let wrong = || Problem::new("unauthorized", "Authorization: one 'Bearer <token>' is expected");
    if values.next().is_some() {
        return Err(wrong());
    }
    let (scheme, token) =
        value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(wrong)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(Some(token.trim())) } else { Err(wrong()) }
}

/// A browser says where a page came from that changes something. Without this any page could, in
/// the browser of whoever may reach a port that asks for no token.
fn is_from_elsewhere(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return false };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let place = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    place.map(|(_, place)| place) != host || host.is_none()
}

/// A page's owner can let its name stand for this port's address once the page is loaded. Then the
/// page comes from here as far as a browser can tell; but not by number, and not from localhost.
fn is_from_a_renamed_place(headers: &HeaderMap) -> bool {
    if !headers.contains_key(header::ORIGIN) {
        return false;
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let host = host.parse::<Authority>().ok();
    let name = host.as_ref().map_or("", Authority::host);
    let number = name.trim_start_matches('[').trim_end_matches(']');
    number.parse::<IpAddr>().is_err() && !name.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    #[test]
    fn each_role_may_what_it_may() {
        let ask: AskAccess = Arc::new(|token| match token {
            Some("a") => Access::Admin,
            Some("r") => Access::Read,
            Some("b") => Access::Elsewhere,
            _ => Access::Unknown,
        });
        let status = |method: &str, path: &str, name: &str, value: &str| {
            let request = Request::builder().method(method).uri(path).header("host", "h:1");
            let request = request.header(name, value).body(Body::empty()).expect("a request");
            check(&ask, &request).map_or_else(|why| why.into_response().status().as_u16(), |()| 200)
        };
        for (method, path, token, expected) in [
            ("GET", "/livez", "", 200),
            ("GET", "/", "Bearer x", 200),
            ("GET", "/metrics", "", 401),
            ("GET", "/metrics", "Bearer r", 200),
            ("GET", "/metrics", "bearer a", 200),
            ("GET", "/metrics", "Bearer b", 403),
            ("GET", "/metrics", "Basic r", 401),
            ("GET", "/v1/sales", "Bearer x", 401),
            ("PUT", "/v1/sales/drop", "Bearer r", 403),
            ("PUT", "/v1/sales/drop", "Bearer a", 200),
            ("DELETE", "/v1/sales/drop", "Bearer b", 403),
            ("POST", "/livez", "Bearer x", 401),
        ] {
            assert_eq!(
                status(method, path, "authorization", token),
                expected,
                "{method} {path} {token}"
            );
        }
        let all = open_to_all();
        let changes = |ask: &AskAccess, host: &str, more: &[(&str, &str)]| {
            let request = Request::builder().method("POST").uri("/v1/sales/drop/open");
            let request =
                more.iter().fold(request.header("host", host), |request, (name, value)| {
                    request.header(*name, *value)
                });
            check(ask, &request.body(Body::empty()).expect("a request")).is_ok()
        };
        for (host, origin, expected) in [
            ("127.0.0.1:1", "http://127.0.0.1:1", true),
            ("[::1]:1", "http://[::1]:1", true),
            ("localhost:1", "http://localhost:1", true),
            ("127.0.0.1:1", "http://evil", false),
            ("127.0.0.1:1", "null", false),
            // Its owner let the name stand for our address after the page was loaded.
            ("evil.example:1", "http://evil.example:1", false),
        ] {
            assert_eq!(changes(&all, host, &[("origin", origin)]), expected, "{origin} at {host}");
        }
        // No page, or one that was given a token.
        assert!(changes(&all, "doorbuster:1", &[]));
        let page = [("origin", "http://h:1"), ("authorization", "Bearer a")];
        assert!(changes(&ask, "h:1", &page));
    }
}
