//! Masking (RFC 6455, 5.3): an exclusive or with four bytes, over and over.

/// Masks or unmasks `bytes`, whose first byte meets `mask[0]`.
pub(crate) fn apply(bytes: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    // Eight bytes at a time, a multiple of the mask's length: the compiler turns this into vector instructions.
    let word = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for chunk in words {
        *chunk = (u64::from_ne_bytes(*chunk) ^ word).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
}

/// The mask as it stands after `taken` bytes.
pub(crate) fn rotate(mut mask: [u8; 4], taken: usize) -> [u8; 4] {
    mask.rotate_left(taken % 4);
    mask
}
