//! Sales as people read them.

use comfy_table::{CellAlignment, Table, presets::NOTHING};
use doorbuster::admin::show::{Shown, ShownDraw, ShownGroup, Summary};

use super::super::words::count;

/// A sale and its items.
pub(super) fn sale(sale: &Shown) -> String {
    let mut text = format!("sale {}, {}, at seq {}\n", sale.name, sale.state, count(sale.seq));
    let mut facts = vec![
        sale.opens_at
            .as_deref()
            .map_or("opened by command".to_owned(), |at| format!("opens {}", time(at))),
        sale.closes_at
            .as_deref()
            .map_or("closed by command".to_owned(), |at| format!("closes {}", time(at))),
        match sale.hold_ms {
            0 => "no holds: a purchase at once".to_owned(),
            ms => format!("holds last {} s", f64::from(ms) / 1000.0),
        },
    ];
    if sale.extend_ms > 0 {
        facts.push(format!("may be prolonged by {} s", f64::from(sale.extend_ms) / 1000.0));
    }
    facts.extend(sale.limit.map(|limit| format!("{} units a buyer", count(limit.into()))));
    let of_group = |group: &ShownGroup| format!("{} a {}", count(group.limit.into()), group.name);
    facts.extend(sale.groups.iter().map(of_group));
    if sale.waitlist > 0 {
        let (most, policy) = (count(sale.waitlist.into()), &sale.waitlist_policy);
        facts.push(format!("up to {most} may wait ({policy})"));
    }
    facts.extend(sale.currency.clone());
    text += &format!("{}\n", facts.join(", "));
    text += &sale.draw.as_ref().map_or(String::new(), draw);
    text.push('\n');
    let mut table = table(&["Item", "Stock", "Sold", "Held", "Free", "Waiting", "Price", "Limit"]);
    for item in &sale.items {
        let limit = item.limit.map_or("-".to_owned(), |limit| count(limit.into()));
        let units = [item.stock, item.confirmed, item.held, item.free, item.waiting, item.price];
        let units = units.into_iter().map(count);
        table.add_row([item.sku.clone()].into_iter().chain(units).chain([limit]));
    }
    text + &lines(&table) + &channels(sale) + &waves(sale)
}

/// A line about a draw, and one with its seed once that is known.
fn draw(draw: &ShownDraw) -> String {
    let at = draw.at.as_deref().map_or("-".to_owned(), time);
    let (state, entries) = (&draw.state, count(draw.entries.into()));
    let seed = draw.seed.as_ref().map_or(String::new(), |seed| format!("seed {seed}\n"));
    format!("draw {state}, {entries} entries until {at}, commitment {}\n{seed}", draw.commitment)
}

/// What was set aside, if anything was.
fn channels(sale: &Shown) -> String {
    let mut table = table(&["Channel", "Item", "Aside", "Free", "Until"]);
    for item in &sale.items {
        for channel in &item.channels {
            let until = match (&channel.until, channel.swept) {
                (_, true) => "over".to_owned(),
                (Some(until), _) => time(until),
                (None, _) => "-".to_owned(),
            };
            let (name, sku) = (channel.channel.clone(), item.sku.clone());
            table.add_row([name, sku, count(channel.set_aside), count(channel.free), until]);
        }
    }
    behind(&table)
}

/// What is to come, if anything is.
fn waves(sale: &Shown) -> String {
    let mut table = table(&["Wave", "Item", "Units", "At"]);
    for wave in &sale.waves {
        let at = wave.at.as_deref().map_or("-".to_owned(), time);
        table.add_row([wave.wave.to_string(), wave.item.clone(), count(wave.units), at]);
    }
    behind(&table)
}

/// A table behind another one, if there is anything in it.
fn behind(table: &Table) -> String {
    if table.is_empty() { String::new() } else { format!("\n{}", lines(table)) }
}

/// What a change has led to.
pub(super) fn change(sale: &Shown) -> String {
    format!("sale {} is {}, at seq {}\n", sale.name, sale.state, count(sale.seq))
}

/// All sales.
pub(super) fn list(sales: &[Summary]) -> String {
    if sales.is_empty() {
        return "no sales\n".to_owned();
    }
    let names = ["Sale", "State", "Items", "Stock", "Sold", "Held", "Free", "Opens", "Closes"];
    let mut table = table(&names);
    for at in [1, 7, 8] {
        let column = table.column_mut(at).expect("nine columns");
        column.set_cell_alignment(CellAlignment::Left);
    }
    for sale in sales {
        let at = |text: &Option<String>| text.as_deref().map_or("-".to_owned(), time);
        let units = [sale.items as u64, sale.stock, sale.confirmed, sale.held, sale.free];
        let units = units.into_iter().map(count);
        let words = [sale.name.clone(), sale.state.clone()].into_iter();
        table.add_row(words.chain(units).chain([at(&sale.opens_at), at(&sale.closes_at)]));
    }
    lines(&table)
}

/// A table of numbers behind one column of names.
fn table(names: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(NOTHING).set_header(names);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2)).set_cell_alignment(CellAlignment::Right);
    }
    let first = table.column_mut(0).expect("a table has columns");
    first.set_cell_alignment(CellAlignment::Left);
    table
}

fn lines(table: &Table) -> String {
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// `2026-11-27T20:00:00.000Z` as `2026-11-27 20:00:00 UTC`.
fn time(text: &str) -> String {
    match text.strip_suffix('Z').and_then(|text| text.split_once('T')) {
        Some((day, time)) => format!("{day} {} UTC", time.strip_suffix(".000").unwrap_or(time)),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_without_zeros() {
        assert_eq!(time("2026-11-27T20:00:00.000Z"), "2026-11-27 20:00:00 UTC");
        assert_eq!(time("2026-11-27T20:00:00.125Z"), "2026-11-27 20:00:00.125 UTC");
        assert_eq!(time("soon"), "soon");
    }
}
