//! The binary protocol: 64-byte cells, byte by byte. All integers are little-endian.
//!
//! **Hello.** The first cell of a client is `[0] = 0xDB, [1] = 1` (the version), `[8..54]` its
//! token's text or zero, the rest zero; a server that asks for no tokens does not look at that one.
//! The server answers one cell: `[0] = 0xDB`, `[1]` the outcome (0, or 64 overloaded, 65 malformed
//! or 66 unauthorized, and then it closes), `[2]` the version, `[4..8]` how many requests the
//! connection may have on their way (u32; more are left waiting in the socket) or, overloaded,
//! after how many ms to try again, the rest zero.
//!
//! **Requests** are a head cell and `tails` cells behind it:
//!
//! | bytes | field | buy 1 | of an order | stock 65 | resolve 96 | ping 97 |
//! |---|---|---|---|---|---|---|
//! | 0 | kind | | | | | |
//! | 1 | options | buyer's form in bits 0-2, key's in 3-5 | buyer's (0: not checked) | 0 | 0 | 0 |
//! | 2..4 | tails | long texts, side, ticket | one if the buyer is long | 0 | 1 to 3 | 0 |
//! | 4..8 | tag | echoed | echoed | echoed | echoed | echoed |
//! | 8..10 | sale's number | yes | yes | yes | | |
//! | 10..12 | item's number | yes | | yes | | |
//! | 12..16 | units | 1 to 1,000,000 | | | | |
//! | 16..32 | buyer's bits | yes | or zero | | | |
//! | 32..48 | key's bits | yes | order's id in 32..40, then zero | | | |
//! | 48..56 | highest price | or all ones for any | | | | |
//! | 56..64 | zero | | | | | |
//!
//! A purchase whose options have bit 6 is content with fewer units, one at least; one with bit 7
//! rather waits than be sold out, and is then answered 6 waiting, with its place in
//! `expires_in_ms`.
//!
//! A *basket* 6 is as a purchase, but item and units are 0, bit 6 is too, and its 1 to 16 lines lie
//! in cells behind the long texts and the side, three to a cell and all cells but the last full:
//! `[0] = 131`, `[1]` the lines in it, and from 16, 32 and 48 on for each line `[0..2]` the item's
//! number, `[4..8]` its units, all else zero. Lines of one item count as one.
//!
//! A purchase or basket that names a channel, or is for a sale with limit groups, has a *side* in a
//! cell behind its long texts: `[0] = 132`, `[1]` the channel's number (0: none), `[16..32]` and
//! `[32..48]` what stands for its member of the sale's first and second limit group: the first 16
//! bytes of the BLAKE3 hash of the member's text (zero where the sale has no such group), all else
//! zero. One that says nothing is left out. A purchase without a member of each limit group of its
//! sale, or with more, is answered `malformed`.
//!
//! Of an order are confirm 2, release 3, extend 4, cancel 5 and order 64.
//!
//! Forms: 1 a decimal integer below 2^128 without leading zeros (bits: its value); 2 other text of
//! up to 16 bytes (bits: it, zero-padded); 3 and 4 a hyphenated UUID in lower and upper case (bits:
//! its value); 5 any other text of 17 to 64 bytes: bits are its first 16, and a *tail* carries the
//! rest: `[0] = 128`, `[8..56]` the rest, zero-padded, all else zero; the buyer's tail before the
//! key's. The tails of `resolve` are bare names, zero-padded: the sale's, the item's if there are
//! two (or zero for none), and a channel's if there are three.
//!
//! A purchase or basket may carry the buyer's signed *ticket* in a cell behind its other tails:
//! `[0] = 130`, `[8..40]` the HMAC-SHA256, `[40..48]` the expiry in Unix seconds, all else zero.
//!
//! **Answers** come in the order of the requests, as [`Reply`] or, to `stock`, [`StockReply`]
//! cells, with the tag of the request. One that tells of an order has in `[24..32]` and `[56..64]`
//! the 16 bytes of the chain that, behind its `seq`, are its *receipt*; zeros if they are not at
//! hand. `resolve` has the sale's number in `order`, the item's in `seq` and the channel's in
//! `price`. `order` has the order's own head in a tail, then its long texts and, of a basket, its
//! lines with their prices. The refusal of a basket has in `units` the line that it is about, from
//! 1, and in `expires_in_ms` that line's item; 39 `limit_reached` has in `order` the number of the
//! limit group whose limit it is, 0 if it is the buyer's own. A head with values out of bounds is
//! answered `malformed`; one whose length cannot be known (unknown kind, wrong tails) too, and then
//! the connection is closed. One whose token has no role for it is answered 67 forbidden; one whose
//! token does not count any more 66 unauthorized, and then the connection is closed. Field by field
//! the cells are described in [`message`](crate::message).
//!
//! **News** come unasked, between two whole answers, on a connection that had a purchase answered 6
//! waiting; an answer's cells always lie together. One cell for each change of that order, until it
//! is held no more: `[0] = 195`, `[1]` its state (1 held, 2 confirmed, 3 released, 4 expired, 5
//! cancelled, 7 left), `[2..8]` zero, `[8..16]` the order's id, `[16..24]` and
//! `[24..32]` the newest seq that this was decided from (the change lies there or before),
//! `[32..40]` the price of a unit (of a basket in
//! all), `[40..48]` when the hold ends, Unix ns, or 0, `[48..52]` units, `[52..56]` what is left of
//! the hold, ms, the rest zero. So they read like a [`Reply`] without a tag. Of two changes that
//! follow each other closely only the later may be told. An order whose hold is extended is told
//! again.
//!
//! Invariant: what [`parse`] calls a request is within the bounds of the house and spelt
//! canonically.

use bytemuck::Zeroable;

pub use super::greeting::{Greeting, VERSION, hello, parse_hello, turned_away};
use crate::limits::{PRICE_MAX, REQUEST_TAILS_MAX, UNITS_MAX};
use crate::message::{
    CELL_BYTES, Cell, Head, Lines, NO_MAX_PRICE, Receipt, Reply, SaleReply, StockReply, UP_TO,
    WAITS, decode_side, join_text, kind, ticket_parts,
};
use crate::sale::{Form, Ident, Name, OrderLine, Side, TEXT_BYTES_MAX, Text, text_len};

/// Cells that a frame is read with at once: the names of a `resolve`, or two long texts.
const FIRST_TAILS: usize = 3;
const _: () = assert!(FIRST_TAILS > crate::limits::TEXT_TAILS_MAX);

/// One request and the cells behind it.
pub struct Frame {
    /// Copied out, aligned.
    pub head: Cell,
    /// The first of its tails, those that may be long texts or names. A ticket is none of them and
    /// not counted.
    pub tails: [Cell; FIRST_TAILS],
    /// What a purchase names beside buyer and item.
    pub side: Side,
    /// Bytes that it took.
    pub bytes: usize,
    /// Whether its last cell is a ticket.
    pub ticketed: bool,
    /// What it is.
    pub what: What,
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Something for the matcher.
    Ask,
    /// [`kind::PING`].
    Ping,
    /// [`kind::RESOLVE`].
    Resolve,
    /// To be answered `malformed`.
    Malformed,
    /// To be answered `malformed`; what follows cannot be understood.
    Lost,
}

/// The cell at the start of `input`, if it is all there.
#[inline]
fn cell_at(input: &[u8]) -> Option<Cell> {
    input.first_chunk::<CELL_BYTES>().map(|bytes| Cell(*bytes))
}

/// Finds the request at the start of `input`; `None` if more has to come.
#[inline]
pub fn parse(input: &[u8]) -> Option<Frame> {
    let head = cell_at(input)?;
    let reading = head.head();
    let longs = long(reading.options) + long(reading.options >> 3);
    let tails = usize::from(reading.tails.to_native());
    let mut frame = Frame {
        head,
        tails: [Cell::ZERO; FIRST_TAILS],
        side: Side::NONE,
        bytes: CELL_BYTES,
        ticketed: false,
        what: What::Lost,
    };
    let expected = match reading.kind {
        kind::BUY if tails > longs => return purchase(frame, input, longs),
        kind::BASKET => return purchase(frame, input, longs),
        kind::BUY..=kind::CANCEL | kind::ORDER | kind::STOCK => longs..=longs,
        kind::RESOLVE => 1..=3,
        kind::PING => 0..=0,
        _ => return Some(frame),
    };
    if !expected.contains(&tails) {
        return Some(frame);
    }
    for (index, tail) in frame.tails[..tails].iter_mut().enumerate() {
        *tail = cell_at(input.get(CELL_BYTES * (index + 1)..)?)?;
    }
    frame.bytes += CELL_BYTES * tails;
    frame.what = match reading.kind {
        kind::PING => What::Ping,
        kind::RESOLVE => What::Resolve,
        _ if makes_sense(reading, &frame.tails[..tails]) => What::Ask,
        _ => What::Malformed,
    };
    Some(frame)
}

/// A purchase with more behind its `longs` texts: perhaps a side, of a basket its lines, perhaps a
/// ticket, which is taken off.
fn purchase(mut frame: Frame, input: &[u8], longs: usize) -> Option<Frame> {
    let tails = usize::from(frame.head.head().tails.to_native());
    let is_basket = frame.head.kind() == kind::BASKET;
    // Beside the texts: a side and a ticket, or lines and these.
    let most = if is_basket { REQUEST_TAILS_MAX + 1 } else { longs + 2 };
    if !(longs + 1..=most).contains(&tails) {
        return Some(frame);
    }
    let last = cell_at(input.get(CELL_BYTES * tails..)?)?;
    for (index, tail) in frame.tails[..longs].iter_mut().enumerate() {
        *tail = cell_at(&input[CELL_BYTES * (index + 1)..])?;
    }
    frame.bytes += CELL_BYTES * tails;
    frame.ticketed = last.kind() == kind::TICKET;
    let tails = tails - usize::from(frame.ticketed);
    frame.head = Head { tails: (tails as u16).into(), ..*frame.head.head() }.into();
    let tail = |index: usize| cell_at(&input[CELL_BYTES * (index + 1)..]).expect("it is all there");
    let mut at = longs;
    let mut good = !frame.ticketed || ticket_parts(&last).is_some();
    if at < tails && tail(at).kind() == kind::SIDE {
        match decode_side(&tail(at)) {
            Some(side) => frame.side = side,
            None => good = false,
        }
        at += 1;
    }
    good = good
        && match is_basket {
            true => Lines::read(tails - at, |index| tail(at + index)).is_some_and(|lines| {
                let is_good =
                    |line: &OrderLine| (1..=UNITS_MAX).contains(&line.units) && line.price == 0;
                lines.all().iter().all(is_good)
            }),
            false => tails == at,
        };
    let good = good && makes_sense(frame.head.head(), &frame.tails[..longs]);
    frame.what = if good { What::Ask } else { What::Malformed };
    Some(frame)
}

impl Frame {
    /// One of its tails, in the input that it was parsed from.
    #[inline]
    pub fn tail(&self, index: usize, input: &[u8]) -> Cell {
        match self.tails.get(index) {
            Some(tail) if self.head.kind() != kind::BASKET && self.side == Side::NONE => *tail,
            _ => cell_at(&input[CELL_BYTES * (index + 1)..]).expect("it was parsed whole"),
        }
    }

    /// Expiry and mac of its ticket, in the input that it was parsed from.
    pub fn ticket(&self, input: &[u8]) -> Option<(u64, [u8; 32])> {
        if !self.ticketed {
            return None;
        }
        ticket_parts(&cell_at(&input[self.bytes - CELL_BYTES..])?)
    }

    /// The buyer's text and its length.
    pub fn buyer_text(&self) -> (Text, usize) {
        let ident = self.head.head().buyer().unwrap_or(Ident::NONE);
        if ident.form == Form::Long {
            let text = join_text(ident.bits, &self.tails[0]);
            return (text, text_len(&text));
        }
        let mut text = [0; TEXT_BYTES_MAX];
        let len = ident.write_text(&mut text);
        (text, len)
    }
}

/// 1 if this form of a buyer or key has a tail.
#[inline]
fn long(form: u8) -> usize {
    usize::from(form & 7 == Form::Long as u8)
}

#[inline]
fn makes_sense(head: &Head, tails: &[Cell]) -> bool {
    let (Some(buyer), Some(key)) = (head.buyer(), head.key()) else { return false };
    let known = match head.kind {
        kind::BUY => UP_TO | WAITS,
        kind::BASKET => WAITS,
        _ => 0,
    };
    if head.options >> 6 << 6 & !known != 0 {
        return false;
    }
    let mut tails = tails.iter();
    match head.kind {
        kind::BUY | kind::BASKET => {
            let (price, units) = (head.price.to_native(), head.units.to_native());
            let is_basket = head.kind == kind::BASKET;
            (if is_basket { units == 0 } else { (1..=UNITS_MAX).contains(&units) })
                && (!is_basket || head.item.to_native() == 0)
                && (price <= PRICE_MAX || price == NO_MAX_PRICE)
                && buyer.form != Form::None
                && key.form != Form::None
                && is_good(buyer, &mut tails)
                && is_good(key, &mut tails)
        }
        kind::STOCK => buyer.form == Form::None && key.form == Form::None,
        // An order's command has the order's id in place of the key.
        _ => key.form == Form::None && key.bits >> 64 == 0 && is_good(buyer, &mut tails),
    }
}

/// Whether a buyer or key is spelt as it must be.
#[inline]
fn is_good<'a>(ident: Ident, tails: &mut impl Iterator<Item = &'a Cell>) -> bool {
    if ident.form != Form::Long {
        return ident.is_canonical();
    }
    let Some(tail) = tails.next() else { return false };
    let frame_is_zero = tail.0[1..8].iter().chain(&tail.0[56..]).all(|byte| *byte == 0);
    let text = join_text(ident.bits, tail);
    tail.kind() == kind::TEXT
        && frame_is_zero
        && is_padded(&text)
        && Ident::parse(&text[..text_len(&text)]) == Ok(ident)
}

fn is_padded(text: &Text) -> bool {
    text[text_len(text)..].iter().all(|byte| *byte == 0)
}

/// The name in a tail of `resolve`, if it is one.
pub fn name(tail: &Cell) -> Option<Name> {
    let text = &tail.0;
    if is_padded(text) { Name::parse(&text[..text_len(text)]).ok() } else { None }
}

/// Appends an answer that the connection gives itself.
pub fn local(outcome: u8, tag: u32, fill: impl FnOnce(&mut Reply), out: &mut Vec<u8>) {
    let mut reply = Reply { kind: kind::REPLY, outcome, tag: tag.into(), ..Reply::zeroed() };
    fill(&mut reply);
    out.extend_from_slice(&Cell::from(reply).0);
}

/// Appends the matcher's answer: the peer's tag put in, what is for the rings only taken out, and
/// in an answer about an order its receipt, if that is at hand, in that place.
#[inline]
pub fn answer(mut reply: Cell, tag: u32, receipt: Option<&Receipt>, out: &mut Vec<u8>) {
    if Receipt::is_due(reply.reply()) {
        let mut told = *reply.reply();
        told.set_receipt(receipt);
        reply = told.into();
        reply.0[TAG..TAG + 4].copy_from_slice(&tag.to_le_bytes());
        return out.extend_from_slice(&reply.0);
    }
    const TAG: usize = std::mem::offset_of!(Reply, tag);
    const ARRIVED: usize = std::mem::offset_of!(Reply, arrived);
    const _: () = assert!(std::mem::offset_of!(StockReply, tag) == TAG);
    const _: () = assert!(std::mem::offset_of!(StockReply, arrived) == ARRIVED);
    const _: () = assert!(std::mem::offset_of!(SaleReply, tag) == TAG);
    const _: () = assert!(std::mem::offset_of!(SaleReply, arrived) == ARRIVED);
    reply.0[TAG..TAG + 4].copy_from_slice(&tag.to_le_bytes());
    reply.0[ARRIVED..ARRIVED + 8].fill(0);
    out.extend_from_slice(&reply.0);
}

/// Appends what has become of an order that was waited for: the answer to the question for it,
/// made into news.
pub fn news(answer: Cell, out: &mut Vec<u8>) {
    let reply = *answer.reply();
    let news = Reply { kind: kind::NEWS, tails: 0, replayed: 0, seq: reply.after, ..reply };
    self::answer(news.into(), 0, None, out);
}

#[cfg(test)]
mod tests;
