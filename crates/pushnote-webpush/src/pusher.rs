//! Web Push for a program of its own.

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::{fmt, io};

use tokio::runtime::{Builder, Runtime};

use crate::answer::Answer;
use crate::audience::{Audience, Recipients};
use crate::import::{Imported, LeftOut};
use crate::jobs::Progress;
use crate::key::Key;
use crate::message::Message;
use crate::new_device::Added;
use crate::pusher_options::{OpenPusherError, PusherError, PusherOptions};
use crate::pushing::{MessageId, Pending, Pushing, UnderWay};
use crate::sender::Sender;
use crate::subscription::Subscription;
use crate::subscriptions::Subscriptions;

/// Stores who has subscribed, and sends them messages, from a program that has no server: what solidwebpush is for Python. Calls
/// block the thread, in async code, too (there, the parts that it is made of do better); all of them may be made from any thread.
///
/// Messages to stored subscriptions are stored themselves, tried again while their time is not over, and sent by the next
/// `Pusher` on the same folder if this one ends before. Subscriptions that a push service calls gone are deleted.
///
/// ```no_run
/// use pushnote_webpush::{Message, Pusher, PusherOptions};
///
/// let options = PusherOptions::new("mailto:ops@example.com".parse()?);
/// let pusher = Pusher::open("data".as_ref(), options)?;
/// // Pages subscribe with this: `pushManager.subscribe({ userVisibleOnly: true, applicationServerKey })`.
/// println!("{}", pusher.key().public_base64url());
///
/// // What a page has got of `subscribe` and sent here, with the session that it was sent in.
/// let json = r#"{"endpoint":"https://…","keys":{"p256dh":"…","auth":"…"}}"#;
/// pusher.new_subscription("session 42", json, None)?;
///
/// let message = Message::json(&serde_json::json!({ "title": "Hello", "body": "World" }))?;
/// let progress = pusher.notify("session 42", &message)?;
/// println!("{} of its devices have it", progress.accepted);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Coming from solidwebpush
///
/// | solidwebpush | here |
/// |---|---|
/// | `Pusher(db_name)` | [`Pusher::open`]; [`import`](Self::import) takes over `subscriptors.db`, [`key_file`](PusherOptions::key_file) may be its `private_key.pem` |
/// | `setVerbose` | logs, by `tracing` |
/// | `getPublicKey`, `getPrivateKey` | [`Key::public_bytes`], [`Key::private_bytes`] of [`key`](Self::key) |
/// | `getB64PublicKey`, `getB64PrivateKey` | [`Key::public_base64`], [`Key::private_base64`] |
/// | `getUrlB64PublicKey`, `getUrlB64PrivateKey` | [`Key::public_base64url`], [`Key::private_base64url`] |
/// | `sendNotification`, `pusher(…)` | [`send_notification`](Self::send_notification) |
/// | `sendNotificationToAll` | [`send_notifications`](Self::send_notifications), [`…_nonblocking`](Self::send_notifications_nonblocking) |
/// | `newSubscription` | [`new_subscription`](Self::new_subscription); [`add_subscription`](Self::add_subscription) for further devices |
/// | `removeSubscription` | [`remove_subscription`](Self::remove_subscription) |
/// | `notify` | [`notify`](Self::notify), [`…_nonblocking`](Self::notify_nonblocking) |
/// | `notifyAll` | [`notify_all`](Self::notify_all), [`…_nonblocking`](Self::notify_all_nonblocking) |
/// | `wait` | [`wait`](Self::wait) |
/// | `getIdSession` | [`user_of`](Self::user_of) |
/// | `getSubscription` | [`subscriptions_of`](Self::subscriptions_of) |
/// | `getGroupId` | [`group_of`](Self::group_of) |
///
/// Sessions are users here, and groups have names: `13` is `"13"`. Pages need no change but that they see messages in today's
/// encoding (`aes128gcm`), which browsers undo by themselves.
pub struct Pusher {
    shared: Arc<Pushing>,
    sender: Option<Sender>,
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
}

impl Pusher {
    /// Opens the folder that has the key and the database of subscriptions, and makes it if it is missing. What an earlier
    /// pusher left is sent.
    ///
    /// # Errors
    ///
    /// See [`OpenPusherError`]: the folder is in use or cannot be made, a key is none.
    pub fn open(dir: &Path, options: PusherOptions) -> Result<Self, OpenPusherError> {
        let runtime = Builder::new_multi_thread().thread_name("pusher").enable_all().build()?;
        let dir = dir.to_owned();
        let started = block(&runtime, async move { Pushing::start(&dir, options).await });
        match started.unwrap_or_else(|| Err(io::Error::other("one of them has panicked").into())) {
            Ok((pushing, sender)) => {
                Ok(Self { shared: Arc::new(pushing), sender: Some(sender), runtime: Some(runtime) })
            }
            Err(error) => {
                runtime.shutdown_background();
                Err(error)
            }
        }
    }

    /// The key that pages subscribe with.
    pub fn key(&self) -> &Key {
        &self.shared.key
    }

    /// The table of subscriptions, for async code.
    pub fn subscriptions(&self) -> &Subscriptions {
        &self.shared.subscriptions
    }

    /// Takes over `file`, the `subscriptors.db` of solidwebpush, whose `private_key.pem` is the [`key`](Self::key): see
    /// [`Subscriptions::import`].
    ///
    /// # Errors
    ///
    /// [`PusherError::Import`].
    pub fn import(
        &self,
        file: &Path,
        left_out: impl FnMut(&LeftOut) + Send + 'static,
    ) -> Result<Imported, PusherError> {
        let file = file.to_owned();
        self.call(move |shared| async move {
            Ok(shared.subscriptions.import(&file, shared.key.id(), left_out).await?)
        })
    }

    /// Stores the subscription of a session, in place of the one that the session has; in place of another session's, too, if
    /// that had the same.
    ///
    /// # Errors
    ///
    /// See [`PusherError`]: it is no subscription, its service may not be asked, nothing can be stored.
    pub fn new_subscription(
        &self,
        session: &str,
        subscription: impl AsRef<[u8]>,
        group: Option<&str>,
    ) -> Result<Added, PusherError> {
        let subscription = self.checked(subscription)?;
        let (session, group) = (session.to_owned(), group.map(str::to_owned));
        self.call(move |shared| async move {
            Ok(shared.subscriptions.replace(&session, group.as_deref(), &subscription).await?)
        })
    }

    /// Stores one more device of a user.
    ///
    /// # Errors
    ///
    /// As [`new_subscription`](Self::new_subscription), and that the user has as many as are allowed.
    pub fn add_subscription(
        &self,
        user: &str,
        subscription: impl AsRef<[u8]>,
        group: Option<&str>,
    ) -> Result<Added, PusherError> {
        let subscription = self.checked(subscription)?;
        let (user, group) = (user.to_owned(), group.map(str::to_owned));
        self.call(move |shared| async move {
            Ok(shared.subscriptions.add(&user, group.as_deref(), &subscription, None).await?)
        })
    }

    /// Removes what a user has subscribed; answers whether there was anything.
    ///
    /// # Errors
    ///
    /// Nothing can be stored.
    pub fn remove_subscription(&self, user: &str) -> Result<bool, PusherError> {
        let user = user.to_owned();
        self.call(move |shared| async move { Ok(shared.subscriptions.remove_user(&user).await? > 0) })
    }

    /// Who has subscribed with this device.
    ///
    /// # Errors
    ///
    /// Nothing can be read.
    pub fn user_of(&self, subscription: &Subscription) -> Result<Option<String>, PusherError> {
        let id = subscription.endpoint().id();
        self.call(
            move |shared| async move { Ok(shared.subscriptions.find(id).await?.map(|device| device.user)) },
        )
    }

    /// What a user has subscribed with, oldest first; empty if nobody of this name has.
    ///
    /// # Errors
    ///
    /// Nothing can be read.
    pub fn subscriptions_of(&self, user: &str) -> Result<Vec<Subscription>, PusherError> {
        let user = user.to_owned();
        self.call(move |shared| async move { Ok(shared.subscriptions.subscriptions_of(&user).await?) })
    }

    /// The group of a user: that of the newest device.
    ///
    /// # Errors
    ///
    /// Nothing can be read.
    pub fn group_of(&self, user: &str) -> Result<Option<String>, PusherError> {
        let user = user.to_owned();
        self.call(move |shared| async move {
            Ok(shared.subscriptions.of(&user).await?.pop().and_then(|device| device.group))
        })
    }

    /// Sends a message to a user's devices, and waits until push services have it, or as long as the
    /// [`patience`](PusherOptions::patience) lasts: then [`queued`](Progress::queued) says to how many it is still to be sent.
    ///
    /// # Errors
    ///
    /// [`PusherError::UnknownUser`], [`PusherError::Store`].
    pub fn notify(&self, user: &str, message: &Message) -> Result<Progress, PusherError> {
        let id = self.notify_nonblocking(user, message)?;
        self.finished(id)
    }

    /// Has a message sent to a user's devices, and returns when that is stored.
    ///
    /// # Errors
    ///
    /// [`PusherError::UnknownUser`], [`PusherError::Store`].
    pub fn notify_nonblocking(&self, user: &str, message: &Message) -> Result<MessageId, PusherError> {
        let (user, message) = (user.to_owned(), message.clone());
        self.call(move |shared| async move {
            let to = Recipients::Users(vec![user]).into();
            let (id, mut without) = shared.enqueue(&to, &message).await?;
            without.pop().map_or(Ok(id), |user| Err(PusherError::UnknownUser(user)))
        })
    }

    /// Sends a message to whoever has subscribed, or to a group, but for some users; waits as [`notify`](Self::notify) does.
    ///
    /// # Errors
    ///
    /// Nothing can be stored.
    pub fn notify_all(
        &self,
        message: &Message,
        group: Option<&str>,
        except: &[&str],
    ) -> Result<Progress, PusherError> {
        let id = self.notify_all_nonblocking(message, group, except)?;
        self.finished(id)
    }

    /// Has a message sent to whoever has subscribed, or to a group, but for some users, and returns when that is stored.
    ///
    /// # Errors
    ///
    /// Nothing can be stored.
    pub fn notify_all_nonblocking(
        &self,
        message: &Message,
        group: Option<&str>,
        except: &[&str],
    ) -> Result<MessageId, PusherError> {
        let to = group.map_or(Recipients::Everyone, |group| Recipients::Group(group.to_owned()));
        let audience = Audience { to, except: except.iter().map(|&user| user.to_owned()).collect() };
        let message = message.clone();
        self.call(move |shared| async move { Ok(shared.enqueue(&audience, &message).await?.0) })
    }

    /// How far a message is; `None` when it was done with for a day.
    ///
    /// # Errors
    ///
    /// Nothing can be read.
    pub fn progress(&self, id: &MessageId) -> Result<Option<Progress>, PusherError> {
        let id = id.clone();
        self.call(move |shared| async move { Ok(shared.jobs.progress(id.as_str()).await?) })
    }

    /// Sends a message to a subscription, stored or not, once, and says what its push service has said.
    ///
    /// # Errors
    ///
    /// Nothing can be read.
    pub fn send_notification(
        &self,
        subscription: &Subscription,
        message: &Message,
    ) -> Result<Answer, PusherError> {
        let (subscription, message) = (subscription.clone(), message.clone());
        self.call(move |shared| async move { Ok(shared.direct.send(&subscription, &message).await?) })
    }

    /// Sends a message to subscriptions, stored or not, once to each, and says what their push services have said, in the same
    /// order.
    ///
    /// # Errors
    ///
    /// [`PusherError::Fault`].
    pub fn send_notifications(
        &self,
        subscriptions: &[Subscription],
        message: &Message,
    ) -> Result<Vec<Answer>, PusherError> {
        self.send_notifications_nonblocking(subscriptions, message).wait()
    }

    /// Has a message sent to subscriptions, stored or not, once to each. It is lost if the process ends before; those to stored
    /// ones, by [`notify`](Self::notify_nonblocking), are not.
    pub fn send_notifications_nonblocking(
        &self,
        subscriptions: &[Subscription],
        message: &Message,
    ) -> Pending {
        let (answers, pending) = Pending::new();
        let (shared, subscriptions, message) = (self.shared.clone(), subscriptions.to_vec(), message.clone());
        let under_way = UnderWay::new(shared.clone());
        if let Some(runtime) = &self.runtime {
            runtime.spawn(async move {
                let sent = shared.send_all(subscriptions, &message).await;
                // Nobody has to wait for it.
                let _ = answers.send(sent);
                drop(under_way);
            });
        }
        pending
    }

    /// Waits until nothing is left to be sent, however long push services take that are not reached; a message's TTL is the
    /// longest.
    ///
    /// # Errors
    ///
    /// Nothing can be stored.
    pub fn wait(&self) -> Result<(), PusherError> {
        self.call(move |shared| async move { shared.all_finished().await })
    }

    fn checked(&self, subscription: impl AsRef<[u8]>) -> Result<Subscription, PusherError> {
        let subscription = Subscription::parse(subscription)?;
        self.shared.guard.check(subscription.endpoint())?;
        Ok(subscription)
    }

    fn finished(&self, id: MessageId) -> Result<Progress, PusherError> {
        self.call(move |shared| async move { shared.finished(id).await })
    }

    /// Does something on the threads of the pusher, and waits for it.
    fn call<T, F>(&self, work: impl FnOnce(Arc<Pushing>) -> F) -> Result<T, PusherError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, PusherError>> + Send + 'static,
    {
        let runtime = self.runtime.as_ref().ok_or(PusherError::Fault)?;
        block(runtime, work(self.shared.clone())).unwrap_or(Err(PusherError::Fault))
    }
}

/// Waits for a future. Not as the runtime itself would: where this thread belongs to another runtime, that panics.
fn block<T: Send + 'static>(
    runtime: &Runtime,
    future: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    let (done, waiting) = mpsc::sync_channel(1);
    runtime.spawn(async move {
        // Somebody waits, until the end.
        let _ = done.send(future.await);
    });
    waiting.recv().ok()
}

impl Drop for Pusher {
    /// Waits for requests that are under way; what is not sent is left to the next pusher.
    fn drop(&mut self) {
        let (sender, store) = (self.sender.take(), self.shared.store.clone());
        let Some(runtime) = self.runtime.take() else { return };
        block(&runtime, async move {
            if let Some(sender) = sender {
                sender.stop().await;
            }
            if let Err(failure) = store.close().await {
                tracing::error!("{failure}");
            }
        });
        runtime.shutdown_background();
    }
}

impl fmt::Debug for Pusher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pusher")
            .field("store", &self.shared.store.file())
            .field("key", self.key())
            .finish_non_exhaustive()
    }
}
