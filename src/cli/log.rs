//! `doorbuster log DIR`: the journal for people and scripts, one line a record.

use std::io::{BufWriter, Write};
use std::path::Path;

use doorbuster::journal::{self, Disk, Reading, is_served};
use doorbuster::message::{Cell, Head, decode_terms, join_text, kind, lines_in, messages};
use doorbuster::record::sealed_hash;
use doorbuster::sale::{Form, Ident, OrderLine, TEXT_BYTES_MAX, Terms, text_len};
use serde_json::{Value, json};

use super::words::time;
use super::{CANNOT_CREATE, Log, delivered, failed, journal_code, talk, tell_of_server};

/// Prints the journal. Returns the exit code.
pub(super) fn run(arguments: &Log) -> i32 {
    if let Err(why) = is_data_folder(&arguments.dir) {
        return failed(CANNOT_CREATE, &why);
    }
    let mut printer = Printer {
        out: BufWriter::new(std::io::stdout().lock()),
        from: arguments.from,
        json: arguments.json,
        sales: Vec::new(),
        fault: None,
    };
    let disk = Disk::new(arguments.dir.join("journal"));
    let is_served = || is_served(&arguments.dir);
    let reading = Reading { last_seq: u64::MAX, is_served: &is_served };
    let result = journal::read_while(&disk, &reading, |first, cells| printer.batch(first, cells));
    if let Some(why) = printer.fault.take() {
        return delivered(Err(why));
    }
    let flushed = delivered(printer.out.flush());
    match result {
        Ok(report) => {
            tell_of_server(&report);
            if let Some(torn) = report.torn {
                talk(&format_args!(
                    "the journal has a torn end at segment {}, offset {}: seq {} was not \
                     acknowledged if it was written with durability fsync",
                    torn.segment, torn.offset, torn.seq
                ));
            }
            flushed
        }
        Err(why) => failed(journal_code(&why), &why),
    }
}

/// Checks that there is a journal to look at.
pub(super) fn is_data_folder(dir: &Path) -> Result<(), String> {
    let journal = dir.join("journal");
    if journal.is_dir() { Ok(()) } else { Err(format!("{} is no data folder", dir.display())) }
}

struct Printer<W: Write> {
    out: W,
    from: u64,
    json: bool,
    /// By number, from 1.
    sales: Vec<Terms>,
    /// Why nothing more can be written.
    fault: Option<std::io::Error>,
}

impl<W: Write> Printer<W> {
    fn batch(&mut self, first: u64, cells: &[Cell]) -> Result<(), String> {
        for (seq, record) in (first..).zip(messages(cells)) {
            if record.len() < record[0].head().cells() {
                return Err(format!("seq {seq}: cut short"));
            }
            if record[0].kind() == kind::CREATE {
                self.sales.push(decode_terms(record)?);
            }
            if seq >= self.from {
                self.record(seq, record)?;
            }
        }
        Ok(())
    }

    fn record(&mut self, seq: u64, record: &[Cell]) -> Result<(), String> {
        let value = describe(&self.sales, seq, record);
        let line = if self.json { value.to_string() } else { sentence(&value) };
        writeln!(self.out, "{line}").map_err(|why| {
            let what = why.to_string();
            self.fault = Some(why);
            what
        })
    }
}

/// A record in words; `sales` are the terms of the sales before it, by number from 1.
pub(super) fn describe(sales: &[Terms], seq: u64, record: &[Cell]) -> Value {
    let head = record[0].head();
    let at = time(head.time.to_native());
    let number = head.sale.to_native();
    let terms = usize::from(number).checked_sub(1).and_then(|index| sales.get(index));
    let sale = terms.map_or_else(|| number.to_string(), |terms| terms.name.to_string());
    let mut value = json!({"seq": seq, "time": at, "kind": word(head.kind)});
    let mut put = |name: &str, field: Value| {
        value[name] = field;
    };
    if head.kind != kind::SEAL {
        put("sale", json!(sale));
    }
    match head.kind {
        kind::BUY | kind::WAIT | kind::BASKET => {
            let [buyer, key] = texts(head, &record[1..]);
            let index = usize::from(head.item.to_native()).wrapping_sub(1);
            let item = terms.and_then(|terms| terms.items.get(index));
            let holds = terms.is_none_or(|terms| terms.hold_ms > 0);
            if head.kind != kind::WAIT {
                put("kind", json!(if holds { "hold" } else { "buy" }));
            }
            if head.kind == kind::BASKET {
                put("lines", lines(terms, &record[1..]));
            } else {
                put("item", json!(item.map_or(String::new(), |item| item.sku.to_string())));
            }
            put("order", json!(seq.to_string()));
            put("units", json!(head.units.to_native()));
            if head.is_up_to() {
                let asked = record.last().and_then(|cell| lines_in(cell).next());
                put("up_to", json!(asked.map_or(0, |line| line.units)));
            }
            put("price", json!(head.price.to_native()));
            put("buyer", json!(buyer));
            put("key", json!(key));
        }
        kind::CONFIRM..=kind::CANCEL | kind::EXPIRE | kind::OFFER | kind::LEAVE => {
            put("order", json!(head.order().to_string()));
            put("units", json!(head.units.to_native()));
            put("price", json!(head.price.to_native()));
        }
        kind::ADD | kind::WITHDRAW | kind::PRICE => {
            let index = usize::from(head.item.to_native()).wrapping_sub(1);
            let item = terms.and_then(|terms| terms.items.get(index));
            put("item", json!(item.map_or(String::new(), |item| item.sku.to_string())));
            let what = if head.kind == kind::PRICE { "price" } else { "units" };
            put(what, json!(head.price.to_native()));
        }
        kind::CREATE => {
            let items = terms.map_or(0, |terms| terms.items.len());
            let stock = terms.map_or(0, |t| t.items.iter().map(|item| item.stock).sum());
            put("items", json!(items));
            put("stock", json!(stock));
            put("hold_ms", json!(terms.map_or(0, |terms| terms.hold_ms)));
            put("extend_ms", json!(terms.map_or(0, |terms| terms.extend_ms)));
            put("waitlist", json!(terms.map_or(0, |terms| terms.waitlist)));
        }
        kind::SEAL => {
            let hash = sealed_hash(head);
            let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
            put("state_hash", json!(hex));
        }
        _ => {}
    }
    value
}

/// The lines of a basket among the cells behind its head.
fn lines(terms: Option<&Terms>, tails: &[Cell]) -> Value {
    let tails = tails.iter().filter(|cell| cell.kind() == kind::LINES);
    let line = |line: OrderLine| {
        let index = usize::from(line.item).wrapping_sub(1);
        let item = terms.and_then(|terms| terms.items.get(index));
        let sku = item.map_or(String::new(), |item| item.sku.to_string());
        json!({"item": sku, "units": line.units, "price": line.price})
    };
    tails.flat_map(lines_in).map(line).collect()
}

fn word(kind: u8) -> String {
    match kind {
        kind::BUY | kind::BASKET => "hold",
        kind::CONFIRM => "confirm",
        kind::RELEASE => "release",
        kind::EXTEND => "extend",
        kind::CANCEL => "cancel",
        kind::EXPIRE => "expire",
        kind::WAIT => "wait",
        kind::OFFER => "offer",
        kind::LEAVE => "leave",
        kind::CREATE => "create",
        kind::OPEN => "open",
        kind::PAUSE => "pause",
        kind::RESUME => "resume",
        kind::CLOSE => "close",
        kind::REMOVE => "remove",
        kind::ADD => "add",
        kind::WITHDRAW => "withdraw",
        kind::PRICE => "price",
        kind::SEAL => "seal",
        other => return format!("kind {other}"),
    }
    .to_owned()
}

/// Buyer and key in full.
fn texts(head: &Head, tails: &[Cell]) -> [String; 2] {
    let mut tails = tails.iter();
    [head.buyer(), head.key()].map(|ident| {
        let Some(ident) = ident else { return "?".to_owned() };
        text(ident, &mut tails)
    })
}

fn text<'a>(ident: Ident, tails: &mut impl Iterator<Item = &'a Cell>) -> String {
    let mut out = [0; TEXT_BYTES_MAX];
    let length = match (ident.form, tails) {
        (Form::Long, tails) => {
            out = join_text(ident.bits, tails.next().unwrap_or(&Cell::ZERO));
            text_len(&out)
        }
        _ => ident.write_text(&mut out),
    };
    String::from_utf8_lossy(&out[..length]).into_owned()
}

/// `seq time kind name=value ...`, aligned as far as that is possible line by line.
pub(super) fn sentence(value: &Value) -> String {
    let text = |name: &str| value[name].as_str().unwrap_or("").to_owned();
    let mut line =
        format!("{:>9}  {}  {:<8}", value["seq"].to_string(), text("time"), text("kind"));
    let names = [
        "sale",
        "item",
        "lines",
        "order",
        "units",
        "up_to",
        "price",
        "buyer",
        "key",
        "items",
        "stock",
        "hold_ms",
        "extend_ms",
        "waitlist",
        "state_hash",
    ];
    for name in names {
        match &value[name] {
            Value::Null => {}
            Value::String(text) => line += &format!(" {name}={text}"),
            other => line += &format!(" {name}={other}"),
        }
    }
    line
}
