//! `pushnote doctor`: looks at a ZeroMQ set-up from outside, as an application and a server would.

mod args;
mod end;
mod look;
mod remedy;
mod report;
mod round;

pub(crate) use args::DoctorArgs;
use pushnote_cli::{Failure, client_keys};
use pushnote_zmtp::handshake::SocketType;
use pushnote_zmtp::{Options, Security};

use self::end::End;
use self::look::Look;
use self::report::Report;

pub(crate) fn run(args: &DoctorArgs) -> Result<(), Failure> {
    let keys = client_keys(&args.connect, &args.key)?;
    let key = keys.as_ref().map(|(_, secret)| secret.public_key());
    let security = keys.map_or(Security::Null, |(server, secret)| Security::curve_client(server, secret));
    let options = Options { security, handshake_timeout: args.timeout, resume: false, ..Options::default() };
    let look = Look { options, key, timeout: args.timeout };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::system(format!("cannot start: {error}")))?;
    let mut report = Report::default();
    runtime.block_on(examine(args, &look, &mut report));
    // A name that the system is still looking for is not waited for.
    runtime.shutdown_background();
    report.result()
}

async fn examine(args: &DoctorArgs, look: &Look, report: &mut Report) {
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
