//! What the matcher puts up on the board and takes down again, so that shards can refuse what can
//! only be refused.
//!
//! Nothing is noted of an order while it is given and nothing is sold out: the orders lie in slots
//! one after another, and the board catches up with them when it is first needed, a slice a round.
//! Only what is given in a slot that it has passed, because that is used again, is noted at once.
//!
//! Invariant: a notice is up only while everything given is noted.

use super::Matcher;
use crate::board::Notice;
use crate::sale::{Given, Stamp, State};

/// Orders noted in one round: about a tenth of a millisecond.
const SLICE: usize = 2_048;
/// Words wiped in one round.
const WIPED: usize = 16 * SLICE;

impl Matcher {
    /// A purchase was refused as sold out: says so on the board, if that will last.
    #[cold]
    pub(super) fn put_up(&mut self, sale: u16, item: u16, now: Stamp) {
        if self.board.lags(self.shop.slots_used()) {
            self.board_lags = true;
            return;
        }
        let Some(sold_out) = self.shop.sold_out(sale, item) else { return };
        self.board.put_up(&Notice {
            sale,
            item,
            after: self.shop.seq(),
            until: self.read_at.saturating_add(sold_out.until.saturating_sub(now)),
            price: sold_out.price,
            limit: sold_out.limit,
        });
    }

    /// Units of an order may have come back to their items.
    #[inline]
    pub(super) fn came_back(&mut self, sale: u16, given: &Given) {
        if !matches!(given.state, State::Released | State::Expired | State::Cancelled) {
            return;
        }
        if given.item != 0 {
            return self.board.take_down(sale, given.item);
        }
        for line in self.shop.lines(given.order) {
            self.board.take_down(sale, line.item);
        }
    }

    /// Lets the board catch up with what was given. Returns how much that was.
    pub(super) fn note(&mut self) -> usize {
        if !self.board_lags {
            return 0;
        }
        let wiped = self.board.wipe(WIPED);
        if wiped > 0 {
            return wiped;
        }
        let from = self.board.noted();
        let until = self.shop.slots_used().min(from + SLICE);
        for slot in from..until {
            self.note_slot(slot);
        }
        self.board.note_until(until);
        self.board_lags = self.board.lags(self.shop.slots_used());
        until - from
    }

    fn note_slot(&mut self, slot: usize) {
        if let Some((sale, buyer, key)) = self.shop.whose(slot) {
            self.board.note(sale, buyer, key);
        }
    }

    /// Notes what was just given, if shards go by what is noted.
    #[inline]
    pub(super) fn note_now(&mut self) {
        let slot = self.shop.newest_slot();
        if slot < self.board.noted() {
            self.note_slot(slot);
        } else if self.board.is_up() {
            self.board_lags = true;
            self.note();
            assert!(!self.board_lags, "while a notice is up, all but the newest order are noted");
        }
    }
}
