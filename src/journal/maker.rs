//! The thread that makes segments ready before they are needed, and syncs those that were left
//! behind unsynced. The journal orders; the maker delivers. In a drill there is no thread: the
//! journal's own does this work, when it is told to.
//!
//! It never touches the segment in use. Both channels are bounded by what can be under way, so it
//! waits for orders only (or, on a full disk, for time to pass before it asks the disk again).

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use super::{
    JournalError, Room,
    segment::{self, HEADER_BYTES, Segment, SegmentHeader},
    storage::{SegmentFile, Storage, is_shortage},
};

/// How long to wait before asking a full disk again.
const REFUSED_PAUSE: Duration = Duration::from_millis(200);
/// How long to wait before asking again for a descriptor.
const SHORTAGE_PAUSE: Duration = Duration::from_millis(20);
/// How often the journal looks up while it waits for a segment in the making.
const WAIT_STEP: Duration = Duration::from_millis(5);

enum Order<F> {
    Make,
    /// Make what was written to a segment durable; it ends with this seq.
    Sync(Segment<F>, u64),
}

type Delivery<F> = Result<Segment<F>, JournalError>;

#[derive(Default)]
struct Signals {
    /// Set by [`Maker::stop`], read by the thread between slices.
    is_stopping: AtomicBool,
    /// Set by the thread before it delivers an error (Release), read by the journal (Acquire).
    is_failed: AtomicBool,
    /// The newest seq that an [`Order::Sync`] made durable (Release), read by the journal
    /// (Acquire).
    synced: AtomicU64,
}

/// Who carries the orders out.
enum Hands {
    /// A thread; `None` once it has ended.
    Thread(Option<JoinHandle<()>>),
    /// Whoever holds the maker: one order a call. Returns whether anything was done.
    Own(Box<dyn FnMut() -> bool + Send>),
}

/// The journal's end.
pub(super) struct Maker<F> {
    /// `None` only while dropping.
    orders: Option<SyncSender<Order<F>>>,
    deliveries: Receiver<Delivery<F>>,
    signals: Arc<Signals>,
    room: Room,
    hands: Hands,
}

impl<F: SegmentFile> Maker<F> {
    /// Starts the thread, unless there is to be none. The first segment that it makes is `next`;
    /// `under_way` is how many may be ordered, or found ready beforehand, at once.
    pub(super) fn start<S: Storage<File = F>>(
        storage: Arc<S>,
        next: SegmentHeader,
        under_way: usize,
        room: Room,
        has_thread: bool,
    ) -> io::Result<Maker<F>> {
        // Each segment is ordered once and left behind once.
        let (orders, inbox) = sync_channel(2 * under_way + 2);
        let (outbox, deliveries) = sync_channel(under_way + 1);
        let signals = Arc::new(Signals::default());
        let mut workshop = Workshop {
            storage,
            next,
            signals: Arc::clone(&signals),
            room: room.clone(),
            outbox,
            waits: has_thread,
            is_put_off: false,
        };
        let hands = if has_thread {
            let thread = thread::Builder::new().name("journal-maker".to_owned());
            Hands::Thread(Some(thread.spawn(move || workshop.run(&inbox))?))
        } else {
            Hands::Own(Box::new(move || workshop.step(&inbox)))
        };
        Ok(Maker { orders: Some(orders), deliveries, signals, room, hands })
    }

    /// Carries out an order, where there is no thread for it. Returns whether anything was done.
    pub(super) fn step(&mut self) -> bool {
        match &mut self.hands {
            Hands::Thread(_) => false,
            Hands::Own(step) => step(),
        }
    }

    /// Orders another segment.
    pub(super) fn order(&self) {
        self.send(Order::Make);
    }

    /// Orders that `segment`, written up to `seq`, be made durable.
    pub(super) fn leave(&self, segment: Segment<F>, seq: u64) {
        self.send(Order::Sync(segment, seq));
    }

    fn send(&self, order: Order<F>) {
        let orders = self.orders.as_ref().expect("only dropping takes it");
        // A maker that failed is gone; its error waits among the deliveries.
        let _ = orders.send(order);
    }

    /// The newest seq that was made durable by [`leave`](Self::leave).
    pub(super) fn synced(&self) -> u64 {
        self.signals.synced.load(Ordering::Acquire)
    }

    /// What made it stop, if anything did. Segments delivered before go to `ready`.
    pub(super) fn failure(&self, mut ready: impl FnMut(Segment<F>)) -> Option<JournalError> {
        if !self.signals.is_failed.load(Ordering::Acquire) {
            return None;
        }
        loop {
            match self.deliveries.recv() {
                Ok(Ok(segment)) => ready(segment),
                Ok(Err(error)) => return Some(error),
                Err(_) => return Some(JournalError::Stopped),
            }
        }
    }

    /// The next segment; waits while one is being made.
    pub(super) fn take(&mut self) -> Result<Segment<F>, JournalError> {
        while let Hands::Own(step) = &mut self.hands {
            match self.deliveries.try_recv() {
                Ok(delivery) => return delivery,
                Err(TryRecvError::Disconnected) => return Err(JournalError::Stopped),
                Err(TryRecvError::Empty) => {}
            }
            if !step() && self.room.is_refused() {
                return Err(JournalError::Full);
            }
        }
        loop {
            match self.deliveries.recv_timeout(WAIT_STEP) {
                Ok(delivery) => return delivery,
                Err(RecvTimeoutError::Timeout) if !self.room.is_refused() => {}
                Err(RecvTimeoutError::Timeout) => return Err(JournalError::Full),
                Err(RecvTimeoutError::Disconnected) => return Err(JournalError::Stopped),
            }
        }
    }
}

impl<F> Maker<F> {
    /// Ends the thread, after the segments left to it are synced.
    pub(super) fn finish(mut self) -> Result<(), JournalError> {
        self.stop();
        self.deliveries.try_iter().find_map(Result::err).map_or(Ok(()), Err)
    }

    fn stop(&mut self) {
        self.signals.is_stopping.store(true, Ordering::Relaxed);
        self.orders = None;
        match &mut self.hands {
            Hands::Thread(thread) => {
                if let Some(thread) = thread.take() {
                    thread.thread().unpark();
                    // If it panicked, it has said so itself.
                    let _ = thread.join();
                }
            }
            Hands::Own(step) => while step() {},
        }
    }
}

impl<F> Drop for Maker<F> {
    fn drop(&mut self) {
        // Without a thread there is nothing to wait for: what was ordered is not carried out.
        if let Hands::Thread(_) = self.hands {
            self.stop();
        }
    }
}

/// The thread's end.
struct Workshop<S: Storage> {
    storage: Arc<S>,
    next: SegmentHeader,
    signals: Arc<Signals>,
    room: Room,
    outbox: SyncSender<Delivery<S::File>>,
    /// A refusal of the disk is waited out; otherwise the segment is put off.
    waits: bool,
    is_put_off: bool,
}

impl<S: Storage> Workshop<S> {
    fn run(&mut self, inbox: &Receiver<Order<S::File>>) {
        for order in inbox {
            if !self.carry_out(order) {
                return;
            }
        }
    }

    /// One order, if there is any. Returns whether it was carried out.
    fn step(&mut self, inbox: &Receiver<Order<S::File>>) -> bool {
        if self.signals.is_failed.load(Ordering::Relaxed) {
            return false;
        }
        let order = if self.is_put_off { Ok(Order::Make) } else { inbox.try_recv() };
        self.is_put_off = false;
        order.is_ok_and(|order| self.carry_out(order)) && !self.is_put_off
    }

    /// Returns whether it can go on.
    fn carry_out(&mut self, order: Order<S::File>) -> bool {
        let done = match order {
            Order::Make => self.make(),
            Order::Sync(segment, seq) => self.sync(&segment, seq),
        };
        if let Err(error) = done {
            self.signals.is_failed.store(true, Ordering::Release);
            let _ = self.outbox.send(Err(error));
            return false;
        }
        true
    }

    fn make(&mut self) -> Result<(), JournalError> {
        if self.signals.is_stopping.load(Ordering::Relaxed) {
            return Ok(());
        }
        let (signals, room, waits) = (&self.signals, &self.room, self.waits);
        let is_put_off = &mut self.is_put_off;
        let mut go_on = |refusal: Option<&io::Error>| {
            let pause = match refusal {
                // Other descriptors are closed sooner or later. Until then the journal waits when
                // its segments are used up; nobody is refused, and nothing ends.
                Some(refusal) if is_shortage(refusal) => SHORTAGE_PAUSE,
                Some(_) => {
                    room.set_refused(true);
                    REFUSED_PAUSE
                }
                None => return !signals.is_stopping.load(Ordering::Relaxed),
            };
            if waits {
                thread::park_timeout(pause);
            } else {
                *is_put_off = true;
            }
            waits && !signals.is_stopping.load(Ordering::Relaxed)
        };
        if let Some(segment) = segment::make(&*self.storage, self.next, &mut go_on)? {
            assert!(segment.index == self.next.index);
            self.room.add_made(segment.bytes - HEADER_BYTES);
            self.room.set_refused(false);
            self.next.index += 1;
            let _ = self.outbox.send(Ok(segment));
        }
        Ok(())
    }

    fn sync(&self, segment: &Segment<S::File>, seq: u64) -> Result<(), JournalError> {
        assert!(seq >= self.signals.synced.load(Ordering::Relaxed));
        segment.file.sync().map_err(JournalError::disk("sync", &segment.name))?;
        self.signals.synced.store(seq, Ordering::Release);
        Ok(())
    }
}
