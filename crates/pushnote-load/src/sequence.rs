//! Whether one connection gets every message, once, in order.

/// What a message is to the connection it came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    InOrder,
    /// It came before some that should have come first.
    Early,
    /// It was missing.
    Late,
    Duplicate,
    /// It was meant for other connections.
    Misdelivered,
}

/// The messages one connection is to get: `first`, `first + stride`, and so on.
#[derive(Debug)]
pub(crate) struct Sequence {
    first: u64,
    stride: u64,
    next: u64,
    /// Half-open ranges that were skipped. Empty, and without memory, while all is well.
    missing: Vec<(u64, u64)>,
}

impl Sequence {
    pub(crate) fn new(first: u64, stride: u64) -> Self {
        Self { first, stride, next: first, missing: Vec::new() }
    }

    /// For a connection that joins while messages flow: its first message is whichever comes first.
    pub(crate) fn joining(stride: u64) -> Self {
        Self::new(u64::MAX, stride)
    }

    #[inline]
    pub(crate) fn arrived(&mut self, number: u64) -> Arrival {
        if number == self.next {
            self.next += self.stride;
            return Arrival::InOrder;
        }
        self.out_of_order(number)
    }

    /// Messages that were skipped and have not come since.
    pub(crate) fn missing(&self) -> u64 {
        self.missing.iter().map(|(start, end)| (end - start) / self.stride).sum()
    }

    /// Of the messages numbered below `published`, how many have not come.
    pub(crate) fn pending(&self, published: u64) -> u64 {
        published.saturating_sub(self.next).div_ceil(self.stride) + self.missing()
    }

    #[cold]
    fn out_of_order(&mut self, number: u64) -> Arrival {
        if self.next == u64::MAX {
            (self.first, self.next) = (number, number + self.stride);
            return Arrival::InOrder;
        }
        if number < self.first || !(number - self.first).is_multiple_of(self.stride) {
            return Arrival::Misdelivered;
        }
        if number > self.next {
            self.missing.push((self.next, number));
            self.next = number + self.stride;
            return Arrival::Early;
        }
        let Some(at) = self.missing.iter().position(|&(start, end)| (start..end).contains(&number)) else {
            return Arrival::Duplicate;
        };
        let (start, end) = self.missing.swap_remove(at);
        let around = [(start, number), (number + self.stride, end)];
        self.missing.extend(around.into_iter().filter(|(start, end)| start < end));
        Arrival::Late
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_late_comers_and_duplicates_are_told_apart() {
        let mut sequence = Sequence::new(0, 1);
        let arrivals = [0, 1, 5, 3, 3, 2, 4, 6, 6].map(|number| sequence.arrived(number));
        use Arrival::{Duplicate, Early, InOrder, Late};
        assert_eq!(arrivals, [InOrder, InOrder, Early, Late, Duplicate, Late, Late, InOrder, Duplicate]);
        assert_eq!((sequence.missing(), sequence.pending(7), sequence.pending(9)), (0, 0, 2));
    }

    #[test]
    fn one_that_joins_begins_where_it_comes_in() {
        let mut sequence = Sequence::joining(1);
        let arrivals = [7, 8, 8, 10].map(|number| sequence.arrived(number));
        assert_eq!(arrivals, [Arrival::InOrder, Arrival::InOrder, Arrival::Duplicate, Arrival::Early]);
    }

    #[test]
    fn with_a_stride_only_every_so_many_messages_are_meant() {
        let mut sequence = Sequence::new(2, 10);
        assert_eq!(sequence.pending(2), 0);
        assert_eq!(sequence.pending(3), 1);
        assert_eq!(sequence.arrived(2), Arrival::InOrder);
        assert_eq!(sequence.arrived(3), Arrival::Misdelivered);
        assert_eq!(sequence.arrived(0), Arrival::Misdelivered);
        assert_eq!(sequence.arrived(32), Arrival::Early);
        assert_eq!(sequence.missing(), 2);
        assert_eq!(sequence.pending(43), 3);
        assert_eq!(sequence.arrived(22), Arrival::Late);
        assert_eq!(sequence.missing(), 1);
    }
}
