//! Requests as values that can be compared and kept.

use doorbuster::message::Cell;
use doorbuster::wire::commands::Ask;

/// A request for the matcher, with all that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) head: Cell,
    pub(super) sale: Vec<u8>,
    pub(super) item: Vec<u8>,
    pub(super) long_buyer: Vec<u8>,
    pub(super) long_key: Vec<u8>,
    pub(super) channel: Vec<u8>,
    pub(super) groups: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) lines: Vec<(Vec<u8>, u32)>,
    pub(super) receipt: bool,
}

impl Asked {
    pub(super) fn of(ask: &Ask<'_>) -> Asked {
        let lines = (0..ask.lines.len()).map(|at| ask.lines.line(at));
        let groups = ask.named.groups();
        let groups = groups.map(|(group, member)| (group.to_vec(), member.to_vec()));
        let mut groups: Vec<_> = groups.collect();
        // They mean the same in any order.
        groups.sort();
        Asked {
            head: ask.head.into(),
            sale: ask.sale.to_vec(),
            item: ask.item.to_vec(),
            long_buyer: ask.long_buyer.to_vec(),
            long_key: ask.long_key.to_vec(),
            channel: ask.named.channel.to_vec(),
            groups,
            lines: lines.map(|(item, units)| (item.to_vec(), units)).collect(),
            receipt: ask.receipt,
        }
    }
}
