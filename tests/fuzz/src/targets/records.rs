//! Records behind right checksums, as of somebody who wrote to the journal and knows its format:
//! the replay refuses them with a sentence, or they make a state that proves itself and can be
//! kept. Never does it end the reader.

use bytemuck::cast_slice;
use doorbuster::message::{Cell, messages};
use doorbuster::record::{Known, Replay};
use doorbuster::sale::Shop;

use super::{Reader, Target};
use crate::book;
use crate::edits::edits;
use crate::meter;

/// What replay may take beside its shop's own tables, bytes.
const BYTES_AT_LEAST: usize = 256 << 10;

pub(super) const TARGET: Target = Target { name: "records", words: &[], max: 160, make };

fn make() -> Reader {
    let cells = book::cells();
    let mut replay = Replay::new(Shop::new(book::BOUNDS, book::seed()), true);
    replay.apply(1, &cells).expect("the records are true");
    Box::new(move |input, seen| {
        let mut bytes = cast_slice::<Cell, u8>(&cells).to_vec();
        edits(input).for_each(|edit| edit.apply(&mut bytes, 0));
        let changed: Vec<Cell> = bytes.as_chunks::<64>().0.iter().copied().map(Cell).collect();
        let mut known = Known::default();
        for record in messages(&changed) {
            if known.note(record).is_err() {
                break;
            }
        }
        let shop = Shop::new(book::BOUNDS, book::seed());
        let bound = BYTES_AT_LEAST + 4 * bytes.len();
        let replayed = meter::within(bound, "a replay", || {
            let mut replay = Replay::new(shop, false);
            replay.apply(1, &changed)?;
            replay.finish()
        });
        match replayed {
            Err(why) => {
                assert!(why.starts_with("seq "), "which record? {why}");
                seen.say(&why);
            }
            Ok((shop, _)) => {
                seen.mark(&"taken");
                let totals = shop.prove().expect("what was replayed keeps the law");
                let lines = shop.image_lines();
                let again = Shop::from_image(book::BOUNDS, book::seed(), &lines[..]);
                assert_eq!(again.expect("it can be kept").prove(), Ok(totals));
            }
        }
    })
}
