//! What is sold out, chalked up where shards can see it: a purchase that can only be refused so is
//! then refused without passing the matcher.
//!
//! The matcher writes, everybody reads, nobody locks. It never says yes unless the matcher, asked
//! at that moment, would have said `sold_out`: a notice holds until the next hold runs out or the
//! sale ends, for prices and units that pass the refusals before it, and not for a buyer or key
//! that may have been given anything before. Whoever finds no answer here asks the matcher.
//!
//! Invariant: what was given is noted before a notice that was put up after it can be read; a
//! notice is taken down before any answer that tells of returned units leaves the matcher.

mod slate;

// The slate's; loom puts its own in their place.
use std::sync::{Arc, atomic};

use crate::message::Head;
use crate::mutant::{self, Mutant};
use crate::sale::{Form, Ident, Seed};
use slate::Slate;

/// Items that can be up at once; where two fall on one place the later one stands there.
const PLACES: usize = 1024;
/// Bits of the memory of what was given, for each entry. An order makes two at most.
const BITS_PER_ENTRY: usize = 12;
/// Bits that an entry sets, all in one word: one cache line is touched.
const BITS_SET: u32 = 4;

/// That one item is sold out, and for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Number of the sale.
    pub sale: u16,
    /// Number of the item in it.
    pub item: u16,
    /// The seq that it was decided from: it may be told once that is durable.
    pub after: u64,
    /// Until when, monotonic ns: the next hold runs out or the sale ends.
    pub until: u64,
    /// The price in force: below it the answer is another.
    pub price: u64,
    /// Units above which the answer is another.
    pub limit: u32,
}

impl Notice {
    /// Whether this one, put up before, says all that `other` says.
    fn says_as_much(&self, other: &Notice) -> bool {
        (self.until, self.price, self.limit) == (other.until, other.price, other.limit)
    }
}

struct Shared {
    slate: Slate,
    seed: Seed,
}

/// The matcher's side.
pub struct BoardWriter {
    shared: Arc<Shared>,
    /// Notices that are up; while there are none, taking down costs nothing.
    up: usize,
    /// Slots of orders all of which are noted: those below.
    noted: usize,
    /// Words of the memory of what was given that are to be wiped: those below.
    to_wipe: usize,
}

/// A shard's side.
#[derive(Clone)]
pub struct Board {
    shared: Arc<Shared>,
}

impl BoardWriter {
    /// An empty board for so many orders. The seed keys what clients choose.
    pub fn new(orders_max: usize, seed: Seed) -> BoardWriter {
        let words = (orders_max * 2 * BITS_PER_ENTRY).div_ceil(64).max(1);
        let shared = Shared { slate: Slate::new(PLACES, words), seed };
        BoardWriter { shared: Arc::new(shared), up: 0, noted: 0, to_wipe: 0 }
    }

    /// A reader of this board.
    pub fn reader(&self) -> Board {
        Board { shared: Arc::clone(&self.shared) }
    }

    /// The orders in slots below this are noted.
    #[inline]
    pub fn noted(&self) -> usize {
        self.noted
    }

    /// Whether there is something to wipe, or an order in a slot below `used` to note.
    pub fn lags(&self, used: usize) -> bool {
        self.to_wipe > 0 || self.noted < used
    }

    /// Remembers that the orders in slots below this were noted; what is given there from now on
    /// is noted when it is given.
    pub fn note_until(&mut self, noted: usize) {
        self.noted = noted;
    }

    /// Forgets all that was given, most of which is of sales that are gone: everything is wiped
    /// and noted anew when it is needed.
    pub fn begin_again(&mut self) {
        self.clear();
        (self.noted, self.to_wipe) = (0, self.shared.slate.given());
    }

    /// Wipes some of what was forgotten. Returns how many words that was, 0 if nothing is left.
    pub fn wipe(&mut self, words_max: usize) -> usize {
        assert!(self.to_wipe == 0 || self.up == 0, "no notice rests on what is wiped");
        let from = self.to_wipe.saturating_sub(words_max);
        let words = from..self.to_wipe;
        let count = words.len();
        self.shared.slate.wipe(words);
        self.to_wipe = from;
        count
    }

    /// Whether there is any notice, so that what is given now has to be noted at once.
    #[inline]
    pub fn is_up(&self) -> bool {
        self.up > 0
    }

    /// Notes an order: this buyer was given something under this key. Long ones are noted in vain:
    /// nobody asks for them.
    pub fn note(&mut self, sale: u16, buyer: Ident, key: Ident) {
        assert!(self.to_wipe == 0, "what is noted is not wiped");
        for (ident, role) in [(key, KEY), (buyer, BUYER)] {
            let (word, bits) = self.shared.entry(sale, ident, role);
            self.shared.slate.give(word, bits);
        }
    }

    /// Puts a notice up.
    pub fn put_up(&mut self, notice: &Notice) {
        let up = self.shared.read(notice.sale, notice.item);
        if up.is_some_and(|(up, _)| up.says_as_much(notice)) {
            return;
        }
        let place = place(notice.sale, notice.item);
        let slate = &self.shared.slate;
        if slate.first(place) == 0 {
            self.up += 1;
        }
        let who = u64::from(name(notice.sale, notice.item)) | u64::from(notice.limit) << 32;
        slate.put_up(place, [who, notice.after, notice.until, notice.price]);
    }

    /// Takes down whatever stands where a notice of this item would.
    #[inline]
    pub fn take_down(&mut self, sale: u16, item: u16) {
        if self.up == 0 || mutant::is(Mutant::StaleFlagKept) {
            return;
        }
        let place = place(sale, item);
        if self.shared.slate.first(place) != 0 {
            self.up -= 1;
            self.shared.slate.take_down(place);
        }
    }

    /// Takes everything down: something changed that concerns more than one item.
    pub fn clear(&mut self) {
        for place in 0..PLACES {
            if self.up > 0 {
                let who = self.shared.slate.first(place);
                self.take_down((who >> 16) as u16, who as u16);
            }
        }
    }
}

impl Board {
    /// The notice that answers this purchase of an item, given by the numbers of its sale and its
    /// own, at this moment (monotonic ns); `None` if there is none.
    #[inline]
    pub fn sold_out(&self, (sale, item): (u16, u16), buy: &Head, now: u64) -> Option<Notice> {
        let (notice, version) = self.shared.read(sale, item)?;
        let passes_what_comes_before = now < notice.until
            && buy.price.to_native() >= notice.price
            && buy.units.to_native() <= notice.limit;
        if !passes_what_comes_before {
            return None;
        }
        let is_new = |ident: Option<Ident>, role| {
            let short = ident.filter(|ident| ![Form::None, Form::Long].contains(&ident.form));
            short.is_some_and(|ident| !self.shared.has(sale, ident, role))
        };
        let is_new = is_new(buy.key(), KEY) && is_new(buy.buyer(), BUYER);
        // What was noted may have been wiped, but not while this notice was up.
        let is_up = self.shared.slate.is_up(place(sale, item), version);
        (is_new && is_up).then_some(notice)
    }
}

/// What an ident stands for; part of its hash.
const KEY: u64 = 1;
const BUYER: u64 = 2;

/// Never 0: numbers begin with 1.
fn name(sale: u16, item: u16) -> u32 {
    u32::from(sale) << 16 | u32::from(item)
}

/// Where a notice of this item stands.
fn place(sale: u16, item: u16) -> usize {
    // 2^64 / golden ratio: Fibonacci hashing.
    let hash = u64::from(name(sale, item)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (hash >> 32) as usize % PLACES
}

impl Shared {
    /// A consistent notice of this item and its version, or none.
    #[inline]
    fn read(&self, sale: u16, item: u16) -> Option<(Notice, u64)> {
        let (words, version) = self.slate.read(place(sale, item), name(sale, item))?;
        let [who, after, until, price] = words;
        let limit = (who >> 32) as u32;
        Some((Notice { sale, item, after, until, price, limit }, version))
    }

    /// The word of an entry and its bits in it.
    #[inline]
    fn entry(&self, sale: u16, ident: Ident, role: u64) -> (usize, u64) {
        let context = u64::from(sale) << 16 | (ident.form as u64) << 8 | role;
        let hash = self.seed.hash(ident.bits, context);
        // The high bits choose the word, the low ones the bits in it.
        let word = (u128::from(hash) * self.slate.given() as u128) >> 64;
        let bits = (0..BITS_SET).fold(0, |bits, at| bits | 1 << (hash >> (6 * at) & 63));
        (word as usize, bits)
    }

    #[inline]
    fn has(&self, sale: u16, ident: Ident, role: u64) -> bool {
        let (word, bits) = self.entry(sale, ident, role);
        self.slate.has(word, bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{NO_MAX_PRICE, kind};

    fn ident(text: &str) -> Ident {
        Ident::parse(text.as_bytes()).expect("a good ident")
    }

    fn buy(buyer: &str, key: &str, units: u32, max_price: u64) -> Head {
        let mut head = Head::new(kind::BUY);
        (head.units, head.price) = (units.into(), max_price.into());
        head.set_buyer(ident(buyer));
        head.set_key(ident(key));
        head
    }

    /// Numbers of a sale and of an item in it.
    const THIS: (u16, u16) = (1, 2);
    const NOTICE: Notice =
        Notice { sale: 1, item: 2, after: 77, until: 1_000, price: 2_500, limit: 3 };

    #[test]
    fn a_notice_answers_only_what_the_matcher_would_have_refused_so() {
        let mut writer = BoardWriter::new(1_000, Seed::new([1, 2, 3, 4]));
        let board = writer.reader();
        let ann = buy("ann", "k1", 3, NO_MAX_PRICE);
        assert_eq!(board.sold_out(THIS, &ann, 0), None, "nothing is up");
        writer.note(1, ident("bob"), ident("k2"));
        writer.put_up(&NOTICE);
        assert_eq!(board.sold_out(THIS, &ann, 999), Some(NOTICE));
        assert_eq!(board.sold_out(THIS, &buy("ann", "k1", 3, 2_500), 999), Some(NOTICE));
        for (why, head, now) in [
            ("a hold has run out", ann, 1_000),
            ("over the limit", buy("ann", "k1", 4, NO_MAX_PRICE), 0),
            ("the price is above", buy("ann", "k1", 1, 2_499), 0),
            ("the key was used", buy("ann", "k2", 1, NO_MAX_PRICE), 0),
            ("the buyer has something", buy("bob", "k3", 1, NO_MAX_PRICE), 0),
            ("a long key is not remembered", buy("ann", "a-key-of-over-16-characters", 1, 9), 0),
        ] {
            assert_eq!(board.sold_out(THIS, &head, now), None, "{why}");
        }
        assert_eq!(board.sold_out((1, 1), &ann, 0), None, "another item");
        assert_eq!(board.sold_out((2, 2), &ann, 0), None, "another sale");
        writer.take_down(1, 2);
        assert_eq!(board.sold_out(THIS, &ann, 0), None, "it was taken down");
        writer.put_up(&NOTICE);
        writer.clear();
        assert_eq!(board.sold_out(THIS, &ann, 0), None, "everything was taken down");
        assert_eq!(writer.up, 0);
    }

    #[test]
    fn what_was_given_is_never_forgotten_and_little_else_is_remembered() {
        let mut writer = BoardWriter::new(10_000, Seed::new([5, 6, 7, 8]));
        let board = writer.reader();
        writer.put_up(&NOTICE);
        for number in 0..10_000 {
            writer.note(1, ident(&format!("b{number}")), ident(&format!("k{number}")));
        }
        let asks = |buyer: String, key: String| {
            board.sold_out(THIS, &buy(&buyer, &key, 1, NO_MAX_PRICE), 0).is_some()
        };
        let known = (0..10_000).filter(|n| asks(format!("new{n}"), format!("k{n}"))).count();
        assert_eq!(known, 0, "a used key was refused");
        let known = (0..10_000).filter(|n| asks(format!("b{n}"), format!("new{n}"))).count();
        assert_eq!(known, 0, "a buyer with an order was refused");
        let new = (0..10_000).filter(|n| asks(format!("x{n}"), format!("y{n}"))).count();
        assert!(new > 9_000, "only {new} of 10,000 strangers were told here");
    }

    #[test]
    fn a_reader_beside_the_writer_sees_whole_notices_only() {
        let mut writer = BoardWriter::new(10, Seed::new([1, 2, 3, 4]));
        let board = writer.reader();
        let reader = std::thread::spawn(move || {
            let mut seen = 0;
            for _ in 0..200_000 {
                if let Some((notice, _)) = board.shared.read(1, 2) {
                    assert!(notice.until == notice.after * 2 && notice.price == notice.after * 3);
                    seen += 1;
                }
            }
            seen
        });
        for after in 1..=50_000 {
            let notice = Notice { after, until: after * 2, price: after * 3, ..NOTICE };
            writer.put_up(&notice);
            if after % 3 == 0 {
                writer.take_down(1, 2);
            }
        }
        reader.join().expect("no torn notice");
    }
}
