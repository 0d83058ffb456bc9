//! What only the journal and its maker of segments may do.

use super::{room::Room, watermark::Watermark};

/// Raises the watermark.
pub fn raise(watermark: &Watermark, seq: u64) {
    watermark.raise(seq);
}

/// So many bytes ready, on a disk that refuses another segment.
pub fn refused_room(bytes: u64) -> Room {
    let room = Room::with(bytes);
    room.set_refused(true);
    room
}

/// Says that so many bytes were made ready.
pub fn make(room: &Room, bytes: u64) {
    room.add_made(bytes);
}

/// Says that so many bytes were used up.
pub fn spend(room: &Room, bytes: u64) {
    room.add_used(bytes);
}
