//! `/v1/push/subscriptions`: browsers that an application subscribes by itself, looks at, and removes.

use pushnote_core::UserId;
use pushnote_webpush::{Added, Device, Endpoint, Subscription};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::publish::{UserName, parse};
use crate::problem::Problem;
use crate::push::Push;

/// Longest name of a group, in bytes.
pub(super) const GROUP_BYTES_MAX: usize = 128;

const SUBSCRIBE_EXAMPLE: &str =
    r#"{"user":"42","subscription":{"endpoint":"https://…","keys":{"p256dh":"…","auth":"…"}}}"#;
const REMOVE_EXAMPLE: &str = r#"{"user":"42"}, or {"endpoint":"https://…"}"#;

/// A browser, and whose it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SubscribeRequest<'a> {
    /// The user's id, as text or an integer.
    #[schema(value_type = UserName, example = "42")]
    user: UserId,
    /// What `pushManager.subscribe` gives, as JSON.
    #[serde(borrow)]
    #[schema(value_type = PushSubscription)]
    subscription: &'a RawValue,
    /// The group that the browser is in.
    group: Option<String>,
}

/// `PushSubscription.toJSON()` of a browser.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what Subscription reads")]
pub(super) struct PushSubscription {
    /// Where its push service takes messages.
    #[schema(example = "https://updates.push.services.mozilla.com/wpush/v2/gAAAAABlx")]
    endpoint: String,
    keys: PushKeys,
}

/// The browser's keys, in base64.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what Subscription reads")]
pub(super) struct PushKeys {
    /// A point on P-256: 65 bytes.
    #[schema(
        example = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
    )]
    p256dh: String,
    /// 16 bytes.
    #[schema(example = "BTBZMqHH6r4Tts7J_aSIgg")]
    auth: String,
}

/// Which browsers are to get nothing more: all of a user's, or one.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RemoveRequest {
    /// The user's id, as text or an integer.
    #[schema(value_type = Option<UserName>, example = "42")]
    user: Option<UserId>,
    /// One browser's.
    endpoint: Option<String>,
}

/// What was removed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Removed {
    /// Browsers that get nothing more.
    removed: u64,
}

/// A browser is subscribed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Nothing {}

/// The browsers that were asked for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SubscriptionsView {
    subscriptions: Vec<SubscriptionView>,
}

/// A browser, without its endpoint: whoever has that can write to it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SubscriptionView {
    /// The beginning of its endpoint's hash, as logs have it.
    id: String,
    /// Whose it is.
    user: String,
    /// Its push service.
    origin: String,
    /// The group that it is in.
    group: Option<String>,
    /// When it subscribed, in seconds since 1970.
    made: u64,
    /// When its push service last took a message, in seconds since 1970.
    last_ok: Option<u64>,
}

/// What browsers subscribe to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeyView {
    /// The public key, in url-safe base64: `applicationServerKey` of `pushManager.subscribe`.
    key: String,
}

pub(crate) fn key(push: &Push) -> KeyView {
    KeyView { key: push.public_key().to_owned() }
}

/// Subscribes a browser; whether it is new.
pub(crate) async fn subscribe(push: &Push, body: &[u8]) -> Result<Added, Problem> {
    let SubscribeRequest { user, subscription, group } = parse(body, SUBSCRIBE_EXAMPLE)?;
    let subscription = Subscription::parse(subscription.get())
        .map_err(|error| Problem::malformed(format!("subscription: {error}")))?;
    let group = group.as_deref().map(self::group).transpose()?;
    Ok(push.subscribe(&user, group, &subscription, None).await?)
}

/// Removes all browsers of a user, or one.
pub(crate) async fn remove(push: &Push, body: &[u8]) -> Result<Removed, Problem> {
    let removed = match parse(body, REMOVE_EXAMPLE)? {
        RemoveRequest { user: Some(user), endpoint: None } => push.remove_user(&user).await?,
        RemoveRequest { user: None, endpoint: Some(endpoint) } => {
            push.remove(&self::endpoint(endpoint)?).await?
        }
        _ => return Err(Problem::malformed("give either user or endpoint")),
    };
    Ok(Removed { removed })
}

/// The browsers of the user that a query names, or the one whose endpoint it has.
pub(crate) async fn of(push: &Push, query: Option<&str>) -> Result<SubscriptionsView, Problem> {
    let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let mut asked = pairs.filter(|(name, _)| name == "user" || name == "endpoint");
    let (Some((name, value)), None) = (asked.next(), asked.next()) else {
        let detail = "say whose, as in /v1/push/subscriptions?user=42, or which, by endpoint=https%3A%2F%2F…";
        return Err(Problem::malformed(detail));
    };
    let found = if name == "user" {
        let user = UserId::new(&value).map_err(|error| Problem::malformed(format!("user: {error}")))?;
        push.of(&user).await?
    } else {
        push.find(&endpoint(value.into_owned())?).await?.into_iter().collect()
    };
    let view = |one: Device| SubscriptionView {
        id: one.id.to_string(),
        user: one.user,
        origin: one.origin,
        group: one.group,
        made: one.made,
        last_ok: one.last_ok,
    };
    Ok(SubscriptionsView { subscriptions: found.into_iter().map(view).collect() })
}

fn endpoint(url: String) -> Result<Endpoint, Problem> {
    Endpoint::parse(url).map_err(|error| Problem::malformed(format!("endpoint: {error}")))
}

/// A group's name.
pub(super) fn group(text: &str) -> Result<&str, Problem> {
    match text.len() {
        1..=GROUP_BYTES_MAX if !text.chars().any(char::is_control) => Ok(text),
        1..=GROUP_BYTES_MAX => Err(Problem::malformed("group: it has a control character")),
        len => {
            Err(Problem::malformed(format!("group: it has {len} bytes, 1 to {GROUP_BYTES_MAX} are allowed")))
        }
    }
}
