//! What purchases name beside buyer and item, on a shard: from names to the cell behind a request,
//! and from the number in a refusal back to the name.
//!
//! A sale's limit groups never change, so a purchase that does not fit them is turned away here,
//! whatever protocol it came by; which channels there are the sale knows best.

use super::names::Names;
use crate::directory::Page;
use crate::message::{Head, Reply, kind, outcome};
use crate::sale::Side;
use crate::wire::answers::Subject;
use crate::wire::binary::{Frame, What};
use crate::wire::commands::Ask;
use crate::wire::side::{self, Misfit};

/// What a request names, in the numbers of its sale. In a sale that is not known nothing is.
///
/// # Errors
/// How a purchase does not fit the sale's limit groups.
#[inline]
pub(super) fn side<'a>(names: &'a Names, ask: &Ask<'a>, sale: u16) -> Result<Side, Misfit<'a>> {
    match names.page().names(sale) {
        Some(names) if is_purchase(&ask.head) => ask.named.side(&names.groups, &names.channels),
        _ => Ok(Side::NONE),
    }
}

/// A binary request as far as it fits its sale: a purchase that does not is malformed, and one in a
/// sale that nobody has been told of yet is as good as in none.
#[inline]
pub(super) fn fit(names: &Names, frame: &mut Frame) {
    let head = frame.head.head();
    if frame.what != What::Ask || !is_purchase(head) {
        return;
    }
    match names.page().names(head.sale.to_native()) {
        Some(names) if !side::fits(&frame.side, names.groups.len()) => frame.what = What::Malformed,
        Some(_) => {}
        None => frame.head = Head { sale: 0.into(), ..*head }.into(),
    }
}

fn is_purchase(head: &Head) -> bool {
    matches!(head.kind, kind::BUY | kind::BASKET)
}

/// What a refusal in this sale is about.
#[inline]
pub(super) fn subject<'a>(page: &'a Page, sale: u16, reply: &Reply) -> Subject<'a> {
    if outcome::is_refusal(reply.outcome) { subject_of(page, sale, reply) } else { Subject::All }
}

fn subject_of<'a>(page: &'a Page, sale: u16, reply: &Reply) -> Subject<'a> {
    let Some(names) = page.names(sale) else { return Subject::All };
    let named = |number: usize| number.checked_sub(1);
    if reply.outcome == outcome::LIMIT_REACHED && reply.order.to_native() > 0 {
        let group = named(reply.order.to_native() as usize).and_then(|at| names.groups.get(at));
        return group.map_or(Subject::All, |name| Subject::Group(name.as_str()));
    }
    if reply.units.to_native() == 0 {
        return Subject::All;
    }
    let item = named(reply.expires_in_ms.to_native() as usize).and_then(|at| names.items.get(at));
    item.map_or(Subject::All, |name| Subject::Item(name.as_str()))
}
