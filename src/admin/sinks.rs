//! The paths of sinks: how they do, and what can be asked of them.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Json, Router};
use serde::Serialize;
use tokio::sync::oneshot;

use super::office::Office;
use super::problem::Problem;
use super::reading::{json, text};
use crate::limits::{ADMIN_BODY_BYTES_MAX, SINK_NAME_BYTES_MAX};
use crate::taps::{Ask, SinkView, Span, is_name};

type Answer = Result<Response, Problem>;
type Here = State<Arc<Office>>;

/// Their routes.
pub(super) fn routes() -> Router<Arc<Office>> {
    Router::new()
        .route("/v1/sinks", get(list))
        .route("/v1/sinks/{sink}/pause", asking(Ask::Pause))
        .route("/v1/sinks/{sink}/resume", asking(Ask::Resume))
        .route("/v1/sinks/{sink}/replay", post(replay))
}

/// The sink that a path names.
struct OfSink(String);

impl<S: Send + Sync> FromRequestParts<S> for OfSink {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(sink) = path.map_err(|why| Problem::bad(format!("path: {}", why.body_text())))?;
        if !is_name(&sink) {
            let max = SINK_NAME_BYTES_MAX;
            return Err(Problem::bad(format!("sink: it must be 1 to {max} of A-Z a-z 0-9 _ -")));
        }
        Ok(OfSink(sink))
    }
}

#[derive(Serialize)]
struct Listed {
    sinks: Vec<SinkView>,
}

async fn list(State(office): Here) -> Answer {
    Ok(Json(Listed { sinks: office.house()?.desk.sinks() }).into_response())
}

/// A path to which nothing has to be said but which sink it is.
fn asking(question: Ask) -> MethodRouter<Arc<Office>> {
    post(async move |State(office): Here, OfSink(sink): OfSink| ask(&office, &sink, question).await)
}

async fn replay(
    State(office): Here,
    OfSink(sink): OfSink,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let text = text(&headers, body, ADMIN_BODY_BYTES_MAX).await?;
    let span: Span = json(&text, r#"{"from":1,"to":1000}"#)?;
    // Whether they are in this order, and not beyond what was delivered, the sink says.
    if span.from == 0 || span.to == 0 {
        return Err(Problem::bad("from, to: seqs are 1 or more"));
    }
    ask(&office, &sink, Ask::Replay(span)).await
}

async fn ask(office: &Office, sink: &str, question: Ask) -> Answer {
    let (sender, answer) = oneshot::channel();
    let tell = Box::new(move |answer| _ = sender.send(answer));
    let asked = office.house()?.desk.ask_sink(sink, question, tell);
    let unknown = || {
        Problem::new("unknown_sink", format!("there is no sink '{sink}'; GET /v1/sinks lists them"))
    };
    asked.ok_or_else(unknown)?.map_err(|why| Problem::new("overloaded", why))?;
    let refused = |why: String| Problem::new("refused", why);
    Ok(Json(office.wait(answer).await?.map_err(refused)?).into_response())
}
