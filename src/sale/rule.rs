//! What an operator says of a sale: that it be, opens, pauses, goes on, ends, is forgotten, and
//! what stock and prices it has. Ladders of refusals like those of buyers; what would change
//! nothing succeeds without a seq.
//!
//! Invariant: a price is changed for those who come, never for a hold; stock is taken away only
//! where nobody has it.

use super::command::{Refusal, Seq, Stamp};
use super::shop::{Shop, number};
use super::stock::Sale;
use super::terms::{PRICE_MAX, STOCK_MAX, Terms};

/// A command about a sale that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// Number of the sale, 0 unknown.
    pub sale: u16,
    /// Number of the item in it, 0 unknown; for commands about the whole sale not looked at.
    pub item: u16,
    /// What is said.
    pub rule: Rule,
}

/// What is said of a sale, or of one item of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// It opens now, whatever its opening time is.
    Open,
    /// New purchases are refused; what is held goes on.
    Pause,
    /// It goes on as if it had not been paused.
    Resume,
    /// It ends for ever; what is held goes on.
    Close,
    /// It is forgotten. Only a closed one, without holds.
    Remove,
    /// The item gets so many units more.
    Add(u64),
    /// So many free units of the item are taken away.
    Withdraw(u64),
    /// The item costs so many minor units from now on.
    Price(u64),
}

impl Shop {
    /// Creates a sale and returns its number and the seq. The terms must have passed
    /// [`check_terms`](crate::message::check_terms).
    ///
    /// # Errors
    /// A sentence, if the name is taken or a bound is reached. Nothing changed then.
    pub fn create(&mut self, now: Stamp, terms: &Terms) -> Result<(u16, Seq), String> {
        if self.sale_number(&terms.name).is_some() {
            return Err(format!("there is a sale '{}' already", terms.name));
        }
        if self.sales.len() >= self.bounds.sales_max {
            return Err(format!("there are {} sales already: no more fit", self.sales.len()));
        }
        let Some(lane) = self.holds.lane(terms.hold_ms, terms.extend_ms) else {
            return Err(format!(
                "hold_ms and extend_ms: too many different ones in use to add {} and {}",
                terms.hold_ms, terms.extend_ms
            ));
        };
        let mut offer_lane = lane;
        if terms.waitlist > 0 {
            let Some(lane) = self.holds.lane(terms.offer_ms, terms.extend_ms) else {
                return Err(format!(
                    "offer_ms and extend_ms: too many different ones in use to add {} and {}",
                    terms.offer_ms, terms.extend_ms
                ));
            };
            offer_lane = lane;
        }
        // From here it succeeds.
        self.tick(now);
        self.sales.push(Sale::new(terms, lane, offer_lane));
        Ok((number(self.sales.len() - 1), self.change()))
    }

    /// Decides an operator's command. Returns the seq; 0 if it changes nothing. All holds that end
    /// by `now` must have been taken out by [`expire`](Self::expire), and nobody be left for
    /// [`promote`](Self::promote).
    ///
    /// # Errors
    /// The first [`Refusal`] that applies; nothing changed then.
    pub fn rule(&mut self, now: Stamp, ruling: &Ruling) -> Result<Seq, Refusal> {
        self.tick(now);
        assert!(now < self.holds.due(), "a hold that has ended is still held");
        assert!(!self.is_promoting(now), "units are ruled about that belong to those who wait");
        let index = self.index(ruling.sale)?;
        let changes = match ruling.rule {
            Rule::Add(_) | Rule::Withdraw(_) | Rule::Price(_) => {
                self.rule_item(now, index, ruling)?
            }
            rule => self.sales[index].rule(now, rule)?,
        };
        if changes && ruling.rule == Rule::Close && self.sales[index].waiting > 0 {
            self.closing = now;
        }
        if changes && ruling.rule == Rule::Remove {
            self.removed(ruling.sale);
        }
        if changes && matches!(ruling.rule, Rule::Add(_)) {
            self.returned(ruling.sale, ruling.item);
        }
        Ok(if changes { self.change() } else { 0 })
    }

    /// Opens a sale now. Returns the seq; 0 if it is open already.
    ///
    /// # Errors
    /// [`Refusal::UnknownSale`] or [`Refusal::Closed`].
    pub fn open(&mut self, now: Stamp, sale: u16) -> Result<Seq, Refusal> {
        self.rule(now, &Ruling { sale, item: 0, rule: Rule::Open })
    }

    fn rule_item(&mut self, now: Stamp, index: usize, ruling: &Ruling) -> Result<bool, Refusal> {
        let sale = &mut self.sales[index];
        let is_over = sale.is_over(now);
        let item = sale.items.get_mut(usize::from(ruling.item).wrapping_sub(1));
        let item = item.ok_or(Refusal::UnknownItem)?;
        if is_over {
            return Err(Refusal::Closed);
        }
        let before = item.shown();
        match ruling.rule {
            Rule::Add(units) => {
                let room = STOCK_MAX - item.stock;
                if units > room {
                    return Err(Refusal::TooMuch(room));
                }
                item.stock += units;
                item.free += units;
            }
            Rule::Withdraw(units) => {
                if units > item.free {
                    return Err(Refusal::NotFree(item.free));
                }
                item.stock -= units;
                item.free -= units;
            }
            Rule::Price(price) => {
                if price > PRICE_MAX {
                    return Err(Refusal::TooMuch(PRICE_MAX));
                }
                item.price = price;
            }
            other => unreachable!("{other:?} is about the whole sale"),
        }
        item.assert_balance();
        Ok(item.shown() != before)
    }
}

impl Sale {
    /// Does what is said of the whole sale. Returns whether that changed it.
    fn rule(&mut self, now: Stamp, rule: Rule) -> Result<bool, Refusal> {
        let (before, is_over) = (self.bits(), self.is_over(now));
        match rule {
            Rule::Open | Rule::Pause | Rule::Resume if is_over => return Err(Refusal::Closed),
            Rule::Remove if !is_over => return Err(Refusal::NotClosed),
            Rule::Remove if self.held() > 0 => return Err(Refusal::HoldsLive(self.held())),
            Rule::Remove if self.waiting > 0 => return Err(Refusal::HoldsLive(0)),
            // From here it succeeds.
            Rule::Open if now < self.opens_at => self.open(),
            Rule::Close if !is_over => self.close(),
            Rule::Open | Rule::Close => {}
            Rule::Pause => self.is_paused = true,
            Rule::Resume => self.is_paused = false,
            Rule::Remove => self.is_removed = true,
            other => unreachable!("{other:?} is about an item"),
        }
        assert!(!self.is_removed || self.held() == 0, "a sale is forgotten with units in holds");
        Ok(self.bits() != before)
    }
}
