//! The operator's commands, decided: a new sale, or a ruling about one that is there. They take
//! their place among the buyers' requests and in the journal like these; none is on an order's way.

use super::Matcher;
use crate::message::{Cell, Head, Reply, decode_terms, encode_terms, outcome};
use crate::record;
use crate::sale::{Refusal, Stamp};

impl Matcher {
    /// The number of a new sale goes where an order's id goes. Under a name that is taken the
    /// answer names that sale: `replayed` if it was created just so, `key_reused` if not.
    #[cold]
    pub(super) fn create(&mut self, door: usize, at: usize, head: &Head, now: Stamp) {
        let cells: Vec<Cell> =
            (0..head.cells()).map(|index| self.doors[door].requests.get(at + index)).collect();
        let terms = decode_terms(&cells).expect("the operator's terms were checked");
        let reply = if let Some(number) = self.shop.sale_number(&terms.name) {
            let is_same = self.shop.terms(number) == Some(&terms);
            Reply {
                outcome: if is_same { outcome::OK } else { outcome::KEY_REUSED },
                replayed: u8::from(is_same),
                order: u64::from(number).into(),
                ..self.blank(head)
            }
        } else if let Ok((number, seq)) = self.shop.create(now, &terms) {
            for cell in encode_terms(number, &terms, now) {
                self.records.push(cell);
            }
            Reply { order: u64::from(number).into(), seq: seq.into(), ..self.blank(head) }
        } else {
            self.refusal(&Refusal::Overloaded, head)
        };
        self.doors[door].replies.push(reply.into());
    }

    #[cold]
    pub(super) fn rule(&mut self, door: usize, at: usize, head: &Head, now: Stamp) {
        let requests = &self.doors[door].requests;
        let ruling = record::ruling(head, |index| requests.get(at + 1 + index));
        let ruling = ruling.expect("only good rulings come here");
        let reply = match self.shop.rule(now, &ruling) {
            Ok(seq) => {
                if seq > 0 {
                    for cell in record::rule(&ruling, now) {
                        self.records.push(cell);
                    }
                    self.board.clear();
                }
                let order = u64::from(ruling.sale).into();
                Reply { order, seq: seq.into(), ..self.blank(head) }
            }
            Err(refusal) => self.refusal(&refusal, head),
        };
        self.doors[door].replies.push(reply.into());
    }
}
