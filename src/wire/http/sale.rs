//! A sale as it is shown over HTTP, on this port and on the operator's.
//!
//! What stands behind the items in the matcher's answer goes by its kind; names go by numbers.

use bytemuck::Zeroable;

use super::Manner;
use super::answers::{JSON, Teller, end, push, push_moment_or_null};
use crate::message::{
    Cell, ItemReply, PoolReply, SaleReply, TermsReply, WaveReply, draw_state, draw_word, kind,
    seed_in,
};
use crate::sale::{Name, Phase};
use crate::wire::push_decimal;

/// A sale to be shown.
pub struct SaleShown<'a> {
    /// The answer.
    pub reply: &'a SaleReply,
    /// The sale's name.
    pub name: &'a str,
    /// The names of its items; this and the others in the order of their numbers.
    pub items: &'a [Name],
    /// The names of its limit groups.
    pub groups: &'a [Name],
    /// The names of its channels.
    pub channels: &'a [Name],
    /// What stands behind the items.
    pub more: &'a [Cell],
}

impl SaleShown<'_> {
    fn of_kind(&self, kind: u8) -> impl Iterator<Item = &Cell> {
        self.more.iter().filter(move |cell| cell.kind() == kind)
    }
}

impl Teller {
    /// Answers with a sale, as the operator's port shows it too; `items` are the cells of its items
    /// in the order of their numbers.
    pub fn sale(
        &mut self,
        shown: &SaleShown<'_>,
        items: impl Iterator<Item = Cell>,
        manner: Manner,
        out: &mut Vec<u8>,
    ) {
        let reply = shown.reply;
        let begun = self.begin(200, manner, &[JSON], out);
        push(out, b"{");
        push_text(r#""name":"#, shown.name, out);
        push_number(r#","seq":"#, reply.after.to_native(), out);
        push_text(
            r#","state":"#,
            Phase::from_number(reply.state).map_or("unknown", Phase::word),
            out,
        );
        push_moment(r#","opens_at":"#, reply.opens_at.to_native(), out);
        push_moment(r#","closes_at":"#, reply.closes_at.to_native(), out);
        push_number(r#","hold_ms":"#, reply.hold_ms.to_native().into(), out);
        push_number(r#","extend_ms":"#, reply.extend_ms.to_native().into(), out);
        push_limit(reply.limit.to_native(), out);
        match std::str::from_utf8(&reply.currency).ok().filter(|text| !text.starts_with('\0')) {
            None => push(out, b",\"currency\":null"),
            Some(currency) => {
                push_text(r#","currency":"#, currency, out);
            }
        }
        let terms = shown.of_kind(kind::TERMS).next();
        push_terms(&terms.map_or(TermsReply::zeroed(), |cell| *cell.terms_reply()), shown, out);
        push(out, b",\"items\":[");
        // Pools come in the order of items.
        let mut pools = shown.of_kind(kind::POOL).map(Cell::pool_reply).peekable();
        for (index, (sku, cell)) in shown.items.iter().zip(items).enumerate() {
            push(out, if index > 0 { b",{" } else { b"{" });
            push_text(r#""sku":"#, sku.as_str(), out);
            push_item(cell.item_reply(), out);
            push(out, b",\"channels\":[");
            let mut count = 0;
            while let Some(pool) =
                pools.next_if(|pool| usize::from(pool.item.to_native()) == index + 1)
            {
                // One without a name nobody has been told of yet.
                let channel = name_of(shown.channels, pool.channel.into());
                if !channel.is_empty() {
                    push(out, if count > 0 { b",{" } else { b"{" });
                    push_pool(pool, channel, out);
                    count += 1;
                }
            }
            push(out, b"]}");
        }
        push(out, b"],\"waves\":[");
        for (index, cell) in shown.of_kind(kind::WAVE).enumerate() {
            push(out, if index > 0 { b",{" } else { b"{" });
            let wave = cell.wave_reply();
            push_wave(wave, name_of(shown.items, wave.item.to_native().into()), out);
        }
        push(out, b"]}");
        end(&begun, manner, out);
    }
}

/// The name with a number, which begin with 1.
fn name_of(names: &[Name], number: usize) -> &str {
    let name = number.checked_sub(1).and_then(|at| names.get(at));
    name.map_or("", |name| name.as_str())
}

fn push_terms(terms: &TermsReply, shown: &SaleShown<'_>, out: &mut Vec<u8>) {
    push_number(r#","offer_ms":"#, terms.offer_ms.to_native().into(), out);
    push_number(r#","waitlist":"#, terms.waitlist.to_native().into(), out);
    push_text(r#","waitlist_policy":"#, if terms.is_strict == 0 { "skip" } else { "strict" }, out);
    push(out, b",\"groups\":[");
    let limits = terms.group_limits.into_iter().take(terms.groups.into());
    for (index, (name, limit)) in shown.groups.iter().zip(limits).enumerate() {
        push(out, if index > 0 { b",{" } else { b"{" });
        push_text(r#""name":"#, name.as_str(), out);
        push_limit(limit.to_native(), out);
        push(out, b"}");
    }
    let Some(state) = draw_state(terms.draw) else { return push(out, b"],\"draw\":null") };
    push(out, b"],\"draw\":{");
    push_moment(r#""at":"#, terms.draw_at.to_native(), out);
    push(out, b",\"commitment\":");
    push_hex(&terms.commitment, out);
    push_text(r#","state":"#, draw_word(state), out);
    push_number(r#","entries":"#, terms.entries.to_native().into(), out);
    push(out, b",\"seed\":");
    match shown.of_kind(kind::SEED).next() {
        None => push(out, b"null"),
        Some(cell) => push_hex(&seed_in(cell), out),
    }
    push(out, b"}");
}

fn push_item(item: &ItemReply, out: &mut Vec<u8>) {
    for (name, number) in [
        (r#","stock":"#, item.stock),
        (r#","free":"#, item.free),
        (r#","held":"#, item.held),
        (r#","confirmed":"#, item.confirmed),
        (r#","waiting":"#, item.waiting),
        (r#","price":"#, item.price),
    ] {
        push_number(name, number.to_native(), out);
    }
    push_limit(item.limit.to_native(), out);
}

fn push_pool(pool: &PoolReply, channel: &str, out: &mut Vec<u8>) {
    push_text(r#""channel":"#, channel, out);
    push_number(r#","set_aside":"#, pool.set_aside.to_native(), out);
    push_number(r#","free":"#, pool.free.to_native(), out);
    push_moment(r#","until":"#, pool.until.to_native(), out);
    push(out, b",\"swept\":");
    push(out, if pool.is_swept == 0 { b"false}" } else { b"true}" });
}

fn push_wave(wave: &WaveReply, item: &str, out: &mut Vec<u8>) {
    push_number(r#""wave":"#, wave.wave.to_native(), out);
    push_text(r#","item":"#, item, out);
    push_number(r#","units":"#, wave.units.to_native(), out);
    push_moment(r#","at":"#, wave.at.to_native(), out);
    push(out, b"}");
}

/// A field as it begins, and its number.
fn push_number(field: &str, number: u64, out: &mut Vec<u8>) {
    push(out, field.as_bytes());
    push_decimal(number, out);
}

fn push_moment(field: &str, unix_ns: u64, out: &mut Vec<u8>) {
    push(out, field.as_bytes());
    push_moment_or_null(unix_ns, out);
}

/// A text that needs no escapes.
fn push_text(field: &str, text: &str, out: &mut Vec<u8>) {
    push(out, field.as_bytes());
    for part in [b"\"", text.as_bytes(), b"\""] {
        push(out, part);
    }
}

fn push_limit(limit: u32, out: &mut Vec<u8>) {
    match limit {
        0 => push(out, b",\"limit\":null"),
        limit => push_number(r#","limit":"#, limit.into(), out),
    }
}

fn push_hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    push(out, b"\"");
    for byte in bytes {
        push(out, &[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
    push(out, b"\"");
}
