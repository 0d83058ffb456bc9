//! A chart as a file of its own, for a README: colours, title and legend in it, light or dark as
//! its reader has it.
//!
//! An image knows what its reader prefers and not what is around it, so it brings its own ground:
//! its text can be read on any page. Invariant: it needs nothing else, no script, no font.

use maud::{Markup, PreEscaped, html};

use super::{Chart, LEFT, LETTER, RIGHT, Size};

const WIDE: Size = Size { class: "wide", width: 900.0, height: 400.0, ticks: 8.0 };
/// Above the first line of the legend.
const HEAD: f64 = 44.0;
const LINE: f64 = 22.0;
const SWATCH: f64 = 12.0;
/// Around all of it.
const MARGIN: f64 = 14.0;

impl Chart {
    /// The whole file.
    pub(crate) fn alone(&self, title: &str) -> String {
        let (legend, lines) = self.legend_places();
        let top = HEAD + lines as f64 * LINE;
        let (width, height) = (WIDE.width + 2.0 * MARGIN, top + WIDE.height + MARGIN);
        let whole = format!("0 0 {width} {height}");
        let shift = format!("translate({MARGIN} {top})");
        let svg = html! {
            svg xmlns="http://www.w3.org/2000/svg" viewBox=(whole) width=(width) height=(height)
                role="img" aria-label=(self.described) {
                style {
                    (PreEscaped(include_str!("alone.css")))
                    (PreEscaped(include_str!("series.css")))
                }
                rect.ground width=(width) height=(height) rx="6" {}
                text.title x=(MARGIN) y="27" { (title) }
                (legend)
                g transform=(shift) { (self.inside(&WIDE)) }
            }
        };
        svg.into_string() + "\n"
    }

    /// The legend, and how many lines it takes.
    fn legend_places(&self) -> (Markup, usize) {
        let (mut x, mut line) = (0.0, 0);
        let places = self.legend.iter().map(|(colour, name)| {
            let width = SWATCH + 6.0 + name.chars().count() as f64 * LETTER + 18.0;
            if x > 0.0 && x + width > WIDE.width - LEFT - RIGHT {
                (x, line) = (0.0, line + 1);
            }
            let place = (MARGIN + x, HEAD + f64::from(line) * LINE);
            x += width;
            (colour, name, place)
        });
        let places: Vec<_> = places.collect();
        let drawn = html! {
            @for (colour, name, (x, y)) in &places {
                rect.{ "sw " (colour) } x=(x) y=(y) width=(SWATCH) height=(SWATCH) rx="2" {}
                text.quiet x=(x + SWATCH + 6.0) y=(y + 10.5) { (name) }
            }
        };
        (drawn, if places.is_empty() { 0 } else { line as usize + 1 })
    }
}

#[cfg(test)]
mod tests {
    use crate::report::chart::{Axis, Chart, Mark};

    #[test]
    fn a_file_of_its_own_needs_nothing_else() {
        let marks = vec![Mark::Line("k1", vec![(1e3, Some(1e6)), (1e4, Some(2e6))])];
        let (x, y) = (Axis::rates([1e3, 1e4].into_iter(), "rate"), Axis::from_zero(2e6, "<y>"));
        let legend = (0..12).map(|_| ("k1", "a rather long <name>".to_owned())).collect();
        let chart = Chart { described: "a & b".to_owned(), x, y, marks, legend, square: false };
        let file = chart.alone("Title & more");
        assert!(file.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""), "{file}");
        assert_eq!(file.matches("<svg").count(), 1);
        assert!(file.contains("prefers-color-scheme: dark") && file.contains("Title &amp; more"));
        assert!(!file.contains("<name>") && !file.contains("<y>") && !file.contains("NaN"));
        assert!(!file.contains("<script") && !file.contains("url(") && !file.contains("@import"));
        let lines = file
            .split("class=\"sw k1\"")
            .skip(1)
            .filter_map(|rest| rest.split("y=\"").nth(1).and_then(|rest| rest.split('"').next()));
        let lines: std::collections::BTreeSet<_> = lines.collect();
        assert!(lines.len() > 1, "the legend goes on in the next line: {lines:?}");
    }
}
