//! From the bytes that an application published to a publication.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use pushnote_core::{Asked, Audience, Body, CurrentVerifier, Envelope, EnvelopeError, PublicationId, UserId};
use pushnote_hub::Publication;
use pushnote_net::LogOnce;

use crate::counters::Counters;

/// A message that was understood.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// The message; it may be for nobody.
    pub(crate) publication: Publication,
    /// What is to be done with it.
    pub(crate) asked: Asked,
    /// By what it is known if it comes again.
    pub(crate) id: Option<PublicationId>,
}

/// Parses envelopes and reduces recipients to user ids. What is refused is counted, logged (limited for
/// each kind), and harms nothing else.
pub(crate) struct Parser {
    verifier: Arc<CurrentVerifier>,
    data_bytes_max: usize,
    counters: Arc<Counters>,
    log: LogOnce,
}

impl Parser {
    /// Recipients' tokens are verified by `verifier`, payloads have up to `data_bytes_max` bytes, refusals are
    /// counted in `counters`.
    pub(crate) fn new(
        verifier: Arc<CurrentVerifier>,
        data_bytes_max: usize,
        counters: Arc<Counters>,
    ) -> Self {
        Self { verifier, data_bytes_max, counters, log: LogOnce::new() }
    }

    /// The publication that `bytes`, one envelope, asks for at `now` (Unix time, seconds).
    ///
    /// # Errors
    ///
    /// [`EnvelopeError`], counted and logged here.
    pub(crate) fn accept(&self, bytes: &Bytes, now: u64) -> Result<Accepted, EnvelopeError> {
        match Envelope::parse(bytes, self.data_bytes_max) {
            Ok(envelope) => {
                let audience = self.audience(&envelope, now);
                Ok(Accepted {
                    publication: Publication::new(
                        Body { data: envelope.data, media_type: envelope.media_type },
                        envelope.event,
                        audience,
                    )
                    .with_push(envelope.push),
                    asked: envelope.asked,
                    id: envelope.id,
                })
            }
            Err(error) => {
                self.refuse(error.kind(), &error);
                Err(error)
            }
        }
    }

    /// By what a message is known that was accepted before.
    pub(crate) fn id_of(&self, bytes: &Bytes) -> Option<PublicationId> {
        Envelope::parse(bytes, self.data_bytes_max).ok()?.id
    }

    /// Counts a message that was refused, and logs it, limited for each kind.
    pub(crate) fn refuse(&self, kind: &'static str, why: &dyn std::fmt::Display) {
        self.counters.envelopes_refused.add(1);
        if let Some(unlogged) = self.log.due(kind) {
            tracing::warn!(
                kind,
                %why,
                unlogged,
                "message from an application refused; more of this kind in the next minute are only counted"
            );
        }
    }

    fn audience(&self, envelope: &Envelope, now: u64) -> Audience {
        let mut audience = envelope.audience.clone();
        if envelope.recipients.is_empty() {
            return audience;
        }
        let mut named: HashSet<UserId> = audience.user_ids().cloned().collect();
        for token in &envelope.recipients {
            match self.verifier.verify(token, now) {
                Ok(user) if named.contains(&user) => {}
                Ok(user) => {
                    named.insert(user.clone());
                    audience.push(user.into());
                }
                Err(error) => {
                    self.counters.recipients_refused.add(1);
                    if let Some(unlogged) = self.log.due("recipient_token") {
                        tracing::warn!(%error, unlogged, "recipient token refused; do application and server have the same secret?");
                    }
                }
            }
        }
        audience
    }
}
