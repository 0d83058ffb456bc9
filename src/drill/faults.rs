//! What goes wrong in a round: drawn from the seed before it begins, so that it can be printed, and
//! repeated.
//!
//! It does nothing to anybody. Invariant: a seed has one plan, whatever happens in the round.

use std::fmt;

use super::disk::{Cut, Deed};
use super::random::Random;

/// The longest life before the last, in steps.
const STEPS_MAX: u64 = 2_500;

/// A fault, as it is planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A deed of the disk fails at the so-manieth time from here.
    DiskFails(Deed, u64),
    /// Writes are short.
    DiskShort(usize),
    /// Files may grow by so many bytes, for so many steps.
    DiskFull(usize, u64),
    /// Every sync takes so many ms.
    DiskSlow(u64),
    /// So many files cannot be opened.
    Shortage(u64),
    /// The wall clock steps, ms.
    ClockSteps(i64),
    /// Time passes, ms, and nobody does anything.
    TimePasses(u64),
    /// A buyer's connection breaks.
    Reset(usize),
    /// A buyer sends no more, and still listens.
    HalfClose(usize),
    /// A room does nothing for so many steps.
    Stall(Room, u64),
    /// The sink's other side takes nothing, so many times.
    SinkRefuses(u64),
    /// It takes what it is given, and its answer is lost.
    SinkLosesAnswer,
    /// It loses so many of the changes that it took last.
    SinkForgets(u64),
    /// Its checkpoint cannot be written.
    CheckpointFails,
}

/// Who can be kept from working.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    Shard(usize),
    Matcher,
    Journal,
    Maker,
    Sink,
    Operator,
    Keeper,
}

/// How a life ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The power goes.
    PowerCut(Cut),
    /// The process goes, and what it wrote stays.
    Kill,
    /// It is told to stop.
    Stop,
}

/// What is done to a copy of the disk that was synced: it must be noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Damage {
    /// A bit of what was synced is another.
    Bit,
    /// A segment before the last is as it was made.
    Stale,
    /// Two segments have changed places.
    Swapped,
    /// A segment before the last is missing.
    Missing,
    /// A bit of the newest snapshot is another: it is passed over for what is before it.
    Snapshot,
}

/// What goes wrong while the journal is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Amid {
    /// The deed fails at the so-manieth time.
    Fails(Deed, u64),
    /// The power goes in its midst.
    Dies(Deed, u64),
}

/// One life of the house.
#[derive(Clone, Debug)]
pub(super) struct Life {
    /// What fails while the journal is read.
    pub(super) at_start: Option<Amid>,
    /// By the step at which they come.
    pub(super) faults: Vec<(u64, Fault)>,
    pub(super) steps: u64,
    /// The power goes, if it does, in the midst of this; otherwise between two steps.
    pub(super) amid: Option<(Deed, u64)>,
    pub(super) end: End,
    pub(super) damage: Damage,
}

/// What goes wrong in a round.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(super) lives: Vec<Life>,
}

impl Plan {
    /// Draws it. The number of buyers says whose connections can break.
    pub(super) fn draw(random: &mut Random, buyers: usize, shards: usize) -> Plan {
        let lives = 1 + random.below(3);
        Plan { lives: (0..lives).map(|_| life(random, buyers, shards)).collect() }
    }
}

fn life(random: &mut Random, buyers: usize, shards: usize) -> Life {
    let steps = 50 + random.below(STEPS_MAX - 50);
    let cut = random.pick(&[Cut::Lost, Cut::Kept, Cut::Torn, Cut::Reordered, Cut::Flipped]);
    let end = match random.below(8) {
        0 => End::Kill,
        1 => End::Stop,
        _ => End::PowerCut(cut),
    };
    let at_start = match random.below(6) {
        0 => Some(Amid::Fails(deed(random), random.below(4))),
        1 => Some(Amid::Dies(random.pick(&[Deed::Write, Deed::Sync]), random.below(4))),
        _ => None,
    };
    let is_cut = matches!(end, End::PowerCut(_));
    let amid = (is_cut && random.below(3) > 0)
        .then(|| (random.pick(&[Deed::Write, Deed::Sync, Deed::Rename]), random.below(3)));
    let count = random.below(10);
    let mut faults: Vec<(u64, Fault)> =
        (0..count).map(|_| (random.below(steps), fault(random, buyers, shards))).collect();
    faults.sort_by_key(|(step, _)| *step);
    let damage = random.pick(&[
        Damage::Bit,
        Damage::Stale,
        Damage::Swapped,
        Damage::Missing,
        Damage::Snapshot,
    ]);
    Life { at_start, faults, steps, amid, end, damage }
}

fn deed(random: &mut Random) -> Deed {
    random.pick(&[Deed::Write, Deed::Sync, Deed::Create, Deed::Rename, Deed::SyncNames])
}

fn fault(random: &mut Random, buyers: usize, shards: usize) -> Fault {
    match random.below(18) {
        0 | 16 | 17 => Fault::DiskFails(deed(random), random.below(6)),
        1 => Fault::DiskShort(1 + random.place(200)),
        2 | 3 => Fault::DiskFull(random.place(20_000), 20 + random.below(300)),
        4 => Fault::DiskSlow(1 + random.below(200)),
        5 => Fault::Shortage(1 + random.below(5)),
        6 | 7 => Fault::ClockSteps(
            random.pick(&[-3_600_000, -1_000, -20, 20, 1_000, 3_600_000]) + random.below(20) as i64,
        ),
        8 => Fault::TimePasses(random.pick(&[5, 60, 1_500, 400_000])),
        9 => Fault::Reset(random.place(buyers)),
        10 => Fault::HalfClose(random.place(buyers)),
        11 | 12 => {
            let shard = Room::Shard(random.place(shards));
            let behind = random.pick(&[Room::Sink, Room::Keeper]);
            let room = [shard, Room::Matcher, Room::Journal, Room::Maker, behind];
            Fault::Stall(random.pick(&room), 10 + random.below(200))
        }
        13 => Fault::SinkRefuses(1 + random.below(4)),
        14 => random.pick(&[Fault::SinkLosesAnswer, Fault::CheckpointFails]),
        _ => Fault::SinkForgets(1 + random.below(5)),
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::DiskFails(deed, nth) => write!(f, "{} fails after {nth} more", deed.word()),
            Fault::DiskShort(bytes) => write!(f, "writes take at most {bytes} bytes"),
            Fault::DiskFull(bytes, steps) => {
                write!(f, "the disk is full after {bytes} more bytes, for {steps} steps")
            }
            Fault::DiskSlow(ms) => write!(f, "a sync takes {ms} ms"),
            Fault::Shortage(count) => write!(f, "no descriptor for {count} files"),
            Fault::ClockSteps(ms) => write!(f, "the wall clock steps by {ms} ms"),
            Fault::TimePasses(ms) => write!(f, "{ms} ms pass"),
            Fault::Reset(buyer) => write!(f, "buyer {buyer}'s connection breaks"),
            Fault::HalfClose(buyer) => write!(f, "buyer {buyer} sends no more"),
            Fault::Stall(room, steps) => write!(f, "{room:?} does nothing for {steps} steps"),
            Fault::SinkRefuses(times) => write!(f, "the sink refuses {times} times"),
            Fault::SinkLosesAnswer => write!(f, "the sink's answer is lost"),
            Fault::SinkForgets(count) => write!(f, "the sink loses its last {count} changes"),
            Fault::CheckpointFails => write!(f, "the checkpoint cannot be written"),
        }
    }
}

impl Deed {
    pub(super) fn word(self) -> &'static str {
        match self {
            Deed::Write => "a write",
            Deed::Sync => "a sync",
            Deed::Create => "creating a file",
            Deed::Rename => "a rename",
            Deed::SyncNames => "a sync of the folder",
        }
    }
}

impl End {
    /// What it is called in the counts.
    pub(super) fn word(self) -> &'static str {
        match self {
            End::PowerCut(Cut::Lost) => "power cut, unsynced writes lost",
            End::PowerCut(Cut::Kept) => "power cut, unsynced writes kept",
            End::PowerCut(Cut::Torn) => "power cut, a write torn",
            End::PowerCut(Cut::Reordered) => "power cut, writes reordered",
            End::PowerCut(Cut::Flipped) => "power cut, a bit of a torn write flipped",
            End::Kill => "process killed",
            End::Stop => "clean stop",
        }
    }
}

impl Damage {
    /// What it is called in the counts.
    pub(super) fn word(self) -> &'static str {
        match self {
            Damage::Bit => "synced bit flipped",
            Damage::Stale => "segment stale",
            Damage::Swapped => "segments swapped",
            Damage::Missing => "segment missing",
            Damage::Snapshot => "bit of a snapshot flipped",
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, life) in (1..).zip(&self.lives) {
            writeln!(f, "  life {number}, {} steps, {}", life.steps, life.end.word())?;
            match life.at_start {
                Some(Amid::Fails(deed, nth)) => {
                    writeln!(f, "    at the start: {} fails after {nth} more", deed.word())?;
                }
                Some(Amid::Dies(deed, nth)) => {
                    writeln!(
                        f,
                        "    at the start: the power goes amid {} after {nth}",
                        deed.word()
                    )?;
                }
                None => {}
            }
            for (step, fault) in &life.faults {
                writeln!(f, "    step {step:>4}: {fault}")?;
            }
            if let Some((deed, nth)) = life.amid {
                writeln!(f, "    the power goes amid {} after {nth} more", deed.word())?;
            }
            writeln!(f, "    in a copy of what it left: {}", life.damage.word())?;
        }
        write!(f, "  then everything works, and all must be answered")
    }
}
