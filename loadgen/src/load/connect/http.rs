//! The question before a run over HTTP: the whole sale, with its terms.

use serde_json::Value;

use super::talk::Talk;
use super::{Failure, ItemSight, Shop, Token, foreign, no_token, not_for_buyers, shown, unknown};
use crate::options::Target;
use crate::speech::http::{HEAD_BYTES_MAX, authority, read_head};

const TONGUE: &str = "HTTP/1.1";
/// The longest answer: a sale of 1,024 items with room to spare.
const BODY_BYTES_MAX: usize = 1024 * 1024;

pub(super) fn look_up(
    talk: &mut Talk,
    target: &Target,
    token: Option<&Token>,
) -> Result<Shop, Failure> {
    let shop = look(talk, target, &target.item, token)?;
    if token.is_some() {
        // No order has this id: nothing comes of it but whether it may be asked.
        let path = format!("POST /v1/sales/{}/orders/0/release", target.sale);
        let (status, body) = ask(talk, &path, target, token)?;
        if status == 401 || status == 403 {
            return Err(refused(status, &body, target, token));
        }
    }
    Ok(shop)
}

/// What there is of these items.
pub(super) fn look(
    talk: &mut Talk,
    target: &Target,
    items: &[String],
    token: Option<&Token>,
) -> Result<Shop, Failure> {
    let (status, body) = ask(talk, &format!("GET /v1/sales/{}", target.sale), target, token)?;
    if status != 200 {
        return Err(refused(status, &body, target, token));
    }
    let strange = || foreign(TONGUE, &body);
    let shop: Value = serde_json::from_slice(&body).map_err(|_| strange())?;
    let listed = shop["items"].as_array().ok_or_else(strange)?;
    let limit = |of: &Value| of["limit"].as_u64().and_then(|limit| u32::try_from(limit).ok());
    let sight = |item: &String| {
        let found = listed.iter().find(|listed| listed["sku"].as_str() == Some(item));
        let found = found.ok_or_else(|| unknown("unknown_item", &target.sale, item))?;
        let units = |name: &str| found[name].as_u64().ok_or_else(strange);
        Ok(ItemSight {
            price: found["price"].as_u64(),
            limit: limit(found),
            ..ItemSight::of([
                units("stock")?,
                units("free")?,
                units("held")?,
                units("confirmed")?,
                units("waiting")?,
            ])
        })
    };
    Ok(Shop {
        hold_ms: shop["hold_ms"].as_u64(),
        limit: limit(&shop),
        items: items.iter().map(sight).collect::<Result<_, Failure>>()?,
        numbers: Vec::new(),
        channel: 0,
        tells_terms: true,
    })
}

/// Why there is no sale to see.
fn refused(status: u16, body: &[u8], target: &Target, token: Option<&Token>) -> Failure {
    let problem = serde_json::from_slice::<Value>(body).unwrap_or_default();
    let said = |field: &str| problem[field].as_str().unwrap_or_default();
    let Some(word) = said("type").strip_prefix("urn:doorbuster:") else {
        let sentence = format!("answers {status}, and not as a doorbuster does: '{}'", shown(body));
        return Failure::new(Failure::UNAVAILABLE, sentence);
    };
    match (word, status) {
        ("unauthorized", _) => no_token(token),
        ("forbidden", _) => not_for_buyers(),
        (_, 500..) => Failure::new(Failure::UNAVAILABLE, format!("{word}: {}", said("detail"))),
        ("unknown_sale", _) => unknown(word, &target.sale, &target.item[0]),
        _ => Failure::new(Failure::CHECK, format!("{word}: {}", said("detail"))),
    }
}

/// Asks, without a body; status and body of the answer.
fn ask(
    talk: &mut Talk,
    line: &str,
    target: &Target,
    token: Option<&Token>,
) -> Result<(u16, Vec<u8>), Failure> {
    let length = if line.starts_with("POST") { "Content-Length: 0\r\n" } else { "" };
    talk.say(
        format!("{line} HTTP/1.1\r\n{}{length}\r\n", authority(&target.address, token)).as_bytes(),
    )?;
    let mut answer = Vec::new();
    loop {
        match read_head(&answer) {
            Ok(Some(head)) if head.length > BODY_BYTES_MAX => {
                let sentence =
                    format!("an answer of {} bytes; {BODY_BYTES_MAX} at most", head.length);
                return Err(Failure::new(Failure::UNAVAILABLE, sentence));
            }
            Ok(Some(head)) if answer.len() >= head.bytes + head.length => {
                let body = answer[head.bytes..head.bytes + head.length].to_vec();
                return Ok((head.status, body));
            }
            Ok(Some(_)) => {}
            Ok(None) if answer.len() < HEAD_BYTES_MAX => {}
            Ok(None) => return Err(foreign(TONGUE, &answer)),
            Err(why) if answer.starts_with(b"HTTP/1.") => {
                return Err(Failure::new(Failure::UNAVAILABLE, why));
            }
            Err(_) => return Err(foreign(TONGUE, &answer)),
        }
        let mut bytes = [0; 16 * 1024];
        match talk.hear(&mut bytes)? {
            0 => return Err(foreign(TONGUE, &answer)),
            count => answer.extend_from_slice(&bytes[..count]),
        }
    }
}
