//! As much of JSON Schema as the document uses, to hold answers against it.
//!
//! A word of a schema that is not known here fails the test: nothing is passed over.

use serde_json::Value;

/// Follows a reference within the document.
pub(crate) fn follow<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(path) => document.pointer(&path[1..]).unwrap_or_else(|| panic!("{path} is nowhere")),
        None => value,
    }
}

/// Asserts that `value` is what `schema` says.
#[track_caller]
pub(crate) fn check(document: &Value, schema: &Value, value: &Value, at: &str) {
    let schema = follow(document, schema);
    let length = || match value {
        Value::String(text) => text.len(),
        Value::Array(values) => values.len(),
        _ => 0,
    };
    for (word, wanted) in schema.as_object().expect("a schema") {
        let good = match word.as_str() {
            "type" => match wanted {
                Value::Array(kinds) => kinds.iter().any(|kind| is_a(value, kind)),
                kind => is_a(value, kind),
            },
            "const" => value == wanted,
            "enum" => wanted.as_array().expect("values").contains(value),
            "required" => {
                let names = wanted.as_array().expect("names");
                let is_there = |name: &Value| value.get(name.as_str().expect("a name")).is_some();
                value.is_null() || names.iter().all(is_there)
            }
            "properties" => {
                for (name, schema) in wanted.as_object().expect("schemas") {
                    if let Some(field) = value.get(name) {
                        check(document, schema, field, &format!("{at}.{name}"));
                    }
                }
                true
            }
            "additionalProperties" => {
                assert_eq!(wanted, false, "{at}");
                let mut names = value.as_object().into_iter().flat_map(|fields| fields.keys());
                names.all(|name| !schema["properties"][name].is_null())
            }
            "items" => {
                for one in value.as_array().expect("an array") {
                    check(document, wanted, one, &format!("{at}[]"));
                }
                true
            }
            "minimum" => value.is_null() || value.as_u64() >= wanted.as_u64(),
            "maximum" => value.is_null() || value.as_u64() <= wanted.as_u64(),
            "minItems" => Some(length() as u64) >= wanted.as_u64(),
            "maxItems" => Some(length() as u64) <= wanted.as_u64(),
            "pattern" => value.is_null() || has_form(value, wanted.as_str().expect("a pattern")),
            "format" => value.is_null() || is_moment(value),
            "description" => true,
            other => panic!("{at}: {other} is not known to this test"),
        };
        assert!(good, "{at}: {word} {wanted}, got {value}");
    }
}

fn is_a(value: &Value, kind: &Value) -> bool {
    match kind.as_str().expect("a kind") {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("{other} is not known to this test"),
    }
}

/// The patterns that the document uses.
fn has_form(value: &Value, pattern: &str) -> bool {
    let Some(text) = value.as_str() else { return false };
    let all = |range: std::ops::RangeInclusive<usize>, good: fn(u8) -> bool| {
        range.contains(&text.len()) && text.bytes().all(good)
    };
    match pattern {
        "^[A-Za-z0-9._-]{1,64}$" => {
            all(1..=64, |byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        }
        "^[!-~]{1,64}$" => all(1..=64, |byte| byte.is_ascii_graphic()),
        "^[0-9a-f]{64}$" => all(64..=64, |byte| b"0123456789abcdef".contains(&byte)),
        "^[A-Z]{3}$" => all(3..=3, |byte| byte.is_ascii_uppercase()),
        "^[1-9][0-9]{0,18}$" => all(1..=19, |byte| byte.is_ascii_digit()) && !text.starts_with('0'),
        "^urn:doorbuster:[a-z_]+$" => text.strip_prefix("urn:doorbuster:").is_some_and(|word| {
            !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        }),
        other => {
            let digits = other.strip_prefix("^[0-9a-f]{").and_then(|rest| rest.strip_suffix("}$"));
            let count = digits.and_then(|digits| digits.parse().ok());
            let count = count.unwrap_or_else(|| panic!("{other} is not known to this test"));
            all(count..=count, |byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        }
    }
}

/// `2026-11-27T20:02:00.123Z`
fn is_moment(value: &Value) -> bool {
    let form = |(at, byte): (usize, u8)| match at {
        4 | 7 => byte == b'-',
        10 => byte == b'T',
        13 | 16 => byte == b':',
        19 => byte == b'.',
        23 => byte == b'Z',
        _ => byte.is_ascii_digit(),
    };
    value.as_str().is_some_and(|text| text.len() == 24 && text.bytes().enumerate().all(form))
}
