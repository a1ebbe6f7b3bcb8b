//! SockJS without IO: frames, escaping, the session machine, routes.
