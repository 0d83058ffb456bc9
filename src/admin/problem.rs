//! Whatever is not a success, as `application/problem+json` (RFC 9457): a word for programs, a
//! sentence for people. Every error of the port is made here.

use axum::http::{HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::desk::Refusal;

/// A client that is told to come back does so after this, s.
const RETRY_AFTER_S: u64 = 1;
/// The longest detail, in characters.
const DETAIL_CHARS_MAX: usize = 500;

/// What went wrong.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    status: StatusCode,
    word: &'static str,
    detail: String,
    more: Option<(&'static str, u64)>,
    retry_after_ms: Option<u64>,
}

/// Word, status and title of each.
const PROBLEMS: [(&str, u16, &str); 27] = [
    ("bad_request", 400, "The request cannot be understood"),
    ("unauthorized", 401, "A token is needed"),
    ("forbidden", 403, "This may not be asked for here"),
    ("not_found", 404, "There is nothing here"),
    ("unknown_sale", 404, "No such sale"),
    ("unknown_item", 404, "No such item in the sale"),
    ("unknown_wave", 404, "No such wave is planned"),
    ("unknown_sink", 404, "No such sink"),
    ("method_not_allowed", 405, "This cannot be done here"),
    ("request_timeout", 408, "The request took too long to arrive"),
    ("key_reused", 409, "The name stands for another sale"),
    ("closed", 409, "The sale is over"),
    ("not_open", 409, "The sale is not open"),
    ("not_closed", 409, "The sale is not closed"),
    ("holds_live", 409, "Buyers still hold units"),
    ("sold_out", 409, "Not enough units are free"),
    ("too_much", 409, "More than an item can have"),
    ("bad_time", 409, "The time will not do"),
    ("no_draw", 409, "The sale has no draw"),
    ("wrong_seed", 409, "The seed is another than was committed to"),
    ("refused", 409, "It is not in a state for this"),
    ("too_large", 413, "The body is too large"),
    ("unsupported_media_type", 415, "The body is of another kind"),
    ("internal", 500, "Something is wrong here"),
    ("overloaded", 503, "Too much at once"),
    ("loading", 503, "The journal is being read"),
    ("stopping", 503, "The server is stopping"),
];

impl Problem {
    /// One of [`PROBLEMS`].
    pub(super) fn new(word: &'static str, detail: impl Into<String>) -> Problem {
        let (status, _) = known(word);
        let retry_after_ms = (status == 503).then_some(RETRY_AFTER_S * 1000);
        let status = StatusCode::from_u16(status).expect("the table holds statuses");
        // It may repeat what the peer sent, and that may be long.
        let mut detail: String = detail.into();
        if let Some((end, _)) = detail.char_indices().nth(DETAIL_CHARS_MAX) {
            detail.truncate(end);
            detail.push_str("...");
        }
        Problem { status, word, detail, more: None, retry_after_ms }
    }

    pub(super) fn bad(detail: impl Into<String>) -> Problem {
        Problem::new("bad_request", detail)
    }

    /// The house refused, for this sale (and item).
    pub(super) fn refused(refusal: Refusal, sale: &str, item: Option<&str>) -> Problem {
        let Refusal { word, amount } = refusal;
        let item = item.unwrap_or_default();
        let detail = match word {
            "unknown_sale" => {
                format!("there is no sale '{sale}'; GET /v1/sales lists those there are")
            }
            "unknown_item" => {
                format!("sale '{sale}' has no item '{item}'; GET /v1/sales/{sale} lists its items")
            }
            "key_reused" => format!(
                "there is a sale '{sale}' with other terms; what it was created with stays: take \
                    another name, or close and remove it first"
            ),
            "closed" => format!("sale '{sale}' is closed, and a closed sale stays closed"),
            "not_open" => format!(
                "it is too early: sale '{sale}' has not opened yet (POST /v1/sales/{sale}/open \
                    opens it), or its draw still takes entries"
            ),
            "unknown_wave" => format!(
                "sale '{sale}' plans no such wave; GET /v1/sales/{sale} lists those to come"
            ),
            "bad_time" => {
                format!("the time has passed already, or lies after the end of sale '{sale}'")
            }
            "no_draw" => format!("sale '{sale}' was created without a draw"),
            "wrong_seed" => format!(
                "the BLAKE3 hash of this seed is not the commitment of sale '{sale}'; nothing was \
                    drawn"
            ),
            "not_closed" => {
                format!("only a closed sale can be removed; POST /v1/sales/{sale}/close closes it")
            }
            "holds_live" => format!(
                "buyers still hold units of sale '{sale}'; it can be removed when the last hold \
                    is confirmed, released or expired"
            ),
            "sold_out" => {
                format!(
                    "only free units can be withdrawn or set aside, and {amount} of item '{item}' \
                        are free"
                )
            }
            "too_much" => format!(
                "that is more than sale '{sale}' or item '{item}' can have: {amount} at most, and \
                    {} units of an item",
                crate::limits::STOCK_MAX
            ),
            "overloaded" => {
                "the server has too much to do, or no room for more; nothing was changed".to_owned()
            }
            other => format!("sale '{sale}' refuses: {other}"),
        };
        let word = if is_known(word) { word } else { "refused" };
        let mut problem = Problem::new(word, detail);
        match word {
            "sold_out" => problem.more = Some(("free", amount)),
            "overloaded" => problem.retry_after_ms = Some(amount.max(RETRY_AFTER_S * 1000)),
            _ => {}
        }
        problem
    }

    pub(super) fn is(&self, word: &str) -> bool {
        self.word == word
    }

    fn body(&self) -> Value {
        let mut body = Map::new();
        let (status, title) = known(self.word);
        body.insert("type".into(), json!(format!("urn:doorbuster:{}", self.word)));
        body.insert("title".into(), json!(title));
        body.insert("status".into(), json!(status));
        body.insert("detail".into(), json!(self.detail));
        if let Some((name, value)) = self.more {
            body.insert(name.into(), json!(value));
        }
        if let Some(ms) = self.retry_after_ms {
            body.insert("retry_after_ms".into(), json!(ms));
        }
        Value::Object(body)
    }
}

fn is_known(word: &str) -> bool {
    PROBLEMS.iter().any(|problem| problem.0 == word)
}

fn known(word: &str) -> (u16, &'static str) {
    let found = PROBLEMS.iter().find(|problem| problem.0 == word);
    found.map(|problem| (problem.1, problem.2)).expect("every word used is in the table")
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        let mut response = (self.status, kind, self.body().to_string()).into_response();
        if let Some(ms) = self.retry_after_ms {
            response.headers_mut().insert(header::RETRY_AFTER, ms.div_ceil(1000).into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer realm=\"doorbuster\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

/// A path that leads nowhere.
pub(super) async fn nothing_here<B>(request: Request<B>) -> Problem {
    let path: String = request.uri().path().chars().take(200).collect();
    let path = path.escape_debug().to_string();
    Problem::new(
        "not_found",
        format!("there is nothing at {path}; /openapi.json says what there is"),
    )
}

/// A method that a path does not have; the router adds which it has.
pub(super) async fn no_such_method<B>(request: Request<B>) -> Problem {
    let method: String = request.method().as_str().chars().take(32).collect();
    let detail = format!("{method} is not possible here; the header Allow says what is");
    Problem::new("method_not_allowed", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_documented() {
        let document = include_str!("openapi.json");
        // For what this page does not know, and for what must not be.
        let ours = |word: &str| ["refused", "internal"].contains(&word);
        for (word, ..) in PROBLEMS {
            assert!(ours(word) || document.contains(&format!("`{word}`")), "{word}");
        }
    }

    #[test]
    fn what_the_house_refuses_is_told_with_what_belongs_to_it() {
        let refusal = Refusal { word: "sold_out", amount: 3 };
        let problem = Problem::refused(refusal, "drop", Some("tee"));
        assert_eq!((problem.status.as_u16(), &problem.body()["free"]), (409, &json!(3)));
        let problem = Problem::refused(Refusal { word: "overloaded", amount: 1500 }, "drop", None);
        let response = problem.into_response();
        assert_eq!(response.status().as_u16(), 503);
        assert_eq!(response.headers()["retry-after"], "2");
        // A word that this page does not know yet is told all the same.
        let problem = Problem::refused(Refusal { word: "new_word", amount: 0 }, "drop", None);
        assert!(problem.detail.contains("new_word") && problem.status.as_u16() == 409);
    }
}
