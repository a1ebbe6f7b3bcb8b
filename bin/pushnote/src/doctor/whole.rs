//! The whole way: from where an application publishes to a page.

use std::pin::pin;
use std::time::Duration;

use pushnote_zmtp::{Endpoint, Publisher};
use serde_json::json;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::mq::Look;
use super::page::Page;
use super::report::{Fault, Report};

const CHECK: &str = "to a page";
/// Whether servers have subscribed already cannot be seen: what is lost before is sent again.
const AGAIN: Duration = Duration::from_millis(100);

/// Publishes for a user that nobody is, and is a page of that user. Left out without a token for one.
pub(super) async fn examine(sub: &Endpoint, look: &Look, page: &Page, report: &mut Report) {
    let Some((user, mut session)) = page.as_nobody().await else { return };
    let publisher = Publisher::connect(sub.clone(), look.options.clone());
    let mut again = interval(AGAIN);
    again.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (started, deadline) = (Instant::now(), Instant::now() + look.timeout);
    let arrived = async {
        let _ = publisher.subscribed().await;
        // Once and for all: a poll that is begun anew has lost what came.
        let mut heard = pin!(session.hears(&user, deadline));
        loop {
            tokio::select! {
                heard = &mut heard => return heard,
                _ = again.tick() => {
                    let envelope = json!({"name": "notify", "data": user, "users": [user]});
                    let _ = publisher.try_send(envelope.to_string());
                }
            }
        }
    };
    if timeout(look.timeout, arrived).await == Ok(true) {
        let text = format!("published at {sub}, and in the page after {:.1?}", started.elapsed());
        return report.ok("both", CHECK, text);
    }
    let text = format!(
        "published at {sub} for a page's user, and nothing came there within {:?}: do the servers behind the \
         URL hear what is published there (the --mq_socket of one with --single; of others, the --pub of the pushnote-mq that \
         this is a --sub of)? Their logs tell what they refuse",
        look.timeout
    );
    report.fail("both", &Fault::setting(CHECK, text));
}
