//! The checks: what the buyers noted against what the journal holds. The first that fails ends the
//! demo with a sentence; each that holds is one line of the result.

use std::collections::HashMap;

use doorbuster::client::{OrderAnswer, Refusal};
use doorbuster::sale::{About, Ident, Party, State, TEXT_BYTES_MAX, text_len};

use super::super::audit::Proof;
use super::super::words::count;
use super::burst::Burst;
use super::hall::{Ask, Deed, Hall, Told};
use super::ledger::{Flow, Ledger};
use super::plan::{self, LIMIT, WARES};

/// All there is to compare.
pub(super) struct Evidence<'a> {
    pub(super) hall: &'a Hall,
    /// By connection, in the order of sending.
    pub(super) deeds: &'a [Vec<Deed>],
    pub(super) ledger: &'a Ledger,
    pub(super) proof: &'a Proof,
    pub(super) burst: &'a Burst,
}

/// Checks everything. Returns a line for each check.
///
/// # Errors
/// What is wrong.
pub(super) fn all(evidence: &Evidence<'_>) -> Result<Vec<String>, String> {
    Ok(vec![
        orders_are_there(evidence)?,
        decisions_stand(evidence)?,
        nothing_is_oversold(evidence)?,
        arrival_is_kept(evidence)?,
        burst_is_there(evidence)?,
    ])
}

fn orders_are_there(evidence: &Evidence<'_>) -> Result<String, String> {
    let mut order_of_key = HashMap::new();
    for deed in evidence.deeds.iter().flatten() {
        let Told::Order(order) = &deed.told else { continue };
        let more = match deed.errand.ask {
            Ask::Click | Ask::Again => false,
            Ask::More => true,
            Ask::Pay(_) | Ask::GiveBack(_) => continue,
        };
        let key = plan::key(deed.errand.buyer, more);
        is_in_journal(evidence, deed, order, &key)?;
        let first = *order_of_key.entry(key.clone()).or_insert(order.order);
        if first != order.order {
            return Err(format!("key {key} has two orders, {first} and {}", order.order));
        }
    }
    let (known, held) = (order_of_key.len(), evidence.ledger.orders.len());
    if known != held {
        return Err(format!("the buyers know of {known} orders, the journal holds {held}"));
    }
    Ok(format!(
        "all {} orders that buyers were told of are in the journal, each once, and no others",
        count(known as u64)
    ))
}

fn is_in_journal(
    evidence: &Evidence<'_>,
    deed: &Deed,
    order: &OrderAnswer,
    key: &str,
) -> Result<(), String> {
    let id = order.order;
    let buyer = &evidence.hall.crowd[deed.errand.buyer as usize];
    let units = if deed.errand.ask == Ask::More { LIMIT } else { buyer.units };
    let item = evidence.hall.items[buyer.ware];
    let about = About { sale: item.sale, order: id, buyer: Ident::NONE };
    let view = evidence.proof.shop.order(&about).map_err(|_| format!("order {id} is lost"))?;
    let name = plan::name(deed.errand.buyer);
    let there = (text(view.buyer), text(view.key), view.item, view.given.units, view.given.price);
    let told = (name, key.to_owned(), item.item, order.units, order.price);
    if there != told || order.units != units {
        return Err(format!("order {id} is {there:?} in the journal, but was told as {told:?}"));
    }
    Ok(())
}

fn text(party: Party<'_>) -> String {
    let mut out = [0; TEXT_BYTES_MAX];
    let length = match party.text {
        Some(text) => {
            out = *text;
            text_len(text)
        }
        None => party.ident.write_text(&mut out),
    };
    String::from_utf8_lossy(&out[..length]).into_owned()
}

fn decisions_stand(evidence: &Evidence<'_>) -> Result<String, String> {
    let (mut paid, mut returned) = (0_u64, 0_u64);
    for deed in evidence.deeds.iter().flatten() {
        let (order, state) = match deed.errand.ask {
            Ask::Pay(order) => (order, State::Confirmed),
            Ask::GiveBack(order) => (order, State::Released),
            _ => continue,
        };
        let is_done = match &deed.told {
            Told::Order(_) => true,
            Told::Refused(_) if deed.was_done_before_the_crash() => true,
            Told::Refused(Refusal::HoldExpired) => false,
            Told::Refused(refusal) => {
                return Err(format!("order {order} was refused to its buyer: {refusal}"));
            }
        };
        let state = if is_done { state } else { State::Expired };
        let sale = evidence.hall.items[0].sale;
        let about = About { sale, order, buyer: Ident::NONE };
        let view = evidence.proof.shop.order(&about);
        let there = view.map_err(|_| format!("order {order} is lost"))?.given.state;
        if there != state {
            return Err(format!("order {order} is {there:?}, but was told as {state:?}"));
        }
        paid += u64::from(state == State::Confirmed);
        returned += u64::from(state == State::Released);
    }
    let [_, confirmed, released, _] = evidence.ledger.changes;
    if (paid, returned) != (confirmed, released) {
        return Err(format!(
            "buyers paid {paid} orders and gave {returned} back; in the journal it is {confirmed} \
             and {released}"
        ));
    }
    Ok(format!(
        "all {} payments are confirmed orders, all {} returns are released ones",
        count(paid),
        count(returned)
    ))
}

fn nothing_is_oversold(evidence: &Evidence<'_>) -> Result<String, String> {
    let mut sold = [0_u64; WARES.len()];
    for deed in evidence.deeds.iter().flatten() {
        let is_done = match &deed.told {
            Told::Order(_) => true,
            Told::Refused(refusal) => *refusal == Refusal::AlreadyConfirmed,
        };
        if let (Ask::Pay(_), true) = (deed.errand.ask, is_done) {
            let buyer = &evidence.hall.crowd[deed.errand.buyer as usize];
            sold[buyer.ware] += u64::from(buyer.units);
        }
    }
    for ((ware, sold), flow) in WARES.iter().zip(sold).zip(&evidence.ledger.flows) {
        let Flow { confirmed, out_max, .. } = *flow;
        let (sku, stock) = (ware.sku, ware.stock);
        if sold > stock || out_max > stock {
            return Err(format!("{sku}: {sold} sold, {out_max} given at once, of {stock} units"));
        }
        if sold != confirmed {
            return Err(format!("{sku}: buyers bought {sold}, the journal says {confirmed}"));
        }
    }
    Ok("at no seq were more units held and sold than there are, by receipts and by journal"
        .to_owned())
}

fn arrival_is_kept(evidence: &Evidence<'_>) -> Result<String, String> {
    // A repeated answer tells the seq of an earlier request, so it says nothing here.
    let fresh = |deed: &Deed| match deed.told {
        Told::Order(order) if !order.replayed => Some((order.seq, deed.errand.sent, deed.answered)),
        _ => None,
    };
    for (number, deeds) in evidence.deeds.iter().enumerate() {
        let mut last = 0;
        for (seq, ..) in deeds.iter().filter_map(fresh) {
            if seq <= last {
                return Err(format!("connection {number}: seq {seq} was decided after {last}"));
            }
            last = seq;
        }
    }
    let mut changes: Vec<_> = evidence.deeds.iter().flatten().filter_map(fresh).collect();
    if let Some((first, second)) = overtaken(&mut changes) {
        return Err(format!("seq {second} was answered before seq {first} was sent"));
    }
    Ok(format!(
        "{} changes stand in the journal in the order of arrival, as seen from the buyers' side",
        count(changes.len() as u64)
    ))
}

/// Two seqs of which the greater was answered before the smaller was sent, if there are any. A
/// change is its seq, when it was sent and when it was answered.
fn overtaken(changes: &mut [(u64, u64, u64)]) -> Option<(u64, u64)> {
    changes.sort_unstable();
    let mut newest = (0, 0);
    for &(seq, sent, answered) in &*changes {
        if answered < newest.0 {
            return Some((newest.1, seq));
        }
        newest = newest.max((sent, seq));
    }
    None
}

fn burst_is_there(evidence: &Evidence<'_>) -> Result<String, String> {
    let Burst { item, orders, .. } = *evidence.burst;
    let stock = evidence.proof.shop.stock(item.sale, item.item);
    let confirmed = stock.map_err(|_| "the burst's sale is lost".to_owned())?.confirmed;
    if confirmed != orders {
        return Err(format!("the burst was told of {orders} orders, the journal has {confirmed}"));
    }
    Ok(format!("all {} orders of the burst are in the journal, and no others", count(orders)))
}

#[cfg(test)]
mod tests {
    use super::overtaken;

    #[test]
    fn only_a_decision_after_a_later_request_is_out_of_order() {
        // Both on their way at once: either may be first.
        assert_eq!(overtaken(&mut [(2, 10, 30), (1, 20, 40)]), None);
        assert_eq!(overtaken(&mut [(1, 10, 30), (2, 20, 40)]), None);
        // 2 had its answer before 1 was sent, whatever lies between.
        assert_eq!(overtaken(&mut [(3, 5, 90), (2, 10, 30), (1, 31, 40)]), Some((1, 2)));
        assert_eq!(overtaken(&mut [(1, 31, 40), (2, 50, 60), (4, 7, 45)]), Some((2, 4)));
    }
}
