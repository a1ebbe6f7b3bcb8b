#![doc = include_str!("../README.md")]
//!
//! ## Layout
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
mod lanes;
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
/// Where subscriptions and jobs are kept.
pub use pushnote_store as store;
pub use sender::Sender;
pub use sender_options::{Event, Events, Personal, SenderOptions};
pub use service::Service;
pub use subscription::{Subscription, SubscriptionError};
pub use subscriptions::Subscriptions;
pub use tables::OpenError;
pub use vapid::{Subject, SubjectError, Vapid};
