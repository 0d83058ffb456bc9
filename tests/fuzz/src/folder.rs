//! A journal with snapshots to be changed: the committed folder of the newest format version.

use crate::crash_disk::CrashDisk;

macro_rules! file {
    ($name:literal) => {
        ($name, include_bytes!(concat!("../../folders/v1/", $name)).as_slice())
    };
}

/// Seqs and content of its snapshots, ascending.
pub const SNAPSHOTS: [(u64, &[u8]); 2] = [
    (380, include_bytes!("../../folders/v1/00000000000000000380.snap")),
    (567, include_bytes!("../../folders/v1/00000000000000000567.snap")),
];

/// Names and content of its segments, ascending.
pub const SEGMENTS: [(&str, &[u8]); 6] = [
    file!("00000005.seg"),
    file!("00000006.seg"),
    file!("00000007.seg"),
    file!("00000008.seg"),
    file!("00000009.seg"),
    file!("00000010.seg"),
];

/// The name of a snapshot's file.
pub fn snapshot_name(seq: u64) -> String {
    format!("{seq:020}.snap")
}

/// A disk that holds it.
pub(crate) fn disk() -> CrashDisk {
    let disk = CrashDisk::new(0);
    for (name, content) in SEGMENTS {
        disk.set_content(name, content.to_vec());
    }
    for (seq, content) in SNAPSHOTS {
        disk.set_content(&snapshot_name(seq), content.to_vec());
    }
    disk
}
