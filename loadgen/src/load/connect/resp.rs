//! The questions before a run in RESP: `AUTH` and `STOCK`, as any Redis client asks.

use super::talk::Talk;
use super::{Failure, ItemSight, Shop, Token, foreign, no_token, not_for_buyers, unknown};
use crate::speech::resp::bulk;

const TONGUE: &str = "RESP";
/// The longest answer, in bytes.
const ANSWER_BYTES_MAX: usize = 1024;

/// What is said first, if anything.
pub(super) fn hello(token: Option<&Token>) -> Option<Vec<u8>> {
    token.map(|token| request(&["AUTH", token.reveal()]))
}

/// Hears the answer to it.
pub(super) fn welcome(talk: &mut Talk, token: Option<&Token>) -> Result<usize, Failure> {
    if token.is_some() {
        let lines = hear(talk)?;
        match &*lines[0] {
            "+OK" => {}
            // Whoever asks for no token takes any.
            line if line.starts_with("-ERR AUTH") => {}
            line if line.starts_with("-WRONGPASS") => return Err(no_token(token)),
            line => return Err(error(line, token)),
        }
    }
    Ok(usize::MAX)
}

fn request(words: &[&str]) -> Vec<u8> {
    let words: String = std::iter::once(format!("*{}\r\n", words.len()))
        .chain(words.iter().map(|w| bulk(w)))
        .collect();
    words.into_bytes()
}

/// Hears one answer: a line, or an array of integers and bulk strings, in lines.
fn hear(talk: &mut Talk) -> Result<Vec<String>, Failure> {
    let mut answer = [0; ANSWER_BYTES_MAX];
    let mut length = 0;
    loop {
        if let Some(lines) =
            whole(&answer[..length]).map_err(|()| foreign(TONGUE, &answer[..length]))?
        {
            return Ok(lines);
        }
        match talk.hear(&mut answer[length..])? {
            0 => return Err(foreign(TONGUE, &answer[..length])),
            count => length += count,
        }
    }
}

/// The lines of an answer, once all of it is there.
fn whole(answer: &[u8]) -> Result<Option<Vec<String>>, ()> {
    if !matches!(answer.first(), None | Some(b'*' | b'-' | b'+' | b':')) {
        return Err(());
    }
    let text = String::from_utf8_lossy(answer);
    let Some((whole, _)) = text.rsplit_once("\r\n") else { return Ok(None) };
    let lines: Vec<String> = whole.split("\r\n").map(str::to_owned).collect();
    let wanted = match lines[0].strip_prefix('*') {
        None => 1,
        Some(count) => {
            let values: usize = count.parse().map_err(|_| ())?;
            // Each bulk string has two lines.
            1 + values + lines[1..].iter().filter(|line| line.starts_with('$')).count()
        }
    };
    Ok((lines.len() >= wanted).then_some(lines))
}

/// Why an answer is an error.
fn error(line: &str, token: Option<&Token>) -> Failure {
    let text = line.trim_start_matches('-');
    match text.split(' ').next().unwrap_or(text) {
        "NOAUTH" | "WRONGPASS" => no_token(token),
        "NOPERM" => not_for_buyers(),
        "LOADING" | "BUSY" | "MISCONF" => Failure::new(Failure::UNAVAILABLE, text),
        _ => foreign(TONGUE, line.as_bytes()),
    }
}

pub(super) fn look_up(
    talk: &mut Talk,
    sale: &str,
    items: &[String],
    token: Option<&Token>,
) -> Result<Shop, Failure> {
    let sights = items.iter().map(|item| stock(talk, sale, item, token));
    let items = sights.collect::<Result<_, _>>()?;
    if token.is_some() {
        // No order has this id: nothing comes of it but whether it may be asked.
        talk.say(&request(&["RELEASE", sale, "0"]))?;
        let lines = hear(talk)?;
        if lines[0].starts_with('-') {
            return Err(error(&lines[0], token));
        }
    }
    let numbers = Vec::new();
    Ok(Shop { hold_ms: None, limit: None, items, numbers, channel: 0, tells_terms: false })
}

pub(super) fn stock(
    talk: &mut Talk,
    sale: &str,
    item: &str,
    token: Option<&Token>,
) -> Result<ItemSight, Failure> {
    talk.say(&request(&["STOCK", sale, item]))?;
    let lines = hear(talk)?;
    match &*lines[0] {
        "*5" => {
            let number =
                |line: &String| line.strip_prefix(':').and_then(|units| units.parse().ok());
            let units: Option<Vec<u64>> = lines[1..].iter().map(number).collect();
            let units = units.and_then(|units| units.try_into().ok());
            let units = units.ok_or_else(|| foreign(TONGUE, lines.join(" ").as_bytes()))?;
            Ok(ItemSight::of(units))
        }
        "*1" => Err(unknown(lines.last().map_or("refused", String::as_str), sale, item)),
        line if line.starts_with('-') => Err(error(line, token)),
        line => Err(foreign(TONGUE, line.as_bytes())),
    }
}
