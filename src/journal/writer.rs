//! The journal at work: what the matcher decided becomes durable, and only then may be told.
//! Whatever was decided while one sync ran is the next batch; a batch is one write.
//!
//! It never retries: after the first failure it writes, syncs and raises nothing ever again, for
//! the disk can no longer be trusted to say what it holds. It allocates nothing per batch.
//!
//! Invariant: with [`Durability::Fsync`], everything up to the watermark is synced.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use crossbeam::utils::CachePadded;

use super::{
    Durability, JournalError, JournalOptions, Room, Watermark,
    batch::{self, BatchHeader, Chain, FRAME_CELLS, batch_bytes, record_cells},
    maker::Maker,
    segment::{HEADER_BYTES, Segment},
    storage::{SegmentFile, Storage, write_all},
};
use crate::{
    bell::Bell,
    chains::ChainWriter,
    clock,
    message::{CELL_BYTES, Cell},
    metrics::JournalCounters,
    mutant::{self, Mutant},
    ring::Reader,
};

/// Where the journal goes on.
pub(super) struct Position<F> {
    pub(super) active: Segment<F>,
    pub(super) offset: u64,
    pub(super) next_seq: u64,
    /// The newest seq known to be synced.
    pub(super) synced: u64,
    pub(super) chain: Chain,
}

/// Makes what comes through its ring durable.
pub struct Journal<S: Storage> {
    ring: Reader<Cell>,
    bells: Vec<Arc<Bell>>,
    counters: Arc<CachePadded<JournalCounters>>,
    chains: ChainWriter,
    watermark: Watermark,
    durability: Durability,
    position: Position<S::File>,
    /// Segments that come after the active one.
    ready: VecDeque<Segment<S::File>>,
    segments_ahead: usize,
    /// Segments ordered and not yet taken.
    ordered: usize,
    maker: Maker<S::File>,
    room: Room,
    /// One batch: header, record cells, seal.
    buffer: Vec<Cell>,
    is_stopped: bool,
}

/// How much of the ring the next batch takes.
struct Gathered {
    cells: usize,
    records: u32,
    /// Nothing fits, though there is something.
    is_segment_full: bool,
}

impl<S: Storage> Journal<S> {
    #[allow(clippy::too_many_arguments)]
    pub(super) fn new(
        options: &JournalOptions,
        position: Position<S::File>,
        ready: VecDeque<Segment<S::File>>,
        maker: Maker<S::File>,
        room: Room,
        chains: ChainWriter,
        watermark: Watermark,
        ring: Reader<Cell>,
        bells: Vec<Arc<Bell>>,
        counters: Arc<CachePadded<JournalCounters>>,
    ) -> Journal<S> {
        assert!(watermark.seq() + 1 == position.next_seq);
        let mut journal = Journal {
            ring,
            bells,
            counters,
            chains,
            watermark,
            durability: options.durability(),
            position,
            ready,
            segments_ahead: options.segments_ahead(),
            ordered: 0,
            maker,
            room,
            buffer: vec![Cell::ZERO; options.batch_cells_max() + FRAME_CELLS],
            is_stopped: false,
        };
        journal.order_ahead();
        journal.show_room();
        journal
    }

    /// How far it is durable.
    pub fn watermark(&self) -> Watermark {
        self.watermark.clone()
    }

    /// Whether there is something to do.
    pub fn has_work(&mut self) -> bool {
        self.ring.available(1) > 0
    }

    /// Whether the ring's writer is gone and everything that came from it is written.
    pub fn is_drained(&mut self) -> bool {
        self.ring.is_finished()
    }

    /// Makes one batch of what is in the ring durable and says so. Returns its record cells.
    ///
    /// # Errors
    /// The first failure, and [`JournalError::Stopped`] ever after.
    pub fn work(&mut self) -> Result<usize, JournalError> {
        if self.is_stopped {
            return Err(JournalError::Stopped);
        }
        let done = self.batch();
        self.is_stopped = done.is_err();
        done
    }

    /// Makes a segment ahead of need, or syncs one left behind, where there is no thread for it
    /// (see [`Recovered::start_alone`](super::Recovered::start_alone)). Returns whether anything
    /// was done.
    pub fn tend(&mut self) -> bool {
        self.maker.step()
    }

    /// Ends it: syncs what is not synced yet, whatever the durability, and waits for its thread.
    ///
    /// # Errors
    /// As [`work`](Self::work).
    pub fn finish(self) -> Result<(), JournalError> {
        if self.is_stopped {
            return Err(JournalError::Stopped);
        }
        self.sync()?;
        self.maker.finish()?;
        self.chains.sync(self.position.next_seq - 1);
        Ok(())
    }

    fn batch(&mut self) -> Result<usize, JournalError> {
        let ready = &mut self.ready;
        if let Some(error) = self.maker.failure(|segment| ready.push_back(segment)) {
            return Err(error);
        }
        let mut gathered = self.gather();
        if gathered.is_segment_full {
            self.switch()?;
            gathered = self.gather();
            assert!(gathered.cells > 0, "a fresh segment holds the largest record");
        }
        let Gathered { cells, records, .. } = gathered;
        if cells == 0 {
            self.show_room();
            return Ok(0);
        }
        // The matcher may go on while the disk works.
        self.ring.release(cells);
        let last_seq = self.position.next_seq + u64::from(records) - 1;
        if self.durability == Durability::None || mutant::is(Mutant::ReplyBeforeSync) {
            self.tell(last_seq);
        }
        self.write(cells, records)?;
        if self.durability == Durability::Fsync {
            self.sync()?;
            self.position.synced = last_seq;
        }
        // Before it may be told: whoever tells of it looks there.
        self.chains.push(last_seq, &self.position.chain);
        self.chains.sync(self.position.synced);
        if self.durability != Durability::None {
            self.tell(last_seq);
        }
        // The first record is the oldest. Its time is the wall clock's, which may have stepped.
        let decided_at = self.buffer[1].head().time.to_native();
        let waited = clock::unix().saturating_sub(decided_at);
        self.counters.durable_time.record(waited, u64::from(records));
        Ok(cells)
    }

    /// Copies as many whole records as there are and fit into the buffer, behind the header.
    fn gather(&mut self) -> Gathered {
        let left = (self.position.active.bytes - self.position.offset) as usize / CELL_BYTES;
        let limit = left.min(self.buffer.len()).saturating_sub(FRAME_CELLS);
        let largest = self.buffer.len() - FRAME_CELLS;
        let available = self.ring.available(largest);
        let mut gathered = Gathered { cells: 0, records: 0, is_segment_full: false };
        while gathered.cells < available {
            let head = self.ring.get(gathered.cells);
            let end = gathered.cells + record_cells(&head);
            assert!(end - gathered.cells <= largest, "a record is larger than a batch");
            if end > available {
                break;
            }
            if end > limit {
                gathered.is_segment_full = gathered.cells == 0;
                break;
            }
            self.buffer[1 + gathered.cells] = head;
            for at in gathered.cells + 1..end {
                self.buffer[1 + at] = self.ring.get(at);
            }
            gathered.cells = end;
            gathered.records += 1;
        }
        gathered
    }

    /// Appends the batch whose records lie in the buffer.
    fn write(&mut self, cells: usize, records: u32) -> Result<(), JournalError> {
        let Position { active, offset, next_seq, synced, chain } = &mut self.position;
        *synced = self.maker.synced().max(*synced);
        let header = BatchHeader {
            cells: u32::try_from(cells).expect("bounded by BATCH_CELLS_MAX"),
            first_seq: *next_seq,
            records,
            segment: active.index,
            offset: *offset,
            synced: *synced,
        };
        let batch = &mut self.buffer[..cells + FRAME_CELLS];
        let next_chain = batch::seal(batch, &header, chain);
        assert!(*offset + batch_bytes(cells) <= active.bytes);
        write_all(&active.file, bytemuck::cast_slice(batch), *offset)
            .map_err(JournalError::disk("write", &active.name))?;
        *offset += batch_bytes(cells);
        *next_seq += u64::from(records);
        *chain = next_chain;
        self.room.add_used(batch_bytes(cells));
        self.counters.batches.add(1);
        self.counters.cells.add(cells as u64);
        self.counters.bytes.add(batch_bytes(cells));
        self.counters.batch_records.record(u64::from(records), 1);
        self.counters.batch_bytes.record(batch_bytes(cells), 1);
        self.show_room();
        Ok(())
    }

    fn sync(&self) -> Result<(), JournalError> {
        let active = &self.position.active;
        let start = Instant::now();
        if !mutant::is(Mutant::SyncSkipped) {
            active.file.sync().map_err(JournalError::disk("sync", &active.name))?;
        }
        let ns = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.counters.sync_ns.add(ns);
        self.counters.sync_ns_max.raise(ns);
        self.counters.sync_time.record(ns, 1);
        Ok(())
    }

    fn show_room(&self) {
        self.counters.room_bytes.set(self.room.bytes_made());
        self.counters.refused.set(u64::from(self.room.is_refused()));
    }

    /// Lets the answers go.
    fn tell(&self, seq: u64) {
        self.counters.durable_at.set(clock::monotonic());
        self.watermark.raise(seq);
        self.counters.seq.set(seq);
        for bell in &self.bells {
            bell.ring();
        }
    }

    /// Leaves the active segment for the next one.
    fn switch(&mut self) -> Result<(), JournalError> {
        let next = match self.ready.pop_front() {
            Some(segment) => segment,
            None => {
                assert!(self.ordered > 0, "there is always one ready or ordered");
                self.ordered -= 1;
                self.maker.take()?
            }
        };
        let active = &self.position.active;
        assert!(next.index == active.index + 1, "segments follow one another");
        self.room.add_used(active.bytes - self.position.offset);
        let left = std::mem::replace(&mut self.position.active, next);
        self.position.offset = HEADER_BYTES;
        if self.durability != Durability::Fsync {
            self.maker.leave(left, self.position.next_seq - 1);
        }
        self.counters.segments.add(1);
        self.order_ahead();
        Ok(())
    }

    fn order_ahead(&mut self) {
        while self.ready.len() + self.ordered < self.segments_ahead {
            self.maker.order();
            self.ordered += 1;
        }
    }
}
