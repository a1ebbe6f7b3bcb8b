//! Settings of what a client may take, and how long things last.

use pushnote_core::{Limits, LimitsError};

use crate::values::{bytes, count, whole_seconds};

#[expect(missing_docs, reason = "a doc comment here would take the place of the program's own in its help")]
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitArgs {
    /// Most TCP connections of browsers at once (100000, or fewer where the limit of open files is lower); each stream of
    /// HTTP/2 counts as one more
    #[arg(long, env = "PUSHNOTE_CONNECTIONS_MAX", value_name = "N", value_parser = count::<usize>)]
    pub connections_max: Option<usize>,

    /// Most TCP connections from one address at once, counted likewise; no limit without it. Leave it unset behind a proxy, whose
    /// connections all have its own address, also where --trusted-proxy names it: it would be for all browsers together
    #[arg(long, env = "PUSHNOTE_CONNECTIONS_PER_IP_MAX", value_name = "N", value_parser = count::<usize>)]
    pub connections_per_ip_max: Option<usize>,

    /// Most sessions over HTTP that one address opens within a second, and most messages that it sends to sessions that
    /// are not there, and most requests for Web Push; behind a proxy this is for all browsers together, unless --trusted-proxy
    /// names it
    #[arg(long, env = "PUSHNOTE_SESSIONS_PER_SECOND_MAX", value_name = "N", value_parser = count::<u32>, default_value_t = Limits::default().address_sessions_per_second_max)]
    pub sessions_per_second_max: u32,

    /// Most connections of one user at once
    #[arg(long, env = "PUSHNOTE_CONNECTIONS_PER_USER_MAX", value_name = "N", value_parser = count::<usize>, default_value_t = Limits::default().connections_per_user_max)]
    pub connections_per_user_max: usize,

    /// Most users that one connection subscribes as
    #[arg(long, env = "PUSHNOTE_USERS_PER_CONNECTION_MAX", value_name = "N", value_parser = count::<usize>, default_value_t = Limits::default().users_per_connection_max)]
    pub users_per_connection_max: usize,

    /// Most channels that one connection subscribes to
    #[arg(long, env = "PUSHNOTE_CHANNELS_PER_CONNECTION_MAX", value_name = "N", value_parser = count::<usize>, default_value_t = Limits::default().channels_per_connection_max)]
    pub channels_per_connection_max: usize,

    /// Longest message that is taken from applications, in bytes
    #[arg(long, env = "PUSHNOTE_MESSAGE_BYTES_MAX", value_name = "BYTES", value_parser = bytes, default_value_t = Limits::default().message_bytes_max)]
    pub message_bytes_max: usize,

    /// Longest frame of a ZeroMQ peer, in bytes: a message with the users it is for
    #[arg(long, env = "PUSHNOTE_ZMQ_FRAME_BYTES_MAX", value_name = "BYTES", value_parser = bytes, default_value_t = Limits::default().zmq_frame_bytes_max)]
    pub zmq_frame_bytes_max: usize,

    /// Bytes of memory for the last messages: what those get who were away or are slow
    #[arg(long, env = "PUSHNOTE_LOG_BYTES_MAX", value_name = "BYTES", value_parser = bytes, default_value_t = Limits::default().log_bytes_max)]
    pub log_bytes_max: usize,

    /// Most messages that are kept so
    #[arg(long, env = "PUSHNOTE_LOG_MESSAGES_MAX", value_name = "N", value_parser = count::<usize>, default_value_t = Limits::default().log_messages_max)]
    pub log_messages_max: usize,

    /// Time for which each is kept, an hour at most
    #[arg(long, env = "PUSHNOTE_LOG_AGE", value_name = "SECONDS", value_parser = whole_seconds, default_value_t = Limits::default().log_age_s)]
    pub log_age: u64,

    /// Bytes of one streaming response before its client opens another
    #[arg(long, env = "PUSHNOTE_RESPONSE_BYTES_MAX", value_name = "BYTES", value_parser = bytes, default_value_t = Limits::default().response_bytes_max)]
    pub response_bytes_max: usize,

    /// Longest message of a browser, or body of its request, in bytes
    #[arg(long, env = "PUSHNOTE_BODY_BYTES_MAX", value_name = "BYTES", value_parser = bytes, default_value_t = Limits::default().body_bytes_max)]
    pub body_bytes_max: usize,

    /// Longest head of a request, in bytes
    #[arg(long, env = "PUSHNOTE_HEADER_BYTES_MAX", value_name = "BYTES", value_parser = bytes, default_value_t = Limits::default().header_bytes_max)]
    pub header_bytes_max: usize,

    /// Longest token, in bytes
    #[arg(long, env = "PUSHNOTE_TOKEN_BYTES_MAX", value_name = "BYTES", value_parser = bytes, default_value_t = Limits::default().token_bytes_max)]
    pub token_bytes_max: usize,

    /// Time from a connection's begin to the end of its first request's head
    #[arg(long, env = "PUSHNOTE_HANDSHAKE_TIMEOUT", value_name = "SECONDS", value_parser = whole_seconds, default_value_t = Limits::default().handshake_timeout_s)]
    pub handshake_timeout: u64,

    /// Time that an HTTP connection stays open without a request; more than a proxy in front keeps its own
    #[arg(long, env = "PUSHNOTE_KEEP_ALIVE", value_name = "SECONDS", value_parser = whole_seconds, default_value_t = Limits::default().keep_alive_s)]
    pub keep_alive: u64,

    /// Time in which a client must take something of what is sent to it
    #[arg(long, env = "PUSHNOTE_WRITE_TIMEOUT", value_name = "SECONDS", value_parser = whole_seconds, default_value_t = Limits::default().write_timeout_s)]
    pub write_timeout: u64,

    /// Time that a long poll of a stream waits for a message; less than what any proxy in front takes for idle
    #[arg(long, env = "PUSHNOTE_LONG_POLL", value_name = "SECONDS", value_parser = whole_seconds, default_value_t = Limits::default().long_poll_s)]
    pub long_poll: u64,

    /// Requests that are at the application behind (--fallback) at one time; one more is answered with 503
    #[arg(long, env = "PUSHNOTE_FALLBACK_REQUESTS_MAX", value_name = "N", value_parser = count::<usize>, default_value_t = Limits::default().fallback_requests_max)]
    pub fallback_requests_max: usize,

    /// Time in which the application behind (--fallback) must begin its answer, and longest silence within it
    #[arg(long, env = "PUSHNOTE_FALLBACK_TIMEOUT", value_name = "SECONDS", value_parser = whole_seconds, default_value_t = Limits::default().fallback_timeout_s)]
    pub fallback_timeout: u64,

    /// Time after which a browser that was sent nothing gets a heartbeat; less than what any proxy in front takes for idle
    #[arg(long, env = "PUSHNOTE_HEARTBEAT_DELAY", value_name = "SECONDS", value_parser = whole_seconds, default_value_t = Limits::default().heartbeat_delay_s)]
    pub heartbeat_delay: u64,

    /// Time that a session over HTTP waits for the next request of its client
    #[arg(long, env = "PUSHNOTE_DISCONNECT_DELAY", value_name = "SECONDS", value_parser = whole_seconds, default_value_t = Limits::default().disconnect_delay_s)]
    pub disconnect_delay: u64,
}

impl LimitArgs {
    /// All limits, with those that stand elsewhere among the settings.
    pub(crate) fn limits(&self, elsewhere: &Limits) -> Result<Limits, LimitsError> {
        let limits = Limits {
            message_bytes_max: self.message_bytes_max,
            body_bytes_max: self.body_bytes_max,
            log_bytes_max: self.log_bytes_max,
            log_messages_max: self.log_messages_max,
            log_age_s: self.log_age,
            response_bytes_max: self.response_bytes_max,
            header_bytes_max: self.header_bytes_max,
            token_bytes_max: self.token_bytes_max,
            zmq_frame_bytes_max: self.zmq_frame_bytes_max,
            zmq_peers_max: elsewhere.zmq_peers_max,
            connections_max: elsewhere.connections_max,
            // Behind a proxy every browser has the proxy's address: no limit unless one is asked for.
            connections_per_ip_max: self.connections_per_ip_max.unwrap_or(usize::MAX),
            address_sessions_per_second_max: self.sessions_per_second_max,
            address_misses_per_second_max: self.sessions_per_second_max,
            connections_per_user_max: self.connections_per_user_max,
            users_per_connection_max: self.users_per_connection_max,
            channels_per_connection_max: self.channels_per_connection_max,
            handshake_timeout_s: self.handshake_timeout,
            keep_alive_s: self.keep_alive,
            write_timeout_s: self.write_timeout,
            long_poll_s: self.long_poll,
            fallback_requests_max: self.fallback_requests_max,
            fallback_timeout_s: self.fallback_timeout,
            heartbeat_delay_s: self.heartbeat_delay,
            disconnect_delay_s: self.disconnect_delay,
            drain_deadline_s: elsewhere.drain_deadline_s,
        };
        limits.validate()?;
        Ok(limits)
    }
}
