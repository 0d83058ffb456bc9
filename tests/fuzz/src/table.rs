//! What a run came to, as a table for people.

use crate::outside::Outcome;

/// One line a target, numbers to the right.
pub fn table(outcomes: &[Outcome], seed: u64) -> String {
    let head = ["target", "executions", "a second", "kept", "new findings", "seed"];
    let mut rows = vec![head.map(str::to_owned)];
    for Outcome { target, progress, finding } in outcomes {
        let a_second = progress.executions * 1_000_000 / progress.micros.max(1);
        rows.push([
            (*target).to_owned(),
            grouped(progress.executions),
            grouped(a_second),
            grouped(progress.kept),
            grouped(u64::from(finding.is_some())),
            seed.to_string(),
        ]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        text += &format!("{:<width$}", row[0], width = widths[0]);
        for (cell, width) in row.iter().zip(&widths).skip(1) {
            text += &format!("  {cell:>width$}");
        }
        text.push('\n');
    }
    text
}

/// With a comma before each three digits.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
