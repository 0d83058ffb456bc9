//! Every interleaving of the ring and the bell, and of what threads publish with a flag or a
//! version (`published`), as loom explores them:
//! `RUSTFLAGS="--cfg doorbuster_loom" cargo test --release -p interleavings` (`-- --nocapture`
//! shows the counts). The flag is ours alone: others' crates have parts that `--cfg loom` would
//! turn off.
//!
//! Loom knows which thread has seen which store; it fails on a cell touched by both sides without
//! a hand-over, on a wrong value, and on a sleep from which nobody wakes (it reports a deadlock).
//! The last test takes the bell's fences away and expects that failure, so that we know the model
//! can see what it guards.

#![cfg(doorbuster_loom)]

#[path = "published.rs"]
mod published;

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use interleavings::{
    bell::Bell,
    ring::{Reader, Writer, ring},
};
use loom::{sync::Arc, thread};

/// Threads may lose their core this often, against their will, in one interleaving of the tests
/// that have too many otherwise (without it the longest takes minutes, and passes too).
const PREEMPTIONS: Option<usize> = Some(4);

/// Runs `model` over every interleaving with so many preemptions (`None`: all there are) and says
/// how many there were.
fn explore(name: &str, preemptions: Option<usize>, model: impl Fn() + Send + Sync + 'static) {
    let count = std::sync::Arc::new(AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&count);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.check(move || {
        counted.fetch_add(1, Relaxed);
        model();
    });
    let count = count.load(Relaxed);
    eprintln!("{name}: {count} interleavings");
    assert!(count > 1, "{name}: nothing was interleaved");
}

/// Sends `values`, `batch` to a publication, giving way while the ring is full.
fn send(mut writer: Writer<u32>, values: u32, batch: u32) {
    let mut next = 1;
    while next <= values {
        let count = batch.min(values - next + 1);
        while writer.free(count as usize) < count as usize {
            thread::yield_now();
        }
        if count == 1 {
            writer.push(next);
        } else {
            writer.push_all((0..count as usize).map(|index| next + index as u32));
        }
        next += count;
        assert_eq!(writer.unpublished(), count as usize);
        assert!(writer.publish());
    }
}

/// Takes everything that is there, at most `most` to a release; how many that was.
fn take(reader: &mut Reader<u32>, most: usize, last: &mut u32) -> usize {
    let there = reader.available(1).min(most);
    for index in 0..there {
        assert_eq!(reader.get(index), *last + 1, "out of order, lost or twice");
        *last += 1;
    }
    if there > 0 {
        reader.release(there);
    }
    there
}

#[test]
fn values_arrive_in_order_and_once_across_the_wrap() {
    explore("one by one, 3 values over 2 places", None, || {
        let (writer, mut reader) = ring(2, 0);
        let sender = thread::spawn(move || send(writer, 3, 1));
        let mut last = 0;
        while last < 3 {
            if take(&mut reader, 1, &mut last) == 0 {
                thread::yield_now();
            }
        }
        sender.join().expect("the sender does not panic");
        assert_eq!(reader.available(1), 0, "more came than was sent");
    });
}

#[test]
fn one_place_is_handed_to_and_fro() {
    explore("3 values over 1 place", None, || {
        let (writer, mut reader) = ring(1, 0);
        let sender = thread::spawn(move || send(writer, 3, 1));
        let mut last = 0;
        while last < 3 {
            if take(&mut reader, 1, &mut last) == 0 {
                thread::yield_now();
            }
        }
        sender.join().expect("the sender does not panic");
    });
}

#[test]
fn a_batch_is_shown_whole_or_not_at_all() {
    explore("2 batches of 2 over 2 places", None, || {
        let (writer, mut reader) = ring(2, 0);
        let sender = thread::spawn(move || send(writer, 4, 2));
        let mut last = 0;
        while last < 4 {
            match take(&mut reader, 2, &mut last) {
                0 => thread::yield_now(),
                count => assert_eq!(count, 2, "half a batch was shown"),
            }
        }
        sender.join().expect("the sender does not panic");
    });
}

#[test]
fn what_is_staged_but_not_published_never_arrives() {
    explore("1 published, 1 staged, then the end", None, || {
        let (mut writer, mut reader) = ring(2, 0);
        let sender = thread::spawn(move || {
            writer.push(1);
            writer.publish();
            writer.push(2);
        });
        let mut last = 0;
        while !reader.is_finished() {
            if take(&mut reader, 2, &mut last) == 0 {
                thread::yield_now();
            }
        }
        assert_eq!(last, 1);
        sender.join().expect("the sender does not panic");
    });
}

#[test]
fn the_end_is_seen_after_the_last_value() {
    explore("2 values over 2 places, then the end", None, || {
        let (writer, mut reader) = ring(2, 0);
        let sender = thread::spawn(move || send(writer, 2, 1));
        let mut last = 0;
        while !reader.is_finished() {
            if take(&mut reader, 2, &mut last) == 0 {
                thread::yield_now();
            }
        }
        assert_eq!(last, 2, "finished before the last value");
        sender.join().expect("the sender does not panic");
    });
}

/// A bell for the thread that calls this.
fn my_bell() -> Arc<Bell> {
    let me = thread::current();
    Arc::new(Bell::new(move || me.unpark()))
}

#[test]
fn a_reader_that_dozes_misses_no_value_and_not_the_end() {
    explore("2 values and the end, the reader parks", PREEMPTIONS, || {
        let (mut writer, mut reader) = ring(2, 0);
        let bell = my_bell();
        let ringer = Arc::clone(&bell);
        let sender = thread::spawn(move || {
            for value in 1..=2 {
                writer.push(value);
                writer.publish();
                ringer.ring();
            }
            drop(writer);
            ringer.ring();
        });
        let mut last = 0;
        loop {
            if take(&mut reader, 2, &mut last) > 0 {
                continue;
            }
            if reader.is_finished() {
                break;
            }
            bell.doze(|| reader.available(1) > 0 || reader.is_finished(), thread::park);
        }
        assert_eq!(last, 2);
        sender.join().expect("the sender does not panic");
    });
}

#[test]
fn both_sides_of_a_ring_may_doze() {
    explore("2 values over 1 place, both sides park", PREEMPTIONS, || {
        let (mut writer, mut reader) = ring(1, 0);
        let reader_bell = my_bell();
        let ringer = Arc::clone(&reader_bell);
        // The writer hangs out its own bell before it writes anything.
        let handed = Arc::new(loom::sync::Mutex::new(None));
        let taken = Arc::clone(&handed);
        let sender = thread::spawn(move || {
            let bell = my_bell();
            *handed.lock().expect("nobody panics with it") = Some(Arc::clone(&bell));
            for value in 1..=2 {
                while writer.free(1) == 0 {
                    bell.doze(|| writer.free(1) > 0, thread::park);
                }
                writer.push(value);
                writer.publish();
                ringer.ring();
            }
        });
        let mut last = 0;
        while last < 2 {
            if take(&mut reader, 1, &mut last) > 0 {
                let bell = taken.lock().expect("nobody panics with it").clone();
                bell.expect("it was hung out before the first value").ring();
            } else {
                reader_bell.doze(|| reader.available(1) > 0, thread::park);
            }
        }
        sender.join().expect("the sender does not panic");
    });
}

#[test]
fn two_ringers_wake_one_sleeper() {
    explore("2 writers, a reader that parks", PREEMPTIONS, || {
        let bell = my_bell();
        let (mut readers, mut senders) = (Vec::new(), Vec::new());
        for _ in 0..2 {
            let (mut writer, reader) = ring(1, 0);
            let ringer = Arc::clone(&bell);
            readers.push(reader);
            senders.push(thread::spawn(move || {
                writer.push(1);
                writer.publish();
                ringer.ring();
            }));
        }
        let mut lasts = [0, 0];
        while lasts != [1, 1] {
            let mut took = 0;
            for (reader, last) in readers.iter_mut().zip(&mut lasts) {
                took += take(reader, 1, last);
            }
            if took == 0 {
                bell.doze(
                    || readers.iter_mut().any(|reader| reader.available(1) > 0),
                    thread::park,
                );
            }
        }
        for sender in senders {
            sender.join().expect("the sender does not panic");
        }
    });
}

#[test]
#[should_panic(expected = "deadlock")]
fn without_its_fences_the_bell_would_lose_a_wake_up() {
    use loom::sync::atomic::AtomicBool;
    loom::model(|| {
        let (mut writer, mut reader) = ring(1, 0);
        let asleep = Arc::new(AtomicBool::new(false));
        let (seen, sleeper) = (Arc::clone(&asleep), thread::current());
        let sender = thread::spawn(move || {
            writer.push(1);
            writer.publish();
            if seen.load(Relaxed) {
                sleeper.unpark();
            }
        });
        let mut last = 0;
        while last == 0 {
            if take(&mut reader, 1, &mut last) == 0 {
                asleep.store(true, Relaxed);
                if reader.available(1) == 0 {
                    thread::park();
                }
                asleep.store(false, Relaxed);
            }
        }
        sender.join().expect("the sender does not panic");
    });
}
