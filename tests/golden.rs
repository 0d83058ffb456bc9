//! Scripts of commands with the outcomes expected, in `tests/golden/*.txt`, read by people: one
//! command a line, `=>`, its outcome. `DOORBUSTER_GOLDEN=rewrite` writes what happens now into the
//! files; the diff is then read before it is kept.
//!
//! Times are milliseconds (`5`) or milliseconds and nanoseconds (`5+1`) since the script's start.

#[path = "golden/words.rs"]
mod words;

use std::fmt::Write;
use std::path::Path;

use doorbuster::message::member_digest;
use doorbuster::sale::{
    About, Aside, Basket, BasketRefusal, Bounds, Buy, Command, DrawTerms, Event, Fill, Form,
    GroupTerms, Ident, ItemTerms, Name, OrderLine, Outcome, Party, Rule, Ruling, Seed, Shop, Side,
    State, Stock, Terms, Text, Turn, condition,
};

pub(crate) const START: u64 = 1_000_000_000_000_000_000;
pub(crate) const NS_PER_MS: u64 = 1_000_000;
/// What every draw is drawn with.
const SEED: [u8; 32] = [7; 32];

use words::{told, word};

struct Script {
    shop: Shop,
    now: u64,
}

fn name(text: &str) -> Name {
    Name::parse(text.as_bytes()).unwrap_or_else(|why| panic!("{why}"))
}

fn number<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("'{text}' is no number"))
}

/// `name=value` among the words.
fn option<'a>(words: &[&'a str], name: &str) -> Option<&'a str> {
    words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

fn time(text: &str) -> u64 {
    let (ms, ns) = text.split_once('+').unwrap_or((text, "0"));
    START + number::<u64>(ms) * NS_PER_MS + number::<u64>(ns)
}

impl Script {
    fn new() -> Script {
        let bounds = Bounds {
            orders_max: 8,
            buyers_max: 14,
            long_texts_max: 4,
            lines_max: 9,
            waiters_max: 8,
            sales_max: 3,
        };
        Script { shop: Shop::new(bounds, Seed::new([1, 2, 3, 4])), now: START }
    }

    fn run(&mut self, line: &str) -> String {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (verb, rest) = words.split_first().expect("not an empty line");
        let told = self.command(verb, rest);
        let promoted = self.promoted();
        if promoted.is_empty() {
            told
        } else {
            format!("{told}; {}", promoted.trim_end_matches("; "))
        }
    }

    fn command(&mut self, verb: &str, rest: &[&str]) -> String {
        match verb {
            "sale" => self.sale(rest),
            "open" => self.rule(rest, Rule::Open),
            "pause" => self.rule(rest, Rule::Pause),
            "resume" => self.rule(rest, Rule::Resume),
            "close" => self.rule(rest, Rule::Close),
            "remove" => self.rule(rest, Rule::Remove),
            "add" => self.rule(rest, Rule::Add(number(rest[2]))),
            "withdraw" => self.rule(rest, Rule::Withdraw(number(rest[2]))),
            "price" => self.rule(rest, Rule::Price(number(rest[2]))),
            "plan" => {
                let (units, at) = (number(rest[2]), time(rest[3]));
                self.rule(rest, Rule::Plan { units, at })
            }
            "call_off" => self.rule(&rest[..1], Rule::CallOff(number(rest[1]))),
            "aside" => {
                let (channel, units) = (name(rest[2]), number(rest[3]));
                let until = option(rest, "until").map_or(0, time);
                self.rule(rest, Rule::Aside(Aside { channel, units, until }))
            }
            "draw" => {
                let seed = if rest.contains(&"wrong") { [1; 32] } else { SEED };
                self.rule(&rest[..1], Rule::Draw(seed))
            }
            "pools" => self.pools(rest),
            "show" => self.show(rest),
            "at" => self.at(rest[0]),
            "buy" => self.buy(rest),
            "basket" => self.basket(rest),
            "confirm" | "release" | "extend" | "cancel" => self.change(verb, rest),
            "stock" => self.stock(rest),
            "order" => self.order(rest),
            other => panic!("no such command: {other}"),
        }
    }

    /// `sale NAME [hold_ms=] [extend_ms=] [waitlist=] [offer_ms=] [strict] [limit=] [opens=]
    /// [closes=] item:stock:price[:limit] ...`
    fn sale(&mut self, words: &[&str]) -> String {
        let items = words[1..].iter().filter(|word| word.contains(':')).map(|word| {
            let parts: Vec<&str> = word.split(':').collect();
            ItemTerms {
                sku: name(parts[0]),
                stock: number(parts[1]),
                price: number(parts[2]),
                limit: parts.get(3).map_or(0, |text| number(text)),
            }
        });
        let terms = Terms {
            name: name(words[0]),
            items: items.collect(),
            currency: *b"EUR",
            limit: option(words, "limit").map_or(0, number),
            hold_ms: option(words, "hold_ms").map_or(1000, number),
            extend_ms: option(words, "extend_ms").map_or(0, number),
            offer_ms: option(words, "offer_ms").map_or(500, number),
            waitlist: option(words, "waitlist").map_or(0, number),
            is_strict: words.contains(&"strict"),
            groups: words
                .iter()
                .filter_map(|word| word.strip_prefix("group=")?.split_once('/'))
                .map(|(text, limit)| GroupTerms { name: name(text), limit: number(limit) })
                .collect(),
            draw: option(words, "draw")
                .map(|at| DrawTerms { at: time(at), commitment: *blake3::hash(&SEED).as_bytes() }),
            opens_at: option(words, "opens").map_or(0, time),
            closes_at: option(words, "closes").map_or(0, time),
        };
        match self.shop.create(self.now, &terms) {
            Ok((number, seq)) => format!("sale {number}, seq {seq}"),
            Err(why) => why,
        }
    }

    /// `open|pause|resume|close|remove SALE`, `add|withdraw|price SALE ITEM NUMBER`
    fn rule(&mut self, words: &[&str], rule: Rule) -> String {
        let sale = self.number_of(words[0]);
        let item = words.get(1).map_or(0, |item| self.item_of(sale, item));
        let before = self.shop.state_hash();
        let ruled = self.shop.rule(self.now, &Ruling { sale, item, rule });
        let changes = ruled.is_ok_and(|seq| seq > 0);
        assert_eq!(changes, before != self.shop.state_hash(), "what has no seq leaves nothing");
        ruled.map_or_else(word, |seq| format!("seq {seq}"))
    }

    /// `show SALE`: where it stands, and each item's free units and price.
    fn show(&self, words: &[&str]) -> String {
        let sale = self.number_of(words[0]);
        let Ok(phase) = self.shop.phase(sale, self.now) else { return "unknown_sale".to_owned() };
        let mut out = format!("sale {sale}, {}", phase.word());
        for stock in self.shop.stocks(sale).expect("it has a phase") {
            let _ = write!(out, ", {} of {} x {}", stock.free, stock.stock, stock.price);
        }
        out
    }

    /// `pools SALE`: what was set aside, and what is planned.
    fn pools(&self, words: &[&str]) -> String {
        let sale = self.number_of(words[0]);
        let mut out = String::new();
        for pool in self.shop.pools(sale) {
            let channel = self.shop.channels(sale)[usize::from(pool.channel) - 1];
            let swept = if pool.is_swept { ", swept" } else { "" };
            let _ = write!(out, "{channel} {} of {}{swept}; ", pool.free, pool.set_aside);
        }
        for wave in self.shop.waves(sale) {
            let at = (wave.at - START) / NS_PER_MS;
            let _ = write!(out, "wave {} of {} at {at}; ", wave.id, wave.units);
        }
        if out.is_empty() { "nothing".to_owned() } else { out.trim_end_matches("; ").to_owned() }
    }

    /// What the buyer of a purchase names beside: `channel=NAME`, `card=TEXT`, ...
    fn side(&self, sale: u16, words: &[&str]) -> Side {
        let mut side = Side::NONE;
        if let Some(channel) = option(words, "channel") {
            let known = self.shop.channels(sale).iter().position(|name| name.as_str() == channel);
            side.channel = known.map_or(255, |index| index as u8 + 1);
        }
        let groups = self.shop.terms(sale).map_or(&[][..], |terms| &terms.groups);
        for (digest, group) in side.groups.iter_mut().zip(groups) {
            *digest = option(words, group.name.as_str()).map_or(0, |t| member_digest(t.as_bytes()));
        }
        side
    }

    /// Moves the time and returns what ran out.
    fn at(&mut self, text: &str) -> String {
        self.now = time(text);
        let mut out = String::new();
        while let Some((_, given)) = self.shop.expire(self.now) {
            let _ = write!(out, "order {} expired, seq {}; ", given.order, given.seq);
        }
        while let Some((seq, happened)) = self.shop.happen(self.now) {
            let _ = match happened.event {
                Event::Surge { wave, units } => write!(out, "wave {wave}: {units}, seq {seq}; "),
                Event::Sweep { units, .. } => write!(out, "swept {units}, seq {seq}; "),
            };
        }
        out += &self.promoted();
        if out.is_empty() { "nothing".to_owned() } else { out.trim_end_matches("; ").to_owned() }
    }

    /// What became of those who wait, now that units may have returned.
    fn promoted(&mut self) -> String {
        let mut out = String::new();
        while let Some(Turn { given, is_drawn, .. }) = self.shop.promote(self.now) {
            let state = match given.state {
                State::Held if is_drawn => "drawn",
                State::Held => "offered",
                State::Waiting => "drawn, waits on",
                _ => "left",
            };
            let _ = write!(out, "order {} {state}, seq {}; ", given.order, given.seq);
        }
        out
    }

    /// `buy SALE ITEM BUYER KEY [units=] [max=] [up_to] [wait] [channel=] [GROUP=]`
    fn buy(&mut self, words: &[&str]) -> String {
        let sale = self.number_of(words[0]);
        let (buyer, key) = (self.ident(words[2]), self.ident(words[3]));
        let max_price = option(words, "max").map_or(u64::MAX, number);
        let units = option(words, "units").map_or(1, number);
        let fill = if words.contains(&"up_to") { Fill::UpTo } else { Fill::All };
        let waits = words.contains(&"wait");
        let side = self.side(sale, words);
        let buy = Buy {
            sale,
            item: self.item_of(sale, words[1]),
            units,
            max_price,
            fill,
            waits,
            side,
            condition: condition(max_price, fill, units, waits, &side),
            buyer: Party { ident: buyer.0, text: buyer.1.as_ref() },
            key: Party { ident: key.0, text: key.1.as_ref() },
        };
        told(self.apply(&Command::Buy(buy)))
    }

    /// `basket SALE BUYER KEY ITEM UNITS [ITEM UNITS ...] [max=] [wait] [channel=] [GROUP=]`
    fn basket(&mut self, words: &[&str]) -> String {
        let sale = self.number_of(words[0]);
        let (buyer, key) = (self.ident(words[1]), self.ident(words[2]));
        let max_price = option(words, "max").map_or(u64::MAX, number);
        let (waits, side) = (words.contains(&"wait"), self.side(sale, words));
        let is_option = |word: &&&str| word.contains('=') || **word == "wait";
        let lines: Vec<&str> = words[3..].iter().filter(|word| !is_option(word)).copied().collect();
        let pairs = lines.chunks_exact(2);
        let line = |pair: &[&str]| OrderLine::new(self.item_of(sale, pair[0]), number(pair[1]), 0);
        let basket = Basket {
            sale,
            lines: &pairs.map(line).collect::<Vec<_>>(),
            max_price,
            waits,
            side,
            condition: condition(max_price, Fill::All, 0, waits, &side),
            buyer: Party { ident: buyer.0, text: buyer.1.as_ref() },
            key: Party { ident: key.0, text: key.1.as_ref() },
        };
        let before = self.shop.state_hash();
        let outcome = self.shop.basket(self.now, &basket);
        let changes = matches!(&outcome, Ok(given) if !given.replayed);
        assert_eq!(changes, before != self.shop.state_hash(), "a refusal leaves nothing behind");
        match outcome {
            Ok(given) => told(Ok(given)),
            Err(BasketRefusal { why, line: None }) => word(why),
            Err(BasketRefusal { why, line: Some(line) }) => {
                format!("{}, line {line}", word(why))
            }
        }
    }

    fn change(&mut self, verb: &str, words: &[&str]) -> String {
        let buyer = option(words, "buyer").map_or(Ident::NONE, |text| self.ident(text).0);
        let about = About { sale: self.number_of(words[0]), order: number(words[1]), buyer };
        told(self.apply(&match verb {
            "confirm" => Command::Confirm(about),
            "release" => Command::Release(about),
            "extend" => Command::Extend(about),
            _ => Command::Cancel(about),
        }))
    }

    fn stock(&mut self, words: &[&str]) -> String {
        let sale = self.number_of(words[0]);
        match self.shop.stock(sale, self.item_of(sale, words[1])) {
            Err(refusal) => word(refusal),
            Ok(s) => {
                let waiting = match s.waiting {
                    0 => String::new(),
                    units => format!(", {units} waited for"),
                };
                let Stock { stock, free, held, confirmed, .. } = s;
                format!("{stock} = {free} free + {held} held + {confirmed} confirmed{waiting}")
            }
        }
    }

    fn order(&mut self, words: &[&str]) -> String {
        let buyer = option(words, "buyer").map_or(Ident::NONE, |text| self.ident(text).0);
        let about = About { sale: self.number_of(words[0]), order: number(words[1]), buyer };
        match self.shop.order(&about) {
            Err(refusal) => word(refusal),
            Ok(view) => {
                let line = |line: &OrderLine| {
                    format!(", {} of item {} x {}", line.units, line.item, line.price)
                };
                let lines: String = view.lines.iter().map(line).collect();
                format!("{:?}, {} units{lines}", view.given.state, view.given.units)
            }
        }
    }

    fn apply(&mut self, command: &Command) -> Outcome {
        let before = self.shop.state_hash();
        let outcome = self.shop.apply(self.now, command);
        let changes = matches!(&outcome, Ok(given) if !given.replayed);
        assert_eq!(changes, before != self.shop.state_hash(), "a refusal leaves nothing behind");
        outcome
    }

    fn number_of(&self, sale: &str) -> u16 {
        self.shop.sale_number(&name(sale)).unwrap_or(0)
    }

    fn item_of(&self, sale: u16, item: &str) -> u16 {
        let terms = self.shop.terms(sale);
        let position = terms.and_then(|terms| terms.items.iter().position(|i| i.sku == name(item)));
        position.map_or(0, |index| index as u16 + 1)
    }

    fn ident(&self, text: &str) -> (Ident, Option<Text>) {
        let ident = Ident::parse(text.as_bytes()).expect("a good ident");
        if ident.form != Form::Long {
            return (ident, None);
        }
        let mut whole: Text = [0; 64];
        whole[..text.len()].copy_from_slice(text.as_bytes());
        (self.shop.long(&whole), Some(whole))
    }
}

fn play(path: &Path) {
    let text = std::fs::read_to_string(path).expect("a script");
    let mut script = Script::new();
    let mut now = String::new();
    for line in text.lines() {
        let command = line.split("=>").next().unwrap_or("").trim_end();
        if command.is_empty() || command.starts_with('#') {
            now += line;
        } else if command == "reset" {
            script = Script::new();
            now += line;
        } else {
            let outcome = script.run(command);
            let _ = write!(now, "{command:<47} => {outcome}");
        }
        now.push('\n');
    }
    if std::env::var("DOORBUSTER_GOLDEN").is_ok_and(|word| word == "rewrite") {
        std::fs::write(path, now).expect("the script can be written");
        return;
    }
    for (number, (was, is)) in text.lines().zip(now.lines()).enumerate() {
        assert_eq!(is, was, "{}:{}", path.display(), number + 1);
    }
}

#[test]
fn every_script_ends_as_it_is_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut played = 0;
    for entry in std::fs::read_dir(folder).expect("the folder of scripts") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|ending| ending == "txt") {
            play(&path);
            played += 1;
        }
    }
    assert!(played >= 6, "only {played} scripts found");
}
