//! Every bound, in one place.

/// What a forwarder keeps of the last messages, in bytes: what a server misses while its link is down for a second, at
/// 100,000 messages of 128 bytes.
pub const HISTORY_BYTES_MAX: usize = 16 << 20;

/// What the server takes, keeps and waits for, at most. Each is configurable; [`Limits::validate`] finds what
/// cannot work together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Payload of one message (an envelope's `data`), in bytes.
    pub message_bytes_max: usize,
    /// Request body of the SockJS sends, in bytes.
    pub body_bytes_max: usize,
    /// What is kept for those who are slow, or come back: memory, in bytes, with everything that belongs to a message.
    pub log_bytes_max: usize,
    /// The same in messages.
    pub log_messages_max: usize,
    /// How long a message is kept, in seconds.
    pub log_age_s: u64,
    /// Length of a streaming response before SockJS ends it and its client opens another, in bytes.
    pub response_bytes_max: usize,
    /// Head of an HTTP request, in bytes.
    pub header_bytes_max: usize,
    /// Token, in bytes.
    pub token_bytes_max: usize,
    /// Frame from a ZeroMQ peer, in bytes.
    pub zmq_frame_bytes_max: usize,
    /// ZeroMQ peers connected to one socket.
    pub zmq_peers_max: usize,
    /// Connections in total.
    pub connections_max: usize,
    /// Connections of one address.
    pub connections_per_ip_max: usize,
    /// New sessions over HTTP from one address within a second; behind a proxy all browsers may have its address.
    pub address_sessions_per_second_max: u32,
    /// Messages from one address for sessions that are not there, within a second.
    pub address_misses_per_second_max: u32,
    /// Connections of one user.
    pub connections_per_user_max: usize,
    /// Users that one connection may subscribe as.
    pub users_per_connection_max: usize,
    /// Channels that one connection may subscribe to.
    pub channels_per_connection_max: usize,
    /// From accepting a connection to the end of its request's head, in seconds.
    pub handshake_timeout_s: u64,
    /// How long an HTTP connection without a request stays open, in seconds: longer than a proxy in front keeps it
    /// (nginx: 60), so that none sends a request into a connection that closes.
    pub keep_alive_s: u64,
    /// How long a client may take nothing of what is sent to it, in seconds.
    pub write_timeout_s: u64,
    /// How long a long poll waits for a message, in seconds.
    pub long_poll_s: u64,
    /// Requests that are at the application behind (the fallback) at one time.
    pub fallback_requests_max: usize,
    /// How long the application behind may take to begin its answer, and be silent within it, in seconds.
    pub fallback_timeout_s: u64,
    /// Between SockJS heartbeats, in seconds.
    pub heartbeat_delay_s: u64,
    /// How long a SockJS session without a request waits for its client, in seconds.
    pub disconnect_delay_s: u64,
    /// From the signal to stop to the end, for whatever is still open, in seconds.
    pub drain_deadline_s: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes_max: 64 * 1024,
            body_bytes_max: 128 * 1024,
            log_bytes_max: 64 * 1024 * 1024,
            log_messages_max: 1_000_000,
            log_age_s: 60 * 60,
            response_bytes_max: 128 * 1024,
            header_bytes_max: 16 * 1024,
            token_bytes_max: 4 * 1024,
            zmq_frame_bytes_max: 1024 * 1024,
            zmq_peers_max: 1024,
            connections_max: 100_000,
            connections_per_ip_max: 1_000,
            address_sessions_per_second_max: 1_000,
            address_misses_per_second_max: 1_000,
            connections_per_user_max: 100,
            users_per_connection_max: 8,
            channels_per_connection_max: 128,
            handshake_timeout_s: 10,
            keep_alive_s: 75,
            write_timeout_s: 30,
            long_poll_s: 20,
            fallback_requests_max: 1_000,
            fallback_timeout_s: 60,
            heartbeat_delay_s: 25,
            disconnect_delay_s: 5,
            drain_deadline_s: 30,
        }
    }
}

/// Limits that cannot work. `name` and `floor_name` are fields of [`Limits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LimitsError {
    /// Nothing would get through.
    #[error("limit {name} is 0; it must be at least 1")]
    Zero {
        /// Which.
        name: &'static str,
    },
    /// What one limit lets in, another could not hold.
    #[error("limit {name} is {value}; it must be at least {floor_name}, which is {floor}")]
    Below {
        /// Which is too small.
        name: &'static str,
        /// Its value.
        value: usize,
        /// Which it must reach.
        floor_name: &'static str,
        /// The value of that.
        floor: usize,
    },
}

impl Limits {
    /// Checks that every limit lets something through and that what one lets in, the next can hold.
    ///
    /// # Errors
    ///
    /// [`LimitsError`] that names the first limit that is wrong.
    pub fn validate(&self) -> Result<(), LimitsError> {
        for (name, value) in self.numbers() {
            if value == 0 {
                return Err(LimitsError::Zero { name });
            }
        }
        let message = ("message_bytes_max", self.message_bytes_max);
        for (name, value) in
            [("log_bytes_max", self.log_bytes_max), ("zmq_frame_bytes_max", self.zmq_frame_bytes_max)]
        {
            if value < message.1 {
                return Err(LimitsError::Below { name, value, floor_name: message.0, floor: message.1 });
            }
        }
        if self.body_bytes_max < self.token_bytes_max {
            return Err(LimitsError::Below {
                name: "body_bytes_max",
                value: self.body_bytes_max,
                floor_name: "token_bytes_max",
                floor: self.token_bytes_max,
            });
        }
        Ok(())
    }

    /// Every limit by name. A field that is missing here does not compile.
    fn numbers(&self) -> [(&'static str, u64); 26] {
        macro_rules! named {
            ($($field:ident),* $(,)?) => {{
                let Self { $($field),* } = *self;
                [$((stringify!($field), $field as u64)),*]
            }};
        }
        named![
            message_bytes_max,
            body_bytes_max,
            log_bytes_max,
            log_messages_max,
            log_age_s,
            response_bytes_max,
            header_bytes_max,
            token_bytes_max,
            zmq_frame_bytes_max,
            zmq_peers_max,
            connections_max,
            connections_per_ip_max,
            address_sessions_per_second_max,
            address_misses_per_second_max,
            connections_per_user_max,
            users_per_connection_max,
            channels_per_connection_max,
            handshake_timeout_s,
            keep_alive_s,
            write_timeout_s,
            long_poll_s,
            fallback_requests_max,
            fallback_timeout_s,
            heartbeat_delay_s,
            disconnect_delay_s,
            drain_deadline_s,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(Limits::default().validate(), Ok(()));
    }

    #[test]
    fn zero_lets_nothing_through() {
        let limits = Limits { token_bytes_max: 0, ..Limits::default() };
        assert_eq!(limits.validate(), Err(LimitsError::Zero { name: "token_bytes_max" }));
        let limits = Limits { drain_deadline_s: 0, ..Limits::default() };
        assert_eq!(
            limits.validate().unwrap_err().to_string(),
            "limit drain_deadline_s is 0; it must be at least 1"
        );
    }

    #[test]
    fn what_is_let_in_must_fit() {
        let message_bytes_max = 100_000;
        let large = Limits { message_bytes_max, ..Limits::default() };
        assert_eq!(large.validate(), Ok(()));
        for limits in [
            Limits { log_bytes_max: 99_999, ..large.clone() },
            Limits { zmq_frame_bytes_max: 99_999, ..large.clone() },
        ] {
            let error = limits.validate().unwrap_err();
            assert!(matches!(error, LimitsError::Below { value: 99_999, floor: 100_000, .. }), "{error}");
        }
        let limits = Limits { body_bytes_max: 4095, ..Limits::default() };
        let text = "limit body_bytes_max is 4095; it must be at least token_bytes_max, which is 4096";
        assert_eq!(limits.validate().unwrap_err().to_string(), text);
    }
}
