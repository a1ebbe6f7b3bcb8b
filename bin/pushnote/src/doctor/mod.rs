//! `pushnote doctor`: looks at a set-up from outside, as an application, a server or a browser would.

mod args;
mod mq;
mod page;
mod report;
mod whole;

pub(crate) use args::DoctorArgs;
use pushnote_cli::Failure;
use tokio::signal::unix::{SignalKind, signal};

use self::report::Report;

pub(crate) fn run(args: &DoctorArgs) -> Result<(), Failure> {
    let look = mq::look(args)?;
    let mut page = args.page.url.as_ref().map(|url| page::Page::new(url, args)).transpose()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::system(format!("cannot start: {error}")))?;
    let mut report = Report::new(page.as_ref().and_then(page::Page::token));
    let is_whole = runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())
            .map_err(|error| Failure::system(format!("cannot handle signals: {error}")))?;
        tokio::select! {
            () = examine(args, &look, page.as_mut(), &mut report) => Ok(true),
            _ = interrupt.recv() => Ok(false),
        }
    });
    // A name that the system is still looking for is not waited for.
    runtime.shutdown_background();
    if is_whole? { report.result() } else { Err(report.interrupted()) }
}

async fn examine(args: &DoctorArgs, look: &mq::Look, page: Option<&mut page::Page>, report: &mut Report) {
    let Some(page) = page else { return mq::examine(args, look, report).await };
    if args.mq_sub.is_some() || args.mq_pub.is_some() {
        mq::examine(args, look, report).await;
    }
    page.examine(report).await;
    if let (Some(sub), true) = (&args.mq_sub, report.is_sound()) {
        whole::examine(sub, look, page, report).await;
    }
}
