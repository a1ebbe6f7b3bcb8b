//! SUB to PUB over bytes: the relay behind pushnote-mq.
