//! The browser's side, without a proxy.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pushnote_core::{Keys, Tokenizer, UserId};
use pushnote_tests::{Launch, SECRET, Server, Single, token};

use super::{Said, says, says_with};

const WITH_SECRET: &[(&str, &str)] = &[("PUSHNOTE_SECRET", SECRET)];
const OTHER_SECRET: &[(&str, &str)] = &[("PUSHNOTE_SECRET", "another-secret-of-the-suites-0123456789abcdef")];
pub(super) const SESSIONS: [&str; 7] = [
    "websocket",
    "websocket-raw",
    "xhr-streaming",
    "eventsource",
    "htmlfile",
    "xhr-polling",
    "jsonp-polling",
];

pub(super) fn url(server: &Server) -> String {
    format!("http://{}/sockjs", server.address)
}

fn of_age(age_s: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let (keys, user) = (Keys::parse(SECRET).unwrap(), UserId::new("42").unwrap());
    Tokenizer::new(&keys).tokenize(&user, now.checked_add_signed(-age_s).unwrap(), None)
}

fn token_line(server: &Server, arguments: &[&str], environment: &[(&str, &str)], code: i32) -> Said {
    let url = url(server);
    let few = [&url, "--transport=websocket", "--keep-alive=0s"];
    says_with(&[&few, arguments].concat(), environment, code)
}

#[test]
fn a_sound_server_is_sound() {
    let single = Single::with(&["--heartbeat-delay=1"]);
    let said = says_with(&[&url(&single.server)], WITH_SECRET, 0);
    for transport in SESSIONS {
        said.has("ok", transport, &["open in", "answered in"]);
    }
    said.has("ok", "info", &["WebSocket offered", "any origin", "a heartbeat each 1s"])
        .has("ok", "origin", &[&format!("http://{}", single.server.address)])
        .has("ok", "cache", &["each answer is new"])
        .has("ok", "clock", &["within 5 s"])
        .has("ok", "iframe", &["off at the server"])
        .has("ok", "events", &["the first line came in"])
        .has("ok", "token", &["as user pushnote-doctor-"])
        .has("ok", "stickiness", &["12 of 12"])
        .has("ok", "keep-alive", &["websocket is open after", "heartbeats: "]);
    assert!(said.0.iter().any(|line| line.contains("xhr-streaming is open after 4.")), "{said}");
    assert!(said.0.iter().all(|line| line.starts_with("ok ")), "{said}");

    let strings = Single::with(&["--message-form=string"]);
    let said = says_with(&[&url(&strings.server), "--keep-alive=0s"], WITH_SECRET, 0);
    assert!(said.0.iter().all(|line| line.starts_with("ok ")), "{said}");
}

#[test]
fn an_address_of_ipv6_is_one_as_any() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return pushnote_tests::skipped("this machine has no IPv6");
    }
    let flags = ["--single", "--mq_socket=tcp://127.0.0.1:0", "--port=0", "--address=::1"];
    let server = Launch::server().arguments(flags).start();
    let line = server.line_after("listening on ");
    let url = line.split(',').next().unwrap();
    let said = says_with(&[url, "--keep-alive=0s"], WITH_SECRET, 0);
    said.has("ok", "name", &["::1"]).has("ok", "websocket", &["answered in"]);
    said.has("ok", "origin", &[url.trim_end_matches("/sockjs")]);
    assert!(said.0.iter().all(|line| line.starts_with("ok ")), "{said}");

    let [port] = super::fronts::free_ports();
    let said = says(&[&format!("http://[::1]:{port}/sockjs")], 69);
    said.has("FAIL", "connect", &[&format!("[::1]:{port}: "), "nothing listens there"]);
}

#[test]
fn who_does_not_wait_has_seen_what_is_known() {
    let single = Single::start();
    let url = url(&single.server);
    let doctor = Launch::of("pushnote").arguments(["doctor", &url, "--keep-alive=1h"]);
    let mut doctor = doctor.variable("PUSHNOTE_SECRET", SECRET).start_logged();
    doctor.line_after("stickiness ");
    let asked = Instant::now();
    doctor.signal("-INT");
    assert_eq!(doctor.ended().code(), Some(130));
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    let said = doctor.log();
    assert_eq!(said, "pushnote: interrupted, before all was looked at: 0 of 17 checks failed so far\n");
}

#[test]
fn both_sides_in_one_command() {
    let single = Single::start();
    let mq = format!("--mq-sub={}", single.endpoint);
    let said = says_with(&[&url(&single.server), &mq, "--keep-alive=0s"], WITH_SECRET, 0);
    said.has("ok", "socket", &["SUB"]).has("ok", "websocket", &["open in"]);
    said.has("ok", "to a page", &["published at", "and in the page after"]);
}

#[test]
fn what_is_wrong_with_a_token() {
    let single = Single::with(&["--channels={ prefix = \"public.\", public = true }"]);
    let line = |arguments: &[&str], environment: &[(&str, &str)], code, words: &[&str]| {
        let said = token_line(&single.server, arguments, environment, code);
        said.has(if code == 0 { "ok" } else { "FAIL" }, "token", words);
        for argument in arguments.iter().filter(|argument| argument.len() > 20) {
            assert!(!said.to_string().contains(*argument), "{said}");
        }
    };
    let good = token("42");
    line(&["--token", &good], &[], 0, &["subscribed as user 42"]);
    line(&["--user", "43"], WITH_SECRET, 0, &["subscribed as user 43"]);
    line(&["--channel", "news"], WITH_SECRET, 0, &["subscribed to channel news"]);
    line(&["--channel", "public.news"], &[], 0, &["subscribed to channel public.news"]);
    line(&["--channel", "news"], &[], 78, &["not public", "--token"]);
    line(&["--token", &good, "--channel", "news"], &[], 78, &["good, and not for this"]);
    line(&["--token", &of_age(2 * 24 * 3600)], &[], 78, &["has expired", "--token-max-age"]);
    line(&["--token", &of_age(-3600)], &[], 78, &["not good yet", "NTP"]);
    line(&["--token", "undefined"], &[], 78, &["token_invalid", "--secret-file"]);
    line(&["--token", "undefined"], WITH_SECRET, 78, &["\"undefined\", JavaScript's"]);
    line(&["--token", &good], OTHER_SECRET, 0, &["subscribed as user 42"]);
    line(&[], OTHER_SECRET, 78, &["by the secret here it is good", "another secret", "SIGHUP"]);
}

#[test]
fn pages_of_another_origin() {
    let restricted = Single::with(&["--allowed-origin=https://www.example.org"]);
    let url = url(&restricted.server);
    let said = says(&[&url, "--origin=https://www.example.org", "--keep-alive=0s"], 0);
    said.has("ok", "info", &["origins are restricted"]);
    said.has("ok", "jsonp-polling", &["off, as it tells no origin", "allowed_origin"]);
    let said = says(&[&url, "--origin=https://www.example.com", "--keep-alive=0s"], 78);
    said.has("FAIL", "origin", &["keeps pages of https://www.example.com out", "allowed_origin"]);
    for transport in ["websocket", "xhr-streaming", "xhr-polling"] {
        said.has("FAIL", transport, &["403", "allowed_origin"]);
    }
}

#[test]
fn where_nothing_is() {
    let [port] = super::fronts::free_ports();
    let said = says(&[&format!("http://127.0.0.1:{port}/sockjs")], 69);
    said.has("FAIL", "connect", &["refused", "nothing listens there", "started"]);
    says(&["http://no-such-host.invalid/sockjs"], 78).has("FAIL", "name", &["no address", "DNS"]);

    let single = Single::start();
    let root = format!("http://{}", single.server.address);
    says(&[&root], 78).has("FAIL", "info", &["404", "at /sockjs there is", "correct the URL"]);
    says(&[&format!("{root}/other")], 78).has("FAIL", "info", &["404", "at /sockjs there is"]);
    let tls = format!("https://{}/sockjs", single.server.address);
    says(&[&tls], 78).has("FAIL", "tls", &["does not speak TLS", "give http://"]);

    let output = super::doctor(&["ftp://example.org"]);
    assert_eq!(output.status.code(), Some(64), "{output:?}");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("as in https://push.example.org/sockjs"), "{stderr}");
}
