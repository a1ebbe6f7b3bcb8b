//! Settings whose values are tables.
//!
//! In a file each table is `[[server.channels]]`. In a flag and a variable it is the same in one line, as TOML writes tables
//! there: `{ prefix = "news.", public = true }`, or a list of them. That text is what clap holds.

use toml::de::{DeTable, DeValue};

use crate::schema::Tables;

/// What is wrong with a table; if it lies in one of its keys, that stands before a colon.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TableFault(pub(crate) String);

/// What `one` makes of each table.
pub(crate) fn parse<T>(
    tables: &Tables,
    text: &str,
    one: impl Fn(&DeTable<'_>) -> Result<T, TableFault>,
) -> Result<Vec<T>, TableFault> {
    let Tables { key, example, .. } = tables;
    let named = format!("{key} = {text}");
    let parsed = DeTable::parse(&named)
        .map_err(|error| TableFault(format!("give a TOML table, as in {example} ({})", error.message())))?;
    let values = parsed.get_ref().iter().map(|(_, value)| value.get_ref());
    let all = values.flat_map(|value| match value {
        DeValue::Array(all) => all.iter().map(|one| one.get_ref()).collect(),
        one => vec![one],
    });
    let made = all.map(|value| match value {
        DeValue::Table(table) => one(table),
        _ => Err(TableFault(format!("give a TOML table, as in {example}"))),
    });
    made.collect()
}

pub(crate) fn text(value: &DeValue<'_>) -> Result<String, String> {
    match value {
        DeValue::String(text) => Ok(text.clone().into_owned()),
        _ => Err("give a string, between quotes".to_owned()),
    }
}

pub(crate) fn switch(value: &DeValue<'_>) -> Result<bool, String> {
    match value {
        DeValue::Boolean(on) => Ok(*on),
        _ => Err("give true or false, without quotes".to_owned()),
    }
}
