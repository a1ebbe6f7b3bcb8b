//! Users whom the application wants to be gone.

use std::sync::Arc;
use std::time::Duration;

use pushnote_core::{Asked, CloseCode, CurrentVerifier, Subject, TooManyRevoked, UserId};
use pushnote_hub::Hub;
use pushnote_net::{LogOnce, unix_now};
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

    /// Does what is asked about a user; what is to be remembered over a restart is written later.
    pub(crate) fn expel(&self, user: &UserId, asked: Asked) {
        match self.begin(user, asked) {
            Ok(()) => {
                if let (Some(keeper), Asked::Revoke { until }) = (self.keeper.clone(), asked) {
                    let user = user.clone();
                    tokio::spawn(async move { keeper.revoke(&user, until).await });
                }
            }
            Err(error) => {
                if let Some(unlogged) = self.log.due("revoke") {
                    tracing::warn!(%error, unlogged, "tokens were not revoked");
                }
            }
        }
    }

    /// Does it, and returns when it is remembered.
    ///
    /// # Errors
    ///
    /// [`TooManyRevoked`]: nothing was done.
    pub(crate) async fn expel_and_keep(&self, user: &UserId, asked: Asked) -> Result<(), TooManyRevoked> {
        self.begin(user, asked)?;
        if let (Some(keeper), Asked::Revoke { until }) = (&self.keeper, asked) {
            keeper.revoke(user, until).await;
        }
        Ok(())
    }

    fn begin(&self, user: &UserId, asked: Asked) -> Result<(), TooManyRevoked> {
        let code = match asked {
            Asked::Deliver => return Ok(()),
            Asked::Disconnect => CloseCode::Disconnected,
            Asked::Revoke { until } => {
                self.verifier.revoke(user, until)?;
                // Tokens tell seconds: one that a page gets when it hears of this must not be of the same second.
                let (hub, subject) = (self.hub.clone(), Subject::User(user.clone()));
                tokio::spawn(async move {
                    if until >= unix_now() {
                        sleep(A_SECOND).await;
                    }
                    hub.close(&subject, CloseCode::TokenExpired);
                });
                return Ok(());
            }
        };
        self.hub.close(&Subject::User(user.clone()), code);
        Ok(())
    }
}
