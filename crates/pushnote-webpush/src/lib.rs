//! Web Push (RFC 8030): messages to browsers whose page is closed, and to whatever else subscribes as they do.
//!
//! A browser's [`Subscription`] is parsed, a [`Message`] encrypted for it ([`encrypt`], RFC 8291), and who sends it is
//! named by a [`Vapid`] token (RFC 8292), signed with a [`Key`] that lies in a file.
//!
//! # Layout
//!
//! - [`Subscription`], [`Endpoint`], [`SubscriptionId`]: what a browser gives, checked
//! - [`Message`], [`Urgency`], [`Topic`]: what is sent
//! - [`Key`], [`KeyId`], [`Keys`]: whom browsers let send to them
//! - [`Vapid`], [`Subject`]: the header that says so
//! - [`encrypt`]: what only that browser can read
//! - [`Subscriptions`]: the table of them, in a store; [`Subscriptions::import`] takes over those of solidwebpush

mod base64url;
mod device;
mod encrypt;
mod endpoint;
mod import;
mod key;
mod key_file;
mod message;
mod new_device;
mod subscription;
mod subscriptions;
mod tables;
mod vapid;

pub use device::Device;
pub use encrypt::{EncryptError, encrypt};
pub use endpoint::{Endpoint, EndpointError, SubscriptionId};
pub use import::{ImportError, Imported, LeftOut, LeftOutReason};
pub use key::{Key, KeyError, KeyId, Keys};
pub use key_file::KeyFileError;
pub use message::{Message, MessageError, PAYLOAD_BYTES_MAX, TTL_DEFAULT, TTL_MAX, Topic, Urgency};
pub use new_device::{AddError, Added, SubscriptionOptions};
pub use subscription::{Subscription, SubscriptionError};
pub use subscriptions::Subscriptions;
pub use tables::OpenError;
pub use vapid::{Subject, SubjectError, Vapid};
