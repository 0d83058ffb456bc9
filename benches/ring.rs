//! The ring against its rivals: cells a second through one pair of threads, through more threads
//! than there are cores, and from many writers to one reader.
//!
//! Every run is checked: the sum over all words of all cells must arrive. Times include starting
//! and joining the threads, for every rival alike. Where a rival brings no way of waiting of its
//! own it spins, then yields (`Backoff`), as our ring does without its bell. "shared claim" is the
//! design that was not taken: one ring for all writers, who claim their places from one counter.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::*},
    },
    thread,
    time::{Duration, Instant},
};

use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group,
    criterion_main, measurement::WallTime,
};
use crossbeam::{
    channel,
    queue::ArrayQueue,
    utils::{Backoff, CachePadded},
};
use disruptor::{
    BusySpin, BusySpinWithSpinLoopHint, Polling, Producer as _, Sleep,
    wait_strategies::WaitStrategy,
};
use doorbuster::{bell::Bell, message::Cell, ring};

const CAPACITY: usize = 4096;
/// Cells in one run of one pair.
const PAIR_CELLS: u64 = 262_144;
/// Cells that each writer sends where threads outnumber cores.
const CROWDED_CELLS: u64 = 32_768;

/// One thread's part; a writer returns 0, a reader the sum of what came.
type Part = Box<dyn FnOnce() -> u64 + Send>;

fn cell(number: u64) -> Cell {
    Cell(bytemuck::must_cast([number, 0, 0, 0, 0, 0, 0, number]))
}

/// Touches the whole cell, as whoever works on it would.
#[inline]
fn weigh(cell: &Cell) -> u64 {
    let words: [u64; 8] = bytemuck::must_cast(cell.0);
    words.iter().fold(0, |sum, word| sum.wrapping_add(*word))
}

/// What `writers` writers of `cells` cells each must weigh in all.
fn expected(writers: usize, cells: u64) -> u64 {
    writers as u64 * cells * (cells - 1)
}

/// Runs all parts, each on its own thread, and checks what arrived.
fn run(parts: Vec<Part>, expected: u64) -> Duration {
    let start = Instant::now();
    let threads: Vec<_> = parts.into_iter().map(thread::spawn).collect();
    let mut sum = 0;
    for thread in threads {
        sum += thread.join().expect("no part panics");
    }
    let elapsed = start.elapsed();
    assert_eq!(sum, expected, "cells were lost or doubled");
    elapsed
}

/// Calls `send(first, count)` for every batch of a writer's cells.
fn in_batches(cells: u64, batch: usize, mut send: impl FnMut(u64, usize)) {
    let mut next = 0;
    while next < cells {
        let count = batch.min((cells - next) as usize);
        send(next, count);
        next += count as u64;
    }
}

/// Spins, then yields, until `ready`.
#[inline]
fn spin_then_yield(mut ready: impl FnMut() -> bool) {
    let backoff = Backoff::new();
    while !ready() {
        backoff.snooze();
    }
}

/// Spins, and nothing else, until `ready`.
#[inline]
fn spin(mut ready: impl FnMut() -> bool) {
    while !ready() {
        std::hint::spin_loop();
    }
}

/// A bell for a thread that is not there yet: [`Sleeper::settle`] tells it which one it is.
#[derive(Clone)]
struct Sleeper {
    bell: Arc<Bell>,
    thread: Arc<std::sync::OnceLock<thread::Thread>>,
}

impl Sleeper {
    fn new() -> Sleeper {
        let thread = Arc::new(std::sync::OnceLock::<thread::Thread>::new());
        let whom = Arc::clone(&thread);
        let bell = Arc::new(Bell::new(move || {
            whom.get().expect("only who has settled sleeps").unpark();
        }));
        Sleeper { bell, thread }
    }

    fn settle(&self) {
        self.thread.set(thread::current()).expect("one thread settles, once");
    }

    /// Spins briefly, yields a few times, parks.
    #[inline]
    fn wait(&self, mut ready: impl FnMut() -> bool) {
        let backoff = Backoff::new();
        while !ready() {
            if backoff.is_completed() {
                self.bell.doze(&mut ready, thread::park);
            } else {
                backoff.snooze();
            }
        }
    }
}

mod doorbuster_ring {
    use super::*;

    fn writer(mut writer: ring::Writer<Cell>, cells: u64, batch: usize) -> Part {
        Box::new(move || {
            in_batches(cells, batch, |first, count| {
                spin_then_yield(|| writer.free(count) >= count);
                writer.push_all((0..count).map(|index| cell(first + index as u64)));
                writer.publish();
            });
            0
        })
    }

    pub(super) fn pair(cells: u64, batch: usize) -> [Part; 2] {
        let (out, mut reader) = ring::ring(CAPACITY, Cell::ZERO);
        let read = move || {
            let (mut sum, mut left) = (0_u64, cells);
            while left > 0 {
                spin_then_yield(|| reader.available(1) > 0);
                let there = reader.available(1).min(batch);
                sum += (0..there).map(|index| weigh(&reader.get(index))).sum::<u64>();
                reader.release(there);
                left -= there as u64;
            }
            sum
        };
        [writer(out, cells, batch), Box::new(read)]
    }

    fn bell_writer(
        mut writer: ring::Writer<Cell>,
        (me, other): (Sleeper, Sleeper),
        cells: u64,
        batch: usize,
    ) -> Part {
        Box::new(move || {
            me.settle();
            in_batches(cells, batch, |first, count| {
                me.wait(|| writer.free(count) >= count);
                writer.push_all((0..count).map(|index| cell(first + index as u64)));
                writer.publish();
                other.bell.ring();
            });
            0
        })
    }

    /// One ring a writer, one reader that goes round them; a bell on every side.
    pub(super) fn bell_many(writers: usize, cells: u64, batch: usize) -> Vec<Part> {
        let me = Sleeper::new();
        let (mut parts, mut readers) = (Vec::new(), Vec::new());
        for _ in 0..writers {
            let (writer, reader) = ring::ring(CAPACITY, Cell::ZERO);
            let writer_bell = Sleeper::new();
            readers.push((reader, writer_bell.clone()));
            parts.push(bell_writer(writer, (writer_bell, me.clone()), cells, batch));
        }
        parts.push(Box::new(move || {
            me.settle();
            let (mut sum, mut left) = (0_u64, cells * writers as u64);
            while left > 0 {
                let mut took = 0;
                for (reader, writer) in &mut readers {
                    let there = reader.available(1).min(batch);
                    if there > 0 {
                        sum += (0..there).map(|index| weigh(&reader.get(index))).sum::<u64>();
                        reader.release(there);
                        writer.bell.ring();
                        took += there as u64;
                    }
                }
                if took == 0 {
                    me.wait(|| readers.iter_mut().any(|(reader, _)| reader.available(1) > 0));
                }
                left -= took;
            }
            sum
        }));
        parts
    }
}

mod rtrb_ring {
    use super::*;

    pub(super) fn pair(cells: u64, batch: usize, spinning: bool) -> [Part; 2] {
        let (mut producer, mut consumer) = rtrb::RingBuffer::new(CAPACITY);
        let write = move || {
            in_batches(cells, batch, |first, count| {
                let room = |producer: &rtrb::Producer<Cell>| producer.slots() >= count;
                if count == 1 {
                    let mut sent = || producer.push(cell(first)).is_ok();
                    if spinning {
                        spin(&mut sent)
                    } else {
                        spin_then_yield(&mut sent)
                    }
                    return;
                }
                if spinning {
                    spin(|| room(&producer));
                } else {
                    spin_then_yield(|| room(&producer));
                }
                let chunk = producer.write_chunk_uninit(count).expect("there is room");
                chunk.fill_from_iter((first..).map(cell));
            });
            0
        };
        let read = move || {
            let (mut sum, mut left) = (0_u64, cells);
            while left > 0 {
                if batch == 1 {
                    let mut some = || match consumer.pop() {
                        Ok(cell) => {
                            sum += weigh(&cell);
                            true
                        }
                        Err(_) => false,
                    };
                    if spinning {
                        spin(&mut some)
                    } else {
                        spin_then_yield(&mut some)
                    }
                    left -= 1;
                    continue;
                }
                if spinning {
                    spin(|| consumer.slots() > 0);
                } else {
                    spin_then_yield(|| consumer.slots() > 0);
                }
                let there = consumer.slots().min(batch);
                let chunk = consumer.read_chunk(there).expect("they are there");
                let (head, tail) = chunk.as_slices();
                sum += head.iter().chain(tail).map(weigh).sum::<u64>();
                chunk.commit_all();
                left -= there as u64;
            }
            sum
        };
        [Box::new(write), Box::new(read)]
    }
}

mod disruptor_ring {
    use super::*;

    fn send(mut producer: impl disruptor::Producer<Cell>, cells: u64, batch: usize) {
        in_batches(cells, batch, |first, count| {
            if count == 1 {
                producer.publish(|place| *place = cell(first));
            } else {
                producer.batch_publish(count, |places| {
                    for (place, number) in places.zip(first..) {
                        *place = cell(number);
                    }
                });
            }
        });
    }

    /// A handler that leaves the sum where it can be found once the disruptor has shut down.
    fn handler(sum: &Arc<AtomicU64>) -> impl FnMut(&Cell, i64, bool) + Send + 'static {
        let (total, mut sum) = (Arc::clone(sum), 0_u64);
        move |cell, _, end_of_batch| {
            sum += weigh(cell);
            if end_of_batch {
                // Read after the reader's thread was joined.
                total.store(sum, Relaxed);
            }
        }
    }

    /// The writer; the disruptor itself owns the reader's thread.
    pub(super) fn pair<W: WaitStrategy + 'static>(cells: u64, batch: usize, wait: W) -> [Part; 1] {
        let sum = Arc::new(AtomicU64::new(0));
        let builder = disruptor::build_single_producer(CAPACITY, || Cell::ZERO, wait);
        let producer = builder.handle_events_with(handler(&sum)).build();
        let write = move || {
            send(producer, cells, batch);
            sum.load(Relaxed)
        };
        [Box::new(write)]
    }

    /// The reader polls and yields, the writer tries and yields.
    pub(super) fn polled_pair(cells: u64, batch: usize) -> [Part; 2] {
        let builder = disruptor::build_single_producer(CAPACITY, || Cell::ZERO, BusySpin);
        let (mut poller, builder) = builder.new_event_poller();
        let mut producer = builder.build();
        let write = move || {
            in_batches(cells, batch, |first, count| {
                spin_then_yield(|| {
                    let sent = producer.try_batch_publish(count, |places| {
                        for (place, number) in places.zip(first..) {
                            *place = cell(number);
                        }
                    });
                    sent.is_ok()
                });
            });
            0
        };
        let read = move || {
            let (mut sum, mut left) = (0_u64, cells);
            while left > 0 {
                spin_then_yield(|| match poller.take(batch as u64) {
                    Ok(mut cells) => {
                        for cell in &mut cells {
                            sum += weigh(cell);
                            left -= 1;
                        }
                        true
                    }
                    Err(Polling::NoEvents) => false,
                    Err(Polling::Shutdown) => panic!("ended before the last cell"),
                });
            }
            sum
        };
        [Box::new(write), Box::new(read)]
    }

    pub(super) fn many<W: WaitStrategy + 'static>(
        writers: usize,
        cells: u64,
        batch: usize,
        wait: W,
    ) -> Vec<Part> {
        let sum = Arc::new(AtomicU64::new(0));
        let builder = disruptor::build_multi_producer(CAPACITY, || Cell::ZERO, wait);
        let producer = builder.handle_events_with(handler(&sum)).build();
        let left = Arc::new(AtomicUsize::new(writers));
        (0..writers)
            .map(|_| {
                let (producer, sum, left) = (producer.clone(), Arc::clone(&sum), Arc::clone(&left));
                let write = move || {
                    send(producer, cells, batch);
                    // All producers are gone, and the last one joined the reader. Partner: the
                    // same line in the other writers.
                    if left.fetch_sub(1, AcqRel) == 1 { sum.load(Relaxed) } else { 0 }
                };
                Box::new(write) as Part
            })
            .collect()
    }
}

mod crossbeam_queues {
    use super::*;

    /// The channel waits by itself: it spins, yields and parks.
    pub(super) fn channel(writers: usize, cells: u64) -> Vec<Part> {
        let (sender, receiver) = channel::bounded(CAPACITY);
        let write = |sender: channel::Sender<Cell>| -> Part {
            Box::new(move || {
                (0..cells).for_each(|number| sender.send(cell(number)).expect("the reader stays"));
                0
            })
        };
        let mut parts: Vec<Part> = (0..writers).map(|_| write(sender.clone())).collect();
        parts.push(Box::new(move || receiver.iter().map(|cell| weigh(&cell)).sum()));
        parts
    }

    pub(super) fn array_queue(writers: usize, cells: u64) -> Vec<Part> {
        let queue = Arc::new(ArrayQueue::new(CAPACITY));
        let write = |queue: Arc<ArrayQueue<Cell>>| -> Part {
            Box::new(move || {
                for number in 0..cells {
                    spin_then_yield(|| queue.push(cell(number)).is_ok());
                }
                0
            })
        };
        let mut parts: Vec<Part> = (0..writers).map(|_| write(Arc::clone(&queue))).collect();
        parts.push(Box::new(move || {
            let mut sum = 0;
            for _ in 0..cells * writers as u64 {
                spin_then_yield(|| queue.pop().map(|cell| sum += weigh(&cell)).is_some());
            }
            sum
        }));
        parts
    }
}

/// One ring for all writers. A writer claims places from the shared counter, fills them and marks
/// each with its turn; the reader goes on as far as the marks are there. So a writer that loses its
/// core between claim and mark stalls all that came after it. (The words are atomics only to do
/// without `unsafe`; stored Relaxed they cost what plain ones cost.)
mod shared_claim {
    use super::*;

    struct Ring {
        places: Vec<[AtomicU64; 8]>,
        /// For each place the index after the value in it. Written by the writer that claimed it
        /// (Release), read by the reader (Acquire).
        turns: Vec<AtomicUsize>,
        /// Places claimed so far, by all writers. It orders nothing else.
        claimed: CachePadded<AtomicUsize>,
        /// Places given back. Written by the reader (Release), read by the writers (Acquire).
        read: CachePadded<AtomicUsize>,
    }

    fn writer(ring: Arc<Ring>, cells: u64, batch: usize) -> Part {
        Box::new(move || {
            let mut read_seen = 0;
            in_batches(cells, batch, |first, count| {
                let claim = ring.claimed.fetch_add(count, Relaxed);
                spin_then_yield(|| {
                    claim + count <= read_seen + CAPACITY || {
                        read_seen = ring.read.load(Acquire);
                        claim + count <= read_seen + CAPACITY
                    }
                });
                for (index, number) in (claim..claim + count).zip(first..) {
                    let words: [u64; 8] = bytemuck::must_cast(cell(number).0);
                    for (place, word) in ring.places[index % CAPACITY].iter().zip(words) {
                        place.store(word, Relaxed);
                    }
                }
                for index in claim..claim + count {
                    ring.turns[index % CAPACITY].store(index + 1, Release);
                }
            });
            0
        })
    }

    pub(super) fn many(writers: usize, cells: u64, batch: usize) -> Vec<Part> {
        let ring = Arc::new(Ring {
            places: (0..CAPACITY).map(|_| Default::default()).collect(),
            turns: (0..CAPACITY).map(|_| AtomicUsize::new(0)).collect(),
            claimed: CachePadded::new(AtomicUsize::new(0)),
            read: CachePadded::new(AtomicUsize::new(0)),
        });
        let mut parts: Vec<Part> =
            (0..writers).map(|_| writer(Arc::clone(&ring), cells, batch)).collect();
        parts.push(Box::new(move || {
            let (mut sum, mut read) = (0_u64, 0);
            let all = cells as usize * writers;
            let there = |index: usize| ring.turns[index % CAPACITY].load(Acquire) == index + 1;
            while read < all {
                spin_then_yield(|| there(read));
                let end = all.min(read + batch);
                while read < end && there(read) {
                    for word in &ring.places[read % CAPACITY] {
                        sum = sum.wrapping_add(word.load(Relaxed));
                    }
                    read += 1;
                }
                ring.read.store(read, Release);
            }
            sum
        }));
        parts
    }
}

fn group<'a>(
    criterion: &'a mut Criterion,
    name: &str,
    cells_per_run: u64,
) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_millis(100)).measurement_time(Duration::from_millis(500));
    group.nresamples(2_000);
    group.throughput(Throughput::Elements(cells_per_run));
    group
}

/// Measures runs of the parts that `make` makes anew for each; making them is not counted.
fn measure(
    group: &mut BenchmarkGroup<'_, WallTime>,
    (name, batch): (&str, usize),
    expected: u64,
    make: impl Fn() -> Vec<Part>,
) {
    group.bench_function(BenchmarkId::new(name, batch), |bencher| {
        bencher.iter_custom(|runs| (0..runs).map(|_| run(make(), expected)).sum());
    });
}

/// What a cell costs without the trip between cores: filled and emptied in turn on one thread.
fn one_thread(criterion: &mut Criterion) {
    const ROUNDS: u64 = 1024;
    for batch in [1_usize, 16, 256] {
        let mut group = group(criterion, "one thread", ROUNDS * batch as u64);
        let expected = expected(1, ROUNDS * batch as u64);
        let rounds = || (0..ROUNDS).map(|round| round * batch as u64);

        let (mut writer, mut reader) = ring::ring(CAPACITY, Cell::ZERO);
        group.bench_function(BenchmarkId::new("doorbuster", batch), |bencher| {
            bencher.iter(|| {
                let mut sum = 0;
                for first in rounds() {
                    assert!(writer.free(batch) >= batch);
                    writer.push_all((0..batch).map(|index| cell(first + index as u64)));
                    writer.publish();
                    let there = reader.available(1);
                    sum += (0..there).map(|index| weigh(&reader.get(index))).sum::<u64>();
                    reader.release(there);
                }
                assert_eq!(sum, expected);
            });
        });

        let (mut producer, mut consumer) = rtrb::RingBuffer::new(CAPACITY);
        group.bench_function(BenchmarkId::new("rtrb", batch), |bencher| {
            bencher.iter(|| {
                let mut sum = 0;
                for first in rounds() {
                    if batch == 1 {
                        producer.push(cell(first)).expect("there is room");
                        sum += weigh(&consumer.pop().expect("it is there"));
                        continue;
                    }
                    let chunk = producer.write_chunk_uninit(batch).expect("there is room");
                    chunk.fill_from_iter((first..).map(cell));
                    let chunk = consumer.read_chunk(consumer.slots()).expect("they are there");
                    let (head, tail) = chunk.as_slices();
                    sum += head.iter().chain(tail).map(weigh).sum::<u64>();
                    chunk.commit_all();
                }
                assert_eq!(sum, expected);
            });
        });

        let builder = disruptor::build_single_producer(CAPACITY, || Cell::ZERO, BusySpin);
        let (mut poller, builder) = builder.new_event_poller();
        let mut producer = builder.build();
        group.bench_function(BenchmarkId::new("disruptor polled", batch), |bencher| {
            bencher.iter(|| {
                let mut sum = 0;
                for first in rounds() {
                    producer.batch_publish(batch, |places| {
                        for (place, number) in places.zip(first..) {
                            *place = cell(number);
                        }
                    });
                    let mut cells = poller.poll().expect("they are there");
                    sum += (&mut cells).map(weigh).sum::<u64>();
                }
                assert_eq!(sum, expected);
            });
        });
        group.finish();
    }
}

/// One writer, one reader, two threads.
fn pair(criterion: &mut Criterion) {
    let mut group = group(criterion, "pair", PAIR_CELLS);
    let weight = expected(1, PAIR_CELLS);
    for batch in [1, 16, 256] {
        let mut rival = |name: &str, make: &dyn Fn() -> Vec<Part>| {
            measure(&mut group, (name, batch), weight, make);
        };
        rival("doorbuster", &|| doorbuster_ring::pair(PAIR_CELLS, batch).into());
        rival("doorbuster with bells", &|| doorbuster_ring::bell_many(1, PAIR_CELLS, batch));
        rival("rtrb", &|| rtrb_ring::pair(PAIR_CELLS, batch, false).into());
        rival("disruptor busy-spin", &|| disruptor_ring::pair(PAIR_CELLS, batch, BusySpin).into());
        rival("disruptor polled", &|| disruptor_ring::polled_pair(PAIR_CELLS, batch).into());
        rival("shared claim", &|| shared_claim::many(1, PAIR_CELLS, batch));
        if batch == 1 {
            rival("crossbeam channel", &|| crossbeam_queues::channel(1, PAIR_CELLS));
            rival("crossbeam ArrayQueue", &|| crossbeam_queues::array_queue(1, PAIR_CELLS));
        }
    }
    group.finish();
}

/// Threads that are missing a core each: 2-4 more than there are cores, in pairs.
fn crowded_pairs(criterion: &mut Criterion) {
    const BATCH: usize = 16;
    let cores = thread::available_parallelism().map_or(2, usize::from);
    let pairs = (cores + 3).div_ceil(2);
    let mut group = group(criterion, "crowded pairs", CROWDED_CELLS * pairs as u64);
    let mut rival = |name: &str, batch: usize, make: &dyn Fn() -> Vec<Part>| {
        let all = || (0..pairs).flat_map(|_| make()).collect();
        measure(&mut group, (name, batch), expected(pairs, CROWDED_CELLS), all);
    };
    rival("doorbuster with bells", BATCH, &|| doorbuster_ring::bell_many(1, CROWDED_CELLS, BATCH));
    rival("doorbuster yielding", BATCH, &|| doorbuster_ring::pair(CROWDED_CELLS, BATCH).into());
    rival("rtrb yielding", BATCH, &|| rtrb_ring::pair(CROWDED_CELLS, BATCH, false).into());
    rival("rtrb spinning", BATCH, &|| rtrb_ring::pair(CROWDED_CELLS, BATCH, true).into());
    rival("disruptor busy-spin", BATCH, &|| {
        disruptor_ring::pair(CROWDED_CELLS, BATCH, BusySpin).into()
    });
    rival("disruptor spin-hint", BATCH, &|| {
        disruptor_ring::pair(CROWDED_CELLS, BATCH, BusySpinWithSpinLoopHint).into()
    });
    rival("disruptor sleep 50us", BATCH, &|| {
        disruptor_ring::pair(CROWDED_CELLS, BATCH, Sleep::new(Duration::from_micros(50))).into()
    });
    rival("disruptor polled", BATCH, &|| disruptor_ring::polled_pair(CROWDED_CELLS, BATCH).into());
    rival("shared claim", BATCH, &|| shared_claim::many(1, CROWDED_CELLS, BATCH));
    rival("crossbeam channel", 1, &|| crossbeam_queues::channel(1, CROWDED_CELLS));
    rival("crossbeam ArrayQueue", 1, &|| crossbeam_queues::array_queue(1, CROWDED_CELLS));
    group.finish();
}

/// As the matcher sees it: as many writers as there are cores and two more, one reader.
fn many_to_one(criterion: &mut Criterion) {
    const BATCH: usize = 16;
    let writers = thread::available_parallelism().map_or(2, usize::from) + 2;
    let mut group = group(criterion, "many to one", CROWDED_CELLS * writers as u64);
    let mut rival = |name: &str, batch: usize, make: &dyn Fn() -> Vec<Part>| {
        measure(&mut group, (name, batch), expected(writers, CROWDED_CELLS), make);
    };
    rival("doorbuster with bells", BATCH, &|| {
        doorbuster_ring::bell_many(writers, CROWDED_CELLS, BATCH)
    });
    rival("shared claim", BATCH, &|| shared_claim::many(writers, CROWDED_CELLS, BATCH));
    rival("disruptor busy-spin", BATCH, &|| {
        disruptor_ring::many(writers, CROWDED_CELLS, BATCH, BusySpin)
    });
    rival("crossbeam channel", 1, &|| crossbeam_queues::channel(writers, CROWDED_CELLS));
    rival("crossbeam ArrayQueue", 1, &|| crossbeam_queues::array_queue(writers, CROWDED_CELLS));
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().without_plots();
    targets = one_thread, pair, crowded_pairs, many_to_one
}
criterion_main!(benches);
