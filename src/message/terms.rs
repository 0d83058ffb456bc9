//! A sale's terms as cells: behind the head of `CREATE` come the name, the numbers, two cells an
//! item and a limit group (its name, its numbers), and two of a draw (the commitment, zero). The
//! head's `sale` is the number given to it.

use super::{Cell, Head, kind};
use crate::limits::{
    EXTEND_MS_MAX, GROUPS_MAX, HOLD_MS_MAX, ITEMS_PER_SALE_MAX, OFFER_MS_MAX, PRICE_MAX, STOCK_MAX,
    WAITLIST_MAX,
};
use crate::sale::{DrawTerms, GroupTerms, ItemTerms, Name, Terms, text_len};

/// Cells before the items: head, name, numbers.
const FIXED_CELLS: usize = 3;

/// Writes a new sale as `CREATE` and its tails.
///
/// # Panics
/// If the terms hold more items than a sale may have.
pub fn encode_terms(sale: u16, terms: &Terms, time: u64) -> Vec<Cell> {
    assert!((1..=ITEMS_PER_SALE_MAX).contains(&terms.items.len()));
    let mut head = Head::new(kind::CREATE);
    let pairs = terms.items.len() + terms.groups.len() + usize::from(terms.draw.is_some());
    let tails = FIXED_CELLS - 1 + 2 * pairs;
    head.tails = u16::try_from(tails).expect("limits.rs proves it").into();
    head.sale = sale.into();
    head.time = time.into();
    let mut numbers = Cell::ZERO;
    numbers.0[0..3].copy_from_slice(&terms.currency);
    numbers.0[3] = u8::from(terms.is_strict);
    numbers.0[4..8].copy_from_slice(&terms.limit.to_le_bytes());
    numbers.0[8..12].copy_from_slice(&terms.hold_ms.to_le_bytes());
    numbers.0[12..16].copy_from_slice(&terms.extend_ms.to_le_bytes());
    numbers.0[16..24].copy_from_slice(&terms.opens_at.to_le_bytes());
    numbers.0[24..32].copy_from_slice(&terms.closes_at.to_le_bytes());
    numbers.0[32..36].copy_from_slice(&terms.offer_ms.to_le_bytes());
    numbers.0[36..40].copy_from_slice(&terms.waitlist.to_le_bytes());
    numbers.0[40..48].copy_from_slice(&terms.draw.map_or(0, |draw| draw.at).to_le_bytes());
    numbers.0[48] = terms.groups.len() as u8;
    let mut cells = vec![head.into(), Cell(*terms.name.as_bytes()), numbers];
    for item in &terms.items {
        let mut numbers = Cell::ZERO;
        numbers.0[0..8].copy_from_slice(&item.stock.to_le_bytes());
        numbers.0[8..16].copy_from_slice(&item.price.to_le_bytes());
        numbers.0[16..20].copy_from_slice(&item.limit.to_le_bytes());
        cells.extend([Cell(*item.sku.as_bytes()), numbers]);
    }
    for group in &terms.groups {
        let mut numbers = Cell::ZERO;
        numbers.0[0..4].copy_from_slice(&group.limit.to_le_bytes());
        cells.extend([Cell(*group.name.as_bytes()), numbers]);
    }
    if let Some(draw) = &terms.draw {
        let mut commitment = Cell::ZERO;
        commitment.0[..32].copy_from_slice(&draw.commitment);
        cells.extend([commitment, Cell::ZERO]);
    }
    cells
}

/// Reads `CREATE` and its tails.
///
/// # Errors
/// A sentence that says what is wrong; the cells may come from anywhere.
pub fn decode_terms(cells: &[Cell]) -> Result<Terms, String> {
    if cells.len() < FIXED_CELLS + 2 || !(cells.len() - FIXED_CELLS).is_multiple_of(2) {
        return Err(format!("a sale of {} cells", cells.len()));
    }
    let name = |cell: &Cell| Name::parse(&cell.0[..text_len(&cell.0)]);
    let u32_at = |cell: &Cell, at: usize| {
        u32::from_le_bytes(cell.0[at..at + 4].try_into().expect("four bytes"))
    };
    let u64_at = |cell: &Cell, at: usize| {
        u64::from_le_bytes(cell.0[at..at + 8].try_into().expect("eight bytes"))
    };
    let mut terms = Terms {
        name: name(&cells[1])?,
        items: Vec::with_capacity((cells.len() - FIXED_CELLS) / 2),
        currency: cells[2].0[0..3].try_into().expect("three bytes"),
        limit: u32_at(&cells[2], 4),
        hold_ms: u32_at(&cells[2], 8),
        extend_ms: u32_at(&cells[2], 12),
        offer_ms: u32_at(&cells[2], 32),
        waitlist: u32_at(&cells[2], 36),
        is_strict: cells[2].0[3] != 0,
        groups: Vec::new(),
        draw: None,
        opens_at: u64_at(&cells[2], 16),
        closes_at: u64_at(&cells[2], 24),
    };
    let (draw_at, groups) = (u64_at(&cells[2], 40), usize::from(cells[2].0[48]));
    let more = groups + usize::from(draw_at != 0);
    let pairs = &cells[FIXED_CELLS..];
    if groups > GROUPS_MAX || pairs.len() / 2 < more + 1 {
        return Err(format!("a sale of {} cells with {groups} limit groups", cells.len()));
    }
    let (items, more) = pairs.split_at(pairs.len() - 2 * more);
    for pair in more[..2 * groups].chunks_exact(2) {
        terms.groups.push(GroupTerms { name: name(&pair[0])?, limit: u32_at(&pair[1], 0) });
    }
    if let [commitment, _] = &more[2 * groups..] {
        let commitment = *commitment.0.first_chunk().expect("a cell has 64 bytes");
        terms.draw = Some(DrawTerms { at: draw_at, commitment });
    }
    for pair in items.chunks_exact(2) {
        terms.items.push(ItemTerms {
            sku: name(&pair[0])?,
            stock: u64_at(&pair[1], 0),
            price: u64_at(&pair[1], 8),
            limit: u32_at(&pair[1], 16),
        });
    }
    check(&terms)?;
    Ok(terms)
}

/// Checks what a sale may be, wherever its terms came from.
///
/// # Errors
/// A sentence that names the field and the values allowed.
pub fn check(terms: &Terms) -> Result<(), String> {
    if terms.items.is_empty() || terms.items.len() > ITEMS_PER_SALE_MAX {
        let count = terms.items.len();
        return Err(format!("items: {count} of them; a sale has 1 to {ITEMS_PER_SALE_MAX}"));
    }
    if terms.hold_ms > HOLD_MS_MAX {
        return Err(format!("hold_ms: {} is above {HOLD_MS_MAX} (30 days)", terms.hold_ms));
    }
    if terms.extend_ms > EXTEND_MS_MAX {
        return Err(format!("extend_ms: {} is above {EXTEND_MS_MAX} (30 days)", terms.extend_ms));
    }
    if terms.waitlist > WAITLIST_MAX {
        return Err(format!("waitlist: {} is above {WAITLIST_MAX}", terms.waitlist));
    }
    let gives_later = terms.waitlist > 0 || terms.draw.is_some();
    if gives_later && !(1..=OFFER_MS_MAX).contains(&terms.offer_ms) {
        let offer_ms = terms.offer_ms;
        return Err(format!("offer_ms: {offer_ms} is not from 1 to {OFFER_MS_MAX} (30 days)"));
    }
    if terms.closes_at != 0 && terms.closes_at <= terms.opens_at {
        return Err("closes_at: must be after opens_at".to_owned());
    }
    if let Some(draw) = &terms.draw {
        if draw.at <= terms.opens_at || terms.closes_at != 0 && draw.at >= terms.closes_at {
            return Err("draw: at: must be after opens_at and before closes_at".to_owned());
        }
        if draw.commitment == [0; 32] {
            return Err("draw: commitment: is zero; it is the BLAKE3 hash of a seed".to_owned());
        }
    }
    if terms.groups.len() > GROUPS_MAX {
        let count = terms.groups.len();
        return Err(format!("groups: {count} of them; a sale has up to {GROUPS_MAX}"));
    }
    if let [first, second] = &terms.groups[..]
        && first.name == second.name
    {
        return Err(format!("groups: '{}' is there twice", first.name));
    }
    if let Some(group) = terms.groups.iter().find(|group| group.limit == 0) {
        return Err(format!("groups: limit of '{}' would sell nothing", group.name));
    }
    let mut names: Vec<&Name> = terms.items.iter().map(|item| &item.sku).collect();
    names.sort_unstable();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(format!("items: '{}' is there twice", pair[0]));
    }
    for item in &terms.items {
        if item.stock > STOCK_MAX {
            return Err(format!("items: stock of '{}' is above {STOCK_MAX}", item.sku));
        }
        if item.price > PRICE_MAX {
            return Err(format!("items: price of '{}' is above {PRICE_MAX}", item.sku));
        }
    }
    Ok(())
}
