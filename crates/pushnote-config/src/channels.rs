//! Rules of channels.

use std::str::FromStr;

use pushnote_core::{ChannelRule, SlowPolicy};
use toml::de::DeTable;

use crate::file::{scalar, unknown};
use crate::schema::CHANNELS;
use crate::tables::{TableFault, switch, text};
use crate::values::{age, bytes, count};

const KEYS: [&str; 7] =
    ["prefix", "public", "history_bytes", "history_count", "history_age", "presence", "slow"];

/// Rules of channels, each with the prefix of the names that it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelTables(pub Vec<(String, ChannelRule)>);

impl FromStr for ChannelTables {
    type Err = TableFault;

    fn from_str(text: &str) -> Result<Self, TableFault> {
        crate::tables::parse(&CHANNELS, text, rule).map(Self)
    }
}

fn rule(table: &DeTable<'_>) -> Result<(String, ChannelRule), TableFault> {
    let mut prefix = None;
    let mut rule = ChannelRule::default();
    for (key, value) in table {
        let (key, value) = (key.get_ref().as_ref(), value.get_ref());
        let number = || scalar(value).ok_or_else(|| "give a number or a string".to_owned());
        let set = match key {
            "prefix" => text(value).map(|text| prefix = Some(text)),
            "public" => switch(value).map(|on| rule.public = on),
            "presence" => switch(value).map(|on| rule.presence = on),
            "history_bytes" => {
                number().and_then(|text| bytes(&text)).map(|max| rule.history.bytes = Some(max))
            }
            "history_count" => {
                number().and_then(|text| count(&text)).map(|max| rule.history.count = Some(max))
            }
            "history_age" => number().and_then(|text| age(&text)).map(|max| rule.history.age_s = Some(max)),
            "slow" => text(value).and_then(|text| slow(&text)).map(|policy| rule.slow = policy),
            other => {
                let advice = format!("there are {}", KEYS.join(", "));
                Err(unknown("setting of channels", other, KEYS, &advice))
            }
        };
        set.map_err(|what| TableFault(format!("{key}: {what}")))?;
    }
    let missing = r#"it has no prefix; say for which names it is, as in prefix = "news.", or "" for all"#;
    Ok((prefix.ok_or_else(|| TableFault(missing.to_owned()))?, rule))
}

fn slow(text: &str) -> Result<SlowPolicy, String> {
    match text {
        "gap" => Ok(SlowPolicy::Gap),
        "latest" => Ok(SlowPolicy::Latest),
        "disconnect" => Ok(SlowPolicy::Disconnect),
        _ => Err("give gap, latest or disconnect".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use pushnote_core::HistoryRule;

    use super::*;

    #[test]
    fn a_rule_is_a_table_in_one_line() {
        let all = r#"{ prefix = "news.", public = true, history_bytes = "1MiB", history_count = 100,
            history_age = "10m", presence = true, slow = "latest" }"#
            .replace('\n', " ");
        let history = HistoryRule { bytes: Some(1 << 20), count: Some(100), age_s: Some(600) };
        let rule = ChannelRule { public: true, history, presence: true, slow: SlowPolicy::Latest };
        assert_eq!(all.parse(), Ok(ChannelTables(vec![("news.".to_owned(), rule)])));
        let two: ChannelTables = r#"[{ prefix = "" }, { prefix = "a, b" }]"#.parse().unwrap();
        assert_eq!(two.0.iter().map(|(prefix, _)| prefix.as_str()).collect::<Vec<_>>(), ["", "a, b"]);
        assert!(two.0.iter().all(|(_, rule)| *rule == ChannelRule::default()));
        assert!(CHANNELS.example.parse::<ChannelTables>().is_ok());
    }

    #[test]
    fn what_is_wrong_with_a_rule_is_said() {
        for (text, said) in [
            ("news.", "give a TOML table, as in { prefix"),
            ("7", "give a TOML table, as in { prefix"),
            ("{}", "it has no prefix; say"),
            ("{ prefix = 7 }", "prefix: give a string, between quotes"),
            (r#"{ prefix = "", public = "yes" }"#, "public: give true or false, without quotes"),
            (r#"{ prefix = "", history_count = "many" }"#, "history_count: give a whole number, from 0 on"),
            (r#"{ prefix = "", history_count = [] }"#, "history_count: give a number or a string"),
            (r#"{ prefix = "", history_bytes = -1 }"#, "history_bytes: give a number of bytes, as in 65536"),
            (r#"{ prefix = "", history_age = "1x" }"#, "history_age: give whole seconds, as in 86400 or 24h"),
            (r#"{ prefix = "", slow = "drop" }"#, "slow: give gap, latest or disconnect"),
            (
                r#"{ prefix = "", pubic = true }"#,
                "pubic: there is no setting of channels pubic; is public meant?",
            ),
            (
                r#"{ prefix = "", zzz = 1 }"#,
                "zzz: there is no setting of channels zzz; there are prefix, public,",
            ),
        ] {
            let fault = text.parse::<ChannelTables>().unwrap_err().to_string();
            assert!(fault.starts_with(said), "{text}: {fault}");
        }
    }
}
