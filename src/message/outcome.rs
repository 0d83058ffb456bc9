//! What an answer says; its second byte. Orders' states first, then refusals.

/// Nothing to say but yes.
pub const OK: u8 = 0;
/// Units are held for the buyer.
pub const HELD: u8 = 1;
/// The units are the buyer's.
pub const CONFIRMED: u8 = 2;
/// The hold was given back.
pub const RELEASED: u8 = 3;
/// The hold ran out.
pub const EXPIRED: u8 = 4;
/// The purchase was given back.
pub const CANCELLED: u8 = 5;
/// Units are waited for.
pub const WAITING: u8 = 6;
/// The buyer waits no more.
pub const LEFT: u8 = 7;
/// No such sale.
pub const UNKNOWN_SALE: u8 = 32;
/// No such item in the sale.
pub const UNKNOWN_ITEM: u8 = 33;
/// The key was used for something else.
pub const KEY_REUSED: u8 = 34;
/// The sale has not opened yet.
pub const NOT_OPEN: u8 = 35;
/// The operator has paused the sale.
pub const PAUSED: u8 = 36;
/// The sale is over.
pub const CLOSED: u8 = 37;
/// The price in force is above `max_price`; `price` tells it.
pub const PRICE_CHANGED: u8 = 38;
/// The buyer's limit would be passed; `price` holds the limit, in units, `order` the number of the
/// limit group whose limit it is, 0 if it is the buyer's own.
pub const LIMIT_REACHED: u8 = 39;
/// Not enough units are free; to the operator `price` tells how many are.
pub const SOLD_OUT: u8 = 40;
/// No such channel in the sale, or nothing of the item was ever set aside for it.
pub const UNKNOWN_CHANNEL: u8 = 41;
/// No such order in the sale.
pub const UNKNOWN_ORDER: u8 = 48;
/// The order is another buyer's.
pub const NOT_YOUR_ORDER: u8 = 49;
/// The hold ran out before this.
pub const HOLD_EXPIRED: u8 = 50;
/// The order is confirmed already.
pub const ALREADY_CONFIRMED: u8 = 51;
/// The order was given back already.
pub const ALREADY_RELEASED: u8 = 52;
/// The hold was extended already, or the sale extends none.
pub const EXTEND_REFUSED: u8 = 53;
/// Only a purchase can be cancelled, and the order is none yet.
pub const NOT_CONFIRMED: u8 = 54;
/// The order still waits: nothing is held for it.
pub const NOT_HELD: u8 = 55;
/// To the operator: only a closed sale can be removed.
pub const NOT_CLOSED: u8 = 56;
/// To the operator: the sale still has units in holds; `price` tells how many.
pub const HOLDS_LIVE: u8 = 57;
/// To the operator: above what is allowed; `price` tells the highest number that would do.
pub const TOO_MUCH: u8 = 58;
/// To the operator: no such wave is planned.
pub const UNKNOWN_WAVE: u8 = 59;
/// To the operator: the sale has no draw.
pub const NO_DRAW: u8 = 60;
/// To the operator: the seed is not the one that was committed to.
pub const WRONG_SEED: u8 = 61;
/// To the operator: the time has passed already, or lies after the sale's end.
pub const BAD_TIME: u8 = 62;
/// A table or queue is full; `price` holds the time after which to try again, in ms.
pub const OVERLOADED: u8 = 64;
/// The request makes no sense (binary protocol only).
pub const MALFORMED: u8 = 65;
/// A token is needed, and none that counts was shown (binary protocol only).
pub const UNAUTHORIZED: u8 = 66;
/// The token has no role for this (binary protocol only).
pub const FORBIDDEN: u8 = 67;
/// The buyer's ticket does not let it buy; `price` holds the reason's number: 1 missing, 2
/// malformed, 3 another buyer's, 4 another sale or a wrong signature, 5 expired.
pub const TICKET_REFUSED: u8 = 68;

/// The contract's word for an outcome.
pub fn word(number: u8) -> &'static str {
    match number {
        OK => "ok",
        HELD => "held",
        CONFIRMED => "confirmed",
        RELEASED => "released",
        EXPIRED => "expired",
        CANCELLED => "cancelled",
        WAITING => "waiting",
        LEFT => "left",
        UNKNOWN_SALE => "unknown_sale",
        UNKNOWN_ITEM => "unknown_item",
        KEY_REUSED => "key_reused",
        NOT_OPEN => "not_open",
        PAUSED => "paused",
        CLOSED => "closed",
        PRICE_CHANGED => "price_changed",
        LIMIT_REACHED => "limit_reached",
        SOLD_OUT => "sold_out",
        UNKNOWN_CHANNEL => "unknown_channel",
        UNKNOWN_ORDER => "unknown_order",
        NOT_YOUR_ORDER => "not_your_order",
        HOLD_EXPIRED => "hold_expired",
        ALREADY_CONFIRMED => "already_confirmed",
        ALREADY_RELEASED => "already_released",
        EXTEND_REFUSED => "extend_refused",
        NOT_CONFIRMED => "not_confirmed",
        NOT_HELD => "not_held",
        NOT_CLOSED => "not_closed",
        HOLDS_LIVE => "holds_live",
        TOO_MUCH => "too_much",
        UNKNOWN_WAVE => "unknown_wave",
        NO_DRAW => "no_draw",
        WRONG_SEED => "wrong_seed",
        BAD_TIME => "bad_time",
        OVERLOADED => "overloaded",
        MALFORMED => "malformed",
        UNAUTHORIZED => "unauthorized",
        FORBIDDEN => "forbidden",
        TICKET_REFUSED => "ticket_refused",
        _ => "unknown_outcome",
    }
}

/// Whether the outcome changed nothing and left nothing behind.
pub const fn is_refusal(number: u8) -> bool {
    number >= UNKNOWN_SALE
}
