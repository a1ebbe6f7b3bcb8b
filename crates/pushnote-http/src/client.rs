//! The client protocol on a SockJS session: a browser says who it is and gets what is meant for it.

use std::sync::Arc;

use pushnote_core::{CloseCode, Command, TokenError, Verifier};
use pushnote_hub::{Attachment, Hub, SubscribeError, unix_now};
use pushnote_net::LogOnce;
use pushnote_sockjs::{Close, CloseReason, Connection, Handler, Session, SessionInfo};

use crate::receiver::SockJsReceiver;

/// Makes a [`Client`] of each SockJS session.
pub(crate) struct Clients {
    pub(crate) hub: Hub<SockJsReceiver>,
    pub(crate) verifier: Arc<Verifier>,
    pub(crate) log: Arc<LogOnce>,
}

/// One browser: attached to the hub from its opening to its end.
pub(crate) struct Client {
    session: Session,
    verifier: Arc<Verifier>,
    log: Arc<LogOnce>,
    attachment: Attachment<SockJsReceiver>,
}

impl Handler for Clients {
    type Connection = Client;

    fn open(&self, session: &Session, _info: &SessionInfo) -> Result<Client, Close> {
        let attachment = self.hub.attach(SockJsReceiver(session.clone()));
        let (verifier, log) = (Arc::clone(&self.verifier), Arc::clone(&self.log));
        Ok(Client { session: session.clone(), verifier, log, attachment })
    }
}

impl Connection for Client {
    fn message(&mut self, text: &str) {
        match Command::parse(text) {
            Ok(Command::Subscribe { token }) => self.subscribe(&token),
            Ok(Command::Ignored) => {}
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
        match self.verifier.verify(token, unix_now()) {
            Ok(user) => {
                if let Err(error) = self.attachment.subscribe(user) {
                    let code = match error {
                        SubscribeError::TooManyConnections(_) => CloseCode::TooManyConnections,
                        SubscribeError::TooManyUsers(_) => CloseCode::TooManySubscriptions,
                    };
                    if let Some(unlogged) = self.log.due(code.label()) {
                        tracing::info!(%error, unlogged, "subscription refused");
                    }
                    self.close(code);
                }
            }
            Err(error) => {
                let code = match error {
                    TokenError::Expired => CloseCode::TokenExpired,
                    TokenError::FromFuture { .. } => CloseCode::TokenFromFuture,
                    TokenError::Invalid | TokenError::TooLong { .. } => CloseCode::TokenInvalid,
                };
                if let Some(unlogged) = self.log.due(error.kind()) {
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
