//! Z85: bytes as text, five characters for four bytes (RFC 32).

use zeroize::Zeroizing;

const ALPHABET: &[u8; 85] =
    b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

/// Four characters' worth of bytes at a time; what is left at the end is dropped.
pub(super) fn encode(bytes: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(bytes.len() / 4 * 5));
    for chunk in bytes.as_chunks::<4>().0 {
        let value = u32::from_be_bytes(*chunk);
        for power in [85 * 85 * 85 * 85, 85 * 85 * 85, 85 * 85, 85, 1] {
            text.push(char::from(ALPHABET[(value / power % 85) as usize]));
        }
    }
    text
}

/// Fills `out`, if `text` is just what that takes.
pub(super) fn decode(text: &str, out: &mut [u8]) -> Option<()> {
    let (groups, rest) = text.as_bytes().as_chunks::<5>();
    let (chunks, _) = out.as_chunks_mut::<4>();
    if !rest.is_empty() || groups.len() != chunks.len() {
        return None;
    }
    for (group, chunk) in groups.iter().zip(chunks) {
        let mut value = 0_u32;
        for character in group {
            let digit = ALPHABET.iter().position(|known| known == character)?;
            value = value.checked_mul(85)?.checked_add(digit as u32)?;
        }
        *chunk = value.to_be_bytes();
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test case of RFC 32.
    const BYTES: [u8; 8] = [0x86, 0x4f, 0xd2, 0x6f, 0xb5, 0x59, 0xf7, 0x5b];
    const TEXT: &str = "HelloWorld";

    fn decoded<const N: usize>(text: &str) -> Option<[u8; N]> {
        let mut out = [0; N];
        decode(text, &mut out).map(|()| out)
    }

    #[test]
    fn the_rfcs_vector() {
        assert_eq!(*encode(&BYTES), TEXT);
        assert_eq!(decoded(TEXT), Some(BYTES));
    }

    #[test]
    fn the_ends_of_the_range() {
        assert_eq!((&**encode(&[0; 4]), &**encode(&[0xff; 4])), ("00000", "%nSc0"));
        assert_eq!(decoded("%nSc0"), Some([0xff; 4]));
        assert_eq!(decoded::<4>("%nSc1"), None, "more than four bytes hold");
        assert_eq!(decoded::<4>("#####"), None);
    }

    #[test]
    fn what_is_no_z85_is_refused() {
        for text in [
            "",
            "HelloWorl",
            "HelloWorldHello",
            "Hello World",
            "HelloWorl\u{e9}",
            "Hello,orld",
            "\"elloWorld",
        ] {
            assert_eq!(decoded::<8>(text), None, "{text}");
        }
    }
}
