//! Places in this server's log, as text.

use std::fmt;
use std::str::FromStr;

use pushnote_core::Position;

/// Digits of each of the two numbers.
const DIGITS: usize = 16;

/// A place in the log: in hexadecimal, its number, then the epoch in which it was told. A log that goes on after a restart
/// goes on with its numbers, too, so that texts are sorted as places are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Offset {
    pub(super) place: Position,
    /// Up to here, which is further on, who was told this knows that something is missing, if it does: it has begun at what
    /// was left. Its number stands behind the other two.
    pub(super) gap: Option<u64>,
}

/// From where a client reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    /// The first that is there (`-1`).
    Start,
    /// Behind the last (`now`).
    Now,
    /// A place that it was told.
    At(Offset),
}

/// Not an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("offset must be -1, now or one that this server has told")]
pub(super) struct NotAnOffset;

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}_{:016x}", self.place.sequence, self.place.epoch)?;
        self.gap.map_or(Ok(()), |gap| write!(f, "_{gap:016x}"))
    }
}

impl FromStr for Offset {
    type Err = NotAnOffset;

    fn from_str(text: &str) -> Result<Self, NotAnOffset> {
        let (sequence, rest) = text.split_once('_').ok_or(NotAnOffset)?;
        let (epoch, gap) = rest.split_once('_').map_or((rest, None), |(epoch, gap)| (epoch, Some(gap)));
        let number = |text: &str| {
            let plain = text.len() == DIGITS && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            u64::from_str_radix(text, 16).ok().filter(|_| plain).ok_or(NotAnOffset)
        };
        let place = Position { epoch: number(epoch)?, sequence: number(sequence)? };
        Ok(Self { place, gap: gap.map(number).transpose()? })
    }
}

impl FromStr for From {
    type Err = NotAnOffset;

    fn from_str(text: &str) -> Result<Self, NotAnOffset> {
        match text {
            "-1" => Ok(Self::Start),
            "now" => Ok(Self::Now),
            place => place.parse().map(Self::At),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offset(sequence: u64, epoch: u64) -> Offset {
        Offset { place: Position { epoch, sequence }, gap: None }
    }

    #[test]
    fn an_offset_is_sorted_as_the_log_is() {
        let places =
            [offset(0, 9), offset(9, 8), offset(10, 7), offset(255, 6), offset(256, 5), offset(u64::MAX, 0)];
        let places = places.map(|place| Offset { gap: place.place.sequence.checked_add(7), ..place });
        let texts = places.map(|place| place.to_string());
        assert!(texts.is_sorted(), "{texts:?}");
        for (place, text) in places.iter().zip(&texts) {
            assert_eq!(text.parse(), Ok(*place));
            assert_eq!(text.parse(), Ok(From::At(*place)));
        }
    }

    #[test]
    fn sentinels_are_no_places() {
        assert_eq!("-1".parse(), Ok(From::Start));
        assert_eq!("now".parse(), Ok(From::Now));
        assert_eq!("now".parse::<Offset>(), Err(NotAnOffset));
    }

    #[test]
    fn nothing_else_is_an_offset() {
        let good = offset(1, 2).to_string();
        for text in
            ["", "0", "_", "-2", "NOW", "1_2", "0,1", "../x", "a/b", &good.to_uppercase().replace('0', "A")]
        {
            assert_eq!(text.parse::<From>(), Err(NotAnOffset), "{text}");
        }
        for text in [
            format!("{good}0"),
            format!(" {good}"),
            good.replacen('0', "+", 1),
            format!("{good}_0"),
            format!("{good}_{good}"),
        ] {
            assert_eq!(text.parse::<From>(), Err(NotAnOffset), "{text}");
        }
    }
}
