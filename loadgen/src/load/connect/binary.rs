//! The questions before a run in the binary protocol: greeting, numbers of names, stock.

use doorbuster::access::TOKEN_BYTES;
use doorbuster::client::{Error, HELLO, Item, Refusal, read_hello};
use doorbuster::message::{CELL_BYTES, Cell, Head, kind, outcome};
use doorbuster::sale::Name;

use super::talk::Talk;
use super::{Failure, ItemSight, Shop, Token, foreign, no_token, not_for_buyers, unknown};
use crate::options::Target;

const TONGUE: &str = "the binary protocol";
/// Where a token lies in the first cell.
const TOKEN_AT: usize = 8;

/// The first cell.
pub(super) fn hello(token: Option<&Token>) -> Result<[u8; CELL_BYTES], Failure> {
    let mut hello = HELLO;
    if let Some(token) = token {
        let text = token.reveal().as_bytes();
        let room = &mut hello[TOKEN_AT..TOKEN_AT + TOKEN_BYTES];
        if text.len() != room.len() {
            let sentence = format!("the token is not {TOKEN_BYTES} characters: db_ and 43 more");
            return Err(Failure::new(Failure::USAGE, sentence));
        }
        room.copy_from_slice(text);
    }
    Ok(hello)
}

/// Hears the answer to it; returns how many requests the server takes at once.
pub(super) fn welcome(talk: &mut Talk, token: Option<&Token>) -> Result<usize, Failure> {
    let cell = hear(talk, kind::HELLO..=kind::HELLO)?;
    match read_hello(&cell.0) {
        Ok(bound) => Ok(usize::try_from(bound).unwrap_or(usize::MAX)),
        Err(Error::Refused(Refusal::Unauthorized)) => Err(no_token(token)),
        Err(Error::Refused(refusal)) => {
            Err(Failure::new(Failure::UNAVAILABLE, refusal.to_string()))
        }
        Err(Error::Protocol(why)) if cell.0[1] == outcome::MALFORMED => {
            let sentence = format!("{why}; perhaps it takes TLS only (--tls)");
            Err(Failure::new(Failure::UNAVAILABLE, sentence))
        }
        Err(error) => Err(Failure::new(Failure::UNAVAILABLE, error.to_string())),
    }
}

/// Hears one cell of these kinds.
fn hear(talk: &mut Talk, kinds: std::ops::RangeInclusive<u8>) -> Result<Cell, Failure> {
    let mut cell = Cell::ZERO;
    let mut length = 0;
    while length < CELL_BYTES {
        match talk.hear(&mut cell.0[length..])? {
            0 => return Err(foreign(TONGUE, &cell.0[..length])),
            count => length += count,
        }
        if !kinds.contains(&cell.kind()) {
            return Err(foreign(TONGUE, &cell.0[..length]));
        }
    }
    Ok(cell)
}

fn ask(talk: &mut Talk, head: Head, tails: &[Cell]) -> Result<Cell, Failure> {
    let head = Head { tails: (tails.len() as u16).into(), ..head };
    let mut cells = Cell::from(head).0.to_vec();
    tails.iter().for_each(|tail| cells.extend_from_slice(&tail.0));
    talk.say(&cells)?;
    let answer = hear(talk, kind::REPLY..=kind::SALE_REPLY)?;
    if answer.reply_tails() > 0 {
        return Err(foreign(TONGUE, &answer.0));
    }
    match answer.reply().outcome {
        outcome::FORBIDDEN => Err(not_for_buyers()),
        _ => Ok(answer),
    }
}

fn name(text: &str) -> Result<Cell, Failure> {
    let name = Name::parse(text.as_bytes());
    name.map(|name| Cell(*name.as_bytes())).map_err(|why| Failure::new(Failure::USAGE, why))
}

pub(super) fn look_up(
    talk: &mut Talk,
    target: &Target,
    token: Option<&Token>,
) -> Result<Shop, Failure> {
    let Target { sale, item: items, .. } = target;
    let mut numbers = Vec::with_capacity(items.len());
    for item in items {
        let answer = ask(talk, Head::new(kind::RESOLVE), &[name(sale)?, name(item)?])?;
        let reply = answer.reply();
        let number = |wide: u64| u16::try_from(wide).map_err(|_| foreign(TONGUE, &answer.0));
        match reply.outcome {
            outcome::OK => numbers.push(Item {
                sale: number(reply.order.to_native())?,
                item: number(reply.seq.to_native())?,
            }),
            outcome::UNAUTHORIZED => return Err(no_token(token)),
            refused => return Err(unknown(outcome::word(refused), sale, item)),
        }
    }
    let channel = match &target.channel {
        None => 0,
        Some(channel) => channel_number(talk, sale, channel)?,
    };
    if token.is_some() {
        // No order has this id: nothing comes of it but whether it may be asked.
        let mut release = Head::new(kind::RELEASE);
        release.sale = numbers[0].sale.into();
        ask(talk, release, &[])?;
    }
    let items = numbers.iter().map(|number| stock(talk, *number));
    let items = items.collect::<Result<_, _>>()?;
    Ok(Shop { hold_ms: None, limit: None, items, numbers, channel, tells_terms: false })
}

fn channel_number(talk: &mut Talk, sale: &str, channel: &str) -> Result<u8, Failure> {
    let names = [name(sale)?, Cell::ZERO, name(channel)?];
    let answer = ask(talk, Head::new(kind::RESOLVE), &names)?;
    let number = u8::try_from(answer.reply().price.to_native());
    match answer.reply().outcome {
        outcome::OK => number.map_err(|_| foreign(TONGUE, &answer.0)),
        refused => {
            let word = outcome::word(refused);
            let sentence = format!("{word}: sale '{sale}', channel '{channel}'");
            Err(Failure::new(Failure::CHECK, sentence))
        }
    }
}

pub(super) fn stock(talk: &mut Talk, item: Item) -> Result<ItemSight, Failure> {
    let mut head = Head::new(kind::STOCK);
    (head.sale, head.item) = (item.sale.into(), item.item.into());
    let answer = ask(talk, head, &[])?;
    if answer.kind() != kind::STOCK_REPLY {
        let word = outcome::word(answer.reply().outcome);
        return Err(Failure::new(Failure::CHECK, format!("{word}: asked for the stock")));
    }
    let reply = answer.stock_reply();
    let units = [reply.stock, reply.free, reply.held, reply.confirmed, reply.waiting];
    Ok(ItemSight::of(units.map(|units| units.to_native())))
}
