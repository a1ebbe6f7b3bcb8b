//! Base64 as browsers and libraries write it: they agree neither on the alphabet nor on padding.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The url-safe alphabet without padding, as all of Web Push has it in headers.
pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Bytes from either alphabet, padded or not; `None` if it is neither, or not exactly `N` bytes.
pub(crate) fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    let text: String = text
        .trim_end_matches('=')
        .chars()
        .map(|letter| match letter {
            '+' => '-',
            '/' => '_',
            other => other,
        })
        .collect();
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_alphabet_padded_or_not() {
        let bytes = [0xfb, 0xff, 0xfe, 0x01];
        for text in ["-__-AQ", "-__-AQ==", "+//+AQ", "+//+AQ=="] {
            assert_eq!(decode::<4>(text), Some(bytes), "{text}");
        }
        for text in ["", "-__-A", "-__-AQAA", "-__-AQ ", "-__-A?", "é__-AQ"] {
            assert_eq!(decode::<4>(text), None, "{text}");
        }
        assert_eq!(encode(&bytes), "-__-AQ");
    }
}
