//! What to do about what went wrong.

use std::io;

use pushnote_zmtp::handshake::{HandshakeError, SocketType};
use pushnote_zmtp::{CloseCause, Endpoint};

use super::look::Look;
use crate::doctor::report::Fault;

/// `for_servers`: it is to be the end where servers subscribe, which a server on its own has not.
pub(super) fn connect(endpoint: &Endpoint, flag: &str, for_servers: bool, error: &io::Error) -> Fault {
    let advice = match error.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound if for_servers => format!(
            "nobody listens there: start pushnote-mq, or correct {flag}; a pushnote-server --single has no such end: leave \
             {flag} away there"
        ),
        io::ErrorKind::ConnectionRefused => format!(
            "nobody listens there: start pushnote-mq (or pushnote-server --single), or correct {flag}"
        ),
        io::ErrorKind::NotFound => {
            format!(
                "there is no such socket: start pushnote-mq (or pushnote-server --single), or correct {flag}"
            )
        }
        io::ErrorKind::PermissionDenied => "this user may not use that socket".to_owned(),
        _ => format!("correct {flag}, or see to the network"),
    };
    Fault::unavailable("connect", format!("{endpoint}: {error}: {advice}"))
}

/// Nothing came where an answer was due.
pub(super) fn silent(check: &'static str, look: &Look) -> Fault {
    Fault::unavailable(
        check,
        format!("no answer within {:?}: the process there hangs, is stopped or is overloaded", look.timeout),
    )
}

/// What was a connection already has ended.
pub(super) fn closed(check: &'static str, cause: &CloseCause) -> Fault {
    let said = match cause {
        CloseCause::Peer | CloseCause::Io(_) => format!(
            "it hangs up: it has as many peers as it may have (--peers-max), or it has just ended ({cause})"
        ),
        cause => format!("instead of an answer: {cause}"),
    };
    Fault::unavailable(check, said)
}

pub(super) fn handshake(cause: &CloseCause, ours: SocketType, look: &Look, flag: &str) -> Fault {
    match cause {
        CloseCause::HandshakeTimeout => Fault::unavailable(
            "greeting",
            format!(
                "connected, but no greeting within {:?}: the process there hangs or is stopped, or speaks another \
                 protocol than ZeroMQ's",
                look.timeout
            ),
        ),
        CloseCause::Handshake(HandshakeError::NotZmtp(begin)) => Fault::setting(
            "greeting",
            format!("speaks another protocol: it begins with {begin:?}; correct {flag}"),
        ),
        CloseCause::Handshake(HandshakeError::Mechanism { theirs, .. }) => {
            Fault::setting("security", mechanism(theirs))
        }
        CloseCause::Handshake(HandshakeError::Refused(reason)) if reason == "400" => {
            let right = if ours == SocketType::Pub { "publish" } else { "subscribe" };
            let key = look.key.map_or_else(String::new, |key| format!(" '{right} {key}'"));
            Fault::setting(
                "security",
                format!("our key may not {right} there: add{key} to its --curve-clients"),
            )
        }
        CloseCause::Handshake(HandshakeError::Refused(reason)) if reason == "wrong-server-key" => {
            Fault::setting("security", "--curve-server-key is not the public key of that end: correct it")
        }
        CloseCause::Handshake(HandshakeError::SocketType(kind)) => {
            Fault::setting("socket", format!("a {kind} socket is no end of pushnote: correct {flag}"))
        }
        CloseCause::Handshake(error) => Fault::setting("security", error.to_string()),
        CloseCause::Peer | CloseCause::Io(_) => {
            let key = match look.key {
                Some(_) => "--curve-server-key is not the public key of that end, or ",
                None => "",
            };
            Fault::unavailable(
                "greeting",
                format!(
                    "it hangs up: {key}it is no ZeroMQ socket, its --allow-network keeps this machine out, or it has \
                     as many peers as it may have ({cause})"
                ),
            )
        }
        cause => Fault::unavailable("greeting", cause.to_string()),
    }
}

/// It wants another mechanism than we do.
fn mechanism(theirs: &str) -> String {
    match theirs {
        "CURVE" => {
            "it wants CURVE: give --curve-server-key (its public key) and --curve-secret-key-file (a key of \
                    our own, from 'pushnote keygen')"
                .to_owned()
        }
        "NULL" => {
            "it is not secured, and we have keys: leave --curve-server-key and --curve-secret-key-file away, \
                   or start it with --curve-secret-key-file"
                .to_owned()
        }
        other => format!("it wants {other}, which pushnote does not speak: it has NULL and CURVE"),
    }
}
