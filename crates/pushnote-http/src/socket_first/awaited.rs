//! Which messages are still to be acknowledged, and by whom: in memory, and bounded.

use std::collections::HashSet;
use std::sync::Arc;

use lru::LruCache;
use pushnote_core::UserId;

/// Users of messages that are remembered, together. A browser's word counts only for these.
pub(super) const USERS_MAX: usize = 1 << 17;

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Awaited {
    messages: LruCache<Arc<str>, HashSet<UserId>>,
    users: usize,
    users_max: usize,
}

impl Default for Awaited {
    fn default() -> Self {
        Self::up_to(USERS_MAX)
    }
}

impl Awaited {
    fn up_to(users_max: usize) -> Self {
        Self { messages: LruCache::unbounded(), users: 0, users_max }
    }

    /// These are to acknowledge a message, beside those who are already: its id may come a second time, for others. If there are
    /// too many, the oldest messages are forgotten: of them nobody's word counts any more. How many users that were.
    pub(super) fn expect(&mut self, message: Arc<str>, users: impl IntoIterator<Item = UserId>) -> usize {
        let awaited = self.messages.get_or_insert_mut(message, HashSet::new);
        let before = awaited.len();
        awaited.extend(users);
        self.users += awaited.len() - before;
        let mut forgotten = 0;
        while self.users > self.users_max
            && let Some((_, users)) = self.messages.pop_lru()
        {
            self.users -= users.len();
            forgotten += users.len();
        }
        forgotten
    }

    /// Those of these users who had not acknowledged it, and have now.
    pub(super) fn acknowledge<'a>(
        &mut self,
        message: &str,
        users: impl IntoIterator<Item = &'a UserId>,
    ) -> Vec<UserId> {
        let Some(awaited) = self.messages.peek_mut(message) else { return Vec::new() };
        let acknowledged: Vec<_> = users.into_iter().filter_map(|user| awaited.take(user)).collect();
        self.users -= acknowledged.len();
        if awaited.is_empty() {
            self.messages.pop(message);
        }
        acknowledged
    }

    /// How many users of messages are awaited.
    pub(super) fn len(&self) -> usize {
        self.users
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(names: &[&str]) -> Vec<UserId> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn each_user_acknowledges_once() {
        let mut awaited = Awaited::default();
        awaited.expect("a".into(), users(&["1", "2"]));
        assert_eq!(awaited.acknowledge("a", &users(&["3", "2"])), users(&["2"]));
        assert_eq!(awaited.acknowledge("a", &users(&["2"])), []);
        assert_eq!(awaited.acknowledge("b", &users(&["1"])), []);
        assert_eq!(awaited.len(), 1);
        assert_eq!(awaited.acknowledge("a", &users(&["1"])), users(&["1"]));
        assert_eq!((awaited.len(), awaited.messages.len()), (0, 0));
    }

    #[test]
    fn who_is_awaited_stays_so_when_the_id_comes_again_for_others() {
        let mut awaited = Awaited::default();
        awaited.expect("a".into(), users(&["1", "2"]));
        awaited.expect("a".into(), users(&["2", "3"]));
        assert_eq!(awaited.len(), 3);
        assert_eq!(awaited.acknowledge("a", &users(&["1"])), users(&["1"]));
        assert_eq!(awaited.acknowledge("a", &users(&["3", "2"])), users(&["3", "2"]));
        assert_eq!((awaited.len(), awaited.messages.len()), (0, 0));
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let mut awaited = Awaited::up_to(3);
        awaited.expect("a".into(), users(&["1", "2"]));
        awaited.expect("a".into(), users(&["1", "2"]));
        assert_eq!(awaited.len(), 2, "the same message");
        assert_eq!(awaited.expect("b".into(), users(&["1", "2"])), 2);
        assert_eq!(awaited.acknowledge("a", &users(&["1"])), []);
        assert_eq!(
            awaited.expect("c".into(), users(&["1", "2", "3", "4"])),
            6,
            "more than there is room for"
        );
        assert_eq!((awaited.len(), awaited.messages.len()), (0, 0));
    }
}
