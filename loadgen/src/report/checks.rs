//! What the answers alone prove, and what the server's own count adds to it.
//!
//! A check never passes because nothing was looked at: what could not be checked says so in its
//! detail, and is left out altogether if there was nothing to check it by.

use super::document::Check;
use crate::figures::grouped;
use crate::load::connect::{ItemSight, Shop};
use crate::load::ledger::Ledger;
use crate::load::proof::Findings;
use crate::load::tally::Counts;

/// The name by which thresholds find it.
pub(crate) const NOT_OVERSOLD: &str = "not oversold";
/// Likewise: its detail begins with the number of times it was not so.
pub(crate) const ONE_ORDER_A_KEY: &str = "each key given one order";

/// What was learnt of a run's stock.
pub(crate) struct Stock<'a> {
    pub(crate) ledger: &'a Ledger,
    pub(crate) before: &'a Shop,
    /// `None` if the server did not say any more.
    pub(crate) after: Option<&'a Shop>,
    /// Whether answers say what they answer.
    pub(crate) tagged: bool,
    /// When the run ended, ns since its start.
    pub(crate) ended: u64,
}

/// All checks of a run.
pub(crate) fn checks(found: &Findings, counts: &Counts, stock: &Stock<'_>) -> Vec<Check> {
    let none = |name: &str, bad: u64, note: String| Check {
        name: name.to_owned(),
        passed: bad == 0,
        detail: if bad == 0 { note } else { format!("{} times not", grouped(bad)) },
    };
    let past_bound = |what: &str, count: u64| match count {
        0 => String::new(),
        count => format!("{} {what} not checked: past the bound of memory", grouped(count)),
    };
    let ledger = stock.ledger;
    let unchecked = past_bound("answers", found.unchecked);
    let unwatched = past_bound("purchases", ledger.unwatched);
    let repeats = format!("{} answers to repeated keys compared", grouped(found.repeats));
    let answers_in_order = match stock.tagged {
        true => "answers in the order of requests",
        false => "no answer that nobody asked for",
    };
    let failed = counts.timeouts + counts.lost + counts.errors;
    let [timeouts, lost, errors, died] =
        [counts.timeouts, counts.lost, counts.errors, counts.connections_lost].map(grouped);
    let answers = format!(
        "{timeouts} timed out, {lost} lost with their connection, {errors} errors; \
         {died} connections died"
    );
    let mut checks = vec![not_oversold(stock)];
    if ledger.limit().is_some() {
        checks.push(none("no buyer above the limit", ledger.over_limit, unwatched));
    }
    checks.extend([
        none("each order given to one key", found.order_given_twice, unchecked),
        none(ONE_ORDER_A_KEY, found.key_with_two_orders, repeats),
        none("units as asked for", found.wrong_units, String::new()),
        none("confirms and releases of the order named", found.wrong_order, String::new()),
    ]);
    checks.extend(balance(stock));
    checks.extend([
        none(answers_in_order, found.out_of_order, String::new()),
        Check {
            name: "every request answered".to_owned(),
            passed: failed == 0 && counts.connections_lost == 0,
            detail: if failed + counts.connections_lost == 0 { String::new() } else { answers },
        },
    ]);
    checks
}

/// Units that the answers prove to be out, against those that there were to give: what was not
/// sold before, set aside for channels or not, and what the operator added meanwhile.
fn not_oversold(stock: &Stock<'_>) -> Check {
    let Stock { ledger, before, after, .. } = stock;
    // The ledger counts items past its bound as one; so are they here.
    let mut there = Vec::new();
    for (index, item) in before.items.iter().enumerate() {
        let now = after.and_then(|after| after.items.get(index)).unwrap_or(item);
        let slot = Ledger::counted_as(index);
        there.resize(there.len().max(slot + 1), 0);
        // All that is not sold: holds of before may end, and their units be given to others.
        let unsold = item.stock.saturating_sub(item.confirmed);
        there[slot] += unsold + now.stock.saturating_sub(item.stock);
    }
    let out = (0..there.len()).map(|slot| ledger.most_out(slot));
    let (mut most, mut over) = (0, 0);
    for (out, there) in out.zip(&there) {
        most += out;
        over += out.saturating_sub(*there);
    }
    let there: u64 = there.iter().sum();
    let detail = match over {
        0 => format!("{} units out at most, {} to give", grouped(most), grouped(there)),
        over => format!("{} units more than there were to give", grouped(over)),
    };
    Check { name: NOT_OVERSOLD.to_owned(), passed: over == 0, detail }
}

/// confirmed = held - released - ran out, between the answers and the server's own count. Requests
/// that were never answered may have counted there: so far they may differ.
fn balance(stock: &Stock<'_>) -> Option<Check> {
    let Stock { ledger, before, after, ended, .. } = stock;
    let grown = |of: fn(&ItemSight) -> u64| {
        let sum = |shop: &Shop| shop.items.iter().map(of).sum::<u64>();
        Some(i128::from(sum((*after)?)) - i128::from(sum(before)))
    };
    let held_before = i128::from(before.items.iter().map(|item| item.held).sum::<u64>());
    let (held, confirmed) = (grown(|item| item.held)?, grown(|item| item.confirmed)?);
    let slack = i128::from(ledger.unheard);
    let [given, told_confirmed, released] =
        [ledger.given, ledger.confirmed, ledger.released].map(i128::from);
    let ran_out = given - told_confirmed - released - held;
    let name = "confirmed = held - released - ran out".to_owned();
    let problem = if (confirmed - told_confirmed).abs() > slack {
        let other = "is another client at work?";
        Some(format!("told {told_confirmed} confirmed, the server counts {confirmed}: {other}"))
    } else if ran_out < -slack {
        Some(format!("the server holds {} units more than were told", -ran_out))
    } else if ran_out > slack + held_before && ledger.nothing_ran_out(*ended) {
        Some(format!("{ran_out} units are gone before any hold could run out"))
    } else {
        None
    };
    let [confirmed, given, released, live, ran_out] =
        [confirmed, given, released, held, ran_out].map(|n| grouped(n.max(0) as u64));
    let books = format!(
        "{confirmed} confirmed; {given} given, {released} released, {ran_out} ran out, {live} live"
    );
    Some(Check { name, passed: problem.is_none(), detail: problem.unwrap_or(books) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::content::{Buyer, Purchase};

    const SECOND: u64 = 1_000_000_000;

    fn shop(stock: u64, held: u64, confirmed: u64) -> Shop {
        let free = stock - held - confirmed;
        let item = ItemSight { stock, free, held, confirmed, ..ItemSight::default() };
        Shop {
            hold_ms: None,
            limit: None,
            items: vec![item],
            numbers: Vec::new(),
            channel: 0,
            tells_terms: false,
        }
    }

    /// Ten units given; four confirmed, two released.
    fn ledger(hold: u64) -> Ledger {
        let mut ledger = Ledger::new(1, 100 * SECOND, None);
        let one = Purchase::one(Buyer::New);
        (0..10).for_each(|_| ledger.given(&one, hold, SECOND));
        (0..4).for_each(|_| ledger.confirmed(&one, SECOND, 2 * SECOND));
        (0..2).for_each(|_| ledger.asked_back(&one, SECOND));
        ledger.released(2);
        ledger
    }

    fn passed(ledger: &Ledger, before: &Shop, after: Option<&Shop>, lost: u64) -> (bool, bool) {
        let mut ledger = ledger.clone();
        (0..lost).for_each(|_| ledger.unheard(1));
        let counts = Counts::default();
        let (ledger, tagged) = (&ledger, true);
        let stock = Stock { ledger, before, after, tagged, ended: 50 * SECOND };
        let checks = checks(&Findings::default(), &counts, &stock);
        let of = |name: &str| {
            let check = checks.iter().find(|check| check.name.starts_with(name));
            check.is_none_or(|check| check.passed)
        };
        (of("not oversold"), of("confirmed ="))
    }

    #[test]
    fn units_are_compared_with_what_there_was_to_give() {
        let ledger = ledger(600 * SECOND);
        assert_eq!(passed(&ledger, &shop(20, 5, 5), None, 0), (true, true));
        // Those held before may have come back.
        assert_eq!(passed(&ledger, &shop(17, 5, 5), None, 0), (true, true));
        assert_eq!(passed(&ledger, &shop(12, 0, 5), None, 0), (false, true));
        // The operator added ten.
        let after = shop(27, 9, 9);
        assert_eq!(passed(&ledger, &shop(17, 5, 5), Some(&after), 0), (true, true));
    }

    #[test]
    fn the_servers_count_must_fit_the_answers() {
        let (ledger, before) = (ledger(600 * SECOND), shop(50, 0, 5));
        assert_eq!(passed(&ledger, &before, Some(&shop(50, 4, 9)), 0), (true, true));
        // One more confirmed than told; one hold too many; one gone too early.
        for wrong in [shop(50, 4, 10), shop(50, 5, 9), shop(50, 3, 9)] {
            assert_eq!(passed(&ledger, &before, Some(&wrong), 0), (true, false));
            assert_eq!(passed(&ledger, &before, Some(&wrong), 1), (true, true));
        }
        let short = super::tests::ledger(10 * SECOND);
        assert_eq!(passed(&short, &before, Some(&shop(50, 0, 9)), 0), (true, true));
    }
}
