//! What buyers and the sink are told: each answer must have been decided.

use super::*;

impl World {
    /// A buyer says something, or hears something.
    pub(super) fn buyer(&mut self, house: &mut House, all: bool) -> Result<usize, String> {
        let number = self.random.place(self.buyers.len());
        self.serve(house, number, all)
    }

    pub(super) fn serve(
        &mut self,
        house: &mut House,
        number: usize,
        all: bool,
    ) -> Result<usize, String> {
        if self.created < self.terms.len() {
            return Ok(0);
        }
        let (offer, step) = (self.offer, self.step);
        let buyer = &mut self.buyers[number];
        let mut done = buyer.say(&mut house.shards, offer, step);
        done += buyer.carry(all);
        while let Some((asked, told)) = self.buyers[number].hear()? {
            self.note(4, u64::from(told.outcome) ^ told.order << 8);
            self.heard(&asked, &told).map_err(|what| {
                let buyer = &self.buyers[number];
                format!("buyer {number} ({:?}) asked {:?}: {what}", buyer.protocol, asked.ask)
            })?;
            done += 1;
        }
        Ok(done)
    }

    /// An answer has come to a buyer: it must have been decided, and is to be remembered.
    pub(super) fn heard(&mut self, asked: &Asked, told: &Told) -> Result<(), String> {
        let (decisions, place) = match &asked.ask {
            Ask::Buy { of, sale, item, .. } => (self.judge.of_key(&of.key), Some((*sale, *item))),
            Ask::Basket { of, sale, lines, .. } => {
                // One of a single line is a plain purchase to some protocols.
                let only = lines.first().filter(|_| lines.len() == 1);
                (self.judge.of_key(&of.key), only.map(|(item, _)| (*sale, *item)))
            }
            Ask::Change { kind, order, .. } => (self.judge.of_change(*kind, *order), None),
            Ask::Order { .. } | Ask::Stock { .. } => {
                self.tally.outcome("answers told", 1);
                return Ok(());
            }
        };
        let is_order = !outcome::is_refusal(told.outcome);
        let is_it = |made: &&crate::drill::judge::Decision| {
            made.outcome == told.outcome && (!is_order || made.order == told.order)
        };
        let after = decisions.iter().filter(is_it).map(|made| made.after).min();
        match (after, place) {
            (Some(after), _) => self.told = self.told.max(after),
            (None, Some((sale, item)))
                if told.outcome == outcome::SOLD_OUT
                    && self.judge.was_short((sale, item), asked.since) =>
            {
                self.tally.outcome("sold out, told by the shard", 1);
            }
            (None, _) => {
                let word = outcome::word(told.outcome);
                return Err(format!("told {word} (order {}), which nobody decided", told.order));
            }
        }
        self.tally.outcome(outcome::word(told.outcome), 1);
        self.tally.outcome("answers told", 1);
        Ok(())
    }

    pub(super) fn follow(&mut self, house: &mut House) -> Result<usize, String> {
        let done = house.follower.work();
        self.outlet.wrong().map_or(Ok(done), Err)
    }
}
