//! Flags on what is told of the forwarder.

use std::net::SocketAddr;

use pushnote_forwarder::Forwarder;
use pushnote_forwarder::metrics::Server;
use pushnote_shell::{Failure, say};

#[derive(Debug, clap::Args)]
pub(crate) struct MetricsArgs {
    /// Address for monitoring over HTTP, as in 127.0.0.1:9000: /metrics for Prometheus, with the addresses of peers,
    /// and /health; not served without it
    #[arg(long, env = "PUSHNOTE_METRICS", value_name = "ADDRESS", value_parser = address)]
    metrics: Option<SocketAddr>,
}

impl MetricsArgs {
    /// Answers from now on, if that is wanted, on a thread of its own: the relay's has better to do.
    pub(crate) fn serve(&self, forwarder: &Forwarder) -> Result<(), Failure> {
        let Some(address) = self.metrics else { return Ok(()) };
        let server = Server::bind(address, forwarder.meter())
            .map_err(|error| Failure::unavailable(format!("--metrics: {error}")))?;
        say(format_args!("metrics on http://{}/metrics", server.address()));
        let cannot_start = |error| Failure::system(format!("--metrics: cannot start: {error}"));
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(cannot_start)?;
        let answering = move || {
            if let Err(error) = runtime.block_on(server.run()) {
                tracing::error!(%error, "metrics are not served");
            }
        };
        std::thread::Builder::new().name("metrics".into()).spawn(answering).map_err(cannot_start)?;
        Ok(())
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "give an IP address and a port, as in 127.0.0.1:9000 or [::1]:9000".to_owned())
}
