//! The file of settings: TOML, a table for each program.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Arg;
use pushnote_net::read_text;
use serde::Deserialize;
use thiserror::Error;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::fault::fault_of;
use crate::nearest::nearest;
use crate::schema::{ALL_TABLES, Schema, is_list, is_path, is_switch, is_table, key, tables};

/// A file that is longer, in bytes, is another one.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The tables there are.
const TABLES: [&str; 2] = ["mq", "server"];

/// What is wrong with a file, and where: in one line the first of its faults, and how many more there are.
#[derive(Debug, Error)]
#[error("{}{}", faults.first().map(|fault| fault.at(path)).unwrap_or_default(), more(faults.len(), path))]
pub struct FileError {
    path: PathBuf,
    faults: Vec<Fault>,
}

/// One thing that is wrong.
#[derive(Debug, Clone)]
struct Fault {
    /// From 1 on; none when the file cannot be read.
    line: Option<usize>,
    what: String,
}

impl Fault {
    fn at(&self, path: &Path) -> String {
        let line = self.line.map(|line| format!(", line {line}")).unwrap_or_default();
        format!("{}{line}: {}", path.display(), self.what)
    }
}

fn more(faults: usize, path: &Path) -> String {
    match faults {
        0 | 1 => String::new(),
        _ => format!(" (and {} more: pushnote config --check {})", faults - 1, path.display()),
    }
}

impl FileError {
    /// All that is wrong, each with its line of the file.
    pub fn faults(&self) -> impl Iterator<Item = String> {
        self.faults.iter().map(|fault| fault.at(&self.path))
    }
}

/// A file that was read, and what it says; not yet whether that makes sense.
#[derive(Debug)]
pub struct File {
    path: PathBuf,
    text: String,
    tables: BTreeMap<String, Vec<Entry>>,
}

/// A key with its values as a flag would have them.
#[derive(Debug)]
struct Entry {
    key: String,
    at: usize,
    value: Value,
}

#[derive(Debug)]
enum Value {
    Switch(bool),
    One(String),
    List(Vec<String>),
    /// `[server.channels]`, or one between braces.
    Table,
    Tables(Vec<Table>),
}

/// A table among the values of a setting.
#[derive(Debug)]
struct Table {
    at: usize,
    /// In one line, as a flag would have it.
    text: String,
    /// Where each key stands.
    keys: Vec<(String, usize)>,
}

/// A setting that the file makes.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) key: String,
    pub(crate) values: Vec<String>,
    pub(crate) line: usize,
}

impl File {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, or is no TOML, or has something else than tables of settings.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let (file, error) = Self::read_what_can_be(path)?;
        error.map_or(Ok(file), Err)
    }

    /// Reads a file in which something may be wrong, to find what else is.
    ///
    /// # Errors
    /// It cannot be read, or is no TOML.
    pub fn read_what_can_be(path: &Path) -> Result<(Self, Option<FileError>), FileError> {
        let error = |fault| FileError { path: path.to_owned(), faults: vec![fault] };
        let cannot = |why| error(Fault { line: None, what: format!("cannot read it: {why}") });
        let mut file = Self {
            path: path.to_owned(),
            text: read_text(path, FILE_BYTES_MAX).map_err(cannot)?,
            tables: BTreeMap::new(),
        };
        let parsed = DeTable::parse(&file.text).map_err(|why| {
            let at = why.span().map_or(0, |span| span.start);
            error(file.fault(at, why.message().to_owned()))
        })?;
        let (mut tables, mut faults) = (BTreeMap::new(), Vec::new());
        for (name, value) in parsed.get_ref() {
            let (at, name) = (name.span().start, name.get_ref().as_ref());
            match value.get_ref() {
                DeValue::Table(table) if TABLES.contains(&name) => {
                    let entries =
                        table.iter().map(|(key, value)| file.entry(key.get_ref(), key.span().start, value));
                    tables.insert(name.to_owned(), sound(entries, &mut faults));
                }
                value => faults.push(file.fault(at, no_table(name, value))),
            }
        }
        drop(parsed);
        file.tables = tables;
        let error = file.error(faults);
        Ok((file, error))
    }

    /// `None` if nothing is wrong.
    fn error(&self, mut faults: Vec<Fault>) -> Option<FileError> {
        faults.sort_by_key(|fault| fault.line);
        (!faults.is_empty()).then(|| FileError { path: self.path.clone(), faults })
    }

    fn entry(&self, key: &str, at: usize, value: &Spanned<DeValue<'_>>) -> Result<Entry, Fault> {
        let value = match value.get_ref() {
            DeValue::Table(_) => Value::Table,
            DeValue::Boolean(on) => Value::Switch(*on),
            DeValue::Array(all) if all.iter().any(|one| one.get_ref().is_table()) => {
                let all = all.iter().map(Table::of);
                Value::Tables(
                    all.collect::<Option<_>>()
                        .ok_or_else(|| self.fault(at, format!("{key}: give tables, or other values")))?,
                )
            }
            DeValue::Array(all) => {
                let all = all.iter().map(|one| scalar(one.get_ref()));
                Value::List(
                    all.collect::<Option<_>>()
                        .ok_or_else(|| self.fault(at, format!("{key}: a list holds strings or numbers")))?,
                )
            }
            one => Value::One(scalar(one).ok_or_else(|| {
                self.fault(at, format!("{key}: give a string, a number, true, false or a list"))
            })?),
        };
        Ok(Entry { key: key.to_owned(), at, value })
    }

    /// What it makes of these settings, those of one table.
    pub(crate) fn settings(&self, table: &str, known: &[Arg]) -> Result<Vec<Made>, FileError> {
        let entries = self.tables.get(table).map(Vec::as_slice).unwrap_or_default();
        let mut faults = Vec::new();
        let mut made = Vec::new();
        for entry in entries {
            match self.setting(table, entry, known) {
                Ok(one) => made.push(one),
                Err(wrong) => faults.extend(wrong),
            }
        }
        self.error(faults).map_or(Ok(made), Err)
    }

    fn setting(&self, table: &str, entry: &Entry, known: &[Arg]) -> Result<Made, Vec<Fault>> {
        let name = entry.key.as_str();
        let made = |values| Made { key: name.to_owned(), values, line: self.line(entry.at) };
        let fault = |what: String| vec![self.fault(entry.at, what)];
        let Some(arg) = known.iter().find(|arg| key(arg) == name) else {
            let advice = format!("'pushnote config --default' shows all of [{table}]");
            return Err(fault(unknown("setting", name, known.iter().map(key), &advice)));
        };
        let values = match &entry.value {
            Value::Tables(tables) if is_table(arg) => {
                let faults = tables.iter().filter_map(|table| {
                    let why = fault_of(arg, std::slice::from_ref(&table.text))?;
                    Some(self.fault(table.blamed(&why), format!("{name}: {why}")))
                });
                let faults: Vec<_> = faults.collect();
                let texts = tables.iter().map(|table| table.text.clone()).collect();
                return if faults.is_empty() { Ok(made(texts)) } else { Err(faults) };
            }
            Value::List(values) if is_table(arg) && values.is_empty() => return Ok(made(Vec::new())),
            Value::Table if is_table(arg) => {
                let one = tables(arg).map_or("table", |tables| tables.one);
                return Err(fault(format!(
                    "{name}: write [[{table}.{name}]] with two brackets, a line for each {one}"
                )));
            }
            _ if is_table(arg) => {
                return Err(fault(format!("{name}: write [[{table}.{name}]], and its settings below")));
            }
            Value::Table | Value::Tables(_) => return Err(fault(format!("{name}: it has no tables"))),
            Value::Switch(on) if is_switch(arg) => vec![on.to_string()],
            Value::Switch(_) => return Err(fault(format!("{name}: true or false is no value of it"))),
            _ if is_switch(arg) => return Err(fault(format!("{name}: give true or false, without quotes"))),
            Value::List(values) if is_list(arg) => values.clone(),
            Value::List(_) => return Err(fault(format!("{name}: it has one value, not a list"))),
            Value::One(value) => vec![value.clone()],
        };
        if let (false, Some(why)) = (is_switch(arg), fault_of(arg, &values)) {
            return Err(fault(format!("{name} = {}: {why}", values.join(", "))));
        }
        Ok(made(if is_path(arg) { self.beside(&values, is_list(arg)) } else { values }))
    }

    /// Paths as they are seen from this file's folder: who starts a program elsewhere finds the same files.
    fn beside(&self, paths: &[String], are_several: bool) -> Vec<String> {
        let folder = self.path.parent().unwrap_or(Path::new(""));
        let beside = |path: &str| folder.join(path).to_string_lossy().into_owned();
        match are_several {
            true => paths.iter().flat_map(|paths| paths.split(',')).map(|path| beside(path.trim())).collect(),
            false => paths.iter().map(|path| beside(path)).collect(),
        }
    }

    /// Whether it has a setting of this program.
    #[must_use]
    pub fn sets_something<S: Schema>(&self) -> bool {
        self.tables.get(S::TABLE).is_some_and(|entries| !entries.is_empty())
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn fault(&self, at: usize, what: String) -> Fault {
        Fault { line: Some(self.line(at)), what }
    }

    fn line(&self, at: usize) -> usize {
        1 + self.text.as_bytes()[..at.min(self.text.len())].iter().filter(|&&byte| byte == b'\n').count()
    }
}

/// Those that are sound; what is wrong with the others goes to `faults`.
fn sound<T>(all: impl Iterator<Item = Result<T, Fault>>, faults: &mut Vec<Fault>) -> Vec<T> {
    all.filter_map(|one| one.map_err(|fault| faults.push(fault)).ok()).collect()
}

/// What to say of something that stands where a program's table belongs.
fn no_table(name: &str, value: &DeValue<'_>) -> String {
    let is_table = match value {
        DeValue::Table(_) => true,
        DeValue::Array(all) => all.iter().any(|one| one.get_ref().is_table()),
        _ => false,
    };
    match is_table {
        _ if TABLES.contains(&name) => {
            format!("{name} must be a table: write [{name}], and its settings below")
        }
        true if ALL_TABLES.iter().any(|tables| tables.key == name) => {
            format!("there is no table {name}: write [[server.{name}]]")
        }
        true => unknown("table", name, TABLES, "there are [server] and [mq]"),
        false => format!(
            "{name} stands above any table: write [server] above it, or [mq] if it is a setting of pushnote-mq"
        ),
    }
}

impl Table {
    /// `None` if `value` is something else.
    fn of(value: &Spanned<DeValue<'_>>) -> Option<Self> {
        let DeValue::Table(table) = value.get_ref() else { return None };
        let keys =
            table.iter().map(|(key, _)| (key.get_ref().clone().into_owned(), key.span().start)).collect();
        let plain = toml::Value::deserialize(ValueDeserializer::from(value.clone())).ok()?;
        Some(Self { at: value.span().start, text: plain.to_string(), keys })
    }

    /// Where the key stands that a fault names, or the table.
    fn blamed(&self, fault: &str) -> usize {
        let named = |(key, _): &&(String, usize)| {
            fault.strip_prefix(key.as_str()).is_some_and(|rest| rest.starts_with(": "))
        };
        self.keys.iter().find(named).map_or(self.at, |(_, at)| *at)
    }
}

/// A value as a flag would have it.
pub(crate) fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.clone().into_owned()),
        DeValue::Integer(number) => Some(number.as_str().replace('_', "")),
        DeValue::Float(number) => Some(number.as_str().replace('_', "")),
        _ => None,
    }
}

pub(crate) fn unknown<'a>(
    kind: &str,
    name: &str,
    known: impl IntoIterator<Item = &'a str>,
    advice: &str,
) -> String {
    match nearest(name, known) {
        Some(meant) => format!("there is no {kind} {name}; is {meant} meant?"),
        None => format!("there is no {kind} {name}; {advice}"),
    }
}
