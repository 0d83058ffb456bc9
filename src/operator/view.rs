//! An answer about a sale, read from its cells into what the operator is shown. What stands behind
//! the items goes by its kind; names go by the numbers of the directory.

use bytemuck::Zeroable;

use super::words::{ChannelView, DrawView, ItemView, SaleView, WaveView};
use crate::directory::SaleNames;
use crate::message::{Cell, TermsReply, draw_state, kind, seed_in};
use crate::sale::{GroupTerms, Name, Phase};

/// Reads an answer whose tails are `tails`.
///
/// # Panics
/// If it is of another sale than that of the names.
pub(super) fn view(answer: &Cell, tails: &[Cell], names: &SaleNames) -> SaleView {
    let reply = answer.sale_reply();
    let (items, more) = tails.split_at(names.items.len());
    let first = |kind: u8| more.iter().find(|cell| cell.kind() == kind);
    let terms = first(kind::TERMS).map_or(TermsReply::zeroed(), |cell| *cell.terms_reply());
    let seed = first(kind::SEED).map(seed_in);
    let limits = terms.group_limits.map(|limit| limit.to_native());
    let group = |(name, limit): (&Name, u32)| GroupTerms { name: *name, limit };
    let items = (1..).zip(&*names.items).zip(items);
    SaleView {
        after: reply.after.to_native(),
        name: names.name,
        state: Phase::from_number(reply.state).expect("the matcher knows the phases"),
        opens_at: reply.opens_at.to_native(),
        closes_at: reply.closes_at.to_native(),
        hold_ms: reply.hold_ms.to_native(),
        extend_ms: reply.extend_ms.to_native(),
        limit: reply.limit.to_native(),
        currency: reply.currency,
        offer_ms: terms.offer_ms.to_native(),
        waitlist: terms.waitlist.to_native(),
        is_strict: terms.is_strict != 0,
        groups: names.groups.iter().zip(limits).map(group).collect(),
        draw: draw_state(terms.draw).map(|state| DrawView {
            at: terms.draw_at.to_native(),
            commitment: terms.commitment,
            state,
            entries: terms.entries.to_native(),
            seed,
        }),
        items: items
            .map(|((number, name), cell)| item(*name, cell, channels(number, more, names)))
            .collect(),
        waves: more.iter().filter_map(|cell| wave(cell, names)).collect(),
    }
}

fn item(name: Name, cell: &Cell, channels: Vec<ChannelView>) -> ItemView {
    let item = cell.item_reply();
    ItemView {
        name,
        stock: item.stock.to_native(),
        free: item.free.to_native(),
        held: item.held.to_native(),
        confirmed: item.confirmed.to_native(),
        waiting: item.waiting.to_native(),
        price: item.price.to_native(),
        limit: item.limit.to_native(),
        channels,
    }
}

/// The pools of the item with this number. One whose channel nobody has been told of yet is left
/// out.
fn channels(number: u16, more: &[Cell], names: &SaleNames) -> Vec<ChannelView> {
    let pools = more.iter().filter(|cell| cell.kind() == kind::POOL).map(Cell::pool_reply);
    let channel = |number: u8| names.channels.get(usize::from(number).checked_sub(1)?);
    let of_item = pools.filter(|pool| pool.item.to_native() == number);
    let shown = of_item.filter_map(|pool| {
        Some(ChannelView {
            name: *channel(pool.channel)?,
            set_aside: pool.set_aside.to_native(),
            free: pool.free.to_native(),
            until: pool.until.to_native(),
            is_swept: pool.is_swept != 0,
        })
    });
    shown.collect()
}

fn wave(cell: &Cell, names: &SaleNames) -> Option<WaveView> {
    if cell.kind() != kind::WAVE {
        return None;
    }
    let wave = cell.wave_reply();
    let item = names.items.get(usize::from(wave.item.to_native()).checked_sub(1)?)?;
    Some(WaveView {
        id: wave.wave.to_native(),
        item: *item,
        units: wave.units.to_native(),
        at: wave.at.to_native(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{ItemReply, PoolReply, SaleReply, WaveReply};
    use crate::sale::DrawState;

    fn name(text: &str) -> Name {
        Name::parse(text.as_bytes()).expect("a name")
    }

    #[test]
    fn names_stand_where_numbers_stood() {
        let names = SaleNames {
            name: name("drop"),
            number: 1,
            items: [name("tee"), name("cap")].into(),
            groups: [name("card")].into(),
            channels: vec![name("tv")],
        };
        let reply = SaleReply { kind: kind::SALE_REPLY, state: 1, ..SaleReply::zeroed() };
        let item = ItemReply { kind: kind::ITEM, stock: 9.into(), ..ItemReply::zeroed() };
        let terms = TermsReply {
            kind: kind::TERMS,
            is_strict: 1,
            draw: 2,
            groups: 1,
            group_limits: [4.into(), 0.into()],
            entries: 3.into(),
            ..TermsReply::zeroed()
        };
        let pool = |channel, free: u64| PoolReply {
            kind: kind::POOL,
            item: 2.into(),
            channel,
            free: free.into(),
            ..PoolReply::zeroed()
        };
        let wave = WaveReply { kind: kind::WAVE, item: 1.into(), ..WaveReply::zeroed() };
        // Nobody has been told of a second channel yet.
        let more = [terms.into(), pool(1, 5).into(), pool(2, 6).into(), wave.into()];
        let tails = [[item.into(); 2].as_slice(), &more].concat();
        let view = view(&reply.into(), &tails, &names);
        assert_eq!(view.groups, [GroupTerms { name: name("card"), limit: 4 }]);
        let draw = view.draw.expect("a draw");
        assert_eq!((draw.state, draw.entries, draw.seed), (DrawState::Sealed, 3, None));
        assert!(view.items[0].channels.is_empty() && view.items[1].channels.len() == 1);
        let channel = view.items[1].channels[0];
        assert_eq!((channel.name, channel.free), (name("tv"), 5));
        assert_eq!((view.waves[0].item, view.is_strict), (name("tee"), true));
    }
}
