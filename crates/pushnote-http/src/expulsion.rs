//! Users whom the application wants to be gone.

use std::sync::Arc;
use std::time::Duration;

use pushnote_core::{Asked, CloseCode, CurrentVerifier, Subject, TooManyRevoked, UserId};
use pushnote_hub::Hub;
use pushnote_net::{LogOnce, unix_now};
use pushnote_store::Failure;
use tokio::time::sleep;

use crate::kept::Keeper;
use crate::receiver::AnyReceiver;

/// What a token's time is told in.
const A_SECOND: Duration = Duration::from_secs(1);

/// Ends connections and tokens of users at this server.
pub(crate) struct Expulsion {
    hub: Hub<AnyReceiver>,
    verifier: Arc<CurrentVerifier>,
    keeper: Option<Arc<Keeper>>,
    log: LogOnce,
}

impl Expulsion {
    pub(crate) fn new(
        hub: Hub<AnyReceiver>,
        verifier: Arc<CurrentVerifier>,
        keeper: Option<Arc<Keeper>>,
    ) -> Self {
        Self { hub, verifier, keeper, log: LogOnce::new() }
    }

    /// Does what is asked about a user. What it gives ends when that is remembered over a restart, as far as it is to be.
    ///
    /// # Errors
    ///
    /// [`TooManyRevoked`]: nothing was done.
    pub(crate) fn expel(
        &self,
        user: &UserId,
        asked: Asked,
    ) -> Result<impl Future<Output = Result<(), Failure>> + Send + use<>, TooManyRevoked> {
        let subject = Subject::User(user.clone());
        let until = match asked {
            Asked::Deliver | Asked::Acknowledge => None,
            Asked::Disconnect => {
                self.hub.close(&subject, CloseCode::Disconnected);
                None
            }
            Asked::Revoke { until } => {
                let holds = self.verifier.revoke(user, until)?;
                // Tokens tell seconds: one that a page gets when it hears of this must not be of the same second.
                let pause = if until >= unix_now() { A_SECOND } else { Duration::ZERO };
                let hub = self.hub.clone();
                tokio::spawn(async move {
                    sleep(pause).await;
                    hub.close(&subject, CloseCode::TokenExpired);
                });
                Some(holds)
            }
        };
        let (keeper, user) = (self.keeper.clone(), user.clone());
        Ok(async move {
            match (keeper, until) {
                (Some(keeper), Some(until)) => keeper.revoke(&user, until).await,
                _ => Ok(()),
            }
        })
    }

    /// The same, of a message from a forwarder or an application: nobody waits for an answer.
    pub(crate) fn expel_unanswered(&self, user: &UserId, asked: Asked) {
        match self.expel(user, asked) {
            Ok(kept) => {
                // The store logs what is wrong.
                tokio::spawn(kept);
            }
            Err(error) => {
                if let Some(unlogged) = self.log.due("revoke") {
                    tracing::warn!(%error, unlogged, "tokens were not revoked");
                }
            }
        }
    }
}
