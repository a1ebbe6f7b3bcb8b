//! The HTTP surfaces of pushnote-server.
