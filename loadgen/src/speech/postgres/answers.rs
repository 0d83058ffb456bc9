//! What PostgreSQL answers, read in place: rows of a transaction count when it has ended.

use doorbuster::message::outcome;
use postgres_protocol::message::backend::{
    BIND_COMPLETE_TAG, COMMAND_COMPLETE_TAG, DATA_ROW_TAG, ERROR_RESPONSE_TAG, Header,
    NOTICE_RESPONSE_TAG, PARAMETER_STATUS_TAG, READY_FOR_QUERY_TAG,
};

use super::super::{ERROR, Parsed};

/// Bytes of a message that can be one of ours.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// What an error answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnError {
    /// Its transaction was one request.
    OneAnswer,
    /// Its transaction was some requests, and nobody knows how many.
    TheEnd,
}

/// All whole answers; returns the bytes they took.
pub(super) fn all(
    bytes: &[u8],
    answers: &mut Vec<Parsed>,
    on_error: OnError,
) -> Result<usize, String> {
    let bad = |what: &dyn std::fmt::Display| format!("no answer of PostgreSQL: {what}");
    // Behind the last transaction that has ended, in bytes and in answers.
    let (mut ended, mut told) = (0, answers.len());
    let mut at = 0;
    while let Some(header) = Header::parse(&bytes[at..]).map_err(|error| bad(&error))? {
        let length = usize::try_from(header.len()).map_err(|error| bad(&error))?;
        if length > MESSAGE_BYTES_MAX {
            return Err(bad(&"a message that is too long"));
        }
        let end = at + 1 + length;
        let Some(body) = bytes.get(at + 5..end) else { break };
        match header.tag() {
            DATA_ROW_TAG => {
                let answer = row(body).ok_or_else(|| bad(&"a row of another form"))?;
                let (begin, length) = answer.text;
                let begin = begin + (at + 5) as u32;
                answers.push(Parsed { text: (begin, begin + length), ..answer });
            }
            READY_FOR_QUERY_TAG => (ended, told) = (end, answers.len()),
            ERROR_RESPONSE_TAG => {
                let (begin, end, fatal) = error(body);
                if fatal || on_error == OnError::TheEnd {
                    answers.truncate(told);
                    return Err(String::from_utf8_lossy(&body[begin..end]).into_owned());
                }
                let text = ((at + 5 + begin) as u32, (at + 5 + end) as u32);
                answers.truncate(told);
                answers.push(Parsed { text, ..NOTHING });
            }
            BIND_COMPLETE_TAG | COMMAND_COMPLETE_TAG => {}
            NOTICE_RESPONSE_TAG | PARAMETER_STATUS_TAG => {}
            other => return Err(bad(&format!("a message {:?}", char::from(other)))),
        }
        at = end;
    }
    answers.truncate(told);
    Ok(ended)
}

const NOTHING: Parsed = Parsed {
    outcome: ERROR,
    replayed: false,
    tag: 0,
    order: 0,
    units: 0,
    expires_in_ms: 0,
    text: (0, 0),
};

/// Outcome, order, whether it is repeated, and perhaps what went wrong: its place and length in the
/// row, as `text`.
fn row(body: &[u8]) -> Option<Parsed> {
    let (count, mut rest) = body.split_first_chunk()?;
    let mut columns = [None::<&[u8]>; 4];
    let mut text = (0, 0);
    for column in columns.iter_mut().take(i16::from_be_bytes(*count).try_into().ok()?) {
        let (length, behind) = rest.split_first_chunk()?;
        rest = behind;
        if let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) {
            text = ((body.len() - rest.len()) as u32, length as u32);
            let (value, behind) = rest.split_at_checked(length)?;
            *column = Some(value);
            rest = behind;
        }
    }
    let outcome = u8::try_from(i16::from_be_bytes(columns[0]?.try_into().ok()?)).ok()?;
    let order = u64::from_be_bytes(columns[1]?.try_into().ok()?);
    let replayed = columns[2]? == [1];
    let order = if outcome::is_refusal(outcome) { 0 } else { order };
    Some(Parsed { outcome, replayed, order, text, ..NOTHING })
}

/// Where an error's message is in its body, and whether the server goes on after it.
fn error(body: &[u8]) -> (usize, usize, bool) {
    let (mut at, mut message, mut fatal) = (0, (0, 0), false);
    while let Some(kind) = body.get(at).filter(|kind| **kind != 0) {
        let begin = at + 1;
        let length = body[begin..].iter().position(|byte| *byte == 0);
        let end = begin + length.unwrap_or(body.len() - begin);
        match kind {
            b'M' => message = (begin, end),
            b'V' => fatal = matches!(&body[begin..end], b"FATAL" | b"PANIC"),
            _ => {}
        }
        at = (end + 1).min(body.len());
    }
    (message.0, message.1, fatal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(tag: u8, body: &[u8]) -> Vec<u8> {
        let length = (body.len() as u32 + 4).to_be_bytes();
        [&[tag], length.as_slice(), body].concat()
    }

    fn row(outcome: i16, order: u64, replayed: u8, trouble: Option<&str>) -> Vec<u8> {
        let mut body = vec![0, 4, 0, 0, 0, 2];
        body.extend_from_slice(&outcome.to_be_bytes());
        body.extend_from_slice(&[0, 0, 0, 8]);
        body.extend_from_slice(&order.to_be_bytes());
        body.extend_from_slice(&[0, 0, 0, 1, replayed]);
        body.extend_from_slice(&trouble.map_or(-1, |text| text.len() as i32).to_be_bytes());
        body.extend_from_slice(trouble.unwrap_or_default().as_bytes());
        message(b'D', &body)
    }

    fn ready() -> Vec<u8> {
        message(b'Z', b"I")
    }

    #[test]
    fn a_row_counts_when_its_transaction_has_ended() {
        let rows = [
            message(b'2', b""),
            row(1, 7, 0, None),
            row(1, 5, 1, None),
            row(40, 0, 0, None),
            row(255, 0, 0, Some("deadlock detected")),
            message(b'C', b"SELECT 4\0"),
        ]
        .concat();
        let whole = [rows.clone(), ready()].concat();
        let mut answers = Vec::new();
        for cut in 0..whole.len() {
            assert_eq!(all(&whole[..cut], &mut answers, OnError::TheEnd), Ok(0));
            assert_eq!(answers, []);
        }
        let twice = [whole.clone(), rows].concat();
        assert_eq!(all(&twice, &mut answers, OnError::TheEnd), Ok(whole.len()));
        let seen: Vec<_> = answers.iter().map(|a| (a.outcome, a.order, a.replayed)).collect();
        let wanted = [(1, 7, false), (1, 5, true), (outcome::SOLD_OUT, 0, false), (255, 0, false)];
        assert_eq!(seen, wanted);
        let (begin, end) = answers[3].text;
        assert_eq!(&twice[begin as usize..end as usize], b"deadlock detected");
    }

    #[test]
    fn an_error_is_told_with_its_text() {
        let body = b"SERROR\0VERROR\0C40P01\0Mno luck\0\0";
        let failed = [row(1, 7, 0, None), message(b'E', body), ready()].concat();
        let mut answers = Vec::new();
        assert_eq!(all(&failed, &mut answers, OnError::OneAnswer), Ok(failed.len()));
        let (begin, end) = answers[0].text;
        assert_eq!((answers.len(), answers[0].outcome), (1, ERROR));
        assert_eq!(&failed[begin as usize..end as usize], b"no luck");
        assert_eq!(all(&failed, &mut answers, OnError::TheEnd), Err("no luck".to_owned()));
        let fatal = message(b'E', b"SFATAL\0VFATAL\0Mterminating\0\0");
        let ended = all(&fatal, &mut answers, OnError::OneAnswer);
        assert_eq!((ended, answers.len()), (Err("terminating".to_owned()), 1));
        assert!(all(b"HTTP/1.1 400 Bad", &mut answers, OnError::OneAnswer).is_err());
    }
}
