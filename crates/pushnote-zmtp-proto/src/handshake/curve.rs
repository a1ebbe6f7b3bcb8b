//! The handshake's steps with CURVE: commands to the two roles of [`crate::curve`] and back.

use super::error::{DENIED, HandshakeError, WRONG_KEY};
use super::kind::SocketType;
use super::wire::put_error;
use crate::command::put_command;
use crate::curve::{CurveError, PublicKey, Session, client, server};
use crate::security::{CurveClient, CurveServer, Security};
use bytes::BytesMut;
use std::sync::Arc;

/// Which command is waited for, and by whom.
#[derive(Debug)]
pub(super) enum Step {
    Hello(Arc<CurveServer>),
    Initiate(Arc<CurveServer>, server::Welcomed),
    Welcome(Arc<CurveClient>, client::Greeted),
    Ready(Arc<CurveClient>, client::Initiated),
}

impl Step {
    /// `None` with NULL.
    pub(super) fn first(security: &Security, out: &mut BytesMut) -> Result<Option<Self>, CurveError> {
        Ok(match security {
            Security::Null => None,
            Security::CurveServer(ours) => Some(Step::Hello(Arc::clone(ours))),
            Security::CurveClient(ours) => {
                let (hello, greeted) = client::hello(&ours.server)?;
                put_command(out, "HELLO", &hello);
                Some(Step::Welcome(Arc::clone(ours), greeted))
            }
        })
    }

    /// One command of the peer's; the answer goes to `out`. `metadata` is what is said of us, a `local` socket.
    pub(super) fn take(
        &self,
        name: &[u8],
        data: &[u8],
        local: SocketType,
        metadata: &[u8],
        out: &mut BytesMut,
    ) -> Result<Taken, HandshakeError> {
        Ok(match (self, name) {
            (Step::Hello(ours), b"HELLO") => {
                let welcomed = server::welcome(&ours.keys, data);
                if let Err(CurveError::Forged(_)) = welcomed {
                    put_error(out, WRONG_KEY);
                }
                let (welcome, welcomed) = welcomed?;
                put_command(out, "WELCOME", &welcome);
                Taken::Next(Step::Initiate(Arc::clone(ours), welcomed))
            }
            (Step::Initiate(ours, welcomed), b"INITIATE") => {
                let accepted = welcomed.initiate(&ours.keys, data)?;
                let client = accepted.client;
                if let Err(right) = ours.admits(&client, local) {
                    put_error(out, DENIED);
                    return Err(HandshakeError::NotAllowed { client, right });
                }
                Taken::Client(accepted)
            }
            (Step::Welcome(ours, greeted), b"WELCOME") => {
                let (initiate, initiated) = greeted.initiate(&ours.keys, &ours.server, data, metadata)?;
                put_command(out, "INITIATE", &initiate);
                Taken::Next(Step::Ready(Arc::clone(ours), initiated))
            }
            (Step::Ready(ours, initiated), b"READY") => {
                let (metadata, session) = initiated.ready(data)?;
                Taken::Server { key: ours.server, metadata, session }
            }
            (Step::Welcome(..), b"HELLO") => return Err(HandshakeError::SameRole("client")),
            _ => return Err(HandshakeError::Malformed),
        })
    }
}

/// What has come of a command.
pub(super) enum Taken {
    /// The next one is waited for.
    Next(Step),
    /// A client has proved its key; READY is to be sent to it, if its socket goes with ours.
    Client(server::Accepted),
    /// The server has proved its key, and says this of itself.
    Server { key: PublicKey, metadata: Vec<u8>, session: Session },
}
