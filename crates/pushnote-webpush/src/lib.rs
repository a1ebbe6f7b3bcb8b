//! Web Push (RFC 8030): messages to browsers whose page is closed, and to whatever else subscribes as they do.
//!
//! A browser's [`Subscription`] is parsed, a [`Message`] encrypted for it ([`encrypt`], RFC 8291), and who sends it is
//! named by a [`Vapid`] token (RFC 8292), signed with a [`Key`] that lies in a file. No OpenSSL is needed.
//!
//! # In a program of its own
//!
//! [`Pusher`] is all of it behind blocking calls: it stores who has subscribed, and sends. It has what solidwebpush has for
//! Python, and its page says which call is which.
//!
//! # In an async server
//!
//! The parts of a [`Pusher`], on the server's own store:
//!
//! ```no_run
//! use std::{path::Path, sync::Arc};
//!
//! use pushnote_store::Store;
//! use pushnote_webpush::*;
//!
//! # async fn run(posted_by_a_page: &str) -> Result<(), Box<dyn std::error::Error>> {
//! let (store, _) = Store::open(Path::new("data"), &pushnote_store::Options::default())?;
//! let keys = Keys::new(Key::open(Path::new("data/vapid.pem"))?, Vec::new());
//! let subscriptions = Subscriptions::open(Arc::new(store), SubscriptionOptions::default(), &keys).await?;
//! let jobs = Jobs::open(&subscriptions).await?;
//! let guard = Guard::default();
//! let client = Client::new(Vapid::new(keys, "mailto:ops@example.com".parse()?), guard.clone(), &[])?;
//! let sender = Sender::start(SenderOptions::default(), client, jobs.clone());
//!
//! // A page has subscribed.
//! let subscription = Subscription::parse(posted_by_a_page)?;
//! guard.check(subscription.endpoint())?;
//! subscriptions.add("ann", None, &subscription, None).await?;
//!
//! // Something happens.
//! let message = Message::new("Hello World")?.urgency(Urgency::High);
//! jobs.enqueue("message 1", &Recipients::Users(vec!["ann".to_owned()]).into(), &message, None).await?;
//! sender.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! # What is kept secret
//!
//! Who has an endpoint and its keys can send to that browser. So endpoints are in the database and in requests alone; logs and
//! errors have the service's name and eight hex digits of a hash. Key files are made for their owner alone. Endpoints come
//! from strangers: a [`Guard`] keeps requests out of the network that the program stands in.
//!
//! # Layout
//!
//! - [`Subscription`], [`Endpoint`], [`SubscriptionId`]: what a browser gives, checked
//! - [`Message`], [`Urgency`], [`Topic`]: what is sent
//! - [`Key`], [`KeyId`], [`Keys`]: whom browsers let send to them
//! - [`Vapid`], [`Subject`]: the header that says so
//! - [`encrypt`]: what only that browser can read
//! - [`Subscriptions`]: the table of them, in a store; [`Subscriptions::import`] takes over those of solidwebpush
//! - [`Guard`], [`Forbidden`]: which services may be asked
//! - [`Client`], [`Answer`], [`Verdict`], [`Service`]: asks them, and what their answers mean
//! - [`Jobs`], [`Audience`]: what is to be sent to whom, in a store; `enqueue`, `due` and `settle` are what is written and read of it
//! - [`Direct`]: sends past these, once, to subscriptions that need not be stored
//! - [`Sender`], [`SenderOptions`], [`Event`], [`Counters`]: sends it; `round` is its task, and `queues` says what is next
//! - [`Pusher`], [`PusherOptions`]: all of it, behind blocking calls; `pushing` is what it does on its threads

mod answer;
mod audience;
mod base64url;
mod client;
mod connect;
mod counters;
mod device;
mod direct;
mod due;
mod encrypt;
mod endpoint;
mod enqueue;
mod fate;
mod guard;
mod import;
mod job;
mod jobs;
mod key;
mod key_file;
mod message;
mod new_device;
mod pusher;
mod pusher_options;
mod pushing;
mod queues;
mod round;
mod sender;
mod sender_options;
mod service;
mod settle;
mod subscription;
mod subscriptions;
mod tables;
#[cfg(test)]
mod testing;
mod vapid;

pub use answer::{Answer, Verdict};
pub use audience::{Audience, Recipients};
pub use client::{Client, RootsError};
pub use connect::tls;
pub use counters::Counters;
pub use device::Device;
pub use direct::Direct;
pub use encrypt::{EncryptError, encrypt};
pub use endpoint::{ENDPOINT_BYTES_MAX, Endpoint, EndpointError, SubscriptionId};
pub use guard::{Forbidden, Guard};
pub use import::{ImportError, Imported, LeftOut, LeftOutReason};
pub use job::Outcome;
pub use jobs::{Enqueued, Jobs, Progress};
pub use key::{Key, KeyError, KeyId, Keys};
pub use key_file::KeyFileError;
pub use message::{Message, MessageError, PAYLOAD_BYTES_MAX, TTL_DEFAULT, TTL_MAX, Topic, Urgency};
pub use new_device::{AddError, Added, SubscriptionOptions};
pub use pusher::Pusher;
pub use pusher_options::{OpenPusherError, PusherError, PusherOptions};
pub use pushing::{MessageId, Pending};
pub use sender::Sender;
pub use sender_options::{Event, Events, Personal, SenderOptions};
pub use service::Service;
pub use subscription::{Subscription, SubscriptionError};
pub use subscriptions::Subscriptions;
pub use tables::OpenError;
pub use vapid::{Subject, SubjectError, Vapid};
