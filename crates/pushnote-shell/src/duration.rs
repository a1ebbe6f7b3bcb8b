//! Times on the command line.

use std::time::Duration;

/// Seconds of a flag, with a fraction or without: from a tenth of a second to an hour. For clap's `value_parser`.
///
/// # Errors
/// A text that says what to give instead.
pub fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds) if (0.1..=3600.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("give seconds from 0.1 to 3600, as in 2.5".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sensible_times_parse() {
        assert_eq!(seconds("5"), Ok(Duration::from_secs(5)));
        assert_eq!(seconds("0.1"), Ok(Duration::from_millis(100)));
        for text in ["", "0", "0.09", "3601", "-1", "NaN", "inf", "5s"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
