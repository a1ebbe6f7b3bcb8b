//! What somebody has set, and where.

use std::fmt;

/// The settings of a program that a flag, a variable or a file sets to something else than their defaults.
#[derive(Debug, Clone, Default)]
pub struct Given(pub(crate) Vec<GivenSetting>);

/// One of them. Shown, it is its flag, and where it was set if that was elsewhere.
#[derive(Debug, Clone)]
pub struct GivenSetting {
    pub(crate) key: String,
    pub(crate) flag: String,
    /// Where it was set, as people are told.
    pub(crate) origin: String,
    pub(crate) layer: Layer,
    pub(crate) is_of_both: bool,
}

/// Where settings come from, each before those above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Layer {
    File,
    Variable,
    Flag,
}

impl Given {
    /// The setting with this key, if it was set.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&GivenSetting> {
        self.0.iter().find(|setting| setting.key == key)
    }

    /// Whether the first of these is set, and the second not in a layer below: who overrules a file by a flag has taken nothing
    /// for granted that the file says.
    #[must_use]
    pub fn are_beside(&self, one: &str, other: &str) -> bool {
        self.get(one).zip(self.get(other)).is_some_and(|(one, other)| one.layer <= other.layer)
    }
}

impl GivenSetting {
    /// Whether it comes from a variable that the other program reads, too: who has set that for all processes of a machine may
    /// have meant the other one.
    #[must_use]
    pub fn may_be_for_another(&self) -> bool {
        self.is_of_both && self.layer == Layer::Variable
    }
}

impl fmt::Display for GivenSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { flag, origin, .. } = self;
        if flag == origin { f.write_str(flag) } else { write!(f, "{flag} ({origin})") }
    }
}
