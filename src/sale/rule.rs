//! What an operator says of a sale: that it be, opens, pauses, goes on, ends, is forgotten, and
//! what stock and prices it has. Ladders of refusals like those of buyers; what would change
//! nothing succeeds without a seq.
//!
//! Invariant: a price is changed for those who come, never for a hold; stock is taken away only
//! where nobody has it.

use super::agenda::{Entry, WAVES_PER_SALE_MAX, What};
use super::command::{Refusal, Seq, Stamp};
use super::shop::{Shop, number};
use super::stock::{CHANNELS_PER_SALE_MAX, DrawState, POOLS_PER_SALE_MAX, Sale};
use super::terms::{Name, PRICE_MAX, STOCK_MAX, Terms};

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

/// Units for those who name a channel: a creator, a platform, a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aside {
    /// For which; a name that is new to the sale makes a new channel.
    pub channel: Name,
    /// How many; 0 to change the time alone.
    pub units: u64,
    /// When what is left of the channel's units of this item returns to the common ones; 0 if they
    /// do not. The last word counts.
    pub until: Stamp,
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
    /// Free units of the item are set aside for a channel.
    Aside(Aside),
    /// The item will get so many units more at that time.
    Plan {
        /// How many.
        units: u64,
        /// When.
        at: Stamp,
    },
    /// The wave with this id will not come.
    CallOff(Seq),
    /// The seed of the draw.
    Draw([u8; 32]),
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
        if terms.offer_ms > 0 {
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
        self.assert_settled(now);
        let is_theirs = self.is_promoting_in(ruling.sale, now);
        assert!(!is_theirs, "units are ruled about that belong to those who wait");
        let index = self.index(ruling.sale)?;
        let changes = match ruling.rule {
            Rule::Add(_)
            | Rule::Withdraw(_)
            | Rule::Price(_)
            | Rule::Aside(_)
            | Rule::Plan { .. } => self.rule_item(now, index, ruling)?,
            Rule::CallOff(wave) => {
                if !self.agenda.waves(ruling.sale).any(|planned| planned.id == wave) {
                    return Err(Refusal::UnknownWave);
                }
                self.agenda.drop_if(ruling.sale, |entry| entry.id == wave);
                true
            }
            rule => self.sales[index].rule(now, rule)?,
        };
        match ruling.rule {
            _ if !changes => {}
            // What was planned to be sold will not be.
            Rule::Close => {
                let is_wave = |entry: &Entry| matches!(entry.what, What::Surge(_));
                self.agenda.drop_if(ruling.sale, is_wave);
                if self.sales[index].expectant() > 0 {
                    self.closing = now;
                }
            }
            Rule::Remove => {
                self.agenda.drop_if(ruling.sale, |_| true);
                self.removed(ruling.sale);
            }
            Rule::Draw(_) => self.look_at_draw(ruling.sale),
            Rule::Add(_) => self.returned(ruling.sale, ruling.item),
            _ => {}
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
            Rule::Aside(aside) => return self.set_aside(now, index, ruling.item, &aside),
            Rule::Plan { units, at } => {
                let room = STOCK_MAX - item.stock;
                if at <= now || at >= sale.closes_at {
                    return Err(Refusal::BadTime);
                }
                if units > room {
                    return Err(Refusal::TooMuch(room));
                }
                if self.agenda.waves(ruling.sale).count() >= WAVES_PER_SALE_MAX {
                    return Err(Refusal::Overloaded);
                }
                let (id, what) = (self.seq + 1, What::Surge(units));
                let Ruling { sale, item, .. } = *ruling;
                if units > 0 {
                    self.agenda.add(Entry { at, id, sale, item, what });
                }
                return Ok(units > 0);
            }
            other => unreachable!("{other:?} is about the whole sale"),
        }
        item.assert_balance();
        Ok(item.shown() != before)
    }

    /// Sets free units of an item aside for a channel. Returns whether that changed anything.
    fn set_aside(
        &mut self,
        now: Stamp,
        index: usize,
        number: u16,
        aside: &Aside,
    ) -> Result<bool, Refusal> {
        let Aside { channel: name, units, until } = *aside;
        let sale = &mut self.sales[index];
        let pools: usize = sale.items.iter().map(|item| item.pools.len()).sum();
        let item = &mut sale.items[usize::from(number) - 1];
        let known = sale.channels.iter().position(|known| *known == name);
        let channel = known.unwrap_or(sale.channels.len()) as u8 + 1;
        let pool = item.pool(channel).copied();
        if until != 0 && until <= now || pool.is_some_and(|pool| pool.is_swept) {
            return Err(Refusal::BadTime);
        }
        if units > item.free {
            return Err(Refusal::NotFree(item.free));
        }
        if known.is_none() && sale.channels.len() >= CHANNELS_PER_SALE_MAX
            || pool.is_none() && pools >= POOLS_PER_SALE_MAX
        {
            return Err(Refusal::Overloaded);
        }
        if pool.map_or(units == 0, |pool| units == 0 && pool.until == until) {
            return Ok(false);
        }
        // From here it succeeds.
        if known.is_none() {
            sale.channels.push(name);
        }
        if pool.is_none() {
            item.add_pool(channel);
        }
        item.set_aside(channel, units, until);
        let (sale, what) = (index as u16 + 1, What::Sweep(channel));
        self.agenda.drop_if(sale, |entry| (entry.item, entry.what) == (number, what));
        if until != 0 {
            self.agenda.add(Entry { at: until, id: self.seq + 1, sale, item: number, what });
        }
        Ok(true)
    }
}

impl Sale {
    /// Takes the seed of the draw. Returns whether that is news.
    fn reveal(&mut self, now: Stamp, seed: [u8; 32]) -> Result<bool, Refusal> {
        let is_over = self.is_over(now);
        let draw = self.draw.as_mut().ok_or(Refusal::NoDraw)?;
        if !draw.is_seed(&seed) {
            return Err(Refusal::WrongSeed);
        }
        if draw.seed().is_some() {
            return Ok(false);
        }
        if is_over {
            return Err(Refusal::Closed);
        }
        if draw.state(now) == DrawState::Entering {
            return Err(Refusal::NotOpen);
        }
        // From here it succeeds.
        draw.reveal(seed);
        Ok(true)
    }

    /// Does what is said of the whole sale. Returns whether that changed it.
    fn rule(&mut self, now: Stamp, rule: Rule) -> Result<bool, Refusal> {
        let (before, is_over) = (self.bits(), self.is_over(now));
        match rule {
            Rule::Open | Rule::Pause | Rule::Resume if is_over => return Err(Refusal::Closed),
            Rule::Remove if !is_over => return Err(Refusal::NotClosed),
            Rule::Remove if self.held() > 0 => return Err(Refusal::HoldsLive(self.held())),
            Rule::Remove if self.expectant() > 0 => return Err(Refusal::HoldsLive(0)),
            // From here it succeeds.
            Rule::Open if now < self.opens_at => self.open(),
            Rule::Close if !is_over => self.close(),
            Rule::Open | Rule::Close => {}
            Rule::Pause => self.is_paused = true,
            Rule::Resume => self.is_paused = false,
            Rule::Remove => self.is_removed = true,
            Rule::Draw(seed) => return self.reveal(now, seed),
            other => unreachable!("{other:?} is about an item"),
        }
        assert!(!self.is_removed || self.held() == 0, "a sale is forgotten with units in holds");
        Ok(self.bits() != before)
    }
}
