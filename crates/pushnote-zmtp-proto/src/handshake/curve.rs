//! The handshake's steps with CURVE: commands to the two roles of [`crate::curve`] and back.

use super::{DENIED, Handshake, HandshakeError, Stage, WRONG_KEY, command, named, put_error};
use crate::command::put_command;
use crate::curve::{CurveError, client, server};
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
}

impl Handshake {
    /// One command of the peer's, and the answer to it.
    pub(super) fn curve(&mut self, input: &mut BytesMut) -> Result<Option<Stage>, HandshakeError> {
        let Some(body) = command(input)? else { return Ok(None) };
        let (name, data) = named(&body)?;
        let Stage::Curve(version, step) = &self.stage else { return Err(HandshakeError::Malformed) };
        let version = *version;
        let next = match (step, name) {
            (Step::Hello(ours), b"HELLO") => {
                let welcomed = server::welcome(&ours.keys, data);
                if let Err(CurveError::Forged(_)) = welcomed {
                    put_error(&mut self.out, WRONG_KEY);
                }
                let (welcome, welcomed) = welcomed?;
                put_command(&mut self.out, "WELCOME", &welcome);
                Stage::Curve(version, Step::Initiate(Arc::clone(ours), welcomed))
            }
            (Step::Initiate(ours, welcomed), b"INITIATE") => {
                let accepted = welcomed.initiate(&ours.keys, data)?;
                let client = accepted.client;
                if let Err(right) = ours.admits(&client, self.local) {
                    put_error(&mut self.out, DENIED);
                    return Err(HandshakeError::NotAllowed { client, right });
                }
                let peer = self.meet_or_tell(version, &accepted.metadata, Some(client))?;
                let (ready, session) = accepted.ready(&self.metadata);
                put_command(&mut self.out, "READY", &ready);
                self.session = Some(session);
                Stage::Over(peer)
            }
            (Step::Welcome(ours, greeted), b"WELCOME") => {
                let (initiate, initiated) =
                    greeted.initiate(&ours.keys, &ours.server, data, &self.metadata)?;
                put_command(&mut self.out, "INITIATE", &initiate);
                Stage::Curve(version, Step::Ready(Arc::clone(ours), initiated))
            }
            (Step::Ready(ours, initiated), b"READY") => {
                let (metadata, session) = initiated.ready(data)?;
                let peer = self.meet(version, &metadata, Some(ours.server))?;
                self.session = Some(session);
                Stage::Over(peer)
            }
            (Step::Welcome(..), b"HELLO") => return Err(HandshakeError::SameRole("client")),
            _ => return Err(HandshakeError::Malformed),
        };
        Ok(Some(next))
    }
}
