//! A snapshot that was changed. With its checksums left as they are it is passed over for the one
//! before, or holds the state that it held. With its checksums made anew, as if by somebody who
//! knows the format, it is refused, or its state proves itself; never does it end the reader, or
//! take memory without a bound.
//!
//! The first byte of an input says which checksums are made anew, the rest are edits.

use doorbuster::chains::chains;
use doorbuster::journal::{JournalError, read_snapshot};
use doorbuster::keeper::{Unremembered, remember};
use doorbuster::sale::{Bounds, Seed, Shop};

use super::{Reader, Target};
use crate::edits::{Edit, edits};
use crate::folder;
use crate::meter;

const HEADER: usize = 256;
const LINE: usize = 64;

/// What the shop of the folder holds.
const BOUNDS: Bounds = Bounds {
    orders_max: 6_000,
    buyers_max: 6_050,
    long_texts_max: 6_000,
    lines_max: 100,
    waiters_max: 100,
    sales_max: 4,
};

pub(super) const TARGET: Target = Target { name: "snapshot", words: &["\u{7f}"], max: 161, make };

/// What is made anew.
struct Anew {
    header: bool,
    checks: bool,
    hash: bool,
    lengths: bool,
}

impl Anew {
    fn of(byte: u8) -> Anew {
        let bit = |bit: u8| byte >> bit & 1 > 0;
        Anew { header: bit(0), checks: bit(1), hash: bit(2), lengths: bit(3) }
    }

    fn is_none(&self) -> bool {
        !(self.header || self.checks || self.hash || self.lengths)
    }
}

fn seed() -> Seed {
    Seed::new([1, 2, 3, 4])
}

fn make() -> Reader {
    let disk = folder::disk();
    let [(older, _), (newest, content)] = folder::SNAPSHOTS;
    let hash_of = |seq| read_snapshot(&disk, seq, |_| ()).expect("it is whole").0.state_hash;
    let hashes = [(older, hash_of(older)), (newest, hash_of(newest))];
    let tables = usize::try_from(Shop::bytes_needed(&BOUNDS)).expect("a small shop");
    Box::new(move |input, seen| {
        let (first, rest) = input.split_first().unwrap_or((&0, &[]));
        let anew = Anew::of(*first);
        let mut bytes = content.to_vec();
        edits(rest).for_each(|edit| change(&edit, &mut bytes));
        repair(&mut bytes, newest, &anew);
        // The parts of it that two threads hand each other, the lines of the chain, and two shops.
        let bound = 8 * bytes.len() + 3 * tables + (1 << 20);
        let disk = disk.copy();
        disk.alter(&folder::snapshot_name(newest), |there| *there = bytes);
        let (mut writer, _reader) = chains(1024);
        let remembered = meter::within(bound, "a memory", || {
            remember(&disk, BOUNDS, seed, |at| writer.push(at.seq, &at.chain))
        });
        match remembered {
            Err(Unremembered::TooSmall { why, .. }) => seen.say(&why),
            Err(why) => panic!("the one before stands for it: {why}"),
            Ok(memory) => {
                let seq = memory.shop.seq();
                let hash = hashes.iter().find(|(of, _)| *of == seq).map(|(_, hash)| *hash);
                let is_as_ever = hash == Some(memory.shop.state_hash());
                let is_older = seq == older;
                assert!(is_as_ever || !(is_older || anew.is_none()), "another state: seq {seq}");
                seen.mark(&(is_as_ever, is_older, *first));
            }
        }
        let taken = meter::within(bound, "a snapshot", || {
            read_snapshot(&disk, newest, |lines| {
                let chains = lines.chains().len();
                (chains, Shop::from_image(BOUNDS, seed(), lines))
            })
        });
        match taken {
            Err(JournalError::Snapshot { what, .. }) => seen.say(&what),
            Err(why) => panic!("the disk is well: {why}"),
            Ok((_, (chains, Err(why)))) => {
                seen.count("chains", chains);
                seen.say(&why.to_string());
            }
            Ok((_, (chains, Ok(shop)))) => {
                seen.count("chains", chains);
                is_lawful(&shop);
            }
        }
    })
}

/// A state that proved itself is one that can be kept.
fn is_lawful(shop: &Shop) {
    let totals = shop.prove().expect("it was proven");
    let lines = shop.image_lines();
    let again = Shop::from_image(BOUNDS, seed(), &lines[..]).expect("what was proven can be kept");
    assert_eq!(again.state_hash(), shop.state_hash(), "kept it is another");
    assert_eq!(again.prove(), Ok(totals), "kept it proves something else");
}

fn change(edit: &Edit, bytes: &mut Vec<u8>) {
    // The header with the lines, or the lines alone: so both get their share.
    let kept = if edit.file.is_multiple_of(3) { 0 } else { HEADER };
    edit.apply(bytes, kept);
}

/// Makes checksums anew; the folder's snapshots are of one chunk.
fn repair(bytes: &mut [u8], seq: u64, anew: &Anew) {
    let Some((header, lines)) = bytes.split_at_mut_checked(HEADER) else { return };
    let whole = lines.len() / LINE;
    let Some(count) = whole.checked_sub(1) else { return };
    let (lines, check) = lines[..whole * LINE].split_at_mut(count * LINE);
    let number = |header: &[u8], at: usize| {
        u64::from_le_bytes(*header[at..].first_chunk().expect("a header is longer"))
    };
    if anew.lengths {
        let chain_lines = number(header, 120).min(count as u64);
        header[120..128].copy_from_slice(&chain_lines.to_le_bytes());
        header[128..136].copy_from_slice(&(count as u64 - chain_lines).to_le_bytes());
    }
    if anew.hash {
        let from = (number(header, 120) as usize).min(count) * LINE;
        header[88..120].copy_from_slice(blake3::hash(&lines[from..]).as_bytes());
    }
    if anew.checks {
        check[..4].copy_from_slice(&(count as u32).to_le_bytes());
        check[4..8].fill(0);
        check[8..16].copy_from_slice(&seq.to_le_bytes());
        let crc = crc32c::crc32c_append(crc32c::crc32c(lines), &check[..16]);
        check[16..20].copy_from_slice(&crc.to_le_bytes());
        check[20..].fill(0);
    }
    if anew.header {
        let crc = crc32c::crc32c(&header[..HEADER - 4]);
        header[HEADER - 4..].copy_from_slice(&crc.to_le_bytes());
    }
}
