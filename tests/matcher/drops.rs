//! Everything that a drop can be, through the matcher's doors: what is told, and that its journal
//! makes the same state again.

use doorbuster::message::{WAITS, encode_side, line_cells, member_digest};
use doorbuster::sale::{Aside, DrawTerms, GroupTerms, Side};

use super::*;

const MS: u64 = 1_000_000;
const SEED: [u8; 32] = [3; 32];

/// A purchase with more to it: a side, and lines if it is a basket.
fn asked(buyer: &str, key: &str, side: &Side, lines: &[OrderLine], waits: bool) -> Vec<Cell> {
    let mut cells = buy(buyer, key, 0);
    let mut head = *cells[0].head();
    if *side != Side::NONE {
        cells.push(encode_side(side));
    }
    if !lines.is_empty() {
        (head.kind, head.item, head.units) = (kind::BASKET, 0.into(), 0.into());
        cells.extend(lines.chunks(3).map(encode_lines));
        assert_eq!(line_cells(lines.len()), lines.chunks(3).len());
    }
    head.options |= if waits { WAITS } else { 0 };
    head.tails = (cells.len() as u16 - 1).into();
    cells[0] = head.into();
    cells
}

fn later(ms: u64) {
    TIME.set(TIME.get() + ms * MS);
}

impl House {
    /// Asks for a purchase, and returns its outcome.
    fn outcome(&mut self, cells: &[Cell]) -> u8 {
        self.ask(cells)[0].reply().outcome
    }

    /// Has the clock do what it does.
    fn tick(&mut self) {
        while self.matcher.work() > 0 {}
        self.record();
    }

    fn kinds(&self) -> Vec<u8> {
        doorbuster::message::messages(&self.journal).map(|record| record[0].kind()).collect()
    }
}

#[test]
fn a_drop_with_everything_in_it_is_journaled_and_replayed() {
    TIME.set(NOW);
    let mut house = House::new();
    let card = |text: &str| Side { groups: [member_digest(text.as_bytes()), 0], ..Side::NONE };
    let terms = Terms {
        hold_ms: 100,
        offer_ms: 50,
        waitlist: 9,
        groups: vec![GroupTerms { name: name("card"), limit: 2 }],
        draw: Some(DrawTerms { at: NOW + 1_000 * MS, commitment: *blake3::hash(&SEED).as_bytes() }),
        ..terms(2)
    };
    house.create(&terms);
    house.rule(1, 0, Rule::Open);
    let channel = |channel| Side { channel, ..card("9") };
    let aside = |name| Rule::Aside(Aside { channel: name, units: 1, until: NOW + 5_000 * MS });
    assert_eq!(house.rule(1, 1, aside(name("creator"))).reply().outcome, outcome::OK);
    let planned = house.rule(1, 1, Rule::Plan { units: 2, at: NOW + 4_000 * MS });
    let called_off = house.rule(1, 2, Rule::Plan { units: 2, at: NOW + 4_000 * MS });
    let called_off = Rule::CallOff(called_off.reply().seq.to_native());
    assert_eq!(house.rule(1, 0, called_off).reply().outcome, outcome::OK);
    // Two of item 1 are free to all, three entries want one each, one of them a basket.
    let line = |item, units| OrderLine::new(item, units, 0);
    for (buyer, lines) in [("ann", &[][..]), ("bob", &[line(1, 1), line(2, 1)]), (BUYER, &[])] {
        let entry = asked(buyer, &format!("entry-of-{buyer}"), &card(buyer), lines, true);
        assert_eq!(house.outcome(&entry), outcome::WAITING);
        assert_eq!(house.outcome(&entry), outcome::WAITING, "again, and it is the same");
    }
    assert_eq!(house.outcome(&asked("ann", "two", &card("x"), &[], true)), outcome::LIMIT_REACHED);
    later(1_000);
    assert_eq!(house.rule(1, 0, Rule::Draw([4; 32])).reply().outcome, outcome::WRONG_SEED);
    assert_eq!(house.rule(1, 0, Rule::Draw(SEED)).reply().outcome, outcome::OK);
    house.tick();
    let drawn = house.kinds().iter().filter(|kind| **kind == kind::DRAWN).count();
    assert_eq!(drawn, 3);
    house.replayed();
    // The channel has its own; its card has a limit; who has none is unknown.
    let mine = asked("cem", "c1", &channel(1), &[], true);
    assert_eq!(house.outcome(&mine), outcome::HELD);
    assert_eq!(house.outcome(&asked("dan", "d1", &channel(1), &[], true)), outcome::SOLD_OUT);
    let unknown = asked("dan", "d1", &channel(255), &[], false);
    assert_eq!(house.outcome(&unknown), outcome::UNKNOWN_CHANNEL);
    let two = asked("eve", "e1", &card("9"), &[line(2, 2)], false);
    let refused = house.ask(&two)[0];
    assert_eq!(refused.reply().outcome, outcome::LIMIT_REACHED);
    assert_eq!((refused.reply().price.to_native(), refused.reply().order.to_native()), (2, 1));
    // A basket waits for both of its items.
    let basket = asked("fay", "f1", &card("f"), &[line(1, 1), line(2, 1)], true);
    assert_eq!(house.outcome(&basket), outcome::WAITING);
    let shown = house.ask(&[Head { sale: 1.into(), ..Head::new(kind::SALE) }.into()]);
    let tails: Vec<u8> = shown[1..].iter().map(Cell::kind).collect();
    let [item, more, seed] = [kind::ITEM, kind::TERMS, kind::SEED];
    assert_eq!(tails, [item, item, more, seed, kind::POOL, kind::WAVE]);
    let wave: &doorbuster::message::WaveReply = (&shown[6]).into();
    assert_eq!(wave.wave, planned.reply().seq);
    // Holds run out, the wave comes, the channel ends; those who wait are offered units.
    for _ in 0..60 {
        later(100);
        house.tick();
    }
    let kinds = house.kinds();
    let met = [kind::WAIT, kind::EXPIRE, kind::OFFER, kind::SURGE, kind::SWEEP, kind::CALL_OFF];
    assert!(met.iter().all(|kind| kinds.contains(kind)), "{kinds:?}");
    let shop = house.replayed();
    let image = shop.image_lines();
    let restored = Shop::from_image(BOUNDS, Seed::new([5, 6, 7, 8]), &image[..]).expect("an image");
    assert_eq!(restored.state_hash(), shop.state_hash());
    house.rule(1, 0, Rule::Close);
    house.tick();
    assert_eq!(house.rule(1, 0, Rule::Remove).reply().outcome, outcome::OK);
    house.replayed();
}

#[test]
fn a_clock_that_steps_back_an_hour_neither_gives_time_away_nor_stops_the_shop() {
    const HOUR_MS: u64 = 3_600_000;
    TIME.set(NOW);
    let mut house = House::new();
    house.create(&Terms { hold_ms: 100, ..terms(1) });
    house.rule(1, 0, Rule::Open);
    assert_eq!(house.outcome(&buy("ann", "k1", 0)), outcome::HELD);
    TIME.set(NOW - HOUR_MS * MS);
    // It is as late as it was.
    let held = house.ask(&buy("bob", "k2", 0))[0];
    assert_eq!(held.reply().outcome, outcome::HELD);
    assert_eq!(held.reply().expires_at.to_native(), NOW + 100 * MS);
    TIME.set(NOW + 99 * MS);
    house.tick();
    assert!(!house.kinds().contains(&kind::EXPIRE));
    later(1);
    house.tick();
    assert_eq!(house.kinds().iter().filter(|kind| **kind == kind::EXPIRE).count(), 2);
    house.replayed();
}
