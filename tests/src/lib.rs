//! What the suites share: the real binaries as processes, browsers that speak WebSocket, publishers in Python.

mod blocks;
mod browser;
mod hex;
mod http;
mod http_session;
mod launch;
mod lossy;
mod metrics;
mod page;
mod process;
mod proxy;
mod python;
pub mod requests;
mod site;

use std::io::Write;
use std::time::Duration;

pub use blocks::block_of;
pub use browser::Browser;
pub use hex::{hex, unhex};
pub use http::{Answer, ask};
pub use http_session::HttpSession;
pub use launch::{Launch, SECRET};
pub use lossy::LossyPublisher;
pub use metrics::{Metrics, sum};
pub use page::{Account, Page, Told, Transport};
pub use process::Process;
pub use proxy::Proxy;
pub use python::PythonPublisher;
pub use site::{Forwarder, Server, Single, free_endpoint, free_port, token};

/// Says that a test is skipped, and why: past the capture of output, so that tests/all counts it as that.
pub fn skipped(why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {}", why.trim());
}

/// Nothing in a suite takes this long unless it hangs.
pub const PATIENCE: Duration = Duration::from_secs(20);
