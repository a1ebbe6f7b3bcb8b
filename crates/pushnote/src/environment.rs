//! The one publisher and the one tokenizer that the environment describes.

use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pushnote_core::{ChannelName, Keys, Receipt, Tokenizer, UserId};
use pushnote_net::harmless;
use pushnote_zmtp::KeyFile;
use pushnote_zmtp::curve::{PublicKey, SecretKey};
use serde::Serialize;

use crate::error::{AckError, BuildError, FlushError, PublishError, TokenizeError};
use crate::message::Message;
use crate::publisher::Publisher;

const MQ_SOCKET: &str = "PUSHNOTE_MQ_SOCKET";
const ACK_SOCKET: &str = "PUSHNOTE_ACK_SOCKET";
const CURVE_SERVER_KEY: &str = "PUSHNOTE_CURVE_SERVER_KEY";
const CURVE_SECRET_KEY_FILE: &str = "PUSHNOTE_CURVE_SECRET_KEY_FILE";
const SECRET: &str = "PUSHNOTE_SECRET";
const SECRET_FILE: &str = "PUSHNOTE_SECRET_FILE";

/// Queues `data` for every browser. Does not block; see [`Publisher::notify_all`].
///
/// # Errors
///
/// [`PublishError`]: `PUSHNOTE_MQ_SOCKET` is not set, the data has no JSON or too much of it, or the queue is full.
pub fn notify_all(data: impl Serialize) -> Result<(), PublishError> {
    publisher()?.notify_all(data)
}

/// Queues `data` for the browsers of some users. Does not block; see [`Publisher::notify`].
///
/// # Errors
///
/// [`PublishError`]: `PUSHNOTE_MQ_SOCKET` is not set, the data has no JSON or too much of it, one of the ids is none,
/// or the queue is full.
pub fn notify(
    data: impl Serialize,
    users: impl IntoIterator<Item = impl ToString>,
) -> Result<(), PublishError> {
    publisher()?.notify(data, users)
}

/// Queues `data` for those who have subscribed to a channel. Does not block; see [`Publisher::notify_channel`].
///
/// # Errors
///
/// [`PublishError`]: `PUSHNOTE_MQ_SOCKET` is not set, or as there.
pub fn notify_channel(channel: &str, data: impl Serialize) -> Result<(), PublishError> {
    publisher()?.notify_channel(channel, data)
}

/// Begins a message for channels, users and everyone in one; see [`Publisher::publish`]. That `PUSHNOTE_MQ_SOCKET` is not
/// set is told where it is sent.
pub fn publish<T: Serialize>(data: T) -> Message<'static, T> {
    Message::new(publisher(), data)
}

/// Sends `data` for every browser, and blocks until it is acknowledged; see [`Publisher::notify_all_acked`].
///
/// # Errors
///
/// [`AckError`]: `PUSHNOTE_MQ_SOCKET` or `PUSHNOTE_ACK_SOCKET` is not set, or as there.
pub fn notify_all_acked(data: impl Serialize, timeout: Duration) -> Result<Receipt, AckError> {
    publisher().map_err(PublishError::from)?.notify_all_acked(data, timeout)
}

/// As [`notify_all_acked`], and waits without blocking; see [`Publisher::notify_all_acked_async`].
///
/// # Errors
///
/// As there.
pub fn notify_all_acked_async<T: Serialize>(
    data: T,
    timeout: Duration,
) -> impl Future<Output = Result<Receipt, AckError>> + Send + use<T> {
    let sent = publisher().map(|publisher| publisher.notify_all_acked_async(data, timeout));
    async { sent.map_err(PublishError::from)?.await }
}

/// Sends `data` for the browsers of some users, and blocks until it is acknowledged; see [`Publisher::notify_acked`].
///
/// # Errors
///
/// [`AckError`]: `PUSHNOTE_MQ_SOCKET` or `PUSHNOTE_ACK_SOCKET` is not set, or as there.
pub fn notify_acked(
    data: impl Serialize,
    users: impl IntoIterator<Item = impl ToString>,
    timeout: Duration,
) -> Result<Receipt, AckError> {
    publisher().map_err(PublishError::from)?.notify_acked(data, users, timeout)
}

/// As [`notify_acked`], and waits without blocking; see [`Publisher::notify_acked_async`].
///
/// # Errors
///
/// As there.
pub fn notify_acked_async<T: Serialize, U: IntoIterator<Item: ToString>>(
    data: T,
    users: U,
    timeout: Duration,
) -> impl Future<Output = Result<Receipt, AckError>> + Send + use<T, U> {
    let sent = publisher().map(|publisher| publisher.notify_acked_async(data, users, timeout));
    async { sent.map_err(PublishError::from)?.await }
}

/// Sends `data` for those who have subscribed to a channel, and blocks until it is acknowledged; see
/// [`Publisher::notify_channel_acked`].
///
/// # Errors
///
/// [`AckError`]: `PUSHNOTE_MQ_SOCKET` or `PUSHNOTE_ACK_SOCKET` is not set, or as there.
pub fn notify_channel_acked(
    channel: &str,
    data: impl Serialize,
    timeout: Duration,
) -> Result<Receipt, AckError> {
    publisher().map_err(PublishError::from)?.notify_channel_acked(channel, data, timeout)
}

/// As [`notify_channel_acked`], and waits without blocking; see [`Publisher::notify_channel_acked_async`].
///
/// # Errors
///
/// As there.
pub fn notify_channel_acked_async<T: Serialize>(
    channel: &str,
    data: T,
    timeout: Duration,
) -> impl Future<Output = Result<Receipt, AckError>> + Send + use<T> {
    let sent = publisher().map(|publisher| publisher.notify_channel_acked_async(channel, data, timeout));
    async { sent.map_err(PublishError::from)?.await }
}

/// Blocks until everything queued before is written, but not longer than `timeout`; see [`Publisher::flush`]. At the
/// end of a program: the global publisher is never dropped. [`flush_on_drop`] does it however the program ends.
///
/// # Errors
///
/// [`FlushError`] if something is not written yet, or was given up.
pub fn flush(timeout: Duration) -> Result<(), FlushError> {
    // What was never made has nothing to write.
    GLOBAL.get().map_or(Ok(()), |publisher| publisher.flush(timeout))
}

/// As [`flush`], and waits without blocking; see [`Publisher::flush_async`].
///
/// # Errors
///
/// As there.
pub async fn flush_async(timeout: Duration) -> Result<(), FlushError> {
    match GLOBAL.get() {
        Some(publisher) => publisher.flush_async(timeout).await,
        None => Ok(()),
    }
}

/// Flushes when it is dropped: in `main`, also when that returns early by `?`, or panics.
///
/// ```
/// use std::time::Duration;
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let _flush = pushnote::flush_on_drop(Duration::from_secs(5));
///     // … pushnote::notify_all("Hi all!")?;
///     Ok(())
/// }
/// ```
///
/// What cannot be written by then is lost, with a warning in the log. [`std::process::exit`] drops nothing.
pub fn flush_on_drop(timeout: Duration) -> FlushOnDrop {
    FlushOnDrop(timeout)
}

/// See [`flush_on_drop`].
#[derive(Debug)]
#[must_use = "it flushes when it is dropped, which is at once if it has no name: let _flush = …"]
pub struct FlushOnDrop(Duration);

impl Drop for FlushOnDrop {
    fn drop(&mut self) {
        if let Err(error) = flush(self.0) {
            harmless(|| tracing::warn!(%error, "the program ends before everything was written"));
        }
    }
}

/// A token for `user`, which its pages subscribe with. Signed with the secret in `PUSHNOTE_SECRET`, or in the file
/// that `PUSHNOTE_SECRET_FILE` names, which is read once; of several lines the first signs. It expires when the server
/// thinks it too old, by default after 24 hours. For another life span use a [`Tokenizer`].
///
/// # Errors
///
/// [`TokenizeError`]: there is no secret, or it is too short, or `user` is no id.
#[expect(
    clippy::needless_pass_by_value,
    reason = "an id is a number or a literal more often than a variable"
)]
pub fn tokenize(user: impl ToString) -> Result<String, TokenizeError> {
    let user = UserId::new(&user.to_string())?;
    Ok(tokenizer()?.tokenize(&user, now(), None))
}

/// A token with which whoever has it subscribes to `channel`; signed, and of the life span, as [`tokenize`] says.
///
/// # Errors
///
/// [`TokenizeError`]: there is no secret, or it is too short, or `channel` is no channel's name.
pub fn tokenize_channel(channel: &str) -> Result<String, TokenizeError> {
    let channel = ChannelName::new(channel)?;
    Ok(tokenizer()?.tokenize_channel(&channel, now(), None))
}

fn tokenizer() -> Result<&'static Tokenizer, TokenizeError> {
    static TOKENIZER: OnceLock<Tokenizer> = OnceLock::new();
    match TOKENIZER.get() {
        Some(tokenizer) => Ok(tokenizer),
        None => {
            let tokenizer = Tokenizer::new(&keys()?);
            Ok(TOKENIZER.get_or_init(|| tokenizer))
        }
    }
}

/// Unix seconds.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

static GLOBAL: OnceLock<Publisher> = OnceLock::new();

fn publisher() -> Result<&'static Publisher, BuildError> {
    // Two publishers, one of them dropped at once, would be two threads and two connections.
    static MAKING: Mutex<()> = Mutex::new(());
    if let Some(publisher) = GLOBAL.get() {
        return Ok(publisher);
    }
    let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(publisher) = GLOBAL.get() {
        return Ok(publisher);
    }
    let endpoint = variable(MQ_SOCKET).ok_or(BuildError::NotConfigured)?;
    let mut builder = Publisher::builder().endpoint(&endpoint).map_err(of_variable(MQ_SOCKET))?;
    if let Some(endpoints) = variable(ACK_SOCKET) {
        builder = builder.ack_endpoint(&endpoints).map_err(of_variable(ACK_SOCKET))?;
    }
    if let Some((server, secret)) = curve_keys()? {
        builder = builder.curve(server, secret);
    }
    let publisher = builder.build()?;
    Ok(GLOBAL.get_or_init(|| publisher))
}

fn of_variable(variable: &'static str) -> impl FnOnce(BuildError) -> BuildError {
    move |error| match error {
        BuildError::Endpoint(error) => BuildError::Variable { variable, error },
        other => other,
    }
}

fn curve_keys() -> Result<Option<(PublicKey, SecretKey)>, BuildError> {
    match (variable(CURVE_SERVER_KEY), variable(CURVE_SECRET_KEY_FILE)) {
        (None, None) => Ok(None),
        (Some(server), Some(path)) => {
            let server = server.parse().map_err(BuildError::ServerKey)?;
            Ok(Some((server, SecretKey::from_file(path.as_ref()).map_err(BuildError::SecretKey)?)))
        }
        _ => Err(BuildError::HalfOfCurve),
    }
}

fn keys() -> Result<Keys, TokenizeError> {
    let secrets = match (variable(SECRET_FILE).map(PathBuf::from), variable(SECRET)) {
        (Some(path), other) => {
            let secrets =
                std::fs::read_to_string(&path).map_err(|source| TokenizeError::File { path, source })?;
            warn_if_overruled(&secrets, other.as_deref().unwrap_or_default());
            secrets
        }
        (None, Some(secret)) => secret,
        (None, None) => return Err(TokenizeError::NotConfigured),
    };
    Ok(Keys::parse(&secrets)?)
}

/// Who set the variable may not know of the file. A secret that the file has, too, in whichever line, is no other.
fn warn_if_overruled(secrets: &str, variable: &str) {
    let is_other = |line: &str| !line.is_empty() && secrets.lines().all(|own| own.trim() != line);
    if variable.lines().map(str::trim).any(is_other) {
        harmless(|| {
            tracing::warn!(
                "{SECRET} is set, and {SECRET_FILE} names a file, which holds another secret: the file's is used"
            );
        });
    }
}

/// What is set to nothing is not set.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
