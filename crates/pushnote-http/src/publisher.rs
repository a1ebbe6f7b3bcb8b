//! Where messages go that come in over HTTP: into this server's log, or to the forwarders that it hears.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use pushnote_core::envelope::SUBJECTS_MAX;
use pushnote_core::{Asked, Audience, Body, Push, TooManyRevoked, UserId};
use pushnote_hub::{Hub, Origin, Publication};
use pushnote_intake::Beside;
use pushnote_store::Failure;

use crate::problem::Problem;
use crate::receiver::AnyReceiver;

/// How long the forwarders may take to say that servers have it.
const ACKED_WITHIN: Duration = Duration::from_secs(5);

/// A message, parsed and within its limits.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    /// What it carries.
    pub(crate) body: Body,
    /// What the application calls it, as core's `event_name` takes it.
    pub(crate) event: Option<Box<str>>,
    /// Who is to get it.
    pub(crate) audience: Audience,
    /// What follows if no page acknowledges it, with its id.
    pub(crate) push: Option<Box<Push>>,
}

/// Publishes. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Publisher {
    route: Route,
    data_bytes_max: usize,
}

#[derive(Clone)]
enum Route {
    /// Into this server's log; messages that are to be pushed are heard of before that, as the intake's are.
    Here { hub: Hub<AnyReceiver>, heard: Arc<Beside> },
    /// To the forwarders, for all servers.
    Forwarders(Arc<pushnote::Publisher>),
    /// It hears forwarders, and was not told where they listen.
    Nowhere,
}

/// How a message was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Published {
    /// Its offset in this server's log. `None` if it went to forwarders, or is for nobody.
    pub(crate) offset: Option<u64>,
    /// As the forwarders name it, where they do.
    pub(crate) receipt: Option<pushnote::Receipt>,
}

/// Why a message was not published.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    #[error("the message's data has {len} bytes as JSON, {max} are allowed")]
    TooLong { len: usize, max: usize },
    #[error("the message names {len} users and channels, {SUBJECTS_MAX} are allowed; send several")]
    TooManySubjects { len: usize },
    #[error("it is delivered, but not kept: {0}")]
    NotKept(String),
    #[error("not published: the server has failed, and its log says how")]
    Failed,
    #[error(
        "this server hears forwarders and was not told where they take messages: set publish_to to their --sub endpoints, \
         publish there by ZeroMQ, or run it with --single"
    )]
    Nowhere,
    #[error("not published: {0}")]
    Forwarders(#[from] pushnote::PublishError),
    #[error("not published: {0}")]
    Acked(#[from] pushnote::AckError),
}

/// Why users are not gone.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExpelError {
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error(transparent)]
    Revoked(#[from] TooManyRevoked),
    #[error("done, but not kept for after a restart: {0}")]
    NotKept(#[from] Failure),
}

impl Publisher {
    /// Publishes into this server's log data of up to so many bytes.
    pub(crate) fn here(hub: Hub<AnyReceiver>, heard: Arc<Beside>, data_bytes_max: usize) -> Self {
        Self { route: Route::Here { hub, heard }, data_bytes_max }
    }

    /// Publishes to the forwarders; with none it refuses all.
    pub(crate) fn forwarders(publisher: Option<Arc<pushnote::Publisher>>, data_bytes_max: usize) -> Self {
        Self { route: publisher.map_or(Route::Nowhere, Route::Forwarders), data_bytes_max }
    }

    /// Whether messages go into this server's log, and into no other.
    pub(crate) fn is_here(&self) -> bool {
        matches!(self.route, Route::Here { .. })
    }

    /// Publishes one message, with its subjects within [`SUBJECTS_MAX`].
    ///
    /// # Errors
    ///
    /// [`PublishError`]: nobody will get it, or not as was promised.
    pub(crate) async fn publish(&self, message: Message) -> Result<Published, PublishError> {
        self.kept(self.begin(message).await?).await
    }

    /// Publishes messages in their order, without waiting for each before the next one.
    pub(crate) async fn publish_all(&self, messages: Vec<Message>) -> Vec<Result<Published, PublishError>> {
        let mut begun = Vec::with_capacity(messages.len());
        for message in messages {
            begun.push(self.begin(message).await);
        }
        let mut published = Vec::with_capacity(begun.len());
        for one in begun {
            published.push(match one {
                Ok(begun) => self.kept(begun).await,
                Err(error) => Err(error),
            });
        }
        published
    }

    /// Has the forwarders tell all servers that users are to be gone. `None` if this server is the only one.
    pub(crate) fn expel(
        &self,
        users: &[UserId],
        revoke_until: Option<u64>,
    ) -> Option<Result<(), PublishError>> {
        match &self.route {
            Route::Here { .. } => None,
            Route::Forwarders(publisher) => {
                Some(publisher.expel(users, revoke_until).map_err(PublishError::from))
            }
            Route::Nowhere => Some(Err(PublishError::Nowhere)),
        }
    }

    /// Has the forwarders tell all servers that users have acknowledged a message. If this server is the only one, nobody has to
    /// be told.
    pub(crate) fn acknowledge(&self, message: &str, users: &[UserId]) -> Result<(), PublishError> {
        match &self.route {
            Route::Here { .. } => Ok(()),
            Route::Forwarders(publisher) => Ok(publisher.acknowledge(message, users)?),
            Route::Nowhere => Err(PublishError::Nowhere),
        }
    }

    /// Gives it its place among the others.
    async fn begin(&self, message: Message) -> Result<Published, PublishError> {
        let (len, max) = (message.body.data.len(), self.data_bytes_max);
        if len > max {
            return Err(PublishError::TooLong { len, max });
        }
        let len = message.audience.subjects().len();
        if len > SUBJECTS_MAX {
            return Err(PublishError::TooManySubjects { len });
        }
        match &self.route {
            Route::Here { .. } if message.audience.is_empty() => {
                Ok(Published { offset: None, receipt: None })
            }
            Route::Here { hub, heard } => {
                let Message { body, event, audience, push } = message;
                let publication = Publication::new(body, event, audience).with_push(push);
                let waiting = publication.push().and_then(|_| heard(&publication, Asked::Deliver));
                if let Some(waiting) = waiting {
                    waiting.await;
                }
                // It comes from none of the sources that the intake hears: their places stay what they are.
                let offset =
                    hub.publish(publication, Origin::default()).await.map_err(|_| PublishError::Failed)?;
                Ok(Published { offset: Some(offset), receipt: None })
            }
            Route::Forwarders(publisher) => forward(publisher, message).await,
            Route::Nowhere => Err(PublishError::Nowhere),
        }
    }

    /// Published is what is kept, where anything is. The next message does not wait for that.
    async fn kept(&self, published: Published) -> Result<Published, PublishError> {
        match &self.route {
            Route::Here { hub, .. } if hub.keeps() && published.offset.is_some() => {
                hub.kept(published.offset).await.map_err(PublishError::NotKept)?;
            }
            _ => {}
        }
        Ok(published)
    }
}

/// Sends it, and waits for the receipt where the forwarders give them.
async fn forward(publisher: &pushnote::Publisher, message: Message) -> Result<Published, PublishError> {
    let Message { body, event, audience, push } = message;
    if !publisher.is_acked() {
        publisher.publish_body(&body, &audience, event.as_deref(), push.as_deref())?;
        return Ok(Published { offset: None, receipt: None });
    }
    let sent = publisher
        .publish_body_acked(&body, &audience, event.as_deref(), push.as_deref(), ACKED_WITHIN)
        .await?;
    Ok(Published { offset: None, receipt: Some(sent) })
}

impl From<ExpelError> for Problem {
    fn from(error: ExpelError) -> Self {
        match error {
            ExpelError::Publish(error) => error.into(),
            ExpelError::Revoked(_) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_revoked", error.to_string())
            }
            ExpelError::NotKept(_) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "not_kept", error.to_string())
            }
        }
    }
}

impl From<PublishError> for Problem {
    fn from(error: PublishError) -> Self {
        let (status, kind) = match &error {
            PublishError::TooLong { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "data_too_long"),
            PublishError::TooManySubjects { .. } => (StatusCode::BAD_REQUEST, "too_many_subjects"),
            PublishError::Nowhere => (StatusCode::SERVICE_UNAVAILABLE, "nowhere_to_publish"),
            PublishError::NotKept(_) => (StatusCode::SERVICE_UNAVAILABLE, "not_kept"),
            PublishError::Failed => (StatusCode::SERVICE_UNAVAILABLE, "failed"),
            PublishError::Forwarders(_) | PublishError::Acked(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "forwarders_unavailable")
            }
        };
        Self::new(status, kind, error.to_string())
    }
}
