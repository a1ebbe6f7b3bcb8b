//! How a publisher is told what it needs to know.

use std::sync::Arc;
use std::time::Duration;

use pushnote_zmtp::curve::{PublicKey, SecretKey};
use pushnote_zmtp::{Endpoint, Options, Security};

use crate::acks::Acks;
use crate::detached::Detached;
use crate::driver::Driver;
use crate::error::{BuildError, Endpoints};
use crate::limits::{FOREVER, Limits};
use crate::publisher::Publisher;

/// More often would be traffic for its own sake.
const HEARTBEAT_INTERVAL_MIN: Duration = Duration::from_millis(100);

/// Settings of a [`Publisher`]. All but the endpoint have defaults.
#[derive(Debug, Clone)]
#[must_use]
pub struct PublisherBuilder {
    endpoints: Vec<Endpoint>,
    ack_endpoints: Vec<Endpoint>,
    queue_messages_max: usize,
    queue_bytes_max: usize,
    message_bytes_max: usize,
    subscriber_timeout: Duration,
    linger: Duration,
    options: Options,
}

impl Publisher {
    /// A publisher with other settings than the global one's.
    pub fn builder() -> PublisherBuilder {
        PublisherBuilder::new()
    }
}

impl PublisherBuilder {
    fn new() -> Self {
        Self {
            endpoints: Vec::new(),
            ack_endpoints: Vec::new(),
            queue_messages_max: 10_000,
            queue_bytes_max: 8 * 1024 * 1024,
            message_bytes_max: pushnote_core::Limits::default().message_bytes_max,
            subscriber_timeout: FOREVER,
            linger: Duration::from_secs(1),
            options: Options::default(),
        }
    }

    /// Where to connect to: what `pushnote-mq --sub` or `pushnote-server --single --mq_socket` listens on. Several,
    /// with commas between them or in several calls, each get every message: servers that hear two forwarders take it
    /// once, and lose nothing when one of them is lost.
    ///
    /// # Errors
    ///
    /// [`BuildError::Endpoint`] if one is not `tcp://host:port` or `ipc://path`, [`BuildError::Http`] if it is a URL.
    pub fn endpoint(mut self, endpoints: &str) -> Result<Self, BuildError> {
        parse_into(&mut self.endpoints, endpoints)?;
        Ok(self)
    }

    /// Where to send messages that are to be acknowledged: what `pushnote-mq --ack` or `pushnote-server --single --ack`
    /// listens on. Several as with [`PublisherBuilder::endpoint`].
    ///
    /// # Errors
    ///
    /// [`BuildError::Endpoint`] if one is not `tcp://host:port` or `ipc://path`, [`BuildError::Http`] if it is a URL.
    pub fn ack_endpoint(mut self, endpoints: &str) -> Result<Self, BuildError> {
        parse_into(&mut self.ack_endpoints, endpoints)?;
        Ok(self)
    }

    /// Messages that may wait to be written. Default 10,000.
    pub fn queue_messages_max(mut self, messages: usize) -> Self {
        self.queue_messages_max = messages;
        self
    }

    /// Bytes of the messages that may wait to be written. Default 8 MiB.
    pub fn queue_bytes_max(mut self, bytes: usize) -> Self {
        self.queue_bytes_max = bytes;
        self
    }

    /// Bytes of one message's data, as JSON: what the servers take. Default 64 KiB, as theirs.
    pub fn message_bytes_max(mut self, bytes: usize) -> Self {
        self.message_bytes_max = bytes;
        self
    }

    /// How long messages are held when none can be written, because there is no connection, nobody there has
    /// subscribed, or nobody takes anything. It counts from when the first was queued, or from when the last one was
    /// written if that is later. Then all that wait are given up. Default: never, so that they wait until the queue is
    /// full; a year at most.
    pub fn subscriber_timeout(mut self, timeout: Duration) -> Self {
        self.subscriber_timeout = timeout.min(FOREVER);
        self
    }

    /// How long dropping the publisher may block to write what still waits. Default 1 s.
    pub fn linger(mut self, linger: Duration) -> Self {
        self.linger = linger.min(FOREVER);
        self
    }

    /// The shortest and the longest delay before connecting again. Default 100 ms and 1 s.
    pub fn backoff(mut self, min: Duration, max: Duration) -> Self {
        self.options.backoff_min = min;
        self.options.backoff_max = max;
        self
    }

    /// Encrypts, and proves who publishes: the public key of the end that is connected to, and our own secret key,
    /// which that end may have to know. `pushnote keygen` makes keys. Default: neither.
    pub fn curve(mut self, server: PublicKey, secret: SecretKey) -> Self {
        self.options.security = Security::curve_client(server, secret);
        self
    }

    /// The time between heartbeats; a peer that answers none for twice as long is given up and connected to again.
    /// Default 5 s; a tenth of a second at least.
    pub fn heartbeat_interval(mut self, interval: Duration) -> Self {
        self.options.heartbeat_interval = interval.clamp(HEARTBEAT_INTERVAL_MIN, FOREVER);
        self
    }

    /// Starts the publisher's thread, which connects in the background: also when nobody is there yet.
    ///
    /// # Errors
    ///
    /// [`BuildError::NoEndpoint`]; [`BuildError::Thread`] or [`BuildError::Random`] if the system gives none.
    pub fn build(self) -> Result<Publisher, BuildError> {
        if self.endpoints.is_empty() {
            return Err(BuildError::NoEndpoint);
        }
        let endpoints = Endpoints(self.endpoints);
        let runtime = Detached::new().map_err(BuildError::Thread)?;
        let frame_bytes_max = self.options.frame_bytes_max;
        // It tells this publisher from all others, also from those of a process that was forked off this one.
        let name = format!("{:016x}", getrandom::u64().map_err(BuildError::Random)?);
        let ack_endpoints = Endpoints(self.ack_endpoints);
        let acks = Acks::new(ack_endpoints, format!("{name}-a"), &self.options, &runtime.handle());
        let options = Options { queue_bytes_max: self.queue_bytes_max, ..self.options };
        let driver = Arc::new(Driver::new(
            name,
            endpoints,
            options,
            self.queue_messages_max,
            self.subscriber_timeout,
            &runtime.handle(),
        ));
        let shared = Arc::clone(&driver);
        let thread = std::thread::Builder::new()
            .name("pushnote".into())
            .spawn(move || runtime.block_on(shared.run()))
            .map_err(BuildError::Thread)?;
        let limits = Limits { message_bytes_max: self.message_bytes_max, frame_bytes_max };
        Ok(Publisher::new(driver, acks, thread, limits, self.linger))
    }
}

fn parse_into(endpoints: &mut Vec<Endpoint>, text: &str) -> Result<(), BuildError> {
    for endpoint in text.split(',').map(str::trim) {
        if endpoint.starts_with("http://") || endpoint.starts_with("https://") {
            return Err(BuildError::Http);
        }
        endpoints.push(endpoint.parse()?);
    }
    Ok(())
}
