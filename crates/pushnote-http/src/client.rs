//! A browser on a SockJS session: it says who it is and gets what is meant for it.

use std::sync::Arc;

use pushnote_core::rules::ChannelRules;
use pushnote_core::{ClientCommand, CloseCode, CurrentVerifier, Subject, TokenError, UserId, Wanted};
use pushnote_hub::{Attachment, Hub, SubscribeError};
use pushnote_sockjs::{Close, CloseReason, Connection, Handler, Session, SessionInfo};

use crate::expiries::{Ending, Expiries, Expiry};
use crate::presence::Presence;
use crate::receiver::{AnyReceiver, SockJsReceiver};
use crate::rights::{Refusal, Rights};
use crate::socket_first::SocketFirst;

mod protocol;

/// Makes a [`Client`] of each SockJS session.
pub(crate) struct Clients {
    hub: Hub<AnyReceiver>,
    /// Whether strings are sent, also to who did not ask for them.
    strings: bool,
    shared: Arc<Shared>,
}

/// What all clients share.
struct Shared {
    rights: Arc<Rights>,
    expiries: Arc<Expiries>,
    presence: Arc<Presence>,
    socket_first: Arc<SocketFirst>,
}

/// One browser: attached to the hub from its opening to its end.
pub(crate) struct Client {
    session: Session,
    shared: Arc<Shared>,
    attachment: Attachment<AnyReceiver>,
    /// Boxed: a connection without a token, or with one for ever, has none, and idle ones are many.
    expiry: Option<Box<Expiry>>,
    /// It speaks the client protocol.
    framed: bool,
    /// It was in a channel with presence, and may be.
    present: bool,
}

impl Clients {
    pub(crate) fn new(
        hub: Hub<AnyReceiver>,
        verifier: Arc<CurrentVerifier>,
        rules: Arc<ChannelRules>,
        strings: bool,
        socket_first: Arc<SocketFirst>,
    ) -> Self {
        let rights = Arc::new(Rights::new(verifier, rules, Arc::clone(hub.counters())));
        let presence = Arc::default();
        let expiries = Arc::new(Expiries::new(Arc::clone(&presence)));
        Self { hub, strings, shared: Arc::new(Shared { rights, expiries, presence, socket_first }) }
    }

    pub(crate) fn hub(&self) -> Hub<AnyReceiver> {
        self.hub.clone()
    }

    pub(crate) fn rights(&self) -> Arc<Rights> {
        Arc::clone(&self.shared.rights)
    }

    pub(crate) fn expiries(&self) -> Arc<Expiries> {
        Arc::clone(&self.shared.expiries)
    }

    pub(crate) fn presence(&self) -> Arc<Presence> {
        Arc::clone(&self.shared.presence)
    }

    pub(crate) fn socket_first(&self) -> Arc<SocketFirst> {
        Arc::clone(&self.shared.socket_first)
    }
}

impl Handler for Clients {
    type Connection = Client;

    fn open(&self, session: &Session, info: &SessionInfo) -> Result<Client, Close> {
        // Before the hub knows of the session: not one value may come first.
        if self.strings || info.query.iter().any(|query| query.split('&').any(|pair| pair == "form=string")) {
            session.use_strings();
        }
        let mut attachment = self.hub.attach(AnyReceiver::SockJs(SockJsReceiver::new(session.clone())));
        // To this there is no limit.
        let _ = attachment.subscribe(Subject::Everyone);
        let (session, shared) = (session.clone(), Arc::clone(&self.shared));
        Ok(Client { session, shared, attachment, expiry: None, framed: false, present: false })
    }
}

impl Connection for Client {
    fn message(&mut self, text: &str) {
        if self.framed {
            return self.request(text);
        }
        match ClientCommand::parse(text) {
            Ok(ClientCommand::Subscribe { token }) => self.subscribe(token.into_owned()),
            Ok(ClientCommand::TooEarly { id }) => {
                self.refuse(id, "bad_request", "hello comes first, and then requests: see docs/protocol.md");
            }
            Ok(ClientCommand::UseStrings) => self.session.use_strings(),
            Ok(ClientCommand::Hello) => self.request(text),
            Ok(ClientCommand::Ignored) => {}
            Err(error) => {
                tracing::debug!(%error, "client message refused");
                self.close(CloseCode::BadRequest);
            }
        }
    }

    fn room(&mut self) {
        self.attachment.has_room();
    }

    fn closed(&mut self, reason: &CloseReason) {
        tracing::debug!(code = reason.close.code, cause = ?reason.cause, "client gone");
    }
}

impl Client {
    /// As the original has it: a token, and no answer but the end of the connection.
    fn subscribe(&mut self, token: String) {
        let wanted = Wanted { channel: None, token: Some(token) };
        let subscribed = self.shared.rights.allow(&wanted).and_then(|allowed| {
            self.attachment.subscribe(allowed.subject.clone())?;
            self.shared.rights.still(&allowed)?;
            Ok((allowed.subject, allowed.until))
        });
        match subscribed {
            Ok((subject, until)) => self.lasts(subject, until),
            Err(refusal) => {
                self.shared.rights.note(&refusal);
                self.close(match refusal {
                    Refusal::Token(TokenError::Expired) => CloseCode::TokenExpired,
                    Refusal::Token(TokenError::FromFuture { .. }) => CloseCode::TokenFromFuture,
                    Refusal::Limit(SubscribeError::TooManyConnections(_)) => CloseCode::TooManyConnections,
                    Refusal::Limit(_) => CloseCode::TooManySubscriptions,
                    Refusal::Token(_) | Refusal::TokenMissing | Refusal::NotAllowed => {
                        CloseCode::TokenInvalid
                    }
                });
            }
        }
    }

    /// The subscription ends with its token.
    fn lasts(&mut self, subject: Subject, until: Option<u64>) {
        if until.is_none() && self.expiry.is_none() {
            return;
        }
        let ending = if self.framed {
            Ending::Subscription(self.attachment.remote())
        } else {
            Ending::Session(self.session.clone())
        };
        let expiries = &self.shared.expiries;
        let expiry = self.expiry.get_or_insert_with(|| Box::new(Expiry::new(Arc::clone(expiries))));
        expiry.renew(subject, until, ending);
    }

    /// Takes note of where it is, and as whom, if that is a channel with presence.
    fn is_in(&mut self, subject: &Subject, shown: Option<UserId>) {
        let Shared { rights, presence, .. } = &*self.shared;
        let id = self.attachment.id();
        match subject {
            Subject::Channel(channel) if rights.rule(channel).presence => {
                let users = self.attachment.users().filter(|user| !self.has_expired(&(*user).clone().into()));
                presence.enter(id, channel, users.cloned(), shown);
                self.present = true;
            }
            Subject::User(user) if self.present => presence.named(id, user),
            _ => {}
        }
    }

    /// Whether it was subscribed to that until its token expired.
    fn has_expired(&self, subject: &Subject) -> bool {
        self.expiry.as_ref().is_some_and(|expiry| expiry.has_expired(subject))
    }

    fn close(&self, code: CloseCode) {
        self.session.close(code.code(), code.reason());
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if self.present {
            self.shared.presence.gone(self.attachment.id());
        }
    }
}

#[cfg(test)]
mod tests {
    use pushnote_websocket::close_code;

    use super::*;

    /// The library below closes connections by itself; its words are those of the table.
    #[test]
    fn whoever_closes_uses_the_words_of_the_table() {
        let (code, reason) = (close_code::NO_PONG, close_code::NO_PONG_REASON);
        assert_eq!((code, reason), (CloseCode::NoPong.code(), CloseCode::NoPong.reason()));
    }
}
