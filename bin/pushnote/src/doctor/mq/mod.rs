//! The ZeroMQ ends of a set-up, as an application and a server see them.

mod end;
mod look;
mod remedy;
mod round;

use pushnote_cli::{Failure, client_keys};
use pushnote_zmtp::handshake::SocketType;
use pushnote_zmtp::{Options, Security};

use super::args::DoctorArgs;
use super::report::Report;
use end::End;
pub(super) use look::Look;

/// How the ends are looked at, with the keys that the flags name.
pub(super) fn look(args: &DoctorArgs) -> Result<Look, Failure> {
    let keys = client_keys(&args.connect, &args.key)?;
    let key = keys.as_ref().map(|(_, secret)| secret.public_key());
    let security = keys.map_or(Security::Null, |(server, secret)| Security::curve_client(server, secret));
    let options = Options { security, handshake_timeout: args.timeout, resume: false, ..Options::default() };
    Ok(Look { options, key, timeout: args.timeout })
}

pub(super) async fn examine(args: &DoctorArgs, look: &Look, report: &mut Report) {
    let sub = args.mq_sub.as_ref().map(|endpoint| End::new("sub", "--mq-sub", endpoint, SocketType::Sub));
    let r#pub = args.mq_pub.as_ref().map(|endpoint| End::new("pub", "--mq-pub", endpoint, SocketType::Pub));
    if sub.is_none() && r#pub.is_none() {
        End::either("mq", "--mq", &args.mq).is_sound(look, report).await;
        return;
    }
    let mut sound = true;
    for end in sub.iter().chain(&r#pub) {
        sound &= end.is_sound(look, report).await;
    }
    if let (Some(sub), Some(r#pub), true) = (sub, r#pub, sound) {
        match round::trip(sub.endpoint, r#pub.endpoint, look).await {
            Ok(time) => report.ok("both", "end to end", format_args!("published, and arrived in {time:.1?}")),
            Err(fault) => report.fail("both", &fault),
        }
    }
}
