//! The client protocol (docs/protocol.md): each request is answered, in its place among the messages.

use std::sync::Arc;

use pushnote_core::request::PROTOCOL_VERSION;
use pushnote_core::{ChannelName, CloseCode, Cursor, Request, Subject, Unusable, Wanted};

use super::Client;
use crate::notice::{self, Notice};
use crate::rights::{Allowed, Refusal};

impl Client {
    pub(super) fn request(&mut self, text: &str) {
        match Request::parse(text) {
            Ok(Request::Hello { id, .. }) if self.framed => {
                self.refuse(id, "bad_request", "hello is said once");
            }
            Ok(Request::Hello { id, version, .. }) if version != PROTOCOL_VERSION => {
                self.refuse(id, "version", &format!("version {PROTOCOL_VERSION} is spoken here"));
            }
            Ok(Request::Hello { id, cursor, subscriptions, .. }) => {
                self.hello(id, cursor.as_deref(), &subscriptions)
            }
            Ok(Request::Subscribe { id, wanted, since }) => self.subscribe_to(id, &wanted, since.as_deref()),
            Ok(Request::Unsubscribe { id, channel }) => self.unsubscribe(id, channel),
            Ok(Request::History { id, channel, last }) => {
                if self.has_subscribed(id, &channel) {
                    let notice = Notice::History { id, channel: channel.clone() };
                    self.attachment.history(channel.into(), last, notice);
                }
            }
            Ok(Request::Presence { id, channel, events }) => self.presence(id, channel, events),
            Ok(Request::Ack { message }) => {
                let users = self.attachment.users();
                let users = users.filter(|user| !self.has_expired(&(*user).clone().into()));
                self.shared.socket_first.acknowledge(&message, users);
            }
            Err(error) => {
                let notice = Notice::Error { id: error.id, code: "bad_request", text: error.text };
                self.attachment.tell(notice);
            }
        }
    }

    /// It goes on where it was, with all that it had subscribed to.
    fn hello(&mut self, id: u64, cursor: Option<&str>, subscriptions: &[Result<Wanted, Unusable>]) {
        self.framed = true;
        let mut refused = Vec::new();
        for wanted in subscriptions {
            match wanted {
                Ok(wanted) => {
                    let allowed = self.allow(wanted, |client, subject| client.attachment.subscribe(subject));
                    let channel = wanted.channel.as_ref().map(ChannelName::as_str);
                    let because =
                        |refusal: Refusal| notice::refused(channel, refusal.code(), &refusal.to_string());
                    refused.extend(allowed.err().map(because));
                }
                Err(Unusable { channel, text }) => {
                    refused.push(notice::refused(channel.as_deref(), "bad_request", text));
                }
            }
        }
        self.attachment.resume(cursor.map(Cursor::read), Notice::Welcome { id, refused });
    }

    fn subscribe_to(&mut self, id: u64, wanted: &Wanted, since: Option<&str>) {
        let subscribed = self.allow(wanted, |client, subject| {
            let notice = Notice::Subscribed { id, subject: subject.clone() };
            client.attachment.subscribe_since(subject, since.map(Cursor::read), Some(notice))
        });
        if let Err(refusal) = subscribed {
            self.attachment.tell(Notice::refusal(id, &refusal));
        }
    }

    /// Subscribes, if that is allowed, for as long as its token is good.
    fn allow(
        &mut self,
        wanted: &Wanted,
        subscribe: impl FnOnce(&mut Self, Subject) -> Result<(), pushnote_hub::SubscribeError>,
    ) -> Result<(), Refusal> {
        let subscribed = self.shared.rights.allow(wanted).and_then(|allowed| {
            subscribe(self, allowed.subject.clone())?;
            // As the revocation would have done.
            self.shared.rights.still(&allowed).inspect_err(|_| self.close(CloseCode::TokenExpired))?;
            let Allowed { subject, user, until, .. } = allowed;
            self.is_in(&subject, user);
            self.lasts(subject, until);
            Ok(())
        });
        subscribed.inspect_err(|refusal| self.shared.rights.note(refusal))
    }

    /// Also if its token has expired: its place is free for another then.
    fn unsubscribe(&mut self, id: u64, channel: ChannelName) {
        if !self.attachment.is_subscribed(&channel.clone().into()) {
            self.refuse_stranger(id);
        } else {
            let notice = Notice::Unsubscribed { id, channel: channel.clone() };
            if self.present {
                self.shared.presence.left(self.attachment.id(), &channel);
                self.attachment.unsubscribe(Subject::Presence(channel.clone()), None);
            }
            let subject = Subject::Channel(channel);
            if let Some(expiry) = &mut self.expiry {
                expiry.forget(&subject);
            }
            self.attachment.unsubscribe(subject, Some(notice));
        }
    }

    /// Who is there, and from now on, if wanted, who comes and goes.
    fn presence(&mut self, id: u64, channel: ChannelName, events: Option<bool>) {
        let shared = Arc::clone(&self.shared);
        if !shared.rights.rule(&channel).presence {
            if self.has_subscribed(id, &channel) {
                self.refuse(id, "no_presence", "nobody learns who is in this channel");
            }
            return;
        }
        if !shared.presence.hears(self.attachment.id(), &channel, events) {
            return self.refuse_stranger(id);
        }
        let subject = Subject::Presence(channel.clone());
        match events {
            Some(true) => {
                // To these there is no limit.
                let _ = self.attachment.subscribe(subject);
            }
            Some(false) => self.attachment.unsubscribe(subject, None),
            None => {}
        }
        // Later than the subscription, so that nobody who comes is in neither.
        let who = shared.presence.who(&channel);
        self.attachment.tell(Notice::Presence { id, channel, who });
    }

    /// Whether it has subscribed to the channel; it is told if not.
    fn has_subscribed(&self, id: u64, channel: &ChannelName) -> bool {
        let subject = channel.clone().into();
        let has = self.attachment.is_subscribed(&subject) && !self.has_expired(&subject);
        if !has {
            self.refuse_stranger(id);
        }
        has
    }

    fn refuse_stranger(&self, id: u64) {
        self.refuse(id, "not_subscribed", "the connection is not subscribed to this channel");
    }

    pub(super) fn refuse(&self, id: u64, code: &'static str, text: &str) {
        self.attachment.tell(Notice::Error { id: Some(id), code, text: text.to_owned() });
    }
}
