//! Whether a receipt is one of this journal, which record it names, and the buyer's place: the
//! how-manieth order of its sale it is, and of each of its items.
//!
//! The journal is read twice: first the record is found, then the orders before it are counted.

use std::collections::HashMap;

use doorbuster::chains::ChainAt;
use doorbuster::heads::hex;
use doorbuster::journal::Batch;
use doorbuster::message::{Cell, Head, RECEIPT_CHAIN_BYTES, Receipt, kind, lines_in, messages};
use doorbuster::record::{self, Known};
use doorbuster::sale::{ImageOrder, ImageSale};
use serde_json::{Value, json};

use super::super::log::{describe, sentence};
use super::super::words::count;

/// See the page's header.
pub(super) struct Trace {
    receipt: Receipt,
    verdict: Verdict,
    known: Known,
    /// Orders of the sale up to the order, and of each item.
    in_sale: u64,
    in_items: HashMap<u16, u64>,
    record: Value,
    order: Value,
    /// Items of the order, and its place among the orders of each.
    places: Vec<(u16, u64)>,
}

enum Verdict {
    /// The journal ends before it.
    Beyond,
    /// The record has been removed, and so has its chain value.
    Removed,
    /// The chain value is another.
    Other([u8; RECEIPT_CHAIN_BYTES]),
    /// It is; the sale and the order that the record is about, 0 if it is about none.
    Yes { sale: u16, order: u64 },
}

impl Trace {
    pub(super) fn new(receipt: Receipt) -> Trace {
        Trace {
            receipt,
            verdict: Verdict::Beyond,
            known: Known::default(),
            in_sale: 0,
            in_items: HashMap::new(),
            record: Value::Null,
            order: Value::Null,
            places: Vec::new(),
        }
    }

    /// Looks for the record; at the first reading.
    pub(super) fn find(&mut self, batch: &Batch<'_>) {
        let Receipt { seq, chain } = self.receipt;
        if !(batch.first_seq..=batch.last_seq).contains(&seq) {
            return;
        }
        let ours = batch.chain.first_chunk().expect("a chain is longer than its beginning");
        let record = messages(batch.cells).nth((seq - batch.first_seq) as usize);
        self.verdict = match record {
            Some(record) if *ours == chain => {
                let head = record[0].head();
                Verdict::Yes { sale: head.sale.to_native(), order: order_of(head, seq) }
            }
            _ => Verdict::Other(*ours),
        };
    }

    /// Looks for the record in what a snapshot carries of batches that have been removed.
    pub(super) fn find_before(&mut self, chains: &[ChainAt]) {
        let Receipt { seq, chain } = self.receipt;
        // Where the first of them begins is not known.
        let Some(at) = chains.windows(2).find(|two| two[0].seq < seq && seq <= two[1].seq) else {
            if chains.last().is_some_and(|last| seq <= last.seq) {
                self.verdict = Verdict::Removed;
            }
            return;
        };
        let ours = at[1].chain.first_chunk().expect("a chain is longer than its beginning");
        self.verdict = if *ours == chain {
            // Which sale and order, the orders of the snapshot tell, if it made one of them.
            Verdict::Yes { sale: 0, order: 0 }
        } else {
            Verdict::Other(*ours)
        };
    }

    /// Sees whether the record has made an order of a snapshot.
    pub(super) fn find_kept(&mut self, kept: &ImageOrder) {
        if let Verdict::Yes { sale, order } = &mut self.verdict
            && kept.id == self.receipt.seq
        {
            (*sale, *order) = (kept.sale, kept.id);
        }
    }

    /// Takes a sale of a snapshot, before its orders are counted.
    pub(super) fn know(&mut self, sale: &ImageSale) {
        self.known.know(sale);
    }

    /// Counts an order of a snapshot; before the second reading.
    pub(super) fn count_kept(&mut self, kept: &ImageOrder) {
        if let Verdict::Yes { sale, order } = self.verdict
            && kept.sale == sale
            && kept.id <= order
        {
            self.number(kept.id, &record::kept(kept));
        }
    }

    /// Counts; at the second reading.
    pub(super) fn count(&mut self, batch: &Batch<'_>) -> Result<(), String> {
        let Verdict::Yes { sale, order } = self.verdict else { return Ok(()) };
        if batch.first_seq > self.receipt.seq {
            return Ok(());
        }
        for (seq, record) in (batch.first_seq..).zip(messages(batch.cells)) {
            let head = record[0].head();
            self.known.note(record)?;
            if seq == self.receipt.seq {
                self.record = describe(&self.known, seq, record);
            }
            if head.sale.to_native() != sale || seq > order || !makes_an_order(head.kind) {
                continue;
            }
            self.number(seq, record);
        }
        Ok(())
    }

    /// Counts the record of an order of the sale, the wanted one or one before it.
    fn number(&mut self, seq: u64, record: &[Cell]) {
        let Verdict::Yes { order, .. } = self.verdict else { return };
        self.in_sale += 1;
        let items = items(record[0].head(), record);
        for item in &items {
            *self.in_items.entry(*item).or_default() += 1;
        }
        if seq == order {
            self.order = describe(&self.known, seq, record);
            let place = |item: u16| (item, self.in_items[&item]);
            self.places = items.into_iter().map(place).collect();
        }
    }

    /// Whether it is a receipt of this journal.
    pub(super) fn is_true(&self) -> bool {
        matches!(self.verdict, Verdict::Yes { .. })
    }

    fn sku(&self, item: u16) -> String {
        let Verdict::Yes { sale, .. } = self.verdict else { return String::new() };
        let terms = usize::from(sale).checked_sub(1).and_then(|index| self.known.sales.get(index));
        let index = usize::from(item).wrapping_sub(1);
        let item = terms.and_then(|terms| terms.items.get(index));
        item.map_or_else(String::new, |item| item.sku.to_string())
    }

    /// The record as a sentence.
    fn told(&self) -> String {
        if self.record.is_null() {
            return "the record itself has been removed; a snapshot stands for it".to_owned();
        }
        sentence(&self.record)
    }

    fn why_not(&self, seq: u64) -> Option<String> {
        match &self.verdict {
            Verdict::Yes { .. } => None,
            Verdict::Beyond => {
                let its = self.receipt.seq;
                Some(format!("it names seq {its}, and this journal ends at seq {seq}"))
            }
            Verdict::Removed => {
                let its = self.receipt.seq;
                Some(format!("it names seq {its}, and the journal there has been removed"))
            }
            Verdict::Other(ours) => {
                let (its, ours) = (hex(&self.receipt.chain), hex(ours));
                let seq = self.receipt.seq;
                Some(format!("it has the chain value {its} at seq {seq}; this journal has {ours}"))
            }
        }
    }

    /// For people; the journal ends at `seq`.
    pub(super) fn as_text(&self, seq: u64) -> String {
        if let Some(why) = self.why_not(seq) {
            return format!("receipt   NO: {why}\n");
        }
        let mut text = format!("receipt   YES: it is of this journal\n{}\n", self.told());
        if self.order.is_null() {
            return text;
        }
        if self.order != self.record && !self.record.is_null() {
            text += &format!("of order\n{}\n", sentence(&self.order));
        }
        let word = |name: &str| self.order[name].as_str().unwrap_or_default();
        text += &format!(
            "place     order {} of buyer {} is number {} of sale {}",
            word("order"),
            word("buyer"),
            count(self.in_sale),
            word("sale")
        );
        for (item, place) in &self.places {
            text += &format!(", number {} of item {}", count(*place), self.sku(*item));
        }
        text + "\n"
    }

    /// For scripts.
    pub(super) fn as_json(&self, seq: u64) -> Value {
        let receipt = self.receipt.to_string();
        if let Some(why) = self.why_not(seq) {
            return json!({"receipt": receipt, "verdict": "no", "why": why});
        }
        let mut value = json!({"receipt": receipt, "verdict": "yes", "record": self.record});
        if !self.order.is_null() {
            let place =
                |(item, place): &(u16, u64)| json!({"item": self.sku(*item), "place": place});
            let items: Vec<Value> = self.places.iter().map(place).collect();
            value["order"] = self.order.clone();
            value["place"] = json!({"sale": self.in_sale, "items": items});
        }
        value
    }
}

fn makes_an_order(kind: u8) -> bool {
    matches!(kind, kind::BUY | kind::WAIT | kind::BASKET)
}

/// The order that a record is about; 0 if it is about none.
fn order_of(head: &Head, seq: u64) -> u64 {
    match head.kind {
        kind if makes_an_order(kind) => seq,
        kind::CONFIRM..=kind::CANCEL | kind::EXPIRE | kind::OFFER | kind::LEAVE | kind::DRAWN => {
            head.order()
        }
        _ => 0,
    }
}

/// The items of a record that makes an order, each once.
fn items(head: &Head, record: &[Cell]) -> Vec<u16> {
    // A basket, which may wait, names none in its head.
    if head.item.to_native() != 0 {
        return vec![head.item.to_native()];
    }
    let lines = record[1..].iter().filter(|cell| cell.kind() == kind::LINES).flat_map(lines_in);
    let mut items: Vec<u16> = Vec::new();
    for line in lines {
        if !items.contains(&line.item) {
            items.push(line.item);
        }
    }
    items
}
