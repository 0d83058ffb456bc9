//! What the operator asks for: first the sales, one after another, then a ruling now and then.

use super::*;

impl World {
    /// The operator opens the sales, one after another, and rules now and then.
    pub(super) fn rule(&mut self, house: &House) -> Result<(), String> {
        let told = std::mem::take(&mut *self.news.lock().unwrap_or_else(PoisonError::into_inner));
        for told in told {
            self.is_asking = false;
            match told {
                Ok(outcome::OK | outcome::KEY_REUSED) if self.created < self.terms.len() => {
                    self.created += 1;
                }
                Ok(_) => self.tally.outcome("rulings told", 1),
                Err(_) => {}
            }
        }
        if self.is_asking {
            return Ok(());
        }
        if let Some(terms) = self.terms.get(self.created) {
            // It opens before buyers hear of it, or it is refused as not open.
            let (create, open) = (terms.clone(), terms.name);
            let is_there = self.judge.model().sales.len() > self.created;
            let command = if is_there {
                OperatorCommand::Open { sale: open }
            } else {
                OperatorCommand::Create(create)
            };
            let counts = is_there;
            self.ask(&house.handle, command, counts);
        } else if self.random.once_in(4) {
            let command = self.ruling();
            self.ask(&house.handle, command, true);
        }
        Ok(())
    }

    fn ask(&mut self, handle: &OperatorHandle, command: OperatorCommand, counts: bool) {
        let news = Arc::clone(&self.news);
        let asked = handle.ask(command, move |told| {
            let told = match told {
                Ok(answer) if counts => Ok(answer.outcome),
                Ok(_) => Err("created".to_owned()),
                Err(why) => Err(why.to_string()),
            };
            news.lock().unwrap_or_else(PoisonError::into_inner).push(told);
        });
        self.is_asking = asked.is_ok();
    }

    fn ruling(&mut self) -> OperatorCommand {
        let random = &mut self.random;
        let sale = name(&sale_name(1 + random.below(self.offer.sales.into()) as u16));
        let item = name(&item_name(1 + random.below(self.offer.items.into()) as u16));
        match random.below(24) {
            0..=5 => OperatorCommand::Add { sale, item, units: 1 + random.below(3) },
            6 | 7 => OperatorCommand::Withdraw { sale, item, units: 1 + random.below(2) },
            8 | 9 => {
                let price = self.offer.price + random.below(3) - 1;
                OperatorCommand::Price { sale, item, price }
            }
            10 => OperatorCommand::Pause { sale },
            11..=13 => OperatorCommand::Resume { sale },
            14 | 15 => {
                let at = clock::unix() + 1_000_000 * (1 + random.below(50));
                OperatorCommand::Plan { sale, item, units: 1 + random.below(2), at }
            }
            16 => {
                let until = clock::unix() + 1_000_000 * (1 + random.below(80));
                let aside = Aside { channel: name("creator"), units: 1, until };
                OperatorCommand::Aside { sale, item, aside }
            }
            17 if random.once_in(6) => OperatorCommand::Close { sale },
            _ => OperatorCommand::Sale { sale },
        }
    }
}
