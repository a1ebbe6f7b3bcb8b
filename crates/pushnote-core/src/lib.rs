//! The domain of pushnote: what a message, a user, a token and a subscription are. No IO, no clock, no
//! runtime: bytes and the time (`now`, Unix seconds) come in as arguments, so that every rule can be tested
//! with nothing around it.
//!
//! | module | says |
//! |---|---|
//! | [`envelope`] | how an application's message looks on ZeroMQ, and whom it is for |
//! | [`body`] | what a message carries: JSON, or what stands for a body of another type |
//! | [`push`] | what follows a message that nobody acknowledges |
//! | [`publication_id`], [`sequencer`] | how messages that come over several connections are delivered once and in order |
//! | [`receipt`] | how a message that was sent to be acknowledged is |
//! | [`user`], [`subject`] | what a user id may be; whom messages are for and what connections subscribe to |
//! | [`rules`] | what holds for a channel: who may subscribe, how much of it is kept |
//! | [`token`] | how a browser proves whose it is: Django's signed values, keys, expiry |
//! | [`client`] | what a browser may say, and what each kind of nonsense leads to |
//! | [`cursor`] | where a client is in a server's log, in words that it gives back |
//! | [`request`] | what a client may ask for that speaks the client protocol |
//! | [`close`] | why a connection ends, in codes that tell whether to come back |
//! | [`limits`] | every bound, in one place |
//!
//! A message's way through it: [`Envelope::parse`] → [`Verifier::verify`] for each of its recipients → an
//! [`Audience`]. A browser's: [`ClientCommand::parse`] → [`Verifier::verify`] → a [`Subject`].

pub mod body;
pub mod client;
pub mod close;
pub mod cursor;
pub mod draft;
pub mod envelope;
mod envelope_error;
mod event;
mod json;
pub mod limits;
pub mod publication_id;
pub mod push;
pub mod receipt;
pub mod request;
pub mod rules;
pub mod sequencer;
pub mod subject;
pub mod token;
pub mod user;

pub use body::Body;
pub use client::{ClientCommand, ClientError};
pub use close::CloseCode;
pub use cursor::{Cursor, CursorError, Position};
pub use draft::Draft;
pub use envelope::{Asked, Envelope, EnvelopeError};
pub use json::one_line;
pub use limits::{HISTORY_BYTES_MAX, Limits, LimitsError};
pub use publication_id::{PublicationId, PublicationIdError};
pub use push::{Push, PushError, Urgency};
pub use receipt::{Answer, Receipt};
pub use request::{Request, RequestError, Unusable, Wanted};
pub use rules::{ChannelRule, ChannelRules, ChannelRulesError, HistoryRule, SlowPolicy};
pub use sequencer::{Sequencer, SequencerCounts, SequencerLimits, Taken};
pub use subject::{Audience, ChannelName, ChannelNameError, Subject};
pub use token::{
    Access, ChannelPattern, CurrentVerifier, JwtKeys, JwtKeysError, Keys, Secret, SecretError, TokenError,
    TokenFlaw, Tokenizer, TooManyRevoked, Verified, Verifier,
};
pub use user::{UserId, UserIdError};
