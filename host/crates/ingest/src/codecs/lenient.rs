//! Numbers that JSON does not have: some devices write NaN and Infinity all the same, or numbers beyond any double.

/// `text` with each bare NaN, Infinity and overflowing number as null, so that a payload's other members survive.
///
/// Only called for text that is not JSON; what is not about numbers stays as wrong as it was.
pub(super) fn without_impossible_numbers(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => string_length(rest),
            _ if is_word(first) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let (token, tail) = rest.split_at(length);
        out.push_str(if is_impossible(token) { "null" } else { token });
        rest = tail;
    }
    out
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.')
}

fn is_impossible(token: &str) -> bool {
    token.starts_with(is_word) && token.parse::<f64>().is_ok_and(|number| !number.is_finite())
}

/// Bytes of the JSON string that `text` starts with, both quotes included; all of it when it does not end.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (index, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return index + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_numbers_become_null_outside_strings_only() {
        for (text, expected) in [
            (r#"{"a":NaN,"b":-Infinity,"c":"NaN \" NaN"}"#, r#"{"a":null,"b":null,"c":"NaN \" NaN"}"#),
            (r#"[1e999,-1e999,1e3,"é"]"#, r#"[null,null,1e3,"é"]"#),
            (r#"{"a":"NaN"#, r#"{"a":"NaN"#),
        ] {
            assert_eq!(without_impossible_numbers(text), expected);
        }
    }
}
