//! Whom a push is for.

/// Whose devices get a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audience {
    /// All of these.
    pub to: Recipients,
    /// But for these users.
    pub except: Vec<String>,
}

/// Users, by name or together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipients {
    /// These users.
    Users(Vec<String>),
    /// Those who subscribed to a group.
    Group(String),
    /// Whoever has subscribed.
    Everyone,
}

impl From<Recipients> for Audience {
    /// Without exceptions.
    fn from(to: Recipients) -> Self {
        Self { to, except: Vec::new() }
    }
}
