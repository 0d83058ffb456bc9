//! The target of a request: its path in segments and its query, percent-encoding undone.
//!
//! Segments are cut first and decoded then, so an encoded slash never makes a segment. Dots mean
//! nothing. A `+` is a plus: no parameter of ours may hold a blank.
//!
//! Invariant: every `%` is followed by two hex digits, or the target is refused.

use super::fault::{Fault, Shown};
use super::{Span, Text};

/// Segments of the longest path that means something.
pub(super) const SEGMENTS_MAX: usize = 6;

/// A target, understood as far as it can be without knowing the routes.
#[derive(Clone, Copy, Default)]
pub(super) struct Target {
    segments: [Span; SEGMENTS_MAX],
    /// Their number; one more than there is room for if there are more.
    pub(super) count: usize,
    /// The first `key=` of the query.
    pub(super) key: Option<Span>,
    /// The name of the first parameter that is not `key`, or is `key` again.
    pub(super) stray: Option<Span>,
    /// `*`, which stands for the server.
    pub(super) is_server: bool,
}

impl Target {
    /// Segment `index`; empty if there is none.
    #[inline]
    pub(super) fn segment(&self, index: usize) -> Span {
        self.segments[index]
    }
}

/// Takes a target apart. Spans without percent signs lie in `target`, others in the decoded text.
///
/// # Errors
/// When it is none of the forms that a server has to know.
pub(super) fn read(target: &[u8], text: &mut Text) -> Result<Target, Fault> {
    let mut found = Target::default();
    if target == b"*" {
        found.is_server = true;
        return Ok(found);
    }
    let start = match target.first() {
        Some(b'/') => 0,
        _ => authority_end(target)?,
    };
    if target[start..].contains(&b'#') {
        return Err(Fault::bad_request("a target has no fragment, got '#'; write it as %23"));
    }
    let query = target[start..].iter().position(|byte| *byte == b'?').map(|at| start + at);
    let path_end = query.unwrap_or(target.len());
    let mut at = (start + 1).min(path_end);
    loop {
        let end = target[at..path_end].iter().position(|byte| *byte == b'/');
        let end = end.map_or(path_end, |len| at + len);
        let segment = text.decoded(target, at..end)?;
        if let Some(place) = found.segments.get_mut(found.count) {
            *place = segment;
        }
        found.count += 1;
        if end == path_end || found.count > SEGMENTS_MAX {
            break;
        }
        at = end + 1;
    }
    if let Some(mark) = query {
        read_query(target, mark + 1, text, &mut found)?;
    }
    Ok(found)
}

/// Where the path begins in `http://host/path`.
fn authority_end(target: &[u8]) -> Result<usize, Fault> {
    for scheme in [&b"http://"[..], b"https://"] {
        if let Some((start, rest)) = target.split_at_checked(scheme.len())
            && start.eq_ignore_ascii_case(scheme)
        {
            let end = rest.iter().position(|byte| b"/?#".contains(byte));
            return Ok(scheme.len() + end.unwrap_or(rest.len()));
        }
    }
    let detail = format!("a target begins with '/', got {}", Shown(target));
    Err(Fault::bad_request(detail))
}

fn read_query(
    target: &[u8],
    start: usize,
    text: &mut Text,
    found: &mut Target,
) -> Result<(), Fault> {
    let mut at = start;
    while at < target.len() {
        let len = target[at..].iter().position(|byte| *byte == b'&');
        let end = len.map_or(target.len(), |len| at + len);
        let equals = target[at..end].iter().position(|byte| *byte == b'=');
        let name_end = equals.map_or(end, |len| at + len);
        if end > at {
            let name = text.decoded(target, at..name_end)?;
            let value = text.decoded(target, (name_end + 1).min(end)..end)?;
            if name.of(target, text) == b"key" && found.key.is_none() {
                found.key = Some(value);
            } else {
                found.stray = found.stray.or(Some(name));
            }
        }
        at = end + 1;
    }
    Ok(())
}
