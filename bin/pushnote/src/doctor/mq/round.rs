//! Whether what is published at one end arrives at the other.

use std::time::Duration;

use pushnote_zmtp::{Endpoint, Options, Publisher, Subscriber};
use tokio::time::{Instant, interval, timeout};

use super::look::Look;
use crate::doctor::report::Fault;

const CHECK: &str = "end to end";
/// Whether the relay knows of our subscription cannot be seen: what is lost before it does is sent again.
const AGAIN: Duration = Duration::from_millis(100);

/// Publishes at `sub` what is for nobody, and returns how long it took to arrive at `pub`.
pub(super) async fn trip(sub: &Endpoint, r#pub: &Endpoint, look: &Look) -> Result<Duration, Fault> {
    let nonce = nonce().map_err(|error| Fault::unavailable(CHECK, format!("no random bytes: {error}")))?;
    // A server parses it and finds no user; nobody else's subscription is as narrow as ours.
    let begin = format!(r#"{{"name":"notify","data":"pushnote-doctor-{nonce}-"#);
    let topics = vec![begin.clone().into()];
    let mut subscriber = Subscriber::connect(r#pub.clone(), Options { topics, ..look.options.clone() });
    let publisher = Publisher::connect(sub.clone(), look.options.clone());
    if timeout(look.timeout, publisher.subscribed()).await.is_err() {
        let text = format!(
            "nothing is subscribed to at {sub} within {:?}: what is published there goes nowhere",
            look.timeout
        );
        return Err(Fault::unavailable(CHECK, text));
    }
    let (mut sent, mut again) = (Vec::new(), interval(AGAIN));
    let arrived = timeout(look.timeout, async {
        loop {
            tokio::select! {
                message = subscriber.recv() => {
                    let message = message?.into_single().ok()?;
                    let number = std::str::from_utf8(message.get(begin.len()..)?).ok()?.split('"').next()?;
                    return sent.get(number.parse::<usize>().ok()?).map(Instant::elapsed);
                }
                _ = again.tick() => {
                    let envelope = format!(r#"{begin}{}","users":[]}}"#, sent.len());
                    if publisher.try_send(envelope).is_ok() {
                        sent.push(Instant::now());
                    }
                }
            }
        }
    });
    arrived.await.ok().flatten().ok_or_else(|| {
        let text = format!(
            "published at {sub}, and nothing came at {} within {:?}: are both ends of the same pushnote-mq?",
            r#pub, look.timeout
        );
        Fault::setting(CHECK, text)
    })
}

fn nonce() -> Result<String, getrandom::Error> {
    Ok(format!("{:016x}", getrandom::u64()?))
}
