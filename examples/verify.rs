//! Says whether a receipt is of a copy of a journal, and whether signed heads are: a verifier that
//! uses nothing of the server, only BLAKE3 and Ed25519, so that nobody has to trust the server.
//!
//! ```text
//! cargo run --example verify -- DIR [--receipt HEX] [--heads FILE] [--key HEX]
//! ```
//!
//! `DIR` is a copy of a data folder. Without `--heads` the heads in `DIR/heads/log` are checked;
//! a `FILE` is what `/v1/heads` showed at some time. With `--key` no other public key counts. It
//! ends with 0 for yes, 1 for no, 2 if it was asked wrongly.
//!
//! # The format, byte by byte
//!
//! All is in **cells** of 64 bytes; integers are little-endian.
//!
//! - `DIR/journal/00000001.seg`, `00000002.seg`, ...: a header cell (`[0..8]` is `DBjourn` 0xDB,
//!   `[24..40]` the journal's id), then batches, one after another, then zeros.
//! - **Batch**: a header cell (`[0..4]` is 0xDB `BAT`, `[4..8]` the number of record cells,
//!   `[8..16]` the seq of its first record, `[16..20]` the number of records), the record cells, a
//!   seal cell (`[0..32]` the chain value).
//! - **Chain**: BLAKE3 of the chain value before, the batch's header and its record cells. Before
//!   the first batch it is BLAKE3's `derive_key` of the context `doorbuster 2026 journal chain v1`
//!   and the journal's id.
//! - **Record**: a head cell and the `[2..4]` cells behind it that belong to it. Records are
//!   numbered without a gap from 1: that is their **seq**. `[0]` is the kind: 1 a purchase, 6 a
//!   basket, 8 a purchase or basket that waits; 2 confirm, 3 release, 4 extend, 5 cancel, 7 expire,
//!   9 offer, 10 leave, 13 an entry's turn in a draw; 16 a new sale. `[8..10]` is the sale's
//!   number. An order is called by the seq of its purchase; the kinds from confirm to an entry's
//!   turn name theirs in `[32..40]`.
//! - **Purchase** (1, 6, 8): `[10..12]` the item's number in the sale (0 of a basket), `[12..16]`
//!   units, `[16..32]` the buyer as the lowest three bits of `[1]` say: 1 a number, 2 text padded
//!   with zeros, 3 and 4 a UUID with small and capital letters, 5 the first 16 bytes of a text that
//!   goes on in the next cell at `[8..56]`. A basket's lines lie three to a cell in those cells
//!   behind it that begin with 131: `[1]` of them, at 16, 32 and 48 the item's number.
//! - **New sale** (16): behind the head its name, a cell of numbers, and for each item its name and
//!   a cell of numbers; names are padded with zeros.
//! - **Receipt**: 48 hex digits: the record's seq (8 bytes, big-endian) and the first 16 bytes of
//!   the chain value after the batch that holds it.
//! - **Head**: `{"folder":"..","seq":..,"chain":"..","time":..,"key":"..","signature":".."}`, the
//!   last record of a batch and the chain value after it. Signed with Ed25519 is the text
//!   `doorbuster-head-v1`, `folder ..`, `seq ..`, `chain ..`, `time ..`, each with a line feed.

use std::collections::HashMap;
use std::{fs, path::Path, process::ExitCode};

const CELL: usize = 64;

/// A batch: the seq of its first record, its records, and the chain value after it.
struct Batch<'a> {
    first: u64,
    records: Vec<&'a [u8]>,
    chain: [u8; 32],
}

fn u16_at(bytes: &[u8], at: usize) -> usize {
    usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]))
}

fn u32_at(bytes: &[u8], at: usize) -> usize {
    u16_at(bytes, at) | u16_at(bytes, at + 2) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u32_at(bytes, at) as u64 | (u32_at(bytes, at + 4) as u64) << 32
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    Some(digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect())
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// Gives every batch that is whole to `visit`, and returns the journal's id and its last seq. It
/// ends at the first place where no whole batch lies that continues the chain.
fn walk(dir: &Path, mut visit: impl FnMut(&Batch)) -> Result<([u8; 16], u64), String> {
    let (mut id, mut chain, mut seq) = ([0; 16], [0; 32], 0);
    for index in 1_u32.. {
        let path = dir.join(format!("journal/{index:08}.seg"));
        let Ok(segment) = fs::read(&path) else {
            let nothing = || format!("there is no journal at {}", path.display());
            return if index > 1 { Ok((id, seq)) } else { Err(nothing()) };
        };
        if segment.len() < CELL || segment[..8] != *b"DBjourn\xDB" {
            return Err(format!("{} is no segment of a journal", path.display()));
        }
        if index == 1 {
            id.copy_from_slice(&segment[24..40]);
            chain = blake3::derive_key("doorbuster 2026 journal chain v1", &id);
        } else if segment[24..40] != id {
            return Err(format!("{} is of another journal", path.display()));
        }
        let mut at = CELL;
        while let Some(header) = segment.get(at..at + CELL).filter(|it| it[..4] == *b"\xDBBAT") {
            let end = at + CELL + u32_at(header, 4) * CELL;
            let Some(seal) = segment.get(end..end + CELL) else { return Ok((id, seq)) };
            let mut hasher = blake3::Hasher::new();
            hasher.update(&chain).update(&segment[at..end]);
            let next: [u8; 32] = hasher.finalize().into();
            let mut records = Vec::new();
            let mut rest = &segment[at + CELL..end];
            while !rest.is_empty() {
                let len = (1 + u16_at(rest, 2)) * CELL;
                let Some((record, behind)) = rest.split_at_checked(len) else { break };
                records.push(record);
                rest = behind;
            }
            let first = u64_at(header, 8);
            let is_whole = seal[..32] == next && rest.is_empty() && first == seq + 1;
            if !is_whole || records.len() != u32_at(header, 16) {
                return Ok((id, seq));
            }
            seq += records.len() as u64;
            chain = next;
            visit(&Batch { first, records, chain });
            at = end + CELL;
        }
    }
    unreachable!("a folder has an end")
}

fn buyer(record: &[u8]) -> String {
    let bits = &record[16..32];
    let number = bits.iter().rev().fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
    let digits = format!("{number:032x}");
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    match record[1] & 7 {
        1 => number.to_string(),
        3 => parts.join("-"),
        4 => parts.join("-").to_uppercase(),
        5 => text(bits) + &text(&record[CELL + 8..CELL + 56]),
        _ => text(bits),
    }
}

fn is_purchase(record: &[u8]) -> bool {
    matches!(record[0], 1 | 6 | 8)
}

/// The numbers of the items of a purchase, each once.
fn items(record: &[u8]) -> Vec<usize> {
    let mut items = vec![u16_at(record, 10)];
    if items == [0] {
        let cells = record[CELL..].chunks(CELL).filter(|cell| cell[0] == 131);
        let lines = cells.flat_map(|cell| (1..=usize::from(cell[1])).map(|n| u16_at(cell, 16 * n)));
        items = lines.fold(Vec::new(), |mut items, item| {
            if !items.contains(&item) {
                items.push(item);
            }
            items
        });
    }
    items
}

/// What a receipt proves, in a sentence.
fn check_receipt(dir: &Path, receipt: &str) -> Result<String, String> {
    let bytes = unhex(receipt).filter(|bytes| bytes.len() == 24);
    let bytes = bytes.ok_or("a receipt is 48 hex digits")?;
    let wanted = bytes[..8].iter().fold(0, |seq, byte| seq << 8 | u64::from(*byte));
    // First the record: which order it is about.
    let mut found = None;
    let (_, last) = walk(dir, |batch| {
        let Some(index) = wanted.checked_sub(batch.first) else { return };
        if let Some(record) = batch.records.get(index as usize) {
            let order = match record[0] {
                2..=5 | 7 | 9 | 10 | 13 => u64_at(record, 32),
                _ => wanted,
            };
            found = Some((batch.chain, record[0], u16_at(record, 8), order));
        }
    })?;
    let (chain, kind, sale, order) =
        found.ok_or(format!("it names seq {wanted}; this copy is whole up to seq {last}"))?;
    if chain[..16] != bytes[8..] {
        let (its, ours) = (hex(&bytes[8..]), hex(&chain[..16]));
        return Err(format!("it has {its} at seq {wanted}, where this copy has {ours}"));
    }
    // Then the orders up to it.
    let (mut in_sale, mut in_items) = (0, HashMap::<usize, u64>::new());
    let (mut names, mut sentence) = (Vec::new(), None);
    walk(dir, |batch| {
        for (seq, record) in (batch.first..=order).zip(&batch.records) {
            if record[0] == 16 && u16_at(record, 8) == sale {
                names = record[CELL..].chunks(CELL).map(text).collect();
            }
            if !is_purchase(record) || u16_at(record, 8) != sale {
                continue;
            }
            in_sale += 1;
            let items = items(record);
            items.iter().for_each(|item| *in_items.entry(*item).or_default() += 1);
            if seq == order {
                let name = |at: usize| names.get(at).cloned().unwrap_or_default();
                let place = |item: &usize| {
                    format!(", number {} of item {}", in_items[item], name(2 * item))
                };
                let places: String = items.iter().map(place).collect();
                let (buyer, sale) = (buyer(record), name(0));
                sentence = Some(format!(
                    "order {order} of buyer {buyer} is number {in_sale} of sale {sale}{places}"
                ));
            }
        }
    })?;
    let about = sentence.unwrap_or_else(|| "it is about no order".to_owned());
    Ok(format!("seq {wanted} is a record of kind {kind}; {about}"))
}

/// The value of a field in a head.
fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let behind = head.split_once(&format!("\"{name}\":"))?.1;
    Some(behind.split([',', '}']).next()?.trim().trim_matches('"'))
}

/// What the heads prove, in a sentence.
fn check_heads(dir: &Path, text: &str, key: Option<&str>) -> Result<String, String> {
    let mut ends = HashMap::new();
    let mut wanted = HashMap::<u64, Vec<String>>::new();
    let mut count = 0;
    // Whatever lies around them: a head is what stands in braces and has a signature.
    for head in text.split('{').filter(|head| head.contains("\"signature\"")) {
        let get = |name| field(head, name).ok_or(format!("a head without {name}: {head}"));
        let seq: u64 = get("seq")?.parse().map_err(|_| "a head whose seq is no number")?;
        let (folder, chain, time) = (get("folder")?, get("chain")?, get("time")?);
        let signed =
            format!("doorbuster-head-v1\nfolder {folder}\nseq {seq}\nchain {chain}\ntime {time}\n");
        let its_key = get("key")?;
        if key.is_some_and(|key| key != its_key) {
            return Err(format!("the head of seq {seq} is signed with another key, {its_key}"));
        }
        let (public, signature) = (unhex(its_key), unhex(get("signature")?));
        let (public, signature) = public.zip(signature).ok_or("a head that is not in hex")?;
        ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, public)
            .verify(signed.as_bytes(), &signature)
            .map_err(|_| format!("the signature of the head of seq {seq} is wrong"))?;
        wanted.entry(seq).or_default().push(format!("{folder} {chain}"));
        count += 1;
    }
    if count == 0 && !text.trim().is_empty() {
        return Err("there is no head in the text that was given".to_owned());
    }
    let (id, last) = walk(dir, |batch| {
        let end = batch.first + batch.records.len() as u64 - 1;
        if wanted.contains_key(&end) {
            ends.insert(end, hex(&batch.chain));
        }
    })?;
    for (seq, heads) in wanted {
        let ours = ends.get(&seq).map(|chain| format!("{} {chain}", hex(&id)));
        if heads.iter().any(|head| ours.as_ref() != Some(head)) {
            return Err(format!("the head of seq {seq} is not of this copy, whole up to {last}"));
        }
    }
    Ok(format!("{count} signed heads are of this copy, whole up to seq {last}"))
}

/// What is said to so many words; an error if they ask for nothing that can be said.
pub(crate) fn run(words: &[String]) -> Result<Vec<Result<String, String>>, String> {
    let usage = "verify DIR [--receipt HEX] [--heads FILE] [--key HEX]";
    let (dir, options) = words.split_first().ok_or(usage)?;
    let mut asked = HashMap::new();
    for pair in options.chunks(2) {
        match (pair[0].as_str(), pair.get(1)) {
            (name @ ("--receipt" | "--heads" | "--key"), Some(value)) => asked.insert(name, value),
            _ => return Err(usage.to_owned()),
        };
    }
    let dir = Path::new(dir);
    let log = dir.join("heads/log");
    let path = asked.get("--heads").map_or(log.as_path(), |path| Path::new(path.as_str()));
    let heads = match fs::read_to_string(path) {
        Ok(heads) => heads,
        Err(_) if !asked.contains_key("--heads") => String::new(),
        Err(why) => return Err(format!("{}: {why}", path.display())),
    };
    let mut said = vec![check_heads(dir, &heads, asked.get("--key").map(|key| key.as_str()))];
    if let Some(receipt) = asked.get("--receipt") {
        said.push(check_receipt(dir, receipt));
    }
    Ok(said)
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let said = match run(&words) {
        Ok(said) => said,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::from(2);
        }
    };
    for sentence in &said {
        match sentence {
            Ok(sentence) => println!("YES: {sentence}"),
            Err(why) => println!("NO: {why}"),
        }
    }
    ExitCode::from(u8::from(said.iter().any(Result::is_err)))
}
