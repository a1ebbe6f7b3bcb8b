//! What somebody may have meant.

/// Below this, two words have nothing to do with each other.
const ALIKE: f64 = 0.75;

/// The known word that is most like `word`, if one is.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase().replace('-', "_");
    let alike = known.into_iter().map(|known| (strsim::jaro_winkler(&word, &known.to_lowercase()), known));
    let best = alike.max_by(|one, other| one.0.total_cmp(&other.0))?;
    (best.0 >= ALIKE).then_some(best.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_pen_are_understood_and_other_words_are_not() {
        let known = ["port", "mq_socket", "heartbeat_delay"];
        for (word, meant) in
            [("prot", "port"), ("mq-socket", "mq_socket"), ("heartbeat_dely", "heartbeat_delay")]
        {
            assert_eq!(nearest(word, known), Some(meant));
        }
        assert_eq!(nearest("zzz", known), None);
    }
}
