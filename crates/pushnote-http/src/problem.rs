//! What is wrong with a request, as RFC 9457 has it.

use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use pushnote_webpush::{AddError, MessageError};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::keys::Denied;
use crate::front::{Body, whole};
use crate::push::{NothingSent, PushError};

/// Seconds after which a client may try again what failed for want of something here.
const RETRY_AFTER_S: &str = "1";

/// A problem (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// Names the kind of problem; the same for ever.
    #[schema(example = "urn:pushnote:problem:key_unknown")]
    r#type: String,
    /// What kind of problem it is, in words.
    title: &'static str,
    /// The status code of the answer.
    status: u16,
    /// What is wrong with this request, and what to do.
    detail: String,
    /// The same request may succeed a moment later.
    #[serde(skip)]
    passes: bool,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, kind: &str, detail: impl Into<String>) -> Self {
        Self {
            r#type: format!("urn:pushnote:problem:{kind}"),
            title: status.canonical_reason().unwrap_or("Problem"),
            status: status.as_u16(),
            detail: detail.into(),
            passes: status == StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Says when to try again.
    pub(crate) fn that_passes(self) -> Self {
        Self { passes: true, ..self }
    }

    /// A request that is not understood.
    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", detail)
    }

    /// Says in which part of the request it is.
    pub(crate) fn within(self, part: &str) -> Self {
        Self { detail: format!("{part}: {}", self.detail), ..self }
    }

    /// The answer that a request gets which has this problem.
    pub(crate) fn answer(status: StatusCode, kind: &str, detail: &str) -> Response<Body> {
        Self::new(status, kind, detail).into_response()
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        // Text and numbers always serialise.
        let mut response = Response::new(whole(serde_json::to_vec(&self).unwrap_or_default()));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == 401 {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.passes {
            headers.insert(RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_S));
        }
        response
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        let (status, kind) = match denied {
            Denied::KeyMissing => (StatusCode::UNAUTHORIZED, "key_missing"),
            Denied::KeyUnknown => (StatusCode::UNAUTHORIZED, "key_unknown"),
            Denied::RightMissing(_) => (StatusCode::FORBIDDEN, "right_missing"),
            Denied::OtherChannels => (StatusCode::FORBIDDEN, "other_channels"),
        };
        Self::new(status, kind, denied.to_string())
    }
}

impl From<PushError> for Problem {
    fn from(error: PushError) -> Self {
        let (status, kind) = match &error {
            PushError::Forbidden(_) => (StatusCode::BAD_REQUEST, "service_refused"),
            PushError::NothingSent(NothingSent::Busy(full)) if full.is_of_key() => {
                return Self::new(StatusCode::TOO_MANY_REQUESTS, "key_busy", error.to_string()).that_passes();
            }
            PushError::NothingSent(NothingSent::Busy(_)) => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
            PushError::Add(AddError::User | AddError::Group) => (StatusCode::BAD_REQUEST, "malformed"),
            PushError::Add(AddError::UserFull { .. } | AddError::AddressFull { .. }) => {
                (StatusCode::TOO_MANY_REQUESTS, "too_many_subscriptions")
            }
            PushError::Add(AddError::Store(_))
            | PushError::NotKept(_)
            | PushError::NothingSent(NothingSent::NotKept(_)) => {
                (StatusCode::SERVICE_UNAVAILABLE, "not_kept")
            }
            PushError::Message(error) => return (*error).into(),
        };
        Self::new(status, kind, error.to_string())
    }
}

impl From<MessageError> for Problem {
    fn from(error: MessageError) -> Self {
        let (status, kind) = match error {
            MessageError::TooLong { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "payload_too_long"),
            MessageError::Topic | MessageError::Urgency => (StatusCode::BAD_REQUEST, "malformed"),
        };
        Self::new(status, kind, error.to_string())
    }
}
