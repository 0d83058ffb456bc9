//! A basket, decided. Beside what a purchase needs it has lines, and a refusal says for which.

use super::Matcher;
use crate::message::{Cell, Head, LINES_PER_CELL, Lines, Reply, encode_lines};
use crate::record;
use crate::sale::{Basket, BasketRefusal, Fill, Refusal, Stamp, condition};

impl Matcher {
    pub(super) fn basket(&mut self, door: usize, at: usize, head: &Head, now: Stamp) {
        if self.is_late(head) {
            return self.answer(door, head, &Err(Refusal::Overloaded), now);
        }
        let mut texts = [[0; 64]; 2];
        let requests = &self.doors[door].requests;
        let tail = |index: usize| requests.get(at + 1 + index);
        let idents = record::idents(&self.shop, head, &mut texts, tail);
        let (buyer, key, longs) = idents.expect("the wire lets only good idents through");
        let (side, lines_at) = record::side(head, longs, tail);
        let cells = usize::from(head.tails.to_native()) - lines_at;
        let lines = Lines::read(cells, |index| tail(lines_at + index));
        let lines = lines.expect("the wire lets only good lines through");
        let max_price = head.price.to_native();
        let basket = Basket {
            sale: head.sale.to_native(),
            lines: lines.all(),
            max_price,
            waits: head.is_waiting(),
            side,
            condition: condition(max_price, Fill::All, 0, head.is_waiting(), &side),
            buyer: record::party(buyer, &texts[0]),
            key: record::party(key, &texts[1]),
        };
        match self.shop.basket(now, &basket) {
            Ok(given) => {
                if !given.replayed {
                    let kept = self.shop.lines(given.order);
                    let record =
                        record::basket(head, lines_at, kept, basket.condition, &given, now);
                    self.records.push(record.into());
                    for index in 0..lines_at {
                        self.records.push(self.doors[door].requests.get(at + 1 + index));
                    }
                    for lines in self.shop.lines(given.order).chunks(LINES_PER_CELL) {
                        self.records.push(encode_lines(lines));
                    }
                    self.counters.given.add(1);
                    self.note_now();
                }
                self.answer(door, head, &Ok(given), now);
            }
            Err(BasketRefusal { why, line }) => {
                let mut reply: Reply = self.refusal(&why, head);
                if let Some(line) = line {
                    let item = basket.lines[usize::from(line)].item;
                    reply.units = (u32::from(line) + 1).into();
                    reply.expires_in_ms = u32::from(item).into();
                }
                self.doors[door].replies.push(Cell::from(reply));
            }
        }
    }
}
