//! Push services whose ways differ from the RFCs'.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::message::Topic;

const WNS_CACHE_POLICY: HeaderName = HeaderName::from_static("x-wns-cache-policy");
/// Where WNS says what is wrong: its bodies are empty.
const WNS_ERRORS: [&str; 2] = ["x-wns-error-description", "x-wns-status"];

/// Whose push service an endpoint is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Google's, of Chrome and of most that are made from Chromium.
    Fcm,
    /// Mozilla's, of Firefox.
    Mozilla,
    /// Apple's, of Safari.
    Apple,
    /// Microsoft's, of Edge with Windows.
    Wns,
    /// Any other, for example of UnifiedPush.
    Other,
}

impl Service {
    /// All of them, as they are counted.
    pub const ALL: [Self; 5] = [Self::Fcm, Self::Mozilla, Self::Apple, Self::Wns, Self::Other];

    /// Whose an origin is, as [`Endpoint::origin`](crate::Endpoint::origin) has it.
    pub fn of(origin: &str) -> Self {
        let Some(host) = origin.strip_prefix("https://") else { return Self::Other };
        let below = |domain: &str| {
            host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        match host {
            "fcm.googleapis.com" => Self::Fcm,
            _ if below("push.services.mozilla.com") => Self::Mozilla,
            _ if below("push.apple.com") => Self::Apple,
            _ if below("notify.windows.com") => Self::Wns,
            _ => Self::Other,
        }
    }

    /// A word for metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::Fcm => "fcm",
            Self::Mozilla => "mozilla",
            Self::Apple => "apple",
            Self::Wns => "wns",
            Self::Other => "other",
        }
    }

    /// Headers that only this one wants. `ttl` is what the request says, in seconds.
    pub(crate) fn add_headers(self, ttl: u64, headers: &mut HeaderMap) {
        if self == Self::Wns {
            // It refuses a TTL that does not go with the policy.
            let policy = if ttl == 0 { "no-cache" } else { "cache" };
            headers.insert(WNS_CACHE_POLICY, HeaderValue::from_static(policy));
        }
    }

    /// A topic as this one takes it: Apple was seen to refuse underscores.
    pub(crate) fn topic(self, topic: &Topic) -> String {
        match self {
            Self::Apple => topic.as_str().replace('_', "-"),
            _ => topic.as_str().to_owned(),
        }
    }

    /// What it says of an answer in headers.
    pub(crate) fn says(self, headers: &HeaderMap) -> Option<&str> {
        let mut values = WNS_ERRORS.iter().filter_map(|&name| headers.get(name)?.to_str().ok());
        values.find(|text| self == Self::Wns && !text.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_known_by_their_hosts() {
        for (origin, service) in [
            ("https://fcm.googleapis.com", Service::Fcm),
            ("https://updates.push.services.mozilla.com", Service::Mozilla),
            ("https://web.push.apple.com", Service::Apple),
            ("https://db5p.notify.windows.com", Service::Wns),
            ("https://fcm.googleapis.com.evil.example", Service::Other),
            ("https://evilpush.apple.com", Service::Other),
            ("http://web.push.apple.com", Service::Other),
            ("https://web.push.apple.com:8443", Service::Other),
            ("https://ntfy.example", Service::Other),
        ] {
            assert_eq!(Service::of(origin), service, "{origin}");
        }
    }

    #[test]
    fn windows_wants_a_policy_that_goes_with_the_ttl() {
        let headers = |service: Service, ttl| {
            let mut headers = HeaderMap::new();
            service.add_headers(ttl, &mut headers);
            headers.get(WNS_CACHE_POLICY).map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(headers(Service::Wns, 0).as_deref(), Some("no-cache"));
        assert_eq!(headers(Service::Wns, 1).as_deref(), Some("cache"));
        assert_eq!(headers(Service::Fcm, 0), None);
    }

    #[test]
    fn apple_gets_topics_without_underscores() {
        let topic: Topic = "match_42-A".parse().unwrap();
        assert_eq!(Service::Apple.topic(&topic), "match-42-A");
        assert_eq!(Service::Mozilla.topic(&topic), "match_42-A");
    }
}
