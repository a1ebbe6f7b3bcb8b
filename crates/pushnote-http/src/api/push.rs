//! `POST /v1/push`: a Web Push to users, a group or everyone who has subscribed, or to subscriptions of the application's own.

use std::sync::Arc;

use http::StatusCode;
use pushnote_core::envelope::SUBJECTS_MAX;
use pushnote_core::push::{MESSAGE_ID_BYTES_MAX, PushError, Urgency, is_message_id};
use pushnote_core::{Push, UserId};
use pushnote_webpush::{Audience, Message, Recipients, Subscription};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::keys::ApiKey;
use super::publish::{UserName, parse};
use super::push_direct::{self, Sent};
use super::push_subscriptions::{self, PushSubscription};
use crate::front;
use crate::problem::Problem;
use crate::push::{Push as WebPush, Treatment, notification};

const EXAMPLE: &str = r#"{"users":["42"],"title":"Hi","body":"…","url":"/inbox"}"#;

/// A notification, or a payload of the application's own, and whom it is for: users, a group, everyone, or browsers that the
/// application keeps by itself.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PushRequest<'a> {
    /// For the browsers of these users: ids as text or integers.
    #[schema(value_type = Option<Vec<UserName>>, example = json!(["42", 43]))]
    users: Option<Vec<UserId>>,
    /// For the browsers in this group.
    group: Option<String>,
    /// For all browsers.
    #[serde(default)]
    everyone: bool,
    /// For these browsers, which need not be stored here: each as `pushManager.subscribe` gives it. They are sent to while the
    /// request waits, once, and the answer says what became of each.
    #[serde(borrow, default, deserialize_with = "push_direct::list")]
    #[schema(value_type = Option<Vec<PushSubscription>>)]
    subscriptions: Option<Vec<&'a RawValue>>,
    /// But not for those of these users.
    #[serde(default)]
    #[schema(value_type = Vec<UserName>)]
    except: Vec<UserId>,
    /// What stands at the top of the notification.
    #[schema(value_type = Option<String>)]
    title: Option<Box<str>>,
    /// What it says.
    #[schema(value_type = Option<String>)]
    body: Option<Box<str>>,
    /// The page that is opened when somebody clicks on it; a relative one is of the page's own origin.
    #[schema(value_type = Option<String>)]
    url: Option<Box<str>>,
    /// A picture's URL.
    #[schema(value_type = Option<String>)]
    icon: Option<Box<str>>,
    /// Of two notifications with the same tag, the later one takes the place of the other.
    tag: Option<String>,
    /// In place of title, body, url, icon and tag, for a service worker of one's own: any JSON value, of which a string is sent
    /// as its text.
    #[serde(borrow)]
    #[schema(value_type = Option<serde_json::Value>)]
    payload: Option<&'a RawValue>,
    /// Seconds for which push services keep it for a browser that is away; 0 is for those who are here. Twelve hours if it is
    /// not said.
    ttl_s: Option<u32>,
    /// What a device that saves power waits with.
    #[schema(value_type = Option<String>)]
    urgency: Option<Urgency>,
    /// It replaces what a push service still keeps with the same topic; by default, what has the same tag.
    #[schema(value_type = Option<String>)]
    topic: Option<Box<str>>,
    /// Of a push that may be asked for twice: the second one is answered like the first, and not sent; with `subscriptions` it is
    /// sent, and takes the place of the first. 1 to 128 bytes.
    id: Option<String>,
}

/// What is being sent.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Pushed {
    /// The message's own id, or one that was given to it.
    id: String,
    /// Browsers that it is sent to.
    devices: u64,
}

/// What is answered.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Answered {
    /// It is in the queue.
    Queued(Pushed),
    /// It was sent.
    Sent(Sent),
}

impl Answered {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Queued(_) => StatusCode::ACCEPTED,
            Self::Sent(_) => StatusCode::OK,
        }
    }
}

/// Sends what the body of a request says, which has this key. If whoever asks goes away, what is sent past the queue ends.
pub(crate) async fn push(web_push: &Arc<WebPush>, key: &ApiKey, body: &[u8]) -> Result<Answered, Problem> {
    let request: PushRequest<'_> = parse(body, EXAMPLE)?;
    let to = recipients(web_push, &request)?;
    let id = id(request.id.as_deref())?;
    let message = message(&request, &id)?;
    match to {
        To::Stored(audience) => {
            let web_push = Arc::clone(web_push);
            // What has begun is finished: one that is asked for again is answered by what was done.
            let sending = front::to_the_end(async move {
                let devices = web_push.send(&id, &audience, &message).await?;
                Ok(Answered::Queued(Pushed { id, devices }))
            });
            let failed = |_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", "pushing has failed");
            sending.await.map_err(failed)?
        }
        To::Given(subscriptions) => {
            let answers = web_push.send_directly(subscriptions, &message, &key.name).await?;
            Ok(Answered::Sent(Sent::new(id, answers)))
        }
    }
}

/// Whom a push is for.
enum To {
    /// Browsers that are stored here.
    Stored(Audience),
    /// Browsers that the request names.
    Given(Vec<Subscription>),
}

fn recipients(web_push: &WebPush, request: &PushRequest<'_>) -> Result<To, Problem> {
    let Some(subscriptions) = &request.subscriptions else { return audience(request).map(To::Stored) };
    let PushRequest { users, group, everyone, except, .. } = request;
    if users.is_some() || group.is_some() || *everyone || !except.is_empty() {
        let detail = "subscriptions are in place of users, group, everyone and except: leave these away";
        return Err(Problem::malformed(detail));
    }
    push_direct::checked(web_push, subscriptions).map(To::Given)
}

fn audience(request: &PushRequest<'_>) -> Result<Audience, Problem> {
    let PushRequest { users, group, everyone, except, .. } = request;
    let texts = |ids: &[UserId], field: &str| {
        let len = ids.len();
        if len > SUBJECTS_MAX {
            return Err(Problem::malformed(format!("{field}: there are {len}, {SUBJECTS_MAX} are allowed")));
        }
        Ok(ids.iter().map(|id| id.as_str().to_owned()).collect::<Vec<_>>())
    };
    let to = match (users, group, everyone) {
        (Some(users), None, false) if !users.is_empty() => Recipients::Users(texts(users, "users")?),
        (None, Some(group), false) => Recipients::Group(push_subscriptions::group(group)?.to_owned()),
        (None, None, true) => Recipients::Everyone,
        _ => {
            let detail =
                "say whom it is for: one of users (at least one), group, \"everyone\":true, or subscriptions";
            return Err(Problem::malformed(detail));
        }
    };
    Ok(Audience { to, except: texts(except, "except")? })
}

fn id(given: Option<&str>) -> Result<String, Problem> {
    match given {
        None => Ok(format!("{:016x}", getrandom::u64().unwrap_or_default())),
        Some(id) if is_message_id(id) => Ok(id.to_owned()),
        Some(_) => Err(Problem::malformed(PushError::Id.to_string())),
    }
}

fn message(request: &PushRequest<'_>, id: &str) -> Result<Message, Problem> {
    let PushRequest { title, body, url, icon, tag, payload, ttl_s, urgency, topic, .. } = request;
    let shown = Push {
        title: title.clone().unwrap_or_default(),
        body: body.clone().unwrap_or_default(),
        url: url.clone(),
        icon: icon.clone(),
        ttl_s: *ttl_s,
        urgency: *urgency,
        topic: topic.clone(),
        ..Push::default()
    };
    match payload {
        None => {
            shown.check().map_err(|error| Problem::malformed(error.to_string()))?;
            if let Some(tag) = tag.as_ref().filter(|tag| !is_message_id(tag)) {
                let len = tag.len();
                return Err(Problem::malformed(format!(
                    "tag: it has {len} bytes, 1 to {MESSAGE_ID_BYTES_MAX} without control characters are allowed"
                )));
            }
            Ok(notification(id, &shown, tag.as_deref())?)
        }
        Some(payload)
            if title.is_none() && body.is_none() && url.is_none() && icon.is_none() && tag.is_none() =>
        {
            // What holds for the rest holds here.
            let checked = Push { title: "-".into(), ..shown };
            checked.check().map_err(|error| Problem::malformed(error.to_string()))?;
            let text: Option<String> = serde_json::from_str(payload.get()).ok();
            let payload = text.unwrap_or_else(|| payload.get().to_owned());
            let treatment = Treatment { ttl_s: *ttl_s, urgency: *urgency, topic: topic.as_deref() };
            Ok(treatment.of(Message::new(payload)?, id)?)
        }
        Some(_) => {
            Err(Problem::malformed("payload is in place of title, body, url, icon and tag: leave these away"))
        }
    }
}
