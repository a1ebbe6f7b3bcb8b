//! RFC 6455 without IO, and a socket that writes from where the message is.
