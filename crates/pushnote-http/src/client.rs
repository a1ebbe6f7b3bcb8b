//! The client protocol on a SockJS session: a browser says who it is and gets what is meant for it.

use std::sync::Arc;

use pushnote_core::{ClientCommand, CloseCode, CurrentVerifier, Subject, TokenError};
use pushnote_hub::{Attachment, Counters, Hub, SubscribeError};
use pushnote_net::{LogOnce, unix_now};
use pushnote_sockjs::{Close, CloseReason, Connection, Handler, Session, SessionInfo};

use crate::expiries::{Expiries, Expiry};
use crate::receiver::SockJsReceiver;

/// Makes a [`Client`] of each SockJS session.
pub(crate) struct Clients {
    hub: Hub<SockJsReceiver>,
    /// Whether strings are sent, also to who did not ask for them.
    strings: bool,
    gate: Arc<Gate>,
}

/// What decides who may subscribe, for all clients.
struct Gate {
    verifier: Arc<CurrentVerifier>,
    counters: Arc<Counters>,
    log: LogOnce,
    expiries: Arc<Expiries>,
}

/// One browser: attached to the hub from its opening to its end.
pub(crate) struct Client {
    session: Session,
    gate: Arc<Gate>,
    attachment: Attachment<SockJsReceiver>,
    /// Boxed: a connection without a token, or with one for ever, has none, and idle ones are many.
    expiry: Option<Box<Expiry>>,
}

impl Clients {
    pub(crate) fn new(hub: Hub<SockJsReceiver>, verifier: Arc<CurrentVerifier>, strings: bool) -> Self {
        let counters = Arc::clone(hub.counters());
        let gate = Gate { verifier, counters, log: LogOnce::new(), expiries: Arc::default() };
        Self { hub, strings, gate: Arc::new(gate) }
    }

    pub(crate) fn expiries(&self) -> Arc<Expiries> {
        Arc::clone(&self.gate.expiries)
    }
}

impl Handler for Clients {
    type Connection = Client;

    fn open(&self, session: &Session, info: &SessionInfo) -> Result<Client, Close> {
        // Before the hub knows of the session: not one value may come first.
        if self.strings || info.query.iter().any(|query| query.split('&').any(|pair| pair == "form=string")) {
            session.use_strings();
        }
        let mut attachment = self.hub.attach(SockJsReceiver(session.clone()));
        // To this there is no limit.
        let _ = attachment.subscribe(Subject::Everyone);
        Ok(Client { session: session.clone(), gate: Arc::clone(&self.gate), attachment, expiry: None })
    }
}

impl Connection for Client {
    fn message(&mut self, text: &str) {
        match ClientCommand::parse(text) {
            Ok(ClientCommand::Subscribe { token }) => self.subscribe(&token),
            Ok(ClientCommand::UseStrings) => self.session.use_strings(),
            Ok(ClientCommand::Ignored) => {}
            Err(error) => {
                tracing::debug!(%error, "client message refused");
                self.close(CloseCode::BadRequest);
            }
        }
    }

    fn closed(&mut self, reason: &CloseReason) {
        tracing::debug!(code = reason.close.code, cause = ?reason.cause, "client gone");
    }
}

impl Client {
    fn subscribe(&mut self, token: &str) {
        let Gate { verifier, counters, log, expiries } = &*self.gate;
        match verifier.verify_until(token, unix_now()) {
            Ok(token) => {
                if let Err(error) = self.attachment.subscribe(Subject::User(token.user.clone())) {
                    let code = match error {
                        SubscribeError::TooManyConnections(_) => CloseCode::TooManyConnections,
                        SubscribeError::TooManySubjects(_) => CloseCode::TooManySubscriptions,
                    };
                    counters.subscriptions_refused.add(1);
                    if let Some(unlogged) = log.due(code.label()) {
                        tracing::info!(%error, unlogged, "subscription refused");
                    }
                    return self.close(code);
                }
                if token.expires_at.is_some() || self.expiry.is_some() {
                    let expiry =
                        self.expiry.get_or_insert_with(|| Box::new(Expiry::new(Arc::clone(expiries))));
                    expiry.renew(token, &self.session);
                }
            }
            Err(error) => {
                let code = match error {
                    TokenError::Expired => CloseCode::TokenExpired,
                    TokenError::FromFuture { .. } => CloseCode::TokenFromFuture,
                    TokenError::Invalid | TokenError::TooLong { .. } => CloseCode::TokenInvalid,
                };
                counters.tokens_refused.add(1);
                if let Some(unlogged) = log.due(error.kind()) {
                    tracing::info!(%error, unlogged, "token refused");
                }
                self.close(code);
            }
        }
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
