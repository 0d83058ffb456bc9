//! A journal and what a sink's other side has of it, side by side.

use std::collections::{BTreeMap, VecDeque};

use super::ledger::{Found, Ledger};
use super::{Change, Reader, Told, Trouble, Wanted, of_journal};
use crate::journal::{Disk, earliest};
use crate::limits::SINK_CHANGES_MAX;
use crate::sale::Seq;

/// How often something was told, and how much of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Lines of orders that changed so.
    pub lines: u64,
    /// Units in them.
    pub units: u64,
    /// Minor units that they cost.
    pub amount: u128,
}

/// Both sides of a sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Of the journal.
    pub journal: Sum,
    /// Of the sink.
    pub sink: Sum,
}

/// The sale, the kind of change, and the item, which is empty where nothing is told of lines.
pub type Group = (String, String, String);

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Up to which seq the sink was told.
    pub seq: Seq,
    /// Up to which the journal has been removed, if that is more than was never told.
    pub removed: Seq,
    /// By sale, kind of change and item.
    pub sums: BTreeMap<Group, Sums>,
    /// Changes that are wanted of the journal.
    pub wanted: u64,
    /// Changes that differ.
    pub differing: u64,
}

/// One change that is not alike on both sides: at least one is there.
#[derive(Debug)]
pub struct Difference<'a> {
    /// As the journal has it.
    pub journal: Option<&'a Told<'a>>,
    /// As it was found.
    pub sink: Option<&'a Told<'static>>,
    /// What is wrong besides.
    pub fault: Option<&'a str>,
}

impl Difference<'_> {
    /// A sentence.
    pub fn sentence(&self) -> String {
        let json = |told: &Told<'_>| {
            let mut out = Vec::new();
            told.write_json(&mut out);
            String::from_utf8_lossy(&out).into_owned()
        };
        match (self.journal, self.sink, self.fault) {
            (Some(told), None, _) => format!("seq {}: missing: {}", told.seq, json(told)),
            (None, Some(told), _) => {
                format!("seq {}: not in the journal: {}", told.seq, json(told))
            }
            (_, Some(told), Some(fault)) => {
                format!("seq {}: order {}: {fault}", told.seq, told.order)
            }
            (Some(told), Some(found), None) => {
                format!("seq {}: {}, and the sink has {}", told.seq, json(told), json(found))
            }
            (None, None, _) => "nothing".to_owned(),
        }
    }
}

/// Compares what is wanted behind `start` of a journal with what a ledger has; tells each
/// difference in the order of seq.
///
/// # Errors
/// [`Trouble`] of either side.
pub fn reconcile(
    journal: &Disk,
    wanted: &Wanted,
    start: Seq,
    ledger: &mut dyn Ledger,
    mut tell: impl FnMut(&Difference<'_>),
) -> Result<Verdict, Trouble> {
    let (seq, start) = (ledger.seq(), start.max(ledger.start()));
    let first = earliest(journal).map_err(of_journal)?.map_or(0, |place| place.seq());
    let removed = if first > start { first } else { 0 };
    let start = start.max(first);
    let mut verdict = Verdict { seq, removed, ..Verdict::default() };
    let mut reader = Reader::new(journal, start)?;
    let mut changes: VecDeque<Change> = VecDeque::new();
    let mut found = next(ledger, start, seq)?;
    loop {
        // A sink may begin at what is still to come.
        if changes.is_empty() && reader.seq() < seq && start < seq {
            let (before, mut more) = (reader.seq(), Vec::new());
            reader.gather(seq, start, wanted, SINK_CHANGES_MAX, &mut more)?;
            if reader.seq() == before {
                return Err(Trouble::Stop(format!(
                    "it was told up to seq {seq}, and the journal ends at {before}"
                )));
            }
            changes.extend(more.into_iter().filter(|change| change.seq <= seq));
            continue;
        }
        let change = changes.front().map(Told::of);
        let (here, there) = match (&change, &found) {
            (None, None) => return Ok(verdict),
            (Some(told), Some(other)) => (told.seq <= other.told.seq, other.told.seq <= told.seq),
            (here, there) => (here.is_some(), there.is_some()),
        };
        let told = change.as_ref().filter(|_| here);
        let other = found.as_ref().filter(|_| there);
        verdict.take(told, other, &mut tell);
        if there {
            found = next(ledger, start, seq)?;
        }
        if here {
            changes.pop_front();
        }
    }
}

/// The next one behind `start` that was told for good.
fn next(ledger: &mut dyn Ledger, start: Seq, seq: Seq) -> Result<Option<Found>, Trouble> {
    loop {
        match ledger.next()? {
            Some(found) if found.told.seq <= start => {}
            found => return Ok(found.filter(|found| found.told.seq <= seq)),
        }
    }
}

impl Verdict {
    fn take(
        &mut self,
        told: Option<&Told<'_>>,
        found: Option<&Found>,
        tell: &mut impl FnMut(&Difference<'_>),
    ) {
        if let Some(told) = told {
            self.wanted += 1;
            self.count(told, told, |sums| &mut sums.journal);
        }
        if let Some(found) = found {
            // What was not kept is taken to be as the journal has it.
            let facts = if found.has_facts { &found.told } else { told.unwrap_or(&found.told) };
            self.count(&found.told, facts, |sums| &mut sums.sink);
        }
        let is_alike = match (told, found) {
            (Some(told), Some(found)) => found.fault.is_none() && is_alike(told, found),
            _ => false,
        };
        if !is_alike {
            self.differing += 1;
            let fault = found.and_then(|found| found.fault.as_deref());
            tell(&Difference { journal: told, sink: found.map(|found| &found.told), fault });
        }
    }

    fn count(&mut self, told: &Told<'_>, of: &Told<'_>, side: impl Fn(&mut Sums) -> &mut Sum) {
        let group = |item: &str| (told.sale.to_string(), told.change.to_string(), item.to_owned());
        let Some(facts) = &of.facts else {
            side(self.sums.entry(group("")).or_default()).lines += 1;
            return;
        };
        for line in &facts.lines {
            let sum = side(self.sums.entry(group(&line.item)).or_default());
            sum.lines += 1;
            sum.units += u64::from(line.units);
            sum.amount += u128::from(line.units) * u128::from(line.price);
        }
    }
}

fn is_alike(told: &Told<'_>, found: &Found) -> bool {
    let of_sink = &found.told;
    let has_facts = found.has_facts && told.facts.is_some();
    told.seq == of_sink.seq
        && told.time == of_sink.time
        && told.change == of_sink.change
        && told.sale == of_sink.sale
        && told.order == of_sink.order
        && (!has_facts || told.facts == of_sink.facts)
}
