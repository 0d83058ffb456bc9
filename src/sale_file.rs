//! A sale as an operator writes it: TOML or JSON, to terms. What is not understood is refused with
//! file, field and what is allowed.

use std::path::Path;

use serde::Deserialize;

use crate::limits::OFFER_MS_MAX;
use crate::message::check_terms;
use crate::sale::{DrawTerms, GroupTerms, ItemTerms, Name, Terms};

const HOLD_MS_DEFAULT: u32 = 120_000;
const OFFER_MS_DEFAULT: u32 = 60_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SaleFile {
    name: Option<String>,
    items: Vec<ItemFile>,
    currency: Option<String>,
    limit: Option<u32>,
    hold_ms: Option<u32>,
    opens_at: Option<Time>,
    closes_at: Option<Time>,
    extend_ms: Option<u32>,
    offer_ms: Option<u32>,
    waitlist: Option<u32>,
    waitlist_policy: Option<String>,
    groups: Option<Vec<GroupFile>>,
    draw: Option<DrawFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupFile {
    name: String,
    limit: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DrawFile {
    at: Time,
    commitment: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ItemFile {
    sku: String,
    stock: u64,
    price: u64,
    limit: Option<u32>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Time {
    Text(String),
    Toml(toml::value::Datetime),
}

/// Reads a sale file; JSON if its name ends so or it begins with a brace, TOML otherwise.
///
/// # Errors
/// A sentence with the file and what is wrong in it.
pub fn read(path: &Path) -> Result<Terms, String> {
    let at = |why: String| format!("{}: {why}", path.display());
    let text = std::fs::read_to_string(path).map_err(|why| at(why.to_string()))?;
    let is_json = path.extension().is_some_and(|ending| ending == "json");
    parse(&text, is_json || text.trim_start().starts_with('{')).map_err(at)
}

/// Reads a sale from text.
///
/// # Errors
/// A sentence that says where and what is wrong.
pub fn parse(text: &str, is_json: bool) -> Result<Terms, String> {
    let file: SaleFile = if is_json {
        read_json(text)?
    } else {
        toml::from_str(text).map_err(|why| why.to_string().trim_end().to_owned())?
    };
    let name = file.name.as_deref().ok_or("name: is missing; every sale has one")?;
    let name = Name::parse(name.as_bytes()).map_err(|why| format!("name: {why}"))?;
    file.terms(name)
}

/// Reads a sale from JSON that need not name it: its name is known already.
///
/// # Errors
/// As [`parse`]; also if the text names another sale.
pub fn parse_named(name: &Name, text: &str) -> Result<Terms, String> {
    let file = read_json(text)?;
    if let Some(other) = file.name.as_deref().filter(|other| *other != name.as_str()) {
        let other: String = other.chars().take(64).collect();
        return Err(format!(
            "name: '{}' is not '{name}', as the path has it",
            other.escape_debug()
        ));
    }
    file.terms(*name)
}

/// Reads JSON and says which field is wrong.
fn read_json(text: &str) -> Result<SaleFile, String> {
    // Values in the right order are no object, though serde would take them for one.
    if text.trim_start().starts_with('[') {
        return Err("a list is no sale: an object is expected".to_owned());
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let file = serde_path_to_error::deserialize(&mut reader).map_err(|why| {
        let path = why.path().to_string();
        let path = if path == "." { String::new() } else { format!("{path}: ") };
        format!("{path}{}", why.inner())
    })?;
    reader.end().map_err(|why| why.to_string())?;
    Ok(file)
}

impl SaleFile {
    fn terms(self, name: Name) -> Result<Terms, String> {
        let waitlist = self.waitlist.unwrap_or(0);
        let is_strict = self.is_strict()?;
        // Also where there is no waiting list, and it is not kept.
        if let Some(offer_ms) = self.offer_ms.filter(|ms| *ms > OFFER_MS_MAX) {
            return Err(format!("offer_ms: {offer_ms} is above {OFFER_MS_MAX} (30 days)"));
        }
        let mut items = Vec::with_capacity(self.items.len());
        for item in &self.items {
            items.push(ItemTerms {
                sku: Name::parse(item.sku.as_bytes())
                    .map_err(|why| format!("items: sku: {why}"))?,
                stock: item.stock,
                price: item.price,
                limit: limit("items: limit", item.limit)?,
            });
        }
        let mut groups = Vec::new();
        for (index, group) in self.groups.into_iter().flatten().enumerate() {
            let field = format!("groups[{index}]");
            groups.push(GroupTerms {
                name: Name::parse(group.name.as_bytes())
                    .map_err(|why| format!("{field}.name: {why}"))?,
                limit: limit(&format!("{field}.limit"), Some(group.limit))?,
            });
        }
        let draw = self.draw.map(DrawFile::terms).transpose()?;
        let gives_later = waitlist > 0 || draw.is_some();
        let terms = Terms {
            name,
            items,
            currency: currency(self.currency.as_deref())?,
            limit: limit("limit", self.limit)?,
            hold_ms: self.hold_ms.unwrap_or(HOLD_MS_DEFAULT),
            extend_ms: self.extend_ms.unwrap_or(0),
            // Without waiting list and draw nobody is offered anything, whatever the time for it.
            offer_ms: if gives_later { self.offer_ms.unwrap_or(OFFER_MS_DEFAULT) } else { 0 },
            waitlist,
            is_strict: is_strict && waitlist > 0,
            groups,
            draw,
            opens_at: time("opens_at", self.opens_at)?,
            closes_at: time("closes_at", self.closes_at)?,
        };
        check_terms(&terms)?;
        Ok(terms)
    }

    fn is_strict(&self) -> Result<bool, String> {
        match self.waitlist_policy.as_deref() {
            None | Some("skip") => Ok(false),
            Some("strict") => Ok(true),
            Some(policy) => {
                let policy = policy.escape_debug();
                Err(format!("waitlist_policy: '{policy}' is neither strict nor skip"))
            }
        }
    }
}

fn limit(field: &str, limit: Option<u32>) -> Result<u32, String> {
    match limit {
        Some(0) => Err(format!("{field}: 0 would sell nothing; leave it out for no limit")),
        limit => Ok(limit.unwrap_or(0)),
    }
}

fn currency(text: Option<&str>) -> Result<[u8; 3], String> {
    let Some(text) = text else { return Ok([0; 3]) };
    <[u8; 3]>::try_from(text.as_bytes())
        .ok()
        .filter(|letters| letters.iter().all(u8::is_ascii_uppercase))
        .ok_or_else(|| format!("currency: '{}' is not three capital letters", text.escape_debug()))
}

fn time(field: &str, time: Option<Time>) -> Result<u64, String> {
    match time {
        None => Ok(0),
        Some(Time::Text(text)) => moment(field, &text),
        Some(Time::Toml(datetime)) => moment(field, &datetime.to_string()),
    }
}

/// Reads a time of RFC 3339 as Unix ns, never 0.
///
/// # Errors
/// A sentence with the field's name and what is allowed.
pub fn moment(field: &str, text: &str) -> Result<u64, String> {
    let bad = || {
        let text = shown(text);
        format!("{field}: '{text}' is no time; write it like 2026-11-27T20:00:00Z")
    };
    let timestamp: jiff::Timestamp = text.parse().map_err(|_| bad())?;
    u64::try_from(timestamp.as_nanosecond())
        .ok()
        .filter(|ns| *ns > 0)
        .ok_or_else(|| format!("{field}: '{}' is not between the years 1970 and 2554", shown(text)))
}

/// Reads 32 bytes from hex.
///
/// # Errors
/// As [`moment`].
pub fn hash(field: &str, text: &str) -> Result<[u8; 32], String> {
    let mut hash = [0; 32];
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let read = text.len() == 2 * hash.len()
        && hash.iter_mut().zip(text.as_bytes().chunks_exact(2)).all(|(byte, pair)| {
            let read = digit(pair[0]).zip(digit(pair[1]));
            *byte = read.map_or(0, |(high, low)| high << 4 | low);
            read.is_some()
        });
    if read { Ok(hash) } else { Err(format!("{field}: '{}' is not 64 hex digits", shown(text))) }
}

/// What was written, cut and escaped.
fn shown(text: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 80;
    let cut: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    cut.escape_debug().to_string()
}

impl DrawFile {
    fn terms(self) -> Result<DrawTerms, String> {
        let commitment = hash("draw.commitment", &self.commitment)?;
        Ok(DrawTerms { at: time("draw.at", Some(self.at))?, commitment })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOML: &str = "name = \"drop\"\nlimit = 4\nopens_at = 2026-11-27T20:00:00Z\n\
        [[items]]\nsku = \"tee\"\nstock = 1000\nprice = 2500\nlimit = 2\n";

    #[test]
    fn toml_and_json_say_the_same() {
        let json = r#"{"name":"drop","limit":4,"opens_at":"2026-11-27T20:00:00Z",
            "items":[{"sku":"tee","stock":1000,"price":2500,"limit":2}]}"#;
        let terms = parse(TOML, false).expect("good TOML");
        assert_eq!(terms, parse(json, true).expect("good JSON"));
        assert_eq!(terms.opens_at, 1_795_809_600_000_000_000);
        assert_eq!(terms.hold_ms, HOLD_MS_DEFAULT);
    }

    #[test]
    fn a_sale_that_wants_no_waitlist_may_say_so() {
        let json = r#"{"name":"drop","items":[{"sku":"tee","stock":1000,"price":2500,"limit":2}],
            "currency":"EUR","limit":4,"hold_ms":120000,"extend_ms":0,"offer_ms":60000,
            "waitlist":0,"waitlist_policy":"skip","opens_at":null,"closes_at":null}"#;
        assert_eq!(parse(json, true).expect("a good sale").limit, 4);
    }

    #[test]
    fn limit_groups_and_a_draw_are_written_alike() {
        let hex = "0f".repeat(32);
        let toml = TOML.replace(
            "[[items]]",
            &format!(
                "groups = [{{ name = \"card\", limit = 4 }}]\n\
             draw = {{ at = 2026-11-27T20:10:00Z, commitment = \"{hex}\" }}\n[[items]]"
            ),
        );
        let json = format!(
            r#"{{"name":"drop","limit":4,"opens_at":"2026-11-27T20:00:00Z",
            "groups":[{{"limit":4,"name":"card"}}],
            "draw":{{"at":"2026-11-27T20:10:00Z","commitment":"{hex}"}},
            "items":[{{"sku":"tee","stock":1000,"price":2500,"limit":2}}]}}"#
        );
        let terms = parse(&toml, false).expect("good TOML");
        assert_eq!(terms, parse(&json, true).expect("good JSON"));
        let draw = terms.draw.expect("a draw");
        assert_eq!((draw.at, draw.commitment), (1_795_810_200_000_000_000, [15; 32]));
        assert_eq!((terms.offer_ms, terms.groups[0].limit), (OFFER_MS_DEFAULT, 4));
        for (from, to, expected) in [
            ("\"card\"", "\"a b\"", "groups[0].name: 'a b' is no name"),
            ("limit = 4 }", "limit = 0 }", "groups[0].limit: 0 would sell nothing"),
            ("limit = 4 }", "}", "missing field `limit`"),
            ("limit = 4 }]", "limit = 4 }, { name = \"card\", limit = 1 }]", "is there twice"),
            ("0f0f", "0f0", "draw.commitment: '0f0"),
            ("0f0f", "0f0g", "is not 64 hex digits"),
            ("20:10", "19:10", "draw: at: must be after opens_at"),
            ("2026-11-27T20:10:00Z", "\"soon\"", "draw.at: 'soon' is no time"),
            ("commitment", "seed", "unknown field `seed`"),
        ] {
            let why = parse(&toml.replacen(from, to, 1), false).expect_err(to);
            assert!(why.contains(expected), "{to}: {why}");
        }
    }

    #[test]
    fn a_name_that_is_known_need_not_be_told_and_may_not_differ() {
        let name = Name::parse(b"drop").expect("a name");
        let json = r#"{"items":[{"sku":"tee","stock":1,"price":2500}]}"#;
        assert_eq!(parse_named(&name, json).expect("a good sale").name, name);
        assert!(parse(json, true).expect_err("no name").contains("name: is missing"));
        let named = json.replacen('{', r#"{"name":"drop","#, 1);
        assert_eq!(parse_named(&name, &named), parse_named(&name, json));
        let other = Name::parse(b"other").expect("a name");
        assert!(parse_named(&other, &named).expect_err("two names").contains("'drop' is not"));
        for (from, to, expected) in [
            ("2500", "\"x\"", "items[0].price: invalid type"),
            ("}]}", "}]} x", "trailing characters"),
            (r#""stock":1,"#, "", "missing field `stock`"),
            ("1,", "1,\"stock\":2,", "duplicate field `stock`"),
        ] {
            let why = parse_named(&name, &json.replace(from, to)).expect_err(to);
            assert!(why.contains(expected), "{to}: {why}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (from, to, expected) in [
            ("name = \"drop\"", "name = \"a b\"", "name: 'a b' is no name"),
            ("limit = 4", "limit = 0", "leave it out"),
            ("limit = 4", "colour = 4", "unknown field `colour`"),
            ("2026-11-27T20:00:00Z", "\"soon\"", "opens_at: 'soon' is no time"),
            ("2026-11-27T20:00:00Z", "\"0316-02-06T06:49:39Z\"", "between the years 1970 and 2554"),
            ("2026-11-27T20:00:00Z", "\"2600-01-01T00:00:00Z\"", "between the years 1970 and 2554"),
            ("sku = \"tee\"", "sku = \"\"", "sku"),
            ("stock = 1000", "stock = -1", "stock"),
            ("limit = 4", "extend_ms = 2592000001", "extend_ms: 2592000001 is above"),
            ("limit = 4", "waitlist = 10000001", "waitlist: 10000001 is above"),
            ("limit = 4", "waitlist = 1\noffer_ms = 0", "offer_ms: 0 is not from 1"),
            ("limit = 4", "offer_ms = 2592000001", "offer_ms: 2592000001 is above"),
            ("limit = 4", "waitlist_policy = \"luck\"", "neither strict nor skip"),
            ("limit = 4", "currency = \"euro\"", "three capital letters"),
        ] {
            let why = parse(&TOML.replace(from, to), false).expect_err(to);
            assert!(why.contains(expected), "{to}: {why}");
        }
    }
}
