//! What one thread publishes and others read beside it: the board of what is sold out, the
//! watermark, the chain values, the news of orders, the room that is left.
//!
//! Each model is run over the file as it is, and over a copy that lacks its fences or its order
//! (`unfenced`, `unordered`), or with its steps the wrong way round: then it has to fail.

use interleavings::{
    chains, news,
    owner::raise,
    ring::ring,
    room, slate, unfenced,
    unfenced::{chains as unfenced_chains, news as unfenced_news},
    unordered, watermark,
};
use loom::{
    sync::{
        Arc,
        atomic::{
            AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    thread,
};

use super::{PREEMPTIONS, explore};

/// What the notice in these models is about, and the bits of a buyer.
const ABOUT: u32 = 7;
const BITS: u64 = 0b101;

/// A notice all words of which say the same.
fn notice(number: u64) -> slate::Words {
    [u64::from(ABOUT) | number << 32, number, number, number]
}

/// The slate of one of the modules: for one notice, with one word of bits.
trait Slate: Send + Sync + 'static {
    fn empty() -> Self;
    fn put_up(&self, words: slate::Words);
    fn take_down(&self);
    fn give(&self);
    fn wipe(&self);
    fn read(&self) -> Option<(slate::Words, u64)>;
    fn has(&self) -> bool;
    fn is_up(&self, version: u64) -> bool;
}

macro_rules! slates {
    ($($slate:ty),*) => {$(
        impl Slate for $slate {
            fn empty() -> Self {
                <$slate>::new(1, 1)
            }
            fn put_up(&self, words: slate::Words) {
                self.put_up(0, words);
            }
            fn take_down(&self) {
                self.take_down(0);
            }
            fn give(&self) {
                self.give(0, BITS);
            }
            fn wipe(&self) {
                self.wipe(0..1);
            }
            fn read(&self) -> Option<(slate::Words, u64)> {
                self.read(0, ABOUT)
            }
            fn has(&self) -> bool {
                self.has(0, BITS)
            }
            fn is_up(&self, version: u64) -> bool {
                self.is_up(0, version)
            }
        }
    )*};
}
slates!(slate::Slate, unfenced::slate::Slate, unordered::slate::Slate);

/// A notice in the place of another, and a reader.
fn rewritten<S: Slate>() {
    let slate = Arc::new(S::empty());
    slate.put_up(notice(1));
    let reading = Arc::clone(&slate);
    let writer = thread::spawn(move || slate.put_up(notice(2)));
    if let Some((words, _)) = reading.read() {
        assert_eq!(words, notice(words[1]), "a torn notice");
    }
    writer.join().expect("the writer does not panic");
}

#[test]
fn a_notice_is_read_whole_or_not_at_all() {
    explore("a notice in place of another, 1 reader", PREEMPTIONS, rewritten::<slate::Slate>);
}

#[test]
#[should_panic(expected = "a torn notice")]
fn without_its_fences_a_notice_would_be_torn() {
    loom::model(rewritten::<unfenced::slate::Slate>);
}

/// Something is given, then a notice goes up.
fn given_before<S: Slate>() {
    let slate = Arc::new(S::empty());
    let reading = Arc::clone(&slate);
    let writer = thread::spawn(move || {
        slate.give();
        slate.put_up(notice(1));
    });
    if reading.read().is_some() {
        assert!(reading.has(), "what was given before is not seen");
    }
    writer.join().expect("the writer does not panic");
}

#[test]
fn who_reads_a_notice_sees_what_was_given_before() {
    explore("given, then put up, 1 reader", None, given_before::<slate::Slate>);
}

#[test]
#[should_panic(expected = "what was given before is not seen")]
fn without_its_order_a_buyer_with_an_order_would_be_refused() {
    loom::model(given_before::<unordered::slate::Slate>);
}

/// While a notice is up something is given and then units return; of both an answer tells.
fn told(is_told_first: bool) {
    let slate = Arc::new(slate::Slate::empty());
    slate.put_up(0, notice(1));
    let told = Arc::new(AtomicU64::new(0));
    let (reading, heard) = (Arc::clone(&slate), Arc::clone(&told));
    let writer = thread::spawn(move || {
        Slate::give(&*slate);
        told.store(1, Release);
        if is_told_first {
            told.store(2, Release);
        }
        Slate::take_down(&*slate);
        told.store(2, Release);
    });
    let heard = heard.load(Acquire);
    if Slate::read(&*reading).is_some() {
        assert!(heard < 1 || Slate::has(&*reading), "a told order is not seen");
        assert!(heard < 2, "the notice is up after units returned");
    }
    writer.join().expect("the writer does not panic");
}

#[test]
fn who_has_heard_of_returned_units_finds_no_notice() {
    explore("given and told, taken down and told, 1 reader", None, || told(false));
}

#[test]
#[should_panic(expected = "the notice is up after units returned")]
fn a_notice_taken_down_after_the_answer_would_be_used() {
    loom::model(|| told(true));
}

/// What the reader goes by is forgotten, noted again, and a new notice put up.
fn forgotten<S: Slate>() {
    let slate = Arc::new(S::empty());
    slate.give();
    slate.put_up(notice(1));
    let reading = Arc::clone(&slate);
    let writer = thread::spawn(move || {
        slate.take_down();
        slate.wipe();
        slate.give();
        slate.put_up(notice(2));
    });
    if let Some((_, version)) = reading.read() {
        let is_new = !reading.has();
        assert!(!(is_new && reading.is_up(version)), "sold out, by what was wiped");
    }
    writer.join().expect("the writer does not panic");
}

#[test]
fn what_is_wiped_makes_nobody_new() {
    explore("taken down, wiped, put up again, 1 reader", PREEMPTIONS, forgotten::<slate::Slate>);
}

#[test]
#[should_panic(expected = "sold out, by what was wiped")]
fn without_its_fences_what_is_wiped_would_make_somebody_new() {
    loom::model(forgotten::<unfenced::slate::Slate>);
}

/// The journal does something, then raises the watermark.
fn raised<W: Clone + Default + Send + 'static>(raise: fn(&W, u64), seq: fn(&W) -> u64) {
    let (watermark, disk) = (W::default(), Arc::new(AtomicU64::new(0)));
    let (seen, read) = (watermark.clone(), Arc::clone(&disk));
    let journal = thread::spawn(move || {
        for seq in 1..=2 {
            disk.store(seq, Relaxed);
            raise(&watermark, seq);
        }
    });
    let first = seq(&seen);
    assert!(read.load(Relaxed) >= first, "told before it was durable");
    assert!(seq(&seen) >= first, "the watermark fell");
    journal.join().expect("the journal does not panic");
}

#[test]
fn what_the_watermark_has_passed_was_done_before() {
    use watermark::Watermark;
    explore("raised twice, 1 reader", None, || raised(raise, Watermark::seq));
}

#[test]
#[should_panic(expected = "told before it was durable")]
fn without_its_order_the_watermark_would_run_ahead() {
    use unordered::{owner::raise, watermark::Watermark};
    loom::model(|| raised(raise, Watermark::seq));
}

/// A chain value that can be told from its seq.
fn chain(seq: u64) -> chains::Chain {
    [seq as u8; 32]
}

/// Batches of one record each are put in and shown by the watermark; who sees them looks one up
/// that is `back` before. How many there are is more than are kept, or is not.
macro_rules! chained {
    ($name:ident, $chains:ident) => {
        fn $name(places: usize, batches: u64, back: u64) {
            let (mut writer, mut reader) = $chains::chains(places);
            let watermark = watermark::Watermark::default();
            let seen = watermark.clone();
            let journal = thread::spawn(move || {
                for seq in 1..=batches {
                    writer.push(seq, &chain(seq));
                    raise(&watermark, seq);
                }
            });
            let seq = seen.seq();
            if seq > back {
                let found = reader.of(seq - back).copied();
                let is_kept = batches <= places as u64;
                assert!(found.is_some() || !is_kept, "a receipt without its chain value");
                assert!(found.is_none_or(|it| it == chain(seq - back)), "a torn chain value");
            }
            journal.join().expect("the journal does not panic");
        }
    };
}
chained!(chained, chains);
chained!(chained_unfenced, unfenced_chains);

#[test]
fn what_the_watermark_has_passed_has_its_chain_value() {
    explore("2 batches over 2 places, 1 reader", None, || chained(2, 2, 0));
}

#[test]
fn a_chain_value_that_is_written_over_is_not_given() {
    explore("2 batches over 1 place, 1 reader", None, || chained(1, 2, 0));
}

#[test]
#[should_panic(expected = "a torn chain value")]
fn without_its_fences_a_chain_value_would_be_torn() {
    loom::model(|| chained_unfenced(1, 2, 0));
}

/// A buyer's question goes through the ring; the change decided after it is told.
fn heard(asks_first: bool) {
    let (mut asking, mut asked) = ring(1, 0_u64);
    let mut writer = news::NewsWriter::default();
    let mut news = writer.reader(0);
    let matcher = thread::spawn(move || {
        while asked.available(1) == 0 {
            thread::yield_now();
        }
        writer.tell(1);
        assert!(writer.publish(), "the question was there, and its asker was not seen");
    });
    if asks_first {
        asking.push(0);
        asking.publish();
    }
    news.watch(true);
    if !asks_first {
        asking.push(0);
        asking.publish();
    }
    loop {
        match news.hear() {
            None => thread::yield_now(),
            told => break assert_eq!(told, Some(news::Heard::Changed(1))),
        }
    }
    matcher.join().expect("the matcher does not panic");
}

#[test]
fn who_watches_before_the_question_hears_of_what_comes_after() {
    explore("watched, asked, 1 change", None, || heard(false));
}

#[test]
#[should_panic(expected = "its asker was not seen")]
fn who_watches_after_the_question_would_miss_what_comes_after() {
    loom::model(|| heard(true));
}

/// More is told than is kept.
macro_rules! lapped {
    ($name:ident, $news:ident) => {
        fn $name() {
            let mut writer = $news::NewsWriter::default();
            let mut news = writer.reader(0);
            news.watch(true);
            let matcher = thread::spawn(move || {
                for order in 1..=3 {
                    writer.tell(order);
                    writer.publish();
                }
            });
            let first = news.hear();
            let is_right = match first {
                None | Some($news::Heard::Lapped) => true,
                Some($news::Heard::Changed(order)) => order == 1,
            };
            assert!(is_right, "{first:?} in place of the first");
            matcher.join().expect("the matcher does not panic");
        }
    };
}
lapped!(lapped, news);
lapped!(lapped_unfenced, unfenced_news);

#[test]
fn news_written_over_while_they_are_heard_are_known_to_be() {
    explore("3 changes over 2 places, 1 reader", None, lapped);
}

#[test]
#[should_panic(expected = "in place of the first")]
fn without_its_fences_a_change_would_be_passed_over() {
    loom::model(lapped_unfenced);
}

/// Room is made ready and then used up: by two threads in the server, but the first hands it over
/// to the second, so that they are one here.
fn left<R: Send + Sync + 'static>(
    room: fn(u64) -> R,
    make: fn(&R, u64),
    spend: fn(&R, u64),
    left: fn(&R) -> u64,
) {
    let room = Arc::new(room(4));
    let using = Arc::clone(&room);
    let journal = thread::spawn(move || {
        make(&using, 5);
        spend(&using, 8);
    });
    // In a thread of its own: loom does not see that our loads meet the other's stores, for these
    // come after loads, but once they are there it tries what is old as well.
    let matcher = thread::spawn(move || {
        let bytes = left(&room);
        assert!([4, 9, 1].contains(&bytes), "{bytes} bytes are left");
    });
    journal.join().expect("the journal does not panic");
    matcher.join().expect("the matcher does not panic");
}

#[test]
fn what_is_left_is_never_less_than_nothing() {
    use interleavings::owner::{make, refused_room, spend};
    explore("5 made, 8 of 9 used", None, || {
        left(refused_room, make, spend, room::Room::bytes_left);
    });
}

#[test]
#[should_panic(expected = "attempt to subtract with overflow")]
fn without_its_order_more_would_be_used_than_was_made() {
    use unordered::owner::{make, refused_room, spend};
    loom::model(|| left(refused_room, make, spend, unordered::room::Room::bytes_left));
}
