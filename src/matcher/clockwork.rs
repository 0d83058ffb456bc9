//! What happens without a request: holds end, what was planned happens, those who wait have turns.
//!
//! Invariant: in this order, and before the next command is decided.

use super::Matcher;
use crate::limits::{OFFERS_AT_ONCE, TAILS_MAX};
use crate::message::kind;
use crate::record;
use crate::sale::{Stamp, State};

/// Offers that one turn in a draw counts for: it looks for its place among holds that end alike.
const DRAWN_COUNTS: usize = 8;

impl Matcher {
    /// Returns the units of all holds that end by `now`, as far as the journal's ring has room.
    pub(super) fn expire(&mut self, now: Stamp) -> usize {
        let mut count = 0;
        while self.records.free(1) > TAILS_MAX {
            let Some((sale, given)) = self.shop.expire(now) else { break };
            self.records.push(record::change(kind::EXPIRE, sale, &given, now).into());
            self.came_back(sale, &given);
            self.news.tell(given.order);
            count += 1;
        }
        self.counters.expired.add(count as u64);
        count
    }

    /// Has happen what was planned for now or before, as far as the journal's ring has room.
    pub(super) fn happen(&mut self, now: Stamp) -> usize {
        let mut count = 0;
        while self.records.free(1) > TAILS_MAX {
            let Some((_, happened)) = self.shop.happen(now) else { break };
            self.records.push(record::happened(&happened, now).into());
            self.board.take_down(happened.sale, happened.item);
            count += 1;
        }
        count
    }

    /// Offers units to those who wait for them, and has those leave who wait in vain: a slice, so
    /// that commands are decided between. What is free is theirs meanwhile.
    pub(super) fn promote(&mut self, now: Stamp) -> usize {
        let mut count = 0;
        while count < OFFERS_AT_ONCE
            && self.shop.is_promoting(now)
            && self.records.free(TAILS_MAX + 1) > TAILS_MAX
            && !self.shop.has_due(now)
        {
            let Some(turn) = self.shop.promote(now) else { break };
            self.records.push(record::turn(&turn, now).into());
            self.news.tell(turn.given.order);
            match turn.given.state {
                State::Held => self.counters.offered.add(1),
                State::Left => self.counters.left.add(1),
                _ => {}
            }
            count += if turn.is_drawn { DRAWN_COUNTS } else { 1 };
        }
        count
    }
}
