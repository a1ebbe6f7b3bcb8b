//! Django's spelling of a time: digits, capitals, small letters; the most significant first.

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// `number` in base 62.
pub(super) fn encode(mut number: u64) -> String {
    let mut text = Vec::new();
    loop {
        text.push(DIGITS[(number % 62) as usize]);
        number /= 62;
        if number == 0 {
            break;
        }
    }
    text.iter().rev().map(|&digit| char::from(digit)).collect()
}

/// The number that `text` spells; `None` if it spells none that fits. Times before 1970 (`-…`) are none.
pub(super) fn decode(text: &str) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.bytes().try_fold(0u64, |number, byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'A'..=b'Z' => byte - b'A' + 10,
            b'a'..=b'z' => byte - b'a' + 36,
            _ => return None,
        };
        number.checked_mul(62)?.checked_add(digit.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spells_as_django_does() {
        for (number, text) in [
            (0, "0"),
            (9, "9"),
            (10, "A"),
            (36, "a"),
            (61, "z"),
            (62, "10"),
            (3843, "zz"),
            (1_700_000_000, "1r31eq"),
        ] {
            assert_eq!(encode(number), text);
            assert_eq!(decode(text), Some(number));
        }
        assert_eq!(decode(&encode(u64::MAX)), Some(u64::MAX));
    }

    #[test]
    fn refuses_what_is_no_number() {
        for text in ["", "-1", "+1", " 1", "1 ", "1:1", "é", "zzzzzzzzzzz", &"z".repeat(1000)] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
