//! The API for applications: publish by HTTP, and see what is there. It has a listener of its own, and keys.

mod expel;
pub(crate) mod keys;
mod message;
mod openapi;
pub(crate) mod plain;
mod publish;
mod push;
mod push_direct;
mod push_option;
mod push_subscriptions;
mod receipt;
mod recent;
mod views;

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use pushnote_core::{ChannelName, UserId};
use pushnote_net::unix_now;
use pushnote_webpush::Added;
use serde::Serialize;

use crate::context::Context;
use crate::front::{self, Answering, Body, Front, whole};
use crate::problem::Problem;
use keys::{ApiKey, CurrentApiKeys, Right};
use recent::Recent;

/// Longest body, in bytes: of a list of messages.
const BODY_BYTES_MAX: usize = 16 << 20;

/// Messages of a channel that are shown if nobody says how many.
const HISTORY_DEFAULT: usize = 10;

/// What is below this path.
const PREFIX: &str = "/v1/";

/// See the module's documentation.
pub(crate) struct Api {
    context: Arc<Context>,
    keys: Arc<CurrentApiKeys>,
    recent: Recent,
}

/// What a path names.
enum Resource {
    Publish,
    Disconnect,
    Revoke,
    Channel(String),
    User(String),
    Message(String),
    Push,
    PushKey,
    PushSubscriptions,
    OpenApi,
}

impl Api {
    pub(crate) fn new(context: Arc<Context>, keys: Arc<CurrentApiKeys>) -> Self {
        Self { context, keys, recent: Recent::default() }
    }

    async fn answer(self: &Arc<Self>, request: Request<Incoming>) -> Result<Response<Body>, Problem> {
        let (head, body) = request.into_parts();
        let resource = Resource::of(head.uri.path())?;
        if !resource.methods().contains(&head.method) {
            let wrong = format!("{} is not for this path; it takes {}", head.method, resource.allow());
            return Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", wrong));
        }
        match resource {
            Resource::Publish => self.publish(&head, body).await,
            Resource::Disconnect => self.expel(&head, body, None).await,
            Resource::Revoke => self.expel(&head, body, Some(unix_now())).await,
            Resource::Channel(name) => {
                let name = ChannelName::new(&name).map_err(|error| Problem::malformed(error.to_string()))?;
                self.keys.check(&head.headers, Right::Read)?.allow_channel(&name)?;
                let last = history_count(head.uri.query())?;
                Ok(json(StatusCode::OK, &views::channel(&self.context, &name, last)))
            }
            Resource::User(id) => {
                let user = UserId::new(&id).map_err(|error| Problem::malformed(error.to_string()))?;
                self.keys.check(&head.headers, Right::Read)?.allow_users()?;
                Ok(json(StatusCode::OK, &views::user(&self.context, user)))
            }
            Resource::Message(id) => {
                self.keys.check(&head.headers, Right::Read)?.allow_users()?;
                Ok(json(StatusCode::OK, &message::message(&self.context, &id).await?))
            }
            Resource::Push | Resource::PushKey | Resource::PushSubscriptions => {
                self.web_push(&resource, &head, body).await
            }
            Resource::OpenApi => Ok(json(StatusCode::OK, openapi::document())),
        }
    }

    /// What is about Web Push.
    async fn web_push(
        &self,
        resource: &Resource,
        head: &Parts,
        body: Incoming,
    ) -> Result<Response<Body>, Problem> {
        let right = match (resource, &head.method) {
            (Resource::Push, _) => Right::Publish,
            (_, &Method::GET) => Right::Read,
            _ => Right::Manage,
        };
        let key = self.keys.check(&head.headers, right)?;
        key.allow_users()?;
        let push = self.context.push.clone().ok_or_else(|| {
            let detail = "Web Push is off: --vapid-subject switches it on";
            Problem::new(StatusCode::NOT_FOUND, "push_off", detail)
        })?;
        match (resource, &head.method) {
            (Resource::PushKey, _) => Ok(json(StatusCode::OK, &push_subscriptions::key(&push))),
            (_, &Method::GET) => {
                Ok(json(StatusCode::OK, &push_subscriptions::of(&push, head.uri.query()).await?))
            }
            (Resource::Push, _) => {
                let pushed = push::push(&push, &key, &self.read(body).await?).await?;
                Ok(json(pushed.status(), &pushed))
            }
            (_, &Method::DELETE) => {
                Ok(json(StatusCode::OK, &push_subscriptions::remove(&push, &self.read(body).await?).await?))
            }
            _ => {
                let status = match push_subscriptions::subscribe(&push, &self.read(body).await?).await? {
                    Added::New => StatusCode::CREATED,
                    Added::Known | Added::Moved => StatusCode::OK,
                };
                Ok(json(status, &push_subscriptions::Nothing {}))
            }
        }
    }

    async fn publish(self: &Arc<Self>, head: &Parts, body: Incoming) -> Result<Response<Body>, Problem> {
        let key = self.keys.check(&head.headers, Right::Publish)?;
        let body = self.read(body).await?;
        let api = Arc::clone(self);
        // What has begun is finished, also if its client goes away: one that is sent again is answered by what was done.
        let publishing = front::to_the_end(async move { publish_now(&api, &key, &body).await });
        let failed = |_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", "publishing has failed");
        publishing.await.map_err(failed)?
    }

    /// Ends the connections of users, and from a time on their tokens.
    async fn expel(
        &self,
        head: &Parts,
        body: Incoming,
        revoke_until: Option<u64>,
    ) -> Result<Response<Body>, Problem> {
        self.keys.check(&head.headers, Right::Manage)?.allow_users()?;
        let body = self.read(body).await?;
        let expelled = expel::expel(&self.context, &body, revoke_until).await?;
        Ok(json(StatusCode::ACCEPTED, &expelled))
    }

    async fn read(&self, body: Incoming) -> Result<Bytes, Problem> {
        let body = front::read(body, BODY_BYTES_MAX, self.context.limits.handshake_timeout_s).await;
        body.map_err(|error| Problem::new(error.status(), "body", error.to_string()))
    }
}

/// Publishes what the body of a request says, and answers it.
async fn publish_now(api: &Api, key: &ApiKey, body: &Bytes) -> Result<Response<Body>, Problem> {
    let receipts = publish::publish(&api.context, &api.recent, key, body).await?;
    Ok(json(StatusCode::ACCEPTED, &receipts))
}

impl Front for Api {
    fn takes(&self, path: &str) -> bool {
        path.starts_with(PREFIX)
    }

    fn respond(self: Arc<Self>, request: Request<Incoming>) -> Answering {
        Box::pin(async move {
            let allowed = Resource::of(request.uri().path()).ok().map(|resource| resource.allow());
            let mut response = self.answer(request).await.unwrap_or_else(Problem::into_response);
            if response.status() == StatusCode::METHOD_NOT_ALLOWED
                && let Some(allowed) = allowed.and_then(|methods| HeaderValue::from_str(&methods).ok())
            {
                response.headers_mut().insert(ALLOW, allowed);
            }
            response
        })
    }
}

impl Resource {
    fn of(path: &str) -> Result<Self, Problem> {
        let rest = path.strip_prefix(PREFIX).unwrap_or_default();
        let name = |text: &str| {
            let decoded = percent_decode_str(text).decode_utf8();
            decoded.map(String::from).map_err(|_| Problem::malformed("the name in the path is not UTF-8"))
        };
        match rest.split_once('/') {
            None if rest == "publish" => Ok(Self::Publish),
            None if rest == "disconnect" => Ok(Self::Disconnect),
            None if rest == "revoke" => Ok(Self::Revoke),
            None if rest == "push" => Ok(Self::Push),
            Some(("push", "key")) => Ok(Self::PushKey),
            Some(("push", "subscriptions")) => Ok(Self::PushSubscriptions),
            None if rest == "openapi.json" => Ok(Self::OpenApi),
            Some(("channels", channel)) => name(channel).map(Self::Channel),
            Some(("users", user)) => name(user).map(Self::User),
            Some(("messages", id)) => name(id).map(Self::Message),
            _ => Err(Problem::new(
                StatusCode::NOT_FOUND,
                "not_found",
                "nothing is at this path; there are /v1/publish, /v1/disconnect, /v1/revoke, /v1/channels/NAME, /v1/users/ID, /v1/messages/ID, /v1/push, /v1/push/key, /v1/push/subscriptions and /v1/openapi.json",
            )),
        }
    }

    fn methods(&self) -> &'static [Method] {
        match self {
            Self::Publish | Self::Disconnect | Self::Revoke | Self::Push => &[Method::POST],
            Self::Channel(_) | Self::User(_) | Self::Message(_) | Self::PushKey | Self::OpenApi => {
                &[Method::GET]
            }
            Self::PushSubscriptions => &[Method::GET, Method::POST, Method::DELETE],
        }
    }

    /// These methods, as a header has them.
    fn allow(&self) -> String {
        self.methods().iter().map(Method::as_str).collect::<Vec<_>>().join(", ")
    }
}

/// What `last` says.
fn history_count(query: Option<&str>) -> Result<usize, Problem> {
    let mut pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let Some((_, text)) = pairs.find(|(name, _)| name == "last") else { return Ok(HISTORY_DEFAULT) };
    let count = text.parse().ok().filter(|count| *count <= views::HISTORY_MAX);
    count.ok_or_else(|| Problem::malformed(format!("last: give 0 to {}", views::HISTORY_MAX)))
}

fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    // What this API answers always serialises.
    let mut response = Response::new(whole(serde_json::to_vec(value).unwrap_or_default()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// How the description writes its path.
    fn described(resource: &Resource) -> &'static str {
        match resource {
            Resource::Publish => "/v1/publish",
            Resource::Disconnect => "/v1/disconnect",
            Resource::Revoke => "/v1/revoke",
            Resource::Channel(_) => "/v1/channels/{channel}",
            Resource::User(_) => "/v1/users/{user}",
            Resource::Message(_) => "/v1/messages/{id}",
            Resource::Push => "/v1/push",
            Resource::PushKey => "/v1/push/key",
            Resource::PushSubscriptions => "/v1/push/subscriptions",
            Resource::OpenApi => "/v1/openapi.json",
        }
    }

    #[test]
    fn the_description_has_what_is_answered_and_nothing_else() {
        let name = || "a".to_owned();
        let answered = [
            Resource::Publish,
            Resource::Disconnect,
            Resource::Revoke,
            Resource::Channel(name()),
            Resource::User(name()),
            Resource::Message(name()),
            Resource::Push,
            Resource::PushKey,
            Resource::PushSubscriptions,
            Resource::OpenApi,
        ];
        let mut expected = BTreeSet::new();
        for resource in &answered {
            let path = described(resource);
            assert_eq!(Resource::of(path).ok().map(|found| described(&found)), Some(path));
            for method in resource.methods() {
                expected.insert((path, method.as_str().to_ascii_lowercase()));
            }
        }
        let paths = openapi::document()["paths"].as_object().unwrap();
        let methods = |(path, methods)| -> Vec<(&'static str, String)> {
            let (path, methods): (&'static String, &'static serde_json::Value) = (path, methods);
            methods.as_object().unwrap().keys().map(|method| (path.as_str(), method.clone())).collect()
        };
        assert_eq!(paths.iter().flat_map(methods).collect::<BTreeSet<_>>(), expected);
    }
}
