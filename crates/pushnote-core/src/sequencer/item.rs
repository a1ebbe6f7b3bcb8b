//! Messages, as far as their order is concerned.

/// What is put in order.
pub trait Item: Sized {
    /// How many bytes it takes of what may be held.
    fn bytes_len(&self) -> usize;
    /// Tells messages apart that have the same number.
    fn fingerprint(&self) -> u64;
    /// It will be held: lets go of memory that it shares and does not need.
    fn detach(&mut self);
    /// The same came once more while this one is held.
    fn take_in(&mut self, duplicate: Self);
    /// It goes on, and others between it and the one before it do not.
    fn follows_missing(&mut self);
}
