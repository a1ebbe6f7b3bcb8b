//! Times on the command line.

use std::time::Duration;

const SENSIBLE: std::ops::RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(3600);

/// A time of a flag, from a tenth of a second to an hour: `5s`, `500ms`, `1m 30s`, or bare seconds, `2.5`. For clap's
/// `value_parser`.
///
/// # Errors
/// A text that says what to give instead.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let bare = || Duration::try_from_secs_f64(text.parse().ok()?).ok();
    let time = bare().or_else(|| humantime::parse_duration(text).ok());
    time.filter(|time| SENSIBLE.contains(time))
        .ok_or_else(|| "give a time from 0.1 to 3600 seconds, as in 2.5 or 500ms".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sensible_times_parse() {
        for (text, milliseconds) in
            [("5", 5000), ("5s", 5000), ("0.1", 100), ("100ms", 100), ("1m 30s", 90_000), ("1h", 3_600_000)]
        {
            assert_eq!(seconds(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "0", "0.09", "99ms", "3601", "61m", "-1", "NaN", "inf", "1e300", "5x"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
