//! JSON escaping as SockJS wants it: more than JSON requires, because browsers mangle some characters on the way.
//!
//! Inside `a[…]` these go out as `\uXXXX`, lower-case: U+0000–001F, U+200C–200F, U+2028–202F, U+2060–206F, U+FFF0–FFFF
//! and every character beyond the BMP (as a surrogate pair). `"` and `\` are escaped as in any JSON.

use std::borrow::Cow;

/// Appends `text` as a JSON string, quotes included.
pub fn text(text: &str, out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    escape(text, out, in_text, |byte, out| match byte {
        b'"' => out.extend_from_slice(b"\\\""),
        b'\\' => out.extend_from_slice(b"\\\\"),
        control => control_character(control, out),
    });
    out.push(b'"');
}

/// A JSON text made safe for every SockJS framing, without parsing it: the characters above are escaped, and the white
/// space between tokens becomes plain spaces (a raw line feed would end a frame of the xhr transports).
///
/// Borrowed when there is nothing to do, which is the usual case and costs one pass at memory speed.
/// The caller vouches that it is JSON; if it is not, the client rejects the frame, and nothing worse happens.
pub fn raw_json(json: &str) -> Cow<'_, str> {
    let plain = plain_prefix(json.as_bytes(), in_raw_json);
    if plain == json.len() {
        return Cow::Borrowed(json);
    }
    let mut out = Vec::with_capacity(json.len() + json.len() / 8);
    escape(json, &mut out, in_raw_json, |_, out| out.push(b' '));
    Cow::Owned(String::from_utf8(out).unwrap_or_default())
}

/// Copies stretches that need nothing and hands each special byte to `ascii`, or escapes the character it starts.
#[inline(always)]
fn escape(text: &str, out: &mut Vec<u8>, special: impl Fn(u8) -> bool, ascii: impl Fn(u8, &mut Vec<u8>)) {
    let mut rest = text;
    loop {
        let plain = plain_prefix(rest.as_bytes(), &special);
        out.extend_from_slice(&rest.as_bytes()[..plain]);
        rest = &rest[plain..];
        let Some(character) = rest.chars().next() else { return };
        let length = character.len_utf8();
        match character {
            c if c.is_ascii() => ascii(rest.as_bytes()[0], out),
            c if goes_out_escaped(c) => unicode_escape(c, out),
            _ => out.extend_from_slice(&rest.as_bytes()[..length]),
        }
        rest = &rest[length..];
    }
}

fn goes_out_escaped(character: char) -> bool {
    matches!(character,
        '\0'..='\x1f' | '\u{200c}'..='\u{200f}' | '\u{2028}'..='\u{202f}' | '\u{2060}'..='\u{206f}'
        | '\u{fff0}'..='\u{ffff}' | '\u{10000}'..)
}

/// Bytes that start something to look at: controls, `"`, `\`, and the lead bytes under which the escaped ranges lie
/// (0xE2: U+2000–2FFF, 0xEF: U+F000–FFFF, 0xF0 and up: beyond the BMP). A lead byte never occurs inside a character.
#[inline(always)]
fn in_text(byte: u8) -> bool {
    in_raw_json(byte) | (byte == b'"') | (byte == b'\\')
}

#[inline(always)]
fn in_raw_json(byte: u8) -> bool {
    (byte < 0x20) | (byte == 0xe2) | (byte >= 0xef)
}

/// Length of the prefix without special bytes. Whole blocks are tested without a branch per byte, so that the compiler
/// makes vector code of it.
#[inline(always)]
fn plain_prefix(bytes: &[u8], special: impl Fn(u8) -> bool) -> usize {
    const BLOCK: usize = 32;
    let mut at = 0;
    for block in bytes.chunks_exact(BLOCK) {
        if block.iter().fold(false, |any, &byte| any | special(byte)) {
            break;
        }
        at += BLOCK;
    }
    bytes[at..].iter().position(|&byte| special(byte)).map_or(bytes.len(), |offset| at + offset)
}

fn control_character(byte: u8, out: &mut Vec<u8>) {
    match byte {
        0x08 => out.extend_from_slice(b"\\b"),
        b'\t' => out.extend_from_slice(b"\\t"),
        b'\n' => out.extend_from_slice(b"\\n"),
        0x0c => out.extend_from_slice(b"\\f"),
        b'\r' => out.extend_from_slice(b"\\r"),
        other => utf16_escape(u16::from(other), out),
    }
}

fn unicode_escape(character: char, out: &mut Vec<u8>) {
    for &mut unit in character.encode_utf16(&mut [0; 2]) {
        utf16_escape(unit, out);
    }
}

fn utf16_escape(unit: u16, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let digit = |shift: u16| HEX[usize::from(unit >> shift & 0xf)];
    out.extend_from_slice(&[b'\\', b'u', digit(12), digit(8), digit(4), digit(0)]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn escaped(input: &str) -> String {
        let mut out = Vec::new();
        text(input, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn leaves_ordinary_text_alone() {
        assert_eq!(escaped("Grüße, 世界 – naïve 10 €"), "\"Grüße, 世界 – naïve 10 €\"");
    }

    #[test]
    fn escapes_exactly_the_protocols_ranges() {
        for character in (0..=0x10ffff).filter_map(char::from_u32) {
            let must = goes_out_escaped(character) || matches!(character, '"' | '\\');
            let got = escaped(character.encode_utf8(&mut [0; 4]));
            assert_eq!(got.contains('\\'), must, "U+{:04X} became {got}", u32::from(character));
            assert_eq!(serde_json::from_str::<String>(&got).unwrap(), character.to_string());
        }
    }

    #[test]
    fn writes_lower_case_hex_pairs_and_short_forms() {
        assert_eq!(escaped("\u{1f600}\u{2028}\u{ffff}"), r#""\ud83d\ude00\u2028\uffff""#);
        assert_eq!(escaped("\x08\t\n\x0c\r\x00\x1f\""), r#""\b\t\n\f\r\u0000\u001f\"""#);
    }

    #[test]
    fn raw_json_is_borrowed_when_clean_and_never_holds_a_line_feed() {
        assert!(matches!(raw_json(r#"{"msg":"Hi all! é 世"}"#), Cow::Borrowed(_)));
        assert_eq!(raw_json("{\r\n\t\"a\": \"\u{2028}😀\"\n}"), r#"{   "a": "\u2028\ud83d\ude00" }"#);
    }

    proptest! {
        #[test]
        fn text_round_trips(input in ".*") {
            prop_assert_eq!(serde_json::from_str::<String>(&escaped(&input)).unwrap(), input);
        }

        #[test]
        fn raw_json_keeps_the_value(input in proptest::collection::vec(".*", 0..4)) {
            let json = serde_json::to_string_pretty(&input).unwrap();
            let safe = raw_json(&json);
            prop_assert!(!safe.bytes().any(in_control));
            prop_assert_eq!(serde_json::from_str::<Vec<String>>(&safe).unwrap(), input);
        }
    }

    fn in_control(byte: u8) -> bool {
        byte < 0x20
    }
}
