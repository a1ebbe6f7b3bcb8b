//! What goes into a store, and what comes out when it is opened again.

use bytes::Bytes;

use crate::epochs::Epochs;

/// One message of the log. What its body means is the log's business.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its place in the log: each record's is one more than that of the record before.
    pub offset: u64,
    /// When it was accepted, in milliseconds since 1970.
    pub unix_ms: u64,
    /// The rest of it.
    pub body: Bytes,
}

/// Something to remember by its name. What it means is the business of whoever has it remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// Its name; what had it before is forgotten.
    pub name: String,
    /// What is to be remembered; of what is to be forgotten, nothing.
    pub value: Option<Bytes>,
}

/// What a file held when it was opened.
#[derive(Debug)]
pub struct Recovered {
    /// Which run of the server gave out which offsets; the newest is the one that begins now.
    pub epochs: Epochs,
    /// The log within its bounds, oldest first, without holes.
    pub records: Vec<Record>,
    /// The offset of the next record, also if there is none left: each is given out once in an epoch.
    pub next_offset: u64,
    /// Names and values of what is remembered, by name.
    pub remembered: Vec<(String, Bytes)>,
}
