use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use pushnote_core::rules::{ChannelRule, ChannelRules, HistoryRule};
use pushnote_core::{ChannelName, Subject};
use tokio::time::Instant;

use super::entries::{Entries, LogOptions};
use super::sources::Origin;
use crate::publication::Publication;

const COUNT_MAX: usize = 20;
const BYTES_MAX: usize = 30;

proptest! {
    /// The bytes that a channel's rule lets it have are counted as they come and go, and not each time that somebody reads.
    #[test]
    fn what_a_rule_lets_be_read_are_the_last_that_take_no_more_bytes(
        published in prop::collection::vec((any::<bool>(), 1..40_usize), 0..60),
    ) {
        let channel = Subject::Channel(ChannelName::new("news").unwrap());
        let history = HistoryRule { bytes: Some(BYTES_MAX), ..HistoryRule::default() };
        let rule = ChannelRule { history, ..ChannelRule::default() };
        let rules = Arc::new(ChannelRules::new([("news".to_owned(), rule)]).unwrap());
        let age_max = Duration::from_secs(3600);
        let options = LogOptions { epoch: 1, bytes_max: 1 << 20, count_max: COUNT_MAX, age_max };
        let mut entries = Entries::new(options, rules);
        let now = Instant::now();
        let mut kept = VecDeque::new();
        for (offset, (of_channel, len)) in published.into_iter().enumerate() {
            let subject = if of_channel { channel.clone() } else { Subject::Everyone };
            let data = Bytes::from("1".repeat(len));
            let publication = Publication::new(data, None, [subject].into_iter().collect());
            entries.push(publication, Origin::default(), now);
            entries.evict(u64::MAX, now);
            kept.push_back((of_channel, len));
            if kept.len() > COUNT_MAX {
                kept.pop_front();
            }
            let mut left = BYTES_MAX;
            let of_it = kept.iter().rev().filter(|(of_channel, _)| *of_channel).map(|(_, len)| *len);
            let fits = |len: &usize| left.checked_sub(*len).map(|rest| left = rest).is_some();
            let mut expected: Vec<_> = of_it.take_while(fits).collect();
            expected.reverse();
            let there = entries.last(&channel, usize::MAX, offset as u64 + 1, now).0;
            prop_assert_eq!(there.iter().map(|one| one.data_len()).collect::<Vec<_>>(), expected);
        }
    }
}
