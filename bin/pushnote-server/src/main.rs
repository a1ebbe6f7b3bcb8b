//! Serves browsers by SockJS and WebSocket.
fn main() {}
