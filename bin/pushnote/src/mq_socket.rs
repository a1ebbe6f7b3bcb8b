//! Where applications publish, unless told otherwise.

/// Where `pushnote dev` listens for applications, and `pushnote publish` publishes.
pub(crate) const MQ_SOCKET: &str = "tcp://127.0.0.1:8002";
