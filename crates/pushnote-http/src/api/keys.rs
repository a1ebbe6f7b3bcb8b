//! Who may use the API: keys, of which only hashes are kept here.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use pushnote_core::{Audience, ChannelName, ChannelPattern};
use sha2::{Digest, Sha256};

use crate::front::bearer;

/// How a key begins, which is random letters, digits, `-` and `_` behind that.
pub const KEY_PREFIX: &str = "pn_";

/// What is printed before a new key, and before its line for a file.
pub const KEY_TITLE: &str = "key, for whoever publishes:  ";
/// See [`KEY_TITLE`].
pub const LINE_TITLE: &str = "line of the --api-keys file: ";

const NOT_A_LINE: &str = "this is what pushnote keygen --api prints, or a part of it: the word that begins with pn_ is the key, for \
    whoever publishes; only what stands behind 'line of the --api-keys file:' is for this file";

/// The SHA-256 of a key.
type Hash = [u8; 32];

/// What somebody may do with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// Publish messages.
    Publish,
    /// Read what is in channels, and who is there.
    Read,
    /// Disconnect users, and make and remove streams.
    Manage,
}

/// A key, as far as it is known here.
#[derive(Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// What it is called in logs; no other key has that name.
    pub name: Arc<str>,
    rights: Vec<Right>,
    /// It is for these channels alone, and for no users; `None` for all.
    channels: Option<Vec<ChannelPattern>>,
}

/// The keys there are, by their hashes.
#[derive(Debug, Default)]
pub struct ApiKeys(HashMap<Hash, Arc<ApiKey>>);

/// The keys of the moment: they may be replaced while requests come.
#[derive(Debug, Default)]
pub struct CurrentApiKeys(RwLock<ApiKeys>);

/// What is wrong with a list of keys.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct ApiKeysError {
    line: usize,
    what: String,
}

/// Why a request may not do what it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denied {
    /// There is none.
    #[error("the request has no API key; send it as in: Authorization: Bearer KEY")]
    KeyMissing,
    /// Nobody knows it.
    #[error("the API key is unknown")]
    KeyUnknown,
    /// It is for something else.
    #[error("the API key has not the right \"{}\"", .0.name())]
    RightMissing(Right),
    /// It is for other channels.
    #[error("the API key is for other channels alone")]
    OtherChannels,
}

impl Right {
    const ALL: [Self; 3] = [Self::Publish, Self::Read, Self::Manage];

    const fn name(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Read => "read",
            Self::Manage => "manage",
        }
    }
}

impl ApiKeys {
    /// Reads a list of keys: on each line a name, rights, the key's SHA-256 in hexadecimal digits, and for a key of some channels
    /// alone, their patterns; `#` begins a comment.
    ///
    /// ```text
    /// shop   publish,read   9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    /// blog   publish        60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752   news,news.*
    /// ```
    ///
    /// # Errors
    ///
    /// [`ApiKeysError`] with the line that is wrong, or of a list without a key.
    pub fn parse(text: &str) -> Result<Self, ApiKeysError> {
        let (mut keys, mut names) = (HashMap::new(), HashSet::new());
        for (at, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default();
            let fault = |what: String| ApiKeysError { line: at + 1, what };
            let mut words = line.split_whitespace();
            let Some(name) = words.next() else { continue };
            if line.contains(KEY_TITLE) || line.contains(LINE_TITLE) || line.split_whitespace().any(is_key) {
                return Err(fault(NOT_A_LINE.to_owned()));
            }
            let (Some(rights), Some(hash)) = (words.next(), words.next()) else {
                let what = "give a name, rights as in publish,read, and the key's hash; pushnote keygen --api makes a line";
                return Err(fault(what.to_owned()));
            };
            let rights = rights.split(',').map(right).collect::<Result<_, _>>().map_err(fault)?;
            let hash = hash_of_hex(hash).ok_or_else(|| {
                fault(
                    "the hash is not SHA-256 in 64 hexadecimal digits; a key itself does not stand here"
                        .to_owned(),
                )
            })?;
            let channels = words.next().map(patterns).transpose().map_err(fault)?;
            if let Some(more) = words.next() {
                return Err(fault(format!(
                    "there is something behind the channels: {more}; they have commas between them"
                )));
            }
            // A message's id counts for those who have the key's name.
            if !names.insert(name) {
                return Err(fault(format!(
                    "a key named {name} stands here already; give this one another name"
                )));
            }
            let key = Arc::new(ApiKey { name: name.into(), rights, channels });
            if keys.insert(hash, key).is_some() {
                return Err(fault("this key stands here twice".to_owned()));
            }
        }
        if keys.is_empty() {
            return Err(ApiKeysError {
                line: 1,
                what: "there is no key; pushnote keygen --api makes one".to_owned(),
            });
        }
        Ok(Self(keys))
    }

    /// One key with all rights, for a server that lives as long as its demo.
    #[must_use]
    pub fn one(key: &str) -> Self {
        let all = ApiKey { name: "dev".into(), rights: Right::ALL.to_vec(), channels: None };
        Self(HashMap::from([(hash(key), Arc::new(all))]))
    }
}

impl CurrentApiKeys {
    /// From now on these are the keys.
    pub fn replace(&self, keys: ApiKeys) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    /// The key that a request shows, if it has the right.
    ///
    /// # Errors
    ///
    /// [`Denied`], if it shows none, or another.
    pub(crate) fn check(&self, headers: &HeaderMap, right: Right) -> Result<Arc<ApiKey>, Denied> {
        self.check_value(headers.get(AUTHORIZATION), right)
    }

    /// The key that an `Authorization` shows, if it has the right.
    ///
    /// # Errors
    ///
    /// As of [`check`](Self::check).
    pub(crate) fn check_value(
        &self,
        authorization: Option<&HeaderValue>,
        right: Right,
    ) -> Result<Arc<ApiKey>, Denied> {
        let shown = authorization.and_then(bearer);
        let hash = hash(shown.ok_or(Denied::KeyMissing)?);
        // By its hash, whose digits nobody can choose: how long this takes tells nothing of a key.
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner).0.get(&hash).cloned();
        let key = known.ok_or(Denied::KeyUnknown)?;
        if key.rights.contains(&right) { Ok(key) } else { Err(Denied::RightMissing(right)) }
    }
}

impl From<ApiKeys> for CurrentApiKeys {
    fn from(keys: ApiKeys) -> Self {
        Self(RwLock::new(keys))
    }
}

impl ApiKey {
    /// Whether it is for this channel.
    ///
    /// # Errors
    ///
    /// [`Denied::OtherChannels`].
    pub(crate) fn allow_channel(&self, channel: &ChannelName) -> Result<(), Denied> {
        let allowed = |patterns: &Vec<ChannelPattern>| patterns.iter().any(|pattern| pattern.allows(channel));
        if self.channels.as_ref().is_none_or(allowed) { Ok(()) } else { Err(Denied::OtherChannels) }
    }

    /// Whether it is for all of these: with channels of its own, for no users and not for everyone.
    ///
    /// # Errors
    ///
    /// [`Denied::OtherChannels`].
    pub(crate) fn allow(&self, audience: &Audience) -> Result<(), Denied> {
        audience.channels().try_for_each(|channel| self.allow_channel(channel))?;
        if self.channels.is_some() && (audience.is_everyone() || audience.user_ids().next().is_some()) {
            return Err(Denied::OtherChannels);
        }
        Ok(())
    }

    /// Whether it is for users, too.
    ///
    /// # Errors
    ///
    /// [`Denied::OtherChannels`].
    pub(crate) fn allow_users(&self) -> Result<(), Denied> {
        if self.channels.is_none() { Ok(()) } else { Err(Denied::OtherChannels) }
    }
}

/// What a file says of a key instead of it: its SHA-256 in hexadecimal digits. Keys are random, so that nobody finds one by
/// trying.
#[must_use]
pub fn key_hash(key: &str) -> String {
    hash(key).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hash(key: &str) -> Hash {
    Sha256::digest(key).into()
}

fn right(text: &str) -> Result<Right, String> {
    let found = Right::ALL.into_iter().find(|right| right.name() == text);
    found.ok_or_else(|| format!("there is no right {text}; there are publish, read and manage"))
}

/// Whether a word is a key itself.
fn is_key(word: &str) -> bool {
    word.starts_with(KEY_PREFIX) && word.len() > KEY_PREFIX.len() + 32
}

fn patterns(text: &str) -> Result<Vec<ChannelPattern>, String> {
    let parse = |text: &str| text.parse().map_err(|error| format!("channel {text}: {error}"));
    text.split(',').map(parse).collect()
}

fn hash_of_hex(text: &str) -> Option<Hash> {
    let mut hash = Hash::default();
    if text.len() != 2 * hash.len() || !text.is_ascii() {
        return None;
    }
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(key: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, format!("Bearer {key}").parse().unwrap())])
    }

    #[test]
    fn a_key_does_what_its_line_says() {
        let text = format!(
            "# keys\nweb publish,read {}\n\nblog publish {} news.*,blog # its own\n",
            key_hash("a"),
            key_hash("b")
        );
        let keys = CurrentApiKeys::from(ApiKeys::parse(&text).unwrap());
        let web = keys.check(&shown("a"), Right::Read).unwrap();
        assert_eq!((&*web.name, web.allow(&Audience::everyone())), ("web", Ok(())));
        assert_eq!(keys.check(&shown("a"), Right::Manage), Err(Denied::RightMissing(Right::Manage)));
        assert_eq!(keys.check(&shown("c"), Right::Read), Err(Denied::KeyUnknown));
        assert_eq!(keys.check(&HeaderMap::new(), Right::Read), Err(Denied::KeyMissing));
        let blog = keys.check(&shown("b"), Right::Publish).unwrap();
        assert_eq!(blog.allow_channel(&ChannelName::new("news.a").unwrap()), Ok(()));
        assert_eq!(blog.allow_channel(&ChannelName::new("news").unwrap()), Err(Denied::OtherChannels));
        assert_eq!(blog.allow(&Audience::everyone()), Err(Denied::OtherChannels));
    }

    #[test]
    fn what_is_wrong_with_a_line_is_said() {
        let hash = key_hash("a");
        for (text, said) in [
            (String::new(), "line 1: there is no key"),
            ("\nweb".to_owned(), "line 2: give a name, rights"),
            (format!("web write {hash}"), "line 1: there is no right write"),
            ("web publish secret".to_owned(), "line 1: the hash is not SHA-256"),
            (
                format!("{KEY_TITLE}pn_x\n{LINE_TITLE}web publish {hash}"),
                "line 1: this is what pushnote keygen --api prints",
            ),
            (format!("{LINE_TITLE}web publish {hash}"), "line 1: this is what pushnote keygen --api prints"),
            (format!("web publish pn_{hash}"), "line 1: this is what pushnote keygen --api prints"),
            (format!("web publish {hash} a b"), "line 1: there is something behind the channels: b"),
            (format!("a publish {hash}\nb read {hash}"), "line 2: this key stands here twice"),
            (
                format!("a publish {hash}\na publish {}", key_hash("b")),
                "line 2: a key named a stands here already",
            ),
        ] {
            let error = ApiKeys::parse(&text).unwrap_err().to_string();
            assert!(error.starts_with(said), "{text}: {error}");
        }
    }
}
