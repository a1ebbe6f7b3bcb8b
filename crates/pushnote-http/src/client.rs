//! A browser on a SockJS session: it says who it is and gets what is meant for it.

use std::sync::Arc;

use pushnote_core::rules::ChannelRules;
use pushnote_core::{ClientCommand, CloseCode, CurrentVerifier, Subject, TokenError, Wanted};
use pushnote_hub::{Attachment, Hub, SubscribeError};
use pushnote_sockjs::{Close, CloseReason, Connection, Handler, Session, SessionInfo};

use crate::expiries::{Ending, Expiries, Expiry};
use crate::receiver::SockJsReceiver;
use crate::rights::{Allowed, Refusal, Rights};

mod protocol;

/// Makes a [`Client`] of each SockJS session.
pub(crate) struct Clients {
    hub: Hub<SockJsReceiver>,
    /// Whether strings are sent, also to who did not ask for them.
    strings: bool,
    rights: Arc<Rights>,
    expiries: Arc<Expiries>,
}

/// One browser: attached to the hub from its opening to its end.
pub(crate) struct Client {
    session: Session,
    rights: Arc<Rights>,
    expiries: Arc<Expiries>,
    attachment: Attachment<SockJsReceiver>,
    /// Boxed: a connection without a token, or with one for ever, has none, and idle ones are many.
    expiry: Option<Box<Expiry>>,
    /// It speaks the client protocol.
    framed: bool,
}

impl Clients {
    pub(crate) fn new(
        hub: Hub<SockJsReceiver>,
        verifier: Arc<CurrentVerifier>,
        rules: Arc<ChannelRules>,
        strings: bool,
    ) -> Self {
        let rights = Rights::new(verifier, rules, Arc::clone(hub.counters()));
        Self { hub, strings, rights: Arc::new(rights), expiries: Arc::default() }
    }

    pub(crate) fn expiries(&self) -> Arc<Expiries> {
        Arc::clone(&self.expiries)
    }
}

impl Handler for Clients {
    type Connection = Client;

    fn open(&self, session: &Session, info: &SessionInfo) -> Result<Client, Close> {
        // Before the hub knows of the session: not one value may come first.
        if self.strings || info.query.iter().any(|query| query.split('&').any(|pair| pair == "form=string")) {
            session.use_strings();
        }
        let mut attachment = self.hub.attach(SockJsReceiver::new(session.clone()));
        // To this there is no limit.
        let _ = attachment.subscribe(Subject::Everyone);
        let (rights, expiries) = (Arc::clone(&self.rights), Arc::clone(&self.expiries));
        Ok(Client { session: session.clone(), rights, expiries, attachment, expiry: None, framed: false })
    }
}

impl Connection for Client {
    fn message(&mut self, text: &str) {
        if self.framed {
            return self.request(text);
        }
        match ClientCommand::parse(text) {
            Ok(ClientCommand::Subscribe { token }) => self.subscribe(token.into_owned()),
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
        let subscribed = self.rights.allow(&wanted).and_then(|Allowed { subject, until }| {
            self.attachment.subscribe(subject.clone())?;
            Ok((subject, until))
        });
        match subscribed {
            Ok((subject, until)) => self.lasts(subject, until),
            Err(refusal) => {
                self.rights.note(&refusal);
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
        let expiries = &self.expiries;
        let expiry = self.expiry.get_or_insert_with(|| Box::new(Expiry::new(Arc::clone(expiries))));
        expiry.renew(subject, until, ending);
    }

    fn close(&self, code: CloseCode) {
        self.session.close(code.code(), code.reason());
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
