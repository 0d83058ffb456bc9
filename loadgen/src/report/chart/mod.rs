//! Charts as inline SVG: axes, lines, areas and dots.
//!
//! Written here and not with a drawing crate because those put colours and fonts into every
//! element: these carry classes only, so one style sheet makes them light or dark, and each is
//! drawn twice, wide and narrow, so that its text has the same size on a screen and on a phone. A
//! chart knows nothing of runs.

mod alone;
pub(crate) mod axis;

use std::fmt::Write;

use maud::{Markup, PreEscaped, Render, html};

pub(crate) use axis::Axis;

/// Class of a colour in the style sheet.
pub(crate) type Colour = &'static str;

/// Room for the texts of the vertical axis.
const LEFT: f64 = 54.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 28.0;
const BOTTOM: f64 = 40.0;
/// Width of a letter of a tick, generously.
const LETTER: f64 = 6.8;

/// What is drawn, in the units of its axes.
pub(crate) enum Mark {
    /// A line through points; a gap where the value is `None`.
    Line(Colour, Vec<(f64, Option<f64>)>),
    /// A level from the first to the second, at the third.
    Steps(Colour, Vec<(f64, f64, f64)>),
    /// From, to, bottom and top.
    Area(Colour, Vec<(f64, f64, f64, f64)>),
    Dots(Colour, Vec<(f64, f64)>),
    /// From corner to corner.
    Diagonal,
    /// A stretch of the horizontal axis that is set apart, with its name.
    Stretch(f64, f64, &'static str),
    /// What a pointer over a stretch of the horizontal axis is told.
    Told(f64, f64, String),
    /// A point with what a pointer over it is told.
    Point(Colour, f64, f64, String),
}

pub(crate) struct Chart {
    /// What is seen, for those who do not see it.
    pub(crate) described: String,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) marks: Vec<Mark>,
    pub(crate) legend: Vec<(Colour, String)>,
    /// As high as wide.
    pub(crate) square: bool,
}

/// Both sizes of one chart.
struct Size {
    class: &'static str,
    width: f64,
    height: f64,
    ticks: f64,
}

impl Render for Chart {
    fn render(&self) -> Markup {
        let (wide, narrow) = if self.square {
            ((440.0, 440.0), (340.0, 340.0))
        } else {
            ((900.0, 270.0), (360.0, 240.0))
        };
        let wide = Size { class: "wide", width: wide.0, height: wide.1, ticks: 8.0 };
        let narrow = Size { class: "narrow", width: narrow.0, height: narrow.1, ticks: 4.0 };
        html! {
            @if !self.legend.is_empty() {
                p.legend {
                    @for (colour, name) in &self.legend { span { i.{ "sw " (colour) } {} (name) } }
                }
            }
            (self.draw(&wide))
            (self.draw(&narrow))
        }
    }
}

impl Chart {
    fn draw(&self, size: &Size) -> Markup {
        let whole = format!("0 0 {} {}", size.width, size.height);
        html! {
            svg.{ "chart " (size.class) } viewBox=(whole) width=(size.width) height=(size.height)
                role="img" aria-label=(self.described) { (self.inside(size)) }
        }
    }

    /// All that is drawn, in a place of this size.
    fn inside(&self, size: &Size) -> Markup {
        let (right, bottom) = (size.width - RIGHT, size.height - BOTTOM);
        let x = |value: f64| LEFT + self.x.place(value) * (right - LEFT);
        let y = |value: f64| bottom - self.y.place(value) * (bottom - TOP);
        let y_ticks = self.y.ticks(if self.square { size.ticks.min(5.0) } else { 5.0 });
        let x_ticks = without_overlap(self.x.ticks(size.ticks), x, right);
        html! {
                @for mark in &self.marks {
                    @if let Mark::Stretch(from, to, name) = mark {
                        rect.stretch x=(px(x(*from))) y=(TOP) width=(px(x(*to) - x(*from)))
                            height=(bottom - TOP) {}
                        text.quiet x=(px(x(*from) + 4.0)) y=(TOP + 12.0) { (name) }
                    }
                }
                @for (value, text) in &y_ticks {
                    line.grid x1=(LEFT) x2=(right) y1=(px(y(*value))) y2=(px(y(*value))) {}
                    text.end x=(LEFT - 8.0) y=(px(y(*value) + 4.0)) { (text) }
                }
                @for (value, text) in &x_ticks {
                    line.tick x1=(px(x(*value))) x2=(px(x(*value))) y1=(bottom) y2=(bottom + 4.0) {}
                    text.middle x=(px(x(*value))) y=(bottom + 17.0) { (text) }
                }
                line.axis x1=(LEFT) x2=(right) y1=(bottom) y2=(bottom) {}
                text.quiet x="0" y="12" { (self.y.title) }
                text.{ "quiet end" } x=(right) y=(size.height - 6.0) { (self.x.title) }
                @for mark in &self.marks { (drawn(mark, &x, &y, [right, bottom])) }
        }
    }
}

fn drawn(
    mark: &Mark,
    x: &impl Fn(f64) -> f64,
    y: &impl Fn(f64) -> f64,
    [right, bottom]: [f64; 2],
) -> Markup {
    match mark {
        Mark::Line(colour, points) => {
            let (path, alone) = line_path(points, x, y);
            html! {
                path.{ "line " (colour) } d=(path) {}
                @for (px, py) in alone { circle.{ "dot " (colour) } cx=(px) cy=(py) r="2" {} }
            }
        }
        Mark::Steps(colour, steps) => {
            let mut path = String::new();
            let mut last = f64::NAN;
            for (from, to, level) in steps {
                let joined = (last - from).abs() < 1e-6;
                let (sign, level) = (if joined { 'L' } else { 'M' }, px(y(*level)));
                let _ = write!(path, "{sign}{} {level}H{}", px(x(*from)), px(x(*to)));
                last = *to;
            }
            html! { path.{ "line " (colour) } d=(path) {} }
        }
        Mark::Area(colour, parts) => {
            let mut path = String::new();
            for (from, to, low, high) in parts.iter().filter(|part| part.3 > part.2) {
                let (top, floor) = (px(y(*high)), px(y(*low)));
                let _ = write!(path, "M{} {floor}V{top}H{}V{floor}Z", px(x(*from)), px(x(*to)));
            }
            html! { path.{ "area " (colour) } d=(path) {} }
        }
        Mark::Dots(colour, points) => {
            let mut path = String::new();
            for (a, b) in points {
                let _ = write!(path, "M{} {}h0", px(x(*a)), px(y(*b)));
            }
            html! { path.{ "dots " (colour) } d=(path) {} }
        }
        Mark::Diagonal => html! { line.diagonal x1=(LEFT) y1=(bottom) x2=(right) y2=(TOP) {} },
        Mark::Stretch(..) => PreEscaped(String::new()),
        Mark::Told(from, to, text) => html! {
            rect.told x=(px(x(*from))) y=(TOP) width=(px((x(*to) - x(*from)).max(0.5)))
                height=(bottom - TOP) { title { (text) } }
        },
        Mark::Point(colour, a, b, text) => html! {
            circle.{ "dot " (colour) } cx=(px(x(*a))) cy=(px(y(*b))) r="3.5" { title { (text) } }
        },
    }
}

/// The path, and the points that have no neighbours to be joined with.
fn line_path(
    points: &[(f64, Option<f64>)],
    x: &impl Fn(f64) -> f64,
    y: &impl Fn(f64) -> f64,
) -> (String, Vec<(String, String)>) {
    let (mut path, mut alone) = (String::new(), Vec::new());
    for stretch in points.split(|point| point.1.is_none()) {
        let places: Vec<_> =
            stretch.iter().filter_map(|(a, b)| b.map(|b| (px(x(*a)), px(y(b))))).collect();
        if let [only] = &places[..] {
            alone.push(only.clone());
            continue;
        }
        for (index, (a, b)) in places.iter().enumerate() {
            let _ = write!(path, "{}{a} {b}", if index == 0 { 'M' } else { 'L' });
        }
    }
    (path, alone)
}

/// The ticks whose texts have room beside each other.
fn without_overlap(
    ticks: Vec<(f64, String)>,
    x: impl Fn(f64) -> f64,
    right: f64,
) -> Vec<(f64, String)> {
    let mut taken = f64::NEG_INFINITY;
    let mut kept = ticks;
    kept.retain(|(value, text)| {
        let half = text.chars().count() as f64 * LETTER / 2.0;
        let fits = x(*value) - half > taken && x(*value) + half < right + RIGHT;
        if fits {
            taken = x(*value) + half + LETTER;
        }
        fits
    });
    kept
}

/// A place to a tenth of a unit: finer is not seen, and makes the file longer.
fn px(place: f64) -> String {
    let text = format!("{place:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(marks: Vec<Mark>) -> String {
        let (x, y) = (Axis::exact(0.0, 10.0, "s"), Axis::from_zero(100.0, "per second"));
        let described = "a & b".to_owned();
        let legend = vec![("a", "<first>".to_owned())];
        Chart { described, x, y, marks, legend, square: false }.render().into_string()
    }

    #[test]
    fn texts_are_escaped_and_both_sizes_drawn() {
        let svg = chart(vec![Mark::Told(0.0, 1.0, "<script>".to_owned())]);
        assert_eq!(svg.matches("<svg").count(), 2);
        assert!(svg.contains("a &amp; b") && svg.contains("&lt;first&gt;"), "{svg}");
        assert!(!svg.contains("<script>"));
    }

    #[test]
    fn a_line_breaks_where_nothing_was_measured() {
        let points = vec![(0.0, Some(1.0)), (1.0, Some(2.0)), (2.0, None), (3.0, Some(3.0))];
        let svg = chart(vec![Mark::Line("a", points)]);
        assert_eq!(svg.matches("<circle").count(), 2, "the lonely point, in both sizes: {svg}");
        assert!(!svg.contains("NaN"));
    }

    #[test]
    fn steps_join_where_they_meet() {
        let svg = chart(vec![Mark::Steps("a", vec![(0., 1., 5.), (1., 2., 9.), (4., 5., 7.)])]);
        let path = svg.split("d=\"").nth(1).and_then(|rest| rest.split('"').next());
        let path = path.expect("there is a path");
        assert_eq!((path.matches('M').count(), path.matches('L').count()), (2, 1), "{path}");
    }
}
