//! The client protocol on a SockJS session: a browser says who it is and gets what is meant for it.

use std::sync::Arc;

use pushnote_core::{CloseCode, Command, TokenError, Verifier};
use pushnote_hub::{Attachment, Hub, SubscribeError, unix_now};
use pushnote_sockjs::{Close, CloseReason, Connection, Handler, Session, SessionInfo};

use crate::receiver::SockJsReceiver;

/// Makes a [`Client`] of each SockJS session.
pub(crate) struct Clients {
    pub(crate) hub: Hub<SockJsReceiver>,
    pub(crate) verifier: Arc<Verifier>,
}

/// One browser: attached to the hub from its opening to its end.
pub(crate) struct Client {
    session: Session,
    verifier: Arc<Verifier>,
    attachment: Attachment<SockJsReceiver>,
}

impl Handler for Clients {
    type Connection = Client;

    fn open(&self, session: &Session, _info: &SessionInfo) -> Result<Client, Close> {
        let attachment = self.hub.attach(SockJsReceiver(session.clone()));
        Ok(Client { session: session.clone(), verifier: Arc::clone(&self.verifier), attachment })
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
                    tracing::debug!(%error, "subscription refused");
                    self.close(match error {
                        SubscribeError::TooManyConnections(_) => CloseCode::TooManyConnections,
                        SubscribeError::TooManyUsers(_) => CloseCode::TooManySubscriptions,
                    });
                }
            }
            Err(TokenError::Expired) => self.close(CloseCode::TokenExpired),
            Err(error) => {
                tracing::debug!(%error, "token refused");
                self.close(CloseCode::TokenInvalid);
            }
        }
    }

    fn close(&self, code: CloseCode) {
        self.session.close(code.code(), code.reason());
    }
}
