//! A complete SockJS server for warp.
