//! UTF-8 checked as it arrives, so that a bad byte is refused before the rest of the message is waited for.

/// How much of a growing text is known to be valid.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Progress {
    checked: usize,
}

impl Progress {
    /// Checks what was appended to `text` since the last call. `false`: no continuation can make it valid.
    pub(crate) fn advance(&mut self, text: &[u8]) -> bool {
        match std::str::from_utf8(&text[self.checked..]) {
            Ok(_) => self.checked = text.len(),
            Err(error) if error.error_len().is_none() => self.checked += error.valid_up_to(),
            Err(_) => return false,
        }
        true
    }
}
