//! The ends of a house, and what the next one must find.
//!
//! Whatever the end was, the journal that is left holds all that was told or said to be durable, is
//! a beginning of what was decided, and makes one state: the model's. What was damaged behind its
//! back it refuses.

use super::*;

/// Why a house did not open.
pub(super) enum Opened {
    /// The disk failed.
    Failed(String),
    /// It should have opened, or not so.
    Wrong(String),
}

impl World {
    /// Opens a house over what is left, which must be what was told.
    pub(super) fn open(&mut self) -> Result<House, Opened> {
        let opened = House::open(&self.make, &self.disk, (&self.outlet, &self.shelf));
        let (house, found) = match opened {
            Ok(opened) => opened,
            Err(why @ (JournalError::Disk { .. } | JournalError::Full)) => {
                return Err(Opened::Failed(why.to_string()));
            }
            Err(why) => return Err(Opened::Wrong(format!("the journal does not open: {why}"))),
        };
        self.tally.outcome("torn ends cut", found.report.torn.is_some().into());
        self.tally.outcome("starts", 1);
        self.tally.outcome("starts from a snapshot", (found.report.since > 0).into());
        self.is_the_beginning(&found).map_err(Opened::Wrong)?;
        self.judge.compare(house.matcher.shop()).map_err(Opened::Wrong)?;
        self.replays_alike(house.matcher.shop()).map_err(Opened::Wrong)?;
        self.note(5, found.report.seq);
        self.durable = found.report.seq;
        self.failures = self.disk.happened().failures;
        Ok(house)
    }

    /// Whether what was found is a beginning of what was decided, and ends nowhere before what was
    /// told.
    fn is_the_beginning(&mut self, found: &Found) -> Result<(), String> {
        let seq = found.report.seq;
        if seq < self.told {
            return Err(format!("seq {} was told, and the journal ends at {seq}", self.told));
        }
        if seq < self.durable {
            return Err(format!("seq {} was durable, and the journal ends at {seq}", self.durable));
        }
        if seq < self.outlet.seq() {
            let told = self.outlet.seq();
            return Err(format!("the sink was told seq {told}, and the journal ends at {seq}"));
        }
        let decided = self.judge.records();
        if (decided.len() as u64) < seq {
            return Err(format!("seq {seq} was never decided: {} were", decided.len()));
        }
        let behind = &decided[found.report.since as usize..];
        let mut pairs = (found.report.since + 1..).zip(found.records.iter().zip(behind));
        if let Some((seq, (read, decided))) = pairs.find(|(_, (read, decided))| read != decided) {
            let (read, decided) = (read[0].head(), decided[0].head());
            return Err(format!("seq {seq}: decided {decided:?}, read {read:?}"));
        }
        let lost = decided.len() as u64 - seq;
        self.tally.outcome("changes lost that were never told", lost);
        self.judge.go_back(seq);
        Ok(())
    }

    /// Whether all records make the same state again, with other tables and without a snapshot, and
    /// an image of it does too.
    fn replays_alike(&self, shop: &Shop) -> Result<(), String> {
        let mut replay = Replay::new(Shop::new(BOUNDS, Seed::new([9, 8, 7, 6])), true);
        let cells: Vec<Cell> = self.judge.records().iter().flatten().copied().collect();
        if !cells.is_empty() {
            replay.apply(1, &cells)?;
        }
        let (again, _) = replay.finish()?;
        let hash = shop.state_hash();
        if again.state_hash() != hash {
            return Err("a second replay makes another state".to_owned());
        }
        let lines = shop.image_lines();
        let image = Shop::from_image(BOUNDS, Seed::new([5, 5, 5, 5]), &lines[..]);
        match image {
            Ok(image) if image.state_hash() == hash => Ok(()),
            Ok(_) => Err("its image makes another state".to_owned()),
            Err(why) => Err(format!("its image is none: {why:?}")),
        }
    }

    /// The house is gone, and the power perhaps.
    pub(super) fn end(&mut self, house: House, end: End, damage: Damage) -> Result<(), String> {
        self.fell(house);
        self.tally.fault(end.word(), 1);
        match end {
            End::PowerCut(Cut::Flipped) => return self.flipped(damage),
            End::PowerCut(cut) => {
                self.disk.cut(cut, &mut self.random);
                self.shelf.0.cut(cut, &mut self.random);
            }
            End::Kill | End::Stop => {
                self.disk.let_go();
                self.shelf.0.let_go();
            }
        }
        self.damage(damage)
    }

    /// What all ends have in common.
    fn fell(&mut self, house: House) {
        self.count(&house);
        drop(house);
        for buyer in &mut self.buyers {
            buyer.lose();
        }
        self.stalls.clear();
        self.full_until = 0;
        // What the operator asked for last is answered when its room is gone, and not before.
        self.is_asking = false;
        self.news.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn count(&mut self, house: &House) {
        let happened = self.disk.happened();
        let shelf = self.shelf.0.happened();
        let [refused, lost, forgot] = self.outlet.happened();
        for (what, count) in [
            ("disk: write, sync or name failed", happened.failures),
            ("disk: no descriptor", happened.shortages),
            ("disk: full", happened.full),
            ("disk: short write", happened.short),
            ("disk: slow sync", happened.slow),
            ("sink: checkpoint failed", shelf.failures),
            ("sink: refused", refused),
            ("sink: answer lost", lost),
            ("sink: changes lost", forgot),
        ] {
            self.tally.fault(what, count - self.counted.insert(what, count).unwrap_or(0));
        }
        let inversions = house.metrics.matcher.inversions.value();
        self.tally.outcome("arrivals inverted", inversions);
        let kept = &house.metrics.keeper;
        self.tally.outcome("snapshots made", kept.snapshots.value());
        self.tally.outcome("snapshots given up", kept.failures.value());
        self.tally.outcome("segments removed", kept.removed_segments.value());
        self.tally.outcome("refused by a board", {
            house.metrics.over_shards(|shard| &shard.sold_out_here)
        });
    }

    /// Tells the house to stop: what was read is answered, the state is sealed, all is synced.
    pub(super) fn stop(&mut self, mut house: House, damage: Damage) -> Result<(), String> {
        self.disk.trouble(|troubles| *troubles = super::super::disk::Troubles::default());
        self.stalls.clear();
        if let Err(what) = self.wind_down(&mut house) {
            // What failed for the maker before, the writer may hear of only now.
            let has_failed = self.disk.happened().failures > self.failures;
            if !has_failed || house.journal.work().is_ok() {
                return Err(what);
            }
            self.tally.outcome("stopped by a failing disk", 1);
            return self.end(house, End::PowerCut(Cut::Reordered), damage);
        }
        self.tally.outcome("clean stops sealed", 1);
        self.end(house, End::Stop, damage)
    }

    fn wind_down(&mut self, house: &mut House) -> Result<(), String> {
        house.shards.iter_mut().for_each(crate::shard::Shard::drain);
        house.operator.drain();
        // Peers that take no answers are not waited for.
        for _ in 0..200 {
            self.work_all(house)?;
            for number in 0..self.buyers.len() {
                self.buyers[number].carry(true);
                while let Some((asked, told)) = self.buyers[number].hear()? {
                    self.heard(&asked, &told)?;
                }
            }
        }
        if !house.is_quiet() {
            return Err("a stop leaves something undone".to_owned());
        }
        let mut tries = 0;
        while !house.matcher.seal() {
            self.decide(house)?;
            house.carry_records();
            tries += 1;
            if tries > 100 {
                return Err("it is never sealed".to_owned());
            }
        }
        let work = super::super::judge::Work {
            now: house.matcher.shop().now(),
            may_overload: false,
            records: house.new_records(),
            decided: Vec::new(),
        };
        self.judge.judge(work)?;
        house.carry_records();
        while house.journal.work().map_err(|why| why.to_string())? > 0 {}
        self.durable = house.watermark.seq();
        if self.durable != self.judge.seq() {
            let (durable, decided) = (self.durable, self.judge.seq());
            return Err(format!("stopped at seq {durable}, and {decided} was decided"));
        }
        Ok(())
    }

    /// Every room once, in the order of the walk.
    pub(super) fn work_all(&mut self, house: &mut House) -> Result<(), String> {
        self.step += 1;
        let doors = house.shards.len() + 1;
        for shard in &mut house.shards {
            shard.work();
        }
        house.operator.work();
        for door in 0..doors {
            house.carry_requests(door);
        }
        self.decide(house)?;
        house.carry_records();
        house.journal.tend();
        if self.write(house).is_none() {
            return Err("the journal stopped, and nothing was wrong".to_owned());
        }
        for door in 0..doors {
            house.carry_answers(door);
        }
        for shard in &mut house.shards {
            shard.work();
        }
        house.operator.work();
        self.follow(house)?;
        house.keep();
        Ok(())
    }

    /// Nothing goes wrong any more: everybody must be answered, and the sink told everything.
    pub(super) fn calm(&mut self) -> Result<(), String> {
        self.outlet.calm();
        self.shelf.0.let_go();
        let mut house = match self.open() {
            Ok(house) => house,
            Err(Opened::Failed(why) | Opened::Wrong(why)) => return Err(why),
        };
        let mut rounds = 0;
        loop {
            clock::pass(1_000_000);
            self.rule(&house)?;
            self.work_all(&mut house)?;
            for number in 0..self.buyers.len() {
                self.serve(&mut house, number, true)?;
            }
            let is_done = self.buyers.iter().all(Buyer::is_done);
            if is_done && self.created == self.terms.len() && house.follower.is_level() {
                break;
            }
            rounds += 1;
            if rounds > CALM_ROUNDS_MAX {
                let stuck = self.buyers.iter().position(|buyer| !buyer.is_done());
                return Err(match stuck {
                    Some(buyer) => {
                        let wants = self.buyers[buyer].waits_for();
                        format!("buyer {buyer} is never answered: {wants:?}")
                    }
                    None => format!("the sink stays behind, at {}", self.outlet.seq()),
                });
            }
        }
        self.tally.outcome("all answered once faults had stopped", 1);
        self.stop(house, Damage::Bit)?;
        let house = match self.open() {
            Ok(house) => house,
            Err(Opened::Failed(why) | Opened::Wrong(why)) => return Err(why),
        };
        let mut house = house;
        for _ in 0..50 {
            clock::pass(1_000_000);
            self.follow(&mut house)?;
        }
        let told = self.outlet.compare(self.judge.records())?;
        self.tally.outcome("changes told by the sink", told as u64);
        self.fell(house);
        Ok(())
    }
}
