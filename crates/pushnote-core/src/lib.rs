//! The domain of pushnote: envelopes, tokens, the client protocol, subscriptions; no IO, no clock.
