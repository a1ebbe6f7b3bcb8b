//! Fan-out: shards, receivers, engines.
