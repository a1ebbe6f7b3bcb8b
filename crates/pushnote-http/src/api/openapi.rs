//! The API's description, by which clients are made and checked (OpenAPI 3.1).

mod limits;

use std::sync::LazyLock;

use serde_json::Value;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{IntoResponses, OpenApi};

use super::expel::{Expelled, Users};
use super::message::MessageView;
use super::publish::{Publish, Receipts};
use super::push::{PushRequest, Pushed};
use super::push_direct::Sent;
use super::push_subscriptions::{
    KeyView, Nothing, RemoveRequest, Removed, SubscribeRequest, SubscriptionsView,
};
use super::views::{ChannelView, UserView};
use crate::problem::Problem;

/// The document, made once.
pub(crate) fn document() -> &'static Value {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
        let mut document = Description::openapi();
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("key", SecurityScheme::Http(bearer));
        // What it is made of always serialises.
        let mut document = serde_json::to_value(document).unwrap_or_default();
        limits::add(&mut document);
        document
    });
    &DOCUMENT
}

#[derive(OpenApi)]
#[openapi(
    info(title = "pushnote", description = "Publishes messages to browsers, and shows what is there. Lengths of text are limited in bytes of UTF-8: of characters beyond ASCII, fewer are allowed than maxLength says."),
    paths(
        publish,
        disconnect,
        revoke,
        channel,
        user,
        message,
        push,
        push_key,
        push_subscriptions,
        push_subscribe,
        push_remove,
        openapi_json
    ),
    security(("key" = []))
)]
struct Description;

/// What any request may be answered that is refused.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it carries the description")]
enum Refused {
    /// The request is malformed.
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(Problem),
    /// No API key, or an unknown one.
    #[response(status = 401, content_type = "application/problem+json")]
    Unknown(Problem),
    /// The key has not the right.
    #[response(status = 403, content_type = "application/problem+json")]
    Denied(Problem),
}

/// What one with a body may be answered, too.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it carries the description")]
enum Unread {
    /// The body did not come in time.
    #[response(status = 408, content_type = "application/problem+json")]
    Late(Problem),
    /// Too long.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLong(Problem),
    /// Not at the moment.
    #[response(status = 503, content_type = "application/problem+json")]
    NotNow(Problem),
}

/// What one about Web Push may be answered, too.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it carries the description")]
enum Off {
    /// Web Push is off.
    #[response(status = 404, content_type = "application/problem+json")]
    Off(Problem),
    /// Not at the moment.
    #[response(status = 503, content_type = "application/problem+json")]
    NotNow(Problem),
}

/// Publishes a message, or a list of them, to everyone, users and channels.
#[utoipa::path(
    post,
    path = "/v1/publish",
    request_body(content = inline(OneOrMany), content_type = "application/json"),
    responses(
        (status = 202, description = "Published", body = Receipts),
        Refused,
        Unread,
        (status = 409, description = "The id is another message's", body = Problem, content_type = "application/problem+json"),
    )
)]
#[expect(dead_code, reason = "it carries the description")]
fn publish() {}

/// Ends the connections of users, which do not come back by themselves.
#[utoipa::path(
    post,
    path = "/v1/disconnect",
    request_body(content = Users, content_type = "application/json"),
    responses(
        (status = 202, description = "On its way", body = Expelled),
        Refused,
        Unread,
    )
)]
#[expect(dead_code, reason = "it carries the description")]
fn disconnect() {}

/// Ends all tokens of users that were made until now, and their connections, which come back with other tokens.
#[utoipa::path(
    post,
    path = "/v1/revoke",
    request_body(content = Users, content_type = "application/json"),
    responses(
        (status = 202, description = "On its way", body = Expelled),
        Refused,
        Unread,
    )
)]
#[expect(dead_code, reason = "it carries the description")]
fn revoke() {}

/// What a channel holds, and who is there.
#[utoipa::path(
    get,
    path = "/v1/channels/{channel}",
    params(
        ("channel" = String, Path, description = "The channel's name, percent-encoded; slashes may stand as they are"),
        ("last" = Option<usize>, Query, description = "Of its messages the last so many: 0 to 100", minimum = 0, maximum = 100),
    ),
    responses(
        (status = 200, description = "The channel", body = ChannelView),
        Refused,
    )
)]
#[expect(dead_code, reason = "it carries the description")]
fn channel() {}

/// How many connections a user has.
#[utoipa::path(
    get,
    path = "/v1/users/{user}",
    params(("user" = String, Path, description = "The user's id, percent-encoded")),
    responses(
        (status = 200, description = "The user", body = UserView),
        Refused,
    )
)]
#[expect(dead_code, reason = "it carries the description")]
fn user() {}

/// Sends a Web Push to users, a group or everyone who has subscribed, or to browsers that the request names.
#[utoipa::path(
    post,
    path = "/v1/push",
    request_body(content = PushRequest, content_type = "application/json"),
    responses(
        (status = 202, description = "On its way", body = Pushed),
        (status = 200, description = "Sent to the subscriptions of the request", body = Sent),
        (status = 429, description = "As many requests of the key wait for these push services as may", body = Problem, content_type = "application/problem+json"),
        Refused,
        Unread,
        Off,
    )
)]
#[expect(dead_code, reason = "it carries the description")]
fn push() {}

/// The key that browsers subscribe to.
#[utoipa::path(
    get,
    path = "/v1/push/key",
    responses(
        (status = 200, description = "The key", body = KeyView),
        Refused,
        Off,
    )
)]
#[expect(dead_code, reason = "it carries the description")]
fn push_key() {}

/// The browsers of a user, or the one with an endpoint: one of both is asked for.
#[utoipa::path(
    get,
    path = "/v1/push/subscriptions",
    params(
        ("user" = Option<String>, Query, description = "The user's id"),
        ("endpoint" = Option<String>, Query, description = "What the browser's subscription has, percent-encoded: a secret"),
    ),
    responses(
        (status = 200, description = "They", body = SubscriptionsView),
        Refused,
        Off,
    )
)]
#[expect(dead_code, reason = "it carries the description")]
fn push_subscriptions() {}

/// Subscribes a browser.
#[utoipa::path(
    post,
    path = "/v1/push/subscriptions",
    request_body(content = SubscribeRequest, content_type = "application/json"),
    responses(
        (status = 201, description = "It is new", body = Nothing),
        (status = 200, description = "It was known, and is this user's now", body = Nothing),
        Refused,
        Unread,
        Off,
    )
)]
#[expect(dead_code, reason = "it carries the description")]
fn push_subscribe() {}

/// Removes the browsers of a user, or one.
#[utoipa::path(
    delete,
    path = "/v1/push/subscriptions",
    request_body(content = RemoveRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "Done", body = Removed),
        Refused,
        Unread,
        Off,
    )
)]
#[expect(dead_code, reason = "it carries the description")]
fn push_remove() {}

/// How far a message that was published with `push` has come with each of its users, or one of `/v1/push` with its browsers.
#[utoipa::path(
    get,
    path = "/v1/messages/{id}",
    params(("id" = String, Path, description = "The message's id, percent-encoded; slashes may stand as they are")),
    responses(
        (status = 200, description = "The message", body = MessageView),
        Refused,
        (status = 404, description = "It is not known, or this server keeps no states", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    )
)]
#[expect(dead_code, reason = "it carries the description")]
fn message() {}

/// This description.
#[utoipa::path(
    get,
    path = "/v1/openapi.json",
    security(()),
    responses((status = 200, description = "The description", body = inline(Value), content_type = "application/json"))
)]
#[expect(dead_code, reason = "it carries the description")]
fn openapi_json() {}

/// A message, or a list of up to 1000.
#[derive(utoipa::ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it describes what is read")]
enum OneOrMany<'a> {
    One(Publish<'a>),
    Many(Vec<Publish<'a>>),
}
