//! What a push service's answer means.

use std::time::{Duration, SystemTime};

use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};

use crate::service::Service;

/// How long a service that has had too much is left alone if it does not say.
const PAUSE_DEFAULT: Duration = Duration::from_secs(60);
/// And at most.
pub(crate) const PAUSE_MAX: Duration = Duration::from_secs(3600);
/// And at least: one that says 0 would be asked as fast as it answers.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// Letters of a word that are told: what is longer may be a part of an endpoint.
const WORD_MAX: usize = 40;
/// Characters of what a service says that are told.
const REASON_CHARS_MAX: usize = 200;

/// What becomes of a message for one subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The service has it.
    Accepted,
    /// There is no such subscription, now or ever again.
    Gone,
    /// The service takes no message of this size.
    TooLarge,
    /// The service has had too much: for so long it wants nothing, for nobody.
    Paused(Duration),
    /// The service has a trouble that may pass, or is not reached.
    Later,
    /// The token is not believed; a fresh one may be.
    Unauthorized,
    /// The subscription was made with another key than the one that signed.
    WrongKey,
    /// Anything else, which will be the same the next time.
    Refused,
}

/// A verdict, with what the service has said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What becomes of the message.
    pub verdict: Verdict,
    /// The status, if there was an answer at all.
    pub status: Option<StatusCode>,
    /// What the service has said, or why there was no answer. Without the endpoint, of one line, and short.
    pub reason: String,
}

impl Answer {
    /// Of a response; `body` is the beginning of its body, `secret` what no reason shows: the endpoint without its origin.
    pub(crate) fn of(
        service: Service,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
        secret: &str,
    ) -> Self {
        let body = String::from_utf8_lossy(body);
        let says = service.says(headers).unwrap_or(&body);
        let after = retry_after(headers, SystemTime::now());
        let verdict = verdict(service, status, after, &body);
        Self { verdict, status: Some(status), reason: told(says, secret) }
    }

    /// Of a request that got no response.
    pub(crate) fn none(verdict: Verdict, reason: &str, secret: &str) -> Self {
        Self { verdict, status: None, reason: told(reason, secret) }
    }
}

fn verdict(service: Service, status: StatusCode, after: Option<Duration>, body: &str) -> Verdict {
    match status.as_u16() {
        200 | 201 | 202 | 204 => Verdict::Accepted,
        404 | 410 => Verdict::Gone,
        413 => Verdict::TooLarge,
        429 => Verdict::Paused(after.unwrap_or(PAUSE_DEFAULT)),
        // WNS throttles with this one.
        406 if service == Service::Wns => Verdict::Paused(after.unwrap_or(PAUSE_DEFAULT)),
        503 => after.map_or(Verdict::Later, Verdict::Paused),
        408 | 425 | 500..=599 => Verdict::Later,
        401 | 403 if tells_of_another_key(body) => Verdict::WrongKey,
        401 | 403 => Verdict::Unauthorized,
        // Redirects, too: who is asked is not for the asked to say.
        _ => Verdict::Refused,
    }
}

/// FCM, Mozilla and Apple have their own words for it.
fn tells_of_another_key(body: &str) -> bool {
    let body = body.to_ascii_lowercase();
    ["do not correspond", "key mismatch", "vapidpkhashmismatch"].iter().any(|words| body.contains(words))
}

/// `Retry-After` in seconds or as a date (RFC 9110, section 10.2.3), within bounds.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let after = if is_number {
        // More digits than a number has are long, too.
        text.parse().map_or(PAUSE_MAX, Duration::from_secs)
    } else {
        httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default()
    };
    Some(after.clamp(PAUSE_MIN, PAUSE_MAX))
}

/// What may be logged of a text that a stranger chose.
fn told(text: &str, secret: &str) -> String {
    let text = if secret.len() > 1 { text.replace(secret, "…") } else { text.to_owned() };
    let (mut word, mut sequence) = (0, Sequence::None);
    let chars = text.chars().filter_map(|char| {
        sequence = sequence.then(char);
        if sequence != Sequence::None {
            return (char == ESCAPE).then_some(' ');
        }
        word = if char.is_ascii_alphanumeric() || "-_.:%=".contains(char) { word + 1 } else { 0 };
        match word {
            0..=WORD_MAX => Some(if is_unseen(char) { ' ' } else { char }),
            _ => (word == WORD_MAX + 1).then_some('…'),
        }
    });
    chars.take(REASON_CHARS_MAX).collect::<String>().trim().to_owned()
}

const ESCAPE: char = '\u{1b}';

/// What a terminal takes for a command (ECMA-48, 5.4): `ESC [`, parameters, and a letter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sequence {
    None,
    Escape,
    Parameters,
    Last,
}

impl Sequence {
    fn then(self, char: char) -> Self {
        match (self, char) {
            (_, ESCAPE) => Self::Escape,
            (Self::Escape, '[') => Self::Parameters,
            (Self::Parameters, ' '..='?') => Self::Parameters,
            (Self::Parameters, '@'..='~') => Self::Last,
            _ => Self::None,
        }
    }
}

/// Nobody sees it, but it changes how the rest is seen: controls, ends of lines, and what turns the direction of writing.
fn is_unseen(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn answer(service: Service, status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Answer {
        let headers =
            headers.iter().map(|&(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        Answer::of(service, StatusCode::from_u16(status).unwrap(), &headers, body.as_bytes(), "/wp/secret")
    }

    fn of(status: u16) -> Verdict {
        answer(Service::Other, status, &[], "").verdict
    }

    #[test]
    fn each_status_has_its_meaning() {
        for (statuses, verdict) in [
            (&[200, 201, 202, 204][..], Verdict::Accepted),
            (&[404, 410], Verdict::Gone),
            (&[413], Verdict::TooLarge),
            (&[429], Verdict::Paused(Duration::from_secs(60))),
            (&[408, 425, 500, 502, 503, 504, 520], Verdict::Later),
            (&[401, 403], Verdict::Unauthorized),
            (
                &[203, 205, 206, 300, 301, 302, 303, 304, 307, 308, 400, 402, 405, 406, 409, 418, 600, 999],
                Verdict::Refused,
            ),
        ] {
            for &status in statuses {
                assert_eq!(of(status), verdict, "{status}");
            }
        }
    }

    #[test]
    fn a_service_is_left_alone_for_as_long_as_it_says() {
        let after = |status, value| answer(Service::Other, status, &[("retry-after", value)], "").verdict;
        let paused = |seconds| Verdict::Paused(Duration::from_secs(seconds));
        assert_eq!(after(429, "7"), paused(7));
        assert_eq!(after(503, "7"), paused(7));
        assert_eq!(after(429, "0"), paused(1));
        assert_eq!(after(429, "86400"), paused(3600), "at most an hour");
        assert_eq!(after(429, "99999999999999999999999"), paused(3600));
        assert_eq!(after(429, "Fri, 31 Dec 9999 23:59:59 GMT"), paused(3600));
        assert_eq!(after(429, "Thu, 01 Jan 1970 00:00:00 GMT"), paused(1));
        for nonsense in ["", "-1", "soon", "1.5", "+1"] {
            assert_eq!(after(429, nonsense), paused(60), "{nonsense}");
            assert_eq!(after(503, nonsense), Verdict::Later, "{nonsense}");
        }
        assert_eq!(after(500, "7"), Verdict::Later);
        let headers = HeaderMap::from_iter([(RETRY_AFTER, "Thu, 01 Jan 1970 00:02:00 GMT".parse().unwrap())]);
        let now = UNIX_EPOCH + Duration::from_secs(100);
        assert_eq!(retry_after(&headers, now), Some(Duration::from_secs(20)));
    }

    #[test]
    fn windows_throttles_with_406_and_speaks_in_headers() {
        let headers = [
            ("x-wns-error-description", "Ttl value conflicts with X-WNS-Cache-Policy."),
            ("x-wns-status", "dropped"),
        ];
        let answered = answer(Service::Wns, 400, &headers, "");
        assert_eq!(answered.verdict, Verdict::Refused);
        assert_eq!(answered.reason, "Ttl value conflicts with X-WNS-Cache-Policy.");
        assert_eq!(answer(Service::Wns, 406, &[], "").verdict, Verdict::Paused(PAUSE_DEFAULT));
        assert_eq!(answer(Service::Other, 400, &headers, "body").reason, "body");
    }

    #[test]
    fn another_key_is_told_from_a_bad_token() {
        let verdict = |status, body| answer(Service::Other, status, &[], body).verdict;
        let fcm = "the VAPID credentials in the authorization header do not correspond to the credentials used to create the subscriptions.";
        assert_eq!(verdict(403, fcm), Verdict::WrongKey);
        assert_eq!(
            verdict(401, r#"{"code":401,"errno":109,"message":"VAPID public key mismatch"}"#),
            Verdict::WrongKey
        );
        assert_eq!(verdict(403, r#"{"reason":"VapidPkHashMismatch"}"#), Verdict::WrongKey);
        assert_eq!(verdict(403, r#"{"reason":"BadJwtToken"}"#), Verdict::Unauthorized);
        assert_eq!(verdict(400, fcm), Verdict::Refused);
    }

    #[test]
    fn reasons_are_short_of_one_line_and_without_the_endpoint() {
        let reason =
            answer(Service::Other, 400, &[], "no\r\n\u{1b}[31m https://push.example/wp/secret").reason;
        assert_eq!(reason, "no    https://push.example…");
        let reason =
            answer(Service::Other, 400, &[], "a\u{1b}[2J\u{1b}[1;1Hb \u{9b}2J\u{1b}c\u{2028}d\u{202e}e[1]")
                .reason;
        assert_eq!(reason, "a  b  2J cd e[1]".replace("cd", "c d"));
        let long =
            answer(Service::Other, 400, &[], &format!("no subscription {}, sorry", "aB3-".repeat(20))).reason;
        assert_eq!(long, format!("no subscription {}…, sorry", "aB3-".repeat(10)));
        assert_eq!(answer(Service::Other, 400, &[], &"é".repeat(5000)).reason.chars().count(), 200);
    }
}
