//! What is from before this server was there, and who is told of it.

use lru::LruCache;
use pushnote_hub::Origin;

use crate::order::PUBLISHERS_MAX;

/// What a message is to pages that are here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Age {
    /// It is delivered to them.
    New,
    /// It is from before they came.
    Old,
    /// It is from before its source was asked, and they may have been here then: they were let in without it.
    Late,
}

/// Whether pages were let in that wait for what sources had before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pages {
    /// Not yet.
    Wait,
    /// They are here.
    Here,
    /// They have been told that something comes late, all of which is from before that.
    Told,
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Ages {
    pages: Pages,
    /// The numbers of the newest, by publishers' names.
    newest: LruCache<Box<str>, u64>,
}

impl Ages {
    pub(crate) fn new() -> Self {
        Self { pages: Pages::Wait, newest: LruCache::new(PUBLISHERS_MAX) }
    }

    /// What sources had before is here, or waited for no more.
    pub(crate) fn are_let_in(&mut self) {
        self.pages = Pages::Here;
    }

    /// Whether something has come late since then, and more may.
    pub(crate) fn is_something_late(&self) -> bool {
        self.pages == Pages::Told
    }

    /// Something late is about to be published. Whether pages are to be told that before.
    pub(crate) fn is_to_be_told(&mut self) -> bool {
        std::mem::replace(&mut self.pages, Pages::Told) == Pages::Here
    }

    /// What it is. What follows something new of its publisher is new, whichever of `several` streams has brought it first, and
    /// had it before it was asked for that.
    pub(crate) fn of(&mut self, origin: &Origin, several: bool) -> Age {
        let old = if self.pages == Pages::Wait { Age::Old } else { Age::Late };
        let Some(id) = origin.id.as_ref().filter(|_| several) else {
            return if origin.old { old } else { Age::New };
        };
        match self.newest.get_mut(&id.publisher) {
            Some(newest) if origin.old && id.number < *newest => old,
            Some(newest) => {
                *newest = id.number.max(*newest);
                Age::New
            }
            None if origin.old => old,
            None => {
                self.newest.put(id.publisher.clone(), id.number);
                Age::New
            }
        }
    }
}
