//! Every bound in the house, and how they relate. Nothing grows past a number on this page.

/// The longest name, buyer or key, in bytes.
pub const TEXT_BYTES_MAX: usize = crate::sale::TEXT_BYTES_MAX;
/// Items in one sale.
pub const ITEMS_PER_SALE_MAX: usize = 1024;
/// Sales that one data folder may ever hold: their numbers are never used twice.
pub const SALES_MAX: usize = 4096;
/// Units in one request.
pub const UNITS_MAX: u32 = 1_000_000;
/// Units of one item in a sale.
pub const STOCK_MAX: u64 = crate::sale::STOCK_MAX;
/// A price in minor units: exactly representable in every JSON reader.
pub const PRICE_MAX: u64 = crate::sale::PRICE_MAX;
/// The longest hold: 30 days, in ms.
pub const HOLD_MS_MAX: u32 = 30 * 24 * 60 * 60 * 1000;
/// The longest extension of a hold: 30 days, in ms.
pub const EXTEND_MS_MAX: u32 = HOLD_MS_MAX;
/// The longest offer to one who waited: 30 days, in ms.
pub const OFFER_MS_MAX: u32 = HOLD_MS_MAX;
/// Orders that may wait in one sale at once.
pub const WAITLIST_MAX: u32 = 10_000_000;
/// Offers made in one round of the matcher: a fraction of a millisecond.
pub const OFFERS_AT_ONCE: usize = 1024;
/// Looks at orders and buyers in one round of the matcher that clears away what removed sales have
/// left: a fraction of a millisecond.
pub const LOOKS_AT_ONCE: usize = 8192;
/// Entries of a draw that have left, passed over at once.
pub const ENTRIES_PASSED_OVER: usize = 4096;
/// Different hold times in use at once.
pub const LANES_MAX: usize = crate::sale::LANES_MAX;

/// Limit groups of one sale.
pub const GROUPS_MAX: usize = crate::sale::GROUPS_MAX;
/// Channels of one sale.
pub const CHANNELS_PER_SALE_MAX: usize = crate::sale::CHANNELS_PER_SALE_MAX;
/// Items and channels of one sale that units were set aside for, counted in pairs.
pub const POOLS_PER_SALE_MAX: usize = crate::sale::POOLS_PER_SALE_MAX;
/// Waves of one sale that are to come.
pub const WAVES_PER_SALE_MAX: usize = crate::sale::WAVES_PER_SALE_MAX;

/// The most cells behind one head: a new sale's name, terms, two cells an item and a limit group,
/// and two of its draw.
pub const TAILS_MAX: usize = 2 + 2 * (ITEMS_PER_SALE_MAX + GROUPS_MAX + 1);
/// Cells that hold long texts behind one head: buyer and key.
pub const TEXT_TAILS_MAX: usize = 2;
/// Cells that hold what else a purchase names.
pub const SIDE_TAILS_MAX: usize = 1;
/// Cells that hold the lines of a basket.
pub const LINE_TAILS_MAX: usize = crate::sale::BASKET_LINES_MAX.div_ceil(3);
/// Cells behind the head of a buyer's request: long texts, a side, and the lines of a basket.
pub const REQUEST_TAILS_MAX: usize = TEXT_TAILS_MAX + SIDE_TAILS_MAX + LINE_TAILS_MAX;
/// Cells of an answer that shows an order of one item: the reply, the order, its two long texts.
pub const ORDER_CELLS_MAX: usize = 2 + TEXT_TAILS_MAX;
/// Cells of one answer: with the lines of a basket behind.
pub const REPLY_CELLS_MAX: usize = ORDER_CELLS_MAX + LINE_TAILS_MAX;
/// Cells of an answer about a sale beside its own and its items': terms, seed, pools and waves.
pub const SALE_MORE_CELLS_MAX: usize = 2 + POOLS_PER_SALE_MAX + WAVES_PER_SALE_MAX;
/// Cells of an answer about a sale: its own, one for each item, and more.
pub const SALE_CELLS_MAX: usize = 1 + ITEMS_PER_SALE_MAX + SALE_MORE_CELLS_MAX;

/// Cells in a ring from a shard to the matcher.
pub const REQUEST_RING_CELLS: usize = 16_384;
/// Cells in the ring from the matcher to the journal.
pub const RECORD_RING_CELLS: usize = 65_536;
/// Cells in a ring from the matcher to a shard.
pub const REPLY_RING_CELLS: usize = 131_072;
/// Requests that one shard may have on their way.
pub const SHARD_IN_FLIGHT_MAX: usize = 32_768;
/// Requests that one connection may have on their way.
pub const CONNECTION_IN_FLIGHT_MAX: usize = 8_192;
/// Cells in the ring from the operator to the matcher.
pub const OPERATOR_REQUEST_RING_CELLS: usize = 8_192;
/// Cells in the ring from the matcher to the operator.
pub const OPERATOR_REPLY_RING_CELLS: usize = 4_096;
/// The operator's commands that wait for their turn, but one.
pub const OPERATOR_INBOX_MAX: usize = 64;
/// The operator's commands on their way at once.
pub const OPERATOR_IN_FLIGHT_MAX: usize = 64;
/// The same while the shard's buffers hold as much as they may: the answers to what is on its way
/// will be held too.
pub const CONNECTION_IN_FLIGHT_TIGHT: usize = 16;
/// Requests that the matcher decides before it looks around again.
pub const MATCHER_BATCH_MAX: usize = 256;
/// Cells of records in one journal batch, header and seal not counted.
pub const BATCH_CELLS_MAX: usize = 16_384;

/// Changes that a sink is given at once, save for those of the last batch.
pub const SINK_CHANGES_MAX: usize = 32_768;
/// Changes that a file is given at once. Of each sink's there are twice as many while it is behind,
/// and up to three times after trouble, of 350 bytes each.
pub const FILE_CHANGES_MAX: usize = 65_536;
/// Records that a sink passes over, as it wants none of them, before it writes down that it did.
pub const SINK_SEQS_UNWRITTEN: u64 = 1 << 20;
/// The shortest and the longest wait of a sink after trouble, ms.
pub const SINK_WAIT_MS_MIN: u64 = 20;
/// See [`SINK_WAIT_MS_MIN`].
pub const SINK_WAIT_MS_MAX: u64 = 30_000;
/// The longest wait that the other side of a sink may ask for, s.
pub const SINK_AFTER_S_MAX: u64 = 86_400;
/// Messages of a webhook that are put aside.
pub const WEBHOOK_LATER_MAX: usize = 10_000;
/// Questions of operators that wait for one sink.
pub const SINK_ASKS_MAX: usize = 8;
/// Bytes of a sink's name.
pub const SINK_NAME_BYTES_MAX: usize = 32;
/// Sinks of one server.
pub const SINKS_MAX: usize = 32;

/// Connections at once, however the options are set.
pub const CONNECTIONS_MAX: usize = 1_000_000;
/// The longest deadline that an option can set: 30 days, in ms.
pub const DEADLINE_MS_MAX: u64 = 30 * 24 * 60 * 60 * 1000;
/// Bytes of a journal segment.
pub const SEGMENT_BYTES_MAX: u64 = 4 << 30;
/// MiB of journal in any option: 1 PiB.
pub const JOURNAL_MIB_MAX: u64 = 1 << 30;
/// Journal segments kept ready.
pub const SEGMENTS_AHEAD_MAX: usize = 16;
/// Batches of the journal whose receipts are at hand, however the options are set.
pub const RECEIPTS_MAX: usize = 1 << 28;
/// Signed heads that the buyers' port shows.
pub const HEADS_SHOWN_MAX: usize = 32;
/// Signed heads in one answer of the operators' port.
pub const HEADS_PAGE_MAX: usize = 1000;
/// Bytes of a signed head as a line of JSON.
pub const HEAD_LINE_BYTES_MAX: usize = 512;
/// Bytes of a file of heads that was published elsewhere.
pub const HEADS_FILE_BYTES_MAX: u64 = 64 << 20;
/// Words in one RESP request.
pub const RESP_ARGS_MAX: usize = 64;
/// One word of a RESP request, in bytes.
pub const RESP_BULK_BYTES_MAX: usize = 16 * 1024;
/// A whole RESP request, in bytes.
pub const RESP_REQUEST_BYTES_MAX: usize = 32 * 1024;
/// Lines of one basket.
pub const BASKET_LINES_MAX: usize = crate::sale::BASKET_LINES_MAX;
/// The request line of an HTTP request, in bytes.
pub const HTTP_LINE_BYTES_MAX: usize = 4 * 1024;
/// The whole head of an HTTP request, in bytes.
pub const HTTP_HEAD_BYTES_MAX: usize = 16 * 1024;
/// Header lines of an HTTP request, and of what may follow a chunked body.
pub const HTTP_HEADERS_MAX: usize = 64;
/// The body of an HTTP request, in bytes.
pub const HTTP_BODY_BYTES_MAX: usize = 16 * 1024;
/// A chunked body as it is sent, sizes and trailers counted, in bytes.
pub const HTTP_CHUNKED_BYTES_MAX: usize = 32 * 1024;
/// Bytes that a shard takes from one connection in one turn.
pub const READ_BYTES_MAX: usize = 64 * 1024;
/// Bytes that a shard takes in one turn when its buffers hold as much as they may.
pub const READ_BYTES_TIGHT: usize = 2 * 1024;
/// A TLS record with its header, in bytes, as RFC 5246 bounds it.
pub const TLS_RECORD_BYTES_MAX: usize = 5 + (1 << 14) + 2048;
/// What a TLS handshake may hold of a peer's messages, in bytes.
pub const TLS_HELLO_BYTES_MAX: usize = 64 * 1024;
/// Bytes waiting to go out above which a connection is not read any more.
pub const OUT_BYTES_HIGH: usize = 64 * 1024;
/// Sockets for which there is no room, until they have been told so.
pub const TURNED_AWAY_MAX: usize = 64;
/// Accepted sockets on their way to one shard.
pub const INBOX_SOCKETS_MAX: usize = 1024;

/// Tokens' names in a tokens file; each may have two live tokens.
pub const TOKENS_MAX: usize = 256;
/// Digests that one name may have: the token in use and the one that replaces it.
pub const TOKEN_DIGESTS_MAX: usize = 2;
/// Secrets that buyer tickets may be signed with at once.
pub const TICKET_SECRETS_MAX: usize = 2;
/// The longest ticket secret, in bytes.
pub const TICKET_SECRET_BYTES_MAX: usize = 1024;
/// Bytes of a tokens file or a ticket secrets file.
pub const ACCESS_FILE_BYTES_MAX: u64 = 1 << 20;
/// Rows in the table of addresses' rate limits: seven addresses and 128 bytes each.
pub const ADDRESS_ROWS: usize = 8192;
/// Words that a connection may send in one request before it has shown a token.
pub const STRANGER_ARGS_MAX: usize = 10;
/// Connections at once on the operator's port; above it only health is told.
pub const ADMIN_CONNECTIONS_MAX: usize = 128;
/// Connections above that, for those who ask about health.
pub const ADMIN_CONNECTIONS_SPARE: usize = 32;
/// Bytes of a request's head on the operator's port.
pub const ADMIN_HEAD_BYTES_MAX: usize = 16 * 1024;
/// Bytes of a new sale on the operator's port: 1,024 items with room to spare.
pub const ADMIN_SALE_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of any other request's body there.
pub const ADMIN_BODY_BYTES_MAX: usize = 4 * 1024;
/// Feeds at once.
pub const ADMIN_FEEDS_MAX: usize = 64;
/// Sales in one answer to the question which there are.
pub const ADMIN_LIST_MAX: usize = 100;

/// Shards.
pub const SHARDS_MAX: usize = 64;

/// Changes of orders that the matcher tells of before it writes over the oldest.
pub const NEWS_MAX: usize = 65_536;
/// Orders that the connections of one shard watch; who would watch more is told nothing by itself.
pub const WATCHES_MAX: usize = 65_536;
/// Orders that one connection watches.
pub const CONNECTION_WATCHES_MAX: u32 = 1_024;
/// Questions about watched orders that a shard has on their way: what a peer that does not read is
/// told beyond what it was told already.
pub const WATCHES_ASKED_MAX: usize = 1_024;
/// News that a shard hears in one round, and watches that it looks at after it was lapped.
pub const NEWS_AT_ONCE: usize = 4_096;
/// News that the client keeps for whoever reads only answers; beyond that the oldest is dropped.
pub const CLIENT_NEWS_MAX: usize = 4_096;

// A reply always finds room, so the matcher never waits for a shard: a shard takes a request only
// if what it has promised and the largest answer fit together. Short answers never come near that.
const _: () = assert!(SALE_CELLS_MAX > REPLY_CELLS_MAX);
const _: () = assert!(REPLY_RING_CELLS >= 2 * (SHARD_IN_FLIGHT_MAX + SALE_CELLS_MAX));
const _: () = assert!(OPERATOR_REPLY_RING_CELLS >= OPERATOR_IN_FLIGHT_MAX + SALE_CELLS_MAX);
const _: () = assert!(OPERATOR_REQUEST_RING_CELLS > TAILS_MAX);
// A flight counts its promise in 16 bits.
const _: () = assert!(SALE_CELLS_MAX <= u16::MAX as usize);
// The largest request and the largest record fit into their rings and into one batch.
const _: () = assert!(REQUEST_RING_CELLS > TAILS_MAX && RECORD_RING_CELLS > TAILS_MAX);
const _: () = assert!(BATCH_CELLS_MAX > TAILS_MAX);
const _: () = assert!(CONNECTION_IN_FLIGHT_MAX <= SHARD_IN_FLIGHT_MAX);
const _: () = assert!(TAILS_MAX <= u16::MAX as usize);
// A request that is not whole fits into a shard's input buffer beside what is read next.
const _: () = assert!(HTTP_LINE_BYTES_MAX < HTTP_HEAD_BYTES_MAX);
const _: () = assert!(HTTP_BODY_BYTES_MAX < HTTP_CHUNKED_BYTES_MAX);
const _: () = assert!(HTTP_HEAD_BYTES_MAX + HTTP_CHUNKED_BYTES_MAX <= 2 * RESP_REQUEST_BYTES_MAX);
const _: () = assert!(ADMIN_FEEDS_MAX < ADMIN_CONNECTIONS_MAX);
// Questions about watched orders leave most of both rings to the buyers' own.
const _: () = assert!(2 * WATCHES_ASKED_MAX < REQUEST_RING_CELLS);
const _: () = assert!(4 * WATCHES_ASKED_MAX * REPLY_CELLS_MAX < REPLY_RING_CELLS);
