//! The paths of the operator's port and what each does: read the request, ask the house, show the
//! sale. Every way out that is not a success is a [`Problem`].

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, Request, State, rejection::QueryRejection};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, post, put};
use axum::{Json, Router};
use serde::Deserialize;

use super::access::{AskAccess, guard};
use super::feed::feed;
use super::health::Phase;
use super::office::Office;
use super::page;
use super::problem::{Problem, no_such_method, nothing_here};
use super::reading::{OfChannel, OfItem, OfSale, OfWave, json, text};
use super::show::{Listed, Shown, Summary};
use super::sinks;
use crate::limits::{
    ADMIN_BODY_BYTES_MAX, ADMIN_LIST_MAX, ADMIN_SALE_BYTES_MAX, PRICE_MAX, STOCK_MAX,
};
use crate::operator::OperatorCommand;
use crate::sale::{Aside, Name};
use crate::sale_file;

type Answer = Result<Response, Problem>;
type Here = State<Arc<Office>>;

/// All routes, behind the guard.
pub(super) fn router(office: Arc<Office>, access: AskAccess) -> Router {
    Router::new()
        .route("/", get(page::first))
        .route("/openapi.json", get(page::openapi))
        .route("/livez", get(async || "alive\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/v1/heads", get(heads))
        .merge(sinks::routes())
        .route("/v1/sales", get(list))
        .route("/v1/sales/{sale}", get(show).put(create).delete(remove))
        .route("/v1/sales/{sale}/open", change(|sale| OperatorCommand::Open { sale }))
        .route("/v1/sales/{sale}/pause", change(|sale| OperatorCommand::Pause { sale }))
        .route("/v1/sales/{sale}/resume", change(|sale| OperatorCommand::Resume { sale }))
        .route("/v1/sales/{sale}/close", change(|sale| OperatorCommand::Close { sale }))
        .route("/v1/sales/{sale}/items/{sku}/stock", post(stock))
        .route("/v1/sales/{sale}/items/{sku}/price", put(price))
        .route("/v1/sales/{sale}/items/{sku}/channels/{channel}", post(set_aside))
        .route("/v1/sales/{sale}/waves/{wave}", delete(call_off))
        .route("/v1/sales/{sale}/draw", post(draw))
        .route("/v1/sales/{sale}/feed", get(feed))
        .fallback(nothing_here::<Body>)
        .method_not_allowed_fallback(no_such_method::<Body>)
        .layer(from_fn_with_state(access, guard))
        .layer(map_response(finish))
        .with_state(office)
}

/// All that an overfull port still answers.
pub(super) fn health_only(office: Arc<Office>) -> Router {
    Router::new()
        .route("/livez", get(async || "alive\n"))
        .route("/readyz", get(readyz))
        .fallback(async || Problem::new("overloaded", "too many connections; close some"))
        .layer(map_response(async |mut response: Response| {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            finish(response).await
        }))
        .with_state(office)
}

/// What every answer says: it is true now and not later, and it is what it says it is.
async fn finish(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

async fn readyz(State(office): Here) -> Answer {
    match *office.phase.borrow() {
        Phase::Loading => Err(Problem::new("loading", "the journal is being read")),
        Phase::Ready => Ok("ready\n".into_response()),
        Phase::Draining | Phase::Stopping => {
            Err(Problem::new("stopping", "what was read is answered, nothing more is taken"))
        }
    }
}

async fn metrics(State(office): Here) -> Answer {
    let house = office.house.get();
    let house = house.ok_or_else(|| Problem::new("loading", "the journal is being read"))?;
    let kind = [(header::CONTENT_TYPE, crate::metrics::CONTENT_TYPE)];
    Ok((kind, (house.metrics)()).into_response())
}

/// Which heads.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Since {
    from: Option<u64>,
}

async fn heads(State(office): Here, since: Result<Query<Since>, QueryRejection>) -> Answer {
    let Query(since) = since.map_err(|why| Problem::bad(format!("query: {}", why.body_text())))?;
    let shelf = office.house()?.desk.heads();
    let page = match since.from {
        None => shelf.newest().to_string(),
        Some(seq) => {
            // The file is read where nobody waits but this request.
            let read = tokio::task::spawn_blocking(move || shelf.from(seq)).await;
            let failed = |why: String| Problem::new("internal", format!("the log of heads: {why}"));
            let read = read.map_err(|why| failed(why.to_string()))?;
            read.map_err(|why| failed(why.to_string()))?
        }
    };
    Ok(([(header::CONTENT_TYPE, "application/json")], page).into_response())
}

/// Which page of the list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    after: Option<String>,
    limit: Option<usize>,
}

async fn list(State(office): Here, page: Result<Query<Page>, QueryRejection>) -> Answer {
    let Query(page) = page.map_err(|why| Problem::bad(format!("query: {}", why.body_text())))?;
    let limit = page.limit.unwrap_or(ADMIN_LIST_MAX);
    if !(1..=ADMIN_LIST_MAX).contains(&limit) {
        return Err(Problem::bad(format!("limit: {limit} is not between 1 and {ADMIN_LIST_MAX}")));
    }
    let after = page.after.map(|text| Name::parse(text.as_bytes())).transpose();
    let after = after.map_err(|why| Problem::bad(format!("after: {why}")))?;
    let mut names = office.house()?.desk.names();
    names.retain(|name| after.is_none_or(|after| *name > after));
    names.sort_unstable();
    let next = names.get(limit).map(|_| names[limit - 1].to_string());
    names.truncate(limit);
    let mut sales = Vec::with_capacity(names.len());
    for name in names {
        match office.look(name).await {
            Ok(view) => sales.push(Summary::from(&Shown::from(&view))),
            // It was removed in between.
            Err(why) if why.is("unknown_sale") => {}
            Err(why) => return Err(why),
        }
    }
    Ok(Json(Listed { sales, next }).into_response())
}

async fn show(State(office): Here, OfSale(sale): OfSale) -> Answer {
    Ok(Json(Shown::from(&office.look(sale).await?)).into_response())
}

async fn create(State(office): Here, OfSale(sale): OfSale, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    let text = text(&parts.headers, body, ADMIN_SALE_BYTES_MAX).await?;
    let terms = sale_file::parse_named(&sale, &text).map_err(Problem::bad)?;
    let done = office.command(OperatorCommand::Create(terms), &sale, None).await?;
    let status = if done.replayed { StatusCode::OK } else { StatusCode::CREATED };
    let mut response = (status, changed(&office, sale, done.seq).await?).into_response();
    if status == StatusCode::CREATED {
        let place = format!("/v1/sales/{sale}").parse().expect("a name is good in a path");
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

/// A path to which nothing has to be said but which sale it is.
fn change(command: fn(Name) -> OperatorCommand) -> MethodRouter<Arc<Office>> {
    post(async move |State(office): Here, OfSale(sale): OfSale| -> Answer {
        let done = office.command(command(sale), &sale, None).await?;
        Ok(changed(&office, sale, done.seq).await?.into_response())
    })
}

async fn remove(State(office): Here, OfSale(sale): OfSale) -> Answer {
    // Afterwards there is nothing to be seen any more.
    let mut last = Shown::from(&office.look(sale).await?);
    last.seq = office.command(OperatorCommand::Remove { sale }, &sale, None).await?.seq;
    last.state = "removed".to_owned();
    Ok(Json(last).into_response())
}

/// The body of a change of stock: one of the first two.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Units {
    add: Option<u64>,
    withdraw: Option<u64>,
    /// With `add`: when.
    at: Option<String>,
}

async fn stock(
    State(office): Here,
    OfItem(sale, item): OfItem,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    const FORM: &str = r#"{"add":100}, {"withdraw":50} or {"add":100,"at":"2026-11-27T20:30:00Z"}"#;
    let text = text(&headers, body, ADMIN_BODY_BYTES_MAX).await?;
    let units: Units = json(&text, FORM)?;
    let at = units.at.as_deref().map(|at| sale_file::moment("at", at).map_err(Problem::bad));
    let at = at.transpose()?;
    let (count, command) = match (units.add, units.withdraw, at) {
        (Some(units), None, None) => (units, OperatorCommand::Add { sale, item, units }),
        (Some(units), None, Some(at)) => (units, OperatorCommand::Plan { sale, item, units, at }),
        (None, Some(units), None) => (units, OperatorCommand::Withdraw { sale, item, units }),
        _ => return Err(Problem::bad(format!("body: none or too much of it; send {FORM}"))),
    };
    units_within(1, count)?;
    let done = office.command(command, &sale, Some(&item)).await?;
    Ok(changed(&office, sale, done.seq).await?.into_response())
}

fn units_within(least: u64, count: u64) -> Result<(), Problem> {
    if (least..=STOCK_MAX).contains(&count) {
        return Ok(());
    }
    Err(Problem::bad(format!("units: {count} is not between {least} and {STOCK_MAX}")))
}

/// The body that sets units aside.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetAside {
    set_aside: u64,
    until: Option<String>,
}

async fn set_aside(
    State(office): Here,
    OfChannel(sale, item, channel): OfChannel,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let text = text(&headers, body, ADMIN_BODY_BYTES_MAX).await?;
    let form = r#"{"set_aside":200} or {"set_aside":200,"until":"2026-11-27T21:00:00Z"}"#;
    let SetAside { set_aside: units, until } = json(&text, form)?;
    units_within(0, units)?;
    let until = until.map(|until| sale_file::moment("until", &until).map_err(Problem::bad));
    let aside = Aside { channel, units, until: until.transpose()?.unwrap_or(0) };
    let command = OperatorCommand::Aside { sale, item, aside };
    let done = office.command(command, &sale, Some(&item)).await?;
    Ok(changed(&office, sale, done.seq).await?.into_response())
}

async fn call_off(State(office): Here, OfWave(sale, wave): OfWave) -> Answer {
    let done = office.command(OperatorCommand::CallOff { sale, wave }, &sale, None).await?;
    Ok(changed(&office, sale, done.seq).await?.into_response())
}

/// The body that reveals a seed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Revealed {
    seed: String,
}

async fn draw(State(office): Here, OfSale(sale): OfSale, headers: HeaderMap, body: Body) -> Answer {
    let text = text(&headers, body, ADMIN_BODY_BYTES_MAX).await?;
    let Revealed { seed } = json(&text, r#"{"seed":"<64 hex digits>"}"#)?;
    let seed = sale_file::hash("seed", &seed).map_err(Problem::bad)?;
    let done = office.command(OperatorCommand::Draw { sale, seed }, &sale, None).await?;
    Ok(changed(&office, sale, done.seq).await?.into_response())
}

/// The body of a change of price.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPrice {
    price: u64,
}

async fn price(
    State(office): Here,
    OfItem(sale, item): OfItem,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let text = text(&headers, body, ADMIN_BODY_BYTES_MAX).await?;
    let NewPrice { price } = json(&text, r#"{"price":1900}"#)?;
    if price > PRICE_MAX {
        return Err(Problem::bad(format!("price: {price} is above {PRICE_MAX}")));
    }
    let done =
        office.command(OperatorCommand::Price { sale, item, price }, &sale, Some(&item)).await?;
    Ok(changed(&office, sale, done.seq).await?.into_response())
}

/// The sale after a change that was made, with the seq of that change.
async fn changed(office: &Office, sale: Name, seq: u64) -> Result<Json<Shown>, Problem> {
    let mut shown = Shown::from(&office.look(sale).await?);
    if seq > 0 {
        shown.seq = seq;
    }
    Ok(Json(shown))
}
