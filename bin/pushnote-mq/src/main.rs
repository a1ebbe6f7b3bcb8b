//! The ZeroMQ forwarder between applications and servers.
fn main() {}
