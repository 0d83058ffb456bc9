//! A sale as it is shown over HTTP, on this port and on the operator's.

use super::Manner;
use super::answers::{JSON, Teller, end, push, push_moment_or_null};
use crate::message::{Cell, ItemReply, SaleReply};
use crate::sale::Phase;
use crate::wire::push_decimal;

impl Teller {
    /// Answers with a sale, as the operator's port shows it too; `items` are its items with their
    /// names, in the order of their numbers.
    pub fn sale<'a>(
        &mut self,
        reply: &SaleReply,
        name: &str,
        items: impl Iterator<Item = (&'a str, Cell)>,
        manner: Manner,
        out: &mut Vec<u8>,
    ) {
        let begun = self.begin(200, manner, &[JSON], out);
        push(out, b"{\"name\":\"");
        push(out, name.as_bytes());
        push(out, b"\",\"seq\":");
        push_decimal(reply.after.to_native(), out);
        push(out, b",\"state\":\"");
        push(out, Phase::from_number(reply.state).map_or("unknown", Phase::word).as_bytes());
        push(out, b"\",\"opens_at\":");
        push_moment_or_null(reply.opens_at.to_native(), out);
        push(out, b",\"closes_at\":");
        push_moment_or_null(reply.closes_at.to_native(), out);
        push(out, b",\"hold_ms\":");
        push_decimal(u64::from(reply.hold_ms.to_native()), out);
        push(out, b",\"extend_ms\":");
        push_decimal(u64::from(reply.extend_ms.to_native()), out);
        push(out, b",\"limit\":");
        push_limit(reply.limit.to_native(), out);
        push(out, b",\"currency\":");
        match &reply.currency {
            [0, ..] => push(out, b"null"),
            currency => {
                push(out, b"\"");
                push(out, currency);
                push(out, b"\"");
            }
        }
        push(out, b",\"items\":[");
        for (index, (sku, cell)) in items.enumerate() {
            push(out, if index > 0 { b",{\"sku\":\"" } else { b"{\"sku\":\"" });
            push(out, sku.as_bytes());
            push_item(cell.item_reply(), out);
        }
        push(out, b"]}");
        end(&begun, manner, out);
    }
}

fn push_item(item: &ItemReply, out: &mut Vec<u8>) {
    let numbers: [(&[u8], u64); 6] = [
        (b"\",\"stock\":", item.stock.to_native()),
        (b",\"free\":", item.free.to_native()),
        (b",\"held\":", item.held.to_native()),
        (b",\"confirmed\":", item.confirmed.to_native()),
        (b",\"waiting\":", item.waiting.to_native()),
        (b",\"price\":", item.price.to_native()),
    ];
    for (name, number) in numbers {
        push(out, name);
        push_decimal(number, out);
    }
    push(out, b",\"limit\":");
    push_limit(item.limit.to_native(), out);
    push(out, b"}");
}

fn push_limit(limit: u32, out: &mut Vec<u8>) {
    match limit {
        0 => push(out, b"null"),
        limit => push_decimal(u64::from(limit), out),
    }
}
